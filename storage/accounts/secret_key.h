// The data folder's secret.key: what lies in the database and has to be read again is sealed under it, so
// that a copy of the database alone tells no secret.
//
// On the disk: 64 hexadecimal digits and a newline, mode 0600. Whoever loses it loses the secrets of APOP,
// and the way back of reports on mail that was passed on (Srs); nothing else.
// It may lie elsewhere: systemd hands it to the service as a credential of this name (LoadCredential=), and
// then no copy or backup of the data folder holds it. The data folder then has secret.key.credential with a
// fingerprint, so that nobody who opens it without the credential, or with another one, makes a second key.
// Threads: any, once opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/auth/hmac.h"
#include "protocols/result.h"
#include "storage/folder.h"

namespace mailstead {

inline constexpr const char* kSecretKeyFile = "secret.key";
inline constexpr const char* kCredentialMark = "secret.key.credential";

class SecretKey {
 public:
  // Reads it, or makes it when it is absent. One that is no key is put aside and a new one made; `actions`
  // then tells so. `credentials` is the folder of systemd's credentials, or empty: a secret.key there counts.
  // kInvalid: there are two keys, or the one of the mark is not there, or the credential is no key. Which one
  // opens what was sealed is not to be guessed: going on with the wrong one would lose the secrets that are
  // there, and seal new ones under a key that the next start may not have.
  static Result<SecretKey> open(const DataFolder& folder, const std::string& credentials,
                                std::vector<std::string>& actions);

  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  // AES-256-GCM under a random nonce. `bound_to` has to be the same when it is unsealed: what was sealed for
  // one mailbox is not to be had from another one's row.
  std::string seal(std::string_view secret, std::string_view bound_to) const;
  // nullopt: sealed under another key, bound to something else, or damaged.
  std::optional<std::string> unseal(std::string_view sealed, std::string_view bound_to) const;

  // Octets that are the same for the same text as long as the key is, and that nobody else can tell.
  std::string derive(std::string_view text, std::size_t octets) const;  // at most 32

 private:
  using Octets = Sha256;
  explicit SecretKey(const Octets& key) : key_(key) {}

  static Result<std::optional<SecretKey>> of_credential(const std::string& credentials);
  static Result<std::optional<SecretKey>> of_file(const DataFolder& folder,
                                                  std::vector<std::string>& actions);
  static Result<SecretKey> make(const DataFolder& folder);
  // Tells nothing of the key, and is the same for the same one.
  std::string fingerprint() const;

  Octets key_;
};

}  // namespace mailstead

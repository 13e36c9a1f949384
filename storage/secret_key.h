// The data folder's secret.key: what lies in the database and has to be read again is sealed under it, so
// that a copy of the database alone tells no secret.
//
// On the disk: 64 hexadecimal digits and a newline, mode 0600. Whoever loses it loses the secrets of APOP,
// and the way back of reports on mail that was passed on (Srs); nothing else.
// Threads: any, once opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/hmac.h"
#include "protocols/result.h"
#include "storage/folder.h"

namespace mailstead {

inline constexpr const char* kSecretKeyFile = "secret.key";

class SecretKey {
 public:
  // Reads it, or makes it when it is absent. One that is no key is put aside and a new one made; `actions`
  // then tells so.
  static Result<SecretKey> open(const DataFolder& folder, std::vector<std::string>& actions);

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

  static Result<SecretKey> make(const DataFolder& folder);

  Octets key_;
};

}  // namespace mailstead

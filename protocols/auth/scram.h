// The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677): what is said, and how it is
// checked. No I/O. Threads: one at a time for an Exchange, any for the functions.
//
// Who logs in shows that he has the password and does not say it; we show that we have its keys. -PLUS binds
// both to the TLS connection (RFC 5929, 9266), so that nobody between the two can pass them on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/auth/hmac.h"
#include "protocols/smtp/envelope.h"

namespace mailstead::scram {

// RFC 7677 4 has this as the least. More would slow down who guesses passwords; these are random.
inline constexpr unsigned kIterations = 4096;
inline constexpr std::size_t kSaltOctets = 16;

using Digest = Sha256;

// What we keep of a password, RFC 5802 3. Who steals them cannot log in with them.
struct Keys {
  Digest stored{};
  Digest server{};
};

// `password` has to be ASCII without control characters: as RFC 4013 would leave it.
Keys derive_keys(std::string_view password, std::string_view salt, unsigned iterations = kIterations);

// Equal in constant time.
bool same_keys(const Keys& a, const Keys& b);

// A client's proof that it has a password.
struct Proof {
  std::string auth_message;
  Digest client_proof{};
};

// Was the proof made with the password of these keys? Then what the server says in return, 32 octets.
std::optional<std::string> check(const Proof& proof, const Keys& keys);

// What the client needs to make its proof.
struct Challenge {
  std::string salt;  // octets; for a name that nobody has, some that never change
  unsigned iterations = kIterations;
  std::string nonce;  // printable ASCII but ",", 128 random bits or more, new for each exchange
};

enum class Binding {
  kNone,      // SCRAM-SHA-256
  kRequired,  // SCRAM-SHA-256-PLUS
};

// The messages of one exchange, decoded. After an error it is over.
class Exchange {
 public:
  enum class Step { kOk, kMalformed, kNotForOthers };

  // `bindings` as in PeerFacts; null: -PLUS was not offered.
  Exchange(Binding binding, std::shared_ptr<const ChannelBindings> bindings)
      : binding_(binding), bindings_(std::move(bindings)) {}

  Step take_client_first(std::string_view message);
  // Prepared by SASLprep, as RFC 5802 5.1 wants it.
  const std::string& user() const { return user_; }
  // The server's first message.
  std::string server_first(const Challenge& challenge);
  Step take_client_final(std::string_view message);
  const Proof& proof() const { return proof_; }
  // The server's last message; `signature` is from check().
  static std::string server_final(std::string_view signature);

 private:
  bool take_binding_flag(std::string_view flag);
  bool is_bound(std::string_view given) const;

  Binding binding_;
  std::shared_ptr<const ChannelBindings> bindings_;
  std::string user_;
  std::string gs2_header_;
  std::string binding_data_;
  std::string client_first_bare_;
  std::string server_first_;
  std::string nonce_;  // the client's, later both
  Proof proof_;
};

}  // namespace mailstead::scram

// The client's side of AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, and SCRAM-SHA-256 (RFC 5802, 7677), with
// which the server shows that it has the password's keys, too. No I/O. Threads: one at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/auth/hmac.h"
#include "protocols/auth/sasl.h"

namespace mailstead::sasl {

// A server that wants less wants to guess the password (RFC 7677 4); one that wants more, our time.
inline constexpr unsigned kLeastIterations = 4096;
inline constexpr unsigned kMostIterations = 200'000;

class ClientExchange {
 public:
  // `nonce`: for SCRAM, printable ASCII without ",". kScramPlus is not had.
  ClientExchange(Mechanism mechanism, std::string user, std::string password, std::string nonce);
  ~ClientExchange();
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;

  // Why it cannot even begin: a NUL in the name, say. Empty: nothing.
  std::string_view obstacle() const;

  std::string_view mechanism_name() const;
  // What stands behind AUTH and the mechanism's name, in base64; nullopt: nothing.
  std::optional<std::string> initial_response();
  // `challenge` as it came behind 334. What is to be said, in base64; nullopt: this is no challenge of the
  // mechanism, why() says more, and "*" is to be said (RFC 4954 4).
  std::optional<std::string> respond(std::string_view challenge);
  // The server has said 235. Did it show what it has to show? Some send the last of SCRAM with the 235 (RFC
  // 4954 4 does not let them): `text` is what stands behind it.
  bool may_trust(std::string_view text);

  const std::string& why() const { return why_; }

 private:
  enum class Awaits {
    kPlain,
    kLoginUser,
    kLoginPassword,
    kScramFirst,
    kScramServerFirst,
    kScramServerFinal,
    kEnd
  };

  std::string plain_message() const;
  std::optional<std::string> scram_final(std::string_view server_first);
  bool check_signature(std::string_view server_final);
  std::optional<std::string> give_up(std::string_view why);

  Mechanism mechanism_;
  Awaits awaits_;
  std::string user_;
  std::string password_;
  std::string nonce_;
  std::string first_bare_;
  Sha256 signature_{};
  std::string why_;
};

}  // namespace mailstead::sasl

// What AUTH carries, for SMTP (RFC 4954) and POP3 (RFC 5034) alike: base64 (RFC 4648 4), and the server's
// side of PLAIN (RFC 4616) and LOGIN. No I/O; threads: one at a time for an Exchange, any for the functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::sasl {

// What is offered where passwords may be said, in the words of EHLO and CAPA.
inline constexpr std::string_view kMechanisms = "PLAIN LOGIN";
// Octets of a response line with its CRLF: RFC 4954 4; RFC 5034 4 leaves it to the mechanisms.
inline constexpr std::size_t kMaxLine = 12288 + 2;

inline constexpr std::string_view kLoginUserPrompt = "VXNlcm5hbWU6";      // "Username:"
inline constexpr std::string_view kLoginPasswordPrompt = "UGFzc3dvcmQ6";  // "Password:"

// nullopt: not base64, whole and padded.
std::optional<std::string> decode(std::string_view base64);

struct Plain {
  std::string authzid;  // empty: the same as authcid
  std::string authcid;
  std::string password;
};

// nullopt: not two NULs, or a name or password missing.
std::optional<Plain> parse_plain(std::string_view message);

// One exchange of challenges and responses, from AUTH to the name and password that it carries.
class Exchange {
 public:
  enum class Step {
    kChallenge,     // challenge() is to be said
    kCredentials,   // user() and password() are to be checked
    kUndecodable,   // not base64; the exchange is over, as with the two below
    kMalformed,     // not what the mechanism wants
    kNotForOthers,  // RFC 4616 2: asks to act for somebody else, which nobody may
  };

  // By its name, without regard to case. nullopt: not one of kMechanisms.
  static std::optional<Exchange> of(std::string_view mechanism);

  // `initial_response` as it stood in the command: empty when there was none, "=" when it was empty.
  Step begin(std::string_view initial_response);
  // A line of the client; the caller takes care of "*".
  Step respond(std::string_view line);

  std::string_view challenge() const { return challenge_; }  // base64, may be empty
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }

 private:
  enum class Awaits { kPlain, kLoginUser, kLoginPassword };
  explicit Exchange(Awaits first) : awaits_(first) {}

  Step take(std::string_view message);
  Step take_plain(std::string_view message);
  Step ask(Awaits next, std::string_view challenge);

  Awaits awaits_;
  std::string_view challenge_;
  std::string user_;
  std::string password_;
};

}  // namespace mailstead::sasl

// What AUTH carries, for SMTP (RFC 4954) and POP3 (RFC 5034) alike: the server's side of PLAIN (RFC 4616),
// LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677). No I/O; threads: one at a time for an
// Exchange, any for the functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/auth/scram.h"
#include "protocols/smtp/envelope.h"

namespace mailstead {

// Where a password may be said without TLS: to a client on the same machine, to nobody, to everybody.
enum class PlaintextAuth { kLoopback, kNever, kAlways };

// What a session asks of the server for SCRAM, of the same form in each protocol.
struct AskScramChallenge {  // answer_scram_challenge
  std::string user;
};
struct AskScramProof {  // answer_scram_proof: was it made with a password of this user?
  std::string user;
  scram::Proof proof;
};

}  // namespace mailstead

namespace mailstead::sasl {

// Octets of a response line with its CRLF: RFC 4954 4; RFC 5034 4 leaves it to the mechanisms.
inline constexpr std::size_t kMaxLine = 12288 + 2;

inline constexpr std::string_view kLoginUserPrompt = "VXNlcm5hbWU6";      // "Username:"
inline constexpr std::string_view kLoginPasswordPrompt = "UGFzc3dvcmQ6";  // "Password:"

struct Plain {
  std::string authzid;  // empty: the same as authcid
  std::string authcid;
  std::string password;
};

// nullopt: not two NULs, or a name or password missing.
std::optional<Plain> parse_plain(std::string_view message);

enum class Mechanism { kPlain, kLogin, kScram, kScramPlus };

// By its name, without regard to case.
std::optional<Mechanism> find_mechanism(std::string_view name);
// Does the client say the password itself?
bool says_password(Mechanism mechanism);

// What a client may choose from, here and now.
struct Offer {
  bool passwords = false;  // may be said: PLAIN, LOGIN, and POP3's USER
  bool scram = false;
  std::shared_ptr<const ChannelBindings> bindings;  // null: no -PLUS

  bool has(Mechanism mechanism) const;
  // In the words of EHLO and CAPA: "PLAIN LOGIN". Empty: nothing.
  std::string names() const;
};

enum class Scram { kAbsent, kAvailable };  // some mailbox has keys for it

Offer offer_to(const PeerFacts& peer, PlaintextAuth plaintext, Scram scram);

// One exchange of challenges and responses, from AUTH to its end.
class Exchange {
 public:
  enum class Step {
    kChallenge,       // challenge() is to be said
    kCredentials,     // user() and password() are to be checked
    kScramChallenge,  // begin_scram() wants what belongs to user()
    kScramProof,      // scram_proof() of user() is to be checked; if it is right, accept()
    kAccepted,        // the client has heard the server's signature: user() is logged in
    kUndecodable,     // not base64; the exchange is over, as with the two below
    kMalformed,       // not what the mechanism wants
    kNotForOthers,    // RFC 4616 2: asks to act for somebody else, which nobody may
  };

  // The offer has the mechanism.
  Exchange(Mechanism mechanism, const Offer& offer);

  // `initial_response` as it stood in the command: empty when there was none, "=" when it was empty.
  Step begin(std::string_view initial_response);
  // A line of the client; the caller takes care of "*".
  Step respond(std::string_view line);
  Step begin_scram(const scram::Challenge& challenge);
  // `signature` of scram::check().
  Step accept(std::string_view signature);

  const std::string& challenge() const { return challenge_; }  // base64, may be empty
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }
  const scram::Proof& scram_proof() const { return scram_->proof(); }

 private:
  enum class Awaits { kPlain, kLoginUser, kLoginPassword, kScramFirst, kScramFinal, kScramEnd };

  Step take(std::string_view message);
  Step take_plain(std::string_view message);
  Step take_login(std::string_view message);
  Step take_scram(std::string_view message);
  Step ask(Awaits next, std::string challenge);

  Awaits awaits_;
  std::optional<scram::Exchange> scram_;
  std::string challenge_;
  std::string user_;
  std::string password_;
};

}  // namespace mailstead::sasl

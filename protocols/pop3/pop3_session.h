// The server's side of POP3 (RFC 1939) with APOP, CAPA (2449), STLS (2595), AUTH (5034), UTF8 and LANG
// (6856), response codes (2449, 3206) and PIPELINING.
//
// One session is one connection. It pauses on an ask (see Pop3Ask) and consumes nothing until the answer.
// Memory: a command line of at most kMaxCommandLine octets; LIST, UIDL, RETR and TOP make about kOutputChunk
// octets ahead and then want kDrain; of the maildrop one page is held while something runs, and a bit for
// each message once one is deleted. Threads: one at a time. No I/O. See protocols/README.md for the states.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/auth/sasl.h"
#include "protocols/pop3/maildrop.h"
#include "protocols/pop3/pop3_texts.h"
#include "protocols/session.h"
#include "protocols/smtp/envelope.h"

namespace mailstead {

struct Pop3Options {
  std::string hostname;
  std::string version;          // for CAPA IMPLEMENTATION
  bool stls_available = false;  // a certificate is loaded and the connection began in the clear
  PlaintextAuth plaintext_auth = PlaintextAuth::kLoopback;
  sasl::Scram scram = sasl::Scram::kAbsent;
  std::string apop_timestamp;  // "<…>", new for each session; empty: nobody can use APOP (RFC 1939 7)
  std::chrono::seconds idle_timeout{600};          // after login; RFC 1939 3: at least 10 minutes
  Pop3Language language = Pop3Language::kEnglish;  // of LANG *: the administrator's choice
  std::chrono::seconds login_delay{0};             // RFC 2449 6.5; 0: none. The server enforces it
  // Days that a message stays at least, RFC 2449 6.7; nullopt: for good. The server enforces them, but for 0:
  // then QUIT deletes what RETR has sent.
  std::optional<std::uint32_t> expire_days;
};

// What the session asks of the server. After each, the matching answer_…() is called exactly once.
struct AskLogin {  // answer_login: check the password, then lock the maildrop as it is now
  std::string user;
  std::string password;
};
struct AskApop {  // answer_login: as AskLogin, by RFC 1939 7
  std::string user;
  std::string timestamp;  // of the greeting
  std::string digest;     // 32 hex digits in lower case: MD5 of the timestamp and the secret
};
struct AskMaildrop {  // answer_login: the proof of AskScramProof was right; now lock the maildrop
  std::string user;
};
struct AskPage {  // answer_page: this page of the maildrop
  std::size_t number = 0;
};
struct AskRead {  // answer_read: bytes of a message, in order, at most `length`; never past the entry's size
  std::size_t index = 0;  // message number - 1
  std::uint64_t offset = 0;
  std::size_t length = 0;
};
struct AskDelete {  // answer_delete: QUIT; delete these for good, all or nothing, durable before the answer
  std::vector<std::size_t> indices;
};
using Pop3Ask = std::variant<AskLogin, AskApop, AskScramChallenge, AskScramProof, AskMaildrop, AskPage,
                             AskRead, AskDelete>;

enum class LoginVerdict {
  kRight,
  kWrong,
  kInUse,
  kUnavailable,
  kDelayed,  // right, but sooner after the last one than LOGIN-DELAY allows
};
enum class ReadVerdict {
  kBytes,
  kGone,         // the file vanished or is not what the index says: [SYS/PERM]
  kUnavailable,  // passing trouble: [SYS/TEMP]
};

class Pop3Session final : public Session {
 public:
  Pop3Session(Pop3Options options, PeerFacts peer);
  ~Pop3Session() override;

  void start() override;
  std::size_t receive(std::string_view bytes) override;
  void drained() override;
  void tls_established(const PeerFacts& facts) override;
  void timed_out() override;
  void shut_down() override;
  Wants wants() const override;
  std::chrono::seconds patience() const override;

  // The mailbox that the session works for was removed, disabled, or got another password: as shut_down(),
  // also when it counts calls, but the farewell says so.
  void expel();

  // Only while wants() is kAnswer. The reference is good until the answer.
  Pop3Ask& ask();

  // `totals` are looked at only with kRight; they stay true while the session lives.
  void answer_login(LoginVerdict verdict, const MaildropTotals& totals = {});
  // The same for every name, known or not.
  void answer_scram_challenge(const scram::Challenge& challenge);
  // Not kInUse. With kRight `signature` is what scram::check() gave.
  void answer_scram_proof(LoginVerdict verdict, std::string_view signature);
  // Null, or not as long as the totals say: it cannot be read now, [SYS/TEMP]. Unchanged from then on.
  void answer_page(std::shared_ptr<const MaildropPage> page);
  // An empty piece before the entry's end means that the file is shorter than the index says: as kGone.
  void answer_read(ReadVerdict verdict, std::string_view bytes);
  void answer_delete(bool committed);

  // In TRANSACTION or UPDATE: the maildrop is held.
  bool logged_in() const;
  // Keys of the messages sent whole since the last call: by RETR, or by a TOP that asked for at least as many
  // lines as there are.
  std::vector<std::int64_t> take_retrieved();
  // How many they were in all, and octets of them, for the log.
  std::uint64_t retrieved_messages() const;
  std::uint64_t retrieved_octets() const;

  // For the log: what was refused since the last call, one line each, no secrets. At most kMaxRefusals are
  // kept. The verdicts of a login and an ordinary "No such message" are not among them.
  struct Refusal {
    std::string command;  // "USER", "RETR"; empty: no command of ours, or not even a line
    std::string reply;    // "-ERR …", or in brackets what was done without a word
    std::string subject;  // the name of USER, the UIDL of a message; may hold any byte
  };
  std::vector<Refusal> take_refusals();

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace mailstead

// The server's side of SMTP (RFC 5321) with PIPELINING (2920), SIZE (1870), 8BITMIME (6152),
// SMTPUTF8 (6531), REQUIRETLS (8689), CHUNKING and BINARYMIME (3030), DSN (3461), DELIVERBY (2852), LIMITS
// (9422), ENHANCEDSTATUSCODES (2034), on submission FUTURERELEASE (4865) and MT-PRIORITY (6710), STARTTLS
// (3207) and AUTH (4954, see sasl.h), for mail exchange, submission (6409, 8314) and local delivery by LMTP
// (2033).
//
// One session is one connection. It pauses on an ask (see SmtpAsk) and consumes nothing until the answer.
// Memory: a command line of at most kMaxCommandLine octets, at most kSpoolChunk octets of a message before it
// asks to spool them, replies of one batch of commands, at most about kOutputChunk octets. Threads: one at a
// time. No I/O. See protocols/README.md for the states.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/address.h"
#include "protocols/auth/sasl.h"
#include "protocols/session.h"
#include "protocols/smtp/data_reader.h"  // BareNewline
#include "protocols/smtp/envelope.h"
#include "protocols/smtp/smtp_policy.h"
#include "protocols/smtp/smtp_service.h"

namespace mailstead {

// Octets of a message that are kept in memory; more of it is asked to be spooled, a piece of this size at a
// time.
inline constexpr std::size_t kSpoolChunk = 64 * 1024;

struct SmtpOptions {
  std::string hostname;  // ours, for the greeting and the trace lines
  SmtpService service = SmtpService::kExchange;
  bool starttls_available = false;  // a certificate is loaded and the connection began in the clear
  PlaintextAuth plaintext_auth = PlaintextAuth::kLoopback;
  sasl::Scram scram = sasl::Scram::kAbsent;
  std::uint64_t message_size = 50ull << 20;  // octets, RFC 1870
  std::size_t recipients = 1000;
  BareNewline bare_newline = BareNewline::kReject;
  bool offer_binary = true;  // BINARYMIME, RFC 3030
  bool check_from = true;    // on submission: the From field names addresses of the user's
  // So long the greeting waits for who speaks before it; on port 25.
  std::chrono::seconds greeting_delay{0};
  // Octets a second that a message has to come with, over a piece of 64 KiB; 0: as slow as RFC 5321 allows.
  std::uint64_t data_rate = 0;
  PolicyStages judged = {};                // where AskPolicy is asked
  std::function<std::int64_t()> now = {};  // Unix seconds; empty: the system's clock
};

// What the session asks of the server. After each, the matching answer_…() is called exactly once. An answer
// that comes after timed_out() is ignored.
struct AskPassword {  // answer_password
  std::string user;
  std::string password;
};
struct AskSender {  // answer_sender: may `user` send with this reverse-path? (RFC 6409 6.1)
  std::string user;
  Address reverse_path;
};
struct AskRecipient {  // answer_recipient
  Address recipient;
  bool authenticated = false;
  bool is_report = false;                      // the reverse-path is null
  std::optional<std::uint64_t> declared_size;  // SIZE= of MAIL, octets: is there room for it?
};
struct AskBegin {  // answer_begin: DATA, or the first BDAT, is about to be accepted; make an identity for the
                   // message
  Envelope envelope;
};
// A message that is refused while it comes in, or whose client goes away, is never committed: what was
// spooled of it is dropped at the next AskBegin or with the session.
struct AskSpool {  // answer_spool: keep this piece of the message, it is too large for memory
  std::string bytes;
};
struct AskAuthor {  // answer_author: may `user` write in these names? (RFC 6409 6.1; of the From field, some)
  std::string user;
  std::vector<Address> authors;
};
struct AskPolicy {  // answer_policy
  PolicyStage stage = PolicyStage::kConnect;
  std::string hello;                   // what the client calls itself; empty at kConnect
  std::string user;                    // who logged in, or empty
  const Envelope* envelope = nullptr;  // the session's, good until the answer; from kSender on
  Address recipient;                   // at kRecipient
  std::string_view rest;               // at kContent, good until the answer: what was not spooled
};
struct AskCommit {  // answer_commit: the message is whole; make it durable
  std::string id;
  Envelope envelope;
  std::string rest;        // what follows the spooled pieces (all of it for a small message), CRLF line ends,
                           // unstuffed, with our Received line at the very beginning of the first piece
  std::uint64_t size = 0;  // octets in all, spooled pieces and rest
  // Address::key() of each Delivered-To line that it came with. None is one of the recipients (that was
  // refused already); a mailbox that an alias leads to may be among them: kLoop.
  std::vector<std::string> delivered_to;
  std::string tags;         // header lines of policies, for the top of the message
  bool reply_each = false;  // answer_commit() takes a verdict for each recipient
  // Of a submission: whose message it says it is. Empty: its From cannot be read.
  std::vector<Address> authors;
  bool is_converted = false;  // it is not what its sender has signed: parts were binary, line ends wrong
};
using SmtpAsk = std::variant<AskPassword, AskScramChallenge, AskScramProof, AskSender, AskRecipient, AskBegin,
                             AskSpool, AskAuthor, AskPolicy, AskCommit>;

enum class PasswordVerdict { kRight, kWrong, kUnavailable };
enum class RecipientVerdict {
  kOurs,
  kUnknown,
  kNotOurs,  // and this user may not send there
  kDisabled,
  kFull,      // 452 4.2.2
  kTooLarge,  // 552 5.2.2: a message of the declared size never fits into the mailbox
  kUnavailable,
};
enum class CommitVerdict {
  kKept,         // durable: the session says 250
  kNoSpace,      // 452 4.3.1
  kOverQuota,    // 452 4.2.2
  kTooLarge,     // 552 5.2.2: it never fits into the mailbox
  kLoop,         // 554 5.4.6
  kForged,       // 550 5.7.26 (RFC 7372): not from whom it says, and that domain wants it rejected
  kNoAuthor,     // 550 5.7.1: nobody can tell whose it is
  kAbsurd,       // 554 5.6.0: no server should pass it on
  kUnavailable,  // 451 4.3.0
};

class SmtpSession final : public Session {
 public:
  SmtpSession(SmtpOptions options, PeerFacts peer);
  ~SmtpSession() override;

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
  SmtpAsk& ask();

  // `user` is the mailbox that the password opened, as it is to stand in logs.
  void answer_password(PasswordVerdict verdict, std::string user);
  // The same for every name, known or not.
  void answer_scram_challenge(const scram::Challenge& challenge);
  // As answer_password(); with kRight `signature` is what scram::check() gave.
  void answer_scram_proof(PasswordVerdict verdict, std::string user, std::string_view signature);
  void answer_sender(bool allowed);
  void answer_recipient(RecipientVerdict verdict);
  // `id`: the queue id. `date`: RFC 5322 date-time for the Received line. An empty id refuses with 452 4.3.1.
  void answer_begin(std::string id, std::string date);
  void answer_spool(CommitVerdict verdict);
  void answer_author(bool allowed);
  void answer_policy(const PolicyVerdict& verdict);
  // One verdict for all recipients, or on LMTP, where each has its own reply, one for each recipient of the
  // ask's envelope in its order.
  void answer_commit(CommitVerdict verdict);
  void answer_commit(const std::vector<CommitVerdict>& verdicts);

  // For the log: what was refused since the last call, one line each, no secrets. At most kMaxRefusals are
  // kept.
  struct Refusal {
    std::string command;  // "RCPT", "DATA"
    std::string reply;    // "550 5.1.1 …"
    std::string subject;  // the address or parameter it was about, may hold any byte
    // Of the message that was under way: its sender, empty for the null reverse-path, and the first of its
    // recipients.
    std::string from = {};
    std::vector<std::string> to = {};
    std::string message_id = {};  // of its header, without angle brackets, as far as it was read
  };
  std::vector<Refusal> take_refusals();
  // The argument of HELO, EHLO or LHLO, and the authenticated user; empty before.
  const std::string& helo() const;
  const std::string& user() const;
  // What came of a message, or may come, is still of use.
  bool has_content() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace mailstead

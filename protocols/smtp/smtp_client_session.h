// The client's side of SMTP (RFC 5321): sends messages to another server, with STARTTLS (3207), AUTH (4954),
// PIPELINING (2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), CHUNKING (3030), DSN (3461), REQUIRETLS
// (8689), LIMITS (9422) and ENHANCEDSTATUSCODES (2034), whatever the server offers of them.
//
// The mirror image of SmtpSession, moved by the same pump. One session is one connection. What it asks:
//
//   AskTransaction   greeting, EHLO, TLS and login are done: the next message, or nothing more to send
//   AskContent       the next piece of the message, from its beginning
//   AskReport        the transaction has ended: outcomes() are complete. Next is AskTransaction, or the end
//
// What cannot get as far as the first AskTransaction ends in kClose with failure(). After the first one,
// every transaction that was answered is reported before kClose, however the session ends: also timed_out(),
// shut_down() and disconnected() lead to AskReport first when a transaction is under way.
//
// Nothing is read while content goes out (kAnswer, kDrain). A server that says in the meantime why it wants
// no more of it and closes is heard by disconnected().
//
// Memory: one reply (reply_reader.h), at most kMaxUnanswered commands without a reply and kCommandOctets of
// them not taken, one piece of the message with its dots, the envelope and its outcomes. Threads: one at a
// time. No I/O. See protocols/README.md for the states.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocols/session.h"
#include "protocols/smtp/envelope.h"
#include "protocols/smtp/reply_reader.h"
#include "protocols/smtp/smtp_extensions.h"

namespace mailstead {

// RFC 5321 4.5.3.2: how long a client has to wait at least.
struct SmtpClientPatience {
  static constexpr std::chrono::minutes kGreeting{5};
  static constexpr std::chrono::minutes kCommand{5};  // EHLO, AUTH, MAIL, RCPT, RSET
  static constexpr std::chrono::minutes kData{2};     // DATA's 354
  static constexpr std::chrono::minutes kBlock{3};    // a piece of content
  static constexpr std::chrono::minutes kEnd{10};     // the reply to the message
  static constexpr std::chrono::seconds kHandshake{30};
  static constexpr std::chrono::seconds kQuit{20};  // our own: nothing depends on it any more
};

// RFC 2920 3.1: both sides must not wait for each other with full buffers. The replies to so many commands
// fit into any window.
inline constexpr std::size_t kMaxUnanswered = 100;
inline constexpr std::size_t kCommandOctets = 16 * 1024;

struct SmtpClientLogin {
  std::string user;
  std::string password;
  // For SCRAM: 18 or so random octets in base64, new for each session. Empty: no SCRAM.
  std::string nonce;
};

struct SmtpClientOptions {
  enum class TlsUse {
    kNever,
    kIfOffered,  // RFC 7435: better than nothing; in the clear where the server has none, or refuses
    kRequired,   // no mail without it
    kImplicit,   // the connection began with it (RFC 8314 3.3): STARTTLS is not looked at
  };

  std::string hostname;  // ours, for EHLO
  TlsUse tls = TlsUse::kIfOffered;
  std::optional<SmtpClientLogin> login;  // of a smarthost; wiped when it was used or with the session
  bool allow_plaintext_login = false;    // also without TLS
  // A server that calls itself as we do is us, or believes so: a failure that says leads_to_us (RFC
  // 5321 6.3). Not where an administrator has named it, nor with a name that many have ("localhost").
  bool may_be_us = false;
};

// The command, or the moment, that something was decided at.
enum class SmtpStage {
  kConnect,  // never of a session: for those who make the connection
  kGreeting,
  kHello,
  kStartTls,
  kAuth,
  kReset,
  kMail,
  kRecipient,
  kData,
  kContent,  // the message itself, up to the reply to all of it
  kQuit,
};
// "greeting", "EHLO", "RCPT", "end of DATA": for logs and reports.
std::string_view name_of(SmtpStage stage);

// What is to be sent.
struct ClientTransaction {
  Envelope envelope;       // with those recipients that are to be tried now
  std::uint64_t size = 0;  // octets of content
  bool eight_bit = false;  // it has octets beyond 127
  // It has header fields beyond ASCII: no server without SMTPUTF8 can have it if the client said SMTPUTF8.
  bool utf8_header = false;
  std::int64_t now = 0;  // Unix seconds: how much of its time is left (RFC 2852)
};

struct RecipientOutcome {
  enum class Verdict {
    kDelivered,  // the server has taken it over
    kDeferred,   // try again later
    kFailed,     // never
    kNotTried,   // says nothing of the recipient: another transaction, at once if one likes
  };

  Verdict verdict = Verdict::kNotTried;
  SmtpStage stage = SmtpStage::kMail;
  RemoteReply reply;
  // With kDeferred: the message was sent whole and nobody knows what became of it. Sending it again may make
  // two of it (RFC 5321 4.5.4.1 and 6.1 want just that).
  bool may_be_delivered = false;
  // The message was said to its end, and it is this server's to say what became of it.
  bool end_was_said = false;
  // With kDelivered: the server has DSN and knows NOTIFY, ORCPT, RET and ENVID. Without it, who asked for a
  // report of success is owed one that says "relayed" (RFC 3461 5.2.2).
  bool dsn_passed_on = false;
  // Likewise of DELIVERBY.
  bool deliver_by_passed_on = false;
  // With kFailed, and nothing was said: it is this server that does not offer what the message needs, or does
  // not show who it is. Another one of the domain may (RFC 8689 4.2.1).
  bool server_lacks_it = false;

  bool operator==(const RecipientOutcome&) const = default;
};

// Why no transaction was possible.
struct SmtpClientFailure {
  SmtpStage stage = SmtpStage::kGreeting;
  bool permanent = false;  // this host wants no mail from us (RFC 5321 3.1); else try again later
  RemoteReply reply;
  bool tls_failed = false;  // the handshake: with TlsUse::kIfOffered one may try again with kNever
  bool leads_to_us = false;
};

// What the session asks of its driver. After each, the matching answer_…() is called exactly once. An answer
// that comes after the session has moved on (timed_out(), disconnected(), shut_down()) is ignored.
struct AskTransaction {  // answer_transaction; extensions() are good
};
struct AskContent {          // answer_content or answer_content_failed
  std::uint64_t offset = 0;  // octets that were given already
};
struct AskReport {  // answer_report; outcomes() are complete
};
using SmtpClientAsk = std::variant<AskTransaction, AskContent, AskReport>;

enum class ContentPart { kMore, kLast };

class SmtpClientSession final : public Session {
 public:
  // `peer`: the server. peer.tls with implicit TLS.
  SmtpClientSession(SmtpClientOptions options, PeerFacts peer);
  ~SmtpClientSession() override;

  // Says nothing: the server has the first word.
  void start() override;
  std::size_t receive(std::string_view bytes) override;
  void drained() override;
  void tls_established(const PeerFacts& facts) override;
  // Instead of tls_established(): `why` is for the log.
  void tls_failed(std::string_view why);
  void timed_out() override;
  // The first call lets a transaction end; what was not begun ends at once, with QUIT where that is possible.
  void shut_down() override;
  // The connection has ended, or cannot be written to. `unread`: what came before that and was not consumed.
  // Then wants() is kAnswer with AskReport, or kClose.
  void disconnected(std::string_view unread = {});
  Wants wants() const override;
  std::chrono::seconds patience() const override;

  // Only while wants() is kAnswer. The reference is good until the answer.
  SmtpClientAsk& ask();

  // nullopt: nothing more to send. QUIT is said and its reply waited for. Then kClose.
  void answer_transaction(std::optional<ClientTransaction> transaction);
  // `bytes`: the next piece, 64 KiB or so, CRLF line ends, no dots stuffed; with kLast it may be empty. A
  // message without a CRLF at its end gets one.
  void answer_content(std::string_view bytes, ContentPart part);
  // It cannot be read any more: the connection is dropped without the end of the message, so that nobody
  // takes what was sent for all of it, and who was accepted is deferred.
  void answer_content_failed();
  void answer_report();

  // From AskReport to the next answer_transaction(): one for each recipient of the transaction's envelope, in
  // its order.
  const std::vector<RecipientOutcome>& outcomes() const;
  const std::optional<SmtpClientFailure>& failure() const;

  // What the server offers, as it said last; empty after HELO.
  const SmtpExtensions& extensions() const;
  // Of the connection as it is now.
  const PeerFacts& peer() const;
  // Transactions that the server has taken a message in.
  std::size_t messages_sent() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace mailstead

// The client's side of SMTP (RFC 5321), for mail on its way out: PIPELINING (2920), SIZE (1870), 8BITMIME
// (6152), SMTPUTF8 (6531), CHUNKING (3030), DSN (3461), STARTTLS (3207), REQUIRETLS (8689), LIMITS (9422) and
// AUTH (4954) where the server has them.
//
// One session is one connection; it is free for any number of transactions, one after the other. It pauses on
// an ask and consumes nothing until the answer. Memory: a reply of at most kMaxReply octets, a piece of the
// message, one group of commands. Threads: one at a time. No I/O. See protocols/README.md for the states.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/envelope.h"
#include "protocols/reply_reader.h"
#include "protocols/session.h"

namespace mailstead {

enum class TlsUse {
  kNever,
  kIfOffered,  // opportunistic: without it in the clear
  kRequired,   // without it not at all
  kImplicit,   // the connection began with it
};

struct SmtpClientOptions {
  std::string hostname;  // ours, for EHLO
  TlsUse tls = TlsUse::kIfOffered;
  std::string user;  // to log in; empty: no login
  std::string password;
};

struct ClientTransaction {
  Envelope envelope;         // its recipients are those that are to be tried
  std::uint64_t size = 0;    // octets
  bool eight_bit = false;    // it has octets beyond ASCII
  bool utf8_header = false;  // in its header, too
};

// What became of one recipient.
struct RecipientOutcome {
  enum class Kind {
    kDelivered,  // the server has it
    kDeferred,   // try again later
    kFailed,     // never
    kNotTried,   // this transaction was full: another one, now
  };

  Kind kind = Kind::kDeferred;
  std::string command;  // that it was decided by: "RCPT"; or "connection"
  ServerReply reply;    // with code 0 in our words
};

// Why a session never came so far that it could send anything.
struct SessionFailure {
  enum class Stage { kGreeting, kHello, kTls, kLogin };

  Stage stage = Stage::kGreeting;
  bool permanent = false;  // this host will never take our mail
  ServerReply reply;
};

enum class SmtpClientAsk {
  kTransaction,  // answer_transaction()
  kContent,      // answer_content(): the next piece of the message
  kReport,       // answer_report(): outcomes() tell what became of the transaction
};

class SmtpClientSession final : public Session {
 public:
  explicit SmtpClientSession(SmtpClientOptions options);
  ~SmtpClientSession() override;

  void start() override;
  std::size_t receive(std::string_view bytes) override;
  void drained() override;
  void tls_established(const PeerFacts& facts) override;
  void timed_out() override;
  // Once: the transaction that runs is ended. Twice: it is given up.
  void shut_down() override;
  Wants wants() const override;
  std::chrono::seconds patience() const override;

  // Only while wants() is kAnswer.
  SmtpClientAsk ask() const;
  // nullopt: there is nothing more to send; the session says goodbye.
  void answer_transaction(std::optional<ClientTransaction> transaction);
  // CRLF line ends, not stuffed, at most 64 KiB. nullopt: it cannot be read; the connection ends without the
  // final dot, so nobody gets half of it.
  enum class Piece { kMore, kLast };
  void answer_content(std::optional<std::string> bytes, Piece piece);
  void answer_report();

  // The pump's: the handshake has failed, the connection has ended. Then outcomes() and failure() are final.
  void tls_failed();
  void disconnected();

  // Of the newest transaction's recipients, in their order, from kReport on or when the session has ended;
  // empty once answer_report() was called.
  const std::vector<RecipientOutcome>& outcomes() const;
  // Will the server itself report what its clients asked to be told (RFC 3461)?
  bool reports_for_us() const;
  const std::optional<SessionFailure>& failure() const;
  bool is_over_tls() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace mailstead

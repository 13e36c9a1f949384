// The machine inside SmtpClientSession. Private to protocols/: everybody else includes smtp_client_session.h.
//
// smtp_client_core.cc      replies, asks, the end of a session
// smtp_client_hello.cc     greeting, EHLO, STARTTLS, AUTH
// smtp_client_envelope.cc  what cannot be sent; MAIL, RCPT, DATA and their replies
// smtp_client_content.cc   the message, in dots or chunks
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/auth/sasl_client.h"
#include "protocols/smtp/dot_writer.h"
#include "protocols/smtp/reply_reader.h"
#include "protocols/smtp/smtp_client_session.h"

namespace mailstead {

class SmtpClientCore {
 public:
  // `output` and `progress` belong to the session and outlive this.
  SmtpClientCore(SmtpClientOptions options, PeerFacts peer, std::string& output, std::uint64_t& progress);
  ~SmtpClientCore();
  SmtpClientCore(const SmtpClientCore&) = delete;
  SmtpClientCore& operator=(const SmtpClientCore&) = delete;

  void start();
  std::size_t receive(std::string_view bytes);
  void drained();
  void tls_established(const PeerFacts& facts);
  void tls_failed(std::string_view why);
  void timed_out();
  void shut_down();
  void disconnected(std::string_view unread);
  Wants wants() const { return wants_; }
  std::chrono::seconds patience() const;
  SmtpClientAsk& ask() { return *ask_; }

  void answer_transaction(std::optional<ClientTransaction> transaction);
  void answer_content(std::string_view bytes, ContentPart part);
  void answer_content_failed();
  void answer_report();

  const std::vector<RecipientOutcome>& outcomes() const { return outcomes_; }
  const std::optional<SmtpClientFailure>& failure() const { return failure_; }
  const SmtpExtensions& extensions() const { return extensions_; }
  const PeerFacts& peer() const { return peer_; }
  std::size_t messages_sent() const { return messages_sent_; }

 private:
  // What a reply is awaited to.
  enum class Said {
    kConnection,
    kEhlo,
    kHelo,
    kStartTls,
    kAuth,
    kRset,
    kMail,
    kRcpt,
    kData,
    kChunk,
    kEnd,
    kLoneDot,
    kQuit
  };
  struct Command {
    Said said;
    std::size_t recipient = 0;  // of RCPT: its place in the envelope
  };
  // Classes of replies, RFC 5321 4.2.1.
  enum class Class { kDone = 2, kGoOn = 3, kLater = 4, kNever = 5 };
  static Class class_of(const RemoteReply& reply) { return static_cast<Class>(reply.code / 100); }
  enum class Lasting { kTemporary, kPermanent };

  using Verdict = RecipientOutcome::Verdict;

  // smtp_client_core.cc
  void on_reply(std::size_t bytes_behind);
  void dispatch(const Command& command, const RemoteReply& reply);
  void on_nonsense(Said said, const RemoteReply& reply);
  void say(Said said, std::string_view line, std::size_t recipient = 0);
  void want(SmtpClientAsk ask);
  // False when the session has moved on while the answer was on its way.
  template <typename Ask>
  bool take_answer() {
    if (wants_ != Wants::kAnswer || !std::holds_alternative<Ask>(*ask_)) return false;
    ask_.reset();
    wants_ = Wants::kInput;
    ++progress_;
    return true;
  }
  SmtpStage stage() const;
  static SmtpStage stage_of(Said said);
  void fail(SmtpStage stage, Lasting lasting, const RemoteReply& reply);
  void lose(SmtpStage stage, const RemoteReply& reply);
  void quit();
  bool is_quitting() const { return !sent_.empty() && sent_.front().said == Said::kQuit; }
  void hear_last_words(std::string_view unread);

  // smtp_client_hello.cc
  void on_greeting(const RemoteReply& reply);
  bool is_us() const;
  void fail_as_loop(SmtpStage stage);
  void say_ehlo();
  void on_ehlo(const RemoteReply& reply);
  void on_helo(const RemoteReply& reply);
  void go_on_to_tls();
  void on_starttls(const RemoteReply& reply);
  void go_on_to_login();
  std::optional<sasl::Mechanism> choose_mechanism() const;
  void on_auth(const RemoteReply& reply);
  void answer_challenge();
  void ready();
  void forget_login();

  // smtp_client_envelope.cc
  void begin_transaction();
  std::optional<RemoteReply> obstacle() const;
  std::optional<RemoteReply> shortcoming() const;
  void sort_out_recipients();
  void respect_limits();
  void decide(std::size_t recipient, Verdict verdict, SmtpStage stage, const RemoteReply& reply);
  void decide_lacking(std::size_t recipient, SmtpStage stage, const RemoteReply& reply);
  void decide_by(std::size_t recipient, SmtpStage stage, const RemoteReply& reply);
  void decide_all(Verdict verdict, SmtpStage stage, const RemoteReply& reply);
  bool all_decided() const;
  // Without a chunk that was refused, nobody can have the whole.
  bool end_was_said() const { return end_said_ && !chunk_refusal_; }
  bool may_say() const;
  bool say_next();
  void advance();
  void on_rset(const RemoteReply& reply);
  void on_mail(const RemoteReply& reply);
  void on_rcpt(std::size_t recipient, const RemoteReply& reply);
  void on_data(const RemoteReply& reply);
  void on_lone_dot();
  void conclude();

  // smtp_client_content.cc
  void begin_content();
  void write_chunk(std::string_view bytes, ContentPart part);
  void next_piece();
  void on_chunk(const RemoteReply& reply);
  void on_end(const RemoteReply& reply);
  void take_verdict(const RemoteReply& reply);

  SmtpClientOptions options_;
  PeerFacts peer_;
  std::string& output_;
  std::uint64_t& progress_;

  Wants wants_ = Wants::kInput;
  std::optional<SmtpClientAsk> ask_;
  ReplyReader replies_;
  std::deque<Command> sent_;  // without a reply yet, in order
  std::optional<SmtpClientFailure> failure_;
  bool stopping_ = false;   // shut_down()
  bool ending_ = false;     // nothing more can be said: close behind the report
  bool was_ready_ = false;  // a transaction was answered

  SmtpExtensions extensions_;
  std::unique_ptr<sasl::ClientExchange> exchange_;
  std::string postponed_response_;  // too long for the line of AUTH
  std::size_t mails_said_ = 0;
  std::size_t messages_sent_ = 0;
  bool needs_reset_ = false;  // the server may believe itself within a transaction that has ended for us

  // The transaction, from answer_transaction() to AskReport.
  bool in_transaction_ = false;
  ClientTransaction transaction_;
  std::vector<RecipientOutcome> outcomes_;
  std::vector<bool> decided_;
  std::vector<bool> is_accepted_;
  Letters letters_ = Letters::kAscii;
  std::size_t next_recipient_ = 0;
  std::size_t accepted_ = 0;
  std::size_t rcpts_unanswered_ = 0;
  bool mail_said_ = false;
  bool mail_answered_ = false;
  bool mail_accepted_ = false;
  bool data_said_ = false;

  // Its content.
  bool in_content_ = false;
  std::optional<DotWriter> dots_;  // of DATA; BDAT has none
  std::uint64_t offset_ = 0;       // octets given
  bool end_said_ = false;
  std::optional<RemoteReply> chunk_refusal_;
  char tail_[2] = {'\r', '\n'};  // the last octets; an empty message needs no more line ends
};

// Our own words for what has happened.
inline RemoteReply own_words(std::string_view enhanced, std::string_view text) {
  return {0, std::string(enhanced), printable(text)};
}

}  // namespace mailstead

// What is behind SmtpClientSession: smtp_client_core.cc moves the session from its greeting to its end,
// smtp_client_login.cc logs in, smtp_client_transaction.cc sends messages.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/dot_writer.h"
#include "protocols/reply_reader.h"
#include "protocols/scram_client.h"
#include "protocols/server_extensions.h"
#include "protocols/smtp_client_session.h"

namespace mailstead {

class SmtpClientCore {
 public:
  SmtpClientCore(SmtpClientOptions options, std::string& output, std::uint64_t& progress);

  std::size_t receive(std::string_view bytes);
  void drained();
  void tls_established();
  void timed_out();
  void shut_down();
  void tls_failed();
  void disconnected();
  void answer_transaction(std::optional<ClientTransaction> transaction);
  void answer_content(std::optional<std::string> bytes, SmtpClientSession::Piece piece);
  void answer_report();

  Wants wants() const { return wants_; }
  std::chrono::seconds patience() const;
  SmtpClientAsk ask() const { return ask_; }
  const std::vector<RecipientOutcome>& outcomes() const { return outcomes_; }
  bool reports_for_us() const { return extensions_.dsn; }
  const std::optional<SessionFailure>& failure() const { return failure_; }
  bool is_over_tls() const { return over_tls_; }

 private:
  enum class State {
    kGreeting,
    kHello,
    kOldHello,  // HELO
    kStartTls,
    kHandshake,
    kLogin,
    kIdle,
    kCommands,  // a transaction's, up to DATA
    kContent,
    kEnd,  // all of the message is said, its reply is not here
    kReport,
    kQuit,
    kOver,
  };
  // Whose reply comes next.
  enum class Command { kRset, kMail, kRcpt, kData, kChunk, kLastChunk };
  struct Expected {
    Command command;
    std::size_t recipient = 0;
  };

  // smtp_client_core.cc
  void on_reply(ServerReply reply);
  void on_greeting(ServerReply reply);
  void on_hello(ServerReply reply);
  void on_start_tls(ServerReply reply);
  void behind_hello();
  void say(std::string_view line);
  void want(SmtpClientAsk ask);
  void become_idle();
  void quit();
  void close();
  void fail(SessionFailure::Stage stage, bool permanent, ServerReply reply);
  void break_off(ServerReply reply);

  // smtp_client_login.cc
  void begin_login();
  void on_login(ServerReply reply);

  // smtp_client_transaction.cc
  std::optional<ServerReply> cannot_be_sent() const;
  std::string mail_command() const;
  std::string rcpt_command(const Recipient& recipient) const;
  void send_commands();
  void on_transaction(ServerReply reply);
  void on_rcpt(std::size_t recipient, ServerReply reply);
  void begin_content();
  void write_piece(std::string_view bytes, SmtpClientSession::Piece piece);
  bool has_accepted() const;
  void decide(std::size_t recipient, RecipientOutcome::Kind kind, std::string_view command,
              const ServerReply& reply);
  // Those that are not decided yet.
  void decide_rest(RecipientOutcome::Kind kind, std::string_view command, const ServerReply& reply);
  void decide_rest_by(std::string_view command, const ServerReply& reply);
  void report();

  SmtpClientOptions options_;
  std::string& output_;
  std::uint64_t& progress_;

  Wants wants_ = Wants::kInput;
  SmtpClientAsk ask_ = SmtpClientAsk::kTransaction;
  State state_ = State::kGreeting;
  bool over_tls_ = false;
  bool stopping_ = false;
  bool closes_behind_report_ = false;
  ReplyReader replies_;
  ServerExtensions extensions_;
  std::optional<SessionFailure> failure_;
  std::uint64_t transactions_ = 0;
  bool needs_reset_ = false;
  int login_step_ = 0;
  std::string mechanism_;

  std::optional<scram::Client> scram_;

  // The transaction.
  ClientTransaction transaction_;
  std::vector<RecipientOutcome> outcomes_;
  std::vector<bool> decided_;
  std::deque<Expected> expected_;
  bool mail_said_ = false;
  bool mail_taken_ = false;
  std::size_t said_recipients_ = 0;
  std::size_t offered_recipients_ = 0;  // that fit into the transaction
  bool chunked_ = false;
  std::optional<DotWriter> dots_;
  bool last_piece_said_ = false;
};

}  // namespace mailstead

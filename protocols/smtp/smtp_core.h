// The machine inside SmtpSession. Private to protocols/: everybody else includes smtp_session.h.
//
// smtp_core.cc     framing, replies, the end of a session
// smtp_commands.cc the command table, and the commands that need no more than a line
// smtp_envelope.cc MAIL and RCPT
// smtp_auth.cc     AUTH
// smtp_content.cc  DATA and BDAT
// smtp_judged.cc   what policies say
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocols/auth/sasl.h"
#include "protocols/line_reader.h"
#include "protocols/smtp/binary_mime.h"
#include "protocols/smtp/reply.h"
#include "protocols/smtp/smtp_session.h"
#include "protocols/smtp/submission_header.h"
#include "protocols/smtp/trace.h"

namespace mailstead {

struct SmtpCommand;

class SmtpCore {
 public:
  // `output` and `progress` belong to the session and outlive this.
  SmtpCore(SmtpOptions options, PeerFacts peer, std::string& output, std::uint64_t& progress);

  void start();
  std::size_t receive(std::string_view bytes);
  void drained();
  void tls_established(const PeerFacts& facts);
  void timed_out();
  void shut_down();
  void expel();
  Wants wants() const { return wants_; }
  std::chrono::seconds patience() const;
  SmtpAsk& ask() { return *ask_; }

  void answer_password(PasswordVerdict verdict, std::string user);
  void answer_scram_challenge(const scram::Challenge& challenge);
  void answer_scram_proof(PasswordVerdict verdict, std::string user, std::string_view signature);
  void answer_sender(bool allowed);
  void answer_recipient(RecipientVerdict verdict);
  void answer_begin(std::string id, std::string date);
  void answer_spool(CommitVerdict verdict);
  void answer_author(bool allowed);
  void answer_policy(const PolicyVerdict& verdict);
  void answer_commit(CommitVerdict verdict);
  void answer_commit(const std::vector<CommitVerdict>& verdicts);

  std::vector<SmtpSession::Refusal> take_refusals() { return std::exchange(refusals_, {}); }
  const std::string& helo() const { return helo_; }
  const std::string& user() const { return user_; }

  // Handlers of the command table. `argument` is what follows the name, without blanks around it.
  void helo(std::string_view argument);
  void ehlo(std::string_view argument);  // LHLO, too
  void mail(std::string_view argument);
  void rcpt(std::string_view argument);
  void data(std::string_view argument);
  void auth(std::string_view argument);
  void starttls(std::string_view argument);
  void rset(std::string_view argument);
  void noop(std::string_view argument);
  void vrfy(std::string_view argument);
  void help(std::string_view argument);
  void quit(std::string_view argument);
  void bdat(std::string_view argument);
  void not_implemented(std::string_view argument);
  void not_smtp(std::string_view argument);
  bool has_content() const { return message_comes() || reader_.has_value() || wants_ == Wants::kAnswer; }

 private:
  enum class State {
    kGreeting,  // not said yet: who speaks now is sent away
    kCommand,
    kAuth,
    kContent,
    kChunk,
    kUnwelcome,  // told 554 in the place of a greeting; may say QUIT (RFC 5321 3.1)
  };

  // smtp_core.cc
  std::size_t read_line(std::string_view bytes);
  void on_line(std::string_view line, std::size_t bytes_behind);
  void on_bad_line(LineEvent event);
  void on_command(std::string_view line, std::size_t bytes_behind);
  void refuse_chunk_line();
  void say(const Reply& reply);
  void note_refusal(const Reply& reply, std::string_view subject);
  SmtpSession::Refusal named() const;  // sender and recipients only
  void refuse(const Reply& reply, std::string_view subject = {});
  void hang_up(const Reply& farewell);
  void want(SmtpAsk ask);
  bool take_answer();
  void settle();
  void forget_transaction();
  void forget_session();

  void greet();
  std::size_t hear_early(std::string_view bytes);

  // smtp_commands.cc
  void hello(std::string_view argument, Greeting greeting);
  void accept_hello();
  void say_extensions();

  // smtp_judged.cc
  bool judge(PolicyStage stage);
  void refuse_by_policy(PolicyStage stage, const Reply& reply);
  void go_on_behind(PolicyStage stage);

  // smtp_envelope.cc
  template <typename Read>
  bool read_parameters(std::string_view text, const char* syntax, Read read);
  bool read_mail_parameters(std::string_view text, Envelope& envelope);
  bool read_rcpt_parameters(std::string_view text);
  std::optional<Reply> read_rcpt_parameter(std::string_view name, std::optional<std::string_view> given);
  std::optional<Reply> read_hold(std::optional<std::int64_t> until, Envelope& envelope) const;
  std::int64_t now() const;
  std::optional<Reply> read_mail_parameter(std::string_view name, std::optional<std::string_view> given,
                                           Envelope& envelope);
  void accept_sender();
  void accept_recipient();
  void name_recipient(std::size_t index);

  // smtp_auth.cc
  sasl::Offer offer() const;
  void on_auth_line(std::string_view line);
  void on_auth_step(sasl::Exchange::Step step);
  std::unique_ptr<sasl::Exchange> end_auth();
  void accept_user(std::string user);

  // smtp_content.cc
  std::optional<Reply> missing_recipients() const;
  std::optional<Reply> chunk_refusal(std::uint64_t size) const;
  std::size_t read_content(std::string_view bytes);
  std::size_t read_chunk(std::string_view bytes);
  std::size_t take_content(std::string_view bytes);
  void note_piece(std::size_t octets);
  void spool_content();
  void part_text_from_trace();
  bool message_comes() const { return state_ == State::kContent || state_ == State::kChunk; }
  bool content_is_doomed() const;
  std::optional<Reply> content_refusal() const;
  void end_chunk();
  void end_content();
  void refuse_message(const Reply& reply);
  void offer_message();
  void commit();
  void conclude(const std::vector<CommitVerdict>& verdicts);

  const SmtpOptions options_;
  const SmtpServiceRules& rules_;
  PeerFacts peer_;
  std::string& output_;
  std::uint64_t& progress_;

  Wants wants_ = Wants::kInput;
  State state_ = State::kGreeting;
  bool stopping_ = false;  // shut_down() came while something ran
  bool expelled_ = false;  // and it was because of the mailbox
  LineReader lines_{kMaxCommandLine};
  std::optional<SmtpAsk> ask_;
  std::string_view command_;  // name of the one that runs, for the log
  int errors_ = 0;            // since the last message
  std::vector<SmtpSession::Refusal> refusals_;
  // Sender and recipients of the message that is being committed: its envelope has been handed over.
  std::optional<SmtpSession::Refusal> committing_;

  std::string helo_;
  Greeting greeting_ = Greeting::kHelo;
  std::string said_hello_;  // by a HELO that is being judged, and which one it is
  Greeting said_greeting_ = Greeting::kHelo;
  std::string connection_tags_;
  std::string hello_tags_;
  std::string user_;  // authenticated
  std::unique_ptr<sasl::Exchange> exchange_;
  std::string login_user_;   // the name that AUTH is about, until it is decided
  std::string proven_user_;  // by SCRAM: authenticated when the client has heard our signature

  // The transaction: from MAIL to the end of DATA or of the last BDAT.
  bool in_transaction_ = false;
  bool recipient_named_ = false;  // at least once, accepted or not
  Envelope envelope_;
  Address recipient_;             // the one that is asked about
  std::optional<Notify> notify_;  // its, as the next
  std::string original_;
  std::unordered_map<std::string, std::size_t> recipient_keys_;  // with the place among the recipients
  // Where the end of a message has a reply for each recipient: their places, as often as RCPT named them.
  std::vector<std::size_t> replies_;
  std::string tags_;
  std::vector<Address> authors_;  // of what was submitted

  // The message that is coming in.
  std::optional<DataReader> reader_;
  std::optional<SubmissionHeader> header_;  // on submission
  bool is_binary_ = false;                  // BODY=BINARYMIME
  std::optional<BinaryMime> binary_;        // while such a message comes in
  std::string id_;
  std::vector<Recipient> recipients_;    // of the message that is being committed, where each has a reply
  std::vector<CommitVerdict> verdicts_;  // of those
  std::string content_;                  // not spooled yet
  std::uint64_t spooled_ = 0;
  std::optional<Reply> spool_refusal_;
  // Of BDAT, while State::kChunk.
  struct Chunk {
    std::uint64_t size = 0;  // octets
    std::uint64_t left = 0;  // that have not come yet
    bool last = false;
    std::optional<Reply> refusal;  // nothing of it is taken; said when all of it has come
  };
  Chunk chunk_;
  std::size_t piece_ = 0;  // wire octets since progress_ was last bumped
};

}  // namespace mailstead

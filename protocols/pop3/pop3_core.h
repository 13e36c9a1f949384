// The machine inside Pop3Session. Private to protocols/: everybody else includes pop3_session.h.
//
// pop3_core.cc     framing, replies, the end of a session
// pop3_commands.cc the command table, and the commands that need no more than a line
// pop3_auth.cc     login: USER and PASS, APOP, AUTH
// pop3_messages.cc LIST, UIDL, RETR and TOP
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/auth/sasl.h"
#include "protocols/line_reader.h"
#include "protocols/pop3/pop3_session.h"
#include "protocols/pop3/pop3_texts.h"
#include "protocols/smtp/dot_writer.h"
#include "protocols/smtp/surrogate.h"

namespace mailstead {

struct Pop3Command;

constexpr int kMaxFailedLogins = 20;  // and broken exchanges of AUTH, in a session

class Pop3Core {
 public:
  // `output` and `progress` belong to the session and outlive this.
  Pop3Core(Pop3Options options, PeerFacts peer, std::string& output, std::uint64_t& progress);

  void start();
  std::size_t receive(std::string_view bytes);
  void drained();
  void tls_established(const PeerFacts& facts);
  void timed_out();
  void shut_down();
  void expel();
  Wants wants() const { return wants_; }
  std::chrono::seconds patience() const;
  Pop3Ask& ask() { return *ask_; }

  void answer_scram_challenge(const scram::Challenge& challenge);
  void answer_scram_proof(LoginVerdict verdict, std::string_view signature);
  void answer_login(LoginVerdict verdict, const MaildropTotals& totals);
  void answer_page(std::shared_ptr<const MaildropPage> page);
  void answer_read(ReadVerdict verdict, std::string_view bytes);
  void answer_delete(bool committed);

  bool logged_in() const { return totals_.has_value(); }
  std::uint64_t retrieved_messages() const { return retrieved_messages_; }
  std::uint64_t retrieved_octets() const { return retrieved_octets_; }
  std::vector<std::int64_t> take_retrieved() { return std::exchange(retrieved_now_, {}); }
  std::vector<Pop3Session::Refusal> take_refusals() { return std::exchange(refusals_, {}); }

  // Handlers of the command table. `argument` is what follows the name and one blank.
  void capa(std::string_view argument);
  void user(std::string_view argument);
  void pass(std::string_view argument);
  void apop(std::string_view argument);
  void auth(std::string_view argument);
  void stls(std::string_view argument);
  void lang(std::string_view argument);
  void utf8(std::string_view argument);
  void stat(std::string_view argument);
  void list(std::string_view argument);
  void uidl(std::string_view argument);
  void retr(std::string_view argument);
  void top(std::string_view argument);
  void dele(std::string_view argument);
  void rset(std::string_view argument);
  void noop(std::string_view argument);
  void quit(std::string_view argument);

 private:
  enum class Listing { kSizes, kUidls };

  // A multi-line reply to LIST or UIDL that is being made.
  struct ListingReply {
    Listing what;
    std::size_t next = 0;  // index
    bool started = false;  // +OK was said
  };
  // A message on its way out.
  struct MessageReply {
    std::size_t index;
    MaildropEntry entry;
    DotWriter writer;
    std::optional<Surrogate> surrogate;  // the message is sent as this
    bool whole = true;                   // RETR, not TOP
    bool has_body = true;                // wanted: not TOP n 0, by which clients look at a header
    bool started = false;                // as above
    std::uint64_t offset = 0;
  };

  // pop3_core.cc
  void read_line(std::string_view bytes, std::size_t& consumed);
  void on_command(std::string_view line, std::size_t bytes_behind);
  void ok(Pop3Text text, std::uint64_t first = 0, std::uint64_t second = 0);
  void ok_facts(std::string_view facts);
  void error(Pop3Text text);
  void refuse(Pop3Text text, std::string_view subject = {});
  void note_refusal(std::string reply, std::string_view subject);
  void bad_command(Pop3Text text);
  void hang_up();
  void want(Pop3Ask ask);
  bool take_answer();
  void settle();

  // pop3_auth.cc
  sasl::Offer offer() const;
  void on_auth_line(std::string_view line);
  void on_auth_step(sasl::Exchange::Step step);
  std::unique_ptr<sasl::Exchange> end_auth();
  void refuse_auth(Pop3Text text, std::string_view subject = {});

  bool name_or_password_ok(std::string_view text);

  // pop3_messages.cc
  bool needs_surrogate(const MaildropEntry& entry) const;
  std::uint64_t size_of(const MaildropEntry& entry) const;
  std::optional<std::size_t> find_message(std::string_view number) const;
  bool is_deleted(std::size_t index) const { return !deleted_.empty() && deleted_[index]; }
  // The entry of a message, if its page is here; else the page is asked for, and the command, or the reply
  // under way, goes on when it has come. Good until the next call.
  const MaildropEntry* entry_of(std::size_t index);
  void append_listing_line(Listing what, std::size_t index, const MaildropEntry& entry);
  void start_listing(Listing what, std::string_view argument);
  void continue_listing();
  void start_listing_reply();
  void fail_listing();
  // Sets a message's bit.
  void mark(std::vector<bool>& bits, std::size_t index) const;
  void start_message(std::size_t index, const MaildropEntry& entry, std::optional<std::uint64_t> body_lines);
  void continue_message();
  void say_message_follows();
  void fail_message(ReadVerdict verdict);
  void end_message();

  const Pop3Options options_;
  PeerFacts peer_;
  std::string& output_;
  std::uint64_t& progress_;

  Wants wants_ = Wants::kInput;
  bool stopping_ = false;  // shut_down() came while something ran
  bool expelled_ = false;  // and it was because of the mailbox
  LineReader lines_{kMaxCommandLine};
  std::optional<Pop3Ask> ask_;
  std::string_view command_;              // name of the one that runs, for the log
  const Pop3Command* running_ = nullptr;  // the last one; when it waits for a page, it runs again then
  std::string_view running_argument_;     // into `lines_`, which reads nothing meanwhile
  int bad_commands_ = 0;                  // in a row
  std::vector<Pop3Session::Refusal> refusals_;

  Pop3Language language_ = Pop3Language::kEnglish;
  bool utf8_mode_ = false;                    // RFC 6856 2.1
  std::string user_;                          // between USER and PASS
  std::unique_ptr<sasl::Exchange> exchange_;  // between AUTH and its end
  int failed_logins_ = 0;

  // TRANSACTION and UPDATE.
  std::optional<MaildropTotals> totals_;
  std::shared_ptr<const MaildropPage> page_;  // while something runs: the one that was needed last
  // The same one afterwards: an idle session keeps nothing that nobody else does.
  std::weak_ptr<const MaildropPage> last_page_;
  std::size_t page_number_ = 0;  // of both
  std::vector<bool> deleted_;    // by index; empty while none is
  std::vector<bool> retrieved_;  // likewise: whole, by RETR; only where that expires them (RFC 2449 6.7)
  std::uint64_t live_messages_ = 0;
  std::uint64_t live_octets_ = 0;

  std::optional<ListingReply> listing_;
  std::optional<MessageReply> message_;
  std::vector<std::int64_t> retrieved_now_;  // for take_retrieved()
  std::uint64_t retrieved_messages_ = 0;
  std::uint64_t retrieved_octets_ = 0;
};

}  // namespace mailstead

#include "protocols/smtp_client_core.h"

#include <openssl/mem.h>

#include <utility>

namespace mailstead {

namespace {

// RFC 5321 4.5.3.2: so long a client waits at least.
constexpr std::chrono::minutes kGreetingWait{5};
constexpr std::chrono::minutes kCommandWait{5};
constexpr std::chrono::minutes kDataWait{2};
constexpr std::chrono::minutes kPieceWait{3};
constexpr std::chrono::minutes kEndWait{10};
constexpr std::chrono::seconds kQuitWait{10};  // everything is said and done

ServerReply our_words(std::string text, std::string enhanced) {
  ServerReply reply;
  reply.enhanced = std::move(enhanced);
  reply.text = std::move(text);
  return reply;
}

}  // namespace

SmtpClientCore::SmtpClientCore(SmtpClientOptions options, std::string& output, std::uint64_t& progress)
    : options_(std::move(options)), output_(output), progress_(progress) {
  over_tls_ = options_.tls == TlsUse::kImplicit;
}

std::size_t SmtpClientCore::receive(std::string_view bytes) {
  std::size_t consumed = 0;
  while (wants_ == Wants::kInput && consumed < bytes.size()) {
    std::size_t used = 0;
    const auto event = replies_.read(bytes.substr(consumed), used);
    consumed += used;
    if (event == ReplyReader::Event::kMore) return consumed;
    if (event == ReplyReader::Event::kBroken) {
      break_off(our_words("the server's answer is not SMTP", "4.5.0"));
      return bytes.size();
    }
    ++progress_;
    on_reply(replies_.take());
  }
  return consumed;
}

void SmtpClientCore::on_reply(ServerReply reply) {
  // RFC 5321 3.8: it closes now, whatever the command was.
  if (reply.code == 421 && state_ != State::kQuit) return break_off(std::move(reply));
  switch (state_) {
    case State::kGreeting:
      return on_greeting(std::move(reply));
    case State::kHello:
    case State::kOldHello:
      return on_hello(std::move(reply));
    case State::kStartTls:
      return on_start_tls(std::move(reply));
    case State::kLogin:
      return on_login(std::move(reply));
    case State::kCommands:
    case State::kEnd:
      return on_transaction(std::move(reply));
    case State::kQuit:
      return close();
    case State::kHandshake:
    case State::kIdle:
    case State::kContent:
    case State::kReport:
    case State::kOver:
      // Nobody asked; whatever it answers, the next answer would be taken for another's.
      return break_off(our_words("the server spoke out of turn", "4.5.0"));
  }
}

void SmtpClientCore::on_greeting(ServerReply reply) {
  if (!reply.is_positive()) {
    const bool permanent = reply.is_permanent();  // RFC 5321 3.1: 554 in its place
    return fail(SessionFailure::Stage::kGreeting, permanent, std::move(reply));
  }
  if (stopping_) return quit();
  state_ = State::kHello;
  say("EHLO " + options_.hostname);
}

void SmtpClientCore::on_hello(ServerReply reply) {
  if (!reply.is_positive()) {
    // RFC 5321 3.2: an old server knows HELO only.
    if (state_ == State::kHello && reply.is_permanent() && !over_tls_) {
      state_ = State::kOldHello;
      return say("HELO " + options_.hostname);
    }
    const bool permanent = reply.is_permanent();
    return fail(SessionFailure::Stage::kHello, permanent, std::move(reply));
  }
  extensions_ = state_ == State::kHello ? read_extensions(reply) : ServerExtensions{};
  behind_hello();
}

void SmtpClientCore::behind_hello() {
  if (!over_tls_ && options_.tls != TlsUse::kNever && extensions_.starttls) {
    state_ = State::kStartTls;
    return say("STARTTLS");
  }
  if (!over_tls_ && options_.tls == TlsUse::kRequired) {
    return fail(SessionFailure::Stage::kTls, false,
                our_words("the server does not offer TLS, which is required", "4.7.4"));
  }
  if (!options_.user.empty()) return begin_login();
  become_idle();
}

void SmtpClientCore::on_start_tls(ServerReply reply) {
  if (reply.is_positive()) {
    state_ = State::kHandshake;
    wants_ = Wants::kTls;
    return;
  }
  if (options_.tls == TlsUse::kRequired) return fail(SessionFailure::Stage::kTls, false, std::move(reply));
  // RFC 3207 4.1: it has none at the moment. Whoever may do without goes on without.
  extensions_.starttls = false;
  behind_hello();
}

void SmtpClientCore::tls_established() {
  // RFC 3207 4.2: what was said in the clear is forgotten.
  over_tls_ = true;
  extensions_ = {};
  replies_ = {};
  ++progress_;
  wants_ = Wants::kInput;
  state_ = State::kHello;
  say("EHLO " + options_.hostname);
}

void SmtpClientCore::tls_failed() {
  if (state_ == State::kOver) return;
  fail(SessionFailure::Stage::kTls, false, our_words("the TLS handshake failed", "4.7.5"));
}

void SmtpClientCore::say(std::string_view line) {
  output_ += line;
  output_ += "\r\n";
}

void SmtpClientCore::want(SmtpClientAsk ask) {
  ask_ = ask;
  wants_ = Wants::kAnswer;
}

void SmtpClientCore::become_idle() {
  state_ = State::kIdle;
  // RFC 9422 4.1
  if (stopping_ || transactions_ >= extensions_.max_transactions.value_or(UINT64_MAX)) return quit();
  want(SmtpClientAsk::kTransaction);
}

void SmtpClientCore::quit() {
  state_ = State::kQuit;
  wants_ = Wants::kInput;
  say("QUIT");
}

void SmtpClientCore::close() {
  state_ = State::kOver;
  wants_ = Wants::kClose;
  OPENSSL_cleanse(options_.password.data(), options_.password.size());
}

void SmtpClientCore::fail(SessionFailure::Stage stage, bool permanent, ServerReply reply) {
  failure_ = SessionFailure{stage, permanent, std::move(reply)};
  close();
}

// The connection is of no use any more, or there is none.
void SmtpClientCore::break_off(ServerReply reply) {
  switch (state_) {
    case State::kGreeting:
      return fail(SessionFailure::Stage::kGreeting, false, std::move(reply));
    case State::kHello:
    case State::kOldHello:
      return fail(SessionFailure::Stage::kHello, false, std::move(reply));
    case State::kStartTls:
    case State::kHandshake:
      return fail(SessionFailure::Stage::kTls, false, std::move(reply));
    case State::kLogin:
      return fail(SessionFailure::Stage::kLogin, false, std::move(reply));
    case State::kCommands:
    case State::kContent:
    case State::kEnd:
      decide_rest(RecipientOutcome::Kind::kDeferred, reply.code == 0 ? "connection" : "reply", reply);
      closes_behind_report_ = true;
      return report();
    case State::kReport:
      closes_behind_report_ = true;
      return;
    case State::kIdle:
    case State::kQuit:
    case State::kOver:
      return close();
  }
}

void SmtpClientCore::timed_out() {
  break_off(our_words("the server did not answer in time", "4.4.2"));
}

void SmtpClientCore::disconnected() {
  if (state_ == State::kOver) return;
  const bool may_have_it = state_ == State::kEnd && !expected_.empty();
  break_off(our_words(may_have_it ? "the connection was lost before the server said that it has the message"
                                  : "the connection was lost",
                      "4.4.2"));
}

void SmtpClientCore::shut_down() {
  if (std::exchange(stopping_, true)) return break_off(our_words("this server was stopped", "4.3.2"));
  if (state_ == State::kIdle) return quit();
  const bool runs = state_ == State::kCommands || state_ == State::kContent || state_ == State::kEnd ||
                    state_ == State::kReport || state_ == State::kQuit;
  if (!runs) break_off(our_words("this server was stopped", "4.3.2"));
}

std::chrono::seconds SmtpClientCore::patience() const {
  switch (state_) {
    case State::kGreeting:
      return kGreetingWait;
    case State::kContent:
      return kPieceWait;
    case State::kEnd:
      return kEndWait;
    case State::kCommands:
      return !expected_.empty() && expected_.front().command == Command::kData ? kDataWait : kCommandWait;
    case State::kQuit:
      return kQuitWait;
    default:
      return kCommandWait;
  }
}

// The façade.

struct SmtpClientSession::Core : SmtpClientCore {
  using SmtpClientCore::SmtpClientCore;
};

SmtpClientSession::SmtpClientSession(SmtpClientOptions options)
    : core_(std::make_unique<Core>(std::move(options), output_, progress_)) {}
SmtpClientSession::~SmtpClientSession() = default;

void SmtpClientSession::start() {}
std::size_t SmtpClientSession::receive(std::string_view bytes) {
  return core_->receive(bytes);
}
void SmtpClientSession::drained() {
  core_->drained();
}
void SmtpClientSession::tls_established(const PeerFacts&) {
  core_->tls_established();
}
void SmtpClientSession::timed_out() {
  core_->timed_out();
}
void SmtpClientSession::shut_down() {
  core_->shut_down();
}
Wants SmtpClientSession::wants() const {
  return core_->wants();
}
std::chrono::seconds SmtpClientSession::patience() const {
  return core_->patience();
}
SmtpClientAsk SmtpClientSession::ask() const {
  return core_->ask();
}
void SmtpClientSession::answer_transaction(std::optional<ClientTransaction> transaction) {
  core_->answer_transaction(std::move(transaction));
}
void SmtpClientSession::answer_content(std::optional<std::string> bytes, Piece piece) {
  core_->answer_content(std::move(bytes), piece);
}
void SmtpClientSession::answer_report() {
  core_->answer_report();
}
void SmtpClientSession::tls_failed() {
  core_->tls_failed();
}
void SmtpClientSession::disconnected() {
  core_->disconnected();
}
const std::vector<RecipientOutcome>& SmtpClientSession::outcomes() const {
  return core_->outcomes();
}
bool SmtpClientSession::reports_for_us() const {
  return core_->reports_for_us();
}
const std::optional<SessionFailure>& SmtpClientSession::failure() const {
  return core_->failure();
}
bool SmtpClientSession::is_over_tls() const {
  return core_->is_over_tls();
}

}  // namespace mailstead

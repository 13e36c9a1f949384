#include "server/dialogue_run.h"

#include <utility>

#include "server/net/tcp_stream.h"
#include "server/net/tls_client.h"
#include "server/net/tls_stream.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kPatienceToConnectMs = 10'000;
// Some servers let strangers wait before they greet.
constexpr std::uint64_t kPatienceForAReplyMs = 15'000;
constexpr std::uint64_t kPatienceToQuitMs = 2'000;
constexpr std::size_t kMostInput = 64 * 1024;  // octets, of what is no reply yet

}  // namespace

DialogueRun::DialogueRun(uv_loop_t* loop, admin::Dialogue dialogue, Done done)
    : loop_(loop), dialogue_(std::move(dialogue)), done_(std::move(done)) {
  wait(kPatienceToConnectMs);
  dialer_ = std::make_unique<Dialer>(loop_, dialogue_.address, dialogue_.port,
                                     [this](Result<int> socket) { on_connected(std::move(socket)); });
}

DialogueRun::~DialogueRun() = default;

void DialogueRun::wait(std::uint64_t milliseconds) {
  deadline_ = uv_now(loop_) + milliseconds;
}

void DialogueRun::check() {
  if (state_ == State::kOver || state_ == State::kClosing || uv_now(loop_) < deadline_) return;
  if (state_ == State::kQuitting) return close();
  tell(heard_.is_connected ? "it does not say anything" : "no answer");
  close();
}

void DialogueRun::cancel() {
  done_ = nullptr;
  if (state_ != State::kClosing && state_ != State::kOver) close();
}

void DialogueRun::on_connected(Result<int> socket) {
  if (!socket) {
    tell(socket.error().message);
    return close();
  }
  heard_.is_connected = true;
  auto below = std::make_unique<TcpStream>(loop_, *socket);
  const bool is_usable = below->ok();
  stream_ = std::move(below);
  if (!is_usable) {
    tell("the connection cannot be used");
    return close();
  }
  if (dialogue_.tls == admin::Dialogue::Tls::kNone) return begin_to_talk();
  state_ = State::kSecuring;
  wait(kPatienceForAReplyMs);
  // Who it is, and whether its certificate is good, is looked at elsewhere.
  auto secured = std::make_unique<TlsStream>(std::move(stream_),
                                             TlsClientContext().to({dialogue_.address.text()}, nullptr),
                                             [this](bool ok) { on_secured(ok); });
  TlsStream& tls = *secured;
  stream_ = std::move(secured);
  stream_->set_events(this);
  tls.handshake({});
}

void DialogueRun::on_secured(bool ok) {
  if (state_ != State::kSecuring) return;
  if (ok) return begin_to_talk();
  tell("the TLS handshake failed");
  close();
}

void DialogueRun::begin_to_talk() {
  if (dialogue_.kind == admin::Dialogue::Kind::kConnect) {
    tell("");
    return close();
  }
  state_ = State::kTalking;
  wait(kPatienceForAReplyMs);
  stream_->set_events(this);
  stream_->start_reading();
}

void DialogueRun::on_read(std::string_view bytes) {
  if (state_ == State::kQuitting) return close();  // its goodbye
  if (state_ != State::kTalking) return;
  input_.append(bytes);
  read_replies();
}

// One whole reply taken from what came, as a line.
bool DialogueRun::take_reply(std::string& reply) {
  if (dialogue_.kind == admin::Dialogue::Kind::kPop3) {
    const std::size_t end = input_.find('\n');
    if (end == std::string::npos) return false;
    reply = printable(std::string_view(input_).substr(0, end > 0 && input_[end - 1] == '\r' ? end - 1 : end));
    input_.erase(0, end + 1);
    return true;
  }
  std::size_t consumed = 0;
  const ReplyReader::Event event = reader_.read(input_, consumed);
  input_.erase(0, consumed);
  if (event == ReplyReader::Event::kIncomplete) return false;
  reply = event == ReplyReader::Event::kReply ? reader_.reply().line() : reader_.why();
  if (event == ReplyReader::Event::kNoReply) {
    heard_.replies.push_back(reply);
    tell("what it says is no reply");
    close();
    return false;
  }
  return true;
}

void DialogueRun::read_replies() {
  std::string reply;
  while (state_ == State::kTalking && take_reply(reply)) {
    heard_.replies.push_back(reply);
    wait(kPatienceForAReplyMs);
    say_next();
  }
  if (state_ == State::kTalking && input_.size() > kMostInput) {
    tell("what it says has no end");
    close();
  }
}

void DialogueRun::say_next() {
  // Whom it does not let in it need not be asked anything.
  const bool is_refused = heard_.replies.size() == 1 && !heard_.replies[0].starts_with('2') &&
                          !heard_.replies[0].starts_with("+OK");
  if (said_ < dialogue_.commands.size() && !is_refused) return say(dialogue_.commands[said_++]);
  tell("");
  quit();
}

void DialogueRun::say(std::string line) {
  line += "\r\n";
  // A few octets into an empty socket; where they do not fit, the reply's deadline ends it.
  if (stream_->write(line) != WriteState::kFailed) return;
  tell("it hung up");
  close();
}

// RFC 5321 4.1.1.10, RFC 1939 6: nobody's log shall tell of a lost connection.
void DialogueRun::quit() {
  if (state_ != State::kTalking) return;
  state_ = State::kQuitting;
  wait(kPatienceToQuitMs);
  say("QUIT");
}

void DialogueRun::on_end(StreamEnd) {
  tell("it hung up");
  close();
}

void DialogueRun::on_written(bool ok) {
  if (ok) return;
  tell("it hung up");
  close();
}

void DialogueRun::tell(std::string failure) {
  if (!done_) return;
  heard_.failure = std::move(failure);
  const auto done = std::exchange(done_, nullptr);
  done(heard_);
}

void DialogueRun::close() {
  if (state_ == State::kClosing || state_ == State::kOver) return;
  dialer_.reset();
  if (!stream_) {
    state_ = State::kOver;
    return;
  }
  state_ = State::kClosing;
  stream_->close([this] { state_ = State::kOver; });
}

}  // namespace mailstead

#include "server/net/connection.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace mailstead {
namespace {

constexpr std::size_t kMaxPending = 128u << 10;       // octets: two reads
constexpr std::size_t kMaxBatchedOutput = 64u << 10;  // octets of replies before they are written
constexpr std::size_t kKeptCapacity = 4u << 10;       // octets an idle connection may keep allocated
constexpr std::size_t kSpareCapacity = 512u << 10;    // octets that the buffer all connections share may have
constexpr std::uint64_t kHandshakeMs = 30'000;
constexpr std::uint64_t kWriteMs = 300'000;  // a client that takes nothing for five minutes
constexpr std::uint64_t kLingerMs = 2'000;

// What the connection that runs now makes its output in: it has grown once for all of them, and an idle one
// holds none.
std::string& spare_buffer() {
  thread_local std::string buffer;
  return buffer;
}

}  // namespace

Connection::Connection(uv_loop_t* loop, std::unique_ptr<TcpStream> stream, Log& log,
                       ConnectionOptions options)
    : loop_(loop), log_(log), options_(std::move(options)), stream_(std::move(stream)) {
  stream_->set_events(this);
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
}

Connection::~Connection() = default;

void Connection::start(TlsStart tls) {
  if (tls == TlsStart::kImplicit) {
    begin_tls(true);
  } else {
    begin_protocol();
  }
}

void Connection::begin_protocol() {
  driver_ = options_.make_driver(options_.peer);
  driver_->set_resume([this] {
    asked_ = false;
    run();
  });
  driver_->session().start();
  if (!options_.input.empty()) pending_ = std::exchange(options_.input, {});
  run();
}

void Connection::begin_tls(bool first) {
  handshaking_ = true;
  auto wrapped = std::make_unique<TlsStream>(std::move(stream_), options_.tls,
                                             [this, first](bool ok) { secured(ok, first); });
  tls_ = wrapped.get();
  stream_ = std::move(wrapped);
  stream_->set_events(this);
  deadline_ = now_ms() + kHandshakeMs;
  arm();
  tls_->handshake(std::exchange(options_.input, {}));
}

void Connection::secured(bool ok, bool first) {
  if (closing_) return;
  handshaking_ = false;
  if (!ok) {
    if (options_.handshaken) options_.handshaken("failed");
    if (driver_ != nullptr) driver_->handshake_failed();
    return give_up("TLS handshake failed");
  }
  tls_->describe(options_.peer);
  if (options_.handshaken) options_.handshaken(options_.peer.tls_version);
  if (first && tls_->was_validation()) return finish();
  if (first) return begin_protocol();
  driver_->secured(options_.peer);
  run();
}

void Connection::on_read(std::string_view bytes) {
  if (lingering_ || closing_) return;
  if (broken_) {
    if (pending_.size() < kMaxPending) pending_.append(bytes);
    return;
  }
  if (!pending_.empty() || driver_->session().wants() != Wants::kInput || writing_ || asked_) {
    pending_.append(bytes);
    if (pending_.size() >= kMaxPending) stream_->stop_reading();
    return run();
  }
  pending_.assign(bytes);
  run();
}

void Connection::on_end(StreamEnd end) {
  ended_ = true;
  if (end == StreamEnd::kFailed) return close();  // nobody can hear an answer any more
  if (lingering_ || broken_) return close();
  reset_ = end == StreamEnd::kReset;
  // Commands that came before the end are still run; an answer that is on its way is still given.
  run();
}

void Connection::on_written(bool ok) {
  writing_ = false;
  if (!ok) return hear_out();
  // The client took something: the session's own deadline rules again.
  deadline_ = 0;
  run();
}

void Connection::run() {
  if (closing_ || lingering_ || broken_ || driver_ == nullptr) return;
  if (running_) {
    run_again_ = true;
    return;
  }
  running_ = true;
  try {
    run_guarded();
  } catch (const std::exception& error) {
    log_.error("internal-error", {{"peer", options_.peer.address}, {"what", error.what()}});
    running_ = false;
    return close();
  }
  running_ = false;
}

void Connection::run_guarded() {
  // The driver may let go of itself only after the run.
  const auto driver = driver_;
  if (!driver->session().has_output()) driver->session().take_output(std::move(spare_buffer()));
  do {
    run_again_ = false;
    while (!closing_ && !lingering_ && !broken_ && step()) {
    }
  } while (run_again_ && !closing_ && !lingering_ && !broken_);
  if (!driver->session().has_output()) {
    std::string buffer = driver->session().take_output();
    if (buffer.capacity() <= kSpareCapacity) spare_buffer() = std::move(buffer);
  }
  driver->after_run();
  if (closing_ || lingering_ || broken_) return;
  if (driver->session().progress() != seen_progress_ || deadline_ == 0) {
    seen_progress_ = driver->session().progress();
    deadline_ = now_ms() + static_cast<std::uint64_t>(driver->session().patience().count()) * 1000;
    arm();
  }
}

bool Connection::step() {
  Session& session = driver_->session();
  switch (session.wants()) {
    case Wants::kInput:
      return feed();
    case Wants::kAnswer:
      if (!asked_) asked_ = driver_->answer_ask() == Answered::kLater;
      return !asked_ || await_answer();
    case Wants::kDrain:
      if (!flush()) return false;
      session.drained();
      return true;
    case Wants::kTls:
      if (!flush()) return false;
      // RFC 3207 6, RFC 2595 4: what came in the clear is never read after the handshake.
      if (!pending_.empty()) {
        give_up("input before the TLS handshake");
        return false;
      }
      begin_tls(false);
      return false;
    case Wants::kClose:
      driver_->before_farewell();
      if (flush()) finish();
      return false;
  }
  return false;
}

// The answer comes later. Who hangs up before it ends his stream like who has said all he has to say.
bool Connection::await_answer() {
  if (!pending_.empty() || writing_) return false;
  if (!ended_) {
    stream_->start_reading();  // else the end would not be seen
  } else if (reset_) {
    close();
  } else if (driver_->answers_to_nobody() && flush()) {
    finish();
  }
  return false;
}

bool Connection::feed() {
  if (writing_) return false;
  Session& session = driver_->session();
  const bool offered = !pending_.empty() && session.output_size() < kMaxBatchedOutput;
  if (offered) {
    driver_->check_session();
    if (session.wants() != Wants::kInput) return true;
    const std::size_t used = session.receive(pending_);
    pending_.erase(0, used);
    if (pending_.empty() && pending_.capacity() > kKeptCapacity) pending_ = {};
    if (used > 0 || session.wants() != Wants::kInput) return true;
  }
  if (!flush()) return false;
  if (!pending_.empty() && !offered) return true;
  if (ended_) {
    finish();
    return false;
  }
  stream_->start_reading();
  return false;
}

bool Connection::flush() {
  if (writing_) return false;
  if (!driver_->session().has_output()) return true;
  std::string output = driver_->session().take_output();
  switch (stream_->write(output)) {
    case WriteState::kDone:
      output.clear();
      driver_->session().take_output(std::move(output));
      return true;
    case WriteState::kPending:
      writing_ = true;
      deadline_ = now_ms() + kWriteMs;
      arm();
      return false;
    case WriteState::kFailed:
      hear_out();
      return false;
  }
  return false;
}

// Nobody takes anything any more. What the other side said before is still in the socket, perhaps: its end is
// read.
void Connection::hear_out() {
  if (ended_ || !driver_->hears_last_words() || driver_->session().wants() == Wants::kClose) return close();
  broken_ = true;
  deadline_ = now_ms() + kLingerMs;
  arm();
  stream_->start_reading();
}

void Connection::finish() {
  if (ended_) {
    stream_->finish_writing();  // RFC 8446 6.1: the closing alert is owed even to who sent none
    return close();
  }
  // Closing with unread input in the socket would make the kernel reset the connection, and the client could
  // lose the farewell: so only our half is closed, and what the client still says is dropped for a moment.
  lingering_ = true;
  pending_ = {};
  deadline_ = now_ms() + kLingerMs;
  arm();
  stream_->finish_writing();
  stream_->start_reading();
}

void Connection::give_up(std::string_view why) {
  if (log_.enabled(LogLevel::kDebug)) {
    log_.event(LogLevel::kDebug, "dropped", {{"peer", options_.peer.address}, {"why", std::string(why)}});
  }
  close();
}

void Connection::check() {
  if (closing_ || lingering_ || broken_ || handshaking_ || driver_ == nullptr) return;
  driver_->check_session();
  if (driver_->session().wants() == Wants::kClose) run();
}

void Connection::shut_down() {
  if (closing_ || lingering_) return;
  if (driver_ == nullptr || handshaking_ || broken_) return close();
  driver_->session().shut_down();
  run();
}

void Connection::arm() {
  // Lazily: a later deadline is found when the timer fires, so a busy connection does not touch the timer
  // heap.
  const std::uint64_t due = uv_timer_get_due_in(&timer_) + now_ms();
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) != 0 && due <= deadline_) return;
  const std::uint64_t wait = deadline_ > now_ms() ? deadline_ - now_ms() : 0;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Connection*>(timer->data)->on_deadline(); }, wait, 0);
}

void Connection::on_deadline() {
  if (closing_) return;
  if (now_ms() < deadline_) return arm();
  if (handshaking_ && driver_ != nullptr) driver_->handshake_failed();
  if (lingering_ || broken_ || handshaking_ || writing_ || driver_ == nullptr)
    return give_up("deadline passed");
  if (asked_) {
    // We are late, not the client.
    deadline_ = now_ms() + static_cast<std::uint64_t>(driver_->session().patience().count()) * 1000;
    return arm();
  }
  driver_->session().timed_out();
  run();
}

void Connection::close() {
  if (closing_) return;
  closing_ = true;
  if (driver_ != nullptr) {
    driver_->set_resume(nullptr);
    driver_->connection_closed(pending_);
  }
  uv_timer_stop(&timer_);
  stream_->close([this] {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), [](uv_handle_t* handle) {
      auto* self = static_cast<Connection*>(handle->data);
      const auto closed = std::move(self->options_.closed);
      closed();
    });
  });
}

}  // namespace mailstead

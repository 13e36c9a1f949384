#include "bench/smtp_flood.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "bench/give_up.h"
#include "bench/smtp_channel.h"

namespace mailstead::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr Milliseconds kBeforeAnother{20};  // a connection that went wrong

enum class Step { kGreeting, kHello, kEnvelope, kContent, kEnd, kPause, kGoodbye };

struct Caller {
  SmtpChannel channel;
  Step step = Step::kGreeting;
  std::uint64_t calls = 0;   // connections so far
  std::uint64_t number = 0;  // of the message under way, or next
  std::uint64_t done = 0;    // messages on this connection
  std::size_t answered = 0;  // commands of the envelope
  bool pipelining = false;
  bool writes = false;  // epoll tells when it can
  bool quit_sent = false;
  std::string envelope;
  Clock::time_point ended;
};

class Flood {
 public:
  Flood(const FloodOrder& order, const SmtpMail& mail)
      : order_(order), mail_(mail), epoll_(::epoll_create1(EPOLL_CLOEXEC)), callers_(order.connections) {}
  ~Flood() { ::close(epoll_); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  FloodResult run() {
    begin_ = last_ = Clock::now();
    for (Caller& caller : callers_) call(caller);
    std::array<epoll_event, 256> events;
    while (open_ > 0 || !waiting_.empty()) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), quiet_time());
      for (int i = 0; i < ready; ++i)
        serve(*static_cast<Caller*>(events[static_cast<std::size_t>(i)].data.ptr),
              events[static_cast<std::size_t>(i)].events);
      if (Clock::now() - last_ > std::chrono::seconds(order_.patience))
        give_up("no answer for " + std::to_string(order_.patience) + " s; " + state());
      wake();
    }
    result_.seconds = std::chrono::duration<double>(last_ - begin_).count();
    return std::move(result_);
  }

 private:
  struct Waiting {
    Clock::time_point until;
    Caller* caller;
  };

  // The number of another message, while there are any to send.
  std::optional<std::uint64_t> another() {
    if (order_.count > 0) return next_ < order_.count ? std::optional(next_++) : std::nullopt;
    if (std::chrono::duration<double>(Clock::now() - begin_).count() >= order_.seconds) return std::nullopt;
    return next_++;
  }

  void call(Caller& caller) {
    const auto number = another();
    if (!number) return;
    caller.number = *number;
    connect(caller);
  }

  void connect(Caller& caller) {
    if (order_.greetings > 0 && ungreeted_ >= order_.greetings) {
      held_.push_back(&caller);
      return;
    }
    ++ungreeted_;
    caller.step = Step::kGreeting;
    ++caller.calls;
    caller.done = 0;
    caller.pipelining = caller.writes = caller.quit_sent = false;
    caller.channel.open(order_.server, 0);
    ++open_;
    watch(caller, EPOLL_CTL_ADD);
  }

  // Or left without it.
  void greeted() {
    --ungreeted_;
    if (held_.empty()) return;
    Caller& next = *held_.front();
    held_.pop_front();
    connect(next);
  }

  void leave(Caller& caller) {
    caller.channel.close();
    --open_;
  }

  void watch(Caller& caller, int how) {
    epoll_event event{};
    event.events = caller.writes ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = &caller;
    ::epoll_ctl(epoll_, how, caller.channel.fd(), &event);
  }

  void serve(Caller& caller, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && caller.channel.flush()) written(caller);
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    const std::uint64_t call = caller.calls;
    const bool goes_on = caller.channel.receive();
    // A reply may end this connection, and begin another one.
    const auto same = [&] { return caller.calls == call && caller.channel.fd() >= 0; };
    while (same()) {
      const auto reply = caller.channel.reply();
      if (!reply) break;
      take(caller, *reply);
    }
    if (!goes_on && same()) lost(caller);
  }

  template <typename... Pieces>
  void send(Caller& caller, Pieces&&... pieces) {
    caller.channel.send(std::forward<Pieces>(pieces)...);
    written(caller);
  }

  // All of it, or epoll tells when more can be.
  void written(Caller& caller) {
    if (caller.writes != caller.channel.busy()) {
      caller.writes = caller.channel.busy();
      watch(caller, EPOLL_CTL_MOD);
    }
    if (caller.step == Step::kContent && !caller.channel.busy()) {
      caller.step = Step::kEnd;
      caller.ended = Clock::now();
    }
  }

  void take(Caller& caller, std::string_view reply) {
    switch (caller.step) {
      case Step::kGreeting:
        greeted();
        if (!reply.starts_with("220")) return turn_away(caller, reply);
        caller.step = Step::kHello;
        return send(caller, "EHLO load.example\r\n");
      case Step::kHello:
        if (!reply.starts_with("250")) return turn_away(caller, reply);
        caller.pipelining = reply.find("PIPELINING\r\n") != std::string_view::npos;
        return begin_message(caller);
      case Step::kEnvelope:
        return take_envelope(caller, reply);
      case Step::kContent:  // an answer before the end is none that a message can be judged by
        return refuse(caller, reply);
      case Step::kEnd:
        return take_end(caller, reply);
      case Step::kPause:  // it has had enough of us
        return leave(caller);
      case Step::kGoodbye:
        leave(caller);
        return call(caller);
    }
  }

  void begin_message(Caller& caller) {
    caller.step = Step::kEnvelope;
    caller.answered = 0;
    if (caller.pipelining) return send(caller, mail_from() + rcpt_to(caller) + "DATA\r\n");
    send(caller, mail_from());
  }

  static std::string mail_from() { return "MAIL FROM:<" + std::string(SmtpMail::kSender) + ">\r\n"; }
  std::string rcpt_to(const Caller& caller) const {
    return "RCPT TO:<" + mail_.recipient(caller.number) + ">\r\n";
  }

  void take_envelope(Caller& caller, std::string_view reply) {
    ++caller.answered;
    if (!reply.starts_with(caller.answered == 3 ? "354" : "250")) return refuse(caller, reply);
    if (caller.answered == 3) return send_content(caller);
    if (!caller.pipelining) send(caller, caller.answered == 1 ? rcpt_to(caller) : "DATA\r\n");
  }

  void send_content(Caller& caller) {
    caller.step = Step::kContent;
    const bool last = order_.messages_each > 0 && caller.done + 1 == order_.messages_each;
    caller.quit_sent = last && caller.pipelining;
    SmtpMail::Pieces pieces = mail_.message(caller.number);
    send(caller, std::move(pieces.head), pieces.lines, pieces.rest,
         caller.quit_sent ? ".\r\nQUIT\r\n" : ".\r\n");
  }

  void take_end(Caller& caller, std::string_view reply) {
    last_ = Clock::now();
    ++caller.done;
    if (reply.starts_with("250")) {
      ++result_.accepted;
      result_.latencies.push_back(std::chrono::duration<float, std::milli>(last_ - caller.ended).count());
    } else {
      ++result_.refused;
      note(reply);
    }
    if (!caller.quit_sent && (order_.messages_each == 0 || caller.done < order_.messages_each)) {
      if (order_.pause <= 0) return go_on(caller);
      caller.step = Step::kPause;
      return wait(caller, Milliseconds(order_.pause));
    }
    quit(caller);
  }

  void go_on(Caller& caller) {
    const auto number = another();
    if (!number) return quit(caller);
    caller.number = *number;
    begin_message(caller);
  }

  void quit(Caller& caller) {
    caller.step = Step::kGoodbye;
    if (!caller.quit_sent) send(caller, "QUIT\r\n");
    caller.quit_sent = true;
  }

  void refuse(Caller& caller, std::string_view reply) {
    ++result_.refused;
    note(reply);
    leave(caller);
    wait(caller, kBeforeAnother);
  }

  // Its message is still to be sent, by another connection.
  void turn_away(Caller& caller, std::string_view reply) {
    ++result_.turned_away;
    note(reply);
    leave(caller);
    caller.step = Step::kGreeting;
    wait(caller, kBeforeAnother);
  }

  void lost(Caller& caller) {
    if (caller.step == Step::kGreeting) greeted();
    if (caller.step == Step::kGreeting || caller.step == Step::kHello)
      return turn_away(caller, "the connection ended");
    leave(caller);
    if (caller.step == Step::kPause) return;
    if (caller.step == Step::kGoodbye) return call(caller);
    ++result_.broken;
    note("the connection ended");
    wait(caller, kBeforeAnother);
  }

  void wait(Caller& caller, Milliseconds time) {
    waiting_.push_back({Clock::now() + std::chrono::duration_cast<Clock::duration>(time), &caller});
  }

  // Those that have waited long enough go on. One that waits much longer than others would hold them up, but
  // pauses are alike, and short ones follow trouble only.
  void wake() {
    while (!waiting_.empty() && waiting_.front().until <= Clock::now()) {
      Caller& caller = *waiting_.front().caller;
      waiting_.pop_front();
      if (caller.channel.fd() >= 0) {
        go_on(caller);
      } else if (caller.step == Step::kGreeting) {
        connect(caller);
      } else {
        call(caller);
      }
    }
  }

  // Milliseconds until there is something to look at, whether anybody says something or not.
  int quiet_time() const {
    if (waiting_.empty()) return 1000;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(waiting_.front().until - Clock::now());
    return std::max(0, static_cast<int>(left.count()));
  }

  void note(std::string_view trouble) {
    if (result_.first_trouble.empty()) result_.first_trouble = trouble.substr(0, trouble.find("\r\n"));
  }

  std::string state() const {
    return std::to_string(result_.accepted) + " accepted, " + std::to_string(result_.refused) + " refused, " +
           std::to_string(result_.turned_away) + " turned away, " + std::to_string(open_) + " connections" +
           (result_.first_trouble.empty() ? "" : ": " + result_.first_trouble);
  }

  const FloodOrder& order_;
  const SmtpMail& mail_;
  int epoll_;
  std::vector<Caller> callers_;
  std::size_t open_ = 0;
  std::size_t ungreeted_ = 0;
  std::deque<Caller*> held_;  // until another one is greeted
  std::deque<Waiting> waiting_;
  std::uint64_t next_ = 0;
  Clock::time_point begin_;
  Clock::time_point last_;
  FloodResult result_;
};

}  // namespace

FloodResult flood(const FloodOrder& order, const SmtpMail& mail) {
  return Flood(order, mail).run();
}

}  // namespace mailstead::bench

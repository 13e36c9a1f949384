#include "bench/smtp_crowd.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/give_up.h"
#include "bench/smtp_channel.h"

namespace mailstead::bench {

namespace {

constexpr std::size_t kAtOnce = 100;  // fewer than wait to be accepted
constexpr std::size_t kAddresses = 40;

class IdleCrowd {
 public:
  IdleCrowd(const sockaddr_in& server, std::size_t count)
      : server_(server), epoll_(::epoll_create1(EPOLL_CLOEXEC)), channels_(count) {}
  ~IdleCrowd() { ::close(epoll_); }
  IdleCrowd(const IdleCrowd&) = delete;
  IdleCrowd& operator=(const IdleCrowd&) = delete;

  void open() {
    for (std::size_t begun = 0, done = 0; done < channels_.size();) {
      for (; begun < channels_.size() && begun - done < kAtOnce; ++begun) call(channels_[begun], begun);
      done += answers([](SmtpChannel& channel, std::string_view reply) {
        if (!reply.starts_with("220")) return true;
        channel.send("EHLO load.example\r\n");
        return false;
      });
    }
  }

  void say_noop() {
    for (std::size_t said = 0; said < channels_.size();) {
      const std::size_t end = std::min(channels_.size(), said + kAtOnce);
      for (std::size_t i = said; i < end; ++i) channels_[i].send("NOOP\r\n");
      while (said < end) said += answers([](SmtpChannel&, std::string_view) { return true; });
    }
  }

 private:
  void call(SmtpChannel& channel, std::size_t number) {
    channel.open(server_, static_cast<std::uint8_t>(number % kAddresses + 1));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &channel;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, channel.fd(), &event);
  }

  // How many replies came after which there is nothing more to say. All have to be good ones.
  template <typename IsLast>
  std::size_t answers(IsLast is_last) {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 30'000);
    if (ready == 0) give_up("no answer for 30 s");
    std::size_t count = 0;
    for (int i = 0; i < ready; ++i) {
      auto& channel = *static_cast<SmtpChannel*>(events[static_cast<std::size_t>(i)].data.ptr);
      const bool goes_on = channel.receive();
      while (const auto reply = channel.reply()) {
        if (!reply->starts_with("2")) give_up(std::string(*reply));
        count += is_last(channel, *reply) ? 1 : 0;
      }
      if (!goes_on) give_up("a connection was dropped");
    }
    return count;
  }

  const sockaddr_in& server_;
  int epoll_;
  std::vector<SmtpChannel> channels_;
};

}  // namespace

void hold_idle(const sockaddr_in& server, std::size_t count) {
  IdleCrowd crowd(server, count);
  crowd.open();
  std::printf("%zu\n", count);
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) return;
  crowd.say_noop();
}

}  // namespace mailstead::bench

#include "bench/crowd.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>

#include "bench/client.h"
#include "bench/give_up.h"

namespace mailstead::bench {

namespace {

constexpr std::size_t kAtOnce = 50;  // a server lets only so many passwords of one network wait

struct Member {
  Client client;
  std::string user;
  std::string answer;
  bool greeted = false;
};

class Crowd {
 public:
  explicit Crowd(const CrowdOrder& order) : order_(order), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  void grow(std::size_t count) {
    const std::size_t before = members_.size();
    std::size_t begun = before;
    std::size_t done = before;
    while (done < count) {
      for (; begun < count && begun - done < kAtOnce; ++begun) begin(order_.users[begun]);
      done += each_ready([this](Member& member) { return log_in(member); });
    }
  }

  void say_noop() {
    for (std::size_t said = 0; said < members_.size();) {
      const std::size_t end = std::min(members_.size(), said + kAtOnce);
      for (std::size_t i = said; i < end; ++i) {
        members_[i]->answer.clear();
        members_[i]->client.write("NOOP\r\n");
      }
      while (said < end) said += each_ready([](Member& member) { return member.answer.ends_with("\r\n"); });
    }
    for (const auto& member : members_) {
      if (!member->answer.starts_with("+OK")) give_up(member->user + ": " + member->answer);
    }
  }

 private:
  void begin(const std::string& user) {
    Member& member = *members_.emplace_back(std::make_unique<Member>());
    member.user = user;
    member.client.open(order_.port, order_.tls);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &member;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, member.client.fd(), &event);
    if (order_.tls != nullptr && take(member) > 0) log_in(member);
  }

  // True when it is logged in and knows its mail.
  bool log_in(Member& member) {
    if (!member.answer.ends_with("\r\n")) return false;
    if (member.answer.find("-ERR") != std::string::npos) give_up(member.user + ": " + member.answer);
    if (!member.greeted) {
      member.greeted = true;
      member.answer.clear();
      member.client.write("USER " + member.user + "\r\nPASS " + order_.password + "\r\nSTAT\r\n");
      return false;
    }
    if (std::count(member.answer.begin(), member.answer.end(), '\n') < 3) return false;
    const std::string stat = "\n+OK " + std::to_string(order_.messages) + " ";
    if (member.answer.find(stat) == std::string::npos) give_up(member.user + ": " + member.answer);
    return true;
  }

  // How many of those that got something are complete now.
  template <typename Complete>
  std::size_t each_ready(Complete complete) {
    std::array<epoll_event, 64> events;
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 30'000);
    if (ready == 0) give_up("no answer for 30 s");
    std::size_t count = 0;
    for (int i = 0; i < ready; ++i) {
      Member& member = *static_cast<Member*>(events[static_cast<std::size_t>(i)].data.ptr);
      // A ticket of TLS is no answer.
      if (take(member) > 0 && complete(member)) ++count;
    }
    return count;
  }

  // Adds what came to its answer; how much that was.
  std::size_t take(Member& member) {
    const std::size_t before = member.answer.size();
    while (true) {
      std::size_t got = 0;
      const Client::Outcome outcome = member.client.read(buffer_.data(), buffer_.size(), got);
      if (outcome == Client::Outcome::kEnd) give_up(member.user + " was dropped: " + member.answer);
      if (outcome == Client::Outcome::kNothingYet) return member.answer.size() - before;
      member.answer.append(buffer_.data(), got);
    }
  }

  const CrowdOrder& order_;
  int epoll_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
};

}  // namespace

void hold(const CrowdOrder& order) {
  Crowd crowd(order);
  for (const std::size_t count : order.counts) {
    crowd.grow(count);
    std::printf("%zu\n", count);
    std::fflush(stdout);
    std::string line;
    if (!std::getline(std::cin, line)) return;
  }
  crowd.say_noop();
}

}  // namespace mailstead::bench

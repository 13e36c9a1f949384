#include "server/time_question.h"

#include <array>
#include <chrono>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "protocols/sntp.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kPatienceMs = 5'000;

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct TimeQuestion::Exchange {
  uv_udp_t socket{};
  uv_timer_t timer{};
  std::uint64_t mark = 0;
  double sent = 0;  // wall clock, seconds
  std::array<char, 1024> buffer{};
  int open_handles = 2;
  Done done;  // empty: nobody waits

  void begin(uv_loop_t* loop, const IpAddress& address, std::uint16_t port);
  void on_answer(std::string_view octets);
  void finish(std::optional<double> behind);
  void close();
};

void TimeQuestion::Exchange::begin(uv_loop_t* loop, const IpAddress& address, std::uint16_t port) {
  uv_timer_init(loop, &timer);
  uv_udp_init(loop, &socket);
  timer.data = socket.data = this;
  std::random_device random;
  mark = (std::uint64_t{random()} << 32 | random()) | 1;
  sockaddr_storage to{};
  const std::string text = address.text();
  const int known = address.is_ipv4() ? uv_ip4_addr(text.c_str(), port, reinterpret_cast<sockaddr_in*>(&to))
                                      : uv_ip6_addr(text.c_str(), port, reinterpret_cast<sockaddr_in6*>(&to));
  std::string question = sntp::question(mark);
  const uv_buf_t octets = uv_buf_init(question.data(), static_cast<unsigned>(question.size()));
  sent = wall_clock();
  // Connected, it hears of nobody else.
  const bool is_sent = known == 0 && uv_udp_connect(&socket, reinterpret_cast<sockaddr*>(&to)) == 0 &&
                       uv_udp_try_send(&socket, &octets, 1, nullptr) > 0;
  if (is_sent) {
    uv_udp_recv_start(
        &socket,
        [](uv_handle_t* handle, std::size_t, uv_buf_t* into) {
          auto* const self = static_cast<Exchange*>(handle->data);
          *into = uv_buf_init(self->buffer.data(), static_cast<unsigned>(self->buffer.size()));
        },
        [](uv_udp_t* handle, ssize_t count, const uv_buf_t* bytes, const sockaddr* from, unsigned) {
          auto* const self = static_cast<Exchange*>(handle->data);
          if (count < 0) return self->finish(std::nullopt);  // nobody listens there
          if (from != nullptr) self->on_answer({bytes->base, static_cast<std::size_t>(count)});
        });
  }
  uv_timer_start(
      &timer, [](uv_timer_t* handle) { static_cast<Exchange*>(handle->data)->finish(std::nullopt); },
      is_sent ? kPatienceMs : 0, 0);
}

void TimeQuestion::Exchange::on_answer(std::string_view octets) {
  // What is no answer to it may be somebody's guess: the true one may still come.
  if (const auto behind = sntp::clock_behind(octets, mark, sent, wall_clock())) finish(behind);
}

void TimeQuestion::Exchange::finish(std::optional<double> behind) {
  const auto told = std::exchange(done, nullptr);
  if (!told) return;
  close();
  told(behind);
}

void TimeQuestion::Exchange::close() {
  for (uv_handle_t* each :
       {reinterpret_cast<uv_handle_t*>(&socket), reinterpret_cast<uv_handle_t*>(&timer)}) {
    uv_close(each, [](uv_handle_t* handle) {
      auto* const self = static_cast<Exchange*>(handle->data);
      if (--self->open_handles == 0) delete self;
    });
  }
}

TimeQuestion::TimeQuestion(uv_loop_t* loop, const IpAddress& address, std::uint16_t port, Done done)
    : exchange_(new Exchange) {
  exchange_->done = [this, told = std::move(done)](std::optional<double> behind) {
    exchange_ = nullptr;
    const auto last = told;  // which may destroy this, and the function with it
    last(behind);
  };
  exchange_->begin(loop, address, port);
}

TimeQuestion::~TimeQuestion() {
  if (exchange_ == nullptr) return;
  exchange_->done = nullptr;
  exchange_->close();
}

}  // namespace mailstead

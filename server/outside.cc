#include "server/outside.h"

#include <uv.h>

#include <csignal>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "server/dialogue_run.h"
#include "server/net/resolver.h"
#include "server/time_question.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kOutsideTickMs = 50;

Config::Resolver resolver_settings(const std::vector<ListenAddress>& servers) {
  Config::Resolver settings;
  settings.servers = servers;
  settings.dnssec = DnssecTrust::kAlways;  // who asks judges whether that is to be believed
  return settings;
}

class OutsideLoop final : public admin::Outside {
 public:
  OutsideLoop(uv_loop_t* loop, const admin::OutsideTerms& terms)
      : loop_(loop), terms_(terms), resolver_(loop, resolver_settings(terms.servers)) {
    uv_timer_init(loop_, &timer_);
    timer_.data = this;
    end_ = uv_now(loop_) + static_cast<std::uint64_t>(terms.limit.count());
    uv_timer_start(
        &timer_, [](uv_timer_t* handle) { static_cast<OutsideLoop*>(handle->data)->tick(); }, 0,
        kOutsideTickMs);
  }

  void ask(const admin::DnsQuestion& question, std::function<void(const dns::Answer&)> done) override {
    ++open_;
    questions_.push_back(resolver_.ask(question.name, question.type,
                                       [this, told = std::move(done)](const dns::Answer& answer) {
                                         --open_;
                                         told(answer);
                                       }));
  }

  void talk(const admin::Dialogue& dialogue, std::function<void(const admin::Heard&)> done) override {
    ++open_;
    dialogues_.push_back(std::make_unique<DialogueRun>(
        loop_, dialogue, [this, told = std::move(done)](const admin::Heard& heard) {
          --open_;
          told(heard);
        }));
  }

  void ask_time(const IpAddress& address, std::uint16_t port,
                std::function<void(std::optional<double>)> done) override {
    ++open_;
    times_.push_back(std::make_unique<TimeQuestion>(
        loop_, address, port, [this, told = std::move(done)](std::optional<double> behind) {
          --open_;
          told(behind);
        }));
  }

 private:
  void tick() {
    if (terms_.tick) terms_.tick(open_);
    if (uv_now(loop_) >= end_ || (terms_.is_unwanted && terms_.is_unwanted())) give_up();
    for (const auto& each : dialogues_) each->check();
    std::erase_if(dialogues_, [](const auto& each) { return each->is_over(); });
    // Those that say goodbye are of no more interest, but politeness.
    if (open_ > 0 || !dialogues_.empty()) return;
    times_.clear();
    resolver_.stop();
    uv_timer_stop(&timer_);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  }

  void give_up() {
    open_ = 0;
    questions_.clear();
    times_.clear();
    for (const auto& each : dialogues_) each->cancel();
  }

  uv_loop_t* const loop_;
  const admin::OutsideTerms& terms_;
  Resolver resolver_;
  uv_timer_t timer_{};
  std::uint64_t end_ = 0;  // loop time, ms
  std::size_t open_ = 0;
  std::vector<Resolver::Question> questions_;
  std::list<std::unique_ptr<DialogueRun>> dialogues_;
  std::list<std::unique_ptr<TimeQuestion>> times_;
};

// libuv writes to connections that others may have reset.
class PipeSignalIgnored {
 public:
  PipeSignalIgnored() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  PipeSignalIgnored(const PipeSignalIgnored&) = delete;
  PipeSignalIgnored& operator=(const PipeSignalIgnored&) = delete;
  ~PipeSignalIgnored() { std::signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

}  // namespace

void go_outside(const admin::OutsideTerms& terms, const std::function<void(admin::Outside&)>& begin) {
  const PipeSignalIgnored ignored;
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    OutsideLoop outside(&loop, terms);
    begin(outside);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
}

}  // namespace mailstead

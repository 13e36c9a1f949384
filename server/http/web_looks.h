// What the administration page asks of the network: `doctor` and `dns check`, which wait for other hosts, up
// to a minute. One at a time, on a thread of its own; the last report of each is kept until the server ends.
//
// Ownership: one for the server. Threads: the reactor. Lifetime: as WorkQueue.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "admin/command.h"
#include "server/command_runner.h"
#include "server/work_queue.h"

namespace mailstead {

class WebLooks {
 public:
  static constexpr std::size_t kMost = 64;  // reports, the oldest go first

  struct Context {
    uv_loop_t* loop;
    const Config& config;  // the newest
    CommandRunner& commands;
    std::string data;
    std::string config_file;
  };
  explicit WebLooks(Context context);

  struct Look {
    enum class State { kNone, kRunning, kDone };
    State state = State::kNone;
    std::int64_t at = 0;  // Unix seconds: when it was made
    Report report;        // the last one, also while the next is made
  };

  // Nothing is begun that goes on already. false: the server is too busy or stopping.
  bool begin_doctor();
  bool begin_dns_check(const std::string& domain);
  Look doctor() const { return look(kDoctor); }
  Look dns_check(const std::string& domain) const { return look(key_of(domain)); }

  // What runs is broken off.
  void stop(std::function<void()> stopped);

 private:
  static constexpr const char* kDoctor = "doctor";
  static std::string key_of(const std::string& domain) { return "dns check " + domain; }

  using Work = std::function<Report(const Report& facts)>;
  bool begin(const std::string& key, Request facts, Work work);
  Look look(const std::string& key) const;
  void make_room();

  Context context_;
  std::map<std::string, Look> looks_;
  std::shared_ptr<std::atomic<bool>> stopping_ = std::make_shared<std::atomic<bool>>(false);
  WorkQueue thread_;
};

}  // namespace mailstead

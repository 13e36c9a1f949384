// DNS on the reactor, by c-ares: questions, their answers, and a memory of them for as long as they are good.
//
// The same question is asked once, however many wait for it. Answers are remembered for their TTL, at most
// kMostRemembered of them and kMostRememberedOctets; failures are not. An answer counts as authenticated only
// where the server's word for that is believed: of all of them that are asked. Ownership: who asks holds the
// question, and hears nothing once it has let go of it. Threads: the reactor. Errors: are answers,
// dns::Verdict::kFailed.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "admin/config/config.h"
#include "protocols/dns_message.h"

namespace mailstead {

class Resolver {
 public:
  using Done = std::function<void(const dns::Answer&)>;
  using Question = std::shared_ptr<Done>;

  static constexpr std::size_t kMostRemembered = 10'000;
  // An answer may have 64 KiB, and strangers have us ask for theirs.
  static constexpr std::size_t kMostRememberedOctets = 16 * 1024 * 1024;
  // Questions without an answer; more of them fail at once. A few thousand slow answers are somebody's
  // attack, and a message of DNS has no more than 65,536 numbers to be known by.
  static constexpr std::size_t kMostOpen = 5'000;
  // What strangers make us ask fails earlier: name servers of theirs that are silent hold up no mail of ours.
  static constexpr std::size_t kMostOpenForStrangers = kMostOpen / 2;

  enum class Behalf { kOurs, kStrangers };

  Resolver(uv_loop_t* loop, const Config::Resolver& settings);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `done` runs later, never inside the call. `name`: ASCII, without a dot at the end; an
  // empty one is not asked about.
  [[nodiscard]] Question ask(const std::string& name, dns::Type type, Done done,
                             Behalf behalf = Behalf::kOurs);
  // From now on these are asked, what is under way once more; what is remembered is forgotten.
  void use(const Config::Resolver& settings);
  // Nobody hears anything any more; its handles close. Call it once, before the loop ends.
  void stop();

 private:
  struct Channel;

  Channel* channel_;  // frees itself in its last close callback
};

}  // namespace mailstead

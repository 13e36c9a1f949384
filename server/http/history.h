// What the server did lately, for charts: samples in memory, finer ones of the last hour, coarser ones of a
// day and a week. A restart begins anew.
//
// Plain values. Threads: the reactor.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

namespace mailstead {

class History {
 public:
  static constexpr std::array<std::string_view, 12> kFields = {
      "accepted",      "refused",     "retrieved", "sent",    "failed",      "logins",
      "failed_logins", "connections", "waiting",   "unfiled", "free_octets", "mail_octets"};

  struct Sample {
    std::int64_t at = 0;  // Unix seconds
    std::array<std::uint64_t, kFields.size()> values{};
  };

  struct Span {
    std::string_view name;
    std::chrono::seconds step;
    std::size_t most;  // samples
  };
  static constexpr std::array<Span, 3> kSpans = {Span{"hour", std::chrono::seconds(10), 361},
                                                 Span{"day", std::chrono::minutes(2), 721},
                                                 Span{"week", std::chrono::minutes(15), 673}};

  // Called every kSpans[0].step: each span keeps those that its step has come for.
  void add(const Sample& sample);
  // Oldest first; of kSpans[span].
  const std::deque<Sample>& samples(std::size_t span) const { return samples_[span]; }

 private:
  std::array<std::deque<Sample>, kSpans.size()> samples_;
};

}  // namespace mailstead

#include "server/http/history.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

History::Sample at(std::int64_t seconds) {
  return {seconds, {static_cast<std::uint64_t>(seconds)}};
}

}  // namespace

TEST_CASE("an hour is finer than a day, and a day than a week", "[web]") {
  History history;
  // Each a moment late, as timers are.
  for (std::int64_t i = 0; i < 8 * 24 * 360; ++i) history.add(at(1'000'000 + i * 10 + i % 2));
  for (std::size_t span = 0; span < History::kSpans.size(); ++span) {
    const auto& samples = history.samples(span);
    const auto& [name, step, most] = History::kSpans[span];
    INFO(name);
    CHECK(samples.size() == most);
    for (std::size_t i = 1; i < samples.size(); ++i) {
      const auto gap = samples[i].at - samples[i - 1].at;
      CHECK(gap >= step.count() - 1);
      CHECK(gap <= step.count() + 1);
      CHECK(samples[i].values[0] == static_cast<std::uint64_t>(samples[i].at));
    }
  }
}

TEST_CASE("a clock that is put back does not stop the history", "[web]") {
  History history;
  for (std::int64_t i = 0; i < 100; ++i) history.add(at(1'000'000 + i * 10));
  history.add(at(1'000'505));
  history.add(at(1'000'515));
  const auto& samples = history.samples(0);
  CHECK(samples.back().at == 1'000'515);
  for (std::size_t i = 1; i < samples.size(); ++i) CHECK(samples[i].at > samples[i - 1].at);
}

#include "server/http/history.h"

namespace mailstead {

void History::add(const Sample& sample) {
  for (std::size_t i = 0; i < kSpans.size(); ++i) {
    std::deque<Sample>& samples = samples_[i];
    // A clock that was put back would stand still for as long: what seems to be to come goes.
    while (!samples.empty() && samples.back().at > sample.at) samples.pop_back();
    // Timers are a moment late, and the next one is not to be missed for that.
    const std::int64_t step = kSpans[i].step.count();
    const std::int64_t due =
        samples.empty() ? sample.at : samples.back().at + step - kSpans[0].step.count() / 2;
    if (sample.at < due) continue;
    samples.push_back(sample);
    if (samples.size() > kSpans[i].most) samples.pop_front();
  }
}

}  // namespace mailstead

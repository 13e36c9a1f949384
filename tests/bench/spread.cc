#include "bench/spread.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>

namespace mailstead::bench {

std::string spread(std::vector<float> milliseconds) {
  if (milliseconds.empty()) milliseconds.push_back(0);
  std::sort(milliseconds.begin(), milliseconds.end());
  const std::size_t last = milliseconds.size() - 1;
  const auto at = [&](std::size_t percent) {
    return static_cast<double>(milliseconds[last * percent / 100]);
  };
  std::array<char, 128> text;
  std::snprintf(text.data(), text.size(), R"({"median":%.4f,"p99":%.4f,"max":%.4f})", at(50), at(99),
                at(100));
  return text.data();
}

}  // namespace mailstead::bench

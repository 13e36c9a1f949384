#include "protocols/sntp.h"

#include <cstddef>

namespace mailstead::sntp {

namespace {

constexpr std::size_t kSize = 48;  // octets, without extensions
constexpr unsigned kVersion = 4;
constexpr unsigned kClient = 3;
constexpr unsigned kServer = 4;
constexpr unsigned kUnsynchronised = 3;  // of the leap indicator
constexpr std::size_t kOriginAt = 24, kReceivedAt = 32, kSentAt = 40;
constexpr double kEra = 4294967296.0;            // seconds
constexpr double kSecondsTo1970 = 2208988800.0;  // from 1900

std::uint64_t number_at(std::string_view octets, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<std::uint8_t>(octets[at + i]);
  return number;
}

// Unix seconds, in the era in which it is near `about`: the 32 bits turn over in 2036 (RFC 5905 6).
double time_of(std::uint64_t stamp, double about) {
  double seconds = static_cast<double>(stamp) / kEra - kSecondsTo1970;
  while (seconds < about - kEra / 2) seconds += kEra;
  return seconds;
}

}  // namespace

std::string question(std::uint64_t mark) {
  std::string octets(kSize, '\0');
  octets[0] = static_cast<char>(kVersion << 3 | kClient);
  for (std::size_t i = 0; i < 8; ++i) octets[kSentAt + i] = static_cast<char>(mark >> (56 - 8 * i));
  return octets;
}

std::optional<double> clock_behind(std::string_view answer, std::uint64_t mark, double sent,
                                   double received) {
  if (answer.size() < kSize) return std::nullopt;
  const unsigned first = static_cast<std::uint8_t>(answer[0]);
  const unsigned stratum = static_cast<std::uint8_t>(answer[1]);
  // Stratum 0 is a "kiss-o'-death": go away (RFC 5905 7.4).
  if ((first & 7) != kServer || first >> 6 == kUnsynchronised || stratum == 0 || stratum > 15)
    return std::nullopt;
  if (number_at(answer, kOriginAt) != mark || number_at(answer, kSentAt) == 0) return std::nullopt;
  const double there = time_of(number_at(answer, kReceivedAt), sent);
  const double back = time_of(number_at(answer, kSentAt), sent);
  return ((there - sent) + (back - received)) / 2;
}

}  // namespace mailstead::sntp

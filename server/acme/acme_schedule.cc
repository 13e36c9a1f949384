#include "server/acme/acme_schedule.h"

#include <algorithm>

#include "protocols/sha256.h"

namespace mailstead {
namespace {

constexpr std::int64_t kFirstDelay = 300;       // seconds
constexpr std::int64_t kLastDelay = 24 * 3600;  // seconds
constexpr std::int64_t kLeftPart = 3;           // a third of the time is left
constexpr std::int64_t kSpreadPart = 30;        // over a thirtieth of it, before that
constexpr unsigned kMostDoubledDelays = 16;

}  // namespace

std::int64_t renewal_time(std::int64_t not_before, std::int64_t not_after, std::string_view fingerprint) {
  const std::int64_t life = std::max<std::int64_t>(not_after - not_before, 0);
  const Sha256 digest = sha256(fingerprint);
  const std::int64_t place = digest[0] * 256 + digest[1];  // below 65,536
  return not_after - life / kLeftPart - life / kSpreadPart * place / 65'536;
}

std::chrono::seconds delay_after_failures(unsigned failures, double chance) {
  const unsigned doublings = std::min(std::max(failures, 1u) - 1, kMostDoubledDelays);
  const std::int64_t delay = std::min(kFirstDelay << doublings, kLastDelay);
  return std::chrono::seconds(delay + static_cast<std::int64_t>(static_cast<double>(delay) / 5 * chance));
}

}  // namespace mailstead

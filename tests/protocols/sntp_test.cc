#include "protocols/sntp.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

constexpr std::uint64_t kMark = 0x1122334455667788;

std::string stamp(double unix_seconds) {
  const auto value = static_cast<std::uint64_t>((unix_seconds + 2208988800.0) * 4294967296.0);
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets += static_cast<char>(value >> shift);
  return octets;
}

std::string mark_octets(std::uint64_t mark) {
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets += static_cast<char>(mark >> shift);
  return octets;
}

std::string answer(double there, double back, char first = 0x24, char stratum = 2) {
  std::string octets = {first, stratum, 6, '\xec'};
  octets.append(20, '\0');
  return octets + mark_octets(kMark) + stamp(there) + stamp(back);
}

}  // namespace

TEST_CASE("the time is asked for by a client of version 4, with a mark", "[sntp]") {
  const std::string question = sntp::question(kMark);
  REQUIRE(question.size() == 48);
  CHECK(question[0] == 0x23);
  CHECK(question.substr(1, 39) == std::string(39, '\0'));
  CHECK(question.substr(40) == mark_octets(kMark));
}

TEST_CASE("how far the clock is behind is the middle of the way there and back", "[sntp]") {
  const double now = 1'796'000'000;
  // A second each way, and a clock that is an hour slow.
  const auto behind = sntp::clock_behind(answer(now + 3601, now + 3601), kMark, now, now + 2);
  REQUIRE(behind);
  CHECK(*behind > 3599.99);
  CHECK(*behind < 3600.01);
  const auto ahead = sntp::clock_behind(answer(now - 10, now - 10), kMark, now, now);
  REQUIRE(ahead);
  CHECK(*ahead < -9.99);
  CHECK(*ahead > -10.01);
}

TEST_CASE("a clock is compared across the turn of the era in 2036", "[sntp]") {
  const double turn = 2'085'978'496;  // 2036-02-07 06:28:16
  std::string octets = answer(0, 0);
  octets.replace(32, 8, std::string("\0\0\0\5\0\0\0\0", 8));
  octets.replace(40, 8, std::string("\0\0\0\5\0\0\0\0", 8));
  const auto behind = sntp::clock_behind(octets, kMark, turn - 5, turn - 5);
  REQUIRE(behind);
  CHECK(*behind > 9.99);
  CHECK(*behind < 10.01);
}

TEST_CASE("an answer to something else, or of a server without the time, is none", "[sntp]") {
  const double now = 1'796'000'000;
  CHECK(sntp::clock_behind(answer(now, now), kMark, now, now));
  CHECK_FALSE(sntp::clock_behind(answer(now, now), kMark + 1, now, now));
  CHECK_FALSE(sntp::clock_behind(answer(now, now).substr(0, 47), kMark, now, now));
  CHECK_FALSE(sntp::clock_behind("", kMark, now, now));
  CHECK_FALSE(sntp::clock_behind(answer(now, now, 0x23), kMark, now, now));     // a question
  CHECK_FALSE(sntp::clock_behind(answer(now, now, '\xe4'), kMark, now, now));   // not synchronised
  CHECK_FALSE(sntp::clock_behind(answer(now, now, 0x24, 0), kMark, now, now));  // "go away"
  CHECK_FALSE(sntp::clock_behind(answer(now, now, 0x24, 16), kMark, now, now));
  CHECK_FALSE(sntp::clock_behind(answer(now, now).replace(40, 8, 8, '\0'), kMark, now, now));
}

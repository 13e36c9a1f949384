#include "storage/look/watch.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("a maildir is looked at when its times say so", "[storage]") {
  MaildirWatch watch;
  const MaildirTimes times{100 * kSecond, 90 * kSecond, 200 * kSecond};
  CHECK(watch.needs_scan(1, times, 200, 10));
  watch.scan_begins(1, times);
  watch.scan_settled(1, 200);
  CHECK(watch.is_quiet(1, times));
  CHECK_FALSE(watch.needs_scan(1, times, 1'000'000, 10));
  const MaildirTimes later{150 * kSecond, 90 * kSecond, 300 * kSecond};
  CHECK(watch.needs_scan(1, later, 300, 10));
  CHECK(watch.needs_scan(2, times, 200, 10));
}

TEST_CASE("a look at a folder that was changed that very moment does not count", "[storage]") {
  MaildirWatch watch;
  const MaildirTimes times{200 * kSecond - 1000, 90 * kSecond, 200 * kSecond};
  watch.scan_begins(1, times);
  watch.scan_settled(1, 200);
  CHECK(watch.needs_scan(1, times, 200, 10));
}

TEST_CASE("what we changed is looked at again, a large mailbox later than a small one", "[storage]") {
  MaildirWatch watch;
  const MaildirTimes times{100 * kSecond, 90 * kSecond, 200 * kSecond};
  const MaildirTimes ours{210 * kSecond, 90 * kSecond, 210 * kSecond};
  watch.scan_begins(1, times);
  watch.scan_settled(1, 200);
  watch.expect(1, ours);
  CHECK_FALSE(watch.needs_scan(1, ours, 799, 9));
  CHECK(watch.needs_scan(1, ours, 800, 9));
  CHECK_FALSE(watch.needs_scan(1, ours, 10'799, 100'000));
  CHECK(watch.needs_scan(1, ours, 10'800, 100'000));
}

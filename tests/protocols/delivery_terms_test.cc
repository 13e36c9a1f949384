#include "protocols/smtp/delivery_terms.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

constexpr std::int64_t kNoon = 1'700'000'000;  // 2023-11-14T22:13:20Z

}  // namespace

TEST_CASE("a message is held for seconds", "[delivery-terms]") {
  CHECK(parse_hold_for("1", kNoon) == kNoon + 1);
  CHECK(parse_hold_for("999999999", kNoon) == kNoon + 999'999'999);
  for (const char* wrong : {"", "0", "-1", "+1", "1s", " 1", "1000000000", "1.5"}) {
    INFO(wrong);
    CHECK_FALSE(parse_hold_for(wrong, kNoon).has_value());
  }
}

TEST_CASE("dates and times of RFC 3339", "[delivery-terms]") {
  CHECK(parse_date_time("2023-11-14T22:13:20Z") == kNoon);
  CHECK(parse_date_time("2023-11-14t22:13:20z") == kNoon);
  CHECK(parse_date_time("2023-11-14T22:13:20.999Z") == kNoon);
  CHECK(parse_date_time("2023-11-15T00:13:20+02:00") == kNoon);
  CHECK(parse_date_time("2023-11-14T16:43:20-05:30") == kNoon);
  CHECK(parse_date_time("2024-02-29T00:00:00Z") == 1'709'164'800);
  CHECK(parse_date_time("1990-12-31T23:59:60Z") == 662'688'000);  // its leap second
  for (const char* wrong :
       {"", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14 22:13:20Z", "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z", "2023-11-14T24:00:00Z", "2023-11-14T22:60:20Z", "2023-11-14T22:13:61Z",
        "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zx", "2023-11-14T22:13:20+0200",
        "2023-11-14T22:13:20+24:00", "2023-1-14T22:13:20Z", "20231114T221320Z"}) {
    INFO(wrong);
    CHECK_FALSE(parse_date_time(wrong).has_value());
  }
  CHECK(date_time(kNoon) == "2023-11-14T22:13:20Z");
}

TEST_CASE("a message is to be delivered by a time, or else", "[delivery-terms]") {
  const auto returned = parse_deliver_by("120;R", kNoon);
  REQUIRE(returned.has_value());
  CHECK(returned->at == kNoon + 120);
  CHECK(returned->returns);
  CHECK_FALSE(returned->traced);
  CHECK(deliver_by_text(*returned, kNoon + 20) == "100;R");
  const auto told = parse_deliver_by("-10;nt", kNoon);
  REQUIRE(told.has_value());
  CHECK(told->at == kNoon - 10);
  CHECK_FALSE(told->returns);
  CHECK(told->traced);
  CHECK(deliver_by_text(*told, kNoon) == "-10;NT");
  CHECK(parse_deliver_by("+5;N", kNoon).has_value());
  CHECK(parse_deliver_by("0;N", kNoon).has_value());
  for (const char* wrong :
       {"", "120", "120;", ";R", "120;X", "120;RX", "120;RTT", "0;R", "-1;R", "1000000000;R", "1 ;R"}) {
    INFO(wrong);
    CHECK_FALSE(parse_deliver_by(wrong, kNoon).has_value());
  }
}

TEST_CASE("priorities go from -9 to 9", "[delivery-terms]") {
  CHECK(parse_priority("9") == 9);
  CHECK(parse_priority("0") == 0);
  CHECK(parse_priority("-9") == -9);
  for (const char* wrong : {"", "10", "-0", "+1", "a", "-", "--1", "1 "}) {
    INFO(wrong);
    CHECK_FALSE(parse_priority(wrong).has_value());
  }
}

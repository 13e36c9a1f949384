#include "admin/config/quantity.h"

#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;

TEST_CASE("sizes are numbers with a unit", "[config]") {
  CHECK(parse_size("50 MiB") == 50ull << 20);
  CHECK(parse_size("64KiB") == 65536u);
  CHECK(parse_size("2 GB") == 2000000000u);
  CHECK(parse_size("4096") == 4096u);
  CHECK(parse_size("0 B") == 0u);
  CHECK(parse_size("18446744073709551615") == 18446744073709551615u);
  for (const char* wrong : {"", " ", "MiB", "-1", "+1", "1.5 MiB", "1  MiB", "1 MiB ", "1 mib", "1 Mi",
                            "0x10", "18446744073709551616", "16777216 TiB", " 1"}) {
    INFO(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
}

TEST_CASE("a limit is a size up to the most there may be, or none", "[config]") {
  CHECK(parse_limit("none", 10) == 0u);
  CHECK(parse_limit("0", 10) == 0u);
  CHECK(parse_limit("10", 10) == 10u);
  CHECK(parse_limit("2 GiB", 1ull << 40) == 2ull << 30);
  for (const char* wrong : {"", "None", "none ", "11", "1 KiB", "-1", "unlimited", "default"}) {
    INFO(wrong);
    CHECK_FALSE(parse_limit(wrong, 10));
  }
  CHECK(print_limit(0) == "none");
  CHECK(print_limit(2048) == "2 KiB");
}

TEST_CASE("durations are numbers that have a unit", "[config]") {
  using std::chrono::seconds;
  CHECK(parse_duration("90 s") == seconds(90));
  CHECK(parse_duration("10 min") == seconds(600));
  CHECK(parse_duration("2 h") == seconds(7200));
  CHECK(parse_duration("7 days") == seconds(604800));
  CHECK(parse_duration("1 day") == seconds(86400));
  for (const char* wrong : {"", "10", "min", "-1 s", "1.5 h", "1 fortnight", "99999999999 days", "1 s 2"}) {
    INFO(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
}

TEST_CASE("sizes and durations are printed in the unit that divides them, and read back", "[config]") {
  CHECK(print_size(50ull << 20) == "50 MiB");
  CHECK(print_size(1000) == "1000 B");
  CHECK(print_size(0) == "0 B");
  CHECK(print_duration(std::chrono::seconds(600)) == "10 min");
  CHECK(print_duration(std::chrono::seconds(86400)) == "24 h");
  CHECK(print_duration(std::chrono::seconds(61)) == "61 s");
  for (const std::uint64_t size : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 40, (1ull << 40) + 1}) {
    CHECK(parse_size(print_size(size)) == size);
  }
  for (const int length : {0, 1, 60, 61, 3600, 86400, 90000}) {
    CHECK(parse_duration(print_duration(std::chrono::seconds(length))) == std::chrono::seconds(length));
  }
}

TEST_CASE("listen addresses are numeric, with a port", "[config]") {
  CHECK(parse_listen("127.0.0.1:2525")->text() == "127.0.0.1:2525");
  CHECK(parse_listen("[::1]:25")->text() == "[::1]:25");
  CHECK(parse_listen("[0:0:0:0:0:0:0:1]:25")->text() == "[::1]:25");
  CHECK(parse_listen(":25")->text() == "[::]:25");
  CHECK(parse_listen("0.0.0.0:0")->port == 0);
  CHECK(parse_listen("[::]:65535")->port == 65535);
  for (const std::string wrong :
       {"", "25", "127.0.0.1", "127.0.0.1:", "localhost:25", "::1:25", "[::1]", "[127.0.0.1]:25",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:2 5", "127.1:25", "*:25", "[]:25",
        "[::1:25", "[fe80::1%lo]:25"}) {
    INFO(wrong);
    CHECK_FALSE(parse_listen(wrong));
  }
  CHECK_FALSE(parse_listen(std::string("127.0.0.1\0x:25", 14)));
}

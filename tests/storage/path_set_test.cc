#include "storage/look/path_set.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("each path is taken once", "[storage]") {
  PathSet paths;
  paths.add("new/1");
  paths.add("cur/1");
  paths.add("new/1");
  CHECK(paths.left() == std::vector<std::string>{"new/1", "cur/1"});
  CHECK(paths.take("new/1"));
  CHECK_FALSE(paths.take("new/1"));
  CHECK_FALSE(paths.take("new/2"));
  CHECK(paths.left() == std::vector<std::string>{"cur/1"});
}

TEST_CASE("a path may have any octets, and be empty or long", "[storage]") {
  PathSet paths;
  const std::string odd("new/\0\xff\n", 7);
  const std::string longest(65'535, 'x');
  for (const std::string& path : {odd, longest, std::string()}) paths.add(path);
  CHECK(paths.left() == std::vector<std::string>{odd, longest, ""});
  CHECK(paths.take(longest));
  CHECK_FALSE(paths.take(longest.substr(1)));
  CHECK(paths.take(odd));
  CHECK(paths.take(""));
  CHECK(paths.left().empty());
}

TEST_CASE("more paths than were expected find room", "[storage]") {
  const std::size_t expected = GENERATE(std::size_t{0}, std::size_t{1'000}, std::size_t{50'000});
  PathSet paths(expected);
  const auto path = [](int i) { return "new/" + std::to_string(i); };
  constexpr int kMany = 20'000;
  for (int i = 0; i < kMany; ++i) paths.add(path(i));
  for (int i = 0; i < kMany; i += 2) REQUIRE(paths.take(path(i)));
  const auto left = paths.left();
  REQUIRE(left.size() == kMany / 2);
  CHECK(left.front() == "new/1");
  CHECK(left.back() == "new/19999");
}

#include "protocols/line_reader.h"

#include <string>
#include <vector>

#include "tests/catch.h"

namespace mailstead {
namespace {

// What a reader of `limit` makes of the bytes, cut behind `cut`: lines, and events in angle brackets.
std::vector<std::string> read_all(std::string_view bytes, std::size_t limit, std::size_t cut) {
  LineReader reader(limit);
  std::vector<std::string> events;
  for (std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    while (!piece.empty()) {
      std::size_t consumed = 0;
      const LineEvent event = reader.read(piece, consumed);
      REQUIRE(consumed > 0);
      REQUIRE(consumed <= piece.size());
      piece.remove_prefix(consumed);
      if (event == LineEvent::kLine) events.emplace_back(reader.line());
      if (event == LineEvent::kBareNewline) events.emplace_back("<bare>");
      if (event == LineEvent::kNul) events.emplace_back("<nul>");
      if (event == LineEvent::kTooLong) events.emplace_back("<long>");
    }
  }
  return events;
}

void check(std::string_view bytes, const std::vector<std::string>& expected) {
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    INFO("cut at " << cut);
    CHECK(read_all(bytes, 8, cut) == expected);
  }
}

}  // namespace

TEST_CASE("only CRLF ends a good line, wherever the packets are cut", "[line_reader]") {
  using namespace std::string_view_literals;
  check("NOOP\r\n"sv, {"NOOP"});
  check("A\r\nB\r\n\r\nC"sv, {"A", "B", ""});
  check("A\nB\r\n"sv, {"<bare>", "B"});
  check("\n\r\n"sv, {"<bare>", ""});
  check("A\rB\r\nC\r\n"sv, {"<bare>", "C"});
  check("A\r\r\nC\r\n"sv, {"<bare>", "C"});
  check("A\0B\r\nC\r\n"sv, {"<nul>", "C"});
  check("A\0\nC\r\n"sv, {"<nul>", "C"});
}

TEST_CASE("a line beyond the limit is thrown away to its end", "[line_reader]") {
  check("123456\r\nB\r\n", {"123456", "B"});
  check("1234567\r\nB\r\n", {"<long>", "B"});
  check("12345678\r\nB\r\n", {"<long>", "B"});
  check("12345678\nB\r\n", {"<long>", "B"});
  check("1234567890123456789012345678901234567890\r\nB\r\n", {"<long>", "B"});
  check("12345678901234567890", {"<long>"});
}

TEST_CASE("a new limit counts from the next line on", "[line_reader]") {
  LineReader reader(4);
  std::size_t consumed = 0;
  CHECK(reader.read("AB\r\n", consumed) == LineEvent::kLine);
  reader.set_limit(6);
  CHECK(reader.read("ABCD\r\n", consumed) == LineEvent::kLine);
  CHECK(reader.line() == "ABCD");
  reader.set_limit(4);
  CHECK(reader.read("ABCD\r\n", consumed) == LineEvent::kTooLong);
  CHECK(consumed == 5);
}

}  // namespace mailstead

#include "protocols/smtp/reply_reader.h"

#include <string>
#include <vector>

#include "tests/catch.h"

namespace mailstead::test {
namespace {

// What the first reply in these octets is, read in pieces of `piece`.
std::string first_reply(std::string_view wire, std::size_t piece) {
  ReplyReader reader;
  while (!wire.empty()) {
    std::size_t consumed = 0;
    const auto event = reader.read(wire.substr(0, piece), consumed);
    if (event == ReplyReader::Event::kReply) return reader.reply().line();
    if (event == ReplyReader::Event::kNoReply) return reader.why();
    wire.remove_prefix(consumed);
  }
  return "incomplete";
}

std::string read_both_ways(const std::string& wire) {
  const std::string whole = first_reply(wire, wire.size());
  CHECK(first_reply(wire, 1) == whole);
  CHECK(first_reply(wire, 7) == whole);
  return whole;
}

}  // namespace

TEST_CASE("replies of one and of many lines", "[smtp-client]") {
  CHECK(read_both_ways("250 OK\r\n") == "250 OK");
  CHECK(read_both_ways("250 2.1.0 OK\r\n") == "250 2.1.0 OK");
  CHECK(read_both_ways("250-a\r\n250-\r\n250 b\r\n") == "250 a b");
  CHECK(read_both_ways("550-5.1.1 no\r\n550 5.1.1 such\r\n") == "550 5.1.1 no such");
  CHECK(read_both_ways("250\r\n") == "250");
  CHECK(read_both_ways("250 \r\n") == "250");
  CHECK(read_both_ways("250-a\r\n250\r\n") == "250 a");
  CHECK(read_both_ways("250-a\n250 b\n") == "250 a b");
  CHECK(read_both_ways("250-a\r\n") == "incomplete");
  CHECK(read_both_ways("250 a\r") == "incomplete");
}

TEST_CASE("what is no reply", "[smtp-client]") {
  for (const char* line : {"", "OK", "25", "25 a", "199 a", "600 a", "999 a", "2500 a", "250\ta", "250_a",
                           " 250 a", "-50 a", "2a0 a", "\xff"}) {
    INFO(line);
    CHECK(read_both_ways(std::string(line) + "\r\n").starts_with("what came is no reply:"));
  }
  CHECK(read_both_ways(std::string("\0", 1) + "250 OK\r\n").starts_with("what came is no reply:"));
  CHECK(read_both_ways("250-a\r\n251 b\r\n").starts_with("the lines of a reply have different codes"));
}

TEST_CASE("an enhanced status code has the class of its code, and is well formed", "[smtp-client]") {
  ReplyReader reader;
  const auto enhanced = [&](const std::string& line) {
    std::size_t consumed = 0;
    REQUIRE(reader.read(line + "\r\n", consumed) == ReplyReader::Event::kReply);
    return reader.reply().enhanced;
  };
  CHECK(enhanced("250 2.0.0") == "2.0.0");
  CHECK(enhanced("550 5.700.123 x") == "5.700.123");
  for (const char* line : {"550 4.1.1 x", "550 5.1 x", "550 5.1.1x x", "550 5.1234.1 x", "550 5..1 x",
                           "550 5.1. x", "550 x 5.1.1", "354 3.0.0 x", "550 55.1.1 x", "550 5.1.1.1 x"}) {
    INFO(line);
    CHECK(enhanced(line).empty());
  }
}

TEST_CASE("a reply is bounded in line, lines and all", "[smtp-client]") {
  const std::string longest = "250 " + std::string(kMaxReplyLine - 6, 'a') + "\r\n";
  CHECK(read_both_ways(longest).size() == 4 + kMaxReplyText);
  CHECK(read_both_ways("250 a" + longest.substr(4)).starts_with("a line of a reply is too long"));
  std::string many;
  for (std::size_t i = 1; i < kMaxReplyLines; ++i) many += "250-a\r\n";
  CHECK(read_both_ways(many + "250 a\r\n").starts_with("250 a a"));
  CHECK(read_both_ways(many + "250-a\r\n250 a\r\n").starts_with("a reply does not end"));
  std::string large;
  for (std::size_t i = 0; i < 17; ++i) large += "250-" + std::string(4000, 'a') + "\r\n";
  CHECK(read_both_ways(large + "250 a\r\n").starts_with("a reply does not end"));
}

TEST_CASE("the text of a reply is one printable line", "[smtp-client]") {
  CHECK(printable("a\r\nb\tc\x7f\x1b") == "a  b c  ");
  CHECK(printable("\xc3\xa4 \xc3 \xff \xc2\x85") == "\xc3\xa4 ? ?  ");
  // No half characters at the end.
  std::string text(kMaxReplyText - 1, 'a');
  CHECK(printable(text + "\xc3\xa4") == text);
}

TEST_CASE("a reader goes on behind a reply", "[smtp-client]") {
  ReplyReader reader;
  const std::string wire = "220 a\r\n250 b\r\n";
  std::size_t consumed = 0;
  REQUIRE(reader.read(wire, consumed) == ReplyReader::Event::kReply);
  CHECK(consumed == 7);
  REQUIRE(reader.read(std::string_view(wire).substr(7), consumed) == ReplyReader::Event::kReply);
  CHECK(reader.lines() == std::vector<std::string>{"b"});
  CHECK(reader.code() == 250);
}

}  // namespace mailstead::test

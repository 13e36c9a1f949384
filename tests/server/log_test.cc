#include "server/log.h"

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("an event is one line whatever its values hold", "[log]") {
  const std::string line =
      format_event_text("refused", {{"helo", "a\r\nready\x1b[2J"}, {"why", "he said \"no\""}, {"id", "abc"}});
  CHECK(line == R"(refused helo="a\x0d\x0aready\x1b[2J" why="he said \"no\"" id=abc)");
  CHECK(format_event_text("x", {{"v", std::string("\0b", 2)}}) == R"(x v="\x00b")");
}

TEST_CASE("UTF-8 stays, stray bytes and C1 controls are escaped", "[log]") {
  CHECK(format_event_text("x", {{"v", "b\xC3\xBCro"}}) == "x v=\"b\xC3\xBCro\"");
  CHECK(format_event_text("x", {{"v", "b\xFCro"}}) == R"(x v="b\xfcro")");
  CHECK(format_event_text("x", {{"v", "\xC2\x9B"}}) == R"(x v="\xc2\x9b")");
  CHECK(format_event_text("x", {{"v", "\xED\xA0\x80"}}) == R"(x v="\xed\xa0\x80")");
  CHECK(format_event_text("x", {{"v", "\xC0\xAF"}}) == R"(x v="\xc0\xaf")");
  CHECK(format_event_text("x", {{"v", "cut\xE2\x82"}}) == R"(x v="cut\xe2\x82")");
}

TEST_CASE("marks that break or turn round a line are escaped", "[log]") {
  CHECK(format_event_text("x", {{"v", "a\u2028b"}}) == R"(x v="a\xe2\x80\xa8b")");
  CHECK(format_event_text("x", {{"v", "\u202egro"}}) == R"(x v="\xe2\x80\xaegro")");
}

TEST_CASE("plain fields stand without their key", "[log]") {
  CHECK(format_event_text("listening", {{"service", "smtp", LogField::Style::kPlain},
                                        {"address", "127.0.0.1:2525", LogField::Style::kPlain}}) ==
        "listening smtp 127.0.0.1:2525");
}

TEST_CASE("an empty value is seen as one", "[log]") {
  CHECK(format_event_text("x", {{"from", ""}}) == "x from=\"\"");
}

TEST_CASE("JSON keeps every field and escapes by JSON's rules", "[log]") {
  CHECK(
      format_event_json("2026-01-02T03:04:05.678Z", LogLevel::kWarning, "refused",
                        {{"helo", "a\n\"b\"\\\x01"}, {"raw", "\xFF"}}) ==
      R"({"time":"2026-01-02T03:04:05.678Z","level":"warning","event":"refused","helo":"a\u000a\"b\"\\\u0001","raw":"\u00ff"})");
}

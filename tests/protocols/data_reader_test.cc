#include "protocols/smtp/data_reader.h"

#include <chrono>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace mailstead {
namespace {

struct Outcome {
  bool ended = false;
  bool bare_newline = false;
  std::string content;
  std::string rest;  // wire bytes behind the end
  std::uint64_t octets = 0;

  bool operator==(const Outcome&) const = default;
};

Outcome read_pieces(const std::vector<std::string_view>& pieces, BareNewline policy = BareNewline::kReject) {
  DataReader reader(policy);
  Outcome outcome;
  for (const std::string_view piece : pieces) {
    const std::size_t consumed = reader.ended() ? 0 : reader.read(piece, &outcome.content);
    outcome.rest += piece.substr(consumed);
  }
  outcome.ended = reader.ended();
  outcome.bare_newline = reader.bare_newline();
  outcome.octets = reader.octets();
  return outcome;
}

Outcome read_bytes(std::string_view wire, BareNewline policy = BareNewline::kReject) {
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < wire.size(); ++i) pieces.push_back(wire.substr(i, 1));
  return read_pieces(pieces, policy);
}

// The same, told in another way: by looking at the whole.
Outcome judge(std::string_view wire) {
  Outcome outcome;
  const std::string framed = "\r\n" + std::string(wire);
  const std::size_t end = framed.find("\r\n.\r\n");
  outcome.ended = end != std::string::npos;
  const std::string message = framed.substr(2, outcome.ended ? end : std::string::npos);
  if (outcome.ended) outcome.rest = framed.substr(end + 5);
  for (std::size_t i = 0; i < message.size(); ++i) {
    const bool after_cr = i > 0 && message[i - 1] == '\r';
    const bool before_lf = i + 1 < message.size() && message[i + 1] == '\n';
    if (message[i] == '\n' && !after_cr) outcome.bare_newline = true;
    if (message[i] == '\r' && !before_lf) outcome.bare_newline = true;
    const bool line_start = i == 0 || (message[i - 1] == '\n' && i > 1 && message[i - 2] == '\r');
    if (message[i] == '.' && line_start) continue;
    outcome.content += message[i];
  }
  outcome.octets = outcome.content.size();
  return outcome;
}

// Every string of up to `length` of these octets.
std::vector<std::string> strings(std::size_t length) {
  constexpr char kOctets[] = {'\r', '\n', '.', '\0', 'a'};
  std::vector<std::string> all{""};
  for (std::size_t begin = 0, round = 0; round < length; ++round) {
    const std::size_t end = all.size();
    for (; begin < end; ++begin) {
      for (const char octet : kOctets) all.push_back(all[begin] + octet);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a message ends only at CRLF.CRLF", "[data_reader]") {
  using namespace std::string_view_literals;
  CHECK(read_bytes("a\r\n.\r\nNEXT") == Outcome{true, false, "a\r\n", "NEXT", 3});
  CHECK(read_bytes(".\r\nNEXT") == Outcome{true, false, "", "NEXT", 0});
  CHECK(read_bytes("a\r\n..\r\n.\r\n") == Outcome{true, false, "a\r\n.\r\n", "", 6});
  for (const std::string_view wire :
       {"a\n.\nb"sv, "a\n.\r\nb"sv, "a\r\n.\nb"sv, "a\r.\r\nb"sv, "a\r.\rb"sv, "a\r\n.\rb"sv, "a\n.\rb"sv,
        "a\r.\nb"sv, "a\r\n.\r\r\nb"sv, "a\r\n\r.\r\nb"sv, "a\r\r\n\n.\r\nb"sv, ".\n"sv, ".\r.\r\n"sv}) {
    INFO(wire);
    const Outcome outcome = read_bytes(wire);
    CHECK_FALSE(outcome.ended);
    CHECK(outcome.bare_newline);
    const Outcome at_true_end = read_bytes(std::string(wire) + "\r\n.\r\n");
    CHECK(at_true_end.ended);
    CHECK(at_true_end.bare_newline);
    CHECK(at_true_end.rest.empty());
  }
  const Outcome nul = read_bytes("a\r\n\0.\r\nb"sv);
  CHECK_FALSE(nul.ended);
  CHECK_FALSE(nul.bare_newline);
  CHECK(nul.content == "a\r\n\0.\r\nb"sv);
}

TEST_CASE("any newlines around a dot make one message or a refusal, never two", "[data_reader]") {
  const auto around = strings(4);
  REQUIRE(around.size() == 781);
  for (const std::string& before : around) {
    for (const std::string& after : around) {
      if (before.size() + after.size() > 5) continue;
      const std::string wire = "x" + before + "." + after + "y";
      const Outcome expected = judge(wire);
      bool good = read_bytes(wire) == expected;
      for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
        const std::string_view view = wire;
        good = good && read_pieces({view.substr(0, cut), view.substr(cut)}) == expected;
      }
      // Only the one true end ends: what is behind any other is content, and the bare newline is known.
      if (!expected.ended && wire.find_first_of("\r\n") != std::string::npos && expected.bare_newline) {
        const Outcome later = read_pieces({wire + "\r\n.\r\n"});
        good = good && later.ended && later.bare_newline;
      }
      if (!good) {
        CAPTURE(before, after);
        REQUIRE(good);
      }
    }
  }
}

TEST_CASE("normalised newlines are all CRLF, and end nothing", "[data_reader]") {
  for (const std::string& text : strings(6)) {
    const std::string wire = "a" + text + "b\r\n.\r\n";
    const Outcome strict = read_pieces({wire});
    const Outcome outcome = read_pieces({wire}, BareNewline::kNormalise);
    bool good = outcome == read_bytes(wire, BareNewline::kNormalise) && outcome.rest == strict.rest &&
                outcome.ended == strict.ended && outcome.octets == outcome.content.size();
    for (std::size_t i = 0; i < outcome.content.size(); ++i) {
      if (outcome.content[i] == '\n') good = good && i > 0 && outcome.content[i - 1] == '\r';
      if (outcome.content[i] == '\r') good = good && outcome.content.substr(i, 2) == "\r\n";
    }
    if (!strict.bare_newline) good = good && outcome.content == strict.content;
    if (!good) {
      CAPTURE(text);
      REQUIRE(good);
    }
  }
}

TEST_CASE("content that nobody wants is counted all the same", "[data_reader]") {
  DataReader reader(BareNewline::kReject);
  CHECK(reader.read("ab\r\n..\r\nc\nd\r\n.\r\nX", nullptr) == 16);
  CHECK(reader.ended());
  CHECK(reader.octets() == 12);
  CHECK(reader.bare_newline());
}

TEST_CASE("input of nothing but newlines takes linear time", "[data_reader]") {
  // Quadratic time would be minutes for these; the bound is generous because of slow machines.
  for (const std::string& unit :
       {std::string("\r"), std::string("\n"), std::string("\r."), std::string("\n."), std::string("\r\n"),
        std::string("a\r"), std::string("a\n")}) {
    std::string wire;
    while (wire.size() < (1u << 20)) wire += unit;
    DataReader reader(BareNewline::kReject);
    std::string content;
    const auto begin = std::chrono::steady_clock::now();
    CHECK(reader.read(wire, &content) == wire.size());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}

}  // namespace mailstead

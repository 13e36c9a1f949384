#include "protocols/smtp/dot_writer.h"

#include <string>

#include "tests/catch.h"

namespace mailstead {
namespace {

std::string write(std::string_view message, std::optional<std::uint64_t> lines, std::size_t cut) {
  DotWriter writer(DotStuffing::kNeeded, lines);
  std::string out;
  writer.write(message.substr(0, cut), out);
  writer.write(message.substr(cut), out);
  writer.finish(out);
  return out;
}

void check(std::string_view message, std::optional<std::uint64_t> lines, const std::string& expected) {
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    INFO("cut at " << cut);
    CHECK(write(message, lines, cut) == expected);
  }
}

}  // namespace

TEST_CASE("every dot at a line's start is stuffed, across any border", "[dot_writer]") {
  check(".\r\n..\r\na.\r\n.b\r\n", std::nullopt, "..\r\n...\r\na.\r\n..b\r\n.\r\n");
  check("a\n.\nb\r.\r\n", std::nullopt, "a\n..\nb\r.\r\n.\r\n");
}

TEST_CASE("the ending dot stands on a line of its own", "[dot_writer]") {
  check("", std::nullopt, ".\r\n");
  check("a", std::nullopt, "a\r\n.\r\n");
  check("a\r", std::nullopt, "a\r\r\n.\r\n");
  check("a\n", std::nullopt, "a\n\r\n.\r\n");
  check("\n", std::nullopt, "\n\r\n.\r\n");
  check("a\r\n", std::nullopt, "a\r\n.\r\n");
  check(".", std::nullopt, "..\r\n.\r\n");
}

TEST_CASE("TOP sends the header, the blank line and the lines asked for", "[dot_writer]") {
  const std::string message = "A: b\r\nC: d\r\n\r\n.1\r\n\r\n3\r\n4";
  check(message, 0, "A: b\r\nC: d\r\n\r\n.\r\n");
  check(message, 1, "A: b\r\nC: d\r\n\r\n..1\r\n.\r\n");
  check(message, 2, "A: b\r\nC: d\r\n\r\n..1\r\n\r\n.\r\n");
  check(message, 4, "A: b\r\nC: d\r\n\r\n..1\r\n\r\n3\r\n4\r\n.\r\n");
  check(message, 1000, "A: b\r\nC: d\r\n\r\n..1\r\n\r\n3\r\n4\r\n.\r\n");
  check("A: b\r\nC: d\r\n", 0, "A: b\r\nC: d\r\n.\r\n");
  check("\r\nbody\r\nmore\r\n", 1, "\r\nbody\r\n.\r\n");
  check("A: b\n\nbody\nmore\n", 1, "A: b\n\nbody\n\r\n.\r\n");
  check("A\r\n\r\r\nB\r\n\r\n1\r\n", 0, "A\r\n\r\r\nB\r\n\r\n.\r\n");
}

TEST_CASE("TOP says when it has enough", "[dot_writer]") {
  DotWriter writer(DotStuffing::kNeeded, 1);
  std::string out;
  writer.write("A: b\r\n\r\n", out);
  CHECK_FALSE(writer.complete());
  writer.write("1\r\n2\r\n", out);
  CHECK(writer.complete());
  writer.write("3\r\n", out);
  writer.finish(out);
  CHECK(out == "A: b\r\n\r\n1\r\n.\r\n");
  CHECK_FALSE(DotWriter(DotStuffing::kNeeded).complete());
}

TEST_CASE("without dots at line starts a message goes through as it is", "[dot_writer]") {
  DotWriter writer(DotStuffing::kNotNeeded);
  std::string out;
  writer.write("a.\r\nb", out);
  writer.finish(out);
  CHECK(out == "a.\r\nb\r\n.\r\n");
}

}  // namespace mailstead

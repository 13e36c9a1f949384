#include "protocols/origin/dkim_canonical.h"

#include <string>
#include <vector>

#include "protocols/base64.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

// The hash is that of `canonical`, however the body is cut.
void check_body(const std::string& body, const std::string& canonical) {
  const Sha256 expected = sha256(canonical);
  INFO("body: " << body);
  for (std::size_t first = 0; first <= body.size(); ++first) {
    for (std::size_t second = first; second <= body.size(); ++second) {
      BodyHash hash(DkimForm::kRelaxed);
      hash.read(std::string_view(body).substr(0, first));
      hash.read(std::string_view(body).substr(first, second - first));
      hash.read(std::string_view(body).substr(second));
      REQUIRE(hash.finish() == expected);
    }
  }
}

// Header and body of a message, however it is cut.
std::pair<std::string, std::string> parted(const std::string& message) {
  DkimHeader whole;
  std::string body(whole.read(message));
  for (std::size_t first = 0; first <= message.size(); ++first) {
    DkimHeader header;
    std::string pieces(header.read(std::string_view(message).substr(0, first)));
    for (const char c : message.substr(first)) pieces += header.read(std::string(1, c));
    INFO("cut at " << first);
    REQUIRE(header.text() == whole.text());
    REQUIRE(pieces == body);
  }
  return {whole.text(), body};
}

std::vector<std::string> names_of(const std::string& header) {
  DkimHeader it;
  it.read(header);
  const auto fields = it.fields();
  if (!fields) return {"unreadable"};
  std::vector<std::string> names;
  for (const DkimField& field : *fields) names.emplace_back(field.name);
  return names;
}

}  // namespace

TEST_CASE("relaxed header fields: RFC 6376 3.4.2 and 3.4.5", "[dkim]") {
  CHECK(relaxed_field("A: X\r\n") == "a:X\r\n");
  CHECK(relaxed_field("B : Y\t\r\n\tZ  \r\n") == "b:Y Z\r\n");
  CHECK(relaxed_field("SUBJect:abc\r\n") == "subject:abc\r\n");
  CHECK(relaxed_field("Subject:  a \t b\r\n \r\n\tc\r\n") == "subject:a b c\r\n");
  CHECK(relaxed_field("Subject:\r\n") == "subject:\r\n");
  CHECK(relaxed_field("Subject: \t\r\n \r\n") == "subject:\r\n");
  CHECK(relaxed_field("Subject\t : a:b: c") == "subject:a:b: c\r\n");
  CHECK(relaxed_field("Subject: gr\xc3\xbc\xc3\x9f"
                      "e \xff\r\n") ==
        "subject:gr\xc3\xbc\xc3\x9f"
        "e \xff\r\n");
  // What is no blank of DKIM's is text: 2.8 knows space and tab.
  CHECK(relaxed_field("Subject: a\v\f b\r\n") == "subject:a\v\f b\r\n");
  CHECK(relaxed_field("Subject: a\r b\n c\r\n") == "subject:a\r b\n c\r\n");
}

TEST_CASE("relaxed bodies: RFC 6376 3.4.4 and 3.4.5", "[dkim]") {
  check_body(" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n");
  check_body("", "");
  check_body("\r\n", "");
  check_body(" \t\r\n\r\n \r\n", "");
  check_body(" ", "");
  check_body("x", "x\r\n");
  check_body("x \t", "x\r\n");
  check_body("x\r\n ", "x\r\n");
  check_body("\r\n\r\nx\r\n", "\r\n\r\nx\r\n");
  check_body("a\r\n\r\n \r\n\tb\r\n\r\n", "a\r\n\r\n\r\n b\r\n");
  check_body("a\rb \r c\nd \n\r\n", "a\rb \r c\nd \n\r\n");
  check_body("a\r", "a\r\r\n");
  check_body("a\r\r\nb \r", "a\r\r\nb \r\r\n");
  check_body(std::string("\0 \xff\r\n", 5), std::string("\0 \xff\r\n", 5));
}

TEST_CASE("the hash of nothing is RFC 6376's", "[dkim]") {
  CHECK(base64::encode(octets_of(BodyHash(DkimForm::kRelaxed).finish())) ==
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

TEST_CASE("thousands of empty lines count only before text", "[dkim]") {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "\r\n";
  BodyHash hash(DkimForm::kRelaxed);
  hash.read(lines);
  hash.read("x");
  hash.read(lines);
  CHECK(hash.finish() == sha256(lines + "x\r\n"));
}

TEST_CASE("a header ends at the first empty line", "[dkim]") {
  using Parts = std::pair<std::string, std::string>;
  CHECK(parted("A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore") == Parts("A: b\r\nC: d\r\n", "body\r\n\r\nmore"));
  CHECK(parted("\r\nbody\r\n\r\nmore") == Parts("", "body\r\n\r\nmore"));
  CHECK(parted("\r\n") == Parts("", ""));
  CHECK(parted("A: b\r\n") == Parts("A: b\r\n", ""));
  CHECK(parted("A: b") == Parts("A: b", ""));
  CHECK(parted("A: b\r\n\r\n") == Parts("A: b\r\n", ""));
  CHECK(parted("A: b\n\nC: d\r\n \r\n\r\n\r\n") == Parts("A: b\n\nC: d\r\n \r\n", "\r\n"));
  CHECK(parted("") == Parts("", ""));
}

TEST_CASE("a header is made of fields", "[dkim]") {
  CHECK(names_of("A: b\r\n c\r\nB\t: d\r\n\te: f\r\n") == std::vector<std::string>{"A", "B"});
  CHECK(names_of("").empty());
  const std::vector<std::string> none{"unreadable"};
  CHECK(names_of("A: b\r\nno field\r\nC: d\r\n") == none);
  CHECK(names_of("A: b\r\nno field\r\n x: y\r\n") == none);
  CHECK(names_of(" x: y\r\nA: b\r\n") == none);
  CHECK(names_of("a b: c\r\n") == none);
  CHECK(names_of("\xc3\xbc: c\r\n") == none);
  CHECK(names_of(": c\r\n") == none);
}

TEST_CASE("of a header that is too long only its end is found", "[dkim]") {
  const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  std::string message;
  while (message.size() <= kMaxDkimHeader) message += line;
  message += "\r\nbody";
  for (const std::size_t step : {std::size_t{1}, std::size_t{4096}, message.size()}) {
    DkimHeader header;
    std::string body;
    for (std::size_t at = 0; at < message.size(); at += step) {
      body += header.read(std::string_view(message).substr(at, step));
    }
    CHECK(header.too_long());
    CHECK(header.text().size() < 2 * line.size());
    CHECK(body == "body");
  }
}

TEST_CASE("simple bodies: RFC 6376 3.4.3", "[dkim]") {
  const auto check = [](const std::string& body, const std::string& canonical) {
    INFO("body: " << body);
    for (std::size_t cut = 0; cut <= body.size(); ++cut) {
      BodyHash hash(DkimForm::kSimple);
      hash.read(std::string_view(body).substr(0, cut));
      hash.read(std::string_view(body).substr(cut));
      REQUIRE(hash.finish() == sha256(canonical));
      REQUIRE(hash.octets() == canonical.size());
    }
  };
  check("", "\r\n");
  check("\r\n", "\r\n");
  check("\r\n\r\n", "\r\n");
  check("x", "x\r\n");
  check(" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n");
  check("x \t", "x \t\r\n");
  check("x\r\n \r\n\r\n", "x\r\n \r\n");
  check("\r\n\r\nx\r\n", "\r\n\r\nx\r\n");
  check("a\rb\nc\r", "a\rb\nc\r\r\n");
  check("\r", "\r\r\n");
}

TEST_CASE("beginnings of a body are hashed on the way", "[dkim]") {
  const std::string body = "a  b\r\n\r\n\r\nc \r\n\r\n";
  const std::string canonical = "a b\r\n\r\n\r\nc\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, body.size()}) {
    BodyHash hash(DkimForm::kRelaxed, {7, 0, 3, 12, 7, 13, 1000});
    for (std::size_t at = 0; at < body.size(); at += piece)
      hash.read(std::string_view(body).substr(at, piece));
    CHECK(hash.finish() == sha256(canonical));
    CHECK(hash.octets() == 12);
    for (const std::size_t length : {0UL, 3UL, 7UL, 12UL}) {
      CHECK(hash.beginning(length) == sha256(canonical.substr(0, length)));
    }
    CHECK_FALSE(hash.beginning(13).has_value());
    CHECK_FALSE(hash.beginning(1000).has_value());
    CHECK_FALSE(hash.beginning(4).has_value());
  }
}

#include "protocols/smtp/binary_mime.h"

#include "protocols/base64.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace std::string_literals;

namespace {

std::string converted(const std::string& message, std::size_t piece) {
  BinaryMime binary;
  std::string result;
  for (std::size_t at = 0; at < message.size(); at += piece) binary.read(message.substr(at, piece), result);
  binary.finish(result);
  return result;
}

// The same however it is cut.
std::string converted(const std::string& message) {
  const std::string whole = converted(message, message.size() + 1);
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    INFO("in pieces of " << piece);
    CHECK(converted(message, piece) == whole);
  }
  for (std::size_t cut = 0; cut <= std::min<std::size_t>(message.size(), 2000); ++cut) {
    BinaryMime binary;
    std::string result;
    binary.read(message.substr(0, cut), result);
    binary.read(message.substr(cut), result);
    binary.finish(result);
    if (result != whole) FAIL("cut at " << cut << ": " << result);
  }
  return whole;
}

std::string in_base64(const std::string& octets) {
  std::string text;
  for (std::size_t at = 0; at < octets.size(); at += 57)
    text += base64::encode(octets.substr(at, 57)) + "\r\n";
  return text;
}

const std::string kOctets = "\0\r\n\n\r.\r\n--\xff\r\n.\r\n--b\nx\r\n--bc\r\n"s;

}  // namespace

TEST_CASE("a binary message becomes base64", "[binary-mime]") {
  const std::string header = "Subject: x\r\nContent-Type: application/pdf\r\n";
  CHECK(converted(header + "Content-Transfer-Encoding: binary\r\n\r\n" + kOctets) ==
        header + "Content-Transfer-Encoding: base64\r\n\r\n" + in_base64(kOctets));
  CHECK(converted(header + "CONTENT-transfer-ENCODING:\r\n BINARY (really)\r\n\r\n" + kOctets) ==
        header + "Content-Transfer-Encoding: base64\r\n\r\n" + in_base64(kOctets));
  const std::string large(100'000, '\n');
  CHECK(converted("Content-Transfer-Encoding: binary\r\n\r\n" + large, 4096) ==
        "Content-Transfer-Encoding: base64\r\n\r\n" + in_base64(large));
}

TEST_CASE("what is not binary goes through as it came", "[binary-mime]") {
  for (const std::string& message : {
           std::string(""),
           std::string("Subject: x"),
           std::string("Subject: x\r\n"),
           std::string("\r\nbody\r\n"),
           "Content-Transfer-Encoding: 8bit\r\n\r\n" + kOctets,
           "Content-Transfer-Encoding: binary-not\r\n\r\n" + kOctets,
           "X-Content-Transfer-Encoding: binary\r\n\r\n" + kOctets,
           // A bare LF ends no line, here as everywhere.
           std::string("X: y\nContent-Transfer-Encoding: binary\r\n\r\nabc"),
           std::string("Content-Type: multipart/mixed; "
                       "boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nplain\r\n--b--\r\nafter\r\n"),
       }) {
    CHECK(converted(message) == message);
  }
}

TEST_CASE("of several parts the binary ones become base64", "[binary-mime]") {
  const std::string head = "Content-Type: multipart/mixed;\r\n boundary=\"b c\"\r\n";
  const std::string text = "--b c\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\n--b cc\r\n--b c \t\r\n";
  const std::string binary = "Content-Transfer-Encoding: binary\r\n\r\n";
  const std::string made = "Content-Transfer-Encoding: base64\r\n\r\n";
  const std::string end = "--b c--\r\nepilogue\r\n--b c\r\n";
  CHECK(converted(head + binary.substr(0, 35) + "\r\n" + text + binary + kOctets + "\r\n" + end) ==
        head + "Content-Transfer-Encoding: 8bit\r\n\r\n" + text + made + in_base64(kOctets) + end);
  // An empty one, and one that ends with line ends of its own.
  CHECK(converted(head + "\r\n--b c\r\n" + binary + end) == head + "\r\n--b c\r\n" + made + end);
  CHECK(converted(head + "\r\n--b c\r\n" + binary + "\r\n\r\n\r\n" + end) ==
        head + "\r\n--b c\r\n" + made + in_base64("\r\n\r\n") + end);
  // A part without a body, and a message that ends within a part.
  CHECK(converted(head + "\r\n--b c\r\nContent-Transfer-Encoding: binary\r\n--b c--\r\n") ==
        head + "\r\n--b c\r\nContent-Transfer-Encoding: binary\r\n--b c--\r\n");
  CHECK(converted(head + "\r\n--b c\r\n" + binary + "abc") ==
        head + "\r\n--b c\r\n" + made + in_base64("abc"));
  CHECK(converted(head + "\r\n--b c\r\n" + binary + "abc\r\n--b c--") ==
        head + "\r\n--b c\r\n" + made + in_base64("abc") + "--b c--");
}

TEST_CASE("parts within parts and messages within messages are told apart", "[binary-mime]") {
  const std::string binary = "Content-Transfer-Encoding: binary\r\n";
  const std::string inner = "Content-Type: multipart/related; boundary=in\r\n\r\n--in\r\n";
  const std::string message = "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n" + inner +
                              binary + "\r\n" + kOctets +
                              "\r\n--in--\r\n--out\r\nContent-Type: message/rfc822\r\n" + binary +
                              "\r\nSubject: inner\r\n" + binary + "\r\n" + kOctets + "\r\n--out--\r\n";
  const std::string made = "Content-Transfer-Encoding: base64\r\n\r\n" + in_base64(kOctets);
  CHECK(converted(message) ==
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n" + inner + made +
            "--in--\r\n--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
            "8bit\r\n\r\nSubject: inner\r\n" +
            made + "--out--\r\n");
  // What ends the outer one ends the inner ones.
  CHECK(converted("Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n" + inner + binary +
                  "\r\nabc\r\n--out--\r\n") ==
        "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n" + inner +
            "Content-Transfer-Encoding: base64\r\n\r\n" + in_base64("abc") + "--out--\r\n");
}

TEST_CASE("what cannot be told apart has failed, and memory is bounded", "[binary-mime]") {
  std::string nested;
  for (std::size_t i = 0; i <= kMaxPartDepth; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    nested += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n";
  }
  BinaryMime deep;
  std::string result;
  deep.read(nested, result);
  CHECK(deep.failed());
  BinaryMime shallow;
  shallow.read(nested.substr(0, nested.rfind("Content-Type")), result);
  CHECK_FALSE(shallow.failed());
  BinaryMime wide;
  result.clear();
  for (std::size_t i = 0; i * 11 < 2 * kMaxPartHeader; ++i) wide.read("Subject: x\r\n", result);
  CHECK(wide.failed());
  CHECK(result.size() > kMaxPartHeader);
  BinaryMime endless;
  endless.read(std::string(2 * kMaxPartHeader, 'x'), result);
  CHECK(endless.failed());
}

#include "protocols/header_scan.h"

#include "tests/catch.h"

namespace mailstead {

TEST_CASE("trace lines of the header are counted, in any case, and none of the body", "[header_scan]") {
  const std::string content =
      "Received: from a\r\n\tby b\r\nrECEIVED : from c\r\nX-Received: d\r\nReceivedly: e\r\n received: "
      "folded\r\n"
      "Delivered-To: Anna@Example.org\r\nDELIVERED-TO:\t\"a b\"@x.example \r\nDelivered-To: nonsense\r\n"
      "\r\nReceived: body\r\nDelivered-To: c@d.example\r\n";
  for (std::size_t cut = 0; cut <= content.size(); ++cut) {
    HeaderScan scan;
    scan.read(std::string_view(content).substr(0, cut));
    scan.read(std::string_view(content).substr(cut));
    INFO("cut at " << cut);
    CHECK(scan.received() == 2);
    CHECK(scan.delivered_to() == std::vector<std::string>{"anna@example.org", "a b@x.example"});
  }
}

TEST_CASE("a header line of any length is passed over", "[header_scan]") {
  HeaderScan scan;
  scan.read("Subject: ");
  for (int i = 0; i < 1000; ++i) scan.read(std::string(1024, 'x'));
  scan.read("\r\nReceived: a\r\nReceived: " + std::string(5000, 'y') + "\r\n\r\n");
  CHECK(scan.received() == 2);
}

TEST_CASE("no more Delivered-To addresses are kept than the limit", "[header_scan]") {
  HeaderScan scan;
  for (std::size_t i = 0; i < 3 * kMaxDeliveredTo; ++i) scan.read("Delivered-To: a@b.example\r\n");
  CHECK(scan.delivered_to().size() == kMaxDeliveredTo);
}

TEST_CASE("a header begins with a field name and a colon", "[header_scan]") {
  const auto opening = [](const std::string& content) {
    HeaderScan whole;
    whole.read(content);
    HeaderScan bytes;
    for (const char c : content) bytes.read(std::string_view(&c, 1));
    CHECK(bytes.opening() == whole.opening());
    return whole.opening();
  };
  for (const std::string content :
       {"Subject: x\r\n", "a:", "X-1_!{}~:", "Subject \t: x\r\n", "Subject:\r\n"}) {
    INFO(content);
    CHECK(opening(content) == Opening::kField);
  }
  for (const std::string content :
       {"Hello\r\n", " Subject: x\r\n", "\tx", ":", "Dear all: x\r\n", "Subject\r\n: x", "caf\xc3\xa9: x",
        "a\x7f: x", "a\x01: x", "Hello \r\n", "\rx"}) {
    INFO(content);
    CHECK(opening(content) == Opening::kText);
  }
  CHECK(opening(std::string("a\0: x", 5)) == Opening::kText);
  CHECK(opening("\r\nSubject: x\r\n") == Opening::kEmptyLine);
  for (const std::string content : {"", "\r", "Subject", "Subject "}) {
    INFO(content);
    CHECK(opening(content) == Opening::kUnknown);
  }
  CHECK(opening(std::string(kMaxTextLine - 1, 'x') + ":") == Opening::kField);
  CHECK(opening(std::string(kMaxTextLine, 'x') + ":") == Opening::kText);
}

TEST_CASE("a message that has no header has no trace lines", "[header_scan]") {
  HeaderScan scan;
  scan.read("Hello\r\nReceived: a\r\nDelivered-To: a@b.example\r\n");
  CHECK(scan.received() == 0);
  CHECK(scan.delivered_to().empty());
}

}  // namespace mailstead

#include "storage/mailbox/content.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

struct Expected {
  std::string content;
  bool dot_lines;
  bool canonical;
  std::string normalised;
};

const std::vector<Expected> kExamples{
    {"", false, true, ""},
    {".", true, false, ".\r\n"},
    {"\r\n", false, true, "\r\n"},
    {"\r\n.\r\n", true, true, "\r\n.\r\n"},
    {"a\n.b\n", true, false, "a\r\n.b\r\n"},
    {"a\r.b\r\n", false, false, "a\r\n.b\r\n"},
    {"a\r\r\nb\r\n", false, false, "a\r\nb\r\n"},
    {"a.b\r\n", false, true, "a.b\r\n"},
    {"a\r\nb", false, false, "a\r\nb\r\n"},
    {"a\r", false, false, "a\r\n"},
    {"\n", false, false, "\r\n"},
    {"a\n\r\n", false, false, "a\r\n\r\n"},
};

}  // namespace

TEST_CASE("content is judged and normalised alike at every split", "[storage]") {
  for (const Expected& example : kExamples) {
    for (std::size_t first = 0; first <= example.content.size(); ++first) {
      for (std::size_t second = first; second <= example.content.size(); ++second) {
        INFO(example.content << " at " << first << ", " << second);
        ContentScan scan;
        LineEndNormaliser normaliser;
        std::string normalised;
        for (std::string_view piece : {std::string_view(example.content).substr(0, first),
                                       std::string_view(example.content).substr(first, second - first),
                                       std::string_view(example.content).substr(second)}) {
          scan.add(piece);
          normaliser.add(piece, normalised);
        }
        normaliser.finish(normalised);
        CHECK(scan.size() == example.content.size());
        CHECK(scan.has_dot_lines() == example.dot_lines);
        CHECK(scan.is_canonical() == example.canonical);
        CHECK(normalised == example.normalised);
      }
    }
  }
}

TEST_CASE("one octet is found wherever it is", "[storage]") {
  const std::string line(70, 'a');
  for (std::size_t at = 0; at < line.size(); ++at) {
    for (const char octet : {'\r', '\x80', '\xff', '\x8d'}) {
      std::string content = line + "\r\n" + line + "\r\n";
      content[line.size() + 2 + at] = octet;
      ContentScan scan;
      scan.add(content);
      INFO(at << ", " << int{octet});
      CHECK(scan.is_canonical() == (octet != '\r'));
      CHECK(scan.has_eight_bit() == (octet != '\r'));
    }
  }
  ContentScan scan;
  scan.add(line + "\r\n\x0c\x0e\x7f\r\n");
  CHECK(scan.is_canonical());
  CHECK_FALSE(scan.has_eight_bit());
}

TEST_CASE("Delivered-To is read from the first header block only, at every split", "[storage]") {
  const std::string content =
      "Received: x\r\nDELIVERED-TO: \t a@b.example \r\nX-Delivered-To: no@b.example\r\n\tDelivered-To: "
      "folded\r\n"
      "delivered-to:c@d.example\r\n\r\nDelivered-To: body@b.example\r\n";
  for (std::size_t split = 0; split <= content.size(); ++split) {
    ContentScan scan;
    scan.add(std::string_view(content).substr(0, split));
    scan.add(std::string_view(content).substr(split));
    CHECK(scan.delivered_to() == std::vector<std::string>{"a@b.example", "c@d.example"});
  }
}

TEST_CASE("a message says that it need not be encrypted", "[storage]") {
  const auto is_optional = [](const std::string& text) {
    ContentScan scan;
    for (const char c : text) scan.add({&c, 1});
    return scan.tls_is_optional();
  };
  CHECK(is_optional("A: b\r\nTLS-Required: No\r\n\r\n"));
  CHECK(is_optional("tls-required:no \r\n\r\n"));
  CHECK_FALSE(is_optional("TLS-Required: Yes\r\n\r\n"));
  CHECK_FALSE(is_optional("TLS-Required: None\r\n\r\n"));
  CHECK_FALSE(is_optional("X-TLS-Required: No\r\n\r\n"));
  CHECK_FALSE(is_optional("A: b\r\n\r\nTLS-Required: No\r\n"));
}

TEST_CASE("the first Received, From and Subject are kept as they stand, cut when they are long",
          "[storage]") {
  const struct {
    std::string text;
    std::string told;
  } cases[] = {
      {"Subject: a\r\nFROM : b\r\n\tc\r\nTo: d\r\n e\r\nFrom: f\r\n g\r\nSubject:h\r\n\r\nFrom: i\r\n",
       "FROM : b\r\n\tc\r\nSubject: a\r\n"},
      {"From: a\r\n\r\n", "From: a\r\n"},
      {"X: y\r\nReceived: a\r\n\tb\r\nReceived: c\r\nFrom: d\r\n\r\n", "Received: a\r\n\tb\r\nFrom: d\r\n"},
      {"From: =?utf-8?q?=C3=A4?=\r\n\r\n", "From: =?utf-8?q?=C3=A4?=\r\n"},
      {"X-From: a\r\nFromage: b\r\nFrom\r\n\r\n", "From\r\n"},
      {"", ""},
      {"Subject: " + std::string(600, 'x') + "\r\n " + std::string(600, 'y') + "\r\n z\r\n\r\n",
       "Subject: " + std::string(600, 'x') + "\r\n " + std::string(388, 'y') + "\r\n"},
      {"Subject: " + std::string(2000, 'x') + "\r\n\r\n", "Subject: " + std::string(991, 'x') + "\r\n"},
      {"Subject:" + std::string(990, 'x') + "\r\n y\r\n z\r\n\r\n",
       "Subject:" + std::string(990, 'x') + "\r\n"},
  };
  for (const auto& each : cases) {
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, each.text.size() + 1}) {
      INFO(each.text << " by " << step);
      ContentScan scan;
      for (std::size_t at = 0; at < each.text.size(); at += step)
        scan.add(std::string_view(each.text).substr(at, step));
      CHECK(scan.told() == each.told);
    }
  }
}

TEST_CASE("the Message-ID is found in pieces of any size, folded or not, the first one only", "[storage]") {
  const struct {
    std::string text;
    std::string id;
  } cases[] = {
      {"Message-ID: <a.1@b>\r\n\r\n", "a.1@b"},
      {"A: b\r\nmessage-id:<a@b> (comment)\r\nMessage-ID: <second@b>\r\n\r\n", "a@b"},
      {"Message-ID:\r\n\t<folded@b>\r\n\r\n", "folded@b"},
      {"Message-ID:\r\nA: b\r\n <not@this>\r\n\r\n", ""},
      {"Message-ID: bare@b \r\n\r\n", "bare@b"},
      {"A: b\r\n\r\nMessage-ID: <body@b>\r\n", ""},
      {"Message-ID: <>\r\n\r\n", ""},
      {"X-Message-ID: <a@b>\r\n\r\n", ""},
      {"Message-ID: <" + std::string(900, 'x') + "@b>\r\n\r\n", std::string(300, 'x')},
  };
  for (const auto& each : cases) {
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, each.text.size()}) {
      INFO(each.text << " by " << step);
      ContentScan scan;
      for (std::size_t at = 0; at < each.text.size(); at += step)
        scan.add(std::string_view(each.text).substr(at, step));
      CHECK(scan.message_id() == each.id);
    }
  }
  CHECK(bare_message_id(" <a@b>\r\n") == "a@b");
  CHECK(bare_message_id("") == "");
  CHECK(bare_message_id("<a@b") == "a@b");
}

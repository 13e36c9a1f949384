// Downgrading for readers without UTF-8: RFC 6857, 2047, 2231, 3492.
#include "protocols/smtp/surrogate.h"

#include <string>
#include <string_view>

#include "protocols/a_label.h"
#include "protocols/smtp/downgrade.h"
#include "protocols/utf8.h"
#include "tests/catch.h"

namespace mailstead {
namespace {

struct Made {
  std::string text;
  bool differs = false;
};

Made surrogate_of(std::string_view message, std::size_t piece = std::string_view::npos) {
  Surrogate counting;
  Surrogate writing;
  Made made;
  while (!message.empty()) {
    const std::string_view next = message.substr(0, piece);
    counting.read(next, nullptr);
    writing.read(next, &made.text);
    message.remove_prefix(next.size());
  }
  counting.finish(nullptr);
  writing.finish(&made.text);
  made.differs = writing.differs();
  CHECK(writing.size() == made.text.size());
  CHECK(counting.size() == made.text.size());
  CHECK(counting.differs() == made.differs);
  return made;
}

// The same however it is cut.
Made surrogate_at_every_cut(const std::string& message) {
  const Made whole = surrogate_of(message);
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U}) {
    const Made cut = surrogate_of(message, piece);
    CHECK(cut.text == whole.text);
    CHECK(cut.differs == whole.differs);
  }
  return whole;
}

void check_same(const std::string& message) {
  const Made made = surrogate_at_every_cut(message);
  CHECK(made.text == message);
  CHECK_FALSE(made.differs);
}

}  // namespace

TEST_CASE("UTF-8 is what RFC 3629 says and nothing else", "[utf8]") {
  for (const char* good :
       {"", "a", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(utf8::is_valid(good));
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xc1\x81", "\xe0\x80\xaf", "\xed\xa0\x80",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe9z"}) {
    CHECK_FALSE(utf8::is_valid(bad));
  }
}

TEST_CASE("a domain's labels become A-labels", "[a_label]") {
  CHECK(ascii_domain("bücher.example") == "xn--bcher-kva.example");
  CHECK(ascii_domain("BÜCHER.Example") == "xn--bcher-kva.example");
  CHECK(ascii_domain("bu\xcc\x88"
                     "cher.example") == "xn--bcher-kva.example");
  CHECK(ascii_domain("例え.テスト") == "xn--r8jz45g.xn--zckzah");
  CHECK(ascii_domain("правда.рф") == "xn--80aafi6cg.xn--p1ai");
  CHECK(ascii_domain("mx.example.org") == "mx.example.org");
  CHECK_FALSE(
      ascii_domain("b\xfc"
                   "cher.example"));
  CHECK_FALSE(ascii_domain("ü..example"));
  CHECK_FALSE(ascii_domain(std::string(60, 'a') + "üüüü.example"));
}

TEST_CASE("an unstructured field becomes encoded-words, and ASCII words stay", "[downgrade]") {
  CHECK(downgraded_field("Subject: Grüße\r\n") == "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n");
  CHECK(downgraded_field("Subject: the café is open\r\n") ==
        "Subject: the =?UTF-8?Q?caf=C3=A9?= is open\r\n");
  CHECK(downgraded_field("X-Note:é\r\n") == "X-Note: =?UTF-8?Q?=C3=A9?=\r\n");
  // Folded before; a few ASCII words between two others are taken along.
  CHECK(downgraded_field("Subject: é or\r\n ü\r\n") == "Subject: =?UTF-8?Q?=C3=A9_or_=C3=BC?=\r\n");
  // Encoded already: RFC 2047 6.2, white space between two encoded-words is not shown.
  CHECK(downgraded_field("Subject: =?UTF-8?Q?a?= é\r\n") == "Subject: =?UTF-8?Q?a?= =?UTF-8?Q?_=C3=A9?=\r\n");
  // Of no known charset.
  CHECK(downgraded_field("Subject: caf\xe9\r\n") == "Subject: =?unknown-8bit?Q?caf=E9?=\r\n");
}

TEST_CASE("long text is cut between characters, into words and lines of bearable length", "[downgrade]") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "日本語";
  const std::string field = downgraded_field("Subject: " + text + "\r\n");
  std::size_t begin = 0;
  while (begin < field.size()) {
    const std::size_t end = field.find("\r\n", begin);
    CHECK(end - begin <= 78);
    begin = end + 2;
  }
  CHECK(utf8::is_ascii(field));
  CHECK(field.find("=?UTF-8?B?") != std::string::npos);
}

TEST_CASE("an address field keeps every address that ASCII can write", "[downgrade]") {
  CHECK(downgraded_field("From: Zoë <zoe@example.org>\r\n") ==
        "From: =?UTF-8?Q?Zo=C3=AB?= <zoe@example.org>\r\n");
  CHECK(downgraded_field("To: \"Zoë, the 1st\" <zoe@example.org>, b@example.org (Bö)\r\n") ==
        "To: =?UTF-8?Q?Zo=C3=AB=2C_the_1st?= <zoe@example.org>, b@example.org\r\n (=?UTF-8?Q?B=C3=B6?=)\r\n");
  CHECK(downgraded_field("To: info@bücher.example\r\n") == "To: info@xn--bcher-kva.example\r\n");
  CHECK(downgraded_field("To: Team: a@bücher.example, b@example.org;\r\n") ==
        "To: Team: a@xn--bcher-kva.example, b@example.org;\r\n");
}

TEST_CASE("an address that ASCII cannot write belongs to nobody, and can be read", "[downgrade]") {
  CHECK(downgraded_field("Return-Path: <jürgen@example.org>\r\n") ==
        "Return-Path: =?UTF-8?Q?j=C3=BCrgen=40example=2Eorg?= :;\r\n");
  CHECK(downgraded_field("From: Fred <jürgen@example.org>\r\n") ==
        "From: =?UTF-8?Q?Fred_j=C3=BCrgen=40example=2Eorg?= :;\r\n");
  CHECK(downgraded_field("Cc: Team: ü@example.org, b@example.org;, c@example.org\r\n") ==
        "Cc: Team =?UTF-8?Q?=C3=BC=40example=2Eorg=2C_b=40example=2Eorg?= :;,\r\n c@example.org\r\n");
  CHECK(downgraded_field("To: \"open ü\r\n") == "To: =?UTF-8?Q?=22open_=C3=BC?= :;\r\n");
}

TEST_CASE("parameters become extended ones", "[downgrade]") {
  CHECK(downgraded_field("Content-Disposition: attachment; filename=\"é a.txt\"; size=3\r\n") ==
        "Content-Disposition: attachment; filename*=UTF-8''%C3%A9%20a.txt; size=3\r\n");
  // Who wrote both forms has said it already.
  CHECK(downgraded_field("Content-Disposition: attachment; filename=é; filename*=UTF-8''%C3%A9\r\n") ==
        "Content-Disposition: attachment; filename*=UTF-8''%C3%A9\r\n");
  CHECK(downgraded_field("Content-Type: text/plain; name=\xe9\r\n") ==
        "Content-Type: text/plain; name*=unknown-8bit''%E9\r\n");
}

TEST_CASE("identifiers are kept aside, trace lines lose the clause, recipients are spelled", "[downgrade]") {
  CHECK(downgraded_field("Message-ID: <é@x>\r\n") == "Downgraded-Message-ID: =?UTF-8?B?PMOpQHg+?=\r\n");
  CHECK(downgraded_field("Date: Tue, 1 Jul 2003 10:52:37 +0200 (é)\r\n") ==
        "Date: Tue, 1 Jul 2003 10:52:37 +0200 (=?UTF-8?Q?=C3=A9?=)\r\n");
  CHECK(downgraded_field("Received: from bücher.example by mx id 7 for <é@x>; Tue, 1 Jul 2003\r\n") ==
        "Received: from xn--bcher-kva.example by mx id 7; Tue, 1 Jul 2003\r\n");
  CHECK(downgraded_field("Final-Recipient: utf-8; é+x@example.org\r\n") ==
        "Final-Recipient: utf-8; \\x{E9}\\x{2B}x@example.org\r\n");
  CHECK(downgraded_field("Final-Recipient: rfc822; é@x\r\n") ==
        "Downgraded-Final-Recipient: rfc822; =?UTF-8?Q?=C3=A9=40x?=\r\n");
  CHECK(downgraded_field("Keywords: é a, b\r\n") == "Keywords: =?UTF-8?Q?=C3=A9_a?=, b\r\n");
}

TEST_CASE("whatever a field holds, ASCII comes of it", "[downgrade]") {
  const std::string names[] = {"From",       "To",         "Received", "Content-Type",    "Keywords",
                               "Date",       "Message-ID", "Subject",  "Final-Recipient", "X",
                               "Return-Path"};
  const std::string pieces[] = {"é",
                                "\xff",
                                "<",
                                ">",
                                "(",
                                ")",
                                "\"",
                                "\\",
                                ";",
                                ":",
                                ",",
                                "[",
                                "]",
                                "@",
                                "=",
                                " ",
                                "\r\n ",
                                "a",
                                "=?UTF-8?Q?x?=",
                                "for",
                                "id",
                                "*"};
  std::uint32_t dice = 6857;
  const auto roll = [&](std::size_t n) {
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % n;
  };
  for (int i = 0; i < 20'000; ++i) {
    std::string field = names[roll(std::size(names))] + ": ";
    const std::size_t count = 1 + roll(12);
    for (std::size_t k = 0; k < count; ++k) field += pieces[roll(std::size(pieces))];
    field += "é\r\n";
    const std::string made = downgraded_field(field);
    INFO(field);
    REQUIRE(utf8::is_ascii(made));
    REQUIRE(made.ends_with("\r\n"));
    for (std::size_t end = made.find("\r\n"); end + 2 < made.size(); end = made.find("\r\n", end + 2)) {
      REQUIRE((made[end + 2] == ' ' || made[end + 2] == '\t'));
    }
  }
}

TEST_CASE("a message whose header is ASCII is its own surrogate", "[surrogate]") {
  check_same("");
  check_same("Subject: one\r\n\r\nbödy\r\n");
  check_same("Subject: no body\r\n");
  check_same("\r\nSubject: é\r\n");
  check_same("no header: at all? é\r\nfrom the first line on é\r\n");
  check_same("From é Mon Jan  1\r\nSubject: é\r\n\r\n");
  check_same("Content-Type: multipart/mixed; boundary=b\r\n\r\né\r\n--b\r\n\r\né\r\n--b--\r\né\r\n");
  check_same("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno field é\r\n--b--\r\n");
}

TEST_CASE("fields in the message and in parts at any depth are downgraded, bodies stay", "[surrogate]") {
  const std::string message =
      "Subject: é\r\n"
      "Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\n"
      "é: preamble\r\n"
      "--a b\r\n"
      "Content-Type: multipart/alternative; boundary=in\r\n\r\n"
      "--in\r\nContent-Description: é\r\n\r\nContent-Description: é\r\n"
      "--in  \r\nContent-Description: é\r\n--in--\r\n"
      "Subject: é\r\n"
      "--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: é\r\n\r\nSubject: é\r\n"
      "--a b\r\nContent-Type: message/global\r\n\r\nSubject: é\r\n\r\n"
      "--a b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: é\r\n"
      "--a b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: x\r\n\r\nFinal-Recipient: utf-8; "
      "é\r\n"
      "--a b--\r\nSubject: é\r\n\r\n";
  const std::string word = "=?UTF-8?Q?=C3=A9?=";
  const std::string expected =
      "Subject: " + word +
      "\r\n"
      "Content-Type: multipart/mixed;\r\n boundary=\"a b\"\r\n\r\n"
      "é: preamble\r\n"
      "--a b\r\n"
      "Content-Type: multipart/alternative; boundary=in\r\n\r\n"
      "--in\r\nContent-Description: " +
      word +
      "\r\n\r\nContent-Description: é\r\n"
      "--in  \r\nContent-Description: " +
      word +
      "\r\n--in--\r\n"
      "Subject: é\r\n"
      "--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: " +
      word +
      "\r\n\r\nSubject: é\r\n"
      "--a b\r\nContent-Type: message/global\r\n\r\nSubject: é\r\n\r\n"
      "--a b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: é\r\n"
      "--a b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: x\r\n\r\nFinal-Recipient: utf-8; "
      "\\x{E9}\r\n"
      "--a b--\r\nSubject: é\r\n\r\n";
  const Made made = surrogate_at_every_cut(message);
  CHECK(made.text == expected);
  CHECK(made.differs);
}

TEST_CASE("in a digest a part without a type is a message", "[surrogate]") {
  const std::string head = "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n";
  CHECK(surrogate_at_every_cut(head + "Subject: é\r\n\r\né\r\n--d--\r\n").text ==
        head + "Subject: =?UTF-8?Q?=C3=A9?=\r\n\r\né\r\n--d--\r\n");
}

TEST_CASE("a line among the fields that is no field keeps its words", "[surrogate]") {
  CHECK(surrogate_at_every_cut("A: b\r\nbrökén\r\nSubject: x\r\n\r\né\r\n").text ==
        "A: b\r\n=?UTF-8?Q?br=C3=B6k=C3=A9n?=\r\nSubject: x\r\n\r\né\r\n");
}

TEST_CASE("a field of any length and parts of any depth take bounded memory", "[surrogate]") {
  const std::string ascii =
      "To: " + std::string(3 * Surrogate::kMaxField, 'a') + "\r\n folded\r\nSubject: é\r\n\r\n";
  CHECK(surrogate_of(ascii).text.ends_with("aaa\r\n folded\r\nSubject: =?UTF-8?Q?=C3=A9?=\r\n\r\n"));
  const std::string other =
      "To: " + std::string(3 * Surrogate::kMaxField, '\xe9') + "\r\n\xe9: x\r\nA: \xe9\r\n\r\n\xe9";
  const Made made = surrogate_of(other);
  CHECK(utf8::is_ascii(std::string_view(made.text).substr(0, made.text.size() - 1)));
  CHECK(surrogate_of(other, 1).text == made.text);
  CHECK(surrogate_of(other, 70'000).text == made.text);

  std::string deep;
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = std::to_string(i) + "x";
    deep += "Content-Type: multipart/mixed; boundary=" + name + "\r\n\r\n--" + name + "\r\n";
  }
  CHECK(surrogate_of(deep).text == deep);
}

TEST_CASE("a field as long as is kept takes nothing of what stands behind it", "[surrogate]") {
  for (const std::size_t octets : {65'400U, 65'520U, 65'530U, 65'534U, 65'535U, 65'536U, 65'537U, 65'600U}) {
    INFO(octets);
    // A folded field of so many octets with its line ends.
    std::string field = "X-Long: begin\r\n";
    while (field.size() + 72 < octets) field += ' ' + std::string(68, 'x') + "\r\n";
    field += ' ' + std::string(octets - field.size() - 3, 'y') + "\r\n";
    REQUIRE(field.size() == octets);
    const std::string body = "Gr\u00fc\u00dfe: \u00e9, one\r\nSubject: \u00e9\r\n";
    check_same(field + "\r\n" + body);
    check_same("From: a@b.example\r\n" + field + "\r\n" + body);
    const Made made = surrogate_at_every_cut(field + "Subject: \u00e9t\u00e9\r\n\r\n" + body);
    CHECK(made.text == field + "Subject: =?UTF-8?B?w6l0w6k=?=\r\n\r\n" + body);
  }
}

TEST_CASE("a field costs no more than in proportion to its length", "[surrogate]") {
  // What took the square of the length would be at it for hours.
  const auto repeated = [](std::string_view text) {
    std::string all;
    while (all.size() < (1u << 19)) all += text;
    return all;
  };
  for (const std::string_view part : {"(", "\"", "(\\", "ü:;", "a*0=ü;", ";a=\"ü\"", "a*=x;", "*", "ü ", "=?",
                                      "<", ",", ":;", "[", "\\", "(a)"}) {
    for (const char* name :
         {"Content-Type", "Content-Disposition", "From", "Subject", "Received", "Keywords", "Message-ID"}) {
      INFO(name << ": " << part);
      CHECK_FALSE(downgraded_field(std::string(name) + ": ü; x=" + repeated(part)).empty());
    }
  }
}

}  // namespace mailstead

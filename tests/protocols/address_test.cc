#include "protocols/address.h"

#include <string>

#include "tests/catch.h"

namespace mailstead {
namespace {

std::string reading(std::string_view text) {
  const auto address = parse_address(text);
  return address ? address->text() : "refused";
}

std::string path_reading(std::string_view text) {
  std::string_view rest;
  const auto path = parse_path(text, rest);
  if (!path) return "refused";
  return (path->address ? path->address->text() : "<>") + '|' + std::string(rest);
}

}  // namespace

TEST_CASE("an address is what it means, not how it was written", "[address]") {
  CHECK(reading("anna@example.org") == "anna@example.org");
  CHECK(reading("Anna.B@Example.ORG.") == "Anna.B@example.org");
  CHECK(reading("\"anna\"@example.org") == "anna@example.org");
  CHECK(reading(R"("a\n\n\a"@example.org)") == "anna@example.org");
  CHECK(reading("\"a b\"@example.org") == "\"a b\"@example.org");
  CHECK(reading(R"("a\"b\\c"@example.org)") == R"("a\"b\\c"@example.org)");
  CHECK(reading("\"a@b\"@example.org") == "\"a@b\"@example.org");
  CHECK(reading("\"a..b\"@example.org") == "\"a..b\"@example.org");
  CHECK(reading("!#$%&'*+-/=?^_`{|}~@x") == "!#$%&'*+-/=?^_`{|}~@x");
}

TEST_CASE("the text of an address reads back as the same address", "[address]") {
  for (int c = 0x20; c < 0x7f; ++c) {
    const Address address{std::string("a") + static_cast<char>(c), "example.org"};
    INFO(address.text());
    const auto again = parse_address(address.text());
    REQUIRE(again);
    CHECK(*again == address);
  }
}

TEST_CASE("what is no address is refused", "[address]") {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      "@"sv,
                                      "anna"sv,
                                      "anna@"sv,
                                      "@example.org"sv,
                                      "\"\"@example.org"sv,
                                      "a b@example.org"sv,
                                      ".a@example.org"sv,
                                      "a.@example.org"sv,
                                      "a..b@example.org"sv,
                                      "a@b@c"sv,
                                      "\"a@example.org"sv,
                                      "\"a\"b@c"sv,
                                      "\"a\\"sv,
                                      "a@exa mple.org"sv,
                                      "a@-x.org"sv,
                                      "a@x-.org"sv,
                                      "a@x..org"sv,
                                      "a@.org"sv,
                                      "a@org.."sv,
                                      "a@."sv,
                                      "a\0b@example.org"sv,
                                      "a\nb@example.org"sv,
                                      "\"a\nb\"@example.org"sv,
                                      "\"a\tb\"@example.org"sv,
                                      "\"a\\\nb\"@example.org"sv,
                                      "a\x7f@example.org"sv,
                                      "j\xf6rg@example.org"sv,
                                      "a@ex\xe4.org"sv,
                                      "a\xc2\x9b@example.org"sv,
                                      "a\xed\xa0\x80@example.org"sv,
                                      "a@b\xc2\x85.org"sv,
                                      "\"a\\\xc3\xb6\"@example.org"sv,
                                      "<a@example.org>"sv,
                                      "a@example.org "sv,
                                      " a@example.org"sv,
                                      "a@example/org"sv,
                                      "../x@example.org/.."sv}) {
    INFO(text);
    CHECK(reading(text) == "refused");
  }
}

TEST_CASE("the sizes of RFC 5321 4.5.3.1 hold", "[address]") {
  CHECK(reading(std::string(64, 'a') + "@x") != "refused");
  CHECK(reading(std::string(65, 'a') + "@x") == "refused");
  CHECK(reading('"' + std::string(62, 'a') + "\"@x") != "refused");
  CHECK(reading('"' + std::string(63, 'a') + "\"@x") == "refused");
  CHECK(parse_domain(std::string(63, 'a')));
  CHECK_FALSE(parse_domain(std::string(64, 'a')));
  std::string domain;
  while (domain.size() < 252) domain += "a.";
  CHECK(reading("a@" + domain) != "refused");
  CHECK(reading("aaa@" + domain) == "refused");
  CHECK_FALSE(parse_domain(domain + "a.a.a"));
  CHECK(reading(std::string(300, 'a')) == "refused");
}

TEST_CASE("address literals are IPv4 or tagged IPv6", "[address]") {
  for (const char* text : {"[192.0.2.1]", "[0.0.0.0]", "[255.255.255.255]", "[IPv6:2001:db8::1]", "[ipv6:::]",
                           "[IPv6:::1]", "[IPv6:1::]", "[IPv6:1:2:3:4:5:6:7:8]", "[IPv6:::ffff:192.0.2.1]"}) {
    INFO(text);
    CHECK(parse_domain(text));
  }
  for (const char* text : {"[]",
                           "[",
                           "[192.0.2]",
                           "[192.0.2.256]",
                           "[192.0.2.1.1]",
                           "[1.2.3.4.]",
                           "[0001.2.3.4]",
                           "[+1.2.3.4]",
                           "[2001:db8::1]",
                           "[IPv6:]",
                           "[IPv6:1]",
                           "[IPv6::1]",
                           "[IPv6:1:2:3:4:5:6:7:8:9]",
                           "[IPv6:1::2::3]",
                           "[IPv6:12345::]",
                           "[IPv6:g::]",
                           "[IPv6:1:2:3:4:5:6:7:]",
                           "[IPv6:192.0.2.1:1::]",
                           "[IPv6::::]",
                           "[IPv6:1:2:3:4::5:6:7:8]",
                           "[192.0.2.1",
                           "[192.0.2.1]x",
                           "[tag:x]"}) {
    INFO(text);
    CHECK_FALSE(parse_domain(text));
  }
}

TEST_CASE("domains are letters, digits, hyphens and underscores", "[address]") {
  CHECK(parse_domain("Example.ORG.") == "example.org");
  CHECK(parse_domain("localhost") == "localhost");
  CHECK(parse_domain("_dmarc.a-b.example") == "_dmarc.a-b.example");
  CHECK(parse_domain("1.2.example") == "1.2.example");
  CHECK_FALSE(parse_domain(""));
  CHECK_FALSE(parse_domain("."));
  CHECK_FALSE(parse_domain("a b"));
  CHECK_FALSE(parse_domain(std::string_view("a\0b", 3)));
}

TEST_CASE("two spellings of one mailbox have one key", "[address]") {
  CHECK(parse_address("Anna@Example.org")->key() == parse_address("\"anna\"@EXAMPLE.ORG.")->key());
  CHECK(parse_address("anna@example.org")->key() != parse_address("anne@example.org")->key());
  CHECK(parse_address("anna@example.org")->key() == "anna@example.org");
}

TEST_CASE("a path stands in brackets", "[address]") {
  CHECK(path_reading("<a@b.example> SIZE=1") == "a@b.example| SIZE=1");
  CHECK(path_reading("<>") == "<>|");
  CHECK(path_reading("<\"a>b\"@c.example>x") == "\"a>b\"@c.example|x");
  CHECK(path_reading("<\"a\\\">b\"@c.example>") == R"("a\">b"@c.example|)");
  CHECK(path_reading("<@r.example:a@b.example>") == "a@b.example|");
  CHECK(path_reading("<@r.example,@s.example:a@b.example>") == "a@b.example|");
  CHECK(path_reading("<postMaster>") == "postMaster|");
  for (const char* text :
       {"", "a@b", "<a@b", "a@b>", "<<a@b>>", "< a@b>", "<a@b >", "<anna>", "<@r:>", "<@r>", "<r:a@b>",
        "<@r,s:a@b>", "<@,@s:a@b>", "<@-r:a@b>", "<a@b\">", "<\"a@b>"}) {
    INFO(text);
    CHECK(path_reading(text) == "refused");
  }
  const std::string domain =
      std::string(60, 'b') + '.' + std::string(60, 'b') + '.' + std::string(60, 'b') + '.';
  CHECK(path_reading('<' + std::string(60, 'a') + '@' + domain + std::string(10, 'c') + '>') != "refused");
  CHECK(path_reading('<' + std::string(60, 'a') + '@' + domain + std::string(11, 'c') + '>') == "refused");
}

TEST_CASE("an address may have letters beyond ASCII", "[address]") {
  CHECK(reading("jörg@example.org") == "jörg@example.org");
  CHECK(reading("用户@例え.テスト") == "用户@xn--r8jz45g.xn--zckzah");
  CHECK(reading("\"é té\"@example.org") == "\"é té\"@example.org");
  CHECK(reading("anna@BÜCHER.example") == "anna@xn--bcher-kva.example");
  CHECK(reading("anna@bu\xcc\x88"
                "cher.example") == "anna@xn--bcher-kva.example");
  CHECK(parse_address("jörg@example.org")->is_beyond_ascii());
  CHECK_FALSE(parse_address("anna@bücher.example")->is_beyond_ascii());
  // What cannot be seen, or writes other letters in another way, stands in no domain; a joiner may.
  for (const char* domain :
       {"exa\xe2\x80\x8bmple.org", "e\xc2\xa0x.org", "\xef\xac\x81.org", "\xef\xbd\x81.org"}) {
    CHECK(reading(std::string("a@") + domain) == "refused");
  }
  CHECK(reading("a@مثال1.example") == "a@xn--1-ymcl5hc.example");
  CHECK(reading("a@नमस्\xe2\x80\x8dते.example") != "refused");
  // Sizes are octets.
  CHECK(reading(std::string(62, 'a') + "ö@x") != "refused");
  CHECK(reading(std::string(63, 'a') + "ö@x") == "refused");
}

TEST_CASE("two spellings of one mailbox have the same key", "[address]") {
  const auto key = [](std::string_view text) { return parse_address(text).value().key(); };
  const auto same = [&](std::string_view one, std::string_view other) { return key(one) == key(other); };
  CHECK(key("Anna.B@Example.ORG") == "anna.b@example.org");
  CHECK(same("JÖRG@example.org", "jörg@example.org"));
  CHECK(same("jo\xcc\x88rg@example.org", "jörg@example.org"));
  CHECK(same("ΝΊΚΟΣ@example.org", "νίκος@example.org"));
  CHECK(same("νίκοσ@example.org", "νίκος@example.org"));
  CHECK(same("ПРАВДА@example.org", "правда@example.org"));
  CHECK(same("\xe1\xba\x9e@example.org", "ß@example.org"));  // the capital sharp s
  CHECK(same("İ@example.org", "I\xcc\x87@example.org"));
  CHECK_FALSE(same("İ@example.org", "i@example.org"));
  // What merely looks alike, or is written in another way by a rule of spelling, is another name.
  CHECK_FALSE(same("strauß@example.org", "strauss@example.org"));
  CHECK_FALSE(same("joerg@example.org", "jörg@example.org"));
  CHECK_FALSE(same("\xd0\xb0nna@example.org", "anna@example.org"));      // a Cyrillic letter
  CHECK_FALSE(same("\xef\xbd\x81nna@example.org", "anna@example.org"));  // of full width
  CHECK_FALSE(same("ı@example.org", "i@example.org"));
  // A key is the key of itself.
  for (const char* text : {"JÖRG@example.org", "ΝΊΚΟΣ@b.example", "İ@example.org", "I\xcc\x87@example.org",
                           "\xe1\xbe\xbc@example.org"}) {
    const std::string once = key(text);
    INFO(text);
    CHECK(key(once) == once);
  }
}

TEST_CASE("a path has letters beyond ASCII only where they are allowed", "[address]") {
  std::string_view rest;
  CHECK_FALSE(parse_path("<jörg@example.org>", rest));
  CHECK_FALSE(parse_path("<anna@bücher.example>", rest));
  CHECK(parse_path("<jörg@example.org> SIZE=1", rest, Letters::kUtf8)->address->text() == "jörg@example.org");
  CHECK(rest == " SIZE=1");
  CHECK(parse_path("<@bücher.example:anna@b.example>", rest, Letters::kUtf8)->address->text() ==
        "anna@b.example");
  CHECK_FALSE(parse_path("<j\xf6rg@example.org>", rest, Letters::kUtf8));
}

}  // namespace mailstead

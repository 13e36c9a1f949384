#include "storage/mailbox/names.h"

#include <set>

#include "storage/mailbox/message_id.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("an encoded name is one harmless path component and can be read back", "[storage]") {
  std::set<std::string> names;
  std::vector<std::string> texts{"anna",
                                 "",
                                 ".",
                                 "..",
                                 "../../x",
                                 "-rf",
                                 ".hidden",
                                 "a/b",
                                 "a%2fb",
                                 "%",
                                 "a b",
                                 std::string("a\0b", 3),
                                 std::string(64, '/'),
                                 "ÄÖ",
                                 "A",
                                 "a",
                                 "%7e",
                                 "a.b-c_d+e=f",
                                 "a~b",
                                 "new\nline",
                                 "[192.0.2.1]"};
  for (const std::string& text : texts) {
    const std::string name = encode_name(text);
    INFO(name);
    CHECK_FALSE(name.empty());
    CHECK(name.size() <= 255);
    CHECK(name.find('/') == std::string::npos);
    CHECK(name.find('\0') == std::string::npos);
    CHECK(name.front() != '.');
    CHECK(name.front() != '-');
    CHECK(names.insert(name).second);
    if (!text.empty()) CHECK(decode_name(name) == text);
  }
}

TEST_CASE("a name that would be too long is cut, and two of them differ", "[storage]") {
  const std::string one = encode_name(std::string(100, '/') + "a");
  const std::string other = encode_name(std::string(100, '/') + "b");
  CHECK(one.size() == kMaxEncoded);
  CHECK(one != other);
  CHECK_FALSE(decode_name(one).has_value());
  CHECK_FALSE(decode_name("%zz").has_value());
  CHECK_FALSE(decode_name("%2F").has_value());
  CHECK_FALSE(decode_name("Upper").has_value());
  CHECK_FALSE(decode_name("a%2").has_value());
}

TEST_CASE("ids grow, have 15 characters and are never given twice", "[storage]") {
  MessageIds ids;
  std::string last;
  for (int i = 0; i < 10'000; ++i) {
    std::string id = ids.next();
    REQUIRE(is_message_id(id));
    REQUIRE(id > last);
    last = std::move(id);
  }
}

TEST_CASE("a message's file name gives its parts again, and foreign names are not taken for ours",
          "[storage]") {
  const MessageName name{1700000000, "0123456789abcde", "mail-1.example.org"};
  auto parsed = parse_message_name(name.text());
  REQUIRE(parsed.has_value());
  CHECK(parsed->seconds == 1700000000);
  CHECK(parsed->id == name.id);
  CHECK(parsed->host == name.host);
  for (const char* foreign : {"", "x", "1700000000.M20046P2137.mailserver", "1700000000.0123456789abcde",
                              "1700000000.0123456789abcde.", "x.0123456789abcde.host",
                              ".0123456789abcde.host", "1700000000.0123456789ABCDE.host",
                              "99999999999999.0123456789abcde.host", "1700000000.0123456789abcde.ho/st"}) {
    INFO(foreign);
    CHECK_FALSE(parse_message_name(foreign).has_value());
  }
  CHECK(parsed->uidl() == name.id);
  CHECK(base_name("cur/1.x.y:2,S") == "1.x.y");
  CHECK(base_name("new/1.x.y") == "1.x.y");
  CHECK(sanitised_host("a b/c:d") == "a-b-c-d");
  CHECK(sanitised_host("") == "localhost");
  CHECK(sanitised_host(std::string(300, 'h')).size() == 64);
}

TEST_CASE("a UIDL from elsewhere stands in the file name, and comes out of it again", "[storage]") {
  std::string all;
  for (char c = 0x21; c < 0x7f; ++c) all += c;
  for (const std::string& uidl :
       {std::string("000000015f3a2b10"), all.substr(0, 70), all.substr(24), std::string(70, '/'),
        std::string("%"), std::string("a:2,S"), std::string(",U=x"), std::string("x/../y")}) {
    INFO(uidl);
    const MessageName name{999'999'999'999, "0123456789abcde", std::string(64, 'h'), uidl};
    const std::string text = name.text();
    CHECK(text.size() <= 245);
    CHECK(text.find_first_of("/:\\ \n") == std::string::npos);
    CHECK(base_name("cur/" + text + ":2,FS") == text);
    auto parsed = parse_message_name(text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->foreign_uidl == uidl);
    CHECK(parsed->uidl() == uidl);
    CHECK(parsed->id == name.id);
  }
  for (const char* mark :
       {",U=", ",U=%", ",U=%2", ",U=%zz", ",U=%2F", ",U=%61", ",U=a b", ",U=\x7f", ",S=12"}) {
    INFO(mark);
    CHECK_FALSE(parse_message_name(std::string("1700000000.0123456789abcde.host") + mark).has_value());
  }
  CHECK_FALSE(is_uidl(""));
  CHECK_FALSE(is_uidl(std::string(71, 'a')));
  CHECK(is_uidl(std::string(70, 'a')));
}

#include "protocols/origin/tag_list.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

// "name=value|name=value", or "none".
std::string tags_of(std::string_view text) {
  const auto list = TagList::parse(text);
  if (!list) return "none";
  std::string result;
  for (const Tag& tag : list->tags()) {
    result += (result.empty() ? "" : "|") + std::string(tag.name) + "=" + std::string(tag.value);
  }
  return result;
}

}  // namespace

TEST_CASE("a list of tags: RFC 6376 3.2", "[dkim]") {
  CHECK(tags_of("v=1; a=b") == "v=1|a=b");
  CHECK(tags_of(" v = 1 ;\r\n\ta\r\n =\r\n b c \t;") == "v=1|a=b c");
  CHECK(tags_of("a=b=c;A=;x_1=:") == "a=b=c|A=|x_1=:");
  CHECK(tags_of("a=") == "a=");
  CHECK(tags_of("a=b\r\n c;") == "a=b\r\n c");
  CHECK(tags_of("d=b\xc3\xbc.example") == "d=b\xc3\xbc.example");
}

TEST_CASE("what is no list of tags", "[dkim]") {
  for (const char* bad : {"",       " ",      ";",      "a",      "a=b;;c=d", "a=b;;",     ";a=b",
                          "=b",     "1a=b",   "a-b=c",  "a b=c",  "a=b; a=c", "a=b\r\nc",  "a=b\nc",
                          "a=b\rc", "a=\x01", "a=\x7f", "a=\xff", "a=b\r\n",  "a=b; \r\n", "a=b; c"}) {
    INFO(bad);
    CHECK(tags_of(bad) == "none");
  }
  CHECK(tags_of(std::string_view("a=b\0", 4)) == "none");
  CHECK(tags_of("a=b; A=c") == "a=b|A=c");  // letter case counts
  std::string many;
  for (std::size_t i = 0; i < kMaxTags; ++i) many += "t" + std::to_string(i) + "=;";
  CHECK(tags_of(many) != "none");
  CHECK(tags_of(many + "x=") == "none");
}

TEST_CASE("parts of a value", "[dkim]") {
  CHECK(has_part("sha1 :\r\n sha256", "sha256"));
  CHECK_FALSE(has_part("sha2567:sha25", "sha256"));
  CHECK_FALSE(has_part("", "sha256"));
  CHECK(without_space(" a\r\n\tb ") == "ab");
  CHECK(folded_base64("QU\r\n JD").value() == "ABC");
  for (const char* text : {"QQ==", "QQ=", "QQ", "Q\r\n Q\t= ="}) CHECK(folded_base64(text) == "A");
  for (const char* text : {"QUI=", "QUI"}) CHECK(folded_base64(text) == "AB");
  for (const char* bad :
       {"Q", "Q=", "Q==", "Q===", "QQ===", "QUI==", "QUJD=", "QUJDQ", "=", "==", "QQ==QQ==", "QQ=Q"}) {
    INFO(bad);
    CHECK_FALSE(folded_base64(bad).has_value());
  }
  CHECK_FALSE(folded_base64("QU-D").has_value());
}

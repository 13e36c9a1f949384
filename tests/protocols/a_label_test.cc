#include "protocols/a_label.h"

#include "tests/catch.h"

#include "protocols/utf8.h"

using namespace mailstead;

namespace {

// A label with this character in it, as its A-label.
std::string a_label_with(char32_t character, std::string_view before = "a", std::string_view after = "b") {
  std::string label(before);
  utf8::append(character, label);
  return ascii_domain(label.append(after)).value_or("(none)");
}

}  // namespace

TEST_CASE("an A-label is shown in the letters of its language", "[a_label]") {
  for (const std::string domain :
       {"bücher.example", "例え.テスト", "правда.рф", "straße.de", "παράδειγμα.ελ", "उदाहरण.भारत",
        "דוגמה.קום", "مثال۴.إختبار", "ตัวอย่าง.ไทย", "l-ü-2.example"}) {
    CAPTURE(domain);
    const auto ascii = ascii_domain(domain);
    REQUIRE(ascii);
    CHECK(ascii->find("xn--") != std::string::npos);
    CHECK(unicode_domain(*ascii) == domain);
  }
}

TEST_CASE("what cannot be seen, or turns a line round, is shown as its A-label", "[a_label]") {
  std::vector<char32_t> characters = {0x00ad, 0x034f, 0x061c, 0x115f, 0x1160,  0x17b4,  0x180b,
                                      0x180e, 0x3164, 0xfeff, 0xffa0, 0x1d173, 0xe0001, 0xe01ef};
  const auto add = [&](char32_t first, char32_t last) {
    for (char32_t c = first; c <= last; ++c) characters.push_back(c);
  };
  add(0x200b, 0x200f);
  add(0x2028, 0x202f);
  add(0x2060, 0x206f);
  add(0xfe00, 0xfe0f);
  add(0xe0020, 0xe007f);
  add(0xe0100, 0xe010f);
  for (const char32_t each : characters) {
    CAPTURE(static_cast<std::uint32_t>(each));
    // Among other letters, too, with which the label would have been one.
    for (const std::string& label :
         {a_label_with(each), a_label_with(each, "ü", ""), a_label_with(each, "", "ü")}) {
      if (label == "(none)") continue;
      CHECK(unicode_domain(label + ".example") == label + ".example");
    }
  }
  // Punctuation, symbols, blanks, other ways to write letters, what is no character; a mark before any
  // letter.
  for (const int each : {0x00a0, 0x3000,  0x2800, 0x3002, 0xff0e, 0x2024, 0x2044, 0xff0f, 0xff20, 0x2010,
                         0x2764, 0x1f600, 0xff41, 0x24d0, 0x00b2, 0x2160, 0xe000, 0xfffd, 0x0378, 0xfdd0}) {
    CAPTURE(each);
    const std::string label = a_label_with(static_cast<char32_t>(each));
    CHECK(unicode_domain(label) == label);
  }
  const std::string mark = a_label_with(0x0301, "", "b");
  CHECK(mark.starts_with("xn--"));
  CHECK(unicode_domain(mark) == mark);
}

TEST_CASE("what is no A-label stays as it is", "[a_label]") {
  for (const std::string& label : {std::string("xn--"), std::string("xn--abc-"), std::string("xn--a b-kva"),
                                   std::string("XN--bcher-kva"), "xn--" + std::string(60, 'a')}) {
    CAPTURE(label);
    CHECK(unicode_domain(label + ".example") == label + ".example");
  }
}

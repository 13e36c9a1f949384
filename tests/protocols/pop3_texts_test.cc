#include "protocols/pop3/pop3_texts.h"

#include <algorithm>

#include "tests/catch.h"

namespace mailstead {

TEST_CASE("every text is one line in every language, with its code and its numbers", "[pop3]") {
  for (int i = 0; i < kPop3Texts; ++i) {
    const auto text = static_cast<Pop3Text>(i);
    const std::string english = pop3_text(text, Pop3Language::kEnglish, 17, 42);
    INFO(english);
    CHECK(std::all_of(english.begin(), english.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    const std::string code = english.front() == '[' ? english.substr(0, english.find(']') + 2) : "";
    const auto count = [](const std::string& in, const char* what) {
      return in.find(what) != std::string::npos;
    };
    for (int j = 1; j < kPop3Languages; ++j) {
      const std::string other = pop3_text(text, static_cast<Pop3Language>(j), 17, 42);
      INFO(other);
      CHECK(other.starts_with(code));
      CHECK((code.empty() ? other.front() != '[' : other[code.size()] != '['));
      CHECK(other.size() < 500);
      CHECK(other.find_first_of("\r\n{}") == std::string::npos);
      CHECK(count(other, "17") == count(english, "17"));
      CHECK(count(other, "42") == count(english, "42"));
    }
  }
}

TEST_CASE("a language is looked up by a range, from its most to its least special part", "[pop3]") {
  CHECK(find_language("en") == Pop3Language::kEnglish);
  CHECK(find_language("DE-ch-1996") == Pop3Language::kGerman);
  CHECK(find_language("zh-Hans-CN") == Pop3Language::kChinese);
  CHECK(find_language("fr-x-a") == Pop3Language::kFrench);
  for (const char* range : {"", "*", "e", "eng", "mul", "i-default", "en-", "-en", "en--US", "en_US", "en US",
                            "e1", "abcdefghi", "en-abcdefghi", "1", "\xc3\xa9"}) {
    INFO(range);
    CHECK_FALSE(find_language(range));
  }
}

}  // namespace mailstead

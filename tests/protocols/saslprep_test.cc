#include "protocols/auth/saslprep.h"

#include <optional>
#include <string>
#include <string_view>

#include "tests/catch.h"

namespace mailstead::saslprep {
namespace {

std::optional<std::string> query(std::string_view text) {
  return prepare(text, Use::kQuery);
}

}  // namespace

TEST_CASE("the examples of RFC 4013 3 come out as they say", "[saslprep]") {
  for (const Use use : {Use::kQuery, Use::kStored}) {
    CHECK(prepare("I\u00ADX", use) == "IX");  // the soft hyphen is mapped to nothing
    CHECK(prepare("user", use) == "user");
    CHECK(prepare("USER", use) == "USER");  // case stays
    CHECK(prepare("\u00AA", use) == "a");
    CHECK(prepare("\u2168", use) == "IX");
    CHECK_FALSE(prepare("\x07", use));          // prohibited
    CHECK_FALSE(prepare("\u0627\u0031", use));  // bidirectional check
  }
}

TEST_CASE("letters come out composed, however they were typed", "[saslprep]") {
  CHECK(query("e\u0301t\u00E9") == "\u00E9t\u00E9");
  CHECK(query("\u00E9t\u00E9") == "\u00E9t\u00E9");
  CHECK(query("A\u030A\u212B") == "\u00C5\u00C5");
  CHECK(query("a\u0323\u0307") == query("a\u0307\u0323"));           // marks in either order
  CHECK(query("\u1112\u1161\u11AB") == "\uD55C");                    // Hangul
  CHECK(query("\uFF41\uFF4E\uFF4E\uFF41\uFF20\uFF11") == "anna@1");  // of full width
  CHECK(query("\uFB01") == "fi");
  CHECK(query("\uFDFA").value().size() > 18);  // of all characters, the one that grows most
  std::string many;
  for (int times = 0; times < 340; ++times) many += "\uFDFA";
  CHECK(query(many).value().size() > std::size_t{340} * 18);
}

TEST_CASE("every blank becomes one, and what cannot be seen goes", "[saslprep]") {
  for (const char* blank : {"\u00A0", "\u1680", "\u2003", "\u202F", "\u3000"}) {
    INFO(blank);
    CHECK(query("a" + std::string(blank) + "b") == "a b");
  }
  CHECK(query("a\u200Bb") == "a b");   // in both lists of RFC 3454; blanks are first in RFC 4013 2.1
  CHECK(query(" a  b ") == " a  b ");  // none is taken away
  for (const char* unseen : {"\u00AD", "\u034F", "\u200C", "\u200D", "\u2060", "\uFE0F", "\uFEFF"}) {
    INFO(unseen);
    CHECK(query("a" + std::string(unseen) + "b") == "ab");
    CHECK_FALSE(query(unseen));  // nothing is left
  }
}

TEST_CASE("what is prohibited is no name and no password", "[saslprep]") {
  for (const char* prohibited :
       {"\x01", "\x1f", "\x7f", "\t", "\u0085", "\u2028", "\u06DD", "\uE000", "\U000F0000", "\uFDD0",
        "\U0001FFFE", "\uFFF9", "\uFFFD", "\u2FF0", "\u200E", "\u202E", "\U000E0041"}) {
    INFO(prohibited);
    CHECK_FALSE(query(prohibited));
    CHECK_FALSE(query("a" + std::string(prohibited) + "\u00E9"));
  }
  CHECK_FALSE(query(""));
  CHECK_FALSE(query(std::string_view("a\0b", 3)));
  CHECK_FALSE(query(std::string_view("\u00E9\0b", 4)));
}

TEST_CASE("right-to-left letters stand by themselves, at both ends", "[saslprep]") {
  CHECK(query("\u05D0\u05D1") == "\u05D0\u05D1");
  CHECK(query("\u0627\u0031\u0628") == "\u0627\u0031\u0628");
  CHECK(query("\u05D0 \u05D1"));
  CHECK_FALSE(query("\u05D0a\u05D1"));
  CHECK_FALSE(query("1\u05D0"));
  CHECK_FALSE(query("\u05D0\u05D1!"));
}

TEST_CASE("what Unicode 3.2 does not know may be said, and not be kept", "[saslprep]") {
  for (const char* unassigned : {"\u0221", "\u0234", "\U0001F600", "\U00020000\U0002B740"}) {
    INFO(unassigned);
    const std::string text = "x" + std::string(unassigned);
    CHECK(prepare(text, Use::kQuery) == text);
    CHECK_FALSE(prepare(text, Use::kStored));
  }
  CHECK(prepare("\U00020000", Use::kStored) == "\U00020000");
  // Preparation goes on around them.
  CHECK(query("e\u0301\U0001F600") == "\u00E9\U0001F600");
}

TEST_CASE("what is not UTF-8 or far too long is not prepared", "[saslprep]") {
  for (const char* broken :
       {"\xff", "caf\xe9", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\u00E9\xc3"}) {
    CHECK_FALSE(query(broken));
  }
  CHECK(query(std::string(kMaxText, 'x')) == std::string(kMaxText, 'x'));
  CHECK_FALSE(query(std::string(kMaxText + 1, 'x')));
  CHECK_FALSE(query(std::string(kMaxText - 1, 'x') + "\u00E9"));
}

TEST_CASE("what is prepared stays as it is", "[saslprep]") {
  for (const char* text : {"I\u00ADX", "\u00AA", "e\u0301", "\u3000x", "\uFDFA", "\u1E9B\u0323"}) {
    const auto once = query(text);
    REQUIRE(once);
    CHECK(query(*once) == once);
  }
}

}  // namespace mailstead::saslprep

#include "admin/text.h"

#include "admin/value.h"
#include "tests/catch.h"

using namespace mailstead::admin;

TEST_CASE("what is printed holds no control character and no broken UTF-8", "[text]") {
  CHECK(printable("plain") == "plain");
  CHECK(printable("a\nb\x1b[31m") == "a\\x0ab\\x1b[31m");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("Zürich 日本 🙂") == "Zürich 日本 🙂");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("a\u202e\u2066z") == "a\\xe2\\x80\\xae\\xe2\\x81\\xa6z");  // it would read backwards
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");                              // CSI in C1
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");                     // a surrogate
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");                              // overlong
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");            // beyond U+10FFFF
}

TEST_CASE("sizes, spans and times are written for people", "[text]") {
  CHECK(size_text(0) == "0 B");
  CHECK(size_text(1023) == "1023 B");
  CHECK(size_text(1024) == "1.0 KiB");
  CHECK(size_text((1u << 20) - 1) == "1.0 MiB");
  CHECK(size_text(~0ull) == "16.0 EiB");
  CHECK(span_text(-5) == "0 s");
  CHECK(span_text(61) == "1 min 1 s");
  CHECK(span_text(90061) == "1 day 1 h");
  CHECK(time_text(0) == "never");
  CHECK(time_text(1740821400) == "2025-03-01 09:30 UTC");
  CHECK(rfc3339(1740821400) == "2025-03-01T09:30:00Z");
  CHECK(counted(1, "message") == "1 message");
  CHECK(counted(2, "mailbox") == "2 mailboxes");
}

TEST_CASE("running text is set for a terminal", "[text]") {
  const std::string words = filled(std::string(20, 'a') + ' ' + std::string(60, 'b') + " ü", 5, 3);
  CHECK(words == std::string(20, 'a') + "\n   " + std::string(60, 'b') + " ü");
  // Characters count, not octets.
  std::string umlauts = "ü";
  for (std::size_t i = 1; i < kTextWidth; ++i) umlauts += "ü";
  CHECK(filled(umlauts.substr(2) + ' ' + umlauts) == umlauts.substr(2) + '\n' + umlauts);
  CHECK(filled(std::string(90, 'x') + " y") == std::string(90, 'x') + "\ny");
  CHECK(filled("a [b c] d", 74, 2) == "a\n  [b c] d");
  CHECK(filled("").empty());
}

TEST_CASE("a table's columns are as wide as their widest cell", "[text]") {
  Table table({Align::kLeft, Align::kRight, Align::kLeft});
  table.add({"NAME", "N", "LAST"});
  table.add({"Zürich", "100", "x"});
  table.add({"b"});
  CHECK(table.text() == "NAME      N  LAST\nZürich  100  x\nb\n");
}

TEST_CASE("the nearest word is offered, a far one is not", "[text]") {
  const std::vector<std::string> words = {"recipients", "connections", "key"};
  CHECK(nearest("recipient", words) == "recipients");
  CHECK(nearest("conections", words) == "connections");
  CHECK(nearest("kye", words) == "key");
  CHECK(nearest("resolver", words).empty());
  CHECK(nearest(std::string(100000, 'a'), words).empty());
}

TEST_CASE("a word that was not typed is one word to a shell", "[text]") {
  CHECK(shell_word("anna.b+x@example.org") == "anna.b+x@example.org");
  CHECK(shell_word("j\u00f6rg@b\u00fccher.example") == "j\u00f6rg@b\u00fccher.example");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("\"a b\"@example.org") == "'\"a b\"@example.org'");
  CHECK(shell_word("o'brien@example.org") == "'o'\\''brien@example.org'");
  for (const char* odd : {"$(x)@a.example", "`x`@a.example", "a;b@a.example", "a&b@a.example", "~a@a.example",
                          "a*@a.example", "!a@a.example", "a|b@a.example", "#a@a.example", "{a}@a.example"}) {
    CHECK(shell_word(odd) == std::string("'") + odd + '\'');
    CHECK(address_word(odd) == "ADDRESS");
  }
  CHECK(address_word("anna.b+x@example.org") == "anna.b+x@example.org");
  CHECK(address_word("") == "ADDRESS");
}

TEST_CASE("JSON keeps the order and bears any byte", "[text]") {
  const Value value = Value::Object{{"z", 1},        {"a", nullptr},
                                    {"t", true},     {"big", ~std::uint64_t{0}},
                                    {"s", "\xff\n"}, {"list", Value::Array{Value(-1), Value("x")}}};
  CHECK(json_text(value) ==
        "{\"z\":1,\"a\":null,\"t\":true,\"big\":18446744073709551615,\"s\":\"\xef\xbf\xbd\\n\",\"list\":[-1,"
        "\"x\"]}");
  CHECK(json_with("{\"a\":1}", "b", "x") == "{\"a\":1,\"b\":\"x\"}");
  CHECK(json_with("[1]", "b", "x") == "[1]");
  CHECK(json_with("no", "b", "x") == "no");
}

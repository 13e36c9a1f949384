#include "protocols/origin/spf_macro.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

SpfMacroValues some_values() {
  SpfMacroValues values;
  values.local_part = "Anna-Maria+lists";
  values.sender_domain = "mail.far.example";
  values.domain = "spf.far.example";
  values.ip = parse_ip("192.0.2.3").value();
  values.reverse_name = "mx.far.example";
  values.helo = "helo.far.example";
  values.host = "mail.our.example";
  values.now = 1795788407;
  return values;
}

std::string as_text(std::string_view text, const SpfMacroValues& values = some_values()) {
  REQUIRE(is_spf_macro_string(text, SpfMacroUse::kExplanation));
  return expand_spf_explanation(text, values).value_or("(none)");
}

std::string as_name(std::string_view text, const SpfMacroValues& values = some_values()) {
  REQUIRE(is_spf_domain_spec(text));
  return expand_spf_domain(text, values).value_or("(none)");
}

}  // namespace

TEST_CASE("each macro has its value", "[spf]") {
  CHECK(as_text("%{s}") == "Anna-Maria+lists@mail.far.example");
  CHECK(as_text("%{l} %{o} %{d}") == "Anna-Maria+lists mail.far.example spf.far.example");
  CHECK(as_text("%{i} %{v} %{p} %{h}") == "192.0.2.3 in-addr mx.far.example helo.far.example");
  CHECK(as_text("%{c} at %{t}, by %{r}.") == "192.0.2.3 at 1795788407, by mail.our.example.");
  CHECK(as_text("100%% %_%-") == "100%  %20");
  SpfMacroValues values = some_values();
  values.ip = parse_ip("2001:db8::cb01").value();
  CHECK(as_text("%{c} %{v}", values) == "2001:db8::cb01 ip6");
  CHECK(as_text("%{i}", values) == "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1");
  CHECK(as_name("%{ir}.%{v}._spf.%{d2}", values) ==
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.far.example");
  // An IPv4 address is one in its mapped form, too.
  values.ip = parse_ip("::ffff:192.0.2.3").value();
  CHECK(as_text("%{c} %{ir} %{v}", values) == "192.0.2.3 3.2.0.192 in-addr");
}

TEST_CASE("a value is cut and turned round", "[spf]") {
  CHECK(as_text("%{d1}") == "example");
  CHECK(as_text("%{d2}") == "far.example");
  CHECK(as_text("%{d3}") == "spf.far.example");
  CHECK(as_text("%{d9}") == "spf.far.example");
  CHECK(as_text("%{d99999999999999999999999}") == "spf.far.example");
  CHECK(as_text("%{dr}") == "example.far.spf");
  CHECK(as_text("%{d2r}") == "far.spf");
  CHECK(as_text("%{d1R}") == "spf");
  CHECK(as_text("%{ir}") == "3.2.0.192");
  CHECK(as_text("%{l-}") == "Anna.Maria+lists");
  CHECK(as_text("%{lr-}") == "Maria+lists.Anna");
  CHECK(as_text("%{l1r-}") == "Anna");
  CHECK(as_text("%{lr+-}") == "lists.Maria.Anna");
  CHECK(as_text("%{l2+-}") == "Maria.lists");
  // With other delimiters a dot is none.
  CHECK(as_text("%{d1-}") == "spf.far.example");
  CHECK(as_text("%{s1.-+,/_=}") == "example");
}

TEST_CASE("a capital letter escapes what is special in an address of the web", "[spf]") {
  SpfMacroValues values = some_values();
  values.local_part = "~a&b=c/d_e.f-g h%";
  CHECK(as_text("%{L}", values) == "~a%26b%3Dc%2Fd_e.f-g%20h%25");
  CHECK(as_text("%{S1}", values) == "example");
  values.ip = parse_ip("2001:db8::1").value();
  CHECK(as_text("%{C}", values) == "2001%3Adb8%3A%3A1");
  CHECK(as_name("%{D2}") == "far.example");
}

TEST_CASE("what is no macro is a mistake", "[spf]") {
  for (const char* wrong : {"%", "a%", "%a", "%{", "%{}", "%{d", "%d}", "%{x}", "%{d0}", "%{d00}", "%{dr2}",
                            "%{drr}", "%{d2.x}", "%{d:}", "%{ d}", "%{d }", "%{%}", "%(d)", "%%%"}) {
    CAPTURE(wrong);
    for (const SpfMacroUse use : {SpfMacroUse::kTerm, SpfMacroUse::kModifier, SpfMacroUse::kExplanation})
      CHECK_FALSE(is_spf_macro_string(wrong, use));
    CHECK_FALSE(is_spf_domain_spec(std::string(wrong) + ".b.example"));
  }
  // RFC 7208 7.2.
  for (const char* later : {"%{c}", "%{r}", "%{t}", "%{C2r.}"}) {
    CAPTURE(later);
    CHECK(is_spf_macro_string(later, SpfMacroUse::kExplanation));
    CHECK(is_spf_macro_string(later, SpfMacroUse::kModifier));
    CHECK_FALSE(is_spf_macro_string(later, SpfMacroUse::kTerm));
    CHECK_FALSE(is_spf_domain_spec(later));
  }
  CHECK(is_spf_macro_string("a b", SpfMacroUse::kExplanation));
  CHECK_FALSE(is_spf_macro_string("a b", SpfMacroUse::kModifier));
  for (const char* never : {"a\tb", "\x7f", "\xc3\xb6", "a\r\nb"})
    CHECK_FALSE(is_spf_macro_string(never, SpfMacroUse::kExplanation));
  CHECK_FALSE(is_spf_macro_string({"a\0b", 3}, SpfMacroUse::kExplanation));
}

TEST_CASE("a domain ends in a macro or in a label that can be the last", "[spf]") {
  for (const char* good : {"b.example", "b.example.", "%{d}", "a.%{d}", "%{i}.b.example", "a%%", "a%_", "a%-",
                           "a.x-1", "a.1x", "a.xn--p1ai", ".example", "a..example", "a:b/c.example",
                           "%{d}.example", "!#$&'()*+,-./:;<=>?@[]^_`{|}~.example"}) {
    CAPTURE(good);
    CHECK(is_spf_domain_spec(good));
  }
  for (const char* wrong :
       {"",       ".",         "example",     "example.",         "a.b..",  "a.-b",  "a.b-",
        "a.1",    "192.0.2.1", "a.b_c",       "a.b:25",           "a.b/24", "%{d}.", "%{d}x",
        "%{d}b.", "a.%{d}.1",  "a b.example", "a.ex\xc3\xa4mple", "a.b%",   "%{d.}x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf_domain_spec(wrong));
  }
}

TEST_CASE("a name that is too long loses labels at its left", "[spf]") {
  SpfMacroValues values = some_values();
  values.domain = "a123456789.b123456789.c123456789.d123456789.e12345.example";
  const std::string four = "%{d}.%{d}.%{d}.%{d}";
  CHECK(as_name(four, values).size() == 4 * 58 + 3);
  const std::string more = as_name("%{d}." + four, values);
  CHECK(more == "e12345.example." + as_name(four, values));
  CHECK(as_name("x2.e12345.example." + four, values) == "x2." + more);  // 253
  CHECK(as_name("x23.e12345.example." + four, values) == more);
  CHECK(as_name("x2." + more + ".") == "x2." + more);
  // However much is cut off, and where.
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "%{s}.";
  CHECK(as_name(many + more, values) == more);
  CHECK(as_name(many + "%{d}", values).size() <= 253);
}

TEST_CASE("what the DNS cannot have is no name", "[spf]") {
  SpfMacroValues values = some_values();
  const auto of_local_part = [&](const std::string& local_part) {
    values.local_part = local_part;
    return as_name("%{l}.b.example", values);
  };
  CHECK(of_local_part("Anna") == "anna.b.example");
  CHECK(of_local_part("a b") == "a b.b.example");
  CHECK(of_local_part(std::string(63, 'x')) == std::string(63, 'x') + ".b.example");
  for (const std::string& wrong :
       {std::string(64, 'x'), std::string("a..b"), std::string(".a"), std::string("a."), std::string(),
        std::string("\xc3\xb6"), std::string("a\nb"), std::string(300, 'x') + ".b"}) {
    CAPTURE(wrong);
    const std::string name = of_local_part(wrong);
    if (wrong.size() <= 250) CHECK(name == "(none)");
  }
  // Without a dot there is nothing to cut at.
  values.local_part = std::string(300, 'x');
  CHECK(as_name("%{l}", values) == "(none)");
  values.helo.clear();
  CHECK(as_name("%{h}", values) == "(none)");
}

TEST_CASE("an explanation is one short line of ASCII", "[spf]") {
  SpfMacroValues values = some_values();
  CHECK(as_text(std::string(kMaxSpfExplanation, 'x')).size() == kMaxSpfExplanation);
  CHECK(as_text(std::string(kMaxSpfExplanation + 1, 'x')) == "(none)");
  CHECK(as_text("see b.example.") == "see b.example.");
  // Nor is what costs work and leaves nothing.
  values.local_part = "-x";
  CHECK(as_text("see%{l1r-}", values) == "see");
  std::string nothing;
  while (nothing.size() <= kMaxSpfMacroString) nothing += "%{l1r-}";
  CHECK(as_text(nothing, values) == "(none)");
  values.local_part = "j\xc3\xb6rg";
  CHECK(as_text("%{l}", values) == "(none)");
  CHECK(as_text("%{L}", values) == "j%C3%B6rg");
  values.helo = "a\r\n250 b";
  CHECK(as_text("%{h}", values) == "(none)");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "%{s}";
  CHECK(as_text(many) == "(none)");
}

TEST_CASE("it is known which macros are used", "[spf]") {
  CHECK(uses_spf_macro("a.%{p}", 'p'));
  CHECK(uses_spf_macro("%{P1r-}.b", 'p'));
  CHECK_FALSE(uses_spf_macro("p.%%{p}", 'p'));
  CHECK_FALSE(uses_spf_macro("%{d}.p", 'p'));
  CHECK_FALSE(uses_spf_macro("", 'p'));
}

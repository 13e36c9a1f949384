#include "protocols/origin/spf_record.h"

#include "tests/catch.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;

namespace {

using SpfKind = SpfMechanism::Kind;
using SpfQualifier = SpfMechanism::Qualifier;

SpfRecord spf_record_of(const std::string& terms) {
  const auto record = parse_spf_record("v=spf1 " + terms);
  REQUIRE(record);
  return *record;
}

std::vector<SpfMechanism> spf_mechanisms_of(const SpfRecord& record) {
  std::vector<SpfMechanism> mechanisms;
  std::string_view rest = record.mechanisms;
  while (auto next = take_spf_mechanism(rest)) mechanisms.push_back(*std::move(next));
  CHECK(rest.empty());
  return mechanisms;
}

SpfMechanism spf_mechanism_of(const std::string& term) {
  const auto mechanisms = spf_mechanisms_of(spf_record_of(term));
  REQUIRE(mechanisms.size() == 1);
  CHECK(mechanisms[0].text == term);
  return mechanisms[0];
}

bool is_spf(const std::string& terms) {
  return parse_spf_record("v=spf1 " + terms).has_value();
}

std::size_t spf_records_of(const std::vector<std::string>& texts) {
  return spf_records(txt_answer(texts).records).size();
}

}  // namespace

TEST_CASE("SPF's records are those with its version and a blank or nothing behind it", "[spf]") {
  CHECK(spf_records_of({"v=spf1 -all"}) == 1);
  CHECK(spf_records_of({"v=spf1"}) == 1);
  CHECK(spf_records_of({"V=SPF1 -all"}) == 1);
  CHECK(spf_records_of({"v=spf1 nonsense"}) == 1);
  CHECK(spf_records_of({"site-verification=1", "v=spf1 -all", "v=DMARC1; p=none", "\x96"}) == 1);
  CHECK(spf_records_of({"v=spf1 -all", "v=spf1 -all"}) == 2);
  CHECK(spf_records_of({"v=spf10 -all"}) == 0);
  CHECK(spf_records_of({"v=spf1-all"}) == 0);
  CHECK(spf_records_of({"v=spf1\t-all"}) == 0);
  CHECK(spf_records_of({" v=spf1 -all"}) == 0);
  CHECK(spf_records_of({"\"v=spf1 -all\""}) == 0);
  CHECK(spf_records_of({"v=spf2.0/pra -all"}) == 0);
  CHECK(spf_records_of({"v=spf", ""}) == 0);
  dns::Record other;
  other.text = "v=spf1 -all";
  CHECK(spf_records(std::vector<dns::Record>{other}).empty());
}

TEST_CASE("a record is a list of terms", "[spf]") {
  const SpfRecord record =
      spf_record_of("  +mx   a:%{d2}/24 exp=why.%{o}  ~include:b.example redirect=c.example ");
  const auto mechanisms = spf_mechanisms_of(record);
  REQUIRE(mechanisms.size() == 3);
  CHECK(mechanisms[0].kind == SpfKind::kMx);
  CHECK(mechanisms[1].kind == SpfKind::kA);
  CHECK(mechanisms[2].kind == SpfKind::kInclude);
  CHECK(record.explanation == "why.%{o}");
  CHECK(record.redirect == "c.example");
  CHECK(parse_spf_record("v=spf1").value() == SpfRecord{});
  CHECK(parse_spf_record("v=spf1    ").value() == SpfRecord{});
}

TEST_CASE("names of mechanisms and modifiers have no case", "[spf]") {
  CHECK(spf_mechanism_of("ALL").kind == SpfKind::kAll);
  CHECK(spf_mechanism_of("-Ip4:192.0.2.1").kind == SpfKind::kIp4);
  CHECK(spf_mechanism_of("Exists:%{I}.b.example").kind == SpfKind::kExists);
  CHECK(spf_record_of("Redirect=b.example").redirect == "b.example");
  CHECK(spf_record_of("EXP=b.example").explanation == "b.example");
}

TEST_CASE("a qualifier stands before a mechanism, and only one", "[spf]") {
  CHECK(spf_mechanism_of("all").qualifier == SpfQualifier::kPass);
  CHECK(spf_mechanism_of("+all").qualifier == SpfQualifier::kPass);
  CHECK(spf_mechanism_of("-all").qualifier == SpfQualifier::kFail);
  CHECK(spf_mechanism_of("~all").qualifier == SpfQualifier::kSoftfail);
  CHECK(spf_mechanism_of("?all").qualifier == SpfQualifier::kNeutral);
  for (const char* wrong :
       {"--all", "-+all", "- all", "!all", "-", "all-", "-redirect=b.example", "?exp=b.example"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf(wrong));
  }
}

TEST_CASE("each mechanism takes what it takes", "[spf]") {
  for (const char* good : {"all", "include:b.example", "a", "a:b.example", "mx", "mx:b.example", "ptr",
                           "ptr:b.example", "ip4:192.0.2.1", "ip6:2001:db8::1", "exists:b.example"}) {
    CAPTURE(good);
    CHECK(is_spf(good));
  }
  for (const char* wrong : {"all:b.example",
                            "all/8",
                            "all.",
                            "all=x y",
                            "include",
                            "include:",
                            "include:b.example/24",
                            "a:",
                            "a/",
                            "mx:",
                            "mx//",
                            "ptr:",
                            "ptr/0",
                            "ptr:b.example/24",
                            "ip4",
                            "ip4:",
                            "ip6",
                            "ip6:",
                            "exists",
                            "exists:",
                            "exists:b.example/24",
                            "exists:b.example//64",
                            "ip4:b.example",
                            "redirect:b.example",
                            "exp:b.example",
                            "spf",
                            "a.example",
                            ":",
                            "/24",
                            "=",
                            "b.example",
                            "ipv4:192.0.2.1",
                            "192.0.2.1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf(wrong));
  }
}

TEST_CASE("lengths of networks are read from the end", "[spf]") {
  const auto lengths = [](const std::string& term) {
    const SpfMechanism mechanism = spf_mechanism_of(term);
    return std::pair(mechanism.ip4_length, mechanism.ip6_length);
  };
  CHECK(lengths("a") == std::pair(32u, 128u));
  CHECK(lengths("a/24") == std::pair(24u, 128u));
  CHECK(lengths("a//64") == std::pair(32u, 64u));
  CHECK(lengths("mx/0//0") == std::pair(0u, 0u));
  CHECK(lengths("mx:b.example/32//128") == std::pair(32u, 128u));
  CHECK(lengths("a:%{d}/24") == std::pair(24u, 128u));
  // A slash is a letter of a name, too, but not of its last label.
  CHECK(spf_mechanism_of("a:x/24.b.example/16").domain_spec == "x/24.b.example");
  CHECK(spf_mechanism_of("a:x//24.b.example//16").domain_spec == "x//24.b.example");
  CHECK(spf_mechanism_of("a:x:y/z.b.example").domain_spec == "x:y/z.b.example");
  for (const char* wrong :
       {"a/33", "a//129", "a/24/64", "a/64", "a/-1", "a/024", "a/00", "a//064", "a///64", "a/24//",
        "a//64/24", "a/x", "a/999999999999999999999", "mx:b.example/33", "mx:b.example/", "mx:b.example//"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf(wrong));
  }
}

TEST_CASE("networks are written out", "[spf]") {
  CHECK(spf_mechanism_of("ip4:192.0.2.0/24").network == parse_ip_network("192.0.2.0/24").value());
  CHECK(spf_mechanism_of("ip4:0.0.0.0/0").network == parse_ip_network("0.0.0.0/0").value());
  CHECK(spf_mechanism_of("ip6:2001:DB8::/33").network == parse_ip_network("2001:db8::/33").value());
  CHECK(spf_mechanism_of("ip6:::1").network == parse_ip_network("::1").value());
  for (const char* wrong : {"ip4:192.0.2",          "ip4:192.0.2.256",
                            "ip4:192.0.2.01",       "ip4:192.0.2.1:25",
                            "ip4:192.0.2.1/33",     "ip4:192.0.2.1/024",
                            "ip4:192.0.2.1/",       "ip4:192.0.2.1//32",
                            "ip4:192.0.2.1/24//64", "ip4:::1",
                            "ip4:::ffff:192.0.2.1", "ip4:%{i}",
                            "ip4: 192.0.2.1",       "ip6:192.0.2.1",
                            "ip6:2001:db8::/129",   "ip6:2001:db8::/064",
                            "ip6:2001:db8::1::2",   "ip6:2001:db8::1//64",
                            "ip6:[2001:db8::1]",    "ip6:fe80::1%eth0",
                            "ip6::2001:db8::1",     "ip4:192.0.2.1\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf(wrong));
  }
}

TEST_CASE("a modifier is a name, a sign and a value", "[spf]") {
  // RFC 7208 6: one that nobody knows is passed over, if it is one.
  for (const char* good : {"x=", "x=1", "far_out.2-x=man:dog/cat", "default=+", "x=%{c}%{r}%{t}", "x=%{d}=y",
                           "redirect2=-all", "accredit=%{i}.%{ir}.b.example"}) {
    CAPTURE(good);
    CHECK(is_spf(good));
    CHECK(spf_record_of(good) == SpfRecord{});
  }
  for (const char* wrong : {"=x",
                            "1x=y",
                            "-x=y",
                            "_x=y",
                            "x/y=z",
                            "x:y=z",
                            "x=%",
                            "x=%a",
                            "x=%{z}",
                            "x=%{d",
                            "x=%{d0}",
                            "x=\x80",
                            "x=\t",
                            "redirect=",
                            "redirect",
                            "redirect=b",
                            "redirect=-all",
                            "redirect=%{c}.b.example",
                            "redirect=b.example/24",
                            "exp=",
                            "exp=-all",
                            "exp=%{r}.b.example",
                            "exp=a.b exp=c.d",
                            "redirect=b.example redirect=b.example",
                            "Redirect=b.example redirect=b.example"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_spf(wrong));
  }
}

TEST_CASE("a mistake behind what decides is one, too", "[spf]") {
  CHECK_FALSE(is_spf("all nonsense"));
  CHECK_FALSE(is_spf("-all ip4:192.0.2"));
  CHECK_FALSE(is_spf("+all redirect="));
  CHECK(parse_spf_record("v=spf1 -all moo").error().message ==
        "its record has a term that is no mechanism or modifier: moo");
  CHECK(parse_spf_record("v=spf1 \x80\r\nX: y").error().message ==
        "its record has a term that is no mechanism or modifier: ???X:");
  CHECK(parse_spf_record("v=spf1 ip4:192.0.2.1" + std::string(1, '\0') + " -all").error().kind ==
        ErrorKind::kInvalid);
}

TEST_CASE("nothing follows from what stands behind all", "[spf]") {
  const SpfRecord record = spf_record_of("redirect=b.example mx -all a exp=c.example +all");
  const auto mechanisms = spf_mechanisms_of(record);
  REQUIRE(mechanisms.size() == 2);
  CHECK(mechanisms[1].qualifier == SpfQualifier::kFail);
  CHECK_FALSE(record.redirect);
  CHECK(record.explanation == "c.example");
}

TEST_CASE("terms are divided by blanks only, and a record is not endless", "[spf]") {
  CHECK_FALSE(is_spf("a\tmx"));
  CHECK_FALSE(is_spf("a\rmx"));
  CHECK_FALSE(is_spf("a\n"));
  CHECK_FALSE(is_spf("a,mx"));
  const std::string most = std::string(kMaxSpfRecord - std::string("v=spf1 -all").size(), ' ') + "-all";
  CHECK(is_spf(most));
  CHECK_FALSE(is_spf(" " + most));
}

TEST_CASE("a record needs no more memory than its text", "[spf]") {
  std::string terms;
  while (terms.size() + sizeof("v=spf1 a ") < kMaxSpfRecord) terms += "a ";
  const SpfRecord record = spf_record_of(terms);
  CHECK(record.mechanisms.capacity() <= kMaxSpfRecord);
  CHECK(spf_mechanisms_of(record).size() > 8000);
}

TEST_CASE("a term is not endless", "[spf]") {
  const std::string most =
      "a:" + std::string(kMaxSpfTerm - std::string("a:.example").size(), 'x') + ".example";
  CHECK(is_spf(most));
  CHECK(parse_spf_record("v=spf1 x" + most).error().message ==
        "its record has a term that is too long: xa:" + std::string(77, 'x'));
  CHECK_FALSE(is_spf("-all redirect=" + most));
  CHECK_FALSE(is_spf("-all unknown=" + most));
}

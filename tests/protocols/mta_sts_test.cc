#include "protocols/tls/mta_sts.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

using Strings = std::vector<std::string>;

const std::string kPolicy =
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\nmax_age: 604800\r\n";

std::string why_not(std::string_view text) {
  const auto policy = parse_sts_policy(text);
  return policy ? "" : policy.error().message;
}

}  // namespace

TEST_CASE("a domain announces its policy by one record", "[sts]") {
  CHECK(sts_policy_id(Strings{"v=STSv1; id=20160831085700Z;"}) == "20160831085700Z");
  CHECK(sts_policy_id(Strings{"v=STSv1;id=1"}) == "1");
  CHECK(sts_policy_id(Strings{"v=STSv1 ; id=1 ; more=x"}) == "1");
  CHECK(sts_policy_id(Strings{"v=spf1 -all", "v=STSv1; a=b; id=2;"}) == "2");
  CHECK(sts_policy_id(Strings{"v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345"}));
  CHECK(sts_policy_id(Strings{"v=STSv1; id=1; id=2"}) == "1");

  for (const std::string& none :
       {std::string(), std::string("v=STSv1"), std::string("v=STSv1;"), std::string("v=STSv2; id=1"),
        std::string("V=STSv1; id=1"), std::string("v=stsv1; id=1"), std::string("id=1; v=STSv1;"),
        std::string("v=STSv1; id="), std::string("v=STSv1; id=a-b"), std::string("v=STSv1; id=a b"),
        std::string("v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456"), std::string("v=STSv1; ID=1")}) {
    CAPTURE(none);
    CHECK_FALSE(sts_policy_id(Strings{none}));
  }
  // RFC 8461 3.1: two of them announce nothing.
  CHECK_FALSE(sts_policy_id(Strings{"v=STSv1; id=1", "v=STSv1; id=1"}));
  CHECK_FALSE(sts_policy_id({}));
}

TEST_CASE("a policy is read", "[sts]") {
  const auto policy = parse_sts_policy(kPolicy);
  REQUIRE(policy);
  CHECK(policy->mode == StsPolicy::Mode::kEnforce);
  CHECK(policy->hosts == Strings{"mail.example.com", "*.example.net"});
  CHECK(policy->max_age == 604800);

  const StsPolicy testing{StsPolicy::Mode::kTesting, {"a.b"}, 10};
  for (const char* same : {"version: STSv1\nmode: testing\nmx: a.b\nmax_age: 10",
                           "mx:a.b\nmax_age:10\nversion:STSv1\nmode:testing\n",
                           "version:\tSTSv1 \r\nmode: testing\t\r\n\r\nmx: a.b\r\nmax_age: 10\r\n\r\n",
                           "version: STSv1\nmode: testing\nmx: a.b\nmax_age: 10\nlater: a:b: c\n",
                           "version: STSv1\nmode: testing\nmode: enforce\nmx: a.b\nmax_age: 10\nmax_age: "
                           "20\nversion: STSv2\n"}) {
    CAPTURE(same);
    const auto other = parse_sts_policy(same);
    REQUIRE(other);
    CHECK(*other == testing);
  }
  const auto none = parse_sts_policy("version: STSv1\nmode: none\nmax_age: 0\n");
  REQUIRE(none);
  CHECK(none->mode == StsPolicy::Mode::kNone);
  CHECK(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 9999999999\n").value().max_age == kMaxStsAge);
}

TEST_CASE("what is no policy says why", "[sts]") {
  const auto without = [](std::string_view line) {
    std::string text = kPolicy;
    const std::size_t at = text.find(line);
    return text.erase(at, text.find('\n', at) + 1 - at);
  };
  CHECK(why_not("") == "its version is not STSv1");
  CHECK(why_not(without("version")) == "its version is not STSv1");
  CHECK(why_not(without("mode")) == "it has no mode");
  CHECK(why_not(without("max_age")) == "it has no max_age");
  CHECK(why_not("version: STSv1\nmode: testing\nmax_age: 1\n") == "it names no host");
  CHECK(why_not(kPolicy + "<html>\n") == "a line of it has no colon");
  CHECK(why_not(kPolicy + std::string(kMaxStsPolicy, ' ')) == "it is too long");
  for (const char* age : {"", "-1", "1d", "0x10", "12345678901", " "}) {
    CAPTURE(age);
    CHECK(why_not("version: STSv1\nmode: none\nmax_age: " + std::string(age) + "\n") == "it has no max_age");
  }
  for (const char* host : {"", "*", "*.", "a..b", "a.", ".a", "a.*.b", "*a.b", "a b", "mx/1", "a.b:25"}) {
    CAPTURE(host);
    CHECK(why_not(kPolicy + "mx: " + host + "\n") == "one of its hosts is no name");
  }
}

TEST_CASE("a star in a policy stands for one label", "[sts]") {
  const auto policy = parse_sts_policy(kPolicy).value();
  CHECK(policy.covers("mail.example.com"));
  CHECK(policy.covers("MAIL.Example.com"));
  CHECK(policy.covers("mx1.example.net"));
  CHECK_FALSE(policy.covers("a.mx1.example.net"));
  CHECK_FALSE(policy.covers("example.net"));
  CHECK_FALSE(policy.covers(".example.net"));
  CHECK_FALSE(policy.covers("mail.example.com.evil.example"));
  CHECK_FALSE(policy.covers("xmail.example.com"));
  CHECK_FALSE(policy.covers(""));
}

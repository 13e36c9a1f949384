#include "protocols/origin/dmarc.h"

#include "tests/catch.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;

namespace {

using DmarcOutcome = DmarcDiscovery::Outcome;
using DmarcNames = std::vector<std::string>;

struct Discovered {
  DmarcDiscovery discovery;
  DmarcNames names;
};

Discovered discovered(std::string_view author_domain, std::string_view zone) {
  const DnsZone dns(zone);
  Discovered run{DmarcDiscovery(author_domain), {}};
  while (const auto name = run.discovery.question()) {
    run.names.push_back(*name);
    REQUIRE(run.names.size() <= 2);
    run.discovery.answer(dns.answer(*name, dns::Type::kTxt));
  }
  CHECK((run.discovery.outcome() == DmarcOutcome::kTemperror ||
         run.discovery.outcome() == DmarcOutcome::kPermerror) == !run.discovery.problem().empty());
  return run;
}

std::string dmarc_verdict(std::string_view record, const DmarcIdentities& identities,
                          std::string_view author_domain = "far.example") {
  const auto run = discovered(author_domain, "_dmarc.far.example TXT v=DMARC1; " + std::string(record));
  const DmarcResult result = dmarc_result(run.discovery, identities);
  return std::string(name_of(result.verdict)) + " " + std::string(name_of(result.policy));
}

DmarcIdentities spf_passed(const std::string& domain) {
  return {SpfVerdict::kPass, domain, {}, {}};
}
DmarcIdentities dkim_passed(const DmarcNames& domains) {
  return {SpfVerdict::kNone, "", domains, {}};
}

}  // namespace

TEST_CASE("an organization is what stands right before a public suffix", "[dmarc]") {
  CHECK(organizational_domain("example.com") == "example.com");
  CHECK(organizational_domain("a.b.example.com") == "example.com");
  CHECK(organizational_domain("A.Example.COM") == "example.com");
  CHECK(organizational_domain("a.example.co.uk") == "example.co.uk");
  CHECK(organizational_domain("co.uk") == "co.uk");
  CHECK(organizational_domain("com") == "com");
  // A rule with a star, and an exception of it.
  CHECK(organizational_domain("a.b.c.ck") == "b.c.ck");
  CHECK(organizational_domain("a.www.ck") == "www.ck");
  // A suffix that its owner lets others have.
  CHECK(organizational_domain("a.b.github.io") == "b.github.io");
  CHECK(organizational_domain("a.b.xn--p1ai") == "b.xn--p1ai");
  CHECK(organizational_domain("a.xn--85x722f.com.cn") == "xn--85x722f.com.cn");
  CHECK(organizational_domain("a.b.no-such-suffix") == "b.no-such-suffix");
  for (const std::string& odd :
       {std::string(), std::string("a..com"), std::string(".com"), std::string("a.com\0.b.example", 16)})
    CHECK(organizational_domain(odd) == odd);
}

TEST_CASE("a domain is aligned with itself, or with all of its organization", "[dmarc]") {
  constexpr auto kStrict = DmarcRecord::Alignment::kStrict;
  constexpr auto kRelaxed = DmarcRecord::Alignment::kRelaxed;
  CHECK(is_aligned("far.example", "far.example", kStrict));
  CHECK(is_aligned("Far.example", "far.Example", kStrict));
  CHECK_FALSE(is_aligned("mail.far.example", "far.example", kStrict));
  CHECK_FALSE(is_aligned("far.example", "mail.far.example", kStrict));
  CHECK(is_aligned("mail.far.example", "far.example", kRelaxed));
  CHECK(is_aligned("far.example", "mail.far.example", kRelaxed));
  CHECK(is_aligned("a.far.example", "b.c.far.example", kRelaxed));
  CHECK_FALSE(is_aligned("notfar.example", "far.example", kRelaxed));
  CHECK_FALSE(is_aligned("far.example.evil.example", "far.example", kRelaxed));
  CHECK_FALSE(is_aligned("a.co.uk", "b.co.uk", kRelaxed));
  CHECK_FALSE(is_aligned("co.uk", "a.co.uk", kRelaxed));
  CHECK_FALSE(is_aligned("a.github.io", "b.github.io", kRelaxed));
  CHECK_FALSE(is_aligned("", "", kRelaxed));
}

TEST_CASE("a record is looked for at the domain, then at its organization", "[dmarc]") {
  const auto own = discovered("a.far.example",
                              "_dmarc.a.far.example TXT v=DMARC1; p=none; sp=reject\n"
                              "_dmarc.far.example TXT v=DMARC1; p=quarantine\n");
  CHECK(own.names == DmarcNames{"_dmarc.a.far.example"});
  CHECK(own.discovery.outcome() == DmarcOutcome::kFound);
  CHECK(own.discovery.domain() == "a.far.example");
  CHECK(own.discovery.policy() == DmarcRecord::Policy::kNone);

  const auto organization = discovered("a.b.far.example",
                                       "_dmarc.a.b.far.example TXT v=spf1 -all\n"
                                       "_dmarc.b.far.example TXT v=DMARC1; p=reject\n"
                                       "_dmarc.far.example TXT v=DMARC1; p=reject; sp=quarantine\n");
  CHECK(organization.names == DmarcNames{"_dmarc.a.b.far.example", "_dmarc.far.example"});
  CHECK(organization.discovery.domain() == "far.example");
  CHECK(organization.discovery.policy() == DmarcRecord::Policy::kQuarantine);

  const auto none = discovered("far.example", "_dmarc.example TXT v=DMARC1; p=reject\n");
  CHECK(none.names == DmarcNames{"_dmarc.far.example"});
  CHECK(none.discovery.outcome() == DmarcOutcome::kNone);
  CHECK(discovered("co.uk", "").names == DmarcNames{"_dmarc.co.uk"});
  const auto neither = discovered("a.far.example", "");
  CHECK(neither.names == DmarcNames{"_dmarc.a.far.example", "_dmarc.far.example"});
  CHECK(neither.discovery.outcome() == DmarcOutcome::kNone);
}

TEST_CASE("several records are none, and one that is bad is an error", "[dmarc]") {
  const auto several = discovered("a.far.example",
                                  "_dmarc.a.far.example TXT v=DMARC1; p=none\n TXT v=DMARC1; p=reject\n"
                                  "_dmarc.far.example TXT v=DMARC1; p=reject\n");
  CHECK(several.discovery.outcome() == DmarcOutcome::kNone);
  CHECK(several.names.size() == 1);
  const auto among =
      discovered("far.example", "_dmarc.far.example TXT words\n TXT v=DMARC1; p=none\n TXT v=DMARC2;\n");
  CHECK(among.discovery.outcome() == DmarcOutcome::kFound);
  const auto bad = discovered("far.example", "_dmarc.far.example TXT v=DMARC1; p=maybe\n");
  CHECK(bad.discovery.outcome() == DmarcOutcome::kPermerror);
  CHECK(bad.discovery.problem() == "_dmarc.far.example: its DMARC record has no policy that there is");
  CHECK(dmarc_result(bad.discovery, spf_passed("far.example")).verdict == DmarcVerdict::kPermerror);
}

TEST_CASE("without an answer nobody knows", "[dmarc]") {
  const auto first = discovered("a.far.example", "_dmarc.a.far.example FAILS\n");
  CHECK(first.discovery.outcome() == DmarcOutcome::kTemperror);
  CHECK(first.names.size() == 1);
  const auto second = discovered("a.far.example", "_dmarc.far.example FAILS\n");
  CHECK(second.discovery.outcome() == DmarcOutcome::kTemperror);
  CHECK(second.discovery.problem() == "the DNS does not answer about _dmarc.far.example");
  CHECK(dmarc_result(second.discovery, spf_passed("a.far.example")).verdict == DmarcVerdict::kTemperror);
}

TEST_CASE("what is no domain is asked about by nobody", "[dmarc]") {
  for (const std::string& wrong : {std::string(), std::string("[192.0.2.1]"), std::string("a..example"),
                                   std::string(64, 'x') + ".example", std::string("a\n.example")}) {
    CAPTURE(wrong);
    DmarcDiscovery discovery(wrong);
    CHECK_FALSE(discovery.question());
    CHECK(discovery.outcome() == DmarcOutcome::kNone);
    discovery.answer({});
    CHECK(discovery.outcome() == DmarcOutcome::kNone);
  }
  // One for which the name of its record is too long has still its organization's.
  std::string name = "far.example";
  while (name.size() < 248) name = "x." + name;
  DmarcDiscovery discovery(name);
  CHECK(discovery.question() == "_dmarc.far.example");
}

TEST_CASE("one identity that is good and aligned is enough", "[dmarc]") {
  CHECK(dmarc_verdict("p=reject", spf_passed("far.example")) == "pass reject");
  CHECK(dmarc_verdict("p=reject", spf_passed("bounces.far.example")) == "pass reject");
  CHECK(dmarc_verdict("p=reject; aspf=s", spf_passed("bounces.far.example")) == "fail reject");
  CHECK(dmarc_verdict("p=reject; adkim=s", spf_passed("bounces.far.example")) == "pass reject");
  CHECK(dmarc_verdict("p=reject", dkim_passed({"far.example"})) == "pass reject");
  CHECK(dmarc_verdict("p=reject", dkim_passed({"sender.example", "news.far.example"})) == "pass reject");
  CHECK(dmarc_verdict("p=reject; adkim=s", dkim_passed({"news.far.example"})) == "fail reject");
  CHECK(dmarc_verdict("p=quarantine", dkim_passed({"sender.example"})) == "fail quarantine");
  CHECK(dmarc_verdict("p=quarantine", spf_passed("sender.example")) == "fail quarantine");
  CHECK(dmarc_verdict("p=none", {}) == "fail none");
  for (const SpfVerdict verdict : {SpfVerdict::kNone, SpfVerdict::kNeutral, SpfVerdict::kFail,
                                   SpfVerdict::kSoftfail, SpfVerdict::kPermerror}) {
    CAPTURE(name_of(verdict));
    CHECK(dmarc_verdict("p=reject", {verdict, "far.example", {}, {}}) == "fail reject");
    CHECK(dmarc_verdict("p=reject", {verdict, "far.example", {"far.example"}, {}}) == "pass reject");
  }
  const auto run = discovered("far.example", "_dmarc.far.example TXT v=DMARC1; p=reject; pct=30\n");
  const DmarcResult both =
      dmarc_result(run.discovery, {SpfVerdict::kPass, "far.example", {"far.example"}, {}});
  CHECK(both.spf_aligned);
  CHECK(both.dkim_aligned);
  CHECK(both.percent == 30);
  const DmarcResult none = dmarc_result(run.discovery, {SpfVerdict::kPass, "x.example", {"y.example"}, {}});
  CHECK_FALSE(none.spf_aligned);
  CHECK_FALSE(none.dkim_aligned);
}

TEST_CASE("subdomains have a policy of their own", "[dmarc]") {
  CHECK(dmarc_verdict("p=reject; sp=none", {}, "far.example") == "fail reject");
  CHECK(dmarc_verdict("p=reject; sp=none", {}, "a.far.example") == "fail none");
  CHECK(dmarc_verdict("p=none; sp=reject", {}, "a.b.far.example") == "fail reject");
  CHECK(dmarc_verdict("p=quarantine", {}, "a.far.example") == "fail quarantine");
  CHECK(dmarc_verdict("p=reject", spf_passed("b.far.example"), "a.far.example") == "pass reject");
}

TEST_CASE("mail that might pass another time does not fail", "[dmarc]") {
  CHECK(dmarc_verdict("p=reject", {SpfVerdict::kTemperror, "far.example", {}, {}}) == "temperror reject");
  CHECK(dmarc_verdict("p=reject", {SpfVerdict::kTemperror, "other.example", {}, {}}) == "fail reject");
  CHECK(dmarc_verdict("p=reject", {SpfVerdict::kFail, "far.example", {}, {"mail.far.example"}}) ==
        "temperror reject");
  CHECK(dmarc_verdict("p=reject; adkim=s", {SpfVerdict::kFail, "far.example", {}, {"mail.far.example"}}) ==
        "fail reject");
  CHECK(dmarc_verdict("p=reject", {SpfVerdict::kTemperror, "far.example", {"far.example"}, {}}) ==
        "pass reject");
}

TEST_CASE("nothing is said about a domain that says nothing", "[dmarc]") {
  const auto run = discovered("far.example", "");
  const DmarcResult result = dmarc_result(run.discovery, spf_passed("far.example"));
  CHECK(result.verdict == DmarcVerdict::kNone);
  CHECK(result.policy == DmarcRecord::Policy::kNone);
  CHECK(name_of(result.verdict) == "none");
}

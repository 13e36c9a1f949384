#include "admin/dns/dns_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;

namespace {

dns::Answer texts(const std::vector<std::string>& values) {
  dns::Answer answer;
  answer.verdict = values.empty() ? dns::Verdict::kNoRecords : dns::Verdict::kFound;
  for (const std::string& value : values) {
    dns::Record record;
    record.type = dns::Type::kTxt;
    record.text = value;
    answer.records.push_back(record);
  }
  return answer;
}

dns::Answer exchanges(const std::vector<std::pair<std::uint16_t, std::string>>& hosts) {
  dns::Answer answer;
  answer.verdict = dns::Verdict::kFound;
  for (const auto& [preference, host] : hosts) {
    dns::Record record;
    record.type = dns::Type::kMx;
    record.preference = preference;
    record.text = host;
    answer.records.push_back(record);
  }
  return answer;
}

dns::Record named(std::uint16_t preference, const std::string& text) {
  dns::Record record;
  record.preference = preference;
  record.text = text;
  return record;
}

dns::Record placed(const IpAddress& address) {
  dns::Record record;
  record.address = address;
  return record;
}

DnsVerdict verdict(const std::string& wanted, const std::vector<std::string>& found) {
  return judge_record({"example.org", "TXT", wanted, ""}, texts(found)).verdict;
}

}  // namespace

TEST_CASE("of SPF it is judged whether it allows this server", "[dns-check]") {
  const std::string wanted = "v=spf1 mx -all";
  CHECK(verdict(wanted, {"v=spf1 mx -all"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {"other", "V=SPF1 a +MX ~all"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {}) == DnsVerdict::kMissing);
  CHECK(verdict(wanted, {"v=spf10 mx", "google-site-verification=x"}) == DnsVerdict::kMissing);
  CHECK(verdict(wanted, {"v=spf1 -all"}) == DnsVerdict::kDiffers);
  CHECK(verdict(wanted, {"v=spf1 mxx -all"}) == DnsVerdict::kDiffers);
  CHECK(verdict(wanted, {"v=spf1 include:_spf.example.net -all"}) == DnsVerdict::kCannotTell);
  CHECK(verdict(wanted, {"v=spf1 ip4:192.0.2.1 -all"}) == DnsVerdict::kCannotTell);
  const DnsFinding two =
      judge_record({"example.org", "TXT", wanted, ""}, texts({"v=spf1 mx -all", "v=spf1 a -all"}));
  CHECK(two.verdict == DnsVerdict::kDiffers);
  CHECK(two.advice.find("several") != std::string::npos);
  CHECK(verdict("v=spf1 a -all", {"v=spf1 -all"}) == DnsVerdict::kDiffers);
  CHECK(verdict("v=spf1 a -all", {"v=spf1 a -all"}) == DnsVerdict::kRight);
}

TEST_CASE("SPF is read as others read it", "[dns-check]") {
  const std::string wanted = "v=spf1 mx -all";
  CHECK(verdict(wanted, {"v=spf1 -all mx"}) == DnsVerdict::kDiffers);  // nobody comes to what is behind "all"
  CHECK(verdict(wanted, {"v=spf1 ?mx +all"}) == DnsVerdict::kDiffers);
  CHECK(verdict(wanted, {"v=spf1 mx/24 -all"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {"v=spf1 -include:a.example mx -all"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {"v=spf1 redirect=_spf.example.net"}) == DnsVerdict::kCannotTell);
  // A small server is often the domain's web server, too.
  CHECK(verdict(wanted, {"v=spf1 a -all"}) == DnsVerdict::kCannotTell);
  CHECK(verdict(wanted, {"v=spf1 a:mail.example.org -all"}) == DnsVerdict::kCannotTell);
  for (const char* broken : {"v=spf1 mx -al", "v=spf1 mx ip4:192.0.2 -all", "v=spf1 mx include: -all"}) {
    const DnsFinding finding = judge_record({"example.org", "TXT", wanted, ""}, texts({broken}));
    CHECK(finding.verdict == DnsVerdict::kDiffers);
    CHECK(finding.advice.find("cannot read it") != std::string::npos);
  }
}

TEST_CASE("of keys the key counts, of policies that there is one", "[dns-check]") {
  const std::string key = DkimKey::make(DkimAlgorithm::kEd25519Sha256)->record();
  const std::string p = key.substr(key.find("p=") + 2);
  CHECK(verdict(key, {"k=ed25519;p=" + p.substr(0, 7) + " " + p.substr(7) + ";"}) == DnsVerdict::kRight);
  CHECK(verdict(key, {DkimKey::make(DkimAlgorithm::kEd25519Sha256)->record()}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"v=DKIM1; k=rsa; p="}) == DnsVerdict::kMissing);
  CHECK(verdict(key, {}) == DnsVerdict::kMissing);
  // Forms of registrars know RSA only, and drop what they do not know.
  CHECK(verdict(key, {"v=DKIM1; p=" + p}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"v=DKIM1; k=rsa; p=" + p}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"k=ed25519; v=DKIM1; p=" + p}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"v=DKIM1; k=ed25519; h=sha1; p=" + p}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"v=DKIM1; k=ed25519; t=y; p=" + p}) == DnsVerdict::kCannotTell);
  CHECK(verdict(key, {key, "v=DKIM1; k=rsa; p=QUJD"}) == DnsVerdict::kDiffers);
  const std::string dmarc = "v=DMARC1; p=none";
  CHECK(verdict(dmarc, {"v=DMARC1; p=reject; rua=mailto:x@example.org"}) == DnsVerdict::kRight);
  CHECK(verdict(dmarc, {"v=DMARC1; sp=none"}) == DnsVerdict::kDiffers);
  CHECK(verdict(dmarc, {"v=spf1 mx"}) == DnsVerdict::kMissing);
  CHECK(verdict("v=TLSRPTv1; rua=mailto:a@b.example", {"v=TLSRPTv1;rua=https://c.example"}) ==
        DnsVerdict::kRight);
  // What others take for nothing is nothing.
  CHECK(verdict(dmarc, {dmarc, "v=DMARC1; p=reject"}) == DnsVerdict::kDiffers);
  CHECK(verdict(dmarc, {"v=DMARC1; p=strict"}) == DnsVerdict::kDiffers);
  CHECK(verdict(dmarc, {"v=DMARC1; p=none; p=reject"}) == DnsVerdict::kDiffers);
  for (const char* wrong :
       {"v=TLSRPTv1", "v=TLSRPTv1; rua=postmaster@b.example", "v=TLSRPTv1 rua=mailto:a@b.example"})
    CHECK(verdict("v=TLSRPTv1; rua=mailto:a@b.example", {wrong}) == DnsVerdict::kDiffers);
  CHECK(verdict("v=TLSRPTv1; rua=mailto:a@b.example",
                {"v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"}) ==
        DnsVerdict::kDiffers);
}

TEST_CASE("a record of MTA-STS has to be one that others can read", "[dns-check]") {
  const std::string wanted = "v=STSv1; id=20261129";
  CHECK(verdict(wanted, {"v=STSv1;id=1;"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {"something else", "v=STSv1; id=another; new=field"}) == DnsVerdict::kRight);
  CHECK(verdict(wanted, {}) == DnsVerdict::kMissing);
  CHECK(verdict(wanted, {"v=spf1 -all"}) == DnsVerdict::kMissing);  // of a wildcard
  for (const char* wrong :
       {"v=STSv1", "v=STSv1; id=", "v=STSv1; id=2026-11-29", "v=STSv2; id=1", "V=stsv1; id=1", "v=STSv1 id=1",
        "v=STSv1; id=123456789012345678901234567890123", "sts"})
    CHECK(verdict(wanted, {wrong}) == DnsVerdict::kDiffers);
  const DnsFinding two =
      judge_record({"_mta-sts.example.org", "TXT", wanted, ""}, texts({"v=STSv1; id=1", "v=STSv1; id=2"}));
  CHECK(two.verdict == DnsVerdict::kDiffers);
  CHECK(two.found == "v=STSv1; id=1, v=STSv1; id=2");
  CHECK(two.advice.find("several") != std::string::npos);
}

TEST_CASE("of MX the host counts", "[dns-check]") {
  const DnsRecord wanted{"example.org", "MX", "10 mail.example.org", ""};
  CHECK(judge_record(wanted, exchanges({{5, "mail.example.org"}})).verdict == DnsVerdict::kRight);
  CHECK(judge_record(wanted, exchanges({{50, "a.example"}, {5, "mail.example.org"}})).verdict ==
        DnsVerdict::kRight);
  // A filter in front of this server, or the provider before it, whose record was forgotten.
  for (const std::uint16_t preference : {std::uint16_t{5}, std::uint16_t{50}}) {
    const DnsFinding second =
        judge_record(wanted, exchanges({{preference, "a.example"}, {50, "mail.example.org"}}));
    CHECK(second.verdict == DnsVerdict::kCannotTell);
    CHECK(second.advice.find("a.example") != std::string::npos);
  }
  const DnsFinding other = judge_record(wanted, exchanges({{5, "a.example"}, {6, "b.example"}}));
  CHECK(other.verdict == DnsVerdict::kDiffers);
  CHECK(other.found == "5 a.example, 6 b.example");
  const DnsFinding none = judge_record(wanted, exchanges({{0, ""}}));
  CHECK(none.verdict == DnsVerdict::kDiffers);
  CHECK(none.advice.find("no mail") != std::string::npos);
  CHECK(judge_record(wanted, {}).verdict == DnsVerdict::kNotAsked);
}

TEST_CASE("the exit code tells whether all that is needed is right", "[dns-check]") {
  const std::string records =
      R"([{"name":"example.org","type":"TXT","value":"v=spf1 mx -all","required":true},)"
      R"({"name":"_smtp._tls.example.org","type":"TXT","value":"v=TLSRPTv1; rua=mailto:a@b.example","required":false}])";
  bool is_there = true;
  const auto asked = [&](const std::vector<ListenAddress>& servers,
                         const std::vector<DnsQuestion>& questions) {
    CHECK(servers.size() == 1);
    REQUIRE(questions.size() == 2);
    CHECK(questions[1] == DnsQuestion{"_smtp._tls.example.org", dns::Type::kTxt});
    return std::vector<dns::Answer>{texts({is_there ? "v=spf1 mx -all" : "v=spf1 -all"}), texts({})};
  };
  const Report good = check_dns(records, {{"192.0.2.53", 53}}, asked);
  CHECK(good.exit_code == 0);
  CHECK(good.text.find("ok           TXT   example.org\n") != std::string::npos);
  CHECK(good.text.find("missing      TXT   _smtp._tls.example.org\n") != std::string::npos);
  is_there = false;
  const Report bad = check_dns(records, {{"192.0.2.53", 53}}, asked);
  CHECK(bad.exit_code == 1);
  CHECK(bad.error.empty());
  CHECK(bad.text.find("One record is not right") != std::string::npos);
  CHECK(nlohmann::json::parse(bad.json).at(0).at("verdict") == "differs");
  // Trouble of the DNS says nothing of the records.
  const Report lost = check_dns(records, {}, [](const auto&, const std::vector<DnsQuestion>& questions) {
    return std::vector<dns::Answer>(questions.size());
  });
  CHECK(lost.exit_code == 1);
  CHECK(lost.text.find("not right") == std::string::npos);
  CHECK(lost.text.find("2 records are not known: no DNS server answered for any (those of") !=
        std::string::npos);
  CHECK(std::ranges::count(lost.text, '\n') == 2);
  CHECK(nlohmann::json::parse(lost.json).size() == 2);
  // Where some are answered, it is said of each.
  const Report half = check_dns(records, {}, [](const auto&, const std::vector<DnsQuestion>&) {
    return std::vector<dns::Answer>{{}, texts({})};
  });
  CHECK(half.text.find("no answer    TXT   example.org\n") != std::string::npos);
  CHECK(half.text.find("One record is not known: no DNS server answered for it.") != std::string::npos);
}

TEST_CASE("where nobody knows the server's address, what the DNS has of it is judged", "[dns-check]") {
  const std::string records =
      R"([{"name":"example.org","type":"MX","value":"10 mail.example.org","required":true}])";
  const auto check = [&](const std::vector<std::string>& addresses, const std::string& name) {
    const LookUp look_up = [&](const std::vector<ListenAddress>&, const std::vector<DnsQuestion>& questions) {
      std::vector<dns::Answer> answers;
      for (const DnsQuestion& question : questions) {
        dns::Answer answer;
        answer.verdict = dns::Verdict::kNoRecords;
        const auto add = [&](dns::Record record) {
          record.type = question.type;
          answer.records.push_back(record);
          answer.verdict = dns::Verdict::kFound;
        };
        if (question.type == dns::Type::kMx) add(named(10, "mail.example.org"));
        if (question.type == dns::Type::kPtr && !name.empty()) add(named(0, name));
        for (const std::string& address : addresses) {
          const auto parsed = parse_ip(address);
          if (question.type == (parsed->is_ipv4() ? dns::Type::kA : dns::Type::kAaaa)) add(placed(*parsed));
        }
        answers.push_back(answer);
      }
      return answers;
    };
    const Report report = check_dns(records, {}, look_up);
    std::string verdicts = std::to_string(report.exit_code);
    for (const auto& each : nlohmann::json::parse(report.json)) {
      verdicts += "; " + each.at("type").get<std::string>() + ' ' + each.at("verdict").get<std::string>();
    }
    return verdicts;
  };
  CHECK(check({}, "") == "1; A missing; MX ok");
  CHECK(check({"192.0.2.1"}, "mail.example.org") == "0; A cannot tell; PTR ok; MX ok");
  CHECK(check({"192.0.2.1", "2001:db8::1"}, "x.isp.example") ==
        "1; A cannot tell; AAAA cannot tell; PTR differs; PTR differs; MX ok");
  CHECK(check({"2001:db8::1"}, "") == "1; AAAA cannot tell; PTR missing; MX ok");
  CHECK(check({"192.168.1.5"}, "mail.example.org") == "1; A differs; MX ok");
}

TEST_CASE("a host that nobody else can find is told of", "[dns-check]") {
  for (const char* host : {"localhost", "3f2a9c1b", "[192.0.2.1]", "box.local", "box.localdomain", "nas.lan"})
    CHECK_FALSE(can_be_found(host));
  CHECK(can_be_found("mail.example.org"));
  const std::string records = R"([{"name":"example.org","type":"MX","value":"10 3f2a9c1b","required":true}])";
  const Report report = check_dns(records, {}, [](const auto&, const std::vector<DnsQuestion>& questions) {
    CHECK(questions.size() == 1);
    return std::vector<dns::Answer>(questions.size());
  });
  CHECK(report.text.find("calls itself 3f2a9c1b") != std::string::npos);
}

TEST_CASE("a key that signs no more stays in the zone as long as it is needed", "[dns-check]") {
  constexpr std::int64_t kNow = 1'800'000'000;
  const auto key = DkimKey::make(DkimAlgorithm::kEd25519Sha256);
  const auto selectors = [&](std::int64_t since) {
    const std::vector<DkimKeyEntry> keys = {{{"example.org", "old", *key}, DkimKeyState::kRetired, since},
                                            {{"example.org", "new", *key}, DkimKeyState::kActive, since}};
    std::vector<std::string> found;
    for (const DnsRecord& record : domain_records("example.org", Config(), keys, kNow)) {
      const bool is_key = record.name.find("_domainkey") != std::string::npos;
      if (is_key) found.push_back(record.name.substr(0, 3));
      CHECK((!is_key || record.required));
    }
    return found;
  };
  CHECK(selectors(kNow - 3600) == std::vector<std::string>{"old", "new"});
  CHECK(selectors(kNow - kDkimRetirement - 1) == std::vector<std::string>{"new"});
}

TEST_CASE("where programs look for their settings is told when something listens there", "[dns]") {
  Config config;
  config.hostname = "mail.example.org";
  const auto named = [&](const std::string& name) {
    const auto records = domain_records("example.org", config, {}, 1'800'000'000);
    const auto found = std::ranges::find(records, name, &DnsRecord::name);
    return found == records.end() ? std::string() : zone_line(*found);
  };
  CHECK(named("autoconfig.example.org").empty());
  config.listen.web = {{"::", 80}};
  CHECK(named("autoconfig.example.org") == "autoconfig.example.org. 3600 IN CNAME mail.example.org.");
  CHECK(named("_autodiscover._tcp.example.org").empty());
  config.listen.webs = {{"::", 443}};
  CHECK(named("_autodiscover._tcp.example.org") ==
        "_autodiscover._tcp.example.org. 3600 IN SRV 0 1 443 mail.example.org.");
}

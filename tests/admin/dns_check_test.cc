#include "admin/dns_check.h"

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
  CHECK(verdict("v=spf1 a -all", {"v=spf1 mx -all"}) == DnsVerdict::kDiffers);
  CHECK(verdict("v=spf1 a -all", {"v=spf1 a -all"}) == DnsVerdict::kRight);
}

TEST_CASE("of keys the key counts, of policies that there is one", "[dns-check]") {
  const std::string key = "v=DKIM1; k=rsa; p=QUJD";
  CHECK(verdict(key, {"k=rsa;p=QU JD;"}) == DnsVerdict::kRight);
  CHECK(verdict(key, {"v=DKIM1; k=rsa; p=QUJE"}) == DnsVerdict::kDiffers);
  CHECK(verdict(key, {"v=DKIM1; k=rsa; p="}) == DnsVerdict::kMissing);
  CHECK(verdict(key, {}) == DnsVerdict::kMissing);
  const std::string dmarc = "v=DMARC1; p=none";
  CHECK(verdict(dmarc, {"v=DMARC1; p=reject; rua=mailto:x@example.org"}) == DnsVerdict::kRight);
  CHECK(verdict(dmarc, {"v=DMARC1; sp=none"}) == DnsVerdict::kDiffers);
  CHECK(verdict(dmarc, {"v=spf1 mx"}) == DnsVerdict::kMissing);
  CHECK(verdict("v=TLSRPTv1; rua=mailto:a@b.example", {"v=TLSRPTv1;rua=https://c.example"}) ==
        DnsVerdict::kRight);
}

TEST_CASE("of MX the host counts", "[dns-check]") {
  const DnsRecord wanted{"example.org", "MX", "10 mail.example.org", ""};
  CHECK(judge_record(wanted, exchanges({{5, "mail.example.org"}})).verdict == DnsVerdict::kRight);
  CHECK(judge_record(wanted, exchanges({{5, "a.example"}, {50, "mail.example.org"}})).verdict ==
        DnsVerdict::kRight);
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
}

#include "protocols/origin/dmarc_record.h"

#include "tests/catch.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;

namespace {

using DmarcPolicy = DmarcRecord::Policy;
using DmarcAlignment = DmarcRecord::Alignment;

DmarcRecord dmarc_record_of(const std::string& tags) {
  const auto record = parse_dmarc_record("v=DMARC1; " + tags);
  REQUIRE(record);
  return *record;
}

std::size_t dmarc_records_of(const std::vector<std::string>& texts) {
  return dmarc_records(txt_answer(texts).records).size();
}

}  // namespace

TEST_CASE("DMARC's records begin with its version", "[dmarc]") {
  for (const char* ours :
       {"v=DMARC1; p=none", "v=DMARC1;p=none;", "v = DMARC1 ; p=none", "v=DMARC1", " v=DMARC1;",
        // RFC 7489 6.4, RFC 5234 2.3: the name of the tag has no case, its value has.
        "V=DMARC1; p=none"}) {
    CAPTURE(ours);
    CHECK(dmarc_records_of({ours}) == 1);
  }
  for (const char* other :
       {"", "v=DMARC2; p=none", "v=dmarc1; p=none", "V=Dmarc1; p=none", "v=DMARC1 p=none", "p=none; v=DMARC1",
        "; v=DMARC1", "v=DMARC1.0; p=none", "v=spf1 -all", "DMARC1"}) {
    CAPTURE(other);
    CHECK(dmarc_records_of({other}) == 0);
  }
  CHECK(dmarc_records_of({"v=spf1 -all", "v=DMARC1; p=none", "v=DMARC1; p=reject"}) == 2);
}

TEST_CASE("what a record does not say has its default", "[dmarc]") {
  const DmarcRecord record = dmarc_record_of("p=reject");
  CHECK(record.policy == DmarcPolicy::kReject);
  CHECK(record.subdomain_policy == DmarcPolicy::kReject);
  CHECK(record.dkim == DmarcAlignment::kRelaxed);
  CHECK(record.spf == DmarcAlignment::kRelaxed);
  CHECK(record.percent == 100);
  CHECK(record.aggregate.empty());
  CHECK(record.failures.empty());
  CHECK(record.failure_options == DmarcRecord::FailureOptions{});
  CHECK(record.failure_format == "afrf");
  CHECK(record.interval == 86400);
}

TEST_CASE("all tags of a record are read", "[dmarc]") {
  const DmarcRecord record = dmarc_record_of(
      "p=quarantine; sp=none; adkim=s; aspf=s; pct=25; rua=mailto:a@far.example!10m,mailto:b@far.example; "
      "ruf=mailto:c@far.example; fo=1:d:s; rf=afrf:x; ri=3600");
  CHECK(record.policy == DmarcPolicy::kQuarantine);
  CHECK(record.subdomain_policy == DmarcPolicy::kNone);
  CHECK(record.dkim == DmarcAlignment::kStrict);
  CHECK(record.spf == DmarcAlignment::kStrict);
  CHECK(record.percent == 25);
  CHECK(record.aggregate == std::vector<DmarcReceiver>{{"mailto:a@far.example", 10 * 1024 * 1024},
                                                       {"mailto:b@far.example", std::nullopt}});
  CHECK(record.failures == std::vector<DmarcReceiver>{{"mailto:c@far.example", std::nullopt}});
  CHECK(record.failure_options == DmarcRecord::FailureOptions{false, true, true, true});
  CHECK(record.failure_format == "afrf");
  CHECK(record.interval == 3600);
}

TEST_CASE("blanks, order and capitals make no difference", "[dmarc]") {
  const DmarcRecord record = dmarc_record_of("p=reject; aspf=s; pct=0");
  for (const char* same :
       {"p=reject;aspf=s;pct=0", "aspf=s;pct=0;p=reject;", " P = Reject ;\tASPF =\ts ; Pct=0 ; ;; ",
        "pct=0; x=y; p=reject; np=none; t=y; aspf=s; nonsense"}) {
    CAPTURE(same);
    CHECK(dmarc_record_of(same) == record);
  }
}

TEST_CASE("a value that a tag cannot have is passed over", "[dmarc]") {
  for (const char* wrong : {"adkim=x",
                            "aspf=",
                            "pct=101",
                            "pct=-1",
                            "pct=x",
                            "pct=5%",
                            "ri=x",
                            "ri=4294967296",
                            "fo=x",
                            "fo=",
                            "rf=",
                            "rua=",
                            "rua=a@far.example",
                            "rua=mailto:",
                            "rua=mailto:a",
                            "rua=mailto:a@far.example!",
                            "rua=mailto:a@far.example!x",
                            "rua=mailto:a@far.example!10x",
                            "rua=:a@far.example",
                            "rua=mailto:a b@far.example",
                            "rua=mailto:%zz@far.example",
                            "rua=mailto:a%0@far.example",
                            "rua=http:",
                            "rua=1x:y",
                            "rua=m\x80:x",
                            "ruf=mailto:a@far.example>"}) {
    CAPTURE(wrong);
    CHECK(dmarc_record_of("p=none; " + std::string(wrong)) == dmarc_record_of("p=none"));
  }
}

TEST_CASE("reports go where a record says, and in what size", "[dmarc]") {
  const auto receivers = [](const std::string& value) {
    return dmarc_record_of("p=none; rua=" + value).aggregate;
  };
  CHECK(receivers("mailto:a@b.example!5") == std::vector<DmarcReceiver>{{"mailto:a@b.example", 5}});
  CHECK(receivers("mailto:a@b.example!5k") == std::vector<DmarcReceiver>{{"mailto:a@b.example", 5 * 1024}});
  CHECK(receivers("mailto:a@b.example!1G") == std::vector<DmarcReceiver>{{"mailto:a@b.example", 1 << 30}});
  CHECK(receivers("mailto:a@b.example!1t")[0].most == std::uint64_t{1} << 40);
  CHECK(receivers("mailto:a@b.example!18446744073709551615t")[0].most == ~std::uint64_t{0});
  CHECK(receivers(" mailto:a%21b@b.example , nonsense,, MAILTO:c@b.example?subject=x ") ==
        std::vector<DmarcReceiver>{{"mailto:a%21b@b.example", std::nullopt},
                                   {"MAILTO:c@b.example?subject=x", std::nullopt}});
  CHECK(receivers("https://b.example/report")[0].uri == "https://b.example/report");
  std::string many = "mailto:a@b.example";
  for (int i = 0; i < 1000; ++i) many += ",mailto:a@b.example";
  CHECK(receivers(many).size() == 20);
}

TEST_CASE("without a policy a record is about reports, or about nothing", "[dmarc]") {
  // RFC 7489 6.6.3.
  const std::string reports = "; rua=mailto:a@far.example";
  for (const char* wrong :
       {"p=", "p=blackhole", "sp=reject", "p=reject; sp=blackhole", "p=reject; sp=", "pct=10"}) {
    CAPTURE(wrong);
    const DmarcRecord record = dmarc_record_of(wrong + reports);
    CHECK(record.policy == DmarcPolicy::kNone);
    CHECK(record.subdomain_policy == DmarcPolicy::kNone);
    CHECK(record.aggregate.size() == 1);
    CHECK(parse_dmarc_record("v=DMARC1; " + std::string(wrong)).error().message ==
          "its DMARC record has no policy that there is");
    CHECK_FALSE(
        parse_dmarc_record("v=DMARC1; " + std::string(wrong) + "; rua=nonsense; ruf=mailto:a@far.example"));
  }
  CHECK_FALSE(parse_dmarc_record("v=DMARC1"));
  CHECK_FALSE(parse_dmarc_record("p=reject"));
}

TEST_CASE("a tag stands once in a record", "[dmarc]") {
  CHECK(parse_dmarc_record("v=DMARC1; p=none; p=reject").error().message ==
        "its DMARC record has a tag twice");
  CHECK_FALSE(parse_dmarc_record("v=DMARC1; p=none; v=DMARC1"));
  // RFC 7489 6.3: what nobody knows is ignored.
  CHECK(dmarc_record_of("p=reject; x=1; x=2; np=none; NP=reject") == dmarc_record_of("p=reject"));
  CHECK_FALSE(parse_dmarc_record("v=DMARC1; p=none; pct=1; PCT=1; rua=mailto:a@far.example"));
}

#include "protocols/origin/message_origin.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

// What a domain's record makes of its author domain.
DmarcDiscovery policy_of(const std::string& domain, const std::string& record) {
  DmarcDiscovery discovery(domain);
  while (discovery.question()) {
    dns::Answer answer;
    answer.verdict = record.empty() ? dns::Verdict::kNoName : dns::Verdict::kFound;
    if (!record.empty()) answer.records.push_back({dns::Type::kTxt, 60, {}, 0, 0, 0, record});
    discovery.answer(answer);
  }
  return discovery;
}

DkimVerdict signature(const std::string& domain, DkimResult result) {
  DkimVerdict verdict;
  verdict.result = result;
  verdict.domain = domain;
  verdict.identity = "@" + domain;
  return verdict;
}

SpfResult spf(SpfVerdict verdict, const std::string& domain) {
  SpfResult result;
  result.verdict = verdict;
  result.domain = domain;
  return result;
}

OriginEvidence evidence(const std::string& record = "v=DMARC1; p=reject") {
  OriginEvidence evidence;
  evidence.host = "mx.example.org";
  evidence.client_address = "192.0.2.7";
  evidence.helo = "mail.far.example";
  evidence.reverse_path = parse_address("carl@far.example").value();
  evidence.spf = spf(SpfVerdict::kFail, "far.example");
  evidence.dmarc = policy_of("far.example", record);
  return evidence;
}

std::string line_of(const OriginEvidence& evidence) {
  return authentication_results_line(judge_origin(evidence).results, Letters::kAscii);
}

}  // namespace

TEST_CASE("one good and aligned identity is enough, and another domain's is none", "[origin]") {
  OriginEvidence mail = evidence();
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  CHECK(judge_origin(mail).dmarc.policy == DmarcRecord::Policy::kReject);
  mail.dkim = {signature("other.example", DkimResult::kPass)};
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  mail.dkim.push_back(signature("mail.far.example", DkimResult::kPass));
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kPass);
  mail.dkim.back().is_testing = true;
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  mail.spf = spf(SpfVerdict::kPass, "far.example");
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kPass);
  mail.spf = spf(SpfVerdict::kPass, "other.example");
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
}

TEST_CASE("what nobody could look at may be good", "[origin]") {
  OriginEvidence mail = evidence();
  mail.dkim = {signature("far.example", DkimResult::kTemporaryError)};
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kTemperror);
  mail.dkim = {signature("other.example", DkimResult::kTemporaryError)};
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  // A client of a private address: SPF knows nothing of it.
  mail.dkim.clear();
  mail.spf.reset();
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kTemperror);
  CHECK(line_of(mail) ==
        "mx.example.org; dmarc=temperror reason=\"the client's address is not a public one\" "
        "header.from=far.example policy.dmarc=reject; arc=none smtp.remote-ip=192.0.2.7; dkim=none");
  mail.reverse_path = parse_address("list@other.example").value();
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  // A host that sends as nobody may be the author's.
  mail.reverse_path.reset();
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kTemperror);
}

TEST_CASE("a message without one author has no policy", "[origin]") {
  OriginEvidence mail = evidence();
  mail.dmarc.reset();
  const OriginVerdict verdict = judge_origin(mail);
  CHECK(verdict.dmarc.verdict == DmarcVerdict::kPermerror);
  CHECK(verdict.dmarc.policy == DmarcRecord::Policy::kNone);
  CHECK(line_of(mail).find("; dmarc=permerror reason=\"no single author in From\"; ") != std::string::npos);
}

TEST_CASE("whose identity SPF looked at is told, and what decided", "[origin]") {
  OriginEvidence mail = evidence("");
  mail.spf->mechanism = "-all";
  CHECK(line_of(mail) ==
        "mx.example.org; spf=fail reason=\"-all of far.example\" smtp.mailfrom=carl@far.example; dmarc=none "
        "header.from=far.example; arc=none smtp.remote-ip=192.0.2.7; dkim=none");
  mail.reverse_path.reset();
  mail.spf = spf(SpfVerdict::kPass, "mail.far.example");
  mail.spf->mechanism = "ip4:192.0.2.7";
  CHECK(line_of(mail).starts_with("mx.example.org; spf=pass smtp.helo=mail.far.example; "));
}

TEST_CASE("a log has each result in a word", "[origin]") {
  OriginEvidence mail = evidence();
  OriginWords words = words_of(judge_origin(mail).results);
  CHECK(words.spf == "fail");
  CHECK(words.dkim == "none");
  CHECK(words.arc == "none");
  CHECK(words.dmarc == "fail far.example");
  mail.dkim = {signature("a.example", DkimResult::kFail), signature("b.example", DkimResult::kPass),
               signature("c.example", DkimResult::kPass)};
  CHECK(words_of(judge_origin(mail).results).dkim == "pass b.example c.example");
  mail.dkim.resize(1);
  CHECK(words_of(judge_origin(mail).results).dkim == "fail");
  mail.spf.reset();
  CHECK(words_of(judge_origin(mail).results).spf.empty());
}

TEST_CASE("who is said to have sent it hears of it unless there is reason for doubt", "[origin]") {
  OriginEvidence mail = evidence();
  CHECK(judge_origin(mail).is_disowned);
  mail.dkim = {signature("far.example", DkimResult::kPass)};
  CHECK_FALSE(judge_origin(mail).is_disowned);
  mail = evidence("");
  CHECK(judge_origin(mail).is_disowned);  // by SPF alone
  for (const SpfVerdict verdict : {SpfVerdict::kNone, SpfVerdict::kNeutral, SpfVerdict::kPass,
                                   SpfVerdict::kTemperror, SpfVerdict::kPermerror}) {
    mail.spf->verdict = verdict;
    CHECK_FALSE(judge_origin(mail).is_disowned);
  }
  mail.spf->verdict = SpfVerdict::kSoftfail;
  CHECK(judge_origin(mail).is_disowned);
  mail.spf.reset();
  CHECK_FALSE(judge_origin(mail).is_disowned);
}

TEST_CASE("it is the reverse-path's domain that has a word on reports", "[origin]") {
  // A mailing list, whose author's domain does not want that.
  OriginEvidence mail = evidence();
  mail.reverse_path = parse_address("list-bounces@list.example").value();
  mail.spf = spf(SpfVerdict::kPass, "list.example");
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kFail);
  CHECK_FALSE(judge_origin(mail).is_disowned);
  // A forwarder that did not rewrite it; what it carries is as it was signed, and no policy is published.
  mail = evidence("");
  mail.dkim = {signature("mail.far.example", DkimResult::kPass)};
  CHECK_FALSE(judge_origin(mail).is_disowned);
  mail.dkim.back().is_testing = true;
  CHECK(judge_origin(mail).is_disowned);
  mail.dkim = {signature("other.example", DkimResult::kPass)};
  CHECK(judge_origin(mail).is_disowned);
  // Somebody's own good mail, in the name of a third.
  mail = evidence();
  mail.reverse_path = parse_address("victim@bank.example").value();
  mail.spf = spf(SpfVerdict::kFail, "bank.example");
  mail.dkim = {signature("far.example", DkimResult::kPass)};
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kPass);
  CHECK(judge_origin(mail).is_disowned);
  mail.spf->verdict = SpfVerdict::kNone;
  CHECK_FALSE(judge_origin(mail).is_disowned);
}

TEST_CASE("of a message that we converted no signature is said to be wrong", "[origin]") {
  OriginEvidence mail = evidence();
  mail.dkim = {signature("far.example", DkimResult::kFail), signature("other.example", DkimResult::kPass)};
  mail.is_converted = true;
  CHECK(judge_origin(mail).dmarc.verdict == DmarcVerdict::kTemperror);
  const auto told = *judge_origin(mail).results.dkim;
  CHECK(told[0].result == DkimResult::kNeutral);
  CHECK(told[0].reason == "the message was converted on its way in");
  CHECK(told[1].result == DkimResult::kPass);
}

TEST_CASE("what a field of ours tells is read back", "[origin][authres]") {
  OriginEvidence mail = evidence();
  mail.spf->problem = "a \"quoted; one\"";
  mail.reverse_path = parse_address("\"x header.d=bank.example y\"@evil.example").value();
  mail.dkim = {signature("a.example", DkimResult::kPass)};
  const std::string field = write_authentication_results(judge_origin(mail).results, Letters::kAscii);
  const auto told = results_told(field);
  REQUIRE(told.size() == 4);
  CHECK(told[0].method == "spf");
  CHECK(told[0].result == "fail");
  CHECK(told[0].domain.empty());
  CHECK(told[0].text.starts_with("spf=fail reason=\"a \\\"quoted; one\\\"\" smtp.mailfrom="));
  CHECK(told[1].text == "dmarc=fail header.from=far.example policy.dmarc=reject");
  CHECK(told[2].text == "arc=none smtp.remote-ip=192.0.2.7");
  CHECK(told[3].text == "dkim=pass header.d=a.example");
  CHECK(told[3].domain == "a.example");
  // Where it is cut, what was cut is not told.
  CHECK(results_told(std::string_view(field).substr(0, field.size() - 4)).size() == 3);
  REQUIRE(results_told("Authentication-Results: mx; none\r\n").size() == 1);
  CHECK(results_told("Authentication-Results: mx; none\r\n")[0].method == "none");
  CHECK(results_told("Authentication-Results: mx\r\n").empty());
}

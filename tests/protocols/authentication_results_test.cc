#include "protocols/authentication_results.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

using Spf = SpfOutcome::Result;
using Dmarc = DmarcOutcome::Result;

std::string line_of(const AuthenticationResults& results, Letters letters = Letters::kAscii) {
  return authentication_results_line(results, letters);
}

DkimVerdict passing() {
  DkimVerdict verdict;
  verdict.result = DkimResult::kPass;
  verdict.domain = "example.org";
  verdict.identity = "@example.org";
  verdict.selector = "s1";
  verdict.algorithm = "ed25519-sha256";
  verdict.signature_start = "ab/cd+ef";
  return verdict;
}

}  // namespace

TEST_CASE("what was found is written as RFC 8601 has it", "[authres]") {
  AuthenticationResults results;
  results.host = "mx.example.net";
  CHECK(line_of(results) == "mx.example.net; none");
  CHECK(write_authentication_results(results, Letters::kAscii) ==
        "Authentication-Results: mx.example.net; none\r\n");
  results.dkim.emplace();
  CHECK(line_of(results) == "mx.example.net; dkim=none");
  results.spf.push_back({Spf::kPass, "anna@example.org", "", ""});
  results.dkim->push_back(passing());
  results.arc.emplace();
  results.dmarc = {Dmarc::kPass, "example.org", DmarcOutcome::Policy::kReject, ""};
  CHECK(line_of(results) ==
        "mx.example.net; spf=pass smtp.mailfrom=anna@example.org; dkim=pass header.d=example.org header.s=s1 "
        "header.a=ed25519-sha256 header.b=\"ab/cd+ef\"; arc=none; dmarc=pass header.from=example.org "
        "policy.dmarc=reject");
  CHECK(write_authentication_results(results, Letters::kAscii) ==
        "Authentication-Results: mx.example.net; spf=pass\r\n"
        "\tsmtp.mailfrom=anna@example.org; dkim=pass header.d=example.org header.s=s1\r\n"
        "\theader.a=ed25519-sha256 header.b=\"ab/cd+ef\"; arc=none; dmarc=pass\r\n"
        "\theader.from=example.org policy.dmarc=reject\r\n");
}

TEST_CASE("each result has its word", "[authres]") {
  AuthenticationResults results;
  results.host = "mx";
  for (const auto result : {Spf::kNone, Spf::kNeutral, Spf::kPass, Spf::kFail, Spf::kSoftFail,
                            Spf::kTemporaryError, Spf::kPermanentError}) {
    results.spf.push_back({result, "", "", ""});
  }
  CHECK(line_of(results) ==
        "mx; spf=none; spf=neutral; spf=pass; spf=fail; spf=softfail; spf=temperror; spf=permerror");
  results.spf.clear();
  std::string words;
  for (const auto result :
       {Dmarc::kNone, Dmarc::kPass, Dmarc::kFail, Dmarc::kTemporaryError, Dmarc::kPermanentError}) {
    results.dmarc = {result, "", std::nullopt, ""};
    words += line_of(results).substr(4) + " ";
  }
  CHECK(words == "dmarc=none dmarc=pass dmarc=fail dmarc=temperror dmarc=permerror ");
  results.dmarc = {Dmarc::kFail, "a.example", DmarcOutcome::Policy::kQuarantine, "not aligned"};
  CHECK(line_of(results) ==
        "mx; dmarc=fail reason=\"not aligned\" header.from=a.example policy.dmarc=quarantine");
  results.dmarc.reset();
  words.clear();
  for (const auto result : {DkimResult::kPass, DkimResult::kFail, DkimResult::kPolicy, DkimResult::kNeutral,
                            DkimResult::kTemporaryError, DkimResult::kPermanentError}) {
    words += std::string(name_of(result)) + " ";
  }
  CHECK(words == "pass fail policy neutral temperror permerror ");
  results.arc = ArcVerdict{ChainValidation::kPass, "", 2, {}, false};
  results.arc_remote_ip = "2001:db8::1";
  CHECK(line_of(results) == "mx; arc=pass smtp.remote-ip=\"2001:db8::1\" header.oldest-pass=2");
  results.arc = ArcVerdict{ChainValidation::kFail, "seal 2: no key", 0, {}, false};
  results.arc_remote_ip.clear();
  CHECK(line_of(results) == "mx; arc=fail reason=\"seal 2: no key\"");
}

TEST_CASE("what a signature says besides", "[authres]") {
  AuthenticationResults results;
  results.host = "mx";
  results.dkim.emplace(1, passing());
  DkimVerdict& verdict = results.dkim->front();
  verdict.identity = "anna@mail.example.org";
  verdict.unsigned_octets = 17;
  CHECK(line_of(results) ==
        "mx; dkim=pass reason=\"17 octets of the body are not signed\" header.d=example.org "
        "header.i=anna@mail.example.org header.s=s1 header.a=ed25519-sha256 header.b=\"ab/cd+ef\"");
  verdict = DkimVerdict();
  verdict.reason = "malformed signature: b=";
  verdict.is_testing = true;
  CHECK(line_of(results) == "mx; dkim=neutral reason=\"malformed signature: b=, key is for tests\"");
}

TEST_CASE("texts from a message do no harm", "[authres]") {
  AuthenticationResults results;
  results.host = "mx";
  const auto mail_from = [&results](const std::string& text, Letters letters = Letters::kAscii) {
    results.spf = {{Spf::kFail, text, "", ""}};
    return line_of(results, letters).substr(std::string("mx; spf=fail smtp.mailfrom").size());
  };
  CHECK(mail_from("a.b+c@example.org") == "=a.b+c@example.org");
  CHECK(mail_from("example.org") == "=example.org");
  CHECK(mail_from("a@[IPv6:2001:db8::1]") == "=\"a@[IPv6:2001:db8::1]\"");
  CHECK(mail_from("\"a b\"@example.org") == "=\"\\\"a b\\\"@example.org\"");
  CHECK(mail_from("a;dkim=pass@example.org") == "=\"a;dkim=pass@example.org\"");
  CHECK(mail_from("a(b\\@example.org") == "=\"a(b\\\\@example.org\"");
  CHECK(mail_from("a..b@example.org") == "=\"a..b@example.org\"");
  CHECK(mail_from("a@example.org\r\nSubject: x") == "=\"a@example.org??Subject: x\"");
  CHECK(mail_from(std::string("a\0\x7f@b", 5)) == "=a??@b");
  CHECK(mail_from("j\xc3\xb6rg@xn--bcher-kva.example") == "=@xn--bcher-kva.example");
  CHECK(mail_from("j\xc3\xb6rg@xn--bcher-kva.example", Letters::kUtf8) ==
        "=j\xc3\xb6rg@b\xc3\xbc"
        "cher.example");
  CHECK(mail_from("a\xff@example.org", Letters::kUtf8) == "=a?@example.org");
  CHECK(mail_from(std::string(5000, 'x')).size() < 500);
  results.spf = {{Spf::kFail, "", "[192.0.2.1]", "said \"no\" \\ (never)\r\n \xc3\xbc"}};
  CHECK(line_of(results) ==
        "mx; spf=fail reason=\"said \\\"no\\\" \\\\ (never)?? ?\" smtp.helo=\"[192.0.2.1]\"");
}

TEST_CASE("no line is longer than it may be", "[authres]") {
  AuthenticationResults results;
  results.host = "mx.example.net";
  const std::string long_text(2000, 'x');
  results.spf = {{Spf::kFail, long_text, long_text, std::string(300, 'y') + " z z z z"}};
  DkimVerdict verdict = passing();
  verdict.domain = verdict.selector = verdict.algorithm = verdict.reason = long_text;
  results.dkim.emplace(10, verdict);
  std::string field = write_authentication_results(results, Letters::kUtf8);
  CHECK(field.ends_with("\r\n"));
  while (!field.empty()) {
    const std::size_t end = field.find("\r\n");
    CHECK(end <= 998);
    field.erase(0, end + 2);
    CHECK((field.empty() || field.front() == '\t'));
  }
}

TEST_CASE("fields that claim to be ours are found: RFC 8601 5", "[authres]") {
  const auto claims = [](const std::string& field) { return claims_results_of(field, "mx.example.net"); };
  for (const char* ours : {"Authentication-Results: mx.example.net; none\r\n",
                           "authentication-RESULTS :MX.Example.Net;spf=pass\r\n",
                           "Authentication-Results:\r\n mx.example.net 1; dkim=pass\r\n",
                           "Authentication-Results: mx.example.net\r\n",
                           "Authentication-Results: (a;b (c)) \"mx.example.net\"; x=y\r\n",
                           "Authentication-Results: mx.example.net.; x\r\n",
                           "Authentication-Results: \"mx.ex\\ample.net\"; none\r\n",
                           "Authentication-Results: mx.example.net(x); none\r\n",
                           // What cannot be read might be read by others.
                           "Authentication-Results: (mx.example.net; none\r\n", "Authentication-Results:\r\n",
                           "Authentication-Results: ; spf=pass\r\n"}) {
    INFO(ours);
    CHECK(claims(ours));
  }
  for (const char* other :
       {"Authentication-Results: mx.example.org; none\r\n",
        "Authentication-Results: amx.example.net; none\r\n",
        "Authentication-Results: example.net; mx.example.net\r\n",
        "X-Authentication-Results: mx.example.net; none\r\n",
        "ARC-Authentication-Results: i=1; mx.example.net; none\r\n", "Subject: mx.example.net\r\n",
        "Authentication-Results: (mx.example.net) other; none\r\n", "no field\r\n", ""}) {
    INFO(other);
    CHECK_FALSE(claims(other));
  }
  CHECK(
      claims_results_of("Authentication-Results: b\xc3\xbc"
                        "cher.example; none\r\n",
                        "xn--bcher-kva.example"));
}

TEST_CASE("a header is searched for fields that claim to be ours", "[authres]") {
  const std::string header =
      "Received: x\r\nAuthentication-Results: mx;\r\n\tspf=pass\r\nno field\r\nSubject: a\r\n"
      " Authentication-Results: mx; none\r\nauthentication-results: other; none\r\nAuthentication-results: "
      "MX; none";
  const auto found = results_claimed_for("mx", header);
  REQUIRE(found.size() == 2);
  CHECK(found[0] == "Authentication-Results: mx;\r\n\tspf=pass\r\n");
  CHECK(found[1] == "Authentication-results: MX; none");
  CHECK(found[0].data() == header.data() + 13);
}

#include "protocols/origin/authentication_results.h"

#include <string>

#include "tests/catch.h"

using namespace mailstead;

namespace {

using Spf = SpfVerdict;
using Dmarc = DmarcVerdict;

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
  results.dmarc = {Dmarc::kPass, "example.org", DmarcRecord::Policy::kReject, ""};
  CHECK(line_of(results) ==
        "mx.example.net; spf=pass smtp.mailfrom=anna@example.org; dmarc=pass header.from=example.org "
        "policy.dmarc=reject; arc=none; dkim=pass header.d=example.org header.s=s1 header.a=ed25519-sha256 "
        "header.b=\"ab/cd+ef\"");
  CHECK(write_authentication_results(results, Letters::kAscii) ==
        "Authentication-Results: mx.example.net; spf=pass\r\n"
        "\tsmtp.mailfrom=anna@example.org; dmarc=pass header.from=example.org\r\n"
        "\tpolicy.dmarc=reject; arc=none; dkim=pass header.d=example.org header.s=s1\r\n"
        "\theader.a=ed25519-sha256 header.b=\"ab/cd+ef\"\r\n");
}

TEST_CASE("each result has its word", "[authres]") {
  AuthenticationResults results;
  results.host = "mx";
  for (const auto result : {Spf::kNone, Spf::kNeutral, Spf::kPass, Spf::kFail, Spf::kSoftfail,
                            Spf::kTemperror, Spf::kPermerror}) {
    results.spf.push_back({result, "", "", ""});
  }
  CHECK(line_of(results) ==
        "mx; spf=none; spf=neutral; spf=pass; spf=fail; spf=softfail; spf=temperror; spf=permerror");
  results.spf.clear();
  std::string words;
  for (const auto result : {Dmarc::kNone, Dmarc::kPass, Dmarc::kFail, Dmarc::kTemperror, Dmarc::kPermerror}) {
    results.dmarc = {result, "", std::nullopt, ""};
    words += line_of(results).substr(4) + " ";
  }
  CHECK(words == "dmarc=none dmarc=pass dmarc=fail dmarc=temperror dmarc=permerror ");
  results.dmarc = {Dmarc::kFail, "a.example", DmarcRecord::Policy::kQuarantine, "not aligned"};
  CHECK(line_of(results) ==
        "mx; dmarc=fail reason=\"not aligned\" header.from=a.example policy.dmarc=quarantine");
  results.dmarc.reset();
  words.clear();
  for (const auto result : {DkimResult::kPass, DkimResult::kFail, DkimResult::kPolicy, DkimResult::kNeutral,
                            DkimResult::kTemporaryError, DkimResult::kPermanentError}) {
    words += std::string(name_of(result)) + " ";
  }
  CHECK(words == "pass fail policy neutral temperror permerror ");
  results.arc = ArcVerdict{ChainValidation::kPass, "", 2, {}, false, 0};
  results.arc_remote_ip = "2001:db8::1";
  CHECK(line_of(results) == "mx; arc=pass smtp.remote-ip=\"2001:db8::1\" header.oldest-pass=2");
  results.arc->unsigned_octets = 3;
  CHECK(line_of(results).starts_with(
      "mx; arc=pass reason=\"3 octets of the body are not signed\" smtp.remote-ip"));
  results.arc = ArcVerdict{ChainValidation::kFail, "seal 2: no key", 0, {}, false, 0};
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
  verdict.from_fields = 2;
  CHECK(line_of(results).starts_with(
      "mx; dkim=pass reason=\"17 octets of the body are not signed, message has 2 From fields\" header.d"));
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
    const std::string line = line_of(results, letters);
    const std::size_t property = line.find(" smtp.mailfrom");
    return property == std::string::npos ? "" : line.substr(property + std::string(" smtp.mailfrom").size());
  };
  CHECK(mail_from("a.b+c@example.org") == "=a.b+c@example.org");
  CHECK(mail_from("example.org") == "=example.org");
  CHECK(mail_from("a@[IPv6:2001:db8::1]") == "=\"a@[IPv6:2001:db8::1]\"");
  CHECK(mail_from("\"a b\"@example.org") == "=\"\\\"a b\\\"@example.org\"");
  CHECK(mail_from("a;dkim=pass@example.org") == "=\"a;dkim=pass@example.org\"");
  CHECK(mail_from("a(b\\@example.org") == "=\"a(b\\\\@example.org\"");
  CHECK(mail_from("a..b@example.org") == "=\"a..b@example.org\"");
  // What has to be changed, or is too long, would be another address or domain.
  CHECK(mail_from("a@example.org\r\nSubject: x").empty());
  CHECK(mail_from(std::string("a\0\x7f@b", 5)) == "=@b");
  CHECK(mail_from(std::string(400, 'a') + "@example.org") == "=@example.org");
  CHECK(mail_from("a@" + std::string(251, 'b') + ".org") == "=a@" + std::string(251, 'b') + ".org");
  CHECK(mail_from("a@" + std::string(252, 'b') + ".org").empty());
  CHECK(mail_from(std::string(5000, 'x')).empty());
  CHECK(mail_from("j\xc3\xb6rg@xn--bcher-kva.example") == "=@xn--bcher-kva.example");
  CHECK(mail_from("j\xc3\xb6rg@xn--bcher-kva.example", Letters::kUtf8) ==
        "=j\xc3\xb6rg@b\xc3\xbc"
        "cher.example");
  CHECK(mail_from("a\xff@example.org", Letters::kUtf8) == "=@example.org");
  CHECK(mail_from("a@\xff.example.org", Letters::kUtf8).empty());
  CHECK(mail_from("b\xc3\xbc"
                  "cher.example") == "=xn--bcher-kva.example");
  // U-labels that show as other ones: a zero-width joiner, a fullwidth letter.
  CHECK(mail_from("a@ex\xe2\x80\x8d"
                  "ample.org",
                  Letters::kUtf8) == "=a@xn--example-i06c.org");
  CHECK(mail_from("\xef\xbd\x8dx.example.org", Letters::kUtf8) == "=xn--x-nr0i.example.org");
  // U-labels that are longer than a domain may be.
  std::string longest;
  for (int i = 0; i < 6; ++i)
    longest += std::string(i > 0 ? "." : "") +
               "\xe4\xb8\x80"
               "\xe4\xb8\x81"
               "\xe4\xb8\x83"
               "\xe4\xb8\x87"
               "\xe4\xb8\x88"
               "\xe4\xb8\x89"
               "\xe4\xb8\x8a"
               "\xe4\xb8\x8b"
               "\xe4\xb8\x8d"
               "\xe4\xb8\x8e"
               "\xe4\xb8\x90"
               "\xe4\xb8\x91"
               "\xe4\xb8\x93"
               "\xe4\xb8\x94"
               "\xe4\xb8\x95";
  CHECK(mail_from(longest, Letters::kUtf8).starts_with("=xn--"));
  results.spf = {{Spf::kFail, "", "[192.0.2.1]", "said \"no\" \\ (never)\r\n \xc3\xbc"}};
  CHECK(line_of(results) ==
        "mx; spf=fail reason=\"said \\\"no\\\" \\\\ (never)?? ?\" smtp.helo=\"[192.0.2.1]\"");
}

TEST_CASE("words that are cut are cut between characters", "[authres]") {
  AuthenticationResults results;
  results.host = "mx";
  std::string reason = "x";
  for (int i = 0; i < 300; ++i) reason += "\xc3\xbc";
  results.spf = {{Spf::kFail, "", "", reason}};
  const std::string line = line_of(results, Letters::kUtf8);
  CHECK(line.find('?') == std::string::npos);
  CHECK(line == "mx; spf=fail reason=\"" + reason.substr(0, 401) + "\"");
}

TEST_CASE("no line is longer than it may be", "[authres]") {
  AuthenticationResults results;
  results.host = "mx.example.net";
  const std::string long_text(2000, 'x');
  results.spf = {{Spf::kFail, long_text, long_text, std::string(300, 'y') + " z z z z"}};
  DkimVerdict verdict = passing();
  verdict.domain = verdict.selector = verdict.algorithm = verdict.reason = long_text;
  results.dkim.emplace(10, verdict);
  verdict = passing();
  verdict.domain = std::string(255, '"');
  verdict.identity = std::string(140, '"') + "@" + verdict.domain;
  verdict.algorithm = verdict.reason = std::string(500, '"');
  results.dkim->push_back(verdict);
  std::string field = write_authentication_results(results, Letters::kUtf8);
  CHECK(field.ends_with("\r\n"));
  while (!field.empty()) {
    const std::size_t end = field.find("\r\n");
    CHECK(end <= 998);
    field.erase(0, end + 2);
    CHECK((field.empty() || field.front() == '\t'));
  }
}

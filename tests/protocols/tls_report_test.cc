#include "protocols/tls/tls_report.h"

#include <nlohmann/json.hpp>

#include "protocols/base64.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

using Strings = std::vector<std::string>;

const TlsPolicyFacts kSts{TlsPolicyKind::kSts, "far.example", "version: STSv1\nmode: testing\n",
                          "*.far.example\n"};
const TlsPolicyFacts kNothing{TlsPolicyKind::kNone, "far.example", "", ""};

TlsReport report() {
  TlsReport report;
  report.organization = "mail.example.org";
  report.contact = "postmaster@example.org";
  report.domain = "far.example";
  report.day = 20785;  // 2026-11-28
  report.counts = {
      {20785, kSts, TlsVerdict::kSuccess, "", "", "", 5326},
      {20785, kSts, TlsVerdict::kExpired, "mx1.far.example", "192.0.2.10", "", 100},
      {20785, kSts, TlsVerdict::kStartTlsNotSupported, "mx2.far.example", "2001:db8::2", "\xFF", 3},
      {20785, kNothing, TlsVerdict::kSuccess, "", "", "", 1}};
  return report;
}

}  // namespace

TEST_CASE("a domain says where it wants reports", "[tlsrpt]") {
  CHECK(tls_report_places(Strings{"v=TLSRPTv1; rua=mailto:tls@far.example"}) ==
        Strings{"mailto:tls@far.example"});
  CHECK(tls_report_places(Strings{"x", "v=TLSRPTv1;rua=mailto:a@b.example , https://b.example/v1;"}) ==
        Strings{"mailto:a@b.example", "https://b.example/v1"});
  CHECK(tls_report_places(Strings{"v=TLSRPTv1; x=y; rua=http://a.example,ftp:x,mailto:a@b.example"}) ==
        Strings{"mailto:a@b.example"});
  CHECK(tls_report_places(Strings{"v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example"}) ==
        Strings{"mailto:a@b.example"});
  for (const char* nothing : {"", "v=TLSRPTv1", "v=TLSRPTv1;", "v=TLSRPTv2; rua=mailto:a@b", "rua=mailto:a@b",
                              "v=TLSRPTv10; rua=mailto:a@b", "v=TLSRPTv1; rua="}) {
    CAPTURE(nothing);
    CHECK(tls_report_places(Strings{nothing}).empty());
  }
  CHECK(tls_report_places(Strings{"v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:a@b"}).empty());
  std::string many = "v=TLSRPTv1; rua=mailto:a@b";
  for (int i = 0; i < 50; ++i) many += ",mailto:a@b";
  CHECK(tls_report_places(Strings{many}).size() == 5);
}

TEST_CASE("a mailto URI holds an address", "[tlsrpt]") {
  CHECK(mailto_address("mailto:a@b.example") == "a@b.example");
  CHECK(mailto_address("MAILTO:a%2Bb@b.example?subject=x") == "a+b@b.example");
  CHECK(mailto_address("mailto:a%21@b.example") == "a!@b.example");
  for (const char* none :
       {"https://b.example", "mailto:", "mailto:?x", "mailto:a%2", "mailto:a%2g@b", "mailto:%"}) {
    CAPTURE(none);
    CHECK_FALSE(mailto_address(none));
  }
}

TEST_CASE("a report counts by policy and by failure", "[tlsrpt]") {
  const auto json = nlohmann::json::parse(write_tls_report(report(), "mail.example.org"));
  CHECK(json["organization-name"] == "mail.example.org");
  CHECK(json["contact-info"] == "postmaster@example.org");
  CHECK(json["date-range"]["start-datetime"] == "2026-11-28T00:00:00Z");
  CHECK(json["date-range"]["end-datetime"] == "2026-11-28T23:59:59Z");
  CHECK(json["report-id"] == "2026-11-28T00:00:00Z_far.example@mail.example.org");
  REQUIRE(json["policies"].size() == 2);
  const auto& sts = json["policies"][0];
  CHECK(sts["policy"] == nlohmann::json{{"policy-type", "sts"},
                                        {"policy-domain", "far.example"},
                                        {"policy-string", {"version: STSv1", "mode: testing"}},
                                        {"mx-host", {"*.far.example"}}});
  CHECK(sts["summary"]["total-successful-session-count"] == 5326);
  CHECK(sts["summary"]["total-failure-session-count"] == 103);
  REQUIRE(sts["failure-details"].size() == 2);
  CHECK(sts["failure-details"][0] == nlohmann::json{{"result-type", "certificate-expired"},
                                                    {"failed-session-count", 100},
                                                    {"receiving-mx-hostname", "mx1.far.example"},
                                                    {"receiving-ip", "192.0.2.10"}});
  CHECK(sts["failure-details"][1]["result-type"] == "starttls-not-supported");
  const auto& none = json["policies"][1];
  CHECK(none["policy"] ==
        nlohmann::json{{"policy-type", "no-policy-found"}, {"policy-domain", "far.example"}});
  CHECK(none["summary"]["total-successful-session-count"] == 1);
  CHECK_FALSE(none.contains("failure-details"));
}

TEST_CASE("a report goes by mail", "[tlsrpt]") {
  const std::string zipped(1000, '\x1f');
  const std::string mail = write_tls_report_mail(
      report(), {"postmaster@example.org", "tls@far.example", "mail.example.org", "abc", 1795823999}, zipped);
  const auto has = [&](const std::string& text) { return mail.find(text) != std::string::npos; };
  CHECK(has(
      "From: <postmaster@example.org>\r\nTo: <tls@far.example>\r\nSubject: Report Domain: far.example\r\n "
      "Submitter: mail.example.org\r\n Report-ID: <2026-11-28T00:00:00Z_far.example@mail.example.org>\r\n"));
  CHECK(has("\r\nTLS-Report-Domain: far.example\r\nTLS-Report-Submitter: mail.example.org\r\n"));
  CHECK(has("\r\nTLS-Required: No\r\n"));
  CHECK(has("Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"));
  CHECK(has("filename=\"mail.example.org!far.example!1795824000!1795910399!001.json.gz\"\r\n"));
  const std::size_t begin = mail.find("\r\n\r\n", mail.find("tlsrpt+gzip")) + 4;
  std::string body = mail.substr(begin, mail.find("\r\n\r\n", begin) - begin);
  std::string joined;
  for (const char c : body) {
    if (c != '\r' && c != '\n') joined += c;
  }
  CHECK(base64::decode(joined) == zipped);
  CHECK(mail.ends_with("--=_tls-abc--\r\n"));
}

TEST_CASE("each way in which TLS fails has its name", "[tlsrpt]") {
  for (int i = 1; i <= static_cast<int>(TlsVerdict::kStsWebPkiInvalid); ++i)
    CHECK_FALSE(name_of(static_cast<TlsVerdict>(i)).empty());
  CHECK(name_of(TlsVerdict::kSuccess).empty());
  CHECK(name_of(TlsVerdict::kStsWebPkiInvalid) == "sts-webpki-invalid");
}

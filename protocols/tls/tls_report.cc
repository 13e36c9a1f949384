#include "protocols/tls/tls_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/smtp/delivery_report.h"
#include "protocols/smtp/delivery_terms.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostPlaces = 5;   // that are reported to
constexpr std::size_t kMaxPlace = 1000;  // octets of a URI
constexpr std::size_t kBase64Line = 57;  // octets that make a line of 76

std::int64_t beginning(const TlsReport& report) {
  return report.day * kTlsCountDay;
}
std::int64_t last_second(const TlsReport& report) {
  return beginning(report) + kTlsCountDay - 1;
}

nlohmann::json lines(std::string_view text) {
  auto list = nlohmann::json::array();
  while (!text.empty()) list.push_back(std::string(ascii::take_until(text, '\n')));
  return list;
}

int uri_hex(char c) {
  if (ascii::is_digit(c)) return c - '0';
  const char low = ascii::lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

}  // namespace

std::string_view name_of(TlsVerdict verdict) {
  switch (verdict) {
    case TlsVerdict::kSuccess:
      return "";
    case TlsVerdict::kStartTlsNotSupported:
      return "starttls-not-supported";
    case TlsVerdict::kHostMismatch:
      return "certificate-host-mismatch";
    case TlsVerdict::kExpired:
      return "certificate-expired";
    case TlsVerdict::kNotTrusted:
      return "certificate-not-trusted";
    case TlsVerdict::kValidationFailure:
      return "validation-failure";
    case TlsVerdict::kTlsaInvalid:
      return "tlsa-invalid";
    case TlsVerdict::kDnssecInvalid:
      return "dnssec-invalid";
    case TlsVerdict::kPolicyFetchError:
      return "sts-policy-fetch-error";
    case TlsVerdict::kPolicyInvalid:
      return "sts-policy-invalid";
    case TlsVerdict::kStsWebPkiInvalid:
      return "sts-webpki-invalid";
  }
  return "validation-failure";
}

std::string_view name_of(TlsPolicyKind kind) {
  switch (kind) {
    case TlsPolicyKind::kNone:
      return "no-policy-found";
    case TlsPolicyKind::kSts:
      return "sts";
    case TlsPolicyKind::kTlsa:
      return "tlsa";
  }
  return "no-policy-found";
}

bool TlsCount::same_but_for_number(const TlsCount& other) const {
  const auto all = [](const TlsCount& count) {
    return std::tie(count.day, count.policy, count.verdict, count.host, count.address, count.reason);
  };
  return all(*this) == all(other);
}

std::vector<std::string> tls_report_places(std::span<const std::string> records) {
  std::vector<std::string> places;
  const std::string* ours = nullptr;
  for (const std::string& record : records) {
    if (!record.starts_with("v=TLSRPTv1") || ascii::trim(record.substr(0, record.find(';'))) != "v=TLSRPTv1")
      continue;
    // RFC 8460 3: several of them ask for nothing.
    if (ours != nullptr) return {};
    ours = &record;
  }
  if (ours == nullptr) return places;
  std::string_view rest = *ours;
  while (!rest.empty()) {
    std::string_view field = ascii::trim(ascii::take_until(rest, ';'));
    if (!field.starts_with("rua=") || !places.empty()) continue;
    field.remove_prefix(4);
    while (!field.empty() && places.size() < kMostPlaces) {
      const std::string_view uri = ascii::trim(ascii::take_until(field, ','));
      const bool known = ascii::starts_with(uri, "mailto:") || ascii::starts_with(uri, "https://");
      if (known && uri.size() <= kMaxPlace &&
          std::ranges::all_of(uri, [](char c) { return ascii::is_printable(c) && c != ' '; }))
        places.emplace_back(uri);
    }
  }
  return places;
}

std::optional<std::string> mailto_address(std::string_view uri) {
  if (!ascii::starts_with(uri, "mailto:")) return std::nullopt;
  uri.remove_prefix(7);
  uri = uri.substr(0, uri.find('?'));
  std::string address;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] != '%') {
      address += uri[i];
      continue;
    }
    const int high = i + 2 < uri.size() ? uri_hex(uri[i + 1]) : -1;
    const int low = i + 2 < uri.size() ? uri_hex(uri[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    address += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (address.empty()) return std::nullopt;
  return address;
}

std::string report_id(const TlsReport& report, std::string_view host) {
  return fmt::format("{}_{}@{}", date_time(beginning(report)), report.domain, host);
}

std::string write_tls_report(const TlsReport& report, std::string_view host) {
  nlohmann::json policies = nlohmann::json::array();
  std::vector<TlsPolicyFacts> seen;
  for (const TlsCount& count : report.counts) {
    if (std::ranges::find(seen, count.policy) == seen.end()) seen.push_back(count.policy);
  }
  for (const TlsPolicyFacts& policy : seen) {
    std::uint64_t good = 0;
    std::uint64_t bad = 0;
    nlohmann::json failures = nlohmann::json::array();
    for (const TlsCount& count : report.counts) {
      if (count.policy != policy) continue;
      if (count.verdict == TlsVerdict::kSuccess) {
        good += count.sessions;
        continue;
      }
      bad += count.sessions;
      nlohmann::json failure = {{"result-type", name_of(count.verdict)},
                                {"failed-session-count", count.sessions}};
      if (!count.host.empty()) failure["receiving-mx-hostname"] = count.host;
      if (!count.address.empty()) failure["receiving-ip"] = count.address;
      if (!count.reason.empty()) failure["failure-reason-code"] = count.reason;
      failures.push_back(std::move(failure));
    }
    nlohmann::json facts = {{"policy-type", name_of(policy.kind)}, {"policy-domain", policy.domain}};
    if (!policy.strings.empty()) facts["policy-string"] = lines(policy.strings);
    if (!policy.hosts.empty()) facts["mx-host"] = lines(policy.hosts);
    nlohmann::json entry = {
        {"policy", std::move(facts)},
        {"summary", {{"total-successful-session-count", good}, {"total-failure-session-count", bad}}}};
    if (!failures.empty()) entry["failure-details"] = std::move(failures);
    policies.push_back(std::move(entry));
  }
  const nlohmann::json all = {
      {"organization-name", report.organization},
      {"date-range",
       {{"start-datetime", date_time(beginning(report))}, {"end-datetime", date_time(last_second(report))}}},
      {"contact-info", report.contact},
      {"report-id", report_id(report, host)},
      {"policies", std::move(policies)}};
  return all.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string tls_report_file(const TlsReport& report, std::string_view host) {
  return fmt::format("{}!{}!{}!{}!001.json.gz", host, report.domain, beginning(report), last_second(report));
}

std::string write_tls_report_mail(const TlsReport& report, const TlsReportMail& mail,
                                  std::string_view gzipped) {
  std::string out;
  const auto line = [&](std::string_view text) {
    out += text;
    out += "\r\n";
  };
  const std::string boundary = fmt::format("=_tls-{}", mail.id);
  line(fmt::format("From: <{}>", mail.from));
  line(fmt::format("To: <{}>", mail.to));
  line(fmt::format("Subject: Report Domain: {}", report.domain));
  line(fmt::format(" Submitter: {}", mail.host));
  line(fmt::format(" Report-ID: <{}>", report_id(report, mail.host)));
  line(fmt::format("Date: {}", rfc5322_date(mail.now)));
  line(fmt::format("Message-ID: <{}@{}>", mail.id, mail.host));
  line(fmt::format("TLS-Report-Domain: {}", report.domain));
  line(fmt::format("TLS-Report-Submitter: {}", mail.host));
  line("TLS-Required: No");  // RFC 8460 5.3: it has to arrive where TLS does not work
  line("Auto-Submitted: auto-generated");
  line("MIME-Version: 1.0");
  line("Content-Type: multipart/report; report-type=\"tlsrpt\";");
  line(fmt::format("\tboundary=\"{}\"", boundary));
  line("");
  line("This is a report in MIME format (RFC 8460).");
  line("");
  line("--" + boundary);
  line("Content-Type: text/plain; charset=us-ascii");
  line("Content-Transfer-Encoding: 7bit");
  line("");
  line(fmt::format("How connections of {} to the mail servers of", mail.host));
  line(fmt::format("{} came out on {} (UTC), as far as", report.domain,
                   date_time(beginning(report)).substr(0, 10)));
  line("encryption is concerned. The attachment is for programs.");
  line("");
  line("--" + boundary);
  line("Content-Type: application/tlsrpt+gzip");
  line("Content-Transfer-Encoding: base64");
  line("Content-Disposition: attachment;");
  line(fmt::format("\tfilename=\"{}\"", tls_report_file(report, mail.host)));
  line("");
  while (!gzipped.empty()) {
    line(base64::encode(gzipped.substr(0, kBase64Line)));
    gzipped.remove_prefix(std::min(kBase64Line, gzipped.size()));
  }
  line("");
  line("--" + boundary + "--");
  return out;
}

}  // namespace mailstead

// doctor: what is asked of it, and what it says.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "admin/cli.h"
#include "admin/config/host.h"
#include "admin/doctor/doctor.h"
#include "admin/report.h"
#include "admin/text.h"
#include "admin/transfer/transfer.h"
#include "protocols/ascii.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {
namespace {

constexpr std::array kChecks = {
    DoctorCheck{"configuration", "mailstead.toml can be read"},
    DoctorCheck{"server", "it runs, and is the same version as this command"},
    DoctorCheck{"data-folder", "rights, owner, lock"},
    DoctorCheck{"disk", "room, and a file system that keeps what it promises"},
    DoctorCheck{"file-limits", "open files for all connections"},
    DoctorCheck{"memory", "enough for logins"},
    DoctorCheck{"clock", "right, and kept right"},
    DoctorCheck{"backup", "when the last one was made"},
    DoctorCheck{"hostname", "a full name that others can find"},
    DoctorCheck{"dns-forward", "the name leads to this server"},
    DoctorCheck{"dns-reverse", "the address leads back to the name"},
    DoctorCheck{"ipv6", "works, where the DNS says so"},
    DoctorCheck{"resolver", "DNS servers answer, and honestly"},
    DoctorCheck{"dns-lists", "the server's addresses are not listed"},
    DoctorCheck{"dns-records", "what 'dns check' finds"},
    DoctorCheck{"tls", "certificate, chain, names, expiry, key"},
    DoctorCheck{"ports", "the server's own ports"},
    DoctorCheck{"port-25-out", "mail servers of others can be reached"},
    DoctorCheck{"port-25-in", "others can reach this one"},
    DoctorCheck{"open-relay", "strangers' mail for strangers is refused"},
    DoctorCheck{"client-addresses", "who connects is seen by his own address"},
};

constexpr std::size_t kIndent = 9;  // of what was found, behind its state

constexpr std::string_view kDefaultProbes[] = {"gmail.com", "outlook.com", "yahoo.com"};
constexpr const char* kDefaultTimeServer = "time.cloudflare.com";

std::string_view word_of_health(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kNote:
      return "note";
    case Health::kSkipped:
      return "skipped";
    case Health::kWarning:
      return "warning";
    case Health::kProblem:
      break;
  }
  return "problem";
}

std::vector<std::string> words_of_list(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const std::string_view word = ascii::trim(ascii::take_until(list, ','));
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

// A host, with a port or without.
bool is_place(const std::string& text) {
  if (parse_ip(text)) return true;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return parse_host(text).has_value();
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536 &&
         parse_host(std::string_view(text).substr(0, colon)).has_value();
}

std::size_t place_of_check(const DoctorFinding& finding) {
  const auto* check = std::ranges::find(kChecks, finding.check, &DoctorCheck::id);
  return static_cast<std::size_t>(check - kChecks.begin());
}

std::string text_of(const DoctorFinding& finding) {
  const std::string found = fmt::format("{}: {}", finding.check, printable(finding.found));
  std::string text =
      fmt::format("{:<{}}{}\n", word_of_health(finding.health), kIndent, filled(found, kIndent, kIndent));
  if (!finding.advice.empty() && finding.health != Health::kOk) {
    const std::string advice = "-> " + printable(finding.advice);
    text += fmt::format("{:{}}{}\n", "", kIndent, filled(advice, kIndent, kIndent));
  }
  return text;
}

std::string words_for_counts(std::size_t problems, std::size_t warnings, const DoctorSubject& subject) {
  std::string text;
  if (problems == 0 && warnings == 0) {
    text = "Nothing is wrong.";
  } else if (problems == 0) {
    text = fmt::format("No problem; {}.", counted(warnings, "warning"));
  } else {
    text = fmt::format("{}, {}.", counted(problems, "problem"), counted(warnings, "warning"));
  }
  if (subject.is_known && !subject.is_running)
    text += " No server runs: run this again when it does, since some can only be seen then.";
  return filled(text) + '\n';
}

}  // namespace

std::span<const DoctorCheck> doctor_checks() {
  return kChecks;
}

std::vector<std::string_view> doctor_check_ids() {
  std::vector<std::string_view> ids;
  for (const DoctorCheck& check : kChecks) ids.push_back(check.id);
  return ids;
}

bool DoctorOptions::wants(std::string_view check) const {
  return only.empty() || std::ranges::find(only, check) != only.end();
}

Result<DoctorOptions> doctor_options(const Request& request) {
  DoctorOptions options;
  const auto only = option_of(request, "only");
  options.only = words_of_list(only.value_or(""));
  if (only && options.only.empty()) return Error{ErrorKind::kInvalid, "--only names no check"};
  const std::vector<std::string_view> known = doctor_check_ids();
  const std::vector<std::string> ids(known.begin(), known.end());
  for (const std::string& id : options.only) {
    if (std::ranges::find(ids, id) != ids.end()) continue;
    const std::string near = nearest(id, ids);
    return Error{ErrorKind::kInvalid, near.empty() ? fmt::format("there is no check '{}'; there are: {}",
                                                                 printable(id), fmt::join(ids, ", "))
                                                   : fmt::format("there is no check '{}'; did you mean '{}'?",
                                                                 printable(id), near)};
  }
  options.probes = words_of_list(option_of(request, "probe").value_or(""));
  for (const std::string& probe : options.probes) {
    if (is_place(probe)) continue;
    return Error{ErrorKind::kInvalid, fmt::format("'{}' is not a domain or HOST:PORT", printable(probe))};
  }
  if (options.probes.empty()) options.probes.assign(std::begin(kDefaultProbes), std::end(kDefaultProbes));
  options.time_server = option_of(request, "time-server").value_or(kDefaultTimeServer);
  if (!is_place(options.time_server)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("'{}' is not a host or HOST:PORT", printable(options.time_server))};
  }
  options.is_strict = std::ranges::find(request.flags, "strict") != request.flags.end();
  return options;
}

Report report_of(const DoctorSubject& subject, DoctorFindings findings, const DoctorOptions& options) {
  std::ranges::stable_sort(findings, {}, place_of_check);
  std::string text;
  Value::Array array;
  std::size_t problems = 0, warnings = 0;
  Health worst = Health::kOk;
  for (const DoctorFinding& finding : findings) {
    text += text_of(finding);
    array.push_back(Value::Object{{"check", finding.check},
                                  {"state", word_of_health(finding.health)},
                                  {"found", finding.found},
                                  {"advice", finding.advice}});
    if (finding.health == Health::kProblem) ++problems;
    if (finding.health == Health::kWarning) ++warnings;
    if (finding.health >= Health::kWarning) worst = std::max(worst, finding.health);
  }
  text += '\n' + words_for_counts(problems, warnings, subject);
  Report report =
      done(std::move(text),
           Value::Object{{"state", word_of_health(worst)},
                         {"problems", problems},
                         {"warnings", warnings},
                         {"hostname", subject.hostname},
                         {"data", subject.data},
                         {"version", version()},
                         {"server_running", subject.is_known ? Value(subject.is_running) : Value(nullptr)},
                         {"findings", std::move(array)}});
  report.exit_code = problems > 0 || (options.is_strict && warnings > 0) ? 1 : 0;
  if (report.exit_code != 0)
    report.error = counted(problems > 0 ? problems : warnings, problems > 0 ? "problem" : "warning");
  return report;
}

}  // namespace mailstead::admin

#include "admin/doctor_records.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "admin/text.h"

namespace mailstead::admin {
namespace {

Health health_of(const std::string& verdict, bool is_needed) {
  if (verdict == "no answer") return Health::kSkipped;
  return verdict == "cannot tell" || !is_needed ? Health::kNote : Health::kProblem;
}

}  // namespace

void judge_records(const Report& report, DoctorFindings& into) {
  const auto findings = nlohmann::json::parse(report.json, nullptr, false);
  if (!findings.is_array()) {
    into.push_back({"dns-records", Health::kSkipped, report.error});
    return;
  }
  std::size_t right = 0;
  for (const auto& each : findings) {
    const std::string verdict = each.value("verdict", "");
    const std::string type = each.value("type", "");
    // Of all addresses of the machine; those that count are judged by dns-forward and dns-reverse.
    if (type == "A" || type == "AAAA" || type == "PTR") continue;
    if (verdict == "ok") {
      ++right;
      continue;
    }
    const bool is_needed = each.value("required", true);
    const std::string found = each.value("found", "");
    const std::string wanted = each.value("wanted", "");
    const Health health = health_of(verdict, is_needed);
    std::string advice = each.value("advice", "");
    if (health != Health::kSkipped && !wanted.empty()) {
      advice += fmt::format("{}{} \"{}\".", advice.empty() ? "" : " ",
                            is_needed ? "It should be" : "It is of use, not needed:", wanted);
    }
    into.push_back({"dns-records", health,
                    fmt::format("{} {}: {}{}", type, each.value("name", ""), verdict,
                                found.empty() ? "" : fmt::format(", there is \"{}\"", found)),
                    std::move(advice)});
  }
  if (right > 0)
    into.push_back(
        {"dns-records", Health::kOk,
         fmt::format("{} as dns check wants {}", counted(right, "record"), right == 1 ? "it" : "them")});
}

}  // namespace mailstead::admin

#include "admin/doctor/doctor_records.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostOctetsShown = 100;  // octets of a value; keys are longer, and nobody types them

Health health_of(const std::string& verdict, bool is_needed) {
  if (verdict == "no answer") return Health::kSkipped;
  return verdict == "cannot tell" || !is_needed ? Health::kNote : Health::kProblem;
}

std::string words_for_wanted(const std::string& wanted) {
  if (wanted.empty()) return {};
  return wanted.size() > kMostOctetsShown ? "'mailstead dns records' shows what it should be."
                                          : fmt::format("It should be \"{}\".", wanted);
}

}  // namespace

void judge_records(const Report& report, DoctorFindings& into) {
  const auto findings = nlohmann::json::parse(report.json, nullptr, false);
  if (!findings.is_array()) {
    into.push_back({"dns-records", Health::kSkipped, report.error});
    return;
  }
  std::size_t right = 0;
  std::vector<std::string> useful;
  for (const auto& each : findings) {
    const std::string verdict = each.value("verdict", "");
    const std::string type = each.value("type", "");
    const std::string record = fmt::format("{} {}", type, each.value("name", ""));
    const bool is_needed = each.value("required", true);
    // Of all addresses of the machine; those that count are judged by dns-forward and dns-reverse.
    if (type == "A" || type == "AAAA" || type == "PTR") continue;
    if (verdict == "ok") {
      ++right;
    } else if (verdict == "missing" && !is_needed) {
      useful.push_back(record);
    } else {
      const Health health = health_of(verdict, is_needed);
      const std::string found = each.value("found", "");
      std::string advice = each.value("advice", "");
      const std::string wanted = health == Health::kSkipped ? "" : words_for_wanted(each.value("wanted", ""));
      if (!advice.empty() && !wanted.empty()) advice += ' ';
      into.push_back({"dns-records", health,
                      fmt::format("{}: {}{}", record, verdict,
                                  found.empty() ? "" : fmt::format(", there is \"{}\"", found)),
                      advice + wanted});
    }
  }
  if (!useful.empty()) {
    into.push_back({"dns-records", Health::kNote,
                    fmt::format("missing, and not needed: {}", fmt::join(useful, ", ")),
                    "'mailstead dns records' tells what each would be of use for."});
  }
  if (right > 0) {
    into.push_back({"dns-records", Health::kOk,
                    right == 1 ? "1 record is as it should be"
                               : fmt::format("{} records are as they should be", right)});
  }
}

}  // namespace mailstead::admin

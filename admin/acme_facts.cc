#include "admin/acme_facts.h"

#include <fmt/format.h>

#include "admin/text.h"

namespace mailstead::admin {

std::vector<std::pair<std::string, std::string>> acme_lines(const AcmeFacts& facts) {
  std::vector<std::pair<std::string, std::string>> lines;
  if (facts.failures > 0 && !facts.is_running) {
    lines.emplace_back("not renewed",
                       fmt::format("{}: {}", time_text(facts.failed_at), printable(facts.problem)));
    lines.emplace_back("what to do", printable(facts.advice));
  }
  if (facts.is_running) {
    lines.emplace_back("renewal", "is being tried now");
  } else if (facts.next_at != 0) {
    lines.emplace_back("renewal",
                       fmt::format("{} about {}", facts.failures > 0 ? "tried again at" : "by itself at",
                                   time_text(facts.next_at)));
  }
  return lines;
}

Value acme_value(const AcmeFacts& facts) {
  if (!facts.is_on) return nullptr;
  return Value::Object{{"directory", facts.directory},
                       {"running", facts.is_running},
                       {"next_attempt_at", time_value(facts.next_at)},
                       {"renewed_at", time_value(facts.renewed_at)},
                       {"failures", facts.failures},
                       {"failed_at", facts.failures > 0 ? time_value(facts.failed_at) : Value(nullptr)},
                       {"problem", facts.failures > 0 ? Value(facts.problem) : Value(nullptr)},
                       {"advice", facts.failures > 0 ? Value(facts.advice) : Value(nullptr)}};
}

}  // namespace mailstead::admin

// A network that is written down, and what findings say.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"

namespace mailstead::admin_test {

using admin::DoctorFinding;
using admin::DoctorFindings;
using admin::Health;

// Answers at once. A name that is not written down does not exist.
class WrittenNetwork final : public admin::Outside {
 public:
  void add(const std::string& name, const std::string& address) {
    dns::Record record;
    record.address = parse_ip(address).value();
    record.type = record.address.is_ipv4() ? dns::Type::kA : dns::Type::kAaaa;
    records_[{name, record.type}].push_back(record);
  }
  void add(const std::string& name, dns::Type type, const std::string& text) {
    dns::Record record;
    record.type = type;
    record.text = text;
    records_[{name, type}].push_back(record);
  }
  void fail(const std::string& name, dns::Type type) { failing_.push_back({name, type}); }
  void greet(const std::string& address, const std::string& greeting) { greetings_[address] = greeting; }

  void ask(const admin::DnsQuestion& question, std::function<void(const dns::Answer&)> done) override {
    asked.push_back(question);
    dns::Answer answer;
    answer.name = question.name;
    if (std::ranges::find(failing_, question) != failing_.end()) return done(answer);
    const auto found = records_.find({question.name, question.type});
    answer.verdict = found == records_.end() ? dns::Verdict::kNoName : dns::Verdict::kFound;
    if (found != records_.end()) answer.records = found->second;
    done(answer);
  }
  void talk(const admin::Dialogue& dialogue, std::function<void(const admin::Heard&)> done) override {
    dialled.push_back(dialogue);
    const auto found = greetings_.find(dialogue.address.text());
    if (found == greetings_.end()) return done({false, "connection refused", {}});
    done({true, "", {found->second}});
  }
  void ask_time(const IpAddress&, std::uint16_t, std::function<void(std::optional<double>)> done) override {
    done(behind);
  }

  std::vector<admin::DnsQuestion> asked;
  std::vector<admin::Dialogue> dialled;
  std::optional<double> behind;

 private:
  std::map<std::pair<std::string, dns::Type>, std::vector<dns::Record>> records_;
  std::vector<admin::DnsQuestion> failing_;
  std::map<std::string, std::string> greetings_;
};

inline Health worst(const DoctorFindings& findings) {
  Health health = Health::kOk;
  for (const DoctorFinding& each : findings) health = std::max(health, each.health);
  return health;
}

inline bool says(const DoctorFindings& findings, Health health, const std::string& words) {
  return std::ranges::any_of(findings, [&](const DoctorFinding& each) {
    return each.health == health && (each.found + " " + each.advice).find(words) != std::string::npos;
  });
}

// What one judgement finds.
template <typename Facts>
DoctorFindings judged(void (*judge)(const Facts&, DoctorFindings&), const Facts& facts) {
  DoctorFindings findings;
  judge(facts, findings);
  return findings;
}

}  // namespace mailstead::admin_test

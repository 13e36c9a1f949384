// doctor: says whether this machine, the DNS and the network are as a mail server needs them, before its
// first start and after, and what to do. It changes nothing.
//
// A check has an id that stays. Each family of checks has a file that looks and one function for each check
// that judges what was seen (doctor_names, doctor_resolver, doctor_network, doctor_relay, doctor_tls,
// doctor_machine, doctor_clock, doctor_folder). Blocking, for at most kDoctorPatience, two times
// kRoundPatience for DNS records, and what the data folder takes. Threads: one.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/command_line.h"
#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"

namespace mailstead::admin {

inline constexpr std::chrono::seconds kDoctorPatience{30};

struct DoctorServices {
  GoOutside go_outside;
  // What the store's side says to "doctor facts", where the process of the store runs this itself: it is a
  // running server. Empty: the store is asked as by every command.
  std::optional<Report> facts = {};
};

struct DoctorCheck {
  std::string_view id;
  std::string_view about;  // a few words
};
// In the order of the report.
std::span<const DoctorCheck> doctor_checks();
std::vector<std::string_view> doctor_check_ids();

struct DoctorOptions {
  std::vector<std::string> only;  // ids; empty: all
  std::vector<std::string> probes;
  std::string time_server;
  bool is_strict = false;

  bool wants(std::string_view check) const;
};
// kInvalid: an unknown check, or a host that is none.
Result<DoctorOptions> doctor_options(const Request& request);

// What the report is about.
struct DoctorSubject {
  std::string hostname;
  std::string data;
  bool is_running = false;
  bool is_known = true;  // whether a server runs
};
// Exit code 1 when there is a problem, or, strictly, a warning. The findings in the order of the checks.
Report report_of(const DoctorSubject& subject, DoctorFindings findings, const DoctorOptions& options);

Report doctor(const CommandLine& line, const DoctorServices& services);

}  // namespace mailstead::admin

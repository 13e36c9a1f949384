// doctor: the clock.

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "admin/doctor/doctor_machine.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::uint16_t kNtpPort = 123;
constexpr std::size_t kMostAsked = 2;
constexpr double kOff = 5;       // seconds: people see it in the Date of their mail
constexpr double kFarOff = 300;  // signatures and certificates are refused
constexpr std::int64_t kSlack = 60;

constexpr const char* kHowToKeep =
    "Have the machine keep its time: on Debian 'apt install systemd-timesyncd' (or chrony). A container has "
    "its "
    "host's clock.";

std::string off_text(double behind) {
  const auto seconds = static_cast<std::int64_t>(std::llround(std::fabs(behind)));
  return fmt::format("{} {}", span_text(seconds), behind > 0 ? "slow" : "fast");
}

}  // namespace

ClockFacts look_at_clock(const std::string& data, std::int64_t now) {
  ClockFacts facts{.now = now};
  struct stat file {};
  if (::stat("/proc/self/exe", &file) == 0) facts.built_at = file.st_mtime;
  for (const char* name : {"/mailstead.db", "/mailstead.db-wal"}) {
    if (::stat((data + name).c_str(), &file) == 0)
      facts.data_at = std::max<std::int64_t>(facts.data_at, file.st_mtime);
  }
  timex state{};  // asks only: no mode is set
  const int said = ::adjtimex(&state);
  if (said >= 0) facts.is_kept = said != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  return facts;
}

void ask_for_time(Outside& outside, const std::string& name, ClockFacts& facts) {
  facts.server = name;
  std::string host = name;
  std::uint16_t port = kNtpPort;
  if (const std::size_t colon = name.rfind(':'); colon != std::string::npos && !parse_ipv6(name)) {
    host = name.substr(0, colon);
    std::from_chars(name.data() + colon + 1, name.data() + name.size(), port);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  }
  const auto ask = [&outside, &facts, port](const IpAddress& address) {
    facts.is_resolved = true;
    outside.ask_time(address, port, [&facts](std::optional<double> behind) {
      if (behind) facts.behind.push_back(*behind);
    });
  };
  if (const auto address = parse_ip(host)) return ask(*address);
  outside.ask({host, dns::Type::kA}, [ask](const dns::Answer& answer) {
    for (std::size_t i = 0; i < answer.records.size() && i < kMostAsked; ++i) ask(answer.records[i].address);
  });
}

void judge_clock(const ClockFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"clock", health, std::move(found), std::move(advice)});
  };
  const std::size_t before = into.size();
  if (facts.built_at > facts.now + kSlack) {
    add(Health::kProblem,
        fmt::format("it says {}, and this program was made at {}", time_text(facts.now),
                    time_text(facts.built_at)),
        kHowToKeep);
  } else if (facts.data_at > facts.now + kSlack) {
    add(Health::kProblem,
        fmt::format("it says {}, and the data folder was written to at {}", time_text(facts.now),
                    time_text(facts.data_at)),
        kHowToKeep);
  }
  if (!facts.behind.empty()) {
    // Of two answers the one that is kinder: a server may be wrong as well.
    const double behind = std::ranges::min(facts.behind, {}, [](double each) { return std::fabs(each); });
    const double off = std::fabs(behind);
    if (off >= kFarOff) {
      add(Health::kProblem, fmt::format("it is {}, by {}", off_text(behind), facts.server),
          fmt::format("Signatures, certificates and mail's dates are wrong by that much. {}", kHowToKeep));
    } else if (off >= kOff) {
      add(Health::kWarning, fmt::format("it is {}, by {}", off_text(behind), facts.server), kHowToKeep);
    } else if (facts.is_kept == false) {
      add(Health::kNote, "it is right, but the system does not know of anything that keeps it so",
          kHowToKeep);
    }
  } else if (facts.is_kept == false) {
    add(Health::kWarning,
        fmt::format("the system does not know of anything that keeps it right, and {} {}", facts.server,
                    facts.is_resolved ? "does not answer" : "could not be found in the DNS"),
        kHowToKeep);
  }
  if (into.size() > before && into.back().health != Health::kNote) return;
  if (!facts.behind.empty()) {
    add(Health::kOk, fmt::format("as that of {}", facts.server), "");
  } else if (facts.is_kept == true) {
    add(Health::kOk, "the system says that it is kept right", "");
  } else if (into.size() == before) {
    add(Health::kSkipped, fmt::format("{} does not answer, and the system does not tell", facts.server), "");
  }
}

}  // namespace mailstead::admin

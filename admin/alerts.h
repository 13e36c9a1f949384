// What the postmaster is told of by mail without asking: what will stop mail, or lose it, when nobody looks.
//
// alerts_of() judges; ToldAlerts remembers what was told, so that a trouble is told once, again after a week
// while it lasts, and its end a day after it was last seen. Pure functions and plain values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead::admin {

struct AlertFacts {
  std::int64_t now = 0;  // Unix seconds, as all times here
  struct Certificate {
    std::string file;
    std::int64_t not_before = 0, not_after = 0;
    bool is_acme = false;  // the server renews it
  };
  std::vector<Certificate> certificates;  // in use; without the one that the server made itself
  std::string certificate_trouble;        // why what their files hold is not used; empty: it is
  std::int64_t certificate_trouble_since = 0;
  std::uint32_t acme_failures = 0;  // to get one of an authority, one after the other
  std::string acme_problem, acme_advice;
  bool has_issued = false;            // the default one is not self-made
  std::optional<std::uint64_t> free;  // octets on the data folder's disk; nullopt: not known
  std::uint64_t least_free = 0;       // below which mail is asked to come later
  std::string mail_trouble;           // why the last mail could not be written down; empty: it could
  std::uint64_t waiting = 0;          // recipients of mail for other hosts
  std::int64_t none_taken_since =
      0;  // the first attempt of those that all failed since the last good one; 0: none
  std::size_t refusing_domains = 0;  // that these were made for
  bool has_smarthost = false;
  std::int64_t last_backup_at = 0;    // a good one; 0: never
  std::int64_t backup_failed_at = 0;  // after it; 0: none has
  std::string backup_failure;
};

struct Alert {
  std::string about;   // a word, one alert each
  std::string what;    // a sentence without its full stop
  std::string advice;  // what to do, in sentences
  bool operator==(const Alert&) const = default;
};

std::vector<Alert> alerts_of(const AlertFacts& facts);

class ToldAlerts {
 public:
  enum class News {
    kNone,
    kTrouble,  // something that was not told yet, or a week ago
    kAllWell,  // what was told is over
  };

  // What text() gave; of anything else as much as can be read.
  static ToldAlerts parse(std::string_view text);
  std::string text() const;

  // Notes what is there now and what is not. Is there something to be told?
  News look(const std::vector<Alert>& alerts, std::int64_t now);
  // It was.
  void told(const std::vector<Alert>& alerts, News news, std::int64_t now);
  bool operator==(const ToldAlerts&) const = default;

 private:
  struct Entry {
    std::int64_t told_at = 0;
    std::int64_t gone_since = 0;  // 0: it is there
    bool operator==(const Entry&) const = default;
  };
  std::map<std::string, Entry> entries_;
};

struct AlertMail {
  std::string host;  // ours
  std::string from, to;
  std::string id;
  std::int64_t now = 0;
};
// The whole message, CRLF. `alerts` is empty: all is well again.
std::string write_alert_mail(const std::vector<Alert>& alerts, const AlertMail& mail);

}  // namespace mailstead::admin

#include "admin/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "admin/config/quantity.h"
#include "admin/text.h"
#include "protocols/smtp/delivery_report.h"

namespace mailstead::admin {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kAlertDay = 24 * kHour;
constexpr std::int64_t kCertificateNotice = 14 * kAlertDay;
constexpr std::int64_t kBackupIsOld = 8 * kAlertDay;
constexpr std::int64_t kStallsFor = 2 * kHour;
constexpr std::int64_t kLoneStallsFor = 12 * kHour;
constexpr std::size_t kRefusingDomains = 2;  // one alone may be down itself
// Certificate and key are not replaced in one step, and are looked at once a minute.
constexpr std::int64_t kFilesAreWrongFor = 90;
constexpr std::uint32_t kFirstFailures = 4;    // within an hour and a half (server/acme/acme_schedule.h)
constexpr std::uint32_t kRenewalFailures = 8;  // within a day: weeks are left
constexpr std::int64_t kToldAgain = 7 * kAlertDay;
constexpr std::int64_t kGoneFor = kAlertDay;
constexpr std::size_t kLineOctets = 76;

std::string expiry_text(std::int64_t left) {
  return left < 0 ? fmt::format("expired {} ago", span_text(-left))
                  : fmt::format("expires in {}", span_text(left));
}

void judge_certificates(const AlertFacts& facts, std::vector<Alert>& alerts) {
  std::string what;
  bool is_acme = true;
  for (const AlertFacts::Certificate& each : facts.certificates) {
    const std::int64_t left = each.not_after - facts.now;
    // One that the server renews when a third is left may be good for a few days only.
    const std::int64_t lifetime = each.not_after - each.not_before;
    if (left >= (each.is_acme ? std::min(kCertificateNotice, lifetime / 5) : kCertificateNotice)) continue;
    const std::string which = facts.certificates.size() == 1 ? "" : fmt::format(" {}", printable(each.file));
    what += fmt::format("{} certificate{} {}", what.empty() ? "The" : ", the", which, expiry_text(left));
    is_acme = is_acme && each.is_acme;
  }
  if (what.empty()) return;
  alerts.push_back(
      {"certificate", what,
       is_acme
           ? "The server renews it by itself, and something is in the way: 'mailstead tls show' tells what."
           : "Mail programs refuse one that has expired. Put a new one into the place of its files; the "
             "server takes it from then on by itself."});
}

void judge_certificate_files(const AlertFacts& facts, std::vector<Alert>& alerts) {
  if (facts.certificate_trouble.empty() || facts.now - facts.certificate_trouble_since < kFilesAreWrongFor)
    return;
  alerts.push_back({"certificate-files",
                    fmt::format("A new certificate cannot be used: {}", printable(facts.certificate_trouble)),
                    "The server goes on with the one that it had, and would not start again with what is "
                    "there now. Put it right; the server takes it from then on by itself."});
}

void judge_renewal(const AlertFacts& facts, std::vector<Alert>& alerts) {
  if (facts.acme_failures < (facts.has_issued ? kRenewalFailures : kFirstFailures)) return;
  alerts.push_back(
      {"certificate-renewal",
       fmt::format("{}: {}",
                   facts.has_issued ? "The certificate could not be renewed"
                                    : "The server has no certificate of an authority yet",
                   printable(facts.acme_problem)),
       fmt::format("{} 'mailstead tls show' tells when it is tried again.", printable(facts.acme_advice))});
}

void judge_writing(const AlertFacts& facts, std::vector<Alert>& alerts) {
  // A full disk is told as such.
  const bool is_full = facts.free && *facts.free < facts.least_free;
  if (facts.mail_trouble.empty() || is_full) return;
  alerts.push_back(
      {"mail",
       fmt::format("No mail is taken, since none can be written down: {}", printable(facts.mail_trouble)),
       "Its senders are asked to come later, and get it back after some days. 'dmesg' tells "
       "what the system says of the disk. When that is well, mail comes by itself; if the file "
       "system has to be mounted anew, stop the server first."});
}

void judge_disk(const AlertFacts& facts, std::vector<Alert>& alerts) {
  if (!facts.free || facts.least_free == 0 || *facts.free >= 2 * facts.least_free) return;
  const bool is_full = *facts.free < facts.least_free;
  alerts.push_back(
      {"disk",
       fmt::format("The disk is {}: {} are free", is_full ? "full" : "nearly full", size_text(*facts.free)),
       fmt::format("{} Remove what is not needed, or give it more room; mail that waits comes by itself "
                   "then.",
                   is_full
                       ? "Mail that comes in is asked to come later; after some days its senders get "
                         "it back."
                       : fmt::format("Below {} mail is asked to come later.", size_text(facts.least_free)))});
}

void judge_queue(const AlertFacts& facts, std::vector<Alert>& alerts) {
  if (facts.waiting == 0 || facts.none_taken_since == 0) return;
  const std::int64_t since = facts.now - facts.none_taken_since;
  const bool is_wide = facts.refusing_domains >= kRefusingDomains || facts.has_smarthost;
  if (since < (is_wide ? kStallsFor : kLoneStallsFor)) return;
  alerts.push_back(
      {"queue",
       fmt::format("No mail has gone out for {}: {} {}", span_text(since), facts.waiting,
                   facts.waiting == 1 ? "recipient waits" : "recipients wait"),
       fmt::format(
           "{} 'mailstead queue list' shows them with what was said to each, 'mailstead doctor' looks at "
           "the way out.",
           facts.has_smarthost ? "The server that mail goes by does not take it."
                               : "Nobody takes it, or nobody can be reached.")});
}

void judge_backup(const AlertFacts& facts, std::vector<Alert>& alerts) {
  if (facts.backup_failed_at != 0) {
    alerts.push_back({"backup",
                      fmt::format("The backup of {} failed: {}", time_text(facts.backup_failed_at),
                                  printable(facts.backup_failure)),
                      "Run 'mailstead backup' by hand to see it. Older backups are as they were."});
  } else if (facts.last_backup_at != 0 && facts.now - facts.last_backup_at > kBackupIsOld) {
    alerts.push_back({"backup",
                      fmt::format("The last backup is {} old", span_text(facts.now - facts.last_backup_at)),
                      "Whatever made them, a timer or a cron job, does so no longer."});
  }
}

// Lines of a mail that people read without folding.
std::string folded(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    if (column > 0) {
      const bool fits = column + 1 + blank <= kLineOctets;
      out += fits ? " " : "\r\n";
      column = fits ? column + 1 : 0;
    }
    out += text.substr(0, blank);
    column += blank;
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return out + "\r\n";
}

std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::vector<Alert> alerts_of(const AlertFacts& facts) {
  std::vector<Alert> alerts;
  judge_disk(facts, alerts);
  judge_queue(facts, alerts);
  judge_writing(facts, alerts);
  judge_certificates(facts, alerts);
  judge_certificate_files(facts, alerts);
  judge_renewal(facts, alerts);
  judge_backup(facts, alerts);
  return alerts;
}

ToldAlerts ToldAlerts::parse(std::string_view text) {
  ToldAlerts told;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second != std::string_view::npos) {
      told.entries_[std::string(line.substr(0, first))] = {
          number_of(line.substr(first + 1, second - first - 1)), number_of(line.substr(second + 1))};
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return told;
}

std::string ToldAlerts::text() const {
  std::string text;
  for (const auto& [about, entry] : entries_)
    text += fmt::format("{} {} {}\n", about, entry.told_at, entry.gone_since);
  return text;
}

ToldAlerts::News ToldAlerts::look(const std::vector<Alert>& alerts, std::int64_t now) {
  const auto is_there = [&](const std::string& about) {
    return std::ranges::find(alerts, about, &Alert::about) != alerts.end();
  };
  bool is_over = !entries_.empty();
  for (auto& [about, entry] : entries_) {
    if (is_there(about)) {
      entry.gone_since = 0;
    } else if (entry.gone_since == 0 || entry.gone_since > now) {
      entry.gone_since = now;
    }
    is_over = is_over && entry.gone_since != 0 && now - entry.gone_since >= kGoneFor;
  }
  for (const Alert& alert : alerts) {
    const auto entry = entries_.find(alert.about);
    // A clock that was set back is not waited for.
    if (entry == entries_.end() || now - entry->second.told_at >= kToldAgain || now < entry->second.told_at)
      return News::kTrouble;
  }
  return is_over ? News::kAllWell : News::kNone;
}

void ToldAlerts::told(const std::vector<Alert>& alerts, News news, std::int64_t now) {
  if (news == News::kAllWell) entries_.clear();
  for (const Alert& alert : alerts) entries_[alert.about] = {now, 0};
}

std::string write_alert_mail(const std::vector<Alert>& alerts, const AlertMail& mail) {
  // Up to the details, which come behind a colon and a blank; a time has colons, too.
  const std::string subject = alerts.empty() ? "all is well again"
                              : alerts.size() == 1
                                  ? alerts.front().what.substr(0, alerts.front().what.find(": "))
                                  : fmt::format("{} things need you", alerts.size());
  std::string out = fmt::format(
      "From: \"The mail server\" <{}>\r\nTo: <{}>\r\nSubject: {}: {}\r\nDate: {}\r\nMessage-ID: <{}@{}>\r\n"
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: 8bit\r\n\r\n",
      mail.from, mail.to, mail.host, subject, rfc5322_date(mail.now), mail.id, mail.host);
  if (alerts.empty()) out += folded(fmt::format("What {} told you of is over, for a day now.", mail.host));
  for (const Alert& alert : alerts) {
    out += folded(alert.what + ".");
    out += folded(alert.advice) + "\r\n";
  }
  if (!alerts.empty())
    out += folded(
        "Another mail comes when something else is the matter, in a week if this still is, and when it is "
        "over. 'mailstead doctor' looks at everything.");
  out += "\r\n-- \r\n" +
         folded(fmt::format(
             "The mail server on {} wrote this by itself; 'mail = false' below a line [alerts] in "
             "mailstead.toml stops it.",
             mail.host));
  return out;
}

}  // namespace mailstead::admin

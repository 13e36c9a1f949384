#include "admin/alerts.h"

#include <algorithm>

#include "tests/catch.h"

using namespace mailstead::admin;
using News = ToldAlerts::News;

namespace {

constexpr std::int64_t kMoment = 1'800'000'000;
constexpr std::int64_t kOneDay = 86'400;

AlertFacts well() {
  AlertFacts facts;
  facts.now = kMoment;
  facts.certificate = {kMoment - 30 * kOneDay, kMoment + 60 * kOneDay};
  facts.free = 10ULL << 30;
  facts.least_free = 1ULL << 30;
  facts.last_backup_at = kMoment - kOneDay;
  return facts;
}

// "disk: The disk is …"; "" when there is no alert.
std::string first(const AlertFacts& facts) {
  const auto alerts = alerts_of(facts);
  CHECK(alerts.size() <= 1);
  return alerts.empty() ? "" : alerts.front().about + ": " + alerts.front().what;
}

const Alert kDisk{"disk", "The disk is full", "Make room."};
const Alert kQueue{"queue", "No mail has gone out", "Look."};

}  // namespace

TEST_CASE("nobody is told of what is well, or not known", "[alerts]") {
  CHECK(first(well()).empty());
  CHECK(first(AlertFacts{}).empty());
}

TEST_CASE("a certificate that expires is told in time", "[alerts]") {
  AlertFacts facts = well();
  facts.certificate->not_after = kMoment + 14 * kOneDay;
  CHECK(first(facts).empty());
  facts.certificate->not_after -= 1;
  CHECK(first(facts).starts_with("certificate: The certificate expires in 13 days"));
  facts.is_acme = true;
  // One of six days, which the server renews when two are left.
  facts.certificate = {kMoment - 4 * kOneDay, kMoment + 2 * kOneDay};
  CHECK(first(facts).empty());
  facts.certificate = {kMoment - 5 * kOneDay, kMoment + kOneDay};
  CHECK(first(facts).starts_with("certificate: "));
  facts.certificate->not_after = kMoment - 3600;
  CHECK(first(facts) == "certificate: The certificate expired 1 h 0 min ago");
}

TEST_CASE("a disk is told of before mail is refused, and then", "[alerts]") {
  AlertFacts facts = well();
  facts.free = 2ULL << 30;
  CHECK(first(facts).empty());
  facts.free = (2ULL << 30) - 1;
  CHECK(first(facts).starts_with("disk: The disk is nearly full"));
  facts.free = (1ULL << 30) - 1;
  CHECK(first(facts).starts_with("disk: The disk is full"));
  facts.least_free = 0;  // nobody asked for any to be kept
  CHECK(first(facts).empty());
}

TEST_CASE("a queue stalls when several hosts take nothing for long, or the only way out", "[alerts]") {
  AlertFacts facts = well();
  facts.waiting = 7;
  facts.none_taken_since = kMoment - 7200;
  facts.refusing_hosts = 2;
  CHECK(first(facts).empty());
  facts.refusing_hosts = 3;
  CHECK(first(facts) == "queue: No mail has gone out for 2 h 0 min: 7 recipients wait");
  facts.none_taken_since += 1;
  CHECK(first(facts).empty());
  facts.none_taken_since -= 1;
  facts.refusing_hosts = 1;
  facts.has_smarthost = true;
  CHECK(first(facts).starts_with("queue: "));
  facts.waiting = 0;
  CHECK(first(facts).empty());
}

TEST_CASE("backups that fail or end are told of, and those that nobody makes are not", "[alerts]") {
  AlertFacts facts = well();
  facts.last_backup_at = 0;
  CHECK(first(facts).empty());
  facts.last_backup_at = kMoment - 8 * kOneDay;
  CHECK(first(facts).empty());
  facts.last_backup_at -= 1;
  CHECK(first(facts).starts_with("backup: The last backup is 8 days"));
  facts.backup_failed_at = kMoment - 60;
  facts.backup_failure = "no space\x1b[31m";
  CHECK(first(facts).find("failed: no space\\x1b[31m") != std::string::npos);
}

TEST_CASE("a trouble is told once, again after a week, and its end after a day", "[alerts]") {
  ToldAlerts told;
  CHECK(told.look({}, kMoment) == News::kNone);
  CHECK(told.look({kDisk}, kMoment) == News::kTrouble);
  CHECK(told.look({kDisk}, kMoment) == News::kTrouble);  // nobody has been told yet
  told.told({kDisk}, News::kTrouble, kMoment);
  CHECK(told.look({kDisk}, kMoment + 60) == News::kNone);
  CHECK(told.look({kDisk, kQueue}, kMoment + 120) == News::kTrouble);
  told.told({kDisk, kQueue}, News::kTrouble, kMoment + 120);
  CHECK(told.look({kDisk}, kMoment + 7 * kOneDay) == News::kNone);
  CHECK(told.look({kDisk}, kMoment + 7 * kOneDay + 120) == News::kTrouble);
  told.told({kDisk}, News::kTrouble, kMoment + 8 * kOneDay);
  // It comes and goes within a day: nobody wants to hear that.
  CHECK(told.look({}, kMoment + 8 * kOneDay + 60) == News::kNone);
  CHECK(told.look({kDisk}, kMoment + 8 * kOneDay + 120) == News::kNone);
  CHECK(told.look({}, kMoment + 9 * kOneDay) == News::kNone);
  CHECK(ToldAlerts::parse(told.text()) == told);
  CHECK(told.look({}, kMoment + 10 * kOneDay - 1) == News::kNone);
  CHECK(told.look({}, kMoment + 10 * kOneDay) == News::kAllWell);
  told.told({}, News::kAllWell, kMoment + 10 * kOneDay);
  CHECK(told == ToldAlerts());
  CHECK(told.look({kDisk}, kMoment + 10 * kOneDay) == News::kTrouble);
}

TEST_CASE("a clock that was set back hides nothing", "[alerts]") {
  ToldAlerts told;
  told.told({kDisk}, News::kTrouble, kMoment + 3650 * kOneDay);
  CHECK(told.look({kDisk}, kMoment) == News::kTrouble);
}

TEST_CASE("what was kept of alerts may be anything", "[alerts]") {
  CHECK(ToldAlerts::parse("") == ToldAlerts());
  CHECK(ToldAlerts::parse("x\n\ny z\n") == ToldAlerts());
  CHECK(ToldAlerts::parse("disk 12 0").text() == "disk 12 0\n");
}

TEST_CASE("an alert's mail is one that people can read", "[alerts]") {
  AlertFacts facts = well();
  facts.free = 5;
  facts.backup_failed_at = kMoment;
  facts.backup_failure = std::string(300, 'x') + " no space";
  const AlertMail mail{"mail.example.org", "postmaster@example.org", "anna@example.org", "1abc", kMoment};
  const std::string text = write_alert_mail(alerts_of(facts), mail);
  CHECK(text.find("Subject: mail.example.org: 2 things need you\r\n") != std::string::npos);
  CHECK(text.find("To: <anna@example.org>\r\n") != std::string::npos);
  CHECK(text.find("Auto-Submitted: auto-generated\r\n") != std::string::npos);
  CHECK(text.find("The disk is full: 5 B are free.\r\n") != std::string::npos);
  CHECK(text.find("'mail = false'") != std::string::npos);
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at) CHECK(text[at - 1] == '\r');
  const std::string one = write_alert_mail({alerts_of(facts).front()}, mail);
  CHECK(one.find("Subject: mail.example.org: The disk is full\r\n") != std::string::npos);
  CHECK(write_alert_mail({}, mail).find("Subject: mail.example.org: all is well again\r\n") !=
        std::string::npos);
}

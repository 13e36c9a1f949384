#include "admin/alerts.h"

#include <algorithm>

#include "admin/mail_intake.h"
#include "tests/catch.h"

using namespace mailstead::admin;
using News = ToldAlerts::News;

namespace {

constexpr std::int64_t kMoment = 1'800'000'000;
constexpr std::int64_t kOneDay = 86'400;

AlertFacts well() {
  AlertFacts facts;
  facts.now = kMoment;
  facts.certificates = {{"/etc/c.pem", kMoment - 30 * kOneDay, kMoment + 60 * kOneDay}};
  facts.has_issued = true;
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
  AlertFacts::Certificate& certificate = facts.certificates.front();
  certificate.not_after = kMoment + 14 * kOneDay;
  CHECK(first(facts).empty());
  certificate.not_after -= 1;
  CHECK(first(facts).starts_with("certificate: The certificate expires in 13 days"));
  // One of six days, which the server renews when two are left.
  certificate = {"/etc/c.pem", kMoment - 4 * kOneDay, kMoment + 2 * kOneDay, true};
  CHECK(first(facts).empty());
  certificate = {"/etc/c.pem", kMoment - 5 * kOneDay, kMoment + kOneDay, true};
  CHECK(first(facts).starts_with("certificate: "));
  certificate.not_after = kMoment - 3600;
  CHECK(first(facts) == "certificate: The certificate expired 1 h 0 min ago");
}

TEST_CASE("of several certificates those that expire are named", "[alerts]") {
  AlertFacts facts = well();
  facts.certificates.push_back({"/etc/more.pem", kMoment - kOneDay, kMoment + 2 * kOneDay - 1});
  CHECK(first(facts).starts_with("certificate: The certificate /etc/more.pem expires in 1 day"));
  facts.certificates.front().not_after = kMoment - 3600;
  CHECK(first(facts).starts_with(
      "certificate: The certificate /etc/c.pem expired 1 h 0 min ago, the certificate "
      "/etc/more.pem expires in 1 day"));
}

TEST_CASE("a new certificate that cannot be used is told, once both files had their time", "[alerts]") {
  AlertFacts facts = well();
  facts.certificate_trouble = "the key does not belong to it";
  facts.certificate_trouble_since = kMoment - 89;
  CHECK(first(facts).empty());
  facts.certificate_trouble_since -= 1;
  CHECK(first(facts) == "certificate-files: A new certificate cannot be used: the key does not belong to it");
  // It does not hide that the one in use expires.
  facts.certificates.front().not_after = kMoment + kOneDay;
  const auto alerts = alerts_of(facts);
  REQUIRE(alerts.size() == 2);
  CHECK(alerts.front().about == "certificate");
}

TEST_CASE("a certificate that no authority gives is told after some tries", "[alerts]") {
  AlertFacts facts = well();
  facts.certificates.clear();
  facts.has_issued = false;
  facts.acme_problem = "nobody there";
  facts.acme_failures = 3;
  CHECK(first(facts).empty());
  facts.acme_failures = 4;
  CHECK(first(facts) ==
        "certificate-renewal: The server has no certificate of an authority yet: nobody there");
  facts.has_issued = true;
  CHECK(first(facts).empty());
  facts.acme_failures = 8;
  CHECK(first(facts) == "certificate-renewal: The certificate could not be renewed: nobody there");
}

TEST_CASE("that no mail can be written down is told, and a full disk only as such", "[alerts]") {
  AlertFacts facts = well();
  facts.mail_trouble = "disk I/O error\x1b[31m";
  CHECK(first(facts) == "mail: No mail is taken, since none can be written down: disk I/O error\\x1b[31m");
  facts.free = 5;
  CHECK(first(facts).starts_with("disk: "));
}

TEST_CASE("why no mail is taken has one answer", "[alerts]") {
  using mailstead::Error;
  CHECK(why_no_mail({10, 10}).empty());
  CHECK(why_no_mail({9, 10}) == "The disk has 9 octets free, too few for mail");
  CHECK(why_no_mail({10, 10, "disk I/O error"}) == "Mail cannot be written down: disk I/O error");
  CHECK(why_no_mail({Error{mailstead::ErrorKind::kIo, "cannot look"}, 10}) == "cannot look");
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

TEST_CASE("a queue stalls when mail for two domains goes nowhere, or by the only way out", "[alerts]") {
  AlertFacts facts = well();
  facts.waiting = 7;
  facts.none_taken_since = kMoment - 7200;
  facts.refusing_domains = 1;
  CHECK(first(facts).empty());
  facts.refusing_domains = 2;
  CHECK(first(facts) == "queue: No mail has gone out for 2 h 0 min: 7 recipients wait");
  facts.none_taken_since += 1;
  CHECK(first(facts).empty());
  facts.none_taken_since -= 1;
  facts.refusing_domains = 1;
  facts.has_smarthost = true;
  CHECK(first(facts).starts_with("queue: "));
  facts.waiting = 0;
  CHECK(first(facts).empty());
}

TEST_CASE("a queue whose mail is all for one domain stalls after longer", "[alerts]") {
  AlertFacts facts = well();
  facts.waiting = 1;
  facts.refusing_domains = 1;
  facts.none_taken_since = kMoment - 12 * 3600 + 1;
  CHECK(first(facts).empty());
  facts.none_taken_since -= 1;
  CHECK(first(facts) == "queue: No mail has gone out for 12 h 0 min: 1 recipient waits");
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
  // A time has colons, too.
  facts.free = 10ULL << 30;
  const std::string backup = write_alert_mail(alerts_of(facts), mail);
  CHECK(backup.find("Subject: mail.example.org: The backup of 2027-01-15 08:00 UTC failed\r\n") !=
        std::string::npos);
}

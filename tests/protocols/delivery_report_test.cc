#include "protocols/smtp/delivery_report.h"

#include <algorithm>

#include "tests/catch.h"

using namespace mailstead;

namespace {

DeliveryReport failure() {
  DeliveryReport report;
  report.host = "mail.example.org";
  report.id = "000000000000001";
  report.now = 946'684'800;
  report.received_at = 946'684'700;
  report.envelope.reverse_path = Address{"anna", "example.org"};
  report.queue_id = "000000000000000";
  report.recipients.push_back({Recipient(Address{"carl", "far.example"}), "5.1.1",
                               "mx.far.example [192.0.2.1]", "550 5.1.1 no carl", 946'684'750, false});
  report.original = "Subject: x\r\n\r\ny\r\n";
  report.is_whole = true;
  return report;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a report says in words and in fields what became of a message", "[report]") {
  const std::string text = write_report(failure());
  CHECK(holds(text, "Date: Sat, 1 Jan 2000 00:00:00 +0000\r\n"));
  CHECK(holds(text, "There is no such address."));
  CHECK(holds(text, "Final-Recipient: rfc822; carl@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
  CHECK(holds(text, "Diagnostic-Code: smtp; 550 5.1.1 no carl\r\n"));
  CHECK(holds(text, "Content-Type: message/rfc822\r\n"));
  CHECK(text.ends_with("\r\n\r\ny\r\n\r\n--=_report-000000000000001--\r\n"));
  CHECK_FALSE(holds(text, "Original-Envelope-Id"));
}

TEST_CASE("our own words are not put into another host's mouth", "[report]") {
  DeliveryReport report = failure();
  CHECK(holds(write_report(report), "The server mx.far.example [192.0.2.1] said:\r\n"));
  for (const char* words :
       {"5.6.3 the message needs 8BITMIME, and the server does not offer it", "connection refused", ""}) {
    report.recipients[0].reply = words;
    const std::string text = write_report(report);
    CHECK(holds(text, "This server says of mx.far.example [192.0.2.1]:\r\n"));
    CHECK(holds(text, "Remote-MTA: dns; mx.far.example [192.0.2.1]\r\nDiagnostic-Code: X-Mailstead; "));
  }
}

TEST_CASE("a status is of the class that its action says", "[report]") {
  DeliveryReport report = failure();
  report.recipients[0].status = "4.4.1";  // it has expired
  CHECK(holds(write_report(report), "Status: 5.4.1\r\n"));
  report.kind = ReportKind::kDelay;
  report.recipients[0].status = "";
  CHECK(holds(write_report(report), "Action: delayed\r\nStatus: 4.0.0\r\n"));
  report.kind = ReportKind::kSuccess;
  CHECK(holds(write_report(report), "Action: delivered\r\nStatus: 2.0.0\r\n"));
  report.recipients[0].relayed = true;
  CHECK(holds(write_report(report), "Action: relayed\r\n"));
}

TEST_CASE("a delay is no refusal, and its end tells how long it was tried", "[report]") {
  DeliveryReport report = failure();
  report.kind = ReportKind::kDelay;
  report.recipients[0].status = "4.7.1";
  report.recipients[0].reply = "450 4.7.1 greylisted";
  CHECK(holds(write_report(report), "The other server does not take the message yet;"));
  CHECK_FALSE(holds(write_report(report), "It was tried"));
  report.kind = ReportKind::kFailure;
  report.tried_from = report.received_at;
  report.recipients[0].last_at = report.tried_from + 5 * 24 * 3600 + 100;
  report.recipients[0].attempts = 41;
  report.recipients[0].is_given_up = true;
  const std::string text = write_report(report);
  CHECK(holds(text,
              "    carl@far.example\r\n\r\nIt was tried for 5 days, 41 times.\r\nThe other server put it off "
              "each time. "
              "Send it again later, or tell the recipient in another way.\r\n"));
  CHECK(holds(text, "    450 4.7.1 greylisted\r\n"));
  CHECK_FALSE(holds(text, "does not want this message"));
}

TEST_CASE("who wrote to an alias is told so, and of no slip of his own", "[report]") {
  DeliveryReport report = failure();
  report.recipients[0].recipient.original = "rfc822;Carl@FAR.example";
  CHECK_FALSE(holds(write_report(report), "passed on"));
  report.recipients[0].recipient.original = "rfc822;team@example.org";
  std::string text = write_report(report);
  CHECK(holds(text, "    carl@far.example\r\n    (where mail to team@example.org is passed on to)\r\n"));
  CHECK(holds(text, "tell those who look after team@example.org.\r\n"));
  CHECK_FALSE(holds(text, "slip of the pen"));
  report.recipients[0].status = "5.2.2";
  CHECK(holds(write_report(report), "mailbox is full"));
  for (const char* hostile : {"rfc822;a\r\nb@example.org", "x400;/c=de/", "rfc822;", "nothing"}) {
    report.recipients[0].recipient.original = hostile;
    CHECK_FALSE(holds(write_report(report), "(where mail"));
  }
}

TEST_CASE("what goes to another host needs no extension there", "[report]") {
  DeliveryReport report = failure();
  report.recipients[0].reply = "550 5.1.1 pas de b\u00eatises";
  report.original = "Subject: gr\u00fc\u00dfe\r\nX: y\r\n\r\n\u00e4\r\n";
  const std::string here = write_report(report);
  CHECK(holds(here, "b\u00eatises"));
  CHECK(holds(here, "gr\u00fc\u00dfe"));
  CHECK(holds(here, "Content-Type: message/global\r\n"));
  report.is_ascii = true;
  const std::string elsewhere = write_report(report);
  CHECK(std::ranges::none_of(elsewhere, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  CHECK_FALSE(holds(elsewhere, "8bit"));
  CHECK(holds(elsewhere, "550 5.1.1 pas de b??tises"));
  CHECK(holds(elsewhere,
              "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
              "Subject: =?UTF-8?"));
  CHECK(holds(elsewhere, "?=\r\nX: y\r\n\r\n--=_report-"));
  report.original = "Subject: x\r\n\r\ny\r\n";
  CHECK(holds(write_report(report), "Content-Type: message/rfc822\r\n"));
  // This one can go to hosts with SMTPUTF8 only.
  report.recipients[0].recipient.address.local_part = "k\u00e4the";
  report.original = "Subject: gr\u00fc\u00dfe\r\n\r\n\u00e4\r\n";
  CHECK(holds(write_report(report), "Content-Type: message/global\r\n"));
}

TEST_CASE("what was only passed on is not called delivered", "[report]") {
  DeliveryReport report = failure();
  report.kind = ReportKind::kSuccess;
  report.recipients[0].relayed = true;
  CHECK(holds(write_report(report), "Subject: Your message was passed on\r\n"));
  CHECK_FALSE(holds(write_report(report), "was delivered"));
  report.recipients.push_back(report.recipients[0]);
  report.recipients[1].relayed = false;
  CHECK(holds(write_report(report), "Subject: Your message was delivered\r\n"));
}

TEST_CASE("a report tells by when and from when a message was to be delivered", "[report]") {
  DeliveryReport report = failure();
  CHECK_FALSE(holds(write_report(report), "Future-Release-Request"));
  report.envelope.hold_until = 946'684'790;
  report.envelope.deliver_by = DeliverBy{946'684'795, true, false};
  CHECK(holds(write_report(report),
              "Deliver-By-Date: Fri, 31 Dec 1999 23:59:55 +0000\r\n"
              "Future-Release-Request: until;1999-12-31T23:59:50Z\r\n\r\n"));
}

TEST_CASE("encryption that was not there is told of in words", "[report]") {
  DeliveryReport report = failure();
  for (const char* status : {"4.7.5", "4.7.10"}) {
    report.recipients[0].status = status;
    CHECK(holds(write_report(report), "have to put that right.\r\n"));
  }
}

TEST_CASE("nothing that others wrote becomes a line of a report", "[report]") {
  DeliveryReport report = failure();
  report.message_id = "a>\r\nBcc: eve@example.com";
  report.envelope.envelope_id = "x\r\nAction: delivered";
  report.recipients[0].reply = "550 \r\nAction: delivered " + std::string(5000, 'x');
  report.recipients[0].host = "mx\nStatus: 2.0.0";
  report.recipients[0].recipient.original = "rfc822;a\r\nStatus: 2.0.0";
  report.original = "Subject: --=_report-000000000000001\r\n";
  report.is_whole = false;
  const std::string text = write_report(report);
  CHECK_FALSE(holds(text, "\r\nBcc:"));
  CHECK_FALSE(holds(text, "\nAction: delivered"));
  CHECK_FALSE(holds(text, "\nStatus: 2.0.0"));
  CHECK(holds(text, "boundary=\"=_report-000000000000001x\""));
  CHECK(holds(text, "Content-Type: text/rfc822-headers\r\n"));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 998);
    at = end + 2;
  }
}

TEST_CASE("addresses beyond ASCII are reported in their own form", "[report]") {
  DeliveryReport report = failure();
  report.recipients[0].recipient.address.local_part = "\xC3\xA4";
  report.original = "Subject: \xC3\xA4\r\n\r\n";
  const std::string text = write_report(report);
  CHECK(holds(text, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"));
  CHECK(holds(text, "Final-Recipient: utf-8; \xC3\xA4@far.example\r\n"));
  CHECK(holds(text, "Content-Type: message/global\r\n"));
}

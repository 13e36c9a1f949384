#include "protocols/delivery_report.h"

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

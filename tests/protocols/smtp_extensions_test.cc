#include "protocols/smtp/smtp_extensions.h"

#include "tests/catch.h"

namespace mailstead::test {

TEST_CASE("what a server offers is read without regard to case, order and blanks", "[smtp-client]") {
  const SmtpExtensions offered = parse_extensions(
      {"mx.example.net", "pipelining", "SIZE  1000 ", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "STARTTLS",
       "REQUIRETLS", "ENHANCEDSTATUSCODES", "DELIVERBY 240", "MT-PRIORITY MIXER", "VRFY",
       "AUTH plain  LOGIN SCRAM-SHA-256", "LIMITS rcptmax=20 MAILMAX=5 RCPTDOMAINMAX=1 X=y"});
  SmtpExtensions all;
  all.pipelining = all.size = all.eight_bit_mime = all.smtputf8 = all.chunking = all.dsn = true;
  all.starttls = all.require_tls = all.enhanced_codes = all.deliver_by = all.priority = true;
  all.least_deliver_by = 240;
  all.auth_plain = all.auth_login = all.auth_scram = true;
  all.size_limit = 1000;
  all.recipients = 20;
  all.transactions = 5;
  all.recipient_domains = 1;
  CHECK(offered == all);
}

TEST_CASE("the server's name is no extension", "[smtp-client]") {
  CHECK(parse_extensions({"PIPELINING"}) == SmtpExtensions());
  CHECK(parse_extensions({}) == SmtpExtensions());
}

TEST_CASE("numbers that are none are as if they were not there", "[smtp-client]") {
  CHECK_FALSE(parse_extensions({"a", "SIZE 0"}).size_limit.has_value());
  CHECK_FALSE(parse_extensions({"a", "SIZE -1"}).size_limit.has_value());
  CHECK_FALSE(parse_extensions({"a", "SIZE 99999999999999999999999"}).size_limit.has_value());
  CHECK(parse_extensions({"a", "SIZE 99999999999999999999999"}).size);
  CHECK_FALSE(parse_extensions({"a", "LIMITS RCPTMAX=0 MAILMAX MAILMAX= RCPTMAX=x"}).recipients.has_value());
  CHECK_FALSE(parse_extensions({"a", "LIMITS RCPTMAX=0 MAILMAX MAILMAX="}).transactions.has_value());
}

TEST_CASE("words that only begin like an extension are others", "[smtp-client]") {
  CHECK(parse_extensions({"a", "PIPELININGX", "XSTARTTLS", "AUTHPLAIN", "", "SIZE=1000"}) ==
        SmtpExtensions());
}

}  // namespace mailstead::test

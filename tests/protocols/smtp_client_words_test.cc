#include "protocols/smtp/smtp_client_words.h"

#include "protocols/ascii.h"
#include "protocols/smtp/xtext.h"
#include "tests/catch.h"

namespace mailstead::test {
namespace {

SmtpExtensions with_dsn() {
  SmtpExtensions extensions;
  extensions.dsn = true;
  return extensions;
}

std::string rcpt_with(const std::string& original) {
  Recipient recipient(Address{"anna", "example.net"});
  recipient.original = original;
  return rcpt_command(recipient, with_dsn());
}

}  // namespace

TEST_CASE("only what reads back as itself can stand in a path", "[smtp-client]") {
  CHECK(is_sendable({"anna", "example.net"}));
  CHECK(is_sendable({"a b\"\\", "example.net"}));
  CHECK(is_sendable({"a>b", "example.net"}));  // in quotes
  CHECK(is_sendable({"anna", "[192.0.2.1]"}));
  CHECK(is_sendable({"j\xc3\xb6rg", "example.net"}));
  CHECK_FALSE(is_sendable({"a\r\nRSET", "example.net"}));
  CHECK_FALSE(is_sendable({std::string("a\0b", 3), "example.net"}));
  CHECK_FALSE(is_sendable({"anna", "example.net> SIZE=1"}));
  CHECK_FALSE(is_sendable({"anna", "example.net\r\nRSET"}));
  CHECK_FALSE(is_sendable({"anna", ""}));
  CHECK_FALSE(is_sendable({"", "example.net"}));
  CHECK_FALSE(is_sendable({"j\xf6rg", "example.net"}));
}

TEST_CASE("xtext leaves nothing that ends a word", "[smtp-client]") {
  CHECK(encode_xtext("a+b=c d") == "a+2Bb+3Dc+20d");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (const char c : encode_xtext(all)) CHECK((ascii::is_printable(c) && c != ' ' && c != '='));
}

TEST_CASE("an original recipient is passed on as it came, or not at all", "[smtp-client]") {
  CHECK(rcpt_with("rfc822;a+b@example.com") == "RCPT TO:<anna@example.net> ORCPT=rfc822;a+2Bb@example.com");
  CHECK(rcpt_with("utf-8;j\xc3\xb6rg@example.com") ==
        "RCPT TO:<anna@example.net> ORCPT=utf-8;j\\x{F6}rg@example.com");
  const std::string without = "RCPT TO:<anna@example.net>";
  CHECK(rcpt_with("rfc822;j\xc3\xb6rg@example.com") == without);
  CHECK(rcpt_with("rf c;a@b") == without);
  CHECK(rcpt_with("a@b") == without);
  CHECK(rcpt_with(";a@b") == without);
  CHECK(rcpt_with("rfc822;") == without);
  CHECK(rcpt_with("rfc822;" + std::string(500, 'a')) == without);
}

TEST_CASE("an envelope id that is too long is left out", "[smtp-client]") {
  ClientTransaction transaction;
  transaction.envelope.envelope_id = std::string(100, 'a');
  CHECK(mail_command(transaction, with_dsn(), Letters::kAscii) ==
        "MAIL FROM:<> ENVID=" + std::string(100, 'a'));
  transaction.envelope.envelope_id += 'a';
  CHECK(mail_command(transaction, with_dsn(), Letters::kAscii) == "MAIL FROM:<>");
}

TEST_CASE("who wants to hear nothing is never told", "[smtp-client]") {
  Recipient recipient(Address{"anna", "example.net"});
  recipient.notify = Notify{};
  CHECK(rcpt_command(recipient, with_dsn()) == "RCPT TO:<anna@example.net> NOTIFY=NEVER");
  recipient.notify = Notify{true, true, true};
  CHECK(rcpt_command(recipient, with_dsn()) == "RCPT TO:<anna@example.net> NOTIFY=SUCCESS,FAILURE,DELAY");
  CHECK(rcpt_command(recipient, SmtpExtensions()) == "RCPT TO:<anna@example.net>");
}

}  // namespace mailstead::test

#include "protocols/smtp/smtp_commands.h"

#include <fmt/format.h>

#include <vector>

#include "protocols/ascii.h"
#include "protocols/smtp/delivery_terms.h"
#include "protocols/smtp/smtp_core.h"

namespace mailstead {
namespace {
namespace smtp_table {

using enum SmtpRule;  // POP3's rules have the same names

constexpr SmtpCommand kCommands[] = {
    {"EHLO", &SmtpCore::ehlo, kNeedsArgument | kNotByLmtp},
    {"HELO", &SmtpCore::helo, kNeedsArgument | kNotByLmtp},
    {"LHLO", &SmtpCore::ehlo, kNeedsArgument | kByLmtpOnly},
    {"MAIL", &SmtpCore::mail, kNeedsGreeting},
    {"RCPT", &SmtpCore::rcpt, kNeedsGreeting},
    {"DATA", &SmtpCore::data, kNeedsGreeting | kNoArgument | kEndsPipeline},
    {"RSET", &SmtpCore::rset, kNoArgument},
    {"NOOP", &SmtpCore::noop},
    {"QUIT", &SmtpCore::quit, kNoArgument},
    {"VRFY", &SmtpCore::vrfy, kNeedsArgument},
    {"HELP", &SmtpCore::help},
    {"AUTH", &SmtpCore::auth, kNeedsGreeting | kNeedsArgument},
    {"STARTTLS", &SmtpCore::starttls, kNeedsGreeting | kNoArgument | kEndsPipeline},
    {"EXPN", &SmtpCore::not_implemented},
    {"BDAT", &SmtpCore::bdat},
    {"ETRN", &SmtpCore::not_implemented},
    {"TURN", &SmtpCore::not_implemented},
    {"SEND", &SmtpCore::not_implemented},
    {"SOML", &SmtpCore::not_implemented},
    {"SAML", &SmtpCore::not_implemented},
    // A web browser, or somebody who uses one to send our input.
    {"GET", &SmtpCore::not_smtp},
    {"POST", &SmtpCore::not_smtp},
    {"HEAD", &SmtpCore::not_smtp},
    {"PUT", &SmtpCore::not_smtp},
    {"DELETE", &SmtpCore::not_smtp},
    {"OPTIONS", &SmtpCore::not_smtp},
    {"CONNECT", &SmtpCore::not_smtp},
    {"PATCH", &SmtpCore::not_smtp},
    {"TRACE", &SmtpCore::not_smtp},
};

}  // namespace smtp_table
}  // namespace

const SmtpCommand* find_smtp_command(std::string_view name, const SmtpServiceRules& rules) {
  const SmtpRule elsewhere = rules.lhlo ? SmtpRule::kNotByLmtp : SmtpRule::kByLmtpOnly;
  for (const SmtpCommand& command : smtp_table::kCommands) {
    if (ascii::same(command.name, name) && !command.has(elsewhere)) return &command;
  }
  return nullptr;
}

void SmtpCore::hello(std::string_view argument, Greeting greeting) {
  if (argument.size() > kMaxDomain) return refuse({501, "5.5.4", "The name is too long"});
  said_hello_ = argument;
  said_greeting_ = greeting;
  if (!judge(PolicyStage::kHello)) accept_hello();
}

void SmtpCore::accept_hello() {
  helo_ = std::move(said_hello_);
  greeting_ = said_greeting_;
  forget_transaction();  // RFC 5321 4.1.4: as RSET
  if (greeting_ == Greeting::kHelo) return say({250, "", options_.hostname});
  say_extensions();
}

void SmtpCore::helo(std::string_view argument) {
  hello(argument, Greeting::kHelo);
}

void SmtpCore::ehlo(std::string_view argument) {
  hello(argument, Greeting::kEhlo);
}

void SmtpCore::say_extensions() {
  std::vector<std::string> lines{
      options_.hostname, "PIPELINING", fmt::format("SIZE {}", options_.message_size),
      "8BITMIME",        "SMTPUTF8",   "CHUNKING"};
  if (options_.offer_binary) lines.emplace_back("BINARYMIME");
  lines.emplace_back("DSN");
  lines.push_back(fmt::format("LIMITS RCPTMAX={}", options_.recipients));
  lines.emplace_back("DELIVERBY");
  // RFC 4865 2 and RFC 6710 4.1: what only a user may ask for.
  if (rules_.login) {
    lines.push_back(fmt::format("FUTURERELEASE {} {}", kLongestHold, date_time(now() + kLongestHold)));
    lines.emplace_back("MT-PRIORITY");
  }
  if (options_.starttls_available && !peer_.tls) lines.emplace_back("STARTTLS");
  if (peer_.tls) lines.emplace_back("REQUIRETLS");  // RFC 8689 4.1: only then
  if (const std::string names = offer().names(); !names.empty()) lines.push_back("AUTH " + names);
  lines.emplace_back("ENHANCEDSTATUSCODES");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    output_ += fmt::format("250{}{}\r\n", i + 1 < lines.size() ? '-' : ' ', lines[i]);
  }
}

void SmtpCore::starttls(std::string_view) {
  if (peer_.tls) return refuse({503, "5.5.1", "TLS is active already"});
  if (!options_.starttls_available) return refuse({502, "5.5.1", "Command not implemented"});
  say({220, "2.0.0", "Ready to start TLS"});
  wants_ = Wants::kTls;
}

void SmtpCore::rset(std::string_view) {
  forget_transaction();
  say({250, "2.0.0", "OK"});
}

void SmtpCore::noop(std::string_view) {
  say({250, "2.0.0", "OK"});
}

// RFC 5321 7.3: nobody learns here which addresses exist.
void SmtpCore::vrfy(std::string_view) {
  say({252, "2.5.0", "Cannot verify the user, but will accept a message and try to deliver it"});
}

void SmtpCore::help(std::string_view) {
  say({214, "2.0.0",
       fmt::format("Commands: {} MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS{}",
                   rules_.lhlo ? "LHLO" : "EHLO HELO", rules_.login ? " AUTH" : "")});
}

void SmtpCore::quit(std::string_view) {
  hang_up({221, "2.0.0", options_.hostname + " closing connection"});
}

void SmtpCore::not_implemented(std::string_view) {
  refuse({502, "5.5.1", "Command not implemented"});
}

void SmtpCore::not_smtp(std::string_view) {
  const Reply reply{554, "5.5.1", "This is a mail server"};
  refuse(reply);
  wants_ = Wants::kClose;
}

}  // namespace mailstead

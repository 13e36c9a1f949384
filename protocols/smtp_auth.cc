// AUTH: RFC 4954, with PLAIN (4616) and LOGIN.
#include "protocols/ascii.h"
#include "protocols/smtp_core.h"

namespace mailstead {

bool SmtpCore::auth_offered() const {
  if (options_.service != SmtpService::kSubmission || !user_.empty()) return false;
  if (peer_.tls || options_.plaintext_auth == PlaintextAuth::kAlways) return true;
  return options_.plaintext_auth == PlaintextAuth::kLoopback && peer_.loopback;
}

void SmtpCore::auth(std::string_view argument) {
  if (options_.service != SmtpService::kSubmission) return not_implemented(argument);
  // RFC 4954 4: once in a session, and not in a transaction. There is no transaction without a login here.
  if (!user_.empty()) return refuse({503, "5.5.1", "Authenticated already"});
  const std::string_view mechanism = argument.substr(0, argument.find(' '));
  auto exchange = sasl::Exchange::of(mechanism);
  if (!exchange) return refuse({504, "5.5.4", "Mechanism not supported"});
  if (!auth_offered()) return refuse({538, "5.7.11", "Encryption required for this mechanism"});
  exchange_ = std::move(exchange);
  on_auth_step(exchange_->begin(ascii::trim(argument.substr(mechanism.size()))));
}

void SmtpCore::on_auth_line(std::string_view line) {
  if (line != "*") return on_auth_step(exchange_->respond(line));
  end_auth();
  refuse({501, "5.7.0", "Authentication cancelled"});  // RFC 4954 4
}

void SmtpCore::on_auth_step(sasl::Exchange::Step step) {
  using enum sasl::Exchange::Step;
  if (step == kChallenge) {
    state_ = State::kAuth;
    lines_.set_limit(sasl::kMaxLine);
    return say({334, "", std::string(exchange_->challenge())});
  }
  const sasl::Exchange exchange = *exchange_;
  end_auth();
  if (step == kUndecodable) return refuse({501, "5.5.2", "Cannot decode the response"});
  if (step == kMalformed) return refuse({501, "5.5.2", "The response is not what the mechanism wants"});
  if (step == kNotForOthers) return refuse({535, "5.7.8", "Authentication failed"}, exchange.user());
  login_user_ = exchange.user();
  want(AskPassword{exchange.user(), exchange.password()});
}

void SmtpCore::end_auth() {
  state_ = State::kCommand;
  lines_.set_limit(kMaxCommandLine);
  exchange_.reset();
  login_user_.clear();
}

void SmtpCore::answer_password(PasswordVerdict verdict, std::string user) {
  if (!take_answer()) return;
  const std::string tried = std::exchange(login_user_, {});
  ask_.reset();  // the password is needed no more
  if (verdict == PasswordVerdict::kRight) {
    user_ = std::move(user);
    say({235, "2.7.0", "Authentication succeeded"});
  } else if (verdict == PasswordVerdict::kWrong) {
    refuse({535, "5.7.8", "Authentication failed"}, tried);
  } else {
    refuse({454, "4.7.0", "Authentication is not possible right now"}, tried);
  }
  settle();
}

}  // namespace mailstead

// AUTH: RFC 5034.
#include "protocols/ascii.h"
#include "protocols/pop3_core.h"

namespace mailstead {

void Pop3Core::auth(std::string_view argument) {
  const std::string_view mechanism = argument.substr(0, argument.find(' '));
  auto exchange = sasl::Exchange::of(mechanism);
  if (!exchange) return refuse_auth(Pop3Text::kMechanismUnknown);
  if (!plaintext_allowed()) return refuse(Pop3Text::kUseStls);
  user_.clear();
  exchange_ = std::move(exchange);
  on_auth_step(exchange_->begin(ascii::trim(argument.substr(mechanism.size()))));
}

void Pop3Core::on_auth_line(std::string_view line) {
  command_ = "AUTH";
  if (line != "*") return on_auth_step(exchange_->respond(line));
  refuse_auth(Pop3Text::kCancelled);  // RFC 5034 4
}

void Pop3Core::on_auth_step(sasl::Exchange::Step step) {
  using enum sasl::Exchange::Step;
  if (step == kChallenge) {
    lines_.set_limit(sasl::kMaxLine);
    output_ += "+ ";
    output_ += exchange_->challenge();
    output_ += "\r\n";
    return;
  }
  const sasl::Exchange exchange = *exchange_;
  if (step == kUndecodable) return refuse_auth(Pop3Text::kResponseUndecodable);
  if (step == kMalformed) return refuse_auth(Pop3Text::kResponseMalformed);
  if (step == kNotForOthers) return refuse_auth(Pop3Text::kWrongLogin, exchange.user());
  end_auth();
  want(AskLogin{exchange.user(), exchange.password()});
}

void Pop3Core::end_auth() {
  exchange_.reset();
  lines_.set_limit(kMaxCommandLine);
}

void Pop3Core::refuse_auth(Pop3Text text, std::string_view subject) {
  end_auth();
  refuse(text, subject);
  if (++failed_logins_ >= kMaxFailedLogins) hang_up();
}

}  // namespace mailstead

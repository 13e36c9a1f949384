// AUTH: RFC 4954.
#include "protocols/ascii.h"
#include "protocols/smtp/smtp_core.h"

namespace mailstead {

// RFC 4954 4: once in a session.
sasl::Offer SmtpCore::offer() const {
  if (!rules_.login || !user_.empty()) return {};
  return sasl::offer_to(peer_, options_.plaintext_auth, options_.scram);
}

void SmtpCore::auth(std::string_view argument) {
  if (!rules_.login) return not_implemented(argument);
  // RFC 4954 4: and not in a transaction. There is no transaction without a login here.
  if (!user_.empty()) return refuse({503, "5.5.1", "Authenticated already"});
  const std::string_view name = argument.substr(0, argument.find(' '));
  const auto mechanism = sasl::find_mechanism(name);
  const sasl::Offer offer = this->offer();
  if (mechanism && sasl::says_password(*mechanism) && !offer.passwords) {
    return refuse({538, "5.7.11", "Encryption required for this mechanism"});
  }
  if (!mechanism || !offer.has(*mechanism)) return refuse({504, "5.5.4", "Mechanism not supported"});
  exchange_ = std::make_unique<sasl::Exchange>(*mechanism, offer);
  on_auth_step(exchange_->begin(ascii::trim(argument.substr(name.size()))));
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
    return say({334, "", exchange_->challenge()});
  }
  login_user_ = exchange_->user();
  if (step == kScramChallenge) return want(AskScramChallenge{login_user_});
  if (step == kScramProof) return want(AskScramProof{login_user_, exchange_->scram_proof()});
  const std::string proven = proven_user_;
  const auto ended = end_auth();
  if (step == kAccepted) return accept_user(proven);
  if (step == kUndecodable) return refuse({501, "5.5.2", "Cannot decode the response"});
  if (step == kMalformed) return refuse({501, "5.5.2", "The response is not what the mechanism wants"});
  if (step == kNotForOthers) return refuse({535, "5.7.8", "Authentication failed"}, ended->user());
  login_user_ = ended->user();
  want(AskPassword{ended->user(), ended->password()});
}

std::unique_ptr<sasl::Exchange> SmtpCore::end_auth() {
  state_ = State::kCommand;
  lines_.set_limit(kMaxCommandLine);
  login_user_.clear();
  proven_user_.clear();
  return std::move(exchange_);
}

void SmtpCore::accept_user(std::string user) {
  user_ = std::move(user);
  say({235, "2.7.0", "Authentication succeeded"});
}

void SmtpCore::answer_scram_challenge(const scram::Challenge& challenge) {
  if (!take_answer()) return;
  on_auth_step(exchange_->begin_scram(challenge));
  settle();
}

void SmtpCore::answer_scram_proof(PasswordVerdict verdict, std::string user, std::string_view signature) {
  if (verdict != PasswordVerdict::kRight) {
    const std::string tried = login_user_;
    end_auth();
    login_user_ = tried;
    return answer_password(verdict, {});
  }
  if (!take_answer()) return;
  proven_user_ = std::move(user);
  on_auth_step(exchange_->accept(signature));
  settle();
}

void SmtpCore::answer_password(PasswordVerdict verdict, std::string user) {
  if (!take_answer()) return;
  const std::string tried = std::exchange(login_user_, {});
  ask_.reset();  // the password is needed no more
  if (verdict == PasswordVerdict::kRight) {
    accept_user(std::move(user));
  } else if (verdict == PasswordVerdict::kWrong) {
    refuse({535, "5.7.8", "Authentication failed"}, tried);
  } else {
    refuse({454, "4.7.0", "Authentication is not possible right now"}, tried);
  }
  settle();
}

}  // namespace mailstead

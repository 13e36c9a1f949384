// Logging in: USER and PASS, APOP (RFC 1939 7), and AUTH (RFC 5034).
#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/pop3/pop3_core.h"
#include "protocols/utf8.h"

namespace mailstead {

sasl::Offer Pop3Core::offer() const {
  return sasl::offer_to(peer_, options_.plaintext_auth, options_.scram);
}

void Pop3Core::user(std::string_view argument) {
  if (!offer().passwords) return refuse(Pop3Text::kUseStls, ascii::trim_end(argument));
  user_ = ascii::trim_end(argument);  // no name ends in a blank, but some clients send one
  if (user_.empty()) return bad_command(Pop3Text::kArgumentMissing);
  if (!name_or_password_ok(user_)) return user_.clear();
  ok(Pop3Text::kSendPass);  // RFC 1939 7: the same for every name
}

// RFC 1939 7: PASS has one argument only, so blanks are part of it.
void Pop3Core::pass(std::string_view argument) {
  if (!offer().passwords) return refuse(Pop3Text::kUseStls);
  if (user_.empty()) return refuse(Pop3Text::kSendUserFirst);
  std::string user = std::exchange(user_, {});
  if (!name_or_password_ok(argument)) return;
  want(AskLogin{std::move(user), std::string(argument)});
}

// RFC 6856 2.2: what is not UTF-8 is no name and no password.
bool Pop3Core::name_or_password_ok(std::string_view text) {
  if (utf8::is_valid(text)) return true;
  refuse(Pop3Text::kNotUtf8);
  return false;
}

void Pop3Core::apop(std::string_view argument) {
  if (options_.apop_timestamp.empty()) return refuse(Pop3Text::kApopNotOffered);
  user_.clear();
  constexpr std::size_t kDigits = 32;
  argument = ascii::trim_end(argument);
  const std::size_t blank = std::min(argument.rfind(' '), argument.size());
  const std::string digest = ascii::lower(ascii::trim(argument.substr(blank)));
  const std::string_view name = ascii::trim(argument.substr(0, blank));
  const bool is_digest = digest.size() == kDigits && std::all_of(digest.begin(), digest.end(), [](char c) {
                           return ascii::is_digit(c) || (c >= 'a' && c <= 'f');
                         });
  if (!is_digest || name.empty()) return refuse_auth(Pop3Text::kApopSyntax);
  if (!name_or_password_ok(name)) return;
  want(AskApop{std::string(name), options_.apop_timestamp, digest});
}

void Pop3Core::auth(std::string_view argument) {
  const std::string_view name = argument.substr(0, argument.find(' '));
  const auto mechanism = sasl::find_mechanism(name);
  const sasl::Offer offer = this->offer();
  if (mechanism && sasl::says_password(*mechanism) && !offer.passwords) return refuse(Pop3Text::kUseStls);
  if (!mechanism || !offer.has(*mechanism)) return refuse_auth(Pop3Text::kMechanismUnknown);
  user_.clear();
  exchange_ = std::make_unique<sasl::Exchange>(*mechanism, offer);
  on_auth_step(exchange_->begin(ascii::trim(argument.substr(name.size()))));
}

void Pop3Core::on_auth_line(std::string_view line) {
  command_ = "AUTH";
  if (line != "*") return on_auth_step(exchange_->respond(line));
  refuse_auth(Pop3Text::kCancelled);  // RFC 5034 4
}

void Pop3Core::on_auth_step(sasl::Exchange::Step step) {
  using enum sasl::Exchange::Step;
  switch (step) {
    case kChallenge:
      lines_.set_limit(sasl::kMaxLine);
      output_ += "+ ";
      output_ += exchange_->challenge();
      output_ += "\r\n";
      return;
    case kScramChallenge:
      return want(AskScramChallenge{exchange_->user()});
    case kScramProof:
      return want(AskScramProof{exchange_->user(), exchange_->scram_proof()});
    case kCredentials: {
      const auto ended = end_auth();
      if (!name_or_password_ok(ended->user()) || !name_or_password_ok(ended->password())) return;
      return want(AskLogin{ended->user(), ended->password()});
    }
    case kAccepted: {
      const auto ended = end_auth();
      return want(AskMaildrop{ended->user()});
    }
    case kUndecodable:
      return refuse_auth(Pop3Text::kResponseUndecodable);
    case kMalformed:
      return refuse_auth(Pop3Text::kResponseMalformed);
    case kNotForOthers:
      const std::string user = exchange_->user();
      return refuse_auth(Pop3Text::kWrongLogin, user);
  }
}

std::unique_ptr<sasl::Exchange> Pop3Core::end_auth() {
  lines_.set_limit(kMaxCommandLine);
  return std::move(exchange_);
}

void Pop3Core::refuse_auth(Pop3Text text, std::string_view subject) {
  end_auth();
  refuse(text, subject);
  if (++failed_logins_ >= kMaxFailedLogins) hang_up();
}

void Pop3Core::answer_scram_challenge(const scram::Challenge& challenge) {
  if (!take_answer()) return;
  on_auth_step(exchange_->begin_scram(challenge));
  settle();
}

void Pop3Core::answer_scram_proof(LoginVerdict verdict, std::string_view signature) {
  if (verdict != LoginVerdict::kRight) {
    end_auth();
    return answer_login(verdict, {});
  }
  if (!take_answer()) return;
  on_auth_step(exchange_->accept(signature));
  settle();
}

void Pop3Core::answer_login(LoginVerdict verdict, const MaildropTotals& totals) {
  if (!take_answer()) return;
  ask_.reset();  // the password is needed no more
  if (verdict == LoginVerdict::kRight) {
    totals_ = totals;
    rset({});
  } else if (verdict == LoginVerdict::kWrong) {
    error(Pop3Text::kWrongLogin);  // RFC 3206 4
    if (++failed_logins_ >= kMaxFailedLogins) hang_up();
  } else if (verdict == LoginVerdict::kInUse) {
    error(Pop3Text::kInUse);  // RFC 2449 8.1.2
  } else if (verdict == LoginVerdict::kDelayed) {
    error(Pop3Text::kLoginDelay);  // RFC 2449 8.1.1
  } else {
    error(Pop3Text::kLoginUnavailable);  // RFC 3206 3
  }
  settle();
}

}  // namespace mailstead

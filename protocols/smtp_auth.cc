// AUTH: RFC 4954, with PLAIN (4616) and LOGIN.
#include "protocols/ascii.h"
#include "protocols/sasl.h"
#include "protocols/smtp_core.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxAuthLine = 12288 + 2;  // octets, RFC 4954 4

const Reply kBadBase64{501, "5.5.2", "Cannot decode the response"};

}  // namespace

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
  const std::string_view response = ascii::trim(argument.substr(mechanism.size()));
  const bool plain = ascii::same(mechanism, "PLAIN");
  if (!plain && !ascii::same(mechanism, "LOGIN")) return refuse({504, "5.5.4", "Mechanism not supported"});
  if (!auth_offered()) return refuse({538, "5.7.11", "Encryption required for this mechanism"});
  if (response.empty()) {
    return begin_auth(plain ? State::kPlainResponse : State::kLoginUser, plain ? "" : sasl::kLoginUserPrompt);
  }
  if (plain) return plain_response(response);
  login_user(response);
}

void SmtpCore::begin_auth(State state, std::string_view prompt) {
  state_ = state;
  lines_.set_limit(kMaxAuthLine);
  say({334, "", std::string(prompt)});
}

void SmtpCore::end_auth() {
  state_ = State::kCommand;
  lines_.set_limit(kMaxCommandLine);
  login_user_.clear();
}

void SmtpCore::on_auth_line(std::string_view line) {
  if (line == "*") return refuse_auth({501, "5.7.0", "Authentication cancelled"});  // RFC 4954 4
  if (state_ == State::kPlainResponse) return plain_response(line);
  if (state_ == State::kLoginUser) return login_user(line);
  login_password(line);
}

void SmtpCore::refuse_auth(const Reply& reply) {
  end_auth();
  refuse(reply);
}

void SmtpCore::plain_response(std::string_view response) {
  // RFC 4954 4: "=" is the empty response, and PLAIN has no empty message.
  const auto message = response == "=" ? std::nullopt : sasl::decode(response);
  if (!message) return refuse_auth(kBadBase64);
  const auto plain = sasl::parse_plain(*message);
  if (!plain) return refuse_auth({501, "5.5.2", "The response is not PLAIN"});
  end_auth();
  // RFC 4616 2: to act for somebody else is allowed to nobody.
  if (!plain->authzid.empty() && !ascii::same(plain->authzid, plain->authcid)) {
    return refuse({535, "5.7.8", "Authentication failed"}, plain->authcid);
  }
  login_user_ = plain->authcid;
  want(AskPassword{plain->authcid, plain->password});
}

void SmtpCore::login_user(std::string_view response) {
  const auto user = response == "=" ? std::nullopt : sasl::decode(response);
  if (!user || user->empty() || user->find('\0') != std::string::npos) return refuse_auth(kBadBase64);
  login_user_ = *user;
  begin_auth(State::kLoginPassword, sasl::kLoginPasswordPrompt);
}

void SmtpCore::login_password(std::string_view response) {
  const auto password = sasl::decode(response);
  if (!password || password->empty() || password->find('\0') != std::string::npos) {
    return refuse_auth(kBadBase64);
  }
  std::string user = login_user_;
  end_auth();
  login_user_ = user;
  want(AskPassword{std::move(user), *password});
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

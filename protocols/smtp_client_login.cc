// Logging in at a smarthost: RFC 4954, by SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) or LOGIN.
#include "protocols/base64.h"
#include "protocols/smtp_client_core.h"

namespace mailstead {

// The password is shown only where nobody else can see it; a proof may be seen.
void SmtpClientCore::begin_login() {
  state_ = State::kLogin;
  login_step_ = 0;
  scram_.emplace(options_.user, options_.password);
  const std::string plain = '\0' + options_.user + '\0' + options_.password;
  if (extensions_.offers_auth("SCRAM-SHA-256")) {
    mechanism_ = "SCRAM-SHA-256";
    say("AUTH SCRAM-SHA-256 " + base64::encode(scram_->first()));
  } else if (over_tls_ && extensions_.offers_auth("PLAIN")) {
    mechanism_ = "PLAIN";
    say("AUTH PLAIN " + base64::encode(plain));
  } else if (over_tls_ && extensions_.offers_auth("LOGIN")) {
    mechanism_ = "LOGIN";
    say("AUTH LOGIN");
  } else {
    ServerReply reply;
    reply.enhanced = "4.7.0";
    reply.text = over_tls_ ? "the server offers no way to log in that we know"
                           : "the server offers no way to log in without showing the password";
    fail(SessionFailure::Stage::kLogin, false, std::move(reply));
  }
}

void SmtpClientCore::on_login(ServerReply reply) {
  // A server that took our proof without giving its own does not know the password, and is not who we think.
  const bool unproven = mechanism_ == "SCRAM-SHA-256" && !scram_->is_proven();
  if (reply.is_positive() && !unproven) {
    scram_.reset();
    return become_idle();
  }
  if (reply.code != 334) {
    // Wrong today may be right tomorrow: it is the configuration's, not the message's fault.
    return fail(SessionFailure::Stage::kLogin, false, std::move(reply));
  }
  const int step = login_step_++;
  const auto challenge = base64::decode(reply.lines.front());
  std::optional<std::string> answer;
  if (mechanism_ == "LOGIN" && step < 2) answer = step == 0 ? options_.user : options_.password;
  if (mechanism_ == "SCRAM-SHA-256" && challenge) {
    if (step == 0) answer = scram_->final(*challenge);
    if (step == 1 && scram_->check(*challenge)) answer = "";
  }
  if (answer) return say(base64::encode(*answer));
  reply.text = "the server's part of the login is not right";
  reply.enhanced = "4.7.0";
  fail(SessionFailure::Stage::kLogin, false, std::move(reply));
}

}  // namespace mailstead

// From the connection to the first transaction: RFC 5321 3.1 and 4.1.1.1, STARTTLS (3207), AUTH (4954).
#include <fmt/format.h>
#include <openssl/mem.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/smtp/smtp_client_core.h"

namespace mailstead {
namespace {

// RFC 4954 4: the line of AUTH is as long as any; a longer response waits for the server's 334.
constexpr std::size_t kMaxAuthLine = 512 - 2;

bool is_scram_nonce(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return ascii::is_printable(c) && c != ' ' && c != ','; });
}

}  // namespace

void SmtpClientCore::on_greeting(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      return is_us() ? fail_as_loop(SmtpStage::kGreeting) : say_ehlo();
    case Class::kGoOn:
      return on_nonsense(Said::kConnection, reply);
    case Class::kLater:
      return fail(SmtpStage::kGreeting, Lasting::kTemporary, reply);
    case Class::kNever:
      // RFC 5321 3.1: 554 is a host that takes no mail at all.
      return fail(SmtpStage::kGreeting, Lasting::kPermanent, reply);
  }
}

// RFC 5321 4.2 and 4.1.1.1: its name comes first, in the greeting and in the reply to EHLO.
bool SmtpClientCore::is_us() const {
  const std::string& ours = options_.hostname;
  const bool is_anybodys = ours.find('.') == std::string::npos || ascii::starts_with(ours, "localhost.");
  if (!options_.may_be_us || is_anybodys) return false;
  const std::string_view line = replies_.lines().front();
  return ascii::same(line.substr(0, line.find(' ')), ours);
}

void SmtpClientCore::fail_as_loop(SmtpStage stage) {
  fail(stage, Lasting::kPermanent,
       own_words("5.4.6", fmt::format("the server is called {}, as this one is: mail would come back here",
                                      options_.hostname)));
  failure_->leads_to_us = true;
}

void SmtpClientCore::say_ehlo() {
  say(Said::kEhlo, "EHLO " + options_.hostname);
}

void SmtpClientCore::on_ehlo(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      if (is_us()) return fail_as_loop(SmtpStage::kHello);
      extensions_ = parse_extensions(replies_.lines());
      return go_on_to_tls();
    case Class::kGoOn:
      return on_nonsense(Said::kEhlo, reply);
    case Class::kLater:
      return fail(SmtpStage::kHello, Lasting::kTemporary, reply);
    case Class::kNever:
      // RFC 5321 3.2: a server that does not know EHLO knows HELO.
      return say(Said::kHelo, "HELO " + options_.hostname);
  }
}

void SmtpClientCore::on_helo(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      return is_us() ? fail_as_loop(SmtpStage::kHello) : go_on_to_tls();
    case Class::kGoOn:
      return on_nonsense(Said::kHelo, reply);
    case Class::kLater:
      return fail(SmtpStage::kHello, Lasting::kTemporary, reply);
    case Class::kNever:
      return fail(SmtpStage::kHello, Lasting::kPermanent, reply);
  }
}

void SmtpClientCore::go_on_to_tls() {
  using TlsUse = SmtpClientOptions::TlsUse;
  if (peer_.tls || options_.tls == TlsUse::kNever) return go_on_to_login();
  if (extensions_.starttls && options_.tls != TlsUse::kImplicit) return say(Said::kStartTls, "STARTTLS");
  if (options_.tls == TlsUse::kIfOffered) return go_on_to_login();
  fail(SmtpStage::kStartTls, Lasting::kTemporary, own_words("4.7.10", "the server does not offer TLS"));
}

void SmtpClientCore::on_starttls(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      wants_ = Wants::kTls;
      return;
    case Class::kGoOn:
      return on_nonsense(Said::kStartTls, reply);
    case Class::kLater:
    case Class::kNever:
      // RFC 3207 4.1: the client decides whether it goes on.
      if (options_.tls == SmtpClientOptions::TlsUse::kIfOffered) return go_on_to_login();
      return fail(SmtpStage::kStartTls, Lasting::kTemporary, reply);
  }
}

// RFC 3207 4.2: nothing that was said in the clear is believed; all begins anew with EHLO.
void SmtpClientCore::tls_established(const PeerFacts& facts) {
  if (wants_ != Wants::kTls) return;
  ++progress_;
  peer_ = facts;
  peer_.tls = true;
  extensions_ = {};
  replies_ = {};
  wants_ = Wants::kInput;
  say_ehlo();
}

void SmtpClientCore::tls_failed(std::string_view why) {
  if (wants_ != Wants::kTls) return;
  lose(SmtpStage::kStartTls, own_words("4.7.5", fmt::format("the TLS handshake failed: {}", why)));
  if (failure_) failure_->tls_failed = true;
}

std::optional<sasl::Mechanism> SmtpClientCore::choose_mechanism() const {
  // The password itself is said only where nothing better is had.
  if (extensions_.auth_scram && is_scram_nonce(options_.login->nonce)) return sasl::Mechanism::kScram;
  if (extensions_.auth_plain) return sasl::Mechanism::kPlain;
  if (extensions_.auth_login) return sasl::Mechanism::kLogin;
  return std::nullopt;
}

// A login that does not succeed is for an administrator to put right: the mail waits for that.
void SmtpClientCore::go_on_to_login() {
  if (!options_.login) return ready();
  const auto refuse = [this](std::string_view why) {
    fail(SmtpStage::kAuth, Lasting::kTemporary, own_words("4.7.0", why));
  };
  // RFC 4954 9
  if (!peer_.tls && !options_.allow_plaintext_login) return refuse("the login may not be said without TLS");
  const auto mechanism = choose_mechanism();
  if (!mechanism) return refuse("the server offers no way to log in that we have");
  // Copied, so that forget_login() finds all of the password where it was.
  exchange_ = std::make_unique<sasl::ClientExchange>(*mechanism, options_.login->user,
                                                     options_.login->password, options_.login->nonce);
  if (!exchange_->obstacle().empty()) return refuse(exchange_->obstacle());
  std::string line = fmt::format("AUTH {}", exchange_->mechanism_name());
  auto response = exchange_->initial_response();
  // RFC 4954 4: "=" stands for a response that is empty; none of ours is.
  if (response && line.size() + 1 + response->size() > kMaxAuthLine) {
    postponed_response_ = std::move(*response);
  } else if (response) {
    line += ' ' + *response;
  }
  say(Said::kAuth, line);
  OPENSSL_cleanse(line.data(), line.size());
  if (response) OPENSSL_cleanse(response->data(), response->size());
}

void SmtpClientCore::on_auth(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      if (!exchange_->may_trust(reply.text))
        return fail(SmtpStage::kAuth, Lasting::kTemporary, own_words("4.7.0", exchange_->why()));
      forget_login();
      return ready();
    case Class::kGoOn:
      return answer_challenge();
    case Class::kLater:
    case Class::kNever:
      return fail(SmtpStage::kAuth, Lasting::kTemporary, reply);
  }
}

void SmtpClientCore::answer_challenge() {
  std::optional<std::string> response;
  if (postponed_response_.empty()) {
    response = exchange_->respond(replies_.lines().front());
  } else {
    response = std::exchange(postponed_response_, {});
  }
  if (response) {
    say(Said::kAuth, *response);
    OPENSSL_cleanse(response->data(), response->size());
    return;
  }
  // RFC 4954 4: "*" ends the exchange.
  output_ += "*\r\n";
  fail(SmtpStage::kAuth, Lasting::kTemporary, own_words("4.7.0", exchange_->why()));
}

void SmtpClientCore::ready() {
  forget_login();
  want(AskTransaction{});
}

}  // namespace mailstead

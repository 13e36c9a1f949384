#include "protocols/smtp/smtp_client_session.h"

#include "protocols/smtp/smtp_client_core.h"

namespace mailstead {

std::string_view name_of(SmtpStage stage) {
  switch (stage) {
    case SmtpStage::kConnect:
      return "connect";
    case SmtpStage::kGreeting:
      return "greeting";
    case SmtpStage::kHello:
      return "EHLO";
    case SmtpStage::kStartTls:
      return "STARTTLS";
    case SmtpStage::kAuth:
      return "AUTH";
    case SmtpStage::kReset:
      return "RSET";
    case SmtpStage::kMail:
      return "MAIL";
    case SmtpStage::kRecipient:
      return "RCPT";
    case SmtpStage::kData:
      return "DATA";
    case SmtpStage::kContent:
      return "content";
    case SmtpStage::kQuit:
      return "QUIT";
  }
  return "";
}

struct SmtpClientSession::Core final : SmtpClientCore {
  using SmtpClientCore::SmtpClientCore;
};

SmtpClientSession::SmtpClientSession(SmtpClientOptions options, PeerFacts peer)
    : core_(std::make_unique<Core>(std::move(options), std::move(peer), output_, progress_)) {}

SmtpClientSession::~SmtpClientSession() = default;

void SmtpClientSession::start() {
  core_->start();
}
std::size_t SmtpClientSession::receive(std::string_view bytes) {
  return core_->receive(bytes);
}
void SmtpClientSession::drained() {
  core_->drained();
}
void SmtpClientSession::tls_established(const PeerFacts& facts) {
  core_->tls_established(facts);
}
void SmtpClientSession::tls_failed(std::string_view why) {
  core_->tls_failed(why);
}
void SmtpClientSession::timed_out() {
  core_->timed_out();
}
void SmtpClientSession::shut_down() {
  core_->shut_down();
}
void SmtpClientSession::disconnected(std::string_view unread) {
  core_->disconnected(unread);
}
Wants SmtpClientSession::wants() const {
  return core_->wants();
}
std::chrono::seconds SmtpClientSession::patience() const {
  return core_->patience();
}
SmtpClientAsk& SmtpClientSession::ask() {
  return core_->ask();
}

void SmtpClientSession::answer_transaction(std::optional<ClientTransaction> transaction) {
  core_->answer_transaction(std::move(transaction));
}
void SmtpClientSession::answer_content(std::string_view bytes, ContentPart part) {
  core_->answer_content(bytes, part);
}
void SmtpClientSession::answer_content_failed() {
  core_->answer_content_failed();
}
void SmtpClientSession::answer_report() {
  core_->answer_report();
}

const std::vector<RecipientOutcome>& SmtpClientSession::outcomes() const {
  return core_->outcomes();
}
const std::optional<SmtpClientFailure>& SmtpClientSession::failure() const {
  return core_->failure();
}
const SmtpExtensions& SmtpClientSession::extensions() const {
  return core_->extensions();
}
const PeerFacts& SmtpClientSession::peer() const {
  return core_->peer();
}
std::size_t SmtpClientSession::messages_sent() const {
  return core_->messages_sent();
}

}  // namespace mailstead

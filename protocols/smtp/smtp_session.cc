#include "protocols/smtp/smtp_session.h"

#include "protocols/smtp/smtp_core.h"

namespace mailstead {

struct SmtpSession::Core final : SmtpCore {
  using SmtpCore::SmtpCore;
};

SmtpSession::SmtpSession(SmtpOptions options, PeerFacts peer)
    : core_(std::make_unique<Core>(std::move(options), std::move(peer), output_, progress_)) {}

SmtpSession::~SmtpSession() = default;

void SmtpSession::start() {
  core_->start();
}
std::size_t SmtpSession::receive(std::string_view bytes) {
  return core_->receive(bytes);
}
void SmtpSession::drained() {
  core_->drained();
}
void SmtpSession::tls_established(const PeerFacts& facts) {
  core_->tls_established(facts);
}
void SmtpSession::timed_out() {
  core_->timed_out();
}
void SmtpSession::shut_down() {
  core_->shut_down();
}
void SmtpSession::expel() {
  core_->expel();
}
Wants SmtpSession::wants() const {
  return core_->wants();
}
std::chrono::seconds SmtpSession::patience() const {
  return core_->patience();
}
SmtpAsk& SmtpSession::ask() {
  return core_->ask();
}

void SmtpSession::answer_password(PasswordVerdict verdict, std::string user) {
  core_->answer_password(verdict, std::move(user));
}
void SmtpSession::answer_scram_challenge(const scram::Challenge& challenge) {
  core_->answer_scram_challenge(challenge);
}
void SmtpSession::answer_scram_proof(PasswordVerdict verdict, std::string user, std::string_view signature) {
  core_->answer_scram_proof(verdict, std::move(user), signature);
}
void SmtpSession::answer_sender(bool allowed) {
  core_->answer_sender(allowed);
}
void SmtpSession::answer_recipient(RecipientVerdict verdict) {
  core_->answer_recipient(verdict);
}
void SmtpSession::answer_begin(std::string id, std::string date) {
  core_->answer_begin(std::move(id), std::move(date));
}
void SmtpSession::answer_spool(CommitVerdict verdict) {
  core_->answer_spool(verdict);
}
void SmtpSession::answer_author(bool allowed) {
  core_->answer_author(allowed);
}
void SmtpSession::answer_policy(const PolicyVerdict& verdict) {
  core_->answer_policy(verdict);
}
void SmtpSession::answer_commit(CommitVerdict verdict) {
  core_->answer_commit(verdict);
}
void SmtpSession::answer_commit(const std::vector<CommitVerdict>& verdicts) {
  core_->answer_commit(verdicts);
}

std::vector<SmtpSession::Refusal> SmtpSession::take_refusals() {
  return core_->take_refusals();
}
const std::string& SmtpSession::helo() const {
  return core_->helo();
}
bool SmtpSession::has_content() const {
  return core_->has_content();
}

const std::string& SmtpSession::user() const {
  return core_->user();
}

}  // namespace mailstead

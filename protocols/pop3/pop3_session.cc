#include "protocols/pop3/pop3_session.h"

#include "protocols/pop3/pop3_core.h"

namespace mailstead {

struct Pop3Session::Core final : Pop3Core {
  using Pop3Core::Pop3Core;
};

Pop3Session::Pop3Session(Pop3Options options, PeerFacts peer)
    : core_(std::make_unique<Core>(std::move(options), std::move(peer), output_, progress_)) {}

Pop3Session::~Pop3Session() = default;

void Pop3Session::start() {
  core_->start();
}
std::size_t Pop3Session::receive(std::string_view bytes) {
  return core_->receive(bytes);
}
void Pop3Session::drained() {
  core_->drained();
}
void Pop3Session::tls_established(const PeerFacts& facts) {
  core_->tls_established(facts);
}
void Pop3Session::timed_out() {
  core_->timed_out();
}
void Pop3Session::shut_down() {
  core_->shut_down();
}
void Pop3Session::expel() {
  core_->expel();
}
Wants Pop3Session::wants() const {
  return core_->wants();
}
std::chrono::seconds Pop3Session::patience() const {
  return core_->patience();
}
Pop3Ask& Pop3Session::ask() {
  return core_->ask();
}

void Pop3Session::answer_login(LoginVerdict verdict, const MaildropTotals& totals) {
  core_->answer_login(verdict, totals);
}
void Pop3Session::answer_page(std::shared_ptr<const MaildropPage> page) {
  core_->answer_page(std::move(page));
}
void Pop3Session::answer_scram_challenge(const scram::Challenge& challenge) {
  core_->answer_scram_challenge(challenge);
}
void Pop3Session::answer_scram_proof(LoginVerdict verdict, std::string_view signature) {
  core_->answer_scram_proof(verdict, signature);
}
void Pop3Session::answer_read(ReadVerdict verdict, std::string_view bytes) {
  core_->answer_read(verdict, bytes);
}
void Pop3Session::answer_delete(bool committed) {
  core_->answer_delete(committed);
}

bool Pop3Session::logged_in() const {
  return core_->logged_in();
}
std::uint64_t Pop3Session::retrieved_messages() const {
  return core_->retrieved_messages();
}
std::uint64_t Pop3Session::retrieved_octets() const {
  return core_->retrieved_octets();
}
std::vector<std::int64_t> Pop3Session::take_retrieved() {
  return core_->take_retrieved();
}
std::vector<Pop3Session::Refusal> Pop3Session::take_refusals() {
  return core_->take_refusals();
}

}  // namespace mailstead

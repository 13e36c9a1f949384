#include "server/outgoing/outgoing_driver.h"

#include <utility>
#include <variant>

namespace mailstead {

namespace {

ContentPart part_of(const Consignment& consignment) {
  return consignment.at >= consignment.message.size ? ContentPart::kLast : ContentPart::kMore;
}

}  // namespace

OutgoingDriver::OutgoingDriver(SmtpClientOptions options, const PeerFacts& peer, Outgoing& owner)
    : session_(std::move(options), identified(peer, owner)), finding_(owner.finding_), owner_(&owner) {}

PeerFacts OutgoingDriver::identified(PeerFacts peer, const Outgoing& owner) {
  peer.identified = peer.tls && owner.plan_.name_is_sure && owner.finding_->is_good();
  return peer;
}

void OutgoingDriver::secured(const PeerFacts& peer) {
  session_.tls_established(owner_ == nullptr ? peer : identified(peer, *owner_));
}

void OutgoingDriver::handshake_failed() {
  session_.tls_failed(finding_->words.empty() ? "no agreement" : finding_->words);
}

Answered OutgoingDriver::answer_ask() {
  return std::visit([this](auto& ask) { return answer(ask); }, session_.ask());
}

void OutgoingDriver::connection_closed(std::string_view unread) {
  session_.disconnected(unread);
  if (session_.wants() == Wants::kAnswer && std::holds_alternative<AskReport>(session_.ask())) {
    if (owner_ != nullptr) owner_->report(session_);
    session_.answer_report();
  }
  if (owner_ != nullptr && session_.failure()) owner_->remember(*session_.failure());
}

Answered OutgoingDriver::answer(AskReport&) {
  if (owner_ != nullptr) owner_->report(session_);
  session_.answer_report();
  return Answered::kNow;
}

Answered OutgoingDriver::answer(AskTransaction&) {
  if (owner_ == nullptr) {
    session_.answer_transaction(std::nullopt);
    return Answered::kNow;
  }
  if (owner_->consignment_ != nullptr || owner_->serves_one_message() ||
      (owner_->was_connected_ && owner_->gives_way())) {
    session_.answer_transaction(owner_->next_transaction());
    return Answered::kNow;
  }
  owner_->load_next([self = self()] {
    self->session_.answer_transaction(self->owner_ == nullptr ? std::nullopt
                                                              : self->owner_->next_transaction());
    self->resume();
  });
  return Answered::kLater;
}

Answered OutgoingDriver::answer(AskContent&) {
  const auto consignment = owner_ == nullptr ? nullptr : owner_->consignment_;
  if (consignment == nullptr || consignment->reader == nullptr) {
    session_.answer_content_failed();
    return Answered::kNow;
  }
  if (!consignment->first.empty()) {
    session_.answer_content(std::exchange(consignment->first, {}), part_of(*consignment));
    return Answered::kNow;
  }
  auto piece = std::make_shared<Result<std::string>>(std::string());
  const auto work = [consignment, piece] { *piece = read_piece(*consignment); };
  const auto done = [self = self(), consignment, piece] {
    consignment->is_being_read = false;
    if (*piece) {
      self->session_.answer_content(**piece, part_of(*consignment));
    } else {
      consignment->error = piece->error();
      self->session_.answer_content_failed();
    }
    self->resume();
    if (const auto then = std::exchange(consignment->when_read, nullptr)) then();
  };
  consignment->is_being_read = owner_->house_.files().post(work, done);
  if (consignment->is_being_read) return Answered::kLater;
  session_.answer_content_failed();
  return Answered::kNow;
}

}  // namespace mailstead

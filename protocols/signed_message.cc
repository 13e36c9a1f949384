#include "protocols/signed_message.h"

#include <utility>

#include "protocols/ascii.h"
#include "protocols/sha256.h"

namespace mailstead {

void SignedMessage::read(std::string_view content) {
  if (!header_.has_ended()) {
    content = header_.read(content);
    if (!header_.has_ended()) return;
    end_header();
  }
  for (Body& body : bodies_) {
    if (body.hash) body.hash->read(content);
  }
}

void SignedMessage::end_header() {
  auto fields = header_.too_long() ? std::nullopt : header_.fields();
  if (!fields) {
    arc_chain_.problem = header_.too_long() ? "header is too long" : "header cannot be read";
    signatures_.emplace_back().claim.fault = {DkimResult::kNeutral, arc_chain_.problem};
    return;
  }
  fields_.emplace(std::move(*fields));
  for (const DkimField& field : fields_->fields()) {
    if (!ascii::same(field.name, "DKIM-Signature")) continue;
    if (signatures_.size() == kMaxSignatures) {
      ++ignored_;
      continue;
    }
    signatures_.emplace_back().claim = read_signature(field.raw, SignatureKind::kDkim);
    want_body(signatures_.back().claim);
  }
  read_arc_sets();
  for (std::size_t form = 0; form < bodies_.size(); ++form) {
    Body& body = bodies_[form];
    if (body.is_wanted) body.hash.emplace(static_cast<DkimForm>(form), std::move(body.beginnings));
  }
}

void SignedMessage::read_arc_sets() {
  ArcSets found = find_arc_sets(fields_->fields());
  arc_chain_.problem = std::move(found.problem);
  arc_sets_ = std::move(found.sets);
  for (const ArcSet& set : arc_sets_) {
    MessageSignature& message = arc_chain_.messages.emplace_back();
    message.claim = read_signature(set.message_signature(), SignatureKind::kArcMessage);
    want_body(message.claim);
    arc_chain_.seals.emplace_back().claim = read_signature(set.seal(), SignatureKind::kArcSeal);
  }
}

void SignedMessage::want_body(const ClaimedSignature& claim) {
  if (claim.fault) return;
  Body& body = body_of(claim);
  body.is_wanted = true;
  if (claim.length) body.beginnings.push_back(*claim.length);
}

void SignedMessage::finish() {
  if (!header_.has_ended()) end_header();
  for (Body& body : bodies_) {
    if (body.hash) body.whole = body.hash->finish();
  }
  for (MessageSignature& signature : signatures_) settle(signature);
  for (MessageSignature& signature : arc_chain_.messages) settle(signature);
  settle_seals();
  arc_sets_.clear();
  fields_.reset();
  header_ = DkimHeader();
}

// RFC 6376 6.1.3: the body first, for it needs no key.
void SignedMessage::settle(MessageSignature& signature) {
  ClaimedSignature& claim = signature.claim;
  if (!claim.fault) {
    const Body& body = body_of(claim);
    const auto hash = claim.length ? body.hash->beginning(*claim.length) : body.whole;
    if (!hash) {
      // RFC 6376 3.5
      claim.fault = {DkimResult::kFail, "body is shorter than what was signed"};
    } else if (octets_of(*hash) != claim.body_hash) {
      claim.fault = {DkimResult::kFail, "body hash did not verify"};
    } else {
      if (claim.length) signature.unsigned_octets = body.hash->octets() - *claim.length;
      signature.digest = fields_->digest(claim);
    }
  }
  claim.raw = {};
}

// RFC 8617 5.1.1: each covers the sets up to its own, and all of them begin alike.
void SignedMessage::settle_seals() {
  Sha256Stream earlier;
  for (std::size_t i = 0; i < arc_sets_.size(); ++i) {
    for (const std::string_view field : arc_sets_[i].fields) {
      if (field.data() != arc_sets_[i].seal().data()) earlier.add(relaxed_field(field));
    }
    MessageSignature& seal = arc_chain_.seals[i];
    if (!seal.claim.fault) {
      Sha256Stream hash = earlier;
      hash.add(own_text(seal.claim));
      seal.digest = hash.finish();
    }
    seal.claim.raw = {};
    earlier.add(relaxed_field(arc_sets_[i].seal()));
  }
}

}  // namespace mailstead

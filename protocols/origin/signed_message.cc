#include "protocols/origin/signed_message.h"

#include <algorithm>
#include <utility>

#include "protocols/address_list.h"
#include "protocols/ascii.h"
#include "protocols/header_token.h"
#include "protocols/sha256.h"
#include "protocols/smtp/submission_header.h"

namespace mailstead {

namespace {

constexpr std::string_view kSignatureName = "DKIM-Signature";
constexpr std::size_t kNameRoom = 64;  // octets of a line, in which its name has to end

// What a verifier does not need once the hash is known.
void forget_text(ClaimedSignature& claim) {
  claim.raw = {};
  std::string().swap(claim.names);  // its memory, too
  std::string().swap(claim.unsigned_field);
}

}  // namespace

void SignedMessage::read(std::string_view content) {
  if (!header_->has_ended()) {
    const std::string_view body = header_->read(content);
    look_for_signatures(content.substr(0, content.size() - body.size()));
    content = body;
    if (!header_->has_ended()) return;
    end_header();
  }
  for (Body& body : bodies_) {
    if (body.hash) body.hash->read(content);
  }
}

// Also where it cannot be read, or is too long to be kept.
void SignedMessage::look_for_signatures(std::string_view header) {
  const auto is_named = [this](std::string_view name) {
    const NameMatch match = match_name(line_, name);
    return match == NameMatch::kBeginning ? line_.size() == kNameRoom : match != NameMatch::kOther;
  };
  while (!header.empty()) {
    const std::size_t newline = header.find('\n');
    line_ += header.substr(0, newline).substr(0, kNameRoom - line_.size());
    if (newline == std::string_view::npos) return;
    header.remove_prefix(newline + 1);
    if (!line_.empty() && !ascii::is_blank(line_.front())) {
      has_signature_ = has_signature_ || is_named(kSignatureName);
      has_set_ = has_set_ || std::ranges::any_of(kArcNames, is_named);
    }
    line_.clear();
  }
}

void SignedMessage::fail(const std::string& why) {
  if (has_signature_) signatures_.emplace_back().claim.fault = {DkimResult::kNeutral, why};
  if (has_set_) arc_chain_.problem = why;
}

void SignedMessage::end_header() {
  if (!header_->too_long()) read_authors();
  auto fields = header_->fields();
  if (!fields) return fail(fields.error().message);
  fields_.emplace(std::move(*fields));
  for (const DkimField& field : fields_->fields()) {
    if (!ascii::same(field.name, kSignatureName)) continue;
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

void SignedMessage::read_authors() {
  std::string values;
  bool readable = true;
  for (std::string_view rest = header_->text(); !rest.empty();) {
    const std::string_view field = first_field(rest);
    rest.remove_prefix(field.size());
    const NameMatch match = match_name(field, "From");
    if (match != NameMatch::kSame && match != NameMatch::kUnclear) continue;
    ++from_fields_;
    readable &= match == NameMatch::kSame && field.size() + values.size() <= kMaxAuthors;
    if (readable) values += (values.empty() ? "" : ",") + unfolded_value(field);
  }
  auto found = readable ? parse_address_list(values) : std::nullopt;
  if (found && !found->empty()) authors_ = std::move(*found);
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
  if (!header_->has_ended()) {
    look_for_signatures("\n");
    end_header();
  }
  for (Body& body : bodies_) {
    if (body.hash) body.whole = body.hash->finish();
  }
  for (MessageSignature& signature : signatures_) settle(signature);
  for (MessageSignature& signature : arc_chain_.messages) settle(signature);
  settle_seals();
  arc_sets_.clear();
  fields_.reset();
  header_.reset();
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
  forget_text(claim);
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
    forget_text(seal.claim);
    earlier.add(relaxed_field(arc_sets_[i].seal()));
  }
}

}  // namespace mailstead

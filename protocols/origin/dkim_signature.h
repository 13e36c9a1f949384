// What signatures of DKIM (RFC 6376) and ARC (RFC 8617) have in common: the fields they cover, and the
// folded list of tags. Private to protocols/ but for DkimTerms. Pure functions and plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/origin/dkim_canonical.h"
#include "protocols/origin/dkim_key.h"

namespace mailstead {

struct DkimTerms {
  std::int64_t signed_at = 0;  // Unix seconds
  std::int64_t lifetime = 0;   // seconds until x=; 0: it does not end
};

// A field made of words, with a line end before one that would go beyond column 76.
class SignatureField {
 public:
  explicit SignatureField(std::string_view name) : text_(name), column_(name.size() + 1) { text_ += ':'; }

  void add_word(std::string_view word);  // with a space before it
  // Right behind what is there: white space may stand there, and does where the line is folded.
  void add_piece(std::string_view piece);
  const std::string& text() const { return text_; }

 private:
  void fold();

  std::string text_;
  std::size_t column_;
};

// Header and body of a message as it goes by.
class DkimMessage {
 public:
  void read(std::string_view content) { body_.read(header_.read(content)); }
  // Call once, at the end.
  Sha256 finish_body() { return body_.finish(); }
  // As DkimHeader::fields().
  Result<std::vector<DkimField>> fields() const { return header_.fields(); }
  // A header of RFC 6532: UTF-8, and more than ASCII.
  bool is_internationalized() const;

 private:
  DkimHeader header_;
  BodyHash body_{DkimForm::kRelaxed};
};

// What h= lists, and the canonical text of those fields in that order.
struct SignedFields {
  std::vector<std::string> names;
  std::string text;
};
enum class SignedBy { kDkim, kArc };
// kTooLarge: there are more of them than a signature should list.
Result<SignedFields> choose_fields(std::span<const DkimField> fields, SignedBy by);

// The tags from d= to bh=, which DKIM-Signature and ARC-Message-Signature share.
struct SignatureTags {
  std::string domain;  // in the form that the header wants
  const DkimIdentity* identity = nullptr;
  DkimTerms terms;
  const SignedFields* signed_fields = nullptr;
  Sha256 body{};
};
void add_tags(const SignatureTags& tags, SignatureField& into);

// Adds "b=" with the signature of `covered` and the field so far, RFC 6376 3.7; and the CRLF. kUnavailable:
// the key made no signature.
Result<std::string> sign_field(SignatureField field, const std::string& covered, const DkimKey& key);

}  // namespace mailstead

#include "protocols/origin/dkim_signature.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::size_t kColumns = 76;     // RFC 5322 2.1.1: 78 with the CRLF
constexpr std::size_t kMaxSigned = 500;  // fields: more in a header are no letter of anybody's
constexpr std::size_t kSignatureLine = 72;

// What a field that has not been there at the signing would do.
enum class Added {
  kHarms,  // it would change what a reader sees: so its absence is signed, too (RFC 6376 5.4.2, 8.15)
  kMayBe,  // a mailing list or a resender may add it
};

struct Covered {
  std::string_view name;
  Added added;
};

// RFC 6376 5.4.1, and what says how the body is to be read. RFC 8058 4 wants List-Unsubscribe-Post.
constexpr Covered kCovered[] = {
    {"from", Added::kHarms},
    {"to", Added::kHarms},
    {"cc", Added::kHarms},
    {"subject", Added::kHarms},
    {"date", Added::kHarms},
    {"message-id", Added::kHarms},
    {"reply-to", Added::kHarms},
    {"in-reply-to", Added::kHarms},
    {"references", Added::kHarms},
    {"mime-version", Added::kHarms},
    {"content-type", Added::kHarms},
    {"content-transfer-encoding", Added::kHarms},
    {"content-id", Added::kMayBe},
    {"content-description", Added::kMayBe},
    {"content-disposition", Added::kMayBe},
    {"sender", Added::kMayBe},
    {"resent-date", Added::kMayBe},
    {"resent-from", Added::kMayBe},
    {"resent-sender", Added::kMayBe},
    {"resent-to", Added::kMayBe},
    {"resent-cc", Added::kMayBe},
    {"resent-message-id", Added::kMayBe},
    {"list-id", Added::kMayBe},
    {"list-help", Added::kMayBe},
    {"list-unsubscribe", Added::kMayBe},
    {"list-unsubscribe-post", Added::kMayBe},
    {"list-subscribe", Added::kMayBe},
    {"list-post", Added::kMayBe},
    {"list-owner", Added::kMayBe},
    {"list-archive", Added::kMayBe},
    {"auto-submitted", Added::kMayBe},
};
// RFC 8617 4.1.2: a seal covers the signatures that were there.
constexpr Covered kCoveredByArc = {"dkim-signature", Added::kMayBe};

// RFC 6376 5.4.2: of fields of one name the last is the first to be signed.
void cover(const Covered& what, std::span<const DkimField> fields, SignedFields& into) {
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (!ascii::same(field->name, what.name)) continue;
    into.names.emplace_back(what.name);
    into.text += relaxed_field(field->raw);
  }
  if (what.added == Added::kHarms) into.names.emplace_back(what.name);
}

}  // namespace

void SignatureField::fold() {
  text_ += "\r\n\t";
  column_ = 1;
}

void SignatureField::add_word(std::string_view word) {
  if (column_ + 1 + word.size() > kColumns) {
    fold();
  } else {
    text_ += ' ';
    ++column_;
  }
  text_ += word;
  column_ += word.size();
}

void SignatureField::add_piece(std::string_view piece) {
  if (column_ + piece.size() > kColumns) fold();
  text_ += piece;
  column_ += piece.size();
}

bool DkimMessage::is_internationalized() const {
  const std::string& text = header_.text();
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return !ascii && utf8::is_valid(text);
}

Result<SignedFields> choose_fields(std::span<const DkimField> fields, SignedBy by) {
  SignedFields chosen;
  for (const Covered& what : kCovered) cover(what, fields, chosen);
  if (by == SignedBy::kArc) cover(kCoveredByArc, fields, chosen);
  if (chosen.names.size() > kMaxSigned) {
    return Error{ErrorKind::kTooLarge, "the header holds too many fields of one name"};
  }
  return chosen;
}

void add_tags(const SignatureTags& tags, SignatureField& into) {
  into.add_word(fmt::format("a={};", tags.identity->key.algorithm_name()));
  into.add_word("c=relaxed/relaxed;");
  into.add_word(fmt::format("d={};", tags.domain));
  into.add_word(fmt::format("s={};", tags.identity->selector));
  into.add_word(fmt::format("t={};", tags.terms.signed_at));
  if (tags.terms.lifetime > 0) {
    into.add_word(fmt::format("x={};", tags.terms.signed_at + tags.terms.lifetime));
  }
  const std::vector<std::string>& names = tags.signed_fields->names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string piece = names[i] + (i + 1 < names.size() ? ":" : ";");
    i == 0 ? into.add_word("h=" + piece) : into.add_piece(piece);
  }
  into.add_word(fmt::format("bh={};", base64::encode(octets_of(tags.body))));
}

Result<std::string> sign_field(SignatureField field, const std::string& covered, const DkimKey& key) {
  // RFC 6376 3.7: the field itself comes last, with an empty b= and without its CRLF.
  SignatureField unsigned_field = field;
  unsigned_field.add_word("b=");
  std::string own = relaxed_field(unsigned_field.text());
  own.resize(own.size() - 2);
  const std::string signature = base64::encode(key.sign(sha256(covered + own)));
  if (signature.empty()) return Error{ErrorKind::kUnavailable, "no signature could be made"};
  for (std::size_t at = 0; at < signature.size(); at += kSignatureLine) {
    const std::string piece = signature.substr(at, kSignatureLine);
    at == 0 ? field.add_word("b=" + piece) : field.add_piece(piece);
  }
  return field.text() + "\r\n";
}

}  // namespace mailstead

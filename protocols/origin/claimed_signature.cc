#include "protocols/origin/claimed_signature.h"

#include <algorithm>
#include <limits>

#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/dns_message.h"
#include "protocols/origin/tag_list.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

using Fault = std::optional<DkimFinding>;

constexpr std::size_t kMaxIdentity = 320;  // octets: local part, "@", domain (RFC 5321 4.5.3.1)
constexpr std::size_t kMaxTimeDigits = 12;
constexpr std::size_t kMaxLengthDigits = 76;
constexpr std::size_t kMaxTextShown = 64;  // octets of a= and b= that are told on
// No key that we take makes a longer one; characters, with room.
constexpr std::size_t kMaxSignatureText = kMostRsaBits / 8 * 2;

Fault malformed(std::string_view what) {
  return DkimFinding{DkimResult::kNeutral, "malformed signature: " + std::string(what)};
}

Fault unknown(std::string_view what) {
  return DkimFinding{DkimResult::kNeutral, "unknown " + std::string(what)};
}

Fault unacceptable(std::string_view why) {
  return DkimFinding{DkimResult::kPermanentError, std::string(why)};
}

// RFC 6376 3.5: a domain name without a dot at its end, and no literal.
std::optional<std::string> name_in_dns(std::string_view text) {
  if (text.empty() || text.front() == '[' || text.back() == '.') return std::nullopt;
  const auto domain = parse_mail_domain(text);  // RFC 8616 5: U-labels too
  return domain ? parse_domain(*domain) : std::nullopt;
}

// RFC 6376 2.11; white space in it says nothing.
std::optional<std::string> unquoted_printable(std::string_view text) {
  const std::string squeezed = without_space(text);
  std::string result;
  const auto digit = [](char c) -> int {
    if (ascii::is_digit(c)) return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (std::size_t i = 0; i < squeezed.size(); ++i) {
    if (squeezed[i] != '=') {
      result += squeezed[i];
      continue;
    }
    if (i + 2 >= squeezed.size() || digit(squeezed[i + 1]) < 0 || digit(squeezed[i + 2]) < 0) {
      return std::nullopt;
    }
    result += static_cast<char>(digit(squeezed[i + 1]) * 16 + digit(squeezed[i + 2]));
    i += 2;
  }
  return result;
}

// The texts of a report are read first, so that it can say whose signature is at fault.
Fault read_names(const TagList& tags, SignatureKind kind, ClaimedSignature& into) {
  into.algorithm_text = tags.value("a").value_or("").substr(0, kMaxTextShown);
  if (const auto text = tags.value("b")) into.signature_text = without_space(*text);
  const auto domain = name_in_dns(tags.value("d").value_or(""));
  if (domain) into.domain = into.identity_domain = *domain;
  const auto selector = name_in_dns(tags.value("s").value_or(""));
  if (selector) into.selector = *selector;

  // RFC 6376 6.1.1: another version is read as nothing. ARC has none (RFC 8617 4.1.2).
  if (kind == SignatureKind::kDkim) {
    const auto version = tags.value("v");
    if (!version) return unacceptable("signature without v=");
    if (*version != "1") return unknown("version of the signature");
  }
  for (const char* name : {"a", "b", "d", "s"}) {
    if (!tags.find(name)) return unacceptable("signature without " + std::string(name) + "=");
  }
  if (!domain || domain->find('.') == std::string::npos) return malformed("d=");
  if (!selector) return malformed("s=");
  if (into.key_name().size() > dns::kMaxText) return malformed("d= and s= are too long");
  return std::nullopt;
}

Fault read_algorithm(const TagList& tags, ClaimedSignature& into) {
  const std::string_view algorithm = *tags.value("a");
  if (algorithm == name_of(DkimAlgorithm::kRsaSha256)) {
    into.algorithm = DkimAlgorithm::kRsaSha256;
  } else if (algorithm == name_of(DkimAlgorithm::kEd25519Sha256)) {
    into.algorithm = DkimAlgorithm::kEd25519Sha256;
  } else if (algorithm == "rsa-sha1") {
    return unacceptable("rsa-sha1 is no longer valid");  // RFC 8301 3.1
  } else {
    return unknown("algorithm");
  }
  if (into.signature_text.size() > kMaxSignatureText) return malformed("b= is too long");
  const auto signature = folded_base64(into.signature_text);
  if (!signature || signature->empty()) return malformed("b=");
  into.signature = *signature;
  return std::nullopt;
}

// RFC 6376 3.5: c= is "header/body"; what it does not say is simple.
Fault read_forms(const TagList& tags, ClaimedSignature& into) {
  const auto form = [](std::string_view name) -> std::optional<DkimForm> {
    if (name == "simple") return DkimForm::kSimple;
    if (name == "relaxed") return DkimForm::kRelaxed;
    return std::nullopt;
  };
  std::string_view body = tags.value("c").value_or("simple/simple");
  const bool names_both = body.find('/') != std::string_view::npos;
  const auto header_form = form(ascii::take_until(body, '/'));
  const auto body_form = form(names_both ? body : "simple");
  if (!header_form || !body_form) return unknown("canonicalization");
  into.header = *header_form;
  into.body = *body_form;
  return std::nullopt;
}

Fault read_signed_fields(const TagList& tags, SignatureKind kind, ClaimedSignature& into) {
  const auto listed = tags.value("h");
  if (!listed) return unacceptable("signature without h=");
  bool has_from = false;
  std::size_t count = 0;
  Fault fault;
  for_each_part(*listed, [&](std::string_view part) {
    const std::string name = ascii::lower(part);
    has_from = has_from || name == "from";
    const bool good =
        !name.empty() && std::ranges::all_of(name, [](char c) { return ascii::is_printable(c) && c != ' '; });
    if (!good) fault = malformed("h=");
    // RFC 8617 4.1.2: seals are made of message signatures, not the other way round. What sealers must not
    // sign besides only makes their signature break sooner: 5.2 does not have it fail.
    if (kind == SignatureKind::kArcMessage && name == "arc-seal") fault = unacceptable("a seal is signed");
    if (++count > kMaxSignedNames) fault = malformed("h= lists too many fields");
    into.names += (count > 1 ? ":" : "") + name;
    return !fault;
  });
  if (fault) return fault;
  // RFC 6376 5.4, 6.1.1
  if (!has_from) return unacceptable("From is not signed");
  return std::nullopt;
}

Fault read_body_tags(const TagList& tags, ClaimedSignature& into) {
  const auto hash = tags.value("bh");
  if (!hash) return unacceptable("signature without bh=");
  const auto octets = folded_base64(*hash);
  if (!octets || octets->size() != Sha256{}.size()) return malformed("bh=");
  into.body_hash = *octets;
  if (const auto length = tags.value("l")) {
    if (length->empty() || length->size() > kMaxLengthDigits ||
        !std::ranges::all_of(*length, ascii::is_digit)) {
      return malformed("l=");
    }
    // No body is as long as what does not fit.
    into.length = ascii::number(*length).value_or(std::numeric_limits<std::uint64_t>::max());
  }
  return std::nullopt;
}

Fault read_times(const TagList& tags, SignatureKind kind, ClaimedSignature& into) {
  const auto seconds = [&tags](std::string_view name, std::optional<std::int64_t>& time) {
    const auto text = tags.value(name);
    if (!text) return true;
    const auto number = text->size() <= kMaxTimeDigits ? ascii::number(*text) : std::nullopt;
    if (number) time = static_cast<std::int64_t>(*number);
    return number.has_value();
  };
  if (!seconds("t", into.signed_at)) return malformed("t=");
  if (kind == SignatureKind::kArcSeal) return std::nullopt;  // RFC 8617 4.1.3: x= means nothing there
  if (!seconds("x", into.expires_at)) return malformed("x=");
  // RFC 6376 3.5
  if (into.signed_at && into.expires_at && *into.expires_at <= *into.signed_at) {
    return malformed("x= is not behind t=");
  }
  return std::nullopt;
}

// i= and q= are DKIM's only: in ARC i= is the instance.
Fault read_identity(const TagList& tags, ClaimedSignature& into) {
  into.identity = "@" + into.domain;
  if (const auto text = tags.value("i")) {
    const auto identity = unquoted_printable(*text);
    if (!identity || identity->size() > kMaxIdentity || !utf8::is_valid(*identity)) return malformed("i=");
    const std::size_t at = identity->rfind('@');
    if (at == std::string::npos) return malformed("i=");
    const auto domain = name_in_dns(std::string_view(*identity).substr(at + 1));
    if (!domain) return malformed("i=");
    // RFC 6376 3.5, 6.1.1
    if (!dns::is_within(*domain, into.domain)) return unacceptable("i= is not within d=");
    into.identity = identity->substr(0, at + 1) + *domain;
    into.identity_domain = *domain;
  }
  // RFC 6376 3.5: methods that are not known are passed over.
  if (!has_part(tags.value("q").value_or("dns/txt"), "dns/txt")) return unknown("way to ask for the key");
  return std::nullopt;
}

// RFC 8617 4.1.3
Fault read_seal(const TagList& tags, ClaimedSignature& into) {
  if (tags.find("h")) return unacceptable("seal with h=");
  const auto chain = tags.value("cv");
  if (!chain) return unacceptable("seal without cv=");
  into.chain = *chain;
  return std::nullopt;
}

Fault read_all(const TagList& tags, SignatureKind kind, ClaimedSignature& into) {
  if (Fault fault = read_names(tags, kind, into)) return fault;
  if (Fault fault = read_algorithm(tags, into)) return fault;
  if (kind == SignatureKind::kArcSeal) {
    into.header = DkimForm::kRelaxed;  // RFC 8617 4.1.3: seals know no other
    if (Fault fault = read_seal(tags, into)) return fault;
    return read_times(tags, kind, into);
  }
  if (Fault fault = read_forms(tags, into)) return fault;
  if (kind == SignatureKind::kDkim) {
    if (Fault fault = read_identity(tags, into)) return fault;
  }
  if (Fault fault = read_signed_fields(tags, kind, into)) return fault;
  if (Fault fault = read_body_tags(tags, into)) return fault;
  return read_times(tags, kind, into);
}

}  // namespace

ClaimedSignature read_signature(std::string_view raw, SignatureKind kind) {
  ClaimedSignature claimed;
  claimed.raw = raw;
  if (raw.ends_with("\r\n")) raw.remove_suffix(2);
  const std::string_view value = raw.substr(std::min(raw.find(':') + 1, raw.size()));
  const auto tags = TagList::parse(value);
  if (!tags) {
    claimed.fault = malformed("not a list of tags");
    return claimed;
  }
  claimed.fault = read_all(*tags, kind, claimed);
  claimed.signature_text = claimed.signature_text.substr(0, kMaxTextShown);
  if (const Tag* const signature = claimed.fault ? nullptr : tags->find("b")) {
    // RFC 6376 3.7: the value of b= goes, with the white space around it.
    const auto from = static_cast<std::size_t>(signature->space.data() - raw.data());
    claimed.unsigned_field.reserve(raw.size());
    claimed.unsigned_field += raw.substr(0, from);
    claimed.unsigned_field += raw.substr(from + signature->space.size());
  }
  return claimed;
}

}  // namespace mailstead

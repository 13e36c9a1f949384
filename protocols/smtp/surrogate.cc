#include "protocols/smtp/surrogate.h"

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/header_token.h"
#include "protocols/smtp/downgrade.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxBoundaryLine = 210;  // octets; RFC 2046 5.1.1 has boundaries of at most 70

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void Surrogate::read(std::string_view content, std::string* out) {
  while (!content.empty()) {
    std::size_t taken = 0;
    if (in_ == In::kHeader) {
      taken = read_header(content, out);
    } else if (in_ == In::kLongField) {
      taken = read_long_field(content, out);
    } else {
      taken = read_body(content, out);
    }
    content.remove_prefix(taken);
  }
}

void Surrogate::finish(std::string* out) {
  if (in_ != In::kHeader) return;
  if (!line_.empty()) end_line(out);
  if (in_ == In::kHeader) end_field(out);
}

std::size_t Surrogate::read_header(std::string_view content, std::string* out) {
  // A line that does not go on the field before it ends it, before its room is counted.
  if (!ascii::is_blank(line_.empty() ? content.front() : line_.front())) end_field(out);
  const std::size_t newline = content.find('\n');
  const std::size_t end = newline == std::string_view::npos ? content.size() : newline + 1;
  const std::size_t room = kMaxField - std::min(kMaxField, field_.size() + line_.size());
  const std::size_t taken = std::min(end, room);
  line_ += content.substr(0, taken);
  if (line_.ends_with('\n')) {
    end_line(out);
  } else if (taken < end || room == 0) {
    // Too long to be kept until its end is seen.
    if (first_line_ && field_.empty() && field_name(line_).empty()) {
      put(std::exchange(line_, {}), out);
      in_ = In::kBody;
      line_start_ = false;
      return taken;
    }
    put_scrubbed(std::exchange(field_, {}), out);
    first_line_ = false;
    in_ = In::kLongField;
    line_start_ = line_.empty();
    put_scrubbed(std::exchange(line_, {}), out);
  }
  return taken;
}

std::size_t Surrogate::read_long_field(std::string_view content, std::string* out) {
  if (line_start_ && !ascii::is_blank(content.front())) {
    in_ = In::kHeader;
    return 0;
  }
  const std::size_t newline = content.find('\n');
  line_start_ = newline != std::string_view::npos;
  const std::size_t taken = line_start_ ? newline + 1 : content.size();
  put_scrubbed(content.substr(0, taken), out);
  return taken;
}

// A body passes as it is; its lines are only looked at for a boundary.
std::size_t Surrogate::read_body(std::string_view content, std::string* out) {
  if (parts_.empty()) {
    put(content, out);
    return content.size();
  }
  std::size_t taken = 0;
  while (taken < content.size() && in_ == In::kBody) {
    const std::string_view left = content.substr(taken);
    const bool begins = line_start_;
    if (begins) line_.clear();
    const std::size_t newline = left.find('\n');
    const std::size_t length = newline == std::string_view::npos ? left.size() : newline + 1;
    if (begins ? left.front() == '-' : !line_.empty()) {
      line_ += left.substr(0, std::min(length, kMaxBoundaryLine - line_.size()));
    }
    line_start_ = newline != std::string_view::npos;
    taken += length;
    if (!line_start_ || !line_.ends_with('\n')) continue;
    if (const auto found = delimiter(without_line_end(line_))) pass(*found);
    if (parts_.empty()) break;
  }
  put(content.substr(0, taken), out);
  if (in_ == In::kHeader) line_.clear();
  return taken;
}

void Surrogate::end_line(std::string* out) {
  const std::string_view line = without_line_end(line_);
  if (line.empty()) {
    end_field(out);
    put(std::exchange(line_, {}), out);
    first_line_ = false;
    if (!status_) end_header();
    return;
  }
  if (const auto found = delimiter(line)) {
    // The part ends within its header.
    end_field(out);
    put(std::exchange(line_, {}), out);
    return pass(*found);
  }
  if (first_line_ && field_name(line_).empty()) {
    // There is no header: the body begins at once.
    put(std::exchange(line_, {}), out);
    in_ = In::kBody;
    line_start_ = true;
    return;
  }
  first_line_ = false;
  if (!ascii::is_blank(line_.front())) end_field(out);
  field_ += line_;
  line_.clear();
}

void Surrogate::end_field(std::string* out) {
  if (field_.empty()) return;
  note_facts(field_);
  if (utf8::is_ascii(field_)) {
    put(field_, out);
  } else {
    put(downgraded_field(field_), out);
    differs_ = true;
  }
  field_.clear();
}

void Surrogate::end_header() {
  const Facts facts = std::exchange(facts_, {});
  if (facts.body == Body::kMessage && !facts.encoded) return begin_header(false, false);
  if (facts.body == Body::kStatus && !facts.encoded) return begin_header(false, true);
  if (facts.body == Body::kParts && !facts.boundary.empty() && parts_.size() < kMaxDepth) {
    parts_.push_back({"--" + facts.boundary, facts.digest});
  }
  in_ = In::kBody;
  line_start_ = true;
}

void Surrogate::begin_header(bool in_digest, bool status) {
  in_ = In::kHeader;
  first_line_ = true;
  status_ = status;
  facts_ = {};
  // RFC 2046 5.1.5: in a digest a part without a type is a message.
  if (in_digest) facts_.body = Body::kMessage;
}

// Of the innermost part that it fits.
std::optional<Surrogate::Delimiter> Surrogate::delimiter(std::string_view line) const {
  if (!line.starts_with("--")) return std::nullopt;
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const std::string& boundary = parts_[i].boundary;
    if (!line.starts_with(boundary)) continue;
    std::string_view rest = line.substr(boundary.size());
    const bool last = rest.starts_with("--");
    if (last) rest.remove_prefix(2);
    if (ascii::trim(rest).empty()) return Delimiter{i, last};
  }
  return std::nullopt;
}

// What is within the part ends with it.
void Surrogate::pass(const Delimiter& delimiter) {
  parts_.resize(delimiter.part + 1);
  if (!delimiter.last) return begin_header(parts_.back().digest, false);
  parts_.pop_back();
  in_ = In::kBody;
  line_start_ = true;
}

void Surrogate::note_facts(std::string_view field) {
  const std::string_view name = field_name(field);
  if (ascii::same(name, "Content-Transfer-Encoding")) {
    const std::string value = unfolded_value(field);
    facts_.encoded = ascii::starts_with(value, "base64") || ascii::starts_with(value, "quoted-printable");
    return;
  }
  if (!ascii::same(name, "Content-Type") || facts_.has_type) return;
  const std::string value = unfolded_value(field);
  const auto parts = mime_parts(value);
  std::string_view type = parts.front().substr(0, parts.front().find_first_of(" \t("));
  facts_.has_type = true;
  facts_.body = Body::kOpaque;
  facts_.digest = ascii::same(type, "multipart/digest");
  if (ascii::starts_with(type, "multipart/")) facts_.body = Body::kParts;
  if (ascii::same(type, "message/rfc822")) facts_.body = Body::kMessage;
  if (ascii::same(type, "message/delivery-status")) facts_.body = Body::kStatus;
  if (ascii::same(type, "message/global-delivery-status")) facts_.body = Body::kStatus;
  for (const std::string_view part : parts) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || !ascii::same(ascii::trim(part.substr(0, equals)), "boundary"))
      continue;
    const auto tokens = header_tokens(ascii::trim(part.substr(equals + 1)), "");
    if (!tokens || tokens->empty()) continue;
    const HeaderToken& first = tokens->front();
    facts_.boundary =
        first.kind == HeaderToken::Kind::kQuoted ? unquoted(first.text) : std::string(first.text);
  }
}

void Surrogate::put(std::string_view text, std::string* out) {
  size_ += text.size();
  if (out != nullptr) *out += text;
}

void Surrogate::put_scrubbed(std::string_view text, std::string* out) {
  std::string scrubbed(text);
  for (char& c : scrubbed) {
    if (static_cast<unsigned char>(c) < 0x80) continue;
    c = '?';
    differs_ = true;
  }
  put(scrubbed, out);
}

}  // namespace mailstead

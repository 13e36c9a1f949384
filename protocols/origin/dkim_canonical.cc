#include "protocols/origin/dkim_canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeaderEnd = "\r\n\r\n";
constexpr std::size_t kHeaderPiece = 16 * 1024;

}  // namespace

std::string relaxed_field(std::string_view raw) {
  const std::size_t colon = std::min(raw.find(':'), raw.size());
  std::string text = ascii::lower(ascii::trim_end(raw.substr(0, colon)));
  text += ':';
  const std::size_t value = text.size();
  std::string_view rest = raw.substr(std::min(colon + 1, raw.size()));
  while (!rest.empty()) {
    // Unfolding takes the CRLF away and leaves the blanks behind it.
    if (rest.starts_with(kLineEnd)) {
      rest.remove_prefix(kLineEnd.size());
      continue;
    }
    const char c = rest.front();
    rest.remove_prefix(1);
    if (!ascii::is_blank(c)) {
      text += c;
    } else if (text.size() > value && text.back() != ' ') {
      text += ' ';
    }
  }
  if (text.size() > value && text.back() == ' ') text.pop_back();
  text += kLineEnd;
  return text;
}

std::string_view first_field(std::string_view text) {
  std::size_t end = text.find(kLineEnd);
  while (end != std::string_view::npos) {
    end += kLineEnd.size();
    if (end == text.size() || !ascii::is_blank(text[end])) return text.substr(0, end);
    end = text.find(kLineEnd, end);
  }
  return text;
}

// In small pieces: of a large one most may be body.
std::string_view DkimHeader::read(std::string_view content) {
  while (in_header_ && !content.empty()) {
    const std::string_view piece = content.substr(0, kHeaderPiece);
    content.remove_prefix(piece.size() - read_piece(piece).size());
  }
  return content;
}

std::string_view DkimHeader::read_piece(std::string_view content) {
  const std::size_t had = text_.size();
  text_ += content;
  if (had < kLineEnd.size() && text_.size() >= kLineEnd.size() && text_.starts_with(kLineEnd)) {
    in_header_ = false;
    text_.clear();
    return content.substr(kLineEnd.size() - had);
  }
  const std::size_t from = had - std::min(had, kHeaderEnd.size() - 1);
  if (const std::size_t end = text_.find(kHeaderEnd, from); end != std::string::npos) {
    in_header_ = false;
    text_.resize(end + kLineEnd.size());
    content.remove_prefix(end + kHeaderEnd.size() - had);
  } else {
    content = {};
  }
  if (text_.size() > kMaxDkimHeader) {
    // It is not kept, but its end has to be found.
    too_long_ = true;
    text_.erase(0, text_.size() - kHeaderEnd.size());
  }
  return content;
}

Result<std::vector<DkimField>> DkimHeader::fields() const {
  if (too_long_) {
    return Error{ErrorKind::kTooLarge, fmt::format("header is longer than {} octets", kMaxDkimHeader)};
  }
  const Error no_field{ErrorKind::kInvalid, "a line of the header is no field"};
  std::vector<DkimField> found;
  std::string_view rest = text_;
  while (!rest.empty()) {
    const std::string_view raw = first_field(rest);
    rest.remove_prefix(raw.size());
    const std::size_t colon = raw.find(':');
    if (colon == std::string_view::npos || colon > raw.find(kLineEnd)) return no_field;
    const std::string_view name = ascii::trim_end(raw.substr(0, colon));
    // RFC 5322 2.2: a name is printable ASCII without a blank in it.
    const bool good =
        std::all_of(name.begin(), name.end(), [](char c) { return ascii::is_printable(c) && c != ' '; });
    if (name.empty() || !good) return no_field;
    if (found.size() == kMaxDkimFields) {
      return Error{ErrorKind::kTooLarge, fmt::format("header has more than {} fields", kMaxDkimFields)};
    }
    found.push_back({name, raw});
  }
  return found;
}

BodyHash::BodyHash(DkimForm form, std::vector<std::uint64_t> beginnings)
    : form_(form), beginnings_(std::move(beginnings)) {
  std::ranges::sort(beginnings_);
  beginnings_.erase(std::unique(beginnings_.begin(), beginnings_.end()), beginnings_.end());
}

// RFC 6376 3.4.4: runs of blanks are one; the simple form has them as they are.
bool BodyHash::is_held(char c) const {
  return form_ == DkimForm::kRelaxed && ascii::is_blank(c);
}

void BodyHash::read(std::string_view content) {
  while (!content.empty()) {
    const char c = content.front();
    if (carriage_return_) {
      carriage_return_ = false;
      if (c == '\n') {
        content.remove_prefix(1);
        blank_ = false;  // RFC 6376 3.4.4: blanks at a line's end go
        ++line_ends_;
        continue;
      }
      put("\r");
      continue;
    }
    if (c == '\r' || is_held(c)) {
      content.remove_prefix(1);
      (c == '\r' ? carriage_return_ : blank_) = true;
      continue;
    }
    const auto plain = [this](char octet) { return octet != '\r' && !is_held(octet); };
    const auto end = std::find_if_not(content.begin(), content.end(), plain);
    const auto length = static_cast<std::size_t>(end - content.begin());
    put(content.substr(0, length));
    content.remove_prefix(length);
  }
}

void BodyHash::put(std::string_view text) {
  put_held();
  add(text);
  any_ = true;
}

// The line ends and the blanks in front of what comes now.
void BodyHash::put_held() {
  static const std::string many = [] {
    std::string text;
    for (int i = 0; i < 512; ++i) text += kLineEnd;
    return text;
  }();
  while (line_ends_ > 0) {
    const std::uint64_t now = std::min<std::uint64_t>(line_ends_, many.size() / kLineEnd.size());
    add(std::string_view(many).substr(0, now * kLineEnd.size()));
    line_ends_ -= now;
  }
  if (std::exchange(blank_, false)) add(" ");
}

void BodyHash::add(std::string_view text) {
  while (reached_.size() < beginnings_.size() && beginnings_[reached_.size()] - octets_ <= text.size()) {
    const std::uint64_t length = beginnings_[reached_.size()] - octets_;
    hash_.add(text.substr(0, length));
    text.remove_prefix(length);
    octets_ += length;
    Sha256Stream here = hash_;
    reached_.push_back(here.finish());
  }
  hash_.add(text);
  octets_ += text.size();
}

Sha256 BodyHash::finish() {
  if (std::exchange(carriage_return_, false)) put("\r");
  // Empty lines at the end go; what is left ends with a CRLF, which is put there if need be. Of nothing, the
  // simple form makes a line end (RFC 6376 3.4.3) and the relaxed one nothing (3.4.4).
  add(any_ || form_ == DkimForm::kSimple ? kLineEnd : std::string_view());
  return hash_.finish();
}

std::optional<Sha256> BodyHash::beginning(std::uint64_t octets) const {
  const auto found = std::ranges::lower_bound(beginnings_, octets);
  const auto place = static_cast<std::size_t>(found - beginnings_.begin());
  if (found == beginnings_.end() || *found != octets || place >= reached_.size()) return std::nullopt;
  return reached_[place];
}

}  // namespace mailstead

#include "protocols/dkim_canonical.h"

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeaderEnd = "\r\n\r\n";

// Where the field that begins `text` ends: at the first CRLF that no blank follows (RFC 5322 2.2.3).
std::size_t field_length(std::string_view text) {
  std::size_t end = text.find(kLineEnd);
  while (end != std::string_view::npos) {
    end += kLineEnd.size();
    if (end == text.size() || !ascii::is_blank(text[end])) return end;
    end = text.find(kLineEnd, end);
  }
  return text.size();
}

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

std::string_view DkimHeader::read(std::string_view content) {
  if (!in_header_) return content;
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

std::optional<std::vector<DkimField>> DkimHeader::fields() const {
  std::vector<DkimField> found;
  std::string_view rest = text_;
  while (!rest.empty()) {
    const std::string_view raw = rest.substr(0, field_length(rest));
    rest.remove_prefix(raw.size());
    const std::size_t colon = raw.find(':');
    if (colon == std::string_view::npos || colon > raw.find(kLineEnd)) return std::nullopt;
    const std::string_view name = ascii::trim_end(raw.substr(0, colon));
    // RFC 5322 2.2: a name is printable ASCII without a blank in it.
    const bool good =
        std::all_of(name.begin(), name.end(), [](char c) { return ascii::is_printable(c) && c != ' '; });
    if (name.empty() || !good) return std::nullopt;
    found.push_back({name, raw});
  }
  return found;
}

void RelaxedBodyHash::read(std::string_view content) {
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
    if (c == '\r' || ascii::is_blank(c)) {
      content.remove_prefix(1);
      (c == '\r' ? carriage_return_ : blank_) = true;
      continue;
    }
    const auto plain = [](char octet) { return octet != '\r' && !ascii::is_blank(octet); };
    const auto end = std::find_if_not(content.begin(), content.end(), plain);
    const auto length = static_cast<std::size_t>(end - content.begin());
    put(content.substr(0, length));
    content.remove_prefix(length);
  }
}

void RelaxedBodyHash::put(std::string_view text) {
  put_held();
  hash_.add(text);
  any_ = true;
}

// The line ends and the blanks in front of what comes now.
void RelaxedBodyHash::put_held() {
  static const std::string many = [] {
    std::string text;
    for (int i = 0; i < 512; ++i) text += kLineEnd;
    return text;
  }();
  while (line_ends_ > 0) {
    const std::uint64_t now = std::min<std::uint64_t>(line_ends_, many.size() / kLineEnd.size());
    hash_.add(std::string_view(many).substr(0, now * kLineEnd.size()));
    line_ends_ -= now;
  }
  if (std::exchange(blank_, false)) hash_.add(" ");
}

Sha256 RelaxedBodyHash::finish() {
  if (std::exchange(carriage_return_, false)) put("\r");
  // Empty lines at the end go; what is left ends with a CRLF, which is put there if need be. Of nothing,
  // nothing is made.
  if (any_) hash_.add(kLineEnd);
  return hash_.finish();
}

}  // namespace mailstead

#include "protocols/origin/results_border.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocols/a_label.h"
#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/header_token.h"
#include "protocols/letters.h"

namespace mailstead {
namespace {

constexpr std::string_view kLineBreak = "\r\n";

// In one line. nullopt: there is more in it than printable ASCII and blanks, or it is folded in a way in
// which only older writers did (RFC 5322 4.2).
std::optional<std::string> plain_value(std::string_view value) {
  if (value.ends_with(kLineBreak)) value.remove_suffix(kLineBreak.size());
  std::string text;
  for (bool first = true;; first = false) {
    const std::size_t end = value.find(kLineBreak);
    const std::string_view line = value.substr(0, end);
    const bool folded_well = first || (!ascii::trim(line).empty() && ascii::is_blank(line.front()));
    const bool plain =
        std::ranges::all_of(line, [](char c) { return ascii::is_printable(c) || ascii::is_blank(c); });
    if (!folded_well || !plain) return std::nullopt;
    text += line;
    if (end == std::string_view::npos) return text;
    value.remove_prefix(end + kLineBreak.size());
  }
}

template <typename Kind>
std::string_view take_all(std::string_view& text, Kind is_of_it) {
  const auto end = std::ranges::find_if_not(text, is_of_it);
  const std::string_view taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

// Blanks and comments, these without anything in them that readers may disagree on. Were there any?
bool skip_space(std::string_view& text) {
  const std::size_t had = text.size();
  while (true) {
    take_all(text, ascii::is_blank);
    if (!text.starts_with('(')) break;
    const std::size_t end = text.find_first_of("()\\\"", 1);
    if (end == std::string_view::npos || text[end] != ')') break;
    text.remove_prefix(end + 1);
  }
  return text.size() < had;
}

// RFC 8601 5: names are compared as A-labels.
std::string comparable(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return ascii::lower(ascii_domain(host).value_or(std::string(host)));
}

// Of a domain in ASCII: its A-labels stand for letters that can only be written so.
bool has_good_labels(const std::string& domain) {
  if (domain.find("xn--") == std::string::npos) return true;
  const std::string text = unicode_domain(domain);
  return text.find("xn--") == std::string::npos && is_seen_whole(text);
}

bool is_plainly_anothers(std::string_view value, std::string_view host) {
  const auto text = plain_value(value);
  if (!text) return false;
  std::string_view rest = ascii::trim(*text);
  const auto id = parse_domain(take_all(rest, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.';
  }));
  if (!id || !has_good_labels(*id)) return false;
  std::string version;
  if (skip_space(rest)) {
    version = take_all(rest, ascii::is_digit);
    skip_space(rest);
  }
  if (!rest.empty() && rest.front() != ';') return false;
  // Who takes blanks and comments away has the version in the name.
  const std::string ours = comparable(host);
  return *id != ours && *id + version != ours;
}

}  // namespace

bool claims_results_of(std::string_view field, std::string_view host) {
  const bool too_long = field.size() > kMaxResultsField;
  switch (match_name(field, kResultsName)) {
    case NameMatch::kOther:
      return false;
    case NameMatch::kBeginning:
      return too_long;
    case NameMatch::kUnclear:
      return true;
    case NameMatch::kSame:
      return too_long || !is_plainly_anothers(field.substr(field.find(':') + 1), host);
  }
  return true;
}

void ResultsBorder::read(std::string_view content) {
  while (in_header_ && !content.empty()) {
    if (line_begins_) begin_line(content.front());
    const std::size_t newline = content.find('\n');
    line_begins_ = newline != std::string_view::npos;
    const std::string_view piece = content.substr(0, line_begins_ ? newline + 1 : newline);
    content.remove_prefix(piece.size());
    field_ += piece.substr(0, kMaxResultsField + 1 - field_.size());
    at_ += piece.size();
    if (line_begins_ && behind_line_end_ && field_ == kLineBreak) {
      in_header_ = false;
      field_ = {};
      return;
    }
    if (line_begins_) line_end_is_whole_ = (piece.size() > 1 ? piece[piece.size() - 2] : last_) == '\r';
    last_ = piece.back();
  }
}

// RFC 5322 2.2.3: a line that begins with a blank continues the field before it.
void ResultsBorder::begin_line(char first) {
  if (ascii::is_blank(first) && !field_.empty()) return;
  end_field();
  behind_line_end_ = line_end_is_whole_;
  field_at_ = at_;
}

void ResultsBorder::end_field() {
  if (claims_results_of(field_, host_)) {
    too_many_ = offsets_.size() == kMaxResultsClaims;
    const bool cuts_line_end = field_.compare(kUntrustedName.size() - 1, kLineBreak.size(), kLineBreak) == 0;
    if (!too_many_) offsets_.push_back(field_at_ + (cuts_line_end ? 1 : 0));
  }
  field_.clear();
}

void ResultsBorder::finish() {
  if (std::exchange(in_header_, false)) end_field();
}

}  // namespace mailstead

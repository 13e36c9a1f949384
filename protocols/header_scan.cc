#include "protocols/header_scan.h"

#include <algorithm>

#include "protocols/address.h"
#include "protocols/ascii.h"

namespace mailstead {
namespace {

// Enough for "Delivered-To: " and the longest address.
constexpr std::size_t kKept = 512;

}  // namespace

void HeaderScan::read(std::string_view content) {
  if (opening_ == Opening::kUnknown) open(content);
  while (in_header_ && !content.empty()) {
    const std::size_t newline = content.find('\n');
    const std::string_view piece = content.substr(0, newline);
    line_.append(piece.substr(0, kKept - line_.size()));
    if (newline == std::string_view::npos) return;
    content.remove_prefix(newline + 1);
    end_line();
  }
}

void HeaderScan::open(std::string_view content) {
  for (const char c : content) {
    opening_ = judge_opening(c);
    last_ = c;
    if (opening_ == Opening::kUnknown && ++opening_octets_ == kMaxTextLine) opening_ = Opening::kText;
    if (opening_ != Opening::kUnknown) break;
  }
  if (opening_ == Opening::kText) in_header_ = false;
}

Opening HeaderScan::judge_opening(char next) const {
  if (opening_octets_ == 0) {
    if (next == '\r') return Opening::kUnknown;
    return ascii::is_printable(next) && !ascii::is_blank(next) && next != ':' ? Opening::kUnknown
                                                                              : Opening::kText;
  }
  if (last_ == '\r') return next == '\n' ? Opening::kEmptyLine : Opening::kText;
  if (next == ':') return Opening::kField;
  if (ascii::is_blank(next)) return Opening::kUnknown;
  // RFC 5322 3.6.8: a name is printable ASCII.
  return ascii::is_printable(next) && !ascii::is_blank(last_) ? Opening::kUnknown : Opening::kText;
}

void HeaderScan::end_line() {
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  message_id_.read(line);
  if (line.empty()) {
    in_header_ = false;
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    // RFC 5322 4.5: older writers put blanks before the colon.
    const std::string_view name = ascii::trim_end(line.substr(0, colon));
    if (ascii::same(name, "Received")) {
      ++received_;
    } else if (ascii::same(name, "Delivered-To") && delivered_to_.size() < kMaxDeliveredTo) {
      const auto address = parse_address(ascii::trim(line.substr(colon + 1)));
      if (address) delivered_to_.push_back(address->key());
    }
  }
  line_.clear();
}

}  // namespace mailstead

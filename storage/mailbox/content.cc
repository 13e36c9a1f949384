#include "storage/mailbox/content.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

constexpr std::size_t kMaxHeaderLine = 1000;  // RFC 5322 2.1.1; a longer one is cut
constexpr std::string_view kDeliveredTo = "delivered-to:";
constexpr std::string_view kTlsRequired = "tls-required:";

bool starts_with_name(std::string_view line, std::string_view lower_name) {
  if (line.size() < lower_name.size()) return false;
  for (std::size_t i = 0; i < lower_name.size(); ++i) {
    const char c = line[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower_name[i]) return false;
  }
  return true;
}

struct OctetCounts {
  std::uint64_t carriage_returns = 0;
  bool has_eight_bit = false;
};

// Eight at a time: each message is looked at while its sender waits.
OctetCounts count_octets(std::string_view bytes) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  constexpr std::uint64_t kLowBits = 0x7f * kEach;
  OctetCounts octets;
  std::uint64_t all = 0;
  for (; bytes.size() >= sizeof(std::uint64_t); bytes.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data(), sizeof(eight));
    all |= eight;
    const std::uint64_t differs = eight ^ ('\r' * kEach);  // 0 where there is one
    octets.carriage_returns +=
        static_cast<std::uint64_t>(std::popcount(~(((differs & kLowBits) + kLowBits) | differs | kLowBits)));
  }
  octets.carriage_returns += static_cast<std::uint64_t>(std::ranges::count(bytes, '\r'));
  octets.has_eight_bit = (all & ~kLowBits) != 0 || !utf8::is_ascii(bytes);
  return octets;
}

}  // namespace

void ContentScan::add(std::string_view bytes) {
  if (bytes.empty()) return;
  if (in_header_) scan_header(bytes);
  surrogate_.read(bytes, nullptr);

  size_ += bytes.size();
  const OctetCounts octets = count_octets(bytes);
  has_eight_bit_ = has_eight_bit_ || octets.has_eight_bit;
  carriage_returns_ += octets.carriage_returns;
  if (last_ == '\n' && bytes.front() == '.') has_dot_lines_ = true;

  const char* const end = bytes.data() + bytes.size();
  const char* from = bytes.data();
  while (const void* found = std::memchr(from, '\n', static_cast<std::size_t>(end - from))) {
    const char* feed = static_cast<const char*>(found);
    ++line_feeds_;
    const char before = feed == bytes.data() ? last_ : feed[-1];
    if (before == '\r') ++line_ends_;
    from = feed + 1;
    if (from == end) break;
    if (*from == '.') has_dot_lines_ = true;
  }
  before_ = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_;
  last_ = bytes.back();
}

bool ContentScan::is_canonical() const {
  return line_ends_ == line_feeds_ && line_ends_ == carriage_returns_ && (size_ == 0 || ends_with_crlf());
}

HeaderFacts ContentScan::header() const {
  Surrogate surrogate = surrogate_;
  surrogate.finish(nullptr);
  if (!surrogate.differs()) return {HeaderText::kAscii, 0};
  const auto growth = static_cast<std::int64_t>(surrogate.size()) - static_cast<std::int64_t>(size_);
  // Such a header is made to be trouble; its size is not worth a larger row.
  using Limits = std::numeric_limits<std::int32_t>;
  if (growth < Limits::min() || growth > Limits::max()) return {};
  return {HeaderText::kUtf8, static_cast<std::int32_t>(growth)};
}

void ContentScan::scan_header(std::string_view bytes) {
  while (!bytes.empty() && in_header_) {
    const std::size_t feed = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, feed);
    if (line_.size() < kMaxHeaderLine) line_.append(piece.substr(0, kMaxHeaderLine - line_.size()));
    if (feed == std::string_view::npos) return;
    end_header_line();
    bytes.remove_prefix(feed + 1);
  }
}

void ContentScan::end_header_line() {
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  message_id_.read(line);
  told_.read(line);
  if (line.empty()) {
    in_header_ = false;
  } else if (starts_with_name(line, kTlsRequired)) {
    tls_is_optional_ = tls_is_optional_ || ascii::same(ascii::trim(line.substr(kTlsRequired.size())), "no");
  } else if (starts_with_name(line, kDeliveredTo)) {
    line.remove_prefix(kDeliveredTo.size());
    const std::size_t first = line.find_first_not_of(" \t");
    const std::size_t last = line.find_last_not_of(" \t");
    if (first != std::string_view::npos) delivered_to_.emplace_back(line.substr(first, last - first + 1));
  }
  line_.clear();
}

void LineEndNormaliser::add(std::string_view bytes, std::string& into) {
  for (char c : bytes) {
    if (c == '\r') {
      pending_cr_ = true;
    } else if (c == '\n') {
      into += "\r\n";
      pending_cr_ = false;
      at_line_start_ = true;
    } else {
      if (pending_cr_) into += "\r\n";
      pending_cr_ = false;
      at_line_start_ = false;
      into += c;
    }
  }
}

void LineEndNormaliser::finish(std::string& into) {
  if (pending_cr_ || !at_line_start_) into += "\r\n";
}

}  // namespace mailstead

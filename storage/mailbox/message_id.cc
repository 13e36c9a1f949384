#include "storage/mailbox/message_id.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace mailstead {

namespace {

// RFC 4648 section 7, in lower case: it sorts as the bits do.
constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuv";
constexpr std::size_t kTimeDigits = 11;
constexpr std::size_t kRandomDigits = 4;
constexpr std::size_t kHostLimit = 64;
constexpr std::size_t kUidlLimit = 70;
constexpr std::size_t kNameLimit = 245;
constexpr std::string_view kUidlMark = ",U=";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
}

// What may stand in a file name, a shell's line and before a maildir's flags.
bool is_plain(char c) {
  return is_host_character(c) || c == '_' || c == '+' || c == '=' || c == '@' || c == '~';
}

std::string escaped_uidl(std::string_view uidl) {
  std::string text;
  for (const char c : uidl) {
    if (is_plain(c)) {
      text += c;
    } else {
      text += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

// nullopt: not what escaped_uidl() writes.
std::optional<std::string> unescaped_uidl(std::string_view text) {
  std::string uidl;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      uidl += text[i];
      continue;
    }
    unsigned code = 0;
    if (text.size() - i < 3) return std::nullopt;
    const char* digits = text.data() + i + 1;
    if (std::from_chars(digits, digits + 2, code, 16).ptr != digits + 2) return std::nullopt;
    uidl += static_cast<char>(code);
    i += 2;
  }
  if (!is_uidl(uidl) || escaped_uidl(uidl) != text) return std::nullopt;
  return uidl;
}

std::uint64_t microseconds_now() {
  using std::chrono::microseconds;
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(now).count());
}

}  // namespace

std::string MessageIds::next() {
  // A clock that stands or steps back must not make an id smaller than the one before.
  const std::uint64_t now = microseconds_now();
  std::uint64_t last = last_.load();
  std::uint64_t time = 0;
  do {
    time = std::max(now, last + 1);
  } while (!last_.compare_exchange_weak(last, time));

  std::string id(kTimeDigits + kRandomDigits, '0');
  for (std::size_t i = kTimeDigits; i-- > 0; time >>= 5) id[i] = kDigits[time & 31];
  std::uint8_t noise[kRandomDigits];
  RAND_bytes(noise, sizeof noise);
  for (std::size_t i = 0; i < kRandomDigits; ++i) id[kTimeDigits + i] = kDigits[noise[i] & 31];
  return id;
}

std::string MessageName::text() const {
  const std::string start = fmt::format("{}.{}.", seconds, id);
  if (foreign_uidl.empty()) return start + host;
  const std::string mark = std::string(kUidlMark) + escaped_uidl(foreign_uidl);
  return start + host.substr(0, kNameLimit - start.size() - mark.size()) + mark;
}

bool is_uidl(std::string_view text) {
  return !text.empty() && text.size() <= kUidlLimit &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

bool is_message_id(std::string_view text) {
  return text.size() == kTimeDigits + kRandomDigits &&
         text.find_first_not_of(kDigits) == std::string_view::npos;
}

std::string sanitised_host(std::string_view host) {
  std::string clean;
  for (char c : host.substr(0, kHostLimit)) clean += is_host_character(c) ? c : '-';
  return clean.empty() ? "localhost" : clean;
}

std::optional<MessageName> parse_message_name(std::string_view base) {
  const std::size_t first = base.find('.');
  if (first == std::string_view::npos || first == 0 || first > 12) return std::nullopt;
  const std::size_t second = base.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;

  MessageName name;
  if (const std::size_t mark = base.find(kUidlMark, second); mark != std::string_view::npos) {
    auto uidl = unescaped_uidl(base.substr(mark + kUidlMark.size()));
    if (!uidl) return std::nullopt;
    name.foreign_uidl = *std::move(uidl);
    base = base.substr(0, mark);
  }
  const std::string_view seconds = base.substr(0, first);
  if (!std::all_of(seconds.begin(), seconds.end(), is_digit)) return std::nullopt;
  std::from_chars(seconds.data(), seconds.data() + seconds.size(), name.seconds);
  name.id = base.substr(first + 1, second - first - 1);
  name.host = base.substr(second + 1);
  if (!is_message_id(name.id)) return std::nullopt;
  if (name.host.empty() || name.host.size() > kHostLimit ||
      !std::all_of(name.host.begin(), name.host.end(), is_host_character)) {
    return std::nullopt;
  }
  return name;
}

std::string_view base_name(std::string_view path) {
  if (std::size_t slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return path.substr(0, path.find(':'));
}

std::int64_t unix_seconds() {
  using std::chrono::seconds;
  return std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace mailstead

#include "storage/message_id.h"

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

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
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
  return fmt::format("{}.{}.{}", seconds, id, host);
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

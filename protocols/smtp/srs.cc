#include "protocols/smtp/srs.h"

#include <fmt/format.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "protocols/ascii.h"
#include "protocols/base64.h"

namespace mailstead {
namespace {

constexpr std::string_view kFirst = "SRS0";
constexpr std::string_view kAgain = "SRS1";
constexpr std::size_t kHashLength =
    6;  // 36 bits; libsrs2's four are few for a relay that is open to who guesses
constexpr std::string_view kDayDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::int64_t kDayValues = 1024;  // two digits: less than three years, and then again
constexpr std::int64_t kDaySeconds = 24 * 3600;

std::int64_t day_of(std::int64_t now) {
  return (now / kDaySeconds) % kDayValues;
}

std::string day_text(std::int64_t day) {
  return {kDayDigits[static_cast<std::size_t>(day / 32)], kDayDigits[static_cast<std::size_t>(day % 32)]};
}

std::optional<std::int64_t> parse_day(std::string_view text) {
  std::int64_t day = 0;
  if (text.size() != 2) return std::nullopt;
  for (char c : text) {
    // Some hosts make every local part small.
    if (ascii::is_letter(c)) c = static_cast<char>(ascii::lower(c) - 'a' + 'A');
    const std::size_t digit = kDayDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    day = day * 32 + static_cast<std::int64_t>(digit);
  }
  return day;
}

bool begins_with(std::string_view local_part, std::string_view tag) {
  // The first separator is a host's own choice of three.
  return local_part.size() > tag.size() && ascii::starts_with(local_part, tag) &&
         std::string_view("=+-").find(local_part[tag.size()]) != std::string_view::npos;
}

// Up to the next "=", which is taken too.
std::optional<std::string_view> take(std::string_view& rest) {
  const std::size_t end = rest.find('=');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return part;
}

// In time that does not tell how much of it is right; capitals make no difference, as above.
bool same_hash(std::string_view given, const std::string& own) {
  if (given.size() != own.size()) return false;
  const std::string a = ascii::lower(given), b = ascii::lower(own);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Error no_srs() {
  return {ErrorKind::kInvalid, "it is no rewritten address"};
}
Error forged() {
  return {ErrorKind::kDenied, "its hash is not ours"};
}

}  // namespace

bool looks_like_srs(const Address& address) {
  return begins_with(address.local_part, kFirst) || begins_with(address.local_part, kAgain);
}

std::string Srs::hash(const std::string& text) const {
  const std::string small = ascii::lower(text);
  std::array<std::uint8_t, 20> digest{};
  unsigned length = 0;
  HMAC(EVP_sha1(), key_.data(), key_.size(), reinterpret_cast<const std::uint8_t*>(small.data()),
       small.size(), digest.data(), &length);
  return base64::encode({reinterpret_cast<const char*>(digest.data()), length}).substr(0, kHashLength);
}

Result<Address> Srs::made(std::string local_part) const {
  Address address{std::move(local_part), domain_};
  // As it stands in a path, with quotes where it needs them.
  const std::string text = address.text();
  if (text.rfind('@') > kMaxLocalPart || text.size() + 2 > kMaxPath) {
    return Error{ErrorKind::kTooLarge, fmt::format("{} would be too long an address", text)};
  }
  return address;
}

Result<Address> Srs::forward(const Address& sender, std::int64_t now) const {
  if (looks_like_srs(sender)) {
    auto again = forward_again(sender);
    if (again || again.error().kind != ErrorKind::kInvalid) return again;
    // Somebody is called so.
  }
  const std::string day = day_text(day_of(now));
  return made(fmt::format("{}={}={}={}={}", kFirst, hash(day + sender.domain + sender.local_part), day,
                          sender.domain, sender.local_part));
}

// The first host knows the sender, and we the first host: whoever stood between is left out.
Result<Address> Srs::forward_again(const Address& sender) const {
  std::string_view rest = sender.local_part;
  rest.remove_prefix(kFirst.size());
  std::string host = sender.domain;
  if (begins_with(sender.local_part, kAgain)) {
    rest.remove_prefix(1);
    const auto old_hash = take(rest);
    const auto first_host = old_hash ? take(rest) : std::nullopt;
    if (!first_host || first_host->empty()) return no_srs();
    host = *first_host;
  }
  if (rest.empty() || std::count(rest.begin() + 1, rest.end(), '=') < 3) return no_srs();
  // With its first separator, which only the host that made it can tell.
  const std::string first(rest);
  return made(fmt::format("{}={}={}={}", kAgain, hash(host + first), host, first));
}

Result<Address> Srs::reverse(const Address& recipient, std::int64_t now) const {
  if (!looks_like_srs(recipient)) return no_srs();
  std::string_view rest = recipient.local_part;
  rest.remove_prefix(kFirst.size() + 1);
  const auto given = take(rest);
  if (begins_with(recipient.local_part, kAgain)) {
    const auto host = given ? take(rest) : std::nullopt;
    if (!host || rest.empty() || !parse_mail_domain(*host)) return no_srs();
    if (!same_hash(*given, hash(std::string(*host).append(rest)))) return forged();
    return Address{std::string(kFirst).append(rest), *parse_mail_domain(*host)};
  }
  const auto day_digits = given ? take(rest) : std::nullopt;
  const auto host = day_digits ? take(rest) : std::nullopt;
  const auto day = parse_day(day_digits.value_or(""));
  if (!host || !day || rest.empty() || !parse_mail_domain(*host)) return no_srs();
  if (!same_hash(*given, hash(std::string(*day_digits).append(*host).append(rest)))) return forged();
  if ((day_of(now) - *day + kDayValues) % kDayValues > kSrsDays) {
    return Error{ErrorKind::kNotFound, fmt::format("it is older than {} days", kSrsDays)};
  }
  return Address{std::string(rest), *parse_mail_domain(*host)};
}

}  // namespace mailstead

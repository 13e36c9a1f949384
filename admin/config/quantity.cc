#include "admin/config/quantity.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace mailstead::admin {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// The first name of a factor is the one that is printed, largest first.
constexpr std::array kSizeUnits = {
    Unit{"TiB", 1ull << 40},
    Unit{"GiB", 1ull << 30},
    Unit{"MiB", 1ull << 20},
    Unit{"KiB", 1ull << 10},
    Unit{"B", 1},
    Unit{"TB", 1000000000000},
    Unit{"GB", 1000000000},
    Unit{"MB", 1000000},
    Unit{"kB", 1000},
    Unit{"KB", 1000},
    Unit{"", 1},
};
constexpr std::array kDurationUnits = {
    Unit{"days", 86400}, Unit{"h", 3600},     Unit{"min", 60},    Unit{"s", 1},        Unit{"day", 86400},
    Unit{"d", 86400},    Unit{"hours", 3600}, Unit{"hour", 3600}, Unit{"minutes", 60}, Unit{"minute", 60},
    Unit{"m", 60},       Unit{"seconds", 1},  Unit{"second", 1},  Unit{"sec", 1},
};

template <std::size_t N>
std::optional<std::uint64_t> parse(std::string_view text, const std::array<Unit, N>& units) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string print(std::uint64_t number, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    const bool singular = unit.name == "days" && number == unit.factor;  // "24 h", not "1 days"
    if (unit.factor == 1 || (number != 0 && number % unit.factor == 0 && !singular)) {
      return fmt::format("{} {}", number / unit.factor, unit.name);
    }
  }
  return fmt::format("{}", number);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizeUnits);
}

std::string print_size(std::uint64_t octets) {
  return print(octets, kSizeUnits);
}

std::optional<std::uint64_t> parse_limit(std::string_view text, std::uint64_t most) {
  const auto octets = text == "none" ? 0 : parse_size(text);
  return octets && *octets <= most ? octets : std::nullopt;
}

std::string print_limit(std::uint64_t octets) {
  return octets == 0 ? "none" : print_size(octets);
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const auto seconds = parse(text, kDurationUnits);
  if (!seconds || !std::in_range<std::int32_t>(*seconds)) return std::nullopt;
  return std::chrono::seconds(static_cast<std::int64_t>(*seconds));
}

std::string print_duration(std::chrono::seconds duration) {
  return print(static_cast<std::uint64_t>(duration.count()), kDurationUnits);
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  if (text.starts_with('/')) {
    const bool fits =
        text.size() < sizeof(sockaddr_un::sun_path) && text.find('\0') == std::string_view::npos;
    if (!fits || text.ends_with('/')) return std::nullopt;
    return ListenAddress{std::string(text), 0};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(colon + 1);
  ListenAddress address;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, address.port);
  if (error != std::errc{} || stop != end) return std::nullopt;

  std::string_view host = text.substr(0, colon);
  if (host.empty()) {
    address.host = "::";
    return address;
  }
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  address.host = std::string(host);
  // A NUL would end the name for inet_pton and not for others.
  if (address.host.find('\0') != std::string::npos) return std::nullopt;
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  if (inet_pton(brackets ? AF_INET6 : AF_INET, address.host.c_str(), binary.data()) != 1) return std::nullopt;
  // Equal addresses are to be equal texts.
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  inet_ntop(brackets ? AF_INET6 : AF_INET, binary.data(), canonical.data(), canonical.size());
  address.host = canonical.data();
  return address;
}

}  // namespace mailstead::admin

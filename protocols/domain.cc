// parse_domain of address.h: RFC 5321 4.1.2 (Domain) and 4.1.3 (address literals).
#include <algorithm>

#include "protocols/address.h"
#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxLabel = 63;  // octets, RFC 1035 2.3.4

bool is_hex(char c) {
  return ascii::hex_value(c).has_value();
}

bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (part == 3)) return false;
    const auto value = ascii::number(text.substr(0, dot));
    if (!value || *value > 255 || std::min(dot, text.size()) > 3) return false;
    if (part < 3) text.remove_prefix(dot + 1);
  }
  return true;
}

// RFC 4291 2.2: eight groups, or fewer with one "::"; the last two may be written as IPv4.
bool is_ipv6(std::string_view text) {
  int groups = 0;
  bool gap = text.starts_with("::");
  if (gap) text.remove_prefix(2);
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (group.find('.') != std::string_view::npos) {
      if (colon != std::string_view::npos || !is_ipv4(group)) return false;
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4 || !std::ranges::all_of(group, is_hex)) return false;
    ++groups;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;
    if (text.front() == ':') {
      if (gap) return false;
      gap = true;
      text.remove_prefix(1);
    }
  }
  return gap ? groups < 8 : groups == 8;
}

// No other kind of literal than these two was ever registered.
bool is_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  if (ascii::starts_with(text, "IPv6:")) return is_ipv6(text.substr(5));
  return is_ipv4(text);
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(
      label, [](char c) { return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

std::optional<std::string> parse_domain(std::string_view text) {
  if (text.size() > kMaxDomain) return std::nullopt;
  if (!text.empty() && text.front() == '[') {
    if (!is_literal(text)) return std::nullopt;
    return ascii::lower(text);
  }
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  std::string_view left = text;
  while (true) {
    const std::size_t dot = left.find('.');
    if (!is_label(left.substr(0, dot))) return std::nullopt;
    if (dot == std::string_view::npos) return ascii::lower(text);
    left.remove_prefix(dot + 1);
  }
}

}  // namespace mailstead

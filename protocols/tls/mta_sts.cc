#include "protocols/tls/mta_sts.h"

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr std::size_t kMaxId = 32;
constexpr std::size_t kMaxAgeDigits = 10;
constexpr std::size_t kMaxHost = 255;  // octets

bool is_alphanumeric(char c) {
  return ascii::is_letter(c) || ascii::is_digit(c);
}

// A host name, or one whose first label is "*".
bool is_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.empty() || text.size() > kMaxHost) return false;
  while (!text.empty()) {
    const bool is_last = text.find('.') == std::string_view::npos;
    const std::string_view label = ascii::take_until(text, '.');
    const bool good = !label.empty() && label.size() <= 63 && std::ranges::all_of(label, [](char c) {
      return is_alphanumeric(c) || c == '-' || c == '_';
    });
    if (!good || (!is_last && text.empty())) return false;
  }
  return true;
}

Error no_policy(std::string why) {
  return {ErrorKind::kInvalid, std::move(why)};
}

}  // namespace

bool StsPolicy::covers(std::string_view host) const {
  return std::ranges::any_of(hosts, [host](std::string_view pattern) {
    if (!pattern.starts_with("*.")) return ascii::same(pattern, host);
    // RFC 8461 4.1: the star is one label.
    const std::size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 && ascii::same(pattern.substr(1), host.substr(dot));
  });
}

std::optional<std::string> sts_policy_id(std::span<const std::string> records) {
  std::optional<std::string_view> ours;
  for (const std::string_view record : records) {
    std::string_view rest = record;
    if (ascii::trim(ascii::take_until(rest, ';')) != "v=STSv1" || rest.empty()) continue;
    if (ours) return std::nullopt;
    ours = rest;
  }
  if (!ours) return std::nullopt;
  std::optional<std::string> id;
  while (!ours->empty()) {
    const std::string_view field = ascii::trim(ascii::take_until(*ours, ';'));
    if (!field.starts_with("id=") || id) continue;
    const std::string_view value = field.substr(3);
    if (value.empty() || value.size() > kMaxId || !std::ranges::all_of(value, is_alphanumeric))
      return std::nullopt;
    id = std::string(value);
  }
  return id;
}

Result<StsPolicy> parse_sts_policy(std::string_view text) {
  if (text.size() > kMaxStsPolicy) return no_policy("it is too long");
  StsPolicy policy;
  // RFC 8461 3.2: what is there twice counts once, but for mx; what nobody knows is passed over.
  std::optional<std::string_view> version;
  std::optional<std::string_view> mode;
  std::optional<std::string_view> max_age;
  while (!text.empty()) {
    std::string_view line = ascii::take_until(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (ascii::trim(line).empty()) continue;
    if (line.find(':') == std::string_view::npos) return no_policy("a line of it has no colon");
    const std::string_view key = ascii::trim(ascii::take_until(line, ':'));
    const std::string_view value = ascii::trim(line);
    if (key == "version" && !version) version = value;
    if (key == "mode" && !mode) mode = value;
    if (key == "max_age" && !max_age) max_age = value;
    if (key != "mx") continue;
    if (!is_pattern(value)) return no_policy("one of its hosts is no name");
    policy.hosts.push_back(ascii::lower(value));
  }
  if (version != "STSv1") return no_policy("its version is not STSv1");
  if (mode == "enforce") {
    policy.mode = StsPolicy::Mode::kEnforce;
  } else if (mode == "testing") {
    policy.mode = StsPolicy::Mode::kTesting;
  } else if (mode != "none") {
    return no_policy("it has no mode");
  }
  const auto seconds = max_age ? ascii::number(*max_age) : std::nullopt;
  if (!seconds || max_age->size() > kMaxAgeDigits) return no_policy("it has no max_age");
  policy.max_age = std::min(static_cast<std::int64_t>(*seconds), kMaxStsAge);
  if (policy.hosts.empty() && policy.mode != StsPolicy::Mode::kNone) return no_policy("it names no host");
  return policy;
}

std::string_view name_of(StsPolicy::Mode mode) {
  switch (mode) {
    case StsPolicy::Mode::kNone:
      return "none";
    case StsPolicy::Mode::kTesting:
      return "testing";
    case StsPolicy::Mode::kEnforce:
      return "enforce";
  }
  return "";
}

}  // namespace mailstead

#include "admin/config/config_environment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <type_traits>
#include <utility>

#include "admin/text.h"

// Whose the environment is: POSIX leaves the declaration to the program.
extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace mailstead::admin {
namespace {

constexpr std::string_view kPrefix = "MAILSTEAD_";

std::string in_capitals(std::string_view text) {
  std::string capitals;
  for (const char c : text) capitals += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return capitals;
}

std::string prefix_of(std::string_view section) {
  return std::string(kPrefix) + in_capitals(section) + (section.empty() ? "" : "_");
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

// "none" is the way to say that a list is empty, since an empty variable says nothing.
std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> list;
  if (trimmed(text) == "none") return list;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (std::string each = trimmed(text.substr(0, comma)); !each.empty()) list.push_back(std::move(each));
    if (comma == text.size()) return list;
    text.remove_prefix(comma + 1);
  }
}

template <typename Value>
constexpr bool kIsVector = false;
template <typename Element>
constexpr bool kIsVector<std::vector<Element>> = true;

// Is its value a list? By the place where it lives.
bool is_list(const ConfigKey& key) {
  return std::visit(
      []<typename Kind>(const Kind& kind) {
        if constexpr (requires(Config& config) { kind.at(config); }) {
          return kIsVector<std::remove_cvref_t<decltype(kind.at(std::declval<Config&>()))>>;
        }
        return false;
      },
      key.kind);
}

template <typename... Kinds>
bool is_one_of(const ConfigKey& key) {
  return (std::holds_alternative<Kinds>(key.kind) || ...);
}

bool is_our_own(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kOurs = {
      "MAILSTEAD_DATA", "MAILSTEAD_CONFIG", "MAILSTEAD_IMPORT_PASSWORD", "MAILSTEAD_ARCHIVES"};
  return std::ranges::find(kOurs, name) != kOurs.end() || name.starts_with("MAILSTEAD_TEST_");
}

// "25_TCP", "25_TCP_ADDR"
bool is_port_and_protocol(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(digits);
  return digits > 0 && (text.starts_with("_TCP") || text.starts_with("_UDP") || text.starts_with("_SCTP"));
}

// What Kubernetes sets in every container of a namespace with a service "mailstead", or "mailstead-web", and
// Docker where a container is linked by such a name.
bool is_of_a_platform(std::string_view name, std::string_view value) {
  static constexpr std::string_view kPort = "_PORT";
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") ||
      name.find("_SERVICE_PORT_") != std::string_view::npos)
    return true;
  if (name.ends_with(kPort) && value.find("://") != std::string_view::npos) return true;
  if (name == "MAILSTEAD_NAME" && value.starts_with('/')) return true;
  if (name.starts_with("MAILSTEAD_ENV_")) return true;
  for (std::size_t at = name.find("_PORT_"); at != std::string_view::npos; at = name.find("_PORT_", at + 1)) {
    if (is_port_and_protocol(name.substr(at + kPort.size() + 1))) return true;
  }
  return false;
}

}  // namespace

Environment our_environment() {
  Environment found;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view line(*each);
    const std::size_t equals = line.find('=');
    if (line.starts_with(kPrefix) && equals != std::string_view::npos)
      found.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return found;
}

std::string variable_of(const ConfigKey& key) {
  return prefix_of(key.section) + in_capitals(key.name);
}

bool is_blank(const std::string& text) {
  return trimmed(text).empty();
}

ConfigInput input_of_variable(const ConfigKey& key, const std::string& text) {
  if (is_list(key)) {
    auto list = list_of(text);
    // Commas alone are a slip, not a service that is switched off.
    if (list.empty() && trimmed(text) != "none") return std::monostate{};
    return list;
  }
  const std::string word = trimmed(text);
  if (is_one_of<SwitchKey>(key) && (word == "true" || word == "True" || word == "1")) return true;
  if (is_one_of<SwitchKey>(key) && (word == "false" || word == "False" || word == "0")) return false;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool is_number = error == std::errc() && end == word.data() + word.size();
  if (is_number && is_one_of<CountKey, SizeKey, LimitKey, DaysKey>(key)) return number;
  return word;
}

std::vector<std::string> unknown_variables(const Environment& environment) {
  std::vector<std::string> unknown;
  const auto keys = config_keys();
  for (const auto& [name, value] : environment) {
    const bool is_known =
        std::ranges::any_of(keys, [&](const ConfigKey& key) { return variable_of(key) == name; });
    if (!is_known && !is_our_own(name) && !is_of_a_platform(name, value)) unknown.push_back(name);
  }
  return unknown;
}

std::string likely_variable(const std::string& unknown) {
  if (!unknown.starts_with(kPrefix)) return {};
  const std::string word = unknown.substr(kPrefix.size());
  std::vector<std::string> whole;
  std::vector<std::string> bare;  // the keys' own names: people leave the section out
  for (const ConfigKey& key : config_keys()) {
    whole.push_back(variable_of(key).substr(kPrefix.size()));
    bare.push_back(in_capitals(key.name));
  }
  const auto with_prefix = [](const std::string& name) { return std::string(kPrefix) + name; };
  if (const auto found = std::ranges::find(bare, word); found != bare.end())
    return with_prefix(whole[static_cast<std::size_t>(found - bare.begin())]);
  if (const std::string near = nearest(word, whole); !near.empty()) return with_prefix(near);
  const std::string near = nearest(word, bare);
  if (near.empty()) return {};
  return with_prefix(whole[static_cast<std::size_t>(std::ranges::find(bare, near) - bare.begin())]);
}

std::string likely_variable_hint(const std::string& unknown) {
  const std::string likely = likely_variable(unknown);
  return likely.empty() ? std::string() : "; did you mean " + likely + "?";
}

}  // namespace mailstead::admin

#include "admin/config/config_environment.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <type_traits>
#include <utility>

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
    const bool is_of_section = std::ranges::any_of(keys, [&](const ConfigKey& key) {
      return !key.section.empty() && name.starts_with(prefix_of(key.section));
    });
    if (!is_known && is_of_section) unknown.push_back(name);
  }
  return unknown;
}

}  // namespace mailstead::admin

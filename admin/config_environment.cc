#include "admin/config_environment.h"

#include <algorithm>
#include <charconv>
#include <string_view>

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

std::string without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\n") - first + 1));
}

// "none" is the way to say that a list is empty, since an empty variable says nothing.
std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> list;
  if (without_blanks(text) == "none") return list;
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (std::string each = without_blanks(text.substr(0, comma)); !each.empty())
      list.push_back(std::move(each));
    if (comma == text.size()) return list;
    text.remove_prefix(comma + 1);
  }
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

ConfigInput input_of_variable(const ConfigKey& key, const std::string& text) {
  if (is_one_of<PathsKey, DurationsKey, RoutesKey, ServersKey, ListenKey, NetworksKey>(key))
    return list_of(text);
  const std::string word = without_blanks(text);
  if (is_one_of<SwitchKey>(key) && (word == "true" || word == "false")) return word == "true";
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

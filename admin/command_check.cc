// What a command's row of the table says of its usage, and whether a request keeps to it.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "admin/command_table.h"
#include "admin/config/quantity.h"
#include "admin/report.h"
#include "admin/text.h"
#include "protocols/address.h"
#include "storage/accounts/app_passwords.h"

namespace mailstead::admin {
namespace {

// Empty when the argument is what it should be, else what is wrong with it.
std::string fault(const Argument& argument, const std::string& text) {
  if (argument.kind == ArgumentKind::kWord) return {};
  if (argument.kind == ArgumentKind::kDevice) {
    const Result<void> checked = check_device_name(text);
    return checked ? "" : checked.error().message;
  }
  if (argument.kind == ArgumentKind::kQuota) {
    const auto limit = parse_limit(text, kMostQuota);
    if (limit == 0U && text != "none") return "a quota of nothing would refuse all mail; 'none' is no quota";
    if (text == "default" || limit) return {};
    return fmt::format("'{}' is not a size such as '2 GiB' (up to '{}'), 'none' or 'default'",
                       printable(text), print_size(kMostQuota));
  }
  if (argument.kind == ArgumentKind::kNetwork) {
    const std::string address = text.ends_with("/64") ? text.substr(0, text.size() - 3) : text;
    in6_addr parsed{};
    if (inet_pton(AF_INET, text.c_str(), &parsed) == 1 || inet_pton(AF_INET6, address.c_str(), &parsed) == 1)
      return {};
    return fmt::format("'{}' is not an IP address", printable(text));
  }
  if (argument.kind == ArgumentKind::kDomain) {
    const auto domain = parse_mail_domain(text);
    return domain && !domain->starts_with('[') ? "" : fmt::format("'{}' is not a domain", printable(text));
  }
  if (argument.kind == ArgumentKind::kAlias && text.starts_with('@')) {
    if (parse_mail_domain(std::string_view(text).substr(1))) return {};
    return fmt::format("'{}' is not '@' and a domain", text);
  }
  const Result<Address> address = parse_address(text);
  if (address) return {};
  constexpr std::size_t kShown = 60;
  const std::string shown = text.size() > kShown ? text.substr(0, kShown) + "..." : text;
  return fmt::format("'{}': {}", shown, address.error().message);
}

// The same for a flag: "keep-mail", or "only=read" for a choice.
std::string flag_fault(const Command& command, std::string_view flag) {
  if (std::find(command.flags.begin(), command.flags.end(), flag) != command.flags.end()) return {};
  const std::string_view name = flag.substr(0, flag.find('='));
  for (const Choice& choice : command.choices) {
    if (choice.name != name) continue;
    const std::string_view value = flag.substr(std::min(name.size() + 1, flag.size()));
    if (choice.values.empty() && !value.empty()) return {};
    if (choice.values.empty()) return fmt::format("'--{}' needs a value: {}", choice.name, choice.word);
    if (std::find(choice.values.begin(), choice.values.end(), value) != choice.values.end()) return {};
    return fmt::format("'--{}' is one of: {}", choice.name, fmt::join(choice.values, ", "));
  }
  return fmt::format("'{}' has no option '--{}'", command.name, name);
}

}  // namespace

std::string usage(const Command& command) {
  std::string text(command.name);
  if (command.secret == Secret::kPassword) text += " [--password-stdin]";
  for (const std::string_view flag : command.flags) text += fmt::format(" [--{}]", flag);
  for (const Choice& choice : command.choices) {
    const std::string value =
        choice.values.empty() ? std::string(choice.word) : fmt::format("{}", fmt::join(choice.values, "|"));
    text += fmt::format(" [--{} {}]", choice.name, value);
  }
  for (const Argument& argument : command.arguments) {
    text += command.least == 0 ? fmt::format(" [{}]", argument.name) : fmt::format(" {}", argument.name);
  }
  if (command.most == kManyArguments) text += "...";
  return text;
}

Report check_request(const Command& command, const Request& request) {
  const std::size_t count = request.arguments.size();
  if (count < command.least || count > command.most) {
    return misused(fmt::format("{} arguments: usage is 'mailstead {}'",
                               count < command.least ? "too few" : "too many", usage(command)));
  }
  for (const std::string& flag : request.flags) {
    if (const std::string wrong = flag_fault(command, flag); !wrong.empty()) return misused(wrong);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Argument& argument = command.arguments[std::min(i, command.arguments.size() - 1)];
    const std::string wrong = fault(argument, request.arguments[i]);
    if (!wrong.empty()) return misused(wrong);
  }
  return {};
}

}  // namespace mailstead::admin

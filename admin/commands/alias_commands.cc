// alias add | list | remove

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

// "local@domain" or "@domain", as the store knows it. Checked before: never an error here.
std::string name_of(const std::string& text) {
  if (text.starts_with('@')) return "@" + parse_mail_domain(std::string_view(text).substr(1)).value();
  return parse_address(text).value().text();
}

std::vector<std::string> texts(const std::vector<Address>& targets) {
  std::vector<std::string> texts;
  for (const Address& target : targets) texts.push_back(target.text());
  return texts;
}

Value value_of(const std::string& name, const std::vector<Address>& targets) {
  const std::vector<std::string> names = texts(targets);
  return Value::Object{{"alias", name}, {"targets", Value::Array(names.begin(), names.end())}};
}

}  // namespace

Report add_alias(const Request& request, CommandContext& context) {
  const std::string name = name_of(request.arguments[0]);
  std::vector<Address> targets;
  for (std::size_t i = 1; i < request.arguments.size(); ++i) {
    targets.push_back(parse_address(request.arguments[i]).value());
  }
  if (Result<void> added = context.store.add_alias(name, targets); !added) return failed(added.error());
  std::string text = fmt::format("Mail to {} goes to {}.\n", name, fmt::join(texts(targets), ", "));
  const auto directory = context.store.directory();
  if (std::ranges::any_of(targets,
                          [&](const Address& target) { return !directory->is_ours(target.domain); })) {
    text +=
        "What goes to another host is sent under a reverse-path of this server, so that SPF allows it, and\n"
        "reports come back by here.\n";
  }
  return done(std::move(text), value_of(name, targets));
}

Report list_aliases(const Request&, CommandContext& context) {
  const auto directory = context.store.directory();
  if (directory->aliases().empty()) {
    return done("No aliases yet: 'mailstead alias add ALIAS TARGET...' makes one.\n", Value::Array{});
  }
  Table table({Align::kLeft, Align::kLeft});
  table.add({"ALIAS", "TARGETS"});
  Value::Array array;
  for (const AliasEntry& alias : directory->aliases()) {
    table.add({alias.name, fmt::format("{}", fmt::join(texts(alias.targets), ", "))});
    array.push_back(value_of(alias.name, alias.targets));
  }
  return done(table.text(), array);
}

Report remove_alias(const Request& request, CommandContext& context) {
  const std::string name = name_of(request.arguments[0]);
  if (Result<void> removed = context.store.remove_alias(name); !removed) return failed(removed.error());
  return done(fmt::format("The alias {} is removed.\n", name), Value::Object{{"alias", name}});
}

}  // namespace mailstead::admin

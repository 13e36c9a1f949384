// app-password add | list | revoke

#include <fmt/format.h>

#include <algorithm>

#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"
#include "storage/accounts/password.h"

namespace mailstead::admin {
namespace {

PasswordScope scope_of(const Request& request) {
  if (has_flag(request, "only=read")) return PasswordScope::kRead;
  return has_flag(request, "only=send") ? PasswordScope::kSend : PasswordScope::kReadAndSend;
}

std::string scope_text(PasswordScope scope) {
  if (scope == PasswordScope::kRead) return "reading";
  return scope == PasswordScope::kSend ? "sending" : "reading and sending";
}

// In the words of --only.
Value scope_value(PasswordScope scope) {
  Value::Array may;
  if (scope != PasswordScope::kSend) may.emplace_back("read");
  if (scope != PasswordScope::kRead) may.emplace_back("send");
  return may;
}

std::string apop_text(Apop apop) {
  if (apop == Apop::kLost) return "lost: add it again";
  return apop == Apop::kReady ? "yes" : "no";
}

}  // namespace

Report add_app_password(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  NewAppPassword password;
  password.name = request.arguments[1];
  password.scope = scope_of(request);
  password.apop = has_flag(request, "apop") ? ApopUse::kYes : ApopUse::kNo;
  if (password.apop == ApopUse::kYes && password.scope == PasswordScope::kSend) {
    return misused("APOP is a way to read mail: --apop does not go with --only send");
  }
  password.password = generate_app_password();
  if (Result<void> added = context.store.add_app_password(address, password); !added)
    return failed(added.error());
  return done(fmt::format("{} has an app password for {}, named '{}'{}.\n"
                          "The password, shown only this once: {}\n",
                          address.text(), scope_text(password.scope), printable(password.name),
                          password.apop == ApopUse::kYes ? ", also by APOP" : "", password.password),
              Value::Object{{"address", address.text()},
                            {"name", password.name},
                            {"may", scope_value(password.scope)},
                            {"apop", password.apop == ApopUse::kYes},
                            {"password", password.password}});
}

Report list_app_passwords(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const auto passwords = context.store.list_app_passwords(address);
  if (!passwords) return failed(passwords.error());
  if (passwords->empty()) {
    return done(fmt::format("{0} has no app passwords: 'mailstead app-password add {1} NAME' makes one.\n",
                            address.text(), address_word(address.text())),
                Value::Array{});
  }
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"NAME", "FOR", "APOP", "MADE", "LAST USED"});
  Value::Array array;
  for (const AppPasswordSummary& each : *passwords) {
    table.add({printable(each.name), scope_text(each.scope), apop_text(each.apop), time_text(each.created_at),
               time_text(each.last_used_at)});
    array.push_back(Value::Object{{"name", each.name},
                                  {"may", scope_value(each.scope)},
                                  {"apop", each.apop == Apop::kReady},
                                  {"apop_lost", each.apop == Apop::kLost},
                                  {"created_at", time_value(each.created_at)},
                                  {"last_used_at", time_value(each.last_used_at)}});
  }
  return done(table.text(), array);
}

Report revoke_app_password(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const std::string& name = request.arguments[1];
  if (Result<void> revoked = context.store.revoke_app_password(address, name); !revoked)
    return failed(revoked.error());
  return done(fmt::format("The app password '{}' of {} is revoked.\n", printable(name), address.text()),
              Value::Object{{"address", address.text()}, {"name", name}});
}

}  // namespace mailstead::admin

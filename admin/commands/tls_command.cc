// tls show | reload | renew | others

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>

#include "admin/acme_facts.h"
#include "admin/certificate.h"
#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {

namespace {

std::string day_text(std::int64_t day) {
  return rfc3339(day * kTlsCountDay).substr(0, 10);
}

std::string policy_text(TlsPolicyKind kind) {
  switch (kind) {
    case TlsPolicyKind::kNone:
      return "none";
    case TlsPolicyKind::kSts:
      return "MTA-STS";
    case TlsPolicyKind::kTlsa:
      return "DANE";
  }
  return "";
}

const CertificateInUse* default_in_use(const CommandContext& context) {
  const bool runs = context.server != nullptr && !context.server->certificates.empty();
  return runs ? &context.server->certificates.front() : nullptr;
}

std::string one_line(const CertificateFacts& facts) {
  return fmt::format("{}, good until {}, SHA-256 {}",
                     facts.self_signed ? "self-signed" : "by " + facts.issuer, time_text(facts.not_after),
                     facts.sha256);
}

std::string words_for_kept(const CertificateInUse* used) {
  return used == nullptr ? std::string()
                         : "; the server goes on with the one that it has: " + one_line(used->facts);
}

std::string words_for_use(const CommandContext& context, const CertificateFacts& facts) {
  const CertificateInUse* const used = default_in_use(context);
  if (used == nullptr) return "by no server: none runs";
  if (used->facts.sha256 == facts.sha256) return "by the running server";
  return "the server shows another one: " + one_line(used->facts);
}

std::string what_to_do(const CommandContext& context, const CertificateFacts& facts) {
  const CertificateInUse* const used = default_in_use(context);
  if (used == nullptr || used->facts.sha256 == facts.sha256) return {};
  if (const std::string& why = context.server->certificate_trouble; !why.empty())
    return fmt::format("what the files hold cannot be used: {}", printable(why));
  return "'mailstead tls reload' has the server take this one; it does so by itself within a minute";
}

Value use_value(const CommandContext& context) {
  const CertificateInUse* const used = default_in_use(context);
  if (used == nullptr) return nullptr;
  return Value::Object{{"certificate", used->files.certificate},
                       {"names", Value::Array(used->facts.names.begin(), used->facts.names.end())},
                       {"issuer", used->facts.issuer},
                       {"self_signed", used->facts.self_signed},
                       {"not_after", time_value(used->facts.not_after)},
                       {"sha256", used->facts.sha256}};
}

Value trouble_value(const CommandContext& context) {
  if (context.server == nullptr || context.server->certificate_trouble.empty()) return nullptr;
  return context.server->certificate_trouble;
}

}  // namespace

Report show_tls(const Request&, CommandContext& context) {
  const CertificateFiles files = certificate_files(context.config, context.data);
  const Result<CertificateFacts> facts = read_certificate(files);
  if (!facts) {
    const bool first = files.own && facts.error().kind == ErrorKind::kNotFound;
    return failed(first ? "there is no certificate yet: 'mailstead serve' makes a self-signed one"
                        : facts.error().message + words_for_kept(default_in_use(context)));
  }
  const bool expired = facts->not_after < std::time(nullptr);

  Table table({Align::kLeft, Align::kLeft});
  table.add({"certificate", files.certificate});
  table.add({"key", files.key});
  table.add({"subject", facts->subject});
  table.add(
      {"issuer", facts->self_signed ? "itself: mail programs ask once whether to trust it" : facts->issuer});
  table.add({"names", fmt::format("{}", fmt::join(facts->names, ", "))});
  table.add({"valid from", time_text(facts->not_before)});
  table.add({"valid until", time_text(facts->not_after) + (expired ? ": expired" : "")});
  table.add({"SHA-256", facts->sha256});
  table.add({"in use", words_for_use(context, *facts)});
  if (const std::string advice = what_to_do(context, *facts); !advice.empty()) table.add({"", advice});
  const AcmeFacts* acme = context.server == nullptr ? nullptr : &context.server->acme;
  if (acme != nullptr && acme->is_on) {
    table.add({"authority", acme->directory});
    for (const auto& [name, text] : acme_lines(*acme)) table.add({name, text});
  }

  return done(table.text(), Value::Object{{"certificate", files.certificate},
                                          {"key", files.key},
                                          {"own", files.own},
                                          {"subject", facts->subject},
                                          {"issuer", facts->issuer},
                                          {"names", Value::Array(facts->names.begin(), facts->names.end())},
                                          {"not_before", time_value(facts->not_before)},
                                          {"not_after", time_value(facts->not_after)},
                                          {"expired", expired},
                                          {"sha256", facts->sha256},
                                          {"self_signed", facts->self_signed},
                                          {"in_use", use_value(context)},
                                          {"not_used_because", trouble_value(context)},
                                          {"acme", acme == nullptr ? Value(nullptr) : acme_value(*acme)}});
}

// Read by the time that this is asked (server/command_runner).
Report reload_tls(const Request&, CommandContext& context) {
  if (context.server == nullptr) return failed(no_server(context.data));
  if (const std::string& why = context.server->certificate_trouble; !why.empty()) {
    return failed(fmt::format("what the files hold cannot be used: {}{}", printable(why),
                              words_for_kept(default_in_use(context))));
  }
  std::string text = "In use:\n";
  Value::Array array;
  for (const auto& [files, facts] : context.server->certificates) {
    Table table({Align::kLeft, Align::kLeft});
    table.add({"certificate", files.certificate});
    table.add({"issuer", facts.self_signed ? "itself" : facts.issuer});
    table.add({"valid until", time_text(facts.not_after)});
    table.add({"SHA-256", facts.sha256});
    if (!array.empty()) text += '\n';
    text += table.text(2);
    array.push_back(Value::Object{{"certificate", files.certificate},
                                  {"names", Value::Array(facts.names.begin(), facts.names.end())},
                                  {"not_after", time_value(facts.not_after)},
                                  {"sha256", facts.sha256}});
  }
  return done(std::move(text), std::move(array));
}

Report renew_tls(const Request& request, CommandContext& context) {
  if (context.server == nullptr) return failed(no_server(context.data));
  const AcmeFacts& acme = context.server->acme;
  const std::int64_t now = std::time(nullptr);
  if (!acme.is_on)
    return failed("no authority is configured: see [acme] in the configuration ('mailstead config default')");
  const Value value = acme_value(acme);
  if (acme.is_running)
    return done("It is being got right now: 'mailstead tls show' tells how it went.\n", value);
  if (acme.asked_to_wait_until > now) {
    return failed(fmt::format("the authority wants to be asked again at {} and not before: {}",
                              time_text(acme.asked_to_wait_until), acme.problem));
  }
  if (acme.by_hand_at > now) {
    return failed(fmt::format(
        "it failed {} times; not before {}, since authorities shut out who asks in vain too often: {}",
        acme.failures, time_text(acme.by_hand_at), acme.problem));
  }
  if (!acme.is_needed && !has_flag(request, "force")) {
    return done(
        fmt::format("Not needed: the certificate is renewed at about {}; --force gets a new one now.\n",
                    time_text(acme.next_at)),
        value);
  }
  return done("Begun: 'mailstead tls show' tells in a moment how it went.\n", value);
}

Report show_tls_of_others(const Request&, CommandContext& context) {
  const auto counts = context.store.tls_counts(0);
  if (!counts) return failed(counts.error());
  if (counts->empty()) return done("No mail went to other hosts yet.\n", Value::Array{});
  Table table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft});
  table.add({"DAY", "DOMAIN", "DEMANDS", "CONNECTIONS", "OUTCOME"});
  Value::Array array;
  for (const TlsCount& each : *counts) {
    const bool good = each.verdict == TlsVerdict::kSuccess;
    std::string outcome = good ? "encrypted" : std::string(name_of(each.verdict));
    if (!each.host.empty()) outcome += fmt::format(", {} [{}]", each.host, each.address);
    if (!each.reason.empty()) outcome += fmt::format(": {}", each.reason);
    table.add({day_text(each.day), each.policy.domain, policy_text(each.policy.kind),
               fmt::format("{}", each.sessions), outcome});
    array.push_back(Value::Object{{"day", day_text(each.day)},
                                  {"domain", each.policy.domain},
                                  {"policy", std::string(name_of(each.policy.kind))},
                                  {"connections", static_cast<std::int64_t>(each.sessions)},
                                  {"result", good ? "success" : std::string(name_of(each.verdict))},
                                  {"host", each.host},
                                  {"address", each.address},
                                  {"reason", each.reason}});
  }
  return done(table.text(), std::move(array));
}

}  // namespace mailstead::admin

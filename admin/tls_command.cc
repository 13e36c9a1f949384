// tls show

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>

#include "admin/certificate.h"
#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {

Report show_tls(const Request&, CommandContext& context) {
  const CertificateFiles files = certificate_files(context.config, context.data);
  const Result<CertificateFacts> facts = read_certificate(files);
  if (!facts) {
    const bool first = files.own && facts.error().kind == ErrorKind::kNotFound;
    return failed(first ? "there is no certificate yet: 'mailstead serve' makes a self-signed one"
                        : facts.error().message);
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
                                          {"self_signed", facts->self_signed}});
}

}  // namespace mailstead::admin

// client-card ADDRESS: how a mail program, or a phone, is set up for a mailbox.

#include <fmt/format.h>

#include "admin/certificate.h"
#include "admin/client_settings.h"
#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {

namespace {

using Use = ClientService::Use;

constexpr std::size_t kSteps = 15;  // the column where they begin

// What a program asks its user when it does not know who has signed the certificate.
std::string certificate_words(const Result<CertificateFacts>& certificate) {
  if (!certificate || !certificate->self_signed) return {};
  return fmt::format(
      "\n{}\n  {}\n",
      filled("The certificate is self-signed: programs ask once whether to trust it. It is the "
             "right one when they show this SHA-256 fingerprint:"),
      certificate->sha256);
}

std::string steps(const Address& address, const Config& config) {
  const bool is_found = !config.listen.web.empty() || !config.listen.webs.empty();
  const std::string apple =
      fmt::format("mailstead client-card {} --apple > mail.mobileconfig", shell_word(address.text()));
  const std::string thunderbird =
      std::string("New account, then name, address and password. ") +
      (is_found
           ? "It finds the rest by itself, once the domain's DNS records are there ('mailstead dns records')."
           : "Then 'Configure manually' and the above.");
  std::string text = "\n";
  const auto add = [&text](std::string_view program, std::string_view words) {
    text += fmt::format("{:<{}}{}\n", program, kSteps, filled(words, kSteps, kSteps));
  };
  add("Thunderbird", thunderbird);
  add("Outlook", "Add account, advanced options, set up manually, POP; then the above.");
  add("iPhone, iPad,", "A profile sets up Mail by itself:");
  text += fmt::format("{:<{}}{}\n", "Mac", kSteps, apple);  // to be copied, however long the address is
  add("Others", "The above. 'Leave messages on the server', where several devices fetch them.");
  return text;
}

}  // namespace

Report show_client_card(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const auto mailbox = context.store.show_mailbox(address);
  if (!mailbox) return failed(mailbox.error());
  const Config& config = context.config;
  std::string profile = apple_profile(mailbox->address, config);
  if (has_flag(request, "apple")) {
    const Value value(profile);
    return done(std::move(profile), value);
  }
  const auto certificate = read_certificate(certificate_files(config, context.data));
  Table table({Align::kLeft, Align::kLeft});
  table.add({"user name", mailbox->address.text()});
  table.add({"password", "the mailbox's; better one for each device:"});
  table.add({"", fmt::format("mailstead app-password add {} NAME", shell_word(mailbox->address.text()))});
  table.add({"server", config.hostname});
  for (const auto& [use, title] :
       {std::pair{Use::kIncoming, "incoming mail, POP3"}, {Use::kOutgoing, "outgoing mail, SMTP"}}) {
    const std::string ports = ports_text(use, config);
    table.add({title, ports.empty() ? "nothing listens: see [listen]" : ports});
  }
  return done(table.text() + certificate_words(certificate) + steps(mailbox->address, config),
              Value::Object{{"address", mailbox->address.text()},
                            {"host", config.hostname},
                            {"pop3", ports_value(Use::kIncoming, config)},
                            {"submission", ports_value(Use::kOutgoing, config)},
                            {"certificate_sha256", certificate ? Value(certificate->sha256) : Value(nullptr)},
                            {"certificate_self_signed", certificate && certificate->self_signed},
                            {"apple_profile", std::move(profile)}});
}

}  // namespace mailstead::admin

#include "server/drivers.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <ctime>
#include <utility>

#include "admin/cli.h"
#include "server/http/http_driver.h"
#include "server/pop3_driver.h"
#include "server/smtp_driver.h"

namespace mailstead {
namespace {

SmtpService smtp_service(Service service) {
  if (service == Service::kLmtp) return SmtpService::kLmtp;
  return service == Service::kSmtp ? SmtpService::kExchange : SmtpService::kSubmission;
}

// RFC 1939 7: different for each greeting, in the form of a msg-id. Nobody can guess the next one.
std::string new_timestamp(std::string_view hostname) {
  std::array<std::uint64_t, 2> random{};
  RAND_bytes(reinterpret_cast<std::uint8_t*>(random.data()), sizeof random);
  return fmt::format("<{:016x}{:016x}.{}@{}>", random[0], random[1], std::time(nullptr), hostname);
}

sasl::Scram scram_of(const Directory& directory) {
  return directory.offers_scram() ? sasl::Scram::kAvailable : sasl::Scram::kAbsent;
}

}  // namespace

std::shared_ptr<Driver> Drivers::make(Service service, const PeerFacts& peer) const {
  switch (service) {
    case Service::kPop3:
    case Service::kPop3s:
      return make_pop3(service, peer);
    case Service::kHttp:
      return std::make_shared<HttpDriver>(context_.pages, Site::kMonitors, peer.address);
    case Service::kWeb:
    case Service::kWebs:
      return std::make_shared<HttpDriver>(context_.pages, Site::kPublic, peer.address);
    case Service::kAcme:
      return std::make_shared<HttpDriver>(context_.pages, Site::kChallenges, peer.address);
    case Service::kSmtp:
    case Service::kSubmission:
    case Service::kSubmissions:
    case Service::kLmtp:
      break;
  }
  return make_smtp(service, peer);
}

bool Drivers::can_start_tls(Service service) const {
  return !is_implicit_tls(service) && context_.certificates.context() != nullptr;
}

std::shared_ptr<Driver> Drivers::make_pop3(Service service, const PeerFacts& peer) const {
  const Config& config = context_.services.config;
  const auto directory = context_.store.directory();
  Pop3Options options;
  options.hostname = config.hostname;
  options.version = version();
  options.stls_available = can_start_tls(service);
  options.plaintext_auth = config.auth.plaintext;
  options.idle_timeout = config.pop3.idle_timeout;
  options.language = config.pop3.language;
  options.scram = scram_of(*directory);
  if (directory->offers_apop()) options.apop_timestamp = new_timestamp(config.hostname);
  options.login_delay = config.pop3.login_delay;
  options.expire_days = config.pop3.expire_days;
  return std::make_shared<Pop3Driver>(context_.services, std::move(options), peer, service_name(service));
}

std::shared_ptr<Driver> Drivers::make_smtp(Service service, const PeerFacts& peer) const {
  const Config& config = context_.services.config;
  SmtpOptions options;
  options.hostname = config.hostname;
  options.service = smtp_service(service);
  options.starttls_available = can_start_tls(service);
  options.plaintext_auth = config.auth.plaintext;
  options.message_size = config.limits.message_size;
  options.recipients = config.limits.recipients;
  options.bare_newline = config.smtp.bare_newline;
  options.check_from = config.submission.check_from;
  options.scram = scram_of(*context_.store.directory());
  options.data_rate = config.limits.data_rate;
  if (!context_.services.known_peers.knows(peer, std::time(nullptr)))
    options.greeting_delay = config.smtp.greeting_delay;
  options.judged = context_.services.policies.judged(options.service);
  // Of what is converted no signature could be judged.
  options.offer_binary =
      options.service != SmtpService::kExchange || config.smtp.sender_checks != SenderChecks::kReject;
  return std::make_shared<SmtpDriver>(context_.services, std::move(options), peer, service_name(service));
}

}  // namespace mailstead

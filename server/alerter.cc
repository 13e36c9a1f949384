#include "server/alerter.h"

#include <ctime>
#include <utility>
#include <vector>

#include "admin/acme_facts.h"
#include "admin/certificate.h"

namespace mailstead {

namespace {

constexpr std::int64_t kAlertAgainAfter = 600;  // seconds

}  // namespace

struct Alerter::Look {
  admin::AlertFacts facts;
  std::string kept;  // as the store has it
  admin::ToldAlerts told;
  std::vector<admin::Alert> alerts;
  admin::ToldAlerts::News news = admin::ToldAlerts::News::kNone;
};

void Alerter::tend() {
  const std::int64_t now = std::time(nullptr);
  // A clock that was set back is not waited for.
  if (is_looking_ || stopped_ || (now < not_before_ && now >= not_before_ - kAlertAgainAfter)) return;
  const auto look = std::make_shared<Look>();
  admin::AlertFacts& facts = look->facts;
  facts.now = now;
  facts.least_free = context_.config.limits.free_space;
  if (const auto free = context_.storage.store().free_space()) facts.free = *free;
  facts.waiting = context_.queue.waiting();
  facts.none_taken_since = context_.queue.standstill().since;
  facts.refusing_domains = context_.queue.standstill().domains.size();
  facts.has_smarthost = !context_.config.queue.smarthost.host.empty();
  facts.last_backup_at = context_.storage.store().last_backup_at();
  facts.mail_trouble = context_.storage.mail_trouble();
  take_certificates(facts);
  is_looking_ = true;
  ask_store(look);
}

// What is in use is judged, and not what its files hold by now: that may be good, and not be used.
void Alerter::take_certificates(admin::AlertFacts& facts) const {
  const bool is_acme = context_.config.acme.is_on();
  const auto context = context_.certificates.context();
  if (context == nullptr) return;
  bool is_first = true;
  for (const CertificateInUse& each : context->certificates()) {
    const bool is_default = std::exchange(is_first, false);
    const bool is_self_made = each.files.own && each.facts.self_signed;
    if (is_default) facts.has_issued = !is_self_made;
    if (is_self_made) continue;  // the server makes a new one in time, and nobody trusts it for its dates
    facts.certificates.push_back(
        {each.files.certificate, each.facts.not_before, each.facts.not_after, is_acme && is_default});
  }
  facts.certificate_trouble = context_.certificates.trouble().why;
  facts.certificate_trouble_since = context_.certificates.trouble().since;
  if (!is_acme) return;
  const AcmeFacts renewal = context_.acme.facts();
  facts.acme_failures = renewal.failures;
  facts.acme_problem = renewal.problem;
  facts.acme_advice = renewal.advice;
}

void Alerter::ask_store(const std::shared_ptr<Look>& look) {
  const auto notes = std::make_shared<Result<Store::AlertNotes>>(Store::AlertNotes{});
  const bool posted = context_.storage.post([notes](Store& store) { *notes = store.alert_notes(); },
                                            [this, look, notes] {
                                              if (!*notes) return end((*notes).error().message);
                                              look->facts.backup_failed_at = (*notes)->backup_failed_at;
                                              look->facts.backup_failure = (*notes)->backup_failure;
                                              look->kept = (*notes)->told;
                                              judge(look);
                                            });
  if (!posted) is_looking_ = false;
}

void Alerter::judge(const std::shared_ptr<Look>& look) {
  look->alerts = admin::alerts_of(look->facts);
  std::set<std::string> now;
  for (const admin::Alert& alert : look->alerts) {
    now.insert(alert.about);
    if (!logged_.contains(alert.about))
      context_.log.warning("alert", {{"about", alert.about}, {"what", alert.what}, {"advice", alert.advice}});
  }
  logged_ = std::move(now);
  look->told = admin::ToldAlerts::parse(look->kept);
  look->news = look->told.look(look->alerts, look->facts.now);
  if (!context_.config.alerts.mail || look->news == admin::ToldAlerts::News::kNone) return keep(look);
  send(look);
}

void Alerter::send(const std::shared_ptr<Look>& look) {
  const auto directory = context_.storage.store().directory();
  const std::string ours = signing_domain(*directory, context_.config.hostname, std::nullopt);
  const std::string& domain = ours.empty() ? context_.config.hostname : ours;
  std::string to = context_.config.alerts.to;
  if (to.empty() && !ours.empty()) to = "postmaster@" + ours;
  const auto address = parse_address(to);
  // Before the first mailbox there is nobody to be told.
  if (!address) return end("");
  Delivery delivery;
  delivery.id = context_.storage.store().new_id();
  delivery.envelope.recipients = {Recipient(*address)};
  delivery.envelope.recipients[0].notify = Notify{};  // nobody is told of an alert that is lost
  delivery.rest = admin::write_alert_mail(
      look->alerts, {context_.config.hostname, "postmaster@" + domain, to, delivery.id, look->facts.now});
  delivery.relaying = Relaying::kYes;
  context_.log.info("alert-mail", {{"id", delivery.id}, {"to", to}});
  const bool posted =
      context_.signing.deliver(std::move(delivery), domain, [this, look](const Result<Delivered>& result) {
        if (!result) return end(result.error().message);
        look->told.told(look->alerts, look->news, look->facts.now);
        keep(look);
      });
  if (!posted) end("too much waits to be delivered");
}

// Only what has changed is worth a flush.
void Alerter::keep(const std::shared_ptr<Look>& look) {
  std::string text = look->told.text();
  if (text == look->kept) return end("");
  const auto done = std::make_shared<Result<void>>();
  const bool posted = context_.storage.post(
      [done, text = std::move(text)](Store& store) { *done = store.keep_told_alerts(text); },
      [this, done] { end(*done ? std::string() : done->error().message); });
  if (!posted) is_looking_ = false;
}

void Alerter::end(const std::string& trouble) {
  is_looking_ = false;
  if (trouble.empty()) return;
  not_before_ = std::time(nullptr) + kAlertAgainAfter;
  if (!stopped_) context_.log.warning("alert-failed", {{"why", trouble}});
}

}  // namespace mailstead

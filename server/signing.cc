#include "server/signing.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "protocols/origin/arc_sealer.h"
#include "protocols/origin/dkim_signer.h"
#include "storage/delivery/delivery_content.h"

namespace mailstead {

namespace {

// Mail of ours: does somebody elsewhere get it? Of what is held nobody knows yet.
bool goes_elsewhere(const Delivery& delivery, const Store& store, const Directory& directory) {
  if (delivery.relaying == Relaying::kYes && delivery.envelope.hold_until != 0) return true;
  return delivery.relaying == Relaying::kYes &&
         std::ranges::any_of(delivery.envelope.recipients, [&](const Recipient& recipient) {
           return directory.classify(recipient.address) == RecipientKind::kNotOurs ||
                  !directory.forwards(recipient.address).empty() || store.takes_reports(recipient.address);
         });
}

// Keys of RSA come first for those that know no others: RFC 8617 4.1.1 and 8463 are of one age.
const DkimIdentity* sealing_key(const std::vector<DkimIdentity>& keys) {
  const auto found = std::ranges::find_if(
      keys, [](const DkimIdentity& identity) { return identity.key.algorithm_name() == "rsa-sha256"; });
  if (found != keys.end()) return &*found;
  return keys.empty() ? nullptr : &keys.front();
}

Result<std::string> signatures_of(const Delivery& delivery, const std::vector<DkimIdentity>& keys) {
  DkimSigner signer;
  signer.read(delivery.tags);
  if (auto done = read_content(delivery, [&](std::string_view piece) { signer.read(piece); }); !done)
    return done.error();
  return signer.finish(keys, {std::time(nullptr), 0});
}

Result<std::string> seal_of(const Delivery& delivery, const std::vector<DkimIdentity>& keys,
                            const SealedFindings& findings) {
  const DkimIdentity* key = sealing_key(keys);
  if (key == nullptr) return Error{ErrorKind::kNotFound, "there is no key"};
  ArcSealer sealer;
  sealer.read(delivery.tags);
  if (auto done = read_content(delivery, [&](std::string_view piece) { sealer.read(piece); }); !done)
    return done.error();
  return sealer.finish(*key, findings.results, findings.chain, {std::time(nullptr), 0});
}

}  // namespace

std::string signing_domain(const Directory& directory, const std::string& author,
                           const std::optional<Address>& reverse_path) {
  const auto signs = [&](const std::string& domain) {
    return !domain.empty() && !domain.starts_with('[') && directory.is_ours(domain);
  };
  for (std::string domain = author; !domain.empty();) {
    if (signs(domain)) return domain;
    const std::size_t dot = domain.find('.');
    domain = dot == std::string::npos ? std::string() : domain.substr(dot + 1);
  }
  if (reverse_path && signs(reverse_path->domain)) return reverse_path->domain;
  return {};
}

std::string sealing_domain(const Directory& directory, const Envelope& envelope) {
  for (const Recipient& recipient : envelope.recipients) {
    for (const Forward& forward : directory.forwards(recipient.address)) {
      if (!forward.via.domain.starts_with('[')) return forward.via.domain;
    }
  }
  return {};
}

struct Signing::Job {
  Delivery delivery;
  std::string domain;
  const char* event;                                    // of the log, when it cannot be done
  std::function<Result<std::string>(const Job&)> make;  // by a file thread
  std::string Delivery::*into;
  std::function<void(Job&)> then;
  std::function<void(Job&)> when_busy;
  DkimSigners keys = nullptr;
  Result<std::string> made = std::string();
};

bool Signing::deliver(Delivery delivery, const std::string& author,
                      std::function<void(Result<Delivered>)> done) {
  const Store& store = storage_.store();
  const auto directory = store.directory();
  std::string domain;
  if (goes_elsewhere(delivery, store, *directory)) {
    domain = signing_domain(*directory, author, delivery.envelope.reverse_path);
  }
  if (domain.empty()) return storage_.deliver(std::move(delivery), std::move(done));
  auto job = std::make_shared<Job>();
  job->delivery = std::move(delivery);
  job->domain = std::move(domain);
  job->event = "unsigned";
  job->make = [](const Job& each) { return signatures_of(each.delivery, *each.keys); };
  job->into = &Delivery::signatures;
  job->when_busy = [done](Job&) { done(Error{ErrorKind::kUnavailable, "too much waits"}); };
  job->then = [this, done = std::move(done)](Job& each) {
    if (!storage_.deliver(std::move(each.delivery), done)) each.when_busy(each);
  };
  return find_keys(job);
}

void Signing::seal(Delivery delivery, const std::string& domain, SealedFindings findings,
                   std::function<void(Delivery)> done) {
  auto job = std::make_shared<Job>();
  job->delivery = std::move(delivery);
  job->domain = domain;
  job->event = "unsealed";
  job->make = [findings = std::move(findings)](const Job& each) {
    return seal_of(each.delivery, *each.keys, findings);
  };
  job->into = &Delivery::seal;
  job->then = [done = std::move(done)](Job& each) { done(std::move(each.delivery)); };
  job->when_busy = [this](Job& each) {
    each.made = Error{ErrorKind::kUnavailable, "too much waits"};
    end(each);
  };
  if (!find_keys(job)) job->when_busy(*job);
}

bool Signing::find_keys(const std::shared_ptr<Job>& job) {
  job->keys = storage_.store().known_dkim_keys(job->domain);
  if (job->keys != nullptr) return use_keys(job);
  return storage_.post(
      [job](Store& store) {
        auto keys = store.dkim_keys(job->domain);
        if (keys) {
          job->keys = *std::move(keys);
        } else {
          job->made = keys.error();
        }
      },
      [this, job] {
        if (!job->made) return end(*job);
        if (!use_keys(job)) job->when_busy(*job);
      });
}

bool Signing::use_keys(const std::shared_ptr<Job>& job) {
  return files_.post([job] { job->made = job->make(*job); }, [this, job] { end(*job); });
}

void Signing::end(Job& job) {
  if (job.made) {
    job.delivery.*job.into = *std::move(job.made);
  } else {
    log_.warning(job.event,
                 {{"id", job.delivery.id}, {"domain", job.domain}, {"why", job.made.error().message}});
  }
  job.then(job);
}

}  // namespace mailstead

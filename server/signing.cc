#include "server/signing.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "protocols/dkim_signer.h"

namespace mailstead {

namespace {

constexpr std::size_t kSignedPiece = 256 * 1024;  // octets read at a time

// Mail of ours: does somebody elsewhere get it? Of what is held nobody knows yet.
bool goes_elsewhere(const Delivery& delivery, const Store& store, const Directory& directory) {
  if (delivery.relaying == Relaying::kYes && delivery.envelope.hold_until != 0) return true;
  return delivery.relaying == Relaying::kYes &&
         std::ranges::any_of(delivery.envelope.recipients, [&](const Recipient& recipient) {
           return directory.classify(recipient.address) == RecipientKind::kNotOurs ||
                  !directory.forwards(recipient.address).empty() || store.takes_reports(recipient.address);
         });
}

Result<std::string> signatures_of(const Delivery& delivery, const DkimSigners& keys) {
  DkimSigner signer;
  signer.read(delivery.tags);
  std::string piece;
  for (std::uint64_t at = 0; delivery.spool != nullptr && at < delivery.spool->size(); at += piece.size()) {
    piece.clear();
    if (auto read = delivery.spool->read(at, kSignedPiece, piece); !read) return read.error();
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    signer.read(piece);
  }
  signer.read(delivery.rest);
  return signer.finish(*keys, {std::time(nullptr), 0});
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

struct Signing::Job {
  Delivery delivery;
  std::string domain;
  std::function<void(Result<Delivered>)> done;
  Result<DkimSigners> keys = DkimSigners();
  Result<std::string> signatures = std::string();
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
  job->done = std::move(done);
  job->keys = store.known_dkim_keys(job->domain);
  if (*job->keys != nullptr) return sign(job);
  return storage_.post([job](Store& each) { job->keys = each.dkim_keys(job->domain); },
                       [this, job] {
                         const bool goes_on = job->keys ? sign(job) : hand_over(job);
                         if (!goes_on) job->done(Error{ErrorKind::kUnavailable, "too much waits"});
                       });
}

bool Signing::sign(const std::shared_ptr<Job>& job) {
  return files_.post([job] { job->signatures = signatures_of(job->delivery, *job->keys); },
                     [this, job] {
                       if (!hand_over(job)) job->done(Error{ErrorKind::kUnavailable, "too much waits"});
                     });
}

bool Signing::hand_over(const std::shared_ptr<Job>& job) {
  const Error* trouble = !job->keys         ? &job->keys.error()
                         : !job->signatures ? &job->signatures.error()
                                            : nullptr;
  if (trouble != nullptr) {
    log_.warning("unsigned", {{"id", job->delivery.id}, {"domain", job->domain}, {"why", trouble->message}});
  } else {
    job->delivery.signatures = *std::move(job->signatures);
  }
  return storage_.deliver(std::move(job->delivery), std::move(job->done));
}

}  // namespace mailstead

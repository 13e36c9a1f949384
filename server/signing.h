// Signs mail of ours that goes to other hosts, and has it delivered: DKIM, RFC 6376. Seals what an alias of
// ours passes on: ARC, RFC 8617.
//
// What is signed is the message as the queue gets it; copies that stay here are not. Whose signature it is:
// of the author's domain, so that DMARC (RFC 7489 3.1.1) finds it aligned; where that is none of ours, of the
// nearest domain above it that is; else of the reverse-path's; else nobody's. A message that cannot be signed
// or sealed goes without: late mail is worse than unsigned mail.
// Threads: all functions on the reactor. The hash and the signatures, a millisecond or two, are made by
// `files`. Lifetime: what it borrows outlives it, and the callbacks that are under way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocols/origin/arc_verifier.h"
#include "protocols/result.h"
#include "server/log.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

// What a seal says of a message as it came in: see ArcSealer::finish().
struct SealedFindings {
  std::string results;
  ChainValidation chain = ChainValidation::kNone;
};

class Signing {
 public:
  Signing(StorageThread& storage, WorkQueue& files, Log& log) : storage_(storage), files_(files), log_(log) {}

  // As StorageThread::deliver(). `author`: the domain of From, as Address::domain has it; may be empty.
  bool deliver(Delivery delivery, const std::string& author, std::function<void(Result<Delivered>)> done);

  // Gives it its seal, for `domain`, which is ours. `done` gets it without where it cannot be sealed; it runs
  // later, or inside the call when too much waits.
  void seal(Delivery delivery, const std::string& domain, SealedFindings findings,
            std::function<void(Delivery)> done);

 private:
  struct Job;

  // False: too much waits; nothing of the job will run.
  bool find_keys(const std::shared_ptr<Job>& job);
  bool use_keys(const std::shared_ptr<Job>& job);
  void end(Job& job);

  StorageThread& storage_;
  WorkQueue& files_;
  Log& log_;
};

// The domain of ours that signs for `author`; empty: none.
std::string signing_domain(const Directory& directory, const std::string& author,
                           const std::optional<Address>& reverse_path);

// The domain of ours that seals: of the first alias that passes the message on; empty: none does.
std::string sealing_domain(const Directory& directory, const Envelope& envelope);

}  // namespace mailstead

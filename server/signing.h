// Signs mail of ours that goes to other hosts, and has it delivered: DKIM, RFC 6376.
//
// What is signed is the message as the queue gets it; copies that stay here are not. Whose signature it is:
// of the author's domain, so that DMARC (RFC 7489 3.1.1) finds it aligned; where that is none of ours, of the
// nearest domain above it that is; else of the reverse-path's; else nobody's. A message that cannot be signed
// goes without: late mail is worse than unsigned mail.
// Threads: all functions on the reactor. The hash and the signatures, a millisecond or two, are made by
// `files`. Lifetime: what it borrows outlives it, and the callbacks that are under way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocols/result.h"
#include "server/log.h"
#include "server/storage_thread.h"
#include "server/work_queue.h"
#include "storage/store.h"

namespace mailstead {

class Signing {
 public:
  Signing(StorageThread& storage, WorkQueue& files, Log& log) : storage_(storage), files_(files), log_(log) {}

  // As StorageThread::deliver(). `author`: the domain of From, as Address::domain has it; may be empty.
  bool deliver(Delivery delivery, const std::string& author, std::function<void(Result<Delivered>)> done);

 private:
  struct Job;

  bool sign(const std::shared_ptr<Job>& job);
  bool hand_over(const std::shared_ptr<Job>& job);

  StorageThread& storage_;
  WorkQueue& files_;
  Log& log_;
};

// The domain of ours that signs for `author`; empty: none.
std::string signing_domain(const Directory& directory, const std::string& author,
                           const std::optional<Address>& reverse_path);

}  // namespace mailstead

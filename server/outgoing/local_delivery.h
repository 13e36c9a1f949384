// Delivers what the queue holds for mailboxes of this server: mail that its sender wanted to be held for a
// time (RFC 4865), and mail for a domain that has become ours meanwhile.
//
// A message's copy and what the queue knows of its recipient are one commit: nobody gets it twice or not at
// all. Ownership: the queue runner's; `ended` is its last call. Threads: the reactor; the store's thread does
// the work.
#pragma once

#include <functional>
#include <memory>

#include "server/outgoing/outgoing.h"

namespace mailstead {

class LocalDelivery {
 public:
  LocalDelivery(OutgoingHouse& house, std::string destination, std::function<void(LocalDelivery&)> ended)
      : house_(house), destination_(std::move(destination)), ended_(std::move(ended)) {}

  // Until nothing is due.
  void start();
  const std::string& destination() const { return destination_; }

 private:
  struct Job;

  void done(Job& job);

  OutgoingHouse& house_;
  const std::string destination_;
  std::function<void(LocalDelivery&)> ended_;
};

}  // namespace mailstead

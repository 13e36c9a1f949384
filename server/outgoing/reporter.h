// Tells senders what became of their messages: failure, delay, success (RFC 3461, 3464).
//
// A report is delivered like any message, and settles what it reports in the same commit. Ownership: the
// queue runner's. Threads: the reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "admin/config/config.h"
#include "protocols/smtp/delivery_report.h"
#include "server/log.h"
#include "server/outgoing/queue_schedule.h"
#include "server/signing.h"
#include "server/storage_thread.h"

namespace mailstead {

class Reporter {
 public:
  Reporter(const Config& config, Log& log, StorageThread& storage, Signing& signing, QueueSchedule& schedule);

  // Begins what is owed. Those that could not be delivered are tried again after a minute, by who calls this
  // at least that often.
  void pump();

 private:
  struct Owed;

  void load(QueueRow message);
  void send(std::shared_ptr<Owed> owed);
  void delivered(const std::shared_ptr<Owed>& owed, const Result<Delivered>& result);
  void settle(const std::shared_ptr<Owed>& owed);
  void postpone(QueueRow message);

  const Config& config_;
  Log& log_;
  StorageThread& storage_;
  Signing& signing_;
  QueueSchedule& schedule_;
  std::size_t under_way_ = 0;
  std::vector<QueueRow> failed_;
  std::int64_t again_at_ = 0;  // those that failed
};

}  // namespace mailstead

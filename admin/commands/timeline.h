// What happened to a message, event by event in time's order, to the second: how it came, each attempt to
// send it with the other side's words, what its readers did. Ownership: a value. Threads: one at a time; the
// storage thread where it asks the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/value.h"
#include "storage/store.h"

namespace mailstead::admin {

// "2025-03-01 09:30:12 UTC"
std::string moment_text(std::int64_t unix_seconds);

class Timeline {
 public:
  // `what`: a word for scripts. Events of one second stay in the order in which they are added.
  void add(std::int64_t at, std::string what, std::string says);
  // `came`: MessageHead::came, may be empty.
  void add_copy(const KnownMessage& message, const std::string& came);
  void add_queued(const QueuedMessage& message, const std::string& came, Store& store);
  void add_refused(const RefusedMail& mail);

  std::string text() const;
  Value::Array values() const;

 private:
  struct Event {
    std::int64_t at;
    std::string what;
    std::string says;
  };
  std::vector<Event> in_order() const;

  std::vector<Event> events_;
};

// "anna@remote.example", where the reverse-path is one of ours that leads back to her; else as it is.
std::string known_sender_text(const QueuedMessage& message);

}  // namespace mailstead::admin

#include "server/queue_schedule.h"

#include <algorithm>

namespace mailstead {

namespace {

// Messages that a host takes over fewer connections than there may be, before one more is tried.
constexpr std::size_t kServedForOneMore = 20;

}  // namespace

QueueSchedule::QueueSchedule(DestinationOf destination_of, std::size_t per_destination)
    : destination_of_(std::move(destination_of)),
      per_destination_(std::max<std::size_t>(per_destination, 1)) {}

void QueueSchedule::apply(const QueueEntry& told) {
  if (!told.waits && !told.report_due && !entries_.contains(told.recipient)) return;
  auto [found, is_new] = entries_.try_emplace(told.recipient);
  Entry& entry = found->second;
  if (is_new) {
    entry.message = told.message;
    entry.domain = told.domain;
    entry.sender = told.sender;
    entry.priority = told.priority;
    if (entry.priority != 0) ++urgent_;
    messages_[told.message].push_back(told.recipient);
  }
  note_report(told.message, entry, told.report_due);
  if (!entry.in_work) leave(told.recipient, entry);
  if (told.waits != entry.waits) told.waits ? ++waiting_ : --waiting_;
  entry.waits = told.waits;
  entry.next_at = told.next_at;
  if (entry.in_work) return;
  if (entry.waits) {
    enter(told.recipient, entry);
  } else if (!entry.report_due) {
    forget(told.recipient);
  }
}

void QueueSchedule::forget(RecipientRow recipient) {
  const auto found = entries_.find(recipient);
  if (found->second.priority != 0) --urgent_;
  const auto message = messages_.find(found->second.message);
  std::erase(message->second, recipient);
  if (message->second.empty()) messages_.erase(message);
  entries_.erase(found);
}

void QueueSchedule::note_report(QueueRow message, Entry& entry, bool due) {
  if (entry.report_due == due) return;
  entry.report_due = due;
  std::size_t& owed = reports_[message];
  due ? ++owed : --owed;
  if (owed == 0) {
    reports_.erase(message);
    reports_waiting_.erase(message);
  } else if (!reports_in_work_.contains(message)) {
    reports_waiting_.insert(message);
  }
}

QueueSchedule::Destination& QueueSchedule::destination_named(const std::string& name) {
  auto& destination = destinations_[name];
  if (destination == nullptr) {
    destination = std::make_unique<Destination>();
    destination->name = name;
  }
  return *destination;
}

void QueueSchedule::enter(RecipientRow recipient, Entry& entry) {
  Destination& destination = destination_named(destination_of_(entry.domain));
  entry.destination = &destination;
  auto sender = std::ranges::find(destination.senders, entry.sender, &Sender::name);
  if (sender == destination.senders.end()) {
    destination.senders.push_back({entry.sender, {}});
    sender = std::prev(destination.senders.end());
  }
  sender->waiting.emplace(entry.next_at, recipient);
  place(destination);
}

void QueueSchedule::leave(RecipientRow recipient, Entry& entry) {
  Destination* const destination = std::exchange(entry.destination, nullptr);
  if (destination == nullptr) return;
  const auto sender = std::ranges::find(destination->senders, entry.sender, &Sender::name);
  sender->waiting.erase({entry.next_at, recipient});
  if (sender->waiting.empty()) destination->senders.erase(sender);
  place(*destination);
}

std::size_t QueueSchedule::room_of(const Destination& destination) const {
  const std::size_t most =
      destination.suspect ? 1 : std::min(per_destination_, destination.enough.value_or(per_destination_));
  return destination.connections < most ? most - destination.connections : 0;
}

void QueueSchedule::place(Destination& destination) {
  if (destination.ready_at) ready_.erase({*destination.ready_at, destination.name});
  destination.ready_at.reset();
  if (destination.senders.empty()) {
    // Whether it is suspect is worth nothing without work for it.
    if (destination.connections == 0) destinations_.erase(std::string(destination.name));
    return;
  }
  if (room_of(destination) == 0) return;
  std::int64_t first = destination.senders.front().waiting.begin()->first;
  for (const Sender& sender : destination.senders) first = std::min(first, sender.waiting.begin()->first);
  destination.ready_at = first;
  ready_.emplace(first, destination.name);
}

void QueueSchedule::arrange_anew(DestinationOf destination_of, std::size_t per_destination) {
  for (auto& [recipient, entry] : entries_) leave(recipient, entry);
  destination_of_ = std::move(destination_of);
  per_destination_ = std::max<std::size_t>(per_destination, 1);
  for (auto& [recipient, entry] : entries_) {
    if (entry.waits && !entry.in_work) enter(recipient, entry);
  }
}

std::optional<std::string> QueueSchedule::next_destination(std::int64_t now) const {
  if (ready_.empty() || ready_.begin()->first > now) return std::nullopt;
  return ready_.begin()->second;
}

std::optional<std::int64_t> QueueSchedule::next_at() const {
  if (ready_.empty()) return std::nullopt;
  return ready_.begin()->first;
}

void QueueSchedule::connection_begins(const std::string& destination) {
  Destination& found = destination_named(destination);
  ++found.connections;
  place(found);
}

void QueueSchedule::connection_ended(const std::string& destination) {
  const auto found = destinations_.find(destination);
  if (found == destinations_.end()) return;
  if (--found->second->connections == 0) found->second->enough.reset();
  place(*found->second);
}

bool QueueSchedule::leave_to_others(const std::string& destination) {
  const auto found = destinations_.find(destination);
  if (found == destinations_.end() || found->second->connections < 2) return false;
  found->second->enough = found->second->connections - 1;
  found->second->served = 0;
  place(*found->second);
  return true;
}

void QueueSchedule::set_suspect(const std::string& destination, bool suspect) {
  const auto found = destinations_.find(destination);
  if (found == destinations_.end()) return;
  found->second->suspect = suspect;
  // Who serves this well may have room for one more by now.
  if (!suspect && found->second->enough && ++found->second->served == kServedForOneMore) {
    found->second->served = 0;
    ++*found->second->enough;
  }
  place(*found->second);
}

// RFC 6710 5: of what is due the highest priority, and of that what waits for longest. Where nobody uses
// priorities none is looked for.
RecipientRow QueueSchedule::most_urgent(const Sender& sender, std::int64_t now) const {
  RecipientRow best = sender.waiting.begin()->second;
  if (urgent_ == 0) return best;
  int highest = entries_.at(best).priority;
  for (const auto& [at, recipient] : sender.waiting) {
    if (at > now) break;
    const int priority = entries_.at(recipient).priority;
    if (priority <= highest) continue;
    highest = priority;
    best = recipient;
  }
  return best;
}

std::optional<QueueSchedule::Work> QueueSchedule::take(const std::string& name, std::int64_t now,
                                                       std::size_t at_most) {
  const auto found = destinations_.find(name);
  if (found == destinations_.end()) return std::nullopt;
  Destination& destination = *found->second;
  const auto sender = std::ranges::find_if(
      destination.senders, [now](const Sender& each) { return each.waiting.begin()->first <= now; });
  if (sender == destination.senders.end()) return std::nullopt;
  Work work;
  work.message = entries_.at(most_urgent(*sender, now)).message;
  // Whose turn it was goes to the end.
  destination.senders.splice(destination.senders.end(), destination.senders, sender);
  for (const RecipientRow recipient : messages_.at(work.message)) {
    Entry& entry = entries_.at(recipient);
    if (work.recipients.size() == at_most) break;
    if (entry.destination != &destination || entry.next_at > now) continue;
    work.recipients.push_back(recipient);
  }
  // A connection of its own keeps the destination, should this have been all of its work.
  ++destination.connections;
  for (const RecipientRow recipient : work.recipients) {
    Entry& entry = entries_.at(recipient);
    leave(recipient, entry);
    entry.in_work = true;
  }
  --destination.connections;
  place(destination);
  return work;
}

void QueueSchedule::release(const std::vector<RecipientRow>& recipients) {
  for (const RecipientRow recipient : recipients) {
    const auto found = entries_.find(recipient);
    if (found == entries_.end() || !found->second.in_work) continue;
    found->second.in_work = false;
    if (found->second.waits) {
      enter(recipient, found->second);
    } else if (!found->second.report_due) {
      forget(recipient);
    }
  }
}

std::optional<QueueRow> QueueSchedule::take_report() {
  if (reports_waiting_.empty()) return std::nullopt;
  const QueueRow message = *reports_waiting_.begin();
  reports_waiting_.erase(reports_waiting_.begin());
  reports_in_work_.insert(message);
  return message;
}

void QueueSchedule::release_report(QueueRow message) {
  if (reports_in_work_.erase(message) > 0 && reports_.contains(message)) reports_waiting_.insert(message);
}

}  // namespace mailstead

#include "server/outgoing/queue_schedule.h"

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
    destination.senders.push_back({entry.sender, {}, {}});
    sender = std::prev(destination.senders.end());
  }
  sender->waiting[entry.priority].emplace(entry.next_at, recipient);
  place(destination, *sender);
}

void QueueSchedule::leave(RecipientRow recipient, Entry& entry) {
  Destination* const destination = std::exchange(entry.destination, nullptr);
  if (destination == nullptr) return;
  const auto sender = std::ranges::find(destination->senders, entry.sender, &Sender::name);
  unplace(*destination, *sender);
  const auto level = sender->waiting.find(entry.priority);
  level->second.erase({entry.next_at, recipient});
  if (level->second.empty()) sender->waiting.erase(level);
  if (!sender->waiting.empty()) return place(*destination, *sender);
  destination->senders.erase(sender);
  if (destination->senders.empty()) place(*destination);
}

std::size_t QueueSchedule::room_of(const Destination& destination) const {
  const std::size_t most =
      destination.suspect ? 1 : std::min(per_destination_, destination.enough.value_or(per_destination_));
  return destination.connections < most ? most - destination.connections : 0;
}

QueueSchedule::Turn& QueueSchedule::turn_of(const std::string& sender) {
  const auto [found, is_new] = turn_of_.try_emplace(sender);
  if (is_new) found->second = turns_.emplace(turns_.end());
  return *found->second;
}

void QueueSchedule::unplace(Destination& destination) {
  for (Sender& sender : destination.senders) unplace(destination, sender);
}

void QueueSchedule::unplace(Destination& destination, Sender& sender) {
  if (!sender.ready_at) return;
  turn_of(sender.name).of(destination).erase({*sender.ready_at, destination.name});
  sender.ready_at.reset();
}

void QueueSchedule::place(Destination& destination, Sender& sender) {
  unplace(destination, sender);
  if (room_of(destination) == 0) return;
  sender.ready_at = std::max(first_of(sender), destination.rested_at);
  turn_of(sender.name).of(destination).emplace(*sender.ready_at, destination.name);
}

void QueueSchedule::place(Destination& destination) {
  unplace(destination);
  if (destination.senders.empty()) {
    // Whether it is suspect is worth nothing without work for it.
    if (destination.connections == 0) destinations_.erase(std::string(destination.name));
    return;
  }
  for (Sender& sender : destination.senders) place(destination, sender);
}

void QueueSchedule::arrange_anew(DestinationOf destination_of, std::size_t per_destination) {
  for (auto& [recipient, entry] : entries_) leave(recipient, entry);
  destination_of_ = std::move(destination_of);
  per_destination_ = std::max<std::size_t>(per_destination, 1);
  for (auto& [recipient, entry] : entries_) {
    if (entry.waits && !entry.in_work) enter(recipient, entry);
  }
}

const QueueSchedule::Ready::value_type* QueueSchedule::Turn::first(std::int64_t now, Among among) const {
  const auto* found = ready.empty() ? nullptr : &*ready.begin();
  if (among == Among::kAll && !ready_suspects.empty() &&
      (found == nullptr || ready_suspects.begin()->first < found->first))
    found = &*ready_suspects.begin();
  return found != nullptr && found->first <= now ? found : nullptr;
}

std::optional<std::string> QueueSchedule::next_destination(std::int64_t now, Among among) {
  for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
    const auto* first = turn->first(now, among);
    if (first == nullptr) continue;
    turns_.splice(turns_.end(), turns_, turn);
    return first->second;
  }
  return std::nullopt;
}

bool QueueSchedule::is_another_due(const std::string& destination, std::int64_t now, Among among) const {
  const auto is_in = [&](const Ready& ready) {
    const auto other =
        std::ranges::find_if(ready, [&](const auto& each) { return each.second != destination; });
    return other != ready.end() && other->first <= now;
  };
  return std::ranges::any_of(turns_, [&](const Turn& turn) {
    return is_in(turn.ready) || (among == Among::kAll && is_in(turn.ready_suspects));
  });
}

void QueueSchedule::rest(const std::string& destination, std::int64_t now) {
  const auto found = destinations_.find(destination);
  if (found == destinations_.end()) return;
  found->second->rested_at = now;
  place(*found->second);
}

void QueueSchedule::end_rests() {
  for (auto& [name, destination] : destinations_) {
    if (destination->rested_at == 0) continue;
    destination->rested_at = 0;
    unplace(*destination);
    // One that nothing is left of goes when its connection does.
    if (!destination->senders.empty()) place(*destination);
  }
}

std::optional<std::int64_t> QueueSchedule::next_at() const {
  std::optional<std::int64_t> first;
  for (const Turn& turn : turns_) {
    for (const Ready* ready : {&turn.ready, &turn.ready_suspects}) {
      if (!ready->empty() && (!first || ready->begin()->first < *first)) first = ready->begin()->first;
    }
  }
  return first;
}

std::vector<QueueRow> QueueSchedule::waiting_past(std::int64_t at) const {
  std::vector<QueueRow> found;
  for (const auto& [message, recipients] : messages_) {
    const bool is_past = std::ranges::any_of(recipients, [&](RecipientRow recipient) {
      const Entry& entry = entries_.at(recipient);
      return entry.waits && !entry.in_work && entry.next_at > at;
    });
    if (is_past) found.push_back(message);
  }
  return found;
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
  unplace(*found->second);
  found->second->suspect = suspect;
  // Who serves this well may have room for one more by now.
  if (!suspect && found->second->enough && ++found->second->served == kServedForOneMore) {
    found->second->served = 0;
    ++*found->second->enough;
  }
  place(*found->second);
}

bool QueueSchedule::is_suspect(const std::string& destination) const {
  const auto found = destinations_.find(destination);
  return found != destinations_.end() && found->second->suspect;
}

std::int64_t QueueSchedule::first_of(const Sender& sender) {
  std::int64_t first = sender.waiting.begin()->second.begin()->first;
  for (const auto& [priority, waiting] : sender.waiting) first = std::min(first, waiting.begin()->first);
  return first;
}

// RFC 6710 5: of what is due the highest priority, and of that what waits for longest.
std::optional<RecipientRow> QueueSchedule::most_urgent(const Sender& sender, std::int64_t now) {
  for (const auto& [priority, waiting] : sender.waiting) {
    if (waiting.begin()->first <= now) return waiting.begin()->second;
  }
  return std::nullopt;
}

std::optional<QueueSchedule::Work> QueueSchedule::take(const std::string& name, std::int64_t now,
                                                       std::size_t at_most) {
  const auto found = destinations_.find(name);
  if (found == destinations_.end()) return std::nullopt;
  Destination& destination = *found->second;
  std::optional<RecipientRow> first;
  const auto sender = std::ranges::find_if(destination.senders, [&](const Sender& each) {
    first = most_urgent(each, now);
    return first.has_value();
  });
  if (!first) return std::nullopt;
  Work work;
  work.message = entries_.at(*first).message;
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
  // If more of the sender's waits, he is the last one.
  if (destination.senders.empty()) {
    place(destination);
  } else {
    place(destination, destination.senders.back());
  }
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

bool QueueSchedule::waits(RecipientRow recipient) const {
  const auto found = entries_.find(recipient);
  return found != entries_.end() && found->second.waits;
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

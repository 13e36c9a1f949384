// What is sent next, and to whom: the waiting recipients of the queue, in memory, ordered.
//
// Recipients are grouped by destination, which is a domain, or a route that several domains share. A
// destination has at most so many connections at a time, as many as its hosts let in, and one only while it
// is suspect: the last attempt found nobody there. Senders take turns within it, and where there is room for
// one connection more, so that who hands in ten thousand messages, to one domain or to a thousand, does not
// keep the others waiting; what is due of one sender goes by its priority. Some 200 octets of memory for each
// recipient. Threads: the reactor. Times are Unix seconds, given by the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/queue/queue.h"

namespace mailstead {

class QueueSchedule {
 public:
  using DestinationOf = std::function<std::string(const std::string& domain)>;

  struct Work {
    QueueRow message = 0;
    std::vector<RecipientRow> recipients;  // of one message at one destination
  };

  explicit QueueSchedule(DestinationOf destination_of, std::size_t per_destination);

  // What the store told. Of a recipient that is being worked on it counts from release() on.
  void apply(const QueueEntry& entry);
  // The routes have changed.
  void arrange_anew(DestinationOf destination_of, std::size_t per_destination);

  enum class Among { kAll, kNotSuspect };
  // A destination with work that is due, and room for one more connection: of the sender whose turn it is,
  // who goes to the end by this, the one that waits for longest.
  std::optional<std::string> next_destination(std::int64_t now, Among among = Among::kAll);
  // Would it have one beside this one?
  bool is_another_due(const std::string& destination, std::int64_t now, Among among) const;
  // It has been served for a while and waits from now on as if for the first time.
  void rest(const std::string& destination, std::int64_t now);
  // The clock was set back: nobody waits for what it said before.
  void end_rests();
  void connection_begins(const std::string& destination);
  void connection_ended(const std::string& destination);
  void set_suspect(const std::string& destination, bool suspect);
  bool is_suspect(const std::string& destination) const;
  // One of its connections was turned away. If there are others, they go on without a further one until they
  // have ended, and are given what is due. False: it was the only one.
  bool leave_to_others(const std::string& destination);
  // The destination's next message whose turn it is, and all of its recipients there that are due, at most
  // `at_most`. They are the caller's until release().
  std::optional<Work> take(const std::string& destination, std::int64_t now, std::size_t at_most);
  void release(const std::vector<RecipientRow>& recipients);
  // False: it was held or dropped meanwhile.
  bool waits(RecipientRow recipient) const;
  // When next_destination() will have something, if nothing changes; nullopt: never.
  std::optional<std::int64_t> next_at() const;

  // Messages of which somebody waits for later than `at`.
  std::vector<QueueRow> waiting_past(std::int64_t at) const;

  // A message that owes a report, each once until it is given back.
  std::optional<QueueRow> take_report();
  void release_report(QueueRow message);

  std::size_t waiting() const { return waiting_; }  // recipients, those that are worked on too

 private:
  struct Destination;
  struct Entry {
    QueueRow message = 0;
    std::string domain;
    std::string sender;
    Destination* destination = nullptr;
    std::int64_t next_at = 0;
    int priority = 0;
    bool waits = false;
    bool in_work = false;
    bool report_due = false;
  };
  struct Sender {
    std::string name;
    // By priority, the highest first, and then by next_at. No set is empty, nor is the map.
    std::map<int, std::set<std::pair<std::int64_t, RecipientRow>>, std::greater<>> waiting;
    std::optional<std::int64_t>
        ready_at;  // its place among what is ready of the sender; nullopt: it has none
  };
  struct Destination {
    std::string name;
    std::list<Sender> senders;  // with somebody waiting; whose turn it is in front
    std::size_t connections = 0;
    std::size_t served = 0;             // messages, since `enough` was changed
    std::optional<std::size_t> enough;  // connections, while it has some; nullopt: as many as may be
    bool suspect = false;
    std::int64_t rested_at = 0;  // what is due since before is due since then
  };
  using Ready = std::set<std::pair<std::int64_t, std::string>>;
  // Destinations that are ready for a sender's mail.
  struct Turn {
    Ready ready;
    Ready ready_suspects;
    Ready& of(const Destination& destination) { return destination.suspect ? ready_suspects : ready; }
    // What is first of them, if it is due.
    const Ready::value_type* first(std::int64_t now, Among among) const;
  };

  static std::int64_t first_of(const Sender& sender);
  static std::optional<RecipientRow> most_urgent(const Sender& sender, std::int64_t now);
  Destination& destination_named(const std::string& name);
  void enter(RecipientRow recipient, Entry& entry);
  void leave(RecipientRow recipient, Entry& entry);
  void note_report(QueueRow message, Entry& entry, bool due);
  Turn& turn_of(const std::string& sender);
  // Puts it at its places among those that are ready, or forgets it when nothing is left of it.
  void place(Destination& destination);
  void unplace(Destination& destination);
  // For one of its senders: what others have waiting is as it was.
  void place(Destination& destination, Sender& sender);
  void unplace(Destination& destination, Sender& sender);
  std::size_t room_of(const Destination& destination) const;
  void forget(RecipientRow recipient);

  DestinationOf destination_of_;
  std::size_t per_destination_;
  std::unordered_map<RecipientRow, Entry> entries_;
  std::unordered_map<QueueRow, std::vector<RecipientRow>> messages_;
  std::unordered_map<std::string, std::unique_ptr<Destination>> destinations_;
  std::list<Turn> turns_;  // whose turn it is in front; as many as there ever were senders
  std::unordered_map<std::string, std::list<Turn>::iterator> turn_of_;
  std::map<QueueRow, std::size_t> reports_;  // how many of its recipients
  std::set<QueueRow> reports_waiting_;
  std::set<QueueRow> reports_in_work_;
  std::size_t waiting_ = 0;
};

}  // namespace mailstead

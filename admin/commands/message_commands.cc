// message list | show | restore

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

#include "admin/command_table.h"
#include "admin/commands/message_report.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/transfer.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

// To tell sender and subject, the file has to be opened; the storage thread has other things to do.
constexpr std::size_t kMostHeads = 500;
constexpr std::size_t kPiece = 2000;      // messages
constexpr std::size_t kLongestCell = 40;  // characters, so that a line fits

// At most kLongestCell characters, none of them cut within.
std::string cell(const std::string& text) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins && ++characters > kLongestCell) return text.substr(0, i) + "...";
  }
  return text;
}

std::string list_text(const std::vector<KnownMessage>& messages, const std::vector<MessageHead>& heads,
                      MessageListing which, const Config& config, std::int64_t now) {
  const bool deleted = which == MessageListing::kDeleted;
  Table table(
      {Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft, Align::kLeft});
  if (deleted) {
    table.add({"UIDL", "DELETED", "SIZE", "BY", "KEPT UNTIL", "FROM", "SUBJECT"});
  } else {
    table.add({"UIDL", "RECEIVED", "SIZE", "FROM", "SUBJECT"});
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const KnownMessage& message = messages[i];
    const MessageHead& head = heads[i];
    if (deleted) {
      table.add({message.uidl, time_text(message.deleted_at), size_text(message.size),
                 device_text(message.deleted_by), time_text(restorable_until(message, config, now)),
                 cell(head.from), cell(head.subject)});
    } else {
      table.add({message.uidl, time_text(message.received_at), size_text(message.size), cell(head.from),
                 cell(head.subject)});
    }
  }
  return table.text();
}

MessageListing listing_of(const Request& request) {
  return has_flag(request, "deleted") ? MessageListing::kDeleted : MessageListing::kPresent;
}

Report nothing_in(const Address& address, MessageListing which) {
  return done(
      which == MessageListing::kDeleted
          ? fmt::format("No deleted message of {} can be restored.\n", address.text())
          : fmt::format("No message is in {}; 'mailstead message list {} --deleted' shows what can be "
                        "restored.\n",
                        address.text(), address_word(address.text())),
      Value::Array{});
}

std::string how_to_restore(const Address& address) {
  return fmt::format(
      "\n'mailstead message restore {} UIDL' brings one back, --last all that was deleted last, "
      "--all everything.\n",
      address_word(address.text()));
}

std::vector<MessageHead> heads_of(const std::vector<KnownMessage>& messages, CommandContext& context) {
  std::vector<MessageHead> heads;
  for (const KnownMessage& message : messages) heads.push_back(message_head(context, message));
  return heads;
}

// The newest ones, with what is in their headers; `next` leads on to older ones.
Report list_newest(const Request& request, std::int64_t beyond, std::size_t count, CommandContext& context) {
  const Address address = address_of(request);
  const MessageListing which = listing_of(request);
  auto messages =
      context.store.list_messages(address, which, {MessageSlice::From::kNewest, beyond, count + 1});
  if (!messages) return failed(messages.error());
  if (messages->empty()) return beyond == 0 ? nothing_in(address, which) : done("", Value::Array{});
  const bool is_more = messages->size() > count;
  if (is_more) messages->pop_back();
  const std::int64_t now = std::time(nullptr);
  const std::vector<MessageHead> heads = heads_of(*messages, context);
  Value::Array array;
  for (std::size_t i = 0; i < messages->size(); ++i)
    array.push_back(message_value(messages->at(i), heads[i], context.config, now, History::kOmitted));
  std::string text = list_text(*messages, heads, which, context.config, now);
  if (which == MessageListing::kDeleted) text += how_to_restore(address);
  Report report = done(std::move(text), array);
  if (is_more) report.next = fmt::format("{}", messages->back().key);
  return report;
}

// For scripts all, the oldest first, in pieces; for people, with the first piece, the newest.
Report list_all(const Request& request, std::int64_t beyond, CommandContext& context) {
  const Address address = address_of(request);
  const MessageListing which = listing_of(request);
  const auto piece =
      context.store.list_messages(address, which, {MessageSlice::From::kOldest, beyond, kPiece + 1});
  if (!piece) return failed(piece.error());
  if (piece->empty()) return beyond == 0 ? nothing_in(address, which) : done("", Value::Array{});
  auto newest = context.store.list_messages(address, which, {MessageSlice::From::kNewest, 0, kMostHeads + 1});
  if (!newest) return failed(newest.error());
  const bool has_older = newest->size() > kMostHeads;
  if (has_older) newest->pop_back();
  std::ranges::reverse(*newest);
  const bool is_last = piece->size() <= kPiece;
  const std::size_t size = std::min(piece->size(), kPiece);
  const std::int64_t now = std::time(nullptr);
  // Only where they are told: files are opened for them.
  const bool wants_heads = beyond == 0 || piece->at(size - 1).key >= newest->front().key;
  const std::vector<MessageHead> heads =
      wants_heads ? heads_of(*newest, context) : std::vector<MessageHead>();
  std::map<std::int64_t, std::size_t> places;  // in `newest`, by key
  for (std::size_t i = 0; i < heads.size(); ++i) places.emplace(newest->at(i).key, i);
  Value::Array array;
  for (std::size_t i = 0; i < size; ++i) {
    const auto place = places.find(piece->at(i).key);
    array.push_back(message_value(piece->at(i), place == places.end() ? MessageHead{} : heads[place->second],
                                  context.config, now, History::kOmitted));
  }
  std::string text;
  if (beyond == 0) {
    text = list_text(*newest, heads, which, context.config, now);
    if (has_older) {
      const auto mailbox = context.store.show_mailbox(address);
      if (!mailbox) return failed(mailbox.error());
      const std::uint64_t all =
          which == MessageListing::kDeleted ? mailbox->deleted_messages : mailbox->messages;
      text += fmt::format("{} older ones are not shown; --json tells all.\n", all - heads.size());
    }
    if (which == MessageListing::kDeleted) text += how_to_restore(address);
  }
  Report report = done(std::move(text), array);
  if (!is_last) report.next = fmt::format("{}", piece->at(size - 1).key);
  return report;
}

}  // namespace

Report list_messages(const Request& request, CommandContext& context) {
  std::int64_t beyond = 0;
  const char* const end = request.after.data() + request.after.size();
  const auto read = std::from_chars(request.after.data(), end, beyond);
  if (!request.after.empty() && (read.ec != std::errc() || read.ptr != end || beyond <= 0))
    return misused("this is no place in the list");
  const auto newest = option_of(request, "newest");
  if (!newest) return list_all(request, beyond, context);
  const auto count = ascii::number(*newest);
  if (!count || *count == 0 || *count > kMostHeads)
    return misused(fmt::format("--newest takes a number from 1 to {}", kMostHeads));
  return list_newest(request, beyond, static_cast<std::size_t>(*count), context);
}

Report show_message(const Request& request, CommandContext& context) {
  const auto message = context.store.show_message(address_of(request), request.arguments[1]);
  if (!message) return failed(message.error());
  const std::int64_t now = std::time(nullptr);
  const MessageHead head = message_head(context, *message);
  Table table({Align::kLeft, Align::kLeft});
  table.add({"mailbox", message->address.text()});
  table.add({"UIDL", message->uidl});
  table.add(
      {"Message-ID", message->message_id.empty() ? "not known" : printable("<" + message->message_id + ">")});
  table.add({"from", head.from});
  table.add({"subject", head.subject});
  table.add({"date", head.date});
  table.add({"size", size_text(message->size)});
  table.add({"state", standing_text(*message, context.config, now)});
  Table history({Align::kLeft, Align::kLeft});
  add_history(*message, history);
  std::string text = table.text() + "\n" + history.text();
  if (message->standing == Standing::kDeleted) {
    text += fmt::format("\nTo bring it back: {}\n", restore_command(*message));
  }
  return done(std::move(text), message_value(*message, head, context.config, now));
}

namespace {

// So many are looked at, or restored, before others have the store again.
constexpr std::size_t kRestoredTogether = 500;

// How far a restore with --last or --all has come: Report::next, in a line.
struct RestoreTurn {
  enum class Step { kLooking, kRestoring };
  Step step = Step::kRestoring;
  std::int64_t beyond = 0;  // the key of the last message that was looked at
  std::uint64_t restored = 0;
  std::uint64_t lost = 0;
  // Of the newest deletion so far, which is what one QUIT of one device deleted.
  std::int64_t age = 0;
  std::int64_t at = 0;
  std::string device;

  void note(const KnownMessage& message) {
    if (message.deleted_age < age) return;
    age = message.deleted_age;
    at = message.deleted_at;
    device = message.deleted_by;
  }
  bool is_of_it(const KnownMessage& message) const {
    return message.deleted_at == at && message.deleted_by == device;
  }
  std::string text() const {
    return fmt::format("{} {} {} {} {} {} {}", step == Step::kLooking ? "look" : "restore", beyond, restored,
                       lost, age, at, device);
  }
};

// nullopt: it is none.
std::optional<RestoreTurn> turn_of_restore(const std::string& text) {
  std::istringstream words(text);
  RestoreTurn place;
  std::string step;
  if (!(words >> step >> place.beyond >> place.restored >> place.lost >> place.age >> place.at))
    return std::nullopt;
  if (step != "look" && step != "restore") return std::nullopt;
  place.step = step == "look" ? RestoreTurn::Step::kLooking : RestoreTurn::Step::kRestoring;
  words.get();  // the blank before what may hold blanks, or be empty
  std::getline(words, place.device);
  return place;
}

Report step_of_restore(const Address& address, const RestoreTurn& place) {
  Report report = done(
      "", Value::Object{{"address", address.text()}, {"restored", Value::Array{}}, {"lost", Value::Array{}}});
  report.next = place.text();
  return report;
}

// Leaves in `uidls` what was restored, and adds it up.
void count_restored(std::vector<std::string>& uidls, const std::vector<std::string>& lost,
                    RestoreTurn& place) {
  const std::unordered_set<std::string> gone(lost.begin(), lost.end());
  std::erase_if(uidls, [&](const std::string& uidl) { return gone.contains(uidl); });
  place.restored += uidls.size();
  place.lost += lost.size();
}

// What was restored, and what `lost` says of it; of several parts the last one tells how many it were.
Report part_of_restore(const Address& address, const std::vector<std::string>& uidls,
                       const std::vector<std::string>& lost, const RestoreTurn& place,
                       const std::string& next) {
  std::string text;
  if (next.empty()) {
    if (place.restored == 0) {
      return failed(
          {ErrorKind::kNotFound, fmt::format("the files of all deleted messages of {} are gone from its "
                                             "deleted folder; nothing was restored",
                                             address.text())});
    }
    text =
        fmt::format("{} restored in {}; mail programs find {} at their next login.\n",
                    counted(place.restored, "message"), address.text(), place.restored == 1 ? "it" : "them");
  }
  if (!lost.empty()) {
    text += fmt::format("Their files are gone, so that they cannot be restored: {}\n", fmt::join(lost, ", "));
  }
  Report report = done(std::move(text), Value::Object{{"address", address.text()},
                                                      {"restored", Value::Array(uidls.begin(), uidls.end())},
                                                      {"lost", Value::Array(lost.begin(), lost.end())}});
  report.next = next;
  return report;
}

// Who names messages is told when one cannot be had.
Report restore_named(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  std::vector<std::string> uidls(request.arguments.begin() + 1, request.arguments.end());
  const auto lost = context.store.restore_messages(address, uidls, LostFiles::kRefuse);
  if (!lost) return failed(lost.error());
  RestoreTurn place;
  count_restored(uidls, *lost, place);
  return part_of_restore(address, uidls, *lost, place, "");
}

// Those that are lost do not keep the others. What is restored is out of the list, and the keys lead on.
Report restore_some(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  RestoreTurn place;
  if (has_flag(request, "last")) place.step = RestoreTurn::Step::kLooking;
  if (!request.after.empty()) {
    const auto found = turn_of_restore(request.after);
    if (!found) return misused("this is no place in the list");
    place = *found;
  }
  const auto behind = [&] {
    return context.store.list_messages(address, MessageListing::kDeleted,
                                       {MessageSlice::From::kOldest, place.beyond, kRestoredTogether});
  };
  auto messages = behind();
  if (!messages) return failed(messages.error());
  if (place.step == RestoreTurn::Step::kLooking) {
    for (const KnownMessage& message : *messages) place.note(message);
    const bool is_all = messages->size() < kRestoredTogether;
    if (is_all) place.step = RestoreTurn::Step::kRestoring;
    const bool began_here = is_all && place.beyond == 0;
    place.beyond = is_all ? 0 : messages->back().key;
    if (!began_here) return step_of_restore(address, place);
  }
  std::vector<std::string> uidls;
  for (const KnownMessage& message : *messages) {
    if (has_flag(request, "all") || place.is_of_it(message)) uidls.push_back(message.uidl);
  }
  const bool is_all = messages->size() < kRestoredTogether;
  if (is_all && uidls.empty() && place.restored + place.lost == 0) {
    return done(
        fmt::format("No deleted message of {} is left to be restored.\n", address.text()),
        Value::Object{{"address", address.text()}, {"restored", Value::Array{}}, {"lost", Value::Array{}}});
  }
  const auto lost = uidls.empty() ? Result<std::vector<std::string>>(std::vector<std::string>())
                                  : context.store.restore_messages(address, uidls, LostFiles::kLeaveOut);
  if (!lost) {
    Error error = lost.error();
    if (place.restored > 0) {
      error.message += fmt::format("; {} had been restored before: the same command goes on",
                                   counted(place.restored, "message"));
    }
    return failed(error);
  }
  place.beyond = is_all ? 0 : messages->back().key;
  count_restored(uidls, *lost, place);
  return part_of_restore(address, uidls, *lost, place, is_all ? "" : place.text());
}

}  // namespace

Report restore_messages(const Request& request, CommandContext& context) {
  const bool is_named = request.arguments.size() > 1;
  const int ways = int{is_named} + int{has_flag(request, "all")} + int{has_flag(request, "last")};
  if (ways != 1) {
    return misused(
        "name the messages by their UIDL, or say --all or --last, one of these: 'mailstead message list "
        "ADDRESS --deleted' shows what can be restored");
  }
  return is_named ? restore_named(request, context) : restore_some(request, context);
}

}  // namespace mailstead::admin

// message list | show | restore

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <unordered_set>
#include <vector>

#include "admin/command_table.h"
#include "admin/message_report.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

// To tell sender and subject, the file has to be opened; the storage thread has other things to do.
constexpr std::size_t kMostHeads = 500;
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
  const std::size_t first = messages.size() - heads.size();
  for (std::size_t i = first; i < messages.size(); ++i) {
    const KnownMessage& message = messages[i];
    const MessageHead& head = heads[i - first];
    if (deleted) {
      table.add({message.uidl, time_text(message.deleted_at), size_text(message.size),
                 device_text(message.deleted_by), time_text(restorable_until(message, config, now)),
                 cell(head.from), cell(head.subject)});
    } else {
      table.add({message.uidl, time_text(message.received_at), size_text(message.size), cell(head.from),
                 cell(head.subject)});
    }
  }
  std::string text = table.text();
  if (first > 0) text += fmt::format("{} older ones are not shown; --json tells all.\n", first);
  return text;
}

}  // namespace

Report list_messages(const Request& request, CommandContext& context) {
  const Address address = address_of(request);
  const MessageListing which =
      has_flag(request, "deleted") ? MessageListing::kDeleted : MessageListing::kPresent;
  const auto messages = context.store.list_messages(address, which);
  if (!messages) return failed(messages.error());
  if (messages->empty()) {
    return done(
        which == MessageListing::kDeleted
            ? fmt::format("No deleted message of {} can be restored.\n", address.text())
            : fmt::format("No message is in {}; 'mailstead message list {} --deleted' shows what can be "
                          "restored.\n",
                          address.text(), address.text()),
        Value::Array{});
  }
  const std::int64_t now = std::time(nullptr);
  const std::size_t first = messages->size() - std::min(messages->size(), kMostHeads);
  std::vector<MessageHead> heads;
  for (std::size_t i = first; i < messages->size(); ++i) {
    heads.push_back(message_head(context, messages->at(i)));
  }
  Value::Array array;
  for (std::size_t i = 0; i < messages->size(); ++i) {
    array.push_back(message_value(messages->at(i), i < first ? MessageHead{} : heads[i - first],
                                  context.config, now, History::kOmitted));
  }
  std::string text = list_text(*messages, heads, which, context.config, now);
  if (which == MessageListing::kDeleted) {
    text += fmt::format(
        "\n'mailstead message restore {} UIDL' brings one back, --last all that was deleted last, "
        "--all everything.\n",
        address.text());
  }
  return done(std::move(text), array);
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

// What the flags mean; the newest deletion is what one QUIT of one device deleted.
Result<std::vector<std::string>> chosen(const Request& request, CommandContext& context) {
  std::vector<std::string> uidls(request.arguments.begin() + 1, request.arguments.end());
  if (!uidls.empty()) return uidls;
  const auto messages = context.store.list_messages(address_of(request), MessageListing::kDeleted);
  if (!messages) return messages.error();
  const KnownMessage* last = nullptr;
  for (const KnownMessage& message : *messages) {
    if (last == nullptr || message.deleted_for <= last->deleted_for) last = &message;
  }
  for (const KnownMessage& message : *messages) {
    const bool with_last = message.deleted_at == last->deleted_at && message.deleted_by == last->deleted_by;
    if (with_last || has_flag(request, "all")) uidls.push_back(message.uidl);
  }
  return uidls;
}

}  // namespace

Report restore_messages(const Request& request, CommandContext& context) {
  const int ways =
      int{request.arguments.size() > 1} + int{has_flag(request, "all")} + int{has_flag(request, "last")};
  if (ways != 1) {
    return misused(
        "name the messages by their UIDL, or say --all or --last, one of these: 'mailstead message list "
        "ADDRESS "
        "--deleted' shows what can be restored");
  }
  const Address address = address_of(request);
  const auto uidls = chosen(request, context);
  if (!uidls) return failed(uidls.error());
  if (uidls->empty()) {
    return done(
        fmt::format("No deleted message of {} is left to be restored.\n", address.text()),
        Value::Object{{"address", address.text()}, {"restored", Value::Array{}}, {"lost", Value::Array{}}});
  }
  // Who names messages is told when one cannot be had; otherwise the lost ones do not keep the others.
  const bool named = request.arguments.size() > 1;
  const auto lost =
      context.store.restore_messages(address, *uidls, named ? LostFiles::kRefuse : LostFiles::kLeaveOut);
  if (!lost) return failed(lost.error());
  const std::unordered_set<std::string> gone(lost->begin(), lost->end());
  std::vector<std::string> restored = *uidls;
  std::erase_if(restored, [&](const std::string& uidl) { return gone.contains(uidl); });
  if (restored.empty()) {
    return failed(
        {ErrorKind::kNotFound, fmt::format("the files of all deleted messages of {} are gone from its "
                                           "deleted folder; nothing was restored",
                                           address.text())});
  }
  std::string text =
      fmt::format("{} restored in {}; mail programs find {} at their next login.\n",
                  counted(restored.size(), "message"), address.text(), restored.size() == 1 ? "it" : "them");
  if (!lost->empty()) {
    text +=
        fmt::format("Their files are gone, so that they cannot be restored: {}\n", fmt::join(*lost, ", "));
  }
  return done(text, Value::Object{{"address", address.text()},
                                  {"restored", Value::Array(restored.begin(), restored.end())},
                                  {"lost", Value::Array(lost->begin(), lost->end())}});
}

}  // namespace mailstead::admin

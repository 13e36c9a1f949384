// queue list | show | retry | hold | release | drop

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "admin/command_table.h"
#include "admin/commands/queue_report.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

// Of one piece of a report, for which other mail waits.
constexpr std::size_t kMostListed = 500;       // messages; also in the table for people
constexpr std::size_t kMostRecipients = 5000;  // after these no further message
constexpr std::size_t kMostRead = 50;          // messages at a time
constexpr std::size_t kMostRetried = 500;      // messages

std::size_t waiting_of(const QueuedMessage& message) {
  return static_cast<std::size_t>(
      std::ranges::count(message.recipients, QueueState::kWaiting, &QueuedRecipient::state));
}

std::string next_text(const QueuedMessage& message) {
  if (message.held) return "held";
  std::int64_t next = 0;
  for (const QueuedRecipient& each : message.recipients) {
    if (each.state != QueueState::kWaiting) continue;
    if (next == 0 || each.next_at < next) next = each.next_at;
  }
  if (next == 0) return "report to come";
  return next <= std::time(nullptr) ? "now" : time_text(next);
}

std::string recipients_text(const QueuedMessage& message) {
  const auto first = std::ranges::find(message.recipients, QueueState::kWaiting, &QueuedRecipient::state);
  if (first == message.recipients.end()) return "";
  const std::string address = first->recipient.address.text();
  const std::size_t waiting = waiting_of(message);
  return waiting == 1 ? address : fmt::format("{} and {} more", address, waiting - 1);
}

// The next piece of the list: fewer messages than kMostListed need not be all.
Result<std::vector<QueuedMessage>> piece_behind(QueueRow after, Store& store) {
  std::vector<QueuedMessage> piece;
  std::size_t recipients = 0;
  while (piece.size() < kMostListed && recipients < kMostRecipients) {
    auto more = store.list_queue(piece.empty() ? after : piece.back().row,
                                 std::min(kMostRead, kMostListed - piece.size()));
    if (!more) return more.error();
    if (more->empty()) break;
    for (QueuedMessage& message : *more) {
      recipients += message.recipients.size();
      piece.push_back(std::move(message));
      if (recipients >= kMostRecipients) break;
    }
  }
  return piece;
}

// "ROW" or "ROW COUNT", as Report::next said.
struct Place {
  QueueRow row = 0;
  std::uint64_t count = 0;
};

std::optional<Place> place_of(const std::string& after) {
  Place place;
  if (after.empty()) return place;
  const char* const end = after.data() + after.size();
  auto read = std::from_chars(after.data(), end, place.row);
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == ' ')
    read = std::from_chars(read.ptr + 1, end, place.count);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return place;
}

Report changed(const Result<void>& outcome, const std::string& id, const std::string& text) {
  if (!outcome) return failed(outcome.error());
  return done(text + "\n", Value::Object{{"id", id}});
}

}  // namespace

Report list_queue(const Request& request, CommandContext& context) {
  const auto place = place_of(request.after);
  if (!place) return misused("this is no place in the queue");
  const auto messages = piece_behind(place->row, context.store);
  if (!messages) return failed(messages.error());
  if (messages->empty()) return done("Nothing waits to be sent.\n", Value::Array{});
  Table table({Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"ID", "RECEIVED", "SIZE", "FROM", "TO", "NEXT ATTEMPT"});
  Value::Array array;
  for (const QueuedMessage& message : *messages) {
    array.push_back(queued_value(message));
    table.add({message.id, time_text(message.received_at), size_text(message.size), sender_text(message),
               recipients_text(message), next_text(message)});
  }
  std::string text = table.text();
  const QueueRow last = messages->back().row;
  const auto behind = context.store.list_queue(last, 1);
  if (!behind) return failed(behind.error());
  if (!behind->empty() && request.after.empty()) {
    const auto totals = context.store.queue_totals();
    if (!totals) return failed(totals.error());
    text += fmt::format("{} more are not shown; --json tells all.\n", totals->messages - messages->size());
  }
  Report report = done(std::move(text), array);
  if (!behind->empty()) report.next = fmt::format("{}", last);
  return report;
}

Report show_queued(const Request& request, CommandContext& context) {
  const auto message = context.store.find_queued(request.arguments[0]);
  if (!message) return failed(message.error());
  return done(queued_text(*message, context.store), queued_history(*message, context.store));
}

Report retry_queue(const Request& request, CommandContext& context) {
  auto place = place_of(request.after);
  if (!place) return misused("this is no place in the queue");
  std::string next;
  if (!request.arguments.empty()) {
    const auto done = context.store.retry_queued(request.arguments[0]);
    if (!done) return failed(done.error());
    place->count = 1;
  } else {
    const auto count = context.store.retry_queue(place->row, kMostRetried);
    if (!count) return failed(count.error());
    place->count += *count;
    if (*count == kMostRetried) next = fmt::format("{} {}", place->row, place->count);
  }
  Report report =
      done(fmt::format("{} message{} will be tried now.\n", place->count, place->count == 1 ? "" : "s"),
           Value::Object{{"messages", place->count}});
  report.next = std::move(next);
  return report;
}

Report hold_queued(const Request& request, CommandContext& context) {
  return changed(context.store.hold_queued(request.arguments[0]), request.arguments[0],
                 fmt::format("{} is held: nothing is sent until 'mailstead queue release {}'.",
                             request.arguments[0], request.arguments[0]));
}

Report release_queued(const Request& request, CommandContext& context) {
  return changed(
      context.store.release_queued(request.arguments[0]), request.arguments[0],
      fmt::format("{} is tried again when its time comes; 'mailstead queue retry {}' tries it now.",
                  request.arguments[0], request.arguments[0]));
}

Report drop_queued(const Request& request, CommandContext& context) {
  return changed(context.store.drop_queued(request.arguments[0]), request.arguments[0],
                 fmt::format("{} is not sent any more, and nobody was told.", request.arguments[0]));
}

}  // namespace mailstead::admin

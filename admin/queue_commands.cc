// queue list | show | retry | hold | release | drop

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "admin/command_table.h"
#include "admin/queue_report.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kSlice = 1000;      // messages read at a time
constexpr std::size_t kMostListed = 500;  // in the table for people

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

Report changed(const Result<void>& outcome, const std::string& id, const std::string& text) {
  if (!outcome) return failed(outcome.error());
  return done(text + "\n", Value::Object{{"id", id}});
}

}  // namespace

Report list_queue(const Request&, CommandContext& context) {
  std::vector<QueuedMessage> messages;
  while (true) {
    auto more = context.store.list_queue(messages.empty() ? 0 : messages.back().row, kSlice);
    if (!more) return failed(more.error());
    if (more->empty()) break;
    messages.insert(messages.end(), std::make_move_iterator(more->begin()),
                    std::make_move_iterator(more->end()));
  }
  if (messages.empty()) return done("Nothing waits to be sent.\n", Value::Array{});
  Table table({Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"ID", "RECEIVED", "SIZE", "FROM", "TO", "NEXT ATTEMPT"});
  Value::Array array;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const QueuedMessage& message = messages[i];
    array.push_back(queued_value(message));
    if (i >= kMostListed) continue;
    table.add({message.id, time_text(message.received_at), size_text(message.size), sender_text(message),
               recipients_text(message), next_text(message)});
  }
  std::string text = table.text();
  if (messages.size() > kMostListed)
    text += fmt::format("{} more are not shown; --json tells all.\n", messages.size() - kMostListed);
  return done(std::move(text), array);
}

Report show_queued(const Request& request, CommandContext& context) {
  const auto message = context.store.find_queued(request.arguments[0]);
  if (!message) return failed(message.error());
  return done(queued_text(*message, context.store), queued_value(*message));
}

Report retry_queue(const Request& request, CommandContext& context) {
  std::optional<std::string> id;
  if (!request.arguments.empty()) id = request.arguments[0];
  const auto count = context.store.retry_queued(id);
  if (!count) return failed(count.error());
  return done(fmt::format("{} message{} will be tried now.\n", *count, *count == 1 ? "" : "s"),
              Value::Object{{"messages", *count}});
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

#include "admin/commands/queue_report.h"

#include <fmt/format.h>

#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {

std::string sender_text(const QueuedMessage& message) {
  return message.envelope.reverse_path ? message.envelope.reverse_path->text() : "<>";
}

std::string state_text(QueueState state) {
  switch (state) {
    case QueueState::kWaiting:
      return "waits";
    case QueueState::kDelivered:
      return "delivered";
    case QueueState::kFailed:
      return "failed";
    case QueueState::kDropped:
      return "dropped";
  }
  return {};
}

std::string queued_text(const QueuedMessage& message, Store& store) {
  Table head({Align::kLeft, Align::kLeft});
  head.add({"id", message.id});
  head.add({"from", sender_text(message)});
  if (!message.user.empty()) head.add({"handed in by", message.user});
  head.add(
      {"Message-ID", message.message_id.empty() ? "not known" : printable("<" + message.message_id + ">")});
  head.add({"size", size_text(message.size)});
  head.add({"received", time_text(message.received_at)});
  if (message.finished_at != 0) head.add({"finished", time_text(message.finished_at)});
  if (message.held) head.add({"held", "until 'mailstead queue release " + message.id + "'"});
  if (message.envelope.hold_until > message.received_at)
    head.add({"wanted later", "not before " + time_text(message.envelope.hold_until)});
  if (message.envelope.deliver_by) {
    head.add({"to be delivered by", time_text(message.envelope.deliver_by->at) +
                                        (message.envelope.deliver_by->returns ? ", else returned" : "")});
  }
  if (message.envelope.priority) head.add({"priority", fmt::format("{}", *message.envelope.priority)});
  std::string text = head.text();
  for (const QueuedRecipient& each : message.recipients) {
    text += fmt::format("\nto {}: {}", each.recipient.address.text(), state_text(each.state));
    if (each.state == QueueState::kWaiting && !message.held)
      text += fmt::format(", next attempt {}", time_text(each.next_at));
    text += '\n';
    Table history({Align::kLeft, Align::kLeft, Align::kLeft});
    const auto attempts = store.queue_attempts(each.row);
    if (!attempts) continue;
    for (const QueueAttempt& attempt : *attempts) {
      history.add({"  " + time_text(attempt.at), attempt.host.empty() ? "here" : printable(attempt.host),
                   printable(attempt.reply)});
    }
    text += history.text();
  }
  return text;
}

namespace {

Value attempts_value(const QueuedRecipient& recipient, Store& store) {
  Value::Array array;
  const auto attempts = store.queue_attempts(recipient.row);
  if (!attempts) return array;
  for (const QueueAttempt& attempt : *attempts) {
    array.push_back(Value::Object{{"at", time_value(attempt.at)},
                                  {"outcome", state_text(attempt.outcome)},
                                  {"host", attempt.host},
                                  {"status", attempt.status},
                                  {"reply", attempt.reply}});
  }
  return array;
}

// `store`: null leaves the attempts out.
Value value_of(const QueuedMessage& message, Store* store) {
  Value::Array recipients;
  for (const QueuedRecipient& each : message.recipients) {
    Value::Object recipient;
    recipient.emplace_back("address", each.recipient.address.text());
    recipient.emplace_back("state", state_text(each.state));
    recipient.emplace_back("attempts", std::int64_t{each.attempts});
    recipient.emplace_back("next_attempt_at",
                           time_value(each.state == QueueState::kWaiting ? each.next_at : 0));
    recipient.emplace_back("last_attempt_at", time_value(each.last.at));
    recipient.emplace_back("last_host", each.last.host);
    recipient.emplace_back("last_status", each.last.status);
    recipient.emplace_back("last_reply", each.last.reply);
    if (store != nullptr) recipient.emplace_back("history", attempts_value(each, *store));
    recipients.emplace_back(std::move(recipient));
  }
  Value::Object value;
  value.emplace_back("id", message.id);
  value.emplace_back("from", message.envelope.reverse_path ? message.envelope.reverse_path->text() : "");
  value.emplace_back("user", message.user);
  value.emplace_back("message_id", message.message_id);
  value.emplace_back("size", message.size);
  value.emplace_back("received_at", time_value(message.received_at));
  value.emplace_back("held", message.held);
  value.emplace_back("not_before", time_value(message.envelope.hold_until));
  value.emplace_back("deliver_by",
                     time_value(message.envelope.deliver_by ? message.envelope.deliver_by->at : 0));
  value.emplace_back("priority", std::int64_t{message.envelope.priority.value_or(0)});
  value.emplace_back("finished_at", time_value(message.finished_at));
  value.emplace_back("recipients", std::move(recipients));
  return value;
}

}  // namespace

Value queued_value(const QueuedMessage& message) {
  return value_of(message, nullptr);
}

Value queued_history(const QueuedMessage& message, Store& store) {
  return value_of(message, &store);
}

}  // namespace mailstead::admin

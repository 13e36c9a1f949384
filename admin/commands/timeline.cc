#include "admin/commands/timeline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "admin/commands/message_report.h"
#include "admin/commands/queue_report.h"
#include "admin/text.h"
#include "protocols/ascii.h"

namespace mailstead::admin {
namespace {

std::string attempt_text(const QueuedRecipient& recipient, const QueueAttempt& attempt) {
  const std::string to = recipient.recipient.address.text();
  const std::string host = attempt.host.empty() ? "this server" : printable(attempt.host);
  const std::string reply = printable(attempt.reply);
  switch (attempt.outcome) {
    case QueueState::kDelivered:
      return attempt.host.empty() ? fmt::format("{}: delivered here", to)
                                  : fmt::format("{}: taken by {}: {}", to, host, reply);
    case QueueState::kFailed:
      return fmt::format("{}: given up; {} said: {}", to, host, reply);
    case QueueState::kWaiting:
    case QueueState::kDropped:
      break;
  }
  return fmt::format("{}: not taken yet; {} said: {}", to, host, reply);
}

// What people did to it, and what its sender was told.
std::string event_text(const QueuedMessage& message, const QueueEvent& event) {
  const auto whose = std::ranges::find(message.recipients, event.recipient, &QueuedRecipient::row);
  const std::string to =
      whose == message.recipients.end() ? "all recipients" : whose->recipient.address.text();
  const auto told = [&](std::string_view what) {
    return fmt::format("{}: its sender was told {} (by message {})", to, what, event.report);
  };
  switch (event.kind) {
    case QueueEventKind::kHeld:
      return fmt::format("{} was held by 'mailstead queue hold'", message.id);
    case QueueEventKind::kReleased:
      return fmt::format("{} was let go by 'mailstead queue release'", message.id);
    case QueueEventKind::kRetried:
      return fmt::format("{} was to be tried again at once, by 'mailstead queue retry'", message.id);
    case QueueEventKind::kDropped:
      return fmt::format("{}: dropped by 'mailstead queue drop'", to);
    case QueueEventKind::kFailureReported:
      return told("that it could not be delivered");
    case QueueEventKind::kDelayReported:
      return told("that it is late");
    case QueueEventKind::kSuccessReported:
      return told("that it was delivered");
  }
  return {};
}

// A word for scripts.
std::string event_word(QueueEventKind kind) {
  switch (kind) {
    case QueueEventKind::kHeld:
      return "held";
    case QueueEventKind::kReleased:
      return "released";
    case QueueEventKind::kRetried:
      return "retried";
    case QueueEventKind::kDropped:
      return "dropped";
    case QueueEventKind::kFailureReported:
    case QueueEventKind::kDelayReported:
    case QueueEventKind::kSuccessReported:
      break;
  }
  return "reported";
}

std::string named_recipients(const QueuedMessage& message) {
  std::string text;
  for (const QueuedRecipient& each : message.recipients) {
    if (!text.empty()) text += ", ";
    text += each.recipient.address.text();
  }
  return text;
}

}  // namespace

std::string moment_text(std::int64_t unix_seconds) {
  std::string text = rfc3339(unix_seconds);
  text[10] = ' ';
  text.pop_back();
  return text + " UTC";
}

void Timeline::add(std::int64_t at, std::string what, std::string says) {
  events_.push_back({at, std::move(what), std::move(says)});
}

void Timeline::add_copy(const KnownMessage& message, const std::string& came) {
  const std::string address = message.address.text();
  add(message.received_at, "stored",
      fmt::format("received{}, and stored for {} (id {})", came.empty() ? "" : " " + came, address,
                  message.uidl));
  for (const MessageEvent& event : message.events) {
    const std::string device = device_text(event.device);
    switch (event.kind) {
      case MessageEventKind::kFetched:
        add(event.at, "fetched", fmt::format("{}: fetched by {}", address, device));
        if (event.last_at != event.at)
          add(event.last_at, "fetched", fmt::format("{}: fetched by {} for the last time", address, device));
        break;
      case MessageEventKind::kDeleted:
        add(event.at, "deleted", fmt::format("{}: deleted by {}", address, device));
        break;
      case MessageEventKind::kRestored:
        add(event.at, "restored", fmt::format("{}: restored", address));
        break;
    }
  }
}

void Timeline::add_queued(const QueuedMessage& message, const std::string& came, Store& store) {
  std::string from = message.user.empty() ? std::string() : fmt::format(" from our user {}", message.user);
  if (!came.empty()) from += (message.user.empty() ? " " : ", ") + came;
  add(message.received_at, "queued",
      fmt::format("received{}, and queued for {} (id {})", from, named_recipients(message), message.id));
  // Within a second nobody knows what came first: what people did has most often led to what followed.
  const auto events = store.queue_events(message.row);
  const auto add_events = [&](bool by_hand) {
    if (!events) return;
    for (const QueueEvent& event : *events) {
      if ((event.recipient == 0) == by_hand)
        add(event.at, event_word(event.kind), event_text(message, event));
    }
  };
  add_events(true);
  for (const QueuedRecipient& each : message.recipients) {
    if (const auto attempts = store.queue_attempts(each.row)) {
      for (const QueueAttempt& attempt : *attempts)
        add(attempt.at, state_text(attempt.outcome), attempt_text(each, attempt));
    }
  }
  add_events(false);
}

void Timeline::add_refused(const RefusedMail& mail) {
  add(mail.at, "refused",
      printable(fmt::format("refused from {} ({}), for {}: {}", mail.peer, mail.helo,
                            fmt::join(mail.to, ", "), mail.reply)));
}

std::vector<Timeline::Event> Timeline::in_order() const {
  std::vector<Event> events = events_;
  std::ranges::stable_sort(events, {}, &Event::at);
  return events;
}

std::string Timeline::text() const {
  Table table({Align::kLeft, Align::kLeft});
  for (const Event& event : in_order()) table.add({moment_text(event.at), event.says});
  return table.text();
}

Value::Array Timeline::values() const {
  Value::Array array;
  for (const Event& event : in_order())
    array.push_back(Value::Object{{"at", time_value(event.at)}, {"what", event.what}, {"says", event.says}});
  return array;
}

// "SRS0=HASH=TT=remote.example=anna" (protocols/smtp/srs.h). For people: whether the hash is ours makes no
// difference here.
std::string known_sender_text(const QueuedMessage& message) {
  const auto& path = message.envelope.reverse_path;
  if (!path || !ascii::same(std::string_view(path->local_part).substr(0, 5), "SRS0="))
    return sender_text(message);
  std::string_view rest = std::string_view(path->local_part).substr(5);
  for (int skipped = 0; skipped < 2; ++skipped) {
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return sender_text(message);
    rest.remove_prefix(equals + 1);
  }
  const std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return sender_text(message);
  return Address{std::string(rest.substr(equals + 1)), std::string(rest.substr(0, equals))}.text();
}

}  // namespace mailstead::admin

// why: what the store knows of a message or an address, told as a story with an end: what to do next.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>

#include "admin/command_table.h"
#include "admin/commands/message_report.h"
#include "admin/commands/queue_report.h"
#include "admin/commands/timeline.h"
#include "admin/commands/why_address.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

// The header of a message that is only in the queue, or was.
MessageHead queued_head(const QueuedMessage& message, CommandContext& context) {
  const auto kept = context.store.queued_header(message.row);
  if (kept && !kept->empty()) return read_head(*kept, context.config.hostname);
  std::string beginning;
  if (message.finished_at != 0) return {};
  const auto reader = context.store.open_queued(message);
  if (!reader || !(*reader)->read(0, kHeadOctets, beginning)) return {};
  return read_head(beginning, context.config.hostname);
}

// One message with all of its copies: facts, timeline, and where each copy is now.
struct Story {
  std::vector<const KnownMessage*> copies;
  std::vector<const QueuedMessage*> queued;

  const std::string& message_id() const {
    return copies.empty() ? queued.front()->message_id : copies.front()->message_id;
  }
};

std::string facts_text(const Story& story, const MessageHead& head) {
  Table facts({Align::kLeft, Align::kLeft});
  if (!head.from.empty()) facts.add({"from", head.from});
  if (!head.subject.empty()) facts.add({"subject", head.subject});
  const std::string& message_id = story.message_id();
  facts.add({"Message-ID", message_id.empty() ? "not known" : printable("<" + message_id + ">")});
  facts.add(
      {"size", size_text(story.copies.empty() ? story.queued.front()->size : story.copies.front()->size)});
  if (!story.queued.empty()) {
    const QueuedMessage& queued = *story.queued.front();
    facts.add({"sender", known_sender_text(queued)});
    if (known_sender_text(queued) != sender_text(queued)) facts.add({"passed on as", sender_text(queued)});
    if (!queued.user.empty()) facts.add({"handed in by", queued.user});
  } else if (!head.return_path.empty()) {
    facts.add({"sender", head.return_path});
  }
  if (!head.checks.empty()) facts.add({"checks", checks_text(head.checks)});
  std::string text = facts.text();
  if (const std::string doubt = doubt_of(head.checks); !doubt.empty()) text += '\n' + doubt + '\n';
  return text;
}

std::string standings_text(const Story& story, const Config& config, std::int64_t now) {
  std::string text;
  for (const KnownMessage* copy : story.copies) {
    text += fmt::format("{}, UIDL and queue id {}: {}\n", copy->address.text(), copy->uidl,
                        standing_text(*copy, config, now));
    if (copy->standing == Standing::kDeleted)
      text += fmt::format("  To bring it back: {}\n", restore_command(*copy));
  }
  for (const QueuedMessage* message : story.queued) {
    for (const QueuedRecipient& each : message->recipients) text += fate_text(*message, each) + "\n";
    if (message->held)
      text += fmt::format("  It is held: 'mailstead queue release {}' lets it go.\n", message->id);
    if (message->finished_at == 0 && message->envelope.hold_until > message->received_at)
      text += fmt::format("  Its sender wants it sent not before {}.\n",
                          moment_text(message->envelope.hold_until));
  }
  return text;
}

std::string told(const Story& story, const MessageHead& head, CommandContext& context, Value::Array& events) {
  Timeline timeline;
  // By when: copies that came together came the same way, the first one as its head tells.
  std::map<std::int64_t, std::string> came;
  came[story.copies.empty() ? story.queued.front()->received_at : story.copies.front()->received_at] =
      head.came;
  for (const KnownMessage* copy : story.copies) {
    std::string& how = came[copy->received_at];
    if (how.empty()) how = message_head(context, *copy).came;
    timeline.add_copy(*copy, how);
  }
  for (const QueuedMessage* message : story.queued) {
    std::string& how = came[message->received_at];
    if (how.empty()) how = queued_head(*message, context).came;
    timeline.add_queued(*message, how, context.store);
  }
  // Before it came, it was put off; or it was refused for others.
  for (const RefusedMail& mail : refused_as(story.message_id(), context)) timeline.add_refused(mail);
  std::ranges::move(timeline.values(), std::back_inserter(events));
  return fmt::format("{}\n{}\nNow:\n{}", facts_text(story, head), timeline.text(),
                     standings_text(story, context.config, std::time(nullptr)));
}

// What came at the same moment with the same Message-ID: an alias passes a message on under an id of its own.
void add_siblings(std::vector<KnownMessage>& messages, std::vector<QueuedMessage>& queued, Store& store) {
  if (messages.empty() && queued.empty()) return;
  const std::string message_id = messages.empty() ? queued.front().message_id : messages.front().message_id;
  const std::int64_t received_at =
      messages.empty() ? queued.front().received_at : messages.front().received_at;
  if (message_id.empty()) return;
  if (auto more = store.find_messages("<" + message_id + ">")) {
    for (KnownMessage& message : *more) {
      const bool known = std::ranges::any_of(messages, [&](const KnownMessage& each) {
        return each.mailbox == message.mailbox && each.uidl == message.uidl;
      });
      if (!known && message.received_at == received_at) messages.push_back(std::move(message));
    }
  }
  if (auto more = store.search_queue("<" + message_id + ">")) {
    for (QueuedMessage& message : *more) {
      const bool known =
          std::ranges::any_of(queued, [&](const QueuedMessage& each) { return each.row == message.row; });
      if (!known && message.received_at == received_at) queued.push_back(std::move(message));
    }
  }
}

// Messages of the queue and no mailbox: those of a Message-ID are one story, those to or from an address are
// many.
Report about_queued(const std::string& asked, const std::vector<QueuedMessage>& queued,
                    const Recent& delivered, const std::vector<RefusedMail>& refused,
                    CommandContext& context) {
  std::string text;
  std::vector<Story> stories;
  for (const QueuedMessage& message : queued) {
    const auto same = std::ranges::find_if(stories, [&](const Story& story) {
      return !message.message_id.empty() && story.queued.front()->message_id == message.message_id;
    });
    if (same == stories.end()) {
      stories.push_back({{}, {&message}});
    } else {
      same->queued.push_back(&message);
    }
  }
  Value::Array timelines;
  for (std::size_t i = 0; i < std::min(stories.size(), kMostShown); ++i) {
    if (i > 0) text += "\n";
    Value::Array events;
    text += told(stories[i], queued_head(*stories[i].queued.front(), context), context, events);
    for (Value& event : events) timelines.push_back(std::move(event));
  }
  if (stories.size() > kMostShown)
    text +=
        fmt::format("\n{} older ones are not shown; --json tells up to 100.\n", stories.size() - kMostShown);
  text += recent_text(delivered, "was received from " + asked) + refused_text(refused);
  return done(std::move(text), Value::Object{{"kind", "queued"},
                                             {"asked", asked},
                                             {"received", recent_values(delivered, context.config)},
                                             {"refused", refused_values(refused)},
                                             {"timeline", std::move(timelines)},
                                             {"queue", queue_values(queued, context.store)}});
}

Report about_messages(const std::string& asked, const std::vector<KnownMessage>& messages,
                      const std::vector<QueuedMessage>& queued, CommandContext& context) {
  const MessageHead head = message_head(context, messages.front());
  Story story;
  for (const KnownMessage& message : messages) story.copies.push_back(&message);
  for (const QueuedMessage& message : queued) story.queued.push_back(&message);
  Value::Array events;
  std::string text = told(story, head, context, events);
  Value::Array copies;
  for (const KnownMessage& message : messages)
    copies.push_back(message_value(message, head, context.config, std::time(nullptr)));
  return done(std::move(text), Value::Object{{"kind", "message"},
                                             {"asked", asked},
                                             {"timeline", std::move(events)},
                                             {"copies", std::move(copies)},
                                             {"queue", queue_values(queued, context.store)}});
}

}  // namespace

Report explain(const Request& request, CommandContext& context) {
  const std::string& asked = request.arguments[0];
  const auto directory = context.store.directory();
  const auto address = parse_address(asked);
  const bool ours = address && directory->is_ours(address->domain);
  // A Message-ID may look like an address. One of ours is meant as an address, unless there is such a
  // message.
  if (ours && directory->classify(*address) != RecipientKind::kUnknown)
    return about_address(*address, context);
  auto messages = context.store.find_messages(asked);
  if (!messages) return failed(messages.error());
  auto queued = context.store.search_queue(asked);
  if (!queued) return failed(queued.error());
  if (!address) add_siblings(*messages, *queued, context.store);
  if (!messages->empty()) return about_messages(asked, *messages, *queued, context);
  const auto refused = address ? refused_mail(*address, context) : std::vector<RefusedMail>();
  const auto delivered = address && !ours ? delivered_from(*address, context) : Result<Recent>(Recent{});
  if (!delivered) return failed(delivered.error());
  if (!queued->empty()) return about_queued(asked, *queued, *delivered, refused, context);
  if (ours) return about_address(*address, context);
  if (const auto never_came = refused_as(asked, context); !never_came.empty())
    return about_refused(asked, never_came);
  if (!refused.empty() || !delivered->messages.empty())
    return about_stranger(asked, *delivered, refused, context.config);
  return failed(fmt::format(
      "'{}' is no address of this server and no message that it has now: check the spelling; a "
      "queue id has 15 "
      "characters and stands in the server's log and in the sender's, a Message-ID in the "
      "message's header; what "
      "was sent to other hosts is known for {} days, a deleted message for {}; refused mail is known "
      "as long as it is among the newest, and longer in the server's log",
      asked, std::chrono::duration_cast<std::chrono::days>(kQueueHistory).count(),
      context.config.pop3.deleted_kept_days));
}

}  // namespace mailstead::admin

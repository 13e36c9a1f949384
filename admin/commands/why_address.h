// What `why` tells of an address: what it is, the mail that came to it, went out from it or was refused, and
// what to do next. Private to admin/. Threads: the storage thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "admin/command.h"
#include "admin/commands/message_report.h"
#include "admin/report.h"

namespace mailstead::admin {

inline constexpr std::size_t kMostShown = 10;  // messages of an address that are shown to people

struct Recent {
  std::vector<KnownMessage> messages;  // the newest first
  std::vector<MessageHead> heads;
  bool too_many = false;
};
Value recent_values(const Recent& recent, const Config& config);
// `which`: "anna@example.org received".
std::string recent_text(const Recent& recent, const std::string& which);
// Mail from an address elsewhere, among the newest of all mailboxes: who it is from stands in the files only.
Result<Recent> delivered_from(const Address& address, CommandContext& context);

// One recipient's fate in some words.
std::string fate_text(const QueuedMessage& message, const QueuedRecipient& recipient);
Value queue_values(const std::vector<QueuedMessage>& queued, Store& store);

std::vector<RefusedMail> refused_mail(const Address& address, const CommandContext& context);
// Messages of this Message-ID.
std::vector<RefusedMail> refused_as(const std::string& message_id, const CommandContext& context);
std::string refused_text(const std::vector<RefusedMail>& refused);
Value refused_values(const std::vector<RefusedMail>& refused);

// Of ours.
Report about_address(const Address& address, CommandContext& context);
// Of an address elsewhere that other hosts were not to have mail for or from.
Report about_stranger(const std::string& asked, const Recent& delivered,
                      const std::vector<RefusedMail>& refused, const Config& config);
// Of a message that is nowhere, but was refused.
Report about_refused(const std::string& asked, const std::vector<RefusedMail>& refused);

}  // namespace mailstead::admin

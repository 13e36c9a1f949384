// What the commands say of a message: its standing and its history, for people and for scripts.
// Pure functions but message_head(), which reads the store.
#pragma once

#include <cstdint>
#include <string>

#include "admin/command.h"
#include "admin/commands/message_head.h"
#include "admin/text.h"
#include "admin/value.h"
#include "storage/store.h"

namespace mailstead::admin {

// Until when it can be restored, Unix seconds; 0 when it is not deleted. Sooner when the disk runs low.
std::int64_t restorable_until(const KnownMessage& message, const Config& config, std::int64_t now);
// "in the mailbox", "deleted; it can be restored until ..."
std::string standing_text(const KnownMessage& message, const Config& config, std::int64_t now);
// "mailstead message restore ADDRESS UIDL"
std::string restore_command(const KnownMessage& message);
// Who it was; "somebody" when it is not known.
std::string device_text(const std::string& device);
// Its history, from its arrival on, in rows of a table with two columns.
void add_history(const KnownMessage& message, Table& table);
enum class History { kTold, kOmitted };  // a list has none
Value message_value(const KnownMessage& message, const MessageHead& head, const Config& config,
                    std::int64_t now, History history = History::kTold);
// "SPF pass, DMARC fail, DKIM pass (example.org)": MessageHead::checks in a line; empty: there were none.
std::string checks_text(const std::vector<ToldResult>& checks);
// Why they give reason to doubt whom it is from: a sentence; empty: none.
std::string doubt_of(const std::vector<ToldResult>& checks);
// Empty when the message cannot be read.
MessageHead message_head(CommandContext& context, const KnownMessage& message);
Value devices_value(const std::vector<DeviceFacts>& devices);
std::string devices_text(const std::vector<DeviceFacts>& devices);

}  // namespace mailstead::admin

// The index of messages: one row per message of a mailbox.
//
// Every function runs in the caller's transaction, or by itself when there is none.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocols/pop3/maildrop.h"
#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/database/database.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/message_slice.h"

namespace mailstead {

enum class MessageState : std::int64_t {
  kPresent = 0,
  kDeleting = 1,  // deleted for the client; the file may still be there
  kMissing = 2,   // the file is not there; the row waits for it
  kDeleted = 3,   // deleted for the client and kept; the file is still to be put aside
  kAside = 4,     // the same, and the file is in deleted/
};

constexpr bool is_kept(MessageState state) {
  return state == MessageState::kDeleted || state == MessageState::kAside;
}

struct MessageRow {
  std::int64_t id = 0;  // given by insert()
  MailboxId mailbox = 0;
  std::string uidl;
  std::string name;  // in the maildir: "new/…", "cur/…" or "deleted/…"
  std::uint64_t size = 0;
  bool has_dot_lines = true;
  std::int64_t received_at = 0;  // Unix seconds
  std::string queue_id;
  MessageState state = MessageState::kPresent;
  std::string message_id;  // of its header, without brackets; may be empty
  HeaderFacts header;
  ContentHash hash;  // not known: an older program wrote it
  // What it came with, when that is not `hash`: it was changed since, and is taken as it is.
  ContentHash came_hash = {};

  bool is_as_it_came() const { return !came_hash.is_known(); }
  // The file has these octets, and the message is what the file is.
  void take_content(const ContentHash& found);
};

// Kept up to date by the database itself, see schema.cc.
struct MailboxTotals {
  std::uint64_t messages = 0;  // present ones; the next two of these
  std::uint64_t octets = 0;
  std::int64_t surrogate_growth = 0;
  std::uint64_t kept_messages = 0;  // deleted, and kept
  std::uint64_t kept_octets = 0;

  friend bool operator==(const MailboxTotals&, const MailboxTotals&) = default;
};

class Index {
 public:
  explicit Index(Database& database) : database_(database) {}

  // Gives the row's id. kExists: the mailbox has a message of this UIDL.
  Result<std::int64_t> insert(const MessageRow& row);
  // At most one.
  Result<std::vector<MessageRow>> of_id(std::int64_t id);
  // Oldest first, as in the next ones, unless the slice says otherwise.
  Result<std::vector<MessageRow>> of_state(MailboxId mailbox, MessageState state,
                                           const MessageSlice& slice = {});
  // The first `at_most` behind this id.
  Result<std::vector<MessageRow>> of_state_after(MailboxId mailbox, MessageState state, std::int64_t after,
                                                 std::size_t at_most);
  Result<std::size_t> count_after(MailboxId mailbox, MessageState state, std::int64_t after);
  // Deleted messages that are kept.
  Result<std::vector<MessageRow>> kept(MailboxId mailbox, const MessageSlice& slice = {});
  // At most one.
  Result<std::vector<MessageRow>> of_uidl(MailboxId mailbox, const std::string& uidl);
  // In all mailboxes.
  Result<std::vector<MessageRow>> of_message_id(const std::string& message_id);
  // Those with kDeleted messages, whose files wait to be put aside.
  Result<std::vector<MailboxId>> mailboxes_to_tidy();
  // The path of a message that is present, or was and whose file is missed; kNotFound when there is no such
  // row.
  Result<std::string> path(std::int64_t id);
  // Of the first `at_most` behind this id, and their ids.
  Result<std::vector<std::pair<std::int64_t, std::string>>> paths(MailboxId mailbox, MessageState state,
                                                                  std::int64_t after, std::size_t at_most);
  // The present messages of the ids behind `after` up to `newest`: the first `at_most`; and the id of the one
  // behind `offset` others, kCorrupt when there are fewer.
  Result<MaildropPage> page(MailboxId mailbox, std::int64_t after, std::int64_t newest, std::size_t at_most);
  Result<std::int64_t> id_at(MailboxId mailbox, std::int64_t after, std::int64_t newest, std::size_t offset);
  // The greatest id of all messages, of whatever mailbox and state; 0 without any.
  Result<std::int64_t> newest();
  // Writes name, size, has_dot_lines, state, header, hash and came_hash.
  Result<void> update(const MessageRow& row);
  // The hash only where none is known.
  Result<void> set_header(std::int64_t id, const HeaderFacts& header, const ContentHash& hash);
  // Unless it is known, or the message has another size.
  Result<void> learn_hash(std::int64_t id, std::uint64_t size, const ContentHash& hash);
  Result<void> set_state(std::int64_t id, MessageState state);
  // Its time until expiry begins now.
  Result<void> keep_anew(std::int64_t id);
  Result<void> erase(std::int64_t id);
  // Mailboxes with present messages whose header nobody has looked at: those that an older program wrote.
  Result<std::vector<MailboxId>> unexamined_mailboxes();
  // Such messages of one of them, behind `after`, at most `at_most`.
  Result<std::vector<MessageRow>> unexamined(MailboxId mailbox, std::int64_t after, std::size_t at_most);
  // Present messages that have been there since meta's retention was `retention` or less, at most `at_most`.
  Result<std::vector<std::int64_t>> kept_since(MailboxId mailbox, std::int64_t retention,
                                               std::size_t at_most);
  Result<std::unordered_map<MailboxId, MailboxTotals>> totals();
  Result<MailboxTotals> totals_of(MailboxId mailbox);
  // What they should be: reads every row of the mailbox.
  Result<MailboxTotals> count(MailboxId mailbox);
  Result<void> set_totals(MailboxId mailbox, const MailboxTotals& totals);

 private:
  Result<std::vector<MessageRow>> rows(Result<Statement> statement);

  Database& database_;
};

}  // namespace mailstead

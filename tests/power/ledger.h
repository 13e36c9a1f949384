// What a store has promised, and what it may do besides: kept by the program that uses it, compared with what
// a store shows after a crash. Plain values.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "record.h"
#include "storage/store.h"

namespace mailstead::power {

// A set: what may have become of it. One alone is a promise; with more of them something was asked for and
// not acknowledged, or failed.
using Fates = unsigned;
inline constexpr Fates kAbsent = 1;
inline constexpr Fates kPresent = 2;
inline constexpr Fates kDeleted = 4;  // can be restored

// A message in a mailbox.
struct Copy {
  std::string mailbox;
  std::string uidl;  // empty: nobody has been told
  Bytes content;     // as POP3 sends it
  Fates fates = kAbsent;
  int place = 0;  // in the mailbox's order; 0: nobody has seen it
  // Another program wrote it and has not synced it: any part of it may be there.
  bool may_be_torn = false;
};

struct QueuedCopy {
  Bytes content;
  Fates fates = kAbsent;                       // as an unfinished message
  std::map<std::string, unsigned> recipients;  // a set of 1 << QueueState
  std::set<bool> held = {false};               // what it may be
};

inline unsigned bit(QueueState state) {
  return 1u << static_cast<unsigned>(state);
}

struct Ledger {
  std::map<std::string, Fates> mailboxes;
  std::map<int, Copy> copies;  // by numbers of their own
  // Of each of these all have the same fate.
  std::vector<std::vector<int>> together;
  std::map<std::string, QueuedCopy> queue;                       // by queue id
  std::map<std::string, std::set<std::string>> passwords;        // of a mailbox: what it may be
  std::map<std::pair<std::string, std::string>, Fates> devices;  // app passwords: mailbox and name
  std::map<std::string, Fates> aliases;
  std::map<std::string, std::set<std::uint64_t>> quotas;   // of a mailbox: what it may be
  std::map<std::string, std::set<std::string>> dkim_keys;  // of a domain, as keys_text() has them
  std::string srs_key;                                     // empty: nobody has seen it
  std::set<bool> clean = {false, true};                    // what a start may say of the last end
  std::int64_t retention = 0;                              // seconds that the store has counted, at least
  // What was promised when the newest backup that is promised was begun, and likewise one that is under way;
  // null: there is none.
  std::shared_ptr<const Ledger> backed_up = nullptr;
  std::shared_ptr<const Ledger> backing_up = nullptr;
  // What the whole store may have become meanwhile: it is being restored, or lost; null: nothing else.
  std::shared_ptr<const Ledger> instead = nullptr;
  // What a restore has moved aside, which stays a whole data folder; null: nothing.
  std::shared_ptr<const Ledger> replaced = nullptr;
  // Schemas of which an upgrade keeps the database, and how many messages it knows.
  std::map<int, std::size_t> ways_back;
  // Octets that a file for people holds: one in quarantine, or a damaged database.
  std::vector<Bytes> kept;
  // Mailboxes that were damaged on purpose: what they hold counts again when they are mended.
  std::set<std::string> spoiled;
  bool is_index_damaged = false;  // on purpose: the next start may speak of it
};

// What there is, for people and for comparing two looks: a line each.
using Findings = std::vector<std::string>;

// What contradicts the ledger, a line each.
Findings contradictions(Store& store, const Ledger& ledger);
// All mailboxes with their messages, and the queue.
Findings contents(Store& store);

std::string keys_text(const std::vector<DkimKeyEntry>& entries);

struct SeenMessage {
  std::string uidl;
  std::string content;
};
Result<std::vector<SeenMessage>> read_mailbox(Store& store, MailboxId mailbox);
MailboxId mailbox_of(Store& store, const std::string& address);  // 0: there is none
Address address_of(const std::string& text);

}  // namespace mailstead::power

// The store's part about what lies in the maildirs: looks at what other mail tools changed, at a login or
// behind it, and what is imported then.
#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostTroublesNoticed = 1'000;
constexpr std::uint64_t kLookedAtLogin = 5'000;  // messages of a mailbox: some 20 ms
// Messages for each second between two looks at a larger one.
constexpr std::uint64_t kRestBetweenLooks = 1'000;
constexpr std::size_t kSearched = 2'000;  // files or rows at a time: some 2 ms

}  // namespace

Result<bool> SqliteStore::look_at_login(const MailboxEntry& mailbox, std::uint64_t messages) {
  // Mostly nobody changed it, and nothing is opened.
  const auto times = Maildir::times_of(*folder_, mailbox.address);
  if (times && !watch_.needs_scan(mailbox.id, *times, unix_seconds(), messages)) return false;
  auto maildir = maildir_of(mailbox.id);
  if (!maildir) return maildir.error();
  if (messages > kLookedAtLogin) {
    // No login waits for a look at a large mailbox: it comes behind it, and the next one sees what it finds.
    look_behind(mailbox.id, messages);
    return false;
  }
  // On a full disk, say, what the index knows already can still be read and deleted.
  notice_failure(look_for_changes(mailbox.id, *maildir, messages));
  return true;
}

Result<SqliteStore::Looked> SqliteStore::look_for_one(MailboxId mailbox, Maildir& maildir,
                                                      std::uint64_t messages) {
  if (messages > kLookedAtLogin) {
    auto times = maildir.times();
    if (times && !watch_.needs_scan(mailbox, *times, unix_seconds(), messages)) return Looked::kNow;
    look_behind(mailbox, messages);
    return Looked::kLater;
  }
  notice_failure(look_for_changes(mailbox, maildir, messages));
  return Looked::kNow;
}

Result<void> SqliteStore::look_for_changes(MailboxId mailbox, Maildir& maildir, std::uint64_t messages,
                                           MarkedFiles marked) {
  auto times = maildir.times();
  if (!times) return times.error();
  if (!watch_.needs_scan(mailbox, *times, unix_seconds(), messages)) return {};
  watch_.scan_begins(mailbox, *times);
  Reconciler reconciler(*database_, maildir, mailbox, naming_, marked, messages);
  auto found = reconcile(reconciler, [&] { return listings_.before_change(*database_, mailbox); });
  if (!found) {
    watch_.forget(mailbox);
    return found.error();
  }
  if (found->left > 0) {
    to_take_in_.insert(mailbox);
  } else {
    to_take_in_.erase(mailbox);
  }
  return finish_look(mailbox, maildir, *found);
}

Result<void> SqliteStore::finish_look(MailboxId mailbox, const Maildir& maildir, const Reconciled& found) {
  if (found.settled) {
    watch_.scan_settled(mailbox, unix_seconds());
  } else {
    watch_.forget(mailbox);
  }
  notice(found, mailbox, maildir);
  if (found.restored > 0 || found.kept > 0) return recount_deleted();
  return {};
}

// There are rests in between: each holds up everybody a little.
void SqliteStore::look_behind(MailboxId mailbox, std::uint64_t messages) {
  if (look_ != nullptr && look_->mailbox == mailbox) return;
  std::int64_t& last = looked_behind_[mailbox];
  const std::int64_t now = unix_seconds();
  if (now >= last && now - last < static_cast<std::int64_t>(messages / kRestBetweenLooks)) return;
  last = now;
  to_take_in_.insert(mailbox);
}

Result<bool> SqliteStore::take_in_files(std::size_t at_most) {
  if (!database_) return closed_error();
  if (look_ == nullptr && to_take_in_.empty()) {
    if (to_examine_.empty()) return false;
    const MailboxId next = to_examine_.begin()->first;
    if (auto done = examine_some(next, at_most); !done) {
      to_examine_.erase(next);  // until the next start
      notice_failure(done);
    }
  } else {
    auto more = look_ == nullptr ? begin_look() : Result<bool>(true);
    if (more && *more) more = go_on_looking(at_most);
    if (!more || !*more) look_.reset();
    if (!more) notice_failure(more.error());
  }
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return files_wait();
}

// False: there is nothing to look for.
Result<bool> SqliteStore::begin_look() {
  const MailboxId mailbox = *to_take_in_.begin();
  to_take_in_.erase(mailbox);  // what stands in the way now is met again at the next login
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  auto times = maildir->times();
  if (!times) return times.error();
  auto totals = Index(*database_).totals_of(mailbox);
  if (!totals) return totals.error();
  if (!watch_.needs_scan(mailbox, *times, unix_seconds(), totals->messages)) return false;
  watch_.scan_begins(mailbox, *times);
  look_ = std::make_unique<LookBehind>(*database_, mailbox, std::move(*maildir), naming_, totals->messages);
  return true;
}

// False: it is at its end. Of a small mailbox all is searched at once.
Result<bool> SqliteStore::go_on_looking(std::size_t at_most) {
  LookBehind& look = *look_;
  const MailboxId mailbox = look.mailbox;
  const auto still = [&] {
    const auto times = look.maildir.times();
    return times && watch_.is_quiet(mailbox, *times);
  };
  Result<bool> more = true;
  if (look.searching) {
    more = look.reconciler.search(kSearched);
    look.searching = more && *more;
    if (look.searching) return true;
  }
  if (more) {
    more = look.reconciler.settle({at_most, at_most, still()},
                                  [&] { return listings_.before_change(*database_, mailbox); });
  }
  if (more && *more) return true;
  // Not noted as looked at when it failed, or when somebody went on changing it.
  Reconciled found = look.reconciler.result();
  found.settled &= more && still();
  if (auto done = finish_look(mailbox, look.maildir, found); !done && more) return done.error();
  return more;
}

// Trouble that stays is told once.
bool SqliteStore::is_news(const std::string& trouble) {
  if (troubles_noticed_.size() > kMostTroublesNoticed) troubles_noticed_.clear();
  return troubles_noticed_.insert(trouble).second;
}

void SqliteStore::notice(const Reconciled& found, MailboxId mailbox, const Maildir& maildir) {
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  Reconciled news = found;
  std::erase_if(news.skipped, [this](const std::string& line) { return !is_news(line); });
  auto lines = sentences(news, entry == nullptr ? maildir.path() : entry->address.text());
  notices_.insert(notices_.end(), std::make_move_iterator(lines.begin()),
                  std::make_move_iterator(lines.end()));
}

// Of a look that nobody asked for: the mailbox is as good as it was, but somebody should know.
void SqliteStore::notice_failure(const Result<void>& done) {
  if (!done && is_news(done.error().message)) notices_.push_back(done.error().message);
}

// A file that cannot be read, or is not the one that the index knows, stays unknown.
Result<void> SqliteStore::examine_some(MailboxId mailbox, std::size_t at_most) {
  constexpr std::uint64_t kOctets = 32 << 20;  // then others have their turn
  auto maildir = maildir_of(mailbox);
  if (!maildir) return maildir.error();
  auto rows = Index(*database_).unexamined(mailbox, to_examine_[mailbox], at_most);
  if (!rows) return rows.error();
  std::vector<std::pair<std::int64_t, HeaderFacts>> found;
  std::uint64_t octets = 0;
  for (const MessageRow& row : *rows) {
    if (octets > kOctets) break;
    octets += row.size;
    to_examine_[mailbox] = row.id;
    auto facts = maildir->inspect(row.name);
    if (facts && facts->size == row.size) found.emplace_back(row.id, facts->header);
  }
  if (rows->empty()) to_examine_.erase(mailbox);
  if (found.empty()) return {};
  if (auto done = listings_.before_change(*database_, mailbox); !done) return done;
  return in_transaction([&]() -> Result<void> {
    for (const auto& [id, header] : found) {
      if (auto done = Index(*database_).set_header(id, header); !done) return done;
    }
    return {};
  });
}

}  // namespace mailstead

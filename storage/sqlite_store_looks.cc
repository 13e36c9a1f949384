// The store's part about what lies in the maildirs: looks at what other mail tools changed, at a login or
// behind it, and what is imported then.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostTroublesNoticed = 1'000;
constexpr std::uint64_t kLookedAtLogin = 5'000;  // messages of a mailbox: some 20 ms
// Messages for each second between two looks at a larger one.
constexpr std::uint64_t kRestBetweenLooks = 1'000;
// Files or rows: a mailbox of kLookedAtLogin messages and a few files of others.
constexpr std::size_t kSearchedAtOnce = 12'000;
constexpr std::size_t kSearched = 2'000;  // likewise at a time, behind a login: some 2 ms

}  // namespace

Result<bool> SqliteStore::look_at_login(const MailboxEntry& mailbox, std::uint64_t messages) {
  // Mostly nobody changed it, and nothing is opened.
  const auto times = Maildir::times_of(*folder_, mailbox.address);
  if (times && !watch_.needs_scan(mailbox.id, *times, unix_seconds(), messages)) return false;
  auto maildir = maildir_of(mailbox.id);
  if (!maildir) return maildir.error();
  auto looked = look_at(mailbox.id, *std::move(maildir), messages);
  // On a full disk, say, what the index knows already can still be read and deleted.
  if (!looked) notice_failure(looked.error());
  return true;
}

Result<SqliteStore::Looked> SqliteStore::look_at(MailboxId mailbox, Maildir maildir, std::uint64_t messages) {
  // No login waits for a look at a large mailbox: it comes behind it, and the next one sees what it finds.
  if (messages > kLookedAtLogin) return ask_for_look(mailbox, messages);
  return look_now(mailbox, std::move(maildir));
}

// What is more than a moment's work goes on behind.
Result<SqliteStore::Looked> SqliteStore::look_now(MailboxId mailbox, Maildir maildir, MarkedFiles marked) {
  if (look_ != nullptr && look_->mailbox == mailbox) return Looked::kLater;
  for (int tries = 1;; ++tries) {
    auto look = begin_look(mailbox, std::move(maildir), marked);
    if (!look) return look.error();
    if (*look == nullptr) return Looked::kNow;
    auto more = advance(**look, kSearchedAtOnce, SIZE_MAX, kImportSlice);
    if (more && *more) {
      const Looked looked = (*look)->searching ? Looked::kLater : Looked::kNow;
      if (look_ == nullptr) {
        look_ = std::move(*look);
        return looked;
      }
      // Another is under way: this one begins anew after it.
      to_look_at_[mailbox] = marked;
      if (auto done = end_look(**look, Looked::kLater); !done) return done.error();
      return looked;
    }
    const bool unsure = (*look)->reconciler.result().unsure > 0;
    if (auto done = end_look(**look, more ? Looked::kNow : Looked::kLater); !done) return done.error();
    if (!more) return more.error();
    if (!unsure || tries == 2) return Looked::kNow;
    maildir = std::move((*look)->maildir);
    // Somebody changed it just now; in a moment a change will show in its times.
    std::this_thread::sleep_for(MaildirWatch::kGrain);
  }
}

// There are rests in between: each holds up everybody a little.
SqliteStore::Looked SqliteStore::ask_for_look(MailboxId mailbox, std::uint64_t messages) {
  if (look_ != nullptr && look_->mailbox == mailbox) return Looked::kLater;
  std::int64_t& last = looks_asked_for_[mailbox];
  const std::int64_t now = unix_seconds();
  const bool rests = now >= last && now - last < static_cast<std::int64_t>(messages / kRestBetweenLooks);
  if (!rests) {
    last = now;
    to_look_at_.try_emplace(mailbox, MarkedFiles::kLeave);
  }
  return Looked::kLater;
}

Result<bool> SqliteStore::take_in_files(std::size_t at_most) {
  if (!database_) return closed_error();
  if (look_ == nullptr && !to_look_at_.empty()) {
    const auto [mailbox, marked] = *to_look_at_.begin();
    to_look_at_.erase(mailbox);  // what stands in the way now is met again at the next login
    auto maildir = maildir_of(mailbox);
    auto look = maildir ? begin_look(mailbox, *std::move(maildir), marked)
                        : Result<std::unique_ptr<Look>>(maildir.error());
    if (look) {
      look_ = std::move(*look);
    } else {
      notice_failure(look.error());
    }
  }
  if (look_ != nullptr) {
    auto more = advance(*look_, kSearched, at_most, at_most);
    if (!more || !*more) {
      notice_failure(end_look(*look_, more ? Looked::kNow : Looked::kLater));
      if (!more) notice_failure(more.error());
      look_.reset();
    }
  } else if (!to_examine_.empty()) {
    const MailboxId next = to_examine_.begin()->first;
    if (auto done = examine_some(next, at_most); !done) {
      to_examine_.erase(next);  // until the next start
      notice_failure(done);
    }
  }
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return files_wait();
}

// Null: there is nothing to look for.
Result<std::unique_ptr<SqliteStore::Look>> SqliteStore::begin_look(MailboxId mailbox, Maildir maildir,
                                                                   MarkedFiles marked) {
  auto times = maildir.times();
  if (!times) return times.error();
  auto totals = Index(*database_).totals_of(mailbox);
  if (!totals) return totals.error();
  if (!watch_.needs_scan(mailbox, *times, unix_seconds(), totals->messages)) return std::unique_ptr<Look>();
  watch_.scan_begins(mailbox, *times);
  return std::make_unique<Look>(*database_, *filer_, mailbox, std::move(maildir), naming_, marked,
                                totals->messages);
}

bool SqliteStore::is_still(const Look& look) const {
  const auto times = look.maildir.times();
  return times && watch_.is_still(look.mailbox, *times);
}

// True: there is more. What is searched in one go is settled in the same.
Result<bool> SqliteStore::advance(Look& look, std::size_t names, std::size_t differences,
                                  std::size_t imports) {
  if (look.searching) {
    auto more = look.reconciler.search(names);
    if (!more) return more;
    look.searching = *more;
    if (look.searching) return true;
  }
  return look.reconciler.settle({differences, imports, kImportOctets, [&] { return is_still(look); }},
                                [&] { return listings_.before_change(*database_, look.mailbox); });
}

// kLater: it was given up. Otherwise it counts as one when nobody else changed the maildir meanwhile.
Result<void> SqliteStore::end_look(const Look& look, Looked looked) {
  const Reconciled& found = look.reconciler.result();
  const auto times = look.maildir.times();
  if (looked == Looked::kNow && found.settled && times && watch_.is_quiet(look.mailbox, *times)) {
    watch_.scan_settled(look.mailbox, unix_seconds());
  } else {
    watch_.forget(look.mailbox);
  }
  notice(found, look.mailbox, look.maildir);
  if (found.restored > 0 || found.kept > 0) return recount_deleted();
  return {};
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
  std::vector<std::pair<std::int64_t, MessageFacts>> found;
  std::uint64_t octets = 0;
  for (const MessageRow& row : *rows) {
    if (octets > kOctets) break;
    octets += row.size;
    to_examine_[mailbox] = row.id;
    auto facts = maildir->inspect(row.name);
    if (facts && facts->size == row.size) found.emplace_back(row.id, *std::move(facts));
  }
  if (rows->empty()) to_examine_.erase(mailbox);
  if (found.empty()) return {};
  if (auto done = listings_.before_change(*database_, mailbox); !done) return done;
  return in_transaction([&]() -> Result<void> {
    for (const auto& [id, facts] : found) {
      if (auto done = Index(*database_).set_header(id, facts.header, facts.hash); !done) return done;
    }
    return {};
  });
}

}  // namespace mailstead

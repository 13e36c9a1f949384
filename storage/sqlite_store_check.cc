// The store's part about checks: what somebody suspects who looked beside it is looked at anew, and mended.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/look/import.h"
#include "storage/mailbox/content_hash.h"
#include "storage/queue/queue_file.h"
#include "storage/queue/queue_table.h"
#include "storage/sqlite_store.h"

namespace mailstead {

namespace {

using Verdict = Judgement::Verdict;

// Nothing, or nothing but NULs, at the beginning: what file systems make of a file that power was lost for.
bool is_empty_inside(std::string_view beginning) {
  return std::all_of(beginning.begin(), beginning.end(), [](char each) { return each == '\0'; });
}

// The message's file where another tool has moved it.
bool is_elsewhere(const Maildir& maildir, const MessageRow& row) {
  auto paths = maildir.list();
  if (!paths) return false;
  return std::any_of(paths->begin(), paths->end(),
                     [&](const std::string& path) { return base_name(path) == base_name(row.name); });
}

std::string place_in(const Maildir& maildir, const MessageRow& row) {
  return maildir.path() + "/" + row.name;
}

constexpr const char* kFromBackup =
    "a backup may have it: a file of this name, put in its place, is taken for it";

}  // namespace

std::vector<Result<Judgement>> SqliteStore::judge(std::span<const Suspicion> suspicions, Mend mend) {
  std::vector<Result<Judgement>> judgements;
  for (const Suspicion& suspicion : suspicions) {
    judgements.push_back(database_ ? judge_one(suspicion, mend) : Result<Judgement>(closed_error()));
  }
  if (database_) database_->checkpoint_if_due();
  return judgements;
}

Result<Judgement> SqliteStore::judge_one(const Suspicion& suspicion, Mend mend) {
  switch (suspicion.of) {
    case Suspicion::Of::kMessage:
      return judge_message(suspicion.row, mend);
    case Suspicion::Of::kFile:
      return judge_file(suspicion.mailbox, suspicion.path, mend);
    case Suspicion::Of::kTotals:
      return judge_totals(suspicion.mailbox, mend);
    case Suspicion::Of::kQueued:
      return judge_queued(suspicion.row);
    case Suspicion::Of::kQueueFile:
      return judge_queue_file(suspicion.path);
  }
  return Judgement{};
}

Result<Judgement> SqliteStore::judge_message(std::int64_t id, Mend mend) {
  auto rows = Index(*database_).of_id(id);
  if (!rows) return rows.error();
  if (rows->empty() || rows->front().state == MessageState::kDeleting) return Judgement{};
  MessageRow& row = rows->front();
  auto maildir = maildir_of(row.mailbox);
  if (!maildir) return Judgement{Verdict::kAmiss, maildir.error().message};
  if (contents_->holds(id)) return judge_unfiled(row, *maildir, mend);
  const std::string place = place_in(*maildir, row);
  const auto name = parse_message_name(base_name(row.name));
  if (!is_uidl(row.uidl) || !name || name->uidl() != row.uidl) {
    return Judgement{
        Verdict::kAmiss,
        fmt::format("{} does not have the name that its UIDL '{}' asks for; left as it is", place, row.uidl)};
  }
  auto facts = maildir->inspect(row.name);
  if (!facts && facts.error().kind == ErrorKind::kNotFound) return judge_missing(row, *maildir, mend);
  if (!facts && facts.error().kind == ErrorKind::kInvalid) return judge_no_file(row, *maildir, mend);
  if (!facts) {
    return Judgement{Verdict::kAmiss, fmt::format("{}; if the disk fails, copy what can be copied, now; {}",
                                                  facts.error().message, kFromBackup)};
  }
  const bool as_it_was =
      facts->size == row.size && facts->canonical && (!row.hash.is_known() || facts->hash == row.hash);
  const ContentHash& came = row.is_as_it_came() ? row.hash : row.came_hash;
  const bool as_it_came = came.is_known() && facts->hash == came && facts->canonical && !facts->unfinished;
  if ((as_it_was || as_it_came) && row.state == MessageState::kMissing)
    return look_again(row.mailbox, place + " is back", mend);
  if (as_it_was && row.is_as_it_came()) return Judgement{};
  if (as_it_came) return take_as_it_came(row, *maildir, *facts);
  if (as_it_was) {
    return Judgement{Verdict::kNoted,
                     fmt::format("{} is not what came, as was told before: clients get it as it is now; {}",
                                 place, kFromBackup)};
  }
  return judge_changed(row, *maildir, *facts, mend);
}

// In the journal or the database. What is not as it came there, or would not outlast a crash, is made a file
// at once; where the journal holds something else, that is for people, and the file that it may have is all
// there is of it.
Result<Judgement> SqliteStore::judge_unfiled(const MessageRow& row, const Maildir& maildir, Mend mend) {
  auto bytes = contents_->read(row.id);
  if (!bytes && bytes.error().kind != ErrorKind::kCorrupt && bytes.error().kind != ErrorKind::kNotFound)
    return bytes.error();
  const bool as_it_came =
      bytes && bytes->size() == row.size && (!row.hash.is_known() || content_hash(*bytes) == row.hash);
  if (as_it_came && contents_->is_lasting(row.id)) return Judgement{};
  const std::string what =
      as_it_came
          ? fmt::format("{}, which has no file yet, is in a file of journal/ that somebody has removed",
                        place_in(maildir, row))
          : fmt::format("{}, which has no file yet, is not what came: {}", place_in(maildir, row),
                        bytes ? "its octets in the database have changed" : bytes.error().message);
  if (mend == Mend::kNo) return Judgement{Verdict::kAmiss, fmt::format("{}; {}", what, kFromBackup)};
  const auto filed = filer_->file_message(row.id);
  if (contents_->holds(row.id)) {
    return Judgement{Verdict::kAmiss, fmt::format("{}, and a file cannot be made of it now: {}", what,
                                                  filed ? "try again" : filed.error().message)};
  }
  if (as_it_came) return Judgement{Verdict::kMended, what + "; it has its file now"};
  if (bytes || maildir.is_there(row.name)) return judge_message(row.id, mend);
  MessageRow missing = row;
  missing.state = MessageState::kMissing;
  if (auto done = change_row(missing); !done) return done.error();
  return Judgement{
      Verdict::kMended,
      fmt::format("{}: clients do not see it any more, and what is left of it is in quarantine/; {}", what,
                  kFromBackup)};
}

Result<Judgement> SqliteStore::judge_missing(MessageRow& row, Maildir& maildir, Mend mend) {
  const std::string place = place_in(maildir, row);
  if (is_elsewhere(maildir, row)) {
    return look_again(row.mailbox, fmt::format("another program gave {} another name", place), mend);
  }
  const std::string gone = fmt::format("{} is gone", place);
  if (row.state == MessageState::kMissing)
    return Judgement{Verdict::kNoted, fmt::format("{}, as was told before; {}", gone, kFromBackup)};
  if (is_kept(row.state)) {
    const std::string what = fmt::format("{}: a deleted message that cannot be restored any more", gone);
    if (mend == Mend::kYes) return give_up(row, what);
    return Judgement{Verdict::kAmiss, what + "; --repair gives it up"};
  }
  if (mend == Mend::kNo) return Judgement{Verdict::kAmiss, fmt::format("{}; {}", gone, kFromBackup)};
  row.state = MessageState::kMissing;
  if (auto done = change_row(row); !done) return done.error();
  return Judgement{Verdict::kMended,
                   fmt::format("{}: clients do not see it any more; {}", gone, kFromBackup)};
}

// A link may lead to the message, or to anything else that this program may read: nobody is given what it
// leads to.
Result<Judgement> SqliteStore::judge_no_file(MessageRow& row, Maildir& maildir, Mend mend) {
  const std::string place = place_in(maildir, row);
  const std::string what = fmt::format(
      "in the place of the message {} is a link, a folder or the like, which is never followed", place);
  if (mend == Mend::kNo || is_kept(row.state)) {
    return Judgement{
        Verdict::kAmiss,
        fmt::format("{}: move it away, and put the message's file itself there; {}", what, kFromBackup)};
  }
  auto kept = maildir.put_in_quarantine(row.name);
  if (!kept) return kept.error();
  watch_.forget(row.mailbox);
  if (row.state != MessageState::kMissing) {
    row.state = MessageState::kMissing;
    if (auto done = change_row(row); !done) return done.error();
  }
  return Judgement{
      Verdict::kMended,
      fmt::format("{}: it is now {}, and clients do not see the message; put its file in the place, "
                  "if you know where that is; {}",
                  what, *kept, kFromBackup)};
}

Result<Judgement> SqliteStore::judge_changed(MessageRow& row, Maildir& maildir, const MessageFacts& facts,
                                             Mend mend) {
  const std::string place = place_in(maildir, row);
  std::string changed =
      facts.size == row.size
          ? fmt::format("{} is not what came: its octets have changed", place)
          : fmt::format("{} is not what came: it had {} octets and has {}", place, row.size, facts.size);
  if (facts.unfinished)
    return Judgement{Verdict::kNoted, fmt::format("somebody is writing {}; check again later", place)};
  if (mend == Mend::kNo) return Judgement{Verdict::kAmiss, fmt::format("{}; {}", changed, kFromBackup)};
  auto file = maildir.open_message(row.name);
  if (!file) return file.error();
  std::string beginning;
  if (auto done = read_some(file->fd(), 0, 4096, beginning); !done) return done.error();
  if (!is_empty_inside(beginning)) return take_as_it_is(row, maildir, facts, changed);
  if (!is_kept(row.state)) return put_in_quarantine(row, maildir, changed);
  auto kept = maildir.put_in_quarantine(row.name);
  if (!kept) return kept.error();
  watch_.forget(row.mailbox);
  return give_up(row, fmt::format("{}: a deleted message of which nothing is left to be restored, the file "
                                  "is now {}",
                                  changed, *kept));
}

// Its owner deleted it, and it would only wait for its time to be over: unlike mail that is missing, it must
// not be there again by itself when a file of its name returns. No file is touched, so that nothing is lost
// that comes back in between.
Result<Judgement> SqliteStore::give_up(const MessageRow& row, const std::string& what) {
  if (auto ready = listings_.before_change(*database_, row.mailbox); !ready) return ready.error();
  auto done = in_transaction([&] { return Index(*database_).erase(row.id); });
  if (done) done = recount_deleted();
  if (!done) return done.error();
  notices_.push_back(fmt::format("gave up the deleted message {}: its file is gone", row.uidl));
  return Judgement{Verdict::kMended,
                   what + "; given up: a backup's file of this name, put into new/, is mail again"};
}

// What is left of it is not mail: clients do not see it, and it waits for its file to come back.
Result<Judgement> SqliteStore::put_in_quarantine(MessageRow& row, Maildir& maildir, const std::string& what) {
  auto kept = maildir.put_in_quarantine(row.name);
  if (!kept) return kept.error();
  watch_.forget(row.mailbox);
  row.state = MessageState::kMissing;
  if (auto done = change_row(row); !done) return done.error();
  return Judgement{Verdict::kMended, fmt::format("{}; nothing of it is left, the file is now {}; {}", what,
                                                 *kept, kFromBackup)};
}

// Mail that was changed is still mail: what is there is what clients get, with its right size.
Result<Judgement> SqliteStore::take_as_it_is(MessageRow& row, Maildir& maildir, const MessageFacts& facts,
                                             const std::string& what) {
  MessageFacts now = facts;
  std::string kept_as;
  if (!facts.canonical) {
    auto kept = maildir.keep_in_quarantine(row.name);
    if (!kept) return kept.error();
    kept_as = fmt::format("; as it was found it is kept as {}", *kept);
    FoundFile file{row.name, parse_message_name(base_name(row.name)), facts, false, std::nullopt};
    put_right(maildir, naming_, {&file, 1});  // its name stays: nothing is left to be synced
    if (file.error) return *file.error;
    now = file.facts;
  }
  if (auto done = take_facts(row, now); !done) return done.error();
  return Judgement{Verdict::kMended,
                   fmt::format("{}; clients get it as it is now{}; {}", what, kept_as, kFromBackup)};
}

// Somebody put the true file back, as the check asked for. The hash is proof enough, also while nothing is to
// be mended: a row that knows nothing of it would keep clients from it.
Result<Judgement> SqliteStore::take_as_it_came(MessageRow& row, Maildir& maildir, const MessageFacts& facts) {
  if (auto done = take_facts(row, facts); !done) return done.error();
  return Judgement{Verdict::kNoted, fmt::format("{} is what came again", place_in(maildir, row))};
}

// The row says from here on what its file is.
Result<void> SqliteStore::take_facts(MessageRow& row, const MessageFacts& facts) {
  watch_.forget(row.mailbox);
  row.size = facts.size;
  row.has_dot_lines = facts.has_dot_lines;
  row.header = facts.header;
  row.take_content(facts.hash);
  return change_row(row);
}

Result<void> SqliteStore::change_row(const MessageRow& row) {
  if (auto done = listings_.before_change(*database_, row.mailbox); !done) return done;
  return in_transaction([&] { return Index(*database_).update(row); });
}

// The look settles it, behind everybody's back.
Result<Judgement> SqliteStore::look_again(MailboxId mailbox, const std::string& what, Mend mend) {
  if (mend == Mend::kNo) return Judgement{Verdict::kNoted, fmt::format("{}; the next login finds it", what)};
  watch_.forget(mailbox);
  to_look_at_.try_emplace(mailbox, MarkedFiles::kLeave);
  return Judgement{Verdict::kNoted, fmt::format("{}; it is being taken in", what)};
}

Result<Judgement> SqliteStore::judge_file(MailboxId mailbox, const std::string& path, Mend mend) {
  const auto directory_now = directory();
  if (directory_now->find(mailbox) == nullptr) return Judgement{};
  auto maildir = maildir_of(mailbox);
  if (!maildir) return Judgement{Verdict::kAmiss, maildir.error().message};
  const auto name = parse_message_name(base_name(path));
  if (name) {
    auto rows = Index(*database_).of_uidl(mailbox, name->uidl());
    if (!rows) return rows.error();
    if (!rows->empty() && base_name(rows->front().name) == base_name(path)) return Judgement{};
  }
  if (!maildir->is_there(path)) return Judgement{};
  const std::string place = maildir->path() + "/" + path;
  auto file = maildir->open_message(path);
  if (file) {
    if (path.starts_with("deleted/"))
      return Judgement{Verdict::kNoted, fmt::format("{} is none of our files; it is left alone", place)};
    return look_again(mailbox, fmt::format("{} is not in the index yet", place), mend);
  }
  if (file.error().kind == ErrorKind::kNotFound) return Judgement{};
  if (file.error().kind != ErrorKind::kInvalid)
    return Judgement{Verdict::kAmiss, fmt::format("{}; nobody can read it", file.error().message)};
  if (mend == Mend::kNo)
    return Judgement{Verdict::kAmiss, fmt::format("{} is no file; no client sees it", place)};
  auto kept = maildir->put_in_quarantine(path);
  if (!kept) return kept.error();
  watch_.forget(mailbox);
  return Judgement{Verdict::kMended, fmt::format("{} was no file; it is now {}", place, *kept)};
}

Result<Judgement> SqliteStore::judge_totals(MailboxId mailbox, Mend mend) {
  const auto directory_now = directory();
  const MailboxEntry* entry = directory_now->find(mailbox);
  if (entry == nullptr) return Judgement{};
  Index index(*database_);
  auto kept = index.totals_of(mailbox);
  if (!kept) return kept.error();
  auto counted = index.count(mailbox);
  if (!counted) return counted.error();
  if (*kept == *counted) return Judgement{};
  const std::string what =
      fmt::format("the sums of {} are wrong: {} messages with {} octets, where there are {} with {}",
                  entry->address.text(), kept->messages, kept->octets, counted->messages, counted->octets);
  if (mend == Mend::kNo) return Judgement{Verdict::kAmiss, what};
  auto done = in_transaction([&] { return index.set_totals(mailbox, *counted); });
  if (!done) return done.error();
  if (auto counted_anew = recount_deleted(); !counted_anew) return counted_anew.error();
  return Judgement{Verdict::kMended, what + "; put right"};
}

Result<Judgement> SqliteStore::judge_queued(QueueRow id) {
  QueueTable table(*database_);
  auto found = table.find(id);
  if (!found) return found.error();
  if (!*found || (*found)->finished_at != 0) return Judgement{};
  const QueuedMessage& message = **found;
  const std::string advice = fmt::format(
      "`mailstead queue show {0}` tells whose it is, `mailstead queue drop "
      "{0}` gives it up",
      message.id);
  auto hash = table.hash(id);
  if (!hash) return hash.error();
  if (queue_contents_->holds(id)) {
    auto bytes = queue_contents_->read(id);
    if (!bytes) return bytes.error();
    const bool is_as_it_came = !hash->is_known() || content_hash(*bytes) == *hash;
    if (bytes->size() == message.size && is_as_it_came) return Judgement{};
    return Judgement{
        Verdict::kAmiss,
        fmt::format("the database does not hold message {} of the queue as it came; {}", message.id, advice)};
  }
  auto starts_at = table.starts_at(id);
  if (!starts_at) return starts_at.error();
  auto file = QueueFolder(folder_->queue_fd()).open(message.id);
  if (!file) {
    return Judgement{Verdict::kAmiss, fmt::format("{}: it cannot be sent until the file returns; {}",
                                                  file.error().message, advice)};
  }
  if (static_cast<std::uint64_t>(file->facts.st_size) == *starts_at + message.size) {
    if (!hash->is_known()) return Judgement{};
    auto its = hash_of_rest(file->fd(), *starts_at);
    if (its && *its == *hash) return Judgement{};
    const std::string what =
        its ? fmt::format("queue/{} is not what came: its octets have changed", message.id)
            : in_folder("queue", its.error()).message;
    return Judgement{Verdict::kAmiss,
                     fmt::format("{}; a file of this name from a backup is taken for it; {}", what, advice)};
  }
  return Judgement{Verdict::kAmiss, fmt::format("queue/{} has {} octets in place of {}; {}", message.id,
                                                file->facts.st_size, *starts_at + message.size, advice)};
}

Result<Judgement> SqliteStore::judge_queue_file(const std::string& name) {
  if (!is_message_id(name))
    return Judgement{Verdict::kNoted, fmt::format("queue/{} is none of our files; it is left alone", name)};
  auto row = QueueTable(*database_).row_of(name);
  if (!row) return row.error();
  if (*row || !stat_name(folder_->queue_fd(), name)) return Judgement{};
  return Judgement{Verdict::kNoted,
                   fmt::format("queue/{} is not known here; the next start takes it into the queue", name)};
}

Result<Judgement> SqliteStore::mend_database() {
  if (!database_) return closed_error();
  auto done = database_->rebuild_indexes();
  if (done) done = database_->quick_check();
  if (done) return Judgement{Verdict::kMended, "the indexes of the database were made anew"};
  if (done.error().kind != ErrorKind::kCorrupt && done.error().kind != ErrorKind::kExists)
    return done.error();
  database_->distrust();
  return Judgement{Verdict::kNoted,
                   "the database cannot be mended while it is used: stop the server and start it again; the "
                   "start keeps it aside and makes another one of the files and of what can be read"};
}

Result<void> SqliteStore::learn_hashes(std::span<const LearntHash> learnt) {
  if (!database_) return closed_error();
  if (learnt.empty()) return {};
  return in_transaction([&]() -> Result<void> {
    for (const LearntHash& each : learnt) {
      if (auto done = Index(*database_).learn_hash(each.row, each.size, each.hash); !done) return done;
    }
    return {};
  });
}

}  // namespace mailstead

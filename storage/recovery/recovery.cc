#include "storage/recovery/recovery.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/rand.h>

#include <array>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/accounts/accounts.h"
#include "storage/database/index.h"
#include "storage/database/schema.h"
#include "storage/delivery/arrivals.h"
#include "storage/delivery/contents.h"
#include "storage/delivery/filing.h"
#include "storage/files.h"
#include "storage/mailbox/mailbox_tree.h"
#include "storage/mailbox/removal.h"
#include "storage/recovery/queue_recovery.h"
#include "storage/recovery/rebuild.h"

namespace mailstead {

namespace {

constexpr std::size_t kRowsSweptTogether = 4'096;

std::string new_uuid() {
  std::array<std::uint8_t, 8> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

class Recovery {
 public:
  Recovery(DataFolder& folder, Database& database, const Naming& naming, MaildirWatch& watch,
           Journal& journal, RecoveryReport& report)
      : folder_(folder),
        database_(database),
        accounts_(database),
        naming_(naming),
        watch_(watch),
        report_(report),
        journal_(journal),
        contents_(database, journal),
        arrivals_(folder, database, contents_, journal),
        filer_(
            database, contents_, watch, folder, [this](MailboxId mailbox) { return maildir_of(mailbox); },
            [this](std::string lost) { report_.actions.push_back(std::move(lost)); }) {}

  Result<void> run();

 private:
  Result<void> note_start();
  Result<void> finish_removed_mailboxes();
  Result<void> adopt_folders();
  bool is_as_it_was_left(const AccountRow& account);
  Result<Maildir> maildir_of(MailboxId mailbox);
  Result<void> recover_mailbox(const AccountRow& account);
  void recover_contents(const AccountRow& account);
  Result<void> take_in_journal(const std::vector<AccountRow>& accounts);
  void tell_of_damage();
  Result<Reconciled> look_at(const AccountRow& account, Maildir& maildir);
  Result<void> check_totals(const AccountRow& account);
  void sweep_spools();

  DataFolder& folder_;
  Database& database_;
  Accounts accounts_;
  const Naming& naming_;
  MaildirWatch& watch_;
  RecoveryReport& report_;
  const Journal& journal_;
  MailContents contents_;
  Arrivals arrivals_;
  Filer filer_;
  bool has_position_ = false;  // in the journal, from an earlier start
  std::unordered_map<MailboxId, Address> addresses_;
  std::unordered_map<MailboxId, FolderTimes> left_;  // by a proper end
};

Result<void> Recovery::run() {
  if (auto done = note_start(); !done) return done;
  sweep_spools();
  if (auto done = finish_removed_mailboxes(); !done) return done;
  if (auto done = adopt_folders(); !done) return done;
  if (auto done = recover_queue(folder_, database_, report_.actions); !done) {
    if (done.error().kind == ErrorKind::kCorrupt) return done;
    report_.actions.push_back("could not check the queue: " + done.error().message);
  }
  auto accounts = accounts_.mailboxes();
  if (!accounts) return accounts.error();
  // Where the index was lost, what has a file is older, and is found again first.
  const bool journal_first = has_position_ && !report_.rebuilt;
  if (journal_first) {
    if (auto done = take_in_journal(*accounts); !done) return done;
  }
  if (auto done = contents_.load(); !done) return done;
  for (const std::uint32_t file : journal_.missing()) {
    report_.actions.push_back(fmt::format(
        "journal/{} is gone: mail that came just before the end may have been in it and in nothing else",
        file));
  }
  for (const AccountRow& account : *accounts) addresses_.emplace(account.id, account.address);
  for (const AccountRow& account : *accounts) {
    auto done = recover_mailbox(account);
    if (done) continue;
    if (done.error().kind == ErrorKind::kCorrupt) return done;
    // One mailbox in disorder does not keep the others from their mail.
    report_.actions.push_back(
        fmt::format("could not check {}: {}", account.address.text(), done.error().message));
  }
  return journal_first ? Result<void>() : take_in_journal(*accounts);
}

// Mail of a mailbox that was removed is gone with it.
Result<void> Recovery::take_in_journal(const std::vector<AccountRow>& accounts) {
  std::unordered_map<MailboxId, std::string> keys;
  std::unordered_map<std::string, MailboxId> ids;
  for (const AccountRow& account : accounts) {
    keys.emplace(account.id, account.address.key());
    ids.emplace(account.address.key(), account.id);
  }
  const auto find = [&](MailboxId id, const std::string& address) -> MailboxId {
    if (const auto known = keys.find(id); known != keys.end() && known->second == address) return id;
    const auto found = ids.find(address);
    return found == ids.end() ? 0 : found->second;
  };
  auto taken = arrivals_.replay(find);
  if (!taken) return taken.error();
  if (*taken > 0) {
    report_.actions.push_back(
        fmt::format("took {} message{} into the index that had come just before the end", *taken,
                    *taken == 1 ? "" : "s"));
  }
  tell_of_damage();
  return {};
}

void Recovery::tell_of_damage() {
  for (const auto& [file, damage] : journal_.damage()) {
    const std::string what =
        damage.unreadable > 0 ? fmt::format("{} octets of journal/{} cannot be read", damage.unreadable, file)
        : damage.is_unwritable ? fmt::format("the disk does not keep journal/{}", file)
                               : fmt::format("{} octets of journal/{} hold no message", damage.unknown, file);
    report_.actions.push_back(
        what +
        fmt::format(": mail that was just coming when the machine stopped, or damage of the disk, of which a "
                    "message may have been lost; the file is kept as journal/{}.damaged-TIME",
                    file));
  }
}

Result<void> Recovery::note_start() {
  auto clean = read_meta(database_, "clean");
  if (!clean) return clean.error();
  report_.clean = report_.created || *clean == "1";
  auto uuid = read_meta(database_, "uuid");
  if (!uuid) return uuid.error();
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (uuid->empty()) {
    if (auto done = write_meta(database_, "uuid", new_uuid()); !done) return done;
  }
  if (report_.clean) {
    auto left = load_folder_times(database_);
    if (!left) return left.error();
    left_ = std::move(*left);
  }
  // From now on it is known which records of the journal are older than the index.
  auto position = read_meta(database_, kJournalKey);
  if (!position) return position.error();
  has_position_ = !position->empty();
  if (!has_position_) {
    if (auto done = write_meta(database_, kJournalKey, JournalPosition{}.text()); !done) return done;
  }
  if (auto done = forget_folder_times(database_); !done) return done;
  if (auto done = write_meta(database_, "clean", "0"); !done) return done;
  return transaction->commit();
}

// Only file systems without unnamed files have names here, and only for a moment.
void Recovery::sweep_spools() {
  auto names = list_folder(folder_.queue_fd());
  if (!names) return;
  for (const std::string& name : *names) {
    if (name.starts_with(".spool-")) static_cast<void>(remove_file(folder_.queue_fd(), name));
  }
}

Result<void> Recovery::finish_removed_mailboxes() {
  auto finished = finish_removals(folder_, database_);
  if (!finished && finished.error().kind == ErrorKind::kCorrupt) return finished.error();
  std::vector<std::string> failures;
  if (finished) {
    failures = finished->failures;
  } else {
    failures.push_back(finished.error().message);
  }
  std::size_t rows = 0;
  while (true) {
    auto some = accounts_.sweep_rows(kRowsSweptTogether);
    if (!some && some.error().kind == ErrorKind::kCorrupt) return some.error();
    if (!some) failures.push_back(some.error().message);
    if (!some || *some == 0) break;
    rows += *some;
  }
  const Swept swept = sweep_removed_folders(folder_, SIZE_MAX);
  for (const Error& error : swept.failures) failures.push_back(error.message);
  if ((finished && finished->finished > 0) || swept.folders > 0 || rows > 0) {
    report_.actions.push_back("finished the interrupted removal of a mailbox");
  }
  for (const std::string& failure : failures)
    report_.actions.push_back("could not finish the removal of a mailbox: " + failure);
  return {};
}

// A folder without a row: its row was lost with the database. Nobody can log in until a password is set.
Result<void> Recovery::adopt_folders() {
  std::vector<std::string> strange;
  auto addresses = mailboxes_of_folders(folder_, strange);
  if (!addresses) return addresses.error();
  for (const std::string& path : strange) {
    report_.actions.push_back(
        fmt::format("left {} alone: its name is no mailbox's and it has no address file", path));
  }
  auto accounts = accounts_.mailboxes();
  if (!accounts) return accounts.error();
  std::unordered_set<std::string> known;
  for (const AccountRow& account : *accounts) known.insert(account.address.key());
  auto removals = accounts_.removals();
  if (!removals) return removals.error();
  for (const Address& address : *addresses) {
    if (known.contains(address.key())) continue;
    bool being_removed = false;
    for (const RemovalRow& removal : *removals) being_removed |= removal.address.key() == address.key();
    if (being_removed) continue;
    AccountRow account;
    account.address = address;
    account.created_at = unix_seconds();
    auto transaction = Transaction::begin(database_);
    if (!transaction) return transaction.error();
    if (auto added = accounts_.add_mailbox(account); !added) return added.error();
    if (auto done = transaction->commit(); !done) return done;
    report_.actions.push_back(
        fmt::format("made the mailbox {0} again from its folder; it has no password: set one with "
                    "`mailstead mailbox password ADDRESS`",
                    address.text()));
  }
  return {};
}

// Then nobody has to wait for a look. One that a change of ours was the last in is looked at behind.
bool Recovery::is_as_it_was_left(const AccountRow& account) {
  const auto left = left_.find(account.id);
  if (left == left_.end() || !contents_.of(account.id).empty()) return false;
  const auto now = folder_times_of(folder_, account.address);
  if (!now || now->times != left->second.times || now->deleted_time != left->second.deleted_time)
    return false;
  watch_.remember(account.id, now->times, left->second.changed_by_us, unix_seconds());
  watch_.saw_deleted(account.id, now->deleted_time);
  return true;
}

Result<void> Recovery::recover_mailbox(const AccountRow& account) {
  if (is_as_it_was_left(account)) return {};
  if (auto done = bring_folder_back(folder_, account.address); !done) return done;
  auto maildir = Maildir::make(folder_, account.address);
  if (!maildir) return maildir.error();
  auto swept = maildir->sweep_drafts();
  if (!swept) return swept.error();
  recover_contents(account);
  auto found = look_at(account, *maildir);
  if (found && found->unsure > 0) {
    // Somebody changed it just now; in a moment a change will show in its times.
    for (std::string& line : sentences(*found, account.address.text()))
      report_.actions.push_back(std::move(line));
    std::this_thread::sleep_for(MaildirWatch::kGrain);
    found = look_at(account, *maildir);
  }
  if (!found) return found.error();
  if (auto done = check_totals(account); !done) return done;
  if (found->left > 0) report_.unfinished.push_back(account.id);
  if (*swept > 0) {
    report_.actions.push_back(fmt::format("removed {} unfinished draft{} in {}, never acknowledged", *swept,
                                          *swept == 1 ? "" : "s", account.address.text()));
  }
  for (std::string& line : sentences(*found, account.address.text()))
    report_.actions.push_back(std::move(line));
  return {};
}

Result<Maildir> Recovery::maildir_of(MailboxId mailbox) {
  return Maildir::open(folder_, addresses_.at(mailbox));
}

// What cannot have its file now, on a full disk say, is read from where it is as before.
void Recovery::recover_contents(const AccountRow& account) {
  const std::size_t before = contents_.of(account.id).size();
  const std::size_t lost_before = filer_.lost();
  auto done = filer_.recover(account.id);
  const std::size_t lost = filer_.lost() - lost_before;
  const std::size_t left = contents_.of(account.id).size();
  const std::size_t filed = before - left - std::min(before - left, lost);
  if (filed > 0) {
    report_.actions.push_back(fmt::format("wrote {} message{} of {} that had no file yet", filed,
                                          filed == 1 ? "" : "s", account.address.text()));
  }
  if (lost > 0) {
    report_.actions.push_back(
        fmt::format("lost {} message{} of {} that had no file yet; a backup may have {}", lost,
                    lost == 1 ? "" : "s", account.address.text(), lost == 1 ? "it" : "them"));
  }
  if (!done && left > 0) {
    report_.actions.push_back(
        fmt::format("could not write messages of {}: {}", account.address.text(), done.error().message));
  }
}

// All of it at once, but for files of others, of which a slice is imported: nobody waits yet.
Result<Reconciled> Recovery::look_at(const AccountRow& account, Maildir& maildir) {
  auto times = maildir.times();
  if (!times) return times.error();
  watch_.scan_begins(account.id, *times);
  if (const auto time = Maildir::deleted_time_of(folder_, account.address))
    watch_.saw_deleted(account.id, *time);
  auto totals = Index(database_).totals_of(account.id);
  if (!totals) return totals.error();
  Reconciler reconciler(database_, filer_, maildir, account.id, naming_, MarkedFiles::kRemove,
                        totals->messages);
  auto more = Result<bool>(true);
  while (more && *more) more = reconciler.search(SIZE_MAX);
  const auto still = [&] {
    const auto now = maildir.times();
    return now && watch_.is_still(account.id, *now);
  };
  if (more)
    more = reconciler.settle({SIZE_MAX, kImportSlice, UINT64_MAX, still}, [] { return Result<void>(); });
  const Reconciled& found = reconciler.result();
  if (more && found.settled) {
    watch_.scan_settled(account.id, unix_seconds());
  } else {
    watch_.forget(account.id);
  }
  if (!more) return more.error();
  return found;
}

// A wrong sum would be wrong for ever.
Result<void> Recovery::check_totals(const AccountRow& account) {
  Index index(database_);
  auto noted = index.totals_of(account.id);
  if (!noted) return noted.error();
  auto counted = index.count(account.id);
  if (!counted) return counted.error();
  if (*noted == *counted) return {};
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto done = index.set_totals(account.id, *counted); !done) return done;
  if (auto done = transaction->commit(); !done) return done;
  report_.actions.push_back(
      fmt::format("counted the messages of {} anew: the index had a wrong sum", account.address.text()));
  return {};
}

Result<Recovered> recover_once(DataFolder& folder, const Naming& naming, MaildirWatch& watch,
                               RecoveryReport& report) {
  auto database = open_database(folder, report);
  if (!database) return database.error();
  auto position = read_meta(**database, kJournalKey);
  if (!position) return position.error();
  auto journal = Journal::open(folder.journal_fd(), JournalPosition::of_text(*position));
  if (!journal) return in_folder(folder.path(), journal.error());
  auto done = Recovery(folder, **database, naming, watch, **journal, report).run();
  if (!done) return done.error();
  return Recovered{std::move(*database), std::move(*journal)};
}

}  // namespace

Result<Recovered> recover(DataFolder& folder, const Naming& naming, MaildirWatch& watch,
                          RecoveryReport& report) {
  auto mail = list_folder(folder.mail_fd());
  if (!mail) return in_folder(folder.path(), mail.error());
  // It may be on its way from one start that was cut off to this one: nothing is lost then.
  const bool goes_on = is_rebuild_under_way(folder);
  const bool no_database = !goes_on && !stat_name(folder.fd(), kDatabaseFile);
  report.created = no_database && mail->empty();
  if (no_database && !report.created) {
    report.actions.push_back(
        "the database was not there: a new one was made; mail is found again, but passwords have to be set "
        "and aliases added again");
    report.clean = false;
  }
  if (goes_on)
    report.actions.push_back("went on with a new database in the place of a damaged one, which was cut off");
  auto recovered = recover_once(folder, naming, watch, report);
  if (recovered || recovered.error().kind != ErrorKind::kCorrupt) return recovered;
  if (auto done = set_aside_database(folder, report); !done) return done.error();
  return recover_once(folder, naming, watch, report);
}

Result<void> mark_clean(Database& database, const std::unordered_map<MailboxId, FolderTimes>& times) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  if (auto done = write_folder_times(database, times); !done) return done;
  if (auto done = write_meta(database, "clean", "1"); !done) return done;
  return transaction->commit();
}

}  // namespace mailstead

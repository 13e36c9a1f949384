#include "needless_syncs.h"

namespace mailstead::power {

namespace {

struct Needless {
  std::string_view synced;    // how the sync's text begins
  std::string_view function;  // that is in it
  std::string_view why;
};

constexpr std::string_view kBeforeTheFirstCommit =
    "nothing is promised before open() returns, and its own commit syncs what came before";
constexpr std::string_view kDoneAgain =
    "what it notes is done: the next start finds that, and notes it again";
constexpr std::string_view kSourceOfMove =
    "nothing is given a name there: a move is one step here, which is the other folder's, and not on every "
    "file system";
constexpr std::string_view kNothingChanged =
    "the three folders are synced together, whichever of them was changed";
constexpr std::string_view kSyncedBefore =
    "each commit has synced it; SQLite makes sure before it moves pages";

constexpr std::string_view kToldByTheHash =
    "a place of yesterday holds another message today, which the hash tells; then the file counts, which was "
    "synced before";
constexpr std::string_view kFoundByItsName =
    "the file was synced before, under its UIDL: the start takes it in, and the bytes tell who imports it "
    "again";

constexpr std::string_view kRestoredByALook = "the files lie where restored ones do: a look restores them";

constexpr std::string_view kSyncedAsOne =
    "a backup gets its name after its whole file system was synced; this tells of errors where the kernel's "
    "syncfs does not";

constexpr std::string_view kRestoredAsOne =
    "nothing is moved into its place before its whole file system was synced; this tells of errors where the "
    "kernel's syncfs does not";
constexpr std::string_view kMadeBefore = "only the first one of a mailbox makes the folder";
constexpr std::string_view kSyncedTwice =
    "SQLite has synced its copy, and this the same file, so that one alone is not missed";

constexpr Needless kNeedless[] = {
    {"a small file: fill_from_backup", "", kRestoredAsOne},
    {"a small file: replace_small_file", "fill_from_backup", kRestoredAsOne},
    {"mailstead.db", "fill_from_backup", kRestoredAsOne},
    {"", "copy_others < fill_from_backup", kRestoredAsOne},
    {"", "copy_entry < fill_from_backup", kRestoredAsOne},  // the same, where the compiler has merged the two
    {"a small file: move_new_in < put_in_place", "", kSourceOfMove},
    {"new: put_in_quarantine", "", kSourceOfMove},
    {"a mailbox: quarantine_for < put_in_quarantine", "", kMadeBefore},
    {"a mailbox: quarantine_for < keep_in_quarantine", "", kMadeBefore},
    {"mailstead.db.schema-", "snapshot_before_migration", kSyncedTwice},
    {"data: copy_to < snapshot_before_migration", "", kSyncedTwice},
    {"mailstead.db-wal: ", "commit < change_row", kDoneAgain},
    {"mailstead.db-wal: ", "commit < recover_queue", kDoneAgain},
    {"a domain's keys: ", "copy_rest < finish", kSyncedAsOne},
    {"mailstead.db-wal: ", "checkpoint_", kSyncedBefore},
    {"mailstead.db-wal: ", "commit < migrate", kBeforeTheFirstCommit},
    {"data: ", "configure", kBeforeTheFirstCommit},
    {"mailstead.db-journal: ", "configure", kBeforeTheFirstCommit},
    {"data: open_database", "", kBeforeTheFirstCommit},
    {"data: make", "", kBeforeTheFirstCommit},
    {"data: lay_out", "", kBeforeTheFirstCommit},
    {"mailstead.db-wal: ", "commit < purge_marked", kDoneAgain},
    {"mailstead.db-wal: ", "commit < put_aside", kDoneAgain},
    {"mailstead.db-wal: ", "commit < move_to_files", kDoneAgain},
    {"mailstead.db-wal: ", "commit < forget < finish_removals_of", kDoneAgain},
    {"mailstead.db-wal: ", "commit < settle", kDoneAgain},
    {"mailstead.db-wal: ", "commit < reclaim", kToldByTheHash},
    {"mailstead.db-wal: ", "commit < write_rows < import_messages", kFoundByItsName},
    {"mailstead.db-wal: ", "commit < remove_mailbox",
     "what was asked for may be done in part until the commit after the folder's move, which syncs it, too"},
    {"mailstead.db-wal: ", "commit < commit", kRestoredByALook},
    {"mailstead.db-wal: ", "commit < restore_deleted", kRestoredByALook},
    {"mailstead.db-wal: ", "commit < mark_clean",
     "close() takes the journal into the database after it, and syncs that"},
    {"a small file: replace_small_file < make", "",
     "a mailbox's address is read only when the index is lost"},
    {"cur: sync_all", "put_aside", kSourceOfMove},
    {"new: sync_new < sync_all", "put_aside", kSourceOfMove},
    {"deleted: sync_all", "restore_deleted", kSourceOfMove},
    {"cur: sync_all", "free_these", kNothingChanged},
    {"new: sync_new < sync_all", "free_these", kNothingChanged},
    {"deleted: sync_all", "take_in", kNothingChanged},
    // The same, where the compiler has taken take_in() into who calls it.
    {"deleted: sync_all < settle", "", kNothingChanged},
    {"cur: sync_all < settle", "", kNothingChanged},
    {"cur: sync_all", "make_folder_of < add_mailbox", kNothingChanged},
    {"new: sync_new < sync_all", "make_folder_of < add_mailbox", kNothingChanged},
    {"cur: sync_all", "discard_drafts",
     "two names change places in one step here, and not on every file system"},
    {"new: sync_new < sync_all", "discard_drafts",
     "two names change places in one step here, and not on every file system"},
    {"a domain: make_its_folder", "flush", kSyncedAsOne},
    {"mail: make_its_folder", "flush", kSyncedAsOne},
    {"a small file: sync_drafts < flush", "", kSyncedAsOne},
    {"a message: copy_queued", "copy_queue < finish", kSyncedAsOne},
    {"queue: ", "copy_queue < finish", kSyncedAsOne},
    {"a small file: ", "copy_rest < finish", kSyncedAsOne},
    {"dkim: ", "copy_rest < finish", kSyncedAsOne},
    {"a small file: claim < copy_database", "", kSyncedAsOne},
    {"a small file: copy_to < copy_database", "", kSyncedAsOne},
    {"a small file: run_script < configure < copy_database", "", kSyncedAsOne},
    {"mailstead.db", "copy_database < begin", kSyncedAsOne},
    {"mailstead.db", "copy_unfiled < finish", kSyncedAsOne},
    {"a small file: replace_small_file", "write_facts < finish", kSyncedAsOne},
    {"mailstead.db", "write_facts < finish", kSyncedAsOne},
    {"mailstead.db-journal: ~Database", "publish", kSyncedAsOne},
    {"dkim: replace < activate", "", "only the first keys of a domain make a folder there"},
    {"dkim: replace < prepare", "", "only the first keys of a domain make a folder there"},
};

}  // namespace

std::optional<std::string> why_needless(std::string_view sync) {
  for (const Needless& needless : kNeedless) {
    if (sync.starts_with(needless.synced) && sync.find(needless.function) != std::string_view::npos)
      return std::string(needless.why);
  }
  return std::nullopt;
}

}  // namespace mailstead::power

// Of a backup the message files: those of mailboxes, and those that were kept of removed ones.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "storage/accounts/accounts.h"
#include "storage/backup/backup.h"
#include "storage/database/index.h"
#include "storage/delivery/journal.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::size_t kCopiedTogether = 128;  // messages, and so many open files
constexpr std::size_t kNotedTogether = 10'000;
constexpr std::size_t kMissedTogether = 50'000;  // searched for in one go: some 100 octets of memory each
// While another tool changes flags, a file may be met under neither of its names.
constexpr int kSearches = 4;
constexpr std::string_view kMailPlaces[] = {"new/", "cur/", "deleted/"};

constexpr MessageState kBackedStates[] = {MessageState::kPresent, MessageState::kMissing,
                                          MessageState::kDeleted, MessageState::kAside};

}  // namespace

struct Backup::Wanted {
  std::int64_t row = 0;
  std::string path;  // in its maildir, as the row says
  std::uint64_t octets = 0;
  MessageState state = MessageState::kPresent;
  ContentHash hash;
  bool is_changed = false;  // it is not as it came, and the row has taken it so

  PoolClaim claim() const { return {octets, hash}; }
  Sure sure() const { return is_changed ? Sure::kByOctets : Sure::kByLength; }
};

struct Backup::KeptFile {
  std::string path;  // in its folder
  PoolClaim claim;
};

class Backup::Mailbox {
 public:
  Mailbox(const Address& address, std::int64_t mailbox) : id(mailbox), folder(folder_name(address)) {}

  std::string path_of(const Wanted& wanted) const {
    return fmt::format("mail/{}/{}/{}", folder.domain, folder.user, wanted.path);
  }

  const std::int64_t id;
  const PoolFolder folder;
  std::unique_ptr<Maildir> maildir;  // null: it is not there
  std::vector<Wanted> missed;        // not where their rows say
};

// What is in the journal only goes into the copy of the database. What is no longer there has its file by
// now, or is gone.
Result<void> Backup::copy_unfiled() {
  auto journal = open_folder(data_.fd(), "journal");
  if (!journal) return journal.error().kind == ErrorKind::kNotFound ? Result<void>() : journal.error();
  std::int64_t after = 0;
  while (true) {
    struct Unfiled {
      std::int64_t row;
      std::string bytes;  // empty: not there
    };
    std::vector<Unfiled> some;
    auto listed = each_row(
        copy_->query("SELECT c.message, c.file, c.at, m.size, m.hash FROM contents AS c JOIN messages AS m"
                     " ON m.id = c.message WHERE c.file <> 0 AND c.message > ?1 ORDER BY c.message LIMIT ?2",
                     after, static_cast<std::int64_t>(kCopiedTogether)),
        [&](const Statement& row) {
          const JournalPlace place{static_cast<std::uint32_t>(row.integer(1)),
                                   static_cast<std::uint64_t>(row.integer(2))};
          auto bytes = read_journal(journal->fd(), place, static_cast<std::size_t>(row.integer(3)),
                                    ContentHash::of_octets(row.text(4)));
          some.push_back({row.integer(0), bytes ? *std::move(bytes) : std::string()});
        });
    if (!listed) return listed;
    if (some.empty()) return {};
    after = some.back().row;
    auto written = terms_.as_caller([&]() -> Result<void> {
      auto transaction = Transaction::begin(*copy_);
      if (!transaction) return transaction.error();
      for (const Unfiled& each : some) {
        auto done = each.bytes.empty()
                        ? copy_->run("DELETE FROM contents WHERE message = ?1", each.row)
                        : copy_->run("UPDATE contents SET bytes = ?2, file = 0, at = 0 WHERE message = ?1",
                                     each.row, Octets{each.bytes});
        if (!done) return done;
      }
      return transaction->commit();
    });
    if (!written) return written;
    if (auto done = tell(); !done) return done;
  }
}

Result<void> Backup::copy_mailboxes() {
  auto accounts = Accounts(*copy_).mailboxes();
  if (!accounts) return accounts.error();
  for (const AccountRow& account : *accounts) {
    if (auto done = copy_mailbox(account.address, account.id); !done) return done;
  }
  return {};
}

Result<void> Backup::copy_mailbox(const Address& address, std::int64_t id) {
  Mailbox mailbox(address, id);
  auto maildir = Maildir::open_in(mail_.fd(), address);
  if (!maildir && maildir.error().kind != ErrorKind::kNotFound) return maildir.error();
  if (maildir) mailbox.maildir = std::make_unique<Maildir>(std::move(*maildir));
  for (const MessageState state : kBackedStates) {
    std::int64_t after = 0;
    while (true) {
      std::vector<Wanted> some;
      auto listed =
          each_row(copy_->query("SELECT id, name, size, hash, came_hash <> x'' FROM messages AS m"
                                " WHERE mailbox = ?1 AND state = ?2 AND id > ?3"
                                " ORDER BY id LIMIT ?4",
                                id, static_cast<std::int64_t>(state), after,
                                static_cast<std::int64_t>(kCopiedTogether)),
                   [&](const Statement& row) {
                     some.push_back({row.integer(0), row.text(1), static_cast<std::uint64_t>(row.integer(2)),
                                     state, ContentHash::of_octets(row.text(3)), row.integer(4) != 0});
                   });
      if (!listed) return listed;
      if (some.empty()) break;
      after = some.back().row;
      if (auto done = copy_some(mailbox, some); !done) return done;
      progress_.done += some.size();
      if (auto done = tell(); !done) return done;
      if (mailbox.missed.size() < kMissedTogether) continue;
      if (auto done = look_for(mailbox); !done) return done;
    }
  }
  return look_for(mailbox);
}

// Three steps, so that the rights change for all of them at once: what is in the pool, what is in the
// maildir, what is to be written.
Result<void> Backup::copy_some(Mailbox& mailbox, const std::vector<Wanted>& some) {
  std::vector<Wanted> wanted;
  auto looked = terms_.as_caller([&]() -> Result<void> {
    for (const Wanted& each : some) {
      const std::string name(base_name(each.path));
      if (is_plain_name(name) && !pool_->holds(mailbox.folder, name, each.claim(), each.sure()))
        wanted.push_back(each);
    }
    return {};
  });
  if (!looked) return looked;
  std::vector<std::pair<Wanted, RegularFile>> files;
  for (Wanted& each : wanted) {
    auto unfiled = copy_->query("SELECT 1 FROM contents WHERE message = ?1", each.row);
    if (!unfiled) return unfiled.error();
    auto there = unfiled->step();
    if (!there) return there.error();
    if (*there) {  // its bytes are in the copy
      auto counted = terms_.as_caller([&]() -> Result<void> {
        count_new(mailbox, each, HasFile::kNo, each.octets);
        return {};
      });
      if (!counted) return counted;
      continue;
    }
    auto file = mailbox.maildir ? mailbox.maildir->open_message(each.path)
                                : Result<RegularFile>(Error{ErrorKind::kNotFound, ""});
    if (file) {
      files.emplace_back(std::move(each), std::move(*file));
    } else if (file.error().kind == ErrorKind::kNotFound) {
      mailbox.missed.push_back(std::move(each));
    } else {
      summary_.troubles.push_back(file.error().message);
    }
  }
  return add_all(mailbox, files);
}

// Mail without a file is new when the backup before does not hold it; the rest are files that the pool lacks.
void Backup::count_new(const Mailbox& mailbox, const Wanted& message, HasFile has_file,
                       std::uint64_t octets) {
  using Held = EarlierGenerations::Held;
  const auto held = generations_->held_by_newest(mailbox.folder, std::string(base_name(message.path)));
  // A backup that cannot be read is no reason to make none.
  const bool is_counted =
      held && (has_file == HasFile::kYes ? *held == Held::kInDatabase : *held != Held::kNot);
  if (!is_counted) ++summary_.new_messages;
  if (!is_counted || has_file == HasFile::kYes) summary_.new_octets += octets;
}

Result<void> Backup::add_all(Mailbox& mailbox, std::vector<std::pair<Wanted, RegularFile>>& files) {
  if (files.empty()) return {};
  return terms_.as_caller([&]() -> Result<void> {
    for (const auto& [wanted, file] : files) {
      auto copied = pool_->add(mailbox.folder, std::string(base_name(wanted.path)), wanted.claim(), file);
      if (!copied) return copied.error();
      count_new(mailbox, wanted, HasFile::kYes, copied->octets);
      if (copied->is(wanted.octets, wanted.hash)) continue;
      summary_.troubles.push_back(mailbox.path_of(wanted) + ": " + difference_of(*copied, wanted.octets) +
                                  ": 'mailstead verify' tells more");
    }
    return {};
  });
}

// Another tool has changed their flags, or they were deleted, which is no reason to be without them here.
Result<void> Backup::look_for(Mailbox& mailbox) {
  for (int tries = 0; tries < kSearches && !mailbox.missed.empty() && mailbox.maildir; ++tries) {
    if (auto done = search_once(mailbox); !done) return done;
  }
  auto done = settle_gone(mailbox);
  mailbox.missed.clear();
  return done;
}

Result<void> Backup::search_once(Mailbox& mailbox) {
  std::unordered_map<std::string, Wanted> by_name;
  for (Wanted& each : mailbox.missed) by_name.emplace(base_name(each.path), std::move(each));
  mailbox.missed.clear();
  for (const std::string_view place : kMailPlaces) {
    auto names = mailbox.maildir->names_in(place);
    if (!names) return names.error();
    std::vector<std::pair<Wanted, RegularFile>> files;
    while (!by_name.empty()) {
      auto name = names->next();
      if (!name) return name.error();
      if (!*name) break;
      const auto found = by_name.find(std::string(base_name(fmt::format("{}{}", place, **name))));
      if (found == by_name.end()) continue;
      auto file = mailbox.maildir->open_message(fmt::format("{}{}", place, **name));
      if (!file) continue;  // it moves again
      files.emplace_back(std::move(found->second), std::move(*file));
      by_name.erase(found);
      if (files.size() < kCopiedTogether) continue;
      if (auto done = add_all(mailbox, files); !done) return done;
      files.clear();
    }
    if (auto done = add_all(mailbox, files); !done) return done;
  }
  for (auto& [name, each] : by_name) mailbox.missed.push_back(std::move(each));
  return {};
}

// A row goes before its file: one whose row is still there now has lost it.
Result<void> Backup::settle_gone(Mailbox& mailbox) {
  if (mailbox.missed.empty()) return {};
  auto now = Database::open(source_path(), DatabaseAccess::kRead);
  if (!now) return now.error();
  std::vector<std::int64_t> gone;
  std::vector<std::int64_t> lost;
  std::vector<std::int64_t> given_up;
  for (const Wanted& each : mailbox.missed) {
    if (each.state == MessageState::kMissing) {
      ++summary_.missing;
      continue;
    }
    bool is_there = false;
    auto asked = each_row((*now)->query("SELECT 1 FROM messages WHERE id = ?1 AND state <> 1", each.row),
                          [&](const Statement&) { is_there = true; });
    if (!asked) return asked;
    if (!is_there) {
      gone.push_back(each.row);
      continue;
    }
    // As missing, one that was deleted would be mail again as soon as a file of its name is there.
    if (is_kept(each.state)) {
      given_up.push_back(each.row);
      summary_.troubles.push_back(
          mailbox.path_of(each) +
          ": the file of this deleted message is not there: it cannot be restored, and "
          "'mailstead verify --repair' gives it up");
    } else {
      lost.push_back(each.row);
      summary_.troubles.push_back(
          mailbox.path_of(each) +
          ": the file of this message is not there: put it back from an earlier backup, "
          "or have 'mailstead verify --repair' note that it is gone");
    }
  }
  summary_.gone += gone.size();
  summary_.lost += lost.size();
  summary_.lost_deleted += given_up.size();
  gone.insert(gone.end(), given_up.begin(), given_up.end());
  return terms_.as_caller([&]() -> Result<void> {
    auto transaction = Transaction::begin(*copy_);
    if (!transaction) return transaction.error();
    Index index(*copy_);
    for (const std::int64_t row : gone) {
      if (auto done = index.erase(row); !done) return done;
    }
    for (const std::int64_t row : lost) {
      if (auto done = index.set_state(row, MessageState::kMissing); !done) return done;
    }
    return transaction->commit();
  });
}

// ---- mail of removed mailboxes

Result<void> Backup::copy_kept_mail() {
  auto domains = list_folder(mail_.fd());
  if (!domains) return in_folder("mail", domains.error());
  for (const std::string& domain : *domains) {
    if (domain.front() == '.') continue;
    auto folder = open_folder(mail_.fd(), domain);
    if (!folder) continue;  // no folder, or none any more
    auto users = list_folder(folder->fd());
    if (!users) return in_folder("mail/" + domain, users.error());
    for (const std::string& user : *users) {
      if (!user.starts_with(kKeptPrefix)) continue;
      auto kept = open_folder(folder->fd(), user);
      if (!kept) continue;
      if (auto done = copy_kept_folder(kept->fd(), {domain, user}); !done) return done;
    }
  }
  return {};
}

// No row tells what is in it: the files do, and what the newest backup noted of them.
Result<void> Backup::copy_kept_folder(int at, const PoolFolder& name) {
  std::unordered_map<std::string, PoolClaim> known;
  auto asked = terms_.as_caller([&]() -> Result<void> {
    auto noted = generations_->kept_in(name);
    // A backup that cannot be read is no reason to make none: all of it is read once more.
    if (noted) known = std::move(*noted);
    return {};
  });
  if (!asked) return asked;
  std::vector<KeptFile> kept;
  for (const std::string_view place : kMailPlaces) {
    auto folder = open_folder(at, std::string(place.substr(0, place.size() - 1)));
    if (!folder) continue;
    auto names = list_folder(folder->fd());
    if (!names) return names.error();
    for (const std::string& each : *names) {
      const std::string base(base_name(each));
      if (!parse_message_name(base)) continue;
      auto file = open_file(folder->fd(), each);
      if (!file) continue;
      if (auto done = tell(); !done) return done;
      const auto noted = known.find(base);
      auto claim = copy_kept_file(name, base, *file, noted == known.end() ? PoolClaim{} : noted->second);
      if (!claim) return claim.error();
      kept.push_back({std::string(place) + each, *claim});
      if (kept.size() < kNotedTogether) continue;
      if (auto done = note_kept(name, kept); !done) return done;
    }
  }
  return note_kept(name, kept);
}

Result<PoolClaim> Backup::copy_kept_file(const PoolFolder& folder, const std::string& name,
                                         const RegularFile& file, const PoolClaim& noted) {
  PoolClaim claim{static_cast<std::uint64_t>(file.facts.st_size), noted.hash};
  const bool is_noted = noted.octets == claim.octets && noted.hash.is_known();
  if (!is_noted) {
    auto found = read_file_through(file);
    if (!found) return found.error();
    claim = {found->octets, found->hash};
  }
  auto added = terms_.as_caller([&]() -> Result<void> {
    if (pool_->holds(folder, name, claim, is_noted ? Sure::kByLength : Sure::kByOctets)) return {};
    auto copied = pool_->add(folder, name, claim, file);
    if (!copied) return copied.error();
    ++summary_.new_messages;
    summary_.new_octets += copied->octets;
    if (!copied->is(claim.octets, claim.hash)) {
      summary_.troubles.push_back(fmt::format("mail/{}/{}/{}: {}", folder.domain, folder.user, name,
                                              difference_of(*copied, claim.octets)));
    }
    return {};
  });
  if (!added) return added.error();
  return claim;
}

Result<void> Backup::note_kept(const PoolFolder& name, std::vector<KeptFile>& kept) {
  return terms_.as_caller([&]() -> Result<void> {
    auto transaction = Transaction::begin(*copy_);
    if (!transaction) return transaction.error();
    for (const KeptFile& file : kept) {
      auto done =
          copy_->run("INSERT INTO backup_kept (domain, user, path, size, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
                     name.domain, name.user, file.path, static_cast<std::int64_t>(file.claim.octets),
                     Octets{file.claim.hash.octets()});
      if (!done) return done;
    }
    kept.clear();
    return transaction->commit();
  });
}

}  // namespace mailstead

#include "storage/backup/backup_generations.h"

#include <fmt/format.h>

#include "storage/accounts/accounts.h"
#include "storage/folder.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

Result<void> add_claims(Generation& generation, const PoolFolder& folder, const std::string& name,
                        std::vector<PoolClaim>& claims) {
  if (folder.user.starts_with(kKeptPrefix)) {
    return each_kept(*generation.database, folder, [&](const std::string& path, const PoolClaim& claim) {
      if (base_name(path) == name) claims.push_back(claim);
    });
  }
  const auto mailbox = generation.mailboxes.find({folder.domain, folder.user});
  const auto parsed = parse_message_name(name);
  if (mailbox == generation.mailboxes.end() || !parsed) return {};
  return each_row(
      generation.database->query("SELECT name, size, hash FROM messages WHERE mailbox = ?1 AND uidl = ?2",
                                 mailbox->second, parsed->uidl()),
      [&](const Statement& row) {
        if (base_name(row.text(0)) != name) return;
        claims.push_back({static_cast<std::uint64_t>(row.integer(1)), ContentHash::of_octets(row.text(2))});
      });
}

}  // namespace

bool has_column(Database& database, std::string_view table, std::string_view column) {
  bool found = false;
  auto done = each_row(database.query("SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", table, column),
                       [&](const Statement&) { found = true; });
  return done && found;
}

Result<Generation> open_generation(const BackupFolder& folder, const std::string& name) {
  auto database =
      Database::open(fmt::format("{}/{}/{}", folder.real_path(), name, kDatabaseFile), DatabaseAccess::kRead);
  if (!database) return database.error();
  auto accounts = Accounts(**database).mailboxes();
  if (!accounts) return accounts.error();
  Generation generation{name, std::move(*database), {}};
  for (const AccountRow& account : *accounts) {
    const PoolFolder key = folder_name(account.address);
    generation.mailboxes.emplace(Generation::FolderKey(key.domain, key.user), account.id);
  }
  return generation;
}

Result<std::vector<Generation>> open_generations(const BackupFolder& folder) {
  auto names = folder.generations();
  if (!names) return names.error();
  std::vector<Generation> generations;
  for (const std::string& name : *names) {
    auto generation = open_generation(folder, name);
    if (!generation) return in_folder(folder.path() + "/" + name, generation.error());
    generations.push_back(std::move(*generation));
  }
  return generations;
}

// A backup of an older program knows no hashes of these.
Result<void> each_kept(Database& database, const PoolFolder& folder,
                       const std::function<void(const std::string&, const PoolClaim&)>& tell) {
  const bool has_hash = has_column(database, "backup_kept", "hash");
  return each_row(
      has_hash ? database.query("SELECT path, size, hash FROM backup_kept WHERE domain = ?1 AND user = ?2",
                                folder.domain, folder.user)
               : database.query("SELECT path, size, x'' FROM backup_kept WHERE domain = ?1 AND user = ?2",
                                folder.domain, folder.user),
      [&](const Statement& row) {
        tell(row.text(0), {static_cast<std::uint64_t>(row.integer(1)), ContentHash::of_octets(row.text(2))});
      });
}

Result<void> EarlierGenerations::open() {
  if (are_open_) return {};
  auto generations = open_generations(folder_);
  if (!generations) return generations.error();
  generations_ = std::move(*generations);
  are_open_ = true;
  return {};
}

Result<std::vector<PoolClaim>> EarlierGenerations::claims_on(const PoolFolder& folder,
                                                             const std::string& name) {
  if (auto done = open(); !done) return done.error();
  std::vector<PoolClaim> claims;
  for (Generation& generation : generations_) {
    if (auto done = add_claims(generation, folder, name, claims); !done) return done.error();
  }
  return claims;
}

Result<EarlierGenerations::Held> EarlierGenerations::held_by_newest(const PoolFolder& folder,
                                                                    const std::string& name) {
  if (!is_newest_open_) {
    auto names = folder_.generations();
    if (!names) return names.error();
    if (!names->empty()) {
      auto newest = open_generation(folder_, names->back());
      if (!newest) return newest.error();
      newest_ = std::move(*newest);
    }
    is_newest_open_ = true;
  }
  if (!newest_) return Held::kNot;
  const auto mailbox = newest_->mailboxes.find({folder.domain, folder.user});
  const auto parsed = parse_message_name(name);
  if (mailbox == newest_->mailboxes.end() || !parsed) return Held::kNot;
  Held held = Held::kNot;
  auto done =
      each_row(newest_->database->query(
                   "SELECT m.name, c.message IS NOT NULL FROM messages AS m"
                   " LEFT JOIN contents AS c ON c.message = m.id WHERE m.mailbox = ?1 AND m.uidl = ?2",
                   mailbox->second, parsed->uidl()),
               [&](const Statement& row) {
                 if (base_name(row.text(0)) == name)
                   held = row.integer(1) != 0 ? Held::kInDatabase : Held::kAsFile;
               });
  if (!done) return done.error();
  return held;
}

Result<std::unordered_map<std::string, PoolClaim>> EarlierGenerations::kept_in(const PoolFolder& folder) {
  std::unordered_map<std::string, PoolClaim> kept;
  if (auto done = open(); !done) return done.error();
  if (generations_.empty()) return kept;
  auto done = each_kept(
      *generations_.back().database, folder,
      [&](const std::string& path, const PoolClaim& claim) { kept.emplace(base_name(path), claim); });
  if (!done) return done.error();
  return kept;
}

}  // namespace mailstead

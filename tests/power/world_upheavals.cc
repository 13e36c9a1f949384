// What befalls a data folder as a whole, and single files of it: restores, losses, upgrades, damage.
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "backups.h"
#include "folders.h"
#include "storage/check/checker.h"
#include "world.h"

namespace mailstead::power {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDatabasePage = 4096;
constexpr std::size_t kDamage = 512;  // octets at a page's beginning
constexpr int kOlderSchema = 11;
// As a program of that schema left it; all mail has its files.
constexpr const char* kMakeOlder =
    "BEGIN; ALTER TABLE messages DROP COLUMN came_hash; ALTER TABLE queue DROP COLUMN hash;"
    " ALTER TABLE messages DROP COLUMN hash; DROP TABLE imported; DROP TABLE folder_times;"
    " DROP TABLE contents; PRAGMA user_version = 11; COMMIT;";

std::string spoilt(const std::string& bytes, World::Spoil how) {
  if (how == World::Spoil::kNothing) return std::string(bytes.size(), '\0');
  std::string text = bytes;
  std::erase(text, '\r');
  return text + "Somebody was here.\n";
}

std::string with_line_ends_of_mail(const std::string& text) {
  std::string lines;
  for (const char c : text) lines += c == '\n' ? "\r\n" : std::string(1, c);
  return lines;
}

std::vector<std::string> uidls_of(const Ledger& ledger, const std::string& mailbox) {
  std::vector<std::string> uidls;
  for (const auto& [number, copy] : ledger.copies) {
    if (copy.mailbox == mailbox && copy.fates == kPresent && !copy.uidl.empty()) uidls.push_back(copy.uidl);
  }
  if (uidls.empty()) throw std::runtime_error("nobody knows of mail in " + mailbox);
  return uidls;
}

}  // namespace

bool World::restore_backup() {
  Ledger old = ledger_;
  old.backed_up = nullptr;
  old.instead = nullptr;
  old.clean = {false, true};
  Ledger restored = *ledger_.backed_up;
  restored.backed_up = ledger_.backed_up;
  restored.clean = {false};
  if (fs::exists(data_)) restored.replaced = std::make_shared<const Ledger>(std::move(old));
  ledger_.instead = std::make_shared<const Ledger>(std::move(restored));
  changed();
  const auto done = restore_over(fs::path(data_).parent_path());
  if (done) {
    const auto now = ledger_.instead;
    ledger_ = *now;
  }
  return finish(done);
}

void World::lose_data() {
  Ledger nothing;
  nothing.backed_up = ledger_.backed_up;
  ledger_.instead = std::make_shared<const Ledger>(nothing);
  changed();
  const std::string root = fs::path(data_).parent_path();
  fs::rename(data_, root + "/lost");
  sync_folder(root);
  ledger_ = std::move(nothing);
  changed();
}

void World::make_older() {
  sqlite3* connection = nullptr;
  // The -wal stays, as after a crash: who makes a new one syncs the folder for it, and other names with it.
  int stays = 1;
  const bool done =
      sqlite3_open((data_ + "/mailstead.db").c_str(), &connection) == SQLITE_OK &&
      sqlite3_file_control(connection, nullptr, SQLITE_FCNTL_PERSIST_WAL, &stays) == SQLITE_OK &&
      sqlite3_exec(connection, "PRAGMA synchronous = FULL;", nullptr, nullptr, nullptr) == SQLITE_OK &&
      sqlite3_exec(connection, kMakeOlder, nullptr, nullptr, nullptr) == SQLITE_OK;
  const std::string why = sqlite3_errmsg(connection);
  sqlite3_close(connection);
  if (!done) throw std::runtime_error("cannot make the index older: " + why);
  // Whatever becomes of the upgrade: a start that comes to its end has kept it.
  ledger_.ways_back[kOlderSchema] = static_cast<std::size_t>(
      std::ranges::count_if(ledger_.copies, [](const auto& copy) { return copy.second.fates == kPresent; }));
  changed();
}

void World::damage_index() {
  ledger_.is_index_damaged = true;
  ledger_.clean = {false, true};
  changed();
  const std::string path = data_ + "/mailstead.db";
  std::string bytes = read_file(path);
  bool found = false;
  for (std::size_t page = kDatabasePage; page < bytes.size(); page += kDatabasePage) {
    if (bytes.substr(page, kDatabasePage).find("new/1") == std::string::npos) continue;
    bytes.replace(page, kDamage, std::string(kDamage, 'x'));
    found = true;
  }
  if (!found) throw std::runtime_error("the index has no page of messages");
  overwrite(path, bytes);
}

Copy& World::copy_of(const std::string& mailbox, const std::string& uidl) {
  for (auto& [number, copy] : ledger_.copies) {
    if (copy.mailbox == mailbox && copy.uidl == uidl) return copy;
  }
  throw std::runtime_error("nobody knows of " + uidl);
}

std::string World::first_uidl(const std::string& mailbox) const {
  return uidls_of(ledger_, mailbox).front();
}

std::string World::last_uidl(const std::string& mailbox) const {
  return uidls_of(ledger_, mailbox).back();
}

void World::spoil_file(const std::string& mailbox, const std::string& uidl, Spoil how) {
  ledger_.spoiled.insert(mailbox);
  changed();
  std::string path;
  for (const char* place : {"/new", "/cur"}) {
    for (const auto& entry : fs::directory_iterator(maildir_path(data_, mailbox) + place)) {
      if (entry.path().filename().string().find(uidl) != std::string::npos) path = entry.path();
    }
  }
  if (path.empty()) throw std::runtime_error(uidl + " has no file");
  const std::string bytes = spoilt(read_file(path), how);
  overwrite(path, bytes);
  to_be_kept_.push_back(std::make_shared<const std::string>(bytes));
  Copy& copy = copy_of(mailbox, uidl);
  if (how == Spoil::kNothing) {
    copy.fates = kAbsent;
  } else {
    copy.content = std::make_shared<const std::string>(with_line_ends_of_mail(bytes));
  }
}

void World::spoil_unfiled(const std::string& mailbox, const std::string& uidl) {
  ledger_.spoiled.insert(mailbox);
  changed();
  Copy& copy = copy_of(mailbox, uidl);
  // Before the end: what comes before it is trace lines, which are made anew for each.
  const std::string text = copy.content->substr(copy.content->find("Subject: "));
  for (const auto& entry : fs::directory_iterator(data_ + "/journal")) {
    std::string bytes = read_file(entry.path());
    const std::size_t at = bytes.find(text);
    if (at == std::string::npos) continue;
    bytes[at + text.size() - 3] ^= 1;
    overwrite(entry.path(), bytes);
    to_be_kept_.push_back(std::make_shared<const std::string>(bytes.substr(at, text.size())));
    copy.fates = kAbsent;
    return;
  }
  throw std::runtime_error(uidl + " is not in the journal");
}

void World::end_spoiling(const std::string& mailbox) {
  ledger_.spoiled.erase(mailbox);
  ledger_.kept.insert(ledger_.kept.end(), to_be_kept_.begin(), to_be_kept_.end());
  to_be_kept_.clear();
  changed();
}

bool World::mend() {
  const auto failed = [&](const Error& error) { return note_error(error); };
  auto checker = Checker::open(data_);
  if (!checker) return failed(checker.error());
  Checker::Found found;
  auto mailboxes = (*checker)->mailboxes();
  if (!mailboxes) return failed(mailboxes.error());
  for (const Checker::Mailbox& mailbox : *mailboxes) {
    auto more = Result<bool>(true);
    while (more && *more) more = (*checker)->check_messages(mailbox, {}, found);
    if (!more) return failed(more.error());
    if (auto done = (*checker)->check_files(mailbox, found); !done) return failed(done.error());
  }
  if (auto done = (*checker)->check_totals(found); !done) return failed(done.error());
  if (auto done = (*checker)->check_queue(found); !done) return failed(done.error());
  if (auto done = (*checker)->check_database(); !done) return failed(done.error());
  for (const auto& judged : store_->judge(found.suspicions, Mend::kYes)) {
    if (!judged) return failed(judged.error());
  }
  if (auto done = store_->learn_hashes(found.learnt); !done) return failed(done.error());
  return true;
}

}  // namespace mailstead::power

#include "trial.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "backups.h"
#include "folders.h"
#include "recorder.h"
#include "storage/folder.h"

namespace mailstead::power {

namespace {

namespace fs = std::filesystem;

// What a recovery says when something was lost that no power cut takes.
constexpr const char* kTroubles[] = {"damaged", "could not", "wrong sum", "was not there",
                                     "is gone", "left ",     "lost ",     "not what came"};

// That of a damaged index is expected once; what it lost is not.
bool is_of_damaged_index(const std::string& action) {
  return action.starts_with("the database was damaged: it is kept as") ||
         action.starts_with("went on with a new database in the place of a damaged one") ||
         (action.starts_with("read ") && action.ends_with("from the damaged database")) ||
         action.starts_with("the damaged database could be read to the end of its ");
}

void judge(const RecoveryReport& report, const Ledger& ledger, Findings& findings) {
  for (const std::string& action : report.actions) {
    if (ledger.is_index_damaged && is_of_damaged_index(action)) continue;
    if (!ledger.spoiled.empty() && action.starts_with("lost 1 message of")) continue;
    const bool is_trouble = std::ranges::any_of(
        kTroubles, [&](const char* words) { return action.find(words) != std::string::npos; });
    if (is_trouble) findings.push_back("recovery: " + action);
  }
}

void check_database(const std::string& path, const Ledger& ledger, Findings& findings) {
  sqlite3* connection = nullptr;
  if (sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
    findings.push_back("the database cannot be opened");
  } else {
    const auto add = [](void* into, int, char** values, char**) {
      if (values[0] == nullptr || std::string(values[0]) != "ok")
        static_cast<Findings*>(into)->push_back(
            fmt::format("integrity: {}", values[0] == nullptr ? "" : values[0]));
      return 0;
    };
    for (const char* sql : {"PRAGMA integrity_check", "PRAGMA foreign_key_check"})
      sqlite3_exec(connection, sql, add, &findings, nullptr);
    std::int64_t retention = 0;
    const auto read = [](void* into, int, char** values, char**) {
      *static_cast<std::int64_t*>(into) = std::stoll(values[0]);
      return 0;
    };
    sqlite3_exec(connection, "SELECT value FROM meta WHERE key = 'retention'", read, &retention, nullptr);
    if (retention < ledger.retention)
      findings.push_back(fmt::format("{} seconds were counted, and were {}", retention, ledger.retention));
  }
  sqlite3_close(connection);
}

std::unique_ptr<Store> open_store(const std::string& root, RecoveryReport& report, Findings& findings) {
  auto store = Store::open({root + "/data", "test.example"}, report);
  if (store) return *std::move(store);
  findings.push_back("cannot be opened: " + store.error().message);
  return nullptr;
}

// The newest backup, whole, is the last one that was promised, or one that was being made.
void check_backup(const std::string& root, const Ledger& ledger, Findings& findings) {
  if (ledger.backed_up == nullptr && ledger.backing_up == nullptr) return;
  const std::string place = root + "/restored";
  if (auto done = restore_newest(root, place); !done) {
    if (ledger.backed_up != nullptr || done.error().kind == ErrorKind::kCorrupt)
      findings.push_back("backup: " + done.error().message);
    return;
  }
  RecoveryReport report;
  Findings wrong;
  auto store = open_store(place, report, wrong);
  if (store != nullptr && ledger.backed_up != nullptr) wrong = contradictions(*store, *ledger.backed_up);
  if (store != nullptr && ledger.backing_up != nullptr && (ledger.backed_up == nullptr || !wrong.empty()))
    wrong = contradictions(*store, *ledger.backing_up);
  for (const std::string& each : wrong) findings.push_back("backup: " + each);
}

// The database as an upgrade found it is whole, and knows the mail.
void check_ways_back(const std::string& data, const Ledger& ledger, Findings& findings) {
  for (const auto& [schema, messages] : ledger.ways_back) {
    const std::string path = fmt::format("{}/mailstead.db.schema-{}", data, schema);
    std::string found;
    sqlite3* connection = nullptr;
    if (sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
      const auto add = [](void* into, int, char** values, char**) {
        *static_cast<std::string*>(into) += fmt::format("{} ", values[0] == nullptr ? "" : values[0]);
        return 0;
      };
      for (const char* sql :
           {"PRAGMA integrity_check", "PRAGMA user_version", "SELECT COUNT(*) FROM messages"})
        sqlite3_exec(connection, sql, add, &found, nullptr);
    }
    sqlite3_close(connection);
    if (found != fmt::format("ok {} {} ", schema, messages))
      findings.push_back(fmt::format("the way back to schema {} is '{}'", schema, found));
  }
}

bool is_for_people(const fs::path& path) {
  return path.parent_path().filename() == "quarantine" ||
         path.filename().string().starts_with("mailstead.db.damaged-");
}

void check_kept(const std::string& data, const Ledger& ledger, Findings& findings) {
  if (ledger.kept.empty()) return;
  std::vector<std::string> there;
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    if (entry.is_regular_file() && is_for_people(entry.path())) there.push_back(read_file(entry.path()));
  }
  for (const Bytes& bytes : ledger.kept) {
    const bool is_there = std::ranges::any_of(
        there, [&](const std::string& file) { return file.find(*bytes) != std::string::npos; });
    if (!is_there)
      findings.push_back(fmt::format("{} octets that were kept for people are gone", bytes->size()));
  }
}

// What a restore moved aside is a data folder like any other.
void check_replaced(const std::string& root, const Ledger& ledger, Findings& findings) {
  if (ledger.replaced == nullptr || ledger.replaced->mailboxes.empty()) return;
  Findings wrong = {"nothing was moved aside"};
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(root + "/data")) {
    if (!entry.path().filename().string().starts_with("replaced-")) continue;
    const std::string place = fmt::format("{}/replaced/{}", root, ++count);
    fs::create_directories(place);
    fs::copy(entry.path(), place + "/data", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    RecoveryReport report;
    Findings of_this;
    auto store = open_store(place, report, of_this);
    if (store != nullptr) of_this = contradictions(*store, *ledger.replaced);
    wrong = of_this;
    if (wrong.empty()) return;
  }
  for (const std::string& each : wrong) findings.push_back("replaced: " + each);
}

// Drafts are swept at the start, and a folder that is being removed goes.
void check_leftovers(const std::string& root, Findings& findings) {
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(root + "/data", ignored)) {
    const std::string parent = entry.path().parent_path().filename();
    const std::string name = entry.path().filename();
    if (parent == "tmp" || name.starts_with(".removed-") || (parent == "queue" && name.starts_with('.')))
      findings.push_back(fmt::format("left over: {}", entry.path().string()));
  }
}

Findings try_store(const std::string& root, const Ledger& ledger) {
  Findings findings;
  Findings first;
  {
    RecoveryReport report;
    auto store = open_store(root, report, findings);
    judge(report, ledger, findings);
    if (store == nullptr) return findings;
    if (!ledger.clean.contains(report.clean))
      findings.push_back(report.clean ? "it was closed, it says" : "it was not closed, it says");
    auto more = Result<bool>(true);
    while (more && *more) more = store->take_in_files(1000);
    auto wrong = contradictions(*store, ledger);
    findings.insert(findings.end(), wrong.begin(), wrong.end());
    first = contents(*store);
    if (auto done = store->close(); !done) findings.push_back("cannot be closed: " + done.error().message);
  }
  check_database(root + "/data/mailstead.db", ledger, findings);
  check_ways_back(root + "/data", ledger, findings);
  check_kept(root + "/data", ledger, findings);
  check_leftovers(root, findings);
  RecoveryReport report;
  auto store = open_store(root, report, findings);
  if (store == nullptr) return findings;
  for (const std::string& action : report.actions)
    findings.push_back("the second start had to act: " + action);
  if (!report.clean) findings.push_back("the second start came after no proper end");
  if (contents(*store) != first) findings.push_back("the second start found something else");
  store.reset();
  check_backup(root, ledger, findings);
  check_replaced(root, ledger, findings);
  return findings;
}

// No start may use what is half restored; the same restore, tried again, finishes it.
Findings finish_restore(const std::string& root) {
  Findings findings;
  RecoveryReport report;
  if (Store::open({root + "/data", "test.example"}, report))
    findings.emplace_back("a store was opened in the middle of a restore");
  if (auto done = restore_over(root); !done)
    findings.push_back("a restore that was broken off: " + done.error().message);
  return findings;
}

}  // namespace

Workshop::Workshop() {
  const fs::path memory = "/dev/shm";
  const fs::path place = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  path_ = (place / "mailstead-power-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
}

Workshop::~Workshop() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Workshop::fresh() {
  return fmt::format("{}/{}", path_, ++count_);
}

void Workshop::clear() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path(), ignored);
}

Findings try_folder(const std::string& root, const Ledger& ledger) {
  if (ledger.instead == nullptr) return try_store(root, ledger);
  if (fs::exists(root + "/data/" + kRestoreFolder)) {
    auto findings = finish_restore(root);
    if (findings.empty()) findings = try_store(root, *ledger.instead);
    return findings;
  }
  Ledger as_it_was = ledger;
  as_it_was.instead = nullptr;
  const std::string copy = root + "-as-it-was";
  write_image(read_image(root), copy);
  if (try_store(copy, as_it_was).empty()) return {};
  return try_store(root, *ledger.instead);
}

Findings try_image(Workshop& workshop, const Image& image, const Ledger& ledger) {
  const std::string root = workshop.fresh();
  write_image(image, root);
  auto findings = try_folder(root, ledger);
  workshop.clear();
  return findings;
}

Recording record_recovery(Workshop& workshop, const Image& image) {
  const std::string root = workshop.fresh();
  write_image(image, root);
  Recording recording;
  {
    Recorder recorder(root);
    RecoveryReport report;
    auto store = Store::open({root + "/data", "test.example"}, report);
    // One that a restore is in the way of: who tries that again.
    if (!store) static_cast<void>(restore_over(root));
    recording = recorder.take();
    set_disk_observer(nullptr);
  }
  workshop.clear();
  return recording;
}

}  // namespace mailstead::power

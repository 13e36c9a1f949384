#include "trial.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "backups.h"
#include "recorder.h"

namespace mailstead::power {

namespace {

namespace fs = std::filesystem;

// What a recovery says when something was lost that no power cut takes.
constexpr const char* kTroubles[] = {"damaged", "could not", "wrong sum", "was not there",
                                     "is gone", "left ",     "lost ",     "not what came"};

void judge(const RecoveryReport& report, Findings& findings) {
  for (const std::string& action : report.actions) {
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
  Findings findings;
  Findings first;
  {
    RecoveryReport report;
    auto store = open_store(root, report, findings);
    judge(report, findings);
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
  return findings;
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
    if (store) recording = recorder.take();
    set_disk_observer(nullptr);
  }
  workshop.clear();
  return recording;
}

}  // namespace mailstead::power

// An upgrade of the database, and the way back.
#include "storage/database/snapshot.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "crash.h"
#include "storage/database/schema.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

const std::string kSnapshot = "/mailstead.db.schema-11";

// As a program of schema 11 leaves it.
void make_older(const std::string& data) {
  run_sql(data + "/mailstead.db",
          "ALTER TABLE messages DROP COLUMN came_hash; ALTER TABLE queue DROP COLUMN hash;"
          "ALTER TABLE messages DROP COLUMN hash; DROP TABLE imported; DROP TABLE folder_times; DROP TABLE "
          "contents; PRAGMA user_version = 11;");
}

int version_of(const std::string& path) {
  auto database = Database::open(path, DatabaseAccess::kSalvage);
  REQUIRE(database.has_value());
  return schema_version(**database).value();
}

std::unique_ptr<Store> older_store(const std::string& data) {
  auto store = store_with(data, {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(store->close().has_value());
  make_older(data);
  return store;
}

}  // namespace

TEST_CASE("an upgrade keeps the database as it was, and it leads back", "[storage]") {
  Scratch scratch;
  older_store(scratch.data()).reset();
  write_file(scratch.data() + "/mailstead.db.schema-7", "of an earlier upgrade");
  write_file(scratch.data() + kSnapshot + ".unfinished", "of one that a crash ended");
  RecoveryReport report;
  auto store = open_store(scratch.data(), &report);
  CHECK(std::ranges::count_if(report.actions, [](const std::string& action) {
          return action.find("kept as mailstead.db.schema-11") != std::string::npos;
        }) == 1);
  CHECK(version_of(scratch.data() + kSnapshot) == 11);
  CHECK_FALSE(std::filesystem::exists(scratch.data() + "/mailstead.db.schema-7"));
  CHECK_FALSE(std::filesystem::exists(scratch.data() + kSnapshot + ".unfinished"));
  REQUIRE(deliver(*store, {kAnna}, "A: 2\r\n\r\n").has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  REQUIRE(uidls.size() == 2);
  store.reset();

  std::filesystem::rename(scratch.data() + kSnapshot, scratch.data() + "/mailstead.db");
  for (const char* suffix : {"-wal", "-shm"})
    std::filesystem::remove(scratch.data() + "/mailstead.db" + suffix);
  store = open_store(scratch.data());
  CHECK(uidls_of(fetch_all(*store, kAnna)) == uidls);
  store.reset();
  RecoveryReport third;
  store = open_store(scratch.data(), &third);
  CHECK(third.actions.empty());  // no upgrade any more
}

TEST_CASE("an upgrade whose copy cannot be written changes nothing", "[storage]") {
  Scratch scratch;
  older_store(scratch.data()).reset();
  bool done = false;
  for (int n = 1; !done; ++n) {
    REQUIRE(n < 200);
    INFO("operation " << n);
    const std::string data = scratch.path() + "/" + std::to_string(n);
    copy_folder(scratch.data(), data);
    RecoveryReport report;
    {
      DiskFault fault(n, ENOSPC);
      auto store = Store::open({data, "host.example"}, report);
      done = !fault.happened();
    }
    if (std::filesystem::exists(data + kSnapshot)) {
      CHECK(version_of(data + kSnapshot) == 11);
    } else {
      CHECK(version_of(data + "/mailstead.db") == 11);
    }
    auto store = open_store(data);
    CHECK(fetch_all(*store, kAnna).size() == 1);
    CHECK(version_of(data + kSnapshot) == 11);
    for (const std::string& name : names_in(data)) CHECK(name.find("unfinished") == std::string::npos);
    store.reset();
    std::filesystem::remove_all(data);
  }
}

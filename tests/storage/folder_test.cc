#include "storage/folder.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "storage/database/schema.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  REQUIRE(::lstat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

// A small file system of its own, where the test may make one.
class SmallDisk {
 public:
  SmallDisk(std::string path, const char* size) : path_(std::move(path)) {
    fs::create_directory(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, size) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }
  // Leaves no free block.
  void fill() {
    std::FILE* file = std::fopen((path_ + "/filler.log").c_str(), "ab");
    REQUIRE(file != nullptr);
    std::setvbuf(file, nullptr, _IONBF, 0);
    for (std::size_t piece : {std::size_t{65536}, std::size_t{4096}, std::size_t{1}}) {
      const std::string bytes(piece, 'x');
      while (std::fwrite(bytes.data(), 1, piece, file) == piece) {
      }
    }
    std::fclose(file);
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

}  // namespace

TEST_CASE("folders are 0700 and files 0600, also in a folder that was open to all", "[storage]") {
  Scratch scratch;
  fs::create_directory(scratch.data());
  ::chmod(scratch.data().c_str(), 0755);
  const mode_t before = ::umask(0);
  auto store = store_with(scratch.data(), {"anna@example.org"});
  REQUIRE(deliver(*store, {"anna@example.org"}, "A: 1\r\n\r\n").has_value());
  ::umask(before);
  CHECK(mode_of(scratch.data()) == 0700);
  for (const auto& entry : fs::recursive_directory_iterator(scratch.data())) {
    INFO(entry.path());
    CHECK(mode_of(entry.path()) == (entry.is_directory() ? 0700u : 0600u));
  }
}

TEST_CASE("a second owner is told who has the folder", "[storage]") {
  Scratch scratch;
  auto store = open_store(scratch.data());
  Error error = refused_store(scratch.data());
  CHECK(error.kind == ErrorKind::kInUse);
  CHECK(error.message == scratch.data() + " is in use by process " + std::to_string(::getpid()) +
                             "; stop it or choose another --data");
  store.reset();
  open_store(scratch.data()).reset();
}

TEST_CASE("what cannot be a data folder is refused in one line, and nothing is changed", "[storage]") {
  Scratch scratch;
  SECTION("a file") {
    write_file(scratch.data(), "x");
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
    CHECK(read_file(scratch.data()) == "x");
  }
  SECTION("a folder without a parent") {
    CHECK(refused_store(scratch.data() + "/deeper").kind == ErrorKind::kNotFound);
    CHECK(names_in(scratch.path()).empty());
  }
  SECTION("somebody's folder of other things") {
    fs::create_directory(scratch.data());
    write_file(scratch.data() + "/thesis.txt", "x");
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
    CHECK(names_in(scratch.data()) == std::vector<std::string>{"thesis.txt"});
  }
  SECTION("somebody's mail folders, dot-files or logs") {
    const char* name = GENERATE("mail/work/cur", ".profile.d", "daemon.log", "daemon.pid", "lock");
    fs::create_directories(scratch.data() + "/" + name);
    ::chmod(scratch.data().c_str(), 0755);
    const auto before = names_in(scratch.data());
    INFO(name);
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
    CHECK(names_in(scratch.data()) == before);
    CHECK(mode_of(scratch.data()) == 0755);
  }
  SECTION("another program's lock") {
    fs::create_directory(scratch.data());
    write_file(scratch.data() + "/lock", "LOCKED\n");
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
    CHECK(read_file(scratch.data() + "/lock") == "LOCKED\n");
  }
  SECTION("a database of a later version") {
    open_store(scratch.data()).reset();
    run_sql(scratch.data() + "/mailstead.db", "PRAGMA user_version=99");
    const Error error = refused_store(scratch.data());
    CHECK(error.kind == ErrorKind::kInvalid);
    CHECK(error.message.find("schema 99") != std::string::npos);
    CHECK(error.message.find('\n') == std::string::npos);
  }
  SECTION("a database that is a link") {
    open_store(scratch.data()).reset();
    fs::rename(scratch.data() + "/mailstead.db", scratch.path() + "/elsewhere.db");
    fs::create_symlink(scratch.path() + "/elsewhere.db", scratch.data() + "/mailstead.db");
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
  }
  SECTION("another user's") {
    if (::geteuid() != 0) return;
    fs::create_directory(scratch.data());
    REQUIRE(::chown(scratch.data().c_str(), 12345, 12345) == 0);
    const Error error = refused_store(scratch.data());
    CHECK(error.kind == ErrorKind::kDenied);
    CHECK(error.message.find("12345") != std::string::npos);
    CHECK(names_in(scratch.data()).empty());
  }
}

TEST_CASE("settings, keys and a volume's lost+found may be there before the first start", "[storage]") {
  Scratch scratch;
  fs::create_directories(scratch.data() + "/lost+found");
  fs::create_directories(scratch.data() + "/tls");
  write_file(scratch.data() + "/mailstead.toml", "");
  ::chmod(scratch.data().c_str(), 0755);
  store_with(scratch.data(), {"anna@example.org"}).reset();
  CHECK(mode_of(scratch.data()) == 0755);
  CHECK(mode_of(scratch.data() + "/mail") == 0700);
}

TEST_CASE("a data folder that lost its database and its lock is known by its mailboxes", "[storage]") {
  Scratch scratch;
  store_with(scratch.data(), {"anna@example.org"}).reset();
  for (const std::string& name : names_in(scratch.data())) {
    if (name.starts_with("mailstead.db") || name == "lock") fs::remove(scratch.data() + "/" + name);
  }
  SECTION("nothing else is there") {
    CHECK(open_store(scratch.data())->directory()->mailboxes().size() == 1);
  }
  SECTION("other files are there") {
    write_file(scratch.data() + "/thesis.txt", "x");
    CHECK(refused_store(scratch.data()).kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("a first start that lost its power is begun again", "[storage]") {
  // What was written last may be missing, or there in its length and not in its octets.
  for (const std::string& lock : {std::string(), std::string(20, '\0'), std::string("4711 test.example\n")}) {
    Scratch scratch;
    fs::create_directories(scratch.data() + "/queue");
    write_file(scratch.data() + "/lock", lock);
    write_file(scratch.data() + "/reserve", std::string(4096, '\0'));
    RecoveryReport report;
    open_store(scratch.data(), &report);
    CHECK(report.created);
  }
}

TEST_CASE("over half a restore nothing starts, and nobody is told to throw away what it moved", "[storage]") {
  Scratch scratch;
  open_store(scratch.data()).reset();
  const std::string half = scratch.data() + "/restore.unfinished";
  fs::create_directory(half);
  CHECK(refused_store(scratch.data()).message.find("or remove ") != std::string::npos);
  for (const char* mark : {".aside", ".placing"}) {
    write_file(half + "/" + mark, "");
    const std::string told = refused_store(scratch.data()).message;
    CHECK(told.find("or remove ") == std::string::npos);
    CHECK(told.find("leave ") != std::string::npos);
    fs::remove(half + "/" + mark);
  }
}

TEST_CASE("a full disk refuses a start and changes nothing", "[storage]") {
  Scratch scratch;
  SmallDisk disk(scratch.path() + "/disk", "size=2m");
  if (!disk.mounted()) return;
  const Error error = refused_store(disk.path() + "/data");
  CHECK(error.kind == ErrorKind::kNoSpace);
  CHECK(names_in(disk.path()).empty());
}

TEST_CASE("a read-only file system is named as such", "[storage]") {
  Scratch scratch;
  const std::string path = scratch.path() + "/disk";
  fs::create_directory(path);
  if (::mount("tmpfs", path.c_str(), "tmpfs", MS_RDONLY, "size=8m") != 0) return;
  for (const std::string& data : {path, path + "/data"}) {
    const Error error = refused_store(data);
    CHECK(error.kind == ErrorKind::kDenied);
    CHECK(error.message.find("read-only") != std::string::npos);
  }
  ::umount2(path.c_str(), MNT_DETACH);
}

TEST_CASE("a full disk refuses mail, keeps what it has, and lets mail be deleted", "[storage]") {
  Scratch scratch;
  SmallDisk disk(scratch.path() + "/disk", "size=16m");
  if (!disk.mounted()) return;
  const std::string data = disk.path() + "/data";
  const std::string anna = "anna@example.org";
  auto store = store_with(data, {anna});
  const std::string body(200, 'y');
  std::vector<Delivery> batch;
  for (int i = 0; i < 300; ++i) batch.push_back(message(*store, {anna}, "A: 1\r\n\r\n" + body + "\r\n"));
  for (const auto& result : store->deliver(batch)) REQUIRE(result.has_value());
  disk.fill();
  auto refused = deliver(*store, {anna}, "A: 2\r\n\r\n" + std::string(100'000, 'z') + "\r\n");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kNoSpace);
  CHECK(names_in(data + "/mail/example.org/anna/tmp").empty());
  auto all = fetch_all(*store, anna);
  REQUIRE(all.size() == 300);
  std::vector<std::size_t> most;
  for (std::size_t i = 0; i < 299; ++i) most.push_back(i);
  delete_messages(*store, anna, most);
  CHECK(fetch_all(*store, anna).size() == 1);
  fs::remove(disk.path() + "/filler.log");
  REQUIRE(deliver(*store, {anna}, "A: 3\r\n\r\n").has_value());
  CHECK(fs::file_size(data + "/reserve") == 4 << 20);
  store.reset();
  store = open_store(data);
  all = fetch_all(*store, anna);
  REQUIRE(all.size() == 2);
  CHECK(all[1].content == kept(anna, "A: 3\r\n\r\n"));
}

TEST_CASE("migrations run one by one, and only those that are new", "[storage]") {
  Scratch scratch;
  open_store(scratch.data()).reset();
  auto database = Database::open(scratch.data() + "/mailstead.db", DatabaseAccess::kWrite);
  REQUIRE(database.has_value());
  const int newest = schema_migrations().back().version;
  std::vector<Migration> later(schema_migrations().begin(), schema_migrations().end());
  later.push_back(
      {newest + 1, "CREATE TABLE fruit (name TEXT NOT NULL); INSERT INTO fruit VALUES ('plum');"});
  later.push_back({newest + 2, "ALTER TABLE fruit ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';"});
  REQUIRE(migrate(**database, later).has_value());
  CHECK(schema_version(**database).value() == newest + 2);
  REQUIRE(migrate(**database, later).has_value());
  later.push_back({newest + 3, "CREATE TABLE half (x INTEGER); INSERT INTO nowhere VALUES (1);"});
  CHECK_FALSE(migrate(**database, later).has_value());
  CHECK(schema_version(**database).value() == newest + 2);
  auto fruit = (*database)->query("SELECT colour FROM fruit");
  REQUIRE(fruit.has_value());
  CHECK(fruit->step().value());
  CHECK(fruit->text(0) == "blue");
  CHECK_FALSE((*database)->query("SELECT x FROM half").has_value());
}

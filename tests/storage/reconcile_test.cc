#include "storage/look/reconcile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "storage/files.h"
#include "storage/mailbox/message_id.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;
namespace fs = std::filesystem;

namespace {

std::string box_of(const Scratch& scratch) {
  return scratch.data() + "/mail/example.org/anna/";
}

}  // namespace

TEST_CASE("a file dropped into new/ is imported at the next login, with CRLF line ends", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  CHECK(fetch_all(*store, kAnna).size() == 1);
  write_file(box_of(scratch) + "new/letter.eml", "From: x\nTo: y\n\n.dot\nlone\rcr\nno end");
  write_file(box_of(scratch) + "cur/1234.M5P6.host:2,FS", "B: 1\r\n\r\nfine\r\n");
  write_file(box_of(scratch) + "new/empty", "");
  auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 4);
  std::vector<std::string> contents;
  for (const Fetched& message : all) {
    contents.push_back(message.content);
    CHECK(is_message_id(message.uidl));
  }
  CHECK(std::count(contents.begin(), contents.end(),
                   "From: x\r\nTo: y\r\n\r\n.dot\r\nlone\r\ncr\r\nno end\r\n") == 1);
  CHECK(std::count(contents.begin(), contents.end(), "B: 1\r\n\r\nfine\r\n") == 1);
  CHECK(std::count(contents.begin(), contents.end(), "") == 1);
  CHECK(names_in(box_of(scratch) + "tmp").empty());
  REQUIRE(names_in(box_of(scratch) + "cur").size() == 1);
  CHECK(names_in(box_of(scratch) + "cur")[0].ends_with(":2,FS"));
  for (const std::string& name : names_in(box_of(scratch) + "new"))
    CHECK(parse_message_name(name).has_value());
  // Nothing is taken in twice, and the UIDLs stay.
  auto again = fetch_all(*store, kAnna);
  REQUIRE(again.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(again[i].uidl == all[i].uidl);
  store.reset();
  store = open_store(scratch.data());
  again = fetch_all(*store, kAnna);
  REQUIRE(again.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(again[i].uidl == all[i].uidl);
}

TEST_CASE("a file of ours without a row keeps its name as UIDL", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  write_file(box_of(scratch) + "new/1700000000.0123456789abcde.other-host", "A: 1\r\n\r\nx\r\n");
  write_file(box_of(scratch) + "cur/1700000001.0123456789abcdf.other-host:2,S", "A: 2\n\n.x\n");
  auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 2);
  CHECK(all[0].uidl == "0123456789abcde");
  CHECK(all[1].uidl == "0123456789abcdf");
  CHECK(all[1].content == "A: 2\r\n\r\n.x\r\n");
}

TEST_CASE("two files with one UIDL are two messages, the second under a new one", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  write_file(box_of(scratch) + "new/1700000000.0123456789abcde.one", "A: 1\r\n\r\n");
  write_file(box_of(scratch) + "new/1700000000.0123456789abcde.two", "A: 2\r\n\r\n");
  write_file(box_of(scratch) + "cur/1700000000.0123456789abcde.one:2,S", "A: 3\r\n\r\n");
  auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 3);
  CHECK(all[0].uidl != all[1].uidl);
  CHECK(all[1].uidl != all[2].uidl);
  CHECK(all[0].uidl != all[2].uidl);
  CHECK(fetch_all(*store, kAnna).size() == 3);
}

TEST_CASE("one file under two names is one message", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const std::string name = names_in(box_of(scratch) + "new")[0];
  fs::create_hard_link(box_of(scratch) + "new/" + name, box_of(scratch) + "cur/" + name + ":2,S");
  CHECK(fetch_all(*store, kAnna).size() == 1);
  CHECK(names_in(box_of(scratch) + "new").size() == 1);
  CHECK(names_in(box_of(scratch) + "cur").size() == 1);
}

TEST_CASE("links, pipes and folders in new/ are left alone", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  write_file(scratch.path() + "/secret", "S: 1\r\n\r\n");
  fs::create_symlink(scratch.path() + "/secret", box_of(scratch) + "new/1700000000.0123456789abcde.host");
  REQUIRE(::mkfifo((box_of(scratch) + "new/pipe").c_str(), 0600) == 0);
  fs::create_directory(box_of(scratch) + "new/folder");
  write_file(box_of(scratch) + "new/.hidden", "A: 1\r\n\r\n");
  CHECK(fetch_all(*store, kAnna).empty());
  store.reset();
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "left mail/example.org/anna/new/pipe alone"));
  CHECK(names_in(box_of(scratch) + "new").size() == 4);
  CHECK(read_file(scratch.path() + "/secret") == "S: 1\r\n\r\n");
}

TEST_CASE("a maildir that is a link out of the data folder is not followed", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  const std::string outside = scratch.path() + "/outside";
  fs::create_directory(outside);
  const char* replaced = GENERATE("new", "tmp", "");
  const std::string victim = box_of(scratch) + replaced;
  fs::remove_all(victim);
  fs::create_directory_symlink(
      outside, std::string_view(replaced).empty() ? victim.substr(0, victim.size() - 1) : victim);
  std::vector<Delivery> batch;
  batch.push_back(message(*store, {kAnna}, "A: 1\r\n\r\n"));
  batch.push_back(message(*store, {"bert@example.org"}, "A: 2\r\n\r\n"));
  for (const auto& delivered : store->deliver(batch)) CHECK(delivered.has_value());
  CHECK_FALSE(file_mail(*store).has_value());
  CHECK(names_in(outside).empty());
  CHECK(store->unfiled() == 1);
  // Now it is known.
  CHECK_FALSE(deliver_unfiled(*store, {kAnna}, "A: 3\r\n\r\n").has_value());
  CHECK(deliver_unfiled(*store, {"bert@example.org"}, "A: 4\r\n\r\n").has_value());
  CHECK(names_in(outside).empty());
  CHECK_FALSE(store->open_maildrop(id_of(*store, kAnna)).has_value());
  store.reset();
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "could not check anna@example.org"));
  CHECK(fetch_all(*store, "bert@example.org").size() == 2);
  CHECK(names_in(outside).empty());
  // Removing the mailbox removes the link, not what it leads to.
  write_file(outside + "/precious", "x");
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  CHECK_FALSE(store->sweep_removed(1'000).value());
  CHECK(read_file(outside + "/precious") == "x");
  CHECK(names_in(scratch.data() + "/mail/example.org") == std::vector<std::string>{"bert"});
}

TEST_CASE("a file whose rights are put right later is imported at the next login", "[storage]") {
  if (::geteuid() == 0) return;
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  write_file(box_of(scratch) + "new/closed", "A: 1\r\n\r\n");
  REQUIRE(::chmod((box_of(scratch) + "new/closed").c_str(), 0) == 0);
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(fetch_all(*store, kAnna).empty());
  REQUIRE(::chmod((box_of(scratch) + "new/closed").c_str(), 0600) == 0);
  CHECK(fetch_all(*store, kAnna).size() == 1);
}

TEST_CASE("a login after a delivery of ours does not read the folder", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const std::string inbox = box_of(scratch) + "new";
  // A scan right after a change is not trusted: another change could have the same time.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fetch_all(*store, kAnna);
  REQUIRE(deliver(*store, {kAnna}, "A: 2\r\n\r\n").has_value());
  // A foreign file behind a time that does not tell of it is what a scan would find and the index cannot.
  const auto time = fs::last_write_time(inbox);
  write_file(inbox + "/foreign", "A: 3\r\n\r\n");
  fs::last_write_time(inbox, time);
  CHECK(fetch_all(*store, kAnna).size() == 2);
  delete_messages(*store, kAnna, {0});
  write_file(inbox + "/another", "A: 4\r\n\r\n");
  CHECK(fetch_all(*store, kAnna).size() == 3);
}

TEST_CASE("a great many foreign files are imported a slice at a time, the oldest first", "[storage]") {
  constexpr std::size_t kMany = 500;
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  static_cast<void>(store->take_notices());
  const auto content = [](std::size_t i) { return "N: " + std::to_string(i) + "\n\nbody\n"; };
  for (std::size_t i = 0; i < kMany; ++i) {
    // Names in another order than times.
    const std::string path = box_of(scratch) + "new/" + std::to_string(kMany - i);
    write_file(path, content(i));
    const struct timespec time = {1'700'000'000 + static_cast<time_t>(i), 0};
    const struct timespec times[2] = {time, time};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }
  // What cannot be taken in stands in nobody's way.
  REQUIRE(::mkfifo((box_of(scratch) + "new/pipe").c_str(), 0600) == 0);

  SECTION("after a login") {
    const auto first = fetch_all(*store, kAnna);
    CHECK(first.size() == kImportSlice);
  }
  SECTION("after a start") {
    store.reset();
    RecoveryReport report;
    store = open_store(scratch.data(), &report);
    CHECK(mentions(report, "imported 192 files in anna@example.org"));
    CHECK(mentions(report, "309 files in anna@example.org wait to be imported"));
    CHECK(report.unfinished == std::vector<MailboxId>{id_of(*store, kAnna)});
  }
  CHECK(store->files_wait());
  std::size_t calls = 1;
  while (store->take_in_files(100).value()) ++calls;
  CHECK(calls <= 7);  // after a start four that sort 309 files by their age, the last of which imports
  CHECK_FALSE(store->files_wait());
  const auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == kMany);
  for (std::size_t i = 0; i < kMany; ++i)
    CHECK(all[i].content == "N: " + std::to_string(i) + "\r\n\r\nbody\r\n");
  CHECK(names_in(box_of(scratch) + "tmp").empty());
  CHECK(names_in(box_of(scratch) + "new").size() == kMany + 1);
}

TEST_CASE("what was found in a mailbox is told once", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  static_cast<void>(store->take_notices());
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  fetch_all(*store, kAnna);
  CHECK(store->take_notices().empty());
  write_file(box_of(scratch) + "new/letter", "A: 1\n\n");
  REQUIRE(::mkfifo((box_of(scratch) + "new/pipe").c_str(), 0600) == 0);
  fetch_all(*store, kAnna);
  const auto notices = store->take_notices();
  REQUIRE(notices.size() == 2);
  CHECK(notices[0] == "imported 1 file in anna@example.org");
  CHECK(notices[1].starts_with("left mail/example.org/anna/new/pipe alone: "));
  write_file(box_of(scratch) + "new/another", "A: 1\n\n");
  fetch_all(*store, kAnna);
  CHECK(store->take_notices() == std::vector<std::string>{"imported 1 file in anna@example.org"});
}

TEST_CASE("an import stops at a full disk and is finished when there is room", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (int i = 0; i < 3; ++i) write_file(box_of(scratch) + "new/" + std::to_string(i), "A: 1\n\n");
  static int creations;
  creations = 0;
  set_disk_hook([](const char* operation) {
    return std::string_view(operation) == "create" && ++creations > 1 ? ENOSPC : 0;
  });
  const auto some = fetch_all(*store, kAnna);
  set_disk_hook(nullptr);
  CHECK(some.size() == 1);
  CHECK_FALSE(store->files_wait());  // nobody turns in circles
  CHECK(names_in(box_of(scratch) + "tmp").empty());
  CHECK(fetch_all(*store, kAnna).size() == 3);
}

TEST_CASE("a file that somebody is still writing is left alone until it is whole", "[storage]") {
  const std::string end = GENERATE("\n", "\r\n");
  const std::string folder = GENERATE("new/letter", "new/1700000000.0123456789abcde.other-host");
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  static_cast<void>(store->take_notices());
  std::ofstream writer(box_of(scratch) + folder, std::ios::binary);
  writer << "A: 1" << end << end << "first half" << end << std::flush;
  CHECK(fetch_all(*store, kAnna).empty());
  writer << "second half" << end << std::flush;
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(store->take_notices().empty());
  writer.close();
  const auto all = fetch_all(*store, kAnna);
  REQUIRE(all.size() == 1);
  CHECK(all[0].content == "A: 1\r\n\r\nfirst half\r\nsecond half\r\n");
}

TEST_CASE("a missing file that comes back in another form is put right", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const auto before = fetch_all(*store, kAnna);
  const std::string path = box_of(scratch) + "new/" + names_in(box_of(scratch) + "new")[0];
  fs::remove(path);
  CHECK(fetch_all(*store, kAnna).empty());
  write_file(path, "A: 2\n\n.changed\n");
  const auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 1);
  CHECK(after[0].uidl == before[0].uidl);
  CHECK(after[0].content == "A: 2\r\n\r\n.changed\r\n");
}

TEST_CASE("a file that was changed under its name is refused once, and then shown as it is", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const std::string path = box_of(scratch) + "new/" + names_in(box_of(scratch) + "new")[0];
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    REQUIRE(maildrop.has_value());
    write_file(path, "A: 2\n\nchanged\n");
    const auto opened = store->open_message(**maildrop, 0);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == ErrorKind::kCorrupt);
  }
  const auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 1);
  CHECK(after[0].content == "A: 2\r\n\r\nchanged\r\n");
}

TEST_CASE("what is no file any more is refused like a changed one, and then no message", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const auto replace : {+[](const fs::path& path) { fs::create_symlink("/etc/hostname", path); },
                             +[](const fs::path& path) { fs::create_directory(path); },
                             +[](const fs::path& path) { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }}) {
    REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
    REQUIRE(fetch_all(*store, kAnna).size() == 1);
    {
      auto maildrop = store->open_maildrop(id_of(*store, kAnna));
      REQUIRE(maildrop.has_value());
      const fs::path path = box_of(scratch) + "new/" + names_in(box_of(scratch) + "new")[0];
      fs::remove(path);
      replace(path);
      const auto opened = store->open_message(**maildrop, 0);
      REQUIRE_FALSE(opened.has_value());
      CHECK(opened.error().kind == ErrorKind::kCorrupt);
    }
    CHECK(fetch_all(*store, kAnna).empty());
    fs::remove(box_of(scratch) + "new/" + names_in(box_of(scratch) + "new")[0]);
  }
}

TEST_CASE("deleting a renamed message leaves another file of its base name alone", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  const std::string name = names_in(box_of(scratch) + "new")[0];
  const MailboxId anna = id_of(*store, kAnna);
  {
    auto maildrop = store->open_maildrop(anna);
    REQUIRE(maildrop.has_value());
    const std::vector<std::size_t> first{0};
    REQUIRE(store->commit_deletes(**maildrop, first).has_value());
  }
  fs::rename(box_of(scratch) + "new/" + name, box_of(scratch) + "cur/" + name + ":2,D");
  fs::create_hard_link(box_of(scratch) + "cur/" + name + ":2,D", box_of(scratch) + "cur/" + name + ":2,DS");
  write_file(box_of(scratch) + "cur/" + name + ":2,S", "B: 1\r\n\r\n");
  CHECK(store->purge_deleted(anna, 100).value() == 0);
  CHECK(names_in(box_of(scratch) + "cur") == std::vector<std::string>{name + ":2,S"});
}

TEST_CASE("a file older than Unix keeps its UIDL when the index is lost", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string path = box_of(scratch) + "new/ancient";
  write_file(path, "A: 1\r\n\r\n");
  const struct timespec times[2] = {{-5, 0}, {-5, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  const auto before = fetch_all(*store, kAnna);
  REQUIRE(before.size() == 1);
  store.reset();
  fs::remove(scratch.data() + "/mailstead.db");
  store = open_store(scratch.data());
  const auto after = fetch_all(*store, kAnna);
  REQUIRE(after.size() == 1);
  CHECK(after[0].uidl == before[0].uidl);
}

TEST_CASE("a slice of an import ends at many octets, too", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string large = "A: 1\n\n" + std::string(20 << 20, 'x') + "\n";
  for (const char* name : {"new/1", "new/2", "new/3"}) write_file(box_of(scratch) + name, large);
  CHECK(store->open_maildrop(id_of(*store, kAnna)).value()->totals().messages == 2);
  CHECK(store->files_wait());
  CHECK_FALSE(store->take_in_files(100).value());
  CHECK(store->open_maildrop(id_of(*store, kAnna)).value()->totals().messages == 3);
}

TEST_CASE("a mailbox in disorder is told of, and holds up nobody's import", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org", "carl@example.org"});
  const std::string domain = scratch.data() + "/mail/example.org/";
  for (const char* user : {"anna", "bert", "carl"}) {
    for (int i = 0; i < 200; ++i) write_file(domain + user + "/new/" + std::to_string(i), "A: 1\r\n\r\n");
    fetch_all(*store, user + std::string("@example.org"));
  }
  static_cast<void>(store->take_notices());
  fs::rename(domain + "bert", domain + "bert.away");
  while (store->take_in_files(100).value()) {
  }
  CHECK(fetch_all(*store, kAnna).size() == 200);
  CHECK(fetch_all(*store, "carl@example.org").size() == 200);
  bool told = false;
  for (const std::string& notice : store->take_notices())
    told |= notice.find("mail/example.org/bert: ") != std::string::npos;
  CHECK(told);
}

TEST_CASE("an import that cannot be written down is told of", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  static_cast<void>(store->take_notices());
  write_file(box_of(scratch) + "new/letter", "A: 1\r\n\r\n");
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "commit" ? ENOSPC : 0; });
  CHECK(fetch_all(*store, kAnna).empty());
  set_disk_hook(nullptr);
  CHECK(store->take_notices().size() == 1);
  CHECK(fetch_all(*store, kAnna).size() == 1);
}

TEST_CASE("a session reads on when the mailbox's folder was put back from a copy", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const char* content : {"A: 1\r\n\r\n", "A: 2\r\n\r\n"})
    REQUIRE(deliver(*store, {kAnna}, content).has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  REQUIRE(maildrop.has_value());
  CHECK(read_message(*store, **maildrop, 0) == kept(kAnna, "A: 1\r\n\r\n"));
  const std::string folder = scratch.data() + "/mail/example.org/anna";
  fs::copy(folder, folder + ".copy", fs::copy_options::recursive);
  fs::remove_all(folder);
  fs::rename(folder + ".copy", folder);
  CHECK(read_message(*store, **maildrop, 1) == kept(kAnna, "A: 2\r\n\r\n"));
  CHECK(read_message(*store, **maildrop, 0) == kept(kAnna, "A: 1\r\n\r\n"));
}

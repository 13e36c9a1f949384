// The journal's files: what is appended, found again, and cut short.
#include "storage/delivery/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "crash.h"
#include "storage/files.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

class JournalFolder {
 public:
  JournalFolder() {
    REQUIRE(std::filesystem::create_directory(path()));
    folder_ = FileHandle(::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  std::string path() const { return scratch_.path() + "/journal"; }
  std::unique_ptr<Journal> open(JournalPosition dealt_with = {}) {
    return Journal::open(folder_.fd(), dealt_with).value();
  }
  int fd() const { return folder_.fd(); }

 private:
  Scratch scratch_;
  FileHandle folder_;
};

JournalPosition append_to(Journal& journal, const std::vector<std::string>& records) {
  auto done = journal.append(records);
  REQUIRE(done.has_value());
  REQUIRE(done->places.size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    CHECK(journal.read(done->places[i], records[i].size(), content_hash(records[i])).value() == records[i]);
  return done->end;
}

std::vector<std::string> records_of(Journal& journal, JournalPosition dealt_with = {}) {
  std::vector<std::string> records;
  const auto done = journal.replay(dealt_with, [&](const Journal::Record& record) -> Result<void> {
    records.emplace_back(record.octets);
    CHECK(journal.read(record.place, record.octets.size(), content_hash(record.octets)).value() ==
          record.octets);
    return {};
  });
  REQUIRE(done.has_value());
  return records;
}

using Records = std::vector<std::string>;

}  // namespace

TEST_CASE("what was appended is found again, from a position on", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  CHECK(records_of(*journal).empty());
  const auto first = append_to(*journal, {"one", ""});
  const auto second = append_to(*journal, {std::string(100'000, 'x')});
  append_to(*journal, {"four"});
  CHECK(first < second);
  journal = place.open(first);
  CHECK(records_of(*journal) == Records{"one", "", std::string(100'000, 'x'), "four"});
  CHECK(records_of(*journal, first) == Records{std::string(100'000, 'x'), "four"});
  CHECK(records_of(*journal, second) == Records{"four"});
  CHECK(JournalPosition::of_text(second.text()) == second);
  CHECK(JournalPosition::of_text("12") == JournalPosition{});
  CHECK(JournalPosition::of_text("12:x") == JournalPosition{});
  // A start goes on elsewhere: what it finds stays as it is.
  const auto third = append_to(*journal, {"five"});
  CHECK(second < third);
  CHECK(records_of(*place.open(), second) == Records{"four", "five"});
}

TEST_CASE("an append that was cut anywhere counts as far as it is whole", "[storage][journal]") {
  JournalFolder place;
  std::vector<std::uint64_t> ends;
  std::uint64_t lap = 0;
  {
    auto journal = place.open();
    for (const auto* record : {"one", "two two", "three"}) {
      const auto end = append_to(*journal, {record});
      ends.push_back(end.at);
      lap = end.lap;
    }
  }
  const std::string whole = read_file(place.path() + "/1");
  REQUIRE(whole.size() == ends.back());
  for (std::size_t octets = 0; octets <= whole.size(); ++octets) {
    for (const bool zeros : {false, true}) {
      std::string cut = whole.substr(0, octets);
      if (zeros) cut.resize(whole.size() + 100);  // its length came to the disk before it did
      write_file(place.path() + "/1", cut);
      std::size_t expected = 0;
      while (expected < ends.size() && ends[expected] <= octets) ++expected;
      CHECK(records_of(*place.open()).size() == expected);
    }
  }
  for (std::size_t octet = 0; octet < whole.size(); ++octet) {
    std::string changed = whole;
    changed[octet] = static_cast<char>(changed[octet] ^ 1);
    write_file(place.path() + "/1", changed);
    // Without the mark of its first head nobody knows which records are of its time, unless it is noted.
    const std::size_t expected = octet < 16 ? 0 : ends.size() - 1;
    auto journal = place.open();
    CHECK(records_of(*journal).size() == expected);
    const bool is_last = octet >= ends[ends.size() - 2];
    const bool is_lap = octet >= 8 && octet < 16;  // as if the first append had been cut
    CHECK(journal->damage().empty() == (is_last || is_lap));
    const JournalPosition noted{lap, octet < ends[0] ? ends[0] : 0};
    CHECK(records_of(*place.open(noted), noted).size() == ends.size() - 1);
  }
}

TEST_CASE("what is damaged in the journal costs only itself, and is told", "[storage][journal]") {
  JournalFolder place;
  const std::string large(3u << 20, 'x');  // a piece that is read holds no two
  std::vector<JournalPosition> ends;
  {
    auto journal = place.open();
    for (const std::string& record : {std::string("one"), large, large, large, std::string("five")})
      ends.push_back(append_to(*journal, {record}));
  }
  std::string whole = read_file(place.path() + "/1");
  const auto damage_at = [&](std::uint64_t octet) { whole[static_cast<std::size_t>(octet)] ^= 1; };
  damage_at(ends[0].at + Journal::kHeadOctets + 1'000'000);
  damage_at(ends[2].at + 20);  // a head
  write_file(place.path() + "/1", whole);
  auto journal = place.open();
  CHECK(records_of(*journal) == Records{"one", large, "five"});
  REQUIRE(journal->damage().size() == 1);
  CHECK(journal->damage().at(1).unknown == 2 * (Journal::kHeadOctets + large.size()));
  CHECK(journal->damage().at(1).unreadable == 0);
  // Nor does it matter how the file begins to him who has dealt with that.
  damage_at(0);
  write_file(place.path() + "/1", whole);
  CHECK(records_of(*place.open(ends[1]), ends[1]) == Records{large, "five"});
  CHECK(records_of(*place.open(ends[4]), ends[4]).empty());
}

TEST_CASE("a message that holds a record is none", "[storage][journal]") {
  JournalFolder other;
  append_to(*other.open(), {"forged"});
  const std::string forged = read_file(other.path() + "/1");
  JournalFolder place;
  append_to(*place.open(), {"head", forged + forged, "end"});
  std::string whole = read_file(place.path() + "/1");
  whole[2 * Journal::kHeadOctets + 4 + forged.size() - 1] ^= 1;
  write_file(place.path() + "/1", whole);
  CHECK(records_of(*place.open()) == Records{"head", "end"});
}

TEST_CASE("a file that was reclaimed holds nothing, whatever a message in it says", "[storage][journal]") {
  JournalFolder place;
  OctetWriter forged;
  JournalRecords::write(forged, 0, "forged");
  auto journal = place.open();
  append_to(*journal, {"x" + forged.octets()});
  journal->release(1);
  journal->reclaim();
  CHECK(records_of(*place.open()).empty());
  // Nor does one that begins so.
  write_file(place.path() + "/1", forged.octets() + forged.octets());
  CHECK(records_of(*place.open()).empty());
}

TEST_CASE("what the disk cannot read of the journal costs only itself, and its file is kept",
          "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  append_to(*journal, {std::string(70'000, 'x')});
  const auto end = append_to(*journal, {"two", "three"});
  for (int i = 0; i < 3; ++i) journal->release(1);
  journal = place.open();
  const std::string whole = read_file(place.path() + "/1");
  // Behind the journal's descriptor there is our memory now: of its first 64 KiB nothing can be read.
  constexpr std::size_t kReadable = 0x10000;
  void* const rest = ::mmap(reinterpret_cast<void*>(kReadable), whole.size() - kReadable,
                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  REQUIRE(rest == reinterpret_cast<void*>(kReadable));
  std::memcpy(rest, whole.data() + kReadable, whole.size() - kReadable);
  const FileHandle memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  REQUIRE(memory.is_open());
  int found = 0;
  int descriptor = -1;
  FileHandle itself;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) != place.path() + "/1") continue;
    descriptor = std::stoi(entry.path().filename());
    itself = FileHandle(::dup(descriptor));
    REQUIRE(::dup2(memory.fd(), descriptor) >= 0);
    ++found;
  }
  REQUIRE(found == 1);
  std::vector<std::string> records;
  const auto done = journal->replay({}, [&](const Journal::Record& record) -> Result<void> {
    records.emplace_back(record.octets);
    CHECK((record.octets != "three" || record.end == end));
    return {};
  });
  ::munmap(rest, whole.size() - kReadable);
  REQUIRE(::dup2(itself.fd(), descriptor) >= 0);
  CHECK(done.has_value());
  CHECK(records == Records{"two", "three"});
  CHECK(journal->damage().at(1).unreadable == kReadable);
  append_to(*journal, {"new"});
  CHECK(names_in(place.path()).size() == 2);
  journal->reclaim();
  const auto names = names_in(place.path());
  REQUIRE(names.size() == 2);
  CHECK(names.back() == "2");
  CHECK(names.front().starts_with("1.damaged-"));
  CHECK(records_of(*place.open()) == Records{"new"});
}

TEST_CASE("a file that nobody holds is used anew, and what it held before is not found in it",
          "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const auto old = append_to(*journal, {"old one", "old two", "old three"});
  journal->hold(1);
  for (int i = 0; i < 3; ++i) journal->release(1);
  CHECK_FALSE(journal->has_free());
  journal->reclaim();
  CHECK(records_of(*place.open()).size() == 3);
  journal->release(1);
  CHECK(journal->has_free());
  append_to(*journal, {"more"});  // until reclaim() it goes on
  journal->release(1);
  journal->reclaim();
  CHECK_FALSE(journal->has_free());
  // As long as the old one was: what lies behind it could be taken for its successor.
  const auto now = append_to(*journal, {"new one"});
  CHECK(old < now);
  CHECK(names_in(place.path()).size() == 1);
  CHECK(records_of(*place.open()) == Records{"new one"});
  CHECK(records_of(*place.open(), old) == Records{"new one"});
  CHECK(records_of(*place.open(), now).empty());
}

TEST_CASE("a journal that was lost goes on behind the position that is noted", "[storage][journal]") {
  JournalFolder place;
  const JournalPosition noted{7, 1234};
  auto journal = place.open(noted);
  CHECK(noted < append_to(*journal, {"x"}));
  CHECK(records_of(*place.open(noted), noted) == Records{"x"});
}

TEST_CASE("a full file is followed by another, and goes when nobody holds it", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const std::string large(Journal::kFileOctets / 3, 'x');
  for (int i = 0; i < 6; ++i) append_to(*journal, {large});
  CHECK(journal->files() == 3);
  CHECK(records_of(*place.open()).size() == 6);
  for (const std::uint32_t file : {1U, 1U, 2U, 2U}) journal->release(file);
  journal->reclaim();
  CHECK(names_in(place.path()).size() == 2);  // one is kept to be used anew
  append_to(*journal, {large});
  append_to(*journal, {large});
  CHECK(names_in(place.path()).size() == 2);
  CHECK(records_of(*place.open()).size() == 4);
  for (int i = 0; i < 2; ++i) journal->release(3);
  journal->reclaim(Journal::Keep::kNone);
  CHECK(names_in(place.path()) == std::vector<std::string>{"1"});
}

TEST_CASE("of an append that fails nothing counts, and nothing follows in its file", "[storage][journal]") {
  const int error_number = GENERATE(EIO, ENOSPC);
  const bool is_first = GENERATE(true, false);
  at_each_fault([&](int n) {
    bool happened = false;
    JournalFolder place;
    auto journal = place.open();
    if (!is_first) append_to(*journal, {"before"});
    {
      DiskFault fault(n, error_number);
      const bool done = journal->append(Records{"lost", "too"}).has_value();
      happened = fault.happened();
      CHECK(done == !happened);
    }
    append_to(*journal, {"behind"});
    auto records = records_of(*place.open());
    if (happened)
      std::erase_if(records, [](const std::string& each) { return each == "lost" || each == "too"; });
    CHECK(std::erase(records, "before") == (is_first ? 0 : 1));
    CHECK(records.back() == "behind");
    CHECK(records.size() == (happened ? 1 : 3));
    return happened;
  });
}

TEST_CASE("appends that fail leave no files behind", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const bool writes = GENERATE(true, false);
  if (writes) {
    set_disk_hook([](const char* operation) { return std::string_view(operation) == "write" ? ENOSPC : 0; });
  } else {
    set_disk_hook([](const char* operation) { return std::string_view(operation) == "sync" ? EIO : 0; });
  }
  for (int i = 0; i < 10; ++i) CHECK_FALSE(journal->append(Records{"x"}).has_value());
  set_disk_hook(nullptr);
  CHECK(names_in(place.path()).empty());
  CHECK(journal->files() == 0);
  append_to(*journal, {"one"});
  CHECK(records_of(*place.open()) == Records{"one"});
}

TEST_CASE("the number of a file that is asked for and is not there is not given again",
          "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  journal->hold(1);
  append_to(*journal, {"one"});
  CHECK(names_in(place.path()) == std::vector<std::string>{"2"});
  CHECK(journal->read({1, 0}, 1, {}).error().kind == ErrorKind::kNotFound);
  journal->release(1);
  CHECK_FALSE(journal->has_free());
  append_to(*journal, {"two"});
  journal->reclaim();
  CHECK(journal->files() == 1);
}

TEST_CASE("a file that somebody has removed is read for as long as it is open, and takes no more",
          "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const auto first = journal->append(Records{"one"});
  REQUIRE(first.has_value());
  const JournalPlace old = first->places.front();
  CHECK(journal->will_be_found(old.file));
  const std::string path = place.path() + "/" + std::to_string(old.file);
  const auto how = GENERATE(as<std::string>(), "removed", "moved", "replaced");
  INFO(how);
  if (how == "removed") {
    REQUIRE(std::filesystem::remove(path));
  } else {
    std::filesystem::rename(path, place.path() + "/elsewhere");
    if (how == "replaced") write_file(path, "another");
  }
  CHECK_FALSE(journal->will_be_found(old.file));
  CHECK(journal->read(old, 3, content_hash("one")).value() == "one");

  const auto second = journal->append(Records{"two"});
  REQUIRE(second.has_value());
  CHECK(second->places.front().file != old.file);
  if (how != "replaced") CHECK(records_of(*place.open()) == Records{"two"});
  CHECK(journal->read(old, 3, content_hash("one")).value() == "one");
  journal->release(old.file);
  journal->reclaim();
  CHECK(journal->files() == 1);
  // Nor is one used anew that was removed while nobody needed it.
  journal->release(second->places.front().file);
  journal->reclaim();
  REQUIRE(std::filesystem::remove(place.path() + "/" + std::to_string(second->places.front().file)));
  append_to(*journal, {"three"});
  if (how != "replaced") CHECK(records_of(*place.open()) == Records{"three"});
}

TEST_CASE("files that somebody has put into the journal are in nobody's way", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  for (const auto* name : {"1", "2"}) write_file(place.path() + "/" + name, "mine");
  append_to(*journal, {"one"});
  CHECK(names_in(place.path()).size() == 3);
  CHECK(read_file(place.path() + "/1") == "mine");
}

TEST_CASE("a journal whose folder is gone says so", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  append_to(*journal, {"one"});
  CHECK(journal->is_usable());
  std::filesystem::remove_all(place.path());
  CHECK_FALSE(journal->is_usable());
  CHECK_FALSE(journal->append(Records{"two"}).has_value());
}

TEST_CASE("a file of which something is read that did not come so is kept", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const auto appended = journal->append(Records{"one", "two"});
  REQUIRE(appended.has_value());
  const JournalPlace first = appended->places.front();
  const std::string path = place.path() + "/" + std::to_string(first.file);
  std::string bytes = read_file(path);
  bytes[first.at] = '!';
  write_file(path, bytes);
  CHECK(journal->read(first, 3, content_hash("one")).error().kind == ErrorKind::kCorrupt);
  CHECK(journal->read_whatever(first, 3).value() == "!ne");
  CHECK(journal->read_whatever({9, 0}, 3).error().kind == ErrorKind::kNotFound);
  for (int i = 0; i < 2; ++i) journal->release(first.file);
  journal->reclaim();
  const auto names = names_in(place.path());
  REQUIRE(names.size() == 1);
  CHECK(names.front().find(".damaged-") != std::string::npos);
  append_to(*journal, {"three"});
}

TEST_CASE("another process reads the journal by its place", "[storage][journal]") {
  JournalFolder place;
  auto journal = place.open();
  const auto appended = journal->append(Records{"one", "two"});
  CHECK(read_journal(place.fd(), appended->places[1], 3, content_hash("two")).value() == "two");
  CHECK(read_journal(place.fd(), appended->places[1], 4, content_hash("two")).error().kind ==
        ErrorKind::kCorrupt);
  CHECK(read_journal(place.fd(), appended->places[0], 3, content_hash("two")).error().kind ==
        ErrorKind::kCorrupt);
  CHECK(read_journal(place.fd(), {9, 0}, 3, {}).error().kind == ErrorKind::kNotFound);
  CHECK(journal->read({9, 0}, 3, {}).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("what else lies in the journal's folder is left alone", "[storage][journal]") {
  JournalFolder place;
  for (const auto* name : {"0", "01", "x", "1x", "notes.txt"}) write_file(place.path() + "/" + name, "mine");
  auto journal = place.open();
  append_to(*journal, {"one"});
  journal->release(1);
  journal->reclaim();
  CHECK(names_in(place.path()).size() == 6);
}

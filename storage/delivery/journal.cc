#include "storage/delivery/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "storage/delivery/journal_records.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::uint32_t kMostStrangers = 1000;  // files of such names that are not ours
constexpr std::size_t kFirstPiece = 64u << 10;  // of a file of which only the first record is read

// A lap is nobody's guess: no message can hold a record that would count.
std::uint64_t unknown_step() {
  std::uint32_t random = 0;
  RAND_bytes(reinterpret_cast<std::uint8_t*>(&random), sizeof(random));
  return std::uint64_t{random} + 1;
}

std::optional<std::uint32_t> file_number(std::string_view name) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return std::nullopt;
  return std::to_string(number) == name ? std::optional(number) : std::nullopt;
}

std::string aside_name(const std::string& name) {
  return fmt::format("{}.damaged-{}", name, unix_seconds());
}

// Nobody is to get another's mail, whatever happened to the journal.
Result<std::string> read_checked(int fd, JournalPlace place, std::size_t octets, const ContentHash& hash) {
  std::string bytes;
  if (auto done = read_some(fd, place.at, octets, bytes); !done) return in_folder("journal", done.error());
  if (bytes.size() == octets && content_hash(bytes) == hash) return bytes;
  return Error{ErrorKind::kCorrupt,
               fmt::format("journal/{} does not hold the message as it came", place.file)};
}

}  // namespace

std::string JournalPosition::text() const {
  return fmt::format("{}:{}", lap, at);
}

JournalPosition JournalPosition::of_text(std::string_view text) {
  JournalPosition position;
  const char* end = text.data() + text.size();
  const auto [colon, error] = std::from_chars(text.data(), end, position.lap);
  if (error != std::errc() || colon == end || *colon != ':') return {};
  const auto [last, wrong] = std::from_chars(colon + 1, end, position.at);
  return wrong == std::errc() && last == end ? position : JournalPosition{};
}

Result<std::string> read_journal(int folder, JournalPlace place, std::size_t octets,
                                 const ContentHash& hash) {
  auto file = open_file(folder, std::to_string(place.file));
  if (!file) return in_folder("journal", file.error());
  return read_checked(file->fd(), place, octets, hash);
}

Result<std::unique_ptr<Journal>> Journal::open(int folder, JournalPosition dealt_with) {
  std::unique_ptr<Journal> journal(new Journal(folder));
  journal->lap_ = dealt_with.lap;
  auto names = list_folder(folder);
  if (!names) return in_folder("journal", names.error());
  for (const std::string& name : *names) {
    const auto number = file_number(name);
    if (!number) continue;
    FileHandle handle(::openat(folder, name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!handle.is_open()) return in_folder("journal", system_error(errno, "open", name));
    struct stat facts {};
    if (::fstat(handle.fd(), &facts) != 0) return in_folder("journal", system_error(errno, "look at", name));
    File& file = journal->files_[*number];
    file.handle = std::move(handle);
    file.octets = static_cast<std::uint64_t>(facts.st_size);
    file.end = file.octets;
    if (auto done = journal->learn_lap(*number, file, dealt_with); !done) return done.error();
    if (file.end > 0) {
      auto done = sync_data(file.handle.fd(), name);
      if (!done && done.error().kind != ErrorKind::kIo) return in_folder("journal", done.error());
      if (!done) journal->damage_[*number].is_unwritable = true;
    }
    journal->lap_ = std::max(journal->lap_, file.lap);
  }
  if (!journal->files_.empty()) {
    if (auto done = sync_handle(folder, "the journal"); !done) return done.error();
  }
  return journal;
}

// Its first record tells. Where that is none the file has been reclaimed, or its first append was cut, or it
// is damaged, and what follows tells whether its head was right, or whether it is the file of the position.
Result<void> Journal::learn_lap(std::uint32_t number, File& file, JournalPosition dealt_with) {
  if (file.octets < kHeadOctets) return {};
  JournalRecords first(file.handle.fd(), 0, file.octets, kFirstPiece);
  const auto lap = first.lap();
  if (!lap) return lap.error();
  if (lap->value_or(0) != 0) {
    const auto whole = first.record(**lap);
    if (!whole) return whole.error();
    if (*whole > 0) {
      file.lap = **lap;
      return {};
    }
  }
  const std::string_view head = first.octets().substr(0, kHeadOctets);
  const bool is_blank = first.unreadable() == 0 && head.find_first_not_of('\0') == std::string_view::npos;
  if (first.unreadable() == 0 && head.starts_with(JournalRecords::kNoHead) && !is_blank) return {};
  if (first.unreadable() > 0) damage_[number].unreadable = first.unreadable();
  for (const std::uint64_t candidate : {lap->value_or(0), dealt_with.lap}) {
    if (candidate == 0) continue;  // everybody knows that one
    JournalRecords records(file.handle.fd(), candidate == dealt_with.lap ? dealt_with.at : 0, file.octets);
    const auto found = records.find(candidate);
    if (!found) return found.error();
    if (*found == 0) continue;
    file.lap = candidate;
    return {};
  }
  // Where the head is right, or nothing is there, an append was cut that nobody was told of.
  if (first.unreadable() == 0 && (*lap || is_blank)) return {};
  damage_[number].unknown = file.octets;
  return {};
}

Result<void> Journal::replay(JournalPosition dealt_with,
                             const std::function<Result<void>(const Record&)>& take) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> in_order;
  for (const auto& [number, file] : files_) {
    if (file.lap != 0 && file.lap >= dealt_with.lap) in_order.emplace_back(file.lap, number);
  }
  std::sort(in_order.begin(), in_order.end());
  for (const auto& [lap, number] : in_order) {
    if (auto done = replay_file(number, files_.at(number), dealt_with, take); !done) return done;
  }
  return {};
}

Result<void> Journal::replay_file(std::uint32_t number, const File& file, JournalPosition dealt_with,
                                  const std::function<Result<void>(const Record&)>& take) {
  JournalRecords records(file.handle.fd(), file.lap == dealt_with.lap ? dealt_with.at : 0, file.octets);
  while (true) {
    const std::uint64_t before = records.at();
    auto whole = records.find(file.lap);
    if (!whole) return whole.error();
    if (*whole == 0) break;  // where the last append was cut, it may be
    if (records.at() > before) damage_[number].unknown += records.at() - before;
    const Record record{records.octets().substr(kHeadOctets, *whole - kHeadOctets),
                        {number, records.at() + kHeadOctets},
                        {file.lap, records.at() + *whole}};
    if (auto done = take(record); !done) return done;
    records.skip(*whole);
  }
  if (records.unreadable() > 0)
    damage_[number].unreadable = std::max(damage_[number].unreadable, records.unreadable());
  return {};
}

Result<std::uint32_t> Journal::make_file() {
  std::uint32_t number = files_.empty() ? 1 : files_.rbegin()->first + 1;
  auto handle = create_file(folder_, std::to_string(number));
  // What is there already is somebody else's doing.
  for (std::uint32_t i = 0; i < kMostStrangers && !handle && handle.error().kind == ErrorKind::kExists; ++i)
    handle = create_file(folder_, std::to_string(++number));
  if (!handle) return handle.error();
  File& file = files_[number];
  file.handle = std::move(*handle);
  return number;
}

// The one in use, while there is room in it; one that nobody holds; a new one.
Result<std::uint32_t> Journal::file_for(std::uint64_t octets) {
  const auto has_room = [octets](const File& file) {
    return file.end == 0 || file.end + octets <= kFileOctets;
  };
  if (active_ != 0 && has_room(files_.at(active_)) && will_be_found(active_)) return active_;
  active_ = 0;
  for (const auto& [number, file] : files_) {
    if (file.holds == 0 && file.end == 0 && will_be_found(number)) return number;
  }
  return make_file();
}

Result<Journal::Appended> Journal::append(std::span<const std::string> records) {
  std::uint64_t octets = 0;
  for (const std::string& record : records) octets += kHeadOctets + record.size();
  auto number = file_for(octets);
  if (!number) return in_folder("journal", number.error());
  File& file = files_.at(*number);
  if (file.end == 0) file.lap = lap_ += unknown_step();
  const bool is_new = file.octets == 0;
  OctetWriter batch;
  batch.reserve(static_cast<std::size_t>(octets));
  Appended appended;
  for (const std::string& record : records) {
    appended.places.push_back({*number, file.end + batch.octets().size() + kHeadOctets});
    JournalRecords::write(batch, file.lap, record);
  }
  active_ = 0;  // until it is there
  auto done = write_at(file.handle.fd(), file.end, batch.octets());
  if (done) done = sync_data(file.handle.fd(), "a file of the journal");
  if (done && is_new) done = sync_handle(folder_, "the journal");
  if (!done) {
    give_up(*number);
    return in_folder("journal", done.error());
  }
  active_ = *number;
  file.end += octets;
  file.octets = std::max(file.octets, file.end);
  file.holds += records.size();
  appended.end = {file.lap, file.end};
  return appended;
}

// What nobody needs goes at once: on a full disk one for each try would stay.
void Journal::give_up(std::uint32_t number) {
  File& file = files_.at(number);
  if (file.holds == 0 && remove_file(folder_, std::to_string(number))) {
    files_.erase(number);
    return;
  }
  file.end = std::max<std::uint64_t>(file.end, 1);  // it takes no more
}

Result<int> Journal::open_file_of(JournalPlace place) const {
  const auto file = files_.find(place.file);
  if (file != files_.end() && file->second.handle.is_open()) return file->second.handle.fd();
  return Error{ErrorKind::kNotFound, fmt::format("journal/{} is not there", place.file)};
}

Result<std::string> Journal::read(JournalPlace place, std::size_t octets, const ContentHash& hash) {
  const auto fd = open_file_of(place);
  if (!fd) return fd.error();
  auto bytes = read_checked(*fd, place, octets, hash);
  if (!bytes && bytes.error().kind == ErrorKind::kCorrupt) {
    std::uint64_t& unknown = damage_[place.file].unknown;
    unknown = std::max<std::uint64_t>(unknown, octets);
  }
  return bytes;
}

Result<std::string> Journal::read_whatever(JournalPlace place, std::size_t octets) const {
  const auto fd = open_file_of(place);
  if (!fd) return fd.error();
  std::string bytes;
  if (auto done = read_some(*fd, place.at, octets, bytes); !done) return in_folder("journal", done.error());
  return bytes;
}

// Somebody may have removed it under our feet, moved it, or put another in its place: then its octets are
// there for as long as it is open, and a start does not find them.
bool Journal::will_be_found(std::uint32_t file) const {
  const auto found = files_.find(file);
  if (found == files_.end() || !found->second.handle.is_open()) return false;
  struct stat ours {};
  if (::fstat(found->second.handle.fd(), &ours) != 0) return false;
  const auto there = stat_name(folder_, std::to_string(file));
  return there && there->st_dev == ours.st_dev && there->st_ino == ours.st_ino;
}

bool Journal::is_usable() const {
  struct stat facts {};
  return ::fstat(folder_, &facts) == 0 && facts.st_nlink > 0;
}

std::vector<std::uint32_t> Journal::missing() const {
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, file] : files_) {
    if (file.holds > 0 && !file.handle.is_open()) numbers.push_back(number);
  }
  return numbers;
}

void Journal::hold(std::uint32_t file) {
  ++files_[file].holds;
}

void Journal::release(std::uint32_t file) {
  const auto found = files_.find(file);
  if (found != files_.end() && found->second.holds > 0) --found->second.holds;
}

bool Journal::has_free() const {
  return std::any_of(files_.begin(), files_.end(),
                     [](const auto& each) { return each.second.holds == 0 && each.second.end > 0; });
}

// The blocks of one that is used anew are there already, and a flush of it costs less. Who has lost his index
// finds nothing in it from now on.
void Journal::reclaim(Keep keep) {
  std::size_t kept = keep == Keep::kOne ? 0 : 1;
  for (auto each = files_.begin(); each != files_.end();) {
    auto& [number, file] = *each;
    if (file.holds > 0) {
      ++each;
      continue;
    }
    if (!will_be_found(number)) {
      if (number == active_) active_ = 0;
      damage_.erase(number);
      each = files_.erase(each);
      continue;
    }
    if (damage_.contains(number) && file.octets > 0) {
      const std::string name = std::to_string(number);
      if (move_file(folder_, name, folder_, aside_name(name))) {
        if (number == active_) active_ = 0;
        damage_.erase(number);
        each = files_.erase(each);
        continue;
      }
      ++file.holds;  // until the next start
      ++each;
      continue;
    }
    if (file.end > 0) static_cast<void>(write_at(file.handle.fd(), 0, JournalRecords::kNoHead));
    file.end = 0;
    const bool goes = kept > 0;
    if (goes && remove_file(folder_, std::to_string(number))) {
      if (number == active_) active_ = 0;
      each = files_.erase(each);
      continue;
    }
    ++kept;
    ++each;
  }
}

}  // namespace mailstead

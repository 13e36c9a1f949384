#include "storage/delivery/journal_records.h"

#include <algorithm>
#include <utility>

#include "storage/files.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kMagic = 0x31304c4e524a534dU;  // "MSJRNL01"
constexpr std::uint64_t kMostOctets = 1u << 30;        // of a record
// What a disk cannot read is looked for in pieces of these sizes.
constexpr std::uint64_t kStretch = 64u << 10;
constexpr std::uint64_t kBlock = 4u << 10;

struct Head {
  std::uint64_t lap = 0;
  std::uint64_t octets = 0;
  ContentHash hash = {};
};

// Of what it is in front of, too.
ContentHash hash_of(std::uint64_t lap, std::string_view octets) {
  OctetWriter numbers;
  numbers.number(lap);
  numbers.number(octets.size());
  ContentHasher hasher;
  hasher.add(numbers.octets());
  hasher.add(octets);
  return hasher.value();
}

std::optional<Head> read_head(std::string_view octets) {
  OctetReader reader(octets);
  if (reader.number() != kMagic) return std::nullopt;
  Head head;
  head.lap = reader.number();
  head.octets = reader.number();
  head.hash.high = reader.number();
  head.hash.low = reader.number();
  if (!reader.is_good()) return std::nullopt;
  return head;
}

// What every record of this lap begins with.
std::string mark_of(std::uint64_t lap) {
  OctetWriter mark;
  mark.number(kMagic);
  mark.number(lap);
  return mark.take();
}

// As read_some(); how many octets could not be read.
Result<std::uint64_t> read_what_can_be(int fd, std::uint64_t at, std::uint64_t end, std::uint64_t piece,
                                       std::string& into) {
  const auto done = read_some(fd, at, static_cast<std::size_t>(end - at), into);
  if (done) return std::uint64_t{0};
  if (done.error().kind != ErrorKind::kIo) return done.error();
  if (end - at <= kBlock) {
    into.append(static_cast<std::size_t>(end - at), '\0');
    return end - at;
  }
  std::uint64_t unreadable = 0;
  while (at < end) {
    const std::uint64_t next = std::min(end, (at / piece + 1) * piece);
    auto its = read_what_can_be(fd, at, next, kBlock, into);
    if (!its) return its;
    unreadable += *its;
    at = next;
  }
  return unreadable;
}

}  // namespace

void JournalRecords::write(OctetWriter& into, std::uint64_t lap, std::string_view octets) {
  const ContentHash hash = hash_of(lap, octets);
  into.number(kMagic);
  into.number(lap);
  into.number(octets.size());
  into.number(hash.high);
  into.number(hash.low);
  into.append(octets);
}

// False: the file ends before.
Result<bool> JournalRecords::have(std::size_t octets) {
  if (this->octets().size() >= octets) return true;
  if (at_ >= end_ || end_ - at_ < octets) return false;
  piece_.erase(0, std::exchange(skipped_, 0));
  const std::uint64_t until = std::min(end_, at_ + std::max(octets, together_));
  auto unreadable = read_what_can_be(fd_, at_ + piece_.size(), until, kStretch, piece_);
  if (!unreadable) return in_folder("journal", unreadable.error());
  unreadable_ += *unreadable;
  return piece_.size() >= octets;
}

Result<std::optional<std::uint64_t>> JournalRecords::lap() {
  auto there = have(kHeadOctets);
  if (!there) return there.error();
  const auto head = *there ? read_head(octets().substr(0, kHeadOctets)) : std::nullopt;
  return head ? std::optional(head->lap) : std::nullopt;
}

Result<std::size_t> JournalRecords::record(std::uint64_t lap) {
  constexpr std::size_t kNone = 0;
  auto there = have(kHeadOctets);
  if (!there) return there.error();
  if (!*there) return kNone;
  const auto head = read_head(octets().substr(0, kHeadOctets));
  if (!head || head->lap != lap || head->octets > kMostOctets) return kNone;
  const std::size_t whole = kHeadOctets + static_cast<std::size_t>(head->octets);
  there = have(whole);
  if (!there) return there.error();
  if (!*there) return kNone;
  const auto its = octets().substr(kHeadOctets, static_cast<std::size_t>(head->octets));
  return hash_of(lap, its) == head->hash ? whole : kNone;
}

Result<std::size_t> JournalRecords::find(std::uint64_t lap) {
  const std::string mark = mark_of(lap);
  while (true) {
    auto whole = record(lap);
    if (!whole || *whole > 0) return whole;
    if (!octets().empty()) skip(1);
    auto found = skip_to_mark(mark);
    if (!found) return found.error();
    if (!*found) return std::size_t{0};
  }
}

Result<bool> JournalRecords::skip_to_mark(const std::string& mark) {
  while (true) {
    auto there = have(mark.size());
    if (!there || !*there) return there;
    const std::size_t found = octets().find(mark);
    if (found != std::string_view::npos) {
      skip(found);
      return true;
    }
    skip(octets().size() - mark.size() + 1);  // a mark may begin in the last ones
  }
}

}  // namespace mailstead

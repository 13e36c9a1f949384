#include "storage/look/path_set.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace mailstead {

namespace {

constexpr std::size_t kFewestSlots = 64;
constexpr std::size_t kMostExpected = 4 << 20;  // the number may come from a damaged index
constexpr std::size_t kUsualPath = 48;          // octets: "new/1700000000.0123456789abcde.mail.example.org"

}  // namespace

PathSet::PathSet(std::size_t expected)
    : slots_(std::bit_ceil(std::max(std::min(expected, kMostExpected) * 2, kFewestSlots))) {
  entries_.reserve(std::min(expected, kMostExpected) * (kHead + kUsualPath));
}

std::string_view PathSet::path_at(std::size_t place) const {
  const auto octet = [&](std::size_t offset) {
    return std::size_t{static_cast<unsigned char>(entries_[place + offset])};
  };
  return std::string_view(entries_).substr(place + kHead, octet(1) << 8 | octet(2));
}

std::size_t PathSet::slot_of(std::string_view path) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>()(path) & mask;
  while (slots_[slot] != 0 && path_at(slots_[slot] - 1) != path) slot = (slot + 1) & mask;
  return slot;
}

void PathSet::add(std::string_view path) {
  if ((count_ + 1) * 4 > slots_.size() * 3) grow();
  const std::size_t slot = slot_of(path);
  if (slots_[slot] != 0) return;
  slots_[slot] = entries_.size() + 1;
  entries_ += '\0';
  entries_ += static_cast<char>(path.size() >> 8);
  entries_ += static_cast<char>(path.size() & 0xff);
  entries_ += path;
  ++count_;
}

void PathSet::grow() {
  const std::vector<std::uint64_t> before =
      std::exchange(slots_, std::vector<std::uint64_t>(slots_.size() * 2));
  for (const std::uint64_t place : before) {
    if (place != 0) slots_[slot_of(path_at(place - 1))] = place;
  }
}

bool PathSet::take(std::string_view path) {
  const std::size_t slot = slot_of(path);
  if (slots_[slot] == 0) return false;
  char& taken = entries_[slots_[slot] - 1];
  return std::exchange(taken, '\1') == '\0';
}

std::vector<std::string> PathSet::left() const {
  std::vector<std::string> paths;
  for (std::size_t place = 0; place < entries_.size(); place += kHead + path_at(place).size()) {
    if (entries_[place] == '\0') paths.emplace_back(path_at(place));
  }
  return paths;
}

}  // namespace mailstead

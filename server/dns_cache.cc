#include "server/dns_cache.h"

#include <algorithm>

namespace mailstead {
namespace {

constexpr std::uint32_t kMostFound = 24 * 3600, kMostAbsent = 300, kTrouble = 1;  // seconds

std::uint32_t seconds_kept(const DnsAnswer& answer) {
  switch (answer.status) {
    case DnsStatus::kFound:
      return std::min(answer.ttl, kMostFound);
    case DnsStatus::kNoRecords:
    case DnsStatus::kNoDomain:
      return std::min(answer.ttl, kMostAbsent);
    case DnsStatus::kTemporary:
      return kTrouble;
  }
  return 0;
}

}  // namespace

std::optional<DnsAnswer> DnsCache::find(const DnsQuestion& question, std::uint64_t now) {
  const auto found = entries_.find(question);
  if (found == entries_.end()) return std::nullopt;
  const std::uint64_t end = found->second.end->first;
  if (end <= now) {
    remove(found);
    return std::nullopt;
  }
  DnsAnswer answer = found->second.answer;
  answer.ttl = std::min(answer.ttl, static_cast<std::uint32_t>((end - now + 999) / 1000));
  return answer;
}

void DnsCache::keep(const DnsQuestion& question, const DnsAnswer& answer, std::uint64_t now) {
  if (const auto old = entries_.find(question); old != entries_.end()) remove(old);
  const std::uint32_t seconds = seconds_kept(answer);
  if (seconds == 0 || most_entries_ == 0) return;
  if (entries_.size() >= most_entries_) remove(entries_.find(ends_.begin()->second));
  const auto end = ends_.emplace(now + std::uint64_t{seconds} * 1000, question);
  entries_.emplace(question, Entry{answer, end});
}

void DnsCache::clear() {
  entries_.clear();
  ends_.clear();
}

void DnsCache::remove(Entries::iterator entry) {
  ends_.erase(entry->second.end);
  entries_.erase(entry);
}

}  // namespace mailstead

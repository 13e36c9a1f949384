// Answers of the DNS, kept as long as they hold.
//
// Bounds: so many entries, of which the one that would end first goes; a day for what was found, 5 minutes
// for what is absent, a second for trouble, so that a message to many of one domain asks once. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "protocols/dns_message.h"

namespace mailstead {

class DnsCache {
 public:
  explicit DnsCache(std::size_t most_entries = 10000) : most_entries_(most_entries) {}

  // With the TTL that is left. Times are milliseconds of one clock that never goes back.
  std::optional<DnsAnswer> find(const DnsQuestion& question, std::uint64_t now);
  void keep(const DnsQuestion& question, const DnsAnswer& answer, std::uint64_t now);
  void clear();
  std::size_t size() const { return entries_.size(); }

 private:
  using Ends = std::multimap<std::uint64_t, DnsQuestion>;
  struct Entry {
    DnsAnswer answer;
    Ends::iterator end;
  };
  using Entries = std::map<DnsQuestion, Entry>;
  void remove(Entries::iterator entry);

  std::size_t most_entries_;
  Entries entries_;
  Ends ends_;
};

}  // namespace mailstead

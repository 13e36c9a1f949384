// Large messages on their way in: an import hands them over in pieces, each a request of its own.
//
// Few at a time; when another begins, the one that was not added to for longest goes, and its import begins
// that message anew. Nothing is left of them after a crash, or with the object.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "protocols/result.h"
#include "storage/store.h"

namespace mailstead::admin {

inline constexpr std::size_t kMostImportSpools = 8;

class ImportSpools {
 public:
  // Offset 0 begins a message. A piece that is there already, since its answer was lost, is not added again.
  // kNotFound: there is no such message, or another offset comes next: begin anew.
  Result<void> append(Store& store, const std::string& token, std::uint64_t offset, std::string_view bytes);
  // Whole, for the import. kNotFound: likewise.
  Result<std::unique_ptr<Spool>> take(const std::string& token, std::uint64_t size);

 private:
  struct Entry {
    std::string token;
    std::unique_ptr<Spool> spool;
  };
  std::list<Entry> entries_;  // the one that was added to last in front
};

}  // namespace mailstead::admin

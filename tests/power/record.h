// What happened to a folder's files, in order: recorded calls, and marks of the program that made them.
//
// Files and folders are objects with numbers: a name may be given to another one, a file may have several
// names or none. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mailstead::power {

using ObjectId = std::uint32_t;  // 0: none
using Bytes = std::shared_ptr<const std::string>;

enum class RecordKind {
  kCreate,   // the name is given to a new file
  kFolder,   // to a new folder
  kWrite,    // bytes at an offset
  kResize,   // `offset` is the new length
  kSync,     // a file or folder
  kSyncAll,  // all of them
  kLink,     // the name is given to a file that is there
  kRename,   // from one name to the other
  kExchange,
  kUnlink,  // the name goes, a file's or an empty folder's
  kMark,    // `offset` is the mark's number
};

struct Record {
  RecordKind kind = RecordKind::kMark;
  ObjectId object = 0;  // that is written, synced, created or renamed
  ObjectId folder = 0;
  std::string name;
  ObjectId to_folder = 0;
  std::string to_name;
  ObjectId other = 0;  // kExchange: what had the second name
  std::uint64_t offset = 0;
  Bytes bytes;
  std::size_t site = 0;  // of kSync and kSyncAll: index in Recording::sites
};

// What a disk holds.
struct Image {
  using Names = std::map<std::string, ObjectId>;

  ObjectId root = 0;
  std::map<ObjectId, Names> folders;
  std::map<ObjectId, Bytes> files;
};

// Where a sync was called from: return addresses, the innermost first.
using CallSite = std::vector<std::uintptr_t>;

struct Recording {
  Image start;
  std::vector<Record> records;
  std::vector<CallSite> sites;
};

}  // namespace mailstead::power

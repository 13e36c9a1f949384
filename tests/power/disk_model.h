// A disk as a power cut leaves it: what was synced is there, of the rest what the choice says. README.md has
// the model in a table.
//
// Ownership: by value; file contents are shared, read-only. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "record.h"

namespace mailstead::power {

// Of the changes of names that no sync has pinned.
enum class NamesKept {
  kNone,
  kAll,
  kBeginning,    // those before some moment: a journal
  kSome,         // any of them
  kOfOneFolder,  // of one folder all, of the others none
  kOfAllButOne,  // the other way round
};
// Of what was written and not synced, in pages of 4 KiB, and of the files' lengths.
enum class DataKept { kNone, kAll, kSome };

class Disk;

struct Choice {
  NamesKept names = NamesKept::kNone;
  DataKept data = DataKept::kNone;
  std::uint64_t seed = 0;
  // Not null: everything is kept but what has no sync here and has one there. The two disks have seen the
  // same records.
  const Disk* all_but_synced_on = nullptr;
};

// Is a kSync taken for one?
enum class Syncs { kDone, kLeftOut };

class Disk {
 public:
  explicit Disk(const Image& start);

  void apply(const Record& record, Syncs syncs = Syncs::kDone);
  Image after_crash(const Choice& choice) const;

 private:
  struct NameChange {
    std::size_t serial = 0;
    // In this order; object 0 takes the name away.
    struct Set {
      ObjectId folder = 0;
      std::string name;
      ObjectId object = 0;
    };
    std::vector<Set> sets;
    ObjectId pinned_by = 0;  // the folder whose sync makes it durable
    bool is_durable = false;
  };
  struct DataChange {
    std::size_t serial = 0;
    bool is_resize = false;
    std::uint64_t offset = 0;  // of a resize: the new length
    Bytes bytes;
  };
  struct File {
    Bytes synced = std::make_shared<const std::string>();
    std::vector<DataChange> pending;
  };

  void change_names(std::vector<NameChange::Set> sets, ObjectId pinned_by);
  void sync(ObjectId object);
  void sync_all();
  void fold_names();
  std::unordered_set<std::size_t> kept_names(const Choice& choice) const;
  Bytes kept_bytes(ObjectId id, const File& file, const Choice& choice) const;
  bool is_pinned(std::size_t serial) const;
  bool is_pinned(ObjectId file, std::size_t serial) const;

  std::size_t serial_ = 0;
  ObjectId root_;
  std::map<ObjectId, Image::Names> folders_;  // with the changes that are durable, and before all others
  std::deque<NameChange> changes_;            // since then
  std::map<ObjectId, File> files_;
};

}  // namespace mailstead::power

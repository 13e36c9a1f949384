// Records what this process does to the files of one folder.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "disk_calls.h"
#include "record.h"

namespace mailstead::power {

class Recorder final : public DiskObserver {
 public:
  // Everything below `root`, an existing folder; what is there at this moment counts as being on the disk.
  // Observes until it is destroyed.
  explicit Recorder(const std::string& root);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void mark(std::size_t number);
  const Recording& recording() const { return recording_; }
  Recording take() { return std::move(recording_); }

  void begins(const DiskCall& call) override;
  void done(const DiskCall& call, std::int64_t result) override;

 private:
  struct Place {
    ObjectId folder = 0;
    std::string name;
  };

  ObjectId add_object(const struct stat& facts);
  ObjectId object_of(const struct stat& facts) const;
  ObjectId object_of(int fd) const;
  // nullopt: it is in no folder of ours.
  std::optional<Place> place_of(int at, const char* path) const;
  void read_tree(const std::string& path, ObjectId folder);
  void record(RecordKind kind, ObjectId object) { record(kind, object, Place()); }
  void record(RecordKind kind, ObjectId object, Place place);
  void opened(const DiskCall& call, int fd);
  void written(const DiskCall& call, std::size_t length);
  void renamed(const DiskCall& call);
  std::size_t site_of_caller();

  Recording recording_;
  std::map<std::pair<dev_t, ino_t>, ObjectId> objects_;
  ObjectId last_ = 0;
  std::map<CallSite, std::size_t> sites_;
  // Of the call that has begun: what had the names, 0: nothing.
  ObjectId had_name_ = 0;
  ObjectId had_to_name_ = 0;
  std::uint64_t had_length_ = 0;
};

// The folder as it is now.
Image read_image(const std::string& root);
// Makes it in an empty place: `root` must not exist.
void write_image(const Image& image, const std::string& root);
// "" when both hold the same files by the same names with the same octets, else the first difference. Files
// whose name ends with `-shm` are left out: they are memory.
std::string difference(const Image& first, const Image& second);

}  // namespace mailstead::power

#include "recorder.h"

#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace mailstead::power {

namespace {

constexpr int kMostFrames = 48;
constexpr int kOwnFrames = 2;  // of a call site: site_of_caller(), done()

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

Recorder::Recorder(const std::string& root) {
  recording_.start = read_image(root);
  // The same walk once more, for the numbers of the files.
  struct stat facts {};
  if (::stat(root.c_str(), &facts) != 0) fail(root);
  objects_[{facts.st_dev, facts.st_ino}] = recording_.start.root;
  read_tree(root, recording_.start.root);
  for (const auto& [id, names] : recording_.start.folders) last_ = std::max(last_, id);
  for (const auto& [id, bytes] : recording_.start.files) last_ = std::max(last_, id);
  set_disk_observer(this);
}

Recorder::~Recorder() {
  set_disk_observer(nullptr);
}

void Recorder::read_tree(const std::string& path, ObjectId folder) {
  for (const auto& [name, id] : recording_.start.folders.at(folder)) {
    const std::string own = path + "/" + name;
    struct stat facts {};
    if (::lstat(own.c_str(), &facts) != 0) fail(own);
    objects_[{facts.st_dev, facts.st_ino}] = id;
    if (recording_.start.folders.contains(id)) read_tree(own, id);
  }
}

void Recorder::mark(std::size_t number) {
  record(RecordKind::kMark, 0);
  recording_.records.back().offset = number;
}

ObjectId Recorder::add_object(const struct stat& facts) {
  objects_[{facts.st_dev, facts.st_ino}] = ++last_;
  return last_;
}

ObjectId Recorder::object_of(const struct stat& facts) const {
  const auto found = objects_.find({facts.st_dev, facts.st_ino});
  return found == objects_.end() ? 0 : found->second;
}

ObjectId Recorder::object_of(int fd) const {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 ? object_of(facts) : 0;
}

std::optional<Recorder::Place> Recorder::place_of(int at, const char* path) const {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  std::string parent = ".";
  if (const std::size_t slash = name.rfind('/'); slash != std::string::npos) {
    parent = slash == 0 ? "/" : name.substr(0, slash);
    name.erase(0, slash + 1);
  }
  struct stat facts {};
  if (::fstatat(at, parent.c_str(), &facts, 0) != 0) return std::nullopt;
  const ObjectId folder = object_of(facts);
  if (folder == 0) return std::nullopt;
  return Place{folder, name};
}

void Recorder::record(RecordKind kind, ObjectId object, Place place) {
  Record made;
  made.kind = kind;
  made.object = object;
  made.folder = place.folder;
  made.name = std::move(place.name);
  recording_.records.push_back(std::move(made));
}

void Recorder::begins(const DiskCall& call) {
  had_name_ = 0;
  had_to_name_ = 0;
  struct stat facts {};
  if (call.path != nullptr && ::fstatat(call.at, call.path, &facts, AT_SYMLINK_NOFOLLOW) == 0) {
    had_name_ = object_of(facts);
    had_length_ = static_cast<std::uint64_t>(facts.st_size);
  }
  if (call.to_path != nullptr && ::fstatat(call.to_at, call.to_path, &facts, AT_SYMLINK_NOFOLLOW) == 0)
    had_to_name_ = object_of(facts);
}

void Recorder::done(const DiskCall& call, std::int64_t result) {
  switch (call.kind) {
    case CallKind::kOpen:
      return opened(call, static_cast<int>(result));
    case CallKind::kWrite:
      return written(call, static_cast<std::size_t>(result));
    case CallKind::kTruncate:
    case CallKind::kAllocate: {
      const ObjectId object = object_of(call.fd);
      if (object == 0) return;
      // What is allocated beyond the end makes the file longer; inside it changes nothing.
      struct stat facts {};
      ::fstat(call.fd, &facts);
      record(RecordKind::kResize, object);
      recording_.records.back().offset = static_cast<std::uint64_t>(facts.st_size);
      return;
    }
    case CallKind::kSync:
    case CallKind::kSyncAll: {
      const ObjectId object = object_of(call.fd);
      if (object == 0) return;
      record(call.kind == CallKind::kSync ? RecordKind::kSync : RecordKind::kSyncAll, object);
      recording_.records.back().site = site_of_caller();
      return;
    }
    case CallKind::kRename:
      return renamed(call);
    case CallKind::kLink: {
      struct stat facts {};
      const auto to = place_of(call.to_at, call.to_path);
      if (!to || ::fstatat(call.to_at, call.to_path, &facts, AT_SYMLINK_NOFOLLOW) != 0) return;
      record(RecordKind::kLink, object_of(facts), *to);
      return;
    }
    case CallKind::kUnlink:
      if (const auto place = place_of(call.at, call.path); place && had_name_ != 0)
        record(RecordKind::kUnlink, had_name_, *place);
      return;
    case CallKind::kMakeFolder: {
      const auto place = place_of(call.at, call.path);
      struct stat facts {};
      if (!place || ::fstatat(call.at, call.path, &facts, AT_SYMLINK_NOFOLLOW) != 0) return;
      record(RecordKind::kFolder, add_object(facts), *place);
      return;
    }
    case CallKind::kRead:
    case CallKind::kMap:
      return;
  }
}

void Recorder::opened(const DiskCall& call, int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return;
  if ((call.flags & __O_TMPFILE) == __O_TMPFILE) {
    struct stat folder {};
    if (::fstatat(call.at, call.path, &folder, 0) == 0 && object_of(folder) != 0) add_object(facts);
    return;
  }
  if ((call.flags & O_CREAT) != 0 && had_name_ == 0) {
    const auto place = place_of(call.at, call.path);
    if (place) record(RecordKind::kCreate, add_object(facts), *place);
    return;
  }
  if ((call.flags & O_TRUNC) != 0 && had_name_ != 0 && had_length_ != 0)
    record(RecordKind::kResize, had_name_);
}

void Recorder::written(const DiskCall& call, std::size_t length) {
  const ObjectId object = object_of(call.fd);
  if (object == 0 || length == 0) return;
  std::string bytes(length, '\0');
  if (call.bytes != nullptr) {
    std::memcpy(bytes.data(), call.bytes, length);
  } else if (::pread(call.fd, bytes.data(), length, static_cast<off_t>(call.offset)) !=
             static_cast<ssize_t>(length)) {
    fail("what was copied cannot be read back");
  }
  record(RecordKind::kWrite, object);
  recording_.records.back().offset = call.offset;
  recording_.records.back().bytes = std::make_shared<const std::string>(std::move(bytes));
}

void Recorder::renamed(const DiskCall& call) {
  const auto from = place_of(call.at, call.path);
  const auto to = place_of(call.to_at, call.to_path);
  if (!from && !to) return;
  if (!from || !to) throw std::runtime_error("a file was moved across the border of the recorded folder");
  record((call.flags & RENAME_EXCHANGE) != 0 ? RecordKind::kExchange : RecordKind::kRename, had_name_, *from);
  Record& made = recording_.records.back();
  made.to_folder = to->folder;
  made.to_name = to->name;
  made.other = had_to_name_;
}

std::size_t Recorder::site_of_caller() {
  std::array<void*, kMostFrames> frames{};
  const int count = ::backtrace(frames.data(), kMostFrames);
  CallSite site;
  for (int i = kOwnFrames; i < count; ++i)
    site.push_back(reinterpret_cast<std::uintptr_t>(frames[static_cast<std::size_t>(i)]));
  const auto [place, is_new] = sites_.emplace(site, recording_.sites.size());
  if (is_new) recording_.sites.push_back(site);
  return place->second;
}

}  // namespace mailstead::power

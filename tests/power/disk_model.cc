#include "disk_model.h"

#include <algorithm>
#include <random>
#include <utility>

namespace mailstead::power {

namespace {

constexpr std::uint64_t kPage = 4096;

// Good bits of any numbers (splitmix64).
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

void give(std::map<ObjectId, Image::Names>& folders, ObjectId folder, const std::string& name,
          ObjectId object) {
  if (object == 0) {
    folders[folder].erase(name);
  } else {
    folders[folder][name] = object;
  }
}

// What of a file is taken over: each page as it was after so many of the changes, and the length likewise.
class PageChoice {
 public:
  PageChoice(const Choice& choice, ObjectId file, std::size_t changes)
      : kept_(choice.data), seed_(mix(choice.seed ^ file)), changes_(changes) {}

  std::size_t changes_of(std::uint64_t page) const {
    switch (kept_) {
      case DataKept::kNone:
        return 0;
      case DataKept::kAll:
        return changes_;
      case DataKept::kSome:
        break;
    }
    const std::uint64_t bits = mix(seed_ + page);
    // All or nothing is what write-back mostly does; in between stands what it caught at some moment.
    if (bits % 8 < 3) return 0;
    if (bits % 8 < 6) return changes_;
    return (bits >> 8) % (changes_ + 1);
  }
  std::size_t changes_of_length() const { return changes_of(UINT64_MAX / 2); }

 private:
  DataKept kept_;
  std::uint64_t seed_;
  std::size_t changes_;
};

}  // namespace

Disk::Disk(const Image& start) : root_(start.root), folders_(start.folders) {
  for (const auto& [id, bytes] : start.files) files_[id].synced = bytes;
}

void Disk::apply(const Record& record, Syncs syncs) {
  ++serial_;
  switch (record.kind) {
    case RecordKind::kCreate:
      files_[record.object];
      return change_names({{record.folder, record.name, record.object}}, record.folder);
    case RecordKind::kFolder:
      folders_[record.object];
      return change_names({{record.folder, record.name, record.object}}, record.folder);
    case RecordKind::kLink:
      return change_names({{record.folder, record.name, record.object}}, record.folder);
    case RecordKind::kUnlink:
      return change_names({{record.folder, record.name, 0}}, record.folder);
    case RecordKind::kRename:
      return change_names(
          {{record.folder, record.name, 0}, {record.to_folder, record.to_name, record.object}},
          record.to_folder);
    case RecordKind::kExchange:
      return change_names(
          {{record.folder, record.name, record.other}, {record.to_folder, record.to_name, record.object}},
          record.to_folder);
    case RecordKind::kWrite:
      files_[record.object].pending.push_back({serial_, false, record.offset, record.bytes});
      return;
    case RecordKind::kResize:
      files_[record.object].pending.push_back({serial_, true, record.offset, nullptr});
      return;
    case RecordKind::kSync:
      if (syncs == Syncs::kDone) sync(record.object);
      return;
    case RecordKind::kSyncAll:
      if (syncs == Syncs::kDone) sync_all();
      return;
    case RecordKind::kMark:
      return;
  }
}

void Disk::change_names(std::vector<NameChange::Set> sets, ObjectId pinned_by) {
  changes_.push_back({serial_, std::move(sets), pinned_by, false});
}

void Disk::sync(ObjectId object) {
  if (folders_.contains(object)) {
    for (NameChange& change : changes_) change.is_durable |= change.pinned_by == object;
    fold_names();
  } else if (const auto found = files_.find(object); found != files_.end()) {
    File& file = found->second;
    if (file.pending.empty()) return;
    file.synced = kept_bytes(object, file, {NamesKept::kNone, DataKept::kAll, 0, nullptr});
    file.pending.clear();
  }
}

void Disk::sync_all() {
  for (NameChange& change : changes_) change.is_durable = true;
  fold_names();
  for (const auto& [id, file] : files_) sync(id);
}

// Changes before which nothing is open any more.
void Disk::fold_names() {
  while (!changes_.empty() && changes_.front().is_durable) {
    for (const auto& set : changes_.front().sets) give(folders_, set.folder, set.name, set.object);
    changes_.pop_front();
  }
}

bool Disk::is_pinned(std::size_t serial) const {
  const auto found = std::ranges::find(changes_, serial, &NameChange::serial);
  return found == changes_.end() || found->is_durable;
}

bool Disk::is_pinned(ObjectId file, std::size_t serial) const {
  const auto& pending = files_.at(file).pending;
  return pending.empty() || pending.front().serial > serial;
}

std::unordered_set<std::size_t> Disk::kept_names(const Choice& choice) const {
  std::vector<const NameChange*> open;
  std::vector<ObjectId> in;
  for (const NameChange& change : changes_) {
    if (change.is_durable) continue;
    open.push_back(&change);
    in.push_back(change.pinned_by);
  }
  std::unordered_set<std::size_t> kept;
  if (open.empty()) return kept;
  std::mt19937_64 random(mix(choice.seed));
  std::ranges::sort(in);
  const auto repeats = std::ranges::unique(in);
  in.erase(repeats.begin(), repeats.end());
  const ObjectId folder = in[random() % in.size()];
  const std::size_t beginning = random() % (open.size() + 1);
  const std::uint64_t one_in_eight = 1 + random() % 7;
  for (std::size_t i = 0; i < open.size(); ++i) {
    bool keep = false;
    if (choice.all_but_synced_on != nullptr) {
      keep = !choice.all_but_synced_on->is_pinned(open[i]->serial);
    } else {
      switch (choice.names) {
        case NamesKept::kNone:
          break;
        case NamesKept::kAll:
          keep = true;
          break;
        case NamesKept::kBeginning:
          keep = i < beginning;
          break;
        case NamesKept::kSome:
          keep = random() % 8 < one_in_eight;
          break;
        case NamesKept::kOfOneFolder:
          keep = open[i]->pinned_by == folder;
          break;
        case NamesKept::kOfAllButOne:
          keep = open[i]->pinned_by != folder;
          break;
      }
    }
    if (keep) kept.insert(open[i]->serial);
  }
  return kept;
}

Bytes Disk::kept_bytes(ObjectId id, const File& file, const Choice& choice) const {
  Choice own = choice;
  if (choice.all_but_synced_on != nullptr) {
    const bool wants_sync =
        !file.pending.empty() && choice.all_but_synced_on->is_pinned(id, file.pending.front().serial);
    own.data = wants_sync ? DataKept::kNone : DataKept::kAll;
  }
  if (file.pending.empty() || own.data == DataKept::kNone) return file.synced;
  const PageChoice pages(own, id, file.pending.size());
  std::string bytes = *file.synced;
  std::uint64_t length = bytes.size();
  const std::size_t changes_of_length = pages.changes_of_length();
  for (std::size_t i = 0; i < file.pending.size(); ++i) {
    const DataChange& change = file.pending[i];
    const std::uint64_t end = change.is_resize ? change.offset : change.offset + change.bytes->size();
    if (i < changes_of_length) length = change.is_resize ? end : std::max(length, end);
    const std::uint64_t from = change.offset;
    const std::uint64_t to = change.is_resize ? std::max<std::uint64_t>(bytes.size(), end) : end;
    if (bytes.size() < to) bytes.resize(to, '\0');
    for (std::uint64_t at = from; at < to;) {
      const std::uint64_t until = std::min(to, (at / kPage + 1) * kPage);
      if (i < pages.changes_of(at / kPage)) {
        if (change.is_resize) {
          std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    bytes.begin() + static_cast<std::ptrdiff_t>(until), '\0');
        } else {
          bytes.replace(at, until - at, *change.bytes, at - from, until - at);
        }
      }
      at = until;
    }
  }
  bytes.resize(length, '\0');
  return std::make_shared<const std::string>(std::move(bytes));
}

Image Disk::after_crash(const Choice& choice) const {
  const auto kept = kept_names(choice);
  auto folders = folders_;
  for (const NameChange& change : changes_) {
    if (!change.is_durable && !kept.contains(change.serial)) continue;
    for (const auto& set : change.sets) give(folders, set.folder, set.name, set.object);
  }
  Image image;
  image.root = root_;
  std::vector<ObjectId> to_visit{root_};
  while (!to_visit.empty()) {
    const ObjectId id = to_visit.back();
    to_visit.pop_back();
    if (image.folders.contains(id)) continue;
    const auto& names = image.folders.emplace(id, folders[id]).first->second;
    for (const auto& [name, object] : names) {
      if (folders_.contains(object)) {
        to_visit.push_back(object);
      } else if (!image.files.contains(object)) {
        image.files.emplace(object, kept_bytes(object, files_.at(object), choice));
      }
    }
  }
  return image;
}

}  // namespace mailstead::power

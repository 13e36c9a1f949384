#include "storage/backup/backup_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mailstead {

namespace {

constexpr std::size_t kCopiedAtOnce = 1u << 20;

struct OpenEntry {
  RegularFile file;
  FileHandle folder;
};

// Neither: there is nothing of this name any more, or it is none of both.
Result<OpenEntry> open_entry_to_copy(int from, const std::string& name, const std::string& path,
                                     TreeCopy& copy) {
  OpenEntry entry;
  auto done = copy.out_of([&]() -> Result<void> {
    auto facts = stat_name(from, name);
    if (!facts) return facts.error();
    if (S_ISDIR(facts->st_mode)) {
      auto folder = open_folder(from, name);
      if (!folder) return folder.error();
      entry.folder = std::move(*folder);
      return {};
    }
    auto file = open_file(from, name);
    if (!file) return file.error();
    entry.file = std::move(*file);
    return {};
  });
  if (done || done.error().kind == ErrorKind::kNotFound) return entry;
  if (done.error().kind != ErrorKind::kInvalid && done.error().kind != ErrorKind::kDenied)
    return in_folder(path, done.error());
  if (copy.left_out != nullptr) copy.left_out->push_back(path + ": " + done.error().message);
  return entry;
}

}  // namespace

Error stopped_error() {
  return Error{ErrorKind::kUnavailable, "interrupted"};
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

std::string difference_of(const Copied& copied, std::uint64_t octets_promised) {
  if (copied.octets != octets_promised)
    return fmt::format("{} octets, and it should have {}", copied.octets, octets_promised);
  return "it holds other octets than when it came";
}

namespace {

// `take` gets piece after piece.
Result<Copied> read_pieces(const RegularFile& from, std::uint64_t from_octet,
                           const std::function<Result<void>(std::string_view)>& take) {
  std::string piece;
  Copied copied;
  ContentHasher hasher;
  do {
    piece.clear();
    if (auto done = read_some(from.fd(), from_octet + copied.octets, kCopiedAtOnce, piece); !done)
      return done.error();
    if (piece.empty()) break;
    if (auto done = take(piece); !done) return done.error();
    hasher.add(piece);
    copied.octets += piece.size();
  } while (piece.size() == kCopiedAtOnce);
  copied.hash = hasher.value();
  return copied;
}

}  // namespace

Result<Copied> read_file_through(const RegularFile& from, std::uint64_t from_octet) {
  return read_pieces(from, from_octet, [](std::string_view) { return Result<void>(); });
}

Result<Copied> copy_file(const RegularFile& from, const FileHandle& to) {
  auto copied = read_pieces(from, 0, [&](std::string_view piece) { return write_all(to.fd(), piece); });
  if (!copied) return copied;
  const struct timespec times[2] = {from.facts.st_atim, from.facts.st_mtim};
  static_cast<void>(::futimens(to.fd(), times));  // when the message came; without it, now
  return copied;
}

Result<void> copy_entry(int from, int to, const std::string& name, const std::string& path, TreeCopy& copy) {
  auto entry = open_entry_to_copy(from, name, path, copy);
  if (!entry) return entry.error();
  if (entry->folder.is_open()) {
    FileHandle made;
    auto done = copy.into([&]() -> Result<void> {
      auto folder = make_folder(to, name);
      if (!folder) return folder.error();
      made = std::move(*folder);
      return {};
    });
    if (!done) return in_folder(path, done.error());
    return copy_tree(entry->folder.fd(), made.fd(), path, copy);
  }
  if (entry->file.fd() < 0) return {};
  auto done = copy.into([&]() -> Result<void> {
    auto made = create_file(to, name);
    if (!made) return made.error();
    auto copied = copy_file(entry->file, *made);
    if (!copied) return copied.error();
    copy.octets += copied->octets;
    return sync_handle(made->fd(), name);
  });
  if (!done) return in_folder(path, done.error());
  return {};
}

Result<void> copy_tree(int from, int to, const std::string& path, TreeCopy& copy) {
  std::vector<std::string> names;
  auto listed = copy.out_of([&]() -> Result<void> {
    auto found = list_folder(from);
    if (!found) return found.error();
    names = std::move(*found);
    return {};
  });
  if (!listed) return in_folder(path, listed.error());
  for (const std::string& name : names) {
    if (auto done = copy_entry(from, to, name, path + "/" + name, copy); !done) return done;
  }
  auto synced = copy.into([&] { return sync_handle(to, path); });
  if (!synced) return in_folder(path, synced.error());
  return {};
}

Result<std::string> look_of_tree(int folder) {
  auto names = list_folder(folder);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  std::string look;
  for (const std::string& name : *names) {
    auto facts = stat_name(folder, name);
    if (!facts) continue;
    look += fmt::format("{} {} {} {}.{}\n", name, facts->st_ino, facts->st_size, facts->st_mtim.tv_sec,
                        facts->st_mtim.tv_nsec);
    if (!S_ISDIR(facts->st_mode)) continue;
    auto below = open_folder(folder, name);
    auto inside = below ? look_of_tree(below->fd()) : Result<std::string>(below.error());
    if (!inside) return inside.error();
    look += '(' + *inside + ")\n";
  }
  return look;
}

}  // namespace mailstead

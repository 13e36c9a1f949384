#include "storage/spool.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace mailstead {

namespace {

constexpr std::size_t kSpoolPiece = 256 * 1024;

}  // namespace

Result<std::unique_ptr<Spool>> FileSpool::make(int folder) {
  auto file = create_unnamed_file(folder);
  if (!file) return in_folder("queue", file.error());
  return std::unique_ptr<Spool>(new FileSpool(std::move(*file)));
}

Result<void> FileSpool::append(std::string_view bytes) {
  if (auto done = write_all(file_.fd(), bytes); !done) return in_folder("queue", done.error());
  scan_.add(bytes);
  return {};
}

Result<void> FileSpool::overwrite(std::uint64_t offset, std::string_view bytes) {
  if (auto done = write_at(file_.fd(), offset, bytes); !done) return in_folder("queue", done.error());
  return {};
}

Result<void> FileSpool::read(std::uint64_t offset, std::size_t length, std::string& into) const {
  auto done = read_some(file_.fd(), offset, length, into);
  if (!done) return in_folder("queue", done.error());
  return {};
}

Result<void> FileSpool::copy_to(const FileHandle& to) const {
  off_t offset = 0;
  std::uint64_t left = size();
  while (left > 0) {
    // Inside the kernel; shares the blocks where the file system can.
    ssize_t copied = ::copy_file_range(file_.fd(), &offset, to.fd(), nullptr, left, 0);
    if (copied <= 0) break;
    left -= static_cast<std::uint64_t>(copied);
  }
  std::string piece;
  while (left > 0) {
    piece.clear();
    if (auto done = read_some(file_.fd(), static_cast<std::uint64_t>(offset), kSpoolPiece, piece); !done)
      return done;
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    piece.resize(std::min<std::uint64_t>(piece.size(), left));
    if (auto done = write_all(to.fd(), piece); !done) return done;
    offset += static_cast<off_t>(piece.size());
    left -= piece.size();
  }
  return {};
}

}  // namespace mailstead

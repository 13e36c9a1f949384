#include "admin/commands/message_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "admin/transfer/transfer_wire.h"

namespace mailstead::admin {
namespace {

Error temporary_error(int code) {
  const auto kind = code == ENOSPC ? ErrorKind::kNoSpace : ErrorKind::kIo;
  return Error{kind, fmt::format("cannot keep a large message in the temporary folder (TMPDIR): {}",
                                 std::strerror(code))};
}

Result<void> write_whole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return temporary_error(errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<void> MessageText::spill() {
  const char* folder = std::getenv("TMPDIR");
  std::string name =
      fmt::format("{}/mailstead-XXXXXX", folder == nullptr || *folder == '\0' ? "/tmp" : folder);
  file_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_) return temporary_error(errno);
  ::unlink(name.c_str());
  if (auto done = write_whole(file_.get(), memory_); !done) return done;
  memory_.clear();
  memory_.shrink_to_fit();
  return {};
}

Result<void> MessageText::append(std::string_view bytes) {
  if (!file_ && memory_.size() + bytes.size() > kTransferPiece) {
    if (auto done = spill(); !done) return done;
  }
  size_ += bytes.size();
  if (file_) return write_whole(file_.get(), bytes);
  memory_.append(bytes);
  return {};
}

Result<void> MessageText::read(std::uint64_t offset, std::size_t length, std::string& into) const {
  if (!file_) {
    if (offset < memory_.size()) into.append(memory_, static_cast<std::size_t>(offset), length);
    return {};
  }
  const std::size_t before = into.size();
  into.resize(before + length);
  std::size_t filled = 0;
  while (filled < length) {
    const ssize_t got = ::pread(file_.get(), into.data() + before + filled, length - filled,
                                static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return temporary_error(errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  into.resize(before + filled);
  return {};
}

}  // namespace mailstead::admin

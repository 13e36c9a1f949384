#include "admin/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "admin/descriptor.h"

namespace mailstead::admin {
namespace {

Error system_error(std::string_view doing, const std::string& path, int code) {
  const ErrorKind kind = code == ENOENT || code == ENOTDIR  ? ErrorKind::kNotFound
                         : code == EACCES || code == EPERM  ? ErrorKind::kDenied
                         : code == ENOSPC || code == EDQUOT ? ErrorKind::kNoSpace
                                                            : ErrorKind::kIo;
  return Error{kind, fmt::format("cannot {} {}: {}", doing, path, std::strerror(code))};
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
  // O_NONBLOCK: a FIFO in the file's place must not hold us.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_error("read", path, errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_error("read", path, errno);
  if (!S_ISREG(facts.st_mode)) {
    return Error{ErrorKind::kInvalid, fmt::format("cannot read {}: it is not a file", path)};
  }
  std::string text;
  std::array<char, 16384> buffer;
  while (text.size() <= most) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read", path, errno);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return Error{ErrorKind::kInvalid, fmt::format("{} is larger than {} octets", path, most)};
}

Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  const std::size_t slash = path.rfind('/');
  const std::string folder_path =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string beside = name + ".new";

  const Descriptor folder(::open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error("write into", folder_path, errno);
  // What a crash left of an earlier try.
  if (::unlinkat(folder.get(), beside.c_str(), 0) != 0 && errno != ENOENT)
    return system_error("write", path, errno);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Descriptor file(::openat(folder.get(), beside.c_str(), flags, mode));
  if (!file) return system_error("write", path, errno);
  const bool done = ::fchmod(file.get(), mode) == 0 && write_all(file.get(), bytes) &&
                    ::fsync(file.get()) == 0 &&
                    ::renameat(folder.get(), beside.c_str(), folder.get(), name.c_str()) == 0;
  if (!done) {
    const int code = errno;
    ::unlinkat(folder.get(), beside.c_str(), 0);
    return system_error("write", path, code);
  }
  if (::fsync(folder.get()) != 0) return system_error("write into", folder_path, errno);
  return {};
}

std::string real_path_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  return real ? real.get() : std::string();
}

}  // namespace mailstead::admin

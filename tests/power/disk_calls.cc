#include "disk_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <string>

// The C library's functions under names of ours: their declarations, and what its headers make of them, are
// not in the way. The symbol is the one that others link to.
#define MAILSTEAD_CALL(symbol) __asm__(symbol) __attribute__((visibility("default")))

namespace mailstead::power {

namespace {

DiskObserver* observer = nullptr;
thread_local bool is_unobserved = false;

// Makes the call unless the observer refuses. `make` returns what the kernel did: -1 and errno.
template <typename Make>
long pass(DiskCall& call, Make make) {
  if (observer == nullptr || is_unobserved) return make(call);
  const Unobserved own;
  if (const int refused = observer->refuse(call)) {
    errno = refused;
    return -1;
  }
  if (call.length > 0) call.length = observer->allowed(call);
  observer->begins(call);
  const long result = make(call);
  const int error_number = errno;
  if (result >= 0) observer->done(call, result);
  errno = error_number;
  return result;
}

int open_call(int at, const char* path, int flags, mode_t mode) {
  DiskCall call{.kind = CallKind::kOpen, .at = at, .path = path, .flags = flags};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_openat, at, path, flags, mode); }));
}

mode_t mode_in(int flags, std::va_list& rest) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

off_t position_of(int fd) {
  return ::lseek(fd, 0, SEEK_CUR);
}

ssize_t write_call(int fd, const void* bytes, std::size_t length) {
  const off_t at = observer != nullptr && !is_unobserved ? position_of(fd) : 0;
  DiskCall call{.kind = CallKind::kWrite,
                .fd = fd,
                .offset = static_cast<std::uint64_t>(at < 0 ? 0 : at),
                .length = length,
                .bytes = bytes};
  return pass(call, [=](const DiskCall& now) { return ::syscall(SYS_write, fd, bytes, now.length); });
}

ssize_t pwrite_call(int fd, const void* bytes, std::size_t length, off64_t offset) {
  DiskCall call{.kind = CallKind::kWrite,
                .fd = fd,
                .offset = static_cast<std::uint64_t>(offset),
                .length = length,
                .bytes = bytes};
  return pass(call,
              [=](const DiskCall& now) { return ::syscall(SYS_pwrite64, fd, bytes, now.length, offset); });
}

std::string joined(const struct iovec* parts, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return all;
}

ssize_t pread_call(int fd, void* into, std::size_t length, off64_t offset) {
  DiskCall call{
      .kind = CallKind::kRead, .fd = fd, .offset = static_cast<std::uint64_t>(offset), .length = length};
  return pass(call,
              [=](const DiskCall& now) { return ::syscall(SYS_pread64, fd, into, now.length, offset); });
}

ssize_t read_call(int fd, void* into, std::size_t length) {
  DiskCall call{.kind = CallKind::kRead, .fd = fd, .length = length};
  return pass(call, [=](const DiskCall& now) { return ::syscall(SYS_read, fd, into, now.length); });
}

int truncate_call(int fd, off64_t length) {
  DiskCall call{.kind = CallKind::kTruncate, .fd = fd, .offset = static_cast<std::uint64_t>(length)};
  return static_cast<int>(pass(call, [=](const DiskCall&) { return ::syscall(SYS_ftruncate, fd, length); }));
}

int allocate_call(int fd, int mode, off64_t offset, off64_t length) {
  DiskCall call{.kind = CallKind::kAllocate,
                .fd = fd,
                .offset = static_cast<std::uint64_t>(offset + length),
                .flags = mode};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_fallocate, fd, mode, offset, length); }));
}

// Says what failed as a value, unlike the others.
int posix_allocate_call(int fd, off64_t offset, off64_t length) {
  const int before = errno;
  const int done = allocate_call(fd, 0, offset, length);
  const int failed = done == 0 ? 0 : errno;
  errno = before;
  return failed;
}

int sync_call(int fd, long number, CallKind kind) {
  DiskCall call{.kind = kind, .fd = fd};
  return static_cast<int>(pass(call, [=](const DiskCall&) { return ::syscall(number, fd); }));
}

int rename_call(int at, const char* path, int to_at, const char* to_path, unsigned flags) {
  DiskCall call{.kind = CallKind::kRename,
                .at = at,
                .path = path,
                .to_at = to_at,
                .to_path = to_path,
                .flags = static_cast<int>(flags)};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_renameat2, at, path, to_at, to_path, flags); }));
}

int link_call(int at, const char* path, int to_at, const char* to_path, int flags) {
  DiskCall call{
      .kind = CallKind::kLink, .at = at, .path = path, .to_at = to_at, .to_path = to_path, .flags = flags};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_linkat, at, path, to_at, to_path, flags); }));
}

int unlink_call(int at, const char* path, int flags) {
  DiskCall call{.kind = CallKind::kUnlink, .at = at, .path = path, .flags = flags};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_unlinkat, at, path, flags); }));
}

int mkdir_call(int at, const char* path, mode_t mode) {
  DiskCall call{.kind = CallKind::kMakeFolder, .at = at, .path = path};
  return static_cast<int>(
      pass(call, [=](const DiskCall&) { return ::syscall(SYS_mkdirat, at, path, mode); }));
}

// From another file, to `to`.
template <typename Make>
ssize_t copy_call(int to, off_t at, std::size_t length, Make make) {
  DiskCall call{.kind = CallKind::kWrite,
                .fd = to,
                .offset = static_cast<std::uint64_t>(at < 0 ? 0 : at),
                .length = length};
  return pass(call, make);
}

void* map_call(void* address, std::size_t length, int protection, int flags, int fd, off64_t offset) {
  const auto make = [=](const DiskCall&) {
    return ::syscall(SYS_mmap, address, length, protection, flags, fd, offset);
  };
  // An address is no length: it must not look like a failure.
  if (fd < 0 || observer == nullptr || is_unobserved) return reinterpret_cast<void*>(make({}));
  DiskCall call{.kind = CallKind::kMap, .fd = fd};
  const Unobserved own;
  if (const int refused = observer->refuse(call)) {
    errno = refused;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(make(call));
}

}  // namespace

void set_disk_observer(DiskObserver* next) {
  observer = next;
}

Unobserved::Unobserved() : before_(is_unobserved) {
  is_unobserved = true;
}

Unobserved::~Unobserved() {
  is_unobserved = before_;
}

int call_open(const char* path, int flags, ...) MAILSTEAD_CALL("open");
int call_open(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return open_call(AT_FDCWD, path, flags, mode);
}
int call_open64(const char* path, int flags, ...) MAILSTEAD_CALL("open64");
int call_open64(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return open_call(AT_FDCWD, path, flags, mode);
}
int call_openat(int at, const char* path, int flags, ...) MAILSTEAD_CALL("openat");
int call_openat(int at, const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return open_call(at, path, flags, mode);
}
int call_openat64(int at, const char* path, int flags, ...) MAILSTEAD_CALL("openat64");
int call_openat64(int at, const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_in(flags, rest);
  va_end(rest);
  return open_call(at, path, flags, mode);
}

ssize_t call_write(int fd, const void* bytes, std::size_t length) MAILSTEAD_CALL("write");
ssize_t call_write(int fd, const void* bytes, std::size_t length) {
  return write_call(fd, bytes, length);
}
ssize_t call_pwrite(int fd, const void* bytes, std::size_t length, off64_t at) MAILSTEAD_CALL("pwrite");
ssize_t call_pwrite(int fd, const void* bytes, std::size_t length, off64_t at) {
  return pwrite_call(fd, bytes, length, at);
}
ssize_t call_pwrite64(int fd, const void* bytes, std::size_t length, off64_t at) MAILSTEAD_CALL("pwrite64");
ssize_t call_pwrite64(int fd, const void* bytes, std::size_t length, off64_t at) {
  return pwrite_call(fd, bytes, length, at);
}
ssize_t call_writev(int fd, const struct iovec* parts, int count) MAILSTEAD_CALL("writev");
ssize_t call_writev(int fd, const struct iovec* parts, int count) {
  const std::string all = joined(parts, count);
  return write_call(fd, all.data(), all.size());
}
ssize_t call_pwritev(int fd, const struct iovec* parts, int count, off64_t at) MAILSTEAD_CALL("pwritev");
ssize_t call_pwritev(int fd, const struct iovec* parts, int count, off64_t at) {
  const std::string all = joined(parts, count);
  return pwrite_call(fd, all.data(), all.size(), at);
}
ssize_t call_pwritev64(int fd, const struct iovec* parts, int count, off64_t at) MAILSTEAD_CALL("pwritev64");
ssize_t call_pwritev64(int fd, const struct iovec* parts, int count, off64_t at) {
  const std::string all = joined(parts, count);
  return pwrite_call(fd, all.data(), all.size(), at);
}

ssize_t call_read(int fd, void* into, std::size_t length) MAILSTEAD_CALL("read");
ssize_t call_read(int fd, void* into, std::size_t length) {
  return read_call(fd, into, length);
}
ssize_t call_pread(int fd, void* into, std::size_t length, off64_t at) MAILSTEAD_CALL("pread");
ssize_t call_pread(int fd, void* into, std::size_t length, off64_t at) {
  return pread_call(fd, into, length, at);
}
ssize_t call_pread64(int fd, void* into, std::size_t length, off64_t at) MAILSTEAD_CALL("pread64");
ssize_t call_pread64(int fd, void* into, std::size_t length, off64_t at) {
  return pread_call(fd, into, length, at);
}

int call_ftruncate(int fd, off64_t length) MAILSTEAD_CALL("ftruncate");
int call_ftruncate(int fd, off64_t length) {
  return truncate_call(fd, length);
}
int call_ftruncate64(int fd, off64_t length) MAILSTEAD_CALL("ftruncate64");
int call_ftruncate64(int fd, off64_t length) {
  return truncate_call(fd, length);
}
int call_fallocate(int fd, int mode, off64_t at, off64_t length) MAILSTEAD_CALL("fallocate");
int call_fallocate(int fd, int mode, off64_t at, off64_t length) {
  return allocate_call(fd, mode, at, length);
}
int call_fallocate64(int fd, int mode, off64_t at, off64_t length) MAILSTEAD_CALL("fallocate64");
int call_fallocate64(int fd, int mode, off64_t at, off64_t length) {
  return allocate_call(fd, mode, at, length);
}
int call_posix_fallocate(int fd, off64_t at, off64_t length) MAILSTEAD_CALL("posix_fallocate");
int call_posix_fallocate(int fd, off64_t at, off64_t length) {
  return posix_allocate_call(fd, at, length);
}
int call_posix_fallocate64(int fd, off64_t at, off64_t length) MAILSTEAD_CALL("posix_fallocate64");
int call_posix_fallocate64(int fd, off64_t at, off64_t length) {
  return posix_allocate_call(fd, at, length);
}

int call_fsync(int fd) MAILSTEAD_CALL("fsync");
int call_fsync(int fd) {
  return sync_call(fd, SYS_fsync, CallKind::kSync);
}
int call_fdatasync(int fd) MAILSTEAD_CALL("fdatasync");
int call_fdatasync(int fd) {
  return sync_call(fd, SYS_fdatasync, CallKind::kSync);
}
int call_syncfs(int fd) MAILSTEAD_CALL("syncfs");
int call_syncfs(int fd) {
  return sync_call(fd, SYS_syncfs, CallKind::kSyncAll);
}

int call_rename(const char* path, const char* to_path) MAILSTEAD_CALL("rename");
int call_rename(const char* path, const char* to_path) {
  return rename_call(AT_FDCWD, path, AT_FDCWD, to_path, 0);
}
int call_renameat(int at, const char* path, int to_at, const char* to_path) MAILSTEAD_CALL("renameat");
int call_renameat(int at, const char* path, int to_at, const char* to_path) {
  return rename_call(at, path, to_at, to_path, 0);
}
int call_renameat2(int at, const char* path, int to_at, const char* to_path, unsigned flags)
    MAILSTEAD_CALL("renameat2");
int call_renameat2(int at, const char* path, int to_at, const char* to_path, unsigned flags) {
  return rename_call(at, path, to_at, to_path, flags);
}
int call_link(const char* path, const char* to_path) MAILSTEAD_CALL("link");
int call_link(const char* path, const char* to_path) {
  return link_call(AT_FDCWD, path, AT_FDCWD, to_path, 0);
}
int call_linkat(int at, const char* path, int to_at, const char* to_path, int flags) MAILSTEAD_CALL("linkat");
int call_linkat(int at, const char* path, int to_at, const char* to_path, int flags) {
  return link_call(at, path, to_at, to_path, flags);
}
int call_unlink(const char* path) MAILSTEAD_CALL("unlink");
int call_unlink(const char* path) {
  return unlink_call(AT_FDCWD, path, 0);
}
int call_unlinkat(int at, const char* path, int flags) MAILSTEAD_CALL("unlinkat");
int call_unlinkat(int at, const char* path, int flags) {
  return unlink_call(at, path, flags);
}
int call_rmdir(const char* path) MAILSTEAD_CALL("rmdir");
int call_rmdir(const char* path) {
  return unlink_call(AT_FDCWD, path, AT_REMOVEDIR);
}
int call_mkdir(const char* path, mode_t mode) MAILSTEAD_CALL("mkdir");
int call_mkdir(const char* path, mode_t mode) {
  return mkdir_call(AT_FDCWD, path, mode);
}
int call_mkdirat(int at, const char* path, mode_t mode) MAILSTEAD_CALL("mkdirat");
int call_mkdirat(int at, const char* path, mode_t mode) {
  return mkdir_call(at, path, mode);
}

ssize_t call_copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t length,
                             unsigned flags) MAILSTEAD_CALL("copy_file_range");
ssize_t call_copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t length,
                             unsigned flags) {
  return copy_call(to, to_at != nullptr ? *to_at : position_of(to), length, [=](const DiskCall& now) {
    return ::syscall(SYS_copy_file_range, from, from_at, to, to_at, now.length, flags);
  });
}
ssize_t call_sendfile(int to, int from, off64_t* from_at, std::size_t length) MAILSTEAD_CALL("sendfile");
ssize_t call_sendfile(int to, int from, off64_t* from_at, std::size_t length) {
  return copy_call(to, position_of(to), length, [=](const DiskCall& now) {
    return ::syscall(SYS_sendfile, to, from, from_at, now.length);
  });
}
ssize_t call_sendfile64(int to, int from, off64_t* from_at, std::size_t length) MAILSTEAD_CALL("sendfile64");
ssize_t call_sendfile64(int to, int from, off64_t* from_at, std::size_t length) {
  return call_sendfile(to, from, from_at, length);
}

void* call_mmap(void* address, std::size_t length, int protection, int flags, int fd, off64_t offset)
    MAILSTEAD_CALL("mmap");
void* call_mmap(void* address, std::size_t length, int protection, int flags, int fd, off64_t offset) {
  return map_call(address, length, protection, flags, fd, offset);
}
void* call_mmap64(void* address, std::size_t length, int protection, int flags, int fd, off64_t offset)
    MAILSTEAD_CALL("mmap64");
void* call_mmap64(void* address, std::size_t length, int protection, int flags, int fd, off64_t offset) {
  return map_call(address, length, protection, flags, fd, offset);
}

}  // namespace mailstead::power

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "recorder.h"

namespace mailstead::power {

namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
}

std::string bytes_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) refuse(path);
  struct stat facts {};
  ::fstat(fd, &facts);
  std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count = ::read(fd, bytes.data() + got, bytes.size() - got);
    if (count <= 0) refuse(path);
    got += static_cast<std::size_t>(count);
  }
  ::close(fd);
  return bytes;
}

class Reading {
 public:
  Image run(const std::string& root) {
    image_.root = folder(root);
    return std::move(image_);
  }

 private:
  ObjectId folder(const std::string& path) {
    const ObjectId id = ++last_;
    Image::Names names;
    DIR* stream = ::opendir(path.c_str());
    if (stream == nullptr) refuse(path);
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.emplace(name, entry_at(path + "/" + name));
    }
    ::closedir(stream);
    image_.folders.emplace(id, std::move(names));
    return id;
  }

  ObjectId entry_at(const std::string& path) {
    struct stat facts {};
    if (::lstat(path.c_str(), &facts) != 0) refuse(path);
    if (S_ISDIR(facts.st_mode)) return folder(path);
    ObjectId& id = files_[facts.st_ino];
    if (id == 0) {
      id = ++last_;
      image_.files.emplace(id, std::make_shared<const std::string>(bytes_of(path)));
    }
    return id;
  }

  Image image_;
  ObjectId last_ = 0;
  std::map<ino_t, ObjectId> files_;
};

// A folder that was just changed keeps recovery waiting, until a change would show.
void make_old(const std::string& path) {
  const struct timespec times[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void write_file(const std::string& bytes, const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) refuse(path);
  // Zeros at the end are a hole, and cost nothing.
  const std::size_t last = bytes.find_last_not_of('\0');
  const std::size_t used = last == std::string::npos ? 0 : last + 1;
  if (::write(fd, bytes.data(), used) != static_cast<ssize_t>(used)) refuse(path);
  if (used < bytes.size() && ::ftruncate(fd, static_cast<off_t>(bytes.size())) != 0) refuse(path);
  ::close(fd);
  make_old(path);
}

void write_folder(const Image& image, ObjectId id, const std::string& path,
                  std::map<ObjectId, std::string>& written) {
  if (::mkdir(path.c_str(), 0700) != 0) refuse(path);
  for (const auto& [name, object] : image.folders.at(id)) {
    const std::string own = path + "/" + name;
    if (image.folders.contains(object)) {
      write_folder(image, object, own, written);
    } else if (const auto first = written.find(object); first != written.end()) {
      if (::link(first->second.c_str(), own.c_str()) != 0) refuse(own);
    } else {
      write_file(*image.files.at(object), own);
      written.emplace(object, own);
    }
  }
  make_old(path);
}

void flatten(const Image& image, ObjectId id, const std::string& path, std::map<std::string, Bytes>& into) {
  for (const auto& [name, object] : image.folders.at(id)) {
    const std::string own = path + "/" + name;
    if (image.folders.contains(object)) {
      into.emplace(own + "/", nullptr);
      flatten(image, object, own, into);
    } else if (!name.ends_with("-shm")) {
      into.emplace(own, image.files.at(object));
    }
  }
}

}  // namespace

Image read_image(const std::string& root) {
  return Reading().run(root);
}

void write_image(const Image& image, const std::string& root) {
  std::map<ObjectId, std::string> written;
  write_folder(image, image.root, root, written);
}

std::string difference(const Image& first, const Image& second) {
  std::map<std::string, Bytes> one;
  std::map<std::string, Bytes> other;
  flatten(first, first.root, "", one);
  flatten(second, second.root, "", other);
  for (const auto& [path, bytes] : one) {
    const auto found = other.find(path);
    if (found == other.end()) return path + " is only in the first";
    if (bytes != nullptr && *bytes != *found->second) return path + " is not the same";
  }
  for (const auto& [path, bytes] : other) {
    if (!one.contains(path)) return path + " is only in the second";
  }
  return "";
}

}  // namespace mailstead::power

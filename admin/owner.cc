#include "admin/owner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mailstead::admin {
namespace {

std::string parent_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> look_at_parent(const std::string& data) {
  const std::string parent = parent_of(data);
  struct stat facts {};
  if (::stat(parent.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) return {};
  return Error{ErrorKind::kNotFound,
               fmt::format("there is no folder {} to make the data folder {} in", parent, data)};
}

}  // namespace

Result<void> become_owner(const std::string& data, Rights rights) {
  struct stat facts {};
  if (::geteuid() != 0 || ::stat(data.c_str(), &facts) != 0 || facts.st_uid == 0) return {};
  const gid_t group = facts.st_gid;
  // Groups first: afterwards there is no right to change them.
  if (rights == Rights::kLent) {
    // The real and the saved ones are root's.
    if (::setgroups(1, &group) == 0 && ::setegid(group) == 0 && ::seteuid(facts.st_uid) == 0) return {};
  } else if (::setgroups(1, &group) == 0 && ::setgid(group) == 0 && ::setuid(facts.st_uid) == 0) {
    return {};
  }
  return Error{ErrorKind::kDenied, fmt::format("cannot become the owner of {} (user {}): {}", data,
                                               facts.st_uid, std::strerror(errno))};
}

Result<void> enter_folder(const std::string& data, MissingFolder missing, Rights rights) {
  if (Result<void> became = become_owner(data, rights); !became) return became;
  struct stat facts {};
  if (::stat(data.c_str(), &facts) != 0) {
    if (errno != ENOENT) {
      return Error{ErrorKind::kDenied,
                   fmt::format("cannot use the data folder {}: {}", data, std::strerror(errno))};
    }
    if (missing == MissingFolder::kToBeMade) return look_at_parent(data);
    return Error{
        ErrorKind::kNotFound,
        fmt::format("there is no data folder {}: 'mailstead mailbox add' or 'mailstead serve' makes it, "
                    "--data or MAILSTEAD_DATA names another",
                    data)};
  }
  if (!S_ISDIR(facts.st_mode)) {
    return Error{ErrorKind::kInvalid, fmt::format("the data folder {} is not a folder", data)};
  }
  if (::faccessat(AT_FDCWD, data.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) return {};
  return Error{ErrorKind::kDenied,
               fmt::format("no rights to the data folder {}: run this as its owner or as root", data)};
}

}  // namespace mailstead::admin

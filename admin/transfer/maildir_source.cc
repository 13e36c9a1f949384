#include "admin/transfer/maildir_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "admin/transfer/dovecot_uidlist.h"
#include "storage/mailbox/message_id.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kFilePiece = 128u << 10;
constexpr std::size_t kMostUidlist = 512u << 20;  // octets
constexpr std::int64_t kFirstMail = 315'532'800;  // 1980: what is before it is no time of a message

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

Error folder_error(const std::string& path, int code) {
  const auto kind = code == ENOENT   ? ErrorKind::kNotFound
                    : code == EACCES ? ErrorKind::kDenied
                                     : ErrorKind::kIo;
  return Error{kind, fmt::format("cannot read {}: {}", path, std::strerror(code))};
}

Descriptor open_folder_at(int at, const std::string& name) {
  return Descriptor(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Result<std::vector<std::string>> names_in_folder(int at, const std::string& name, const std::string& path) {
  const int fd = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return folder_error(path, errno);
  const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(fd));
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr && errno != 0) return folder_error(path, errno);
    if (entry == nullptr) return names;
    const std::string_view each(entry->d_name);
    if (each != "." && each != "..") names.emplace_back(each);
  }
}

Result<void> read_into(int fd, MessageText& text) {
  std::array<char, kFilePiece> piece;
  while (true) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorKind::kIo, std::strerror(errno)};
    if (got == 0) return {};
    if (auto done = text.append({piece.data(), static_cast<std::size_t>(got)}); !done) return done;
  }
}

// Nothing when there is none.
Result<std::string> uidlist_text(int root) {
  const Descriptor file(::openat(root, "dovecot-uidlist", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::string();
  if (!file)
    return Error{ErrorKind::kIo, fmt::format("cannot read dovecot-uidlist: {}", std::strerror(errno))};
  std::string text;
  MessageText whole;
  if (auto done = read_into(file.get(), whole); !done) return done.error();
  if (whole.size() > kMostUidlist) return Error{ErrorKind::kCorrupt, "dovecot-uidlist is too large for one"};
  for (std::uint64_t offset = 0; offset < whole.size(); offset = text.size()) {
    if (auto done = whole.read(offset, kFilePiece, text); !done) return done.error();
  }
  return text;
}

// A place in the order: those that Dovecot knows come first, as it numbers them.
using Order = std::tuple<bool, std::uint32_t, std::int64_t, std::string>;

std::string why_no_mail(const struct stat& facts) {
  if (S_ISDIR(facts.st_mode)) return "a folder";
  if (S_ISLNK(facts.st_mode)) return "a symbolic link";
  if (!S_ISREG(facts.st_mode)) return "no file";
  if (facts.st_size == 0) return "empty";
  return {};
}

}  // namespace

std::int64_t maildir_time(std::string_view name, std::int64_t modified_at, std::int64_t now) {
  std::int64_t named = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), named);
  const bool is_time = problem == std::errc() && end != name.data() + name.size() && *end == '.';
  if (!is_time || named < kFirstMail || named > now) return modified_at;
  return modified_at < kFirstMail ? named : std::min(named, modified_at);
}

Result<MaildirSource> MaildirSource::open(const std::string& folder, const std::string& subfolder) {
  MaildirSource source;
  source.path_ = folder;
  source.inbox_ = open_folder_at(AT_FDCWD, folder);
  if (!source.inbox_ && errno == ENOTDIR) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} is a file, not a maildir; is it an mbox? 'mailstead import mbox' reads those",
                    folder)};
  }
  if (!source.inbox_) return folder_error(folder, errno);
  if (!subfolder.empty()) source.path_ += "/." + subfolder;
  if (subfolder.find('/') != std::string::npos)
    return Error{ErrorKind::kInvalid, "--folder is a name such as Sent, or Lists.News"};
  source.root_ = open_folder_at(source.inbox_.get(), subfolder.empty() ? "." : '.' + subfolder);
  if (!source.root_) return folder_error(source.path_, errno);
  for (const char* place : {"new", "cur"}) {
    struct stat facts {};
    if (::fstatat(source.root_.get(), place, &facts, 0) == 0 && S_ISDIR(facts.st_mode)) continue;
    return Error{ErrorKind::kInvalid,
                 fmt::format("{0} is no maildir: there is no folder {0}/{1}; give the folder "
                             "that holds new and cur, often called Maildir",
                             source.path_, place)};
  }
  return source;
}

Result<void> MaildirSource::list_place(const std::string& place, MaildirListing& listing) const {
  auto names = names_in_folder(root_.get(), place, path_ + '/' + place);
  if (!names) return names.error();
  const std::int64_t now = std::time(nullptr);
  for (const std::string& name : *names) {
    const std::string path = place + '/' + name;
    struct stat facts {};
    if (::fstatat(root_.get(), path.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;  // moved just now
    const std::string why = name.starts_with('.') ? "a hidden file" : why_no_mail(facts);
    if (!why.empty()) {
      listing.skipped.push_back(path + ": " + why);
      continue;
    }
    const std::string item = name.substr(0, name.find(':'));
    listing.messages.push_back({path,
                                item,
                                {},
                                maildir_time(name, facts.st_mtim.tv_sec, now),
                                static_cast<std::uint64_t>(facts.st_size)});
  }
  return {};
}

Result<MaildirListing> MaildirSource::list(std::string_view uidl_format) const {
  MaildirListing listing;
  // new/ first: what another program moves to cur/ meanwhile is then seen at least once.
  for (const char* place : {"new", "cur"}) {
    if (auto done = list_place(place, listing); !done) return done.error();
  }
  auto text = uidlist_text(root_.get());
  if (!text) return Error{text.error().kind, path_ + ": " + text.error().message};
  Uidlist uidlist;
  listing.has_uidlist = !text->empty();
  if (listing.has_uidlist) {
    auto parsed = parse_uidlist(*text);
    if (!parsed) return Error{parsed.error().kind, path_ + ": " + parsed.error().message};
    uidlist = *std::move(parsed);
  }
  std::vector<std::pair<Order, MaildirMessage>> ordered;
  std::unordered_set<std::string> seen;
  for (MaildirMessage& message : listing.messages) {
    if (!seen.insert(message.item).second) continue;
    const auto entry = uidlist.entries.find(message.item);
    const bool known = entry != uidlist.entries.end();
    if (known) {
      const UidlistEntry& facts = entry->second;
      message.uidl = facts.saved_uidl.empty() ? format_uidl(uidl_format, uidlist, facts, message.item)
                                              : facts.saved_uidl;
    } else if (!listing.has_uidlist) {
      message.uidl = message.item;
    }
    if (!is_uidl(message.uidl)) message.uidl.clear();
    const std::uint32_t place = known ? entry->second.order.value_or(entry->second.uid) : 0;
    Order order{!known, place, message.received_at, message.item};
    ordered.emplace_back(std::move(order), std::move(message));
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const auto& one, const auto& other) { return one.first < other.first; });
  listing.messages.clear();
  for (auto& [order, message] : ordered) listing.messages.push_back(std::move(message));
  auto others = names_in_folder(inbox_.get(), ".", path_);
  if (!others) return others.error();
  for (const std::string& name : *others) {
    struct stat facts {};
    if (name.size() > 1 && name.starts_with('.') &&
        ::fstatat(inbox_.get(), (name + "/cur").c_str(), &facts, 0) == 0)
      listing.subfolders.push_back(name.substr(1));
  }
  std::sort(listing.subfolders.begin(), listing.subfolders.end());
  return listing;
}

// Its flags may be others by now, or it may have gone from new/ to cur/.
Result<int> MaildirSource::open_message(const MaildirMessage& message) const {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int fd = ::openat(root_.get(), message.path.c_str(), kFlags);
  if (fd >= 0) return fd;
  if (errno != ENOENT) return folder_error(path_ + '/' + message.path, errno);
  auto names = names_in_folder(root_.get(), "cur", path_ + "/cur");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name.substr(0, name.find(':')) != message.item) continue;
    const int again = ::openat(root_.get(), ("cur/" + name).c_str(), kFlags);
    if (again >= 0) return again;
  }
  return Error{ErrorKind::kNotFound, "it has gone meanwhile"};
}

Result<void> MaildirSource::read(const MaildirMessage& message, MessageText& text) const {
  const auto fd = open_message(message);
  if (!fd) return fd.error();
  const Descriptor file(*fd);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
    return Error{ErrorKind::kInvalid, "it is no file any more"};
  return read_into(file.get(), text);
}

}  // namespace mailstead::admin

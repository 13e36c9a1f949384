#include "storage/mailbox/maildir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "storage/mailbox/message_id.h"
#include "storage/mailbox/names.h"

namespace mailstead {

namespace {

constexpr std::size_t kScanPiece = 256 * 1024;

std::string path_of(const MailboxFolderName& name) {
  return fmt::format("mail/{}/{}", name.domain, name.user);
}

constexpr const char* kDeleted = "deleted";
constexpr const char* kQuarantine = "quarantine";
constexpr std::string_view kDeletedPrefix = "deleted/";

std::int64_t nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

MaildirTimes times_in(const struct stat& of_new, const struct stat& of_cur, const struct timespec& now) {
  return {nanoseconds(of_new.st_mtim), nanoseconds(of_cur.st_mtim), nanoseconds(now)};
}

}  // namespace

std::string path_aside(const std::string& path) {
  return std::string(kDeletedPrefix) + path.substr(path.find('/') + 1);
}

std::string path_restored(const std::string& path) {
  const std::string name = path.substr(path.find('/') + 1);
  return (name.find(':') == std::string::npos ? "new/" : "cur/") + name;
}

Result<Maildir> Maildir::open(const DataFolder& folder, const Address& address) {
  return open_in(folder.mail_fd(), address);
}

Result<Maildir> Maildir::open_in(int mail_fd, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  Maildir maildir;
  maildir.path_ = path_of(name);
  auto domain = open_folder(mail_fd, name.domain);
  if (!domain) return maildir.here(domain.error());
  auto root = open_folder(domain->fd(), name.user);
  if (!root) return maildir.here(root.error());
  maildir.root_ = std::move(*root);
  for (auto [child, handle] :
       {std::pair{"tmp", &maildir.tmp_}, {"new", &maildir.new_}, {"cur", &maildir.cur_}}) {
    auto opened = open_folder(maildir.root_.fd(), child);
    if (!opened) return maildir.here(opened.error());
    *handle = std::move(*opened);
  }
  return maildir;
}

Result<Maildir> Maildir::make(const DataFolder& folder, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  const std::string path = path_of(name);
  auto domain = make_folder(folder.mail_fd(), name.domain);
  if (!domain) return in_folder(path, domain.error());
  auto root = make_folder(domain->fd(), name.user);
  if (!root) return in_folder(path, root.error());
  for (const char* child : {"tmp", "new", "cur"}) {
    auto made = make_folder(root->fd(), child);
    if (!made) return in_folder(path, made.error());
  }
  if (!stat_name(root->fd(), "address")) {
    auto done = replace_small_file(root->fd(), "address", address.text() + "\n");
    if (!done) return in_folder(path, done.error());
  }
  for (int fd : {root->fd(), domain->fd(), folder.mail_fd()}) {
    if (auto done = sync_handle(fd, "a folder"); !done) return in_folder(path, done.error());
  }
  return open(folder, address);
}

void Maildir::unmake(const DataFolder& folder, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  auto domain = open_folder(folder.mail_fd(), name.domain);
  if (!domain) return;
  if (auto root = open_folder(domain->fd(), name.user)) {
    bool is_empty = true;
    for (const char* child : {"tmp", "new", "cur"})
      is_empty = (::unlinkat(root->fd(), child, AT_REMOVEDIR) == 0 || errno == ENOENT) && is_empty;
    if (is_empty) {
      for (const char* file : {"address", "address.new"}) ::unlinkat(root->fd(), file, 0);
    }
  }
  ::unlinkat(domain->fd(), name.user.c_str(), AT_REMOVEDIR);
  ::unlinkat(folder.mail_fd(), name.domain.c_str(), AT_REMOVEDIR);
}

Result<FileHandle> Maildir::create_draft(const std::string& name) {
  auto file = create_file(tmp_.fd(), name);
  if (!file) return here(file.error());
  return file;
}

Result<void> Maildir::publish_draft(const std::string& name) {
  auto done = move_file(tmp_.fd(), name, new_.fd(), name);
  if (!done) return here(done.error());
  return {};
}

Result<void> Maildir::publish_draft_as(const std::string& name, const std::string& path) {
  auto at = place(path);
  if (!at) return at.error();
  auto done = move_file(tmp_.fd(), name, at->fd, at->name);
  if (!done) return here(done.error());
  return {};
}

void Maildir::discard_draft(const std::string& name) {
  static_cast<void>(remove_file(tmp_.fd(), name));  // what stays is swept at the next start
}

Result<void> Maildir::sync_new() {
  auto done = sync_handle(new_.fd(), "new");
  if (!done) return here(done.error());
  return {};
}

Result<void> Maildir::sync_all() {
  if (auto done = sync_new(); !done) return done;
  auto done = sync_handle(cur_.fd(), "cur");
  if (done && deleted_.is_open()) done = sync_handle(deleted_.fd(), kDeleted);
  if (!done) return here(done.error());
  return {};
}

Result<void> Maildir::sync_file_system() {
  auto done = mailstead::sync_file_system(new_.fd(), "new");
  if (!done) return here(done.error());
  return {};
}

Result<dev_t> Maildir::device() const {
  struct stat facts {};
  if (::fstat(new_.fd(), &facts) != 0) return here(system_error(errno, "look at", "new"));
  return facts.st_dev;
}

Result<int> Maildir::deleted_fd() const {
  if (!deleted_.is_open()) {
    auto opened = open_folder(root_.fd(), kDeleted);
    if (!opened) return here(opened.error());
    deleted_ = std::move(*opened);
  }
  return deleted_.fd();
}

Result<void> Maildir::make_deleted() {
  if (deleted_fd()) return {};
  auto made = make_folder(root_.fd(), kDeleted);
  if (!made) return here(made.error());
  if (auto done = sync_handle(root_.fd(), "the folder"); !done) return here(done.error());
  deleted_ = std::move(*made);
  return {};
}

Result<Maildir::Quarantine> Maildir::quarantine_for(const std::string& name) {
  auto made = make_folder(root_.fd(), kQuarantine);
  if (made) {
    if (auto done = sync_handle(root_.fd(), "the folder"); !done) return here(done.error());
  }
  if (!made) return here(made.error());
  std::string free_name = name;
  for (int i = 2; stat_name(made->fd(), free_name); ++i) free_name = fmt::format("{}.{}", name, i);
  return Quarantine{std::move(*made), std::move(free_name)};
}

Result<std::string> Maildir::put_in_quarantine(const std::string& path) {
  auto at = place(path);
  if (!at) return at.error();
  auto quarantine = quarantine_for(at->name);
  if (!quarantine) return quarantine.error();
  auto done = move_file(at->fd, at->name, quarantine->folder.fd(), quarantine->name);
  // There first: a power cut may leave it in both places, and never in none.
  if (done) done = sync_handle(quarantine->folder.fd(), kQuarantine);
  if (done) done = sync_handle(at->fd, path);
  if (!done) return here(done.error());
  return fmt::format("{}/{}/{}", path_, kQuarantine, quarantine->name);
}

Result<std::string> Maildir::write_to_quarantine(const std::string& name, std::string_view bytes) {
  auto quarantine = quarantine_for(name);
  if (!quarantine) return quarantine.error();
  auto file = create_file(quarantine->folder.fd(), quarantine->name);
  if (!file) return here(file.error());
  auto done = write_all(file->fd(), bytes);
  if (done) done = sync_handle(file->fd(), quarantine->name);
  if (done) done = sync_handle(quarantine->folder.fd(), kQuarantine);
  if (!done) return here(done.error());
  return fmt::format("{}/{}/{}", path_, kQuarantine, quarantine->name);
}

Result<std::string> Maildir::keep_in_quarantine(const std::string& path) {
  auto at = place(path);
  if (!at) return at.error();
  auto quarantine = quarantine_for(at->name);
  if (!quarantine) return quarantine.error();
  if (::linkat(at->fd, at->name.c_str(), quarantine->folder.fd(), quarantine->name.c_str(), 0) != 0)
    return here(system_error(errno, "link", path));
  if (auto done = sync_handle(quarantine->folder.fd(), kQuarantine); !done) return here(done.error());
  return fmt::format("{}/{}/{}", path_, kQuarantine, quarantine->name);
}

bool Maildir::is_there(const std::string& path) const {
  auto at = place(path);
  return at && stat_name(at->fd, at->name);
}

Result<Maildir::Place> Maildir::place(const std::string& path) const {
  const std::size_t slash = path.find('/');
  std::string name = slash == std::string::npos ? std::string() : path.substr(slash + 1);
  const bool is_name = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
                       name.find('\0') == std::string::npos;
  if (is_name && path.starts_with("new/")) return Place{new_.fd(), std::move(name)};
  if (is_name && path.starts_with("cur/")) return Place{cur_.fd(), std::move(name)};
  if (is_name && path.starts_with(kDeletedPrefix)) {
    auto fd = deleted_fd();
    if (!fd) return fd.error();
    return Place{*fd, std::move(name)};
  }
  return here(Error{ErrorKind::kCorrupt, "the index names an impossible file"});
}

Result<FolderNames> Maildir::names_in(std::string_view place) const {
  int fd = place == "new/" ? new_.fd() : cur_.fd();
  if (place == kDeletedPrefix) {
    auto deleted = deleted_fd();
    if (!deleted && deleted.error().kind == ErrorKind::kNotFound) return FolderNames();
    if (!deleted) return deleted.error();
    fd = *deleted;
  }
  auto names = FolderNames::of(fd);
  if (!names) return here(names.error());
  return names;
}

Result<std::vector<std::string>> Maildir::list() const {
  std::vector<std::string> paths;
  // new/ first: a message that another tool moves from there to cur/ meanwhile is then seen at least once.
  for (const std::string_view place : {std::string_view("new/"), std::string_view("cur/"), kDeletedPrefix}) {
    auto names = names_in(place);
    if (!names) return names.error();
    while (true) {
      auto name = names->next();
      if (!name) return here(name.error());
      if (!*name) break;
      if (!(*name)->starts_with('.')) paths.push_back(fmt::format("{}{}", place, **name));
    }
  }
  return paths;
}

Result<RegularFile> Maildir::open_message(const std::string& path) const {
  auto at = place(path);
  if (!at) return at.error();
  auto file = open_file(at->fd, at->name);
  if (!file) return here(file.error());
  return file;
}

Result<MessageFacts> Maildir::inspect(const std::string& path) const {
  auto file = open_message(path);
  if (!file) return file.error();
  const bool unfinished = is_being_written(file->fd());
  ContentScan scan;
  ContentHasher hasher;
  std::string piece;
  do {
    piece.clear();
    if (auto done = read_some(file->fd(), scan.size(), kScanPiece, piece); !done) return here(done.error());
    scan.add(piece);
    hasher.add(piece);
  } while (!piece.empty());
  return MessageFacts{
      scan.size(),       scan.has_dot_lines(), scan.is_canonical(), unfinished, file->facts.st_mtim.tv_sec,
      scan.message_id(), scan.header(),        hasher.value()};
}

Result<void> Maildir::remove(const std::string& path) {
  auto at = place(path);
  if (!at) return at.error();
  auto done = remove_file(at->fd, at->name);
  if (!done) return here(done.error());
  return {};
}

Result<void> Maildir::rename(const std::string& from, const std::string& to) {
  auto old_place = place(from);
  if (!old_place) return old_place.error();
  auto new_place = place(to);
  if (!new_place) return new_place.error();
  auto done = move_file(old_place->fd, old_place->name, new_place->fd, new_place->name);
  if (!done) return here(done.error());
  return {};
}

Result<void> Maildir::write_normalised(const FileHandle& from, const FileHandle& to) const {
  LineEndNormaliser normaliser;
  std::string piece;
  std::string lines;
  std::uint64_t offset = 0;
  while (true) {
    piece.clear();
    lines.clear();
    if (auto done = read_some(from.fd(), offset, kScanPiece, piece); !done) return done;
    offset += piece.size();
    if (piece.empty()) {
      normaliser.finish(lines);
    } else {
      normaliser.add(piece, lines);
    }
    if (auto done = write_all(to.fd(), lines); !done) return done;
    if (piece.empty()) return {};
  }
}

Result<FileHandle> Maildir::draft_of(const std::string& path, const std::string& draft) {
  auto from = open_message(path);
  if (!from) return from.error();
  auto to = create_draft(draft);
  if (!to) return to.error();
  if (auto done = write_normalised(from->handle, *to); !done) {
    discard_draft(draft);
    return here(done.error());
  }
  const struct timespec times[2] = {from->facts.st_atim, from->facts.st_mtim};
  static_cast<void>(::futimens(to->fd(), times));  // the time it was received; without it, now
  return to;
}

Result<void> Maildir::replace_by_draft(const std::string& path, const std::string& draft) {
  auto at = place(path);
  if (!at) return at.error();
  auto done = put_in_place(tmp_.fd(), draft, at->fd, at->name);
  if (!done) return here(done.error());
  return {};
}

Result<std::int64_t> Maildir::modified_at(const std::string& path) const {
  auto at = place(path);
  if (!at) return at.error();
  auto facts = stat_name(at->fd, at->name);
  if (!facts) return here(facts.error());
  return static_cast<std::int64_t>(facts->st_mtim.tv_sec);
}

Result<MaildirTimes> Maildir::times() const {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  struct stat new_facts {};
  struct stat cur_facts {};
  if (::fstat(new_.fd(), &new_facts) != 0 || ::fstat(cur_.fd(), &cur_facts) != 0) {
    return here(system_error(errno, "look at", "new and cur"));
  }
  return times_in(new_facts, cur_facts, now);
}

Result<MaildirTimes> Maildir::times_of(const DataFolder& folder, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  auto new_facts = stat_name(folder.mail_fd(), fmt::format("{}/{}/new", name.domain, name.user));
  auto cur_facts = stat_name(folder.mail_fd(), fmt::format("{}/{}/cur", name.domain, name.user));
  if (!new_facts) return new_facts.error();
  if (!cur_facts) return cur_facts.error();
  return times_in(*new_facts, *cur_facts, now);
}

Result<std::int64_t> Maildir::deleted_time_of(const DataFolder& folder, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  const auto facts = stat_name(folder.mail_fd(), fmt::format("{}/{}/{}", name.domain, name.user, kDeleted));
  if (facts) return nanoseconds(facts->st_mtim);
  if (facts.error().kind == ErrorKind::kNotFound) return std::int64_t{0};
  return facts.error();
}

bool Maildir::is_complete(const DataFolder& folder, const Address& address) {
  const MailboxFolderName name = folder_name(address);
  return std::ranges::all_of(std::array{"tmp", "new", "cur", "address"}, [&](const char* part) {
    return stat_name(folder.mail_fd(), fmt::format("{}/{}/{}", name.domain, name.user, part)).has_value();
  });
}

Maildir::Names Maildir::compare(const std::string& first, const std::string& second) const {
  const auto look = [this](const std::string& path) -> Result<struct stat> {
    auto at = place(path);
    if (!at) return at.error();
    return stat_name(at->fd, at->name);
  };
  // The second before and after the first: with two inodes both were there at one moment.
  const auto second_facts = look(second);
  if (!second_facts) return Names::kSecondGone;
  const auto first_facts = look(first);
  if (!first_facts) return Names::kFirstGone;
  if (first_facts->st_ino == second_facts->st_ino && first_facts->st_dev == second_facts->st_dev) {
    return Names::kOfOneFile;
  }
  return look(second) ? Names::kOfTwoFiles : Names::kSecondGone;
}

Result<std::vector<std::string>> Maildir::drafts() const {
  auto names = list_folder(tmp_.fd());
  if (!names) return here(names.error());
  std::erase_if(*names, [](const std::string& name) { return !parse_message_name(name); });
  return names;
}

Result<std::size_t> Maildir::sweep_drafts() {
  const auto names = drafts();
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (auto done = remove_file(tmp_.fd(), name); !done) return here(done.error());
  }
  return names->size();
}

}  // namespace mailstead

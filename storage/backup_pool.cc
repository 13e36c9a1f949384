#include "storage/backup_pool.h"

#include <fmt/format.h>

#include <utility>

#include "storage/backup_files.h"
#include "storage/backup_folder.h"

namespace mailstead {

namespace {

// So many share a flush of the disk, which the server's mail has to share, too: not too many octets.
constexpr std::size_t kDraftsAtOnce = 512;
constexpr std::uint64_t kDraftOctetsAtOnce = 32u << 20;
// From here on one flush for the file system is less than one for each file.
constexpr std::size_t kManyDrafts = 16;

std::string pool_path(const PoolFolder& folder) {
  return fmt::format("{}/{}/{}", kPoolFolder, folder.domain, folder.user);
}

bool is_same_folder(const PoolFolder& a, const PoolFolder& b) {
  return a.user == b.user && a.domain == b.domain;
}

}  // namespace

std::string pool_entry(const PoolFolder& folder, std::string_view name) {
  return fmt::format("{}/{}/{}", folder.domain, folder.user, name);
}

Result<BackupPool> BackupPool::open(int root) {
  auto mail = make_folder(root, kPoolFolder);
  if (!mail) return mail.error();
  auto drafts = make_folder(root, kDraftsFolder);
  if (!drafts) return drafts.error();
  BackupPool pool(std::move(*mail), std::move(*drafts));
  pool.root_ = root;
  pool.damaged_ = read_damaged_files(root);
  return pool;
}

Result<BackupPool> BackupPool::open_to_read(int root) {
  auto mail = mailstead::open_folder(root, kPoolFolder);
  if (!mail) return mail.error();
  return BackupPool(std::move(*mail), FileHandle());
}

Result<int> BackupPool::folder(const PoolFolder& folder) {
  if (open_folder_.is_open() && is_same_folder(folder, open_folder_of_)) return open_folder_.fd();
  auto domain = mailstead::open_folder(mail_.fd(), folder.domain);
  if (!domain) return in_folder(kPoolFolder, domain.error());
  auto user = mailstead::open_folder(domain->fd(), folder.user);
  if (!user) return in_folder(pool_path(folder), user.error());
  open_folder_ = std::move(*user);
  open_folder_of_ = folder;
  return open_folder_.fd();
}

Result<int> BackupPool::make_its_folder(const PoolFolder& folder) {
  auto there = this->folder(folder);
  if (there || there.error().kind != ErrorKind::kNotFound) return there;
  auto domain = make_folder(mail_.fd(), folder.domain);
  if (!domain) return in_folder(kPoolFolder, domain.error());
  auto user = make_folder(domain->fd(), folder.user);
  if (!user) return in_folder(pool_path(folder), user.error());
  // flush() brings what is in it to the disk, this the way there.
  if (auto done = sync_handle(domain->fd(), pool_path(folder)); !done) return done.error();
  if (auto done = sync_handle(mail_.fd(), kPoolFolder); !done) return done.error();
  return this->folder(folder);
}

bool BackupPool::holds(const PoolFolder& folder, const std::string& name, std::uint64_t octets) {
  if (!damaged_.empty() && damaged_.contains(pool_entry(folder, name))) return false;
  const auto at = this->folder(folder);
  if (!at) return false;
  const auto facts = stat_name(*at, name);
  return facts && S_ISREG(facts->st_mode) && static_cast<std::uint64_t>(facts->st_size) == octets;
}

Result<RegularFile> BackupPool::open_file(const PoolFolder& folder, const std::string& name) {
  auto at = this->folder(folder);
  if (!at) return at.error();
  auto file = mailstead::open_file(*at, name);
  if (!file) return in_folder(pool_path(folder), file.error());
  return file;
}

Result<Copied> BackupPool::add(const PoolFolder& folder, const std::string& name, const RegularFile& file) {
  Draft draft{std::to_string(++serial_), folder, name, {}};
  auto handle = create_file(drafts_.fd(), draft.draft);
  if (!handle) return in_folder(kDraftsFolder, handle.error());
  auto copied = copy_file(file, *handle);
  if (!copied) {
    static_cast<void>(remove_file(drafts_.fd(), draft.draft));
    return in_folder(kDraftsFolder, copied.error());
  }
  draft.handle = std::move(*handle);
  waiting_.push_back(std::move(draft));
  octets_waiting_ += copied->octets;
  // A flush for the file system needs none of their descriptors.
  if (waiting_.size() >= kManyDrafts && sync_file_system_tells_errors()) {
    for (Draft& each : waiting_) each.handle.reset();
  }
  if (waiting_.size() >= kDraftsAtOnce || octets_waiting_ >= kDraftOctetsAtOnce) {
    if (auto done = flush(); !done) return done.error();
  }
  return copied;
}

Result<void> BackupPool::sync_drafts() {
  if (waiting_.size() >= kManyDrafts && sync_file_system_tells_errors())
    return sync_file_system(drafts_.fd(), kDraftsFolder);
  for (const Draft& draft : waiting_) start_write_back(draft.handle.fd());
  for (const Draft& draft : waiting_) {
    if (auto done = sync_handle(draft.handle.fd(), draft.name); !done) return done;
  }
  return {};
}

Result<void> BackupPool::flush() {
  if (waiting_.empty()) return {};
  if (auto done = sync_drafts(); !done) return in_folder(kDraftsFolder, done.error());
  for (const Draft& draft : waiting_) {
    auto at = make_its_folder(draft.folder);
    if (!at) return at.error();
    if (auto done = move_over(drafts_.fd(), draft.draft, *at, draft.name); !done)
      return in_folder(pool_path(draft.folder), done.error());
    is_mended_ = damaged_.erase(pool_entry(draft.folder, draft.name)) > 0 || is_mended_;
  }
  waiting_.clear();
  octets_waiting_ = 0;
  return {};
}

Result<void> BackupPool::settle_damage() {
  if (!std::exchange(is_mended_, false)) return {};
  return write_damaged_files(root_, damaged_);
}

}  // namespace mailstead

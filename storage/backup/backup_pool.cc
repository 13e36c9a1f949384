#include "storage/backup/backup_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "storage/backup/backup_files.h"
#include "storage/backup/backup_folder.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

// So many share a flush of the disk, which the server's mail has to share, too: not too many octets.
constexpr std::size_t kDraftsAtOnce = 512;
constexpr std::uint64_t kDraftOctetsAtOnce = 32u << 20;
// From here on one flush for the file system is less than one for each file.
constexpr std::size_t kManyDrafts = 16;
// Of a name beside the message's own: the semicolon and the digits of a hash, and what goes before them.
constexpr std::size_t kOtherMark = 1 + 32;
constexpr std::size_t kLongestStem = 255 - kOtherMark;

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

// As much of the message's name as a file name has room for, for people, and a hash that stands for all of
// it. No name of a message has a semicolon in it.
std::string other_pool_name(std::string_view name, const PoolClaim& claim) {
  const std::string all = fmt::format("{}\n{}\n", name, claim.octets) + claim.hash.octets();
  const ContentHash hash = content_hash(all);
  return fmt::format("{};{:016x}{:016x}", name.substr(0, kLongestStem), hash.high, hash.low);
}

bool is_other_pool_name(std::string_view name) {
  if (name.size() <= kOtherMark || name[name.size() - kOtherMark] != ';') return false;
  const std::string_view digits = name.substr(name.size() - kOtherMark + 1);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  const std::size_t dot = name.find('.');
  return dot != std::string_view::npos &&
         is_message_id(name.substr(dot + 1, name.find('.', dot + 1) - dot - 1));
}

Result<BackupPool> BackupPool::open(const BackupFolder& folder, EarlierGenerations& generations) {
  const int root = folder.fd();
  auto mail = make_folder(root, kPoolFolder);
  if (!mail) return mail.error();
  auto drafts = make_folder(root, kDraftsFolder);
  if (!drafts) return drafts.error();
  BackupPool pool(std::move(*mail), std::move(*drafts));
  pool.root_ = root;
  pool.generations_ = &generations;
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

bool BackupPool::is_there(int at, const PoolFolder& folder, const std::string& name,
                          std::uint64_t octets) const {
  if (!damaged_.empty() && damaged_.contains(pool_entry(folder, name))) return false;
  const auto facts = stat_name(at, name);
  return facts && S_ISREG(facts->st_mode) && static_cast<std::uint64_t>(facts->st_size) == octets;
}

bool BackupPool::holds(const PoolFolder& folder, const std::string& name, const PoolClaim& claim, Sure sure) {
  const auto at = this->folder(folder);
  if (!at) return false;
  const std::string other = other_pool_name(name, claim);
  if (is_there(*at, folder, other, claim.octets)) return true;
  if (!is_there(*at, folder, name, claim.octets)) return false;
  // Something was wrong with the one of the message's own name when the other was written.
  if (sure == Sure::kByLength && !stat_name(*at, other)) return true;
  auto file = mailstead::open_file(*at, name);
  auto found = file ? read_file_through(*file) : Result<Copied>(file.error());
  return found && found->is(claim.octets, claim.hash);
}

Result<std::vector<std::string>> BackupPool::names_of(const PoolFolder& folder, const std::string& name,
                                                      const PoolClaim& claim) {
  auto at = this->folder(folder);
  if (!at) return at.error();
  std::vector<std::string> names;
  std::vector<std::string> others;  // of another length: better than nothing
  for (const std::string& each : {other_pool_name(name, claim), name}) {
    const auto facts = stat_name(*at, each);
    if (!facts && facts.error().kind == ErrorKind::kNotFound) continue;
    if (!facts) return in_folder(pool_path(folder), facts.error());
    const bool is_as_long = static_cast<std::uint64_t>(facts->st_size) == claim.octets;
    (S_ISREG(facts->st_mode) && is_as_long ? names : others).push_back(each);
  }
  names.insert(names.end(), others.begin(), others.end());
  if (names.empty()) return in_folder(pool_path(folder), Error{ErrorKind::kNotFound, name});
  return names;
}

Result<RegularFile> BackupPool::open_file(const PoolFolder& folder, const std::string& name) {
  auto at = this->folder(folder);
  if (!at) return at.error();
  auto file = mailstead::open_file(*at, name);
  if (!file) return in_folder(pool_path(folder), file.error());
  return file;
}

Result<Copied> BackupPool::add(const PoolFolder& folder, const std::string& name, const PoolClaim& claim,
                               const RegularFile& file) {
  Draft draft{std::to_string(++serial_), folder, name, claim, {}, {}};
  auto handle = create_file(drafts_.fd(), draft.draft);
  if (!handle) return in_folder(kDraftsFolder, handle.error());
  auto copied = copy_file(file, *handle);
  if (!copied) {
    static_cast<void>(remove_file(drafts_.fd(), draft.draft));
    return in_folder(kDraftsFolder, copied.error());
  }
  draft.copied = *copied;
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

void BackupPool::is_sound(const PoolFolder& folder, const std::string& name) {
  is_mended_ = damaged_.erase(pool_entry(folder, name)) > 0 || is_mended_;
}

// Nearly always nothing has the name yet, and nobody is asked.
Result<std::string> BackupPool::name_for(const Draft& draft, int at) {
  const std::string other = other_pool_name(draft.name, draft.claim);
  const bool has_other = stat_name(at, other).has_value();  // then the first is another claim's
  const bool is_as_promised = draft.copied.is(draft.claim.octets, draft.claim.hash);
  for (const std::string& name : {draft.name, other}) {
    auto file = mailstead::open_file(at, name);
    if (!file && file.error().kind == ErrorKind::kNotFound) return name;
    // What is no file, or cannot be read, is what nobody promised.
    const auto found = file ? read_file_through(*file) : Result<Copied>(file.error());
    if (found && found->octets == draft.copied.octets && found->hash == draft.copied.hash) {
      is_sound(draft.folder, name);
      return std::string();
    }
    if (name == other) break;
    auto claims = generations_->claims_on(draft.folder, draft.name);
    if (!claims) continue;  // of one that cannot be read nobody knows what it needs
    const auto describes = [&](const Copied& copied) {
      return std::ranges::any_of(*claims,
                                 [&](const PoolClaim& claim) { return copied.is(claim.octets, claim.hash); });
    };
    if (found && describes(*found)) {
      is_sound(draft.folder, name);
    } else if (claims->empty() || (!has_other && describes(draft.copied))) {
      return name;
    }
  }
  // One that is nearly what it should be is not given for one that is not, either.
  return is_as_promised ? other : std::string();
}

Result<void> BackupPool::place(const Draft& draft) {
  auto at = make_its_folder(draft.folder);
  if (!at) return at.error();
  auto name = name_for(draft, *at);
  if (!name) return in_folder(pool_path(draft.folder), name.error());
  if (name->empty()) return remove_file(drafts_.fd(), draft.draft);
  if (auto done = move_over(drafts_.fd(), draft.draft, *at, *name); !done)
    return in_folder(pool_path(draft.folder), done.error());
  is_sound(draft.folder, *name);
  return {};
}

Result<void> BackupPool::flush() {
  if (waiting_.empty()) return {};
  if (auto done = sync_drafts(); !done) return in_folder(kDraftsFolder, done.error());
  for (const Draft& draft : waiting_) {
    if (auto done = place(draft); !done) return done;
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

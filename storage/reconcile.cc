#include "storage/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "storage/aging.h"
#include "storage/history.h"
#include "storage/index.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kImportOctets = 32 << 20;  // then a slice is over, however few its files
constexpr std::size_t kFileGroup = 64;  // files that share the disk's flushes; each needs a descriptor

class Reconciliation {
 public:
  Reconciliation(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
                 const std::function<Result<void>()>& before_change)
      : database_(database),
        index_(database),
        maildir_(maildir),
        mailbox_(mailbox),
        naming_(naming),
        before_change_(before_change) {}

  Result<Reconciled> run(MarkedFiles marked, std::size_t at_most);

 private:
  Result<void> load();
  void match_exact_paths();
  void match_base_names();
  Result<void> match_deleted();
  void match_deleted(const std::string& path);
  void adopt_deleted();
  Result<void> take_in(std::size_t at_most);
  std::optional<MessageFacts> inspect(const std::string& path);
  std::vector<FoundFile> ours();
  std::vector<std::string> foreign();
  void import_some(const std::vector<std::string>& paths, std::size_t at_most, std::vector<FoundFile>& into);
  bool make_right(std::span<FoundFile> files);
  Result<void> remove_deleted();
  Result<void> settle_rows();
  Result<void> write_rows();
  Result<void> write_deletions();
  void skip(const std::string& path, const Error& error);

  Database& database_;
  Index index_;
  Maildir& maildir_;
  MailboxId mailbox_;
  const Naming& naming_;
  const std::function<Result<void>()>& before_change_;

  std::vector<MessageRow> rows_;
  std::vector<bool> has_file_;  // by row
  std::unordered_map<std::string, std::size_t> row_by_base_;
  std::unordered_set<std::string> uidls_;
  std::vector<std::string> unmatched_;  // paths
  std::vector<MessageRow> new_rows_;
  std::vector<std::string> deleted_;          // paths in deleted/ without a row
  std::vector<std::size_t> changed_;          // rows to update
  std::vector<std::int64_t> found_deleted_;   // ids of rows whose file turned out to lie in deleted/
  std::vector<std::int64_t> found_restored_;  // of rows whose file was taken out of it
  std::vector<std::size_t> gone_;             // rows to erase
  bool changes_messages_ = false;  // among changed_ are some that are to be present no more, or again
  Reconciled result_;
};

Result<Reconciled> Reconciliation::run(MarkedFiles marked, std::size_t at_most) {
  if (auto done = load(); !done) return done.error();
  match_exact_paths();
  match_base_names();
  if (marked == MarkedFiles::kRemove) {
    if (auto done = match_deleted(); !done) return done.error();
  }
  if (auto done = take_in(at_most); !done) return done.error();
  if (marked == MarkedFiles::kRemove) {
    adopt_deleted();
    if (auto done = remove_deleted(); !done) return done.error();
  }
  if (auto done = settle_rows(); !done) return done.error();
  if (auto done = write_rows(); !done) return done.error();
  return std::move(result_);
}

Result<void> Reconciliation::load() {
  auto rows = index_.all(mailbox_);
  if (!rows) return rows.error();
  rows_ = std::move(*rows);
  has_file_.assign(rows_.size(), false);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    row_by_base_.emplace(base_name(rows_[i].name), i);
    uidls_.insert(rows_[i].uidl);
  }
  auto paths = maildir_.list();
  if (!paths) return paths.error();
  unmatched_ = std::move(*paths);
  return {};
}

// A file that is where its row says is the row's, whatever else has its base name.
void Reconciliation::match_exact_paths() {
  std::erase_if(unmatched_, [this](const std::string& path) {
    auto found = row_by_base_.find(std::string(base_name(path)));
    if (found == row_by_base_.end() || rows_[found->second].name != path) return false;
    has_file_[found->second] = true;
    return true;
  });
}

void Reconciliation::match_base_names() {
  std::sort(unmatched_.begin(), unmatched_.end());
  std::erase_if(unmatched_, [this](const std::string& path) {
    auto found = row_by_base_.find(std::string(base_name(path)));
    if (found == row_by_base_.end()) return false;
    MessageRow& row = rows_[found->second];
    // Both names of one file, while another tool moves it: one message.
    if (has_file_[found->second]) return maildir_.same_file(row.name, path);
    has_file_[found->second] = true;
    row.name = path;
    changed_.push_back(found->second);
    if (row.state == MessageState::kPresent) ++result_.moved;
    return true;
  });
}

Result<void> Reconciliation::match_deleted() {
  auto paths = maildir_.list_deleted();
  if (!paths) return paths.error();
  std::sort(paths->begin(), paths->end());
  for (const std::string& path : *paths) match_deleted(path);
  return {};
}

void Reconciliation::match_deleted(const std::string& path) {
  auto found = row_by_base_.find(std::string(base_name(path)));
  if (found == row_by_base_.end()) {
    deleted_.push_back(path);
    return;
  }
  const std::size_t i = found->second;
  MessageRow& row = rows_[i];
  if (has_file_[i]) {
    if (maildir_.same_file(row.name, path)) return;
    skip(path, Error{ErrorKind::kInvalid, "the message is in the mailbox too"});
    return;
  }
  has_file_[i] = true;
  const bool known = row.name == path && row.state == MessageState::kAside;
  row.name = path;
  if (known || row.state == MessageState::kDeleting) return;
  if (!is_kept(row.state)) {
    found_deleted_.push_back(row.id);
    ++result_.kept;
  }
  changes_messages_ = true;
  row.state = MessageState::kAside;
  changed_.push_back(i);
}

// Their rows were lost, or never were: they can be restored, and have their whole time before them.
void Reconciliation::adopt_deleted() {
  std::vector<FoundFile> found;
  for (const std::string& path : deleted_) {
    auto name = parse_message_name(base_name(path));
    if (!name || uidls_.contains(name->id)) {
      skip(path, Error{ErrorKind::kInvalid, name ? "its id is another message's" : "its name is not ours"});
      continue;
    }
    const auto facts = inspect(path);
    if (!facts) continue;
    uidls_.insert(name->id);
    found.push_back({path, name, *facts, false, std::nullopt});
  }
  make_right(found);
  for (const FoundFile& file : found) {
    if (file.error || file.needs_work()) continue;
    new_rows_.push_back({0, mailbox_, file.name->id, file.path, file.facts.size, file.facts.has_dot_lines,
                         file.name->seconds, file.name->id, MessageState::kAside, file.facts.message_id,
                         file.facts.header});
    ++result_.kept;
  }
}

void Reconciliation::skip(const std::string& path, const Error& error) {
  // A file that vanished while we looked is another tool's doing, and no news.
  if (error.kind == ErrorKind::kNotFound) return;
  // Room, rights and disks can be put right without a trace in the folder's times.
  if (error.kind != ErrorKind::kInvalid && error.kind != ErrorKind::kCorrupt) result_.settled = false;
  result_.skipped.push_back(fmt::format("left {}/{} alone: {}", maildir_.path(), path, error.message));
}

// Nothing for a file that has to wait or cannot be read.
std::optional<MessageFacts> Reconciliation::inspect(const std::string& path) {
  auto facts = maildir_.inspect(path);
  if (!facts) {
    skip(path, facts.error());
    return std::nullopt;
  }
  if (!facts->unfinished) return *facts;
  result_.settled = false;
  return std::nullopt;
}

// The names of ours among the unmatched. A UIDL is unique in its mailbox for ever: a second file with it is
// somebody's copy, and stays among the unmatched.
std::vector<FoundFile> Reconciliation::ours() {
  std::vector<FoundFile> found;
  std::erase_if(unmatched_, [&](const std::string& path) {
    auto name = parse_message_name(base_name(path));
    if (!name || uidls_.contains(name->id)) return false;
    if (const auto facts = inspect(path)) {
      uidls_.insert(name->id);
      found.push_back({path, name, *facts, false, std::nullopt});
    }
    return true;
  });
  return found;
}

// All other unmatched files, the oldest first.
std::vector<std::string> Reconciliation::foreign() {
  std::vector<std::pair<std::int64_t, std::string>> dated;
  for (std::string& path : unmatched_) {
    if (auto modified_at = maildir_.modified_at(path)) {
      dated.emplace_back(*modified_at, std::move(path));
    } else {
      skip(path, modified_at.error());
    }
  }
  std::sort(dated.begin(), dated.end());
  std::vector<std::string> paths;
  for (auto& [modified_at, path] : dated) paths.push_back(std::move(path));
  return paths;
}

// False: the disk is full, trying more would only cost time.
bool Reconciliation::make_right(std::span<FoundFile> files) {
  bool room = true;
  for (std::size_t first = 0; first < files.size() && room; first += kFileGroup) {
    const auto group = files.subspan(first, std::min(kFileGroup, files.size() - first));
    put_right(maildir_, naming_, group);
    for (const FoundFile& file : group) {
      if (!file.error) continue;
      room &= file.error->kind != ErrorKind::kNoSpace;
      skip(file.path, *file.error);
    }
  }
  return room;
}

void Reconciliation::import_some(const std::vector<std::string>& paths, std::size_t at_most,
                                 std::vector<FoundFile>& into) {
  std::size_t next = 0;
  std::size_t taken = 0;
  std::uint64_t octets = 0;
  bool room = true;
  while (room && next < paths.size() && taken < at_most && octets < kImportOctets) {
    const std::size_t end = std::min({paths.size(), next + kFileGroup, next + at_most - taken});
    std::vector<FoundFile> group;
    for (; next < end && octets < kImportOctets; ++next) {
      if (const auto facts = inspect(paths[next])) {
        group.push_back({paths[next], std::nullopt, *facts, false, std::nullopt});
        octets += facts->size;
      }
    }
    if (!group.empty()) result_.settled = false;
    room = make_right(group);
    std::erase_if(group, [](const FoundFile& file) { return file.error.has_value(); });
    taken += group.size();
    std::move(group.begin(), group.end(), std::back_inserter(into));
  }
  if (room) result_.left = paths.size() - next;
}

Result<void> Reconciliation::take_in(std::size_t at_most) {
  std::vector<FoundFile> found = ours();
  const auto wrong = std::stable_partition(found.begin(), found.end(),
                                           [](const FoundFile& file) { return !file.needs_work(); });
  if (wrong != found.end()) {
    result_.settled = false;
    make_right(std::span(wrong, found.end()));
    // Of what the full disk kept from being tried, too.
    std::erase_if(found, [](const FoundFile& file) { return file.error || file.needs_work(); });
  }
  import_some(foreign(), at_most, found);
  for (const FoundFile& file : found) {
    new_rows_.push_back({0, mailbox_, file.name->id, file.path, file.facts.size, file.facts.has_dot_lines,
                         file.name->seconds, file.name->id, MessageState::kPresent, file.facts.message_id,
                         file.facts.header});
    ++(file.imported ? result_.imported : result_.adopted);
  }
  if (new_rows_.empty()) return {};
  return maildir_.sync_all();
}

Result<void> Reconciliation::remove_deleted() {
  // Not one file where there were some: that looks like a disk that is not there. Had it come back after the
  // rows were gone, deleted mail would have been adopted.
  const bool absent = std::find(has_file_.begin(), has_file_.end(), true) == has_file_.end() &&
                      std::any_of(rows_.begin(), rows_.end(),
                                  [](const MessageRow& row) { return row.state != MessageState::kDeleting; });
  if (absent) return {};
  bool removed = false;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].state != MessageState::kDeleting) continue;
    if (has_file_[i]) {
      auto done = maildir_.remove(rows_[i].name);
      if (!done && done.error().kind != ErrorKind::kNotFound) {
        skip(rows_[i].name, done.error());
        continue;
      }
      removed = true;
    }
    gone_.push_back(i);
    ++result_.finished_deletes;
  }
  if (!removed) return {};
  result_.settled = false;
  return maildir_.sync_all();
}

// Its file was put aside, and lies among the mailbox's messages again.
bool is_back(const MessageRow& row) {
  return row.state == MessageState::kAside && !row.name.starts_with("deleted/");
}

Result<void> Reconciliation::settle_rows() {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    MessageRow& row = rows_[i];
    if (row.state == MessageState::kPresent && !has_file_[i]) {
      row.state = MessageState::kMissing;
      changes_messages_ = true;
      ++result_.missing;
      changed_.push_back(i);
    } else if (has_file_[i] && (row.state == MessageState::kMissing || is_back(row))) {
      const auto facts = inspect(row.name);
      if (!facts) continue;
      // Whatever is in it now is the message, with our line ends.
      FoundFile file{row.name, MessageName{row.received_at, row.uidl, naming_.host}, *facts, false,
                     std::nullopt};
      if (file.needs_work()) result_.settled = false;
      make_right(std::span(&file, 1));
      if (file.error) continue;
      if (is_back(row)) found_restored_.push_back(row.id);
      ++(is_back(row) ? result_.restored : result_.returned);
      row.state = MessageState::kPresent;
      changes_messages_ = true;
      row.size = file.facts.size;
      row.has_dot_lines = file.facts.has_dot_lines;
      row.header = file.facts.header;
      changed_.push_back(i);
    }
  }
  return {};
}

Result<void> Reconciliation::write_rows() {
  if (new_rows_.empty() && changed_.empty() && gone_.empty()) return {};
  std::sort(new_rows_.begin(), new_rows_.end(), [](const MessageRow& one, const MessageRow& other) {
    return std::tie(one.received_at, one.uidl) < std::tie(other.received_at, other.uidl);
  });
  if (changes_messages_) {
    if (auto done = before_change_(); !done) return done;
  }
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  for (const MessageRow& row : new_rows_) {
    auto id = index_.insert(row);
    if (!id) return id.error();
    if (row.state == MessageState::kAside) found_deleted_.push_back(*id);
  }
  for (std::size_t i : changed_) {
    if (auto done = index_.update(rows_[i]); !done) return done;
  }
  for (std::size_t i : gone_) {
    if (auto done = index_.erase(rows_[i].id); !done) return done;
  }
  if (auto done = write_deletions(); !done) return done;
  return transaction->commit();
}

Result<void> Reconciliation::write_deletions() {
  Deletions deletions(database_);
  const std::int64_t now = unix_seconds();
  for (std::int64_t id : found_restored_) {
    if (auto done = index_.keep_anew(id); !done) return done;
    if (auto done = deletions.note_restored(id, now); !done) return done;
  }
  if (found_deleted_.empty()) return {};
  auto age = advance_age(database_, now);
  if (!age) return age.error();
  for (std::int64_t id : found_deleted_) {
    if (auto done = deletions.add(id, now, age->now, ""); !done) return done;
  }
  return {};
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace

std::vector<std::string> sentences(const Reconciled& found, std::string_view address) {
  std::vector<std::string> lines;
  const auto say = [&](std::size_t count, std::string line) {
    if (count > 0) lines.push_back(std::move(line));
  };
  say(found.finished_deletes,
      fmt::format("finished {} in {}",
                  counted(found.finished_deletes, "interrupted delete", "interrupted deletes"), address));
  say(found.adopted, fmt::format("took {} in {} into the index again",
                                 counted(found.adopted, "message", "messages"), address));
  say(found.imported, fmt::format("imported {} in {}", counted(found.imported, "file", "files"), address));
  say(found.left, fmt::format("{} in {} wait to be imported", counted(found.left, "file", "files"), address));
  say(found.moved,
      fmt::format("found {} in {} under another name", counted(found.moved, "message", "messages"), address));
  say(found.returned, fmt::format("found {} in {} that had been missing",
                                  counted(found.returned, "message", "messages"), address));
  say(found.restored,
      fmt::format("{} in {} had been deleted and is in the mailbox again: its file was moved back",
                  counted(found.restored, "message", "messages"), address));
  say(found.kept,
      fmt::format("found {} in {} among the deleted mail; `mailstead message list {} --deleted` shows what "
                  "can be restored",
                  counted(found.kept, "message", "messages"), address, address));
  say(found.missing, fmt::format("{} in {} has no file; the index keeps its place until the file returns",
                                 counted(found.missing, "message", "messages"), address));
  lines.insert(lines.end(), found.skipped.begin(), found.skipped.end());
  return lines;
}

Result<Reconciled> reconcile(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
                             MarkedFiles marked, std::size_t at_most,
                             const std::function<Result<void>()>& before_change) {
  return Reconciliation(database, maildir, mailbox, naming, before_change).run(marked, at_most);
}

}  // namespace mailstead

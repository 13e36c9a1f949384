#include "storage/look/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "storage/database/aging.h"
#include "storage/database/history.h"
#include "storage/database/index.h"

namespace mailstead {

namespace {

constexpr std::uint64_t kInspection = 16 << 10;  // what a file costs that is not taken in, in octets
constexpr std::size_t kFileGroup = 64;  // files that share the disk's flushes; each needs a descriptor

// One slice.
class Settlement {
 public:
  Settlement(Database& database, const Filer& filer, Maildir& maildir, MailboxId mailbox,
             const Naming& naming, FilesOfOthers& others, std::uint64_t most_octets,
             const std::function<Result<void>()>& before_change, Reconciled& result)
      : database_(database),
        index_(database),
        filer_(filer),
        maildir_(maildir),
        mailbox_(mailbox),
        naming_(naming),
        others_(others),
        most_octets_(most_octets),
        before_change_(before_change),
        result_(result) {}

  struct Work {
    std::span<const std::string> paths;
    std::span<const std::int64_t> rows;
    MarkedFiles marked = MarkedFiles::kLeave;
    const std::function<bool()>& still;
    bool any_file = true;  // somewhere in the mailbox a row has its file, or there are none
    std::size_t imports = 0;
  };
  // True: of the files of others some are left that can be imported.
  Result<bool> run(const Work& work);
  // Paths that were not looked at, since others had cost enough.
  std::vector<std::string> take_postponed() { return std::move(postponed_); }

 private:
  Result<void> load(const Work& work);
  void add_row(MessageRow row);
  void match_exact_paths();
  void match_base_names();
  void match_deleted(const std::string& path);
  bool all_there() const;
  void adopt_deleted();
  Result<bool> take_in(std::size_t imports);
  std::optional<MessageFacts> inspect(const std::string& path);
  std::vector<FoundFile> ours();
  void set_aside_others();
  bool import_others(std::size_t at_most, std::vector<FoundFile>& into);
  bool make_right(std::span<FoundFile> files);
  Result<void> remove_deleted(bool any_file, bool sure);
  Result<void> settle_rows(bool sure);
  Result<void> write_rows();
  Result<void> write_deletions();
  void skip(const std::string& path, const Error& error);
  MessageRow row_of(const FoundFile& file, MessageState state) const;
  void sort_new_rows();

  Database& database_;
  Index index_;
  const Filer& filer_;
  Maildir& maildir_;
  MailboxId mailbox_;
  const Naming& naming_;
  FilesOfOthers& others_;
  const std::uint64_t most_octets_;
  const std::function<Result<void>()>& before_change_;

  std::vector<MessageRow> rows_;
  std::vector<bool> has_file_;  // by row
  std::unordered_map<std::string, std::size_t> row_by_base_;
  std::unordered_set<std::string> uidls_;
  std::vector<std::string> unmatched_;  // paths in new/ and cur/
  std::vector<std::string> aside_;      // paths in deleted/
  std::vector<MessageRow> new_rows_;
  std::vector<std::string> postponed_;
  std::vector<std::string> deleted_;          // paths in deleted/ without a row
  std::vector<std::size_t> changed_;          // rows to update
  std::vector<std::int64_t> found_deleted_;   // ids of rows whose file turned out to lie in deleted/
  std::vector<std::int64_t> found_restored_;  // of rows whose file was taken out of it
  std::vector<std::size_t> gone_;             // rows to erase
  bool changes_messages_ = false;  // among changed_ are some that are to be present no more, or again
  Reconciled& result_;
};

Result<bool> Settlement::run(const Work& work) {
  if (auto done = load(work); !done) return done.error();
  match_exact_paths();
  match_base_names();
  for (const std::string& path : aside_) match_deleted(path);
  // Asked before anything is changed here.
  const bool sure = all_there() || work.still();
  auto more = take_in(work.imports);
  if (!more) return more;
  if (work.marked == MarkedFiles::kRemove) {
    adopt_deleted();
    if (auto done = remove_deleted(work.any_file, sure); !done) return done.error();
  }
  if (auto done = settle_rows(sure); !done) return done.error();
  if (auto done = write_rows(); !done) return done.error();
  return more;
}

// The differences as they are now: the rows, those that may be the paths' own among them, and their files.
Result<void> Settlement::load(const Work& work) {
  std::unordered_set<std::int64_t> known;
  const auto add = [&](Result<std::vector<MessageRow>> rows) -> Result<void> {
    if (!rows) return rows.error();
    for (MessageRow& row : *rows) {
      if (known.insert(row.id).second) add_row(std::move(row));
    }
    return {};
  };
  for (const std::int64_t id : work.rows) {
    if (auto done = add(index_.of_id(id)); !done) return done;
  }
  for (const std::string& path : work.paths) {
    if (const auto name = parse_message_name(base_name(path))) {
      if (auto done = add(index_.of_uidl(mailbox_, name->uidl())); !done) return done;
    }
    if (maildir_.is_there(path)) (path.starts_with("deleted/") ? aside_ : unmatched_).push_back(path);
  }
  return {};
}

// What lies in deleted/ is a message that can be restored, and no file of the mailbox's.
void Settlement::add_row(MessageRow row) {
  const bool counts = row.state == MessageState::kDeleting || !row.name.starts_with("deleted/");
  // What is to get one soon counts as if it had it.
  has_file_.push_back(counts && (filer_.is_unfiled(row.id) || maildir_.is_there(row.name)));
  row_by_base_.emplace(base_name(row.name), rows_.size());
  uidls_.insert(row.uidl);
  rows_.push_back(std::move(row));
}

// Has each message its file, of those for which it matters when it is gone?
bool Settlement::all_there() const {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const bool matters =
        rows_[i].state == MessageState::kPresent || rows_[i].state == MessageState::kDeleting;
    if (matters && !has_file_[i]) return false;
  }
  return true;
}

// A file that is where its row says is the row's, whatever else has its base name.
void Settlement::match_exact_paths() {
  std::erase_if(unmatched_, [this](const std::string& path) {
    auto found = row_by_base_.find(std::string(base_name(path)));
    return found != row_by_base_.end() && rows_[found->second].name == path;
  });
}

void Settlement::match_base_names() {
  using Names = Maildir::Names;
  std::erase_if(unmatched_, [this](const std::string& path) {
    auto found = row_by_base_.find(std::string(base_name(path)));
    if (found == row_by_base_.end()) return false;
    const std::size_t i = found->second;
    MessageRow& row = rows_[i];
    if (has_file_[i]) {
      const Names names = maildir_.compare(row.name, path);
      if (names == Names::kOfTwoFiles) return false;
      // Both names of one file, while another tool moves it: one message.
      if (names != Names::kFirstGone) return true;
    }
    has_file_[i] = true;
    row.name = path;
    if (changed_.empty() || changed_.back() != i) {
      changed_.push_back(i);
      if (row.state == MessageState::kPresent) ++result_.moved;
    }
    return true;
  });
}

void Settlement::match_deleted(const std::string& path) {
  auto found = row_by_base_.find(std::string(base_name(path)));
  if (found == row_by_base_.end()) {
    deleted_.push_back(path);
    return;
  }
  const std::size_t i = found->second;
  MessageRow& row = rows_[i];
  if (has_file_[i]) {
    const Maildir::Names names = maildir_.compare(row.name, path);
    if (names == Maildir::Names::kOfTwoFiles) {
      skip(path, Error{ErrorKind::kInvalid, "the message is in the mailbox too"});
    }
    if (names != Maildir::Names::kFirstGone) return;
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

// The row of a file that is to be taken in. The file of a message that was imported by command is of the
// message's own time; its name tells when it came here, and that is its place among the others.
MessageRow Settlement::row_of(const FoundFile& file, MessageState state) const {
  const MessageName& name = *file.name;
  const std::int64_t received_at = name.foreign_uidl.empty() ? name.seconds : file.facts.modified_at;
  return {0,
          mailbox_,
          name.uidl(),
          file.path,
          file.facts.size,
          file.facts.has_dot_lines,
          received_at,
          name.id,
          state,
          file.facts.message_id,
          file.facts.header,
          file.facts.hash};
}

// Their rows were lost, or never were: they can be restored, and have their whole time before them.
void Settlement::adopt_deleted() {
  std::vector<FoundFile> found;
  for (const std::string& path : deleted_) {
    auto name = parse_message_name(base_name(path));
    if (!name || uidls_.contains(name->uidl())) {
      skip(path, Error{ErrorKind::kInvalid, name ? "its id is another message's" : "its name is not ours"});
      continue;
    }
    const auto facts = inspect(path);
    if (!facts) continue;
    uidls_.insert(name->uidl());
    found.push_back({path, name, *facts, false, std::nullopt});
  }
  make_right(found);
  for (const FoundFile& file : found) {
    if (file.error || file.needs_work()) continue;
    new_rows_.push_back(row_of(file, MessageState::kAside));
    ++result_.kept;
  }
}

void Settlement::skip(const std::string& path, const Error& error) {
  // A file that vanished while we looked is another tool's doing, and no news.
  if (error.kind == ErrorKind::kNotFound) return;
  // Room, rights and disks can be put right without a trace in the folder's times.
  if (error.kind != ErrorKind::kInvalid && error.kind != ErrorKind::kCorrupt) result_.settled = false;
  result_.skipped.push_back(fmt::format("left {}/{} alone: {}", maildir_.path(), path, error.message));
}

// Nothing for a file that has to wait or cannot be read.
std::optional<MessageFacts> Settlement::inspect(const std::string& path) {
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
std::vector<FoundFile> Settlement::ours() {
  std::vector<FoundFile> found;
  std::uint64_t octets = 0;  // that were read for it
  std::erase_if(unmatched_, [&](const std::string& path) {
    auto name = parse_message_name(base_name(path));
    if (!name || uidls_.contains(name->uidl())) return false;
    if (octets >= most_octets_) {
      postponed_.push_back(path);
      return true;
    }
    if (const auto facts = inspect(path)) {
      octets += facts->size;
      uidls_.insert(name->uidl());
      found.push_back({path, name, *facts, false, std::nullopt});
    }
    return true;
  });
  return found;
}

// All other unmatched files wait until everything else is settled.
void Settlement::set_aside_others() {
  if (unmatched_.empty()) return;
  auto& dated = others_.dated;
  for (std::string& path : unmatched_) {
    if (auto modified_at = maildir_.modified_at(path)) {
      dated.emplace_back(*modified_at, std::move(path));
    } else {
      skip(path, modified_at.error());
    }
  }
  others_.in_order = false;
}

// False: the disk is full, trying more would only cost time.
bool Settlement::make_right(std::span<FoundFile> files) {
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

// True: there are more, and room for them.
bool Settlement::import_others(std::size_t at_most, std::vector<FoundFile>& into) {
  std::size_t taken = 0;
  std::uint64_t octets = 0;
  bool room = true;
  std::size_t& next = others_.next;
  if (!std::exchange(others_.in_order, true)) {
    std::sort(others_.dated.begin() + static_cast<std::ptrdiff_t>(next), others_.dated.end());
  }
  const std::size_t count = others_.dated.size();
  while (room && next < count && taken < at_most && octets < kImportOctets) {
    const std::size_t end = std::min({count, next + kFileGroup, next + at_most - taken});
    std::vector<FoundFile> group;
    for (; next < end && octets < kImportOctets; ++next) {
      const std::string& path = others_.dated[next].second;
      octets += kInspection;
      if (const auto facts = inspect(path)) {
        group.push_back({path, std::nullopt, *facts, false, std::nullopt});
        octets += facts->size;
      }
    }
    if (!group.empty()) result_.settled = false;
    room = make_right(group);
    taken += group.size();
    std::erase_if(group, [](const FoundFile& file) { return file.error.has_value(); });
    std::move(group.begin(), group.end(), std::back_inserter(into));
  }
  result_.left = room ? count - next : 0;
  return result_.left > 0;
}

Result<bool> Settlement::take_in(std::size_t imports) {
  std::vector<FoundFile> found = ours();
  const auto wrong = std::stable_partition(found.begin(), found.end(),
                                           [](const FoundFile& file) { return !file.needs_work(); });
  if (wrong != found.end()) {
    result_.settled = false;
    make_right(std::span(wrong, found.end()));
    // Of what the full disk kept from being tried, too.
    std::erase_if(found, [](const FoundFile& file) { return file.error || file.needs_work(); });
  }
  set_aside_others();
  const bool more = imports > 0 && import_others(imports, found);
  for (const FoundFile& file : found) {
    new_rows_.push_back(row_of(file, MessageState::kPresent));
    ++(file.imported ? result_.imported : result_.adopted);
  }
  if (new_rows_.empty()) return more;
  if (auto done = maildir_.sync_all(); !done) return done.error();
  return more;
}

Result<void> Settlement::remove_deleted(bool any_file, bool sure) {
  // Not one file where there were some: that looks like a disk that is not there. Had it come back after the
  // rows were gone, deleted mail would have been adopted.
  if (!any_file && std::find(has_file_.begin(), has_file_.end(), true) == has_file_.end()) return {};
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
    } else if (!sure) {
      // Under another name it would be mail again, once its row is gone.
      result_.settled = false;
      ++result_.unsure;
      continue;
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

Result<void> Settlement::settle_rows(bool sure) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    MessageRow& row = rows_[i];
    if (row.state == MessageState::kPresent && !has_file_[i]) {
      if (!sure) {
        result_.settled = false;
        ++result_.unsure;
        continue;
      }
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
      // Anything else is for a check to find.
      if (file.facts.hash == row.came_hash) row.take_content(file.facts.hash);
      changed_.push_back(i);
    }
  }
  return {};
}

// In the order in which they came here.
void Settlement::sort_new_rows() {
  std::vector<std::pair<std::int64_t, MessageRow>> rows;  // with the seconds of their names
  rows.reserve(new_rows_.size());
  for (MessageRow& row : new_rows_) {
    const auto name = parse_message_name(base_name(row.name));
    const std::int64_t seconds = name ? name->seconds : row.received_at;
    rows.emplace_back(seconds, std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [](const auto& one, const auto& other) {
    return std::tie(one.first, one.second.queue_id) < std::tie(other.first, other.second.queue_id);
  });
  std::transform(rows.begin(), rows.end(), new_rows_.begin(),
                 [](auto& row) { return std::move(row.second); });
}

Result<void> Settlement::write_rows() {
  if (new_rows_.empty() && changed_.empty() && gone_.empty()) return {};
  sort_new_rows();
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

Result<void> Settlement::write_deletions() {
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
      fmt::format("found {} in {} among the deleted mail; `mailstead message list ADDRESS --deleted` shows "
                  "what can be restored",
                  counted(found.kept, "message", "messages"), address));
  say(found.missing, fmt::format("{} in {} has no file; the index keeps its place until the file returns",
                                 counted(found.missing, "message", "messages"), address));
  lines.insert(lines.end(), found.skipped.begin(), found.skipped.end());
  return lines;
}

Reconciler::Reconciler(Database& database, const Filer& filer, Maildir& maildir, MailboxId mailbox,
                       const Naming& naming, MarkedFiles marked, std::size_t expected)
    : database_(database),
      filer_(filer),
      maildir_(maildir),
      mailbox_(mailbox),
      naming_(naming),
      marked_(marked),
      search_(database, maildir, mailbox, marked, expected) {}

Result<bool> Reconciler::search(std::size_t at_most) {
  auto more = search_.step(at_most);
  if (more && !*more) differences_ = search_.take();
  return more;
}

Result<bool> Reconciler::settle(const Slice& slice, const std::function<Result<void>()>& before_change) {
  // The files first: one of them may be what a row misses.
  const std::size_t paths = std::min(slice.differences, differences_.paths.size() - next_path_);
  const std::size_t rows = std::min(slice.differences - paths, differences_.rows.size() - next_row_);
  Settlement::Work work{std::span(differences_.paths).subspan(next_path_, paths),
                        std::span(differences_.rows).subspan(next_row_, rows),
                        marked_,
                        slice.still,
                        true,
                        0};
  next_path_ += paths;
  next_row_ += rows;
  const bool last = next_path_ == differences_.paths.size() && next_row_ == differences_.rows.size();
  work.any_file = differences_.any_file || !differences_.any_message;
  work.imports = last ? slice.imports : 0;
  Reconciled result = result_;
  Settlement settlement(database_, filer_, maildir_, mailbox_, naming_, others_, slice.octets, before_change,
                        result);
  auto more = settlement.run(work);
  if (!more) return more;
  result_ = std::move(result);
  auto postponed = settlement.take_postponed();
  if (!last || postponed.empty()) return !last || *more;
  differences_ = {std::move(postponed), {}, differences_.any_file, differences_.any_message};
  next_path_ = next_row_ = 0;
  return true;
}

}  // namespace mailstead

#include "storage/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "storage/index.h"

namespace mailstead {

namespace {

class Reconciliation {
 public:
  Reconciliation(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming)
      : database_(database), index_(database), maildir_(maildir), mailbox_(mailbox), naming_(naming) {}

  Result<Reconciled> run(MarkedFiles marked);

 private:
  struct Candidate {
    std::string path;
    std::optional<MessageName> name;  // nullopt: not ours
    MessageFacts facts;
  };

  Result<void> load();
  void match_exact_paths();
  void match_base_names();
  Result<void> take_in();
  std::optional<Candidate> examine(const std::string& path);
  Result<void> take_in(Candidate& candidate);
  Result<void> remove_deleted();
  Result<void> settle_rows();
  Result<void> write_rows();
  void skip(const std::string& path, const Error& error);

  Database& database_;
  Index index_;
  Maildir& maildir_;
  MailboxId mailbox_;
  const Naming& naming_;

  std::vector<MessageRow> rows_;
  std::vector<bool> has_file_;  // by row
  std::unordered_map<std::string, std::size_t> row_by_base_;
  std::unordered_set<std::string> uidls_;
  std::vector<std::string> unmatched_;  // paths
  std::vector<MessageRow> new_rows_;
  std::vector<std::size_t> changed_;  // rows to update
  std::vector<std::size_t> gone_;     // rows to erase
  Reconciled result_;
};

Result<Reconciled> Reconciliation::run(MarkedFiles marked) {
  if (auto done = load(); !done) return done.error();
  match_exact_paths();
  match_base_names();
  if (auto done = take_in(); !done) return done.error();
  if (marked == MarkedFiles::kRemove) {
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

void Reconciliation::skip(const std::string& path, const Error& error) {
  // A file that vanished while we looked is another tool's doing, and no news.
  if (error.kind == ErrorKind::kNotFound) return;
  // Room, rights and disks can be put right without a trace in the folder's times.
  if (error.kind != ErrorKind::kInvalid && error.kind != ErrorKind::kCorrupt) result_.settled = false;
  result_.skipped.push_back(fmt::format("left {}/{} alone: {}", maildir_.path(), path, error.message));
}

std::optional<Reconciliation::Candidate> Reconciliation::examine(const std::string& path) {
  auto facts = maildir_.inspect(path);
  if (!facts) {
    skip(path, facts.error());
    return std::nullopt;
  }
  Candidate candidate{path, parse_message_name(base_name(path)), *facts};
  // A UIDL is unique in its mailbox for ever: a second file with it is somebody's copy.
  if (candidate.name && !uidls_.insert(candidate.name->id).second) candidate.name.reset();
  return candidate;
}

Result<void> Reconciliation::take_in() {
  std::vector<Candidate> candidates;
  for (const std::string& path : unmatched_) {
    if (auto candidate = examine(path)) candidates.push_back(std::move(*candidate));
  }
  auto received = [](const Candidate& candidate) {
    return std::pair(
        candidate.name ? candidate.name->seconds : candidate.facts.modified_at,
        candidate.name ? std::string_view(candidate.name->id) : std::string_view(candidate.path));
  };
  std::sort(candidates.begin(), candidates.end(),
            [&](const Candidate& one, const Candidate& other) { return received(one) < received(other); });
  for (Candidate& candidate : candidates) {
    if (auto done = take_in(candidate); !done) skip(candidate.path, done.error());
  }
  if (new_rows_.empty()) return {};
  return maildir_.sync_all();
}

Result<void> Reconciliation::take_in(Candidate& candidate) {
  const bool foreign = !candidate.name;
  if (foreign) candidate.name = MessageName{candidate.facts.modified_at, naming_.ids.next(), naming_.host};
  std::string path = candidate.path;
  if (!candidate.facts.canonical) {
    result_.settled = false;
    const MessageName draft{unix_seconds(), naming_.ids.next(), naming_.host};
    if (auto done = maildir_.normalise(path, draft.text()); !done) return done;
    auto facts = maildir_.inspect(path);
    if (!facts) return facts.error();
    candidate.facts = *facts;
  }
  if (foreign) {
    result_.settled = false;
    auto file = maildir_.open_message(path);
    if (!file) return file.error();
    if (auto done = sync_handle(file->fd(), path); !done) return done;
    const std::size_t flags = path.find(':');
    const bool keep_flags = path.starts_with("cur/") && flags != std::string::npos;
    path = path.substr(0, 4) + candidate.name->text() + (keep_flags ? path.substr(flags) : std::string());
    if (auto done = maildir_.rename(candidate.path, path); !done) return done;
  }
  const std::string& id = candidate.name->id;
  new_rows_.push_back({0, mailbox_, id, path, candidate.facts.size, candidate.facts.has_dot_lines,
                       candidate.name->seconds, id, MessageState::kPresent});
  ++(foreign ? result_.imported : result_.adopted);
  return {};
}

Result<void> Reconciliation::remove_deleted() {
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

Result<void> Reconciliation::settle_rows() {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    MessageRow& row = rows_[i];
    if (row.state == MessageState::kPresent && !has_file_[i]) {
      row.state = MessageState::kMissing;
      ++result_.missing;
      changed_.push_back(i);
    } else if (row.state == MessageState::kMissing && has_file_[i]) {
      auto facts = maildir_.inspect(row.name);
      if (!facts) {
        skip(row.name, facts.error());
        continue;
      }
      row.state = MessageState::kPresent;
      row.size = facts->size;
      row.has_dot_lines = facts->has_dot_lines;
      ++result_.returned;
      changed_.push_back(i);
    }
  }
  return {};
}

Result<void> Reconciliation::write_rows() {
  if (new_rows_.empty() && changed_.empty() && gone_.empty()) return {};
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  for (const MessageRow& row : new_rows_) {
    if (auto done = index_.insert(row); !done) return done;
  }
  for (std::size_t i : changed_) {
    if (auto done = index_.update(rows_[i]); !done) return done;
  }
  for (std::size_t i : gone_) {
    if (auto done = index_.erase(rows_[i].id); !done) return done;
  }
  return transaction->commit();
}

}  // namespace

Result<Reconciled> reconcile(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
                             MarkedFiles marked) {
  return Reconciliation(database, maildir, mailbox, naming).run(marked);
}

}  // namespace mailstead

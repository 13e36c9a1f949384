#include "storage/mailbox/restore.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "storage/database/history.h"
#include "storage/database/index.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

class Restoring {
 public:
  Restoring(DataFolder& folder, Database& database, const Filer& filer, Maildir& maildir,
            const MailboxEntry& mailbox, LostFiles lost_files)
      : folder_(folder),
        database_(database),
        filer_(filer),
        maildir_(maildir),
        mailbox_(mailbox),
        lost_files_(lost_files) {}

  Result<std::vector<std::string>> run(std::span<const std::string> uidls) {
    if (auto done = find(uidls); !done) return done.error();
    if (moves_.empty()) return std::move(lost_);
    auto done = move();
    if (done) done = commit();
    if (!done && done.error().kind == ErrorKind::kNoSpace) {
      folder_.release_reserve();
      done = move();
      if (done) done = commit();
    }
    if (done) return std::move(lost_);
    move_back();
    return done.error();
  }

 private:
  struct Move {
    MessageRow row;    // as it will be
    std::string from;  // empty: the file is where it should be
    bool moved = false;
  };

  Result<void> find(std::span<const std::string> uidls) {
    Index index(database_);
    std::unordered_set<std::string> seen;
    for (const std::string& uidl : uidls) {
      if (!seen.insert(uidl).second) continue;
      auto rows = index.of_uidl(mailbox_.id, uidl);
      if (!rows) return rows.error();
      if (rows->empty() || !is_kept(rows->front().state)) return not_deleted(uidl, !rows->empty());
      auto move = plan(std::move(rows->front()));
      if (move) {
        moves_.push_back(std::move(*move));
      } else if (move.error().kind == ErrorKind::kNotFound && lost_files_ == LostFiles::kLeaveOut) {
        lost_.push_back(uidl);
      } else {
        return move.error();
      }
    }
    return {};
  }

  Error not_deleted(const std::string& uidl, bool there) const {
    const std::string address = mailbox_.address.text();
    return Error{
        ErrorKind::kNotFound,
        there
            ? fmt::format("{} of {} is not deleted; nothing was restored", uidl, address)
            : fmt::format("{0} has no deleted message {1}; 'mailstead message list ADDRESS --deleted' shows "
                          "them; nothing was restored",
                          address, uidl)};
  }

  Result<Move> plan(MessageRow row) {
    Move move;
    const bool in_place = filer_.is_unfiled(row.id) || maildir_.is_there(row.name);
    if (!row.name.starts_with("deleted/") && in_place) {
      move.row = std::move(row);  // not put aside yet
      return move;
    }
    move.from = path_aside(row.name);
    if (!maildir_.is_there(move.from)) {
      auto renamed = find_by_base(row);
      if (!renamed) return renamed.error();
      move.from = *renamed;
    }
    move.row = std::move(row);
    move.row.name = move.from;
    if (move.from.starts_with("deleted/")) {
      move.row.name = path_restored(move.from);
    } else {
      move.from.clear();
    }
    return move;
  }

  // Somebody renamed it.
  Result<std::string> find_by_base(const MessageRow& row) {
    if (!listed_) {
      auto paths = maildir_.list();
      if (!paths) return paths.error();
      for (const std::string& path : *paths) by_base_.emplace(base_name(path), path);
      listed_ = true;
    }
    const auto found = by_base_.find(std::string(base_name(row.name)));
    if (found != by_base_.end()) return found->second;
    return Error{ErrorKind::kNotFound,
                 fmt::format("the file of {} is gone from {}/deleted; nothing was restored", row.uidl,
                             maildir_.path())};
  }

  Result<void> move() {
    for (Move& move : moves_) {
      if (move.from.empty() || move.moved) continue;
      if (auto done = maildir_.rename(move.from, move.row.name); !done) return done;
      move.moved = true;
    }
    return maildir_.sync_all();
  }

  Result<void> commit() {
    auto transaction = Transaction::begin(database_);
    if (!transaction) return transaction.error();
    const std::int64_t now = unix_seconds();
    Index index(database_);
    for (Move& move : moves_) {
      move.row.state = MessageState::kPresent;
      auto done = index.update(move.row);
      if (done) done = index.keep_anew(move.row.id);
      if (done) done = Deletions(database_).note_restored(move.row.id, now);
      if (!done) return done;
    }
    return transaction->commit();
  }

  // What resists is taken for restored by the next look into the folder.
  void move_back() {
    for (Move& move : moves_) {
      if (move.moved) static_cast<void>(maildir_.rename(move.row.name, move.from));
    }
    static_cast<void>(maildir_.sync_all());
  }

  DataFolder& folder_;
  Database& database_;
  const Filer& filer_;
  Maildir& maildir_;
  const MailboxEntry& mailbox_;
  const LostFiles lost_files_;
  std::vector<Move> moves_;
  std::vector<std::string> lost_;  // UIDLs
  bool listed_ = false;
  std::unordered_map<std::string, std::string> by_base_;  // paths, once they are listed
};

}  // namespace

Result<std::vector<std::string>> restore_deleted(DataFolder& folder, Database& database, const Filer& filer,
                                                 Maildir& maildir, const MailboxEntry& mailbox,
                                                 std::span<const std::string> uidls, LostFiles lost) {
  return Restoring(folder, database, filer, maildir, mailbox, lost).run(uidls);
}

}  // namespace mailstead

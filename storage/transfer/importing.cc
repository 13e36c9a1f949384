#include "storage/transfer/importing.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "protocols/sha256.h"
#include "storage/mailbox/message_id.h"
#include "storage/store.h"

namespace mailstead {

namespace {

constexpr std::size_t kImportGroup = 64;  // files that share the disk's flushes; each needs a descriptor
constexpr std::size_t kImportPiece = 256 << 10;
constexpr std::size_t kMostIdentity = 400;  // octets of a source, and of an item
// Nobody can take so many UIDLs that are made of somebody else's hashes.
constexpr int kMostClaims = 100;

// The message with CRLF line ends, piece by piece.
Result<void> each_piece(const Import& message, const std::function<Result<void>(std::string_view)>& take) {
  LineEndNormaliser normaliser;
  std::string piece;
  std::string lines;
  const auto pass = [&](std::string_view bytes) {
    lines.clear();
    normaliser.add(bytes, lines);
    return take(lines);
  };
  const std::uint64_t spooled = message.spool ? message.spool->size() : 0;
  for (std::uint64_t at = 0; at < spooled; at += piece.size()) {
    piece.clear();
    if (auto done = message.spool->read(at, kImportPiece, piece); !done) return done;
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    if (auto done = pass(piece); !done) return done;
  }
  if (auto done = pass(message.rest); !done) return done;
  lines.clear();
  normaliser.finish(lines);
  return lines.empty() ? Result<void>() : take(lines);
}

// 32 characters that follow from the message's identity.
std::string made_uidl(const Import& message, int turn) {
  const Sha256 hash = sha256(fmt::format("{}\n{}\n{}\n{}{}", message.source, message.item, message.uidl,
                                         turn == 0 ? "" : "again ", turn));
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) text += fmt::format("{:02x}", hash[i]);
  return text;
}

}  // namespace

ImportBatch::ImportBatch(Database& database, Maildir& maildir, MailboxId mailbox, const Naming& naming,
                         std::function<Result<void>()> before_change)
    : database_(database),
      index_(database),
      imported_(database),
      mail_(database, maildir, mailbox),
      maildir_(maildir),
      mailbox_(mailbox),
      naming_(naming),
      before_change_(std::move(before_change)),
      now_(unix_seconds()) {}

std::vector<Result<Imported>> ImportBatch::run(std::span<const Import> messages) {
  works_.reserve(messages.size());
  for (const Import& message : messages) {
    Work& work = works_.emplace_back(Work{&message});
    if (auto done = plan(work); !done) work.error = done.error();
  }
  for (std::size_t first = 0; first < works_.size(); first += kImportGroup) {
    write_group(std::span(works_).subspan(first, std::min(kImportGroup, works_.size() - first)));
  }
  withdraw_failed();
  if (auto done = write_rows(); !done) {
    for (Work& work : works_) {
      if (!work.error) work.error = done.error();
    }
    withdraw_failed();
  }
  std::vector<Result<Imported>> results;
  for (Work& work : works_) {
    // What the first of two came to is what the second has: nobody is to believe that it is here if it is
    // not.
    if (work.same) work.error = works_[*work.same].error;
    if (work.error) {
      results.emplace_back(*work.error);
    } else {
      results.emplace_back(Imported{work.outcome, work.uidl, work.scan.size()});
    }
  }
  return results;
}

Result<void> ImportBatch::plan(Work& work) {
  const Import& message = *work.message;
  if (message.source.empty() || message.source.size() > kMostIdentity || message.item.empty() ||
      message.item.size() > kMostIdentity) {
    return Error{ErrorKind::kInvalid, "an imported message needs a source and an item of at most 400 octets"};
  }
  if (!message.uidl.empty() && !is_uidl(message.uidl))
    return Error{ErrorKind::kInvalid, "a UIDL has 1 to 70 visible ASCII characters"};
  work.item = message.item;
  auto note = recognise(work);
  if (note && *note == Note::kOfAnother) {
    // What its source calls it was another message's name.
    auto facts = facts_of(work);
    if (!facts) return facts.error();
    work.item = ImportedTable::another(message.item, (*facts)->hash);
    note = recognise(work);
  }
  if (!note) return note.error();
  if (*note == Note::kSettled) return {};
  items_.emplace(std::pair(message.source, work.item), static_cast<std::size_t>(&work - works_.data()));
  std::string uidl = message.uidl.empty() ? made_uidl(message, 0) : message.uidl;
  for (int turn = 1; turn <= kMostClaims; ++turn) {
    auto claimed = claim(work, uidl);
    if (!claimed) return claimed.error();
    if (*claimed != Claim::kTaken) {
      if (*claimed == Claim::kSame) work.outcome = ImportOutcome::kThere;
      work.uidl = uidl;
      uidls_.insert(std::move(uidl));
      return {};
    }
    uidl = made_uidl(message, turn);
  }
  return Error{ErrorKind::kExists, "no UIDL is left for this message"};
}

Result<ImportBatch::Note> ImportBatch::recognise(Work& work) {
  auto note = recognise_in_batch(work);
  return note && *note == Note::kNone ? recognise_in_table(work) : note;
}

Result<ImportBatch::Note> ImportBatch::recognise_in_batch(Work& work) {
  const auto first = items_.find({work.message->source, work.item});
  if (first == items_.end()) return Note::kNone;
  Work& other = works_[first->second];
  auto its = facts_of(other);
  auto ours = facts_of(work);
  if (!its || !ours) return its ? ours.error() : its.error();
  if ((*its)->size != (*ours)->size || (*its)->hash != (*ours)->hash) return Note::kOfAnother;
  work.outcome = other.outcome == ImportOutcome::kNew ? ImportOutcome::kThere : other.outcome;
  work.is_noted = true;
  work.same = first->second;
  work.uidl = other.uidl;
  return Note::kSettled;
}

// What its owner deleted here is not brought again, as far as it can be told that it was this message.
Result<ImportBatch::Note> ImportBatch::recognise_in_table(Work& work) {
  auto uidl = imported_.uidl_of(mailbox_, work.message->source, work.item);
  if (!uidl) return uidl.error();
  if (!*uidl) return Note::kNone;
  auto state = mail_.state_of(**uidl);
  if (!state) return state.error();
  bool is_same = true;
  if (state->fate == ImportedFate::kHere) {
    auto same = this->is_same(*work.message, *state->row);
    if (!same) return same.error();
    is_same = *same;
  } else if (state->row) {
    auto facts = facts_of(work);
    if (!facts) return facts.error();
    is_same = ImportedMail::fits(*state->row, (*facts)->size, (*facts)->hash);
  }
  if (!is_same) return Note::kOfAnother;
  if (state->fate == ImportedFate::kLost) {
    // An earlier one of the batch brings it back under another name.
    if (!uidls_.insert(**uidl).second) return Note::kOfAnother;
    work.lost = std::move(state->row);
  } else {
    work.outcome = state->fate == ImportedFate::kUnsure ? ImportOutcome::kUnsure : ImportOutcome::kThere;
  }
  items_.emplace(std::pair(work.message->source, work.item), static_cast<std::size_t>(&work - works_.data()));
  work.is_noted = true;
  work.uidl = **uidl;
  return Note::kSettled;
}

// The same message under the same UIDL is one that an import brought before its rows were lost.
Result<ImportBatch::Claim> ImportBatch::claim(Work& work, const std::string& uidl) {
  if (uidls_.contains(uidl)) return Claim::kTaken;
  auto rows = index_.of_uidl(mailbox_, uidl);
  if (!rows) return rows.error();
  if (rows->empty()) {
    auto had = imported_.has_uidl(mailbox_, uidl);
    if (!had) return had.error();
    return *had ? Claim::kTaken : Claim::kFree;
  }
  auto state = mail_.state_of(uidl);
  if (!state) return state.error();
  if (state->fate == ImportedFate::kLost) {
    auto facts = facts_of(work);
    if (!facts) return facts.error();
    const bool fits =
        state->row->hash.is_known() && ImportedMail::fits(*state->row, (*facts)->size, (*facts)->hash);
    if (!fits) return Claim::kTaken;
    work.lost = std::move(state->row);
    return Claim::kLost;
  }
  auto same = is_same(*work.message, *state->row);
  if (!same) return same.error();
  return *same ? Claim::kSame : Claim::kTaken;
}

Result<const ImportFacts*> ImportBatch::facts_of(Work& work) const {
  if (!work.facts) {
    ImportFacts facts;
    ContentHasher hasher;
    auto done = each_piece(*work.message, [&](std::string_view piece) -> Result<void> {
      facts.size += piece.size();
      hasher.add(piece);
      return {};
    });
    if (!done) return done.error();
    facts.hash = hasher.value();
    work.facts = facts;
  }
  return &*work.facts;
}

// What cannot be compared is not the same: the message comes twice rather than not at all.
Result<bool> ImportBatch::is_same(const Import& message, const MessageRow& row) const {
  auto file = maildir_.open_message(row.name);
  if (!file) return false;
  std::uint64_t offset = 0;
  bool same = true;
  std::string there;
  auto done = each_piece(message, [&](std::string_view piece) -> Result<void> {
    if (!same || piece.empty()) return {};
    there.clear();
    // A read may bring less than was asked for.
    while (there.size() < piece.size()) {
      const std::size_t before = there.size();
      if (auto read = read_some(file->fd(), offset + before, piece.size() - before, there); !read)
        return read;
      if (there.size() == before) break;
    }
    same = there == piece;
    offset += piece.size();
    return {};
  });
  if (!done) return done.error();
  return same && offset == static_cast<std::uint64_t>(file->facts.st_size);
}

void ImportBatch::each_new(std::span<Work> group, Result<void> (ImportBatch::*step)(Work&)) {
  for (Work& work : group) {
    if (!work.is_new()) continue;
    if (auto done = (this->*step)(work); !done) work.error = done.error();
  }
}

void ImportBatch::write_group(std::span<Work> group) {
  each_new(group, &ImportBatch::write);
  for (const Work& work : group) {
    if (work.is_new()) start_write_back(work.file.fd());
  }
  each_new(group, &ImportBatch::flush);
  each_new(group, &ImportBatch::publish);
  for (Work& work : group) work.file.reset();
}

Result<void> ImportBatch::write(Work& work) {
  MessageName name{now_, naming_.ids.next(), naming_.host, work.uidl};
  work.name = work.lost ? std::string(base_name(work.lost->name)) : name.text();
  auto file = maildir_.create_draft(work.name);
  if (!file) return file.error();
  work.in_tmp = true;
  work.file = std::move(*file);
  auto done = each_piece(*work.message, [&](std::string_view piece) {
    work.scan.add(piece);
    work.hasher.add(piece);
    return write_all(work.file.fd(), piece);
  });
  if (!done) return in_folder(maildir_.path(), done.error());
  const struct timespec time {
    work.lost ? work.lost->received_at : work.message->received_at, 0
  };
  const struct timespec times[2] = {time, time};
  if (::futimens(work.file.fd(), times) != 0)
    return in_folder(maildir_.path(), system_error(errno, "set the time of", work.name));
  return {};
}

Result<void> ImportBatch::flush(Work& work) {
  auto done = sync_handle(work.file.fd(), work.name);
  if (!done) return in_folder(maildir_.path(), done.error());
  return {};
}

Result<void> ImportBatch::publish(Work& work) {
  // What is left of the file that is lost, a part of it, is not to be a second message.
  if (work.lost && maildir_.is_there(work.lost->name)) {
    if (auto kept = maildir_.put_in_quarantine(work.lost->name); !kept) return kept.error();
  }
  if (auto done = maildir_.publish_draft(work.name); !done) return done;
  work.in_tmp = false;
  work.in_new = true;
  return {};
}

Result<void> ImportBatch::write_rows() {
  const bool any_file =
      std::any_of(works_.begin(), works_.end(), [](const Work& work) { return work.in_new; });
  if (any_file) {
    if (auto done = maildir_.sync_new(); !done) return done;
  }
  const auto to_write = [](const Work& work) { return !work.error && (!work.is_noted || work.lost); };
  if (std::none_of(works_.begin(), works_.end(), to_write)) return {};
  if (std::any_of(works_.begin(), works_.end(), [](const Work& work) { return !work.error && work.lost; })) {
    if (auto done = before_change_(); !done) return done;
  }
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  for (const Work& work : works_) {
    if (!to_write(work)) continue;
    const Import& message = *work.message;
    if (work.lost) {
      MessageRow row = *work.lost;
      row.name = "new/" + work.name;
      row.state = MessageState::kPresent;
      row.size = work.scan.size();
      row.has_dot_lines = work.scan.has_dot_lines();
      row.header = work.scan.header();
      row.hash = work.hasher.value();
      if (auto done = index_.update(row); !done) return done;
    } else if (work.outcome == ImportOutcome::kNew) {
      const auto name = parse_message_name(work.name);
      auto row =
          index_.insert({0, mailbox_, work.uidl, "new/" + work.name, work.scan.size(),
                         work.scan.has_dot_lines(), message.received_at, name->id, MessageState::kPresent,
                         work.scan.message_id(), work.scan.header(), work.hasher.value()});
      if (!row) return row.error();
    }
    if (work.is_noted) continue;
    auto noted = imported_.add(mailbox_, message.source, work.item, work.uidl);
    if (!noted) return noted;
  }
  return transaction->commit();
}

// Not synced: should power fail now, the file is taken in, and the next try finds it.
void ImportBatch::withdraw_failed() {
  for (Work& work : works_) {
    if (!work.error) continue;
    work.file.reset();
    if (work.in_tmp) maildir_.discard_draft(work.name);
    if (work.in_new) static_cast<void>(maildir_.remove("new/" + work.name));
    work.in_tmp = false;
    work.in_new = false;
  }
}

}  // namespace mailstead

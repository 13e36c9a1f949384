#include "storage/delivery/filing.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "storage/database/index.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::size_t kMostMaildirs = 32;  // open in a batch: four descriptors each
constexpr std::size_t kMostFiles = 256;    // in a batch of file_now()
// From here on one flush for the file system is less than one for each file.
constexpr std::size_t kManyFiles = 16;
// Of a mailbox, nobody waits for more files than that at a start: the others come behind.
constexpr std::size_t kMostAtStart = 1024;
constexpr std::size_t kMostTold = 100;  // lost messages

// A draft of ours with these bytes.
Result<FileHandle> write_draft(Maildir& maildir, const std::string& name, std::string_view bytes) {
  auto file = maildir.create_draft(name);
  if (!file && file.error().kind == ErrorKind::kExists) {
    maildir.discard_draft(name);
    file = maildir.create_draft(name);
  }
  if (!file) return file;
  auto written = write_all(file->fd(), bytes);
  if (written) return file;
  maildir.discard_draft(name);
  return in_folder(maildir.path(), written.error());
}

// The draft's name becomes `path`. What has that name is our own, of an earlier attempt: it may be
// unfinished, and whether it is on the disk can be asked of a file only once.
Result<void> publish(Maildir& maildir, const std::string& draft, const std::string& path) {
  auto done = maildir.publish_draft_as(draft, path);
  if (done || done.error().kind != ErrorKind::kExists) return done;
  if (auto gone = maildir.remove(path); !gone && gone.error().kind != ErrorKind::kNotFound) return gone;
  return maildir.publish_draft_as(draft, path);
}

}  // namespace

Result<FileHandle> write_mail_file(Maildir& maildir, const std::string& path, std::string_view bytes) {
  const std::string draft(base_name(path));
  auto file = write_draft(maildir, draft, bytes);
  if (!file) return file;
  auto done = publish(maildir, draft, path);
  if (done) return file;
  maildir.discard_draft(draft);
  return done.error();
}

struct Filer::Unfiled {
  MailboxId mailbox = 0;
  std::string path;
  MessageState state = MessageState::kPresent;
  std::string bytes;
};

void FiledBatch::sync() {
  if (!all_at_once_) return sync_each();
  for (auto& [device, maildir] : on_device_) {
    const auto done = maildir.sync_file_system();
    if (done) continue;
    for (File& file : files_) {
      if (file.device == device) file.error = done.error();
    }
  }
}

void FiledBatch::sync_each() {
  for (const File& file : files_) start_write_back(file.handle.fd());
  for (File& file : files_) {
    if (auto done = sync_handle(file.handle.fd(), file.path); !done) file.error = done.error();
    file.handle.reset();
  }
  for (auto& [mailbox, maildir] : maildirs_) {
    const auto is_of = [of = mailbox](const File& file) { return file.mailbox == of; };
    const bool all_new = std::ranges::all_of(
        files_, [&](const File& file) { return !is_of(file) || file.path.starts_with("new/"); });
    const auto done = all_new ? maildir.sync_new() : maildir.sync_all();
    if (done) continue;
    for (File& file : files_) {
      if (is_of(file) && !file.error) file.error = done.error();
    }
  }
}

Result<std::optional<Filer::Unfiled>> Filer::find(Contents::Row message) {
  auto statement = database_.query(
      "SELECT mailbox, name, state FROM messages WHERE id = ?1 AND EXISTS"
      " (SELECT 1 FROM contents WHERE message = ?1)",
      message);
  if (!statement) return statement.error();
  auto there = statement->step();
  if (!there) return there.error();
  if (!*there) return std::optional<Unfiled>();
  Unfiled unfiled{
      statement->integer(0), statement->text(1), static_cast<MessageState>(statement->integer(2)), {}};
  auto bytes = contents_.read(message);
  if (!bytes) return bytes.error();
  unfiled.bytes = *std::move(bytes);
  return std::optional<Unfiled>(std::move(unfiled));
}

std::unique_ptr<FiledBatch> Filer::write(Contents::Clock::time_point until, std::size_t at_most,
                                         Result<void>& failure) {
  if (auto done = note_rest(); !done) failure = done;
  const auto messages = contents_.before(until, at_most, written_);
  auto batch = std::make_unique<FiledBatch>();
  if (auto done = write_some(messages, *batch); !done && failure) failure = done;
  if (batch->files_.empty()) return nullptr;
  return batch;
}

Result<void> Filer::write_some(Messages messages, FiledBatch& batch) {
  if (messages.empty()) return {};
  if (auto room = folder_.check_room(); !room) return room;
  // Only read, but taken and given up once and not with each statement.
  const auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  batch.all_at_once_ = messages.size() >= kManyFiles && sync_file_system_tells_errors();
  std::map<MailboxId, std::vector<Contents::Row>> by_mailbox;
  for (const Contents::Row message : messages) by_mailbox[contents_.mailbox_of(message)].push_back(message);
  Result<void> failure;
  for (const auto& [mailbox, its_messages] : by_mailbox) {
    if (batch.maildirs_.size() == kMostMaildirs) break;
    if (auto done = write_in(mailbox, its_messages, batch); !done && failure) failure = done;
  }
  return failure;
}

Result<void> Filer::write_in(MailboxId mailbox, Messages messages, FiledBatch& batch) {
  auto maildir = maildir_of_(mailbox);
  if (!maildir) {
    troubled_.insert(mailbox);
    for (const Contents::Row message : messages) contents_.postpone(message);
    return maildir.error();
  }
  auto times = maildir->times();
  const bool quiet = times && watch_.is_quiet(mailbox, *times);
  Result<void> failure;
  for (const Contents::Row message : messages) {
    auto done = write_one(message, *maildir, batch);
    if (done) continue;
    contents_.postpone(message);
    if (failure) failure = done;
  }
  times = maildir->times();
  if (times && quiet) watch_.expect(mailbox, *times);
  if (batch.all_at_once_) {
    const auto device = maildir->device();
    if (!device) return device.error();
    for (auto file = batch.files_.rbegin(); file != batch.files_.rend() && file->mailbox == mailbox; ++file)
      file->device = *device;
    batch.on_device_.try_emplace(*device, std::move(*maildir));
  } else {
    batch.maildirs_.emplace(mailbox, std::move(*maildir));
  }
  return failure;
}

Result<void> Filer::write_one(Contents::Row message, Maildir& maildir, FiledBatch& batch) {
  auto unfiled = find(message);
  // The file that it may have is all there is of it from now on; without one it is missing. What a damaged
  // database does not tell is not lost: the next start looks for it.
  const bool is_lost =
      !unfiled && contents_.is_in_journal(message) && !database_.is_damaged() &&
      (unfiled.error().kind == ErrorKind::kCorrupt || unfiled.error().kind == ErrorKind::kNotFound);
  if (is_lost) lose(message, maildir, unfiled.error());
  if (!unfiled) return unfiled.error();
  if (!*unfiled) {  // the message is gone for good
    forget(message);
    return {};
  }
  if ((**unfiled).state == MessageState::kDeleting) {  // it is about to be
    contents_.postpone(message);
    return {};
  }
  auto done = write_file(message, **unfiled, maildir, batch);
  if (!done) troubled_.insert((**unfiled).mailbox);
  return done;
}

// What is at its place goes to people: it may be the message but for an octet, or, where the place was used
// anew, another's.
void Filer::lose(Contents::Row message, Maildir& maildir, const Error& why) {
  // Told before: the database could not be.
  if (std::ranges::find(unnoted_, message) != unnoted_.end()) return;
  unnoted_.push_back(message);
  const auto rows = Index(database_).of_id(message);
  if (!rows || rows->empty() || rows->front().state == MessageState::kDeleting) return;
  const MessageRow& row = rows->front();
  const auto file = maildir.inspect(row.name);
  if (file && file->size == row.size && file->hash == row.hash) return;
  if (++lost_ > kMostTold) return;
  std::string text =
      fmt::format("{}/{} is {}: {}", maildir.path(), row.name, file ? "not what came" : "lost", why.message);
  const auto bytes = contents_.read_whatever(message);
  const auto kept = bytes ? maildir.write_to_quarantine(std::string(base_name(row.name)), *bytes)
                          : Result<std::string>(bytes.error());
  text += kept ? fmt::format("; what is at its place there is now {}", *kept) : std::string();
  if (lost_ == kMostTold) text += "; of more that are lost 'mailstead verify' tells";
  tell_(std::move(text));
}

Result<void> Filer::write_file(Contents::Row message, const Unfiled& unfiled, Maildir& maildir,
                               FiledBatch& batch) {
  const auto& [mailbox, path, state, bytes] = unfiled;
  // Another tool has moved it already; it is not to be there twice.
  if (written_.contains(message) && !maildir.is_there(path)) return {};
  auto file = write_mail_file(maildir, path, bytes);
  if (!file) return file.error();
  if (batch.all_at_once_) file->reset();
  batch.files_.push_back({message, mailbox, path, 0, std::move(*file)});
  written_.insert(message);
  return {};
}

Result<void> Filer::settle(FiledBatch& batch) {
  std::vector<Contents::Row> filed;
  Result<void> failure;
  for (const FiledBatch::File& file : batch.files_) {
    // Somebody who could not wait has filed it, or it is gone.
    if (!written_.contains(file.message)) continue;
    if (!file.error) {
      filed.push_back(file.message);
      trust(file.mailbox);
      continue;
    }
    troubled_.insert(file.mailbox);
    failure = *file.error;
    written_.erase(file.message);
    contents_.postpone(file.message);
    if (auto maildir = maildir_of_(file.mailbox)) static_cast<void>(maildir->remove(file.path));
  }
  batch.files_.clear();
  auto noted = note(filed);
  return failure ? noted : failure;
}

// The file is on the disk, so the bytes may go with anybody's next flush.
Result<void> Filer::note(const std::vector<Contents::Row>& messages) {
  if (messages.empty()) return {};
  const auto erase = [&]() -> Result<void> {
    auto transaction = Transaction::begin(database_, Durable::kLater);
    if (!transaction) return transaction.error();
    for (const Contents::Row message : messages) {
      if (auto done = contents_.erase(message); !done) return done;
    }
    return transaction->commit();
  };
  auto done = erase();
  if (!done) {
    unnoted_.insert(unnoted_.end(), messages.begin(), messages.end());
    return done;
  }
  for (const Contents::Row message : messages) forget(message);
  return {};
}

Result<void> Filer::file_these(Messages messages) {
  Result<void> failure = note_rest();
  while (!messages.empty()) {
    const auto some = messages.first(std::min(messages.size(), kMostFiles));
    messages = messages.subspan(some.size());
    FiledBatch batch;
    auto done = write_some(some, batch);
    batch.sync();
    if (auto settled = settle(batch); done) done = settled;
    if (!done && failure) failure = done;
  }
  if (auto done = note_rest(); !done && failure) failure = done;
  return failure;
}

// The next login looks what has become of those that are lost.
Result<void> Filer::note_rest() {
  const auto messages = std::exchange(unnoted_, {});
  std::unordered_set<MailboxId> mailboxes;
  for (const Contents::Row message : messages) mailboxes.insert(contents_.mailbox_of(message));
  auto done = note(messages);
  if (!done) return done;
  for (const MailboxId mailbox : mailboxes) watch_.forget(mailbox);
  return {};
}

// Those that are being filed are filed once more, for themselves.
Result<void> Filer::file_now(MailboxId mailbox, Which which) {
  if (auto done = database_.write_deferred(); !done) return done;
  if (contents_.size() == 0) return {};
  auto messages = contents_.of(mailbox);
  if (which == Which::kDeleted) {
    std::vector<Contents::Row> deleted;
    for (const Contents::Row message : messages) {
      auto rows = Index(database_).of_id(message);
      if (!rows) return rows.error();
      if (!rows->empty() && is_kept(rows->front().state)) deleted.push_back(message);
    }
    messages = std::move(deleted);
  }
  return file_these(messages);
}

Result<void> Filer::file_message(Contents::Row message) {
  if (auto done = database_.write_deferred(); !done) return done;
  return contents_.holds(message) ? file_these({&message, 1}) : Result<void>();
}

Result<void> Filer::recover(MailboxId mailbox) {
  const auto messages = contents_.of(mailbox);
  if (messages.empty()) return {};
  auto maildir = maildir_of_(mailbox);
  if (!maildir) return maildir.error();
  auto paths = maildir->list();
  if (!paths) return paths.error();
  std::unordered_map<std::string, const std::string*> by_base;
  for (const std::string& path : *paths) by_base.emplace(base_name(path), &path);
  Index index(database_);
  std::vector<Contents::Row> begun;  // there is a file, whole or not
  for (const Contents::Row message : messages) {
    auto rows = index.of_id(message);
    if (!rows) return rows.error();
    if (rows->empty()) continue;
    const auto found = by_base.find(std::string(base_name(rows->front().name)));
    if (found == by_base.end()) continue;
    begun.push_back(message);
    if (rows->front().name == *found->second) continue;
    rows->front().name = *found->second;
    if (auto done = index.update(rows->front()); !done) return done;
  }
  return file_these(messages.size() <= kMostAtStart ? messages : begun);
}

void Filer::forget(Contents::Row message) {
  contents_.forget(message);
  written_.erase(message);
}

void Filer::forget_mailbox(MailboxId mailbox) {
  for (const Contents::Row message : contents_.of(mailbox)) forget(message);
  trust(mailbox);
}

}  // namespace mailstead

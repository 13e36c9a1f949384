// The store's part about mail that comes from other servers and files, and goes to files.
#include <utility>

#include "storage/sqlite_store.h"
#include "storage/transfer/imported_mail.h"
#include "storage/transfer/importing.h"

namespace mailstead {

std::vector<Result<Imported>> SqliteStore::import_messages(const Address& address,
                                                           std::span<const Import> messages) {
  const auto all = [&](const Error& error) {
    return std::vector<Result<Imported>>(messages.size(), Result<Imported>(error));
  };
  if (!database_) return all(closed_error());
  auto entry = known(address);
  if (!entry) return all(entry.error());
  auto maildir = maildir_of(entry->id);
  if (!maildir) return all(maildir.error());
  // What is here is compared by its file.
  if (auto filed = filer_->file_now(entry->id); !filed) return all(filed.error());
  const auto before = maildir->times();
  const bool quiet = before && watch_.is_quiet(entry->id, *before);
  const auto before_change = [&] { return listings_.before_change(*database_, entry->id); };
  auto results = ImportBatch(*database_, *maildir, entry->id, naming_, before_change).run(messages);
  const auto after = maildir->times();
  if (after && quiet) watch_.expect(entry->id, *after);
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return results;
}

Result<std::vector<WasImported>> SqliteStore::were_imported(const Address& address, const std::string& source,
                                                            std::span<const ImportQuestion> questions) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto maildir = maildir_of(entry->id);
  if (!maildir) return maildir.error();
  // Whether a message is here is asked of its file.
  if (auto filed = filer_->file_now(entry->id); !filed) return filed.error();
  ImportedMail mail(*database_, *maildir, entry->id);
  std::vector<WasImported> answers;
  for (const ImportQuestion& question : questions) {
    auto answer = mail.was_imported(source, question);
    if (!answer) return answer.error();
    answers.push_back(*answer);
  }
  return answers;
}

Result<std::vector<ExportEntry>> SqliteStore::export_entries(const Address& address, std::int64_t after,
                                                             std::size_t at_most) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  auto rows = Index(*database_).of_state_after(entry->id, MessageState::kPresent, after, at_most);
  if (!rows) return rows.error();
  std::vector<ExportEntry> entries;
  for (MessageRow& row : *rows) entries.push_back({row.id, std::move(row.uidl), row.size, row.received_at});
  return entries;
}

Result<std::unique_ptr<MessageReader>> SqliteStore::open_entry(const Address& address,
                                                               const ExportEntry& entry) {
  if (!database_) return closed_error();
  auto mailbox = known(address);
  if (!mailbox) return mailbox.error();
  if (contents_->holds(entry.key)) {
    auto bytes = contents_->read(entry.key);
    if (!bytes) return bytes.error();
    return std::unique_ptr<MessageReader>(std::make_unique<TextReader>(*std::move(bytes)));
  }
  auto maildir = maildir_to_read(mailbox->id);
  if (!maildir) return maildir.error();
  auto path = Index(*database_).path(entry.key);
  if (!path) return path.error();
  auto file = (*maildir)->open_message(*path);
  if (!file) return file.error();
  if (static_cast<std::uint64_t>(file->facts.st_size) != entry.size) {
    return Error{ErrorKind::kCorrupt,
                 (*maildir)->path() + "/" + *path + " has not the size that the index says"};
  }
  return std::unique_ptr<MessageReader>(std::make_unique<FileReader>(std::move(file->handle)));
}

}  // namespace mailstead

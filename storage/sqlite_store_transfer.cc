// The store's part about mail that comes from other servers and files, and goes to files.
#include <utility>

#include "storage/imported_table.h"
#include "storage/importing.h"
#include "storage/sqlite_store.h"

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
  auto results = ImportBatch(*database_, *maildir, entry->id, naming_).run(messages);
  const auto after = maildir->times();
  if (after && quiet) watch_.expect(entry->id, *after);
  database_->checkpoint_if_due();
  folder_->refill_reserve();
  return results;
}

Result<std::vector<bool>> SqliteStore::were_imported(const Address& address, const std::string& source,
                                                     std::span<const std::string> items) {
  if (!database_) return closed_error();
  auto entry = known(address);
  if (!entry) return entry.error();
  ImportedTable table(*database_);
  std::vector<bool> known_items;
  for (const std::string& item : items) {
    auto uidl = table.uidl_of(entry->id, source, item);
    if (!uidl) return uidl.error();
    known_items.push_back(uidl->has_value());
  }
  return known_items;
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

#include "storage/transfer/imported_mail.h"

#include "storage/database/schema.h"
#include "storage/mailbox/message_id.h"
#include "storage/recovery/rebuild.h"

namespace mailstead {

bool ImportedMail::fits(const MessageRow& row, std::optional<std::uint64_t> size, const ContentHash& hash) {
  if (size && *size != row.size) return false;
  return !hash.is_known() || !row.hash.is_known() || hash == row.hash;
}

// Another tool may have moved it since the mailbox was looked at.
Result<bool> ImportedMail::find_file(MessageRow& row) {
  const auto is_whole = [&](const std::string& path) {
    const auto file = maildir_.open_message(path);
    return file && static_cast<std::uint64_t>(file->facts.st_size) == row.size;
  };
  if (maildir_.is_there(row.name)) return is_whole(row.name);
  if (!path_by_base_) {
    auto paths = maildir_.list();
    if (!paths) return paths.error();
    path_by_base_.emplace();
    for (std::string& path : *paths) {
      if (!path.starts_with("deleted/")) path_by_base_->emplace(base_name(path), std::move(path));
    }
  }
  const auto found = path_by_base_->find(std::string(base_name(row.name)));
  if (found == path_by_base_->end()) return false;
  row.name = found->second;
  return is_whole(row.name);
}

Result<ImportedState> ImportedMail::state_of(const std::string& uidl) {
  auto rows = index_.of_uidl(mailbox_, uidl);
  if (!rows) return rows.error();
  if (rows->empty()) {
    if (!was_damaged_) {
      auto rebuilt = read_meta(database_, kRebuiltFromKey);
      if (!rebuilt) return rebuilt.error();
      was_damaged_ = !rebuilt->empty();
    }
    return ImportedState{*was_damaged_ ? ImportedFate::kUnsure : ImportedFate::kDeleted, std::nullopt};
  }
  MessageRow& row = rows->front();
  if (row.state != MessageState::kPresent && row.state != MessageState::kMissing)
    return ImportedState{ImportedFate::kDeleted, std::move(row)};
  auto is_here = find_file(row);
  if (!is_here) return is_here.error();
  return ImportedState{*is_here ? ImportedFate::kHere : ImportedFate::kLost, std::move(row)};
}

Result<WasImported> ImportedMail::answer(const std::string& source, const std::string& item,
                                         const ImportQuestion& question, bool& is_another) {
  is_another = false;
  auto uidl = imported_.uidl_of(mailbox_, source, item);
  if (!uidl) return uidl.error();
  if (!*uidl) return WasImported::kNo;
  auto state = state_of(**uidl);
  if (!state) return state.error();
  is_another = state->row && !fits(*state->row, question.size, question.hash);
  if (is_another || state->fate == ImportedFate::kLost) return WasImported::kNo;
  return state->fate == ImportedFate::kUnsure ? WasImported::kUnsure : WasImported::kYes;
}

Result<WasImported> ImportedMail::was_imported(const std::string& source, const ImportQuestion& question) {
  bool is_another = false;
  auto first = answer(source, question.item, question, is_another);
  if (!first || !is_another || !question.hash.is_known()) return first;
  return answer(source, ImportedTable::another(question.item, question.hash), question, is_another);
}

}  // namespace mailstead

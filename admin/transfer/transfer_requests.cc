// The store's side of imports and exports: what the commands of the command line ask for, piece by piece.
// Nobody types these.

#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <string>
#include <vector>

#include "admin/command_table.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/import_spools.h"
#include "admin/transfer/transfer_wire.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kMostReason = 500;  // octets

constexpr std::size_t kExportPage = 64;
constexpr std::size_t kLongestToken = 64;

Report answered(std::string json) {
  Report report;
  report.json = std::move(json);
  return report;
}

Result<std::uint64_t> request_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    return Error{ErrorKind::kInvalid, fmt::format("'{}' is not a number", printable(text))};
  return number;
}

// Mail that comes has to find room: an import stops before it does not.
Result<void> check_room(const CommandContext& context, std::uint64_t needed) {
  const auto space = context.store.free_space();
  if (!space) return space.error();
  const std::uint64_t kept_free = context.config.limits.free_space;
  if (*space >= kept_free + needed) return {};
  return Error{ErrorKind::kNoSpace,
               fmt::format("the disk is nearly full: {} are free, and {} stay free for mail that comes "
                           "(limits.free_space); make room and give the same command again, it goes on where "
                           "it stopped",
                           size_text(*space), size_text(kept_free))};
}

ImportAnswer answer_of(const Result<Imported>& result) {
  if (!result) return {ImportAnswer::Outcome::kFailed, {}, result.error().message};
  const auto outcome = result->outcome == ImportOutcome::kNew     ? ImportAnswer::Outcome::kNew
                       : result->outcome == ImportOutcome::kThere ? ImportAnswer::Outcome::kThere
                                                                  : ImportAnswer::Outcome::kUnsure;
  return {outcome, result->uidl, {}};
}

// A page of them, as many as fit.
Result<std::vector<ExportItem>> read_page(CommandContext& context, const Address& address,
                                          std::int64_t after) {
  auto entries = context.store.export_entries(address, after, kExportPage);
  if (!entries) return entries.error();
  std::vector<ExportItem> items;
  std::size_t octets = 0;
  for (const ExportEntry& entry : *entries) {
    ExportItem item{entry, std::nullopt, {}};
    if (entry.size <= kTransferPiece) {
      if (octets + entry.size > kTransferPiece && !items.empty()) break;
      octets += entry.size;
      auto reader = context.store.open_entry(address, entry);
      std::string bytes;
      auto done = reader ? (*reader)->read(0, static_cast<std::size_t>(entry.size), bytes)
                         : Result<void>(reader.error());
      if (done && bytes.size() != entry.size)
        done = Error{ErrorKind::kCorrupt, "its file is shorter than it was"};
      if (done) {
        item.bytes = std::move(bytes);
      } else {
        item.error = done.error().message;
      }
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string word_or_none(const Request& request, std::size_t number) {
  return number < request.arguments.size() ? request.arguments[number] : std::string();
}

}  // namespace

Report note_backup(const Request& request, CommandContext& context) {
  const auto at = request_number(request.arguments[0]);
  if (!at || *at > INT64_MAX) return misused("a time is a number of seconds");
  const auto noted = context.store.note_backup(static_cast<std::int64_t>(*at), word_or_none(request, 1));
  return noted ? answered("0") : failed(noted.error());
}

// With a folder it is one that was refused: that is a slip of who named it, unless backups go there else, and
// its disk is not mounted.
Report note_backup_failure(const Request& request, CommandContext& context) {
  if (const std::string folder = word_or_none(request, 1); !folder.empty()) {
    const auto may_hold = context.store.may_hold_backups(folder);
    if (!may_hold) return failed(may_hold.error());
    if (!*may_hold) return answered("0");
  }
  const auto noted = context.store.note_backup_failure(
      std::time(nullptr), printable(request.arguments[0]).substr(0, kMostReason));
  return noted ? answered("0") : failed(noted.error());
}

// Is the mailbox there? In the server's log this stands for all that follows.
Report begin_transfer(const Request& request, CommandContext& context) {
  const auto mailbox = context.store.show_mailbox(address_of(request));
  if (!mailbox) return failed(mailbox.error());
  return answered(fmt::format("{}", mailbox->messages));
}

Report tell_known_imports(const Request& request, CommandContext& context) {
  const auto questions = decode_questions(request.content);
  if (!questions) return failed(questions.error());
  if (questions->size() > kKnownItems) return misused("too many items in one request");
  const auto known = context.store.were_imported(address_of(request), request.arguments[1], *questions);
  return known ? answered(encode_known(*known)) : failed(known.error());
}

Report spool_import(const Request& request, CommandContext& context) {
  const auto offset = request_number(request.arguments[2]);
  const auto bytes = decode_octets(request.content);
  if (!offset) return misused(offset.error().message);
  if (!bytes) return failed(bytes.error());
  if (context.spools == nullptr || request.arguments[1].size() > kLongestToken)
    return misused("no message can be handed over in pieces here");
  if (auto room = check_room(context, bytes->size()); !room) return failed(room.error());
  auto done = context.spools->append(context.store, request.arguments[1], *offset, *bytes);
  if (!done && done.error().kind == ErrorKind::kNotFound) return answered("\"anew\"");
  return done ? answered("\"added\"") : failed(done.error());
}

Report import_batch(const Request& request, CommandContext& context) {
  auto items = decode_imports(request.content);
  if (!items) return failed(items.error());
  if (items->size() > kTransferItems) return misused("too many messages in one request");
  std::uint64_t octets = 0;
  for (const ImportItem& item : *items) octets += item.token.empty() ? item.bytes.size() : item.size;
  if (auto room = check_room(context, octets); !room) return failed(room.error());
  std::vector<Import> messages;
  for (ImportItem& item : *items) {
    Import& message = messages.emplace_back();
    message.source = request.arguments[1];
    message.item = std::move(item.item);
    message.uidl = std::move(item.uidl);
    message.received_at = item.received_at;
    message.rest = std::move(item.bytes);
    if (item.token.empty()) continue;
    if (context.spools == nullptr) return misused("no message can be handed over in pieces here");
    auto spool = context.spools->take(item.token, item.size);
    if (!spool) return answered("\"anew\"");
    message.spool = std::move(*spool);
  }
  std::vector<ImportAnswer> answers;
  for (const auto& result : context.store.import_messages(address_of(request), messages))
    answers.push_back(answer_of(result));
  return answered(encode_answers(answers));
}

Report export_batch(const Request& request, CommandContext& context) {
  const auto after = request_number(request.arguments[1]);
  if (!after || *after > INT64_MAX) return misused("a key is a number");
  const auto items = read_page(context, address_of(request), static_cast<std::int64_t>(*after));
  return items ? answered(encode_exports(*items)) : failed(items.error());
}

Report export_piece(const Request& request, CommandContext& context) {
  const auto key = request_number(request.arguments[1]);
  const auto size = request_number(request.arguments[2]);
  const auto offset = request_number(request.arguments[3]);
  if (!key || *key > INT64_MAX || !size || !offset) return misused("keys, sizes and offsets are numbers");
  const ExportEntry entry{static_cast<std::int64_t>(*key), {}, *size, 0};
  auto reader = context.store.open_entry(address_of(request), entry);
  if (!reader) return failed(reader.error());
  std::string bytes;
  if (auto done = (*reader)->read(*offset, kTransferPiece, bytes); !done) return failed(done.error());
  return answered(encode_octets(bytes));
}

}  // namespace mailstead::admin

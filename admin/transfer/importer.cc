#include "admin/transfer/importer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <utility>

namespace mailstead::admin {
namespace {

constexpr int kTries = 5;  // of a large message, when the server was restarted in the midst of it
constexpr std::size_t kItemCost = 128;

Error wrong_answer() {
  return Error{ErrorKind::kIo, "the server's answer is none: is it of another version? Restart it"};
}

}  // namespace

Importer::Importer(StoreAccess& store, std::string address, std::string source,
                   std::function<void(const std::string&)> durable)
    : store_(store), address_(std::move(address)), source_(std::move(source)), durable_(std::move(durable)) {}

Result<std::vector<WasImported>> Importer::known(const std::vector<ImportQuestion>& questions) {
  Request request;
  request.command = "import known";
  request.arguments = {address_, source_};
  request.content = encode_questions(questions);
  const auto report = store_.ask(request);
  if (!report) return report.error();
  auto known = decode_known(report->json, questions.size());
  if (!known) return wrong_answer();
  return *std::move(known);
}

Result<void> Importer::add(ImportItem item, const MessageText& text) {
  item.size = text.size();
  if (text.size() > kTransferPiece) return add_large(std::move(item), text);
  const std::size_t cost = static_cast<std::size_t>(text.size()) + 2 * item.item.size() + kItemCost;
  if (batch_octets_ + cost > kTransferPiece || batch_.size() == kTransferItems) {
    if (auto done = flush(); !done) return done;
  }
  batch_octets_ += cost;
  item.bytes = text.small();
  batch_.push_back(std::move(item));
  return {};
}

Result<Report> Importer::send(std::vector<ImportItem> items) {
  Request request;
  request.command = "import batch";
  request.arguments = {address_, source_};
  request.content = encode_imports(items);
  return store_.ask(request);
}

Result<void> Importer::flush() {
  if (batch_.empty()) return {};
  const std::vector<ImportItem> items = std::exchange(batch_, {});
  batch_octets_ = 0;
  const auto report = send(items);
  return report ? take(items, report->json) : Result<void>(report.error());
}

// A large one goes alone. A server that was restarted has forgotten its beginning.
Result<void> Importer::add_large(ImportItem item, const MessageText& text) {
  if (auto done = flush(); !done) return done;
  item.token = fmt::format("{}-{}-{}", ::getpid(), std::time(nullptr), ++large_);
  for (int i = 0; i < kTries; ++i) {
    const auto whole = hand_over(item.token, text);
    if (!whole) return whole.error();
    if (!*whole) continue;
    const auto report = send({item});
    if (!report) return report.error();
    if (report->json != "\"anew\"") return take({item}, report->json);
  }
  return Error{ErrorKind::kIo,
               "a large message was begun again and again, and the server forgot it each time"};
}

// False: it has to be begun anew.
Result<bool> Importer::hand_over(const std::string& token, const MessageText& text) {
  for (std::uint64_t offset = 0; offset < text.size();) {
    std::string piece;
    if (auto done = text.read(offset, kTransferPiece, piece); !done) return done.error();
    Request request;
    request.command = "import spool";
    request.arguments = {address_, token, std::to_string(offset)};
    request.content = encode_octets(piece);
    const auto report = store_.ask(request);
    if (!report) return report.error();
    if (report->json == "\"anew\"") return false;
    offset += piece.size();
    if (piece.empty())
      return Error{ErrorKind::kIo, "a temporary file is shorter than what was written to it"};
  }
  return true;
}

Result<void> Importer::take(const std::vector<ImportItem>& items, const std::string& json) {
  const auto answers = decode_answers(json);
  if (!answers || answers->size() != items.size()) return wrong_answer();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ImportAnswer& answer = (*answers)[i];
    const ImportItem& item = items[i];
    if (answer.outcome == ImportAnswer::Outcome::kFailed) {
      note_trouble(item.item, answer.error);
      continue;
    }
    if (answer.outcome == ImportAnswer::Outcome::kUnsure) {
      count_known(WasImported::kUnsure);
      continue;
    }
    if (durable_) durable_(item.item);
    if (answer.outcome == ImportAnswer::Outcome::kThere) {
      count_known(WasImported::kYes);
      continue;
    }
    ++counts_.brought;
    counts_.octets += item.size;
    if (!item.uidl.empty() && item.uidl != answer.uidl) ++counts_.renamed;
  }
  return {};
}

void Importer::note_trouble(const std::string& item, const std::string& why) {
  ++counts_.failed;
  if (troubles_.size() < kMostTroubles) troubles_.push_back(item + ": " + why);
}

}  // namespace mailstead::admin

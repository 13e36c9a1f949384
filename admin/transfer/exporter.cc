#include "admin/transfer/exporter.h"

#include <algorithm>
#include <utility>

namespace mailstead::admin {
namespace {

constexpr std::string_view kFromWord = "From ";

// Of a line's start: "From " behind any number of ">", a beginning of that, or neither.
enum class Start { kQuoted, kMayBe, kOther };

Start judge(std::string_view start) {
  const std::size_t marks = std::min(start.find_first_not_of('>'), start.size());
  const std::string_view word = start.substr(marks);
  if (word.starts_with(kFromWord)) return Start::kQuoted;
  return kFromWord.starts_with(word) ? Start::kMayBe : Start::kOther;
}

}  // namespace

Result<std::optional<ExportItem>> Exporter::next() {
  if (page_.empty()) {
    Request request;
    request.command = "export batch";
    request.arguments = {address_, std::to_string(last_)};
    const auto report = store_.ask(request);
    if (!report) return report.error();
    auto items = decode_exports(report->json);
    if (!items) return items.error();
    page_.insert(page_.end(), std::make_move_iterator(items->begin()), std::make_move_iterator(items->end()));
  }
  if (page_.empty()) return std::optional<ExportItem>();
  std::optional<ExportItem> item(std::move(page_.front()));
  page_.pop_front();
  last_ = item->entry.key;
  return item;
}

Result<void> Exporter::read(const ExportItem& item,
                            const std::function<Result<void>(std::string_view)>& take) {
  if (!item.error.empty()) return Error{ErrorKind::kNotFound, item.error};
  if (item.bytes) return take(*item.bytes);
  for (std::uint64_t offset = 0; offset < item.entry.size;) {
    Request request;
    request.command = "export piece";
    request.arguments = {address_, std::to_string(item.entry.key), std::to_string(item.entry.size),
                         std::to_string(offset)};
    const auto report = store_.ask(request);
    // Deleted in the midst, most likely; who cannot reach the store hears of it with the next page.
    if (!report) return Error{ErrorKind::kNotFound, report.error().message};
    const auto bytes = decode_octets(report->json);
    if (!bytes) return bytes.error();
    if (bytes->empty()) return Error{ErrorKind::kNotFound, "its file is shorter than it was"};
    if (auto done = take(*bytes); !done) return done;
    offset += bytes->size();
  }
  return {};
}

void LineFeeds::add(std::string_view bytes, std::string& into) {
  for (const char c : bytes) {
    if (std::exchange(pending_cr_, c == '\r') && c != '\n') into += '\r';
    if (c != '\r') into += c;
  }
}

void LineFeeds::finish(std::string& into) {
  if (std::exchange(pending_cr_, false)) into += '\r';
}

void MboxQuoting::add(std::string_view bytes, std::string& into) {
  for (const char c : bytes) {
    if (at_line_start_) {
      start_ += c;
      const Start start = judge(start_);
      if (start == Start::kMayBe) continue;
      if (start == Start::kQuoted) into += '>';
      into += start_;
      start_.clear();
    } else {
      into += c;
    }
    at_line_start_ = c == '\n';
  }
}

void MboxQuoting::finish(std::string& into) {
  into += start_;
  start_.clear();
  at_line_start_ = true;
}

}  // namespace mailstead::admin

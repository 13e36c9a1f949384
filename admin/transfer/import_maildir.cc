// import maildir FOLDER ADDRESS

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/dovecot_uidlist.h"
#include "admin/transfer/maildir_source.h"
#include "admin/transfer/transfer.h"
#include "protocols/sha256.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead::admin {
namespace {

constexpr const char* kMaildirSource = "maildir";
constexpr std::size_t kMaildirPiece = 64u << 10;
constexpr std::uint64_t kMaildirWaiting = 8u << 20;  // octets of messages whose fate is asked for together

// One run: the listing, what of it is known, and the rest brought.
class MaildirImport {
 public:
  MaildirImport(const CommandLine& line, StoreAccess& store, MaildirSource source, MaildirListing listing)
      : line_(line),
        subfolder_(option_of(line.request, "folder").value_or("")),
        source_(std::move(source)),
        listing_(std::move(listing)),
        importer_(store, line.request.arguments[1], kMaildirSource),
        progress_("importing", listing_.messages.size(), speech_of(line)) {}

  ImportSummary run() {
    ImportSummary summary{"the maildir " + line_.request.arguments[0], line_.request.arguments[1]};
    summary.dry_run = has_flag(line_.request, "dry-run");
    if (auto done = read_all(summary.dry_run); !done) summary.stopped = done.error();
    if (!summary.stopped) {
      if (auto done = importer_.flush(); !done) summary.stopped = done.error();
    }
    summary.counts = importer_.counts();
    summary.counts.brought += would_bring_;
    summary.counts.octets += would_octets_;
    summary.troubles = importer_.troubles();
    summary.skipped = std::move(listing_.skipped);
    add_remarks(summary);
    return summary;
  }

 private:
  // A message that has been read, until it is known whether it was imported before.
  struct Waiting {
    const MaildirMessage* message = nullptr;
    MessageText text;
    ImportQuestion question;  // by its name and its content
    ImportQuestion by_name;
  };

  // Two folders may hold files of one name.
  std::string name_of(const MaildirMessage& message) const {
    return subfolder_.empty() ? message.item : subfolder_ + '/' + message.item;
  }

  Result<void> read_all(bool dry_run) {
    for (std::size_t i = 0; i < listing_.messages.size(); ++i) {
      if (Interruption::happened()) return interrupted_error();
      progress_.show(i, counted(i, "message"));
      if (auto done = read_one(listing_.messages[i]); !done) return done;
      if (2 * waiting_.size() < kKnownItems && waiting_octets_ < kMaildirWaiting) continue;
      if (auto done = bring(dry_run); !done) return done;
    }
    return bring(dry_run);
  }

  Result<void> read_one(const MaildirMessage& message) {
    Waiting waiting{&message, {}, {}, {}};
    auto done = [&] {
      const CallersRights rights;
      return source_.read(message, waiting.text);
    }();
    if (done) done = identify(waiting);
    if (!done && done.error().kind == ErrorKind::kNoSpace) return done;
    if (!done) {
      importer_.note_trouble(message.path, done.error().message);
      return {};
    }
    waiting_octets_ += waiting.text.size();
    waiting_.push_back(std::move(waiting));
    return {};
  }

  // A name alone is none: another maildir may have the same. Older programs noted nothing but it, so that is
  // asked for, too, and counts if it was this message.
  Result<void> identify(Waiting& waiting) const {
    LineEndNormaliser normaliser;
    ContentHasher hasher;
    Sha256Stream digest;
    std::uint64_t size = 0;
    std::string lines;
    const auto take = [&] {
      size += lines.size();
      hasher.add(lines);
      digest.add(lines);
      lines.clear();
    };
    std::string piece;
    for (std::uint64_t at = 0; at < waiting.text.size(); at += piece.size()) {
      piece.clear();
      if (auto done = waiting.text.read(at, kMaildirPiece, piece); !done) return done;
      if (piece.empty()) return Error{ErrorKind::kIo, "a temporary file is shorter than what was written"};
      normaliser.add(piece, lines);
      take();
    }
    normaliser.finish(lines);
    take();
    waiting.by_name = {name_of(*waiting.message), size, hasher.value()};
    waiting.question = {waiting.by_name.item + ' ', size, {}};
    const Sha256 octets = digest.finish();
    for (std::size_t i = 0; i < 16; ++i) waiting.question.item += fmt::format("{:02x}", octets[i]);
    return {};
  }

  Result<void> bring(bool dry_run) {
    if (waiting_.empty()) return {};
    std::vector<ImportQuestion> questions;
    for (const Waiting& each : waiting_) {
      questions.push_back(each.question);
      questions.push_back(each.by_name);
    }
    const auto known = importer_.known(questions);
    if (!known) return known.error();
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      const MaildirMessage& message = *waiting_[i].message;
      const WasImported by_content = (*known)[2 * i];
      const WasImported was = by_content != WasImported::kNo ? by_content : (*known)[2 * i + 1];
      if (was != WasImported::kNo) {
        importer_.count_known(was);
      } else if (dry_run) {
        ++would_bring_;
        would_octets_ += message.size;
      } else {
        auto done = importer_.add({waiting_[i].question.item, message.uidl, message.received_at, {}},
                                  waiting_[i].text);
        if (!done) return done;
      }
    }
    waiting_.clear();
    waiting_octets_ = 0;
    return {};
  }

  void add_remarks(ImportSummary& summary) const {
    const auto named = [](const MaildirMessage& message) { return !message.uidl.empty(); };
    const auto& all = listing_.messages;
    const auto with_uidl = static_cast<std::uint64_t>(std::count_if(all.begin(), all.end(), named));
    if (listing_.has_uidlist) {
      summary.remarks.push_back(fmt::format("dovecot-uidlist tells the UIDLs of {} of {}.", with_uidl,
                                            counted(all.size(), "message")));
    } else if (!all.empty()) {
      summary.remarks.emplace_back(
          "There is no dovecot-uidlist: UIDLs are the file names, as with Courier and qmail; mail programs "
          "that knew others fetch the mail once more.");
    }
    if (subfolder_.empty() && !listing_.subfolders.empty()) {
      summary.remarks.push_back(fmt::format("Not imported are its subfolders {}; --folder brings one.",
                                            fmt::join(listing_.subfolders, ", ")));
    }
  }

  const CommandLine& line_;
  const std::string subfolder_;
  MaildirSource source_;
  MaildirListing listing_;
  Importer importer_;
  Progress progress_;
  std::vector<Waiting> waiting_;
  std::uint64_t waiting_octets_ = 0;
  std::uint64_t would_bring_ = 0;
  std::uint64_t would_octets_ = 0;
};

}  // namespace

Report import_maildir(const CommandLine& line) {
  const Request& request = line.request;
  const std::string format = option_of(request, "uidl-format").value_or(std::string(kDovecotUidlFormat));
  if (const auto checked = check_uidl_format(format); !checked) return misused(checked.error().message);
  // With the rights of who called: the mail there is often somebody else's.
  auto source = MaildirSource::open(request.arguments[0], option_of(request, "folder").value_or(""));
  if (!source) return failed(source.error());
  auto listing = source->list(format);
  if (!listing) return failed(listing.error());
  auto store = StoreAccess::open(line, request.arguments[1], "import maildir");
  if (!store) return failed(store.error());
  const Interruption interruption;
  MaildirImport run(line, **store, *std::move(source), *std::move(listing));
  return report_of(run.run());
}

}  // namespace mailstead::admin

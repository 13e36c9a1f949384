// import maildir FOLDER ADDRESS

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "admin/dovecot_uidlist.h"
#include "admin/maildir_source.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer.h"

namespace mailstead::admin {
namespace {

constexpr const char* kMaildirSource = "maildir";

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
    for (std::size_t first = 0; first < listing_.messages.size(); first += kKnownItems) {
      auto done = bring(first, summary.dry_run);
      if (done) continue;
      summary.stopped = done.error();
      break;
    }
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
  // Two folders may hold files of one name.
  std::string item_of(const MaildirMessage& message) const {
    return subfolder_.empty() ? message.item : subfolder_ + '/' + message.item;
  }

  Result<void> bring(std::size_t first, bool dry_run) {
    const std::size_t end = std::min(first + kKnownItems, listing_.messages.size());
    std::vector<std::string> items;
    for (std::size_t i = first; i < end; ++i) items.push_back(item_of(listing_.messages[i]));
    const auto known = importer_.known(items);
    if (!known) return known.error();
    for (std::size_t i = first; i < end; ++i) {
      if (Interruption::happened()) return interrupted_error();
      const MaildirMessage& message = listing_.messages[i];
      progress_.show(i, counted(i, "message"));
      if ((*known)[i - first]) {
        importer_.count_known();
      } else if (dry_run) {
        ++would_bring_;
        would_octets_ += message.size;
      } else if (auto done = bring_one(message, items[i - first]); !done) {
        return done;
      }
    }
    return {};
  }

  Result<void> bring_one(const MaildirMessage& message, const std::string& item) {
    MessageText text;
    const auto read = [&] {
      const CallersRights rights;
      return source_.read(message, text);
    }();
    if (!read && read.error().kind == ErrorKind::kNoSpace) return read;
    if (!read) {
      importer_.note_trouble(message.path, read.error().message);
      return {};
    }
    return importer_.add({item, message.uidl, message.received_at, {}}, text);
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

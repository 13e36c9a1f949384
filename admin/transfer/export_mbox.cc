// export mbox ADDRESS FILE

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <unordered_set>
#include <utility>

#include "admin/file.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/exporter.h"
#include "admin/transfer/transfer.h"
#include "storage/files.h"

namespace mailstead::admin {
namespace {

constexpr std::uint64_t kFlushOctets = 8u << 20;
constexpr std::size_t kMostNotes = 1u << 30;

Error mbox_trouble(const std::string& what, const std::string& path) {
  const auto kind = errno == ENOSPC ? ErrorKind::kNoSpace : ErrorKind::kIo;
  return Error{kind, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno))};
}

// "From anna@example.org Thu Jan  1 00:00:00 1970"
std::string from_line(std::string_view beginning, std::int64_t at) {
  std::string sender = "MAILER-DAEMON";
  constexpr std::string_view kField = "Return-Path: <";
  if (beginning.starts_with(kField)) {
    const std::string_view rest = beginning.substr(kField.size());
    const std::string_view path = rest.substr(0, rest.find('>'));
    const bool plain =
        !path.empty() && path.size() < 255 && path.find_first_of(" \t\r\n") == std::string_view::npos;
    if (plain) sender = path;
  }
  const std::time_t time = at;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char date[64];
  std::strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &parts);
  return fmt::format("From {} {}\n", sender, date);
}

// The file, and beside it what it holds: FILE.exported has a line "END UIDL" for each message, written when
// its octets up to END are on the disk, and "END done" when an export has come to its end.
class ExportedMbox {
 public:
  explicit ExportedMbox(const std::string& path) : path_(path), notes_path_(path + ".exported") {}

  Result<void> open(const std::string& address) {
    const std::string mark = "mailstead export of " + address + "\n";
    struct stat facts {};
    const bool is_there = ::stat(path_.c_str(), &facts) == 0;
    if (is_there && !S_ISREG(facts.st_mode))
      return Error{ErrorKind::kInvalid, fmt::format("{} is no file; give a new name", path_)};
    auto notes = read_file(notes_path_, kMostNotes);
    if (notes && !notes->starts_with(mark) && !notes->empty())
      return Error{ErrorKind::kExists, fmt::format("{} is of an export of another mailbox", notes_path_)};
    const bool is_ours = notes && notes->starts_with(mark);
    if (is_there && facts.st_size > 0 && !is_ours) {
      return Error{ErrorKind::kExists,
                   fmt::format("{} is there already and no export of {}; give a new name", path_, address)};
    }
    constexpr int kFlags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    file_ = Descriptor(::open(path_.c_str(), kFlags, 0600));
    if (!file_) return mbox_trouble("write", path_);
    notes_ = Descriptor(::open(notes_path_.c_str(), kFlags, 0600));
    if (!notes_) return mbox_trouble("write", notes_path_);
    std::uint64_t kept = mark.size();
    if (is_ours) {
      if (auto done = read_notes(notes->substr(mark.size()), kept, static_cast<std::uint64_t>(facts.st_size));
          !done)
        return done;
    } else if (auto done = write_to(notes_.get(), mark, notes_path_); !done) {
      return done;
    }
    // What was written and not noted is written again.
    if (::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0 ||
        ::ftruncate(notes_.get(), static_cast<off_t>(kept)) != 0)
      return mbox_trouble("shorten", path_);
    ::lseek(file_.get(), 0, SEEK_END);
    ::lseek(notes_.get(), 0, SEEK_END);
    return sync_folder();
  }

  bool holds(const std::string& uidl) const { return uidls_.contains(uidl); }

  Result<void> add(Exporter& exporter, const ExportItem& item) {
    LineFeeds lines;
    MboxQuoting quoting;
    std::string plain;
    std::string text;
    std::uint64_t size = 0;
    const auto write = [&] {
      size += text.size();
      return write_to(file_.get(), std::exchange(text, {}), path_);
    };
    bool begun = false;
    char last = '\n';
    auto done = exporter.read(item, [&](std::string_view bytes) {
      if (!std::exchange(begun, true)) {
        text = from_line(bytes, item.entry.received_at) + fmt::format("X-UIDL: {}\n", item.entry.uidl);
      }
      plain.clear();
      lines.add(bytes, plain);
      if (!plain.empty()) last = plain.back();
      quoting.add(plain, text);
      return write();
    });
    plain.clear();
    lines.finish(plain);
    quoting.add(plain, text);
    quoting.finish(text);
    text += last == '\n' ? "\n" : "\n\n";
    if (done && begun) done = write();
    if (!done || !begun) {
      const bool cut = ::ftruncate(file_.get(), static_cast<off_t>(end_)) == 0;
      ::lseek(file_.get(), 0, SEEK_END);
      if (!cut) return mbox_trouble("shorten", path_);
      return done ? Error{ErrorKind::kNotFound, "it is empty"} : done.error();
    }
    end_ += size;
    unflushed_ += size;
    to_note_ += fmt::format("{} {}\n", end_, item.entry.uidl);
    uidls_.insert(item.entry.uidl);
    return unflushed_ < kFlushOctets ? Result<void>() : flush();
  }

  Result<void> flush() {
    if (::fdatasync(file_.get()) != 0) return mbox_trouble("flush", path_);
    if (auto done = write_to(notes_.get(), std::exchange(to_note_, {}), notes_path_); !done) return done;
    if (::fdatasync(notes_.get()) != 0) return mbox_trouble("flush", notes_path_);
    unflushed_ = 0;
    return {};
  }

  Result<void> finish() {
    to_note_ += fmt::format("{} done\n", end_);
    return flush();
  }

 private:
  // What is flushed of a file is there after a power cut only if its name is, too.
  Result<void> sync_folder() {
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const Descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!handle) return mbox_trouble("open", folder);
    return sync_handle(handle.get(), folder);
  }

  static Result<void> write_to(int file, std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return mbox_trouble("write", path);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<void> read_notes(std::string_view notes, std::uint64_t& kept, std::uint64_t size) {
    bool is_done = false;
    while (!notes.empty()) {
      const std::size_t end = notes.find('\n');
      if (end == std::string_view::npos) break;  // cut off with the process that wrote it
      const std::string_view line = notes.substr(0, end);
      const std::size_t space = line.find(' ');
      if (space == std::string_view::npos) break;
      end_ = std::strtoull(std::string(line.substr(0, space)).c_str(), nullptr, 10);
      is_done = line.substr(space + 1) == "done";
      if (!is_done) uidls_.emplace(line.substr(space + 1));
      notes.remove_prefix(end + 1);
      kept += end + 1;
    }
    // Another program's mail is behind ours, or some of ours is gone: it is not this file that goes on.
    if (size < end_ || (is_done && size != end_)) {
      return Error{ErrorKind::kExists,
                   fmt::format("{} was changed since it was exported; give a new name", path_)};
    }
    return {};
  }

  const std::string path_;
  const std::string notes_path_;
  Descriptor file_;
  Descriptor notes_;
  std::uint64_t end_ = 0;  // of the last whole message
  std::uint64_t unflushed_ = 0;
  std::string to_note_;
  std::unordered_set<std::string> uidls_;
};

}  // namespace

Report export_mbox(const CommandLine& line) {
  const std::string& address = line.request.arguments[0];
  ExportedMbox mbox(line.request.arguments[1]);
  ExportSummary summary{address, "the mbox " + line.request.arguments[1]};
  if (auto done = check_export_place(line.request.arguments[1], line.data); !done)
    return failed(done.error());
  if (auto opened = mbox.open(address_of(line.request).text()); !opened) return failed(opened.error());
  auto store = StoreAccess::open(line, address, "export mbox");
  if (!store) return failed(store.error());
  const Interruption interruption;
  Exporter exporter(**store, address);
  Progress progress("exporting", (*store)->messages(), speech_of(line));
  std::uint64_t seen = 0;
  while (true) {
    if (Interruption::happened()) summary.stopped = interrupted_error();
    auto item = exporter.next();
    if (!item) summary.stopped = item.error();
    if (summary.stopped || !*item) break;
    ++seen;
    progress.show(seen, counted(seen, "message"));
    if (mbox.holds((*item)->entry.uidl)) {
      ++summary.there;
      continue;
    }
    if (!summary.count(mbox.add(exporter, **item), **item)) break;
  }
  const auto ended = summary.stopped ? mbox.flush() : mbox.finish();
  if (!ended && !summary.stopped) summary.stopped = ended.error();
  return report_of(summary);
}

}  // namespace mailstead::admin

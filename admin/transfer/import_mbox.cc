// import mbox FILE ADDRESS

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <deque>
#include <thread>
#include <unordered_map>
#include <utility>

#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/mbox_reader.h"
#include "admin/transfer/received_time.h"
#include "admin/transfer/transfer.h"
#include "protocols/sha256.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/message_id.h"

namespace mailstead::admin {
namespace {

constexpr const char* kMboxSource = "mbox";
constexpr std::size_t kMboxPiece = 64u << 10;
constexpr std::chrono::seconds kFresh(1);         // a file that was written to so lately may be growing
constexpr std::chrono::seconds kLockPatience(5);  // with another program's lock
constexpr std::uint64_t kMostWaiting = 8u << 20;  // octets of messages whose fate is asked for together

// What identifies a message is its content: files grow, shrink, and are moved about. Of the same content in
// one file each is a message.
class MboxImport final : public MboxSink {
 public:
  MboxImport(const CommandLine& line, StoreAccess& store, int file, std::uint64_t size)
      : line_(line),
        dry_run_(has_flag(line.request, "dry-run")),
        file_(file),
        size_(size),
        began_(std::chrono::steady_clock::now()),
        importer_(store, line.request.arguments[1], kMboxSource),
        progress_("importing", size, speech_of(line)) {}

  ImportSummary run() {
    ImportSummary summary{"the mbox " + line_.request.arguments[0], line_.request.arguments[1]};
    summary.dry_run = dry_run_;
    if (auto done = read_all(); !done) summary.stopped = done.error();
    summary.counts = importer_.counts();
    summary.counts.brought += would_bring_;
    summary.counts.octets += would_octets_;
    summary.troubles = importer_.troubles();
    add_remarks(summary);
    return summary;
  }
  bool is_no_mbox() const { return reader_.is_no_mbox(); }

  void message_begins(std::optional<std::int64_t> date, std::uint64_t) override {
    waiting_.emplace_back();
    has_date_ = date.has_value();
    if (date) last_date_ = *date;
    received_ = ReceivedTime();
    lines_ = LineEndNormaliser();
    hash_ = Sha256Stream();
  }

  void message_content(std::string_view bytes) override {
    clean_.clear();
    lines_.add(bytes, clean_);
    received_.add(clean_);
    keep(clean_);
  }

  void message_ends(const std::string& uidl, bool is_folder_data) override {
    clean_.clear();
    lines_.finish(clean_);
    keep(clean_);
    if (is_folder_data || waiting_.back().text.size() == 0) {
      ++(is_folder_data ? folder_data_ : empty_);
      waiting_.pop_back();
      return;
    }
    if (may_be_cut_) {
      importer_.note_trouble("the last message",
                             "it may be cut off, since the file is being written to: give the same command "
                             "again when that is done");
      waiting_.pop_back();
      return;
    }
    Waiting& message = waiting_.back();
    if (!has_date_) {
      ++without_date_;
      last_date_ = received_.value().value_or(last_date_);
    }
    message.item.received_at = last_date_;
    const Sha256 digest = hash_.finish();
    std::string name;
    for (std::size_t i = 0; i < 16; ++i) name += fmt::format("{:02x}", digest[i]);
    const std::uint64_t nth = ++seen_[name];
    message.item.item = nth == 1 ? name : fmt::format("{} {}", name, nth);
    if (is_uidl(uidl)) message.item.uidl = uidl;
    waiting_octets_ += message.text.size();
    if (failure_) return;
    if (waiting_.size() < kKnownItems && waiting_octets_ < kMostWaiting) return;
    if (auto done = bring(); !done) failure_ = done.error();
  }

 private:
  struct Waiting {
    ImportItem item;
    MessageText text;
  };

  void keep(std::string_view bytes) {
    hash_.add(bytes);
    if (failure_) return;
    if (auto done = waiting_.back().text.append(bytes); !done) failure_ = done.error();
  }

  // Who locks in another way than we do may be writing the last message. What has come behind the size that
  // the file had at first is left to the next import; and a short one waits a moment for more to come.
  Result<bool> is_being_written() const {
    struct stat facts {};
    const auto size_now = [&]() -> std::uint64_t {
      return ::fstat(file_, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
    };
    if (size_now() == size_ && std::time(nullptr) - facts.st_mtime <= kFresh.count())
      std::this_thread::sleep_until(began_ + kFresh);
    if (Interruption::happened()) return interrupted_error();
    return size_now() != size_;
  }

  Result<void> read_all() {
    std::array<char, kMboxPiece> piece;
    std::uint64_t offset = 0;
    while (!failure_ && !reader_.is_no_mbox() && offset < size_) {
      if (Interruption::happened()) return interrupted_error();
      const auto length = std::min<std::uint64_t>(piece.size(), size_ - offset);
      const ssize_t got =
          ::pread(file_, piece.data(), static_cast<std::size_t>(length), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        return Error{ErrorKind::kIo, fmt::format("cannot read the mbox: {}", std::strerror(errno))};
      if (got == 0) break;
      offset += static_cast<std::uint64_t>(got);
      reader_.add({piece.data(), static_cast<std::size_t>(got)});
      progress_.show(offset, counted(importer_.counts().brought + importer_.counts().there, "message"));
    }
    if (failure_) return *failure_;
    const auto grows = is_being_written();
    if (!grows) return grows.error();
    may_be_cut_ = *grows;
    reader_.finish();
    if (failure_) return *failure_;
    if (auto done = bring(); !done) return done;
    return importer_.flush();
  }

  Result<void> bring() {
    std::vector<ImportQuestion> questions;
    for (const Waiting& message : waiting_) questions.push_back({message.item.item});
    if (questions.empty()) return {};
    const auto known = importer_.known(questions);
    if (!known) return known.error();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      Waiting& message = waiting_[i];
      if ((*known)[i] != WasImported::kNo) {
        importer_.count_known((*known)[i]);
      } else if (dry_run_) {
        ++would_bring_;
        would_octets_ += message.text.size();
      } else if (auto done = importer_.add(std::move(message.item), message.text); !done) {
        return done;
      }
    }
    waiting_.clear();
    waiting_octets_ = 0;
    return {};
  }

  void add_remarks(ImportSummary& summary) const {
    const auto remark = [&](std::uint64_t count, std::string_view one, std::string_view many) {
      if (count > 0)
        summary.remarks.push_back(fmt::format("{} {}", counted(count, "message"), count == 1 ? one : many));
    };
    remark(without_date_, "has no date in its \"From \" line, and got that of its header.",
           "have no date in their \"From \" lines, and got those of their headers.");
    remark(empty_, "was empty, and is left out.", "were empty, and are left out.");
    remark(folder_data_, "was a mail program's own note in the file, and is left out.",
           "were a mail program's own notes in the file, and are left out.");
    if (reader_.doubtful_lines() > 0) {
      summary.remarks.push_back(fmt::format(
          "{} {} like the beginning of a message, but no empty line stands before: {} taken for text.",
          counted(reader_.doubtful_lines(), "line"), reader_.doubtful_lines() == 1 ? "looks" : "look",
          reader_.doubtful_lines() == 1 ? "it was" : "they were"));
    }
  }

  const CommandLine& line_;
  const bool dry_run_;
  const int file_;
  const std::uint64_t size_;
  const std::chrono::steady_clock::time_point began_;
  bool may_be_cut_ = false;  // the message that ends with the file
  MboxReader reader_{*this};
  Importer importer_;
  Progress progress_;
  std::deque<Waiting> waiting_;
  std::uint64_t waiting_octets_ = 0;
  std::unordered_map<std::string, std::uint64_t> seen_;  // how often each content was in the file so far
  LineEndNormaliser lines_;
  Sha256Stream hash_;
  std::string clean_;
  std::int64_t last_date_ = std::time(nullptr);
  bool has_date_ = false;
  ReceivedTime received_;
  std::optional<Error> failure_;
  std::uint64_t would_bring_ = 0;
  std::uint64_t would_octets_ = 0;
  std::uint64_t without_date_ = 0;
  std::uint64_t empty_ = 0;
  std::uint64_t folder_data_ = 0;
};

// Programs that write into an mbox lock it with fcntl(), or by a file beside it, or both. Of a read lock
// those who only read are not in each other's way. The dotlock of others is waited for, and none is made: an
// import changes nothing there.
Result<void> lock_mbox(int file, const std::string& path) {
  const std::string dotlock = path + ".lock";
  const auto until = std::chrono::steady_clock::now() + kLockPatience;
  while (true) {
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    const bool is_locked = ::fcntl(file, F_SETLK, &lock) == 0;
    // Some file systems know no locks.
    const bool is_busy = !is_locked && (errno == EACCES || errno == EAGAIN);
    const bool has_dotlock = ::access(dotlock.c_str(), F_OK) == 0;
    if (!is_busy && !has_dotlock) return {};
    // Who has the one and waits for the other is to get it.
    lock.l_type = F_UNLCK;
    if (is_locked) ::fcntl(file, F_SETLK, &lock);
    if (std::chrono::steady_clock::now() >= until) {
      return Error{
          ErrorKind::kInUse,
          has_dotlock ? fmt::format("{} is there: another program is using the mbox; if none is, remove that "
                                    "file",
                                    dotlock)
                      : fmt::format("another program has {} locked; try again when it is done", path)};
    }
    if (Interruption::happened()) return interrupted_error();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Error no_mbox(const std::string& path, int file) {
  std::array<char, 4> start{};
  const ssize_t got = ::pread(file, start.data(), start.size(), 0);
  const std::string_view bytes(start.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (bytes.starts_with("\x1f\x8b") || bytes.starts_with("BZh") ||
      bytes.starts_with("\xfd"
                        "7zX"))
    return Error{ErrorKind::kInvalid, fmt::format("{} is compressed; unpack it first", path)};
  if (got == 0) return Error{ErrorKind::kInvalid, fmt::format("{} is empty", path)};
  return Error{ErrorKind::kInvalid,
               fmt::format("{} is no mbox: it does not begin with a line \"From sender date\"", path)};
}

}  // namespace

Report import_mbox(const CommandLine& line) {
  const std::string& path = line.request.arguments[0];
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return failed(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || S_ISDIR(facts.st_mode)) {
    return failed(fmt::format(
        "{} is a folder; 'mailstead import maildir' reads a maildir, and an mbox is one file", path));
  }
  if (!S_ISREG(facts.st_mode)) return failed(fmt::format("{} is no file", path));
  std::array<char, 5> start{};
  if (::pread(file.get(), start.data(), start.size(), 0) <= 0) return failed(no_mbox(path, file.get()));
  auto store = StoreAccess::open(line, line.request.arguments[1], "import mbox");
  if (!store) return failed(store.error());
  const Interruption interruption;
  if (auto locked = lock_mbox(file.get(), path); !locked) return failed(locked.error());
  if (::fstat(file.get(), &facts) != 0) return failed(fmt::format("cannot read {}", path));
  MboxImport run(line, **store, file.get(), static_cast<std::uint64_t>(facts.st_size));
  const ImportSummary summary = run.run();
  if (run.is_no_mbox()) return failed(no_mbox(path, file.get()));
  return report_of(summary);
}

}  // namespace mailstead::admin

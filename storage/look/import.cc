#include "storage/look/import.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "storage/files.h"

namespace mailstead {

namespace {

class ForeignImport {
 public:
  ForeignImport(Maildir& maildir, const Naming& naming, std::span<FoundFile> files)
      : maildir_(maildir), naming_(naming) {
    for (FoundFile& file : files) {
      if (file.needs_work()) works_.push_back({&file, {}, {}});
    }
  }

  void run() {
    if (works_.empty()) return;
    each(&ForeignImport::write);
    for (const Work& work : works_) {
      if (work.bytes.is_open()) start_write_back(work.bytes.fd());
    }
    each(&ForeignImport::flush);
    each(&ForeignImport::replace);
    discard_drafts();
    each(&ForeignImport::rename);
  }

 private:
  struct Work {
    FoundFile* file;
    std::string draft;  // its name in tmp/; empty: none
    FileHandle bytes;   // what has to be on the disk before the file gets its name
  };

  void each(Result<void> (ForeignImport::*step)(Work&)) {
    for (Work& work : works_) {
      if (work.file->error) continue;
      if (auto done = (this->*step)(work); !done) work.file->error = done.error();
    }
  }

  Result<void> write(Work& work) {
    if (work.file->facts.canonical) {
      // Whoever wrote it may not have synced it, and may be gone with the power.
      auto bytes = maildir_.open_message(work.file->path);
      if (!bytes) return bytes.error();
      work.bytes = std::move(bytes->handle);
      return {};
    }
    const std::string draft = MessageName{unix_seconds(), naming_.ids.next(), naming_.host}.text();
    auto bytes = maildir_.draft_of(work.file->path, draft);
    if (!bytes) return bytes.error();
    work.draft = draft;
    work.bytes = std::move(*bytes);
    return {};
  }

  Result<void> flush(Work& work) {
    auto done = sync_handle(work.bytes.fd(), work.file->path);
    work.bytes.reset();
    if (!done) return in_folder(maildir_.path(), done.error());
    return {};
  }

  Result<void> replace(Work& work) {
    if (work.draft.empty()) return {};
    if (auto done = maildir_.replace_by_draft(work.file->path, work.draft); !done) return done;
    auto facts = maildir_.inspect(work.file->path);
    if (!facts) return facts.error();
    work.file->facts = *facts;
    return {};
  }

  // What was replaced goes only when its successor's name is on the disk.
  void discard_drafts() {
    bool any = false;
    for (const Work& work : works_) any |= !work.draft.empty();
    if (!any) return;
    if (!sync_folders()) return;
    for (const Work& work : works_) {
      if (!work.draft.empty()) maildir_.discard_draft(work.draft);
    }
  }

  Result<void> rename(Work& work) {
    FoundFile& file = *work.file;
    if (file.name) return {};
    // A file's time may be anything; a name of ours has up to twelve digits.
    const MessageName name{std::clamp<std::int64_t>(file.facts.modified_at, 0, 999'999'999'999),
                           naming_.ids.next(), naming_.host};
    const std::size_t flags = file.path.find(':');
    const bool keep_flags = file.path.starts_with("cur/") && flags != std::string::npos;
    const std::string path =
        file.path.substr(0, 4) + name.text() + (keep_flags ? file.path.substr(flags) : std::string());
    if (auto done = maildir_.rename(file.path, path); !done) return done;
    file.path = path;
    file.name = name;
    file.imported = true;
    return {};
  }

  bool sync_folders() {
    auto done = maildir_.sync_all();
    if (done) return true;
    for (Work& work : works_) {
      if (!work.file->error) work.file->error = done.error();
    }
    return false;
  }

  Maildir& maildir_;
  const Naming& naming_;
  std::vector<Work> works_;
};

}  // namespace

void put_right(Maildir& maildir, const Naming& naming, std::span<FoundFile> files) {
  ForeignImport(maildir, naming, files).run();
}

}  // namespace mailstead

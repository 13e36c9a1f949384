// export maildir ADDRESS FOLDER

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <utility>

#include "admin/file.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/dovecot_uidlist.h"
#include "admin/transfer/exporter.h"
#include "admin/transfer/transfer.h"
#include "protocols/sha256.h"

namespace mailstead::admin {
namespace {

constexpr const char* kMarker = ".mailstead-export";
constexpr const char* kUidlist = "dovecot-uidlist";
constexpr std::size_t kMostOfUidlist = 512u << 20;
constexpr std::size_t kHashDigits = 20;
namespace fs = std::filesystem;

Error file_trouble(const std::string& what, const std::string& path) {
  const auto kind = errno == ENOSPC ? ErrorKind::kNoSpace : ErrorKind::kIo;
  return Error{kind, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno))};
}

Result<void> write_file_piece(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_trouble("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// What identifies a message among the files: a name that follows from its UIDL.
std::string hash_of(const std::string& uidl) {
  const Sha256 hash = sha256(uidl);
  std::string text;
  for (std::size_t i = 0; i < kHashDigits / 2; ++i) text += fmt::format("{:02x}", hash[i]);
  return text;
}

// "1700000000.HASH.mailstead,S=…,W=…:2,S": HASH; empty: not ours.
std::string hash_in(const std::string& name) {
  const std::size_t first = name.find('.');
  if (first == std::string::npos || name.size() < first + 1 + kHashDigits ||
      name.compare(first + 1 + kHashDigits, 10, ".mailstead") != 0)
    return {};
  return name.substr(first + 1, kHashDigits);
}

class ExportedMaildir {
 public:
  explicit ExportedMaildir(std::string folder) : folder_(std::move(folder)) {}

  // Makes it, or finds it to be an export of this mailbox.
  Result<void> open(const std::string& address) {
    const std::string mark = "mailstead export of " + address + "\n";
    std::error_code problem;
    if (fs::exists(folder_, problem) && !fs::is_empty(folder_, problem)) {
      auto found = read_file(folder_ + '/' + kMarker, 1000);
      if (!found || *found != mark) {
        return Error{
            ErrorKind::kExists,
            fmt::format("{} is there already and no export of {}; give a folder that is empty or new",
                        folder_, address)};
      }
    } else {
      fs::create_directories(folder_, problem);
      if (problem)
        return Error{ErrorKind::kIo, fmt::format("cannot make {}: {}", folder_, problem.message())};
      if (auto done = write_file(folder_ + '/' + kMarker, mark, 0600); !done) return done;
    }
    for (const char* place : {"tmp", "new", "cur"}) {
      if (::mkdir((folder_ + '/' + place).c_str(), 0700) != 0 && errno != EEXIST)
        return file_trouble("make", folder_ + '/' + place);
    }
    return look();
  }

  bool holds(const std::string& uidl) const { return names_.contains(hash_of(uidl)); }

  Result<void> add(Exporter& exporter, const ExportItem& item) {
    const std::string hash = hash_of(item.entry.uidl);
    const std::string draft = fmt::format("{}/tmp/{}.{}.mailstead", folder_, item.entry.received_at, hash);
    const Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return file_trouble("make", draft);
    std::uint64_t size = 0;
    LineFeeds lines;
    std::string text;
    const auto write = [&] {
      size += text.size();
      return write_file_piece(file.get(), std::exchange(text, {}), draft);
    };
    auto done = exporter.read(item, [&](std::string_view bytes) {
      lines.add(bytes, text);
      return write();
    });
    lines.finish(text);
    if (done) done = write();
    const timespec time{item.entry.received_at, 0};
    const timespec times[2] = {time, time};
    if (done && ::futimens(file.get(), times) != 0) done = file_trouble("set the time of", draft);
    if (!done) {
      ::unlink(draft.c_str());
      return done;
    }
    const std::string name =
        fmt::format("{}.{}.mailstead,S={},W={}", item.entry.received_at, hash, size, item.entry.size);
    if (::rename(draft.c_str(), (folder_ + "/new/" + name).c_str()) != 0) return file_trouble("write", name);
    names_[hash] = name;
    if (const auto old = short_.find(hash); old != short_.end() && old->second != folder_ + "/new/" + name)
      ::unlink(old->second.c_str());
    return {};
  }

  // Dovecot then tells POP3 clients the UIDLs that they know. Its own lines stay as they are.
  Result<void> write_uidlist(const std::vector<std::string>& uidls) {
    const std::string path = folder_ + '/' + kUidlist;
    std::string lines;
    Uidlist known;
    known.uid_validity = static_cast<std::uint32_t>(std::time(nullptr));
    std::string header_rest;
    if (auto text = read_file(path, kMostOfUidlist)) {
      auto parsed = parse_uidlist(*text);
      if (!parsed) return Error{parsed.error().kind, folder_ + ": " + parsed.error().message};
      known = *std::move(parsed);
      const std::size_t end = text->find('\n');
      const std::size_t guid = text->find(" G");
      if (guid < end) header_rest = text->substr(guid, text->find_first_of(" \n", guid + 1) - guid);
      lines = text->substr(end + 1);
    } else if (text.error().kind != ErrorKind::kNotFound) {
      return text.error();
    }
    for (const std::string& uidl : uidls) {
      const auto name = names_.find(hash_of(uidl));
      if (name == names_.end() || known.entries.contains(name->second)) continue;
      lines += fmt::format("{} P{} :{}\n", known.next_uid++, uidl, name->second);
    }
    const std::string header = fmt::format("3 V{} N{}{}\n", known.uid_validity, known.next_uid, header_rest);
    return write_file(path, header + lines, 0600);
  }

  Result<void> sync() const {
    const Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::syncfs(folder.get()) != 0) return file_trouble("flush", folder_);
    return {};
  }

 private:
  // A file that a power cut left short is written anew, where the message is still here.
  Result<void> look() {
    std::error_code problem;
    for (const char* place : {"new", "cur"}) {
      for (const auto& file : fs::directory_iterator(folder_ + '/' + place, problem)) {
        const std::string name = file.path().filename();
        const std::string hash = hash_in(name);
        if (hash.empty()) continue;
        const std::string base = name.substr(0, name.find(':'));
        const std::size_t mark = base.find(",S=");
        const auto size = mark == std::string::npos ? 0 : std::strtoull(base.c_str() + mark + 3, nullptr, 10);
        if (file.file_size(problem) < size) {
          short_[hash] = file.path();
          continue;
        }
        names_[hash] = base;
      }
      if (problem)
        return Error{ErrorKind::kIo, fmt::format("cannot read {}: {}", folder_, problem.message())};
    }
    return {};
  }

  const std::string folder_;
  std::map<std::string, std::string> names_;  // by hash_of(), without flags
  std::map<std::string, std::string> short_;  // paths, likewise
};

}  // namespace

Report export_maildir(const CommandLine& line) {
  const std::string& address = line.request.arguments[0];
  ExportedMaildir maildir(line.request.arguments[1]);
  ExportSummary summary{address, "the maildir " + line.request.arguments[1]};
  const std::string key = address_of(line.request).text();
  if (auto done = check_export_place(line.request.arguments[1], line.data); !done)
    return failed(done.error());
  // Of who called, before this process takes the data folder's owner's part.
  if (auto opened = maildir.open(key); !opened) return failed(opened.error());
  auto store = StoreAccess::open(line, address, "export maildir");
  if (!store) return failed(store.error());
  const Interruption interruption;
  Exporter exporter(**store, address);
  Progress progress("exporting", (*store)->messages(), speech_of(line));
  std::vector<std::string> uidls;
  while (true) {
    if (Interruption::happened()) summary.stopped = interrupted_error();
    auto item = exporter.next();
    if (!item) summary.stopped = item.error();
    if (summary.stopped || !*item) break;
    uidls.push_back((*item)->entry.uidl);
    progress.show(uidls.size(), counted(uidls.size(), "message"));
    if (maildir.holds(uidls.back())) {
      ++summary.there;
      continue;
    }
    const auto added = [&] {
      const CallersRights rights;
      return maildir.add(exporter, **item);
    }();
    if (auto goes_on = summary.count(added, **item); !goes_on) break;
  }
  const CallersRights rights;
  auto written = maildir.write_uidlist(uidls);
  if (written) written = maildir.sync();
  if (!written && !summary.stopped) summary.stopped = written.error();
  return report_of(summary);
}

}  // namespace mailstead::admin

// Files on their way into a backup and out of it: octets, times, trees of small files.
//
// Two users may be at work: the data folder's owner, as whom this process acts, and who called, as whom it
// acts in the backup's folder. Threads: one. Errors: those of files.h.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/files.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

// Does this work with the rights of who called. Of files that are open it takes none.
using AsCaller = std::function<Result<void>(const std::function<Result<void>()>&)>;

// How far a backup or a restore is; false: it is to stop. `total` 0: not known yet.
struct BackupProgress {
  std::uint64_t done = 0;  // messages
  std::uint64_t total = 0;
  std::uint64_t octets = 0;  // copied so far
};
using TellProgress = std::function<bool(const BackupProgress&)>;
// The error of who was stopped by it.
Error stopped_error();

// A name that stays in its folder.
bool is_plain_name(std::string_view name);

// What was copied of a file.
struct Copied {
  std::uint64_t octets = 0;
  ContentHash hash;

  // Is it as long as that, and the same as far as that is known?
  bool is(std::uint64_t octets_promised, const ContentHash& hash_promised) const {
    return octets == octets_promised && (!hash_promised.is_known() || hash == hash_promised);
  }
};
// In words, when it is not.
std::string difference_of(const Copied& copied, std::uint64_t octets_promised);
// All of it from there on is read, and nothing kept.
Result<Copied> read_file_through(const RegularFile& from, std::uint64_t from_octet = 0);
// The whole file and its times, into one that is empty.
Result<Copied> copy_file(const RegularFile& from, const FileHandle& to);

// What a folder holds, copied into another one; `from` is read with the rights of now and `to` is written
// with those of `into`. What is no file and no folder is left out, and told in `left_out` by its path, which
// begins with `path`. A file that has gone meanwhile is left out.
struct TreeCopy {
  AsCaller out_of;
  AsCaller into;
  std::vector<std::string>* left_out = nullptr;
  std::uint64_t octets = 0;
};
Result<void> copy_tree(int from, int to, const std::string& path, TreeCopy& copy);
// One name of such a folder.
Result<void> copy_entry(int from, int to, const std::string& name, const std::string& path, TreeCopy& copy);
// Tells whether somebody has changed something in a tree of small files: names, sizes and times.
Result<std::string> look_of_tree(int folder);

}  // namespace mailstead

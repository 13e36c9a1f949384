// The DKIM keys of all domains, on the disk: dkim/DOMAIN/SELECTOR.key, and dkim/DOMAIN/state, which says what
// each is for.
//
// `state` has a line for each key, "active mailstead-202611-r 1795779438", and is replaced whole: a change is
// done or not. A key's file is there, synced, before `state` names it, and goes after it is not named any
// more. Where keys lie without a `state`, the newest of each algorithm is active.
// Threads: one at a time; known() any. Errors: kCorrupt: `state`, or a key that it names, cannot be read; the
// message names the file. kIo, kNoSpace, kDenied: nothing was changed.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "storage/accounts/dkim_keys.h"
#include "storage/files.h"
#include "storage/folder.h"

namespace mailstead {

class DkimKeyring {
 public:
  // `folder` outlives it.
  explicit DkimKeyring(const DataFolder& folder) : folder_(folder) {}

  // What active() said last; null: ask that.
  DkimSigners known(const std::string& domain) const;
  // Makes the domain's first keys when it has none: some 100 ms.
  Result<DkimSigners> active(const std::string& domain);
  // The same; all of them, in the order in which they were made.
  Result<std::vector<DkimKeyEntry>> list(const std::string& domain);
  // Makes the keys that will sign next, unless they are there; forgets those that were retired long ago.
  Result<void> prepare(const std::string& domain);
  // Has the next keys sign, and retires those that did. kNotFound: there are no next ones.
  Result<void> activate(const std::string& domain);

 private:
  using Entries = std::vector<DkimKeyEntry>;

  Result<FileHandle> open_domain(const std::string& domain);
  // What is known, or read, or made.
  Result<Entries*> load(const std::string& domain);
  Result<Entries> read(int at, const std::string& domain) const;
  Result<Entries> adopt(int at, const std::string& domain) const;
  Result<DkimKey> read_key(int at, const std::string& selector) const;
  Result<void> add_pair(int at, const std::string& domain, DkimKeyState state, Entries& entries) const;
  // Makes `entries` the domain's, on the disk and here.
  Result<void> replace(int at, const std::string& domain, Entries entries);
  void remember(const std::string& domain, Entries entries);

  const DataFolder& folder_;
  std::map<std::string, Entries> entries_;

  mutable std::mutex mutex_;  // guards the next
  std::map<std::string, DkimSigners> signers_;
};

}  // namespace mailstead

// The tree mail/: which mailboxes have a folder there, putting a folder away, bringing it back.
//
// A folder whose mail is kept is called ".kept-USER", one that is being deleted ".removed-ID"; neither is
// a mailbox, and encoded names never begin with a dot.
// Threads: one at a time.
// Errors: those of files.h.
#pragma once

#include <string>
#include <vector>

#include "protocols/address.h"
#include "protocols/result.h"
#include "storage/folder.h"
#include "storage/store.h"

namespace mailstead {

// The mailboxes that folders stand for. `strange` gets the paths that look like one and whose address cannot
// be told.
Result<std::vector<Address>> mailboxes_of_folders(const DataFolder& folder,
                                                  std::vector<std::string>& strange);

// "mail/DOMAIN/.kept-USER": where mail of a removed mailbox is kept, in the data folder.
std::string kept_folder(const Address& address);
bool has_kept_mail(const DataFolder& folder, const Address& address);
// Renames the folder out of the way, durably. Not an error when it is gone already.
Result<void> put_folder_away(const DataFolder& folder, const Address& address, KeepMail keep,
                             const std::string& removal_id);
// Gives kept mail its place again when there is some and no folder stands there.
Result<void> bring_folder_back(const DataFolder& folder, const Address& address);
struct Swept {
  std::size_t folders = 0;      // gone whole
  bool more = false;            // at_most was reached
  std::vector<Error> failures;  // what resists, with whole paths: the next start tries again
};
// Deletes up to `at_most` files and folders of the folders of removed mailboxes.
Swept sweep_removed_folders(const DataFolder& folder, std::size_t at_most);

}  // namespace mailstead

// Puts files right that other mail tools left in a maildir: CRLF line ends, and a name of ours.
//
// Each file keeps its place while it is made right, and changes in single steps: at no time is it there twice
// or not at all. Files of one call share the disk's flushes. On return what has no error is durable.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "protocols/result.h"
#include "storage/mailbox/maildir.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

// How files get their names.
struct Naming {
  MessageIds& ids;
  std::string host;  // sanitised
};

// A file without a row in the index.
struct FoundFile {
  std::string path;                 // in the maildir; its new one when it was renamed
  std::optional<MessageName> name;  // nullopt: not ours; it gets one
  MessageFacts facts;               // of what is in it now
  bool imported = false;            // was renamed
  std::optional<Error> error;       // why it is not, or not wholly, right; another try may finish it

  bool needs_work() const { return !error && (!name || !facts.canonical); }
};

// Each file needs a descriptor: pass a few dozen. What is in them is on the disk then; the folders with their
// new names are the caller's to sync.
void put_right(Maildir& maildir, const Naming& naming, std::span<FoundFile> files);

}  // namespace mailstead

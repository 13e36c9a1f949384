// A folder as some disk may have it is recovered by the real code and compared with what was promised.
#pragma once

#include <string>

#include "ledger.h"
#include "record.h"

namespace mailstead::power {

// A place of its own for one folder at a time, in memory where there is such a file system.
class Workshop {
 public:
  Workshop();
  ~Workshop();
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  // Holds nothing yet.
  std::string fresh();
  void clear();

 private:
  std::string path_;
  int count_ = 0;
};

// What is wrong with a store that comes out of this folder; nothing is as it should be. `root` holds the data
// folder "data", or nothing yet. The store is opened, compared, closed, opened again: then nothing is to be
// repaired any more.
Findings try_folder(const std::string& root, const Ledger& ledger);

// The same of an image, for which a folder is made.
Findings try_image(Workshop& workshop, const Image& image, const Ledger& ledger);

// What opening a store with this image does to the disk: for the crash of a recovery. Empty when it fails.
Recording record_recovery(Workshop& workshop, const Image& image);

}  // namespace mailstead::power

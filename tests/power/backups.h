// Backups of a data folder ROOT/data in ROOT/backups.
#pragma once

#include <string>

#include "protocols/result.h"

namespace mailstead::power {

// Makes another one. Success: it says that it has everything.
Result<void> back_up(const std::string& root);
// Makes the data folder `to`/data of the newest one. kNotFound: there is none. kCorrupt: not all of it is
// there.
Result<void> restore_newest(const std::string& root, const std::string& to);
// Makes it the data folder ROOT/data itself, as `mailstead restore --replace` does; what was there moves
// aside. An earlier one that was broken off is finished.
Result<void> restore_over(const std::string& root);

}  // namespace mailstead::power

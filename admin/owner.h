// The data folder seen from outside: is it there, whose is it. Blocking; at the start of a process only.
#pragma once

#include <string>

#include "protocols/result.h"

namespace mailstead::admin {

enum class MissingFolder { kRefused, kToBeMade };

enum class Rights {
  kGivenUp,  // for good
  kLent,     // the real user stays root: CallersRights (store_access.h) takes them back for a moment
};

// As root, this process becomes the folder's owner, so that nothing of root's appears in it, and nothing is
// read there that the owner could not read. Does nothing for others and for a folder that is not there.
Result<void> become_owner(const std::string& data, Rights rights = Rights::kGivenUp);

// Whether a command can work on this folder, after become_owner(). kNotFound, kDenied, kInvalid: one line
// that says what to do.
Result<void> enter_folder(const std::string& data, MissingFolder missing, Rights rights = Rights::kGivenUp);

}  // namespace mailstead::admin

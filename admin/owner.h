// The data folder seen from outside: is it there, whose is it. Blocking; at the start of a process only.
#pragma once

#include <string>

#include "protocols/result.h"

namespace mailstead::admin {

enum class MissingFolder { kRefused, kToBeMade };

// As root, this process becomes the folder's owner for good, so that nothing of root's appears in it, and
// nothing is read there that the owner could not read. Does nothing for others and for a folder that is not
// there.
Result<void> become_owner(const std::string& data);

// Whether a command can work on this folder, after become_owner(). kNotFound, kDenied, kInvalid: one line
// that says what to do.
Result<void> enter_folder(const std::string& data, MissingFolder missing);

}  // namespace mailstead::admin

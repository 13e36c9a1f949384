// Runs a command where the store is: in the running server, or in this process under the data folder's lock.
#pragma once

#include "admin/command_line.h"

namespace mailstead::admin {

// Blocking: up to 10 s for a server that is starting or stopping, longer for one that is busy.
Report dispatch(const CommandLine& line);

}  // namespace mailstead::admin

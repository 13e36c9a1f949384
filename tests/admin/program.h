// The program's command line run in a child process, with what it printed.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "admin/cli.h"

namespace mailstead::admin_test {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  std::string out, err;
};

// `serve` takes the place of the server, in the child; its standard output is captured too.
Outcome run(const std::vector<std::string>& arguments, const std::string& input = {},
            const std::function<int(const ServeRequest&)>& serve = {});

// Held while a process is forked that goes on without exec, and by any other thread while it uses memory: a
// child that is born with the allocator locked waits for ever.
std::mutex& fork_mutex();

// On a terminal of its own, with `typed` as what a person types; `out` is what the terminal showed.
Outcome run_on_terminal(const std::vector<std::string>& arguments, const std::vector<std::string>& typed);

}  // namespace mailstead::admin_test

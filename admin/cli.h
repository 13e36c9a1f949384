// The command line of `mailstead`: parses it, runs the command where the store is, prints the report.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "admin/dns/dns_check.h"
#include "admin/outside.h"

namespace mailstead {

struct ServeRequest {
  std::string data;
  std::string config_file;  // empty: DATA/mailstead.toml if it exists
  Config config;            // already loaded and checked
};

// What the command line leaves to others.
struct CliServices {
  std::function<int(const ServeRequest&)>
      serve;  // runs the server in the foreground and returns the exit code
  admin::GoOutside go_outside = {};
};

// Runs the whole program. Never throws.
int run_cli(int argc, char** argv, const CliServices& services);

// "0.1.0"
const char* version();

}  // namespace mailstead

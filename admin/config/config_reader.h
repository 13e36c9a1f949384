// Reads the configuration's TOML into a Config. The only place that knows the TOML library.
#pragma once

#include <string>
#include <string_view>

#include "admin/config/config.h"
#include "admin/config/config_environment.h"

namespace mailstead::admin {

// Sets what the text says in `config`, and then what the environment says, and leaves the rest. kInvalid:
// "NAME:LINE: …", or "VARIABLE: …"; `config` is then half set.
Result<void> read_config(std::string_view toml, const std::string& name, const Environment& environment,
                         Config& config);

}  // namespace mailstead::admin

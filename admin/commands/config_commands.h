// config show | check | default | manual: answered by the command line's process. Blocking.
#pragma once

#include "admin/command.h"
#include "admin/config/config.h"

namespace mailstead::admin {

Report show_config(const ConfigSource& source);
// Also looks at the certificates that the configuration names.
Report check_config(const ConfigSource& source);
Report show_default_config();
// mailstead.toml(5), for man.
Report show_config_manual();

}  // namespace mailstead::admin

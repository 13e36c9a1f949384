// Reports made from what a command found. Pure functions; any thread.
#pragma once

#include <string>
#include <utility>

#include "admin/command.h"
#include "admin/value.h"

namespace mailstead::admin {

Report done(std::string text, const Value& json);
// It could not be done: exit code 1.
Report failed(std::string why);
Report failed(const Error& error);
// Asked wrongly: exit code 2.
Report misused(std::string why);

}  // namespace mailstead::admin

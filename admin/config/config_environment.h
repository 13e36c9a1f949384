// Keys of the configuration that the environment sets: for containers, where a variable is easier than a
// file.
//
// MAILSTEAD_SECTION_KEY is [section] key, in capitals, with "_" for the dot of a section in a section:
// MAILSTEAD_LIMITS_MESSAGE_SIZE="100 MiB". Lists are divided by commas:
// MAILSTEAD_RESOLVER_SERVERS="192.0.2.53, 192.0.2.54". They come before the file. An empty one is as none:
// compose files pass what is not set as "". Pure functions; any thread. Errors: kInvalid, with the variable's
// name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "admin/config/config_keys.h"

namespace mailstead::admin {

using Environment = std::map<std::string, std::string>;  // by name

// Of this process, what begins with MAILSTEAD_.
Environment our_environment();

std::string variable_of(const ConfigKey& key);

// Sets nothing: empty, or blanks.
bool is_blank(const std::string& text);

// The value of a key as a file would have it.
ConfigInput input_of_variable(const ConfigKey& key, const std::string& text);

// Variables that are no key: slips. Not among them are those that the program and its tests read for
// themselves, and what Docker and Kubernetes set for a service that is called mailstead.
std::vector<std::string> unknown_variables(const Environment& environment);

// The variable that `unknown` was probably meant to be; empty when none is near.
std::string likely_variable(const std::string& unknown);
// "; did you mean MAILSTEAD_HOSTNAME?", or nothing.
std::string likely_variable_hint(const std::string& unknown);

}  // namespace mailstead::admin

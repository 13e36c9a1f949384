// The domains that mail is taken for and that are names in the DNS, sorted. Pure; any thread.
#pragma once

#include <set>
#include <string>

#include "storage/accounts/directory.h"

namespace mailstead::admin {

// Without address literals.
std::set<std::string> served_domains(const Directory& directory);

}  // namespace mailstead::admin

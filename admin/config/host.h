// A host of somebody else's as the configuration names it. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

// Its name, or its address, with brackets or without, as a literal of SMTP. nullopt: neither.
std::optional<std::string> parse_host(std::string_view text);

}  // namespace mailstead

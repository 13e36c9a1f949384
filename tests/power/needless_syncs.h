// Syncs of the code that no state misses, each with the reason why it is there or may stay.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead::power {

// `sync` as describe_syncs() has it. nullopt: it is not known to be needless.
std::optional<std::string> why_needless(std::string_view sync);

}  // namespace mailstead::power

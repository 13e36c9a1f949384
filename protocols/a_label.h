// Domain names with letters beyond ASCII as ASCII ones: A-labels (RFC 5890 2.3.2.1, RFC 3492).
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

// "bücher.example" becomes "xn--bcher-kva.example"; labels in ASCII stay as they are. nullopt: not UTF-8, or
// a label or the whole is too long then, or a character can stand in no domain.
std::optional<std::string> ascii_domain(std::string_view domain);

// The way back, RFC 5890 2.3.2.3. A label that would not come to the same A-label again stays as it is.
std::string unicode_domain(std::string_view domain);

}  // namespace mailstead

// Domain names with letters beyond ASCII as ASCII ones: A-labels (RFC 5890 2.3.2.1, RFC 3492).
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

// "bücher.example" becomes "xn--bcher-kva.example"; labels in ASCII stay as they are. nullopt: not UTF-8, or
// a label or the whole is too long then, or has an ASCII character that can stand in no domain.
std::optional<std::string> ascii_domain(std::string_view domain);

// The way back, RFC 5890 2.3.2.3, for people to read. A label stays as it is if it would not come to the same
// A-label again, or has more in it than letters, digits and their marks (RFC 5892 2.1): nothing that is shown
// is invisible, turns the direction of what stands around it, or looks like a dot or a slash.
std::string unicode_domain(std::string_view domain);

}  // namespace mailstead

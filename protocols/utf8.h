// UTF-8, RFC 3629: what is a character and what is not. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace mailstead::utf8 {

// The length of the character at the start of `text` (RFC 3629 4: no surrogates, no overlong forms); 0: none.
std::size_t length(std::string_view text);

// Is this character, of the length above, one that terminals take for a command: U+0000 to U+001F, U+007F to
// U+009F?
bool is_control(std::string_view character);

bool is_valid(std::string_view text);

}  // namespace mailstead::utf8

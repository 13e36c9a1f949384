// Letters beyond ASCII in names: which of two spellings are the same name. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace mailstead {

// Small letters, composed (NFC), so that two spellings that only differ in capitals, or in how a keyboard
// builds its letters, become one text. A final sigma is a sigma; a sharp s stays one. What is not UTF-8 stays
// as it is.
std::string folded(std::string_view text);

// Nothing in it is invisible, a blank, or another way to write other letters (what NFKC would change).
bool is_unambiguous(std::string_view text);
// The same without the two joiners, which some scripts need, and which are not seen between other letters.
bool is_seen_whole(std::string_view text);

}  // namespace mailstead

// A header field as readers without UTF-8 know it: RFC 6857, which loses nothing that can be kept. Names and
// subjects become encoded-words, parameters extended ones, domains A-labels; an address whose local part is
// not ASCII becomes a group without members that is named after it, and can belong to nobody.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace mailstead {

// `field`: a header field with its line ends, or a line among the fields that is none; some octet of it is
// not ASCII. The result is ASCII and ends in CRLF.
std::string downgraded_field(std::string_view field);

}  // namespace mailstead

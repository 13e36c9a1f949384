// The addresses of a header field such as From: RFC 5322 3.4 (mailbox-list, groups) and 4.4 (what older
// writers did). Pure functions; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "protocols/address.h"

namespace mailstead {

// Of a field's value in one line, in order, those of groups too. Names and comments may hold any octets.
// nullopt: it cannot be read as a list of addresses.
std::optional<std::vector<Address>> parse_address_list(std::string_view value);

}  // namespace mailstead

// What commands read from a request that check_request() has looked at. Pure functions; any thread.
#pragma once

#include <algorithm>
#include <string_view>

#include "admin/command.h"
#include "protocols/address.h"

namespace mailstead::admin {

// The first argument. It is an address: never an error here.
inline Address address_of(const Request& request) {
  return parse_address(request.arguments[0]).value();
}

// "apop", or "only=read" for a choice.
inline bool has_flag(const Request& request, std::string_view flag) {
  return std::find(request.flags.begin(), request.flags.end(), flag) != request.flags.end();
}

}  // namespace mailstead::admin

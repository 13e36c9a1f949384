// Keys whose value is a table or a list of tables: smarthost and routes; and what texts of every kind of key
// share. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/config_keys.h"

namespace mailstead::admin {

Error bad_value(std::string message);
// A string as TOML has it, with its quotes.
std::string toml_quoted(std::string_view text);
// "a", "b" or "c".
std::string quoted_list(std::span<const std::string_view> words);

// What is not said: TLS from the start on port 465, STARTTLS where a password is sent, else opportunistic;
// and the port accordingly, 465, 587, 25. kInvalid: what is wrong and what to write.
Result<FixedRoute> read_fixed_route(const ConfigTable& table);
// Of two routes for one domain the second is kInvalid.
Result<std::vector<DomainRoute>> read_domain_routes(const std::vector<ConfigTable>& tables);

// Inline tables that read back the same.
std::string fixed_route_toml(const FixedRoute& route);
std::string domain_routes_toml(const std::vector<DomainRoute>& routes);
Value fixed_route_value(const FixedRoute& route);
Value domain_routes_value(const std::vector<DomainRoute>& routes);

}  // namespace mailstead::admin

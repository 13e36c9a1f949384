#include "server/web_gate.h"

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/ip_address.h"

namespace mailstead {

bool is_known_host(const HttpRequest& request, const Config& config) {
  std::string_view host = request.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (parse_ip(host)) return true;
  if (host.ends_with('.')) host.remove_suffix(1);
  // RFC 6761 6.3: no name server tells it.
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const auto is_it = [host](const std::string& name) { return ascii::same(name, host); };
  return is_it(config.hostname) || std::ranges::any_of(config.admin.names, is_it);
}

// The host with its port: pages of other ports of this host are somebody else's.
bool is_from_own_page(const HttpRequest& request) {
  const std::string_view site = request.field("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin") return false;
  std::string_view origin = request.field("Origin");
  if (origin.empty()) return true;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!ascii::starts_with(origin, scheme)) continue;
    origin.remove_prefix(scheme.size());
    return ascii::same(origin, request.field("Host"));
  }
  return false;
}

bool is_from_https(const HttpRequest& request) {
  return ascii::starts_with(request.field("Origin"), "https://");
}

std::string_view cookie_in(const HttpRequest& request, std::string_view name) {
  for (const auto& [field, value] : request.fields) {
    if (!ascii::same(field, "Cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view pair = ascii::trim(ascii::take_until(rest, ';'));
      const std::string_view its_name = ascii::take_until(pair, '=');
      if (its_name == name) return pair;
    }
  }
  return {};
}

bool is_json(const HttpRequest& request) {
  std::string_view type = request.field("Content-Type");
  return ascii::same(ascii::trim(ascii::take_until(type, ';')), "application/json");
}

}  // namespace mailstead

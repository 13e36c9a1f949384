#include "server/http/web_gate.h"

#include <algorithm>
#include <string>
#include <utility>

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

bool is_known_to_monitors(const HttpRequest& request, const Config& config) {
  std::string_view host = request.host;
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.find_first_of(".:[]") == std::string_view::npos) return true;
  return is_known_host(request, config);
}

namespace {

// "host:80" of http and "host:443" of https are "host", and so is "host.".
std::string place_of(std::string_view authority, std::string_view default_port) {
  std::string_view port;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.ends_with('.')) authority.remove_suffix(1);
  std::string place = ascii::lower(authority);
  if (!port.empty() && port != default_port) place.append(":").append(port);
  return place;
}

}  // namespace

// The host with its port: pages of other ports of this host are somebody else's. A proxy that asks by another
// name than it was asked by has its own among [admin] names.
bool is_from_own_page(const HttpRequest& request, const Config& config) {
  const std::string_view site = request.field("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin") return false;
  std::string_view origin = request.field("Origin");
  if (origin.empty()) return true;
  for (const auto& [scheme, port] : {std::pair<std::string_view, std::string_view>{"http://", "80"},
                                     std::pair<std::string_view, std::string_view>{"https://", "443"}}) {
    if (!ascii::starts_with(origin, scheme)) continue;
    origin.remove_prefix(scheme.size());
    const std::string from = place_of(origin, port);
    if (from.empty()) return false;
    if (from == place_of(request.field("Host"), port)) return true;
    return port == "443" && std::ranges::find(config.admin.names, from) != config.admin.names.end();
  }
  return false;
}

bool is_from_https(const HttpRequest& request) {
  return ascii::starts_with(request.field("Origin"), "https://");
}

std::vector<std::string_view> cookies_in(const HttpRequest& request, std::string_view name) {
  std::vector<std::string_view> found;
  for (const auto& [field, value] : request.fields) {
    if (!ascii::same(field, "Cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view pair = ascii::trim(ascii::take_until(rest, ';'));
      const std::string_view its_name = ascii::take_until(pair, '=');
      if (its_name == name) found.push_back(pair);
    }
  }
  return found;
}

bool is_json(const HttpRequest& request) {
  std::string_view type = request.field("Content-Type");
  return ascii::same(ascii::trim(ascii::take_until(type, ';')), "application/json");
}

}  // namespace mailstead

#include "admin/config/host.h"

#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/ip_address.h"

namespace mailstead {

std::optional<std::string> parse_host(std::string_view text) {
  std::string_view bare = text;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  if (ascii::starts_with(bare, "IPv6:")) bare.remove_prefix(5);
  if (const auto address = parse_ip(bare)) {
    const std::string own = address->text();
    return own.find(':') == std::string::npos ? "[" + own + "]" : "[IPv6:" + own + "]";
  }
  return parse_domain(text);
}

}  // namespace mailstead

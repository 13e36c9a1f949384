#include "admin/config/mail_route.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "admin/config/host.h"
#include "admin/text.h"
#include "protocols/address.h"
#include "protocols/ascii.h"
#include "protocols/ip_address.h"

namespace mailstead {
namespace {

constexpr std::string_view kOwnHosts = "mx";
constexpr std::pair<std::string_view, SmarthostTls> kTlsWords[] = {
    {"starttls", SmarthostTls::kStartTls},
    {"tls", SmarthostTls::kImplicit},
    {"opportunistic", SmarthostTls::kOpportunistic},
};

std::string_view tls_word(SmarthostTls tls) {
  for (const auto& [word, value] : kTlsWords) {
    if (value == tls) return word;
  }
  return {};
}

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = ascii::trim(text); !text.empty(); text = ascii::trim(text)) {
    words.push_back(text.substr(0, text.find_first_of(" \t")));
    text.remove_prefix(words.back().size());
  }
  return words;
}

// "mx.example.net", "mx.example.net:2525", "192.0.2.1:2525", "[2001:db8::1]:2525".
bool read_place(std::string_view text, MailRoute& route) {
  // Of an address of IPv6 without brackets no port can be told.
  std::string_view host = text;
  if (parse_ipv6(text)) {
    route.host = *parse_host(text);
    return true;
  }
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = ascii::number(text.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return false;
    route.port = static_cast<std::uint16_t>(*port);
    host = text.substr(0, colon);
  }
  const auto parsed = parse_host(host);
  if (parsed) route.host = *parsed;
  return parsed.has_value();
}

}  // namespace

bool MailRoute::is_for(std::string_view mail_domain) const {
  return domain.starts_with('.') ? mail_domain.ends_with(domain) : mail_domain == domain;
}

std::string MailRoute::place() const {
  return fmt::format("{}:{} {}", host, port, tls_word(tls));
}

Result<MailRoute> parse_mail_route(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("'{}': {}; a route is \"DOMAIN HOST[:PORT]\", and \"starttls\", \"tls\" or "
                    "\"opportunistic\" behind it, such as \"example.net mx.example.net:2525 starttls\"",
                    admin::printable(text), what)};
  };
  const auto words = words_in(text);
  if (words.size() < 2 || words.size() > 3) return wrong("it has not two or three words");
  MailRoute route;
  const bool is_below = words[0].starts_with('.');
  const auto domain = parse_mail_domain(words[0].substr(is_below ? 1 : 0));
  if (!domain || (is_below && domain->starts_with('['))) return wrong("its domain is none");
  route.domain = (is_below ? "." : "") + *domain;
  if (!ascii::same(words[1], kOwnHosts) && !read_place(words[1], route))
    return wrong("its host or port is none");
  if (words.size() == 2) return route;
  for (const auto& [word, value] : kTlsWords) {
    if (word == words[2] && !route.host.empty()) {
      route.tls = value;
      return route;
    }
  }
  return wrong(route.host.empty() ? "\"mx\" takes no word behind it" : "its third word is not known");
}

std::string print_mail_route(const MailRoute& route) {
  if (route.host.empty()) return fmt::format("{} {}", route.domain, kOwnHosts);
  std::string host = route.host;
  if (host.starts_with("[IPv6:")) host.erase(1, 5);
  return fmt::format("{} {}:{} {}", route.domain, host, route.port, tls_word(route.tls));
}

}  // namespace mailstead

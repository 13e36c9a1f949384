#include "admin/config_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "admin/text.h"
#include "protocols/address.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {
namespace {

// In the order of RouteTls.
constexpr std::array<std::string_view, 4> kTlsWords = {"opportunistic", "starttls", "implicit", "never"};

std::string tls_word(RouteTls tls) {
  return std::string(kTlsWords[static_cast<std::size_t>(tls)]);
}

// A name, or an address with or without brackets.
std::optional<std::string> parse_host(std::string_view text) {
  std::string_view inner = text;
  if (inner.starts_with('[') && inner.ends_with(']')) inner = inner.substr(1, inner.size() - 2);
  if (const auto address = parse_ip(inner)) return address->text();
  return text.starts_with('[') ? std::nullopt : parse_domain(text);
}

bool is_this_machine(const std::string& host) {
  const auto address = parse_ip(host);
  if (!address) return host == "localhost";
  return parse_ip_network(address->is_ipv4() ? "127.0.0.0/8" : "::1")->contains(*address);
}

class RouteReader {
 public:
  enum class Wants { kHost, kDomainAndHost };

  explicit RouteReader(Wants wants) : wants_(wants) {}

  Result<DomainRoute> read(const ConfigTable& table) {
    for (const auto& [name, input] : table.entries) {
      if (const Result<void> done = read_entry(name, input); !done) return done.error();
    }
    if (wants_ == Wants::kDomainAndHost && route_.domain.empty()) return bad_value("domain is missing");
    if (route_.to.host.empty()) return bad_value("host is missing");
    if (const Result<void> done = complete(); !done) return done.error();
    return std::move(route_);
  }

 private:
  Result<void> read_entry(const std::string& name, const ConfigScalar& input) {
    const auto* text = std::get_if<std::string>(&input);
    if (name == "domain" && wants_ == Wants::kDomainAndHost) return read_domain(text);
    if (name == "host") {
      const auto host = text == nullptr ? std::nullopt : parse_host(*text);
      if (!host) return bad_value("host must be a host name or an address, such as \"smtp.example.net\"");
      route_.to.host = *host;
      return {};
    }
    if (name == "port") {
      const auto* number = std::get_if<std::int64_t>(&input);
      if (number == nullptr || *number < 1 || *number > 65535) {
        return bad_value("port must be a whole number from 1 to 65535");
      }
      port_ = static_cast<std::uint16_t>(*number);
      return {};
    }
    if (name == "user" || name == "password_file") {
      if (text == nullptr || text->empty() || text->find('\0') != std::string::npos) {
        return bad_value(fmt::format("{} must be a text in quotes", name));
      }
      (name == "user" ? route_.to.user : route_.to.password_file) = *text;
      return {};
    }
    if (name == "tls") {
      const auto word =
          text == nullptr ? kTlsWords.end() : std::find(kTlsWords.begin(), kTlsWords.end(), *text);
      if (word == kTlsWords.end()) return bad_value(fmt::format("tls must be {}", quoted_list(kTlsWords)));
      tls_ = static_cast<RouteTls>(word - kTlsWords.begin());
      return {};
    }
    return bad_value(fmt::format("unknown key '{}' in it; it has {}host, port, user, password_file and tls",
                                 printable(name), wants_ == Wants::kDomainAndHost ? "domain, " : ""));
  }

  Result<void> read_domain(const std::string* text) {
    const bool below = text != nullptr && text->starts_with("*.");
    const auto domain =
        text == nullptr ? std::nullopt : parse_mail_domain(std::string_view(*text).substr(below ? 2 : 0));
    if (!domain || domain->starts_with('[')) {
      return bad_value("domain must be a domain such as \"example.org\" or \"*.example.org\"");
    }
    route_.domain = (below ? "*." : "") + *domain;
    return {};
  }

  Result<void> complete() {
    FixedRoute& to = route_.to;
    if (to.user.empty() != to.password_file.empty()) {
      return bad_value("user and password_file: give both or neither");
    }
    const bool login = !to.user.empty();
    to.tls = tls_.value_or(port_ == 465 ? RouteTls::kImplicit
                           : login      ? RouteTls::kStarttls
                                        : RouteTls::kOpportunistic);
    to.port = port_.value_or(to.tls == RouteTls::kImplicit ? 465 : login ? 587 : 25);
    const bool safe = to.tls == RouteTls::kStarttls || to.tls == RouteTls::kImplicit;
    if (login && !safe && !is_this_machine(to.host)) {
      return bad_value("a password goes over TLS only: tls must be \"starttls\" or \"implicit\"");
    }
    return {};
  }

  Wants wants_;
  DomainRoute route_;
  std::optional<std::uint16_t> port_;
  std::optional<RouteTls> tls_;
};

std::string entries_toml(const FixedRoute& route) {
  std::string out = fmt::format("host = {}, port = {}", toml_quoted(route.host), route.port);
  if (!route.user.empty()) {
    out += fmt::format(", user = {}, password_file = {}", toml_quoted(route.user),
                       toml_quoted(route.password_file));
  }
  return out + fmt::format(", tls = {}", toml_quoted(tls_word(route.tls)));
}

}  // namespace

Error bad_value(std::string message) {
  return Error{ErrorKind::kInvalid, std::move(message)};
}

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

std::string quoted_list(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += toml_quoted(words[i]);
  }
  return out;
}

Result<FixedRoute> read_fixed_route(const ConfigTable& table) {
  Result<DomainRoute> route = RouteReader(RouteReader::Wants::kHost).read(table);
  if (!route) return std::move(route).error();
  return std::move(route->to);
}

Result<std::vector<DomainRoute>> read_domain_routes(const std::vector<ConfigTable>& tables) {
  std::vector<DomainRoute> routes;
  for (const ConfigTable& table : tables) {
    Result<DomainRoute> route = RouteReader(RouteReader::Wants::kDomainAndHost).read(table);
    if (!route) return std::move(route).error();
    const bool twice = std::any_of(routes.begin(), routes.end(),
                                   [&](const DomainRoute& other) { return other.domain == route->domain; });
    if (twice) return bad_value(fmt::format("{} is there twice", route->domain));
    routes.push_back(std::move(*route));
  }
  return routes;
}

std::string fixed_route_toml(const FixedRoute& route) {
  return fmt::format("{{ {} }}", entries_toml(route));
}

std::string domain_routes_toml(const std::vector<DomainRoute>& routes) {
  if (routes.empty()) return "[]";
  std::string out = "[\n";
  for (const DomainRoute& route : routes) {
    out += fmt::format("  {{ domain = {}, {} }},\n", toml_quoted(route.domain), entries_toml(route.to));
  }
  return out + "]";
}

Value fixed_route_value(const FixedRoute& route) {
  Value::Object object{{"host", route.host}, {"port", route.port}};
  if (!route.user.empty()) {
    object.emplace_back("user", route.user);
    object.emplace_back("password_file", route.password_file);
  }
  object.emplace_back("tls", tls_word(route.tls));
  return object;
}

Value domain_routes_value(const std::vector<DomainRoute>& routes) {
  Value::Array array;
  for (const DomainRoute& route : routes) {
    Value::Object object{{"domain", route.domain}};
    Value to = fixed_route_value(route.to);
    for (auto& member : std::get<Value::Object>(to.data)) object.push_back(std::move(member));
    array.emplace_back(std::move(object));
  }
  return array;
}

}  // namespace mailstead::admin

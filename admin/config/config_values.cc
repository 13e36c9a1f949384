// Values of the configuration as they are read, and printed: one function for each kind of key and way.

#include "admin/config/config_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "admin/config/host.h"
#include "admin/config/quantity.h"
#include "admin/text.h"
#include "protocols/address.h"
#include "protocols/ip_address.h"
#include "storage/store.h"

namespace mailstead::admin {
namespace {

constexpr std::uint16_t kDnsPort = 53;

Error bad_value(std::string message) {
  return Error{ErrorKind::kInvalid, std::move(message)};
}

std::string in_quotes(std::string_view text) {
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
    out += in_quotes(words[i]);
  }
  return out;
}

struct Setter {
  const ConfigInput& input;
  Config& config;

  const std::string* text() const { return std::get_if<std::string>(&input); }
  const std::int64_t* number() const { return std::get_if<std::int64_t>(&input); }

  Result<void> operator()(const HostnameKey& key) const {
    if (text() == nullptr) return bad_value("must be a host name such as \"mail.example.org\"");
    const auto domain = parse_domain(*text());
    if (!domain) return bad_value(fmt::format("'{}' is not a host name", printable(*text())));
    key.at(config) = *domain;
    return {};
  }

  Result<void> operator()(const OtherHostKey& key) const {
    if (text() == nullptr) return bad_value("must be a host name such as \"smtp.isp.example\"");
    const auto host = parse_host(*text());
    if (!host) {
      const std::size_t colon = text()->rfind(':');
      const bool has_port = colon != std::string::npos && parse_host(text()->substr(0, colon)).has_value();
      return bad_value(fmt::format("'{}' is not a host name{}", printable(*text()),
                                   has_port ? "; the port has a key of its own: port = 587" : ""));
    }
    key.at(config) = *host;
    return {};
  }

  Result<void> operator()(const NamesKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr)
      return bad_value("must be a list of host names such as [\"autoconfig.example.org\"]");
    std::vector<std::string> names;
    for (const std::string& entry : *list) {
      const auto name = parse_domain(entry);
      if (name && parse_ip(*name))
        return bad_value(fmt::format("'{}' is an address, and a host name is wanted", printable(entry)));
      // RFC 1123 2.1: the DNS has other names, too, and they are no hosts.
      if (!name || name->starts_with('[') || name->find('_') != std::string::npos) {
        return bad_value(fmt::format("'{}' is not a host name{}", printable(entry),
                                     entry.starts_with("*.") ? ": wildcards cannot be proven this way" : ""));
      }
      names.push_back(*name);
    }
    key.at(config) = std::move(names);
    return {};
  }

  static bool is_path(const std::string& path) {
    return !path.empty() && path.find('\0') == std::string::npos;
  }

  Result<void> operator()(const PathKey& key) const {
    if (text() == nullptr || !is_path(*text())) return bad_value("must be the path of a file, in quotes");
    key.at(config) = *text();
    return {};
  }

  Result<void> operator()(const PathsKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr || !std::all_of(list->begin(), list->end(), is_path)) {
      return bad_value("must be a list of paths of files such as [\"/etc/a.pem\", \"/etc/b.pem\"]");
    }
    key.at(config) = *list;
    return {};
  }

  Result<void> operator()(const SizeKey& key) const {
    std::optional<std::uint64_t> size;
    if (text() != nullptr) size = parse_size(*text());
    if (number() != nullptr && *number() >= 0) size = static_cast<std::uint64_t>(*number());
    if (!size) return bad_value("must be a size such as \"50 MiB\", or a number of octets");
    if (*size < key.least || *size > key.most) {
      return bad_value(
          fmt::format("must be from \"{}\" to \"{}\"", print_size(key.least), print_size(key.most)));
    }
    key.at(config) = *size;
    return {};
  }

  Result<void> operator()(const LimitKey& key) const {
    std::optional<std::uint64_t> size;
    if (text() != nullptr) size = parse_limit(*text(), key.most);
    if (number() != nullptr && *number() >= 0) size = parse_limit(std::to_string(*number()), key.most);
    if (!size) {
      return bad_value(
          fmt::format("must be \"none\", or a size such as \"2 GiB\" up to \"{}\"", print_size(key.most)));
    }
    key.at(config) = *size;
    return {};
  }

  Result<void> operator()(const CountKey& key) const {
    if (number() == nullptr || *number() < key.least || *number() > key.most) {
      return bad_value(fmt::format("must be a whole number from {} to {}", key.least, key.most));
    }
    key.at(config) = static_cast<std::uint32_t>(*number());
    return {};
  }

  Result<void> operator()(const DurationKey& key) const {
    const auto duration = text() == nullptr ? std::nullopt : parse_duration(*text());
    if (!duration) return bad_value("must be a time such as \"90 s\", \"10 min\" or \"2 h\"");
    if (*duration < key.least || *duration > key.most) {
      return bad_value(
          fmt::format("must be from \"{}\" to \"{}\"", print_duration(key.least), print_duration(key.most)));
    }
    key.at(config) = *duration;
    return {};
  }

  Result<void> operator()(const DurationsKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    std::vector<std::chrono::seconds> durations;
    for (const std::string& entry : list == nullptr ? std::vector<std::string>() : *list) {
      const auto duration = parse_duration(entry);
      if (!duration || *duration < key.least || *duration > key.most) {
        return bad_value(fmt::format("'{}' is not a time from \"{}\" to \"{}\"", printable(entry),
                                     print_duration(key.least), print_duration(key.most)));
      }
      durations.push_back(*duration);
    }
    if (durations.empty()) return bad_value("must be a list of times such as [\"5 min\", \"1 h\"]");
    key.at(config) = std::move(durations);
    return {};
  }

  Result<void> operator()(const TextKey& key) const {
    const bool good = text() != nullptr && !text()->empty() && printable(*text()) == *text();
    if (!good) return bad_value("must be a text in quotes");
    key.at(config) = *text();
    return {};
  }

  Result<void> operator()(const RoutesKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr)
      return bad_value("must be a list of routes such as [\"example.net mx.example.net:2525\"]");
    std::vector<MailRoute> routes;
    for (const std::string& entry : *list) {
      auto route = parse_mail_route(entry);
      if (!route) return bad_value(route.error().message);
      if (std::ranges::find(routes, route->domain, &MailRoute::domain) != routes.end())
        return bad_value(
            fmt::format("has two routes for {}: only the first would ever be used", route->domain));
      routes.push_back(*std::move(route));
    }
    key.at(config) = std::move(routes);
    return {};
  }

  Result<void> operator()(const ServersKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr) return bad_value("must be a list of addresses such as [\"192.0.2.53\"]");
    std::vector<ListenAddress> servers;
    for (const std::string& entry : *list) {
      const auto address = parse_ip(entry);
      const auto with_port = parse_listen(entry);
      if (address) {
        servers.push_back({address->text(), kDnsPort});
      } else if (with_port && !with_port->is_unix() && !entry.starts_with(':') && with_port->port != 0) {
        servers.push_back(*with_port);
      } else {
        return bad_value(fmt::format("'{}' is not an address, such as \"192.0.2.53\" or \"127.0.0.1:5353\"",
                                     printable(entry)));
      }
    }
    key.at(config) = std::move(servers);
    return {};
  }

  Result<void> operator()(const DaysKey& key) const {
    if (text() != nullptr && *text() == "never") {
      key.at(config).reset();
      return {};
    }
    if (number() == nullptr || *number() < 0 || *number() > key.most) {
      return bad_value(fmt::format("must be \"never\", or a number of days from 0 to {}", key.most));
    }
    key.at(config) = static_cast<std::uint32_t>(*number());
    return {};
  }

  Result<void> operator()(const ListenKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr)
      return bad_value("must be a list of addresses such as [\"[::]:25\", \"127.0.0.1:2525\"]");
    std::vector<ListenAddress> addresses;
    for (const std::string& entry : *list) {
      const auto address = parse_listen(entry);
      if (address && address->is_unix() && key.unix_sockets == UnixSockets::kNo) {
        return bad_value(fmt::format("'{}' is a Unix socket: only lmtp listens on one", printable(entry)));
      }
      if (!address) {
        return bad_value(fmt::format(
            "'{}' is not an address with a port, such as \"127.0.0.1:2525\", \"[::1]:2525\" or \":25\"",
            printable(entry)));
      }
      // RFC 2033 5. Only lmtp may have Unix sockets.
      if (key.unix_sockets == UnixSockets::kYes && address->port == 25)
        return bad_value(
            fmt::format("'{}' is SMTP's port: other servers would find LMTP there", printable(entry)));
      addresses.push_back(*address);
    }
    key.at(config) = std::move(addresses);
    return {};
  }

  Result<void> operator()(const NetworksKey& key) const {
    const auto* list = std::get_if<std::vector<std::string>>(&input);
    if (list == nullptr)
      return bad_value("must be a list of networks such as [\"192.0.2.1\", \"10.0.0.0/8\"]");
    std::vector<IpNetwork> networks;
    for (const std::string& entry : *list) {
      const auto network = parse_ip_network(entry);
      if (!network) {
        return bad_value(
            fmt::format("'{}' is neither an address nor a network, such as \"192.0.2.1\", \"10.0.0.0/8\" or "
                        "\"2001:db8::/32\"",
                        printable(entry)));
      }
      // Perhaps a digit of the length is missing: whom to believe is not to be guessed.
      if (*network != network->masked()) {
        return bad_value(fmt::format(
            "'{}' is an address within a network; write \"{}\" for that address or \"{}\" for the network",
            printable(entry), network->address.text(), network->masked().text()));
      }
      networks.push_back(*network);
    }
    key.at(config) = std::move(networks);
    return {};
  }

  Result<void> operator()(const SwitchKey& key) const {
    const bool* yes = std::get_if<bool>(&input);
    if (yes == nullptr) return bad_value("must be true or false");
    key.at(config) = *yes;
    return {};
  }

  Result<void> operator()(const ChoiceKey& key) const {
    const auto word =
        text() == nullptr ? key.words.end() : std::find(key.words.begin(), key.words.end(), *text());
    if (word == key.words.end()) return bad_value(fmt::format("must be {}", quoted_list(key.words)));
    key.set(config, static_cast<std::size_t>(word - key.words.begin()));
    return {};
  }
};

struct TomlPrinter {
  Config& config;

  static std::string text(const std::string& value) {
    return value.empty() ? std::string() : in_quotes(value);
  }
  std::string operator()(const HostnameKey& key) const { return text(key.at(config)); }
  std::string operator()(const OtherHostKey& key) const { return text(key.at(config)); }
  std::string operator()(const PathKey& key) const { return text(key.at(config)); }
  std::string operator()(const NamesKey& key) const {
    std::vector<std::string> names;
    for (const std::string& name : key.at(config)) names.push_back(in_quotes(name));
    return fmt::format("[{}]", fmt::join(names, ", "));
  }
  std::string operator()(const PathsKey& key) const {
    std::vector<std::string> paths;
    for (const std::string& path : key.at(config)) paths.push_back(in_quotes(path));
    return fmt::format("[{}]", fmt::join(paths, ", "));
  }
  std::string operator()(const SizeKey& key) const { return in_quotes(print_size(key.at(config))); }
  std::string operator()(const LimitKey& key) const { return in_quotes(print_limit(key.at(config))); }
  std::string operator()(const CountKey& key) const { return std::to_string(key.at(config)); }
  std::string operator()(const DurationKey& key) const { return in_quotes(print_duration(key.at(config))); }
  std::string operator()(const DurationsKey& key) const {
    std::vector<std::string> entries;
    for (const auto duration : key.at(config)) entries.push_back(in_quotes(print_duration(duration)));
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
  std::string operator()(const TextKey& key) const { return text(key.at(config)); }
  std::string operator()(const RoutesKey& key) const {
    std::vector<std::string> entries;
    for (const MailRoute& route : key.at(config)) entries.push_back(in_quotes(print_mail_route(route)));
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
  std::string operator()(const ServersKey& key) const {
    std::vector<std::string> entries;
    for (const ListenAddress& address : key.at(config)) entries.push_back(in_quotes(address.text()));
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
  std::string operator()(const DaysKey& key) const {
    return key.at(config) ? std::to_string(*key.at(config)) : "\"never\"";
  }
  std::string operator()(const SwitchKey& key) const { return key.at(config) ? "true" : "false"; }
  std::string operator()(const ChoiceKey& key) const { return in_quotes(key.words[key.get(config)]); }
  std::string operator()(const ListenKey& key) const {
    std::vector<std::string> entries;
    for (const ListenAddress& address : key.at(config)) entries.push_back(in_quotes(address.text()));
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
  std::string operator()(const NetworksKey& key) const {
    std::vector<std::string> entries;
    for (const IpNetwork& network : key.at(config)) entries.push_back(in_quotes(network.text()));
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }
};

struct ValuePrinter {
  Config& config;

  static Value text(const std::string& value) { return value.empty() ? Value(nullptr) : Value(value); }
  Value operator()(const HostnameKey& key) const { return text(key.at(config)); }
  Value operator()(const OtherHostKey& key) const { return text(key.at(config)); }
  Value operator()(const PathKey& key) const { return text(key.at(config)); }
  Value operator()(const NamesKey& key) const {
    return Value::Array(key.at(config).begin(), key.at(config).end());
  }
  Value operator()(const PathsKey& key) const {
    return Value::Array(key.at(config).begin(), key.at(config).end());
  }
  Value operator()(const SizeKey& key) const { return key.at(config); }
  Value operator()(const LimitKey& key) const {
    return key.at(config) == 0 ? Value("none") : Value(key.at(config));
  }
  Value operator()(const CountKey& key) const { return key.at(config); }
  Value operator()(const DurationKey& key) const { return static_cast<std::int64_t>(key.at(config).count()); }
  Value operator()(const DurationsKey& key) const {
    Value::Array seconds;
    for (const auto duration : key.at(config))
      seconds.emplace_back(static_cast<std::int64_t>(duration.count()));
    return seconds;
  }
  Value operator()(const TextKey& key) const { return text(key.at(config)); }
  Value operator()(const RoutesKey& key) const {
    Value::Array routes;
    for (const MailRoute& route : key.at(config)) routes.emplace_back(print_mail_route(route));
    return routes;
  }
  Value operator()(const ServersKey& key) const {
    Value::Array addresses;
    for (const ListenAddress& address : key.at(config)) addresses.emplace_back(address.text());
    return addresses;
  }
  Value operator()(const DaysKey& key) const {
    return key.at(config) ? Value(std::int64_t{*key.at(config)}) : Value("never");
  }
  Value operator()(const SwitchKey& key) const { return key.at(config); }
  Value operator()(const ChoiceKey& key) const { return key.words[key.get(config)]; }
  Value operator()(const ListenKey& key) const {
    Value::Array addresses;
    for (const ListenAddress& address : key.at(config)) addresses.emplace_back(address.text());
    return addresses;
  }
  Value operator()(const NetworksKey& key) const {
    Value::Array networks;
    for (const IpNetwork& network : key.at(config)) networks.emplace_back(network.text());
    return networks;
  }
};

}  // namespace

Result<void> set_config_key(const ConfigKey& key, const ConfigInput& input, Config& config) {
  return std::visit(Setter{input, config}, key.kind);
}

// The table's accessors want a Config that can be changed; the copy is small.
std::string config_key_toml(const ConfigKey& key, const Config& config) {
  Config copy = config;
  return std::visit(TomlPrinter{copy}, key.kind);
}

Value config_key_value(const ConfigKey& key, const Config& config) {
  Config copy = config;
  return std::visit(ValuePrinter{copy}, key.kind);
}

}  // namespace mailstead::admin

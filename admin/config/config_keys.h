// The keys of the configuration: one table drives reading, printing, JSON, and what is said about unknown
// keys. Constant data and pure functions; any thread. Defaults are those of a Config made by
// default_config().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admin/config/config.h"
#include "admin/value.h"

namespace mailstead::admin {

// What a key's value is, where it lives in a Config, and what it may be. Ranges include their ends.
struct HostnameKey {
  std::string& (*at)(Config&);
};
struct OtherHostKey {  // a name or an address, which is kept as a literal of SMTP
  std::string& (*at)(Config&);
};
struct NamesKey {  // of hosts
  std::vector<std::string>& (*at)(Config&);
};
struct PathKey {
  std::string& (*at)(Config&);
};
struct PathsKey {
  std::vector<std::string>& (*at)(Config&);
};
struct SizeKey {  // octets
  std::uint64_t& (*at)(Config&);
  std::uint64_t least, most;
};
struct LimitKey {  // octets, or "none", which is 0
  std::uint64_t& (*at)(Config&);
  std::uint64_t most;
};
struct CountKey {
  std::uint32_t& (*at)(Config&);
  std::uint32_t least, most;
};
struct DurationKey {
  std::chrono::seconds& (*at)(Config&);
  std::chrono::seconds least, most;
};
struct DaysKey {  // whole days, or "never"
  std::optional<std::uint32_t>& (*at)(Config&);
  std::uint32_t most;
};
struct DurationsKey {  // at least one
  std::vector<std::chrono::seconds>& (*at)(Config&);
  std::chrono::seconds least, most;
};
struct TextKey {
  std::string& (*at)(Config&);
};
struct RoutesKey {
  std::vector<MailRoute>& (*at)(Config&);
};
struct ServersKey {  // of DNS: addresses, with a port or without
  std::vector<ListenAddress>& (*at)(Config&);
};
enum class UnixSockets { kNo, kYes };
struct ListenKey {
  std::vector<ListenAddress>& (*at)(Config&);
  UnixSockets unix_sockets = UnixSockets::kNo;
};
struct NetworksKey {
  std::vector<IpNetwork>& (*at)(Config&);
};
struct SwitchKey {  // true or false
  bool& (*at)(Config&);
};
struct ChoiceKey {
  std::span<const std::string_view> words;
  std::size_t (*get)(const Config&);
  void (*set)(Config&, std::size_t);
};

struct ConfigKey {
  std::string_view section;  // "limits"; empty: top level
  std::string_view name;
  std::string_view comment;
  std::variant<HostnameKey, OtherHostKey, NamesKey, PathKey, PathsKey, SizeKey, LimitKey, CountKey,
               DurationKey, DurationsKey, DaysKey, TextKey, RoutesKey, ServersKey, ListenKey, NetworksKey,
               SwitchKey, ChoiceKey>
      kind;
};

// In the order they are printed, each section's keys together.
std::span<const ConfigKey> config_keys();

// Every default, the listeners' ports too; the hostname is empty.
Config default_config();

// A value as the file gives it. monostate: of a type that no key has.
using ConfigInput = std::variant<std::monostate, std::string, std::int64_t, bool, std::vector<std::string>>;

// Puts the value in its place. kInvalid: what is wrong with it and what to write, without the key's name.
Result<void> set_config_key(const ConfigKey& key, const ConfigInput& input, Config& config);

// The value as TOML; empty when the key has none and the default is made from elsewhere.
std::string config_key_toml(const ConfigKey& key, const Config& config);
Value config_key_value(const ConfigKey& key, const Config& config);

}  // namespace mailstead::admin

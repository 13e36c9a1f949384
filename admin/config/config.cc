#include "admin/config/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "admin/config/config_environment.h"
#include "admin/config/config_keys.h"
#include "admin/config/config_reader.h"
#include "admin/file.h"
#include "admin/text.h"
#include "protocols/address.h"

namespace mailstead {

using namespace admin;

namespace {

constexpr std::size_t kMaxConfigFile = 1u << 20;  // octets

// The machine's own name, without asking the DNS for a longer one: a start must not wait for a network.
std::string machine_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  return parse_domain(buffer.data()).value_or("localhost");
}

}  // namespace

std::string ListenAddress::text() const {
  if (is_unix()) return host;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

std::string Config::Acme::url() const {
  if (directory == "letsencrypt") return "https://acme-v02.api.letsencrypt.org/directory";
  if (directory == "staging") return "https://acme-staging-v02.api.letsencrypt.org/directory";
  return directory;
}

std::string config_file(const ConfigSource& source) {
  return source.file.empty() ? source.data + "/mailstead.toml" : source.file;
}

Result<Config> parse_config(std::string_view toml, const std::string& name) {
  Config config = default_config();
  const Environment environment = our_environment();
  if (Result<void> read = read_config(toml, name, environment, config); !read) return std::move(read).error();
  config.unknown_variables = unknown_variables(environment);
  if (config.hostname.empty()) config.hostname = machine_name();
  return config;
}

Result<Config> load_config(const ConfigSource& source) {
  const std::string file = config_file(source);
  Result<std::string> text = read_file(file, kMaxConfigFile);
  if (text) return parse_config(*text, printable(file));
  // Only the file that nobody asked for by name may be absent.
  if (text.error().kind == ErrorKind::kNotFound && source.file.empty()) return parse_config("", file);
  return std::move(text).error();
}

Result<Config> reload_config(const ConfigSource& source) {
  const std::string file = config_file(source);
  if (const auto text = read_file(file, kMaxConfigFile); text && text->empty()) {
    return Error{ErrorKind::kInvalid,
                 printable(file) + ": the file is empty; to go back to the defaults, remove it"};
  }
  return load_config(source);
}

std::string print_config(const Config& config) {
  std::string out;
  std::string_view section;
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n[{}]\n", section);
    }
    std::string_view comment = key.comment;
    while (!comment.empty()) {
      const std::size_t end = std::min(comment.find('\n'), comment.size());
      out += fmt::format("# {}\n", comment.substr(0, end));
      comment.remove_prefix(std::min(end + 1, comment.size()));
    }
    const std::string value = config_key_toml(key, config);
    out += value.empty() ? fmt::format("# {} = \"\"\n", key.name) : fmt::format("{} = {}\n", key.name, value);
  }
  return out;
}

}  // namespace mailstead

#include "admin/config/config_reader.h"

// Errors of the parser are values: nothing of it throws but for want of memory.
#define TOML_EXCEPTIONS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <tuple>

#include "admin/config/config_keys.h"
#include "admin/text.h"
#include "protocols/acme/acme_messages.h"
#include "protocols/address.h"

namespace mailstead::admin {
namespace {

using Line = toml::source_index;

ConfigInput input_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* yes = node.as_boolean()) return yes->get();
  if (const auto* array = node.as_array()) {
    std::vector<std::string> list;
    for (const toml::node& element : *array) {
      const auto* text = element.as_string();
      if (text == nullptr) return std::monostate{};
      list.push_back(text->get());
    }
    return list;
  }
  return std::monostate{};
}

std::string full_name(const ConfigKey& key) {
  return key.section.empty() ? std::string(key.name) : fmt::format("{}.{}", key.section, key.name);
}

class Reader {
 public:
  Reader(const std::string& name, const Environment& environment, Config& config)
      : name_(name), environment_(environment), config_(config) {}

  Result<void> read(const toml::table& root) {
    for (const auto& [key, node] : root) {
      const bool section = is_section(key.str());
      const toml::table* table = node.as_table();
      if (section && table == nullptr) {
        return at(key,
                  fmt::format("[{}] is a section: write its keys below a line [{}]", key.str(), key.str()));
      }
      const Result<void> done = section ? read_section(key.str(), *table) : read_key("", key, node);
      if (!done) return done;
    }
    if (const Result<void> done = read_environment(); !done) return done;
    if (const Result<void> done = check_tls(); !done) return done;
    if (const Result<void> done = check_smarthost(); !done) return done;
    if (const Result<void> done = check_acme(); !done) return done;
    if (!config_.alerts.to.empty() && !parse_address(config_.alerts.to)) {
      return at_one_of({"alerts.to"},
                       fmt::format("alerts.to: '{}' is not a mail address", printable(config_.alerts.to)));
    }
    return check_listeners();
  }

 private:
  Result<void> read_environment() {
    for (const ConfigKey& key : config_keys()) {
      const auto variable = environment_.find(variable_of(key));
      if (variable == environment_.end() || is_blank(variable->second)) continue;
      const Result<void> done = set_config_key(key, input_of_variable(key, variable->second), config_);
      if (!done) return in_variable(variable->first, done.error().message);
      lines_.erase(full_name(key));
      variables_.insert_or_assign(full_name(key), variable->first);
    }
    return {};
  }

  static Error in_variable(const std::string& variable, const std::string& message) {
    return Error{ErrorKind::kInvalid, fmt::format("{}: {}", variable, message)};
  }
  // Where one of these keys was given, the last in the file first.
  Error at_one_of(std::initializer_list<std::string> keys, const std::string& message) const {
    Line line = 0;
    for (const std::string& key : keys) {
      if (const auto found = lines_.find(key); found != lines_.end()) line = std::max(line, found->second);
    }
    if (line != 0) return at_line(line, message);
    for (const std::string& key : keys) {
      if (const auto found = variables_.find(key); found != variables_.end())
        return in_variable(found->second, message);
    }
    return at_line(1, message);
  }
  Error at_line(Line line, const std::string& message) const {
    return Error{ErrorKind::kInvalid, fmt::format("{}:{}: {}", name_, line, message)};
  }
  Error at(const toml::key& key, const std::string& message) const {
    return at_line(key.source().begin.line, message);
  }

  static bool is_section(std::string_view word) {
    const auto keys = config_keys();
    return !word.empty() && std::any_of(keys.begin(), keys.end(),
                                        [word](const ConfigKey& key) { return key.section == word; });
  }

  Result<void> read_section(std::string_view section, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string inner = fmt::format("{}.{}", section, key.str());
      const toml::table* below = is_section(inner) ? node.as_table() : nullptr;
      if (below == nullptr && is_section(inner)) {
        return at(
            key,
            fmt::format("{0} is a section: {1} = {{ host = \"smtp.isp.example\" }}, or its keys below a line "
                        "[{0}]",
                        inner, key.str()));
      }
      const Result<void> done = below != nullptr ? read_section(inner, *below) : read_key(section, key, node);
      if (!done) return done;
    }
    return {};
  }

  Result<void> read_key(std::string_view section, const toml::key& name, const toml::node& node) {
    for (const ConfigKey& key : config_keys()) {
      if (key.section != section || key.name != name.str()) continue;
      lines_[full_name(key)] = name.source().begin.line;
      const Result<void> done = set_config_key(key, input_of(node), config_);
      if (!done) return at(name, fmt::format("{}: {}", full_name(key), done.error().message));
      return {};
    }
    return at(name, unknown(section, name.str(), node));
  }

  static std::string unknown(std::string_view section, std::string_view name, const toml::node& node) {
    const bool table = section.empty() && node.is_table();
    std::vector<std::string> near;  // what may stand in its place
    std::string elsewhere;
    for (const ConfigKey& key : config_keys()) {
      if (table) {
        if (!key.section.empty()) near.emplace_back(key.section);
      } else if (key.section == section) {
        near.emplace_back(key.name);
      } else if (key.name == name) {
        elsewhere = key.section.empty() ? "the top of the file, before the first section"
                                        : fmt::format("[{}]", key.section);
      }
    }
    if (table) {
      const std::string word = nearest(name, near);
      return fmt::format("unknown section [{}]{}", printable(name),
                         word.empty() ? std::string() : fmt::format("; did you mean [{}]?", word));
    }
    const std::string place = section.empty() ? "" : fmt::format(" in [{}]", section);
    const std::string word = nearest(name, near);
    const std::string hint = !elsewhere.empty() ? fmt::format("; it belongs in {}", elsewhere)
                             : !word.empty()    ? fmt::format("; did you mean '{}'?", word)
                                                : std::string();
    return fmt::format("unknown key '{}'{}{}", printable(name), place, hint);
  }

  Result<void> check_tls() const {
    const Config::Tls& tls = config_.tls;
    if (tls.more_certificates.size() != tls.more_keys.size()) {
      return at_one_of({"tls.more_certificates", "tls.more_keys"},
                       "tls.more_certificates and tls.more_keys must name as many files as each other");
    }
    if (tls.certificate.empty() && !tls.more_certificates.empty()) {
      return at_one_of(
          {"tls.more_certificates"},
          "tls.more_certificates without tls.certificate: the first pair is for clients that name no host");
    }
    if (tls.certificate.empty() == tls.key.empty()) return {};
    if (tls.key.empty())
      return at_one_of({"tls.certificate"}, "tls.certificate without tls.key: give both or neither");
    return at_one_of({"tls.key"}, "tls.key without tls.certificate: give both or neither");
  }

  bool is_given(const std::string& key) const { return lines_.contains(key) || variables_.contains(key); }

  Result<void> check_smarthost() {
    auto& smarthost = config_.queue.smarthost;
    // RFC 8314 3.3: there it is TLS from the start, and who waits for a greeting waits for ever.
    if (smarthost.port == 465 && !is_given("queue.smarthost.tls")) smarthost.tls = SmarthostTls::kImplicit;
    for (const char* key : {"user", "password_file"}) {
      const std::string name = fmt::format("queue.smarthost.{}", key);
      if (smarthost.host.empty() && is_given(name))
        return at_one_of({name},
                         fmt::format("{} without queue.smarthost.host, which mail would go by", name));
    }
    if (smarthost.user.empty() == smarthost.password_file.empty()) return {};
    return at_one_of({"queue.smarthost.user", "queue.smarthost.password_file"},
                     "queue.smarthost.user and queue.smarthost.password_file: give both or neither");
  }

  Result<void> check_acme() {
    const Config::Acme& acme = config_.acme;
    if (acme.key_id.empty() != acme.key_file.empty()) {
      return at_one_of({"acme.key_id", "acme.key_file"},
                       "acme.key_id and acme.key_file: give both or neither");
    }
    if (!acme.contact.empty() && !parse_address(acme.contact)) {
      return at_one_of({"acme.contact"},
                       fmt::format("acme.contact: '{}' is not a mail address", printable(acme.contact)));
    }
    if (!acme.is_on()) return {};
    if (!is_acme_url(acme.url())) {
      return at_one_of(
          {"acme.directory"},
          "acme.directory: must be \"letsencrypt\", \"staging\", or a URL that begins with https://");
    }
    if (!acme.accept_terms) {
      return at_one_of({"acme.directory"},
                       "acme.directory without acme.accept_terms = true, which says that you agree to the "
                       "authority's terms of service");
    }
    if (!config_.tls.certificate.empty()) {
      return at_one_of(
          {"acme.directory", "tls.certificate"},
          "tls.certificate and acme.directory: one certificate serves; keep one of the two keys");
    }
    if (acme.challenge == AcmeMethod::kTlsAlpn01 && config_.listen.webs.empty()) {
      return at_one_of(
          {"acme.challenge"},
          "acme.challenge = \"tls-alpn-01\" needs a listener at port 443: webs = [\"[::]:443\"] in "
          "[listen]");
    }
    if (acme.challenge != AcmeMethod::kHttp01) return {};
    const auto& web = config_.listen.web;
    const bool is_on_80 = std::ranges::any_of(web, [](const ListenAddress& each) { return each.port == 80; });
    if (!is_given("listen.acme") && !is_on_80) config_.listen.acme = {{"::", 80}};
    if (config_.listen.acme.empty() && web.empty()) {
      return at_one_of(
          {"listen.acme"},
          "acme.challenge = \"http-01\" needs a listener at port 80: acme = [\"[::]:80\"] in [listen]");
    }
    return {};
  }

  // Two services cannot share one port: the second would fail to start, or hide behind the first.
  Result<void> check_listeners() {
    std::map<std::tuple<std::string, std::uint16_t>, std::string> taken;
    for (const ConfigKey& key : config_keys()) {
      const auto* listen = std::get_if<ListenKey>(&key.kind);
      if (listen == nullptr) continue;
      for (const ListenAddress& address : listen->at(config_)) {
        if (address.port == 0) continue;
        const auto [owner, fresh] = taken.try_emplace({address.host, address.port}, full_name(key));
        if (fresh) continue;
        return at_one_of(
            {full_name(key), owner->second},
            owner->second == full_name(key)
                ? fmt::format("{} has {} twice", owner->second, address.text())
                : fmt::format("{} and {} both have {}", owner->second, full_name(key), address.text()));
      }
    }
    return {};
  }

  const std::string& name_;
  const Environment& environment_;
  Config& config_;
  std::map<std::string, Line> lines_;             // of the keys that the text has
  std::map<std::string, std::string> variables_;  // of the keys that the environment has
};

}  // namespace

Result<void> read_config(std::string_view toml, const std::string& name, const Environment& environment,
                         Config& config) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Error{ErrorKind::kInvalid,
                 fmt::format("{}:{}: {}", name, error.source().begin.line, printable(error.description()))};
  }
  return Reader(name, environment, config).read(parsed.table());
}

}  // namespace mailstead::admin

#include "admin/commands/config_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/config/config_environment.h"
#include "admin/config/config_keys.h"
#include "admin/report.h"
#include "admin/text.h"

namespace mailstead::admin {
namespace {

Value config_value(const Config& config) {
  Value::Object top;
  for (const ConfigKey& key : config_keys()) {
    const std::string name(key.name);
    if (key.section.empty()) {
      top.emplace_back(name, config_key_value(key, config));
      continue;
    }
    if (top.empty() || top.back().first != key.section)
      top.emplace_back(std::string(key.section), Value::Object{});
    std::get<Value::Object>(top.back().second.data).emplace_back(name, config_key_value(key, config));
  }
  return top;
}

std::vector<CertificateFiles> configured_pairs(const Config& config) {
  std::vector<CertificateFiles> pairs;
  if (!config.tls.certificate.empty()) pairs.push_back({config.tls.certificate, config.tls.key});
  for (std::size_t i = 0; i < config.tls.more_certificates.size(); ++i) {
    pairs.push_back({config.tls.more_certificates[i], config.tls.more_keys[i]});
  }
  return pairs;
}

}  // namespace

Report show_config(const ConfigSource& source) {
  const Result<Config> config = load_config(source);
  return config ? done(print_config(*config), config_value(*config)) : failed(config.error());
}

Report check_config(const ConfigSource& source) {
  const Result<Config> config = load_config(source);
  if (!config) return failed(config.error());
  for (const CertificateFiles& files : configured_pairs(*config)) {
    if (const Result<CertificateFacts> facts = read_certificate(files); !facts) return failed(facts.error());
  }
  const std::string file = config_file(source);
  const bool present = ::access(file.c_str(), F_OK) == 0;
  std::string text = present ? fmt::format("{} is in order.\n", file)
                             : fmt::format("There is no {}: the defaults are in force.\n", file);
  Value::Array unknown;
  for (const std::string& variable : config->unknown_variables) {
    const std::string hint = likely_variable_hint(variable);
    text += fmt::format("{} in the environment sets nothing: there is no such key{}\n", printable(variable),
                        hint.empty() ? "." : hint);
    unknown.emplace_back(variable);
  }
  return done(std::move(text), Value::Object{{"file", present ? Value(file) : Value(nullptr)},
                                             {"in_order", true},
                                             {"unknown_variables", std::move(unknown)}});
}

Report show_default_config() {
  const Config config = default_config();
  return done(print_config(config), config_value(config));
}

}  // namespace mailstead::admin

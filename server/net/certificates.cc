#include "server/net/certificates.h"

#include <sys/stat.h>

#include <ctime>

namespace mailstead {

std::vector<CertificateFiles> Certificates::pairs(const Config& config) const {
  std::vector<CertificateFiles> pairs = {certificate_files(config, data_)};
  for (std::size_t i = 0; i < config.tls.more_certificates.size(); ++i) {
    pairs.push_back({config.tls.more_certificates[i], config.tls.more_keys[i], false});
  }
  return pairs;
}

std::vector<Certificates::Look> Certificates::look(const Config& config) const {
  std::vector<Look> files;
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  for (const CertificateFiles& pair : pairs(config)) {
    for (const std::string& path : {pair.certificate, pair.key}) {
      struct stat facts {};
      Look& found = files.emplace_back();
      found.path = path;
      if (stat(path.c_str(), &facts) != 0) continue;
      found.written = nanoseconds(facts.st_mtim);
      found.changed = nanoseconds(facts.st_ctim);
      found.inode = facts.st_ino;
    }
  }
  return files;
}

Result<void> Certificates::load(const Config& config) {
  // The look first: a file that changes while it is read is read once more at the next look.
  auto files = look(config);
  auto loaded = TlsContext::load(pairs(config), challenges_);
  loaded_ = std::move(files);
  if (!loaded.has_value()) return loaded.error();
  context_ = *std::move(loaded);
  return {};
}

Result<void> Certificates::load_configured(const Config& config) {
  if (config.tls.certificate.empty()) return {};
  return load(config);
}

Result<void> Certificates::load_own(const Config& config) {
  if (!config.tls.certificate.empty()) return {};
  const CertificateFiles own = own_certificate_files(data_);
  auto made = ensure_own_certificate(own, config.hostname);
  if (!made.has_value()) return made.error();
  if (*made) log_.info("certificate-made", {{"file", own.certificate}, {"hostname", config.hostname}});
  return load(config);
}

void Certificates::reload(const Config& config) {
  auto loaded = config.tls.certificate.empty() ? load_own(config) : load(config);
  if (loaded.has_value()) {
    trouble_ = {};
    log_.info("certificate-loaded", {{"file", pairs(config).front().certificate}});
  } else {
    trouble_.why = loaded.error().message;
    if (trouble_.since == 0) trouble_.since = std::time(nullptr);
    log_.error("certificate-kept", {{"why", loaded.error().message}});
  }
}

void Certificates::reload_when_changed(const Config& config) {
  if (look(config) != loaded_) reload(config);
}

}  // namespace mailstead

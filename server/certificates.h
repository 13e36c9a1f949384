// The server's certificates in use, and their renewal: files are read again on SIGHUP and when they have
// changed. A bad new certificate keeps the old one, and says so in the log. Threads: the reactor;
// load_configured() and load_own() may be called before it runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "admin/certificate.h"
#include "admin/config.h"
#include "protocols/result.h"
#include "server/log.h"
#include "server/tls_context.h"

namespace mailstead {

class Certificates {
 public:
  Certificates(Log& log, std::string data) : log_(log), data_(std::move(data)) {}

  // The pairs that the configuration names; nothing happens when it names none. Before root is given up.
  Result<void> load_configured(const Config& config);
  // Without configured pairs: the self-signed one, made when missing. After the data folder is there.
  Result<void> load_own(const Config& config);
  // Reads everything again; keeps what was there when that fails.
  void reload(const Config& config);
  // Looks whether a file has changed since it was read; reloads then.
  void reload_when_changed(const Config& config);

  std::shared_ptr<const TlsContext> context() const { return context_; }

 private:
  std::vector<CertificateFiles> pairs(const Config& config) const;
  std::vector<std::int64_t> change_times(const Config& config) const;
  Result<void> load(const Config& config);

  Log& log_;
  std::string data_;
  std::shared_ptr<const TlsContext> context_;
  std::vector<std::int64_t> loaded_times_;  // of each file, nanoseconds; -1: not there
};

}  // namespace mailstead

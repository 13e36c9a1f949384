// The server's certificates in use, and their renewal: files are read again on SIGHUP and when they have
// changed. A bad new certificate keeps the old one, and says so in the log. Threads: the reactor;
// load_configured() and load_own() may be called before it runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admin/certificate.h"
#include "admin/config/config.h"
#include "protocols/result.h"
#include "server/acme/acme_challenges.h"
#include "server/log.h"
#include "server/net/tls_context.h"

namespace mailstead {

class Certificates {
 public:
  // `challenges` may be null: see TlsContext.
  Certificates(Log& log, std::string data, std::shared_ptr<const AcmeChallenges> challenges = nullptr)
      : log_(log), data_(std::move(data)), challenges_(std::move(challenges)) {}

  // The pairs that the configuration names; nothing happens when it names none. Before root is given up.
  Result<void> load_configured(const Config& config);
  // Without configured pairs: the one that an authority issued, if there is one, else the self-signed one,
  // made when missing. After the data folder is there.
  Result<void> load_own(const Config& config);
  // Reads everything again; keeps what was there when that fails.
  void reload(const Config& config);
  // Looks whether a file has changed since it was read; reloads then.
  void reload_when_changed(const Config& config);

  std::shared_ptr<const TlsContext> context() const { return context_; }
  // What the files hold cannot be used, and what was there before is kept: why, and since when.
  struct Trouble {
    std::string why;         // empty: there is none
    std::int64_t since = 0;  // Unix seconds
  };
  const Trouble& trouble() const { return trouble_; }

 private:
  std::vector<CertificateFiles> pairs(const Config& config) const;
  // What tells that a file is another one, or was written to, or can be read now.
  struct Look {
    std::string path;
    std::int64_t written = -1, changed = -1;  // nanoseconds; -1: it is not there
    std::uint64_t inode = 0;
    bool operator==(const Look&) const = default;
  };
  std::vector<Look> look(const Config& config) const;
  Result<void> load(const Config& config);

  Log& log_;
  std::string data_;
  std::shared_ptr<const TlsContext> context_;
  std::shared_ptr<const AcmeChallenges> challenges_;
  std::vector<Look> loaded_;  // of each file
  Trouble trouble_;
};

}  // namespace mailstead

// What is remembered of other hosts' TLS: policies of MTA-STS (RFC 8461), and how connections came out, for
// reports (RFC 8460).
//
// In the caller's transaction. Threads: the storage thread. Errors: those of the database.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocols/result.h"
#include "protocols/tls/tls_report.h"
#include "storage/database/database.h"
#include "storage/database/tls_facts.h"

namespace mailstead {

class TlsTable {
 public:
  static constexpr std::size_t kMostPolicies = 10'000;
  static constexpr std::size_t kMostCounts = 20'000;  // of a day; what is over goes uncounted
  static constexpr std::int64_t kDaysKept = 30;

  explicit TlsTable(Database& database) : database_(database) {}

  Result<std::vector<KeptStsPolicy>> policies();
  // Instead of the domain's last one. Of too many those go that were fetched first.
  Result<void> keep(const KeptStsPolicy& policy);

  // Adds its sessions to those of its kind.
  Result<void> add(const TlsCount& count);
  // From `since` on, in the order of days and domains.
  Result<std::vector<TlsCount>> counts(std::int64_t since);
  Result<std::vector<TlsCount>> counts_of(std::int64_t day, const std::string& domain);
  // Of days before this one.
  Result<std::vector<DueTlsReport>> due(std::int64_t before);
  Result<void> settle(const DueTlsReport& report);
  Result<void> forget_before(std::int64_t day);

 private:
  Database& database_;
};

}  // namespace mailstead

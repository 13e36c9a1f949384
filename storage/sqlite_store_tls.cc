// The façade's part for what is remembered of other hosts' TLS.

#include "storage/database/tls_table.h"
#include "storage/sqlite_store.h"

namespace mailstead {

Result<std::vector<KeptStsPolicy>> SqliteStore::sts_policies() {
  if (!database_) return closed_error();
  return TlsTable(*database_).policies();
}

Result<void> SqliteStore::keep_sts_policy(const KeptStsPolicy& policy) {
  if (!database_) return closed_error();
  return in_transaction([&] { return TlsTable(*database_).keep(policy); });
}

Result<void> SqliteStore::add_tls_counts(std::span<const TlsCount> counts) {
  if (!database_) return closed_error();
  return in_transaction([&]() -> Result<void> {
    TlsTable table(*database_);
    for (const TlsCount& count : counts) {
      if (auto done = table.add(count); !done) return done;
    }
    return table.forget_before(unix_seconds() / kTlsCountDay - TlsTable::kDaysKept);
  });
}

Result<std::vector<TlsCount>> SqliteStore::tls_counts(std::int64_t since) {
  if (!database_) return closed_error();
  return TlsTable(*database_).counts(since);
}

Result<std::vector<TlsCount>> SqliteStore::tls_counts_of(const DueTlsReport& report) {
  if (!database_) return closed_error();
  return TlsTable(*database_).counts_of(report.day, report.domain);
}

Result<std::vector<DueTlsReport>> SqliteStore::due_tls_reports(std::int64_t before) {
  if (!database_) return closed_error();
  return TlsTable(*database_).due(before);
}

Result<void> SqliteStore::settle_tls_report(const DueTlsReport& report) {
  if (!database_) return closed_error();
  return in_transaction([&] { return TlsTable(*database_).settle(report); });
}

}  // namespace mailstead

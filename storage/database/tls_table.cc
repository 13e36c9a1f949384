#include "storage/database/tls_table.h"

#include <utility>

namespace mailstead {

namespace {

TlsCount tls_count_of(const Statement& row) {
  TlsCount count;
  count.day = row.integer(0);
  count.policy = {static_cast<TlsPolicyKind>(row.integer(2)), row.text(1), row.text(3), row.text(4)};
  count.verdict = static_cast<TlsVerdict>(row.integer(5));
  count.host = row.text(6);
  count.address = row.text(7);
  count.reason = row.text(8);
  count.sessions = static_cast<std::uint64_t>(row.integer(9));
  return count;
}

Result<std::vector<TlsCount>> tls_counts_in(Result<Statement> statement) {
  std::vector<TlsCount> counts;
  auto done =
      each_row(std::move(statement), [&](const Statement& row) { counts.push_back(tls_count_of(row)); });
  if (!done) return done.error();
  return counts;
}

}  // namespace

Result<std::vector<KeptStsPolicy>> TlsTable::policies() {
  std::vector<KeptStsPolicy> policies;
  auto done = each_row(database_.query("SELECT domain, id, policy, fetched_at FROM sts_policies"),
                       [&](const Statement& row) {
                         policies.push_back({row.text(0), row.text(1), row.text(2), row.integer(3)});
                       });
  if (!done) return done.error();
  return policies;
}

Result<void> TlsTable::keep(const KeptStsPolicy& policy) {
  auto done = database_.run(
      "INSERT OR REPLACE INTO sts_policies (domain, id, policy, fetched_at) VALUES (?1, ?2, ?3, ?4)",
      policy.domain, policy.id, policy.text, policy.fetched_at);
  if (!done) return done;
  return database_.run(
      "DELETE FROM sts_policies WHERE domain IN"
      " (SELECT domain FROM sts_policies ORDER BY fetched_at DESC, domain LIMIT -1 OFFSET ?1)",
      static_cast<std::int64_t>(kMostPolicies));
}

Result<void> TlsTable::add(const TlsCount& count) {
  const auto kind = static_cast<std::int64_t>(count.policy.kind);
  const auto verdict = static_cast<std::int64_t>(count.verdict);
  const auto sessions = static_cast<std::int64_t>(count.sessions);
  auto done = database_.run(
      "UPDATE tls_counts SET sessions = sessions + ?10 WHERE day = ?1 AND domain = ?2 AND kind = ?3 AND"
      " strings = ?4 AND hosts = ?5 AND verdict = ?6 AND host = ?7 AND address = ?8 AND reason = ?9",
      count.day, count.policy.domain, kind, count.policy.strings, count.policy.hosts, verdict, count.host,
      count.address, count.reason, sessions);
  if (!done || database_.changes() > 0) return done;
  return database_.run(
      "INSERT INTO tls_counts (day, domain, kind, strings, hosts, verdict, host, address, reason, sessions)"
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
      " WHERE (SELECT count(*) FROM tls_counts WHERE day = ?1) < ?11",
      count.day, count.policy.domain, kind, count.policy.strings, count.policy.hosts, verdict, count.host,
      count.address, count.reason, sessions, static_cast<std::int64_t>(kMostCounts));
}

Result<std::vector<TlsCount>> TlsTable::counts(std::int64_t since) {
  return tls_counts_in(database_.query(
      "SELECT day, domain, kind, strings, hosts, verdict, host, address, reason, sessions FROM tls_counts"
      " WHERE day >= ?1 ORDER BY day, domain, kind, verdict",
      since));
}

Result<std::vector<TlsCount>> TlsTable::counts_of(std::int64_t day, const std::string& domain) {
  return tls_counts_in(database_.query(
      "SELECT day, domain, kind, strings, hosts, verdict, host, address, reason, sessions FROM tls_counts"
      " WHERE day = ?1 AND domain = ?2 ORDER BY kind, strings, verdict",
      day, domain));
}

Result<std::vector<DueTlsReport>> TlsTable::due(std::int64_t before) {
  std::vector<DueTlsReport> due;
  auto done = each_row(database_.query("SELECT DISTINCT day, domain FROM tls_counts WHERE day < ?1 EXCEPT"
                                       " SELECT day, domain FROM tls_reported ORDER BY 1, 2",
                                       before),
                       [&](const Statement& row) {
                         due.push_back({row.integer(0), row.text(1)});
                       });
  if (!done) return done.error();
  return due;
}

Result<void> TlsTable::settle(const DueTlsReport& report) {
  return database_.run("INSERT OR IGNORE INTO tls_reported (day, domain) VALUES (?1, ?2)", report.day,
                       report.domain);
}

Result<void> TlsTable::forget_before(std::int64_t day) {
  if (auto done = database_.run("DELETE FROM tls_counts WHERE day < ?1", day); !done) return done;
  return database_.run("DELETE FROM tls_reported WHERE day < ?1", day);
}

}  // namespace mailstead

// What is remembered of other hosts' TLS.
#include <ctime>

#include "storage/database/tls_table.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

std::int64_t today() {
  return std::time(nullptr) / (24 * 3600);
}

TlsCount count_of(std::int64_t day, const std::string& domain, TlsVerdict verdict, std::uint64_t sessions) {
  return {day,     {TlsPolicyKind::kSts, domain, "version: STSv1\n", "*." + domain + "\n"},
          verdict, verdict == TlsVerdict::kSuccess ? "" : "mx." + domain,
          "",      "",
          sessions};
}

}  // namespace

TEST_CASE("policies of other domains outlive a restart, the newest of each", "[storage][tls]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->keep_sts_policy({"far.example", "1", "old", 100}));
  REQUIRE(store->keep_sts_policy({"wide.example", "7", "other", 150}));
  REQUIRE(store->keep_sts_policy({"far.example", "2", "new\r\nlines\r\n", 200}));
  store.reset();
  store = open_store(scratch.data());
  auto policies = store->sts_policies().value();
  REQUIRE(policies.size() == 2);
  const KeptStsPolicy& far = policies[policies[0].domain == "far.example" ? 0 : 1];
  CHECK(far.id == "2");
  CHECK(far.text == "new\r\nlines\r\n");
  CHECK(far.fetched_at == 200);
}

TEST_CASE("connections that came out alike are counted together", "[storage][tls]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::vector<TlsCount> first = {count_of(today(), "far.example", TlsVerdict::kSuccess, 2),
                                       count_of(today(), "far.example", TlsVerdict::kExpired, 1)};
  const std::vector<TlsCount> second = {count_of(today(), "far.example", TlsVerdict::kSuccess, 3),
                                        count_of(today() - 1, "far.example", TlsVerdict::kSuccess, 10),
                                        count_of(today(), "wide.example", TlsVerdict::kSuccess, 1)};
  REQUIRE(store->add_tls_counts(first));
  REQUIRE(store->add_tls_counts(second));
  store.reset();
  store = open_store(scratch.data());
  auto counts = store->tls_counts_of({today(), "far.example"}).value();
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].same_but_for_number(first[0]));
  CHECK(counts[0].sessions == 5);
  CHECK(counts[1].same_but_for_number(first[1]));
  CHECK(counts[1].sessions == 1);
  CHECK(store->tls_counts(today()).value().size() == 3);
  CHECK(store->tls_counts(today() - 1).value().size() == 4);
}

TEST_CASE("a day that is over is reported once for each domain, and forgotten after a month",
          "[storage][tls]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::vector<TlsCount> counts = {count_of(today(), "far.example", TlsVerdict::kSuccess, 1),
                                        count_of(today() - 1, "far.example", TlsVerdict::kSuccess, 1),
                                        count_of(today() - 1, "far.example", TlsVerdict::kExpired, 1),
                                        count_of(today() - 1, "wide.example", TlsVerdict::kExpired, 1),
                                        count_of(today() - 31, "far.example", TlsVerdict::kSuccess, 1)};
  REQUIRE(store->add_tls_counts(counts));
  auto due = store->due_tls_reports(today()).value();
  REQUIRE(due.size() == 2);
  CHECK(due[0].domain == "far.example");
  CHECK(due[0].day == today() - 1);
  CHECK(due[1].domain == "wide.example");
  REQUIRE(store->settle_tls_report(due[0]));
  REQUIRE(store->settle_tls_report(due[0]));
  store.reset();
  store = open_store(scratch.data());
  due = store->due_tls_reports(today()).value();
  REQUIRE(due.size() == 1);
  CHECK(due[0].domain == "wide.example");
  CHECK(store->tls_counts(0).value().size() == 4);
}

#include "server/dns_cache.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

DnsAnswer lasting(DnsStatus status, std::uint32_t ttl) {
  DnsAnswer answer;
  answer.status = status;
  answer.ttl = ttl;
  return answer;
}

}  // namespace

TEST_CASE("answers are kept as long as they hold", "[dns_cache]") {
  DnsCache cache;
  const DnsQuestion question{"a.example", DnsType::kA};
  cache.keep(question, lasting(DnsStatus::kFound, 10), 1000);
  CHECK(cache.find(question, 1000)->ttl == 10);
  CHECK(cache.find(question, 8001)->ttl == 3);
  CHECK(cache.find(question, 10999));
  CHECK_FALSE(cache.find({"a.example", DnsType::kMx}, 1000));
  CHECK_FALSE(cache.find(question, 11000));
  CHECK(cache.size() == 0);
  cache.keep(question, lasting(DnsStatus::kFound, 0), 1000);
  CHECK(cache.size() == 0);
}

TEST_CASE("no answer is kept for too long", "[dns_cache]") {
  DnsCache cache;
  const DnsQuestion question{"a.example", DnsType::kA};
  cache.keep(question, lasting(DnsStatus::kFound, 1000000), 0);
  CHECK(cache.find(question, 0)->ttl == 86400);
  cache.keep(question, lasting(DnsStatus::kNoDomain, 1000000), 0);
  CHECK(cache.find(question, 0)->ttl == 300);
  cache.keep(question, lasting(DnsStatus::kTemporary, 0), 0);
  CHECK(cache.find(question, 999));
  CHECK_FALSE(cache.find(question, 1000));
}

TEST_CASE("a full cache lets go of what would end first", "[dns_cache]") {
  DnsCache cache(2);
  cache.keep({"a", DnsType::kA}, lasting(DnsStatus::kFound, 20), 0);
  cache.keep({"b", DnsType::kA}, lasting(DnsStatus::kFound, 10), 0);
  cache.keep({"c", DnsType::kA}, lasting(DnsStatus::kFound, 5), 0);
  CHECK(cache.size() == 2);
  CHECK(cache.find({"a", DnsType::kA}, 1));
  CHECK_FALSE(cache.find({"b", DnsType::kA}, 1));
  CHECK(cache.find({"c", DnsType::kA}, 1));
  cache.clear();
  CHECK(cache.size() == 0);
}

#include "server/resolver.h"

#include <chrono>
#include <optional>
#include <string>

#include "tests/catch.h"
#include "tests/server/dns_script.h"
#include "tests/server/resolving.h"

using namespace mailstead;
using namespace mailstead::testing;

namespace {

const DnsQuestion kQuestion{"a.example", DnsType::kA};

std::vector<std::string> one_address(const DnsAsked& asked) {
  return {dns_message(asked, 0, {dns_a("a.example", "192.0.2.1")})};
}

}  // namespace

TEST_CASE("an answer is found, kept and asked for once", "[resolver]") {
  DnsScript script([](const DnsAsked& asked) {
    return std::vector{dns_message(asked, kDnsAuthentic, {dns_a("a.example", "192.0.2.1")})};
  });
  ResolverHouse house(script.port());
  int answers = 0;
  bool within = true;
  std::vector<Resolver::Ticket> tickets;
  for (const char* name : {"a.example", "A.Example."}) {
    tickets.push_back(house.resolver->ask({name, DnsType::kA}, [&](const DnsAnswer& answer) {
      CHECK_FALSE(within);
      CHECK(answer.status == DnsStatus::kFound);
      CHECK(answer.authenticated);  // by a server that the configuration names
      CHECK(answer.addresses.size() == 1);
      ++answers;
    }));
  }
  within = false;
  house.run_until([&] { return answers == 2; });
  CHECK(house.answer(kQuestion).ttl <= 60);
  CHECK(script.asked() == 1);
  // Another configuration forgets what the old one was told.
  REQUIRE(house.resolver->configure(house.configuration(script.port())));
  house.answer(kQuestion);
  CHECK(script.asked() == 2);
}

TEST_CASE("who has gone is not called", "[resolver]") {
  DnsScript script(one_address);
  ResolverHouse house(script.port());
  bool called = false;
  auto gone = house.resolver->ask(kQuestion, [&](const DnsAnswer&) { called = true; });
  gone = nullptr;
  CHECK(house.answer(kQuestion).status == DnsStatus::kFound);
  // Also by one who is answered in the same turn, and by himself.
  Resolver::Ticket first, second;
  bool done = false;
  first = house.resolver->ask(kQuestion, [&](const DnsAnswer&) {
    first = nullptr;
    second = nullptr;
    done = true;
  });
  second = house.resolver->ask(kQuestion, [&](const DnsAnswer&) { called = true; });
  house.run_until([&] { return done; });
  CHECK_FALSE(called);
}

TEST_CASE("a resolver may go with questions on their way", "[resolver]") {
  DnsScript script([](const DnsAsked&) { return std::vector<std::string>{}; });
  ResolverHouse house(script.port());
  bool called = false;
  const auto ticket = house.resolver->ask(kQuestion, [&](const DnsAnswer&) { called = true; });
  house.run_until([&] { return script.asked() > 0; });
  const auto later = house.resolver->later([&] { called = true; });
  house.resolver = nullptr;
  CHECK_FALSE(called);
}

TEST_CASE("questions on their way are asked again of new servers", "[resolver]") {
  DnsScript silent([](const DnsAsked&) { return std::vector<std::string>{}; });
  DnsScript script(one_address);
  ResolverHouse house(silent.port());
  std::optional<DnsAnswer> answer;
  const auto ticket = house.resolver->ask(kQuestion, [&](const DnsAnswer& came) { answer = came; });
  house.run_until([&] { return silent.asked() > 0; });
  REQUIRE(house.resolver->configure(house.configuration(script.port())));
  house.run_until([&] { return answer.has_value(); });
  CHECK(answer->status == DnsStatus::kFound);
}

TEST_CASE("what does not fit into a datagram is asked for by TCP", "[resolver]") {
  DnsScript script([](const DnsAsked& asked) {
    if (asked.transport == DnsTransport::kUdp) return std::vector{dns_message(asked, kDnsTruncated, {})};
    std::vector<std::string> records;
    for (int i = 0; i < 200; ++i) records.push_back(dns_a("a.example", "192.0.2." + std::to_string(i)));
    return std::vector{dns_message(asked, 0, records)};
  });
  ResolverHouse house(script.port());
  CHECK(house.answer(kQuestion).addresses.size() == 200);
}

TEST_CASE("a server that fails is trouble for now, and a name that is not there is not", "[resolver]") {
  for (const unsigned code : {2U, 5U}) {
    DnsScript script([code](const DnsAsked& asked) { return std::vector{dns_message(asked, code, {})}; });
    ResolverHouse house(script.port());
    CHECK(house.answer(kQuestion).status == DnsStatus::kTemporary);
  }
  DnsScript script([](const DnsAsked& asked) {
    return std::vector{dns_message(asked, 3, {}, {dns_soa("example", 60, 60)})};
  });
  ResolverHouse house(script.port());
  CHECK(house.answer(kQuestion).status == DnsStatus::kNoDomain);
  CHECK(house.answer(kQuestion).status == DnsStatus::kNoDomain);
  CHECK(script.asked() == 1);
  CHECK(house.answer({std::string(64, 'a') + ".example", DnsType::kA}).status == DnsStatus::kNoDomain);
  CHECK(script.asked() == 1);
}

TEST_CASE("silence ends", "[resolver]") {
  DnsScript script([](const DnsAsked&) { return std::vector<std::string>{}; });
  ResolverHouse house(script.port());
  CHECK(house.answer(kQuestion).status == DnsStatus::kTemporary);
}

TEST_CASE("the next server is asked when one is silent or fails", "[resolver]") {
  DnsScript silent([](const DnsAsked&) { return std::vector<std::string>{}; });
  DnsScript failing([](const DnsAsked& asked) { return std::vector{dns_message(asked, 2, {})}; });
  DnsScript script(one_address);
  for (const DnsScript* first : {&silent, &failing}) {
    ResolverHouse house(first->port());
    Config::Resolver both = house.configuration(first->port());
    both.servers.push_back({"127.0.0.1", script.port()});
    REQUIRE(house.resolver->configure(both));
    CHECK(house.answer(kQuestion).status == DnsStatus::kFound);
  }
}

TEST_CASE("answers with a wrong id or to another question are not believed", "[resolver]") {
  DnsScript script([](const DnsAsked& asked) {
    DnsAsked other = asked;
    other.id[0] = static_cast<char>(other.id[0] ^ 1);
    DnsAsked elsewhere = asked;
    elsewhere.question = dns_name("b.example") + std::string("\0\1\0\1", 4);
    return std::vector{dns_message(other, 0, {dns_a("a.example", "192.0.2.66")}),
                       dns_message(elsewhere, 0, {dns_a("b.example", "192.0.2.66")}),
                       dns_message(asked, 0, {dns_a("a.example", "192.0.2.1")})};
  });
  ResolverHouse house(script.port());
  const DnsAnswer answer = house.answer(kQuestion);
  CHECK(answer.addresses == std::vector{*parse_ip("192.0.2.1")});
}

TEST_CASE("garbage and loops are trouble for now", "[resolver]") {
  DnsScript script([](const DnsAsked& asked) {
    if (asked.name == "loop.example") {
      return std::vector{dns_message(asked, 0, {dns_cname("loop.example", "loop.example")})};
    }
    if (asked.name == "short.example") return std::vector{dns_message(asked, 0, {"\xC0\x0C"})};
    const std::string self = "\xC0" + std::string(1, static_cast<char>(12 + asked.question.size()));
    return std::vector{dns_message(asked, 0, {self + std::string("\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 14)})};
  });
  ResolverHouse house(script.port());
  for (const char* name : {"loop.example", "short.example", "pointer.example"}) {
    INFO(name);
    CHECK(house.answer({name, DnsType::kA}).status == DnsStatus::kTemporary);
  }
}

TEST_CASE("a server that does not know EDNS is asked without", "[resolver]") {
  DnsScript script([](const DnsAsked& asked) {
    return asked.edns ? std::vector{dns_message(asked, 1, {})} : one_address(asked);
  });
  ResolverHouse house(script.port());
  CHECK(house.answer(kQuestion).status == DnsStatus::kFound);
  CHECK(house.answer({"A.example", DnsType::kAaaa}).status == DnsStatus::kNoRecords);
}

TEST_CASE("without servers there is no answer for now", "[resolver]") {
  ResolverHouse house(std::nullopt);
  CHECK(house.answer(kQuestion).status == DnsStatus::kTemporary);
}

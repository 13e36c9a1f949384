#include "protocols/dns_message.h"

#include <string>

#include "tests/catch.h"
#include "tests/server/dns_script.h"

using namespace mailstead;
using namespace mailstead::testing;
using namespace std::string_literals;

namespace {

DnsAsked asked_for(const std::string& name, DnsType type) {
  DnsAsked asked;
  asked.id = "ab";
  asked.name = name;
  const auto number = static_cast<char>(type);
  asked.question = dns_name(name) + "\0"s + number + "\0\1"s;
  return asked;
}

std::string message_for(const std::string& name, DnsType type, unsigned flags,
                        const std::vector<std::string>& records,
                        const std::vector<std::string>& authorities = {}) {
  return dns_message(asked_for(name, type), flags, records, authorities);
}

DnsAnswer answer_to(const std::string& name, DnsType type, const std::vector<std::string>& records,
                    unsigned flags = 0, const std::vector<std::string>& authorities = {}) {
  const DnsReading reading =
      read_dns_answer(message_for(name, type, flags, records, authorities), {name, type});
  CHECK(reading.fault == DnsFault::kNone);
  return reading.answer;
}

DnsFault fault_of(std::string_view message, const std::string& name, DnsType type) {
  const DnsReading reading = read_dns_answer(message, {name, type});
  CHECK(reading.answer.status == DnsStatus::kTemporary);
  CHECK_FALSE(reading.answer.authenticated);
  return reading.fault;
}

}  // namespace

TEST_CASE("a query asks for recursion and for authenticity", "[dns]") {
  CHECK(*dns_query({"a.example", DnsType::kMx}, 0x6162, Edns::kNo) ==
        "ab\x01\x20\0\1\0\0\0\0\0\0\1a\7example\0\0\x0F\0\1"s);
  CHECK(*dns_query({"a.example.", DnsType::kTlsa}, 0x6162, Edns::kYes) ==
        "ab\x01\x20\0\1\0\0\0\0\0\1\1a\7example\0\0\x34\0\1\0\0\x29\x04\xD0\0\0\0\0\0\0"s);
  for (const std::string& wrong : {""s, "."s, "a..b"s, ".a"s, "a.."s, std::string(64, 'a'), [] {
                                     std::string name = "a";
                                     while (name.size() < 254) name += ".a";
                                     return name;
                                   }()}) {
    CHECK_FALSE(dns_query({wrong, DnsType::kA}, 1, Edns::kNo));
  }
}

TEST_CASE("each kind of record is read", "[dns]") {
  CHECK(answer_to("a.example", DnsType::kA,
                  {dns_a("a.example", "192.0.2.1"), dns_a("A.Example", "192.0.2.2", 7)})
            .addresses == std::vector{*parse_ip("192.0.2.1"), *parse_ip("192.0.2.2")});
  CHECK(answer_to("a.example", DnsType::kAaaa, {dns_a("a.example", "2001:db8::1")}).addresses ==
        std::vector{*parse_ip("2001:db8::1")});
  CHECK(answer_to("a.example", DnsType::kMx,
                  {dns_mx("a.example", 10, "MX.example"), dns_mx("a.example", 5, ".")})
            .exchanges == std::vector<MxRecord>{{10, "mx.example"}, {5, "."}});
  CHECK(answer_to("a.example", DnsType::kTxt, {dns_record("a.example", 16, "\3v=s\0\2pf"s)}).texts ==
        std::vector{"v=spf"s});
  CHECK(answer_to("_25._tcp.a.example", DnsType::kTlsa, {dns_record("_25._tcp.a.example", 52, "\3\1\1hash")})
            .tlsa == std::vector<TlsaRecord>{{3, 1, 1, "hash"}});
  CHECK(answer_to("1.2.0.192.in-addr.arpa", DnsType::kPtr,
                  {dns_record("1.2.0.192.in-addr.arpa", 12, dns_name("a.example"))})
            .names == std::vector{"a.example"s});
}

TEST_CASE("an answer holds for the least of its times, and names the end of its aliases", "[dns]") {
  const DnsAnswer answer =
      answer_to("a.example", DnsType::kA,
                {dns_cname("a.example", "b.example", 30), dns_a("c.example", "192.0.2.1", 40),
                 dns_cname("b.example", "c.example", 50), dns_a("d.example", "192.0.2.2", 1)},
                kDnsAuthentic);
  CHECK(answer.status == DnsStatus::kFound);
  CHECK(answer.name == "c.example");
  CHECK(answer.ttl == 30);
  CHECK(answer.authenticated);
  CHECK(answer.addresses == std::vector{*parse_ip("192.0.2.1")});
  CHECK(answer_to("a.example", DnsType::kA, {dns_a("a.example", "192.0.2.1", 0x80000001U)}).ttl == 0);
}

TEST_CASE("an absence holds for what the zone says of it", "[dns]") {
  const DnsAnswer none = answer_to("a.example", DnsType::kMx, {}, 0, {dns_soa("example", 100, 60)});
  CHECK(none.status == DnsStatus::kNoRecords);
  CHECK(none.ttl == 60);
  const DnsAnswer nobody = answer_to("a.example", DnsType::kMx, {dns_cname("a.example", "b.example", 20)}, 3,
                                     {dns_soa("example", 40, 60)});
  CHECK(nobody.status == DnsStatus::kNoDomain);
  CHECK(nobody.name == "b.example");
  CHECK(nobody.ttl == 20);
  CHECK(answer_to("a.example", DnsType::kMx, {}, 3).ttl == 0);
}

TEST_CASE("what is no answer is trouble for now", "[dns]") {
  const std::string good = message_for("a.example", DnsType::kA, 0, {dns_a("a.example", "192.0.2.1")});
  for (const unsigned code : {2U, 5U, 9U}) {
    CHECK(fault_of(message_for("a.example", DnsType::kA, code, {}), "a.example", DnsType::kA) ==
          DnsFault::kNone);
  }
  CHECK(fault_of(message_for("a.example", DnsType::kA, kDnsTruncated, {}), "a.example", DnsType::kA) ==
        DnsFault::kNone);
  CHECK(fault_of(message_for("a.example", DnsType::kA, 1, {}), "a.example", DnsType::kA) ==
        DnsFault::kFormat);
  CHECK(fault_of(good, "b.example", DnsType::kA) == DnsFault::kMalformed);
  CHECK(fault_of(good, "a.example", DnsType::kAaaa) == DnsFault::kMalformed);
  for (std::size_t length = 0; length < good.size(); ++length) {
    INFO(length);
    CHECK(fault_of(std::string_view(good).substr(0, length), "a.example", DnsType::kA) ==
          DnsFault::kMalformed);
  }
  const auto bad = [](DnsType type, const std::string& record) {
    return fault_of(message_for("a.example", type, 0, {record}), "a.example", type) == DnsFault::kMalformed;
  };
  CHECK(bad(DnsType::kA, dns_record("a.example", 1, "123")));
  CHECK(bad(DnsType::kAaaa, dns_record("a.example", 28, "1234")));
  CHECK(bad(DnsType::kMx, dns_record("a.example", 15, "\0\1"s)));
  CHECK(bad(DnsType::kMx, dns_record("a.example", 15, "\0\1\1a\0x"s)));
  CHECK(bad(DnsType::kTxt, dns_record("a.example", 16, "\4abc")));
  CHECK(bad(DnsType::kTlsa, dns_record("a.example", 52, "\3\1")));
  CHECK(bad(DnsType::kA, dns_record("a.example", 5, "\1b\0x"s)));
}

TEST_CASE("names that loop end", "[dns]") {
  CHECK(fault_of(message_for("a.example", DnsType::kA, 0,
                             {dns_cname("a.example", "b.example"), dns_cname("b.example", "a.example")}),
                 "a.example", DnsType::kA) == DnsFault::kMalformed);
  const std::size_t at = message_for("a.example", DnsType::kMx, 0, {}).size();
  // To itself, ahead, and by turns: the owner of a record begins at `at`.
  for (const std::string& owner : {"\xC0"s + static_cast<char>(at), "\xC0\xFF"s,
                                   "\1a\xC0"s + static_cast<char>(at), "\x40"s, "\x80"s, "\xC0"s}) {
    const std::string rest = "\0\x0F\0\1\0\0\0\0\0\3\0\1\0"s;
    CHECK(fault_of(message_for("a.example", DnsType::kMx, 0, {owner + rest}), "a.example", DnsType::kMx) ==
          DnsFault::kMalformed);
  }
  // Backwards is what compression is: to the question's name.
  CHECK(answer_to("a.example", DnsType::kMx, {"\xC0\x0C\0\x0F\0\1\0\0\0\0\0\x05\0\1\1m\0"s}).exchanges ==
        std::vector<MxRecord>{{1, "m"}});
}

TEST_CASE("a name that is none of a host can be told from one that is", "[dns]") {
  CHECK(answer_to("a.example", DnsType::kMx, {dns_record("a.example", 15, "\0\1\3a.b\1\xC3\1\\\0"s)})
            .exchanges == std::vector<MxRecord>{{1, "a\\046b.\\195.\\092"}});
}

TEST_CASE("an address's reverse name", "[dns]") {
  CHECK(reverse_name(*parse_ip("192.0.2.1")) == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name(*parse_ip("2001:db8::1")) ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

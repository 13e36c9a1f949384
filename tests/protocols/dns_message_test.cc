#include "protocols/dns_message.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

// What stands behind the header of an answer, from its parts.
std::string labels(const std::string& name) {
  std::string out;
  std::size_t at = 0;
  while (at < name.size()) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    out += static_cast<char>(dot - at);
    out += name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}

std::string record(const std::string& owner, dns::Type type, unsigned ttl, const std::string& data) {
  return owner + two(static_cast<unsigned>(type)) + two(1) + two(0) + two(ttl) +
         two(static_cast<unsigned>(data.size())) + data;
}

std::string answer(dns::Type type, const std::vector<std::string>& records, unsigned flags = 0x8180,
                   const std::string& name = "far.example", const std::vector<std::string>& authority = {}) {
  std::string message = two(7) + two(flags) + two(1) + two(static_cast<unsigned>(records.size())) +
                        two(static_cast<unsigned>(authority.size())) + two(0) + labels(name) +
                        two(static_cast<unsigned>(type)) + two(1);
  for (const std::string& each : records) message += each;
  for (const std::string& each : authority) message += each;
  return message;
}

const std::string kOwner = "\xC0\x0C";  // the question's name

dns::Answer read(dns::Type type, const std::vector<std::string>& records, unsigned flags = 0x8180) {
  return dns::read_answer(answer(type, records, flags), "far.example", type);
}

}  // namespace

TEST_CASE("a question is a name and a type", "[dns]") {
  const auto question = dns::question("far.example", dns::Type::kMx);
  REQUIRE(question.has_value());
  CHECK(*question ==
        two(0) + two(0x0120) + two(1) + two(0) + two(0) + two(0) + labels("far.example") + two(15) + two(1));
  for (const std::string& wrong : {std::string("a..b"), std::string(".a"), std::string(64, 'x') + ".example"})
    CHECK_FALSE(dns::question(wrong, dns::Type::kA).has_value());
  std::string long_name = "x";
  while (long_name.size() < 300) long_name += ".xxxxxxxx";
  CHECK_FALSE(dns::question(long_name, dns::Type::kA).has_value());
}

TEST_CASE("a name that can be asked about has an answer", "[dns]") {
  const std::string label(63, 'x');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'x');
  for (const std::string& name :
       {std::string("far.example"), std::string("com"), std::string("a b.far.example"),
        std::string("%a:b/c!.far.example"), std::string("A.Far.example"), longest}) {
    CAPTURE(name);
    CHECK(dns::is_name(name));
    CHECK(dns::question(name, dns::Type::kA).has_value());
    const std::string message =
        answer(dns::Type::kA, {record(kOwner, dns::Type::kA, 60, "\xC0\x02\x02\x01")}, 0x8180, name);
    CHECK(dns::read_answer(message, name, dns::Type::kA).verdict == dns::Verdict::kFound);
  }
  for (const std::string& wrong : {std::string(), std::string("."), std::string("a."), std::string("a..b"),
                                   std::string(".a"), "x" + label, longest + "x", std::string("a\nb"),
                                   std::string("a\0b", 3), std::string("\xc3\xb6.example")}) {
    CAPTURE(wrong);
    CHECK_FALSE(dns::is_name(wrong));
  }
  // Another one than was asked about.
  CHECK(dns::read_answer(answer(dns::Type::kA, {}, 0x8180, "a b.example"), "a.b.example", dns::Type::kA)
            .verdict == dns::Verdict::kFailed);
}

TEST_CASE("records of each type are read, with the least of their times", "[dns]") {
  const auto mx =
      read(dns::Type::kMx, {record(kOwner, dns::Type::kMx, 300, two(10) + labels("MX.far.example")),
                            record(kOwner, dns::Type::kMx, 200, two(20) + "\x03mx2" + kOwner)});
  REQUIRE(mx.verdict == dns::Verdict::kFound);
  REQUIRE(mx.records.size() == 2);
  CHECK(mx.records[0].preference == 10);
  CHECK(mx.records[0].text == "mx.far.example");
  CHECK(mx.records[1].text == "mx2.far.example");
  CHECK(mx.ttl == 200);
  CHECK_FALSE(mx.authenticated);
  CHECK(read(dns::Type::kMx, {record(kOwner, dns::Type::kMx, 1, two(0) + std::string(1, '\0'))}, 0x81A0)
            .authenticated);
  const auto a = read(dns::Type::kA, {record(kOwner, dns::Type::kA, 60, "\xC0\x02\x02\x01")});
  REQUIRE(a.records.size() == 1);
  CHECK(a.records[0].address.text() == "192.2.2.1");
  const auto aaaa =
      read(dns::Type::kAaaa,
           {record(kOwner, dns::Type::kAaaa, 60, "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x01")});
  REQUIRE(aaaa.records.size() == 1);
  CHECK(aaaa.records[0].address.text() == "2001:db8::1");
  const auto txt = read(dns::Type::kTxt, {record(kOwner, dns::Type::kTxt, 60, "\x03v=s\x02pf")});
  CHECK(txt.records.at(0).text == "v=spf");
  const auto tlsa = read(dns::Type::kTlsa, {record(kOwner, dns::Type::kTlsa, 60, "\x03\x01\x01\xAB\xCD"),
                                            record(kOwner, dns::Type::kTlsa, 60, "\x03\x01\x01")});
  REQUIRE(tlsa.records.size() == 1);
  CHECK(tlsa.records[0].text == "\x03\x01\x01\xAB\xCD");
  CHECK(tlsa.name == "far.example");
}

TEST_CASE("aliases are followed, and what belongs to another name is nothing", "[dns]") {
  const auto found =
      read(dns::Type::kA, {record(kOwner, dns::Type::kCname, 50, labels("a.example")),
                           record(labels("b.example"), dns::Type::kA, 60, "\x01\x01\x01\x01"),
                           record(labels("a.example"), dns::Type::kA, 60, "\x02\x02\x02\x02")});
  CHECK(found.name == "a.example");
  REQUIRE(found.records.size() == 1);
  CHECK(found.records[0].address.text() == "2.2.2.2");
  CHECK(found.ttl == 50);
  const auto loop =
      read(dns::Type::kA, {record(kOwner, dns::Type::kCname, 50, labels("a.example")),
                           record(labels("a.example"), dns::Type::kCname, 50, labels("far.example"))});
  CHECK(loop.verdict == dns::Verdict::kFailed);
}

TEST_CASE("nothing is of two kinds, and everything else is a failure", "[dns]") {
  CHECK(read(dns::Type::kA, {}).verdict == dns::Verdict::kNoRecords);
  CHECK(read(dns::Type::kA, {}, 0x8183).verdict == dns::Verdict::kNoName);
  for (const unsigned flags : {0x8182u, 0x8185u, 0x0180u})
    CHECK(read(dns::Type::kA, {}, flags).verdict == dns::Verdict::kFailed);
  CHECK(dns::read_answer(answer(dns::Type::kA, {}), "other.example", dns::Type::kA).verdict ==
        dns::Verdict::kFailed);
  CHECK(dns::read_answer(answer(dns::Type::kMx, {}), "far.example", dns::Type::kA).verdict ==
        dns::Verdict::kFailed);
  const std::string soa =
      labels("ns.example") + labels("x.example") + std::string(16, '\0') + two(0) + two(120);
  const auto none = dns::read_answer(answer(dns::Type::kA, {}, 0x8183, "far.example",
                                            {record(labels("example"), dns::Type::kSoa, 900, soa)}),
                                     "far.example", dns::Type::kA);
  CHECK(none.verdict == dns::Verdict::kNoName);
  CHECK(none.ttl == 120);
}

TEST_CASE("a damaged answer is never more than a failure", "[dns]") {
  const std::string whole =
      answer(dns::Type::kMx, {record(kOwner, dns::Type::kMx, 300, two(10) + labels("mx.far.example"))});
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(dns::read_answer(whole.substr(0, size), "far.example", dns::Type::kMx).records.empty());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'\0', '\x3F', '\xC0', '\xFF'}) {
      std::string other = whole;
      other[i] = c;
      static_cast<void>(dns::read_answer(other, "far.example", dns::Type::kMx));
    }
  }
  // Pointers that lead to themselves, forwards, or to each other.
  for (const std::string& data :
       {std::string("\xC0\x2B"), std::string("\xC0\x40"), std::string("\x01x\xC0\x2B")}) {
    const auto read_one = read(dns::Type::kMx, {record(kOwner, dns::Type::kMx, 300, two(10) + data)});
    CHECK(read_one.verdict == dns::Verdict::kFailed);
  }
}

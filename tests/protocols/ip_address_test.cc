#include "protocols/ip_address.h"

#include "tests/catch.h"

using namespace mailstead;

namespace {

IpAddress ip(std::string_view text) {
  const auto parsed = parse_ip(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

bool in(std::string_view network, std::string_view address) {
  const auto parsed = parse_ip_network(network);
  INFO(network);
  REQUIRE(parsed);
  return parsed->contains(ip(address));
}

}  // namespace

TEST_CASE("an address is one value however it is written", "[ip]") {
  CHECK(ip("192.0.2.1").text() == "192.0.2.1");
  CHECK(ip("::ffff:192.0.2.1") == ip("192.0.2.1"));
  CHECK(ip("::FFFF:c000:0201").text() == "192.0.2.1");
  CHECK(ip("2001:DB8:0:0:0:0:0:1").text() == "2001:db8::1");
  CHECK(ip("::").text() == "::");
  CHECK(ip("192.0.2.1").is_ipv4());
  CHECK_FALSE(ip("2001:db8::1").is_ipv4());
  CHECK(ipv4_address({"\xC0\0\2\1", 4}) == ip("192.0.2.1"));
  CHECK(ipv6_address({"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16}) == ip("2001:db8::1"));
}

TEST_CASE("what is no address is none", "[ip]") {
  for (const std::string_view wrong :
       {"",          " ",          "1",        "1.2.3",    "1.2.3.4.5",     "1.2.3.256",         "01.2.3.4",
        "1.2.3.04",  "1.2.3.4 ",   " 1.2.3.4", "1.2.3.-4", "+1.2.3.4",      "0x1.2.3.4",         "1..2.3",
        "localhost", ":",          ":::",      "1::2::3",  "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::",
        "g::",       "fe80::1%lo", "[::1]",    "::1.2.3",  "::1.2.3.256",   "1.2.3.4/8"}) {
    INFO(wrong);
    CHECK_FALSE(parse_ip(wrong));
  }
  CHECK_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
  CHECK_FALSE(parse_ip(std::string_view("::1\0.", 5)));
  CHECK_FALSE(parse_ip(std::string(1000, '1')));
  CHECK_FALSE(parse_ipv4("::1"));
  CHECK_FALSE(parse_ipv6("1.2.3.4"));
}

TEST_CASE("a network holds the addresses that share its bits", "[ip]") {
  CHECK(in("10.0.0.0/8", "10.255.255.255"));
  CHECK_FALSE(in("10.0.0.0/8", "11.0.0.0"));
  CHECK(in("192.0.2.128/25", "192.0.2.255"));
  CHECK_FALSE(in("192.0.2.128/25", "192.0.2.127"));
  CHECK(in("192.0.2.1", "192.0.2.1"));
  CHECK(in("192.0.2.1/32", "::ffff:192.0.2.1"));
  CHECK_FALSE(in("192.0.2.1", "192.0.2.0"));
  CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(in("::1", "::1"));
  CHECK_FALSE(in("::1", "::2"));
}

TEST_CASE("all of IPv4 and all of IPv6 are two networks", "[ip]") {
  CHECK(in("0.0.0.0/0", "255.255.255.255"));
  CHECK_FALSE(in("0.0.0.0/0", "2001:db8::1"));
  CHECK(in("::/0", "2001:db8::1"));
  CHECK_FALSE(in("::/0", "192.0.2.1"));
  CHECK(in("::ffff:0:0/96", "192.0.2.1"));
}

TEST_CASE("a network's text reads back the same", "[ip]") {
  for (const std::string text : {"10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.0.2.1", "::1"}) {
    CHECK(parse_ip_network(text)->text() == text);
  }
  CHECK(parse_ip_network("192.0.2.1/32")->text() == "192.0.2.1");
  CHECK(parse_ip_network("::1/128")->text() == "::1");
  CHECK(parse_ip_network("::ffff:10.0.0.0/104")->text() == "10.0.0.0/8");
  CHECK(parse_ip_network("10.1.2.3/8")->masked().text() == "10.0.0.0/8");
  CHECK(parse_ip_network("10.1.2.3/31")->masked().text() == "10.1.2.2/31");
  CHECK(parse_ip_network("2001:db8::ffff/33")->masked().text() == "2001:db8::/33");
  CHECK(parse_ip_network("10.1.2.3")->masked().text() == "10.1.2.3");
}

TEST_CASE("what is no network is none", "[ip]") {
  for (const std::string_view wrong :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
        "10.0.0.0/8/8", "::/129", "10/8", "10.0.0.0/255.0.0.0", "::1%lo/64", "proxy.example.org",
        "10.0.0.0/18446744073709551624"}) {
    INFO(wrong);
    CHECK_FALSE(parse_ip_network(wrong));
  }
}

#include "protocols/proxy_header.h"

#include <string>

#include "protocols/ascii.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

const std::string kBehind = "EHLO client.example\r\nQUIT\r\n";

std::string source_of(const ProxyHeader& header) {
  return header.source ? header.source->text() : "none";
}

// ---- an encoder of version 2, made after the text of the specification

std::string big_endian(std::uint32_t value, int octets) {
  std::string out;
  for (int i = octets - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string version_2(int version_and_command, int family_and_protocol, const std::string& rest) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + static_cast<char>(version_and_command) +
         static_cast<char>(family_and_protocol) + big_endian(static_cast<std::uint32_t>(rest.size()), 2) +
         rest;
}

const std::string kInetAddresses{"\xC0\0\2\7\xC6\x33\x64\1\xDC\4\0\x19", 12};
const std::string kInet6Addresses = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16) +
                                    std::string(16, '\x20') + std::string("\xDC\4\0\x19", 4);
const std::string kUnixAddresses = std::string("/run/client") + std::string(97, '\0') + std::string(108, 'x');

std::string tlv(int type, const std::string& value) {
  return static_cast<char>(type) + big_endian(static_cast<std::uint32_t>(value.size()), 2) + value;
}

// Bit by bit, unlike the table that is tested.
std::uint32_t checksum(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
  }
  return ~crc;
}

std::string with_checksum(const std::string& before, const std::string& behind, std::uint32_t error = 0) {
  const auto made = [&](std::uint32_t sum) {
    return version_2(0x21, 0x11, kInetAddresses + before + tlv(3, big_endian(sum, 4)) + behind);
  };
  return made(checksum(made(0)) ^ error);
}

// Whole in one packet, and also when it comes octet by octet.
void accept(const std::string& header, const std::string& source) {
  INFO(header.substr(0, 120));
  for (std::size_t length = 0; length < header.size(); ++length) {
    const ProxyHeader part = read_proxy_header(std::string_view(header).substr(0, length));
    INFO(length << " octets: " << part.fault);
    REQUIRE(part.state == ProxyHeaderState::kPartial);
  }
  for (const std::string& behind : {std::string(), kBehind, std::string(70000, 'x')}) {
    const ProxyHeader read = read_proxy_header(header + behind);
    INFO(read.fault);
    REQUIRE(read.state == ProxyHeaderState::kWhole);
    CHECK(read.octets == header.size());
    CHECK(source_of(read) == source);
  }
}

// Refused, at the latest when all of it is there, and for ever from then on.
void refuse(const std::string& header) {
  INFO(header.substr(0, 120));
  bool refused = false;
  for (std::size_t length = 0; length <= header.size(); ++length) {
    const ProxyHeader read = read_proxy_header(std::string_view(header).substr(0, length));
    REQUIRE(read.state != ProxyHeaderState::kWhole);
    if (refused) REQUIRE(read.state == ProxyHeaderState::kBad);
    refused = read.state == ProxyHeaderState::kBad;
    CHECK(read.fault.empty() != refused);
  }
  CHECK(refused);
  CHECK(read_proxy_header(header + kBehind).state == ProxyHeaderState::kBad);
}

// The first octet with which it cannot be a header any more.
std::size_t refused_at(const std::string& header) {
  for (std::size_t length = 0; length <= header.size(); ++length) {
    if (read_proxy_header(std::string_view(header).substr(0, length)).state == ProxyHeaderState::kBad)
      return length;
  }
  return 0;
}

}  // namespace

TEST_CASE("a PROXY line names the client", "[proxy]") {
  accept("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", "192.0.2.7");
  accept("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0");
  accept("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255");
  accept("PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n", "2001:db8::7");
  accept("PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 1 1\r\n", "2001:db8::7");
  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  accept("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n", longest);
}

TEST_CASE("an IPv4 address in the form of IPv6 is that IPv4 address", "[proxy]") {
  accept("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 25\r\n", "192.0.2.7");
  accept(version_2(0x21, 0x21,
                   std::string("\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\0\2\7", 16) + std::string(20, '\0')),
         "192.0.2.7");
}

TEST_CASE("an UNKNOWN line names nobody, whatever stands in it", "[proxy]") {
  accept("PROXY UNKNOWN\r\n", "none");
  accept("PROXY UNKNOWN \r\n", "none");
  accept("PROXY UNKNOWN 192.0.2.7 198.51.100.1 1 25\r\n", "none");
  accept("PROXY UNKNOWN a\nb\rc  d\r\n", "none");
  accept("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "none");
  refuse("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n");
  refuse("PROXY UNKNOWNS\r\n");
  refuse("PROXY unknown\r\n");
}

TEST_CASE("a PROXY line is exactly as it is written down", "[proxy]") {
  for (const char* line :
       {"PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 192.0.2.7\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 25 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 25 9\r\n", "PROXY  TCP4 192.0.2.7 198.51.100.1 1 25\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 1 25\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1  25\r\n",
        "PROXY TCP4\t192.0.2.7 198.51.100.1 1 25\r\n", "PROXY TCP5 192.0.2.7 198.51.100.1 1 25\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 1 25\r\n", "PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n",
        "proxy TCP4 192.0.2.7 198.51.100.1 1 25\r\n"}) {
    refuse(line);
  }
}

TEST_CASE("addresses of a PROXY line are canonical and of its family", "[proxy]") {
  for (const char* pair :
       {"TCP4 192.0.2.07 198.51.100.1", "TCP4 192.0.2.256 198.51.100.1", "TCP4 192.0.2 198.51.100.1",
        "TCP4 192.0.2.7.1 198.51.100.1", "TCP4 0xC0.0.2.7 198.51.100.1", "TCP4 192.0.2.7 198.51.100",
        "TCP4 192.0.2.7 2001:db8::1", "TCP4 2001:db8::7 198.51.100.1", "TCP4 2001:db8::7 2001:db8::1",
        "TCP4 ::ffff:192.0.2.7 198.51.100.1", "TCP4 client 198.51.100.1", "TCP6 192.0.2.7 198.51.100.1",
        "TCP6 2001:db8::7 198.51.100.1", "TCP6 2001::db8::7 ::1", "TCP6 2001:db8:7 ::1", "TCP6 12345::7 ::1",
        "TCP6 [2001:db8::7] ::1", "TCP6 fe80::7%eth0 ::1", "TCP6 g::1 ::1"}) {
    refuse("PROXY " + std::string(pair) + " 1 25\r\n");
  }
  refuse("PROXY TCP4 192.0.2.7" + std::string(1, '\0') + " 198.51.100.1 1 25\r\n");
}

TEST_CASE("ports of a PROXY line are decimal, without leading zeros, up to 65535", "[proxy]") {
  for (const char* ports : {"01 25", "1 025", "00 25", "65536 25", "1 65536", "-1 25", "+1 25", "a 25",
                            "0x1 25", "1 25a", "99999999999999999999 25"}) {
    refuse("PROXY TCP4 192.0.2.7 198.51.100.1 " + std::string(ports) + "\r\n");
  }
}

TEST_CASE("only CRLF ends a PROXY line, within 107 octets", "[proxy]") {
  const std::string line = "PROXY TCP4 192.0.2.7 198.51.100.1 1 25";
  refuse(line + "\n");
  refuse(line + "\r\r\n");
  refuse(line + "\n\r\n");
  refuse(line + "\rx\r\n");
  CHECK(refused_at(line + "\n") == line.size() + 1);
  CHECK(read_proxy_header(line + "\r").state == ProxyHeaderState::kPartial);
  CHECK(refused_at("PROXY TCP4 " + std::string(1000, '1')) == 107);
  CHECK(refused_at("PROXY UNKNOWN " + std::string(1000, '1')) == 107);
}

TEST_CASE("what begins in another way is refused with the first octet that is wrong", "[proxy]") {
  CHECK(read_proxy_header("").state == ProxyHeaderState::kPartial);
  CHECK(refused_at("EHLO client.example\r\n") == 1);
  CHECK(refused_at("\x16\x03\x01") == 1);
  CHECK(refused_at("PROXYTCP4") == 6);
  CHECK(refused_at("PASS x") == 2);
  CHECK(refused_at("\r\n\r\nQUIT\r\n") == 5);
  CHECK(refused_at(std::string("\r\n\r\n\0\r\nQUIT\r", 12)) == 12);
  CHECK(refused_at(version_2(0x11, 0x11, kInetAddresses)) == 13);
  CHECK(refused_at(version_2(0x22, 0x11, kInetAddresses)) == 13);
  CHECK(refused_at(version_2(0x21, 0x41, kInetAddresses)) == 14);
}

TEST_CASE("the binary header names the client", "[proxy]") {
  accept(version_2(0x21, 0x11, kInetAddresses), "192.0.2.7");
  accept(version_2(0x21, 0x21, kInet6Addresses), "2001:db8::7");
  // Nobody's address: a client of the proxy's own machine.
  accept(version_2(0x21, 0x31, kUnixAddresses), "none");
}

TEST_CASE("a LOCAL header is taken whatever else it says", "[proxy]") {
  for (const int family : {0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x44, 0xFF}) {
    accept(version_2(0x20, family, ""), "none");
    accept(version_2(0x20, family, kInetAddresses), "none");
    accept(version_2(0x20, family, "xyz"), "none");
  }
}

TEST_CASE("an unspecified family or protocol names nobody", "[proxy]") {
  for (const int family : {0x00, 0x01, 0x10, 0x20, 0x30}) {
    accept(version_2(0x21, family, ""), "none");
    accept(version_2(0x21, family, "abcd"), "none");
  }
}

TEST_CASE("datagrams, unknown families, versions and commands are refused", "[proxy]") {
  for (const int family : {0x02, 0x12, 0x22, 0x32, 0x13, 0x1F, 0x41, 0xF1, 0x40})
    refuse(version_2(0x21, family, kUnixAddresses));
  for (const int version : {0x01, 0x11, 0x31, 0xF1, 0x22, 0x2F, 0x00})
    refuse(version_2(version, 0x11, kInetAddresses));
}

TEST_CASE("a length without room for the addresses is refused", "[proxy]") {
  for (std::size_t length = 0; length < kInetAddresses.size(); ++length)
    refuse(version_2(0x21, 0x11, kInetAddresses.substr(0, length)));
  for (std::size_t length = 0; length < kInet6Addresses.size(); ++length)
    refuse(version_2(0x21, 0x21, kInet6Addresses.substr(0, length)));
  refuse(version_2(0x21, 0x31, kUnixAddresses.substr(1)));
}

TEST_CASE("further fields of a binary header are skipped", "[proxy]") {
  const std::string fields =
      tlv(1, "smtp") + tlv(2, "mail.example.org") + tlv(4, "") + tlv(5, std::string(128, 'u')) +
      tlv(0x20, std::string(5, '\0') + tlv(0x21, "TLSv1.3")) + tlv(0xEA, kBehind) + tlv(0xFF, "");
  accept(version_2(0x21, 0x11, kInetAddresses + fields), "192.0.2.7");
  accept(version_2(0x21, 0x21, kInet6Addresses + fields), "2001:db8::7");
  accept(version_2(0x21, 0x31, kUnixAddresses + fields), "none");
}

TEST_CASE("a further field that is cut off is refused", "[proxy]") {
  for (const std::string& field :
       {std::string("\1", 1), std::string("\1\0", 2), std::string("\1\0\1", 3), std::string("\1\0\3ab", 5),
        std::string("\1\xFF\xFF"
                    "a",
                    4)}) {
    refuse(version_2(0x21, 0x11, kInetAddresses + field));
    refuse(version_2(0x21, 0x11, kInetAddresses + tlv(4, "x") + field));
  }
}

TEST_CASE("a checksum in a binary header is verified", "[proxy]") {
  // RFC 3720 B.4: the check value of this encoder.
  REQUIRE(checksum(std::string(32, '\0')) == 0x8A9136AA);
  accept(with_checksum("", ""), "192.0.2.7");
  accept(with_checksum(tlv(1, "smtp"), tlv(2, "a")), "192.0.2.7");
  for (int bit = 0; bit < 32; ++bit) refuse(with_checksum("", "", 1u << bit));
  refuse(version_2(0x21, 0x11, kInetAddresses + tlv(3, "")));
  refuse(version_2(0x21, 0x11, kInetAddresses + tlv(3, "abc")));
  refuse(version_2(0x21, 0x11, kInetAddresses + tlv(3, "abcde")));
  std::string header = with_checksum(tlv(1, "smtp"), "");
  header[17] = static_cast<char>(header[17] ^ 1);  // of the source address
  refuse(header);
}

TEST_CASE("no claimed length makes anybody wait for more than 16 KiB", "[proxy]") {
  const std::string most = tlv(4, std::string(kMaxProxyHeader - 16 - 12 - 3, 'x'));
  const std::string header = version_2(0x21, 0x11, kInetAddresses + most);
  REQUIRE(header.size() == kMaxProxyHeader);
  const ProxyHeader read = read_proxy_header(header + kBehind);
  CHECK(read.state == ProxyHeaderState::kWhole);
  CHECK(read.octets == kMaxProxyHeader);
  for (const int command : {0x20, 0x21}) {
    std::string longer = version_2(command, 0x11, kInetAddresses).substr(0, 16);
    longer[14] = '\x3F';
    longer[15] = '\xF1';  // 16 + 16369: one more
    CHECK(refused_at(longer) == 16);
    longer[14] = longer[15] = '\xFF';
    CHECK(refused_at(longer) == 16);
  }
}

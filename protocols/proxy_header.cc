#include "protocols/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::string_view kUnknown = "UNKNOWN";
constexpr std::size_t kMaxProxyLine = 107;  // octets with the CRLF, 2.1
constexpr std::uint64_t kMaxPort = 65535;

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kFixedPart = 16;  // signature, version and command, family and protocol, length
constexpr std::size_t kTlvStart = 3;    // octets: type and length
constexpr std::uint8_t kCrc32cType = 0x03;

// High half of the 14th octet, and low half.
enum class Family : std::uint8_t { kUnspecified, kInet, kInet6, kUnix };
enum class Transport : std::uint8_t { kUnspecified, kStream, kDatagram };

ProxyHeader bad(std::string_view fault) {
  return {ProxyHeaderState::kBad, 0, std::nullopt, fault};
}

ProxyHeader whole(std::size_t octets, std::optional<IpAddress> source = std::nullopt) {
  return {ProxyHeaderState::kWhole, octets, source, {}};
}

bool may_become(std::string_view bytes, std::string_view start) {
  const std::size_t common = std::min(bytes.size(), start.size());
  return bytes.substr(0, common) == start.substr(0, common);
}

// ---- version 1

// Up to the next space, which goes with it; what is left when there is none.
std::string_view next_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

bool is_port(std::string_view text) {
  const auto port = ascii::number(text);
  return port && *port <= kMaxPort && (text.size() == 1 || text.front() != '0');
}

// The line behind "PROXY ", without its CRLF.
ProxyHeader read_line(std::string_view line, std::size_t octets) {
  // Exactly one space between two words, and none at the end: an empty word is no address and no port.
  if (std::count(line.begin(), line.end(), ' ') != 4) return bad("not the words of a PROXY line");
  const std::string_view family = next_word(line);
  if (family != "TCP4" && family != "TCP6") return bad("neither TCP4 nor TCP6 nor UNKNOWN");
  const auto parse = family == "TCP4" ? parse_ipv4 : parse_ipv6;
  const auto source = parse(next_word(line));
  const auto destination = parse(next_word(line));
  if (!source || !destination) return bad("not two addresses of the family that it names");
  if (!is_port(next_word(line)) || !is_port(line)) return bad("not two ports");
  return whole(octets, source);
}

ProxyHeader read_version_1(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, kMaxProxyLine);
  const std::size_t end = line.find("\r\n");
  // 2.1: what stands behind UNKNOWN is ignored up to the CRLF, whatever it is.
  const std::string_view behind = line.substr(std::min(kLineStart.size(), line.size()), end);
  const bool unknown = behind.starts_with(kUnknown);
  if (end == std::string_view::npos) {
    if (line.size() == kMaxProxyLine) return bad("no CRLF within 107 octets");
    // 2.1: a LF alone ends no line, and no line goes on behind it.
    if (!unknown && line.find('\n') != std::string_view::npos) return bad("a line that ends in a bare LF");
    return {};
  }
  const std::string_view words = line.substr(kLineStart.size(), end - kLineStart.size());
  if (words == kUnknown || (unknown && words[kUnknown.size()] == ' ')) return whole(end + 2);
  return read_line(words, end + 2);
}

// ---- version 2

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::size_t number_16(std::string_view bytes, std::size_t at) {
  return static_cast<std::size_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

std::uint32_t number_32(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint32_t>(number_16(bytes, at) << 16 | number_16(bytes, at + 2));
}

// RFC 4960 Appendix B: Castagnoli's polynomial, its bits reversed.
constexpr std::array<std::uint32_t, 256> kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
    table[i] = value;
  }
  return table;
}();

// Of the header as if the four octets at `zeroed` were 0.
std::uint32_t crc32c(std::string_view header, std::size_t zeroed) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::uint8_t value = i - zeroed < 4 ? 0 : octet(header, i);
    crc = (crc >> 8) ^ kCrc32cTable[(crc ^ value) & 0xFF];
  }
  return ~crc;
}

// 2.2: type, length, value, up to the header's end. Of all types only the checksum is looked at. What is
// wrong with them; empty: nothing.
std::string_view check_tlvs(std::string_view header, std::size_t at) {
  while (at < header.size()) {
    if (header.size() - at < kTlvStart) return "a TLV is cut off";
    const std::size_t length = number_16(header, at + 1);
    const std::size_t value = at + kTlvStart;
    if (header.size() - value < length) return "a TLV is cut off";
    if (octet(header, at) == kCrc32cType) {
      if (length != 4) return "a checksum that is not 4 octets long";
      if (crc32c(header, value) != number_32(header, value)) return "the checksum is wrong";
    }
    at = value + length;
  }
  return {};
}

std::size_t address_octets(Family family) {
  switch (family) {
    case Family::kInet:
      return 2 * 4 + 2 * 2;
    case Family::kInet6:
      return 2 * 16 + 2 * 2;
    case Family::kUnix:
      return 2 * 108;
    case Family::kUnspecified:
      break;
  }
  return 0;
}

// The PROXY command; the header is here whole.
ProxyHeader read_proxied(std::string_view header, Family family, Transport transport) {
  // How long the addresses are is not known, nor then where TLVs begin: all of it is skipped.
  if (family == Family::kUnspecified || transport == Transport::kUnspecified) return whole(header.size());
  const std::size_t addresses = address_octets(family);
  if (const auto fault = check_tlvs(header, kFixedPart + addresses); !fault.empty()) return bad(fault);
  const std::string_view source = header.substr(kFixedPart, addresses);
  if (family == Family::kInet) return whole(header.size(), ipv4_address(source));
  if (family == Family::kInet6) return whole(header.size(), ipv6_address(source));
  return whole(header.size());
}

ProxyHeader read_version_2(std::string_view bytes) {
  if (bytes.size() <= 12) return {};
  if (octet(bytes, 12) >> 4 != 2) return bad("its version is not 2");
  const unsigned command = octet(bytes, 12) & 0xF;
  if (command > 1) return bad("neither the LOCAL nor the PROXY command");
  // 2.2: of a LOCAL connection everything else is ignored, the family too.
  const bool local = command == 0;
  const auto family = static_cast<Family>(bytes.size() <= 13 || local ? 0 : octet(bytes, 13) >> 4);
  const auto transport = static_cast<Transport>(bytes.size() <= 13 || local ? 0 : octet(bytes, 13) & 0xF);
  if (family > Family::kUnix || transport > Transport::kDatagram) return bad("an unknown address family");
  if (transport == Transport::kDatagram) return bad("datagrams, where mail comes over streams");
  if (bytes.size() < kFixedPart) return {};
  const std::size_t length = number_16(bytes, 14);
  if (kFixedPart + length > kMaxProxyHeader) return bad("longer than 16 KiB");
  if (transport != Transport::kUnspecified && length < address_octets(family)) {
    return bad("shorter than its addresses");
  }
  if (bytes.size() < kFixedPart + length) return {};
  const std::string_view header = bytes.substr(0, kFixedPart + length);
  return local ? whole(header.size()) : read_proxied(header, family, transport);
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return {};
  if (may_become(bytes, kSignature)) return read_version_2(bytes);
  if (may_become(bytes, kLineStart)) return read_version_1(bytes);
  return bad("no PROXY header at its beginning");
}

}  // namespace mailstead

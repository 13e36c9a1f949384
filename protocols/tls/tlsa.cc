#include "protocols/tls/tlsa.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

namespace mailstead {

namespace {

constexpr std::size_t kFixed = 3;  // octets before the data

std::uint8_t octet_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::string_view bytes_of(std::span<const std::uint8_t> octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

}  // namespace

std::vector<Tlsa> usable_tlsa(std::span<const dns::Record> records) {
  std::vector<Tlsa> usable;
  for (const dns::Record& record : records) {
    const std::string_view octets = record.text;
    if (record.type != dns::Type::kTlsa || octets.size() <= kFixed) continue;
    const unsigned usage = octet_at(octets, 0);
    const unsigned selector = octet_at(octets, 1);
    const unsigned matching = octet_at(octets, 2);
    if ((usage != 2 && usage != 3) || selector > 1 || matching > 2) continue;
    Tlsa tlsa{static_cast<Tlsa::Usage>(usage), static_cast<Tlsa::Selector>(selector),
              static_cast<Tlsa::Matching>(matching), std::string(octets.substr(kFixed))};
    if (tlsa.matching == Tlsa::Matching::kSha256 && tlsa.data.size() != SHA256_DIGEST_LENGTH) continue;
    if (tlsa.matching == Tlsa::Matching::kSha512 && tlsa.data.size() != SHA512_DIGEST_LENGTH) continue;
    usable.push_back(std::move(tlsa));
  }
  return usable;
}

bool matches(const Tlsa& record, std::string_view certificate, std::string_view public_key) {
  const std::string_view der = record.selector == Tlsa::Selector::kCertificate ? certificate : public_key;
  const auto* const octets = reinterpret_cast<const std::uint8_t*>(der.data());
  switch (record.matching) {
    case Tlsa::Matching::kExact:
      return record.data == der;
    case Tlsa::Matching::kSha256: {
      std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash{};
      SHA256(octets, der.size(), hash.data());
      return record.data == bytes_of(hash);
    }
    case Tlsa::Matching::kSha512: {
      std::array<std::uint8_t, SHA512_DIGEST_LENGTH> hash{};
      SHA512(octets, der.size(), hash.data());
      return record.data == bytes_of(hash);
    }
  }
  return false;
}

std::string text_of(const dns::Record& tlsa) {
  if (tlsa.text.size() < kFixed) return {};
  std::string text =
      fmt::format("{} {} {} ", octet_at(tlsa.text, 0), octet_at(tlsa.text, 1), octet_at(tlsa.text, 2));
  for (std::size_t i = kFixed; i < tlsa.text.size(); ++i)
    text += fmt::format("{:02x}", octet_at(tlsa.text, i));
  return text;
}

std::string tlsa_name(std::string_view host, std::uint16_t port) {
  return fmt::format("_{}._tcp.{}", port, host);
}

}  // namespace mailstead

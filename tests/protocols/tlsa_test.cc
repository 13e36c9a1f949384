#include "protocols/tls/tlsa.h"

#include <openssl/sha.h>

#include <array>

#include "tests/catch.h"

using namespace mailstead;

namespace {

dns::Record tlsa(unsigned usage, unsigned selector, unsigned matching, const std::string& data) {
  dns::Record record;
  record.type = dns::Type::kTlsa;
  for (const unsigned each : {usage, selector, matching}) record.text += static_cast<char>(each);
  record.text += data;
  return record;
}

std::string sha256(const std::string& text) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), hash.data());
  return {hash.begin(), hash.end()};
}

std::string sha512(const std::string& text) {
  std::array<std::uint8_t, SHA512_DIGEST_LENGTH> hash{};
  SHA512(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), hash.data());
  return {hash.begin(), hash.end()};
}

std::size_t usable(const dns::Record& record) {
  return usable_tlsa(std::vector<dns::Record>{record}).size();
}

}  // namespace

TEST_CASE("mail goes by trust anchors and end entities only", "[dane]") {
  CHECK(usable(tlsa(3, 1, 1, sha256("x"))) == 1);
  CHECK(usable(tlsa(2, 0, 2, sha512("x"))) == 1);
  CHECK(usable(tlsa(3, 0, 0, "der")) == 1);
  CHECK(usable(tlsa(0, 1, 1, sha256("x"))) == 0);
  CHECK(usable(tlsa(1, 1, 1, sha256("x"))) == 0);
  CHECK(usable(tlsa(4, 1, 1, sha256("x"))) == 0);
  CHECK(usable(tlsa(255, 1, 1, sha256("x"))) == 0);
  CHECK(usable(tlsa(3, 2, 1, sha256("x"))) == 0);
  CHECK(usable(tlsa(3, 1, 3, sha256("x"))) == 0);
  CHECK(usable(tlsa(3, 1, 1, "short")) == 0);
  CHECK(usable(tlsa(3, 1, 1, sha512("x"))) == 0);
  CHECK(usable(tlsa(3, 1, 2, sha256("x"))) == 0);
  CHECK(usable(tlsa(3, 1, 0, "")) == 0);
  CHECK(usable(dns::Record{}) == 0);
}

TEST_CASE("a record is of one certificate or of one key", "[dane]") {
  const auto is = [](const dns::Record& record, std::string_view certificate, std::string_view key) {
    return matches(usable_tlsa(std::vector<dns::Record>{record}).at(0), certificate, key);
  };
  CHECK(is(tlsa(3, 0, 0, "cert"), "cert", "key"));
  CHECK(is(tlsa(3, 1, 0, "key"), "cert", "key"));
  CHECK(is(tlsa(3, 0, 1, sha256("cert")), "cert", "key"));
  CHECK(is(tlsa(3, 1, 1, sha256("key")), "cert", "key"));
  CHECK(is(tlsa(2, 0, 2, sha512("cert")), "cert", "key"));
  CHECK(is(tlsa(2, 1, 2, sha512("key")), "cert", "key"));
  CHECK_FALSE(is(tlsa(3, 1, 1, sha256("cert")), "cert", "key"));
  CHECK_FALSE(is(tlsa(3, 0, 1, sha256("key")), "cert", "key"));
  CHECK_FALSE(is(tlsa(3, 0, 0, "cer"), "cert", "key"));
}

TEST_CASE("a TLSA record is named by its port and written as a zone has it", "[dane]") {
  CHECK(tlsa_name("mx.far.example", 25) == "_25._tcp.mx.far.example");
  CHECK(text_of(tlsa(3, 1, 1, "\x01\xAB")) == "3 1 1 01ab");
  CHECK(text_of(dns::Record{}).empty());
}

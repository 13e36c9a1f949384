#include "protocols/origin/dkim_record.h"

#include <string>

#include "protocols/base64.h"
#include "protocols/sha256.h"
#include "tests/catch.h"
#include "tests/protocols/dkim_keys.h"

using namespace mailstead;
using namespace mailstead::dkim_test;

namespace {

std::string key_data(const DkimKey& key) {
  const std::string record = key.record();
  return record.substr(record.find("p=") + 2);
}

ErrorKind record_fault(const std::string& text) {
  const auto record = DkimRecord::parse(text);
  INFO(text);
  REQUIRE_FALSE(record.has_value());
  return record.error().kind;
}

// An RSA key of 512 bits.
constexpr const char* kShortKey =
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALyVgys2I2p2XBwype3BBYlWKBUlhnrGL0mrQUdoM6KeDVAouYiRbAbXeZzqwnig"
    "uEnIVD+DvjWZ6ar706fH+YsCAwEAAQ==";

}  // namespace

TEST_CASE("records of keys are read", "[dkim]") {
  const Sha256 digest = sha256("x");
  for (const DkimKey& key : {rsa_key(), ed25519_key()}) {
    const DkimRecord record = DkimRecord::parse(key.record()).value();
    CHECK(record.algorithm() == key.algorithm());
    CHECK(record.is_for_mail());
    CHECK(record.takes_sha256());
    CHECK_FALSE(record.is_testing());
    CHECK_FALSE(record.wants_exact_domain());
    CHECK(record.verifies(digest, key.sign(digest)));
    CHECK_FALSE(record.verifies(sha256("y"), key.sign(digest)));
    CHECK_FALSE(record.verifies(digest, key.sign(digest).substr(1)));
    CHECK_FALSE(record.verifies(digest, key.sign(digest) + "x"));
    CHECK_FALSE(record.verifies(digest, ""));
  }
}

TEST_CASE("tags of a key's record: RFC 6376 3.6.1", "[dkim]") {
  const std::string data = key_data(rsa_key());
  const auto read = [&data](const std::string& tags) {
    return DkimRecord::parse(tags + "; p=" + data).value();
  };
  CHECK(DkimRecord::parse("p=" + data).has_value());
  CHECK(DkimRecord::parse("p = " + data.substr(0, 20) + " \t" + data.substr(20) + " ;").has_value());
  CHECK(read("v=DKIM1; n=some=20notes; g=; x=unknown").algorithm() == DkimAlgorithm::kRsaSha256);
  CHECK_FALSE(read("h=sha1").takes_sha256());
  CHECK(read("h=sha1 : sha256").takes_sha256());
  CHECK(read("s=*").is_for_mail());
  CHECK(read("s=tlsrpt:email").is_for_mail());
  CHECK_FALSE(read("s=tlsrpt").is_for_mail());
  CHECK(read("t=y").is_testing());
  CHECK(read("t=y:s:z").wants_exact_domain());
}

TEST_CASE("records that hold no key", "[dkim]") {
  const std::string data = key_data(rsa_key());
  CHECK(record_fault("v=spf1 -all") == ErrorKind::kNotFound);
  CHECK(record_fault("") == ErrorKind::kNotFound);
  CHECK(record_fault("hello") == ErrorKind::kNotFound);
  CHECK(record_fault("v=DKIM2; p=" + data) == ErrorKind::kNotFound);
  CHECK(record_fault("v=dkim1; p=" + data) == ErrorKind::kNotFound);
  CHECK(record_fault("v=DKIM1; p=") == ErrorKind::kDenied);
  CHECK(record_fault("v=DKIM1") == ErrorKind::kInvalid);
  CHECK(record_fault("k=rsa; v=DKIM1; p=" + data) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; p=" + data + "; p=" + data) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; k=dsa; p=" + data) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; k=ed25519; p=" + data) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; p=" + key_data(ed25519_key())) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; p=" + data.substr(0, 40)) == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; p=????") == ErrorKind::kInvalid);
  CHECK(record_fault("v=DKIM1; p=" + std::string(kShortKey)) == ErrorKind::kInvalid);  // RFC 8301 3.2
  CHECK(DkimRecord::parse("p=" + std::string(kShortKey)).error().message == "key of only 512 bits");
}

TEST_CASE("a bare RSAPublicKey is a key as well: RFC 6376 3.6.1", "[dkim]") {
  // SubjectPublicKeyInfo is it with some octets in front.
  const auto spki = base64::decode(key_data(rsa_key())).value();
  const std::string inner = spki.substr(spki.size() - 140);
  const DkimRecord record = DkimRecord::parse("p=" + base64::encode(inner)).value();
  CHECK(record.verifies(sha256("x"), rsa_key().sign(sha256("x"))));
  CHECK_FALSE(DkimRecord::parse("p=" + base64::encode(inner + "x")).has_value());
}

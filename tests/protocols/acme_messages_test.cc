#include "protocols/acme/acme_messages.h"

#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "protocols/acme/acme_advice.h"
#include "protocols/acme/acme_certificate.h"
#include "protocols/acme/acme_jws.h"
#include "protocols/base64.h"
#include "protocols/sha256.h"
#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("a directory names three places", "[acme]") {
  const auto directory = parse_acme_directory(
      R"({"newNonce":"https://a.example/n","newAccount":"https://a.example/a","newOrder":"https://a.example/o",)"
      R"("x":[1,2],"meta":{"termsOfService":"https://a.example/t","externalAccountRequired":true}})");
  REQUIRE(directory);
  CHECK(directory->new_order == "https://a.example/o");
  CHECK(directory->terms == "https://a.example/t");
  CHECK(directory->binds_accounts);
  for (
      const char* bad :
      {"", "[]", "{}", "null", "{\"newNonce\":1}", "<html>",
       R"({"newNonce":"https:///n","newAccount":"https://a.example/a","newOrder":"https://a.example/o"})",
       R"({"newNonce":"http://a.example/n","newAccount":"https://a.example/a","newOrder":"https://a.example/o"})",
       R"({"newNonce":"https://a.example/\n","newAccount":"https://a.example/a","newOrder":"https://a.example/o"})"}) {
    CHECK_FALSE(parse_acme_directory(bad));
  }
}

TEST_CASE("an order without what it has to have is none", "[acme]") {
  CHECK(parse_acme_order(R"({"status":"pending","finalize":"https://a.example/f"})"));
  CHECK(parse_acme_order(R"({"status":"invalid"})"));
  for (const char* bad :
       {"", "{}", R"({"status":"pending"})", R"({"status":"done","finalize":"https://a.example/f"})",
        R"({"status":"valid","finalize":"https://a.example/f"})",
        R"({"status":"pending","finalize":"https://a.example/f","authorizations":["ftp://x"]})",
        R"({"status":"pending","finalize":"https://a.example/f","authorizations":[7]})"}) {
    CHECK_FALSE(parse_acme_order(bad));
  }
}

TEST_CASE("a challenge with a token that is none is left out", "[acme]") {
  const auto found = parse_acme_authorization(
      R"({"status":"pending","identifier":{"type":"dns","value":"Mail.Example.org"},"challenges":[)"
      R"({"type":"http-01","url":"https://a.example/1","token":"../../etc","status":"pending"},)"
      R"({"type":"http-01","url":"https://a.example/2","token":"a\r\nb","status":"pending"},7,)"
      R"({"type":"http-01","url":"https://a.example/3","token":"good_-1","status":"processing"}]})");
  REQUIRE(found);
  CHECK(found->name == "mail.example.org");
  REQUIRE(found->challenges.size() == 1);
  CHECK(found->challenges[0].token == "good_-1");
  CHECK(found->challenges[0].status == AcmeStatus::kProcessing);
}

TEST_CASE("a problem is told in one line, and by its first part", "[acme]") {
  CHECK(parse_acme_problem("garbage") == AcmeProblem());
  const auto plain = parse_acme_problem(R"({"type":"urn:ietf:params:acme:error:caa","detail":"a\nb\u0007"})");
  CHECK(plain == AcmeProblem{"caa", "a b ", ""});
  const auto parts = parse_acme_problem(
      R"({"type":"urn:ietf:params:acme:error:compound","detail":"two","subproblems":[)"
      R"({"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no","identifier":{"value":"b.example"}}]})");
  CHECK(parts == AcmeProblem{"rejectedIdentifier", "no", "b.example"});
  CHECK(parse_acme_problem(R"({"type":"about:blank","detail":"x"})").type.empty());
}

TEST_CASE("every problem has words that name the place", "[acme]") {
  for (const char* type : {"connection", "dns", "unauthorized", "tls", "caa", "rejectedIdentifier"}) {
    const std::string words = acme_advice({type, "", ""}, AcmeMethod::kTlsAlpn01, "mail.example.org");
    CHECK(words.find("mail.example.org") != std::string::npos);
    CHECK(words.find('{') == std::string::npos);
  }
  CHECK(acme_advice({"connection", "", ""}, AcmeMethod::kTlsAlpn01, "a.example")
            .starts_with("port 443 of a.example"));
  CHECK_FALSE(acme_advice({"brandNew", "", ""}, AcmeMethod::kHttp01, "").empty());
}

TEST_CASE("Retry-After is seconds or a date", "[acme]") {
  using std::chrono::seconds;
  CHECK(parse_retry_after("120", 0) == seconds(120));
  CHECK(parse_retry_after(" 0 ", 0) == seconds(0));
  CHECK(parse_retry_after("Thu, 01 Jan 1970 00:10:00 GMT", 60) == seconds(540));
  CHECK(parse_retry_after("Thu, 01 Jan 1970 00:10:00 GMT", 6000) == seconds(0));
  CHECK(parse_retry_after("99999999999999999", 0) == seconds(366 * 24 * 3600));
  for (const char* bad : {"", "-1", "soon", "1.5", "Thu, 01 Jan 1970 00:10:00 GMTx"})
    CHECK_FALSE(parse_retry_after(bad, 0));
}

TEST_CASE("base64 for URLs has no padding and no other alphabet", "[acme]") {
  for (const std::string& text : {std::string(), std::string("f"), std::string("fo"), std::string("foo"),
                                  std::string("\xff\xfe\xfb", 3), std::string("\0\0", 2)}) {
    const std::string coded = base64::encode_url(text);
    CHECK(coded.find_first_of("+/=") == std::string::npos);
    CHECK(base64::decode_url(coded) == text);
  }
  CHECK(base64::encode_url("\xff\xfe\xfb") == "__77");
  for (const char* bad : {"Zg==", "Z", "+/", "Zm9v\n"}) CHECK_FALSE(base64::decode_url(bad));
}

TEST_CASE("a key survives being written down, and its thumbprint is RFC 7638's", "[acme]") {
  const auto key = AcmeKey::make();
  REQUIRE(key);
  const auto again = AcmeKey::parse(key->pem());
  REQUIRE(again);
  CHECK(again->jwk() == key->jwk());
  CHECK(again->thumbprint() == base64::encode_url(octets_of(sha256(key->jwk()))));
  CHECK(key->jwk().starts_with(R"({"crv":"P-256","kty":"EC","x":")"));
  CHECK(key->sign("text").size() == 64);
  CHECK_FALSE(AcmeKey::parse(""));
  CHECK_FALSE(AcmeKey::parse("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
}

// RFC 8737 3
TEST_CASE("the certificate of a challenge shows the key authorization's hash, critically", "[acme]") {
  const auto proof = make_acme_proof("mail.example.org", "token.thumbprint");
  REQUIRE(proof);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(proof->certificate.data());
  const bssl::UniquePtr<X509> leaf(d2i_X509(nullptr, &octets, static_cast<long>(proof->certificate.size())));
  REQUIRE(leaf);
  CHECK(X509_check_private_key(leaf.get(), proof->key.handle()) == 1);
  CHECK(X509_check_host(leaf.get(), "mail.example.org", 16, 0, nullptr) == 1);
  const bssl::UniquePtr<ASN1_OBJECT> identifier(OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1));
  const int place = X509_get_ext_by_OBJ(leaf.get(), identifier.get(), -1);
  REQUIRE(place >= 0);
  X509_EXTENSION* const extension = X509_get_ext(leaf.get(), place);
  CHECK(X509_EXTENSION_get_critical(extension) == 1);
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
  const std::string found(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                          static_cast<std::size_t>(ASN1_STRING_length(value)));
  CHECK(found == "\x04\x20" + std::string(octets_of(sha256("token.thumbprint"))));
}

#include "server/outgoing/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include "server/net/tls_client.h"
#include "server/net/tls_context.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

// A server with a certificate of its own making, and clients that trust it or not.
class TrustFixture {
 public:
  TrustFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-trust-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    folder_ = name;
    const CertificateFiles files{folder_ / "server.crt", folder_ / "server.key", true};
    REQUIRE(ensure_own_certificate(files, "mx.far.example").has_value());
    file_ = files.certificate;
    server_ = TlsContext::load({files}).value();
  }
  ~TrustFixture() { std::filesystem::remove_all(folder_); }

  const std::string& certificate_file() const { return file_; }

  // True: the client went through with it.
  bool shake_hands(const TlsClientContext& client, const TlsExpectation& expectation, TlsFinding& finding) {
    const auto found = std::make_shared<TlsFinding>();
    const auto party = client.to(expectation, found);
    const bssl::UniquePtr<SSL> ours = party->make();
    const bssl::UniquePtr<SSL> theirs = server_->make();
    BIO* here = nullptr;
    BIO* there = nullptr;
    REQUIRE(BIO_new_bio_pair(&here, 0, &there, 0) == 1);
    SSL_set_bio(ours.get(), here, here);
    SSL_set_bio(theirs.get(), there, there);
    int done = 0;
    for (int i = 0; i < 10 && done != 1; ++i) {
      done = SSL_do_handshake(ours.get());
      const bssl::UniquePtr<X509> leaf(SSL_get_peer_certificate(ours.get()));
      if (leaf) leaf_ = bssl::UpRef(leaf.get());
      SSL_do_handshake(theirs.get());
    }
    finding = *found;
    return done == 1;
  }

  // After a handshake.
  Tlsa key_hash() const {
    std::uint8_t* octets = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf_.get()), &octets);
    const bssl::UniquePtr<std::uint8_t> kept(octets);
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash{};
    SHA256(octets, static_cast<std::size_t>(length), hash.data());
    return {Tlsa::Usage::kEndEntity, Tlsa::Selector::kPublicKey, Tlsa::Matching::kSha256,
            std::string(hash.begin(), hash.end())};
  }

 private:
  std::filesystem::path folder_;
  std::string file_;
  std::shared_ptr<const TlsContext> server_;
  bssl::UniquePtr<X509> leaf_;
};

// What SSL_CERT_FILE says while a context is made.
std::unique_ptr<TlsClientContext> trusting(const std::string& file) {
  const char* const before = getenv("SSL_CERT_FILE");
  const std::string kept = before == nullptr ? "" : before;
  setenv("SSL_CERT_FILE", file.c_str(), 1);
  auto context = std::make_unique<TlsClientContext>();
  if (before == nullptr) {
    unsetenv("SSL_CERT_FILE");
  } else {
    setenv("SSL_CERT_FILE", kept.c_str(), 1);
  }
  return context;
}

}  // namespace

TEST_CASE("a certificate is looked at by name and authority, and refused where that matters", "[trust]") {
  TrustFixture server;
  const auto friendly = trusting(server.certificate_file());
  const auto stranger = trusting("/nowhere");
  TlsFinding finding;
  using enum TlsVerification;

  CHECK(server.shake_hands(*friendly, {"mx.far.example", kNameAndAuthority}, finding));
  CHECK(finding.is_good());
  CHECK_FALSE(server.shake_hands(*friendly, {"mx.wide.example", kNameAndAuthority}, finding));
  CHECK(finding.verdict == TlsVerdict::kHostMismatch);
  CHECK(finding.words == "its certificate is not for the name mx.wide.example");
  CHECK_FALSE(server.shake_hands(*stranger, {"mx.far.example", kNameAndAuthority}, finding));
  CHECK(finding.verdict == TlsVerdict::kNotTrusted);
  CHECK_FALSE(server.shake_hands(*friendly, {"192.0.2.1", kNameAndAuthority}, finding));
  CHECK(finding.verdict == TlsVerdict::kHostMismatch);

  // Opportunistic: found all the same.
  CHECK(server.shake_hands(*stranger, {"mx.far.example"}, finding));
  CHECK(finding.was_looked_at);
  CHECK(finding.verdict == TlsVerdict::kNotTrusted);
  CHECK(server.shake_hands(*friendly, {"mx.far.example"}, finding));
  CHECK(finding.is_good());
}

TEST_CASE("with DANE a certificate is good by its record alone", "[trust]") {
  TrustFixture server;
  const auto stranger = trusting("/nowhere");
  const auto friendly = trusting(server.certificate_file());
  TlsFinding finding;
  REQUIRE(server.shake_hands(*stranger, {"mx.far.example"}, finding));
  const Tlsa good = server.key_hash();
  Tlsa bad = good;
  bad.data[0] = static_cast<char>(bad.data[0] ^ 1);
  using enum TlsVerification;

  CHECK(server.shake_hands(*stranger, {"mx.far.example", kDane, {good}}, finding));
  CHECK(finding.is_good());
  CHECK(server.shake_hands(*stranger, {"mx.far.example", kDane, {bad, good}}, finding));
  // RFC 7672 3.1.1: its name does not matter.
  CHECK(server.shake_hands(*stranger, {"mx.wide.example", kDane, {good}}, finding));
  CHECK_FALSE(server.shake_hands(*friendly, {"mx.far.example", kDane, {bad}}, finding));
  CHECK(finding.verdict == TlsVerdict::kTlsaInvalid);
  CHECK_FALSE(server.shake_hands(*friendly, {"mx.far.example", kDane, {}}, finding));

  // RFC 7672 3.1.2: of a trust anchor the name does.
  Tlsa anchor = good;
  anchor.usage = Tlsa::Usage::kTrustAnchor;
  CHECK(server.shake_hands(*stranger, {"mx.far.example", kDane, {anchor}}, finding));
  CHECK(server.shake_hands(*stranger, {"mx.wide.example", kDane, {anchor}, {"mx.far.example"}}, finding));
  CHECK_FALSE(server.shake_hands(*stranger, {"mx.wide.example", kDane, {anchor}, {"far.example"}}, finding));
  CHECK(finding.verdict == TlsVerdict::kHostMismatch);
}

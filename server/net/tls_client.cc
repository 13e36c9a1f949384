#include "server/net/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "protocols/ip_address.h"

namespace mailstead {

namespace {

// Where Debian and most others keep them all in one file; SSL_CERT_FILE names another.
constexpr const char* kAuthorities = "/etc/ssl/certs/ca-certificates.crt";

bssl::UniquePtr<SSL_CTX> client_context() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

class ClientParty final : public TlsParty {
 public:
  ClientParty(SSL_CTX* context, TlsExpectation expectation, std::shared_ptr<TlsFinding> finding)
      : context_(bssl::UpRef(context)), expectation_(std::move(expectation)), finding_(std::move(finding)) {}

  bssl::UniquePtr<SSL> make() const override {
    bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
    if (!ssl) return ssl;
    SSL_set_connect_state(ssl.get());
    const std::string& host = expectation_.host;
    if (!parse_ip(host)) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    SSL_set_ex_data(ssl.get(), party_index(), const_cast<ClientParty*>(this));
    SSL_set_custom_verify(ssl.get(), SSL_VERIFY_PEER, &ClientParty::verify);
    return ssl;
  }

 private:
  static int party_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }

  static ssl_verify_result_t verify(SSL* ssl, std::uint8_t* alert) {
    const auto* self = static_cast<const ClientParty*>(SSL_get_ex_data(ssl, party_index()));
    const TlsFinding found =
        look_at_certificates(ssl, SSL_CTX_get_cert_store(self->context_.get()), self->expectation_);
    if (self->finding_ != nullptr) *self->finding_ = found;
    if (found.is_good() || self->expectation_.verification == TlsVerification::kNone) return ssl_verify_ok;
    *alert = SSL_AD_BAD_CERTIFICATE;
    return ssl_verify_invalid;
  }

  bssl::UniquePtr<SSL_CTX> context_;
  TlsExpectation expectation_;
  std::shared_ptr<TlsFinding> finding_;
};

}  // namespace

TlsClientContext::TlsClientContext() : context_(client_context()) {
  // Without them nobody can be verified, and a smarthost that has to be is not used.
  const bool by_environment = std::getenv("SSL_CERT_FILE") != nullptr;
  if (by_environment || SSL_CTX_load_verify_locations(context_.get(), kAuthorities, nullptr) != 1) {
    SSL_CTX_set_default_verify_paths(context_.get());
  }
  ERR_clear_error();
}

TlsClientContext::TlsClientContext(const std::string& authorities) : context_(client_context()) {
  ok_ = SSL_CTX_load_verify_locations(context_.get(), authorities.c_str(), nullptr) == 1;
  ERR_clear_error();
}

TlsClientContext::~TlsClientContext() = default;

std::shared_ptr<const TlsParty> TlsClientContext::to(TlsExpectation expectation,
                                                     std::shared_ptr<TlsFinding> finding) const {
  return std::make_shared<ClientParty>(context_.get(), std::move(expectation), std::move(finding));
}

}  // namespace mailstead

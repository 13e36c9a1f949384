#include "server/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <utility>

#include "protocols/ip_address.h"

namespace mailstead {

namespace {

// Where Debian and most others keep them all in one file; SSL_CERT_FILE names another.
constexpr const char* kAuthorities = "/etc/ssl/certs/ca-certificates.crt";

class ClientParty final : public TlsParty {
 public:
  ClientParty(SSL_CTX* context, std::string host, TlsVerification verification)
      : context_(bssl::UpRef(context)), host_(std::move(host)), verification_(verification) {}

  bssl::UniquePtr<SSL> make() const override {
    bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
    if (!ssl) return ssl;
    SSL_set_connect_state(ssl.get());
    const bool is_name = !parse_ip(host_).has_value();
    if (is_name) SSL_set_tlsext_host_name(ssl.get(), host_.c_str());
    if (verification_ == TlsVerification::kNone) return ssl;
    X509_VERIFY_PARAM* const terms = SSL_get0_param(ssl.get());
    const bool set = is_name ? X509_VERIFY_PARAM_set1_host(terms, host_.data(), host_.size()) == 1
                             : X509_VERIFY_PARAM_set1_ip_asc(terms, host_.c_str()) == 1;
    if (!set) return nullptr;
    SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
    return ssl;
  }

 private:
  bssl::UniquePtr<SSL_CTX> context_;
  std::string host_;
  TlsVerification verification_;
};

}  // namespace

TlsClientContext::TlsClientContext() : context_(SSL_CTX_new(TLS_method())) {
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  // Without them nobody can be verified, and a smarthost that has to be is not used.
  const bool by_environment = std::getenv("SSL_CERT_FILE") != nullptr;
  if (by_environment || SSL_CTX_load_verify_locations(context_.get(), kAuthorities, nullptr) != 1) {
    SSL_CTX_set_default_verify_paths(context_.get());
  }
  ERR_clear_error();
}

TlsClientContext::~TlsClientContext() = default;

std::shared_ptr<const TlsParty> TlsClientContext::to(const std::string& host,
                                                     TlsVerification verification) const {
  return std::make_shared<ClientParty>(context_.get(), host, verification);
}

}  // namespace mailstead

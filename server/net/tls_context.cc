#include "server/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "protocols/acme/acme_certificate.h"

namespace mailstead {

struct TlsContext::Pair {
  bssl::UniquePtr<SSL_CTX> context;
  std::vector<std::string> names;  // lower case; may begin with "*."
};

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// RFC 6125 6.4.3: a wildcard stands for one whole leftmost label.
bool name_matches(std::string_view pattern, std::string_view name) {
  if (pattern == name) return true;
  if (!pattern.starts_with("*.")) return false;
  const std::size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

// Of an SSL: it is an authority's, that looks whether a name is ours. Of an SSL_CTX: its TlsContext.
int validation_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
int owner_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// RFC 8737 3: it offers this protocol and no other.
bool offers_validation(const SSL_CLIENT_HELLO* hello) {
  const std::uint8_t* octets = nullptr;
  std::size_t length = 0;
  if (SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_application_layer_protocol_negotiation, &octets,
                                           &length) != 1) {
    return false;
  }
  constexpr std::size_t kLengths = 3;  // RFC 7301 3.1: of the list, and of its one name
  const std::string_view list(reinterpret_cast<const char*>(octets), length);
  return list.size() == kLengths + kAcmeTlsProtocol.size() && list.substr(kLengths) == kAcmeTlsProtocol;
}

bssl::UniquePtr<SSL_CTX> make_context(const CertificateFiles& files) {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (!context) return nullptr;
  // RFC 8996: nothing below TLS 1.2. Renegotiation is refused by BoringSSL unless asked for; tickets are on.
  if (SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) return nullptr;
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) return nullptr;
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) return nullptr;
  return context;
}

}  // namespace

TlsContext::TlsContext() = default;
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::vector<CertificateFiles>& pairs,
                                                           std::shared_ptr<const AcmeChallenges> challenges) {
  std::shared_ptr<TlsContext> loaded(new TlsContext);
  loaded->challenges_ = std::move(challenges);
  for (const CertificateFiles& files : pairs) {
    auto facts = read_certificate(files);
    if (!facts) return facts.error();
    auto pair = std::make_unique<Pair>();
    pair->context = make_context(files);
    if (!pair->context) {
      ERR_clear_error();
      return Error{ErrorKind::kInvalid, "cannot use the certificate " + files.certificate + " with the key " +
                                            files.key +
                                            ": make sure that both are PEM files that belong together"};
    }
    for (const std::string& name : facts->names) pair->names.push_back(lower(name));
    loaded->pairs_.push_back(std::move(pair));
    loaded->certificates_.push_back({files, *std::move(facts)});
  }
  if (loaded->pairs_.empty()) return Error{ErrorKind::kInvalid, "no certificate is configured"};
  SSL_CTX* first = loaded->pairs_.front()->context.get();
  SSL_CTX_set_tlsext_servername_callback(first, &TlsContext::choose_pair);
  SSL_CTX_set_tlsext_servername_arg(first, loaded.get());
  if (loaded->challenges_ != nullptr) {
    SSL_CTX_set_ex_data(first, owner_index(), loaded.get());
    SSL_CTX_set_select_certificate_cb(first, &TlsContext::look_at_hello);
    SSL_CTX_set_alpn_select_cb(first, &TlsContext::choose_protocol, nullptr);
  }
  return std::shared_ptr<const TlsContext>(std::move(loaded));
}

bssl::UniquePtr<SSL> TlsContext::make() const {
  bssl::UniquePtr<SSL> ssl(SSL_new(pairs_.front()->context.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

bool TlsContext::is_validation(const SSL* ssl) {
  return SSL_get_ex_data(ssl, validation_index()) != nullptr;
}

ssl_select_cert_result_t TlsContext::look_at_hello(const SSL_CLIENT_HELLO* hello) {
  if (!offers_validation(hello)) return ssl_select_cert_success;
  SSL* const ssl = hello->ssl;
  auto* const self = static_cast<TlsContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_index()));
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const AcmeProof* proof = asked == nullptr ? nullptr : self->challenges_->proof(lower(asked));
  if (proof == nullptr) return ssl_select_cert_error;
  const auto& der = proof->certificate;
  SSL_clear_chain_certs(ssl);
  if (SSL_use_certificate_ASN1(ssl, reinterpret_cast<const std::uint8_t*>(der.data()), der.size()) != 1 ||
      SSL_use_PrivateKey(ssl, proof->key.handle()) != 1) {
    ERR_clear_error();
    return ssl_select_cert_error;
  }
  SSL_set_ex_data(ssl, validation_index(), self);
  return ssl_select_cert_success;
}

int TlsContext::choose_protocol(SSL* ssl, const std::uint8_t** chosen, std::uint8_t* length,
                                const std::uint8_t* /*offered*/, unsigned /*offered_length*/,
                                void* /*self*/) {
  if (!is_validation(ssl)) return SSL_TLSEXT_ERR_NOACK;
  *chosen = reinterpret_cast<const std::uint8_t*>(kAcmeTlsProtocol.data());
  *length = static_cast<std::uint8_t>(kAcmeTlsProtocol.size());
  return SSL_TLSEXT_ERR_OK;
}

int TlsContext::choose_pair(SSL* ssl, int*, void* self) {
  if (is_validation(ssl)) return SSL_TLSEXT_ERR_OK;
  const auto* context = static_cast<const TlsContext*>(self);
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (asked == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const std::string name = lower(asked);
  for (const auto& pair : context->pairs_) {
    for (const std::string& pattern : pair->names) {
      if (!name_matches(pattern, name)) continue;
      if (pair != context->pairs_.front()) SSL_set_SSL_CTX(ssl, pair->context.get());
      return SSL_TLSEXT_ERR_OK;
    }
  }
  // An unknown name gets the first certificate: the client decides what it thinks of it.
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace mailstead

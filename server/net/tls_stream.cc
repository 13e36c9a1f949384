#include "server/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "protocols/acme/acme_certificate.h"

namespace mailstead {
namespace {

// RFC 9266 2 and 4.2: before TLS 1.3 only with an extended master secret, else two connections can be made to
// have the same.
std::string exported(SSL* ssl) {
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return {};
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::array<std::uint8_t, 32> octets{};
  if (SSL_export_keying_material(ssl, octets.data(), octets.size(), kLabel.data(), kLabel.size(), nullptr, 0,
                                 1) != 1) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

// RFC 5929 3: the first Finished message. TLS 1.3 has no such binding.
std::string finished(SSL* ssl) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> octets{};
  std::size_t length = 0;
  if (SSL_version(ssl) >= TLS1_3_VERSION ||
      SSL_get_tls_unique(ssl, octets.data(), &length, octets.size()) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(octets.data()), length};
}

// RFC 5929 4.1: by the hash function of the certificate's signature, SHA-256 for those that are broken.
std::string certificate_hash(SSL* ssl) {
  const X509* certificate = SSL_get_certificate(ssl);
  int hash = NID_undef;
  if (certificate == nullptr ||
      OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, nullptr) != 1 || hash == NID_undef) {
    return {};
  }
  const EVP_MD* function = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> octets{};
  unsigned length = 0;
  if (function == nullptr || X509_digest(certificate, function, octets.data(), &length) != 1) return {};
  return {reinterpret_cast<const char*>(octets.data()), length};
}

// As the registry of TLS 1.3 calls them: RFC 8314 4.3 wants those names, the library has its own.
std::string group_name(std::uint16_t group) {
  switch (group) {
    case 0x0017:
      return "secp256r1";
    case 0x0018:
      return "secp384r1";
    case 0x0019:
      return "secp521r1";
    case 0x001d:
      return "x25519";
    case 0x11ec:
      return "X25519MLKEM768";
    default:
      return {};
  }
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> below, std::shared_ptr<const TlsParty> party,
                     std::function<void(bool ok)> secured)
    : below_(std::move(below)), party_(std::move(party)), ssl_(party_->make()), secured_(std::move(secured)) {
  BIO* incoming = BIO_new(BIO_s_mem());
  BIO* outgoing = BIO_new(BIO_s_mem());
  // An empty BIO means "more will come", not the end of the stream.
  BIO_set_mem_eof_return(incoming, -1);
  BIO_set_mem_eof_return(outgoing, -1);
  SSL_set_bio(ssl_.get(), incoming, outgoing);
  below_->set_events(this);
}

TlsStream::~TlsStream() {
  *alive_ = false;
}

void TlsStream::handshake(std::string_view input) {
  if (!input.empty()) BIO_write(SSL_get_rbio(ssl_.get()), input.data(), static_cast<int>(input.size()));
  below_->start_reading();
  advance_handshake();
}

bool TlsStream::was_validation() const {
  const std::uint8_t* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
  return std::string_view(reinterpret_cast<const char*>(chosen), length) == kAcmeTlsProtocol;
}

void TlsStream::describe(PeerFacts& facts) const {
  facts.tls = true;
  facts.tls_version = SSL_get_version(ssl_.get());
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get()); cipher != nullptr) {
    facts.tls_cipher = SSL_CIPHER_standard_name(cipher);
  }
  facts.tls_group = group_name(SSL_get_curve_id(ssl_.get()));
  facts.bindings = std::make_shared<const ChannelBindings>(
      ChannelBindings{exported(ssl_.get()), finished(ssl_.get()), certificate_hash(ssl_.get())});
}

void TlsStream::advance_handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  const int reason = outcome == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), outcome);
  flush();
  if (outcome == 1) {
    state_ = State::kOpen;
    const auto secured = std::move(secured_);
    const auto alive = alive_;
    secured(true);
    if (!*alive || state_ != State::kOpen) return;
    // Bytes that came in the handshake's last packet wait in the BIO. Nobody who wants them yet: no more are
    // fetched.
    if (reading_) {
      deliver();
    } else {
      below_->stop_reading();
    }
    return;
  }
  if (reason == SSL_ERROR_WANT_READ) return;
  ERR_clear_error();
  state_ = State::kEnded;
  below_->stop_reading();
  const auto secured = std::move(secured_);
  secured(false);
}

void TlsStream::on_read(std::string_view bytes) {
  BIO* incoming = SSL_get_rbio(ssl_.get());
  BIO_write(incoming, bytes.data(), static_cast<int>(bytes.size()));
  if (state_ == State::kHandshake) {
    advance_handshake();
  } else if (state_ == State::kOpen) {
    deliver();
  }
}

void TlsStream::deliver() {
  if (delivering_) return;
  delivering_ = true;
  const auto alive = alive_;
  std::array<char, 16u << 10> plain;  // a TLS record's greatest size
  while (reading_ && state_ == State::kOpen) {
    ERR_clear_error();
    const int count = SSL_read(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
    if (count > 0) {
      events_->on_read({plain.data(), static_cast<std::size_t>(count)});
      if (!*alive) return;
      continue;
    }
    const int reason = SSL_get_error(ssl_.get(), count);
    ERR_clear_error();
    // Reading can make BoringSSL send: alerts, key updates.
    flush();
    if (reason == SSL_ERROR_WANT_READ && !below_ended_) break;
    delivering_ = false;
    if (reason == SSL_ERROR_ZERO_RETURN) return end(StreamEnd::kClosed);
    return end(reason == SSL_ERROR_WANT_READ ? end_below_ : StreamEnd::kFailed);
  }
  delivering_ = false;
}

void TlsStream::end(StreamEnd how) {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  below_->stop_reading();
  events_->on_end(how);
}

void TlsStream::on_end(StreamEnd how) {
  below_ended_ = true;
  if (how == StreamEnd::kReset) end_below_ = how;
  if (state_ == State::kHandshake) {
    state_ = State::kEnded;
    const auto secured = std::move(secured_);
    secured(false);
  } else if (state_ == State::kOpen) {
    if (how == StreamEnd::kFailed) return end(how);
    // Records that arrived before the end are still to be read; deliver() then finds the end by itself.
    deliver();
  }
}

void TlsStream::start_reading() {
  if (state_ == State::kEnded || reading_) return;
  reading_ = true;
  if (!below_ended_) below_->start_reading();
  if (state_ == State::kOpen) deliver();
}

void TlsStream::stop_reading() {
  reading_ = false;
  below_->stop_reading();
}

WriteState TlsStream::write(std::string& bytes) {
  if (broken_) return WriteState::kFailed;
  std::size_t done = 0;
  while (done < bytes.size()) {
    ERR_clear_error();
    const int piece = static_cast<int>(std::min<std::size_t>(bytes.size() - done, INT_MAX));
    const int count = SSL_write(ssl_.get(), bytes.data() + done, piece);
    if (count <= 0) {
      ERR_clear_error();
      return WriteState::kFailed;
    }
    done += static_cast<std::size_t>(count);
  }
  flush();
  if (broken_) return WriteState::kFailed;
  if (!writing_below_) return WriteState::kDone;
  notify_when_flushed_ = true;
  return WriteState::kPending;
}

void TlsStream::flush() {
  BIO* outgoing = SSL_get_wbio(ssl_.get());
  while (!writing_below_ && !broken_) {
    const std::size_t waiting = BIO_pending(outgoing);
    if (waiting == 0) {
      if (std::exchange(finish_when_flushed_, false)) below_->finish_writing();
      return;
    }
    std::string cipher(waiting, '\0');
    const int count = BIO_read(outgoing, cipher.data(), static_cast<int>(cipher.size()));
    cipher.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    const WriteState wrote = below_->write(cipher);
    writing_below_ = wrote == WriteState::kPending;
    broken_ = wrote == WriteState::kFailed;
  }
}

void TlsStream::on_written(bool ok) {
  writing_below_ = false;
  if (!ok) broken_ = true;
  flush();
  if (!writing_below_ && std::exchange(notify_when_flushed_, false)) events_->on_written(!broken_);
}

void TlsStream::finish_writing() {
  if (state_ != State::kHandshake) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  finish_when_flushed_ = true;
  flush();
}

void TlsStream::close(std::function<void()> closed) {
  state_ = State::kEnded;
  below_->close(std::move(closed));
}

}  // namespace mailstead

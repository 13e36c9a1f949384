#include "protocols/sha256.h"

#include <openssl/sha.h>

namespace mailstead {

struct Sha256Stream::State {
  SHA256_CTX context;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  SHA256_Init(&state_->context);
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(const Sha256Stream& other) : state_(std::make_unique<State>(*other.state_)) {}
Sha256Stream& Sha256Stream::operator=(const Sha256Stream& other) {
  *state_ = *other.state_;
  return *this;
}
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::add(std::string_view octets) {
  SHA256_Update(&state_->context, octets.data(), octets.size());
}

Sha256 Sha256Stream::finish() {
  Sha256 digest{};
  SHA256_Final(digest.data(), &state_->context);
  return digest;
}

Sha256 sha256(std::string_view octets) {
  Sha256Stream stream;
  stream.add(octets);
  return stream.finish();
}

}  // namespace mailstead

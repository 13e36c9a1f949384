#include "storage/mailbox/content_hash.h"

#define XXH_INLINE_ALL  // nothing to link with
#include <xxhash.h>

#include <cstddef>

namespace mailstead {

namespace {

constexpr std::size_t kHashOctets = 16;

}  // namespace

struct ContentHasher::State {
  XXH3_state_t xxh3;
};

ContentHasher::ContentHasher() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->xxh3);
}

ContentHasher::~ContentHasher() = default;
ContentHasher::ContentHasher(ContentHasher&&) noexcept = default;
ContentHasher& ContentHasher::operator=(ContentHasher&&) noexcept = default;

void ContentHasher::add(std::string_view bytes) {
  XXH3_128bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

ContentHash ContentHasher::value() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh3);
  return {hash.high64, hash.low64};
}

ContentHash content_hash(std::string_view bytes) {
  ContentHasher hasher;
  hasher.add(bytes);
  return hasher.value();
}

std::string ContentHash::octets() const {
  std::string octets;
  if (!is_known()) return octets;
  for (const std::uint64_t half : {high, low}) {
    for (int shift = 56; shift >= 0; shift -= 8) octets += static_cast<char>(half >> shift & 0xff);
  }
  return octets;
}

ContentHash ContentHash::of_octets(std::string_view octets) {
  ContentHash hash;
  if (octets.size() != kHashOctets) return hash;
  for (std::size_t i = 0; i < kHashOctets; ++i) {
    std::uint64_t& half = i < kHashOctets / 2 ? hash.high : hash.low;
    half = half << 8 | static_cast<unsigned char>(octets[i]);
  }
  return hash;
}

}  // namespace mailstead

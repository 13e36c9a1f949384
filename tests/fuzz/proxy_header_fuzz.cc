// Reads any beginning of a connection as a PROXY header, and looks at what must always hold: more octets
// never change what was decided, no header is longer than what has come, and who is told to wait is told so
// no longer than a header can be.
#include <cstdint>
#include <string_view>

#include "protocols/proxy_header.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

bool same(const ProxyHeader& one, const ProxyHeader& other) {
  return one.state == other.state && one.octets == other.octets && one.source == other.source;
}

void check(const ProxyHeader& read, std::string_view bytes) {
  switch (read.state) {
    case ProxyHeaderState::kPartial:
      require(bytes.size() < kMaxProxyHeader, "nobody waits for more than the longest header");
      break;
    case ProxyHeaderState::kWhole:
      require(read.octets >= 15 && read.octets <= bytes.size() && read.octets <= kMaxProxyHeader,
              "a header is among what has come");
      if (read.source) {
        const auto again = parse_ip(read.source->text());
        require(again && *again == *read.source, "an address reads back the same");
      }
      break;
    case ProxyHeaderState::kBad:
      require(!read.fault.empty(), "what is wrong is told");
      break;
  }
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using namespace mailstead::fuzz;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const ProxyHeader whole = read_proxy_header(all);
  check(whole, all);
  ProxyHeader last;
  // Some octets further than where it is decided: each look at a header that is whole costs its length.
  constexpr std::size_t kFurther = 40;
  std::size_t further = 0;
  for (std::size_t length = 0; length <= all.size() && further < kFurther; ++length) {
    const std::string_view bytes = all.substr(0, length);
    const ProxyHeader read = read_proxy_header(bytes);
    check(read, bytes);
    if (last.state != ProxyHeaderState::kPartial) require(same(read, last), "what was decided stays so");
    if (read.state == ProxyHeaderState::kWhole && last.state == ProxyHeaderState::kPartial) {
      require(read.octets == length, "a header is known with its last octet");
    }
    last = read;
    if (last.state != ProxyHeaderState::kPartial) ++further;
  }
  require(same(last, whole), "the packets' borders change nothing");
  return 0;
}

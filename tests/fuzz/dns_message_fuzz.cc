// Any octets as the answer to a DNS question: it is read or not, its names are bounded and harmless.
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/dns_message.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using fuzz::require;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const dns::Type type :
       {dns::Type::kA, dns::Type::kAaaa, dns::Type::kMx, dns::Type::kTxt, dns::Type::kPtr}) {
    const dns::Answer answer = dns::read_answer(bytes, "far.example", type);
    require((answer.verdict == dns::Verdict::kFound) == !answer.records.empty(), "found is found");
    for (const dns::Record& each : answer.records) {
      require(each.type == type, "only what was asked for");
      if (type == dns::Type::kTxt) continue;
      require(each.text.size() <= 255, "a name is bounded");
      for (const char c : each.text) require(c > 0x20 && c < 0x7F, "and printable");
    }
  }
  return 0;
}

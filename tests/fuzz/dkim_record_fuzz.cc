// Any octets as the record of a key: it is read or not, and a key that was read verifies nothing made up.
#include <cstdint>
#include <string_view>

#include "protocols/origin/dkim_record.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using fuzz::require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = DkimRecord::parse(text);
  if (!record) {
    require(!record.error().message.empty(), "a fault has a reason");
    return 0;
  }
  require(!record->verifies(Sha256{}, std::string_view()), "nothing is no signature");
  require(!record->verifies(Sha256{}, text), "a record is no signature");
  return 0;
}

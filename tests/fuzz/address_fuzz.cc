// Reads any octets as an address, a path and a list of addresses, and looks at what must always hold: an
// address reads back as it is, its key is the key of itself, and none holds what a terminal or a header would
// obey.
#include <cstdint>
#include <string_view>

#include "protocols/address.h"
#include "protocols/address_list.h"
#include "protocols/letters.h"
#include "protocols/utf8.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

void check(const Address& address) {
  const std::string text = address.text();
  require(utf8::is_valid(text), "an address is UTF-8");
  for (const char c : text)
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "and holds no control character");
  require(utf8::is_ascii(address.domain), "a domain is ASCII");
  if (address.domain.empty()) return;  // <Postmaster>
  const auto again = parse_address(text);
  // Quotes and A-labels can make it longer than an address may be.
  if (text.size() > kMaxPath - 2 || address.domain.size() > kMaxDomain) return;
  if (!again) {
    std::size_t written = text.size() - address.domain.size() - 1;
    require(written > kMaxLocalPart, "an address reads back");
    return;
  }
  require(*again == address, "as it is");
  const std::string key = address.key();
  require(folded(key) == key, "a key is the key of itself");
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead;
  using namespace mailstead::fuzz;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = parse_address(text)) check(*address);
  std::string_view rest;
  const auto path = parse_path(text, rest, Letters::kUtf8);
  if (path && path->address) check(*path->address);
  if (path)
    require(rest.size() < text.size() && text.ends_with(rest), "what follows a path is the end of the text");
  if (const auto ascii = parse_path(text, rest)) {
    require(path && path->address == ascii->address, "what is a path in ASCII is the same in UTF-8");
  }
  if (const auto list = parse_address_list(text)) {
    for (const Address& address : *list) check(address);
  }
  const std::string once = folded(text);
  require(!utf8::is_valid(text) || utf8::is_valid(once), "folding keeps UTF-8");
  require(folded(once) == once, "and is done once");
  return 0;
}

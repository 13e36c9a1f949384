// Any octets as a message of BINARYMIME: what becomes of it does not depend on how it was cut, is not binary
// any more, and is bounded.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/smtp/binary_mime.h"
#include "tests/fuzz/input.h"

namespace {

std::string converted(std::string_view content, std::size_t piece, bool& failed) {
  mailstead::BinaryMime binary;
  std::string result;
  while (!content.empty()) {
    binary.read(content.substr(0, piece), result);
    content.remove_prefix(std::min(piece, content.size()));
  }
  binary.finish(result);
  failed = binary.failed();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using mailstead::fuzz::require;
  const mailstead::fuzz::Input input = mailstead::fuzz::split_input(data, size);
  mailstead::fuzz::Choices choices(input.choices);
  const std::size_t piece = 1 + choices.draw(40);
  bool failed = false, failed_in_pieces = false, failed_again = false;
  const std::string whole = converted(input.wire, input.wire.size() + 1, failed);
  const std::string in_pieces = converted(input.wire, piece, failed_in_pieces);
  require(failed == failed_in_pieces, "it fails however it is cut");
  if (failed) return 0;
  require(whole == in_pieces, "it is the same however it is cut");
  require(whole.size() <= 2 * input.wire.size() + 100, "it is bounded");
  require(converted(whole, whole.size() + 1, failed_again) == whole && !failed_again,
          "it is not binary any more");
  return 0;
}

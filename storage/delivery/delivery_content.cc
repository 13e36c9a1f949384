#include "storage/delivery/delivery_content.h"

#include <algorithm>
#include <string>

namespace mailstead {

Result<void> read_content(const Delivery& delivery, const std::function<void(std::string_view)>& read) {
  constexpr std::size_t kPiece = 256 * 1024;
  std::string piece;
  const std::uint64_t spooled = delivery.spool != nullptr ? delivery.spool->size() : 0;
  for (std::uint64_t at = 0; at < spooled; at += piece.size()) {
    piece.clear();
    if (auto done = delivery.spool->read(at, kPiece, piece); !done) return done;
    if (piece.empty()) return Error{ErrorKind::kIo, "a spool file is shorter than what was written to it"};
    read(piece);
  }
  read(delivery.rest);
  return {};
}

Result<void> overwrite_content(Delivery& delivery, std::uint64_t offset, std::string_view bytes) {
  const std::uint64_t spooled = delivery.spool != nullptr ? delivery.spool->size() : 0;
  if (offset < spooled) {
    const auto there =
        bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), spooled - offset)));
    if (auto done = delivery.spool->overwrite(offset, there); !done) return done;
    bytes.remove_prefix(there.size());
    offset += there.size();
    if (bytes.empty()) return {};
  }
  delivery.rest.replace(static_cast<std::size_t>(offset - spooled), bytes.size(), bytes);
  return {};
}

}  // namespace mailstead

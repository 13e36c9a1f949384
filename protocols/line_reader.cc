#include "protocols/line_reader.h"

#include <algorithm>

namespace mailstead {

LineEvent LineReader::judge() const {
  if (buffer_.find('\0') != std::string::npos) return LineEvent::kNul;
  // RFC 5321 2.3.8: CR and LF stand together or not at all.
  if (buffer_.size() < 2 || buffer_.find('\r') != buffer_.size() - 2) return LineEvent::kBareNewline;
  return LineEvent::kLine;
}

LineEvent LineReader::read(std::string_view bytes, std::size_t& consumed) {
  if (complete_) {
    buffer_.clear();
    complete_ = false;
  }
  consumed = 0;
  while (consumed < bytes.size()) {
    const std::string_view left = bytes.substr(consumed);
    const std::size_t newline = left.find('\n');
    const bool ends = newline != std::string_view::npos;
    const std::size_t piece = ends ? newline + 1 : left.size();
    if (skipping_) {
      consumed += piece;
      skipping_ = !ends;
      continue;
    }
    const std::size_t room = limit_ - std::min(limit_, buffer_.size());
    if (piece > room) {
      consumed += room + 1;
      skipping_ = left[room] != '\n';
      buffer_.append(left.substr(0, room));
      complete_ = true;
      return LineEvent::kTooLong;
    }
    buffer_.append(left.substr(0, piece));
    consumed += piece;
    if (!ends) break;
    complete_ = true;
    return judge();
  }
  return LineEvent::kIncomplete;
}

}  // namespace mailstead

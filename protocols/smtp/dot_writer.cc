#include "protocols/smtp/dot_writer.h"

#include <algorithm>

namespace mailstead {

DotWriter::DotWriter(DotStuffing stuffing, std::optional<std::uint64_t> body_lines)
    : stuffing_(stuffing), body_lines_(body_lines) {}

void DotWriter::write(std::string_view piece, std::string& out) {
  if (body_lines_) piece = piece.substr(0, count_lines(piece));
  if (piece.empty()) return;
  if (stuffing_ == DotStuffing::kNeeded) {
    stuff(piece, out);
  } else {
    out.append(piece);
  }
  const bool cr_before = piece.size() > 1 ? piece[piece.size() - 2] == '\r' : last_was_cr_;
  ends_with_crlf_ = cr_before && piece.back() == '\n';
  last_was_cr_ = piece.back() == '\r';
}

void DotWriter::finish(std::string& out) {
  // RFC 1939 3: the dot has to stand on a line of its own, so the message gets the CRLF that it lacks.
  out.append(ends_with_crlf_ ? ".\r\n" : "\r\n.\r\n");
}

// Returns how many octets of `piece` TOP wants.
std::size_t DotWriter::count_lines(std::string_view piece) {
  std::size_t position = 0;
  while (!complete_ && position < piece.size()) {
    const std::size_t newline = std::min(piece.find('\n', position), piece.size());
    if (in_header_) {
      for (std::size_t i = position; i < newline && line_is_blank_; ++i) {
        line_is_blank_ = piece[i] == '\r' && !line_has_cr_;
        line_has_cr_ = true;
      }
    }
    position = newline;
    if (newline < piece.size()) {
      ++position;
      end_line();
    }
  }
  return position;
}

void DotWriter::end_line() {
  // RFC 1939 7: the header, the blank line, and then as many lines as were asked for.
  if (!in_header_) {
    --*body_lines_;
  } else if (line_is_blank_) {
    in_header_ = false;
  }
  complete_ = !in_header_ && *body_lines_ == 0;
  line_is_blank_ = true;
  line_has_cr_ = false;
}

void DotWriter::stuff(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (at_line_start_ && piece.front() == '.') out += '.';
    const std::size_t newline = piece.find('\n');
    at_line_start_ = newline != std::string_view::npos;
    const std::size_t length = at_line_start_ ? newline + 1 : piece.size();
    out.append(piece.substr(0, length));
    piece.remove_prefix(length);
  }
}

}  // namespace mailstead

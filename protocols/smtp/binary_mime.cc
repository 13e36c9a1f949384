#include "protocols/smtp/binary_mime.h"

#include <utility>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/header_token.h"

namespace mailstead {
namespace {

constexpr std::size_t kOctetsOfLine = 57;     // 76 characters of base64, RFC 2045 6.8
constexpr std::size_t kMaxBoundary = 70;      // RFC 2046 5.1.1
constexpr std::size_t kMaxDelimiter = 1000;   // octets of a line, blanks behind the boundary included
constexpr std::size_t kMaxPiece = 64 * 1024;  // of a line that does not end

// Of a part's header, what decides about its body.
struct PartFacts {
  std::string boundary;  // of a multipart; empty: it is none
  bool is_message = false;
  bool is_binary = false;
};

// The fields of a header, each with its line ends; blanks begin a line that continues the field before.
std::vector<std::string_view> fields_of(std::string_view header) {
  std::vector<std::string_view> fields;
  while (!header.empty()) {
    std::size_t end = 0;
    do {
      const std::size_t line_end = header.find("\r\n", end);
      end = line_end == std::string_view::npos ? header.size() : line_end + 2;
    } while (end < header.size() && ascii::is_blank(header[end]));
    fields.push_back(header.substr(0, end));
    header.remove_prefix(end);
  }
  return fields;
}

std::string boundary_in(const std::vector<std::string_view>& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = parts[i].find('=');
    if (equals == std::string_view::npos) continue;
    if (!ascii::same(ascii::trim(parts[i].substr(0, equals)), "boundary")) continue;
    const std::string_view value = ascii::trim(parts[i].substr(equals + 1));
    std::string boundary = value.starts_with('"') ? unquoted(value) : std::string(value);
    if (boundary.size() <= kMaxBoundary) return boundary;
  }
  return {};
}

bool names(std::string_view field, std::string_view name) {
  return ascii::same(field_name(field), name);
}

PartFacts facts_of(const std::vector<std::string_view>& fields) {
  PartFacts facts;
  for (const std::string_view field : fields) {
    if (names(field, "Content-Transfer-Encoding")) {
      const std::string value = unfolded_value(field);
      facts.is_binary = ascii::same(value.substr(0, value.find_first_of(" \t(;")), "binary");
    }
    if (!names(field, "Content-Type")) continue;
    const std::string value = unfolded_value(field);
    const auto parts = mime_parts(value);
    const std::string_view type = parts.empty() ? std::string_view() : parts.front();
    if (ascii::starts_with(type, "multipart/")) facts.boundary = boundary_in(parts);
    facts.is_message = ascii::same(type, "message/rfc822") || ascii::same(type, "message/global");
  }
  return facts;
}

std::string_view bare_line(std::string_view line) {
  if (line.ends_with("\r\n")) line.remove_suffix(2);
  return line;
}

}  // namespace

void BinaryMime::read(std::string_view content, std::string& into) {
  while (!content.empty()) {
    // A line ends with CRLF, whose two octets may come one by one.
    std::size_t end = 0;
    if (line_.ends_with('\r') && content.front() == '\n') {
      end = 1;
    } else {
      const std::size_t found = content.find("\r\n");
      end = found == std::string_view::npos ? content.size() : found + 2;
    }
    line_ += content.substr(0, end);
    content.remove_prefix(end);
    if (line_.ends_with("\r\n")) {
      const std::string line = std::exchange(line_, {});
      std::exchange(within_line_, false) ? read_piece(line, into) : read_line(line, into);
      continue;
    }
    // The rest of the line is to come. What is certain of it goes on; a CR waits for what is behind it.
    const bool keeps = state_ == State::kHeader || (!within_line_ && may_be_boundary(line_));
    if (keeps && line_.size() <= kMaxPiece) continue;
    if (state_ == State::kHeader) {
      failed_ = true;
      state_ = State::kPlain;
      into += std::exchange(header_, {});
    }
    const bool waits = line_.ends_with('\r');
    const std::string piece = line_.substr(0, line_.size() - (waits ? 1 : 0));
    line_.assign(waits ? "\r" : "");
    if (piece.empty()) continue;
    within_line_ = true;
    read_piece(piece, into);
  }
}

// Of a line that is no delimiter.
void BinaryMime::read_piece(std::string_view piece, std::string& into) {
  if (state_ != State::kBinary) {
    into += piece;
    return;
  }
  // RFC 2046 5.1.1: the line end in front of a delimiter is the delimiter's.
  if (std::exchange(line_end_, false)) encode("\r\n", into);
  if (piece.ends_with("\r\n")) {
    line_end_ = true;
    piece.remove_suffix(2);
  }
  encode(piece, into);
}

void BinaryMime::read_line(std::string_view line, std::string& into) {
  const std::size_t place = boundary_of(line);
  if (place < boundaries_.size()) return delimit(place, line, into);
  if (state_ != State::kHeader) return read_piece(line, into);
  if (line != "\r\n") {
    header_ += line;
    if (header_.size() <= kMaxPartHeader) return;
    failed_ = true;
    state_ = State::kPlain;
    into += std::exchange(header_, {});
    return;
  }
  end_header(into);
  into += line;
}

void BinaryMime::end_header(std::string& into) {
  const std::string header = std::exchange(header_, {});
  const auto fields = fields_of(header);
  const PartFacts facts = facts_of(fields);
  const bool holds_parts = !facts.boundary.empty() || facts.is_message;
  for (const std::string_view field : fields) {
    if (facts.is_binary && names(field, "Content-Transfer-Encoding")) {
      has_converted_ = true;
      // What holds parts has no encoding of its own (RFC 2045 6.4); theirs are at most 8bit now.
      into += holds_parts ? "Content-Transfer-Encoding: 8bit\r\n" : "Content-Transfer-Encoding: base64\r\n";
    } else {
      into += field;
    }
  }
  if (!facts.boundary.empty()) {
    if (boundaries_.size() == kMaxPartDepth) failed_ = true;
    if (!failed_) boundaries_.push_back(facts.boundary);
  }
  state_ = facts.is_message                            ? State::kHeader
           : facts.is_binary && facts.boundary.empty() ? State::kBinary
                                                       : State::kPlain;
}

std::size_t BinaryMime::boundary_of(std::string_view line) const {
  if (!line.starts_with("--") || line.size() > kMaxDelimiter) return boundaries_.size();
  std::string_view text = bare_line(line).substr(2);
  while (!text.empty() && ascii::is_blank(text.back())) text.remove_suffix(1);
  // The innermost first: a part's own boundary may begin like the one of what holds it.
  for (std::size_t i = boundaries_.size(); i-- > 0;) {
    const std::string& boundary = boundaries_[i];
    if (!text.starts_with(boundary)) continue;
    const std::string_view rest = text.substr(boundary.size());
    if (rest.empty() || rest == "--") return i;
  }
  return boundaries_.size();
}

bool BinaryMime::may_be_boundary(std::string_view beginning) const {
  if (boundaries_.empty() || beginning.size() > kMaxDelimiter) return false;
  const std::string_view dashes = "--";
  return beginning.substr(0, 2) == dashes.substr(0, beginning.size());
}

void BinaryMime::delimit(std::size_t place, std::string_view line, std::string& into) {
  if (state_ == State::kHeader) {
    // A header without an empty line behind it: a part without a body.
    into += std::exchange(header_, {});
  }
  if (state_ == State::kBinary) end_encoding(into);
  line_end_ = false;
  const std::string_view text = ascii::trim(bare_line(line));
  const bool is_last = text.substr(2).size() > boundaries_[place].size();
  boundaries_.resize(is_last ? place : place + 1);
  into += line;
  state_ = is_last ? State::kPlain : State::kHeader;
}

void BinaryMime::encode(std::string_view octets, std::string& into) {
  octets_ += octets;
  std::size_t at = 0;
  for (; octets_.size() - at >= kOctetsOfLine; at += kOctetsOfLine) {
    into += base64::encode(std::string_view(octets_).substr(at, kOctetsOfLine));
    into += "\r\n";
  }
  octets_.erase(0, at);
}

void BinaryMime::end_encoding(std::string& into) {
  if (!octets_.empty()) {
    into += base64::encode(octets_);
    into += "\r\n";
  }
  octets_.clear();
}

void BinaryMime::finish(std::string& into) {
  if (!line_.empty()) {
    const std::string line = std::exchange(line_, {});
    if (!within_line_ && boundary_of(line) < boundaries_.size()) {
      delimit(boundary_of(line), line, into);
    } else if (state_ == State::kHeader) {
      header_ += line;
    } else {
      read_piece(line, into);
    }
  }
  if (state_ == State::kHeader) into += std::exchange(header_, {});
  if (state_ != State::kBinary) return;
  // The end of the message is the end of its last body, line end included.
  if (std::exchange(line_end_, false)) encode("\r\n", into);
  end_encoding(into);
}

}  // namespace mailstead

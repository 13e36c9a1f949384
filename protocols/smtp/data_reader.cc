#include "protocols/smtp/data_reader.h"

#include <algorithm>
#include <optional>

namespace mailstead {

std::size_t DataReader::read(std::string_view wire, std::string* into) {
  into_ = into;
  std::size_t position = 0;
  // The next LF is looked for once, not once for each CR before it: linear time.
  std::optional<std::size_t> line_feed;
  while (position < wire.size() && state_ != State::kEnded) {
    if (state_ == State::kText) {
      if (!line_feed || *line_feed < position) line_feed = std::min(wire.find('\n', position), wire.size());
      const std::string_view line = wire.substr(position, *line_feed - position);
      const std::string_view text = line.substr(0, line.find('\r'));
      if (text.size() + 1 == line.size() && *line_feed < wire.size()) {
        // The common case: the line ends in CRLF, and all of it is here.
        emit(wire.substr(position, line.size() + 1));
        position = *line_feed + 1;
        state_ = State::kLineStart;
        continue;
      }
      emit(text);
      position += text.size();
      if (position == wire.size()) break;
    }
    step(wire[position++]);
  }
  into_ = nullptr;
  return position;
}

void DataReader::end_chunks(std::string& into) {
  into_ = &into;
  if (state_ == State::kCr) lone_cr();
  const bool ends_in_crlf =
      state_ == State::kLineStart || (state_ == State::kCr && policy_ == BareNewline::kNormalise);
  if (!ends_in_crlf) {
    emit("\r\n");
    added_ = 2;
  }
  state_ = State::kEnded;
  into_ = nullptr;
}

void DataReader::step(char c) {
  switch (state_) {
    case State::kLineStart:
      if (c == '.' && framing_ == Framing::kDots) {
        state_ = State::kDot;
        return;
      }
      break;
    case State::kDot:
      if (c == '\r') {
        state_ = State::kDotCr;
        return;
      }
      // RFC 5321 4.5.2: a first dot with more behind it is taken away.
      break;
    case State::kDotCr:
      if (c == '\n') {
        state_ = State::kEnded;  // RFC 5321 4.1.1.4: CRLF.CRLF and nothing else
        return;
      }
      emit("\r");
      lone_cr();
      break;
    case State::kCr:
      if (c == '\n') {
        emit("\n");
        state_ = State::kLineStart;
        return;
      }
      lone_cr();
      break;
    case State::kText:
    case State::kEnded:
      break;
  }
  take(c);
}

// An octet with no meaning for the frame but what CR and LF have everywhere.
void DataReader::take(char c) {
  if (c == '\r') {
    emit("\r");
    state_ = State::kCr;
    return;
  }
  state_ = State::kText;
  if (c == '\n') {
    bare_newline_ = true;
    emit(policy_ == BareNewline::kNormalise ? "\r\n" : "\n");
  } else {
    emit(std::string_view(&c, 1));
  }
}

// The CR that was passed on as content turns out to stand alone.
void DataReader::lone_cr() {
  bare_newline_ = true;
  if (policy_ == BareNewline::kNormalise) emit("\n");
}

void DataReader::emit(std::string_view content) {
  if (content.empty()) return;
  octets_ += content.size();
  header_.read(content);
  if (into_ != nullptr) into_->append(content);
}

}  // namespace mailstead

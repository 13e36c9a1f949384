#include "protocols/smtp/reply_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxShown = 80;  // octets of what is no reply, for the log

// RFC 3463 2: class "." subject "." detail, of one, three and three digits. Empty: none stands there.
std::string_view enhanced_code(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  if (word.size() < 5 || word[1] != '.' || std::string_view("245").find(word[0]) == std::string_view::npos)
    return {};
  const std::size_t dot = word.find('.', 2);
  if (dot == std::string_view::npos) return {};
  const auto is_number = [](std::string_view digits) {
    return !digits.empty() && digits.size() <= 3 && std::ranges::all_of(digits, ascii::is_digit);
  };
  return is_number(word.substr(2, dot - 2)) && is_number(word.substr(dot + 1)) ? word : std::string_view();
}

// RFC 5321 4.2: three digits, of which the first says the class. 0 for any other beginning.
int code_of(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5') return 0;
  if (!ascii::is_digit(line[1]) || !ascii::is_digit(line[2])) return 0;
  // RFC 5321 4.2.1: some servers end a reply without text behind its code, even without the blank.
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

}  // namespace

std::string RemoteReply::line() const {
  std::string result = is_ours() ? std::string() : fmt::format("{}", code);
  for (const std::string& part : {enhanced, text}) {
    if (part.empty()) continue;
    if (!result.empty()) result += ' ';
    result += part;
  }
  return result;
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t octets = std::max<std::size_t>(utf8::length(text), 1);
    const std::string_view character = text.substr(0, octets);
    text.remove_prefix(octets);
    // Half a character helps nobody.
    if (result.size() + octets > kMaxReplyText) break;
    if (utf8::length(character) == 0) {
      result += '?';
    } else if (utf8::is_control(character)) {
      result += ' ';
    } else {
      result += character;
    }
  }
  return result;
}

ReplyReader::Event ReplyReader::read(std::string_view bytes, std::size_t& consumed) {
  if (std::exchange(complete_, false)) {
    lines_.clear();
    octets_ = 0;
  }
  consumed = 0;
  while (consumed < bytes.size()) {
    const std::string_view left = bytes.substr(consumed);
    const std::size_t newline = left.find('\n');
    const std::size_t length = newline == std::string_view::npos ? left.size() : newline + 1;
    if (line_.size() + length > kMaxReplyLine) {
      line_.append(left.substr(0, kMaxShown));
      consumed = bytes.size();
      return fail("a line of a reply is too long");
    }
    line_.append(left.substr(0, length));
    consumed += length;
    if (newline == std::string_view::npos) break;
    if (const Event event = end_line(); event != Event::kIncomplete) return event;
  }
  return Event::kIncomplete;
}

ReplyReader::Event ReplyReader::end_line() {
  octets_ += line_.size();
  std::string_view text = line_;
  text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  const int code = code_of(text);
  if (code == 0) return fail("what came is no reply");
  // RFC 5321 4.2.1: all lines of a reply have one code.
  if (!lines_.empty() && code != code_) return fail("the lines of a reply have different codes");
  if (lines_.size() >= kMaxReplyLines || octets_ > kMaxReply) return fail("a reply does not end");
  code_ = code;
  lines_.emplace_back(text.substr(std::min<std::size_t>(text.size(), 4)));
  complete_ = text.size() <= 3 || text[3] == ' ';
  line_.clear();
  return complete_ ? Event::kReply : Event::kIncomplete;
}

ReplyReader::Event ReplyReader::fail(std::string_view why) {
  const std::string shown = printable(std::string_view(line_).substr(0, kMaxShown));
  why_ = fmt::format("{}: {}", why, ascii::trim(shown));
  line_ = {};
  lines_ = {};
  return Event::kNoReply;
}

RemoteReply ReplyReader::reply() const {
  RemoteReply reply;
  reply.code = code_;
  const std::string_view enhanced = lines_.empty() ? std::string_view() : enhanced_code(lines_.front());
  // RFC 2034 4: it says the same class as the code; else one of the two is wrong, and the code decides.
  if (!enhanced.empty() && enhanced.front() - '0' == code_ / 100) reply.enhanced = enhanced;
  std::string text;
  for (std::string_view line : lines_) {
    // RFC 2034 4: it stands at the beginning of each line.
    if (!reply.enhanced.empty() && enhanced_code(line) == reply.enhanced) {
      line.remove_prefix(reply.enhanced.size());
    }
    line = ascii::trim(line);
    if (!text.empty() && !line.empty()) text += ' ';
    text += line;
    if (text.size() > kMaxReplyText) break;
  }
  reply.text = printable(text);
  return reply;
}

}  // namespace mailstead

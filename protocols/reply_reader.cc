#include "protocols/reply_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

// RFC 2034 4: "5.7.1" and a blank in front of the text; of the reply's own class (RFC 3463 2).
std::string_view enhanced_code(std::string_view text, int code) {
  std::size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    const std::size_t begin = at;
    while (at < text.size() && ascii::is_digit(text[at])) ++at;
    if (at == begin || at - begin > 3) return {};
    if (part == 0 && (at - begin != 1 || text[0] - '0' != code / 100)) return {};
    if (part < 2) {
      if (at == text.size() || text[at] != '.') return {};
      ++at;
    }
  }
  if (at < text.size() && text[at] != ' ') return {};
  return text.substr(0, at);
}

}  // namespace

std::string harmless(std::string_view text, std::size_t at_most) {
  std::string clean;
  while (!text.empty() && clean.size() < at_most) {
    const std::size_t length = utf8::length(text);
    if (length == 0 || utf8::is_control(text.substr(0, length))) {
      clean += '?';
      text.remove_prefix(std::max<std::size_t>(length, 1));
      continue;
    }
    if (clean.size() + length > at_most) break;
    clean += text.substr(0, length);
    text.remove_prefix(length);
  }
  return clean;
}

std::string ServerReply::words() const {
  std::string words = code == 0 ? std::string() : fmt::format("{} ", code);
  if (!enhanced.empty()) words += enhanced + ' ';
  words += text;
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

ReplyReader::Event ReplyReader::read(std::string_view bytes, std::size_t& used) {
  used = 0;
  while (used < bytes.size()) {
    const std::size_t feed = bytes.find('\n', used);
    const std::size_t end = feed == std::string_view::npos ? bytes.size() : feed;
    if (line_.size() + (end - used) > kMaxReplyLine) return Event::kBroken;
    line_.append(bytes, used, end - used);
    if (feed == std::string_view::npos) {
      used = bytes.size();
      return Event::kMore;
    }
    used = feed + 1;
    const Event event = end_line();
    if (event != Event::kMore) return event;
  }
  return Event::kMore;
}

ReplyReader::Event ReplyReader::end_line() {
  if (line_.ends_with('\r')) line_.pop_back();
  const std::string_view line = line_;
  octets_ += line.size() + 2;
  if (octets_ > kMaxReply) return Event::kBroken;
  const bool has_code = line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3, ascii::is_digit);
  if (!has_code || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) return Event::kBroken;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  // RFC 5321 4.2: the same code on each line, and one of the five classes.
  if (code < 100 || code > 599 || (reply_.code != 0 && reply_.code != code)) return Event::kBroken;
  reply_.code = code;
  std::string_view text = line.substr(std::min<std::size_t>(line.size(), 4));
  reply_.lines.emplace_back(text);
  const std::string_view enhanced = enhanced_code(text, code);
  if (!enhanced.empty()) {
    if (reply_.enhanced.empty()) reply_.enhanced = enhanced;
    text = ascii::trim(text.substr(enhanced.size()));
  }
  if (reply_.text.size() < kMaxReplyText && !text.empty()) {
    if (!reply_.text.empty()) reply_.text += ' ';
    reply_.text += harmless(text, kMaxReplyText - std::min(kMaxReplyText, reply_.text.size()));
  }
  const bool more = line.size() > 3 && line[3] == '-';
  line_.clear();
  if (more) return Event::kMore;
  octets_ = 0;
  return Event::kReply;
}

ServerReply ReplyReader::take() {
  return std::exchange(reply_, {});
}

}  // namespace mailstead

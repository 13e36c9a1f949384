#include "tests/protocols/dialogue_text.h"

namespace mailstead::test {
namespace {

const std::map<char, char> kEscapes{{'r', '\r'}, {'n', '\n'}, {'0', '\0'},
                                    {'t', '\t'}, {'s', ' '},  {'\\', '\\'}};

}  // namespace

std::string unescape(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (++i < text.size() && text[i] == 'x' && i + 2 < text.size()) {
      bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else if (i < text.size() && kEscapes.contains(text[i])) {
      bytes += kEscapes.at(text[i]);
    } else {
      throw std::runtime_error("unknown escape in: " + text);
    }
  }
  return bytes;
}

std::string visible(const std::string& bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 4000)) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n\n";
    } else {
      text += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  return text;
}

std::string repeat(std::size_t times, const std::string& piece) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

std::string take_word(std::string& text) {
  const std::size_t blank = text.find(' ');
  const std::string word = text.substr(0, blank);
  text = blank == std::string::npos ? "" : text.substr(blank + 1);
  return word;
}

}  // namespace mailstead::test

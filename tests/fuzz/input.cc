#include "tests/fuzz/input.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "protocols/ascii.h"

namespace mailstead::fuzz {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

std::size_t Choices::draw(std::size_t n) {
  if (line_.empty()) return 0;
  const auto value = static_cast<unsigned char>(line_.front() - '0');
  line_.remove_prefix(1);
  return value % n;
}

Input split_input(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = std::min(all.find('\n'), all.size());
  return {all.substr(0, newline), all.substr(std::min(newline + 1, all.size()))};
}

namespace {

// Also within the line: a command begins behind the octets of a BDAT, wherever these end.
bool holds(std::string_view line, std::string_view word) {
  for (; line.size() >= word.size(); line.remove_prefix(1)) {
    if (ascii::starts_with(line, word)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string_view> turns(std::string_view wire, const std::vector<std::string_view>& words) {
  std::vector<std::string_view> result;
  std::size_t begin = 0;
  for (std::size_t line = 0; line < wire.size();) {
    const std::size_t newline = wire.find('\n', line);
    const std::size_t end = newline == std::string_view::npos ? wire.size() : newline + 1;
    const std::string_view text = wire.substr(line, end - line);
    if (std::ranges::any_of(words, [&](std::string_view word) { return holds(text, word); })) {
      result.push_back(wire.substr(begin, end - begin));
      begin = end;
    }
    line = end;
  }
  if (begin < wire.size()) result.push_back(wire.substr(begin));
  return result;
}

std::vector<std::string_view> packets(std::string_view turn, Cutting cutting, std::size_t seed) {
  if (cutting == Cutting::kTurns) return {turn};
  constexpr std::size_t kLengths[] = {1, 1, 2, 1, 3, 7, 1, 40, 5};
  std::vector<std::string_view> result;
  while (!turn.empty()) {
    const std::size_t length = std::min(turn.size(), kLengths[seed++ % std::size(kLengths)]);
    result.push_back(turn.substr(0, length));
    turn.remove_prefix(length);
  }
  return result;
}

}  // namespace mailstead::fuzz

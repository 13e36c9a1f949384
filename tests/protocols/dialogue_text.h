// The words that dialogue files are written in.
#pragma once

#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>

namespace mailstead::test {

// \r \n \0 \t \\ \s (a blank, where an editor would eat it) \xHH. Throws std::runtime_error for others.
std::string unescape(const std::string& text);

// For a report of what differs: line ends can be seen.
std::string visible(const std::string& bytes);

std::string repeat(std::size_t times, const std::string& piece);

// Cuts the first word off.
std::string take_word(std::string& text);

template <typename T>
T choose(const std::map<std::string, T>& choices, const std::string& word) {
  const auto found = choices.find(word);
  if (found == choices.end()) throw std::runtime_error("not a choice: " + word);
  return found->second;
}

}  // namespace mailstead::test

// How the fuzz targets read their input: a line of choices, then what a client sends.
//
// The choices are the characters up to the first LF, so that a seed is a text file: each draw takes one.
// Choices that are not there are 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead::fuzz {

// Ends the process, with what was wrong, when `holds` is false.
void require(bool holds, const char* what);

class Choices {
 public:
  explicit Choices(std::string_view line) : line_(line) {}

  // 0 to n - 1. '0' is 0, '1' is 1 and so on.
  std::size_t draw(std::size_t n);

 private:
  std::string_view line_;
};

struct Input {
  std::string_view choices;
  std::string_view wire;
};
Input split_input(const std::uint8_t* data, std::size_t size);

// Cuts behind every line that holds one of these words: what follows them in the same packet has a
// meaning of its own, so both ways of cutting must begin a packet there.
std::vector<std::string_view> turns(std::string_view wire, const std::vector<std::string_view>& words);

enum class Cutting { kTurns, kPieces };

// Packets of one turn: the turn itself, or pieces of it, small ones and larger ones.
std::vector<std::string_view> packets(std::string_view turn, Cutting cutting, std::size_t seed);

}  // namespace mailstead::fuzz

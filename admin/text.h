// Text for people: what is safe on a terminal, sizes, times, and tables with aligned columns.
// Pure functions and plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead::admin {

// The text with control characters, those that turn its direction, and bytes that are not UTF-8, as \xNN: one
// line, harmless on a terminal.
std::string printable(std::string_view text);

// As one word of a POSIX shell: as it is where that is harmless, else between single quotes.
std::string shell_word(std::string_view text);
// Of a command within a sentence, which stands in quotes itself: the address, or ADDRESS where a shell would
// not take it as it is. Strangers choose the addresses that they write to, and quotes within quotes mislead.
std::string address_word(std::string_view address);

std::string size_text(std::uint64_t octets);                        // "0 B", "3.4 MiB"
std::string time_text(std::int64_t unix_seconds);                   // "2025-03-01 09:30 UTC"; "never" for 0
std::string rfc3339(std::int64_t unix_seconds);                     // "2025-03-01T09:30:00Z"
std::string span_text(std::int64_t seconds);                        // "3 days 4 h", "12 s"
std::string counted(std::uint64_t number, std::string_view thing);  // "1 message", "12 messages"

// Running text is set for a terminal of so many columns. What is to be copied or compared as a whole stays on
// a line of its own, however long.
inline constexpr std::size_t kTextWidth = 80;
// `text` from column `at` on, in lines of that width, where further ones begin at `hang`; without the last
// line's end. A word that is too long has a line to itself, and what begins with a bracket stays whole up to
// the closing one, as an option does in a usage.
std::string filled(std::string_view text, std::size_t at = 0, std::size_t hang = 0);

enum class Align { kLeft, kRight };

// Rows in columns that are as wide as their widest cell, two spaces apart, no space at a line's end.
class Table {
 public:
  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}

  // Missing cells are empty, more than there are columns are not shown.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text(std::size_t indent = 0) const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// The word of `known` that `word` was probably meant to be; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace mailstead::admin

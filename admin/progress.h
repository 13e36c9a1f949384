// How far a long command is, for people: a bar that is drawn anew on a terminal, else a line once in a while.
// To the standard error; quiet where nobody asked (--json).
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace mailstead::admin {

class Progress {
 public:
  enum class Speech { kAloud, kQuiet };

  // `total` is in the unit of advance(): messages or octets; 0: not known.
  Progress(std::string what, std::uint64_t total, Speech speech);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // It is another total than was thought.
  void expect(std::uint64_t total) { total_ = total; }
  // `done` of the total, and what stands behind it: "1,234 messages".
  void show(std::uint64_t done, const std::string& words);
  // A line of its own, above the bar.
  void say(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void clear();
  std::string estimate(std::uint64_t done) const;

  const std::string what_;
  std::uint64_t total_;
  const bool quiet_;
  const bool terminal_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point shown_at_;
  bool drawn_ = false;
};

// Ctrl-C and SIGTERM end a transfer between two requests; a second one ends the process.
class Interruption {
 public:
  Interruption();
  static bool happened();
};

}  // namespace mailstead::admin

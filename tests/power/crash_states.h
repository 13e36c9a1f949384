// Which of the states that a power cut may leave are tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "disk_model.h"
#include "ledger.h"
#include "record.h"

namespace mailstead::power {

// A scenario that was recorded, and what had been promised at each mark.
struct Run {
  Recording recording;
  std::vector<Ledger> ledgers;
  // What stands between the program and the truth: calls that were not recorded, failures of the store.
  Findings problems;
};

struct CrashState {
  std::size_t position = 0;  // so many records happened
  Choice choice;
};

// Of every moment and every kind of choice, so many, spread by the seed; moments when nothing but the
// promises changed count, too.
std::vector<CrashState> choose_states(const Recording& recording, std::size_t count, std::uint64_t seed);

// Moments of a recording in rising order; the disk is kept, so that going on costs little.
class Playback {
 public:
  explicit Playback(const Recording& recording) : recording_(recording), disk_(recording.start) {}

  // `left_out`: for each record whether it is a sync that is not done; may be empty.
  Playback(const Recording& recording, std::vector<bool> left_out)
      : recording_(recording), disk_(recording.start), left_out_(std::move(left_out)) {}

  // So many records happened: not fewer than before.
  void go_to(std::size_t position);
  const Disk& disk() const { return disk_; }
  // The last mark before; 0: there was none.
  std::size_t mark() const { return mark_; }

 private:
  const Recording& recording_;
  Disk disk_;
  std::vector<bool> left_out_;
  std::size_t position_ = 0;
  std::size_t mark_ = 0;
};

// The same images have the same number, and hardly any others.
std::uint64_t fingerprint(const Image& image);

std::string describe(const CrashState& state);
// The last few records before a moment.
std::string describe_records(const Recording& recording, std::size_t position);

}  // namespace mailstead::power

// What is done with a store while it is recorded: each begins with an empty place, and may open and close the
// store several times.
#pragma once

#include <span>
#include <string>

#include "world.h"

namespace mailstead::power {

struct Scenario {
  std::string name;
  void (*run)(World& world);
};

std::span<const Scenario> scenarios();

inline constexpr const char* kAnna = "anna@example.org";
inline constexpr const char* kBert = "bert@example.org";
inline constexpr const char* kCarl = "carl@far.example";  // not ours
inline constexpr const char* kDora = "dora@wide.example";
inline constexpr std::size_t kSmall = 900;
inline constexpr std::size_t kMiddle = 20'000;
inline constexpr std::size_t kLarge = 140'000;  // more than what a commit takes in

// The parts of a scenario that other tests begin with.
void make_mailboxes(World& world);
Letter relayed(std::vector<std::string> recipients, std::size_t octets);

}  // namespace mailstead::power

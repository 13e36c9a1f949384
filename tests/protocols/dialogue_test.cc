// Plays every file under tests/dialogues: whole, byte by byte, and cut in two at every place.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/protocols/client_dialogue.h"
#include "tests/protocols/dialogue.h"

namespace mailstead::test {
namespace {

// A dialogue of up to this many octets is cut everywhere; a longer one everywhere near its ends, and at
// places spread over it, so that a run stays short.
constexpr std::size_t kShort = 2000;
constexpr std::size_t kNearEnd = 150;
constexpr std::size_t kSpread = 40;

std::set<std::size_t> cuts(std::size_t octets) {
  std::set<std::size_t> positions;
  const std::size_t step = octets <= kShort ? 1 : octets / kSpread;
  for (std::size_t position = 1; position < octets; position += step) positions.insert(position);
  if (octets <= kShort) return positions;
  for (std::size_t i = 1; i <= kNearEnd; ++i) {
    positions.insert(i);
    positions.insert(octets - i);
  }
  return positions;
}

std::vector<std::string> dialogue_files(const std::string& protocol) {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(MAILSTEAD_DIALOGUES) + "/" + protocol)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

void expect_as_written(const std::string& problem) {
  INFO(problem);
  REQUIRE(problem.empty());
}

template <typename D>
void play_all_ways(const D& dialogue, const std::string& path) {
  INFO(path);
  expect_as_written(play(dialogue, {Cut::How::kWhole, 0}));
  if (dialogue.also_at_once) {
    INFO("all client bytes at once");
    expect_as_written(play(dialogue, {Cut::How::kAtOnce, 0}));
  }
  if (dialogue.only_whole) return;
  {
    INFO("byte by byte");
    expect_as_written(play(dialogue, {Cut::How::kBytes, 0}));
  }
  for (const std::size_t position : cuts(dialogue.input_octets())) {
    const std::string problem = play(dialogue, {Cut::How::kSplit, position});
    INFO("cut behind octet " << position);
    if (!problem.empty()) expect_as_written(problem);
  }
}

}  // namespace

TEST_CASE("every SMTP dialogue goes as written, however its packets are cut", "[smtp][dialogue]") {
  const auto files = dialogue_files("smtp");
  REQUIRE(files.size() >= 40);
  for (const std::string& path : files) {
    DYNAMIC_SECTION(std::filesystem::path(path).stem().string()) {
      play_all_ways(read_dialogue(path), path);
    }
  }
}

TEST_CASE("every POP3 dialogue goes as written, however its packets are cut", "[pop3][dialogue]") {
  const auto files = dialogue_files("pop3");
  REQUIRE(files.size() >= 20);
  for (const std::string& path : files) {
    DYNAMIC_SECTION(std::filesystem::path(path).stem().string()) {
      play_all_ways(read_dialogue(path), path);
    }
  }
}

TEST_CASE("every dialogue with another server goes as written, however its packets are cut",
          "[smtp-client][dialogue]") {
  const auto files = dialogue_files("smtp-client");
  REQUIRE(files.size() >= 40);
  for (const std::string& path : files) {
    DYNAMIC_SECTION(std::filesystem::path(path).stem().string()) {
      play_all_ways(read_client_dialogue(path), path);
    }
  }
}

}  // namespace mailstead::test

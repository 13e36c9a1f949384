#include "crash_states.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <random>
#include <string_view>

namespace mailstead::power {

namespace {

struct Kind {
  NamesKept names;
  DataKept data;
};

constexpr Kind kKinds[] = {
    {NamesKept::kNone, DataKept::kNone},        {NamesKept::kAll, DataKept::kNone},
    {NamesKept::kAll, DataKept::kSome},         {NamesKept::kBeginning, DataKept::kSome},
    {NamesKept::kSome, DataKept::kSome},        {NamesKept::kSome, DataKept::kNone},
    {NamesKept::kOfOneFolder, DataKept::kNone}, {NamesKept::kOfOneFolder, DataKept::kAll},
    {NamesKept::kOfAllButOne, DataKept::kSome}, {NamesKept::kNone, DataKept::kSome},
};

const char* word(NamesKept names) {
  switch (names) {
    case NamesKept::kNone:
      return "synced names";
    case NamesKept::kAll:
      return "all names";
    case NamesKept::kBeginning:
      return "names up to a moment";
    case NamesKept::kSome:
      return "some names";
    case NamesKept::kOfOneFolder:
      return "names of one folder";
    case NamesKept::kOfAllButOne:
      return "names of all folders but one";
  }
  return "";
}

const char* word(DataKept data) {
  switch (data) {
    case DataKept::kNone:
      return "synced data";
    case DataKept::kAll:
      return "all data";
    case DataKept::kSome:
      return "some data";
  }
  return "";
}

const char* word(RecordKind kind) {
  switch (kind) {
    case RecordKind::kCreate:
      return "create";
    case RecordKind::kFolder:
      return "mkdir";
    case RecordKind::kWrite:
      return "write";
    case RecordKind::kResize:
      return "resize";
    case RecordKind::kSync:
      return "sync";
    case RecordKind::kSyncAll:
      return "sync all";
    case RecordKind::kLink:
      return "link";
    case RecordKind::kRename:
      return "rename";
    case RecordKind::kExchange:
      return "exchange";
    case RecordKind::kUnlink:
      return "unlink";
    case RecordKind::kMark:
      return "mark";
  }
  return "";
}

}  // namespace

std::vector<CrashState> choose_states(const Recording& recording, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::size_t moments = recording.records.size() + 1;
  std::vector<CrashState> states;
  states.reserve(count);
  // Round after round over all moments, each time with other kinds; the first few rounds of a short recording
  // have them all.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position =
        count < moments ? i * moments / count + random() % (moments / count) : i % moments;
    const Kind& kind = kKinds[random() % std::size(kKinds)];
    states.push_back({std::min(position, moments - 1), {kind.names, kind.data, random(), nullptr}});
  }
  std::ranges::stable_sort(states, {}, &CrashState::position);
  return states;
}

void Playback::go_to(std::size_t position) {
  for (; position_ < position; ++position_) {
    const Record& record = recording_.records[position_];
    const bool is_left_out = !left_out_.empty() && left_out_[position_];
    disk_.apply(record, is_left_out ? Syncs::kLeftOut : Syncs::kDone);
    if (record.kind == RecordKind::kMark) mark_ = record.offset;
  }
}

std::uint64_t fingerprint(const Image& image) {
  std::uint64_t sum = 0;
  const std::hash<std::string_view> hash;
  const std::function<void(ObjectId, std::uint64_t)> add = [&](ObjectId folder, std::uint64_t above) {
    for (const auto& [name, object] : image.folders.at(folder)) {
      std::uint64_t own = above * 1'000'003 ^ hash(name);
      const auto file = image.files.find(object);
      if (file != image.files.end()) own = own * 1'000'003 ^ hash(*file->second);
      sum = sum * 31 + own;
      if (file == image.files.end()) add(object, own);
    }
  };
  add(image.root, 1);
  return sum;
}

std::string describe(const CrashState& state) {
  if (state.choice.all_but_synced_on != nullptr)
    return fmt::format("after {} records, all but what that sync is for", state.position);
  return fmt::format("after {} records, {}, {}, seed {}", state.position, word(state.choice.names),
                     word(state.choice.data), state.choice.seed);
}

std::string describe_records(const Recording& recording, std::size_t position) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = position < kShown ? 0 : position - kShown; i < position; ++i) {
    const Record& record = recording.records[i];
    text += fmt::format("      {} {} {}{}{}\n", i + 1, word(record.kind),
                        record.name.empty() ? fmt::format("#{}", record.object) : record.name,
                        record.to_name.empty() ? "" : " to ", record.to_name);
  }
  return text;
}

}  // namespace mailstead::power

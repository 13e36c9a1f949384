// Power cuts: `power_test states SCENARIO` tries states that one may leave, `power_test syncs PART/PARTS`
// shows for each sync of the code that without it the test fails. See README.md.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "call_sites.h"
#include "children.h"
#include "crash_states.h"
#include "needless_syncs.h"
#include "recorder.h"
#include "scenarios.h"
#include "trial.h"

namespace mailstead::power {

namespace {

constexpr std::size_t kDefaultStates = 400;
// Of each so many a recovery is cut short itself, and its second try compared.
constexpr std::size_t kRecoveriesCut = 10;
constexpr std::size_t kCutsOfOne = 2;
constexpr std::size_t kMostFailuresShown = 5;
// Of a sync that is left out.
constexpr std::size_t kMomentsAfter = 40;
constexpr std::size_t kMarksAfter = 6;

struct Options {
  std::string mode;
  std::string scenario;
  std::size_t states = kDefaultStates;  // of a scenario, or without one sync
  std::uint64_t seed = 1;
  std::size_t part = 1;  // of `parts`
  std::size_t parts = 1;
  std::string keep;  // a folder for the first state that fails
};

std::string joined(const Findings& findings) {
  std::string text;
  for (const std::string& finding : findings) text += "      " + finding + "\n";
  return text;
}

Run record_scenario(const Scenario& scenario) {
  Workshop workshop;
  const std::string root = workshop.fresh();
  std::filesystem::create_directory(root);
  Run run;
  Recorder recorder(root);
  World world(root + "/data", [&](const Ledger& ledger) {
    recorder.mark(run.ledgers.size());
    run.ledgers.push_back(ledger);
  });
  recorder.mark(0);
  run.ledgers.emplace_back();
  scenario.run(world);
  const Unobserved own;
  const Image end = read_image(root);
  run.recording = recorder.take();
  set_disk_observer(nullptr);
  run.problems = world.errors();
  // A call that was overlooked would make every state a wrong one.
  Playback playback(run.recording);
  playback.go_to(run.recording.records.size());
  const std::string missed =
      difference(playback.disk().after_crash({NamesKept::kAll, DataKept::kAll, 0, nullptr}), end);
  if (!missed.empty()) run.problems.push_back("the record is not whole: " + missed);
  return run;
}

// The states of one run, tried one after the other.
class Trials {
 public:
  Trials(const Run& run, const Options& options)
      : run_(run), options_(options), states_(choose_states(run.recording, options.states, options.seed)) {}

  // How many failed.
  std::size_t run() {
    std::size_t tried = 0;
    std::size_t repeated = 0;
    std::size_t failed = 0;
    Workshop workshop;
    Playback playback(run_.recording);
    in_children(
        states_.size(), [&](std::size_t i) { return try_state(workshop, playback, i); },
        [&](std::size_t i, const std::string& text) {
          if (text == kRepeated) {
            ++repeated;
            return true;
          }
          ++tried;
          if (text.empty()) return true;
          ++failed;
          fmt::print("FAILED: {}\n{}{}", describe(states_[i]),
                     describe_records(run_.recording, states_[i].position), text);
          return failed < kMostFailuresShown;
        });
    fmt::print("{}: {} states at {} moments, {} more were chosen twice; seed {}; {} failed\n",
               options_.scenario, tried, run_.recording.records.size() + 1, repeated, options_.seed, failed);
    return failed;
  }

 private:
  static constexpr const char* kRepeated = "repeated";

  const Ledger& ledger_at(const Playback& playback) const { return run_.ledgers.at(playback.mark()); }

  std::string try_state(Workshop& workshop, Playback& playback, std::size_t i) {
    const CrashState& state = states_[i];
    playback.go_to(state.position);
    const Image image = playback.disk().after_crash(state.choice);
    if (!seen_.insert(fingerprint(image) ^ playback.mark()).second) return kRepeated;
    auto findings = try_image(workshop, image, ledger_at(playback));
    if (findings.empty() && i % kRecoveriesCut == 0)
      findings = cut_recovery(workshop, image, ledger_at(playback), i);
    if (!findings.empty() && !options_.keep.empty() && !std::filesystem::exists(options_.keep))
      write_image(image, options_.keep);
    return joined(findings);
  }

  Findings cut_recovery(Workshop& workshop, const Image& image, Ledger ledger, std::size_t i) const {
    ledger.clean = {false, true};  // the start that is cut may have noted that it began
    const Recording recording = record_recovery(workshop, image);
    Playback playback(recording);
    Findings findings;
    for (const CrashState& state : choose_states(recording, kCutsOfOne, options_.seed + i)) {
      playback.go_to(state.position);
      for (const std::string& finding :
           try_image(workshop, playback.disk().after_crash(state.choice), ledger))
        findings.push_back(fmt::format("recovery cut {}: {}", describe(state), finding));
    }
    return findings;
  }

  const Run& run_;
  const Options& options_;
  const std::vector<CrashState> states_;
  std::unordered_set<std::uint64_t> seen_;
};

// Leaves out each sync of the code in turn, in all scenarios that reach it, and looks for a state that tells.
class Mutations {
 public:
  Mutations(const std::vector<Run>& runs, const Options& options) : runs_(runs), options_(options) {
    for (std::size_t run = 0; run < runs.size(); ++run) {
      const auto texts = describe_syncs(runs[run].recording);
      for (std::size_t i = 0; i < texts.size(); ++i) {
        if (!texts[i].empty()) syncs_[texts[i]][run].push_back(i);
      }
    }
    std::size_t place = 0;
    for (const auto& [text, where] : syncs_) {
      if (place++ % options.parts == options.part - 1) names_.push_back(text);
    }
  }

  // How many were not missed and are not known to be needless.
  std::size_t run() {
    std::size_t unexplained = 0;
    std::size_t needless = 0;
    Workshop workshop;
    in_children(
        names_.size(), [&](std::size_t i) { return leave_out(workshop, names_[i]); },
        [&](std::size_t i, const std::string& text) {
          const auto why = why_needless(names_[i]);
          const bool is_missed = text.starts_with("missed");
          if (is_missed) {
            fmt::print("{}\n    {}{}\n", names_[i], text, why ? "; STANDS IN THE LIST OF THE NEEDLESS" : "");
          } else if (why) {
            ++needless;
            fmt::print("{}\n    {}; needless: {}\n", names_[i], text, *why);
          } else {
            ++unexplained;
            fmt::print("NOT MISSED: {}\n    {}\n", names_[i], text);
          }
          std::fflush(stdout);
          return true;
        });
    fmt::print("{} syncs left out in turn: {} missed, {} known to be needless, {} NOT MISSED\n",
               names_.size(), names_.size() - needless - unexplained, needless, unexplained);
    return unexplained;
  }

 private:
  using Places = std::map<std::size_t, std::vector<std::size_t>>;  // of each run the records

  std::string leave_out(Workshop& workshop, const std::string& name) const {
    std::size_t tried = 0;
    std::size_t times = 0;
    // Those of the list are only looked at again when there is time.
    const std::size_t most = why_needless(name) ? options_.states / 20 : options_.states;
    for (const auto& [run, records] : syncs_.at(name)) {
      times += records.size();
      const std::string missed = leave_out_of(workshop, runs_[run], records, most, tried);
      if (!missed.empty())
        return fmt::format("missed by state {} of scenario {}, {}", tried, scenarios()[run].name, missed);
    }
    return fmt::format("{} times made; {} states without it were good", times, tried);
  }

  std::string leave_out_of(Workshop& workshop, const Run& run, const std::vector<std::size_t>& records,
                           std::size_t most, std::size_t& tried) const {
    std::vector<bool> left_out(run.recording.records.size(), false);
    for (const std::size_t record : records) left_out[record] = true;
    Playback with(run.recording);
    Playback without(run.recording, left_out);
    std::unordered_set<std::uint64_t> seen;
    const std::size_t tried_before = tried;
    for (const std::size_t record : records) {
      for (const std::size_t position : moments_after(run.recording, record)) {
        with.go_to(position);
        without.go_to(position);
        for (const bool is_least : {true, false}) {
          const Choice choice = is_least ? Choice{} : Choice{.all_but_synced_on = &with.disk()};
          const Choice same = is_least ? Choice{} : Choice{NamesKept::kAll, DataKept::kAll, 0, nullptr};
          const Image image = without.disk().after_crash(choice);
          const std::uint64_t print = fingerprint(image) ^ without.mark();
          // What is there with the sync as well tells nothing.
          if (print == (fingerprint(with.disk().after_crash(same)) ^ with.mark()) ||
              !seen.insert(print).second)
            continue;
          ++tried;
          const auto findings = try_image(workshop, image, run.ledgers.at(without.mark()));
          if (!findings.empty()) return fmt::format("{}: {}", describe({position, choice}), findings.front());
        }
      }
      if (tried - tried_before >= most) break;
    }
    return "";
  }

  // Soon after the sync, and when something has been promised.
  static std::vector<std::size_t> moments_after(const Recording& recording, std::size_t record) {
    std::vector<std::size_t> moments;
    std::size_t marks = 0;
    for (std::size_t i = record + 1; i <= recording.records.size() && marks <= kMarksAfter; ++i) {
      const bool is_mark = recording.records[i - 1].kind == RecordKind::kMark;
      marks += is_mark ? 1 : 0;
      if (is_mark || i <= record + kMomentsAfter) moments.push_back(i);
    }
    return moments;
  }

  const std::vector<Run>& runs_;
  const Options& options_;
  std::map<std::string, Places> syncs_;
  std::vector<std::string> names_;
};

template <typename Number>
void read_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::runtime_error(fmt::format("'{}' is no number", text));
}

Options parse(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments.size() % 2 != 0)
    throw std::runtime_error(
        "usage: power_test states SCENARIO [--states N] [--seed N] [--keep FOLDER]\n"
        "       power_test syncs PART/PARTS [--states N]");
  Options options;
  options.mode = arguments[0];
  options.scenario = arguments[1];
  if (options.mode == "syncs") {
    const std::size_t slash = std::min(options.scenario.find('/'), options.scenario.size() - 1);
    read_number(std::string_view(options.scenario).substr(0, slash), options.part);
    read_number(std::string_view(options.scenario).substr(slash + 1), options.parts);
  }
  for (std::size_t i = 2; i < arguments.size(); i += 2) {
    if (arguments[i] == "--states") {
      read_number(arguments[i + 1], options.states);
    } else if (arguments[i] == "--seed") {
      read_number(arguments[i + 1], options.seed);
    } else if (arguments[i] == "--keep") {
      options.keep = arguments[i + 1];
    } else {
      throw std::runtime_error("unknown option " + arguments[i]);
    }
  }
  return options;
}

// Tells of them, too.
bool has_problems(const Run& run) {
  for (const std::string& problem : run.problems) fmt::print("FAILED: {}\n", problem);
  return !run.problems.empty();
}

int try_states(const Options& options) {
  const auto all = scenarios();
  const auto scenario = std::ranges::find(all, options.scenario, &Scenario::name);
  if (scenario == all.end()) throw std::runtime_error("no scenario is named " + options.scenario);
  const Run run = record_scenario(*scenario);
  return has_problems(run) || Trials(run, options).run() > 0 ? 1 : 0;
}

int leave_out_syncs(const Options& options) {
  std::vector<Run> runs;
  for (const Scenario& scenario : scenarios()) {
    runs.push_back(record_scenario(scenario));
    if (has_problems(runs.back())) return 1;
  }
  return Mutations(runs, options).run() > 0 ? 1 : 0;
}

int run(const Options& options) {
  if (options.mode == "states") return try_states(options);
  if (options.mode == "syncs") return leave_out_syncs(options);
  throw std::runtime_error("states or syncs?");
}

}  // namespace

}  // namespace mailstead::power

int main(int count, char** arguments) {
  try {
    return mailstead::power::run(mailstead::power::parse({arguments + 1, arguments + count}));
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "power_test: %s\n", exception.what());
    return 2;
  }
}

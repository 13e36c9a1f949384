#include "admin/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(200);
constexpr auto kLine = std::chrono::seconds(10);  // between two lines where there is no terminal
constexpr std::uint64_t kBar = 24;                // characters

volatile std::sig_atomic_t interrupted = 0;

void note_signal(int) {
  interrupted = 1;
}

}  // namespace

Progress::Progress(std::string what, std::uint64_t total, Speech speech)
    : what_(std::move(what)),
      total_(total),
      quiet_(speech == Speech::kQuiet),
      terminal_(::isatty(STDERR_FILENO) == 1),
      shown_at_(began_ - kRedraw) {}

Progress::~Progress() {
  clear();
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

std::string Progress::estimate(std::uint64_t done) const {
  const auto spent = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_).count();
  if (spent < 3 || done == 0 || done >= total_) return {};
  const double left =
      static_cast<double>(spent) * static_cast<double>(total_ - done) / static_cast<double>(done);
  return fmt::format(", about {} left", span_text(static_cast<std::int64_t>(left) + 1));
}

void Progress::show(std::uint64_t done, const std::string& words) {
  const auto now = Clock::now();
  if (quiet_ || now - shown_at_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLine))) return;
  const bool first = shown_at_ < began_;
  shown_at_ = now;
  if (!terminal_ && first) return;  // a short one needs no lines
  std::string line = what_ + ' ';
  if (total_ > 0) {
    const std::uint64_t filled = std::min(done, total_) * kBar / total_;
    if (terminal_) line += '[' + std::string(filled, '#') + std::string(kBar - filled, '.') + "] ";
    line += fmt::format("{}%, ", std::min(done, total_) * 100 / total_);
  }
  line += words + (total_ > 0 ? estimate(done) : std::string());
  std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
  std::fflush(stderr);
  drawn_ = terminal_;
}

void Progress::say(const std::string& line) {
  clear();
  std::fprintf(stderr, "%s\n", printable(line).c_str());
}

Interruption::Interruption() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // and no restart: who waits for input hears of it
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool Interruption::happened() {
  return interrupted != 0;
}

}  // namespace mailstead::admin

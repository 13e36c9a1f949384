#include "server/log.h"

#include <fmt/format.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <csignal>
#include <ctime>

namespace mailstead {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// The length of the UTF-8 sequence at the start of `text`, 0 when it is none (RFC 3629, surrogates and
// overlong forms refused).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if ((first & 0xF0) == 0xE0) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  // C1 controls move a terminal's cursor as C0 controls do.
  if (first == 0xC2 && byte(1) < 0xA0) return 0;
  return length;
}

constexpr std::size_t kMaxQueued = 8192;  // lines

// Signals are the reactor's: at the end it blocks them, and none may then find its way to the thread that is
// left.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// Characters that show nothing of themselves but break or turn round the line in which they stand.
bool disturbs_lines(std::string_view sequence) {
  for (const std::string_view mark : {"\u2028", "\u2029", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c",
                                      "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\ufeff"}) {
    if (sequence == mark) return true;
  }
  return false;
}

enum class Quoting { kText, kJson };

void append_escaped(std::string& out, std::string_view value, Quoting quoting) {
  for (std::size_t i = 0; i < value.size();) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += value[i++];
    } else if (c >= 0x20 && c < 0x7F) {
      out += value[i++];
    } else if (const std::size_t length = c < 0x80 ? 0 : utf8_length(value.substr(i));
               length > 0 && !disturbs_lines(value.substr(i, length))) {
      out.append(value, i, length);
      i += length;
    } else {
      // JSON knows no bytes: a stray one becomes the code point of the same number.
      fmt::format_to(std::back_inserter(out),
                     fmt::runtime(quoting == Quoting::kJson ? "\\u{:04x}" : "\\x{:02x}"), c);
      ++i;
    }
  }
}

bool stands_unquoted(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

}  // namespace

std::string format_event_text(std::string_view name, const std::vector<LogField>& fields) {
  std::string line(name);
  for (const LogField& field : fields) {
    line += ' ';
    if (field.style == LogField::Style::kNamed) {
      line += field.key;
      line += '=';
    }
    if (stands_unquoted(field.value)) {
      line += field.value;
    } else {
      line += '"';
      append_escaped(line, field.value, Quoting::kText);
      line += '"';
    }
  }
  return line;
}

std::string format_event_json(std::string_view time, LogLevel level, std::string_view name,
                              const std::vector<LogField>& fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":")", time, level_name(level));
  append_escaped(line, name, Quoting::kJson);
  line += '"';
  for (const LogField& field : fields) {
    line += ",\"";
    append_escaped(line, field.key, Quoting::kJson);
    line += "\":\"";
    append_escaped(line, field.value, Quoting::kJson);
    line += '"';
  }
  line += '}';
  return line;
}

Log::Log(LogLevel level, LogFormat format) : format_(format) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  // A thread of its own: who reads the log slowly, or not at all, must not hold up the mail. The oldest lines
  // go.
  thread_ = std::make_shared<spdlog::details::thread_pool>(kMaxQueued, 1, block_signals);
  logger_ = std::make_shared<spdlog::async_logger>("mailstead", std::move(sink), thread_,
                                                   spdlog::async_overflow_policy::overrun_oldest);
  // The whole line is made here: time and level look the same in both forms.
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  logger_->flush_on(spdlog::level::trace);
  logger_->set_level(spdlog_level(level));
}

Log::~Log() = default;

void Log::configure(LogLevel level, LogFormat format) {
  format_ = format;
  logger_->set_level(spdlog_level(level));
}

bool Log::enabled(LogLevel level) const {
  return logger_->should_log(spdlog_level(level));
}

void Log::event(LogLevel level, std::string_view name, const std::vector<LogField>& fields) {
  if (!enabled(level)) return;
  const std::string time = utc_now();
  if (format_ == LogFormat::kJson) {
    logger_->log(spdlog_level(level), "{}", format_event_json(time, level, name, fields));
  } else {
    logger_->log(spdlog_level(level), "{} {} {}", time, level_name(level), format_event_text(name, fields));
  }
}

}  // namespace mailstead

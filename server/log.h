// The server's log: one event a line on stderr, as text or as JSON.
//
// An event has a name and fields. Values may hold any byte a client sent: control characters, quotes and
// bytes outside of printable ASCII that are not valid UTF-8 are escaped, so that a line stays a line. Secrets
// are never given to it. Ownership: made by serve(), referred to by everybody else. Threads: the reactor, and
// others before it runs.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/config/config.h"

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace mailstead {

struct LogField {
  // kPlain stands without its key in text lines: "listening smtp 127.0.0.1:25".
  enum class Style { kNamed, kPlain };
  std::string_view key;
  std::string value;
  Style style = Style::kNamed;
};

class Log {
 public:
  Log(LogLevel level, LogFormat format);
  ~Log();

  void event(LogLevel level, std::string_view name, const std::vector<LogField>& fields = {});
  void info(std::string_view name, const std::vector<LogField>& fields = {}) {
    event(LogLevel::kInfo, name, fields);
  }
  void warning(std::string_view name, const std::vector<LogField>& fields = {}) {
    event(LogLevel::kWarning, name, fields);
  }
  void error(std::string_view name, const std::vector<LogField>& fields = {}) {
    event(LogLevel::kError, name, fields);
  }

  // Takes effect with the next event.
  void configure(LogLevel level, LogFormat format);
  // Does an event of this level leave a line? For events that cost something to make.
  bool enabled(LogLevel level) const;

 private:
  std::shared_ptr<spdlog::details::thread_pool> thread_;  // ends after what was logged is written
  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_;
};

// The line that event() writes, without time and level in text form. For tests.
std::string format_event_text(std::string_view name, const std::vector<LogField>& fields);
std::string format_event_json(std::string_view time, LogLevel level, std::string_view name,
                              const std::vector<LogField>& fields);

}  // namespace mailstead

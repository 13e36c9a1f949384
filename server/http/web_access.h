// Who may use the administration page: links that work once, and the sessions that they open. README.md of
// server/web tells the rules.
//
// In memory, of secrets only their hashes; a restart ends all of them. Bounded: kMostLinks and kMostSessions,
// the oldest go first. Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/web_links.h"
#include "protocols/sha256.h"

namespace mailstead {

class WebAccess final : public WebLinks {
 public:
  static constexpr std::size_t kMostLinks = 16;
  static constexpr std::size_t kMostSessions = 32;
  static constexpr std::chrono::seconds kSessionLife{12 * 3600};
  static constexpr std::chrono::seconds kSessionPatience{3600};  // between two requests

  using Clock = std::function<std::chrono::seconds()>;  // never goes back
  explicit WebAccess(Clock clock = steady_clock());
  static Clock steady_clock();

  struct Session {
    std::string csrf;  // what only the page knows
    std::chrono::seconds left{0};
  };
  struct Opened {
    std::string cookie;  // its value: the session's secret
    Session session;
  };

  // Of this server alone: cookies of one host are sent to each of its ports.
  const std::string& cookie_name() const { return cookie_name_; }

  std::string make_link() override;
  // nullopt: no such link waits, and who came with it shall not learn why.
  std::optional<Opened> open(std::string_view link, std::string peer = {});
  enum class Use { kByPerson, kByItself };  // the second one does not keep the session alive
  // Of a cookie's value.
  std::optional<Session> session(std::string_view cookie, Use use);
  void close(std::string_view cookie);
  std::vector<OpenSession> open_sessions() override;
  std::size_t end_all() override;

 private:
  struct Entry {
    std::string csrf;  // sessions only
    std::chrono::seconds since{0};
    std::chrono::seconds used{0};
    std::string peer = {};  // sessions only
  };
  using Entries = std::map<Sha256, Entry>;  // by the hash of the secret

  void forget_old(std::chrono::seconds now);  // with the lock held

  const Clock clock_;
  const std::string cookie_name_;
  std::mutex mutex_;  // guards what follows
  Entries links_;
  Entries sessions_;
};

}  // namespace mailstead

// Links that let somebody into the administration page (server/web/README.md), as the command `web-link`
// makes them. A running server has them. Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace mailstead {

class WebLinks {
 public:
  static constexpr std::chrono::seconds kLinkLife{600};

  virtual ~WebLinks() = default;
  // The secret of a new link: it works once, within kLinkLife. Nobody else learns it.
  virtual std::string make_link() = 0;
  struct OpenSession {
    std::string peer;  // the address that opened it, as the server sees it
    std::chrono::seconds age{0};
    std::chrono::seconds idle{0};  // since somebody used it
  };
  // The oldest first. None of their secrets.
  virtual std::vector<OpenSession> open_sessions() = 0;
  // Ends all sessions, and forgets the links that wait. How many sessions there were.
  virtual std::size_t end_all() = 0;
};

}  // namespace mailstead

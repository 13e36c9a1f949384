// Answers an HTTP session's requests from the pages. See driver.h.
#pragma once

#include "protocols/http_session.h"
#include "server/driver.h"
#include "server/pages.h"

namespace mailstead {

class HttpDriver final : public Driver {
 public:
  // `pages` outlives it.
  HttpDriver(Pages& pages, Site site) : pages_(pages), site_(site), session_({}) {}

  Session& session() override { return session_; }
  Answered answer_ask() override;
  void secured(const PeerFacts& /*peer*/) override {}  // it has no command for TLS

 private:
  Pages& pages_;
  const Site site_;
  HttpSession session_;
};

}  // namespace mailstead

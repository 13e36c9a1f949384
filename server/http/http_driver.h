// Answers an HTTP session's requests from the pages. See driver.h.
#pragma once

#include <string>
#include <utility>

#include "protocols/http_session.h"
#include "server/driver.h"
#include "server/http/pages.h"

namespace mailstead {

class HttpDriver final : public Driver {
 public:
  // `pages` outlives it.
  HttpDriver(Pages& pages, Site site, std::string peer)
      : pages_(pages), site_(site), peer_(std::move(peer)), session_({}) {}

  Session& session() override { return session_; }
  Answered answer_ask() override;
  void secured(const PeerFacts& /*peer*/) override {}  // it has no command for TLS

 private:
  Pages& pages_;
  const Site site_;
  const std::string peer_;
  HttpSession session_;
};

}  // namespace mailstead

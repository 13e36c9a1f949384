// Answers a POP3 session's asks from the store. See driver.h.
//
// The maildrop is held from a right password until the session says its last word: it is free again before
// the client can have read that, so that a client that quits and comes back at once is not told [IN-USE].
// At most one message's file is open.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "protocols/pop3_session.h"
#include "server/driver.h"
#include "server/services.h"

namespace mailstead {

class Pop3Driver final : public Driver {
 public:
  Pop3Driver(Services& services, Pop3Options options, const PeerFacts& peer, std::string service);

  Session& session() override { return session_; }
  Answered answer_ask() override;
  bool answers_to_nobody() override;
  void check_session() override;
  void after_run() override;
  void secured(const PeerFacts& peer) override;
  void before_farewell() override;
  void connection_closed() override;

 private:
  struct Piece;

  Answered answer(AskLogin& ask);
  Answered answer(AskRead& ask);
  Answered answer(AskDelete& ask);
  void open_maildrop(const LoginResult& login);
  bool is_too_soon() const;
  void give_piece(const Piece& piece);
  std::shared_ptr<Pop3Driver> self();

  Services& services_;
  PeerFacts peer_;
  std::string service_;  // for the log: "pop3"
  const std::chrono::seconds login_delay_;
  const std::optional<std::uint32_t> expire_days_;
  Pop3Session session_;
  std::shared_ptr<const Directory> directory_;  // as last looked at
  std::shared_ptr<LoginTicket> ticket_;         // of the newest login
  LoginResult login_;
  std::shared_ptr<Maildrop> maildrop_;
  std::shared_ptr<MessageReader> reader_;  // of the message sent now
  std::size_t reader_index_ = 0;
  bool logged_in_ = false;
  bool closed_ = false;
};

}  // namespace mailstead

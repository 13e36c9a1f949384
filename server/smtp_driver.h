// Answers an SMTP session's asks from the directory and the store. See driver.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocols/smtp/smtp_session.h"
#include "server/driver.h"
#include "server/services.h"

namespace mailstead {

class SmtpDriver final : public Driver {
 public:
  SmtpDriver(Services& services, SmtpOptions options, const PeerFacts& peer, std::string service);

  Session& session() override { return session_; }
  Answered answer_ask() override;
  bool answers_to_nobody() override;
  void check_session() override;
  void secured(const PeerFacts& peer) override;
  void after_run() override;
  void tidy() override;
  void connection_closed(std::string_view unread) override;

 private:
  Answered answer(AskPassword& ask);
  Answered answer(AskScramChallenge& ask);
  Answered answer(AskScramProof& ask);
  Answered answer(AskSender& ask);
  Answered answer(AskRecipient& ask);
  Answered answer(AskBegin& ask);
  void begin(const Result<std::uint64_t>& space);
  Answered answer(AskSpool& ask);
  Answered answer(AskAuthor& ask);
  Answered answer(AskPolicy& ask);
  Answered answer(AskCommit& ask);
  bool deliver(Delivery delivery, const AskCommit& facts);
  void passed(Passage passage, Delivery delivery, const AskCommit& facts);
  void committed(const AskCommit& ask, const Result<Delivered>& result);
  void note(const LoginResult& result);
  void remember(SmtpSession::Refusal refusal);
  std::shared_ptr<SmtpDriver> self();

  Services& services_;
  PeerFacts peer_;
  std::string service_;  // for the log: "smtp"
  bool from_outside_;    // other servers bring mail
  SmtpSession session_;
  std::shared_ptr<const Directory> directory_;                      // as last looked at
  std::shared_ptr<LoginTicket> ticket_;                             // of the newest login
  std::optional<LoginKey> key_;                                     // once logged in
  std::shared_ptr<bool> has_gone_ = std::make_shared<bool>(false);  // the client
  std::shared_ptr<std::unique_ptr<Spool>>
      spool_;  // of the message that arrives now; null: all of it is in memory
};

}  // namespace mailstead

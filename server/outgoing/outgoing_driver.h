// Joins a connection to another host with the Outgoing that it is for: answers the session's asks from what
// that has in hand.
//
// Ownership: shared by the connection, its Outgoing, and answers that are on their way. It outlives the
// Outgoing, which says so by forget_owner(). Threads: the reactor.
#pragma once

#include <memory>
#include <string>

#include "protocols/smtp/smtp_client_session.h"
#include "server/driver.h"
#include "server/outgoing/outgoing.h"

namespace mailstead {

class OutgoingDriver final : public Driver {
 public:
  OutgoingDriver(SmtpClientOptions options, const PeerFacts& peer, Outgoing& owner);

  Session& session() override { return session_; }
  void secured(const PeerFacts& peer) override;
  void handshake_failed() override;
  Answered answer_ask() override;
  // RFC 5321 3.8: a reply that came while the message was being sent is why the server closed.
  bool hears_last_words() const override { return true; }
  void connection_closed(std::string_view unread) override;

  void forget_owner() { owner_ = nullptr; }
  const std::string& tls_version() const { return session_.peer().tls_version; }
  bool has_tls() const { return session_.peer().tls; }

 private:
  static PeerFacts identified(PeerFacts peer, const Outgoing& owner);
  std::shared_ptr<OutgoingDriver> self() {
    return std::static_pointer_cast<OutgoingDriver>(shared_from_this());
  }
  Answered answer(AskReport&);
  Answered answer(AskTransaction&);
  Answered answer(AskContent&);

  SmtpClientSession session_;
  std::shared_ptr<TlsFinding> finding_;
  Outgoing* owner_;
};

}  // namespace mailstead

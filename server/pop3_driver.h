// Answers a POP3 session's asks from the store. See driver.h.
//
// The maildrop is held from a right password until the session says its last word: it is free again before
// the client can have read that, so that a client that quits and comes back at once is not told [IN-USE].
// At most one message's file is open. To a client that takes one message after the other, small ones are read
// ahead, up to kReadAhead octets, which are kept until it takes them or another, or does nothing for a minute
// or two; of all sessions up to kMostReadAheadOfAll. Which messages it took whole is collected, and written
// with the QUIT's deletes or with the next notes of the store: a RETR costs no flush.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocols/pop3/pop3_session.h"
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
  void tidy() override;
  void connection_closed(std::string_view unread) override;

 private:
  struct Piece;

  Answered answer(AskLogin& ask);
  Answered answer(AskApop& ask);
  Answered answer(AskScramChallenge& ask);
  Answered answer(AskScramProof& ask);
  Answered answer(AskMaildrop& ask);
  Answered answer(AskPage& ask);
  Answered answer(AskRead& ask);
  Answered answer(AskDelete& ask);
  Answered log_in(std::string user, LoginProof proof);
  void logged_in(const LoginResult& result);
  // kNow: the session has its answer, without resume().
  Answered open_maildrop(const LoginResult& login);
  // Who takes and deletes, as people are told later: a name or an address.
  std::string device() const;
  // Looks whether a message was sent whole since the last call.
  void note_taken();
  // Hands what was noted over to the store, without waiting.
  void post_taken();
  bool is_too_soon() const;
  // Which messages are worth reading with this one, and their sizes.
  std::vector<std::pair<std::size_t, std::size_t>> to_read_ahead(std::size_t index) const;
  void give_piece(Piece& piece);
  void keep_ahead(std::map<std::size_t, std::string> messages);
  void drop_ahead();
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
  std::map<std::size_t, std::string> ahead_;              // whole messages, by index
  std::size_t next_index_ = 0;                            // behind the one that was asked for last
  std::uint64_t tidied_progress_ = 0;                     // the session's at the last tidy()
  std::unordered_map<std::int64_t, TakenMessage> taken_;  // at most kMostTaken, by message
  bool logged_in_ = false;
  bool closed_ = false;
};

}  // namespace mailstead

// Who has mail to send, in memory: answers what a client's session asks, and remembers its reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocols/smtp/smtp_client_session.h"

namespace mailstead::test {

struct OutgoingMessage {
  ClientTransaction transaction;
  std::string content;
};

class ClientWorld {
 public:
  // Directions.
  std::vector<OutgoingMessage> messages;  // sent in this order, then nothing more
  std::size_t piece = 64 * 1024;          // octets of content that are given at once
  std::optional<std::uint64_t> fails_at;  // the content cannot be read from this octet on

  // The session's wants() is kAnswer.
  void answer(SmtpClientSession& session);

  // What came of it: the outcomes of each transaction, and of which message it was.
  std::vector<std::vector<RecipientOutcome>> reports;

 private:
  void answer_content(SmtpClientSession& session, std::uint64_t offset);

  std::size_t next_ = 0;
};

}  // namespace mailstead::test

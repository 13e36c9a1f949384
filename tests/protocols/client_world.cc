#include "tests/protocols/client_world.h"

#include <algorithm>

namespace mailstead::test {

void ClientWorld::answer(SmtpClientSession& session) {
  if (std::holds_alternative<AskTransaction>(session.ask())) {
    if (next_ == messages.size()) return session.answer_transaction(std::nullopt);
    session.answer_transaction(messages[next_++].transaction);
  } else if (const auto* ask = std::get_if<AskContent>(&session.ask())) {
    answer_content(session, ask->offset);
  } else {
    reports.push_back(session.outcomes());
    session.answer_report();
  }
}

void ClientWorld::answer_content(SmtpClientSession& session, std::uint64_t offset) {
  const std::string& content = messages[next_ - 1].content;
  if (fails_at && offset >= *fails_at) return session.answer_content_failed();
  const std::string bytes = content.substr(std::min<std::size_t>(offset, content.size()), piece);
  session.answer_content(bytes,
                         offset + bytes.size() >= content.size() ? ContentPart::kLast : ContentPart::kMore);
}

}  // namespace mailstead::test

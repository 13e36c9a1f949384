// A server says any octets to SmtpClientSession, in pieces of any size. Whatever it says: each recipient has
// an outcome when the session reports, no more is made than was asked for, and the session ends with the
// server.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/smtp_client_session.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

constexpr std::size_t kRecipients = 3;
constexpr std::size_t kMostOutput = 256u
                                    << 10;  // octets of one turn: a piece of content, stuffed, and commands

ClientTransaction transaction_of(unsigned number) {
  ClientTransaction transaction;
  if (number % 2 == 0) transaction.envelope.reverse_path = Address{"a\"b", "example.org"};
  for (std::size_t i = 0; i < kRecipients; ++i) {
    Recipient recipient(
        Address{i == 2 && number % 3 == 0 ? "\xC3\xA4" : "r" + std::to_string(i), "far.example"});
    if (number % 5 == 0) recipient.notify = Notify{true, false, true};
    recipient.original = "rfc822;x y\r\nRSET";
    transaction.envelope.recipients.push_back(recipient);
  }
  transaction.envelope.envelope_id = "id\r\nQUIT";
  transaction.size = 1000 * number;
  transaction.eight_bit = number % 4 == 0;
  return transaction;
}

class Run {
 public:
  explicit Run(unsigned options) : session_(options_of(options)) { session_.start(); }

  void hear(std::string_view bytes) {
    while (!bytes.empty() && session_.wants() == Wants::kInput) {
      const std::size_t used = session_.receive(bytes);
      require(used > 0, "a session that wants input takes some");
      bytes.remove_prefix(used);
      settle();
    }
  }

  void end() {
    session_.disconnected();
    settle();
    require(session_.wants() == Wants::kClose, "a session ends with its server");
  }

 private:
  static SmtpClientOptions options_of(unsigned options) {
    SmtpClientOptions chosen;
    chosen.hostname = "mail.example.org";
    chosen.tls = static_cast<TlsUse>(options % 4);
    if (options & 4) chosen.user = "anna", chosen.password = "secret";
    return chosen;
  }

  void settle() {
    while (true) {
      const std::string output = session_.take_output();
      require(output.size() <= kMostOutput, "output is bounded");
      if (session_.wants() == Wants::kDrain) {
        session_.drained();
      } else if (session_.wants() == Wants::kTls) {
        session_.tls_established({});
      } else if (session_.wants() == Wants::kAnswer) {
        answer();
      } else {
        require(session_.take_output().size() <= kMostOutput, "output is bounded");
        return;
      }
    }
  }

  void answer() {
    switch (session_.ask()) {
      case SmtpClientAsk::kTransaction:
        if (transactions_ == 5) return session_.answer_transaction(std::nullopt);
        return session_.answer_transaction(transaction_of(transactions_++));
      case SmtpClientAsk::kContent:
        ++pieces_;
        return session_.answer_content("a line\r\n.\r\n", pieces_ % 3 == 0 ? SmtpClientSession::Piece::kLast
                                                                           : SmtpClientSession::Piece::kMore);
      case SmtpClientAsk::kReport:
        require(session_.outcomes().size() == kRecipients, "each recipient has an outcome");
        for (const RecipientOutcome& each : session_.outcomes()) {
          require(!each.command.empty(), "and what decided it");
          require(each.reply.text.size() <= kMaxReplyText + 200, "in bounded words");
          for (const char c : each.reply.words())
            require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "of harmless letters");
        }
        return session_.answer_report();
    }
  }

  SmtpClientSession session_;
  unsigned transactions_ = 0;
  unsigned pieces_ = 0;
};

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead::fuzz;
  if (size < 2) return 0;
  Run run(data[0]);
  const std::size_t piece = data[1] % 16 == 0 ? size : data[1] % 16;
  std::string_view words(reinterpret_cast<const char*>(data) + 2, size - 2);
  while (!words.empty()) {
    run.hear(words.substr(0, piece));
    words.remove_prefix(std::min(piece, words.size()));
  }
  run.end();
  return 0;
}

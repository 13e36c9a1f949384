// Where an SMTP session lets somebody judge whether it may go on, and what can be said there. A question is
// an ask like any other (AskPolicy of smtp_session.h); nothing is asked where nobody judges. Plain values;
// any thread.
#pragma once

#include <cstdint>
#include <string>

#include "protocols/smtp/reply.h"

namespace mailstead {

enum class PolicyStage {
  kConnect,    // before the greeting
  kHello,      // HELO, EHLO or LHLO, before its reply
  kSender,     // MAIL, when nothing else is wrong with it
  kRecipient,  // RCPT, when the recipient could be taken
  kContent,    // the end of the message, when it could be taken
};

class PolicyStages {
 public:
  constexpr PolicyStages() = default;
  constexpr PolicyStages& add(PolicyStage stage) {
    bits_ |= bit(stage);
    return *this;
  }
  constexpr bool has(PolicyStage stage) const { return (bits_ & bit(stage)) != 0; }

 private:
  static constexpr unsigned bit(PolicyStage stage) { return 1u << static_cast<unsigned>(stage); }
  unsigned bits_ = 0;
};

struct PolicyVerdict {
  enum class Action {
    kAccept,
    kRefuse,  // for good
    kDefer,   // for now
    kTag,     // accept, and put `text` on top of the message: header lines, each with its CRLF
  };
  Action action = Action::kAccept;
  std::string text = {};  // of the reply: one line that the sender's user may read
};

// What is said at this stage; of kRefuse and kDefer only.
Reply policy_reply(PolicyStage stage, const PolicyVerdict& verdict);

}  // namespace mailstead

// What policies say of a session: smtp_policy.h.
#include "protocols/smtp/smtp_core.h"

namespace mailstead {

// True: somebody is asked, and answer_policy() goes on from here.
bool SmtpCore::judge(PolicyStage stage) {
  if (!options_.judged.has(stage)) return false;
  AskPolicy ask;
  ask.stage = stage;
  ask.hello = stage == PolicyStage::kHello ? said_hello_ : helo_;
  ask.user = user_;
  if (stage >= PolicyStage::kSender) ask.envelope = &envelope_;
  if (stage == PolicyStage::kRecipient) ask.recipient = recipient_;
  if (stage == PolicyStage::kContent) ask.rest = content_;
  want(std::move(ask));
  return true;
}

void SmtpCore::answer_policy(const PolicyVerdict& verdict) {
  const PolicyStage stage = std::get<AskPolicy>(*ask_).stage;
  if (!take_answer()) return;
  using enum PolicyVerdict::Action;
  if (verdict.action == kRefuse || verdict.action == kDefer) {
    refuse_by_policy(stage, policy_reply(stage, verdict));
  } else {
    const std::string tags = verdict.action == kTag ? verdict.text : "";
    if (stage == PolicyStage::kConnect) {
      connection_tags_ = tags;
    } else if (stage == PolicyStage::kHello) {
      hello_tags_ = tags;
    } else {
      tags_ += tags;
    }
    go_on_behind(stage);
  }
  settle();
}

void SmtpCore::refuse_by_policy(PolicyStage stage, const Reply& reply) {
  switch (stage) {
    case PolicyStage::kConnect:
      state_ = State::kUnwelcome;
      refuse(reply);
      if (reply.code == 421) wants_ = Wants::kClose;
      return;
    case PolicyStage::kHello:
      return refuse(reply, said_hello_);
    case PolicyStage::kSender:
      refuse(reply, envelope_.reverse_path ? envelope_.reverse_path->text() : "<>");
      return forget_transaction();
    case PolicyStage::kRecipient:
      return refuse(reply, recipient_.text());
    case PolicyStage::kContent:
      refuse_message(reply);
      return forget_transaction();
  }
}

void SmtpCore::go_on_behind(PolicyStage stage) {
  switch (stage) {
    case PolicyStage::kConnect:
      // With a delay the greeting comes when it is over: timed_out().
      if (!rules_.hears_first || options_.greeting_delay.count() == 0) greet();
      return;
    case PolicyStage::kHello:
      return accept_hello();
    case PolicyStage::kSender:
      return accept_sender();
    case PolicyStage::kRecipient:
      return accept_recipient();
    case PolicyStage::kContent:
      return commit();
  }
}

}  // namespace mailstead

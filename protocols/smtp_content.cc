// DATA and the message behind it: RFC 5321 4.1.1.4, and what makes a message unacceptable while it comes in.
#include <algorithm>

#include "protocols/smtp_core.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxReceived = 100;  // RFC 5321 6.3

Reply failure(CommitVerdict verdict) {
  switch (verdict) {
    case CommitVerdict::kNoSpace:
      return {452, "4.3.1", "Not enough space, try again later"};
    case CommitVerdict::kOverQuota:
      return {452, "4.2.2", "Mailbox full"};
    case CommitVerdict::kLoop:
      return {554, "5.4.6", "The message goes in a loop"};
    case CommitVerdict::kKept:
    case CommitVerdict::kUnavailable:
      break;
  }
  return {451, "4.3.0", "Try again later"};
}

}  // namespace

void SmtpCore::data(std::string_view) {
  if (envelope_.recipients.empty()) {
    // RFC 5321 3.3
    if (recipient_named_) return refuse({554, "5.5.1", "No valid recipients"});
    return refuse({503, "5.5.1", in_transaction_ ? "Send RCPT first" : "Send MAIL first"});
  }
  want(AskBegin{envelope_});
}

void SmtpCore::answer_begin(std::string id, std::string date) {
  if (!take_answer()) return;
  if (id.empty()) {
    refuse(failure(CommitVerdict::kNoSpace));
    forget_transaction();
    return settle();
  }
  if (stopping_) return settle();  // nothing of the message has come yet
  id_ = std::move(id);
  ReceivedTrace trace{greeting_, helo_, peer_, !user_.empty(), options_.hostname, id_, std::move(date), {}};
  if (envelope_.recipients.size() == 1) trace.recipient = envelope_.recipients.front();
  content_ = received_line(trace);
  reader_.emplace(options_.bare_newline);
  state_ = State::kContent;
  say({354, "", "Send the message, end with a dot on a line of its own"});
  settle();
}

// Never more than kSpoolChunk octets of a message are in memory, and none of one that is refused anyway.
std::size_t SmtpCore::read_content(std::string_view bytes) {
  const bool doomed = content_is_doomed();
  const bool opens = reader_->header().opening() == Opening::kUnknown;
  if (!doomed) bytes = bytes.substr(0, opens ? kMaxTextLine : kSpoolChunk - content_.size());
  const std::size_t consumed = reader_->read(bytes, doomed ? nullptr : &content_);
  piece_ += consumed;
  if (piece_ >= kSpoolChunk) {
    ++progress_;
    piece_ = 0;
  }
  if (!doomed && content_is_doomed()) {
    content_ = {};
  } else if (!doomed && opens && reader_->header().opening() == Opening::kText) {
    // RFC 5322 2.2: it has no header but the trace line, and its text must not be taken for a part of that.
    content_.insert(content_.size() - static_cast<std::size_t>(reader_->octets()), "\r\n");
  }
  if (reader_->ended()) {
    end_content();
  } else if (content_.size() >= kSpoolChunk) {
    spooled_ += content_.size();
    want(AskSpool{std::exchange(content_, {})});
  }
  return consumed;
}

bool SmtpCore::content_is_doomed() const {
  return content_refusal().has_value();
}

// All of this is known for good once it is known, so the reply does not depend on how the packets were cut.
std::optional<Reply> SmtpCore::content_refusal() const {
  if (reader_->bare_newline() && options_.bare_newline == BareNewline::kReject) {
    return Reply{550, "5.6.0", "The message holds a CR or LF alone"};  // RFC 5321 2.3.8
  }
  if (reader_->octets() > options_.message_size)
    return Reply{552, "5.3.4", "Message too large"};  // RFC 1870 6.3
  if (reader_->header().received() >= kMaxReceived) return failure(CommitVerdict::kLoop);
  return spool_refusal_;
}

void SmtpCore::answer_spool(CommitVerdict verdict) {
  if (!take_answer()) return;
  if (verdict != CommitVerdict::kKept) spool_refusal_ = failure(verdict);
  settle();
}

void SmtpCore::end_content() {
  state_ = State::kCommand;
  ++progress_;
  auto refusal = content_refusal();
  const auto& seen = reader_->header().delivered_to();
  const auto is_recipient = [this](const std::string& key) { return recipient_keys_.contains(key); };
  if (!refusal && std::ranges::any_of(seen, is_recipient)) refusal = failure(CommitVerdict::kLoop);
  if (refusal) {
    refuse(*refusal, id_);
    return forget_transaction();
  }
  const std::uint64_t size = spooled_ + content_.size();
  want(AskCommit{id_, std::move(envelope_), std::exchange(content_, {}), size, seen});
}

void SmtpCore::answer_commit(CommitVerdict verdict) {
  if (!take_answer()) return;
  if (verdict == CommitVerdict::kKept) {
    errors_ = 0;
    say({250, "2.0.0", "OK id=" + id_});
  } else {
    refuse(failure(verdict), id_);
  }
  forget_transaction();
  settle();
}

}  // namespace mailstead

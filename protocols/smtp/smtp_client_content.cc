// The message: DATA with stuffed dots (RFC 5321 4.5.2) or chunks (RFC 3030 2), and the reply that hands it
// over.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocols/smtp/smtp_client_core.h"

namespace mailstead {
namespace {

// Chunks without a reply: enough that the line is not idle while one is answered, few enough that a refusal
// costs little.
constexpr std::size_t kChunksAhead = 2;

}  // namespace

void SmtpClientCore::begin_content() {
  in_content_ = true;
  end_said_ = false;
  offset_ = 0;
  tail_[0] = '\r';
  tail_[1] = '\n';
  dots_.reset();
  if (data_said_) dots_.emplace(DotStuffing::kNeeded);
  want(AskContent{0});
}

void SmtpClientCore::answer_content(std::string_view bytes, ContentPart part) {
  if (!take_answer<AskContent>()) return;
  offset_ += bytes.size();
  end_said_ = part == ContentPart::kLast;
  if (dots_) {
    dots_->write(bytes, output_);
    if (end_said_) {
      dots_->finish(output_);
      sent_.push_back({Said::kEnd});
    }
  } else {
    write_chunk(bytes, part);
  }
  wants_ = Wants::kDrain;
}

// RFC 3030 2
void SmtpClientCore::write_chunk(std::string_view bytes, ContentPart part) {
  for (const char c : bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 2))) {
    tail_[0] = std::exchange(tail_[1], c);
  }
  const bool is_last = part == ContentPart::kLast;
  if (bytes.empty() && !is_last) return;
  const bool lacks_end = is_last && (tail_[0] != '\r' || tail_[1] != '\n');
  say(is_last ? Said::kEnd : Said::kChunk,
      fmt::format("BDAT {}{}", bytes.size() + (lacks_end ? 2 : 0), is_last ? " LAST" : ""));
  output_ += bytes;
  if (lacks_end) output_ += "\r\n";
}

void SmtpClientCore::answer_content_failed() {
  if (!take_answer<AskContent>()) return;
  lose(SmtpStage::kContent, own_words("4.3.0", "the message could not be read"));
}

// After a piece was written, or a chunk answered.
void SmtpClientCore::next_piece() {
  const std::size_t ahead = extensions_.pipelining ? kChunksAhead : 1;
  if (end_said_ || chunk_refusal_ || sent_.size() >= ahead) {
    wants_ = Wants::kInput;
  } else {
    want(AskContent{offset_});
  }
}

void SmtpClientCore::on_chunk(const RemoteReply& reply) {
  switch (class_of(reply)) {
    case Class::kDone:
      break;
    case Class::kGoOn:
      return on_nonsense(Said::kChunk, reply);
    case Class::kLater:
    case Class::kNever:
      // RFC 3030 2: the chunks behind it are refused for it, so this is the reason.
      if (!chunk_refusal_) chunk_refusal_ = reply;
      break;
  }
  if (chunk_refusal_ && sent_.empty()) return take_verdict(*chunk_refusal_);
  next_piece();
}

void SmtpClientCore::on_end(const RemoteReply& reply) {
  if (class_of(reply) == Class::kGoOn) return on_nonsense(Said::kEnd, reply);
  // Whatever is said to the end, a chunk is missing.
  if (chunk_refusal_) return take_verdict(*chunk_refusal_);
  if (class_of(reply) == Class::kDone) ++messages_sent_;
  take_verdict(reply);
}

// RFC 5321 4.2.5: from 250 on the message is the server's.
void SmtpClientCore::take_verdict(const RemoteReply& reply) {
  // RFC 3030 2: after a chunk that was refused only RSET helps.
  needs_reset_ = !dots_ && class_of(reply) != Class::kDone;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) decide_by(i, SmtpStage::kContent, reply);
  conclude();
}

}  // namespace mailstead

// DATA (RFC 5321 4.1.1.4), BDAT (RFC 3030), the message behind them, and what makes it unacceptable while it
// comes in.
#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"
#include "protocols/smtp/smtp_core.h"

namespace mailstead {
namespace {

constexpr std::size_t kMaxReceived = 100;  // RFC 5321 6.3

Reply failure(CommitVerdict verdict) {
  switch (verdict) {
    case CommitVerdict::kNoSpace:
      return {452, "4.3.1", "Not enough space, try again later"};
    case CommitVerdict::kOverQuota:
      return {452, "4.2.2", "Mailbox full"};
    case CommitVerdict::kTooLarge:
      return {552, "5.2.2", "Message too large for the mailbox"};
    case CommitVerdict::kLoop:
      return {554, "5.4.6", "The message goes in a loop"};
    case CommitVerdict::kForged:
      return {550, "5.7.26",
              "The domain in From wants mail rejected that is not from it (DMARC), and this is not"};
    case CommitVerdict::kNoAuthor:
      return {550, "5.7.1", "Nobody can tell whose message this is: From has to name one author"};
    case CommitVerdict::kAbsurd:
      return {554, "5.6.0", "The message's header is not acceptable"};
    case CommitVerdict::kKept:
    case CommitVerdict::kUnavailable:
      break;
  }
  return {451, "4.3.0", "Try again later"};
}

// RFC 1870 6.3
Reply too_large() {
  return {552, "5.3.4", "Message too large"};
}

struct ChunkCommand {
  std::uint64_t size = 0;  // octets
  bool last = false;
};

// RFC 3030 2: size [SP "LAST"]. A size that does not fit into 64 bits is none.
std::optional<ChunkCommand> parse_chunk(std::string_view argument) {
  const std::string_view digits = argument.substr(0, argument.find(' '));
  const std::string_view rest = ascii::trim(argument.substr(digits.size()));
  const auto size = ascii::number(digits);
  if (!size || (!rest.empty() && !ascii::same(rest, "LAST"))) return std::nullopt;
  return ChunkCommand{*size, !rest.empty()};
}

}  // namespace

// RFC 5321 3.3
std::optional<Reply> SmtpCore::missing_recipients() const {
  if (!envelope_.recipients.empty()) return std::nullopt;
  // RFC 2033 4.2 knows only 503 for it.
  if (recipient_named_ && !rules_.reply_each) return Reply{554, "5.5.1", "No valid recipients"};
  return Reply{503, "5.5.1", in_transaction_ ? "Send RCPT first" : "Send MAIL first"};
}

void SmtpCore::data(std::string_view) {
  if (const auto refusal = missing_recipients()) return refuse(*refusal);
  // RFC 3030 3: the two do not mix.
  if (reader_) return refuse({503, "5.5.1", "The message is being sent by BDAT"});
  if (is_binary_) return refuse({503, "5.5.1", "BINARYMIME needs BDAT"});
  want(AskBegin{envelope_});
}

// RFC 3030 2: the octets behind the command are a message whether we take it or not, and never commands; the
// client may have sent them already. So whatever is wrong is said behind them.
void SmtpCore::bdat(std::string_view argument) {
  const auto chunk = parse_chunk(argument);
  if (!chunk) return refuse_chunk_line();
  chunk_ = {chunk->size, chunk->size, chunk->last, chunk_refusal(chunk->size)};
  state_ = State::kChunk;
  if (!chunk_.refusal && !reader_) return want(AskBegin{envelope_});
  if (chunk_.left == 0) end_chunk();
}

std::optional<Reply> SmtpCore::chunk_refusal(std::uint64_t size) const {
  if (helo_.empty()) return Reply{503, "5.5.1", "Send EHLO first"};
  if (greeting_ == Greeting::kHelo) return Reply{503, "5.5.1", "BDAT needs EHLO"};
  if (auto refusal = missing_recipients()) return refusal;
  const std::uint64_t before = reader_ ? reader_->octets() : 0;
  if (size > options_.message_size || before > options_.message_size - size) return too_large();
  return std::nullopt;
}

void SmtpCore::answer_begin(std::string id, std::string date) {
  if (!take_answer()) return;
  const bool by_chunks = state_ == State::kChunk;
  if (stopping_) {  // nothing of the message has come yet
    state_ = State::kCommand;
    return settle();
  }
  if (id.empty() && by_chunks) {
    chunk_.refusal = failure(CommitVerdict::kNoSpace);
  } else if (id.empty()) {
    refuse(failure(CommitVerdict::kNoSpace));
    forget_transaction();
  } else {
    id_ = std::move(id);
    if (rules_.repairs) {
      const std::string from = envelope_.reverse_path ? envelope_.reverse_path->text() : user_;
      header_.emplace(SubmissionHeader::Defaults{date, fmt::format("<{}@{}>", id_, options_.hostname), from});
    }
    ReceivedTrace trace{rules_.protocol, envelope_.smtputf8, greeting_, helo_,           peer_,
                        !user_.empty(),  options_.hostname,  id_,       std::move(date), {}};
    if (envelope_.recipients.size() == 1) trace.recipient = envelope_.recipients.front().address;
    content_ = received_line(trace);
    reader_.emplace(options_.bare_newline, by_chunks ? Framing::kChunks : Framing::kDots);
    if (is_binary_) binary_.emplace();
  }
  if (by_chunks) {
    if (chunk_.left == 0) end_chunk();
  } else if (reader_) {
    state_ = State::kContent;
    say({354, "", "Send the message, end with a dot on a line of its own"});
  }
  settle();
}

std::size_t SmtpCore::read_content(std::string_view bytes) {
  const std::size_t consumed = take_content(bytes);
  if (reader_->ended()) {
    end_content();
  } else if (content_.size() >= kSpoolChunk) {
    spool_content();
  }
  return consumed;
}

std::size_t SmtpCore::read_chunk(std::string_view bytes) {
  if (bytes.size() > chunk_.left) bytes = bytes.substr(0, static_cast<std::size_t>(chunk_.left));
  const std::size_t consumed = chunk_.refusal ? bytes.size() : take_content(bytes);
  chunk_.left -= consumed;
  // Who sends on what was refused is heard out, but not for ever.
  if (chunk_.refusal && chunk_.size - chunk_.left <= 2 * options_.message_size) note_piece(consumed);
  if (content_.size() >= kSpoolChunk) {
    spool_content();
  } else if (chunk_.left == 0) {
    end_chunk();
  }
  return consumed;
}

void SmtpCore::note_piece(std::size_t octets) {
  piece_ += octets;
  if (piece_ < kSpoolChunk) return;
  ++progress_;
  piece_ = 0;
}

void SmtpCore::spool_content() {
  spooled_ += content_.size();
  want(AskSpool{std::exchange(content_, {})});
}

// Never more than kSpoolChunk octets of a message are in memory (and what BinaryMime makes of so many), and
// none of one that is refused anyway.
std::size_t SmtpCore::take_content(std::string_view bytes) {
  const bool doomed = content_is_doomed();
  const bool opens = reader_->header().opening() == Opening::kUnknown;
  if (!doomed) bytes = bytes.substr(0, opens ? kMaxTextLine : kSpoolChunk - content_.size());
  std::string text;  // as it came, where it does not stay so
  std::string& into = header_ ? text : content_;
  std::size_t consumed = bytes.size();
  if (binary_) {
    std::string plain;
    binary_->read(bytes, plain);
    reader_->read(plain, doomed ? nullptr : &into);
  } else {
    consumed = reader_->read(bytes, doomed ? nullptr : &into);
  }
  if (header_) header_->read(text, content_);
  note_piece(consumed);
  if (!doomed && content_is_doomed()) {
    content_ = {};
  } else if (!doomed && opens) {
    part_text_from_trace();
  }
  return consumed;
}

// RFC 5322 2.2: a message that turned out just now to have no header but the trace line: its text must not be
// taken for a part of that.
void SmtpCore::part_text_from_trace() {
  if (header_ || reader_->header().opening() != Opening::kText) return;
  content_.insert(content_.size() - static_cast<std::size_t>(reader_->octets()), "\r\n");
}

bool SmtpCore::content_is_doomed() const {
  return content_refusal().has_value();
}

// All of this is known for good once it is known, so the reply does not depend on how the packets were cut.
std::optional<Reply> SmtpCore::content_refusal() const {
  if (reader_->bare_newline() && options_.bare_newline == BareNewline::kReject) {
    return Reply{550, "5.6.0", "The message holds a CR or LF alone"};  // RFC 5321 2.3.8
  }
  if (reader_->octets_sent() > options_.message_size) return too_large();
  if (binary_ && binary_->failed()) return Reply{554, "5.6.0", "The message's parts cannot be told apart"};
  if (reader_->header().received() >= kMaxReceived) return failure(CommitVerdict::kLoop);
  return spool_refusal_;
}

void SmtpCore::answer_spool(CommitVerdict verdict) {
  if (!take_answer()) return;
  if (verdict != CommitVerdict::kKept) spool_refusal_ = failure(verdict);
  if (state_ == State::kChunk && chunk_.left == 0) end_chunk();
  settle();
}

// All octets of it are here.
void SmtpCore::end_chunk() {
  state_ = State::kCommand;
  auto refusal = chunk_.refusal;
  if (!refusal) refusal = content_refusal();
  if (refusal) {
    // RFC 2033 4.2: only the last chunk has a reply for each recipient.
    if (chunk_.last) {
      refuse_message(*refusal);
    } else {
      refuse(*refusal, id_);
    }
    // RFC 3030 2: the message has failed, and further chunks of it are out of order.
    if (reader_ || !missing_recipients()) forget_transaction();
  } else if (chunk_.last) {
    std::string end;
    const bool opens = reader_->header().opening() == Opening::kUnknown;
    if (binary_) {
      std::string plain;
      binary_->finish(plain);
      reader_->read(plain, &end);
    }
    reader_->end_chunks(end);
    if (header_) {
      header_->read(end, content_);
    } else {
      content_ += end;
      if (opens) part_text_from_trace();
    }
    end_content();
  } else {
    say({250, "2.0.0", fmt::format("{} octets received", chunk_.size)});
  }
}

void SmtpCore::end_content() {
  state_ = State::kCommand;
  ++progress_;
  auto refusal = content_refusal();
  const auto& seen = reader_->header().delivered_to();
  // Where each recipient has a reply, those for whom it is no loop get their mail.
  const auto is_recipient = [this](const std::string& key) { return recipient_keys_.contains(key); };
  if (!refusal && !rules_.reply_each && std::ranges::any_of(seen, is_recipient)) {
    refusal = failure(CommitVerdict::kLoop);
  }
  // RFC 2852 4: nobody has it yet, and its sender would rather have it back.
  const auto& deliver_by = envelope_.deliver_by;
  if (!refusal && deliver_by && deliver_by->returns && now() > deliver_by->at)
    refusal = Reply{554, "5.4.7", "The time by which it was to be delivered is over"};
  std::optional<std::vector<Address>> authors;
  if (header_ && !refusal) {
    header_->finish(content_);
    authors = header_->authors();
    if (!authors && options_.check_from) refusal = Reply{550, "5.6.0", "The From field cannot be read"};
    if (header_->may_hide_a_name()) refusal = Reply{550, "5.6.0", "The name of a field cannot be read"};
  }
  if (refusal) {
    refuse_message(*refusal);
    return forget_transaction();
  }
  if (authors) authors_ = *std::move(authors);
  if (!authors_.empty() && options_.check_from) return want(AskAuthor{user_, authors_});
  offer_message();
}

// RFC 2033 4.2: there as often as a recipient was accepted.
void SmtpCore::refuse_message(const Reply& reply) {
  const std::size_t times = std::max<std::size_t>(replies_.size(), 1);
  for (std::size_t i = 1; i < times; ++i) say(reply);
  refuse(reply, id_);
}

void SmtpCore::offer_message() {
  if (!judge(PolicyStage::kContent)) commit();
}

void SmtpCore::answer_author(bool allowed) {
  if (!take_answer()) return;
  if (allowed) {
    offer_message();
  } else {
    refuse_message({550, "5.7.1", "The From address is not yours"});
    forget_transaction();
  }
  settle();
}

void SmtpCore::commit() {
  const std::uint64_t size = spooled_ + content_.size();
  const std::vector<std::string> seen = reader_->header().delivered_to();
  committing_ = named();
  if (rules_.reply_each) {
    recipients_ = std::exchange(envelope_.recipients, {});
    for (const Recipient& recipient : recipients_) {
      const bool loops = std::ranges::find(seen, recipient.address.key()) != seen.end();
      verdicts_.push_back(loops ? CommitVerdict::kLoop : CommitVerdict::kKept);
      if (!loops) envelope_.recipients.push_back(recipient);
    }
    if (envelope_.recipients.empty()) {
      conclude({});
      return forget_transaction();
    }
  }
  want(AskCommit{id_, std::move(envelope_), std::exchange(content_, {}), size, seen,
                 connection_tags_ + hello_tags_ + tags_, rules_.reply_each, std::exchange(authors_, {}),
                 (binary_ && binary_->has_converted()) || reader_->bare_newline()});
}

void SmtpCore::answer_commit(CommitVerdict verdict) {
  answer_commit(std::vector(rules_.reply_each ? verdicts_.size() : 1, verdict));
}

void SmtpCore::answer_commit(const std::vector<CommitVerdict>& verdicts) {
  if (!take_answer()) return;
  if (rules_.reply_each) {
    conclude(verdicts);
  } else if (verdicts.front() == CommitVerdict::kKept) {
    errors_ = 0;
    say({250, "2.0.0", "OK id=" + id_});
  } else {
    refuse(failure(verdicts.front()), id_);
  }
  forget_transaction();
  settle();
}

// RFC 2033 4.2. `verdicts` are of those recipients who were no loop, in order, and may be followed by others.
void SmtpCore::conclude(const std::vector<CommitVerdict>& verdicts) {
  std::size_t next = 0;
  for (CommitVerdict& verdict : verdicts_) {
    if (verdict == CommitVerdict::kKept) verdict = verdicts[next++];
  }
  for (const std::size_t index : replies_) {
    const std::string name = '<' + recipients_[index].address.text() + "> ";
    if (verdicts_[index] == CommitVerdict::kKept) {
      errors_ = 0;
      say({250, "2.0.0", name + "OK id=" + id_});
    } else {
      Reply reply = failure(verdicts_[index]);
      reply.text.insert(0, name);
      note_refusal(reply, id_);
      say(reply);
    }
  }
}

}  // namespace mailstead

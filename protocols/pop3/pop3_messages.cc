// LIST, UIDL, RETR and TOP: RFC 1939 5 and 7. Long replies are made a chunk at a time.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/pop3/pop3_commands.h"
#include "protocols/pop3/pop3_core.h"

namespace mailstead {
namespace {

constexpr std::size_t kReadPiece = 64 * 1024;  // octets asked for at once

}  // namespace

// Nothing for a number that is none, is out of range, or belongs to a message marked as deleted.
std::optional<std::size_t> Pop3Core::find_message(std::string_view number) const {
  const auto value = ascii::number(ascii::trim_end(number));
  if (!value || *value == 0 || *value > totals_->messages) return std::nullopt;
  const auto index = static_cast<std::size_t>(*value - 1);
  if (is_deleted(index)) return std::nullopt;
  return index;
}

// The bits are there once one is set: 1,000,000 messages are 122 KiB of them.
void Pop3Core::mark(std::vector<bool>& bits, std::size_t index) const {
  if (bits.empty()) bits.assign(totals_->messages, false);
  bits[index] = true;
}

const MaildropEntry* Pop3Core::entry_of(std::size_t index) {
  const std::size_t number = index / totals_->page;
  if (page_ == nullptr) page_ = last_page_.lock();
  if (page_ != nullptr && page_number_ == number) return &(*page_)[index % totals_->page];
  page_.reset();
  page_number_ = number;
  want(AskPage{number});
  return nullptr;
}

void Pop3Core::answer_page(std::shared_ptr<const MaildropPage> page) {
  if (!take_answer()) return;
  if (page != nullptr && page->size() == totals_->entries_in(page_number_)) {
    page_ = std::move(page);
    last_page_ = page_;
    if (!listing_) (this->*running_->run)(running_argument_);
  } else if (listing_) {
    fail_listing();
  } else {
    refuse(Pop3Text::kListUnreadableNow);
  }
  settle();
}

// RFC 6856 2.1: without UTF-8 mode nothing but ASCII in a header.
bool Pop3Core::needs_surrogate(const MaildropEntry& entry) const {
  return !utf8_mode_ && entry.header != HeaderText::kAscii;
}

// As RETR sends it: RFC 1939 11, RFC 6856 2.1.
std::uint64_t Pop3Core::size_of(const MaildropEntry& entry) const {
  if (!needs_surrogate(entry)) return entry.size;
  return entry.size + static_cast<std::uint64_t>(std::int64_t{entry.surrogate_growth});
}

void Pop3Core::append_listing_line(Listing what, std::size_t index, const MaildropEntry& entry) {
  const auto into = std::back_inserter(output_);
  if (what == Listing::kSizes) {
    fmt::format_to(into, "{} {}\r\n", index + 1, size_of(entry));
  } else {
    fmt::format_to(into, "{} {}\r\n", index + 1, entry.uidl);
  }
}

void Pop3Core::start_listing(Listing what, std::string_view argument) {
  if (ascii::trim(argument).empty()) {
    listing_ = ListingReply{what};
    return;
  }
  const auto index = find_message(argument);
  if (!index) return error(Pop3Text::kNoSuchMessage);
  const MaildropEntry* entry = entry_of(*index);
  if (entry == nullptr) return;
  output_ += "+OK ";
  append_listing_line(what, *index, *entry);
}

void Pop3Core::continue_listing() {
  while (listing_->next < totals_->messages && output_.size() < kOutputChunk) {
    const std::size_t index = listing_->next;
    if (!is_deleted(index)) {
      const MaildropEntry* entry = entry_of(index);
      if (entry == nullptr) return;
      start_listing_reply();
      append_listing_line(listing_->what, index, *entry);
    }
    ++listing_->next;
  }
  if (listing_->next < totals_->messages) return;
  start_listing_reply();
  output_ += ".\r\n";
  listing_.reset();
}

// Once it is known that there is something to send.
void Pop3Core::start_listing_reply() {
  if (std::exchange(listing_->started, true)) return;
  ok(Pop3Text::kMailboxHolds, live_messages_, live_octets_);
}

void Pop3Core::fail_listing() {
  const bool started = listing_->started;
  listing_.reset();
  if (!started) return refuse(Pop3Text::kListUnreadableNow);
  // As within a message: the client must not take what it has for the whole.
  note_refusal("(closed within the list)", {});
  hang_up();
}

void Pop3Core::list(std::string_view argument) {
  start_listing(Listing::kSizes, argument);
}

void Pop3Core::uidl(std::string_view argument) {
  start_listing(Listing::kUidls, argument);
}

void Pop3Core::retr(std::string_view argument) {
  const auto index = find_message(argument);
  if (!index) return error(Pop3Text::kNoSuchMessage);
  const MaildropEntry* entry = entry_of(*index);
  if (entry != nullptr) start_message(*index, *entry, std::nullopt);
}

void Pop3Core::top(std::string_view argument) {
  argument = ascii::trim_end(argument);
  const std::size_t blank = std::min(argument.find(' '), argument.size());
  const auto lines = ascii::number(ascii::trim(argument.substr(blank)));
  if (!lines) return refuse(Pop3Text::kTopSyntax);
  const auto index = find_message(argument.substr(0, blank));
  if (!index) return error(Pop3Text::kNoSuchMessage);
  const MaildropEntry* entry = entry_of(*index);
  if (entry != nullptr) start_message(*index, *entry, lines);
}

void Pop3Core::start_message(std::size_t index, const MaildropEntry& entry,
                             std::optional<std::uint64_t> body_lines) {
  const auto stuffing = entry.has_dot_lines ? DotStuffing::kNeeded : DotStuffing::kNotNeeded;
  message_.emplace(MessageReply{
      index, entry, DotWriter(stuffing, body_lines), {}, !body_lines.has_value(), body_lines != 0U});
  if (needs_surrogate(entry)) message_->surrogate.emplace();
}

void Pop3Core::continue_message() {
  const std::uint64_t left = message_->entry.size - message_->offset;
  if (left == 0 || message_->writer.complete()) return end_message();
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left, kReadPiece));
  want(AskRead{message_->index, message_->offset, length});
}

void Pop3Core::say_message_follows() {
  if (message_->started) return;
  message_->started = true;
  if (message_->whole) {
    ok(Pop3Text::kOctets, size_of(message_->entry));
  } else {
    ok(Pop3Text::kTopFollows);
  }
}

void Pop3Core::answer_read(ReadVerdict verdict, std::string_view bytes) {
  if (!take_answer()) return;
  if (verdict == ReadVerdict::kBytes && !bytes.empty()) {
    // Never more than was announced: RFC 1939 11.
    bytes = bytes.substr(0, std::get<AskRead>(*ask_).length);
    say_message_follows();
    message_->offset += bytes.size();
    if (message_->surrogate) {
      std::string instead;
      message_->surrogate->read(bytes, &instead);
      message_->writer.write(instead, output_);
    } else {
      message_->writer.write(bytes, output_);
    }
  } else {
    fail_message(verdict);
  }
  settle();
}

void Pop3Core::fail_message(ReadVerdict verdict) {
  const std::string uidl = std::move(message_->entry.uidl);
  const bool started = message_->started;
  message_.reset();
  if (started) {
    // After +OK nothing honest can be said any more: the client must not take what it has for the whole.
    note_refusal("(closed within the message)", uidl);
    hang_up();
  } else if (verdict == ReadVerdict::kUnavailable) {
    refuse(Pop3Text::kUnreadableNow, uidl);
  } else {
    refuse(Pop3Text::kUnreadable, uidl);
  }
}

void Pop3Core::end_message() {
  say_message_follows();
  if (message_->surrogate && !message_->writer.complete()) {
    std::string rest;
    message_->surrogate->finish(&rest);
    message_->writer.write(rest, output_);
  }
  // Some clients fetch by a TOP that asks for more lines than there are.
  const bool all = message_->whole || (message_->has_body && !message_->writer.complete() &&
                                       message_->offset == message_->entry.size);
  message_->writer.finish(output_);
  if (all) {
    retrieved_now_.push_back(message_->entry.key);
    ++retrieved_messages_;
    retrieved_octets_ += size_of(message_->entry);
    if (message_->whole && options_.expire_days == 0U) mark(retrieved_, message_->index);
  }
  message_.reset();
}

}  // namespace mailstead

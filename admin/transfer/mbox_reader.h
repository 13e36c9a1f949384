// An mbox file in pieces of any size: where its messages begin, and what they hold (RFC 4155; mboxrd, mboxo).
//
// A message begins with a line "From sender date" at the start of the file or behind an empty line; that line
// and the empty line are the file's, not the message's. ">From " in a text loses one ">". Content-Length is
// not believed. The notes of mail programs in the header (Status, X-UIDL, X-Mozilla-Status, ...) are left
// out; X-UIDL is told. No I/O; memory: one line, of which more than kLongestLine passes in pieces.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead::admin {

class MboxSink {
 public:
  virtual ~MboxSink() = default;
  // Unix seconds; nullopt: the line's date is none. `offset` of the line in the file.
  virtual void message_begins(std::optional<std::int64_t> date, std::uint64_t offset) = 0;
  virtual void message_content(std::string_view bytes) = 0;
  // `uidl`: what stands in X-UIDL, may be empty. `is_folder_data`: a mail program's own notes, no mail.
  virtual void message_ends(const std::string& uidl, bool is_folder_data) = 0;
};

class MboxReader {
 public:
  static constexpr std::size_t kLongestLine = 64u << 10;

  explicit MboxReader(MboxSink& sink) : sink_(sink) {}

  void add(std::string_view bytes);
  void finish();

  // The file does not begin with a "From " line: it is no mbox. Nothing is told of it then.
  bool is_no_mbox() const { return is_no_mbox_; }
  // Lines that look like the beginning of a message, but stand where none may begin.
  std::uint64_t doubtful_lines() const { return doubtful_lines_; }

 private:
  void take_line(std::string_view line);
  void take_long_line();
  void begin(std::string_view line);
  void end();
  void take_header_line(std::string_view line);
  void pass(std::string_view line);

  MboxSink& sink_;
  std::string line_;           // so far
  bool in_long_line_ = false;  // its beginning has been passed on
  std::uint64_t offset_ = 0;   // of what is behind line_
  bool in_message_ = false;
  bool in_header_ = false;
  bool skips_field_ = false;  // and its continuation lines
  bool after_empty_line_ = true;
  std::string empty_line_;  // one that may be the last, and then is the file's
  std::string uidl_;
  bool has_imap_field_ = false;
  bool has_folder_subject_ = false;
  bool is_no_mbox_ = false;
  std::uint64_t doubtful_lines_ = 0;
};

// The date of "From sender Thu Jan  1 00:00:00 1970", also with a zone "+0100" or "UTC" before or behind the
// year; without one it is UTC.
std::optional<std::int64_t> mbox_date(std::string_view from_line);

}  // namespace mailstead::admin

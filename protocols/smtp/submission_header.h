// What submission puts right in a message's header: RFC 6409 8 (Date, Message-ID), RFC 5322 3.6 (From),
// MIME-Version where there is MIME (RFC 2045 4), Bcc, which is nobody else's business (RFC 5322 3.6.3), and
// Authentication-Results, which is not for users to write (RFC 8601 5).
//
// The message goes through in pieces of any size and comes out with the fields that it lacks behind those it
// has, and without Bcc, Resent-Bcc and Authentication-Results. What is there is not touched, be it right or
// wrong: signatures hold. A message that has no header at all gets one. Memory: a field's name, and
// kMaxAuthors octets of From. Threads: one at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"

namespace mailstead {

inline constexpr std::size_t kMaxAuthors = 16 * 1024;

class SubmissionHeader {
 public:
  // The values that a message without the field gets.
  struct Defaults {
    std::string date;
    std::string message_id;  // with its brackets
    std::string from;
  };

  explicit SubmissionHeader(Defaults defaults) : defaults_(std::move(defaults)) {}

  // Message content with CRLF line ends, in order. Appends what becomes of it to `into`.
  void read(std::string_view content, std::string& into);
  // That was all of it.
  void finish(std::string& into);

  // Whose message it says it is: the addresses of its From fields; none when it had no such field. nullopt:
  // they cannot be read, or there are none in it. Only after finish().
  std::optional<std::vector<Address>> authors() const;
  // A line of it that went through may be Bcc or From to somebody who reads more of a line than we do.
  bool may_hide_a_name() const { return hidden_; }

 private:
  enum class State { kName, kPass, kDrop, kBody };

  void read_name(char c, std::string& into);
  void end_name(std::string& into);
  void end_line_without_colon(std::string& into);
  void pass_line(char c, std::string& into);
  void end_header(std::string& into);

  Defaults defaults_;
  State state_ = State::kName;
  std::string name_;  // what has come of a line, while it may be a field's name
  bool any_field_ = false;
  bool dropping_ = false;   // the field before, and so what continues it
  bool is_author_ = false;  // the field is From
  bool has_date_ = false;
  bool has_message_id_ = false;
  bool has_from_ = false;
  bool has_mime_version_ = false;
  bool is_mime_ = false;     // some field says what the body is
  std::string from_;         // the values of From fields, with commas between them
  bool unreadable_ = false;  // From
  bool hidden_ = false;      // a name that may be From, or one that is dropped
};

}  // namespace mailstead

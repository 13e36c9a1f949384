// What the store has to know of a message's bytes, learnt while they pass by in pieces of any size.
//
// Threads: one at a time. Memory: at most kMaxHeaderLine bytes of a header line, the Delivered-To values, and
// what a ToldHeader and a Surrogate keep.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/pop3/maildrop.h"
#include "protocols/smtp/message_id_field.h"
#include "protocols/smtp/surrogate.h"
#include "storage/queue/told_header.h"

namespace mailstead {

// What a message's header fields hold, as a MaildropEntry has it.
struct HeaderFacts {
  HeaderText text = HeaderText::kUnknown;
  std::int32_t surrogate_growth = 0;  // octets

  bool operator==(const HeaderFacts&) const = default;
};

class ContentScan {
 public:
  void add(std::string_view bytes);

  std::uint64_t size() const { return size_; }
  bool has_dot_lines() const { return has_dot_lines_; }  // some line begins with a dot (RFC 1939 3)
  bool has_eight_bit() const { return has_eight_bit_; }  // octets beyond ASCII (RFC 6152)
  bool ends_with_crlf() const { return before_ == '\r' && last_ == '\n'; }
  // Every CR is followed by LF, every LF comes after CR, and the last line is ended: what POP3 can send as it
  // is.
  bool is_canonical() const;
  // Values of the Delivered-To fields of the first header block, without white space around them.
  const std::vector<std::string>& delivered_to() const { return delivered_to_; }
  const std::string& message_id() const { return message_id_.value(); }
  // ToldHeader::text().
  std::string told() const { return told_.text(); }
  // Its sender would rather have it arrive than encrypted: "TLS-Required: No" (RFC 8689 5).
  bool tls_is_optional() const { return tls_is_optional_; }
  // Of all that was added, taken for the whole message.
  HeaderFacts header() const;

 private:
  void scan_header(std::string_view bytes);
  void end_header_line();

  std::uint64_t size_ = 0;
  std::uint64_t carriage_returns_ = 0;
  std::uint64_t line_ends_ = 0;  // CRLF
  std::uint64_t line_feeds_ = 0;
  bool has_eight_bit_ = false;
  char before_ = '\0';  // the last two bytes
  char last_ = '\n';    // a message begins at a line's start
  bool has_dot_lines_ = false;
  bool in_header_ = true;
  std::string line_;  // the header line so far, cut
  std::vector<std::string> delivered_to_;
  MessageIdField message_id_;
  ToldHeader told_;
  bool tls_is_optional_ = false;
  Surrogate surrogate_;
};

// Turns bare LF, bare CR and runs of CR before LF into CRLF, over pieces of any size.
class LineEndNormaliser {
 public:
  void add(std::string_view bytes, std::string& into);
  // The last line gets its CRLF.
  void finish(std::string& into);

 private:
  bool pending_cr_ = false;
  bool at_line_start_ = true;
};

}  // namespace mailstead

// Watches a message go by for the signs of a mail loop: its Received and Delivered-To lines (RFC 5321 6.3);
// and tells whether it has a header at all, and its Message-ID.
//
// Memory: the start of one header line, a Message-ID and at most kMaxDeliveredTo addresses. Time: linear.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/smtp/message_id_field.h"

namespace mailstead {

inline constexpr std::size_t kMaxDeliveredTo = 100;
inline constexpr std::size_t kMaxTextLine = 998;  // octets without CRLF, RFC 5322 2.1.1

// What a message begins with.
enum class Opening {
  kUnknown,    // too little of it was seen, never more than kMaxTextLine octets
  kField,      // a header field, RFC 5322 2.2; blanks before the colon are let pass, RFC 5322 4.5
  kEmptyLine,  // the end of a header without fields
  kText,       // something else: there is no header, the body begins at once
};

class HeaderScan {
 public:
  // Message content, in order, in pieces of any size; what follows the header costs nothing.
  void read(std::string_view content);

  Opening opening() const { return opening_; }
  std::size_t received() const { return received_; }
  const std::string& message_id() const { return message_id_.value(); }
  // Address::key() of each Delivered-To line, in order.
  const std::vector<std::string>& delivered_to() const { return delivered_to_; }

 private:
  void open(std::string_view content);
  Opening judge_opening(char next) const;
  void end_line();

  Opening opening_ = Opening::kUnknown;
  std::size_t opening_octets_ = 0;  // seen while it is unknown
  char last_ = 0;                   // of them
  std::string line_;
  bool in_header_ = true;
  std::size_t received_ = 0;
  MessageIdField message_id_;
  std::vector<std::string> delivered_to_;
};

}  // namespace mailstead

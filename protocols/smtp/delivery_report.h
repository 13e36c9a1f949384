// A report of what became of a message: RFC 3464 in RFC 6522's form, in plain words first.
//
// What the other side said is quoted as one line of harmless characters, and believed in nothing. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocols/smtp/envelope.h"

namespace mailstead {

enum class ReportKind { kFailure, kDelay, kSuccess };

struct ReportedRecipient {
  Recipient recipient;
  std::string status;        // enhanced status code
  std::string host;          // that was asked; may be empty
  std::string reply;         // its words, with their code; or ours
  std::int64_t last_at = 0;  // Unix seconds, of the last attempt; 0: none
  bool relayed = false;      // of kSuccess: handed to a host that sends no reports
  std::uint32_t attempts = 0;
  bool is_given_up = false;  // of kFailure: the other side may have taken it later; only the time was over
};

struct DeliveryReport {
  ReportKind kind = ReportKind::kFailure;
  std::string host;  // ours
  std::string id;    // queue id of the report
  std::int64_t now = 0;
  Envelope envelope;       // of the message that it is about, with its reverse-path
  std::string message_id;  // its, without brackets; may be empty
  std::string queue_id;
  std::int64_t received_at = 0;
  std::int64_t tried_from = 0;   // when the first attempt was due
  std::int64_t tried_until = 0;  // of kDelay: when it is given up
  std::vector<ReportedRecipient> recipients;
  std::string original;   // the message, or its header block
  bool is_whole = false;  // which of them
  // It goes to another host, which need not know 8BITMIME: nobody would hear of a report that fails.
  // Addresses beyond ASCII are written as they are all the same.
  bool is_ascii = false;
};

// With CRLF line ends.
std::string write_report(const DeliveryReport& report);

// RFC 5322 3.3, in UTC.
std::string rfc5322_date(std::int64_t unix_seconds);

}  // namespace mailstead

// What the DNS has of a record that `dns records` names: is it right, missing, or something else? Answers are
// input from anybody. Pure functions; any thread.
#pragma once

#include <string>

#include "admin/dns/dns_records.h"
#include "protocols/dns_message.h"

namespace mailstead::admin {

enum class DnsVerdict {
  kRight,
  kMissing,
  kDiffers,
  kCannotTell,  // it is there, and only its author knows whether it comes to the same
  kNotAsked,    // no server answered
};

struct DnsFinding {
  DnsRecord record;
  DnsVerdict verdict = DnsVerdict::kNotAsked;
  std::string found;   // what is there instead; may be empty
  std::string advice;  // a sentence, for what is not right
};

DnsFinding judge_record(const DnsRecord& record, const dns::Answer& answer);

}  // namespace mailstead::admin

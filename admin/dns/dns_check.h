// Compares what `dns records` says with what the DNS has. Pure functions; any thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "admin/command.h"
#include "admin/config/config.h"
#include "admin/dns/dns_judgement.h"
#include "admin/dns/dns_records.h"
#include "protocols/dns_message.h"

namespace mailstead::admin {

struct DnsQuestion {
  std::string name;
  dns::Type type = dns::Type::kA;
  bool operator==(const DnsQuestion&) const = default;
};

// Asks these DNS servers, or the machine's when there are none; an answer for each question, in their order.
// Blocks until all are there.
using LookUp = std::function<std::vector<dns::Answer>(const std::vector<ListenAddress>& servers,
                                                      const std::vector<DnsQuestion>& questions)>;

// How long a command waits for each of the two rounds of check_dns(); the second one is for the names of
// addresses that the first has found.
inline constexpr std::chrono::seconds kRoundPatience{10};

// What is to be asked of a record.
DnsQuestion question_for(const DnsRecord& record);

// `records`: the JSON of `dns records`. Exit code 1 when something that is needed is not right.
Report check_dns(const std::string& records, const std::vector<ListenAddress>& servers,
                 const LookUp& look_up);

}  // namespace mailstead::admin

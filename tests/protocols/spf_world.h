// A sender, a client and a DNS zone, for tests of SPF.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocols/origin/spf.h"
#include "tests/protocols/dns_zone.h"

namespace mailstead {

// `sender`: "anna@far.example"; empty: "<>".
SpfClient spf_client(std::string_view sender, std::string_view ip, std::string_view helo = "mx.far.example");

struct SpfRun {
  SpfResult result;
  std::vector<SpfQuestion> questions;  // in their order

  std::string verdict() const { return std::string(name_of(result.verdict)); }
};
SpfRun run_spf(const DnsZone& zone, const SpfClient& client);

// One that comes out so in `zone`.
struct SpfCase {
  const char* sender;
  const char* ip;
  const char* verdict;
};
void check_spf(const DnsZone& zone, const std::vector<SpfCase>& cases);

// What becomes of anna@far.example from 192.0.2.1 when far.example has this record.
std::string verdict_of_record(std::string_view record, std::string_view zone = "",
                              std::string_view ip = "192.0.2.1");

}  // namespace mailstead

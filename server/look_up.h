// DNS look-ups for the command line, which has no loop of its own.
#pragma once

#include <vector>

#include "admin/dns_check.h"

namespace mailstead {

// See admin::LookUp. All are asked at once; c-ares gives up by itself. Threads: any, one call at a time.
std::vector<dns::Answer> look_up(const std::vector<ListenAddress>& servers,
                                 const std::vector<admin::DnsQuestion>& questions);

}  // namespace mailstead

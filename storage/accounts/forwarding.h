// What an alias passes on to other hosts, and the way back of the reports about it.
//
// Mail that is not ours gets a reverse-path of ours that leads back (protocols/smtp/srs.h), so that the next
// host finds it allowed by our domain's SPF (RFC 7208), and reports of its fate come by here. Of ours nothing
// is rewritten. A rewritten address takes reports only, mail from <>: nobody is to send through us.
// Ownership: borrows the directory. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocols/address.h"
#include "protocols/smtp/envelope.h"
#include "storage/accounts/directory.h"
#include "storage/queue/queue.h"

namespace mailstead {

class Forwarding {
 public:
  // `srs_key`: Store::srs_key(). `now`: Unix seconds.
  Forwarding(const Directory& directory, std::string srs_key, std::int64_t now)
      : directory_(directory), srs_key_(std::move(srs_key)), now_(now) {}

  // Who gets a report to this address that we made; nullopt: we did not, or too long ago.
  std::optional<Address> origin(const Address& recipient) const;

  // Under which reverse-path mail from `reverse_path` is passed on by the alias `via`. One that would become
  // too long is replaced by the domain's postmaster: somebody has to hear of a failure.
  std::optional<Address> reverse_path(const std::optional<Address>& reverse_path, const Address& via) const;

 private:
  const Directory& directory_;
  std::string srs_key_;
  std::int64_t now_;
};

// How reports are asked for where `recipient` was an alias that leads to `places`: RFC 3461 5.2.7. Success is
// told once, by us when there are several places, else by the last host.
enum class Places { kOne, kSeveral };
Recipient passed_on(const Recipient& recipient, const Address& target, Places places);

}  // namespace mailstead

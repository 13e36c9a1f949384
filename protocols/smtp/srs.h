// The Sender Rewriting Scheme: whose mail we pass on, under a reverse-path of ours that leads back.
//
// "anna@remote.example" becomes "SRS0=HASH=TT=remote.example=anna@DOMAIN", and what an earlier host made
// of it becomes "SRS1=HASH=HOST==…", so that a chain of hosts does not grow it (Meng Weng Wong, SRS, 2003;
// libsrs2 and postsrsd make the same). HASH is an HMAC-SHA-1, so that nobody sends through us by names that
// he makes up; TT is the day, so that one that leaked is of no use for long.
// Ownership: a value. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "protocols/address.h"
#include "protocols/result.h"

namespace mailstead {

// Days that a report may take: mail waits in queues for five days at each host.
inline constexpr std::int64_t kSrsDays = 21;

class Srs {
 public:
  // `key`: Store::srs_key(). `domain`: one whose mail comes to us, as Address::domain has it.
  Srs(std::string key, std::string domain) : key_(std::move(key)), domain_(std::move(domain)) {}

  // kTooLarge: the local part would have more than 64 octets (RFC 5321 4.5.3.1.1). Then use an address of
  // ours, such as that of the mailbox that passes it on, and never the sender's own or none: what cannot be
  // delivered should be told to somebody. `now`: Unix seconds.
  Result<Address> forward(const Address& sender, std::int64_t now) const;
  // Where mail to this address goes. kInvalid: it is no such address. kDenied: we did not make it. kNotFound:
  // it is too old.
  Result<Address> reverse(const Address& recipient, std::int64_t now) const;

 private:
  Result<Address> forward_again(const Address& sender) const;
  Result<Address> made(std::string local_part) const;
  std::string hash(const std::string& text) const;

  std::string key_;
  std::string domain_;
};

// Does it begin as the addresses of any such host do? Who asks before he looks for a mailbox of that name.
bool looks_like_srs(const Address& address);

}  // namespace mailstead

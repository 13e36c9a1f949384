// What a command (`dns check`, doctor) asks of the network, all at the same time: names, other hosts, the
// time. `server/` has the loop for it; a test answers by itself.
//
// Ownership: each look owns its `done`, which runs at most once, on the thread of go_outside(), and may look
// further. What has no answer when the time is up is never heard of: who asks begins with "no answer".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "admin/config/config.h"
#include "admin/dns/dns_check.h"
#include "protocols/dns_message.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {

// A few lines said to a server: its greeting is waited for, each command when the one before was answered.
// QUIT ends it in every case in which the server has greeted.
struct Dialogue {
  enum class Kind {
    kSmtp,     // replies of RFC 5321 4.2
    kPop3,     // lines
    kConnect,  // nothing is read or said
  };
  enum class Tls {
    kNone,
    kFromTheStart,  // whatever certificate is shown
  };
  IpAddress address;
  std::uint16_t port = 0;
  Kind kind = Kind::kSmtp;
  std::vector<std::string> commands = {};  // without CRLF
  Tls tls = Tls::kNone;
};

struct Heard {
  bool is_connected = false;
  std::string failure = {};  // why there is no connection, or why it ended early, in a few words
  // The greeting, then one for each command: "250 2.1.0 OK". Fit for a log.
  std::vector<std::string> replies = {};
};

class Outside {
 public:
  virtual ~Outside() = default;
  virtual void ask(const DnsQuestion& question, std::function<void(const dns::Answer&)> done) = 0;
  virtual void talk(const Dialogue& dialogue, std::function<void(const Heard&)> done) = 0;
  // By SNTP: how many seconds this machine's clock is behind the server's; nullopt: no good answer.
  virtual void ask_time(const IpAddress& address, std::uint16_t port,
                        std::function<void(std::optional<double>)> done) = 0;
};

struct OutsideTerms {
  std::vector<ListenAddress> servers;  // of DNS; empty: the machine's
  std::chrono::milliseconds limit{30'000};
  std::function<void(std::size_t open)> tick;  // a few times a second: so many looks are open; may be empty
  std::function<bool()> is_unwanted = {};      // asked likewise: nobody waits any more; may be empty
};

// Blocks until all that `begin`, and what followed from it, looked at is there, or the time is up.
using GoOutside = std::function<void(const OutsideTerms& terms, const std::function<void(Outside&)>& begin)>;

// Looks up by what goes outside; what has no answer within `patience` has failed.
LookUp look_up_by(GoOutside go_outside, std::chrono::milliseconds patience);

}  // namespace mailstead::admin

// Who has guessed too many passwords may not log in for a while, nor connect to where people log in.
//
// What counts are different guesses in a row from one network, over SMTP and POP3 together: a phone with an
// old password says the same one each time, and is not guessing. Every ban ends by itself, the next one of
// the same network lasts twice as long. Loopback, gateways (gateways.h), a proxy that tells nobody's address,
// and a network from where somebody logged in well lately are never banned: behind them are people whom a ban
// would hit. In memory: a restart forgets it all. Bounded: kMaxNetworks of each kind, the oldest go first.
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "admin/ban_list.h"
#include "protocols/smtp/envelope.h"

namespace mailstead {

struct BanRules {
  unsigned after = 20;             // different guesses; 0: never
  std::chrono::seconds time{900};  // of a network's first ban
};

class Bans final : public BanList {
 public:
  using Clock = std::function<std::chrono::seconds()>;  // never goes back

  explicit Bans(BanRules rules, Clock clock = steady_clock());
  static Clock steady_clock();

  void set_rules(BanRules rules);

  // Is everybody behind this address, so that it must not wait for one who guesses?
  bool is_shared(const PeerFacts& peer) const;
  void note_right(const PeerFacts& peer);
  // `guess` is the same for the same guess. The ban, when this one has led to it.
  std::optional<Ban> note_wrong(const PeerFacts& peer, std::uint64_t guess);
  bool is_banned(const PeerFacts& peer) const;
  // A banned network came again; true the first time.
  bool note_refused(const PeerFacts& peer);

  std::vector<Ban> bans() const override;
  bool lift(const std::string& network) override;

 private:
  struct Guesser {
    std::set<std::uint64_t> guesses;
    std::chrono::seconds last{0};
    std::chrono::seconds since{0};
    std::chrono::seconds until{0};  // past: not banned
    unsigned bans = 0;
    unsigned wrong_logins = 0;
    std::uint64_t refused = 0;
  };

  Guesser& guesser(const std::string& network, std::chrono::seconds now);
  Ban ban_of(const std::string& network, const Guesser& guesser, std::chrono::seconds now) const;

  const Clock clock_;
  mutable std::mutex mutex_;  // guards what follows
  BanRules rules_;
  std::unordered_map<std::string, Guesser> guessers_;
  std::unordered_map<std::string, std::chrono::seconds> good_;  // when somebody logged in well
};

}  // namespace mailstead

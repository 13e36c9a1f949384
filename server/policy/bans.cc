#include "server/policy/bans.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "server/net/network.h"

namespace mailstead {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::size_t kMaxNetworks = 10'000;
constexpr seconds kGoodFor = hours(24 * 7);    // a good login keeps its network from bans
constexpr seconds kGuessesFor = hours(1);      // guesses are forgotten after so long without another
constexpr seconds kRememberedFor = hours(24);  // a ban is, after its end
constexpr seconds kLongest = hours(24);
constexpr unsigned kMostDoublings = 10;

// The entry that was touched least recently goes.
template <typename Map, typename Time>
void make_room(Map& map, Time time_of) {
  if (map.size() < kMaxNetworks) return;
  const auto oldest = std::min_element(map.begin(), map.end(), [&](const auto& a, const auto& b) {
    return time_of(a.second) < time_of(b.second);
  });
  map.erase(oldest);
}

}  // namespace

Bans::Clock Bans::steady_clock() {
  return
      [] { return std::chrono::duration_cast<seconds>(std::chrono::steady_clock::now().time_since_epoch()); };
}

Bans::Bans(BanRules rules, Clock clock) : clock_(std::move(clock)), rules_(rules) {}

void Bans::set_rules(BanRules rules) {
  const std::lock_guard guard(mutex_);
  rules_ = rules;
}

bool Bans::is_shared(const PeerFacts& peer) const {
  return peer.loopback || peer.proxy || peer.hidden;
}

void Bans::note_right(const PeerFacts& peer) {
  if (is_shared(peer)) return;
  const std::string network = network_of(peer.address);
  const std::lock_guard guard(mutex_);
  if (!good_.contains(network)) make_room(good_, [](seconds at) { return at; });
  good_[network] = clock_();
  guessers_.erase(network);
}

// Forgets what is too old to count.
Bans::Guesser& Bans::guesser(const std::string& network, seconds now) {
  if (!guessers_.contains(network)) make_room(guessers_, [](const Guesser& each) { return each.last; });
  Guesser& found = guessers_[network];
  if (now - found.last > kGuessesFor) found.guesses.clear();
  if (now - std::max(found.last, found.until) > kRememberedFor) found.bans = 0;
  found.last = now;
  return found;
}

std::optional<Ban> Bans::note_wrong(const PeerFacts& peer, std::uint64_t guess) {
  if (is_shared(peer)) return std::nullopt;
  const std::string network = network_of(peer.address);
  const std::lock_guard guard(mutex_);
  if (rules_.after == 0) return std::nullopt;
  const seconds now = clock_();
  Guesser& from = guesser(network, now);
  if (from.until > now) return std::nullopt;
  from.guesses.insert(guess);
  if (from.guesses.size() < rules_.after) return std::nullopt;
  const auto good = good_.find(network);
  if (good != good_.end() && now - good->second <= kGoodFor) {
    from.guesses.clear();  // it never grows without bound
    return std::nullopt;
  }
  const auto factor = 1U << std::min(from.bans++, kMostDoublings);
  from.wrong_logins = static_cast<unsigned>(from.guesses.size());
  from.guesses.clear();
  from.since = now;
  from.until = now + std::min(rules_.time * factor, std::max(kLongest, rules_.time));
  from.refused = 0;
  return ban_of(network, from, now);
}

bool Bans::is_banned(const PeerFacts& peer) const {
  if (is_shared(peer)) return false;
  const std::lock_guard guard(mutex_);
  const auto found = guessers_.find(network_of(peer.address));
  return found != guessers_.end() && found->second.until > clock_();
}

bool Bans::note_refused(const PeerFacts& peer) {
  const std::lock_guard guard(mutex_);
  const auto found = guessers_.find(network_of(peer.address));
  return found != guessers_.end() && ++found->second.refused == 1;
}

// In the world's time, which may have been set meanwhile; what counts is ours.
Ban Bans::ban_of(const std::string& network, const Guesser& guesser, seconds now) const {
  const auto world = [&](seconds at) { return std::time(nullptr) + (at - now).count(); };
  return {network, world(guesser.since), world(guesser.until), guesser.wrong_logins, guesser.refused};
}

std::vector<Ban> Bans::bans() const {
  const std::lock_guard guard(mutex_);
  const seconds now = clock_();
  std::vector<Ban> found;
  for (const auto& [network, guesser] : guessers_) {
    if (guesser.until > now) found.push_back(ban_of(network, guesser, now));
  }
  std::sort(found.begin(), found.end(), [](const Ban& a, const Ban& b) {
    return std::tie(a.until, a.network) < std::tie(b.until, b.network);
  });
  return found;
}

bool Bans::lift(const std::string& network) {
  const std::lock_guard guard(mutex_);
  const auto found = guessers_.find(network_of(network));
  if (found == guessers_.end() || found->second.until <= clock_()) return false;
  guessers_.erase(found);
  return true;
}

}  // namespace mailstead

#include "server/router.h"

#include <algorithm>
#include <utility>

namespace mailstead {

// One question of somebody, from the first query to the answer. Whoever holds the ticket owns it; the
// resolver's callbacks end with its tickets.
class Router::Inquiry : public std::enable_shared_from_this<Router::Inquiry> {
 public:
  Inquiry(Resolver& resolver, unsigned seed, std::string domain, Done done)
      : resolver_(resolver), random_(seed), domain_(std::move(domain)), done_(std::move(done)) {}

  void start(const Config& config, std::vector<IpAddress> own_addresses) {
    policy_ = route_policy(config, std::move(own_addresses));
    port_ = static_cast<std::uint16_t>(config.queue.port);
    if (const FixedRoute* fixed = fixed_route(config.queue, domain_)) {
      fixed_ = *fixed;
      port_ = fixed->port;
      return start_fixed();
    }
    if (domain_.starts_with('[')) return finish_later(route_to_literal(domain_, policy_));
    tickets_.push_back(resolver_.ask({domain_, DnsType::kMx}, [this](const DnsAnswer& mx) {
      Candidates hosts = candidates(domain_, mx, policy_, random_);
      if (auto* failure = std::get_if<RouteFailure>(&hosts)) return finish(std::move(*failure));
      ask_addresses(std::get<std::vector<MailHost>>(std::move(hosts)));
    }));
  }

 private:
  void start_fixed() {
    const auto address = parse_ip(fixed_->host);
    if (!address) return ask_addresses({{fixed_->host, 0, true}});
    finish_later(RouteHost{fixed_->host, fixed_->host, {*address}, 0, false});
  }

  void ask_addresses(std::vector<MailHost> hosts) {
    waiting_ = 2 * hosts.size();
    for (MailHost& host : hosts) answers_.push_back({std::move(host), {}, {}});
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      ask_address(i, DnsType::kAaaa, &HostAnswers::ipv6);
      ask_address(i, DnsType::kA, &HostAnswers::ipv4);
    }
  }

  void ask_address(std::size_t host, DnsType type, DnsAnswer HostAnswers::*place) {
    const auto keep = [this, host, place](const DnsAnswer& answer) {
      answers_[host].*place = answer;
      if (--waiting_ == 0) decide();
    };
    tickets_.push_back(resolver_.ask({answers_[host].host.name, type}, keep));
  }

  void decide() {
    if (fixed_) return finish(one_host(route_to_fixed(answers_.front())));
    auto hosts = route_to(domain_, answers_, policy_);
    if (auto* failure = std::get_if<RouteFailure>(&hosts)) return finish(std::move(*failure));
    finish(whole(std::get<std::vector<RouteHost>>(std::move(hosts))));
  }

  Route whole(std::vector<RouteHost> hosts) { return {std::move(hosts), port_, fixed_}; }

  Answer one_host(std::variant<RouteHost, RouteFailure> answer) {
    if (auto* failure = std::get_if<RouteFailure>(&answer)) return std::move(*failure);
    return whole({std::get<RouteHost>(std::move(answer))});
  }

  // Nothing has to be asked; the resolver has the turn of the loop in which `done` may run.
  void finish_later(std::variant<RouteHost, RouteFailure> answer) {
    tickets_.push_back(resolver_.later([this, known = one_host(std::move(answer))] { finish(known); }));
  }

  void finish(Answer answer) {
    // `done` may drop the last ticket but this one.
    const auto self = shared_from_this();
    std::exchange(done_, nullptr)(std::move(answer));
  }

  Resolver& resolver_;
  std::minstd_rand random_;
  std::string domain_;
  Done done_;
  RoutePolicy policy_;
  std::uint16_t port_ = 25;
  std::optional<FixedRoute> fixed_;
  std::vector<HostAnswers> answers_;
  std::size_t waiting_ = 0;  // answers
  std::vector<Resolver::Ticket> tickets_;
};

Router::Router(Context context) : context_(std::move(context)), random_(std::random_device{}()) {}

Router::Ticket Router::route(const std::string& domain, Done done) {
  auto inquiry =
      std::make_shared<Inquiry>(context_.resolver, static_cast<unsigned>(random_()), domain, std::move(done));
  inquiry->start(context_.config(), context_.own_addresses());
  return inquiry;
}

const FixedRoute* fixed_route(const Config::Queue& config, const std::string& domain) {
  const auto find = [&](const std::string& name) -> const FixedRoute* {
    const auto route = std::find_if(config.routes.begin(), config.routes.end(),
                                    [&](const DomainRoute& one) { return one.domain == name; });
    return route == config.routes.end() ? nullptr : &route->to;
  };
  if (const FixedRoute* own = find(domain)) return own;
  // The nearest one above.
  for (std::size_t dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.', dot + 1)) {
    if (const FixedRoute* above = find("*" + domain.substr(dot))) return above;
  }
  return config.smarthost ? &*config.smarthost : nullptr;
}

RoutePolicy route_policy(const Config& config, std::vector<IpAddress> own_addresses) {
  RoutePolicy policy;
  policy.hostname = config.hostname;
  policy.addresses = std::move(own_addresses);
  const auto& listeners = config.listen.smtp;
  // At port 25 of this machine there is either we or somebody who trusts it.
  const bool ours = config.queue.port == 25 ||
                    std::any_of(listeners.begin(), listeners.end(), [&](const ListenAddress& listener) {
                      return listener.port == config.queue.port;
                    });
  policy.port = ours ? RoutePolicy::Port::kOurs : RoutePolicy::Port::kOthers;
  policy.private_addresses =
      config.queue.allow_private ? RoutePolicy::Private::kAllowed : RoutePolicy::Private::kRefused;
  return policy;
}

}  // namespace mailstead

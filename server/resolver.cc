#include "server/resolver.h"

#include <openssl/rand.h>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

// What a forger has to guess besides the port (RFC 5452 9.2).
std::uint16_t random_id() {
  std::uint16_t id = 0;
  RAND_bytes(reinterpret_cast<std::uint8_t*>(&id), sizeof id);
  return id;
}

}  // namespace

Resolver::Resolver(uv_loop_t* loop) : loop_(loop), turn_(new uv_timer_t) {
  uv_timer_init(loop_, turn_);
  turn_->data = this;
}

Resolver::~Resolver() {
  uv_close(reinterpret_cast<uv_handle_t*>(turn_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

Result<void> Resolver::configure(const Config::Resolver& config) {
  auto opened = DnsChannel::open(loop_, config);
  if (!opened) return std::move(opened).error();
  channel_ = std::move(*opened);
  edns_ = Edns::kYes;
  cache_.clear();
  // An answer within send() would change the map.
  std::vector<DnsQuestion> again;
  for (const auto& [question, askers] : asked_) again.push_back(question);
  for (const DnsQuestion& question : again) send(question, edns_);
  return {};
}

Resolver::Ticket Resolver::ask(DnsQuestion question, Done done) {
  question.name = ascii::lower(question.name);
  if (question.name.ends_with('.')) question.name.pop_back();
  auto asker = std::make_shared<Asker>(Asker{std::move(done)});
  if (!dns_query(question, 0, Edns::kNo)) {
    DnsAnswer absent;
    absent.status = DnsStatus::kNoDomain;  // no such name can exist
    absent.name = question.name;
    deliver(asker, std::move(absent));
  } else if (!channel_) {
    deliver(asker, {});
  } else if (auto known = cache_.find(question, uv_now(loop_))) {
    deliver(asker, std::move(*known));
  } else {
    const auto [asked, first] = asked_.try_emplace(question);
    asked->second.push_back(asker);
    if (first) send(question, edns_);
  }
  return asker;
}

Resolver::Ticket Resolver::later(std::function<void()> done) {
  auto asker = std::make_shared<Asker>(Asker{[done = std::move(done)](const DnsAnswer&) { done(); }});
  deliver(asker, {});
  return asker;
}

void Resolver::send(const DnsQuestion& question, Edns edns) {
  const auto query = dns_query(question, random_id(), edns);
  channel_->send(*query, [this, question, edns](std::string_view message) { read(question, edns, message); });
}

void Resolver::read(const DnsQuestion& question, Edns edns, std::string_view message) {
  DnsReading reading = read_dns_answer(message, question);
  if (reading.fault == DnsFault::kFormat && edns == Edns::kYes) {
    // c-ares 1.18 shortens a query by itself when it first sees this, so only queries that end with EDNS may
    // be in its hands until then; it does not hand that first answer on.
    edns_ = Edns::kNo;
    return send(question, Edns::kNo);
  }
  reading.answer.authenticated = reading.answer.authenticated && channel_->is_trusted();
  cache_.keep(question, reading.answer, uv_now(loop_));
  const auto asked = asked_.find(question);
  if (asked == asked_.end()) return;
  const Askers askers = std::move(asked->second);
  asked_.erase(asked);
  for (const std::weak_ptr<Asker>& asker : askers) deliver(asker, reading.answer);
}

void Resolver::deliver(const std::weak_ptr<Asker>& to, DnsAnswer answer) {
  deliveries_.push_back({to, std::move(answer)});
  uv_timer_start(
      turn_, [](uv_timer_t* timer) { static_cast<Resolver*>(timer->data)->run_deliveries(); }, 0, 0);
}

void Resolver::run_deliveries() {
  // What is delivered from within comes in the turn after this one.
  const std::vector<Delivery> now = std::exchange(deliveries_, {});
  for (const Delivery& delivery : now) {
    if (const std::shared_ptr<Asker> asker = delivery.to.lock()) asker->done(delivery.answer);
  }
}

}  // namespace mailstead

#include "server/queue_runner.h"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "admin/file.h"

namespace mailstead {

namespace {

constexpr std::size_t kLoadSlice = 500;            // messages that are read at a time
constexpr std::uint64_t kLongestSleepMs = 60'000;  // the clock may jump meanwhile
constexpr std::size_t kMostRecipients = 100;       // RFC 5321 4.5.3.1.8: every server takes so many
constexpr std::size_t kMostPassword = 1000;        // octets
constexpr const char* kSmarthost = "(smarthost)";
constexpr const char* kHere = "(here)";

double jitter() {
  thread_local std::mt19937 source{std::random_device{}()};
  return std::uniform_real_distribution<double>(-1, 1)(source);
}

}  // namespace

QueueRunner::QueueRunner(Context context)
    : context_(std::move(context)),
      resolver_(context_.loop, context_.config.resolver),
      sts_policies_({context_.loop, resolver_, tls_, context_.storage, context_.log}),
      tls_reporter_({context_.loop, context_.config, context_.log, context_.storage, context_.signing,
                     resolver_, tls_}),
      schedule_(destinations(), context_.config.queue.connections_per_host),
      reporter_(context_.config, context_.log, context_.storage, context_.signing, schedule_) {
  uv_timer_init(context_.loop, &timer_);
  timer_.data = this;
}

QueueRunner::~QueueRunner() = default;

void QueueRunner::start() {
  reload();
  context_.storage.watch_queue([this](const std::vector<QueueEntry>& changes) { apply(changes); });
  sts_policies_.load([this] { load(0); });
}

void QueueRunner::load(QueueRow after) {
  auto last = std::make_shared<QueueRow>(after);
  auto entries = std::make_shared<Result<std::vector<QueueEntry>>>(std::vector<QueueEntry>());
  const bool posted = context_.storage.post(
      [last, entries](Store& store) { *entries = store.queue_entries(*last, kLoadSlice); },
      [this, after, last, entries] {
        if (stopping_) return;
        if (!*entries) {
          context_.log.error("queue-unreadable", {{"why", entries->error().message}});
          return;
        }
        for (const QueueEntry& entry : **entries) schedule_.apply(entry);
        loaded_ = *last == after;
        if (!loaded_) return load(*last);
        pump();
      });
  if (!posted) context_.log.error("queue-unreadable", {{"why", "too much waits to be done"}});
}

void QueueRunner::apply(const std::vector<QueueEntry>& changes) {
  for (const QueueEntry& entry : changes) schedule_.apply(entry);
  pump_soon();
}

// What changes comes in groups, and from inside others' callbacks.
void QueueRunner::pump_soon() {
  if (stopping_) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<QueueRunner*>(timer->data)->pump(); }, 0, 0);
}

void QueueRunner::pump() {
  ended_.clear();
  ended_here_.clear();
  if (stopping_) return;
  if (!not_noted_.empty()) try_to_note_again();
  const std::int64_t now = std::time(nullptr);
  while (outgoing_.size() + here_.size() < context_.config.queue.connections) {
    const auto destination = schedule_.next_destination(now);
    if (!destination) break;
    begin(*destination);
  }
  reporter_.pump();
  tls_reporter_.tend();
  const auto next = schedule_.next_at();
  std::uint64_t sleep = kLongestSleepMs;
  if (next && *next > now) sleep = std::min(sleep, static_cast<std::uint64_t>(*next - now) * 1000);
  if (!not_noted_.empty()) sleep = std::min<std::uint64_t>(sleep, 5'000);
  uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<QueueRunner*>(timer->data);
        self->reporter_.try_again();
        self->pump();
      },
      sleep, 0);
}

void QueueRunner::begin_here() {
  auto delivery = std::make_unique<LocalDelivery>(house(), kHere, [this](LocalDelivery& ended) {
    schedule_.connection_ended(kHere);
    const auto found = here_.find(&ended);
    ended_here_.push_back(std::move(found->second));
    here_.erase(found);
    if (stopping_) return check_stopped();
    pump_soon();
  });
  LocalDelivery& begun = *delivery;
  here_.emplace(&begun, std::move(delivery));
  begun.start();
}

void QueueRunner::begin(const std::string& destination) {
  schedule_.connection_begins(destination);
  if (destination == kHere) return begin_here();
  auto outgoing = std::make_unique<Outgoing>(house(), terms_for(destination));
  Outgoing& begun = *outgoing;
  outgoing_.emplace(&begun, std::move(outgoing));
  begun.start();
}

QueueSchedule::DestinationOf QueueRunner::destinations() const {
  const bool has_smarthost = !context_.config.queue.smarthost.host.empty();
  return [&store = context_.storage.store(), has_smarthost,
          routes = context_.config.queue.routes](const std::string& domain) {
    // <Postmaster> has none (RFC 5321 4.1.1.3).
    if (domain.empty() || store.directory()->is_ours(domain)) return std::string(kHere);
    const auto route =
        std::ranges::find_if(routes, [&](const MailRoute& each) { return each.is_for(domain); });
    if (route != routes.end()) return route->host.empty() ? domain : route->place();
    return has_smarthost ? std::string(kSmarthost) : domain;
  };
}

OutgoingTerms QueueRunner::terms_for(const std::string& destination) const {
  OutgoingTerms terms;
  terms.destination = terms.domain = destination;
  const auto& queue = context_.config.queue;
  const auto to_host = [&](const std::string& host, std::uint32_t port, SmarthostTls tls) {
    terms.domain = host;
    terms.by = Routing::By::kHost;
    terms.follows_policies = false;
    terms.port = static_cast<std::uint16_t>(port);
    if (tls == SmarthostTls::kOpportunistic) return;
    terms.tls = tls == SmarthostTls::kImplicit ? SmtpClientOptions::TlsUse::kImplicit
                                               : SmtpClientOptions::TlsUse::kRequired;
    terms.verification = TlsVerification::kNameAndAuthority;
  };
  const auto route = std::ranges::find(queue.routes, destination, &MailRoute::place);
  if (route != queue.routes.end()) {
    to_host(route->host, route->port, route->tls);
  } else if (destination == kSmarthost && !queue.smarthost.host.empty()) {
    to_host(queue.smarthost.host, queue.smarthost.port, queue.smarthost.tls);
    terms.user = queue.smarthost.user;
    terms.password = password_;
  }
  return terms;
}

void QueueRunner::reload() {
  const auto& queue = context_.config.queue;
  resolver_.use(context_.config.resolver);
  schedule_.arrange_anew(destinations(), queue.connections_per_host);
  password_.clear();
  if (!queue.smarthost.password_file.empty()) {
    auto text = admin::read_file(queue.smarthost.password_file, kMostPassword);
    if (text) {
      password_ = text->substr(0, text->find_first_of("\r\n"));
    } else {
      context_.log.error("smarthost-password", {{"why", text.error().message}});
    }
  }
  if (loaded_) pump_soon();
}

RoutingTerms QueueRunner::routing_terms() const {
  return {context_.config.hostname, context_.is_ours};
}

QueueTerms QueueRunner::queue_terms() const {
  const auto& queue = context_.config.queue;
  return {queue.retry, queue.expire, queue.delay_warning};
}

std::optional<QueueSchedule::Work> QueueRunner::next_work(const std::string& destination) {
  return schedule_.take(destination, std::time(nullptr), kMostRecipients);
}

void QueueRunner::give_back(const std::vector<RecipientRow>& recipients) {
  schedule_.release(recipients);
  pump_soon();
}

QueueOutcome QueueRunner::decide_outcome(const QueuedMessage& message, const QueuedRecipient& recipient,
                                         AttemptResult result) {
  QueueOutcome outcome =
      decide(message, recipient, std::move(result), std::time(nullptr), queue_terms(), jitter());
  if (outcome.attempt.outcome == QueueState::kDelivered) ++sent_;
  if (outcome.attempt.outcome == QueueState::kFailed) ++failed_;
  return outcome;
}

void QueueRunner::attempted(std::vector<QueueOutcome> outcomes) {
  if (!outcomes.empty()) note(std::move(outcomes));
}

// Until it is written down nobody is tried again: a second attempt would be a second message.
void QueueRunner::note(std::vector<QueueOutcome> outcomes) {
  const auto kept = std::make_shared<std::vector<QueueOutcome>>(outcomes);
  const bool posted =
      context_.storage.note_outcomes(std::move(outcomes), [this, kept](const Result<void>& done) {
        if (!done) {
          context_.log.error("queue-not-written", {{"why", done.error().message}});
          not_noted_.insert(not_noted_.end(), kept->begin(), kept->end());
          return;
        }
        std::vector<RecipientRow> recipients;
        for (const QueueOutcome& outcome : *kept) recipients.push_back(outcome.recipient);
        give_back(recipients);
      });
  if (!posted) not_noted_.insert(not_noted_.end(), kept->begin(), kept->end());
}

void QueueRunner::try_to_note_again() {
  note(std::exchange(not_noted_, {}));
}

void QueueRunner::set_suspect(const std::string& destination, bool suspect) {
  schedule_.set_suspect(destination, suspect);
}

bool QueueRunner::leave_to_others(const std::string& destination) {
  return schedule_.leave_to_others(destination);
}

void QueueRunner::ended(Outgoing& outgoing) {
  // Not now: this is called by what it destroys.
  const auto found = outgoing_.find(&outgoing);
  if (found == outgoing_.end()) return;
  schedule_.connection_ended(outgoing.destination());
  ended_.push_back(std::move(found->second));
  outgoing_.erase(found);
  if (stopping_) return check_stopped();
  pump_soon();
}

void QueueRunner::stop(std::function<void()> stopped) {
  stopping_ = true;
  stopped_ = std::move(stopped);
  std::vector<Outgoing*> all;
  for (const auto& entry : outgoing_) all.push_back(entry.first);
  for (Outgoing* each : all) each->give_up();
  connections_.shut_down_all();
  check_stopped();
}

// First their transactions are given up, then their connections.
void QueueRunner::hurry() {
  if (std::exchange(hurried_, true)) return connections_.close_all();
  connections_.shut_down_all();
}

void QueueRunner::check_stopped() {
  if (!outgoing_.empty() || !here_.empty() || connections_.size() > 0 || !stopped_) return;
  context_.storage.watch_queue(nullptr);
  tls_reporter_.stop();
  sts_policies_.stop();
  resolver_.stop();
  uv_timer_stop(&timer_);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  std::exchange(stopped_, nullptr)();
}

}  // namespace mailstead

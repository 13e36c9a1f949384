#include "server/outgoing/queue_runner.h"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "admin/file.h"
#include "protocols/ascii.h"

namespace mailstead {

namespace {

constexpr std::size_t kLoadSlice = 500;  // messages that are read at a time
constexpr std::uint64_t kLoadAgainMs = 5'000;
constexpr std::uint64_t kLongestSleepMs = 60'000;  // the clock may jump meanwhile
constexpr std::size_t kAllMessages = 1'000'000'000;
constexpr std::int64_t kUnreadableFor = 60;   // seconds until it is read once more
constexpr std::size_t kMostRecipients = 100;  // RFC 5321 4.5.3.1.8: every server takes so many
constexpr std::size_t kManyCommits = 20;
constexpr std::size_t kMostPassword = 1000;  // octets
constexpr const char* kSmarthost = "(smarthost)";
constexpr const char* kHere = "(here)";

std::vector<RecipientRow> recipients_of(const std::vector<QueueOutcome>& outcomes) {
  std::vector<RecipientRow> recipients;
  for (const QueueOutcome& outcome : outcomes) recipients.push_back(outcome.recipient);
  return recipients;
}

// How many messages are tried now. Many are with all others: one commit, not one for each.
Result<std::size_t> retry_those_put_off_too_far(Store& store, const std::vector<QueueRow>& messages,
                                                std::int64_t latest) {
  std::vector<std::string> ids;
  for (const QueueRow row : messages) {
    const auto message = store.queued_message(row);
    if (!message) continue;
    const std::int64_t held_until = std::max(latest, message->envelope.hold_until);
    const bool is_too_far = std::ranges::any_of(message->recipients, [&](const QueuedRecipient& each) {
      return each.state == QueueState::kWaiting && each.next_at > held_until;
    });
    if (is_too_far) ids.push_back(message->id);
    if (ids.size() == kManyCommits) {
      QueueRow after = 0;
      return store.retry_queue(after, kAllMessages);
    }
  }
  for (const std::string& id : ids) {
    if (auto done = store.retry_queued(id); !done) return done.error();
  }
  return ids.size();
}

// One for all recipients of a message that were tried as often: who was put off in one transaction goes in
// one the next time, too.
double jitter_of(QueueRow message, std::uint32_t attempts) {
  thread_local const std::uint32_t salt = std::random_device{}();
  std::seed_seq seed{static_cast<std::uint64_t>(salt), static_cast<std::uint64_t>(message),
                     static_cast<std::uint64_t>(attempts)};
  std::mt19937 source(seed);
  return std::uniform_real_distribution<double>(-1, 1)(source);
}

}  // namespace

QueueRunner::QueueRunner(Context context)
    : context_(std::move(context)),
      sts_policies_({context_.loop, context_.resolver, tls_, context_.storage, context_.log}),
      tls_reporter_({context_.loop, context_.config, context_.log, context_.storage, context_.signing,
                     context_.resolver, tls_}),
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
  if (stopping_) return;
  auto last = std::make_shared<QueueRow>(after);
  auto entries = std::make_shared<Result<std::vector<QueueEntry>>>(std::vector<QueueEntry>());
  const bool posted = context_.storage.post(
      [last, entries](Store& store) { *entries = store.queue_entries(*last, kLoadSlice); },
      [this, after, last, entries] {
        if (stopping_) return;
        if (!*entries) return load_later(after, entries->error().message);
        for (const QueueEntry& entry : **entries) schedule_.apply(entry);
        loaded_ = *last == after;
        look_at_all_ = loaded_;
        if (!loaded_) return load(*last);
        pump();
      });
  if (!posted) load_later(after, "too much waits to be done");
}

// What is not loaded is not sent: it may not be left to the next start.
void QueueRunner::load_later(QueueRow after, const std::string& why) {
  context_.log.error("queue-unreadable", {{"why", why}});
  load_again_ = {after, uv_now(context_.loop) + kLoadAgainMs};
  pump_soon();
}

void QueueRunner::apply(const std::vector<QueueEntry>& changes) {
  for (const QueueEntry& entry : changes) schedule_.apply(entry);
  if (schedule_.waiting() == 0) standstill_ = {};  // who is given up stands in nobody's way
  if (stopping_) return;
  // What an attempt came to is told after the clock was set back, perhaps, that it went by.
  const std::int64_t latest = clock() + longest_delay(queue_terms());
  std::vector<QueueRow> messages;
  for (const QueueEntry& entry : changes) {
    if (!entry.waits || entry.next_at <= latest) continue;
    if (messages.empty() || messages.back() != entry.message) messages.push_back(entry.message);
  }
  try_those_put_off_too_far(std::move(messages), latest);
  pump_soon();
}

std::int64_t QueueRunner::clock() {
  const std::int64_t now = std::time(nullptr);
  if (now < std::exchange(clock_, now)) look_at_all_ = true;
  return now;
}

void QueueRunner::try_those_put_off_too_far(std::vector<QueueRow> messages, std::int64_t latest) {
  if (messages.empty()) return;
  const std::size_t now = std::min(messages.size(), kLoadSlice);
  const auto rest = std::make_shared<std::vector<QueueRow>>(
      messages.begin() + static_cast<std::ptrdiff_t>(now), messages.end());
  messages.resize(now);
  const auto tried = std::make_shared<Result<std::size_t>>(0);
  const bool posted = context_.storage.post(
      [messages = std::move(messages), latest, tried](Store& store) {
        *tried = retry_those_put_off_too_far(store, messages, latest);
      },
      [this, rest, latest, tried] {
        if (stopping_) return;
        if (!*tried) {
          context_.log.error("queue-not-written", {{"why", tried->error().message}});
          look_at_all_ = true;
          return;
        }
        if (**tried > 0) {
          context_.log.warning("queue-clock",
                               {{"messages", std::to_string(**tried)},
                                {"what", "were to wait for longer than any delay, and are tried now"}});
        }
        try_those_put_off_too_far(std::move(*rest), latest);
      });
  if (!posted) look_at_all_ = true;
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
  try_to_note_again();
  const std::int64_t now = clock();
  if (loaded_ && std::exchange(look_at_all_, false)) {
    schedule_.end_rests();
    const std::int64_t latest = now + longest_delay(queue_terms());
    try_those_put_off_too_far(schedule_.waiting_past(latest), latest);
  }
  // A clock that was set back is not waited for.
  if (now >= put_off_until_ || now < put_off_until_ - kUnreadableFor)
    schedule_.release(std::exchange(put_off_, {}));
  if (load_again_ && uv_now(context_.loop) >= load_again_->at)
    load(std::exchange(load_again_, std::nullopt)->after);
  while (const auto destination = next_destination(now)) begin(*destination);
  reporter_.pump();
  tls_reporter_.tend();
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<QueueRunner*>(timer->data)->pump(); },
      sleep_until_next(now), 0);
}

WaysOut QueueRunner::ways_out() const {
  WaysOut ways;
  ways.counted = here_.size();
  for (const auto& [outgoing, under_way] : outgoing_) {
    const bool is_silent = !outgoing->is_answered() && uv_now(context_.loop) >= under_way.silent_from;
    ++(is_silent ? ways.silent : ways.counted);
  }
  return ways;
}

std::optional<std::string> QueueRunner::next_destination(std::int64_t now) {
  if (!is_everything_noted()) return std::nullopt;
  const WayOutRoom room = room_for(ways_out(), context_.config.queue.connections);
  if (room == WayOutRoom::kNobody) return std::nullopt;
  return schedule_.next_destination(
      now, room == WayOutRoom::kAll ? QueueSchedule::Among::kAll : QueueSchedule::Among::kNotSuspect);
}

// Milliseconds.
std::uint64_t QueueRunner::sleep_until_next(std::int64_t now) const {
  std::uint64_t sleep = kLongestSleepMs;
  const auto next = schedule_.next_at();
  if (next && *next > now) sleep = std::min(sleep, static_cast<std::uint64_t>(*next - now) * 1000);
  if (!not_noted_.empty()) sleep = std::min<std::uint64_t>(sleep, 5'000);
  if (load_again_) sleep = std::min(sleep, kLoadAgainMs);
  if (!next || *next > now) return sleep;
  // Somebody waits for room, which there is when one turns out to be silent.
  for (const auto& [outgoing, under_way] : outgoing_) {
    const std::uint64_t clock = uv_now(context_.loop);
    if (!outgoing->is_answered() && under_way.silent_from > clock)
      sleep = std::min(sleep, under_way.silent_from - clock);
  }
  return sleep;
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
  const std::chrono::milliseconds grace =
      schedule_.is_suspect(destination) ? std::chrono::seconds(0) : kSilentAfter;
  outgoing_.emplace(&begun, UnderWay{std::move(outgoing),
                                     uv_now(context_.loop) + static_cast<std::uint64_t>(grace.count())});
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
  look_at_all_ = true;  // delays may be shorter now
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
  if (!is_everything_noted()) return std::nullopt;
  return schedule_.take(destination, clock(), kMostRecipients);
}

void QueueRunner::give_back(const std::vector<RecipientRow>& recipients) {
  schedule_.release(recipients);
  pump_soon();
}

void QueueRunner::put_off(const std::vector<RecipientRow>& recipients) {
  if (put_off_.empty()) put_off_until_ = std::time(nullptr) + kUnreadableFor;
  put_off_.insert(put_off_.end(), recipients.begin(), recipients.end());
}

QueueOutcome QueueRunner::decide_outcome(const QueuedMessage& message, const QueuedRecipient& recipient,
                                         AttemptResult result) {
  QueueOutcome outcome = decide(message, recipient, std::move(result), clock(), queue_terms(),
                                jitter_of(message.row, recipient.attempts));
  if (outcome.attempt.outcome == QueueState::kDelivered) ++sent_;
  if (outcome.attempt.outcome == QueueState::kFailed) ++failed_;
  watch_for_standstill(outcome, recipient.recipient.address.domain);
  return outcome;
}

void QueueRunner::watch_for_standstill(const QueueOutcome& outcome, const std::string& domain) {
  constexpr std::size_t kMostDomains = 100;
  if (outcome.attempt.outcome == QueueState::kDelivered) {
    standstill_ = {};
  } else if (outcome.attempt.outcome == QueueState::kWaiting) {
    if (standstill_.since == 0 || standstill_.since > outcome.attempt.at)
      standstill_.since = outcome.attempt.at;
    if (standstill_.domains.size() < kMostDomains) standstill_.domains.insert(ascii::lower(domain));
  }
}

void QueueRunner::attempted(std::vector<QueueOutcome> outcomes) {
  if (!outcomes.empty()) note(std::move(outcomes));
}

// Until it is written down nobody is tried again: a second attempt would be a second message. Nor is anybody
// else tried while there is something that could not be written down: a crash would send all of it twice.
void QueueRunner::note(std::vector<QueueOutcome> outcomes) {
  const auto kept = std::make_shared<std::vector<QueueOutcome>>(outcomes);
  const bool posted =
      context_.storage.note_outcomes(std::move(outcomes), [this, kept](const Result<void>& done) {
        if (done) return give_back(recipients_of(*kept));
        not_noted_.insert(not_noted_.end(), kept->begin(), kept->end());
        tell_not_noted(done.error().message);
      });
  if (!posted) not_noted_.insert(not_noted_.end(), kept->begin(), kept->end());
}

void QueueRunner::try_to_note_again() {
  if (not_noted_.empty() || is_noting_again_) return;
  is_noting_again_ = context_.storage.note_outcomes(
      not_noted_, [this, count = static_cast<std::ptrdiff_t>(not_noted_.size())](const Result<void>& done) {
        is_noting_again_ = false;
        if (!done) return tell_not_noted(done.error().message);
        const std::vector<QueueOutcome> noted(not_noted_.begin(), not_noted_.begin() + count);
        not_noted_.erase(not_noted_.begin(), not_noted_.begin() + count);
        if (not_noted_.empty() && std::exchange(is_trouble_told_, false)) context_.log.info("queue-written");
        give_back(recipients_of(noted));
      });
}

// Once for all that comes of the same trouble.
void QueueRunner::tell_not_noted(const std::string& why) {
  if (std::exchange(is_trouble_told_, true)) return;
  context_.log.error("queue-not-written",
                     {{"why", why}, {"what", "nothing is sent until outcomes can be written down"}});
}

void QueueRunner::set_suspect(const std::string& destination, bool suspect) {
  schedule_.set_suspect(destination, suspect);
}

bool QueueRunner::leave_to_others(const std::string& destination) {
  return schedule_.leave_to_others(destination);
}

bool QueueRunner::gives_way(const std::string& destination) {
  const WaysOut ways = ways_out();
  const std::size_t limit = context_.config.queue.connections;
  if (room_for(ways, limit) != WayOutRoom::kNobody) return false;
  const std::int64_t now = clock();
  const auto among = ways.silent < limit ? QueueSchedule::Among::kAll : QueueSchedule::Among::kNotSuspect;
  if (!schedule_.is_another_due(destination, now, among)) return false;
  schedule_.rest(destination, now);
  return true;
}

void QueueRunner::ended(Outgoing& outgoing) {
  // Not now: this is called by what it destroys.
  const auto found = outgoing_.find(&outgoing);
  if (found == outgoing_.end()) return;
  schedule_.connection_ended(outgoing.destination());
  ended_.push_back(std::move(found->second.outgoing));
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
  try_to_note_again();
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
  uv_timer_stop(&timer_);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  std::exchange(stopped_, nullptr)();
}

}  // namespace mailstead

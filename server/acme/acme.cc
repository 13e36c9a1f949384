#include "server/acme/acme.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "admin/certificate.h"
#include "admin/text.h"
#include "protocols/ascii.h"
#include "protocols/ip_address.h"
#include "server/acme/acme_schedule.h"

namespace mailstead {
namespace {

constexpr std::int64_t kLongestLook = 60;             // seconds: a clock that is set is noticed
constexpr std::int64_t kLongestWait = 7 * 24 * 3600;  // seconds: no authority's limits count longer
constexpr std::uint32_t kTriesAtOnce = 3;             // that failed, before people have to wait, too
constexpr std::int64_t kBetweenTries = 600;           // seconds, then
// Between two certificates, whatever a clock or an authority says of their times.
constexpr std::int64_t kLeastBetween = 3600;  // seconds
constexpr std::int64_t kLifePart = 10;        // and that part of the last one's life

std::int64_t unix_now() {
  return std::time(nullptr);
}

}  // namespace

struct Acme::Attempt {
  Attempt(AcmeTerms terms, AcmeStanding standing, std::unique_ptr<TlsClientContext> context)
      : session(std::move(terms), std::move(standing)), tls(std::move(context)) {}

  AcmeSession session;
  std::unique_ptr<TlsClientContext> tls;
  std::unique_ptr<HttpsExchange> exchange;
};

Acme::Acme(Context context) : context_(std::move(context)) {
  uv_timer_init(context_.loop, &timer_);
  timer_.data = this;
}

Acme::~Acme() = default;

void Acme::start() {
  auto state = std::make_shared<AcmeState>();
  auto facts = std::make_shared<Result<CertificateFacts>>(CertificateFacts{});
  auto complaint = std::make_shared<std::string>();
  const auto read = [state, facts, complaint, data = context_.data] {
    *state = AcmeFiles(data).read_state(*complaint);
    *facts = read_certificate(issued_certificate_files(data));
  };
  work(read, [this, state, facts, complaint] {
    loaded_ = true;
    state_ = *state;
    if (!complaint->empty()) context_.log.warning("acme-unreadable", {{"why", *complaint}});
    certificate_ = {};
    if (*facts) {
      certificate_ = {(*facts)->not_before, (*facts)->not_after, (*facts)->sha256};
    } else if (context_.config.acme.is_on() && facts->error().kind != ErrorKind::kNotFound) {
      context_.log.warning("acme-certificate-unusable",
                           {{"why", facts->error().message}, {"what", "a new one is got"}});
    }
    look();
  });
}

void Acme::stop() {
  end_attempt();
  stopped_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void Acme::work(std::function<void()> job, std::function<void()> done) {
  const auto last = [this, number = number_, done = std::move(done)] {
    --jobs_;
    if (stopped_) return;
    if (number == number_) return done();
    look();  // which waited for it
  };
  if (context_.files.post(std::move(job), last)) {
    ++jobs_;
    return;
  }
  if (stopped_) return;
  // Too much waits there: later. An attempt was counted, and its order is known.
  end_attempt();
  if (loaded_) return arm(kLongestLook, &Acme::look);
  arm(kLongestLook, &Acme::start);
}

void Acme::arm(std::int64_t seconds, void (Acme::*then)()) {
  then_ = then;
  uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Acme*>(timer->data);
        (self->*self->then_)();
      },
      static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)) * 1000, 0);
}

std::vector<std::string> Acme::names() const {
  std::vector<std::string> names = {ascii::lower(context_.config.hostname)};
  for (const std::string& name : context_.config.acme.names) {
    if (std::ranges::find(names, ascii::lower(name)) == names.end()) names.push_back(ascii::lower(name));
  }
  return names;
}

// What a certificate is good for, and an order: another authority or another name wants another one, and not
// their order.
std::string Acme::settings() const {
  std::vector<std::string> sorted = names();
  std::ranges::sort(sorted);
  return fmt::format("{} {}", context_.config.acme.url(), fmt::join(sorted, " "));
}

// What decides how an attempt comes out.
std::string Acme::attempted() const {
  const Config::Acme& config = context_.config.acme;
  return fmt::format("{} {} {} {} {} {}", settings(), name_of(config.challenge), config.contact,
                     config.key_id, config.key_file, config.authorities);
}

std::int64_t Acme::due_at() const {
  if (certificate_.fingerprint.empty() || state_.issued_for != settings()) return 0;
  const std::int64_t due =
      renewal_time(certificate_.not_before, certificate_.not_after, certificate_.fingerprint);
  if (state_.renewed_at > unix_now()) return due;  // the clock was set back
  const std::int64_t life = certificate_.not_after - certificate_.not_before;
  return std::max(due, state_.renewed_at + std::max(kLeastBetween, life / kLifePart));
}

// Times to come that were set by a clock that was ahead would be waited for in vain.
bool Acme::clock_was_set_back() const {
  return state_.failed_at > unix_now();
}

bool Acme::must_wait() const {
  return !clock_was_set_back() && state_.waits_for == context_.config.acme.url() &&
         unix_now() < state_.wait_until;
}

// An authority that is asked in vain too often shuts the name out for long.
std::int64_t Acme::by_hand_at() const {
  const bool is_same = state_.failures >= kTriesAtOnce && state_.tried_for == attempted();
  return is_same && !clock_was_set_back() ? state_.failed_at + kBetweenTries : 0;
}

std::int64_t Acme::next_at() const {
  std::int64_t at = is_forced_ ? 0 : due_at();
  // Who has changed the settings wants to know whether they are right now.
  const bool counts = state_.failures > 0 && state_.tried_for == attempted() && !clock_was_set_back();
  if (!is_forced_ && counts) at = std::max(at, state_.next_at);
  return must_wait() ? std::max(at, state_.wait_until) : at;
}

void Acme::look() {
  // Files are one job's at a time: what an attempt that has ended still writes comes first.
  if (stopped_ || !loaded_ || is_busy_ || jobs_ > 0) return;
  if (!context_.config.acme.is_on()) {
    uv_timer_stop(&timer_);
    return;
  }
  const std::int64_t wait = next_at() - unix_now();
  if (wait <= 0) return begin();
  arm(std::min(wait, kLongestLook), &Acme::look);
}

void Acme::reload() {
  const bool is_other = !context_.config.acme.is_on() || state_.tried_for != attempted();
  if (is_busy_ && is_other) end_attempt();
  // Somebody may have removed what there was.
  if (!is_busy_ && jobs_ == 0 && loaded_ && !stopped_) return start();
  look();
}

void Acme::renew(Renewal renewal) {
  if (stopped_ || is_busy_ || !context_.config.acme.is_on() || must_wait()) return;
  const bool is_needed = state_.failures > 0 || due_at() <= unix_now();
  if (renewal == Renewal::kIfNeeded && !is_needed) return;
  if (unix_now() < by_hand_at()) return;
  is_forced_ = true;
  look();
}

// As if it had failed, until it has not.
void Acme::count_attempt(std::int64_t now) {
  if (state_.tried_for != attempted()) state_.failures = 0;
  state_.tried_for = attempted();
  state_.failures += 1;
  state_.failed_at = now;
  const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
  state_.next_at = now + delay_after_failures(state_.failures, chance).count();
  state_.problem = "the server ended while it was tried";
  state_.advice = "it is tried again; 'mailstead tls renew' tries at once";
  if (state_.order_for != settings()) state_.order.clear();
}

void Acme::begin() {
  uv_timer_stop(&timer_);
  is_forced_ = false;
  is_busy_ = true;
  count_attempt(unix_now());
  if (context_.config.hostname.starts_with('[') || parse_ip(context_.config.hostname)) {
    return end(
        {fmt::format("hostname = \"{}\" is an address, and the authorities' certificates are for names",
                     context_.config.hostname),
         "set hostname to this server's name in the DNS"});
  }
  if (context_.config.hostname.find('.') == std::string::npos) {
    return end(
        {fmt::format(
             "hostname = \"{}\" is no name that others could find, and authorities look for it in the DNS",
             context_.config.hostname),
         "set hostname (for a container: its -h, or MAILSTEAD_HOSTNAME) to this server's name in the DNS"});
  }
  auto tools = std::make_shared<AcmeTools>();
  const auto make = [tools, config = context_.config.acme, state = state_, data = context_.data] {
    *tools = make_acme_tools(config, AcmeFiles(data), state);
  };
  work(make, [this, tools] {
    if (!tools->complaint.empty()) context_.log.warning("acme-unreadable", {{"why", tools->complaint}});
    if (tools->failure) return end(*tools->failure);
    begin_session(*tools);
  });
}

void Acme::begin_session(AcmeTools& tools) {
  const Config::Acme& config = context_.config.acme;
  AcmeTerms terms{config.url(),     config.contact, names(),
                  config.challenge, config.key_id,  std::move(tools.binding_secret)};
  context_.log.info("acme-begun", {{"directory", config.url()},
                                   {"names", fmt::format("{}", fmt::join(terms.names, " "))},
                                   {"challenge", std::string(name_of(config.challenge))}});
  attempt_ = std::make_unique<Attempt>(std::move(terms), *std::move(tools.standing), std::move(tools.tls));
  advance();
}

void Acme::advance() {
  AcmeSession& session = attempt_->session;
  switch (session.wants()) {
    case AcmeWants::kAnswer:
      return ask();
    case AcmeWants::kPause:
      return arm(session.pause().count(), &Acme::resume);
    case AcmeWants::kPublish:
      if (const auto there = context_.challenges->publish(session.publication()); !there)
        return end({there.error().message, "it is tried again"});
      session.published();
      return advance();  // it wants a pause or an answer now
    case AcmeWants::kRecord:
      return record();
    case AcmeWants::kDone:
      return finish();
    case AcmeWants::kFailed:
      return end(AcmeFailure(session.failure()));
  }
}

void Acme::ask() {
  const AcmeRequest& wanted = attempt_->session.request();
  auto request = parse_https_url(wanted.url);
  if (!request) {
    attempt_->session.unanswered("it is no URL that can be asked");
    return advance();
  }
  request->method = wanted.method;
  request->content_type = "application/jose+json";
  request->body = wanted.body;
  request->reach = HttpsReach::kAnywhere;
  attempt_->exchange = std::make_unique<HttpsExchange>(
      HttpsExchange::Context{context_.loop, context_.resolver, *attempt_->tls}, *std::move(request),
      kMaxAcmeAnswer, [this](const Result<HttpsAnswer>& answer) { tell(answer); });
}

void Acme::tell(const Result<HttpsAnswer>& answer) {
  attempt_->exchange.reset();
  if (!answer) {
    attempt_->session.unanswered(answer.error().message);
  } else {
    attempt_->session.answer({answer->status, answer->body, answer->field("Replay-Nonce"),
                              answer->field("Location"),
                              parse_retry_after(answer->field("Retry-After"), unix_now())});
  }
  advance();
}

void Acme::resume() {
  attempt_->session.resume();
  advance();
}

void Acme::record() {
  const AcmeStanding& standing = attempt_->session.standing();
  state_.order = standing.order;
  state_.order_key = standing.order.empty() ? std::string() : standing.certificate_key.pem();
  state_.order_for = settings();
  const AcmeAccount account{standing.account_key.pem(), standing.account};
  auto written = std::make_shared<Result<void>>();
  const auto write = [written, account, state = state_, directory = context_.config.acme.url(),
                      files = AcmeFiles(context_.data)] {
    *written = files.write_account(directory, account);
    if (*written) *written = files.write_state(state);
  };
  work(write, [this, written] {
    if (!*written)
      return end({written->error().message, "let the server write into its data folder; it is tried again"});
    attempt_->session.recorded();
    advance();
  });
}

void Acme::finish() {
  const AcmeSession& session = attempt_->session;
  AcmeState state = state_;
  state.issued_for = settings();
  state.failures = 0;
  state.next_at = state.failed_at = state.wait_until = 0;
  state.problem.clear();
  state.advice.clear();
  state.order.clear();
  state.order_key.clear();
  state.renewed_at = unix_now();
  struct Outcome {
    Result<void> written;
    Result<CertificateFacts> facts = CertificateFacts{};
  };
  auto outcome = std::make_shared<Outcome>();
  const auto write = [outcome, state, data = context_.data, key = session.standing().certificate_key.pem(),
                      chain = session.chain()] {
    const AcmeFiles files(data);
    outcome->written = files.write_certificate(key, chain);
    if (outcome->written) outcome->written = files.write_state(state);
    outcome->facts = read_certificate(issued_certificate_files(data));
  };
  work(write, [this, outcome, state] {
    const auto& facts = outcome->facts;
    if (!outcome->written || !facts) {
      return end({outcome->written ? facts.error().message : outcome->written.error().message,
                  "let the server write into its data folder; it is tried again"});
    }
    state_ = state;
    certificate_ = {facts->not_before, facts->not_after, facts->sha256};
    ++renewals_;
    end_attempt();
    context_.log.info("acme-issued", {{"names", fmt::format("{}", fmt::join(facts->names, " "))},
                                      {"issuer", facts->issuer},
                                      {"until", admin::rfc3339(facts->not_after)}});
    context_.renewed();
    look();
  });
}

void Acme::end(const AcmeFailure& failure) {
  const std::int64_t now = unix_now();
  if (attempt_ != nullptr) {
    const AcmeStanding& standing = attempt_->session.standing();
    state_.order = standing.order;
    state_.order_key = standing.order.empty() ? std::string() : standing.certificate_key.pem();
  }
  state_.problem = failure.what;
  state_.advice = failure.advice;
  state_.failed_at = now;
  if (failure.retry_after) {
    state_.wait_until = now + std::min(failure.retry_after->count(), kLongestWait);
    state_.waits_for = context_.config.acme.url();
    state_.next_at = std::max(state_.next_at, state_.wait_until);
  }
  end_attempt();
  context_.log.warning("acme-failed", {{"why", failure.what},
                                       {"what", failure.advice},
                                       {"failures", fmt::format("{}", state_.failures)},
                                       {"again", admin::rfc3339(next_at())}});
  write_down();
  look();
}

void Acme::end_attempt() {
  ++number_;
  is_busy_ = false;
  attempt_.reset();
  context_.challenges->withdraw_all();
}

// Lost, it is tried a little sooner.
void Acme::write_down() {
  auto written = std::make_shared<Result<void>>();
  const bool posted = context_.files.post(
      [written, state = state_, files = AcmeFiles(context_.data)] { *written = files.write_state(state); },
      [this, written] {
        --jobs_;
        if (!*written) context_.log.error("acme-not-written", {{"why", written->error().message}});
        look();
      });
  if (posted) ++jobs_;
}

AcmeFacts Acme::facts() const {
  AcmeFacts facts;
  facts.is_on = context_.config.acme.is_on();
  if (!facts.is_on) return facts;
  facts.directory = context_.config.acme.url();
  facts.is_running = is_busy_;
  facts.is_needed = state_.failures > 0 || due_at() <= unix_now();
  facts.next_at = loaded_ ? next_at() : 0;
  facts.asked_to_wait_until = must_wait() ? state_.wait_until : 0;
  facts.by_hand_at = by_hand_at();
  facts.failures = facts.is_running ? state_.failures - 1 : state_.failures;
  facts.failed_at = state_.failed_at;
  facts.problem = state_.problem;
  facts.advice = state_.advice;
  facts.renewed_at = state_.renewed_at;
  facts.renewals = renewals_;
  return facts;
}

}  // namespace mailstead

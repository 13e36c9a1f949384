#include "server/server.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <thread>
#include <utility>

#include "admin/config/config_environment.h"
#include "admin/control.h"
#include "admin/doctor/doctor_machine.h"
#include "admin/owner.h"
#include "admin/transfer/store_access.h"
#include "server/net/network.h"
#include "server/privileges.h"

namespace mailstead {
namespace {

constexpr std::uint64_t kGraceMs = 8'000;  // container engines kill after ten seconds
constexpr std::uint64_t kHurryMs = 500;
constexpr auto kPatienceWithOwners = std::chrono::seconds(10);  // as commands have it
constexpr std::uint64_t kLookMs = 60'000;
constexpr std::uint64_t kTendMs = 60'000;
constexpr std::size_t kFileThreads = 2;
constexpr std::size_t kHashingThreads = 2;
constexpr std::size_t kMaxFileJobs = 20'000;    // one for each connection that may be open
constexpr std::size_t kMaxHashingJobs = 1'000;  // at 0.1 s each: who waits longer had better come again

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP};

void ignore_signals() {
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : kSignals) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
}

BanRules ban_rules(const Config& config) {
  return {config.auth.ban_after, config.auth.ban_time};
}

}  // namespace

Server::Server(ServeRequest request, Log& log)
    : request_(std::move(request)),
      log_(log),
      config_(request_.config),
      confinement_(request_.data, request_.config_file, config_),
      challenges_(std::make_shared<AcmeChallenges>()),
      certificates_(log, request_.data, challenges_),
      bans_(ban_rules(config_)),
      gateways_(admin::is_in_container() ? Gateways::Place::kContainer : Gateways::Place::kMachine),
      policies_(config_, log),
      listeners_(
          &loop_, log,
          [this](Listener& from, std::unique_ptr<TcpStream> stream) { accept(from, std::move(stream)); }),
      proxy_gate_(&loop_, log, [this](NewConnection connection) { admit(std::move(connection)); }) {
  uv_loop_init(&loop_);
}

Server::~Server() {
  // Destruction order: what has a handle in the loop was closed by wind_down(), or was never made.
  for (const BoundSocket& socket : bound_) ::close(socket.fd);
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

Result<void> Server::run() {
  // From the first moment on: a signal that comes while the store recovers ends the server cleanly after
  // that.
  watch_signals();
  if (auto prepared = prepare(); !prepared.has_value()) {
    for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
    if (!gave_up_) return prepared;
    log_.info("stopped");
    return {};
  }
  if (auto begun = begin(); !begun.has_value()) {
    stop();
    uv_run(&loop_, UV_RUN_DEFAULT);
    return begun;
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  auto closed = store_->close();
  if (closed.has_value()) log_.info("stopped");
  return closed;
}

Result<void> Server::prepare() {
  started_at_ = std::time(nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // see tcp_stream.h
  file_limit_ = raise_file_limit();
  std::vector<Error> left_out;
  auto bound = bind_all(config_.listen, left_out);
  if (!bound.has_value()) return bound.error();
  for (const Error& error : left_out) listeners_.tell_left_out(error);
  bound_ = *std::move(bound);
  if (auto loaded = certificates_.load_configured(config_); !loaded.has_value()) return loaded;
  const bool began_as_root = geteuid() == 0;
  if (auto became = admin::become_owner(request_.data); !became.has_value()) return became;
  forbid_new_privileges();
  RecoveryReport report;
  auto store = open_store(report);
  if (!store.has_value()) return store.error();
  store_ = *std::move(store);
  if (began_as_root && geteuid() != 0) log_.info("root-dropped", {{"uid", fmt::format("{}", geteuid())}});
  if (geteuid() == 0) {
    log_.warning("running-as-root",
                 {{"what", "give the data folder to a user of its own (chown) and the server becomes it"},
                  {"data", request_.data}});
  }
  if (report.created) log_.info("data-created", {{"data", request_.data}});
  if (!report.clean)
    log_.warning("unclean-end", {{"data", request_.data},
                                 {"what", "the last server did not end properly; the data was checked"}});
  for (const std::string& action : report.actions) log_.warning("recovered", {{"what", action}});
  if (auto refused = store_->refused_mail()) {
    refusals_.load(*std::move(refused));
  } else {
    log_.warning("refused-mail-lost", {{"why", refused.error().message}});
  }
  confine();
  return certificates_.load_own(config_);
}

// A command has the folder for a moment where it found no server, and so has a server that is about to end: a
// restart beside a nightly backup need not fail. Where another server listens, there is nothing to wait for.
Result<std::unique_ptr<Store>> Server::open_store(RecoveryReport& report) {
  const auto deadline = std::chrono::steady_clock::now() + kPatienceWithOwners;
  bool told = false;
  while (true) {
    auto store = Store::open(admin::store_options(request_.data, config_), report);
    if (store.has_value() || store.error().kind != ErrorKind::kInUse || server_listens(request_.data) ||
        std::chrono::steady_clock::now() >= deadline)
      return store;
    if (!told)
      log_.info("waiting",
                {{"why", "a command, or a server that ends, has the data folder"}, {"data", request_.data}});
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    uv_run(&loop_, UV_RUN_NOWAIT);  // signals: nothing else is in it yet
    if (gave_up_) return store;
  }
}

// Before there are other threads, and before anybody is heard.
void Server::confine() {
  const auto done = confinement_.confine();
  if (!done) log_.info("unconfined", {{"why", done.error().message}});
}

Result<void> Server::begin() {
  storage_ = std::make_unique<StorageThread>(&loop_, *store_, [this](const std::string& what) {
    log_.warning("mailbox-changed", {{"what", what}});
  });
  files_ = std::make_unique<WorkQueue>(&loop_, kFileThreads, kMaxFileJobs);
  hashing_ = std::make_unique<WorkQueue>(&loop_, kHashingThreads, kMaxHashingJobs);
  login_ = std::make_unique<Login>(&loop_, *storage_, *hashing_, bans_, log_);
  resolver_ = std::make_unique<Resolver>(&loop_, config_.resolver);
  signing_ = std::make_unique<Signing>(*storage_, *files_, log_);
  border_ = std::make_unique<Border>(
      Border::Context{&loop_, config_, log_, *store_, *files_, *resolver_, *signing_, counters_});
  services_ =
      std::make_unique<Services>(Services{config_, log_, *storage_, *signing_, *border_, *files_, *login_,
                                          login_delay_, policies_, known_peers_, counters_, refusals_});
  commands_ = std::make_unique<CommandRunner>(
      CommandRunner::Context{*storage_, log_, bans_, refusals_, request_.data, [this] { return config_; },
                             [this] { return facts(); }, &web_access_, [this] { check_sessions(); },
                             [this](Acme::Renewal renewal) {
                               listeners_.try_left_out(config_.listen);  // the authority may come by one
                               acme_->renew(renewal);
                             },
                             [this] { certificates_.reload(config_); }});
  recorder_ = std::make_unique<Recorder>(Recorder::Context{&loop_, *storage_, [this] { return facts(); }});
  web_looks_ = std::make_unique<WebLooks>(
      WebLooks::Context{&loop_, config_, *commands_, request_.data, request_.config_file});
  web_admin_ = std::make_unique<WebAdmin>(WebAdmin::Context{config_, log_, web_access_, *commands_, *hashing_,
                                                            *web_looks_, *storage_, recorder_->history()});
  pages_ = std::make_unique<Pages>(Pages::Context{config_, *storage_, *commands_, *challenges_, *web_admin_});
  drivers_ = std::make_unique<Drivers>(Drivers::Context{*services_, certificates_, *store_, *pages_});
  expiry_ = std::make_unique<Expiry>(&loop_, *services_);
  queue_ = std::make_unique<QueueRunner>(
      QueueRunner::Context{&loop_, config_, log_, *storage_, *files_, *resolver_, *signing_,
                           [this](const IpAddress& address) { return listens_at(address); }});
  queue_stopped_ = false;
  acme_ = std::make_unique<Acme>(Acme::Context{&loop_, config_, log_, *files_, *resolver_, challenges_,
                                               request_.data, [this] { certificates_.reload(config_); }});
  alerter_ = std::make_unique<Alerter>(
      Alerter::Context{config_, log_, *storage_, *signing_, *queue_, certificates_, *acme_});
  control_ = std::make_unique<ControlServer>(&loop_, *commands_);
  look_around();
  tend_store();
  uv_timer_init(&loop_, &grace_timer_);
  grace_timer_.data = this;
  if (auto started = control_->start(); !started.has_value()) return started;
  if (auto started = listeners_.start(std::exchange(bound_, {})); !started.has_value()) return started;
  storage_->import_files();
  queue_->start();
  expiry_->start();
  expiring_ = true;
  acme_->start();
  recorder_->start();
  tell_of_file_limit();
  tell_of_variables();
  log_.info("ready");
  return {};
}

// RFC 5321 5.1 wants to know whether a host that mail is to be taken to is this one. Where we listen on every
// address, all of the machine's are ours.
bool Server::listens_at(const IpAddress& address) const {
  constexpr std::uint16_t kExchangePort = 25;
  for (const auto& listener : listeners_.all()) {
    const ListenAddress& bound = listener->socket().bound;
    if (listener->service() != Service::kSmtp || bound.port != kExchangePort) continue;
    const auto own = parse_ip(bound.host);
    if (own && *own == address) return true;
    if (!own || (own->text() != "::" && own->text() != "0.0.0.0")) continue;
    uv_interface_address_t* interfaces = nullptr;
    int count = 0;
    if (uv_interface_addresses(&interfaces, &count) != 0) continue;
    bool found = false;
    for (int i = 0; i < count; ++i) {
      std::array<char, 64> text{};
      const auto& each = interfaces[i].address;
      if (each.address4.sin_family == AF_INET) {
        uv_ip4_name(&each.address4, text.data(), text.size());
      } else {
        uv_ip6_name(&each.address6, text.data(), text.size());
      }
      found = found || parse_ip(text.data()) == address;
    }
    uv_free_interface_addresses(interfaces, count);
    if (found) return true;
  }
  return false;
}

void Server::watch_signals() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    uv_signal_init(&loop_, &signals_[i]);
    signals_[i].data = this;
    uv_signal_start(
        &signals_[i],
        [](uv_signal_t* signal, int number) {
          auto* self = static_cast<Server*>(signal->data);
          // While the data folder is waited for, there is nothing yet to be read again, and nothing to be
          // ended.
          const bool is_waiting = self->store_ == nullptr;
          if (number == SIGHUP) {
            if (!is_waiting) self->reload();
            return;
          }
          self->log_.info("stopping", {{"signal", number == SIGTERM ? "TERM" : "INT"}});
          if (is_waiting) {
            self->gave_up_ = true;
          } else {
            self->stop();
          }
        },
        kSignals[i]);
  }
}

// What others may have changed: the files of the certificate, and who has a port that was to be ours.
void Server::look_around() {
  uv_timer_init(&loop_, &look_timer_);
  look_timer_.data = this;
  uv_timer_start(
      &look_timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Server*>(timer->data);
        self->certificates_.reload_when_changed(self->config_);
        if (!self->stopping_) self->listeners_.try_left_out(self->config_.listen);
      },
      kLookMs, kLookMs);
}

// Deleted mail grows old without anybody's login; the first look is at the start.
void Server::tend_store() {
  uv_timer_init(&loop_, &tending_timer_);
  tending_timer_.data = this;
  uv_timer_start(
      &tending_timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Server*>(timer->data);
        self->storage_->tend(free_terms(self->config_));
        self->keep_refusals();
        self->alerter_->tend();
        self->connections_.tidy_all();
      },
      0, kTendMs);
}

// What cannot be written (a full disk) is told until this server ends, and no longer.
void Server::keep_refusals() {
  const auto changes = std::make_shared<RefusedMailChanges>(refusals_.take_changes());
  if (changes->added.empty() && changes->removed.empty()) return;
  storage_->post([changes](Store& store) { (void)store.change_refused_mail(*changes); }, [] {});
}

void Server::tell_of_variables() const {
  for (const std::string& variable : config_.unknown_variables) {
    log_.warning("variable-unknown", {{"variable", variable},
                                      {"what", "it sets nothing: the configuration has no key of that name" +
                                                   admin::likely_variable_hint(variable)}});
  }
}

void Server::reload() {
  if (stopping_) return;
  auto loaded = reload_config({request_.data, request_.config_file});
  if (!loaded.has_value()) {
    log_.error("configuration-kept", {{"why", loaded.error().message}});
    return;
  }
  const Config before = std::exchange(config_, *std::move(loaded));
  log_.configure(config_.log.level, config_.log.format);
  for (const std::string& file : confinement_.out_of_reach(config_)) {
    log_.warning("restart-needed",
                 {{"file", file}, {"what", "the server can read files of this folder only after a restart"}});
  }
  certificates_.reload(config_);
  if (!config_.admin.page || config_.listen.http.empty()) web_access_.end_all();
  bans_.set_rules(ban_rules(config_));
  store_->set_default_quota(config_.limits.mailbox_size);
  if (config_.limits.connections != before.limits.connections) tell_of_file_limit();
  resolver_->use(config_.resolver);
  queue_->reload();
  acme_->reload();
  if (auto changed = listeners_.change_to(config_.listen); !changed.has_value()) {
    config_.listen = before.listen;
    log_.error("listen-failed",
               {{"why", changed.error().message},
                {"what",
                 "the server listens where it did; correct [listen], or restart the server if it is "
                 "right"}});
    log_.info("reloaded", {{"except", "listen"}});
    return;
  }
  log_.info("reloaded");
}

// A session whose mailbox or password has gone ends now, and not when its client says something again: the
// client with the new password would find the maildrop held.
void Server::check_sessions() {
  auto newest = store_->directory();
  if (std::exchange(directory_, newest) != newest) connections_.check_all();
}

ServerFacts Server::facts() const {
  ServerFacts facts;
  facts.pid = getpid();
  facts.started_at = started_at_;
  for (const auto& listener : listeners_.all()) {
    facts.listeners.push_back(
        {service_name(listener->service()), listener->socket().bound.text(), *listener->open_connections});
  }
  facts.counters = counters_;
  facts.recipients_waiting = queue_->waiting();
  facts.recipients_sent = queue_->sent();
  facts.recipients_failed = queue_->failed();
  facts.logins = login_->right();
  facts.failed_logins = login_->wrong();
  facts.bans = bans_.bans().size();
  const StorageThread::CommitCounts commits = storage_->commits();
  facts.commits = commits.commits;
  facts.committed = commits.deliveries;
  facts.commit_seconds = commits.seconds;
  facts.acme = acme_->facts();
  facts.messages_unfiled = storage_->unfiled();
  facts.mail_trouble = storage_->mail_trouble();
  if (const auto context = certificates_.context()) facts.certificates = context->certificates();
  facts.certificate_trouble = certificates_.trouble().why;
  return facts;
}

void Server::stop() {
  if (stopping_) return hurry();  // asked twice
  stopping_ = true;
  listeners_.close_all();
  proxy_gate_.close_all();
  control_->stop();
  if (std::exchange(expiring_, false)) expiry_->stop();
  acme_->stop();
  recorder_->stop();
  alerter_->stop();
  uv_close(reinterpret_cast<uv_handle_t*>(&look_timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&tending_timer_), nullptr);
  uv_timer_start(
      &grace_timer_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->hurry(); }, kGraceMs, 0);
  connections_.shut_down_all();
  login_->hurry();
  border_->hurry();
  queue_->stop([this] {
    queue_stopped_ = true;
    connection_gone();
  });
}

// Transactions that have not ended by now are refused; who does not even take that is cut off.
void Server::hurry() {
  if (winding_down_) return;
  uv_timer_start(
      &grace_timer_,
      [](uv_timer_t* timer) {
        static_cast<Server*>(timer->data)->connections_.close_all();
        static_cast<Server*>(timer->data)->queue_->hurry();
      },
      kHurryMs, 0);
  connections_.shut_down_all();
  queue_->hurry();
}

void Server::connection_gone() {
  if (stopping_ && queue_stopped_ && connections_.size() == 0) wind_down();
}

void Server::wind_down() {
  if (std::exchange(winding_down_, true)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&grace_timer_), nullptr);
  login_->stop();
  border_->stop();
  resolver_->stop();
  // In the order in which work flows: what one queue finishes may still be posted to the next. Nobody is left
  // to hear of a file read or of a password: a storm of logins must not hold up the end. What the store was
  // asked to do, it does.
  web_looks_->stop([this] {
    files_->stop(WorkQueue::Waiting::kDrop, [this] {
      hashing_->stop(WorkQueue::Waiting::kDrop, [this] {
        keep_refusals();
        storage_->stop([this] {
          // Without their handlers these signals would kill: the store is still to be closed.
          ignore_signals();
          for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
        });
      });
    });
  });
}

}  // namespace mailstead

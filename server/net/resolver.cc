#include "server/net/resolver.h"

#include <ares.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include <algorithm>

// c-ares of Debian 13 has newer names for what that of Debian 12 has as well.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace mailstead {

namespace {

constexpr int kTimeoutMs = 5'000;  // of the first try at each server; c-ares doubles it
constexpr int kTries = 3;
constexpr std::uint64_t kTimeoutTickMs = 500;

// The library's own state is made once and lives as long as the process.
void begin_library() {
  static const int begun = ares_library_init(ARES_LIB_INIT_ALL);
  static_cast<void>(begun);
}

// In memory, about.
std::size_t size_of(const dns::Answer& answer) {
  std::size_t size = sizeof(answer) + answer.name.size();
  for (const dns::Record& record : answer.records) size += sizeof(record) + record.text.size();
  return size;
}

// A container's 127.0.0.11 only passes on what others say.
bool is_own_validator(const IpAddress& address) {
  const std::string text = address.text();
  return text == "::1" || (text.starts_with("127.") && text != "127.0.0.11");
}

}  // namespace

struct Resolver::Channel {
  using Key = std::pair<std::string, dns::Type>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.first) ^ (static_cast<std::size_t>(key.second) << 1);
    }
  };
  struct Remembered {
    dns::Answer answer;
    std::uint64_t until = 0;  // loop time, ms
  };
  struct Socket {
    uv_poll_t poll{};
    Channel* channel = nullptr;
    ares_socket_t socket = ARES_SOCKET_BAD;
  };
  struct Asked {
    Channel* channel;
    Key key;
  };

  explicit Channel(uv_loop_t* of) : loop(of) {}

  uv_loop_t* const loop;
  ares_channel channel = nullptr;
  uv_timer_t timer{};  // c-ares's time-outs
  uv_timer_t soon{};   // answers that are here already
  std::unordered_map<ares_socket_t, Socket*> sockets;
  std::unordered_map<Key, std::vector<std::weak_ptr<Done>>, KeyHash> waiting;
  std::unordered_map<Key, Remembered, KeyHash> remembered;
  std::size_t remembered_octets = 0;
  std::vector<std::pair<std::weak_ptr<Done>, dns::Answer>> ready;
  bool believes = false;
  bool stopped = false;
  int open_handles = 0;

  void begin(const Config::Resolver& settings);
  void open(const Config::Resolver& settings);
  bool is_believed(DnssecTrust trust) const;
  void send(const Key& key);
  void answered(const Key& key, const dns::Answer& answer);
  void remember(const Key& key, const dns::Answer& answer);
  void forget(const Key& key);
  void forget_all();
  void tell_soon(const std::weak_ptr<Done>& question, const dns::Answer& answer);
  void tell();
  void watch(ares_socket_t socket, bool readable, bool writable);
  void stop();
  void closed() {
    if (--open_handles == 0) delete this;
  }
};

void Resolver::Channel::begin(const Config::Resolver& settings) {
  begin_library();
  uv_timer_init(loop, &timer);
  uv_timer_init(loop, &soon);
  timer.data = soon.data = this;
  open_handles = 2;
  open(settings);
}

void Resolver::Channel::open(const Config::Resolver& settings) {
  ares_options options{};
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, ares_socket_t socket, int readable, int writable) {
    static_cast<Channel*>(self)->watch(socket, readable != 0, writable != 0);
  };
  const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) channel = nullptr;
  if (channel == nullptr) return;
  if (!settings.servers.empty()) {
    std::vector<std::string> list;
    for (const ListenAddress& server : settings.servers) list.push_back(server.text());
    ares_set_servers_ports_csv(channel, fmt::format("{}", fmt::join(list, ",")).c_str());
  }
  believes = is_believed(settings.dnssec);
}

// Who can change what comes over the network can set a bit in it.
bool Resolver::Channel::is_believed(DnssecTrust trust) const {
  if (trust != DnssecTrust::kLoopback) return trust == DnssecTrust::kAlways;
  ares_addr_port_node* servers = nullptr;
  if (ares_get_servers_ports(channel, &servers) != ARES_SUCCESS || servers == nullptr) return false;
  bool all = true;
  for (const ares_addr_port_node* each = servers; each != nullptr; each = each->next) {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(&each->addr);
    const IpAddress address = each->family == AF_INET6
                                  ? ipv6_address({reinterpret_cast<const char*>(octets), 16})
                                  : ipv4_address({reinterpret_cast<const char*>(octets), 4});
    all = all && is_own_validator(address);
  }
  ares_free_data(servers);
  return all;
}

void Resolver::Channel::send(const Key& key) {
  const auto message = dns::question(key.first, key.second);
  if (!message || channel == nullptr) return answered(key, {});
  uv_timer_start(
      &timer,
      [](uv_timer_t* handle) {
        auto* self = static_cast<Channel*>(handle->data);
        ares_process_fd(self->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        if (self->waiting.empty()) uv_timer_stop(handle);
      },
      kTimeoutTickMs, kTimeoutTickMs);
  ares_send(
      channel, reinterpret_cast<const unsigned char*>(message->data()), static_cast<int>(message->size()),
      [](void* argument, int status, int, unsigned char* bytes, int length) {
        const std::unique_ptr<Asked> asked(static_cast<Asked*>(argument));
        if (status == ARES_EDESTRUCTION || asked->channel->stopped) return;
        dns::Answer answer;
        if (bytes != nullptr && length > 0) {
          answer = dns::read_answer({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length)},
                                    asked->key.first, asked->key.second);
        }
        answer.authenticated = answer.authenticated && asked->channel->believes;
        asked->channel->answered(asked->key, answer);
      },
      new Asked{this, key});
}

void Resolver::Channel::answered(const Key& key, const dns::Answer& answer) {
  remember(key, answer);
  const auto found = waiting.find(key);
  if (found == waiting.end()) return;
  const auto askers = std::move(found->second);
  waiting.erase(found);
  // Not from inside c-ares: whoever hears it may ask the next thing.
  for (const auto& asker : askers) tell_soon(asker, answer);
}

void Resolver::Channel::remember(const Key& key, const dns::Answer& answer) {
  if (answer.verdict == dns::Verdict::kFailed || answer.ttl == 0) return;
  forget(key);
  const std::size_t octets = size_of(answer);
  // Rarely, and it is only a memory.
  if (remembered.size() >= kMostRemembered || remembered_octets + octets > kMostRememberedOctets)
    forget_all();
  remembered_octets += octets;
  // RFC 2308 5: what is not there may come; nobody waits for it for hours.
  const std::uint32_t most = answer.verdict == dns::Verdict::kFound ? 24 * 3600 : 300;
  remembered[key] = {answer, uv_now(loop) + std::uint64_t{std::min(answer.ttl, most)} * 1000};
}

void Resolver::Channel::forget(const Key& key) {
  const auto found = remembered.find(key);
  if (found == remembered.end()) return;
  remembered_octets -= size_of(found->second.answer);
  remembered.erase(found);
}

void Resolver::Channel::forget_all() {
  remembered.clear();
  remembered_octets = 0;
}

void Resolver::Channel::tell_soon(const std::weak_ptr<Done>& question, const dns::Answer& answer) {
  ready.emplace_back(question, answer);
  uv_timer_start(
      &soon, [](uv_timer_t* handle) { static_cast<Channel*>(handle->data)->tell(); }, 0, 0);
}

void Resolver::Channel::tell() {
  const auto now = std::exchange(ready, {});
  for (const auto& [question, answer] : now) {
    if (stopped) return;
    if (const auto done = question.lock()) (*done)(answer);
  }
}

void Resolver::Channel::watch(ares_socket_t socket, bool readable, bool writable) {
  const auto found = sockets.find(socket);
  if (!readable && !writable) {
    if (found == sockets.end()) return;
    Socket* const watched = found->second;
    sockets.erase(found);
    uv_close(reinterpret_cast<uv_handle_t*>(&watched->poll), [](uv_handle_t* handle) {
      auto* const closed_socket = static_cast<Socket*>(handle->data);
      Channel* const self = closed_socket->channel;
      delete closed_socket;
      self->closed();
    });
    return;
  }
  Socket* watched = found == sockets.end() ? nullptr : found->second;
  if (watched == nullptr) {
    watched = new Socket;
    watched->channel = this;
    watched->socket = socket;
    if (uv_poll_init_socket(loop, &watched->poll, socket) != 0) {
      delete watched;  // its question times out
      return;
    }
    watched->poll.data = watched;
    ++open_handles;
    sockets.emplace(socket, watched);
  }
  uv_poll_start(&watched->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                [](uv_poll_t* handle, int status, int events) {
                  const auto* polled = static_cast<Socket*>(handle->data);
                  const bool both = status != 0;
                  ares_process_fd(polled->channel->channel,
                                  both || (events & UV_READABLE) != 0 ? polled->socket : ARES_SOCKET_BAD,
                                  both || (events & UV_WRITABLE) != 0 ? polled->socket : ARES_SOCKET_BAD);
                });
}

void Resolver::Channel::stop() {
  stopped = true;
  if (channel != nullptr) ares_destroy(std::exchange(channel, nullptr));
  for (uv_timer_t* each : {&timer, &soon}) {
    uv_close(reinterpret_cast<uv_handle_t*>(each),
             [](uv_handle_t* handle) { static_cast<Channel*>(handle->data)->closed(); });
  }
}

Resolver::Resolver(uv_loop_t* loop, const Config::Resolver& settings) : channel_(new Channel(loop)) {
  channel_->begin(settings);
}

Resolver::~Resolver() {
  if (channel_ != nullptr) channel_->stop();
}

void Resolver::stop() {
  std::exchange(channel_, nullptr)->stop();
}

Resolver::Question Resolver::ask(const std::string& name, dns::Type type, Done done, Behalf behalf) {
  auto question = std::make_shared<Done>(std::move(done));
  if (channel_ == nullptr) return question;
  if (name.empty()) {
    channel_->tell_soon(question, {});
    return question;
  }
  const Channel::Key key{name, type};
  const auto known = channel_->remembered.find(key);
  if (known != channel_->remembered.end()) {
    if (known->second.until > uv_now(channel_->loop)) {
      channel_->tell_soon(question, known->second.answer);
      return question;
    }
    channel_->forget(key);
  }
  const std::size_t most = behalf == Behalf::kOurs ? kMostOpen : kMostOpenForStrangers;
  if (channel_->waiting.size() >= most && !channel_->waiting.contains(key)) {
    channel_->tell_soon(question, {});
    return question;
  }
  auto& askers = channel_->waiting[key];
  askers.push_back(question);
  if (askers.size() == 1) channel_->send(key);
  return question;
}

void Resolver::use(const Config::Resolver& settings) {
  channel_->forget_all();
  // Questions under way end without an answer: the new servers are asked.
  if (channel_->channel != nullptr) ares_destroy(std::exchange(channel_->channel, nullptr));
  channel_->open(settings);
  std::vector<Channel::Key> again;
  for (const auto& [key, askers] : channel_->waiting) again.push_back(key);
  for (const Channel::Key& key : again) channel_->send(key);
}

}  // namespace mailstead

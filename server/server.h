// The server: makes everything, wires it, runs the loop, and takes it apart again in order.
//
// Start: bind, read the configured keys, give up root, open and recover the store, make the own certificate,
// open the control socket, accept. What fails before "accept" is one line on stderr and exit code 1, with
// nothing left behind that was not there; the ports come first because they are what fails most often. End
// (SIGTERM, SIGINT): no new connections; sessions end, each at once or after the transaction that runs; what
// is left after kGraceMs is cut; then the threads finish what was posted; then the store is closed. Threads:
// all of it on the reactor, the thread that calls run().
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/cli.h"
#include "server/acme/acme.h"
#include "server/alerter.h"
#include "server/command_runner.h"
#include "server/confinement.h"
#include "server/control_server.h"
#include "server/drivers.h"
#include "server/expiry.h"
#include "server/http/pages.h"
#include "server/http/recorder.h"
#include "server/http/web_access.h"
#include "server/http/web_admin.h"
#include "server/http/web_looks.h"
#include "server/log.h"
#include "server/net/certificates.h"
#include "server/net/connection_set.h"
#include "server/net/gateways.h"
#include "server/net/listener_set.h"
#include "server/net/new_connection.h"
#include "server/net/proxy_gate.h"
#include "server/net/resolver.h"
#include "server/outgoing/queue_runner.h"
#include "server/policy/border.h"
#include "server/services.h"

namespace mailstead {

class Server {
 public:
  Server(ServeRequest request, Log& log);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until it is told to stop. The error is for stderr.
  Result<void> run();

 private:
  enum class Refusal { kTooMany, kTooManyFromAddress, kBanned };

  Result<void> prepare();
  Result<void> begin();
  Result<std::unique_ptr<Store>> open_store(RecoveryReport& report);
  void confine();
  void watch_signals();
  void look_around();
  void tend_store();
  void keep_refusals();
  // A connection comes in: is there room for one more at all, is its header to be waited for, who is it, and
  // may that one come in.
  void accept(Listener& listener, std::unique_ptr<TcpStream> stream);
  bool comes_from_proxy(const PeerFacts& peer) const;
  void admit(NewConnection connection);
  void mark_hidden(NewConnection& connection);
  std::optional<Refusal> refusal_of(const NewConnection& connection) const;
  void refuse(NewConnection connection, Refusal why);
  void reload();
  bool listens_at(const IpAddress& address) const;
  std::uint32_t most_connections() const;
  void tell_of_file_limit() const;
  void tell_of_variables() const;
  void check_sessions();
  ServerFacts facts() const;
  void stop();
  void hurry();
  void connection_gone();
  void wind_down();

  ServeRequest request_;
  Log& log_;
  Config config_;
  Confinement confinement_;
  uv_loop_t loop_{};
  uv_signal_t signals_[3]{};
  uv_timer_t look_timer_{};
  uv_timer_t tending_timer_{};
  uv_timer_t grace_timer_{};
  std::int64_t started_at_ = 0;
  std::uint32_t file_limit_ = 0;
  std::vector<BoundSocket> bound_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<const Directory> directory_;  // as last looked at by check_sessions()
  std::shared_ptr<AcmeChallenges> challenges_;
  Certificates certificates_;
  Counters counters_;
  std::unique_ptr<StorageThread> storage_;
  std::unique_ptr<WorkQueue> files_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<Signing> signing_;
  std::unique_ptr<Border> border_;
  std::unique_ptr<WorkQueue> hashing_;
  Bans bans_;
  Gateways gateways_;
  std::uint64_t hidden_told_at_ = 0;  // by the loop's clock; 0: not yet
  std::unique_ptr<Login> login_;
  LoginDelay login_delay_;
  SmtpPolicies policies_;
  KnownPeers known_peers_;
  Refusals refusals_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Expiry> expiry_;
  std::unique_ptr<QueueRunner> queue_;
  std::unique_ptr<Acme> acme_;
  std::unique_ptr<Alerter> alerter_;
  std::unique_ptr<CommandRunner> commands_;
  WebAccess web_access_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<WebLooks> web_looks_;
  std::unique_ptr<WebAdmin> web_admin_;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<Drivers> drivers_;
  std::unique_ptr<ControlServer> control_;
  ListenerSet listeners_;
  ProxyGate proxy_gate_;
  ConnectionSet connections_;
  bool expiring_ = false;      // its timer runs
  bool queue_stopped_ = true;  // it has not begun, or has ended
  bool stopping_ = false;
  bool gave_up_ = false;  // a signal came while the data folder was waited for
  bool winding_down_ = false;
};

}  // namespace mailstead

// Runs administration commands inside the server, for whoever brings them: the control socket, the pages.
//
// A command runs on the storage thread, between other people's work, with what only a running server knows,
// and is logged when it is done.
//
// Ownership: one for the server. Threads: the reactor; `done` runs there, never inside run().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "admin/command.h"
#include "admin/web_links.h"
#include "server/acme/acme.h"
#include "server/log.h"
#include "server/storage_thread.h"

namespace mailstead {

class CommandRunner {
 public:
  struct Context {
    StorageThread& storage;
    Log& log;
    BanList& bans;
    const RefusalList& refusals;
    std::string data;
    std::function<Config()> config;
    std::function<ServerFacts()> facts;
    WebLinks* web_links;
    std::function<void()> done;                 // after each command, when it has been answered
    std::function<void(Acme::Renewal)> renew;   // the certificate, after `tls renew`
    std::function<void()> reload_certificates;  // before `tls reload`, which tells what came of it
  };
  explicit CommandRunner(Context context);
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  // `is_wanted` is asked on the storage thread when its turn has come; empty: it is. `from` is who asks, for
  // the log; empty: the command line. false: too much waits already; nothing will run.
  bool run(Request request, std::function<bool()> is_wanted, std::function<void(const Report&)> done,
           std::string from = {});

  const std::string& data() const { return context_.data; }

 private:
  void note(const Request& request, const Report& report, const std::string& from);

  Context context_;
  std::shared_ptr<admin::ImportSpools> spools_;  // touched on the storage thread only
};

}  // namespace mailstead

// The administration page, below /admin/ of listen.http: its files, and what they ask. The rules, who may
// come in and what is answered, are in README.md of server/web.
//
// Ownership: one for the server. Threads: the reactor. Errors: statuses of HTTP, with JSON that says why.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "admin/config/config.h"
#include "protocols/http_session.h"
#include "server/command_runner.h"
#include "server/http/history.h"
#include "server/http/web_access.h"
#include "server/http/web_looks.h"
#include "server/log.h"
#include "server/work_queue.h"

namespace mailstead {

class WebAdmin {
 public:
  // All of it outlives the page.
  struct Context {
    const Config& config;  // the newest
    Log& log;
    WebAccess& access;
    CommandRunner& commands;
    WorkQueue& hashing;
    WebLooks& looks;
    StorageThread& storage;
    const History& history;
  };
  explicit WebAdmin(Context context) : context_(context) {}

  // The commands that the page gives: each is one of the command line's.
  static std::span<const std::string_view> commands();

  static bool is_its(std::string_view path) { return path.starts_with("/admin/"); }

  // Runs once, at once or later, on the reactor. `peer` is whose connection it is, for the log.
  using Answer = std::function<void(const HttpReply&)>;
  void answer(const HttpRequest& request, const std::string& peer, const Answer& answer);

 private:
  struct Call;
  struct Route;

  void answer_file(const HttpRequest& request, std::string_view name, const Answer& answer);
  void answer_call(const HttpRequest& request, std::string_view name, const std::string& peer,
                   const Answer& answer);
  void log_in(const Call& call);
  void tell_session(const Call& call);
  void log_out(const Call& call);
  void run_command(const Call& call);
  void run(Request request, const std::string& peer, const std::string& new_password, const Answer& answer);
  void tell_history(const Call& call);
  void begin_look(const Call& call);
  void tell_look(const Call& call);
  enum class Told { kSecret, kNoSecret };
  std::string session_json(const WebAccess::Session& session, Told told) const;
  void note_refused_link(const std::string& peer);

  Context context_;
  std::uint64_t refused_links_ = 0;  // since the last one that was logged
  std::int64_t refusal_logged_at_ = 0;
};

}  // namespace mailstead

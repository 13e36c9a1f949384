// What is answered over HTTP, and at which of three sites.
//
// For monitors (listen.http, loopback by default):
//     /metrics   for Prometheus: the command `metrics`
//     /healthz   200: the process answers
//     /readyz    200: the store answers, and mail is taken (admin/mail_intake.h); else 503, and why
// For administrators (the same listener): /admin/, see web_admin.h; / leads there.
// For everybody's mail programs (listen.web, listen.webs; off by default), and for monitors, too:
//     /mail/config-v1.1.xml, /.well-known/autoconfig/mail/config-v1.1.xml   Thunderbird and others
//     /autodiscover/autodiscover.xml                                        Outlook
//     /apple.mobileconfig?address=ADDRESS                                   iPhone, iPad, Mac
// For an authority that looks whether the host is ours (listen.acme; listen.web, too; RFC 8555 8.3):
//     /.well-known/acme-challenge/TOKEN
// Settings are told for every address of a domain of ours, whether it exists or not (client_settings.h).
//
// Ownership: one for the server. Threads: the reactor. Errors: statuses of HTTP.
#pragma once

#include <functional>
#include <string>

#include "admin/config/config.h"
#include "protocols/http_session.h"
#include "server/acme/acme_challenges.h"
#include "server/command_runner.h"
#include "server/http/web_admin.h"
#include "server/storage_thread.h"

namespace mailstead {

enum class Site { kMonitors, kPublic, kChallenges };

class Pages {
 public:
  // All of it outlives the pages.
  struct Context {
    const Config& config;  // the newest
    StorageThread& storage;
    CommandRunner& commands;
    const AcmeChallenges& challenges;
    WebAdmin& admin;
  };
  explicit Pages(Context context) : context_(context) {}

  // Runs once, at once or later, on the reactor. `peer` is the client's address.
  using Answer = std::function<void(const HttpReply&)>;
  void answer(const HttpRequest& request, Site site, const std::string& peer, const Answer& answer);

 private:
  struct Page;
  static const Page* find(const HttpRequest& request, Site site);

  void tell_metrics(const HttpRequest& request, const Answer& answer);
  void tell_health(const HttpRequest& request, const Answer& answer);
  void tell_readiness(const HttpRequest& request, const Answer& answer);
  void tell_autoconfig(const HttpRequest& request, const Answer& answer);
  void tell_autodiscover(const HttpRequest& request, const Answer& answer);
  void tell_apple(const HttpRequest& request, const Answer& answer);
  void tell_challenge(const HttpRequest& request, const Answer& answer);
  bool is_ours(const std::string& domain) const;

  Context context_;
};

}  // namespace mailstead

// web-link: a link into the administration page that works once.

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "admin/command_table.h"
#include "admin/doctor_machine.h"
#include "admin/doctor_ports.h"
#include "admin/report.h"
#include "admin/text.h"
#include "admin/web_links.h"

namespace mailstead::admin {
namespace {

// Where the page can be asked from this machine.
std::string origin_of(const std::string& listener) {
  ListenAddress place = parse_bound(listener);
  if (place.host == "::" || place.host == "0.0.0.0") place.host = "127.0.0.1";
  return "http://" + place.text();
}

// For who sits elsewhere.
std::string way_there(const ListenAddress& bound, const std::string& hostname) {
  const bool is_near = bound.host == "::1" || bound.host.starts_with("127.");
  if (is_near && is_in_container()) {
    return fmt::format(
        "This is a container, whose own loopback no browser reaches: start it with\n"
        "    -p 127.0.0.1:{}:{} -e MAILSTEAD_LISTEN_HTTP=:{}\n",
        bound.port, bound.port, bound.port);
  }
  return fmt::format("From another machine, lead the port there first:\n    ssh -N -L {}:127.0.0.1:{} {}\n",
                     bound.port, bound.port, hostname);
}

}  // namespace

Report make_web_link(const Request& /*request*/, CommandContext& context) {
  if (context.server == nullptr || context.web_links == nullptr) return failed(no_server(context.data));
  if (!context.config.admin.page)
    return failed("the administration page is turned off: set page = true in [admin] of the configuration");
  const auto& listeners = context.server->listeners;
  const auto listener = std::ranges::find(listeners, "http", &ServerFacts::Listener::service);
  if (listener == listeners.end())
    return failed(
        "the page has no listener: set http = [\"127.0.0.1:8025\"] in [listen] of the configuration");

  const std::int64_t ends = std::time(nullptr) + WebLinks::kLinkLife.count();
  const std::string url =
      fmt::format("{}/admin/#login={}", origin_of(listener->address), context.web_links->make_link());
  return done(
      fmt::format("{}\n\n"
                  "Open it in a browser on this machine: it works once, and until {}.\n{}",
                  url, time_text(ends), way_there(parse_bound(listener->address), context.config.hostname)),
      Value::Object{{"url", url}, {"expires_at", time_value(ends)}});
}

}  // namespace mailstead::admin

// web-link: a link into the administration page that works once.

#include <fmt/format.h>

#include <ctime>
#include <optional>

#include "admin/command_table.h"
#include "admin/doctor/doctor_machine.h"
#include "admin/doctor/doctor_ports.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/web_links.h"

namespace mailstead::admin {
namespace {

bool is_near(const ListenAddress& address) {
  return address.host == "::1" || address.host.starts_with("127.");
}

bool is_everywhere(const ListenAddress& address) {
  return address.host == "::" || address.host == "0.0.0.0";
}

// Loopback's first: there nobody listens on the wire.
std::optional<ListenAddress> place_of_page(const ServerFacts& server) {
  std::optional<ListenAddress> found;
  for (const auto& listener : server.listeners) {
    if (listener.service != "http") continue;
    const ListenAddress bound = parse_bound(listener.address);
    if (!found || (!is_near(*found) && is_near(bound))) found = bound;
  }
  return found;
}

// For who sits elsewhere.
std::string way_there(const ListenAddress& bound, const std::string& hostname) {
  const std::uint16_t port = bound.port;
  if (is_in_container()) {
    if (is_near(bound)) {
      return fmt::format(
          "This is a container, whose own loopback no browser reaches: start it with\n"
          "    -p 127.0.0.1:{}:{} -e MAILSTEAD_LISTEN_HTTP=:{}\n",
          port, port, port);
    }
    return fmt::format(
        "Where the container's port {} is another one outside, write that one into the link.\n", port);
  }
  ListenAddress inside = bound;
  if (is_everywhere(bound)) inside.host = "127.0.0.1";
  std::string text = fmt::format("From another machine, lead the port there first:\n    ssh -N -L {}:{} {}\n",
                                 port, inside.text(), hostname);
  if (!is_near(bound)) {
    text += fmt::format(
        "Other machines reach {} without it; but nothing is encrypted there, neither the link nor "
        "passwords.\n",
        bound.text());
  }
  return text;
}

Report list_sessions(WebLinks& links) {
  const auto sessions = links.open_sessions();
  if (sessions.empty()) return done("Nobody is in the administration page.\n", Value::Array{});
  const std::int64_t now = std::time(nullptr);
  Table table({Align::kLeft, Align::kLeft, Align::kLeft});
  table.add({"SINCE", "FROM", "LAST USED"});
  Value::Array array;
  for (const WebLinks::OpenSession& each : sessions) {
    const std::int64_t since = now - each.age.count();
    table.add({time_text(since), each.peer, span_text(each.idle.count()) + " ago"});
    array.push_back(Value::Object{{"since", time_value(since)},
                                  {"peer", each.peer},
                                  {"last_used_at", time_value(now - each.idle.count())}});
  }
  return done(table.text() + "'mailstead web-link --end-sessions' ends all of them.\n", std::move(array));
}

}  // namespace

Report make_web_link(const Request& request, CommandContext& context) {
  const bool is_end = has_flag(request, "end-sessions");
  if (is_end && has_flag(request, "sessions"))
    return misused(
        "--sessions only lists the sessions, and --end-sessions ends them all: give one of the two");
  if (context.server == nullptr || context.web_links == nullptr) return failed(no_server(context.data));
  if (is_end) {
    const std::size_t ended = context.web_links->end_all();
    return done(fmt::format("{} ended; links that were not used are worth nothing any more.\n",
                            counted(ended, "session")),
                Value::Object{{"ended", ended}});
  }
  if (has_flag(request, "sessions")) return list_sessions(*context.web_links);
  if (!context.config.admin.page)
    return failed("the administration page is turned off: set page = true in [admin] of the configuration");
  const auto bound = place_of_page(*context.server);
  if (!bound)
    return failed(
        "the page has no listener: set http = [\"127.0.0.1:8025\"] in [listen] of the configuration");

  const std::int64_t ends = std::time(nullptr) + WebLinks::kLinkLife.count();
  ListenAddress place = *bound;
  if (is_everywhere(place)) place.host = "127.0.0.1";
  const std::string url =
      fmt::format("http://{}/admin/#login={}", place.text(), context.web_links->make_link());
  return done(fmt::format("{}\n\n"
                          "Open it in a browser on this machine: it works once, and until {}.\n{}",
                          url, time_text(ends), way_there(*bound, context.config.hostname)),
              Value::Object{{"url", url}, {"expires_at", time_value(ends)}});
}

}  // namespace mailstead::admin

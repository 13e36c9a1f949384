#include "server/http/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "admin/client_settings.h"
#include "admin/mail_intake.h"
#include "protocols/ascii.h"
#include "server/http/web_gate.h"

namespace mailstead {
namespace {

constexpr std::string_view kChallengePath = "/.well-known/acme-challenge/";

HttpReply busy_page() {
  return http_error(503, "The server is too busy or stopping; try again in a moment.");
}

HttpReply document(std::string_view type, std::string body) {
  HttpReply reply;
  reply.content_type = type;
  reply.body = std::move(body);
  return reply;
}

std::optional<Address> address_in(const HttpRequest& request, std::string_view name) {
  const auto value = form_value(parse_form(request.query), name);
  if (!value) return std::nullopt;
  auto address = parse_address(*value);
  return address ? std::optional(*address) : std::nullopt;
}

}  // namespace

struct Pages::Page {
  enum class Method { kGet, kPost };
  std::string_view path;
  Site site;  // what the public sees, monitors see, too
  Method method;
  void (Pages::*tell)(const HttpRequest&, const Answer&);
};

// Outlook spells its path in several ways.
const Pages::Page* Pages::find(const HttpRequest& request, Site site) {
  using Method = Page::Method;
  static constexpr Page kPages[] = {
      {"/metrics", Site::kMonitors, Method::kGet, &Pages::tell_metrics},
      {"/healthz", Site::kMonitors, Method::kGet, &Pages::tell_health},
      {"/readyz", Site::kMonitors, Method::kGet, &Pages::tell_readiness},
      {"/mail/config-v1.1.xml", Site::kPublic, Method::kGet, &Pages::tell_autoconfig},
      {"/.well-known/autoconfig/mail/config-v1.1.xml", Site::kPublic, Method::kGet, &Pages::tell_autoconfig},
      {"/autodiscover/autodiscover.xml", Site::kPublic, Method::kPost, &Pages::tell_autodiscover},
      {"/apple.mobileconfig", Site::kPublic, Method::kGet, &Pages::tell_apple}};
  static constexpr Page kChallenge = {kChallengePath, Site::kChallenges, Method::kGet,
                                      &Pages::tell_challenge};
  if (site != Site::kMonitors && request.path.starts_with(kChallengePath)) return &kChallenge;
  if (site == Site::kChallenges) return nullptr;
  const auto* page =
      std::ranges::find_if(kPages, [&](const Page& each) { return ascii::same(each.path, request.path); });
  const bool is_there = page != std::end(kPages) && (page->site == Site::kPublic || site == Site::kMonitors);
  return is_there ? page : nullptr;
}

void Pages::answer(const HttpRequest& request, Site site, const std::string& peer, const Answer& answer) {
  if (site == Site::kMonitors) {
    if (WebAdmin::is_its(request.path)) return context_.admin.answer(request, peer, answer);
    if (request.path == "/" || request.path == "/admin") {
      HttpReply reply = http_error(302, "The administration page is at /admin/.");
      reply.fields.emplace_back("Location", "/admin/");
      return answer(reply);
    }
  }
  const Page* page = find(request, site);
  if (page == nullptr) return answer(http_error(404, "There is nothing here."));
  // RFC 9110 9.3.2: HEAD is GET without the body.
  const std::string_view asked = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  const std::string_view allowed = page->method == Page::Method::kGet ? "GET" : "POST";
  if (asked != allowed) {
    HttpReply reply = http_error(405, "This cannot be done here.");
    reply.fields.emplace_back("Allow", allowed == "GET" ? "GET, HEAD" : "POST");
    return answer(reply);
  }
  (this->*page->tell)(request, answer);
}

// A page in somebody's browser could have its own name lead here, and read on. Health and readiness tell it
// hardly anything, and a probe that is refused takes the server out of service: they are not judged.
void Pages::tell_metrics(const HttpRequest& request, const Answer& answer) {
  if (!is_known_to_monitors(request, context_.config)) {
    return answer(http_error(421,
                             "This is not a name of this server: ask by its host name, a name without dots, "
                             "localhost or an IP address, or add the name to [admin] names."));
  }
  Request command;
  command.command = "metrics";
  const bool posted = context_.commands.run(std::move(command), {}, [answer](const Report& report) {
    if (report.exit_code != 0) return answer(http_error(500, report.error));
    answer(document("text/plain; version=0.0.4; charset=utf-8", report.text));
  });
  if (!posted) answer(busy_page());
}

void Pages::tell_health(const HttpRequest& /*request*/, const Answer& answer) {
  answer(http_error(200, "ok"));
}

void Pages::tell_readiness(const HttpRequest& /*request*/, const Answer& answer) {
  const auto space = std::make_shared<std::optional<Result<std::uint64_t>>>();
  const auto look = [space](Store& store) { *space = store.free_space(); };
  const auto tell = [this, space, answer] {
    const std::string why =
        admin::why_no_mail({**space, context_.config.limits.free_space, context_.storage.mail_trouble()});
    answer(why.empty() ? http_error(200, "ready") : http_error(503, why + "."));
  };
  const auto try_again = [this, tell, answer] {
    if (!context_.storage.try_mail_again(tell)) answer(busy_page());
  };
  if (!context_.storage.post(look, try_again)) answer(busy_page());
}

void Pages::tell_challenge(const HttpRequest& request, const Answer& answer) {
  const std::string* page = context_.challenges.page(request.path.substr(kChallengePath.size()));
  if (page == nullptr) return answer(http_error(404, "No authority was told to look here."));
  answer(document("application/octet-stream", *page));
}

bool Pages::is_ours(const std::string& domain) const {
  return context_.storage.store().directory()->is_ours(domain);
}

// The address that the program was given; or the domain by whose name we were asked:
// "autoconfig.example.org", or itself.
void Pages::tell_autoconfig(const HttpRequest& request, const Answer& answer) {
  constexpr std::string_view kPrefix = "autoconfig.";
  std::string domain = request.host;
  if (!is_ours(domain) && domain.starts_with(kPrefix)) domain.erase(0, kPrefix.size());
  if (const auto address = address_in(request, "emailaddress")) domain = address->domain;
  if (!is_ours(domain)) return answer(http_error(404, "No mail of this domain is here."));
  answer(document("text/xml; charset=utf-8", admin::autoconfig_xml(domain, context_.config)));
}

void Pages::tell_autodiscover(const HttpRequest& request, const Answer& answer) {
  const auto address = admin::autodiscover_address(request.body);
  if (!address) return answer(http_error(400, "The request names no address."));
  if (!is_ours(address->domain)) return answer(http_error(404, "No mail of this domain is here."));
  answer(document("text/xml; charset=utf-8", admin::autodiscover_xml(*address, context_.config)));
}

void Pages::tell_apple(const HttpRequest& request, const Answer& answer) {
  const auto address = address_in(request, "address");
  if (!address) return answer(http_error(400, "Ask for /apple.mobileconfig?address=ADDRESS."));
  if (!is_ours(address->domain)) return answer(http_error(404, "No mail of this domain is here."));
  HttpReply reply =
      document("application/x-apple-aspen-config", admin::apple_profile(*address, context_.config));
  reply.fields.emplace_back("Content-Disposition", "attachment; filename=\"mail.mobileconfig\"");
  answer(reply);
}

}  // namespace mailstead

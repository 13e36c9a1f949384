#include "server/http/web_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/new_password.h"
#include "admin/report.h"
#include "admin/request.h"
#include "admin/value.h"
#include "protocols/sha256.h"
#include "server/http/web_files.h"
#include "server/http/web_gate.h"
#include "storage/accounts/password.h"

namespace mailstead {
namespace {

using admin::Value;
using Json = nlohmann::json;

constexpr std::string_view kApi = "api/";
constexpr std::int64_t kRefusalsTogether = 60;  // seconds

// What works for long or needs files of this machine stays with the command line; what tells secrets of the
// configuration, too.
constexpr std::string_view kCommands[] = {"status",           "mailbox add",       "mailbox list",
                                          "mailbox show",     "mailbox remove",    "mailbox password",
                                          "mailbox disable",  "mailbox enable",    "mailbox quota",
                                          "app-password add", "app-password list", "app-password revoke",
                                          "alias add",        "alias list",        "alias remove",
                                          "domain list",      "domain remove",     "queue list",
                                          "queue show",       "queue retry",       "queue hold",
                                          "queue release",    "queue drop",        "message list",
                                          "message show",     "message restore",   "why",
                                          "client-card",      "dns records",       "dkim show",
                                          "dkim rotate",      "tls show",          "tls renew",
                                          "ban list",         "ban remove"};

HttpReply guarded(HttpReply reply) {
  static constexpr std::pair<const char*, const char*> kGuards[] = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
       "base-uri "
       "'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
       "trusted-types "
       "'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"}};
  for (const auto& [name, value] : kGuards) reply.fields.emplace_back(name, value);
  return reply;
}

HttpReply json_reply(unsigned status, std::string json) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = std::move(json);
  reply.fields.emplace_back("Cache-Control", "no-store");
  return guarded(std::move(reply));
}

HttpReply problem(unsigned status, std::string_view sentence) {
  return json_reply(status, admin::json_text(Value::Object{{"error", sentence}}));
}

HttpReply busy_answer() {
  return problem(503, "The server is too busy or stopping; try again in a moment.");
}

std::string report_json(const Report& report, const std::string& new_password) {
  const auto text = [](const std::string& value) { return admin::json_text(Value(value)); };
  std::string json = fmt::format(R"({{"exit_code":{},"error":{},"text":{},"next":{},"result":{})",
                                 report.exit_code, text(report.error), text(report.text), text(report.next),
                                 report.json.empty() ? "null" : report.json);
  if (!new_password.empty()) json += fmt::format(R"(,"password":{})", text(new_password));
  return json + "}";
}

// A member that is a text, or is not there; nullopt: it is something else.
std::optional<std::string> text_in(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end()) return std::string();
  if (!member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

std::optional<std::vector<std::string>> texts_in(const Json& object, const char* name) {
  std::vector<std::string> texts;
  const auto member = object.find(name);
  if (member == object.end()) return texts;
  if (!member->is_array()) return std::nullopt;
  for (const Json& each : *member) {
    if (!each.is_string()) return std::nullopt;
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

// Strict: a member that we do not know may carry a meaning that we would ignore.
bool has_only(const Json& object, std::initializer_list<std::string_view> names) {
  return std::ranges::all_of(object.items(), [&](const auto& item) {
    return std::ranges::find(names, std::string_view(item.key())) != names.end();
  });
}

std::string look_json(const WebLooks::Look& look) {
  using State = WebLooks::Look::State;
  const char* state = look.state == State::kDone      ? "done"
                      : look.state == State::kRunning ? "running"
                                                      : "none";
  return fmt::format(R"({{"state":"{}","at":{},"report":{}}})", state, look.at,
                     look.at == 0 ? "null" : report_json(look.report, {}));
}

}  // namespace

struct WebAdmin::Call {
  const HttpRequest& request;
  const std::string& peer;
  const Answer& answer;
  Json body;  // an object; of GET an empty one
  HttpFields query;
  std::string cookie;
  WebAccess::Session session;

  void refuse(unsigned status, std::string_view sentence) const { answer(problem(status, sentence)); }
};

struct WebAdmin::Route {
  enum class Needs {
    kNothing,
    kSession,  // with its page's own value; else there is none
    kCsrf,     // the same; the page may have missed that another tab has a newer one
  };
  std::string_view method;
  std::string_view name;
  Needs needs;
  void (WebAdmin::*run)(const Call&);
};

void WebAdmin::answer(const HttpRequest& request, const std::string& peer, const Answer& answer) {
  std::string_view name = request.path;
  name.remove_prefix(std::string_view("/admin/").size());
  const bool is_call = name.starts_with(kApi);
  const auto refuse = [&](unsigned status, std::string_view sentence) {
    answer(is_call ? problem(status, sentence) : guarded(http_error(status, sentence)));
  };
  // A connection may be older than the configuration.
  if (!context_.config.admin.page || context_.config.listen.http.empty())
    return refuse(404, "The administration page is turned off ([admin] page, [listen] http).");
  if (!is_known_host(request, context_.config)) {
    return refuse(
        421,
        "This is not a name of this server: ask by its host name, localhost or an IP address, or add "
        "the name to [admin] names.");
  }
  if (!is_call) return answer_file(request, name, answer);
  name.remove_prefix(kApi.size());
  answer_call(request, name, peer, answer);
}

void WebAdmin::answer_file(const HttpRequest& request, std::string_view name, const Answer& answer) {
  const WebFile* file = find_web_file(name);
  if (file == nullptr) return answer(guarded(http_error(404, "There is nothing here.")));
  if (request.method != "GET" && request.method != "HEAD") {
    HttpReply reply = http_error(405, "This cannot be done here.");
    reply.fields.emplace_back("Allow", "GET, HEAD");
    return answer(guarded(std::move(reply)));
  }
  HttpReply reply;
  reply.fields.emplace_back("ETag", file->tag);
  reply.fields.emplace_back("Cache-Control", "no-cache");  // asked for each time: an update shows at once
  if (request.field("If-None-Match") == file->tag) {
    reply.status = 304;
    reply.content_type.clear();
  } else {
    reply.content_type = file->type;
    reply.body = file->content;
  }
  answer(guarded(std::move(reply)));
}

void WebAdmin::answer_call(const HttpRequest& request, std::string_view name, const std::string& peer,
                           const Answer& answer) {
  using Needs = Route::Needs;
  static constexpr Route kRoutes[] = {{"POST", "login", Needs::kNothing, &WebAdmin::log_in},
                                      {"GET", "session", Needs::kSession, &WebAdmin::tell_session},
                                      {"POST", "logout", Needs::kCsrf, &WebAdmin::log_out},
                                      {"POST", "command", Needs::kCsrf, &WebAdmin::run_command},
                                      {"GET", "history", Needs::kCsrf, &WebAdmin::tell_history},
                                      {"POST", "look", Needs::kCsrf, &WebAdmin::begin_look},
                                      {"GET", "look", Needs::kCsrf, &WebAdmin::tell_look}};
  if (!is_from_own_page(request, context_.config)) {
    return answer(
        problem(403,
                "Only the page itself may ask this. A proxy in front has to pass on the Host that it "
                "was asked by, or its name has to stand in [admin] names."));
  }
  if (std::ranges::find(kRoutes, name, &Route::name) == std::end(kRoutes))
    return answer(problem(404, "There is nothing here."));
  const auto* route = std::ranges::find_if(
      kRoutes, [&](const Route& each) { return each.name == name && each.method == request.method; });
  if (route == std::end(kRoutes)) {
    HttpReply reply = problem(405, "This cannot be done here.");
    reply.fields.emplace_back("Allow", name == "look"                           ? "GET, POST"
                                       : name == "session" || name == "history" ? "GET"
                                                                                : "POST");
    return answer(reply);
  }
  Call call{request, peer, answer, Json::object(), parse_form(request.query), {}, {}};
  for (const std::string_view cookie : cookies_in(request, context_.access.cookie_name())) {
    auto session = context_.access.session(cookie, WebAccess::Use::kByItself);
    if (!session) continue;
    call.cookie = cookie;
    call.session = std::move(*session);
    break;
  }
  if (route->needs != Needs::kNothing) {
    // The cookie alone is nothing: other ports of this host are sent it, too.
    const bool is_page =
        !call.cookie.empty() && sha256(request.field("X-Mailstead-Csrf")) == sha256(call.session.csrf);
    if (call.cookie.empty() || (!is_page && route->needs == Needs::kSession))
      return call.refuse(401, "You are not logged in, or no longer: get a new link by 'mailstead web-link'.");
    if (!is_page) return call.refuse(403, "Only the page itself may ask this: load it again.");
    if (request.field("X-Mailstead-Poll").empty())
      (void)context_.access.session(call.cookie, WebAccess::Use::kByPerson);
  }
  if (request.method == "POST") {
    if (!is_json(request)) return call.refuse(400, "The request has to be JSON.");
    call.body = Json::parse(request.body, nullptr, false);
    if (!call.body.is_object()) return call.refuse(400, "The request is no JSON object.");
  }
  (this->*route->run)(call);
}

std::string WebAdmin::session_json(const WebAccess::Session& session, Told told) const {
  const std::int64_t now = std::time(nullptr);
  Value::Object json;
  if (told == Told::kSecret) json.emplace_back("csrf", session.csrf);
  json.emplace_back("hostname", context_.config.hostname);
  json.emplace_back("version", version());
  json.emplace_back("now", now);
  json.emplace_back("ends_at", now + session.left.count());
  return admin::json_text(json);
}

void WebAdmin::log_in(const Call& call) {
  const auto token = text_in(call.body, "token");
  if (!token || !has_only(call.body, {"token"})) return call.refuse(400, "The request names no link.");
  const auto opened = context_.access.open(*token, call.peer);
  if (!opened) {
    note_refused_link(call.peer);
    return call.refuse(403,
                       "This link was used already, or is too old: get a new one by 'mailstead web-link'.");
  }
  // One browser has one session.
  if (!call.cookie.empty()) context_.access.close(call.cookie);
  context_.log.info("web-session-opened", {{"peer", call.peer}});
  HttpReply reply = json_reply(200, session_json(opened->session, Told::kSecret));
  reply.fields.emplace_back("Set-Cookie", fmt::format("{}={}; Path=/admin/; HttpOnly; SameSite=Strict{}",
                                                      context_.access.cookie_name(), opened->cookie,
                                                      is_from_https(call.request) ? "; Secure" : ""));
  call.answer(reply);
}

void WebAdmin::tell_session(const Call& call) {
  call.answer(json_reply(200, session_json(call.session, Told::kNoSecret)));
}

// Nobody guesses 256 bits, and nobody fills the log by trying.
void WebAdmin::note_refused_link(const std::string& peer) {
  ++refused_links_;
  const std::int64_t now = std::time(nullptr);
  if (now >= refusal_logged_at_ && now - refusal_logged_at_ < kRefusalsTogether) return;
  refusal_logged_at_ = now;
  context_.log.warning("web-link-refused",
                       {{"peer", peer}, {"times", fmt::format("{}", std::exchange(refused_links_, 0))}});
}

void WebAdmin::log_out(const Call& call) {
  context_.access.close(call.cookie);
  context_.log.info("web-session-closed", {{"peer", call.peer}});
  HttpReply reply = json_reply(200, "{}");
  reply.fields.emplace_back(
      "Set-Cookie",
      fmt::format("{}=; Path=/admin/; HttpOnly; SameSite=Strict; Max-Age=0", context_.access.cookie_name()));
  call.answer(reply);
}

std::span<const std::string_view> WebAdmin::commands() {
  return kCommands;
}

void WebAdmin::run_command(const Call& call) {
  auto name = text_in(call.body, "command");
  auto arguments = texts_in(call.body, "arguments");
  auto flags = texts_in(call.body, "flags");
  auto after = text_in(call.body, "after");
  const auto password = text_in(call.body, "password");
  if (!name || !arguments || !flags || !after || !password ||
      !has_only(call.body, {"command", "arguments", "flags", "after", "password"}))
    return call.refuse(400, "The request is none for a command.");
  const bool is_for_page = std::ranges::find(kCommands, *name) != std::end(kCommands);
  const admin::Command* const known = is_for_page ? admin::find_command(*name) : nullptr;
  if (known == nullptr)
    return call.refuse(403, "The page cannot give this command: give it on the command line.");
  Request request;
  request.command = std::move(*name);
  request.arguments = std::move(*arguments);
  request.flags = std::move(*flags);
  request.after = std::move(*after);

  const admin::Command& command = *known;
  if (command.secret == admin::Secret::kNone) return run(std::move(request), call.peer, {}, call.answer);
  // As on the command line: what is wrong is told before anything costs time. The command still decides.
  if (const Report wrong = admin::check_request(command, request); wrong.exit_code != 0)
    return call.answer(json_reply(200, report_json(wrong, {})));
  const Address address = admin::address_of(request);
  const bool is_there = context_.storage.store().directory()->find(address) != nullptr;
  if (is_there && command.mailbox == admin::Mailbox::kNew) {
    const Report exists = admin::failed(fmt::format("the mailbox {} exists already", address.text()));
    return call.answer(json_reply(200, report_json(exists, {})));
  }
  if (!is_there && command.mailbox == admin::Mailbox::kThere) {
    request.command = "mailbox show";  // which says so
    return run(std::move(request), call.peer, {}, call.answer);
  }
  std::string made;
  std::string chosen = *password;
  if (chosen.empty()) {
    chosen = made = generate_password();
  } else {
    auto prepared = admin::prepared_password(chosen);
    if (!prepared) {
      Report wrong;
      wrong.exit_code = 2;
      wrong.error = prepared.error().message;
      return call.answer(json_reply(200, report_json(wrong, {})));
    }
    chosen = *std::move(prepared);
  }
  const auto hash = std::make_shared<Result<std::string>>(std::string());
  const bool posted = context_.hashing.post(
      [hash, chosen = std::move(chosen)] { *hash = hash_password(chosen); },
      [this, hash, made, request = std::move(request), peer = call.peer, answer = call.answer]() mutable {
        if (!*hash) return answer(problem(503, hash->error().message));
        request.secret = **hash;
        run(std::move(request), peer, made, answer);
      });
  if (!posted) call.answer(busy_answer());
}

void WebAdmin::run(Request request, const std::string& peer, const std::string& new_password,
                   const Answer& answer) {
  const auto done = [answer, new_password](const Report& report) {
    answer(json_reply(200, report_json(report, report.exit_code == 0 ? new_password : std::string())));
  };
  if (!context_.commands.run(std::move(request), {}, done, "web " + peer)) answer(busy_answer());
}

void WebAdmin::tell_history(const Call& call) {
  const std::string wanted = form_value(call.query, "span").value_or("hour");
  const auto span = std::ranges::find(History::kSpans, wanted, &History::Span::name);
  if (span == History::kSpans.end()) return call.refuse(400, "The history is of an hour, a day or a week.");
  Value::Array fields;
  for (const std::string_view field : History::kFields) fields.emplace_back(field);
  Value::Array samples;
  for (const History::Sample& sample :
       context_.history.samples(static_cast<std::size_t>(span - History::kSpans.begin()))) {
    Value::Array values = {sample.at};
    for (const std::uint64_t value : sample.values) values.emplace_back(value);
    samples.emplace_back(std::move(values));
  }
  call.answer(json_reply(200, admin::json_text(Value::Object{{"step", span->step.count()},
                                                             {"fields", std::move(fields)},
                                                             {"samples", std::move(samples)}})));
}

void WebAdmin::begin_look(const Call& call) {
  const auto look = text_in(call.body, "look");
  const auto domain = text_in(call.body, "domain");
  if (!look || !domain || !has_only(call.body, {"look", "domain"}))
    return call.refuse(400, "The request names nothing to look at.");
  bool begun = false;
  if (*look == "doctor") {
    begun = context_.looks.begin_doctor();
  } else if (*look == "dns check" && !domain->empty()) {
    begun = context_.looks.begin_dns_check(*domain);
  } else {
    return call.refuse(400, "There are two things to look at: doctor, and dns check of a domain.");
  }
  call.answer(begun ? json_reply(202, R"({"state":"running"})") : busy_answer());
}

void WebAdmin::tell_look(const Call& call) {
  const std::string look = form_value(call.query, "look").value_or("");
  if (look == "doctor") return call.answer(json_reply(200, look_json(context_.looks.doctor())));
  const auto domain = form_value(call.query, "domain");
  if (look == "dns check" && domain)
    return call.answer(json_reply(200, look_json(context_.looks.dns_check(*domain))));
  call.refuse(400, "There are two things to look at: doctor, and dns check of a domain.");
}

}  // namespace mailstead

#include "server/http/web_gate.h"

#include <string>

#include "admin/command_table.h"
#include "server/http/web_admin.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

HttpRequest asked_of(const std::string& host) {
  HttpRequest request;
  request.host = host;
  return request;
}

HttpRequest with(HttpFields fields) {
  HttpRequest request;
  request.fields = std::move(fields);
  return request;
}

}  // namespace

TEST_CASE("the page is there by names that nobody can make lead here", "[web]") {
  Config config;
  config.hostname = "mail.example.org";
  config.admin.names = {"admin.example.org"};
  for (const char* host : {"127.0.0.1", "192.0.2.7", "[::1]", "[2001:db8::1]", "localhost", "mail.localhost",
                           "localhost.", "mail.example.org", "mail.example.org.", "admin.example.org"}) {
    INFO(host);
    CHECK(is_known_host(asked_of(host), config));
  }
  for (const char* host :
       {"", "evil.example", "example.org", "127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost",
        "xmail.example.org", "[evil]", "127.1"}) {
    INFO(host);
    CHECK_FALSE(is_known_host(asked_of(host), config));
  }
}

TEST_CASE("monitors ask by what a container's network calls the server, too", "[web]") {
  Config config;
  config.hostname = "mail.example.org";
  config.admin.names = {"mailstead.mail.svc.cluster.local"};
  for (const char* host : {"127.0.0.1", "[::1]", "localhost", "mail.example.org", "", "mailstead",
                           "mailstead.", "my_mail-1", "mailstead.mail.svc.cluster.local"}) {
    INFO(host);
    CHECK(is_known_to_monitors(asked_of(host), config));
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "[evil]", "mailstead.evil.example."}) {
    INFO(host);
    CHECK_FALSE(is_known_to_monitors(asked_of(host), config));
  }
}

TEST_CASE("only the page itself asks", "[web]") {
  Config config;
  config.admin.names = {"admin.example.org"};
  const std::pair<std::string, std::string> host{"Host", "127.0.0.1:8025"};
  CHECK(is_from_own_page(with({host}), config));
  CHECK(is_from_own_page(with({host, {"Origin", "http://127.0.0.1:8025"}, {"Sec-Fetch-Site", "same-origin"}}),
                         config));
  CHECK(is_from_own_page(with({{"Host", "admin.example.org"}, {"Origin", "https://admin.example.org"}}),
                         config));
  // Ports that go without saying, a name with its last dot, and a proxy that asks by another name.
  CHECK(is_from_own_page(with({{"Host", "a.example:443"}, {"Origin", "https://a.example"}}), config));
  CHECK(is_from_own_page(with({{"Host", "a.example"}, {"Origin", "http://A.example:80"}}), config));
  CHECK(is_from_own_page(with({{"Host", "a.example."}, {"Origin", "https://a.example"}}), config));
  CHECK(is_from_own_page(with({{"Host", "[::1]:8025"}, {"Origin", "http://[::1]:8025"}}), config));
  CHECK(is_from_own_page(with({host, {"Origin", "https://admin.example.org"}}), config));
  CHECK_FALSE(is_from_own_page(with({host, {"Origin", "https://admin.example.org:8443"}}), config));
  CHECK_FALSE(is_from_own_page(with({host, {"Origin", "http://admin.example.org"}}), config));
  CHECK_FALSE(is_from_own_page(with({{"Host", "a.example"}, {"Origin", "https://a.example:80"}}), config));
  for (const char* origin : {"null", "http://127.0.0.1:9999", "http://127.0.0.1", "http://evil.example",
                             "ftp://127.0.0.1:8025", "http://127.0.0.1:8025.evil.example", "http://", "x"}) {
    INFO(origin);
    CHECK_FALSE(is_from_own_page(with({host, {"Origin", origin}}), config));
  }
  for (const char* site : {"cross-site", "same-site", "none"}) {
    INFO(site);
    CHECK_FALSE(is_from_own_page(with({host, {"Sec-Fetch-Site", site}}), config));
  }
}

TEST_CASE("all cookies of a name are found", "[web]") {
  const HttpRequest request =
      with({{"Cookie", "a=1; mailstead-x=one=two; mailstead-x=three"}, {"cookie", "b=4"}});
  CHECK(cookies_in(request, "mailstead-x") == std::vector<std::string_view>{"one=two", "three"});
  CHECK(cookies_in(request, "b") == std::vector<std::string_view>{"4"});
  CHECK(cookies_in(request, "mailstead").empty());
  CHECK(cookies_in(request, "").empty());
}

TEST_CASE("JSON says that it is", "[web]") {
  CHECK(is_json(with({{"Content-Type", "application/json; charset=utf-8"}})));
  CHECK(is_json(with({{"content-type", "Application/JSON"}})));
  CHECK_FALSE(is_json(with({})));
  CHECK_FALSE(is_json(with({{"Content-Type", "text/plain"}})));
  CHECK_FALSE(is_json(with({{"Content-Type", "application/jsonp"}})));
}

TEST_CASE("each command of the page is one of the command line's", "[web]") {
  CHECK(WebAdmin::commands().size() > 30);
  for (const std::string_view name : WebAdmin::commands()) {
    CAPTURE(name);
    CHECK(admin::find_command(name) != nullptr);
  }
}

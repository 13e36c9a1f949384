#include "server/http/web_access.h"

#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"

using namespace mailstead;
using std::chrono::seconds;

namespace {

// A clock that a test moves on.
struct Desk {
  seconds now{1000};
  WebAccess access{[this] { return now; }};
  std::string open() { return access.open(access.make_link())->cookie; }
};

}  // namespace

TEST_CASE("a link lets in once", "[web]") {
  Desk desk;
  const std::string link = desk.access.make_link();
  CHECK(link.size() >= 43);  // 256 bits
  CHECK_FALSE(desk.access.open(""));
  CHECK_FALSE(desk.access.open(link.substr(1)));
  const auto opened = desk.access.open(link);
  REQUIRE(opened);
  CHECK_FALSE(desk.access.open(link));
  CHECK(opened->cookie != link);
  CHECK(opened->session.csrf != opened->cookie);
  const auto session = desk.access.session(opened->cookie, WebAccess::Use::kByPerson);
  REQUIRE(session);
  CHECK(session->csrf == opened->session.csrf);
}

TEST_CASE("a link grows old", "[web]") {
  Desk desk;
  const std::string first = desk.access.make_link();
  desk.now += WebLinks::kLinkLife - seconds(1);
  const std::string second = desk.access.make_link();
  CHECK(desk.access.open(first));
  desk.now += WebLinks::kLinkLife;
  CHECK_FALSE(desk.access.open(second));
}

TEST_CASE("of many links the oldest go", "[web]") {
  Desk desk;
  std::vector<std::string> links;
  for (std::size_t i = 0; i <= WebAccess::kMostLinks; ++i) {
    links.push_back(desk.access.make_link());
    desk.now += seconds(1);
  }
  CHECK_FALSE(desk.access.open(links.front()));
  for (std::size_t i = 1; i < links.size(); ++i) CHECK(desk.access.open(links[i]));
}

TEST_CASE("a session ends when it is not used, and after its time in any case", "[web]") {
  Desk desk;
  const std::string idle = desk.open();
  const std::string busy = desk.open();
  desk.now += WebAccess::kSessionPatience - seconds(1);
  CHECK(desk.access.session(busy, WebAccess::Use::kByPerson));
  desk.now += seconds(1);
  CHECK_FALSE(desk.access.session(idle, WebAccess::Use::kByPerson));
  seconds used = WebAccess::kSessionPatience;
  while (used + seconds(1800) < WebAccess::kSessionLife) {
    desk.now += seconds(1800);
    used += seconds(1800);
    const auto session = desk.access.session(busy, WebAccess::Use::kByPerson);
    REQUIRE(session);
    CHECK(session->left == WebAccess::kSessionLife - used);
  }
  desk.now += seconds(1800);
  CHECK_FALSE(desk.access.session(busy, WebAccess::Use::kByPerson));
}

TEST_CASE("a session that was closed, or pushed out by others, is none", "[web]") {
  Desk desk;
  const std::string closed = desk.open();
  desk.access.close(closed);
  CHECK_FALSE(desk.access.session(closed, WebAccess::Use::kByPerson));
  const std::string first = desk.open();
  desk.now += seconds(1);
  std::set<std::string> cookies;
  for (std::size_t i = 0; i < WebAccess::kMostSessions; ++i) cookies.insert(desk.open());
  CHECK(cookies.size() == WebAccess::kMostSessions);
  CHECK_FALSE(desk.access.session(first, WebAccess::Use::kByPerson));
  for (const std::string& each : cookies) CHECK(desk.access.session(each, WebAccess::Use::kByPerson));
}

TEST_CASE("a page that nobody touches keeps no session alive", "[web]") {
  Desk desk;
  const std::string cookie = desk.open();
  for (seconds passed{0}; passed < WebAccess::kSessionPatience; passed += seconds(600)) {
    CHECK(desk.access.session(cookie, WebAccess::Use::kByItself));
    desk.now += seconds(600);
  }
  CHECK_FALSE(desk.access.session(cookie, WebAccess::Use::kByItself));
}

TEST_CASE("all sessions and links can be ended", "[web]") {
  Desk desk;
  const std::string link = desk.access.make_link();
  const std::string cookie = desk.open();
  desk.open();
  CHECK(desk.access.end_all() == 2);
  CHECK_FALSE(desk.access.session(cookie, WebAccess::Use::kByPerson));
  CHECK_FALSE(desk.access.open(link));
  CHECK(desk.access.end_all() == 0);
}

TEST_CASE("who is in is told, and no secret", "[web]") {
  Desk desk;
  CHECK(desk.access.open_sessions().empty());
  const auto first = desk.access.open(desk.access.make_link(), "192.0.2.1");
  desk.now += seconds(100);
  desk.access.open(desk.access.make_link(), "::1");
  desk.now += seconds(10);
  CHECK(desk.access.session(first->cookie, WebAccess::Use::kByPerson));
  desk.now += seconds(1);
  CHECK(desk.access.session(first->cookie, WebAccess::Use::kByItself));
  const auto sessions = desk.access.open_sessions();
  REQUIRE(sessions.size() == 2);
  CHECK(sessions[0].peer == "192.0.2.1");
  CHECK(sessions[0].age == seconds(111));
  CHECK(sessions[0].idle == seconds(1));
  CHECK(sessions[1].peer == "::1");
  CHECK(sessions[1].idle == seconds(11));
  desk.now += WebAccess::kSessionPatience;
  CHECK(desk.access.open_sessions().empty());
}

TEST_CASE("each start has cookies of its own", "[web]") {
  CHECK(WebAccess().cookie_name() != WebAccess().cookie_name());
}

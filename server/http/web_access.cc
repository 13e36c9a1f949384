#include "server/http/web_access.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "protocols/base64.h"

namespace mailstead {
namespace {

constexpr std::size_t kSecret = 32;  // octets
constexpr std::size_t kNameEnd = 6;

std::string random_text(std::size_t octets) {
  std::string random(octets, '\0');
  RAND_bytes(reinterpret_cast<std::uint8_t*>(random.data()), random.size());
  return base64::encode_url(random);
}

template <class Entries>
void make_room(Entries& entries, std::size_t most) {
  if (entries.size() < most) return;
  const auto older = [](const auto& a, const auto& b) { return a.second.used < b.second.used; };
  entries.erase(std::min_element(entries.begin(), entries.end(), older));
}

}  // namespace

WebAccess::WebAccess(Clock clock)
    : clock_(std::move(clock)), cookie_name_("mailstead-" + random_text(kNameEnd)) {}

WebAccess::Clock WebAccess::steady_clock() {
  return [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now().time_since_epoch());
  };
}

void WebAccess::forget_old(std::chrono::seconds now) {
  std::erase_if(links_, [now](const auto& link) { return now - link.second.since >= kLinkLife; });
  std::erase_if(sessions_, [now](const auto& session) {
    return now - session.second.since >= kSessionLife || now - session.second.used >= kSessionPatience;
  });
}

std::string WebAccess::make_link() {
  std::string secret = random_text(kSecret);
  const std::chrono::seconds now = clock_();
  const std::scoped_lock lock(mutex_);
  forget_old(now);
  make_room(links_, kMostLinks);
  links_[sha256(secret)] = {{}, now, now, {}};
  return secret;
}

std::optional<WebAccess::Opened> WebAccess::open(std::string_view link, std::string peer) {
  const std::chrono::seconds now = clock_();
  const std::scoped_lock lock(mutex_);
  forget_old(now);
  if (links_.erase(sha256(link)) == 0) return std::nullopt;
  make_room(sessions_, kMostSessions);
  Opened opened{random_text(kSecret), {random_text(kSecret), kSessionLife}};
  sessions_[sha256(opened.cookie)] = {opened.session.csrf, now, now, std::move(peer)};
  return opened;
}

std::optional<WebAccess::Session> WebAccess::session(std::string_view cookie, Use use) {
  const std::chrono::seconds now = clock_();
  const std::scoped_lock lock(mutex_);
  forget_old(now);
  const auto found = sessions_.find(sha256(cookie));
  if (found == sessions_.end()) return std::nullopt;
  if (use == Use::kByPerson) found->second.used = now;
  return Session{found->second.csrf, kSessionLife - (now - found->second.since)};
}

void WebAccess::close(std::string_view cookie) {
  const std::scoped_lock lock(mutex_);
  sessions_.erase(sha256(cookie));
}

std::vector<WebLinks::OpenSession> WebAccess::open_sessions() {
  const std::chrono::seconds now = clock_();
  const std::scoped_lock lock(mutex_);
  forget_old(now);
  std::vector<OpenSession> sessions;
  for (const auto& [hash, each] : sessions_)
    sessions.push_back({each.peer, now - each.since, now - each.used});
  std::ranges::sort(sessions, std::greater<>(), &OpenSession::age);
  return sessions;
}

std::size_t WebAccess::end_all() {
  const std::chrono::seconds now = clock_();
  const std::scoped_lock lock(mutex_);
  forget_old(now);
  const std::size_t ended = sessions_.size();
  links_.clear();
  sessions_.clear();
  return ended;
}

}  // namespace mailstead

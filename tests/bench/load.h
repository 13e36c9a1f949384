// Sessions over and over: each user has one connection at a time, and plays the same session as long as it
// is told to.
//
// What each session is answered after its greeting is compared with what that user's first one was answered,
// octet by octet: a server that answers wrongly has no speed.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mailstead::bench {

struct LoadOrder {
  std::uint16_t port = 0;
  SSL_CTX* tls = nullptr;
  double seconds = 0;
  std::string password;
  std::string commands;  // between login and QUIT, "STAT;LIST;UIDL"; all of a session go out at once
  std::vector<std::string> users;
};

struct LoadResult {
  std::uint64_t sessions = 0;
  std::uint64_t octets = 0;  // of the replies after the greetings
  double seconds = 0;
};

LoadResult load(const LoadOrder& order);

}  // namespace mailstead::bench

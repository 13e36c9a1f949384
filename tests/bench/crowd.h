// Sessions that log in and then say nothing, as many as there are users.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mailstead::bench {

struct CrowdOrder {
  std::uint16_t port = 0;
  SSL_CTX* tls = nullptr;
  std::string password;
  std::size_t messages = 0;         // what STAT has to tell
  std::vector<std::size_t> counts;  // rising; at each the crowd says how many it is, and waits for a line
  std::vector<std::string> users;
};

// At the end each session has to answer once more: none was dropped meanwhile.
void hold(const CrowdOrder& order);

}  // namespace mailstead::bench

// A POP3 client that does nothing but load a server.
//
//   pop3_load load PORT pop3|pop3s PASSWORD SECONDS COMMANDS
//     prints "sessions octets seconds processor-seconds"
//   pop3_load hold PORT pop3|pop3s PASSWORD MESSAGES COUNT...
//     prints each COUNT when so many are logged in, and waits for a line
//
// The users are lines of its input, one connection each, up to an empty line. See load.h and crowd.h. Ends
// with 1 when the server does not answer as it should.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "bench/client.h"
#include "bench/crowd.h"
#include "bench/give_up.h"
#include "bench/load.h"
#include "bench/processor_time.h"

namespace {

using mailstead::bench::give_up;

std::vector<std::string> read_users() {
  std::vector<std::string> users;
  std::string line;
  while (std::getline(std::cin, line) && !line.empty()) users.push_back(line);
  return users;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 6 || (words[0] != "load" && words[0] != "hold")) give_up("see the head of pop3_load.cc");
  const auto port = static_cast<std::uint16_t>(std::stoi(words[1]));
  SSL_CTX* tls = words[2] == "pop3s" ? mailstead::bench::tls_for_clients() : nullptr;
  if (words[0] == "load") {
    const auto done =
        mailstead::bench::load({port, tls, std::stod(words[4]), words[3], words[5], read_users()});
    std::printf("%llu %llu %.3f %.3f\n", static_cast<unsigned long long>(done.sessions),
                static_cast<unsigned long long>(done.octets), done.seconds,
                mailstead::bench::processor_seconds());
    return 0;
  }
  mailstead::bench::CrowdOrder order{port, tls, words[3], std::stoul(words[4]), {}, read_users()};
  for (std::size_t i = 5; i < words.size(); ++i) order.counts.push_back(std::stoul(words[i]));
  for (const std::size_t count : order.counts) {
    if (count > order.users.size()) give_up("fewer users than connections");
  }
  mailstead::bench::hold(order);
  return 0;
}

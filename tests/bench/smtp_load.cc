// An SMTP client that does nothing but load a server that takes mail without a login.
//
//   smtp_load flood [--host 127.0.0.1] --port PORT [--connections 1] [--each 0] --count N | --seconds S
//   [--size 4096]
//                   [--users 1] [--domain example.org] [--run load] [--pause 0] [--lone] [--greetings 0]
//                   [--patience 60]
//     Messages 0, 1, 2 … to user1, user2 … in turn: see smtp_flood.h and smtp_mail.h. --each: messages on a
//     connection, 0 is all. --run: a name that no other messages have. --pause: milliseconds from a reply to
//     the next message of a connection.
//     --greetings: how many connections may wait to be greeted, for a server that lets few wait; 0 is all.
//     --lone: one connection, 20 ms between its messages. --patience: seconds without any answer after which
//     it gives up. prints
//     {"accepted":…,"refused":…,"turned_away":…,"broken":…,"first_trouble":"…","seconds":…,"cpu_seconds":…,
//     "latency_ms":{"median":…,"p99":…,"max":…}}
//   smtp_load flush --folder FOLDER [--count 200] [--size 4096] [--pause 20]
//     appends and flushes there, and prints {"median":…,"p99":…,"max":…} in milliseconds: what a lone message
//     has to wait for
//   smtp_load hold [--host 127.0.0.1] --port PORT --connections N
//     keeps idle connections: see smtp_crowd.h
//
// Ends with 1 when the server does not answer at all; refusals are counted.
#include <arpa/inet.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/flush_time.h"
#include "bench/give_up.h"
#include "bench/processor_time.h"
#include "bench/smtp_crowd.h"
#include "bench/smtp_flood.h"
#include "bench/smtp_mail.h"
#include "bench/spread.h"

namespace {

using mailstead::bench::give_up;

class Options {
 public:
  explicit Options(const std::vector<std::string>& words) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!words[i].starts_with("--")) give_up("see the head of smtp_load.cc");
      if (words[i] == "--lone") {
        values_["--connections"] = "1";
        values_["--pause"] = "20";
        continue;
      }
      if (i + 1 == words.size()) give_up(words[i] + " wants a value");
      values_[words[i]] = words[i + 1];
      ++i;
    }
  }

  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  std::uint64_t whole(const std::string& name, std::uint64_t otherwise) const {
    return std::stoull(text(name, std::to_string(otherwise)));
  }
  double real(const std::string& name, double otherwise) const {
    return std::stod(text(name, std::to_string(otherwise)));
  }

  sockaddr_in server() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(whole("--port", 25)));
    const std::string host = text("--host", "127.0.0.1");
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) give_up(host + " is no IPv4 address");
    return address;
  }

 private:
  std::map<std::string, std::string> values_;
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c >= ' ') out += c;
  }
  return out + '"';
}

void run_flood(const Options& options) {
  mailstead::bench::FloodOrder order{
      .server = options.server(),
      .connections = static_cast<std::uint32_t>(options.whole("--connections", 1)),
      .messages_each = options.whole("--each", 0),
      .count = options.whole("--count", 0),
      .seconds = options.real("--seconds", 0),
      .pause = options.real("--pause", 0),
      .greetings = static_cast<std::uint32_t>(options.whole("--greetings", 0)),
      .patience = static_cast<std::uint32_t>(options.whole("--patience", 60))};
  if ((order.count == 0) == (order.seconds <= 0)) give_up("--count or --seconds");
  const mailstead::bench::SmtpMail mail(options.text("--run", "load"), options.whole("--size", 4096),
                                        options.whole("--users", 1), options.text("--domain", "example.org"));
  const double before = mailstead::bench::processor_seconds();
  auto done = mailstead::bench::flood(order, mail);
  std::printf(
      R"({"accepted":%llu,"refused":%llu,"turned_away":%llu,"broken":%llu,"first_trouble":%s,"seconds":%.4f,)"
      R"("cpu_seconds":%.4f,"latency_ms":%s})"
      "\n",
      static_cast<unsigned long long>(done.accepted), static_cast<unsigned long long>(done.refused),
      static_cast<unsigned long long>(done.turned_away), static_cast<unsigned long long>(done.broken),
      quoted(done.first_trouble).c_str(), done.seconds, mailstead::bench::processor_seconds() - before,
      mailstead::bench::spread(std::move(done.latencies)).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string verb = words.empty() ? "" : words[0];
  const Options options(words);
  if (verb == "flood") {
    run_flood(options);
  } else if (verb == "flush") {
    std::printf("%s\n",
                mailstead::bench::spread(mailstead::bench::flush_times(
                                             options.text("--folder", "."), options.whole("--count", 200),
                                             options.whole("--size", 4096), options.real("--pause", 20)))
                    .c_str());
  } else if (verb == "hold") {
    mailstead::bench::hold_idle(options.server(), options.whole("--connections", 1));
  } else {
    give_up("see the head of smtp_load.cc");
  }
  return 0;
}

// Drives the server's side of HTTP with any client, and looks at what must always hold: a request is whole
// and plain when it is asked about, replies end where they say, and the same comes of it however the packets
// are cut.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/http_session.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct End {
  std::string said;
  std::string asked;
  std::size_t requests = 0;
  std::size_t replies = 0;  // to them
};

void judge(const HttpRequest& request) {
  require(request.path.starts_with('/'), "a path begins with a slash");
  require(request.path.find('\0') == std::string::npos, "no NUL in a path");
  require((request.path + "/").find("/../") == std::string::npos, "no path leads up");
  require(request.host.find_first_of(" /@<>\"\r\n") == std::string::npos, "a host is one");
  require(request.body.size() <= 100, "a body is no longer than it may be");
  for (const auto& [name, value] : request.fields) {
    require(name.find_first_of("\r\n:") == std::string::npos, "a name is one");
    require(value.find_first_of("\r\n") == std::string::npos, "a value is one line");
  }
  for (const auto& [name, value] : parse_form(request.query))
    require(name.size() + value.size() <= request.query.size(), "a form does not grow");
}

End run(std::string_view wire, bool by_octets) {
  HttpOptions options;
  options.body = 100;
  options.now = [] { return std::int64_t{0}; };
  HttpSession session(options);
  End end;
  std::string pending;
  const std::size_t step = by_octets ? 1 : wire.size();
  while (!wire.empty() && session.wants() == Wants::kInput) {
    pending += wire.substr(0, step);
    wire.remove_prefix(std::min(step, wire.size()));
    while (session.wants() == Wants::kInput) {
      const std::size_t consumed = session.receive(pending);
      require(consumed <= pending.size(), "no more is consumed than there is");
      pending.erase(0, consumed);
      if (session.wants() == Wants::kAnswer) {
        const HttpRequest& request = session.request();
        judge(request);
        end.asked += request.method + ' ' + request.path + '?' + request.query + ' ' + request.host + ' ' +
                     request.body + '\n';
        HttpReply reply;
        reply.body = request.path;
        session.answer(reply);
        ++end.requests;
        if (session.has_output()) ++end.replies;
      } else if (consumed == 0) {
        break;
      }
    }
    std::string said = session.take_output();
    // Who has sent the body with the header is not told to go on.
    for (std::size_t at = said.find(kContinue); at != std::string::npos; at = said.find(kContinue))
      said.erase(at, kContinue.size());
    end.said += said;
  }
  require(end.said.empty() || end.said.starts_with("HTTP/1.1 "), "what is said begins as a reply");
  return end;
}

void check(std::string_view wire) {
  const End whole = run(wire, false);
  const End slow = run(wire, true);
  require(whole.asked == slow.asked, "the same is asked however it comes");
  // What is no request may be refused sooner when more of it is seen at once; nobody is asked about it.
  require(whole.replies == whole.requests && slow.replies == slow.requests, "what is asked is answered once");
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mailstead::fuzz::check({reinterpret_cast<const char*>(data), size});
  return 0;
}

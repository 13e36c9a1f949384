// Drives the client's side of POP3 with any server, and looks at what must always hold: bounded output,
// commands of one line each, no password before TLS, and the same end however the packets are cut.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/pop3/pop3_client_session.h"
#include "tests/fuzz/input.h"

namespace mailstead::fuzz {
namespace {

using Session = Pop3ClientSession;

struct Sink final : Pop3ClientSink {
  std::string all;

  void message_content(std::uint32_t, std::string_view bytes) override { all += bytes; }
  void message_ends(std::uint32_t number) override { all += "end of " + std::to_string(number); }
  void message_refused(std::uint32_t number, const std::string& words) override {
    all += "no " + std::to_string(number) + words;
  }
};

struct End {
  std::string said;
  std::string fetched;
  std::size_t messages = 0;
  bool failed = false;
};

End run(std::string_view wire, Choices choices, bool by_octets) {
  Pop3ClientOptions options{"user", "PASSWORD", Pop3ClientOptions::Tls::kImplicit, false, ""};
  const std::size_t tls = choices.draw(3);
  if (tls == 1) options.tls = Pop3ClientOptions::Tls::kStls;
  if (tls == 2) options.tls = Pop3ClientOptions::Tls::kNone;
  options.use_apop = choices.draw(2) == 1;
  if (choices.draw(2) == 1) options.nonce = "nonce";
  bool is_safe = options.tls != Pop3ClientOptions::Tls::kStls;
  Sink sink;
  Session session(std::move(options), sink);
  End end;
  std::uint32_t next = 1;
  const auto tend = [&] {
    const std::string out = session.take_output();
    require(out.empty() || out.ends_with("\r\n"), "what is said ends its line");
    require(out.size() < 4096, "little is said at a time");
    require(is_safe || out.find("PASS") == std::string::npos, "no password before TLS");
    end.said += out;
    if (session.wants() == Session::Wants::kTls) {
      session.tls_established();
      is_safe = true;
    } else if (session.wants() == Session::Wants::kWork && session.has_room()) {
      if (next % 3 == 0) {
        session.remove(next);
      } else {
        session.retrieve(next);
      }
      ++next;
    }
    end.said += session.take_output();
  };
  // One answer at a time: what comes unasked is an error, and where a packet ends is then no matter.
  while (!wire.empty() && session.wants() != Session::Wants::kEnd) {
    const std::size_t line = std::min(wire.find('\n'), wire.size() - 1) + 1;
    std::string_view packet = wire.substr(0, line);
    wire.remove_prefix(line);
    for (std::size_t size = by_octets ? 1 : packet.size(); !packet.empty();) {
      session.receive(packet.substr(0, size));
      packet.remove_prefix(std::min(size, packet.size()));
    }
    tend();
  }
  session.lost("the end");
  for (const Pop3Listed& each : session.messages()) {
    require(each.number > 0, "messages count from 1");
    require(each.uidl.size() <= 70, "a UIDL is short");
    for (const char c : each.uidl) require(c >= 0x21 && c <= 0x7e, "a UIDL is visible ASCII");
  }
  end.messages = session.messages().size();
  end.failed = session.failure().has_value();
  end.fetched = sink.all;
  return end;
}

}  // namespace
}  // namespace mailstead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mailstead::fuzz;
  const Input input = split_input(data, size);
  const End whole = run(input.wire, Choices(input.choices), false);
  const End cut = run(input.wire, Choices(input.choices), true);
  require(whole.said == cut.said, "the same is said");
  require(whole.fetched == cut.fetched, "the same is fetched");
  require(whole.messages == cut.messages && whole.failed == cut.failed, "the same end");
  return 0;
}

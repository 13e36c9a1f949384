// Whether a second message can be hidden in a first one (SMTP smuggling): everything that looks like the end
// of a message, in a whole session, whole and cut in two at each octet. tests/protocols/data_reader_test.cc
// has the same for the framing alone.
#include <string>
#include <string_view>
#include <vector>

#include "protocols/smtp/smtp_session.h"
#include "tests/catch.h"
#include "tests/protocols/world.h"

namespace mailstead {
namespace {

constexpr std::string_view kBefore =
    "EHLO client.example\r\nMAIL FROM:<bob@remote.example>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n";
constexpr std::string_view kHead = "Subject: one\r\n\r\none";
// What the attacker wants to be run.
constexpr std::string_view kHidden =
    "MAIL FROM:<evil@remote.example>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nSubject: "
    "two\r\n\r\ntwo\r\n.\r\n";

// Every string of `length` of the octets that matter.
std::vector<std::string> strings(std::size_t length) {
  constexpr char kOctets[] = {'\r', '\n', '.', '\0', 'a'};
  std::vector<std::string> all{""};
  for (std::size_t round = 0; round < length; ++round) {
    std::vector<std::string> longer;
    for (const std::string& each : all) {
      for (const char octet : kOctets) longer.push_back(each + octet);
    }
    all = std::move(longer);
  }
  return all;
}

struct Outcome {
  std::size_t stored = 0;
  std::size_t senders = 0;  // MAILs that were run
  std::string first;        // the first message
  std::string replies;      // behind 354

  bool operator==(const Outcome&) const = default;
};

class Recorder {
 public:
  explicit Recorder(BareNewline policy) {
    SmtpOptions options;
    options.hostname = "mx.example.org";
    options.bare_newline = policy;
    options.judged.add(PolicyStage::kSender);
    PeerFacts peer;
    peer.address = "192.0.2.1";
    session_ = std::make_unique<SmtpSession>(options, peer);
    world_.add_mailbox("anna@example.org", "secret");
    test::start(*session_, world_);
  }

  Outcome run(std::string_view wire, std::size_t cut) {
    std::string said = test::feed(*session_, world_, kBefore);
    said = test::feed(*session_, world_, wire.substr(0, cut));
    if (cut < wire.size()) said += test::feed(*session_, world_, wire.substr(cut));
    Outcome result;
    result.stored = world_.stored.size();
    result.senders = static_cast<std::size_t>(world_.asked["policy"]);
    if (!world_.stored.empty()) result.first = world_.stored.front().content;
    result.replies = std::move(said);
    return result;
  }

 private:
  test::World world_;
  std::unique_ptr<SmtpSession> session_;
};

// What must hold, found by looking at the whole.
void check(const std::string& wire, const Outcome& result, BareNewline policy) {
  const std::size_t end = wire.find("\r\n.\r\n");
  const bool ends_early = end < wire.size() - kHidden.size();
  std::string message = wire.substr(0, end + 2);
  bool bare = false;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const bool is_pair = (message[i] == '\r' && i + 1 < message.size() && message[i + 1] == '\n') ||
                         (message[i] == '\n' && i > 0 && message[i - 1] == '\r');
    bare = bare || ((message[i] == '\r' || message[i] == '\n') && !is_pair);
  }
  const std::size_t first = bare && policy == BareNewline::kReject ? 0 : 1;
  if (ends_early) {
    // A true end: what follows are commands, rightly. They may be spoilt by what stands before them.
    if (first == 1) CHECK(result.stored >= 1);
    if (first == 0) CHECK(result.replies.starts_with("550 5.6.0 "));
    return;
  }
  CHECK(result.stored == first);
  CHECK(result.senders == 1);
  if (first == 0) CHECK(result.replies.starts_with("550 5.6.0 "));
  if (first == 1) CHECK(result.replies == "250 2.0.0 OK id=id1\r\n");
  if (first == 1) CHECK(result.first.find("evil@remote.example") != std::string::npos);
}

void try_all(BareNewline policy, std::size_t around) {
  for (std::size_t before = 0; before <= around; ++before) {
    for (const std::string& head : strings(before)) {
      for (std::size_t behind = 0; before + behind <= around; ++behind) {
        for (const std::string& tail : strings(behind)) {
          const std::string look_alike = head + '.' + tail;
          const std::string wire = std::string(kHead) + look_alike + std::string(kHidden);
          INFO("before the dot " << head.size() << ", behind it " << tail.size() << ", octets:");
          std::string shown;
          for (const char c : look_alike) shown += std::to_string(static_cast<int>(c)) + ' ';
          INFO(shown);
          const Outcome whole = Recorder(policy).run(wire, wire.size());
          check(wire, whole, policy);
          // Cuts in and around it; a cut elsewhere meets octets that are the same for all of them.
          const std::size_t from = kHead.size() - 1;
          for (std::size_t cut = from; cut <= kHead.size() + look_alike.size() + 1; ++cut) {
            INFO("cut at " << cut);
            const Outcome parts = Recorder(policy).run(wire, cut);
            // Input that stands behind the hidden DATA in one packet is refused for that alone.
            if (wire.find("\r\n.\r\n") >= wire.size() - kHidden.size()) CHECK((parts == whole));
            check(wire, parts, policy);
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("nothing but CRLF.CRLF lets a second message out of the first", "[smuggling]") {
  try_all(BareNewline::kReject, 5);
}

TEST_CASE("nor where lone newlines become CRLF", "[smuggling]") {
  try_all(BareNewline::kNormalise, 5);
}

}  // namespace mailstead

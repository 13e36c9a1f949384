// What a dialogue cannot show: how much is made ahead, time, numbers for the log, and ends at awkward
// moments.
#include "protocols/pop3/pop3_session.h"

#include <algorithm>
#include <string>

#include "tests/catch.h"
#include "tests/protocols/world.h"

namespace mailstead::test {
namespace {

struct Pop3Conversation {
  explicit Pop3Conversation(Pop3Options special = {}) : session(named(std::move(special)), peer()) {
    world.add_mailbox("anna@example.org", "secret");
    start(session, world);
  }

  static Pop3Options named(Pop3Options options) {
    options.hostname = "mx.example.org";
    options.version = "1.0";
    return options;
  }
  static PeerFacts peer() {
    PeerFacts facts;
    facts.address = "127.0.0.1";
    facts.loopback = true;
    return facts;
  }

  std::string say(std::string_view bytes) { return feed(session, world, bytes); }
  std::string log_in() { return say("USER anna@example.org\r\nPASS secret\r\n"); }

  // With a maildrop that holds no messages but only says so.
  std::string log_in_to(MaildropPage all, std::size_t page = kMaildropPage) {
    entries = std::move(all);
    totals = {.messages = entries.size(), .page = page};
    for (const MaildropEntry& entry : entries) totals.octets += entry.size;
    session.receive("USER anna@example.org\r\n");
    session.receive("PASS secret\r\n");
    session.take_output();
    session.answer_login(LoginVerdict::kRight, totals);
    return session.take_output();
  }
  // Input, and the pages of that maildrop as they are asked for.
  std::size_t give(std::string_view bytes) {
    const std::size_t consumed = session.receive(bytes);
    give_page();
    return consumed;
  }
  bool give_page() {
    if (session.wants() != Wants::kAnswer) return false;
    const AskPage* ask = std::get_if<AskPage>(&session.ask());
    if (ask == nullptr) return false;
    pages.push_back(ask->number);
    const auto first = entries.begin() + static_cast<std::ptrdiff_t>(ask->number * totals.page);
    const auto end = first + static_cast<std::ptrdiff_t>(totals.entries_in(ask->number));
    kept.push_back(std::make_shared<const MaildropPage>(first, end));
    session.answer_page(kept.back());
    return true;
  }

  MaildropPage entries;
  MaildropTotals totals;
  std::vector<std::size_t> pages;                         // that were asked for
  std::vector<std::shared_ptr<const MaildropPage>> kept;  // as the store keeps those that were used last
  World world;
  Pop3Session session;
};

}  // namespace

TEST_CASE("a list of 100,000 messages is made a page and a chunk at a time", "[pop3]") {
  Pop3Conversation it;
  MaildropPage entries;
  for (int i = 0; i < 100000; ++i) entries.push_back({1000, std::string(70, 'u'), false});
  it.log_in_to(std::move(entries));
  CHECK(it.say("STAT\r\n") == "+OK 100000 100000000\r\n");
  CHECK(it.pages.empty());
  for (const std::string command : {"LIST\r\n", "UIDL\r\n"}) {
    it.pages.clear();
    CHECK(it.session.receive(command + "NOOP\r\n") == command.size());
    std::string all;
    std::size_t largest = 0;
    while (it.session.wants() != Wants::kInput) {
      if (!it.give_page()) it.session.drained();
      const std::string output = it.session.take_output();
      largest = std::max(largest, output.size());
      all += output;
    }
    CHECK(largest < kOutputChunk + 200);
    CHECK(std::ranges::count(all, '\n') == 100002);
    CHECK(all.ends_with("\r\n.\r\n"));
    CHECK(it.pages.size() == 98);
    CHECK(std::ranges::is_sorted(it.pages));
  }
}

TEST_CASE("a command asks for the page that it needs, and for no other", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{1, "a", false}, {2, "b", false}, {3, "c", false}, {4, "d", false}, {5, "e", false}}, 2);
  it.give("UIDL 4\r\n");
  CHECK(it.session.take_output() == "+OK 4 d\r\n");
  it.give("LIST 3\r\n");  // of the same page
  it.give("DELE 5\r\n");
  it.give("LIST 5\r\n");  // needs none
  it.give("LIST 6\r\n");
  CHECK(it.session.take_output() ==
        "+OK 3 3\r\n+OK Marked\r\n-ERR No such message\r\n-ERR No such message\r\n");
  CHECK(it.pages == std::vector<std::size_t>{1, 2});
  it.give("STAT\r\nRSET\r\nSTAT\r\n");
  CHECK(it.session.take_output() == "+OK 4 10\r\n+OK 5 messages (15 octets)\r\n+OK 5 15\r\n");
}

TEST_CASE("an idle session keeps no page that nobody else keeps", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{1, "a", false}, {2, "b", false}, {3, "c", false}}, 2);
  for (const std::string command : {"UIDL 1\r\n", "DELE 2\r\n", "LIST\r\n", "UIDL 3\r\nLIST 3\r\n"}) {
    it.give(command);
    while (it.give_page()) {
    }
    for (const auto& page : it.kept) CHECK(page.use_count() == 1);
    const std::size_t asked = it.pages.size();
    it.session.take_output();
    it.give("LIST 3\r\n");
    CHECK(it.pages.size() == (command == "LIST\r\n" || command.ends_with("3\r\n") ? asked : asked + 1));
    it.kept.clear();
  }
}

TEST_CASE("pipelined commands wait for a page", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{1, "a", false}, {2, "b", false}, {3, "c", false}}, 1);
  CHECK(it.session.receive("DELE 2\r\nUIDL\r\n") == 8);
  CHECK_FALSE(it.session.has_output());
  it.give_page();
  CHECK(it.session.take_output() == "+OK Marked\r\n");
  it.session.receive("UIDL\r\n");
  while (it.give_page()) {
  }
  CHECK(it.session.take_output() == "+OK 2 messages (4 octets)\r\n1 a\r\n3 c\r\n.\r\n");
  CHECK(it.pages == std::vector<std::size_t>{1, 0, 2});  // not that of the deleted one once more
}

TEST_CASE("a page that cannot be read is a refusal, and in a list that has begun the end", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{1, "a", false}, {2, "b", false}, {3, "c", false}}, 2);
  const std::string refusal = "-ERR [SYS/TEMP] The mailbox cannot be read right now\r\n";
  for (const std::string command :
       {"LIST\r\n", "UIDL\r\n", "LIST 1\r\n", "RETR 1\r\n", "TOP 1 0\r\n", "DELE 1\r\n"}) {
    it.session.receive(command);
    REQUIRE(it.session.wants() == Wants::kAnswer);
    it.session.answer_page(nullptr);
    CHECK(it.session.take_output() == refusal);
    CHECK(it.session.wants() == Wants::kInput);
  }
  it.session.receive("LIST 1\r\n");
  it.session.answer_page(std::make_shared<const MaildropPage>(1));  // not as long as it should be
  CHECK(it.session.take_output() == refusal);
  it.session.receive("STAT\r\n");
  it.session.receive("LIST\r\n");
  it.give_page();
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.answer_page(nullptr);
  CHECK(it.session.take_output() == "+OK 3 6\r\n+OK 3 messages (6 octets)\r\n1 1\r\n2 2\r\n");
  CHECK(it.session.wants() == Wants::kClose);
  const auto refusals = it.session.take_refusals();
  REQUIRE(refusals.size() == 8);
  CHECK(refusals[7].reply == "(closed within the list)");
}

TEST_CASE("a session that ends while it waits for a page says nothing of it", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{1, "a", false}});
  it.session.receive("LIST\r\n");
  SECTION("by its deadline") {
    it.session.timed_out();
    it.give_page();
    it.session.answer_page(nullptr);
    CHECK_FALSE(it.session.has_output());
  }
  SECTION("by a shutdown: behind the answer") {
    it.session.shut_down();
    it.give_page();
    CHECK(it.session.take_output() ==
          "+OK 1 messages (1 octets)\r\n1 1\r\n.\r\n-ERR [SYS/TEMP] Server shutting down\r\n");
  }
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("sums of sizes have more than 32 bits", "[pop3]") {
  Pop3Conversation it;
  CHECK(it.log_in_to({{3000000000, "a", false}, {3000000000, "b", false}}) ==
        "+OK 2 messages (6000000000 octets)\r\n");
  CHECK(it.say("STAT\r\n") == "+OK 2 6000000000\r\n");
  it.give("DELE 1\r\n");
  CHECK(it.session.take_output() == "+OK Marked\r\n");
  CHECK(it.say("STAT\r\n") == "+OK 1 3000000000\r\n");
}

TEST_CASE("a long message is asked for in pieces, each after the last was written", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{150000, "a", false}});
  it.give("RETR 1\r\n");
  std::uint64_t offset = 0;
  std::vector<std::size_t> lengths;
  while (it.session.wants() == Wants::kAnswer) {
    const AskRead ask = std::get<AskRead>(it.session.ask());
    CHECK(ask.index == 0);
    CHECK(ask.offset == offset);
    CHECK_FALSE(it.session.has_output());
    offset += ask.length;
    lengths.push_back(ask.length);
    it.session.answer_read(ReadVerdict::kBytes, std::string(ask.length, 'x'));
    it.session.take_output();
    const std::uint64_t before = it.session.progress();
    if (it.session.wants() == Wants::kDrain) {
      it.session.drained();
      CHECK(it.session.progress() > before);
    }
  }
  CHECK(lengths == std::vector<std::size_t>{65536, 65536, 18928});
  CHECK(it.session.wants() == Wants::kInput);
}

TEST_CASE("more bytes than were asked for are not sent", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{3, "a", false}});
  it.give("RETR 1\r\n");
  it.session.answer_read(ReadVerdict::kBytes, "abcdef");
  CHECK(it.session.take_output() == "+OK 3 octets\r\nabc\r\n.\r\n");
}

TEST_CASE("what was sent whole is counted for the log", "[pop3]") {
  Pop3Conversation it;
  it.world.add_message("A: b\r\n\r\nc\r\n");
  it.world.add_message("A: b\r\n\r\nd\r\n");
  it.world.failing_reads[1] = {0, ReadVerdict::kGone};
  CHECK_FALSE(it.session.logged_in());
  it.log_in();
  CHECK(it.session.logged_in());
  it.say("RETR 1\r\nRETR 1\r\nTOP 1 0\r\nRETR 2\r\nRETR 9\r\n");
  CHECK(it.session.retrieved_messages() == 2);
  CHECK(it.session.retrieved_octets() == 22);
}

TEST_CASE("a message counts as taken when all of it was asked for and sent", "[pop3]") {
  Pop3Conversation it;
  it.world.add_message("A: 1\r\n\r\none\r\ntwo\r\n");
  it.world.add_message("Only: a header\r\n");
  it.log_in();
  using Keys = std::vector<std::int64_t>;
  CHECK(it.session.take_retrieved().empty());
  it.say("RETR 1\r\nRETR 2\r\nRETR 3\r\n");
  CHECK(it.session.take_retrieved() == Keys{0, 1});
  CHECK(it.session.take_retrieved().empty());
  it.say("TOP 1 0\r\nTOP 1 1\r\nTOP 2 0\r\n");  // looked at
  CHECK(it.session.take_retrieved().empty());
  it.say("TOP 1 99999999\r\nTOP 2 1\r\n");  // as some clients fetch
  CHECK(it.session.take_retrieved() == Keys{0, 1});
  CHECK(it.session.retrieved_messages() == 4);
}

TEST_CASE("patience is short before login", "[pop3]") {
  Pop3Conversation it;
  CHECK(it.session.patience() == std::chrono::seconds(60));
  it.log_in();
  CHECK(it.session.patience() == std::chrono::minutes(10));
  const std::uint64_t before = it.session.progress();
  it.say("NOO");
  CHECK(it.session.progress() == before);
  it.say("P\r\n");
  CHECK(it.session.progress() > before);
}

TEST_CASE("QUIT says +OK when the deletes are durable and not before", "[pop3]") {
  Pop3Conversation it;
  it.world.add_message("a\r\n");
  it.log_in();
  it.say("DELE 1\r\n");
  CHECK(it.session.receive("QUIT\r\nNOOP\r\n") == 6);
  REQUIRE(it.session.wants() == Wants::kAnswer);
  CHECK_FALSE(it.session.has_output());
  CHECK(std::get<AskDelete>(it.session.ask()).indices == std::vector<std::size_t>{0});
  it.session.shut_down();
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.answer_delete(true);
  CHECK(it.session.take_output() == "+OK Goodbye\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a shutdown lets a message end", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{70000, "a", false}});
  it.give("RETR 1\r\n");
  it.session.shut_down();
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.answer_read(ReadVerdict::kBytes, std::string(65536, 'x'));
  it.session.take_output();
  it.session.drained();
  it.session.answer_read(ReadVerdict::kBytes, "xx\r\n" + std::string(4460, 'y'));
  CHECK(it.session.take_output().ends_with("y\r\n.\r\n-ERR [SYS/TEMP] Server shutting down\r\n"));
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a time-out within a message adds nothing to it", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{70000, "a", false}});
  it.give("RETR 1\r\n");
  it.session.timed_out();
  CHECK_FALSE(it.session.has_output());
  it.session.answer_read(ReadVerdict::kBytes, "late");
  CHECK_FALSE(it.session.has_output());
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a shutdown after a right password still ends the session", "[pop3]") {
  Pop3Conversation it;
  it.session.receive("USER anna@example.org\r\n");
  it.session.receive("PASS secret\r\n");
  it.session.take_output();
  it.session.shut_down();
  it.session.answer_login(LoginVerdict::kRight);
  CHECK(it.session.take_output().ends_with("-ERR [SYS/TEMP] Server shutting down\r\n"));
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("who lost the mailbox is told so, and not that the server stops", "[pop3]") {
  Pop3Conversation it;
  it.log_in();
  it.session.expel();
  CHECK(it.session.take_output() == "-ERR The mailbox is no longer open to this login\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("a mailbox that is lost within a message is said behind it", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{4, "a", false}});
  it.give("RETR 1\r\n");
  it.session.expel();
  REQUIRE(it.session.wants() == Wants::kAnswer);
  it.session.answer_read(ReadVerdict::kBytes, "Hi\r\n");
  CHECK(it.session.take_output() ==
        "+OK 4 octets\r\nHi\r\n.\r\n-ERR The mailbox is no longer open to this login\r\n");
  CHECK(it.session.wants() == Wants::kClose);
}

TEST_CASE("POP3 refusals are kept for the log, without secrets", "[pop3]") {
  Pop3Options options;
  options.plaintext_auth = PlaintextAuth::kNever;
  options.stls_available = true;
  Pop3Conversation it(options);
  it.say("USER anna@example.org\r\nPASS secret\r\nsecret\r\nPASS\r\nSTAT secret\r\n");
  it.say("PASS sec" + std::string(1, '\0') + "ret\r\nPASS secret\nPASS secret" + std::string(300, 'x') +
         "\r\n");
  it.say("STLS\r\nPASS secret\r\n");
  const auto refusals = it.session.take_refusals();
  REQUIRE(refusals.size() == 9);
  CHECK(refusals[0].command == "USER");
  CHECK(refusals[0].reply == "-ERR Use STLS first");
  CHECK(refusals[0].subject == "anna@example.org");
  CHECK(refusals[1].command == "PASS");
  CHECK(refusals[1].reply == "-ERR Use STLS first");
  CHECK(refusals[2].command.empty());
  CHECK(refusals[2].reply == "-ERR Unknown command");
  CHECK(refusals[3].reply == "-ERR The command needs an argument");
  CHECK(refusals[4].command == "STAT");
  CHECK(refusals[4].reply == "-ERR Log in first");
  CHECK(refusals[5].reply == "-ERR A command must not hold a NUL");
  CHECK(refusals[6].reply == "-ERR A line must end in CR LF");
  CHECK(refusals[7].reply == "-ERR Line too long");
  CHECK(refusals[8].command == "STLS");
  CHECK(refusals[8].reply == "-ERR Input sent before the reply it has to wait for");
  for (const auto& refusal : refusals) {
    const std::string all = refusal.command + refusal.reply + refusal.subject;
    CHECK(all.find("sec") == std::string::npos);
  }
  CHECK(it.session.take_refusals().empty());
}

TEST_CASE("a line without an end is in the log, too", "[pop3]") {
  Pop3Conversation it;
  it.say(std::string(3000, 'x'));
  CHECK(it.session.wants() == Wants::kClose);
  const auto refusals = it.session.take_refusals();
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].command.empty());
  CHECK(refusals[0].reply == "-ERR Line too long");
  CHECK(refusals[0].subject.empty());
}

TEST_CASE("a message that cannot be read is in the log, one that is not there is not", "[pop3]") {
  Pop3Conversation it;
  it.log_in_to({{4, "first", false}, {70000, "second", false}});
  it.say("RETR 3\r\nTOP 3 0\r\nLIST 3\r\nDELE 3\r\n");
  CHECK(it.session.take_refusals().empty());
  it.give("RETR 1\r\n");
  it.session.answer_read(ReadVerdict::kUnavailable, {});
  it.give("TOP 1 0\r\n");
  it.session.answer_read(ReadVerdict::kGone, {});
  it.give("RETR 2\r\n");
  it.session.answer_read(ReadVerdict::kBytes, std::string(65536, 'x'));
  it.session.take_output();
  it.session.drained();
  it.session.answer_read(ReadVerdict::kGone, {});
  CHECK(it.session.wants() == Wants::kClose);
  const auto refusals = it.session.take_refusals();
  REQUIRE(refusals.size() == 3);
  CHECK(refusals[0].command == "RETR");
  CHECK(refusals[0].reply == "-ERR [SYS/TEMP] The message cannot be read right now");
  CHECK(refusals[0].subject == "first");
  CHECK(refusals[1].command == "TOP");
  CHECK(refusals[1].reply == "-ERR [SYS/PERM] The message cannot be read");
  CHECK(refusals[2].reply == "(closed within the message)");
  CHECK(refusals[2].subject == "second");
}

TEST_CASE("no more POP3 refusals are kept than the limit", "[pop3]") {
  Pop3Conversation it;
  for (std::size_t i = 0; i < 3 * kMaxRefusals; ++i) it.say("PASS secret\r\n");
  CHECK(it.session.take_refusals().size() == kMaxRefusals);
}

}  // namespace mailstead::test

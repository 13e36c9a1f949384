#include "storage/mailbox/listing.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "storage/database/index.h"
#include "storage/database/schema.h"
#include "tests/catch.h"

namespace mailstead {
namespace {

constexpr std::size_t kPage = 3;

// An index in memory with two mailboxes, and listings with small pages.
class Mailboxes {
 public:
  explicit Mailboxes(std::size_t most = 1000) : listings(most, kPage) {
    database = Database::open_in_memory().value();
    REQUIRE(migrate(*database, schema_migrations()).has_value());
    REQUIRE(database->run_script("PRAGMA foreign_keys=ON").has_value());
    for (const char* key : {"anna@example.org", "bert@example.org"}) {
      REQUIRE(database
                  ->run("INSERT INTO mailboxes (local, domain, key, created_at) VALUES ('', '', ?1, 0)",
                        std::string_view(key))
                  .has_value());
    }
  }

  std::int64_t add(MailboxId mailbox, std::uint64_t size = 10, std::int32_t growth = 0) {
    MessageRow row;
    row.mailbox = mailbox;
    row.uidl = "u" + std::to_string(++messages_);
    row.size = size;
    row.header = {growth == 0 ? HeaderText::kAscii : HeaderText::kUtf8, growth};
    return Index(*database).insert(row).value();
  }
  void change(MailboxId mailbox, std::int64_t id, MessageState state) {
    REQUIRE(listings.before_change(*database, mailbox).has_value());
    REQUIRE(Index(*database).set_state(id, state).has_value());
  }
  std::vector<std::string> uidls(Listing& listing) {
    std::vector<std::string> found;
    for (std::size_t number = 0; number * kPage < listing.totals().messages; ++number) {
      const auto page = listings.read(*database, listing, number);
      if (!page) FAIL(page.error().message);
      CHECK((*page)->size() == listing.totals().entries_in(number));
      for (const MaildropEntry& entry : **page) found.push_back(entry.uidl);
    }
    return found;
  }
  std::vector<std::string> uidls_now(MailboxId mailbox) {
    std::vector<std::string> found;
    const auto rows = Index(*database).of_state(mailbox, MessageState::kPresent);
    for (const MessageRow& row : rows.value()) found.push_back(row.uidl);
    return found;
  }
  std::shared_ptr<Listing> take(MailboxId mailbox) {
    return listings.take(*database, mailbox, Index(*database).totals_of(mailbox).value()).value();
  }

  std::unique_ptr<Database> database;
  Listings listings;

 private:
  int messages_ = 0;
};

// The totals that the triggers keep, and those that a count finds.
void check_totals(Mailboxes& it, MailboxId mailbox) {
  MailboxTotals counted;
  const auto present = Index(*it.database).of_state(mailbox, MessageState::kPresent);
  for (const MessageRow& row : present.value()) {
    ++counted.messages;
    counted.octets += row.size;
    counted.surrogate_growth += row.header.surrogate_growth;
  }
  const auto deleted = Index(*it.database).kept(mailbox);
  for (const MessageRow& row : deleted.value()) {
    ++counted.kept_messages;
    counted.kept_octets += row.size;
  }
  CHECK(Index(*it.database).count(mailbox).value() == counted);
  const MailboxTotals kept = Index(*it.database).totals_of(mailbox).value();
  CHECK(kept.messages == counted.messages);
  CHECK(kept.octets == counted.octets);
  CHECK(kept.surrogate_growth == counted.surrogate_growth);
  CHECK(kept.kept_messages == counted.kept_messages);
  CHECK(kept.kept_octets == counted.kept_octets);
}

}  // namespace

TEST_CASE("a listing reads no message before a page is wanted", "[storage][listing]") {
  Mailboxes it;
  for (int i = 0; i < 7; ++i) it.add(1, 10, i == 3 ? 5 : 0);
  const auto listing = it.take(1);
  CHECK(listing->totals() == MaildropTotals{7, 70, 5, kPage});
  for (std::size_t number = 0; number < 4; ++number) CHECK(listing->page(number) == nullptr);
  const auto page = it.listings.read(*it.database, *listing, 1);
  REQUIRE(page.has_value());
  CHECK(listing->page(1) == *page);
  CHECK(listing->page(0) == nullptr);
  CHECK(listing->page(2) == nullptr);
  REQUIRE((*page)->size() == 3);
  CHECK((*page)->front().uidl == "u4");
  CHECK((*page)->front().surrogate_growth == 5);
  CHECK((*page)->front().key == 4);
  CHECK_FALSE(it.listings.read(*it.database, *listing, 3).has_value());
}

TEST_CASE("an empty mailbox has no pages", "[storage][listing]") {
  Mailboxes it;
  const auto listing = it.take(1);
  CHECK(listing->totals() == MaildropTotals{0, 0, 0, kPage});
  CHECK(listing->page(0) == nullptr);
  CHECK_FALSE(it.listings.read(*it.database, *listing, 0).has_value());
}

TEST_CASE("the next session finds the pages of the last one", "[storage][listing]") {
  Mailboxes it;
  for (int i = 0; i < 7; ++i) it.add(1);
  auto first = it.take(1);
  CHECK(it.uidls(*first).size() == 7);
  const auto page = first->page(1);
  first.reset();
  it.add(2);
  CHECK(it.take(1)->page(1) == page);
  it.add(1);  // whole pages are kept, the last one is another now
  const auto second = it.take(1);
  CHECK(second->page(1) == page);
  CHECK(second->page(2) == nullptr);
  CHECK(it.uidls(*second) == it.uidls_now(1));
}

TEST_CASE("a session that has read nothing yet still sees what there was at its login",
          "[storage][listing]") {
  Mailboxes it;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(it.add(1));
  it.change(1, ids[2], MessageState::kAside);
  const auto before = it.uidls_now(1);
  const auto listing = it.take(1);
  SECTION("when new messages come") {
    for (int i = 0; i < 5; ++i) it.add(1);
  }
  SECTION("when a message goes") {
    it.change(1, ids[0], MessageState::kMissing);
  }
  SECTION("when one comes back to its old place") {
    it.change(1, ids[2], MessageState::kPresent);
  }
  SECTION("when all go, and others come") {
    for (const std::int64_t id : ids) it.change(1, id, MessageState::kDeleted);
    for (int i = 0; i < 5; ++i) it.add(1);
  }
  CHECK(it.uidls(*listing) == before);
  CHECK(it.uidls(*it.take(1)) == it.uidls_now(1));
}

TEST_CASE("what is kept is bounded, and the mailbox used longest ago goes first", "[storage][listing]") {
  Mailboxes it(30);
  for (int i = 0; i < 60; ++i) it.add(1);
  for (int i = 0; i < 6; ++i) it.add(2);
  const auto other = it.take(2);
  CHECK(it.uidls(*other).size() == 6);
  const auto listing = it.take(1);
  CHECK(it.uidls(*listing).size() == 60);
  std::size_t in_memory = 0;
  for (std::size_t number = 0; number < 20; ++number)
    in_memory += listing->page(number) == nullptr ? 0 : kPage;
  CHECK(in_memory > 0);
  CHECK(in_memory <= 30);
  CHECK(other->page(0) == nullptr);
  // Read again, from under the sessions.
  CHECK(it.uidls(*other) == it.uidls_now(2));
  CHECK(it.uidls(*listing) == it.uidls_now(1));
}

TEST_CASE("what was read before a change is not dropped", "[storage][listing]") {
  Mailboxes it(30);
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(it.add(1));
  for (int i = 0; i < 40; ++i) it.add(2);
  const auto before = it.uidls_now(1);
  const auto listing = it.take(1);
  it.change(1, ids[7], MessageState::kMissing);
  CHECK(it.uidls(*it.take(2)).size() == 40);
  CHECK(it.uidls(*listing) == before);
}

TEST_CASE("a page of a mailbox that was removed is an error", "[storage][listing]") {
  Mailboxes it;
  for (int i = 0; i < 7; ++i) it.add(1);
  const auto listing = it.take(1);
  REQUIRE(it.database->run("DELETE FROM messages WHERE mailbox = 1").has_value());
  REQUIRE(it.database->run("DELETE FROM mailboxes WHERE id = 1").has_value());
  it.listings.forget(1);
  for (std::size_t number = 0; number < 3; ++number) {
    auto page = it.listings.read(*it.database, *listing, number);
    REQUIRE_FALSE(page.has_value());
    CHECK(page.error().kind == ErrorKind::kCorrupt);
  }
  CHECK(Index(*it.database).totals().value().empty());
}

TEST_CASE("an index of an older schema gets its totals when it is brought to this one",
          "[storage][listing]") {
  Mailboxes it;
  it.database = Database::open_in_memory().value();
  REQUIRE(migrate(*it.database, schema_migrations().first(4)).has_value());
  REQUIRE(it.database
              ->run_script(
                  "INSERT INTO mailboxes (id, local, domain, key, created_at)"
                  " VALUES (1, 'a', 'b', 'a@b', 0), (2, 'b', 'b', 'b@b', 0), (3, 'c', 'b', 'c@b', 0);"
                  "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49)"
                  " INSERT INTO messages (mailbox, uidl, name, size, dot_lines, received_at, queue_id,"
                  " state, surrogate_growth) SELECT 1 + i % 2, 'v' || i, '', i * i, 0, 0, '', i % 5, i - 20"
                  " FROM n")
              .has_value());
  REQUIRE(migrate(*it.database, schema_migrations()).has_value());
  check_totals(it, 1);
  check_totals(it, 2);
  CHECK(Index(*it.database).totals_of(1)->kept_messages == 10);
  CHECK(Index(*it.database).totals_of(3).value() == MailboxTotals{});
  it.add(3);
  it.add(1);
  check_totals(it, 3);
  check_totals(it, 1);
}

TEST_CASE("a change that cannot be prepared leaves the session as it was", "[storage][listing]") {
  Mailboxes it(30);
  for (int i = 0; i < 7; ++i) it.add(1);
  const auto before = it.uidls_now(1);
  const auto listing = it.take(1);
  REQUIRE(it.listings.read(*it.database, *listing, 0).has_value());
  REQUIRE(it.database->run_script("ALTER TABLE messages RENAME TO elsewhere").has_value());
  CHECK_FALSE(it.listings.before_change(*it.database, 1).has_value());
  REQUIRE(it.database->run_script("ALTER TABLE elsewhere RENAME TO messages").has_value());
  CHECK(it.take(1) == listing);
  CHECK(it.uidls(*listing) == before);
  it.change(1, 1, MessageState::kMissing);
  CHECK(it.uidls(*listing) == before);
}

TEST_CASE("any order of logins, pages and changes: sessions see their moment, totals are true",
          "[storage][listing]") {
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u, 5u, 6u);
  std::mt19937 random(seed);
  const auto draw = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  Mailboxes it(10 + draw(60));
  std::map<MailboxId, std::vector<std::int64_t>> ids;
  struct Session {
    std::shared_ptr<Listing> listing;
    std::vector<std::string> before;
  };
  std::map<MailboxId, Session> sessions;  // one for each mailbox, as the lock has it
  constexpr MessageState kStates[] = {MessageState::kPresent, MessageState::kDeleting, MessageState::kMissing,
                                      MessageState::kDeleted, MessageState::kAside};
  for (int step = 0; step < 3000; ++step) {
    const auto mailbox = static_cast<MailboxId>(1 + draw(2));
    auto session = sessions.find(mailbox);
    switch (draw(8)) {
      case 0:
      case 1:
        ids[mailbox].push_back(it.add(mailbox, draw(1000), static_cast<std::int32_t>(draw(3)) - 1));
        break;
      case 2:
        if (!ids[mailbox].empty()) {
          it.change(mailbox, ids[mailbox][draw(ids[mailbox].size())], kStates[draw(5)]);
        }
        break;
      case 3:
        if (draw(20) == 0 && !ids[mailbox].empty()) {  // gone for good
          REQUIRE(it.listings.before_change(*it.database, mailbox).has_value());
          REQUIRE(Index(*it.database).erase(ids[mailbox].back()).has_value());
          ids[mailbox].pop_back();
        }
        break;
      case 4:
        sessions.erase(mailbox);
        sessions[mailbox] = {it.take(mailbox), it.uidls_now(mailbox)};
        break;
      case 5:
        if (session != sessions.end()) CHECK(it.uidls(*session->second.listing) == session->second.before);
        break;
      default:
        if (session != sessions.end() && !session->second.before.empty()) {
          const std::size_t index = draw(session->second.before.size());
          const auto page = it.listings.read(*it.database, *session->second.listing, index / kPage);
          REQUIRE(page.has_value());
          CHECK((**page)[index % kPage].uidl == session->second.before[index]);
        }
    }
    if (step % 50 == 0) check_totals(it, mailbox);
  }
  check_totals(it, 1);
  check_totals(it, 2);
}

}  // namespace mailstead

#include "server/outgoing/queue_schedule.h"

#include <ctime>

#include "tests/catch.h"

using namespace mailstead;

namespace {

QueueEntry entry(RecipientRow recipient, QueueRow message, const std::string& domain,
                 const std::string& sender, std::int64_t next_at) {
  QueueEntry each;
  each.recipient = recipient;
  each.message = message;
  each.domain = domain;
  each.sender = sender;
  each.waits = true;
  each.next_at = next_at;
  return each;
}

std::string itself(const std::string& domain) {
  return domain;
}

std::vector<RecipientRow> taken(QueueSchedule& schedule, const std::string& destination, std::int64_t now) {
  auto work = schedule.take(destination, now, 100);
  return work ? work->recipients : std::vector<RecipientRow>{};
}

}  // namespace

TEST_CASE("a destination is due when the first of its recipients is", "[queue]") {
  QueueSchedule schedule(itself, 2);
  CHECK_FALSE(schedule.next_at().has_value());
  schedule.apply(entry(1, 10, "far.example", "anna", 100));
  schedule.apply(entry(2, 11, "far.example", "anna", 50));
  schedule.apply(entry(3, 12, "wide.example", "anna", 70));
  CHECK(schedule.next_at() == 50);
  CHECK_FALSE(schedule.next_destination(49).has_value());
  CHECK(schedule.next_destination(50) == "far.example");
  CHECK(taken(schedule, "far.example", 50) == std::vector<RecipientRow>{2});
  CHECK(schedule.next_destination(70) == "wide.example");
  CHECK(taken(schedule, "far.example", 99).empty());
  CHECK(taken(schedule, "nowhere.example", 99).empty());
  CHECK(schedule.waiting() == 3);
}

TEST_CASE("who waits past a time is found, but for those that are worked on", "[queue]") {
  QueueSchedule schedule(itself, 2);
  schedule.apply(entry(1, 10, "far.example", "anna", 100));
  schedule.apply(entry(2, 10, "wide.example", "anna", 5000));
  schedule.apply(entry(3, 11, "far.example", "anna", 101));
  CHECK(schedule.waiting_past(5000).empty());
  CHECK(schedule.waiting_past(101) == std::vector<QueueRow>{10});
  CHECK(schedule.waiting_past(0).size() == 2);
  CHECK(taken(schedule, "wide.example", 5000) == std::vector<RecipientRow>{2});
  CHECK(schedule.waiting_past(101).empty());
}

TEST_CASE("a message goes with all of its recipients at the destination that are due", "[queue]") {
  QueueSchedule schedule(itself, 2);
  for (RecipientRow row = 1; row <= 5; ++row)
    schedule.apply(entry(row, 10, "far.example", "anna", row <= 3 ? 1 : 9));
  schedule.apply(entry(6, 10, "wide.example", "anna", 1));
  auto work = schedule.take("far.example", 1, 2);
  REQUIRE(work.has_value());
  CHECK(work->message == 10);
  CHECK(work->recipients == std::vector<RecipientRow>{1, 2});
  CHECK(taken(schedule, "far.example", 1) == std::vector<RecipientRow>{3});
  CHECK(taken(schedule, "far.example", 9) == std::vector<RecipientRow>{4, 5});
}

TEST_CASE("what is worked on is nobody else's until it is released, and then stands where the store said",
          "[queue]") {
  QueueSchedule schedule(itself, 2);
  schedule.apply(entry(1, 10, "far.example", "anna", 1));
  CHECK(taken(schedule, "far.example", 1) == std::vector<RecipientRow>{1});
  CHECK_FALSE(schedule.next_destination(1000).has_value());
  schedule.apply(entry(1, 10, "far.example", "anna", 300));
  CHECK_FALSE(schedule.next_destination(1000).has_value());
  schedule.release({1});
  CHECK(schedule.next_at() == 300);
  CHECK(taken(schedule, "far.example", 300) == std::vector<RecipientRow>{1});
  QueueEntry delivered = entry(1, 10, "far.example", "anna", 0);
  delivered.waits = false;
  schedule.apply(delivered);
  CHECK(schedule.waiting() == 0);
  schedule.release({1, 1, 99});
  CHECK_FALSE(schedule.next_at().has_value());
}

TEST_CASE("a destination has its connections, and one only while it is suspect", "[queue]") {
  QueueSchedule schedule(itself, 2);
  for (RecipientRow row = 1; row <= 9; ++row) schedule.apply(entry(row, row, "far.example", "anna", 1));
  schedule.apply(entry(10, 10, "wide.example", "anna", 5));
  schedule.connection_begins("far.example");
  CHECK(schedule.next_destination(5) == "far.example");
  schedule.connection_begins("far.example");
  CHECK(schedule.next_destination(5) == "wide.example");
  schedule.connection_ended("far.example");
  CHECK(schedule.next_destination(5) == "far.example");
  schedule.set_suspect("far.example", true);
  CHECK(schedule.next_destination(5) == "wide.example");
  schedule.connection_ended("far.example");
  CHECK(schedule.next_destination(5) == "far.example");
  schedule.connection_begins("far.example");
  schedule.set_suspect("far.example", false);
  CHECK(schedule.next_destination(5) == "far.example");
}

TEST_CASE("a destination that is suspect is passed over when there is only room for others", "[queue]") {
  using Among = QueueSchedule::Among;
  QueueSchedule schedule(itself, 2);
  schedule.apply(entry(1, 10, "dead.example", "anna", 1));
  schedule.apply(entry(2, 11, "far.example", "anna", 5));
  CHECK(schedule.next_destination(5, Among::kNotSuspect) == "dead.example");
  schedule.set_suspect("dead.example", true);
  CHECK(schedule.is_suspect("dead.example"));
  CHECK_FALSE(schedule.is_suspect("far.example"));
  CHECK_FALSE(schedule.is_suspect("wide.example"));
  CHECK(schedule.next_destination(5, Among::kNotSuspect) == "far.example");
  CHECK_FALSE(schedule.next_destination(4, Among::kNotSuspect).has_value());
  CHECK(schedule.next_destination(4) == "dead.example");
  CHECK(schedule.next_at() == 1);
  CHECK(taken(schedule, "far.example", 5) == std::vector<RecipientRow>{2});
  CHECK_FALSE(schedule.next_destination(5, Among::kNotSuspect).has_value());
  schedule.set_suspect("dead.example", false);
  CHECK(schedule.next_destination(5, Among::kNotSuspect) == "dead.example");
  CHECK(taken(schedule, "dead.example", 5) == std::vector<RecipientRow>{1});
  CHECK_FALSE(schedule.next_at().has_value());
}

TEST_CASE("a destination that turns a connection away has no more than the others until they have ended",
          "[queue]") {
  QueueSchedule schedule(itself, 3);
  for (RecipientRow row = 1; row <= 9; ++row) schedule.apply(entry(row, row, "far.example", "anna", 1));
  CHECK_FALSE(schedule.leave_to_others("far.example"));
  for (int i = 0; i < 3; ++i) schedule.connection_begins("far.example");
  const auto given = schedule.take("far.example", 5, 100);
  REQUIRE(given.has_value());
  CHECK(schedule.leave_to_others("far.example"));
  schedule.release(given->recipients);
  schedule.connection_ended("far.example");
  CHECK_FALSE(schedule.next_destination(5).has_value());
  CHECK(schedule.take("far.example", 5, 100)->recipients == given->recipients);  // theirs
  // One of two may be replaced, and the last one speaks for all.
  schedule.connection_ended("far.example");
  CHECK(schedule.next_destination(5) == "far.example");
  CHECK_FALSE(schedule.leave_to_others("far.example"));
  schedule.connection_ended("far.example");
  for (int i = 0; i < 3; ++i) {
    CHECK(schedule.next_destination(5) == "far.example");
    schedule.connection_begins("far.example");
  }
  CHECK_FALSE(schedule.next_destination(5).has_value());
}

TEST_CASE("a destination that has served well after it turned one away is tried with one more", "[queue]") {
  QueueSchedule schedule(itself, 3);
  for (RecipientRow row = 1; row <= 9; ++row) schedule.apply(entry(row, row, "far.example", "anna", 1));
  for (int i = 0; i < 3; ++i) schedule.connection_begins("far.example");
  REQUIRE(schedule.leave_to_others("far.example"));
  schedule.connection_ended("far.example");
  int served = 0;
  while (!schedule.next_destination(5) && served < 1000) {
    schedule.set_suspect("far.example", false);
    ++served;
  }
  CHECK(served > 10);
  CHECK(served < 100);
  schedule.connection_begins("far.example");
  for (int i = 0; i < 1000; ++i) schedule.set_suspect("far.example", false);
  CHECK_FALSE(schedule.next_destination(5).has_value());
}

TEST_CASE("senders take turns", "[queue]") {
  QueueSchedule schedule(itself, 2);
  for (RecipientRow row = 1; row <= 1000; ++row) schedule.apply(entry(row, row, "far.example", "anna", 1));
  schedule.apply(entry(2001, 2001, "far.example", "bert", 2));
  schedule.apply(entry(2002, 2002, "far.example", "bert", 2));
  schedule.connection_begins("far.example");
  std::vector<RecipientRow> order;
  for (int i = 0; i < 5; ++i) order.push_back(taken(schedule, "far.example", 2).at(0));
  CHECK(order == std::vector<RecipientRow>{1, 2001, 2, 2002, 3});
}

TEST_CASE("senders take turns where there is room for a connection, too", "[queue]") {
  using Among = QueueSchedule::Among;
  QueueSchedule schedule(itself, 1);
  for (RecipientRow row = 1; row <= 5; ++row)
    schedule.apply(entry(row, row, "far" + std::to_string(row) + ".example", "anna", row));
  schedule.apply(entry(11, 11, "wide.example", "bert", 8));
  schedule.apply(entry(12, 12, "wider.example", "bert", 99));
  std::vector<std::string> order;
  while (const auto next = schedule.next_destination(9)) {
    schedule.connection_begins(*next);
    order.push_back(*next);
  }
  CHECK(order == std::vector<std::string>{"far1.example", "wide.example", "far2.example", "far3.example",
                                          "far4.example", "far5.example"});
  CHECK_FALSE(schedule.is_another_due("far1.example", 98, Among::kAll));
  CHECK(schedule.is_another_due("far1.example", 99, Among::kAll));
  CHECK_FALSE(schedule.is_another_due("wider.example", 99, Among::kAll));
  schedule.set_suspect("wider.example", true);
  CHECK(schedule.is_another_due("far1.example", 99, Among::kAll));
  CHECK_FALSE(schedule.is_another_due("far1.example", 99, Among::kNotSuspect));
}

TEST_CASE("a destination that was served for a while waits behind the others of its senders", "[queue]") {
  QueueSchedule schedule(itself, 1);
  for (RecipientRow row = 1; row <= 3; ++row) schedule.apply(entry(row, row, "far.example", "anna", 1));
  schedule.apply(entry(4, 4, "wide.example", "anna", 2));
  schedule.connection_begins("far.example");
  CHECK(taken(schedule, "far.example", 9) == std::vector<RecipientRow>{1});
  CHECK(schedule.is_another_due("far.example", 9, QueueSchedule::Among::kAll));
  schedule.rest("far.example", 9);
  schedule.connection_ended("far.example");
  CHECK(schedule.next_destination(9) == "wide.example");
  CHECK(taken(schedule, "wide.example", 9) == std::vector<RecipientRow>{4});
  CHECK_FALSE(schedule.next_destination(8).has_value());
  CHECK(schedule.next_destination(9) == "far.example");
  CHECK(taken(schedule, "far.example", 9) == std::vector<RecipientRow>{2});
  // The clock was set back.
  schedule.end_rests();
  CHECK(schedule.next_destination(1) == "far.example");
}

TEST_CASE("a held or dropped message is not sent, a released one is", "[queue]") {
  QueueSchedule schedule(itself, 2);
  schedule.apply(entry(1, 10, "far.example", "anna", 1));
  QueueEntry held = entry(1, 10, "far.example", "anna", 1);
  held.waits = false;
  schedule.apply(held);
  CHECK_FALSE(schedule.next_at().has_value());
  schedule.apply(held);  // not known any more
  schedule.apply(entry(1, 10, "far.example", "anna", 7));
  CHECK(schedule.next_at() == 7);
}

TEST_CASE("domains that share a route are one destination, and a new route moves them", "[queue]") {
  QueueSchedule schedule([](const std::string&) { return std::string("smarthost"); }, 2);
  schedule.apply(entry(1, 10, "far.example", "anna", 1));
  schedule.apply(entry(2, 10, "wide.example", "anna", 1));
  CHECK(schedule.next_destination(1) == "smarthost");
  schedule.arrange_anew(itself, 2);
  CHECK(taken(schedule, "smarthost", 1).empty());
  CHECK(taken(schedule, "far.example", 1) == std::vector<RecipientRow>{1});
  schedule.arrange_anew([](const std::string&) { return std::string("smarthost"); }, 2);
  CHECK(taken(schedule, "smarthost", 1) == std::vector<RecipientRow>{2});
  schedule.release({1, 2});
  CHECK(taken(schedule, "smarthost", 1) == std::vector<RecipientRow>{1, 2});
}

TEST_CASE("a message owes its report once at a time", "[queue]") {
  QueueSchedule schedule(itself, 2);
  QueueEntry failed = entry(1, 10, "far.example", "anna", 0);
  failed.waits = false;
  failed.report_due = true;
  QueueEntry other = failed;
  other.recipient = 2;
  schedule.apply(failed);
  schedule.apply(other);
  CHECK(schedule.take_report() == 10);
  CHECK_FALSE(schedule.take_report().has_value());
  failed.report_due = false;
  schedule.apply(failed);
  schedule.release_report(10);  // the other's is still owed
  CHECK(schedule.take_report() == 10);
  other.report_due = false;
  schedule.apply(other);
  schedule.release_report(10);
  CHECK_FALSE(schedule.take_report().has_value());
  CHECK_FALSE(schedule.next_at().has_value());
}

TEST_CASE("what is due of one sender goes by its priority", "[queue]") {
  QueueSchedule schedule(itself, 5);
  const auto with = [](RecipientRow row, std::int64_t next_at, int priority) {
    QueueEntry each = entry(row, 100 + row, "far.example", "anna", next_at);
    each.priority = priority;
    return each;
  };
  for (const QueueEntry& each : {with(1, 1, -3), with(2, 2, 0), with(3, 3, 5), with(4, 4, 5), with(5, 90, 9)})
    schedule.apply(each);
  std::vector<RecipientRow> order;
  for (int i = 0; i < 4; ++i) order.push_back(taken(schedule, "far.example", 10).at(0));
  CHECK(order == std::vector<RecipientRow>{3, 4, 2, 1});
  CHECK(taken(schedule, "far.example", 10).empty());
  schedule.release(order);
  for (RecipientRow row = 1; row <= 4; ++row) {
    QueueEntry done = with(row, 0, 0);
    done.waits = false;
    schedule.apply(done);
  }
  schedule.apply(with(6, 91, 0));
  CHECK(taken(schedule, "far.example", 99) == std::vector<RecipientRow>{5});
  CHECK(taken(schedule, "far.example", 99) == std::vector<RecipientRow>{6});
}

TEST_CASE("who gives all of much mail a priority is served as quickly", "[queue]") {
  constexpr RecipientRow kMany = 50'000;
  QueueSchedule schedule(itself, 5);
  for (RecipientRow row = 1; row <= kMany; ++row) {
    QueueEntry each = entry(row, row, "far.example", "anna", 1);
    each.priority = row == kMany ? 1 : -3;
    schedule.apply(each);
  }
  schedule.connection_begins("far.example");
  const std::clock_t began = std::clock();
  CHECK(taken(schedule, "far.example", 1) == std::vector<RecipientRow>{kMany});
  RecipientRow count = 1;
  while (schedule.take("far.example", 1, 100)) ++count;
  CHECK(count == kMany);
  // Seconds of this process's own, whatever else the machine does; by looking at all of it each time it took
  // twenty, and with the sanitizers minutes.
  CHECK((std::clock() - began) / CLOCKS_PER_SEC < 10);
}

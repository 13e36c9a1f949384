// Which device took what, and what is known of a message by its ids.
#include <algorithm>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

std::string with_id(const std::string& field) {
  return field + "Subject: s\r\n\r\nbody\r\n";
}

// Opens the mailbox and says that `device` took these messages of it, at this time.
void take(Store& store, const std::string& mailbox, const std::string& device,
          const std::vector<std::size_t>& indices, std::int64_t at) {
  auto maildrop = store.open_maildrop(id_of(store, mailbox));
  REQUIRE(maildrop.has_value());
  REQUIRE(store.note_login(id_of(store, mailbox), device).has_value());
  std::vector<TakenMessage> taken;
  const MaildropPage entries = entries_of(store, **maildrop);
  for (std::size_t index : indices) taken.push_back({entries.at(index).key, at, at});
  REQUIRE(store.note_taken((*maildrop)->mailbox(), device, taken).has_value());
}

}  // namespace

TEST_CASE("the store remembers which device took which message, over a stop", "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  for (int i = 0; i < 3; ++i) REQUIRE(deliver(*store, {kAnna}, with_id("")).has_value());
  take(*store, kAnna, "phone", {0, 1}, 1000);
  take(*store, kAnna, "laptop", {0}, 2000);
  take(*store, kAnna, "phone", {0}, 3000);
  const bool restarted = GENERATE(false, true);
  INFO("restarted " << restarted);
  if (restarted) {
    store.reset();
    store = open_store(scratch.data());
  }
  const auto devices = store->list_devices(address(kAnna));
  REQUIRE(devices.has_value());
  REQUIRE(devices->size() == 2);
  const auto phone =
      std::find_if(devices->begin(), devices->end(), [](const auto& one) { return one.name == "phone"; });
  REQUIRE(phone != devices->end());
  CHECK(phone->taken == 2);
  CHECK(phone->first_seen_at == 1000);
  CHECK(phone->last_seen_at > 3000);  // its login
  CHECK(store->list_devices(address(kBert))->empty());
  const auto uidl = fetch_all(*store, kAnna)[0].uidl;
  const auto message = store->show_message(address(kAnna), uidl);
  REQUIRE(message.has_value());
  REQUIRE(message->events.size() == 2);
  CHECK(message->events[0].device == "phone");
  CHECK(message->events[0].at == 1000);
  CHECK(message->events[0].last_at == 3000);
  CHECK(message->events[1].device == "laptop");
  CHECK(store->show_message(address(kAnna), fetch_all(*store, kAnna)[2].uidl)->events.empty());
}

TEST_CASE("who took a message is written with the deletion", "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, with_id("")).has_value());
  const auto uidl = fetch_all(*store, kAnna)[0].uidl;
  {
    auto maildrop = store->open_maildrop(id_of(*store, kAnna));
    const std::vector<TakenMessage> taken{{entries_of(*store, **maildrop)[0].key, 1000, 1000}};
    REQUIRE(store->note_taken((*maildrop)->mailbox(), "phone", taken).has_value());
    const std::vector<std::size_t> first{0};
    REQUIRE(store->commit_deletes(**maildrop, first, {Deleted::kKept, "phone"}).has_value());
  }
  // A crash: nothing is written after the commit.
  copy_folder(scratch.data(), scratch.path() + "/crash");
  auto after = open_store(scratch.path() + "/crash");
  const auto message = after->show_message(address(kAnna), uidl);
  REQUIRE(message.has_value());
  CHECK(message->standing == Standing::kDeleted);
  REQUIRE(message->events.size() == 2);
  CHECK(message->events[0].kind == MessageEventKind::kFetched);
  CHECK(message->events[1].kind == MessageEventKind::kDeleted);
  CHECK(message->events[1].device == "phone");
}

TEST_CASE("notes of a message or a mailbox that is gone are dropped", "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  for (int i = 0; i < 2; ++i) REQUIRE(deliver(*store, {kAnna}, with_id("")).has_value());
  take(*store, kAnna, "phone", {0, 1}, 1000);
  delete_messages(*store, kAnna, {0});
  REQUIRE(store->write_notes().has_value());
  CHECK(store->list_devices(address(kAnna))->at(0).taken == 2);
  take(*store, kAnna, "phone", {0}, 2000);
  take(*store, kBert, "laptop", {}, 2000);
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kNo).has_value());
  REQUIRE(store->write_notes().has_value());
  CHECK(store->list_devices(address(kBert))->size() == 1);
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(store->list_devices(address(kAnna))->empty());
}

TEST_CASE("devices of a mailbox are bounded: the one not seen for longest goes", "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, with_id("")).has_value());
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  for (int i = 0; i < 250; ++i) {
    const std::vector<TakenMessage> taken{{entries_of(*store, **maildrop)[0].key, 1000 + i, 1000 + i}};
    REQUIRE(store->note_taken((*maildrop)->mailbox(), "device " + std::to_string(i), taken).has_value());
    REQUIRE(store->write_notes().has_value());
  }
  const auto devices = store->list_devices(address(kAnna));
  REQUIRE(devices->size() == 200);
  CHECK(devices->front().name == "device 249");
  CHECK(devices->back().name == "device 50");
}

TEST_CASE("a message is found by its queue id and by its Message-ID, in every mailbox",
          "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  const auto delivered =
      deliver(*store, {kAnna, kBert}, with_id("message-id:\r\n\t <One.2@host.example> (comment)\r\n"));
  REQUIRE(delivered.has_value());
  REQUIRE(deliver(*store, {kAnna}, with_id("Message-ID: <other@host.example>\r\n")).has_value());
  REQUIRE(deliver(*store, {kAnna}, with_id("X: y\r\n")).has_value());
  const std::string id = delivered->copies[0].uidl;
  for (const std::string& asked : {id, std::string("<One.2@host.example>"), std::string("One.2@host.example"),
                                   std::string(" <One.2@host.example> ")}) {
    INFO(asked);
    const auto found = store->find_messages(asked);
    REQUIRE(found.has_value());
    REQUIRE(found->size() == 2);
    CHECK(found->at(0).address.text() == kAnna);
    CHECK(found->at(1).address.text() == kBert);
    CHECK(found->at(0).uidl == id);
    CHECK(found->at(0).message_id == "One.2@host.example");
  }
  for (const char* unknown : {"", "<>", "one.2@host.example", "0123456789abcde", "x"}) {
    INFO(unknown);
    CHECK(store->find_messages(unknown)->empty());
  }
  // A file of another tool, and mail whose index was lost.
  write_file(scratch.data() + "/mail/example.org/bert/new/foreign", "Message-ID: <imported@x>\nA: b\n\nc\n");
  CHECK(fetch_all(*store, kBert).size() == 2);
  CHECK(store->find_messages("imported@x")->size() == 1);
}

TEST_CASE("the beginning of a message can be read, deleted or not", "[storage][history]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, with_id("")).has_value());
  const auto before = fetch_all(*store, kAnna)[0];
  const auto present = store->show_message(address(kAnna), before.uidl);
  CHECK(store->read_beginning(*present, 20).value() == before.content.substr(0, 20));
  auto maildrop = store->open_maildrop(id_of(*store, kAnna));
  const std::vector<std::size_t> first{0};
  REQUIRE(store->commit_deletes(**maildrop, first, {Deleted::kKept, ""}).has_value());
  CHECK(store->purge_deleted(id_of(*store, kAnna), 10).value() == 0);
  const auto deleted = store->show_message(address(kAnna), before.uidl);
  CHECK(store->read_beginning(*deleted, 4000).value() == before.content);
}

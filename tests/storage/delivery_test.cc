#include "storage/delivery/delivery.h"
#include "storage/delivery/delivery_content.h"

#include <filesystem>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

TEST_CASE("a delivered message comes back byte for byte behind its trace lines", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  const std::string content = "Subject: x\r\n\r\n.dot\r\nbytes \x80\xff\x01 and\ttabs\r\n";
  auto delivered = deliver(*store, {"anna@example.org"}, content);
  REQUIRE(delivered.has_value());
  REQUIRE(delivered->copies.size() == 1);
  auto all = fetch_all(*store, "anna@example.org");
  REQUIRE(all.size() == 1);
  CHECK(all[0].content == kept("anna@example.org", content));
  CHECK(all[0].uidl == delivered->copies[0].uidl);
  CHECK(delivered->copies[0].size == all[0].content.size());
  CHECK(delivered->copies[0].address == "anna@example.org");
  CHECK(names_in(scratch.data() + "/mail/example.org/anna/tmp").empty());
}

TEST_CASE("one message to several recipients and aliases is one copy per mailbox", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org", "bert@example.org"});
  REQUIRE(store->add_alias("all@example.org", {address("anna@example.org"), address("bert@example.org")})
              .has_value());
  auto delivered =
      deliver(*store, {"all@example.org", "anna@example.org", "ANNA@EXAMPLE.ORG"}, "A: b\r\n\r\nx\r\n");
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.size() == 2);
  CHECK(fetch_all(*store, "anna@example.org")[0].content == kept("anna@example.org", "A: b\r\n\r\nx\r\n"));
  CHECK(fetch_all(*store, "bert@example.org")[0].content ==
        kept("bert@example.org", "X-Original-To: all@example.org\r\nA: b\r\n\r\nx\r\n"));
}

TEST_CASE("a copy tells by which name it came", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org", "bert@example.org"});
  REQUIRE(store->add_alias("@example.org", {address("bert@example.org")}).has_value());
  REQUIRE(deliver(*store, {"Anna+Shop@example.org", "who@example.org"}, "A: b\r\n\r\nx\r\n").has_value());
  CHECK(fetch_all(*store, "anna@example.org")[0].content ==
        kept("anna@example.org", "X-Original-To: Anna+Shop@example.org\r\nA: b\r\n\r\nx\r\n"));
  CHECK(fetch_all(*store, "bert@example.org")[0].content ==
        kept("bert@example.org", "X-Original-To: who@example.org\r\nA: b\r\n\r\nx\r\n"));
}

TEST_CASE("spooled pieces and the rest make one message", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org", "bert@example.org"});
  std::string content = "A: b\r\n\r\n";
  auto delivery = message(*store, {"anna@example.org", "bert@example.org"}, "");
  delivery.spool = std::move(*store->new_spool());
  REQUIRE(delivery.spool->append(content).has_value());
  for (int i = 0; i < 3000; ++i) {
    std::string line(static_cast<std::size_t>(i % 977), static_cast<char>('a' + i % 26));
    line += "\r\n";
    REQUIRE(delivery.spool->append(line).has_value());
    content += line;
  }
  CHECK(delivery.spool->size() == content.size());
  delivery.rest = "the end\r\n";
  content += delivery.rest;
  std::vector<Delivery> batch;
  batch.push_back(std::move(delivery));
  REQUIRE(store->deliver(batch)[0].has_value());
  CHECK(fetch_all(*store, "anna@example.org")[0].content == kept("anna@example.org", content));
  CHECK(fetch_all(*store, "bert@example.org")[0].content == kept("bert@example.org", content));
}

TEST_CASE("octets of a message are replaced where they are, in the spool and behind it", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  const std::string content = "From: a@b.example\r\nSubject: x\r\n\r\nabc\r\n";
  for (std::size_t spooled = 0; spooled <= content.size(); ++spooled) {
    auto delivery = message(*store, {"anna@example.org"}, content.substr(spooled));
    if (spooled > 0) {
      delivery.spool = std::move(*store->new_spool());
      REQUIRE(delivery.spool->append(content.substr(0, spooled)).has_value());
    }
    std::string expected = content;
    for (const auto& [at, bytes] :
         {std::pair<std::size_t, std::string>{0, "Xrom"}, {19, "XXXXX"}, {33, "xyz"}}) {
      REQUIRE(overwrite_content(delivery, at, bytes).has_value());
      expected.replace(at, bytes.size(), bytes);
    }
    std::string read;
    REQUIRE(read_content(delivery, [&](std::string_view piece) { read += piece; }).has_value());
    CHECK(read == expected);
    std::vector<Delivery> batch;
    batch.push_back(std::move(delivery));
    REQUIRE(store->deliver(batch)[0].has_value());
    CHECK(fetch_all(*store, "anna@example.org").back().content == kept("anna@example.org", expected));
  }
}

TEST_CASE("an empty message and one without a final line end are kept with whole lines", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  REQUIRE(deliver(*store, {"anna@example.org"}, "").has_value());
  REQUIRE(deliver(*store, {"anna@example.org"}, "A: b\r\n\r\nno end").has_value());
  auto all = fetch_all(*store, "anna@example.org");
  CHECK(all[0].content == kept("anna@example.org", ""));
  CHECK(all[1].content == kept("anna@example.org", "A: b\r\n\r\nno end\r\n"));
}

TEST_CASE("the dot-lines flag tells whether any line begins with a dot", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org"});
  auto flag = [&](const std::string& spooled, const std::string& rest) {
    auto delivery = message(*store, {"anna@example.org"}, rest);
    if (!spooled.empty()) {
      delivery.spool = std::move(*store->new_spool());
      REQUIRE(delivery.spool->append(spooled).has_value());
    }
    std::vector<Delivery> batch;
    batch.push_back(std::move(delivery));
    REQUIRE(store->deliver(batch)[0].has_value());
    auto maildrop = store->open_maildrop(id_of(*store, "anna@example.org"));
    return entries_of(*store, **maildrop).back().has_dot_lines;
  };
  CHECK_FALSE(flag("", "A: b.\r\n\r\nx.y\r\n"));
  CHECK(flag("", ".A: b\r\n\r\n"));
  CHECK(flag("A: b\r\n\r\nx\r\n", ".y\r\n"));
  CHECK_FALSE(flag("A: b\r\n\r\nx", ".y\r\n"));
}

TEST_CASE("a message that cannot be kept does not spoil its batch", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org", "bert@example.org"});
  std::vector<Delivery> batch;
  batch.push_back(message(*store, {"anna@example.org"}, "A: 1\r\n\r\n"));
  batch.push_back(message(*store, {"anna@example.org", "nobody@example.org"}, "A: 2\r\n\r\n"));
  batch.push_back(message(*store, {"anna@example.org", "bert@example.org"},
                          "Received: x\r\ndelivered-to:  BERT@example.org \r\n\r\nloop\r\n"));
  batch.push_back(message(*store, {"bert@example.org"}, "A: 4\r\n\r\nDelivered-To: bert@example.org\r\n"));
  auto results = store->deliver(batch);
  CHECK(results[0].has_value());
  REQUIRE_FALSE(results[1].has_value());
  CHECK(results[1].error().kind == ErrorKind::kNotFound);
  REQUIRE_FALSE(results[2].has_value());
  CHECK(results[2].error().kind == ErrorKind::kInvalid);
  CHECK(results[2].error().message == "loop");
  CHECK(results[3].has_value());
  CHECK(fetch_all(*store, "anna@example.org").size() == 1);
  CHECK(fetch_all(*store, "bert@example.org").size() == 1);
}

TEST_CASE("a message to more mailboxes than are written at one time goes to all or none", "[storage]") {
  Scratch scratch;
  std::vector<std::string> mailboxes;
  for (int i = 0; i < 150; ++i) mailboxes.push_back("user" + std::to_string(i) + "@example.org");
  auto store = store_with(scratch.data(), mailboxes);
  auto delivered = deliver(*store, mailboxes, "A: 1\r\n\r\n");
  REQUIRE(delivered.has_value());
  CHECK(delivered->copies.size() == 150);
  for (const std::string& mailbox : mailboxes) CHECK(fetch_all(*store, mailbox).size() == 1);

  std::filesystem::remove_all(scratch.data() + "/mail/example.org/user149/new");
  // What is here already is not lost for that, and what comes then is not taken.
  REQUIRE(deliver_unfiled(*store, mailboxes, "A: 2\r\n\r\n").has_value());
  while (store->unfiled() > 1) static_cast<void>(file_mail(*store));
  auto refused = deliver(*store, mailboxes, "A: 3\r\n\r\n");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind != ErrorKind::kNotFound);
  CHECK(refused.error().message.find("mail/example.org/user149") != std::string::npos);
  for (int i = 0; i < 149; ++i) {
    const std::string box = scratch.data() + "/mail/example.org/user" + std::to_string(i);
    CHECK(names_in(box + "/new").size() == 2);
    CHECK(names_in(box + "/tmp").empty());
  }
  std::filesystem::create_directory(scratch.data() + "/mail/example.org/user149/new");
  REQUIRE(file_mail(*store).has_value());
  REQUIRE(deliver(*store, mailboxes, "A: 3\r\n\r\n").has_value());
  CHECK(fetch_all(*store, mailboxes.back()).size() == 2);  // the first one's file went with the folder
}

TEST_CASE("a message id is delivered once", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"anna@example.org", "bert@example.org"});
  std::vector<Delivery> batch;
  batch.push_back(message(*store, {"anna@example.org"}, "A: 1\r\n\r\n"));
  batch.push_back(message(*store, {"bert@example.org", "anna@example.org"}, "A: 2\r\n\r\n"));
  batch.push_back(message(*store, {"bert@example.org"}, "A: 3\r\n\r\n"));
  batch.push_back(message(*store, {"bert@example.org"}, "A: 4\r\n\r\n"));
  batch[1].id = batch[0].id;
  batch[3].id = "not an id/../x";
  auto results = store->deliver(batch);
  CHECK(results[0].has_value());
  CHECK(results[1].error().kind == ErrorKind::kExists);
  CHECK(results[2].has_value());
  CHECK(results[3].error().kind == ErrorKind::kInvalid);
  CHECK(fetch_all(*store, "anna@example.org").size() == 1);
  CHECK(fetch_all(*store, "bert@example.org")[0].content == kept("bert@example.org", "A: 3\r\n\r\n"));
  REQUIRE(file_mail(*store).has_value());
  CHECK(names_in(scratch.data() + "/mail/example.org/bert/new").size() == 1);
}

TEST_CASE("where each recipient has a reply, one that cannot have the message does not stop the others",
          "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert, "carl@example.org"});
  Delivery delivery = message(*store, {kAnna, "gone@example.org", kBert, "carl@example.org"},
                              std::string("Delivered-To: ") + kBert + "\r\n\r\nhello\r\n");
  delivery.failures = Failures::kOfEachRecipient;
  delivery.tags = "X-Tag: one\r\n";
  std::vector<Delivery> batch;
  batch.push_back(std::move(delivery));
  const auto results = store->deliver(batch);
  REQUIRE(results.size() == 1);
  REQUIRE(results[0]);
  CHECK(results[0]->copies.size() == 2);
  REQUIRE(results[0]->failures.size() == 4);
  CHECK_FALSE(results[0]->failures[0]);
  REQUIRE(results[0]->failures[1]);
  CHECK(results[0]->failures[1]->kind == ErrorKind::kNotFound);
  REQUIRE(results[0]->failures[2]);
  CHECK(results[0]->failures[2]->kind == ErrorKind::kInvalid);
  CHECK_FALSE(results[0]->failures[3]);
  CHECK(fetch_all(*store, kBert).empty());
  // A policy's lines stand behind our own, on top of what came.
  REQUIRE(fetch_all(*store, kAnna).size() == 1);
  CHECK(fetch_all(*store, kAnna)[0].content ==
        "Return-Path: <" + kSender + ">\r\nDelivered-To: anna@example.org\r\nX-Tag: one\r\nDelivered-To: " +
            kBert + "\r\n\r\nhello\r\n");

  Delivery nobody = message(*store, {"gone@example.org"}, "x\r\n");
  nobody.failures = Failures::kOfEachRecipient;
  batch.clear();
  batch.push_back(std::move(nobody));
  const auto none = store->deliver(batch);
  REQUIRE(none[0]);
  CHECK(none[0]->copies.empty());
  REQUIRE(none[0]->failures.size() == 1);
  CHECK(none[0]->failures[0]);
}

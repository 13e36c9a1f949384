#include "storage/accounts/accounts.h"

#include <cerrno>
#include <filesystem>

#include "protocols/smtp/surrogate.h"

#include "crash.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

ErrorKind kind_of(const Result<void>& done) {
  REQUIRE_FALSE(done.has_value());
  return done.error().kind;
}

}  // namespace

TEST_CASE("a mailbox is added once, whatever the spelling", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  CHECK(kind_of(store->add_mailbox(address("ANNA@example.ORG"), "$x$")) == ErrorKind::kExists);
  REQUIRE(store->add_alias("info@example.org", {address(kAnna)}).has_value());
  CHECK(kind_of(store->add_mailbox(address("Info@example.org"), "$x$")) == ErrorKind::kExists);
  CHECK(kind_of(store->add_mailbox(Address{"", "example.org"}, "$x$")) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_mailbox(Address{"a\nb", "example.org"}, "$x$")) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_mailbox(Address{std::string("a\0b", 3), "example.org"}, "$x$")) ==
        ErrorKind::kInvalid);
  CHECK(kind_of(store->add_mailbox(Address{"a", "../../etc"}, "$x$")) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_mailbox(Address{"a", ""}, "$x$")) == ErrorKind::kInvalid);
  CHECK(store->directory()->mailboxes().size() == 1);
}

TEST_CASE("a mailbox that could not be added is none after the next start, either", "[storage]") {
  const int error_number = GENERATE(EIO, ENOSPC);
  at_each_fault([&](int n) {
    bool happened = false;
    Scratch scratch;
    auto store = store_with(scratch.data(), {"anna@example.org"});
    bool added = false;
    {
      DiskFault fault(n, error_number);
      added = store->add_mailbox(address("bert@other.example"), "").has_value();
      happened = fault.happened();
    }
    CHECK((added || happened));
    store.reset();
    store = open_store(scratch.data());
    CHECK(store->list_mailboxes()->size() == (added ? 2 : 1));
    REQUIRE(added != store->add_mailbox(address("bert@other.example"), "").has_value());
    REQUIRE(deliver(*store, {"bert@other.example"}, "A: b\r\n\r\n").has_value());
    return happened;
  });
}

TEST_CASE("passwords, their serial and the enabled flag", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const auto serial = store->directory()->find(address(kAnna))->credentials_serial;
  CHECK(store->credentials(address("Anna@Example.org"))->password_hash == "$x$");
  REQUIRE(store->set_password(address(kAnna), "$2$").has_value());
  CHECK(store->credentials(address(kAnna))->password_hash == "$2$");
  CHECK(store->directory()->find(address(kAnna))->credentials_serial != serial);
  REQUIRE(store->set_enabled(address(kAnna), false).has_value());
  CHECK(store->credentials(address(kAnna)).error().kind == ErrorKind::kNotFound);
  CHECK(store->directory()->classify(address(kAnna)) == RecipientKind::kDisabled);
  CHECK_FALSE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(store->set_enabled(address(kAnna), true).has_value());
  CHECK(store->credentials(address("nobody@example.org")).error().kind == ErrorKind::kNotFound);
  CHECK(kind_of(store->set_password(address("nobody@example.org"), "$x$")) == ErrorKind::kNotFound);
}

TEST_CASE("a summary counts what is there", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  REQUIRE(deliver(*store, {kAnna}, "A: 1\r\n\r\n").has_value());
  REQUIRE(deliver(*store, {kAnna}, "A: 2\r\n\r\n").has_value());
  REQUIRE(store->note_login(id_of(*store, kAnna)).has_value());
  REQUIRE(store->note_login(id_of(*store, kAnna)).has_value());
  auto summary = store->show_mailbox(address(kAnna));
  REQUIRE(summary.has_value());
  CHECK(summary->messages == 2);
  CHECK(summary->octets == 2 * kept(kAnna, "A: 1\r\n\r\n").size());
  CHECK(summary->last_delivery_at > 0);
  CHECK(summary->last_login_at > 0);
  CHECK(summary->created_at > 0);
  CHECK(store->list_mailboxes()->size() == 2);
  CHECK(store->list_mailboxes().value()[1].messages == 0);
  store.reset();
  store = open_store(scratch.data());
  CHECK(store->show_mailbox(address(kAnna))->last_login_at > 0);
  CHECK(store->show_mailbox(address("nobody@example.org")).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("an alias leads to what is ours and never back to itself", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  CHECK(kind_of(store->add_alias("info@example.org", {})) == ErrorKind::kInvalid);
  // new.example becomes ours by this alias, and nobody is called bert there.
  CHECK(kind_of(store->add_alias("info@new.example", {address("bert@new.example")})) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_alias("info@example.org", {address("nobody@example.org")})) ==
        ErrorKind::kInvalid);
  CHECK(kind_of(store->add_alias("info@example.org", {address("info@example.org")})) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_alias("not an address", {address(kAnna)})) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_alias("@", {address(kAnna)})) == ErrorKind::kInvalid);
  CHECK(kind_of(store->add_alias(kAnna, {address(kAnna)})) == ErrorKind::kExists);

  REQUIRE(store->add_alias("Info@Example.org", {address(kAnna)}).has_value());
  CHECK(kind_of(store->add_alias("info@example.org", {address(kAnna)})) == ErrorKind::kExists);
  REQUIRE(store->add_alias("@Example.org", {address("info@example.org")}).has_value());
  CHECK(kind_of(store->add_alias("@example.org", {address(kAnna)})) == ErrorKind::kExists);
  REQUIRE(store->remove_alias("INFO@example.org").has_value());
  // info@ is caught by @example.org now, which leads to info@.
  CHECK(kind_of(store->add_alias("info@example.org", {address("other@example.org")})) == ErrorKind::kInvalid);
  REQUIRE(store->remove_alias("@example.org").has_value());
  CHECK(kind_of(store->remove_alias("@example.org")) == ErrorKind::kNotFound);
  CHECK(store->directory()->aliases().empty());
}

TEST_CASE("accounts and aliases are there after a restart, targets in order", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, "bert@example.org"});
  REQUIRE(store->add_alias("all@second.example", {address("bert@example.org"), address(kAnna)}).has_value());
  store.reset();
  store = open_store(scratch.data());
  const auto directory = store->directory();
  REQUIRE(directory->aliases().size() == 1);
  CHECK(directory->aliases()[0].name == "all@second.example");
  CHECK(directory->aliases()[0].targets == std::vector<Address>{address("bert@example.org"), address(kAnna)});
  CHECK(directory->is_ours("SECOND.example"));
}

TEST_CASE("a mailbox beyond ASCII is one by whom people can log in", "[storage]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {"jörg@bücher.example"});
  CHECK(store->directory()->find(address("JO\xcc\x88RG@xn--bcher-kva.example")) != nullptr);
  CHECK(store->add_mailbox(address("JÖRG@bücher.example"), "$x$").error().kind == ErrorKind::kExists);
  for (const char* refused : {"\xf0\x9f\x98\x80@example.org",
                              "a\xe2\x80\x8b"
                              "b@example.org",
                              "\xef\xbd\x81nna@example.org", "\xef\xac\x81n@example.org"}) {
    INFO(refused);
    const auto added = store->add_mailbox(address(refused), "$x$");
    REQUIRE_FALSE(added);
    CHECK(added.error().kind == ErrorKind::kInvalid);
    CHECK(added.error().message.find("log in") != std::string::npos);
  }
  // As an alias anything will do.
  CHECK(store->add_alias("\xf0\x9f\x98\x80@example.org", {address("jörg@bücher.example")}));
  CHECK(store->add_alias("@straße.example", {address("jörg@bücher.example")}));
  CHECK(store->directory()->resolve(address("x@xn--strae-oqa.example")).size() == 1);

  const std::string content = "Subject: plain\r\n\r\ntext\r\n";
  REQUIRE(deliver(*store, {"\xf0\x9f\x98\x80@example.org"}, content));
  store.reset();
  store = open_store(scratch.data());
  const auto mail = fetch_all(*store, "jörg@bücher.example");
  REQUIRE(mail.size() == 1);
  CHECK(mail[0].content ==
        kept("jörg@xn--bcher-kva.example", "X-Original-To: \xf0\x9f\x98\x80@example.org\r\n" + content));
  // Our own line makes its header one that not every reader may have.
  auto maildrop = store->open_maildrop(id_of(*store, "jörg@bücher.example"));
  REQUIRE(maildrop);
  const MaildropEntry entry = entries_of(*store, **maildrop).at(0);
  CHECK(entry.header == HeaderText::kUtf8);
  Surrogate surrogate;
  surrogate.read(mail[0].content, nullptr);
  surrogate.finish(nullptr);
  CHECK(entry.size + static_cast<std::uint64_t>(entry.surrogate_growth) == surrogate.size());

  // The index is lost, and the folders' names say whose they are.
  maildrop = Error{};
  store.reset();
  std::filesystem::remove(scratch.data() + "/mailstead.db");
  store = open_store(scratch.data());
  CHECK(fetch_all(*store, "jörg@bücher.example").size() == 1);
}

#include "storage/accounts/directory.h"

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

Directory example() {
  std::vector<MailboxEntry> mailboxes{{1, address("anna@example.org"), true, 1},
                                      {2, address("bert@example.org"), true, 1},
                                      {3, address("carl@second.example"), false, 1}};
  std::vector<AliasEntry> aliases{
      {"all@example.org",
       {address("anna@example.org"), address("team@example.org"), address("carl@second.example")}},
      {"team@example.org", {address("bert@example.org"), address("all@example.org")}},
      {"old@example.org", {address("gone@example.org")}},
      {"@second.example", {address("bert@example.org")}},
      {"idle@example.org", {address("carl@second.example")}}};
  return Directory(std::move(mailboxes), std::move(aliases));
}

}  // namespace

TEST_CASE("a recipient is a mailbox, an alias, a catch-all, unknown, or not ours", "[storage]") {
  const Directory directory = example();
  CHECK(directory.classify(address("ANNA@example.org")) == RecipientKind::kOurs);
  CHECK(directory.resolve(address("ANNA@example.org")) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("all@example.org")) == std::vector<MailboxId>{1, 2});
  CHECK(directory.classify(address("old@example.org")) == RecipientKind::kUnknown);
  CHECK(directory.classify(address("idle@example.org")) == RecipientKind::kDisabled);
  CHECK(directory.classify(address("carl@second.example")) == RecipientKind::kDisabled);
  CHECK(directory.resolve(address("anything@second.example")) == std::vector<MailboxId>{2});
  CHECK(directory.classify(address("nobody@example.org")) == RecipientKind::kUnknown);
  CHECK(directory.classify(address("anna@elsewhere.example")) == RecipientKind::kNotOurs);
  CHECK(directory.classify(Address{"anna", ""}) == RecipientKind::kNotOurs);
}

TEST_CASE("mail to postmaster always finds somebody", "[storage]") {
  const Directory directory = example();
  CHECK(directory.resolve(Address{"Postmaster", ""}) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("postmaster@example.org")) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("postmaster@second.example")) == std::vector<MailboxId>{2});
  CHECK(directory.classify(address("postmaster@elsewhere.example")) == RecipientKind::kNotOurs);
  const Directory with_alias(
      {{1, address("anna@example.org"), true, 1}, {2, address("bert@example.org"), true, 1}},
      {{"postmaster@example.org", {address("bert@example.org")}}});
  CHECK(with_alias.resolve(Address{"postmaster", ""}) == std::vector<MailboxId>{2});
  const Directory two({{1, address("anna@example.org"), true, 1},
                       {2, address("bert@second.example"), false, 1},
                       {3, address("carl@second.example"), true, 1},
                       {4, address("dora@third.example"), false, 1}},
                      {});
  CHECK(two.resolve(address("Postmaster@Second.example")) == std::vector<MailboxId>{3});
  CHECK(two.resolve(address("postmaster@third.example")) == std::vector<MailboxId>{1});
  CHECK(two.resolve(address("postmaster+x@third.example")) == std::vector<MailboxId>{1});
  // Who is switched off reads nothing.
  const Directory off({{1, address("postmaster@example.org"), false, 1},
                       {2, address("bert@example.org"), true, 1},
                       {3, address("carl@example.org"), false, 1}},
                      {{"postmaster@second.example", {address("carl@example.org")}}});
  for (const char* each : {"postmaster@example.org", "postmaster@second.example"})
    CHECK(off.resolve(address(each)) == std::vector<MailboxId>{2});
  CHECK(off.resolve(Address{"postmaster", ""}) == std::vector<MailboxId>{2});
  const Directory nobody({{1, address("postmaster@example.org"), false, 1}}, {});
  CHECK(nobody.classify(address("postmaster@example.org")) == RecipientKind::kDisabled);
  CHECK(nobody.classify(Address{"postmaster", ""}) == RecipientKind::kUnknown);
  const Directory empty({}, {});
  CHECK(empty.resolve(Address{"postmaster", ""}).empty());
}

TEST_CASE("a mailbox sends as itself and as its aliases", "[storage]") {
  const Directory directory = example();
  CHECK(directory.may_send_as(1, address("Anna@example.org")));
  CHECK(directory.may_send_as(2, address("team@example.org")));
  CHECK(directory.may_send_as(2, address("sales@second.example")));
  CHECK_FALSE(directory.may_send_as(1, address("bert@example.org")));
  CHECK_FALSE(directory.may_send_as(1, address("anna@elsewhere.example")));
}

TEST_CASE("what follows a plus in a local part says nothing about the mailbox", "[storage]") {
  const Directory directory({{1, address("anna@example.org"), true, 1},
                             {2, address("bert+sales@example.org"), true, 1},
                             {3, address("bert@example.org"), true, 1},
                             {4, address("carl@example.org"), true, 1}},
                            {{"info@example.org", {address("anna+info@example.org")}},
                             {"carl+list@example.org", {address("anna@example.org")}},
                             {"round@example.org", {address("round+again@example.org")}},
                             {"@example.org", {address("carl@example.org")}}});
  CHECK(directory.resolve(address("Anna+Shop@example.org")) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("anna+a+b@example.org")) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("anna+@example.org")) == std::vector<MailboxId>{1});
  CHECK(directory.resolve(address("info+x@example.org")) == std::vector<MailboxId>{1});
  // The whole name comes first, as a mailbox and as an alias.
  CHECK(directory.resolve(address("bert+sales@example.org")) == std::vector<MailboxId>{2});
  CHECK(directory.resolve(address("bert+other@example.org")) == std::vector<MailboxId>{3});
  CHECK(directory.resolve(address("carl+list@example.org")) == std::vector<MailboxId>{1});
  // And the catch-all last; nobody stands before this plus.
  CHECK(directory.resolve(address("nobody+x@example.org")) == std::vector<MailboxId>{4});
  CHECK(directory.resolve(address("+anna@example.org")) == std::vector<MailboxId>{4});
  CHECK(directory.resolve(address("round@example.org")).empty());
  CHECK(directory.may_send_as(1, address("anna+shop@example.org")));
  CHECK_FALSE(directory.may_send_as(3, address("bert+sales@example.org")));
  // A local part that holds a route has no detail.
  CHECK(directory.resolve(Address{"anna+x@elsewhere.example", "example.org"}) == std::vector<MailboxId>{4});
  CHECK(directory.resolve(address("anna+x%elsewhere.example@example.org")) == std::vector<MailboxId>{4});
  // Who logs in says the whole name.
  CHECK(directory.find(address("anna+shop@example.org")) == nullptr);
}

TEST_CASE("an alias passes mail on to other hosts, each target once", "[storage][forwarding]") {
  std::vector<MailboxEntry> mailboxes{{1, address("anna@example.org"), true, 1},
                                      {2, address("bert@example.org"), false, 1}};
  std::vector<AliasEntry> aliases{
      {"both@example.org",
       {address("anna@example.org"), address("a@far.example"), address("team@example.org")}},
      {"team@example.org", {address("a@far.example"), address("b@wide.example")}},
      {"off@example.org", {address("bert@example.org")}},
      {"gone@example.org", {address("nobody@example.org")}},
      {"@second.example", {address("c@far.example")}}};
  const Directory directory(std::move(mailboxes), std::move(aliases));
  const auto texts = [&](const char* recipient) {
    std::vector<std::string> found;
    for (const Forward& forward : directory.forwards(address(recipient))) {
      found.push_back(forward.via.text() + " > " + forward.target.text());
    }
    return found;
  };
  CHECK(texts("Both@example.org") ==
        std::vector<std::string>{"both@example.org > a@far.example", "team@example.org > b@wide.example"});
  CHECK(directory.resolve(address("both@example.org")) == std::vector<MailboxId>{1});
  CHECK(texts("team+detail@example.org") ==
        std::vector<std::string>{"team@example.org > a@far.example", "team@example.org > b@wide.example"});
  CHECK(texts("who@second.example") == std::vector<std::string>{"who@second.example > c@far.example"});
  CHECK(directory.classify(address("who@second.example")) == RecipientKind::kOurs);
  CHECK(directory.classify(address("team@example.org")) == RecipientKind::kOurs);
  CHECK(directory.classify(address("off@example.org")) == RecipientKind::kDisabled);
  CHECK(directory.classify(address("gone@example.org")) == RecipientKind::kUnknown);
  CHECK(texts("anna@example.org").empty());
  CHECK(texts("a@far.example").empty());
  // Nobody here is the other host's user.
  CHECK_FALSE(directory.may_send_as(1, address("team@example.org")));
  CHECK(directory.may_send_as(1, address("both@example.org")));
}

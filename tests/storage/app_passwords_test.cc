#include "storage/accounts/app_passwords.h"

#include <string>

#include "storage/accounts/password.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr const char* kBo = "bo@example.org";

Result<void> add(Store& store, const std::string& name, const std::string& password,
                 ApopUse apop = ApopUse::kNo, PasswordScope scope = PasswordScope::kReadAndSend) {
  return store.add_app_password(address(kAnna), {name, scope, apop, password});
}

const MailboxEntry& entry(const Directory& directory, const char* mailbox) {
  return *directory.find(address(mailbox));
}

}  // namespace

TEST_CASE("an app password is kept as keys, beside the mailbox's own", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBo});
  CHECK_FALSE(store->directory()->offers_scram());
  REQUIRE(add(*store, "Phone", "secret-one", ApopUse::kYes, PasswordScope::kRead).has_value());
  REQUIRE(add(*store, "Notebook of Anna", "secret-two").has_value());
  store.reset();
  store = open_store(scratch.data());
  CHECK(store->directory()->offers_scram());
  CHECK(store->directory()->offers_apop());
  auto credentials = store->credentials(address("ANNA@example.org"));
  REQUIRE(credentials.has_value());
  CHECK(credentials->password_hash == "$x$");
  REQUIRE(credentials->app_passwords.size() == 2);
  const AppPasswordKeys& phone = credentials->app_passwords[0];
  CHECK(phone.name == "Phone");
  CHECK(phone.scope == PasswordScope::kRead);
  CHECK(phone.apop_secret == "secret-one");
  CHECK(scram::same_keys(phone.keys, scram::derive_keys("secret-one", phone.salt, phone.iterations)));
  const AppPasswordKeys& notebook = credentials->app_passwords[1];
  CHECK(notebook.scope == PasswordScope::kReadAndSend);
  CHECK(notebook.apop_secret.empty());
  CHECK(scram::same_keys(notebook.keys, scram::derive_keys("secret-two", notebook.salt)));
  CHECK(notebook.salt == phone.salt);
  CHECK(store->credentials(address(kBo))->app_passwords.empty());
  // Neither stands anywhere on the disk.
  for (const char* file : {"/mailstead.db", "/mailstead.db-wal"})
    CHECK(read_file(scratch.data() + file).find("secret-") == std::string::npos);
}

TEST_CASE("names of devices are told apart whatever their letters' case", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBo});
  REQUIRE(add(*store, "Phone", "p").has_value());
  CHECK(add(*store, "phone", "p").error().kind == ErrorKind::kExists);
  REQUIRE(store->add_app_password(address(kBo), {"phone", {}, ApopUse::kNo, "p"}).has_value());
  CHECK(store->add_app_password(address("nobody@example.org"), {"x", {}, ApopUse::kNo, "p"}).error().kind ==
        ErrorKind::kNotFound);
  CHECK(store->revoke_app_password(address(kAnna), "tablet").error().kind == ErrorKind::kNotFound);
  REQUIRE(store->revoke_app_password(address(kAnna), "PHONE").has_value());
  CHECK(store->list_app_passwords(address(kAnna))->empty());
  CHECK(store->list_app_passwords(address(kBo))->size() == 1);
  CHECK(store->list_app_passwords(address("nobody@example.org")).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a device's name is a line that a person can read", "[app-password]") {
  for (const char* good : {"x", "Anna's phone", "Büro 日本", "-", "a;b\"c"}) CHECK(check_device_name(good));
  for (const std::string& bad :
       {std::string(), std::string(" x"), std::string("x "), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xff"), std::string("\xc2\x9b"), std::string("\x7f"), std::string(65, 'x'),
        std::string("a\xe2\x80\xae"
                    "b"),
        std::string("192.0.2.1"), std::string("::1"), std::string("(expiry)")}) {
    INFO(bad);
    CHECK(check_device_name(bad).error().kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("a mailbox has fifty app passwords at most", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (std::size_t i = 0; i < kMaxAppPasswords; ++i) REQUIRE(add(*store, std::to_string(i), "p").has_value());
  CHECK(add(*store, "more", "p").error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a session goes on while what opened it is there", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(add(*store, "phone", "p").has_value());
  const auto now = [&] { return entry(*store->directory(), kAnna); };
  const LoginKey own{now().id, now().credentials_serial, 0};
  const LoginKey phone{now().id, now().credentials_serial, now().app_passwords[0].id};
  CHECK(store->directory()->admits(own));
  CHECK(store->directory()->admits(phone));
  CHECK_FALSE(store->directory()->admits({now().id + 1, now().credentials_serial, 0}));
  // The own password's change is nothing to the phone, and the other way round.
  REQUIRE(store->set_password(address(kAnna), "$y$").has_value());
  CHECK_FALSE(store->directory()->admits(own));
  CHECK(store->directory()->admits(phone));
  REQUIRE(store->revoke_app_password(address(kAnna), "phone").has_value());
  CHECK_FALSE(store->directory()->admits(phone));
  REQUIRE(add(*store, "phone", "p").has_value());
  CHECK_FALSE(store->directory()->admits(phone));
  const LoginKey again{now().id, now().credentials_serial, now().app_passwords[0].id};
  CHECK(store->directory()->admits(again));
  REQUIRE(store->set_enabled(address(kAnna), false).has_value());
  CHECK_FALSE(store->directory()->admits(again));
  CHECK_FALSE(store->directory()->offers_scram());
}

TEST_CASE("the salt tells nobody which names exist", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string before = store->scram_salt(kAnna);
  const std::string nobody = store->scram_salt("nobody@example.org");
  const std::string garbage = store->scram_salt("no address");
  CHECK(before.size() == scram::kSaltOctets);
  CHECK(nobody.size() == scram::kSaltOctets);
  CHECK(garbage.size() == scram::kSaltOctets);
  CHECK(nobody != before);
  CHECK(store->scram_salt("Anna@EXAMPLE.org") == before);
  REQUIRE(add(*store, "phone", "p").has_value());
  CHECK(store->scram_salt(kAnna) == before);
  store.reset();
  store = open_store(scratch.data());
  CHECK(store->scram_salt(kAnna) == before);
  CHECK(store->scram_salt("nobody@example.org") == nobody);
  CHECK(store->scram_salt("no address") == garbage);
}

TEST_CASE("without its secret.key an app password works but for APOP", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(add(*store, "phone", "secret", ApopUse::kYes).has_value());
  CHECK(store->list_app_passwords(address(kAnna))->at(0).apop == Apop::kReady);
  store.reset();
  write_file(scratch.data() + "/secret.key", std::string(64, 'a') + "\n");
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "an app password whose APOP secret secret.key does not open"));
  CHECK(store->list_app_passwords(address(kAnna))->at(0).apop == Apop::kLost);
  CHECK(store->directory()->offers_scram());
  CHECK_FALSE(store->directory()->offers_apop());
  const auto credentials = store->credentials(address(kAnna));
  const AppPasswordKeys& phone = credentials->app_passwords.at(0);
  CHECK(phone.apop_secret.empty());
  // Its salt stands with its keys: a lost secret.key does not take the password along.
  CHECK(store->scram_salt(kAnna) == phone.salt);
  CHECK(scram::same_keys(phone.keys, scram::derive_keys("secret", phone.salt)));
  // A later one uses the same salt.
  REQUIRE(add(*store, "tablet", "other", ApopUse::kYes).has_value());
  CHECK(store->credentials(address(kAnna))->app_passwords.at(1).salt == phone.salt);
  CHECK(store->credentials(address(kAnna))->app_passwords.at(1).apop_secret == "other");
}

TEST_CASE("app passwords go with their mailbox and are no heirloom", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(add(*store, "phone", "p", ApopUse::kYes).has_value());
  REQUIRE(store->remove_mailbox(address(kAnna), KeepMail::kYes).has_value());
  CHECK_FALSE(store->directory()->offers_apop());
  REQUIRE(store->add_mailbox(address(kAnna), "$x$").has_value());
  CHECK(store->list_app_passwords(address(kAnna))->empty());
}

TEST_CASE("app passwords survive the damage of the database", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(add(*store, "phone", "secret", ApopUse::kYes).has_value());
  store.reset();
  run_sql(scratch.data() + "/mailstead.db", "DROP TABLE messages");
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(mentions(report, "1 mailboxes, 0 aliases and 1 app passwords from the damaged database"));
  CHECK(store->credentials(address(kAnna))->app_passwords.at(0).apop_secret == "secret");
}

TEST_CASE("when an app password was used last is remembered", "[app-password]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(add(*store, "phone", "p").has_value());
  const auto phone = entry(*store->directory(), kAnna).app_passwords[0].id;
  CHECK(store->list_app_passwords(address(kAnna))->at(0).last_used_at == 0);
  REQUIRE(store->note_login(id_of(*store, kAnna)).has_value());
  REQUIRE(store->note_login(id_of(*store, kAnna), "phone", phone).has_value());
  CHECK(store->list_app_passwords(address(kAnna))->at(0).last_used_at > 0);
  store.reset();
  store = open_store(scratch.data());
  CHECK(store->list_app_passwords(address(kAnna))->at(0).last_used_at > 0);
  CHECK(store->list_app_passwords(address(kAnna))->at(0).created_at > 0);
}

TEST_CASE("a generated password is random, and known by its form", "[password]") {
  const std::string password = generate_app_password();
  CHECK(password.size() == 35);
  CHECK(password != generate_app_password());
  CHECK(is_like_app_password(password));
  CHECK_FALSE(is_like_app_password(generate_password()));
  CHECK_FALSE(is_like_app_password(""));
  CHECK_FALSE(is_like_app_password(password.substr(1)));
  CHECK_FALSE(is_like_app_password(password + "a"));
  CHECK_FALSE(is_like_app_password(std::string(35, 'a')));
  CHECK_FALSE(is_like_app_password("A" + password.substr(1)));
}

#include "storage/accounts/secret_key.h"

#include <sys/stat.h>

#include "storage/check/checker.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

struct Opened {
  std::unique_ptr<DataFolder> folder;
  std::vector<std::string> actions;
  SecretKey key;
};

Opened open_key(const std::string& data, const std::string& credentials = "") {
  auto folder = DataFolder::open(data, "host");
  REQUIRE(folder.has_value());
  std::vector<std::string> actions;
  auto key = SecretKey::open(**folder, credentials, actions);
  REQUIRE(key.has_value());
  return {std::move(*folder), actions, *key};
}

Error refused_key(const std::string& data, const std::string& credentials = "") {
  auto folder = DataFolder::open(data, "host");
  REQUIRE(folder.has_value());
  std::vector<std::string> actions;
  auto key = SecretKey::open(**folder, credentials, actions);
  REQUIRE_FALSE(key.has_value());
  return key.error();
}

const std::string kOneKey = std::string(64, '1') + "\n";
const std::string kOtherKey = std::string(64, '2') + "\n";

// What systemd makes of LoadCredential=secret.key:…
std::string credentials_with(const Scratch& scratch, const std::string& content) {
  const std::string folder = scratch.path() + "/credentials";
  ::mkdir(folder.c_str(), 0700);
  write_file(folder + "/secret.key", content);
  return folder;
}

bool is_there(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0;
}

}  // namespace

TEST_CASE("secret.key is made once, for its owner alone", "[secret-key]") {
  Scratch scratch;
  std::string sealed;
  {
    const Opened first = open_key(scratch.data());
    CHECK(first.actions.empty());
    sealed = first.key.seal("the secret", "here");
  }
  struct stat facts {};
  REQUIRE(::stat((scratch.data() + "/secret.key").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  CHECK(read_file(scratch.data() + "/secret.key").size() == 65);
  const Opened again = open_key(scratch.data());
  CHECK(again.actions.empty());
  CHECK(again.key.unseal(sealed, "here") == "the secret");
}

TEST_CASE("what is sealed is opened whole, in its place, or not at all", "[secret-key]") {
  Scratch scratch;
  const Opened opened = open_key(scratch.data());
  const std::string sealed = opened.key.seal("the secret", "here");
  CHECK(sealed.find("secret") == std::string::npos);
  CHECK(sealed != opened.key.seal("the secret", "here"));
  CHECK_FALSE(opened.key.unseal(sealed, "there"));
  CHECK_FALSE(opened.key.unseal("", "here"));
  CHECK_FALSE(opened.key.unseal(sealed.substr(0, sealed.size() - 1), "here"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string damaged = sealed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(opened.key.unseal(damaged, "here"));
  }
  CHECK(opened.key.unseal(opened.key.seal("", ""), "") == "");
}

TEST_CASE("a damaged secret.key is kept aside", "[secret-key]") {
  for (const std::string& content :
       {std::string(), std::string("short\n"), std::string(64, 'g') + "\n", std::string(65, 'a') + "\n"}) {
    Scratch scratch;
    open_key(scratch.data());
    write_file(scratch.data() + "/secret.key", content);
    const Opened opened = open_key(scratch.data());
    REQUIRE(opened.actions.size() == 1);
    CHECK(opened.actions[0].find("secret.key was damaged: it is kept as secret.key.damaged-") == 0);
    CHECK(read_file(scratch.data() + "/secret.key").size() == 65);
    const std::string aside = opened.actions[0].substr(opened.actions[0].find(" as ") + 4);
    CHECK(read_file(scratch.data() + "/" + aside.substr(0, aside.find(','))) == content);
  }
}

TEST_CASE("a secret.key that is no file keeps the store closed", "[secret-key]") {
  Scratch scratch;
  open_key(scratch.data());
  REQUIRE(::remove((scratch.data() + "/secret.key").c_str()) == 0);
  REQUIRE(::mkdir((scratch.data() + "/secret.key").c_str(), 0700) == 0);
  CHECK(refused_store(scratch.data()).message.find("secret.key") != std::string::npos);
}

TEST_CASE("a key that is a credential is not written into the data folder", "[secret-key]") {
  Scratch scratch;
  const std::string credentials = credentials_with(scratch, kOneKey);
  const std::string sealed = open_key(scratch.data(), credentials).key.seal("the secret", "here");
  CHECK_FALSE(is_there(scratch.data() + "/secret.key"));
  const std::string mark = read_file(scratch.data() + "/secret.key.credential");
  CHECK(mark.size() == 65);
  CHECK(mark != kOneKey);
  {
    const Opened again = open_key(scratch.data(), credentials);
    CHECK(again.actions.empty());
    CHECK(again.key.unseal(sealed, "here") == "the secret");
  }
  // As it is printed without the newline.
  write_file(credentials + "/secret.key", kOneKey.substr(0, 64));
  CHECK(open_key(scratch.data(), credentials).key.unseal(sealed, "here") == "the secret");
}

TEST_CASE("who has not the credential makes no second key", "[secret-key]") {
  Scratch scratch;
  open_key(scratch.data(), credentials_with(scratch, kOneKey));
  CHECK(refused_key(scratch.data()).message.find("CREDENTIALS_DIRECTORY") != std::string::npos);
  CHECK(refused_store(scratch.data()).message.find("secret.key is a credential") != std::string::npos);
  CHECK_FALSE(is_there(scratch.data() + "/secret.key"));
  // Another key, from either place.
  CHECK(refused_key(scratch.data(), credentials_with(scratch, kOtherKey)).message.find("the credential") !=
        std::string::npos);
  write_file(scratch.data() + "/secret.key", kOtherKey);
  CHECK(refused_key(scratch.data()).message.find("the file") != std::string::npos);
  // Back into the data folder.
  write_file(scratch.data() + "/secret.key", kOneKey);
  CHECK(open_key(scratch.data()).actions.empty());
  // The key is lost: a decision of whoever removes the mark.
  REQUIRE(::remove((scratch.data() + "/secret.key").c_str()) == 0);
  REQUIRE(::remove((scratch.data() + "/secret.key.credential").c_str()) == 0);
  open_key(scratch.data());
  CHECK(is_there(scratch.data() + "/secret.key"));
}

TEST_CASE("a credential beside another secret.key keeps the store closed", "[secret-key]") {
  Scratch scratch;
  open_key(scratch.data());
  const std::string file = read_file(scratch.data() + "/secret.key");
  const std::string credentials = credentials_with(scratch, kOneKey);
  const std::string refusal = refused_key(scratch.data(), credentials).message;
  CHECK(refusal.find("secret.key is another key than the credential secret.key") != std::string::npos);
  CHECK(refusal.find('\n') == std::string::npos);
  CHECK(read_file(scratch.data() + "/secret.key") == file);
  CHECK_FALSE(is_there(scratch.data() + "/secret.key.credential"));
  // The same one is no harm; somebody forgot to remove it.
  credentials_with(scratch, file);
  const std::vector<std::string> told = open_key(scratch.data(), credentials).actions;
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("remove") != std::string::npos);
  CHECK(read_file(scratch.data() + "/secret.key") == file);
  // A damaged one is no key.
  write_file(scratch.data() + "/secret.key", "short\n");
  REQUIRE(open_key(scratch.data(), credentials).actions.size() == 1);
  CHECK_FALSE(is_there(scratch.data() + "/secret.key"));
}

TEST_CASE("a credential that is no key keeps the store closed, and a folder without one is none",
          "[secret-key]") {
  Scratch scratch;
  for (const std::string& content : {std::string(), std::string("short\n"), std::string(64, 'g') + "\n"}) {
    CHECK(refused_key(scratch.data(), credentials_with(scratch, content)).message.find("is no key") !=
          std::string::npos);
    CHECK_FALSE(is_there(scratch.data() + "/secret.key"));
  }
  // Other credentials, or another service's folder.
  REQUIRE(::remove((scratch.path() + "/credentials/secret.key").c_str()) == 0);
  open_key(scratch.data(), scratch.path() + "/credentials");
  CHECK(is_there(scratch.data() + "/secret.key"));
  open_key(scratch.data(), scratch.path() + "/nothing");
  CHECK_FALSE(is_there(scratch.data() + "/secret.key.credential"));
}

TEST_CASE("APOP goes on when its key becomes a credential, and a check misses nothing", "[secret-key]") {
  Scratch scratch;
  {
    auto store = store_with(scratch.data(), {"anna@example.org"});
    REQUIRE(store
                ->add_app_password(address("anna@example.org"),
                                   {"phone", PasswordScope::kReadAndSend, ApopUse::kYes, "secret"})
                .has_value());
    REQUIRE(store->close().has_value());
  }
  const std::string credentials = credentials_with(scratch, read_file(scratch.data() + "/secret.key"));
  REQUIRE(::remove((scratch.data() + "/secret.key").c_str()) == 0);
  RecoveryReport report;
  auto store =
      Store::open({.data = scratch.data(), .host = "test.example", .credentials = credentials}, report);
  REQUIRE(store.has_value());
  CHECK(report.actions.empty());
  CHECK((*store)->credentials(address("anna@example.org"))->app_passwords.at(0).apop_secret == "secret");
  auto checker = Checker::open(scratch.data());
  REQUIRE(checker.has_value());
  CHECK((*checker)->check_folders().value().empty());
  // Without the mark it is missed.
  REQUIRE(::remove((scratch.data() + "/secret.key.credential").c_str()) == 0);
  CHECK((*checker)->check_folders().value().size() == 1);
}

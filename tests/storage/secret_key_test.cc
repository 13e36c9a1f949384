#include "storage/secret_key.h"

#include <sys/stat.h>

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

Opened open_key(const std::string& data) {
  auto folder = DataFolder::open(data, "host");
  REQUIRE(folder.has_value());
  std::vector<std::string> actions;
  auto key = SecretKey::open(**folder, actions);
  REQUIRE(key.has_value());
  return {std::move(*folder), actions, *key};
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

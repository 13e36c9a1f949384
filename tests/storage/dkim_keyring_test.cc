#include "storage/accounts/dkim_keyring.h"

#include <sys/stat.h>

#include <filesystem>
#include <functional>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

constexpr const char* kDomain = "example.org";

std::string domain_folder(const Scratch& scratch) {
  return scratch.data() + "/dkim/example.org";
}

std::vector<std::string> in_state(Store& store, DkimKeyState state) {
  std::vector<std::string> selectors;
  const auto keys = store.list_dkim_keys(kDomain);
  REQUIRE(keys);
  for (const DkimKeyEntry& key : *keys) {
    if (key.state == state) selectors.push_back(key.identity.selector);
  }
  return selectors;
}

std::vector<std::string> signing(Store& store) {
  std::vector<std::string> selectors;
  const auto keys = store.dkim_keys(kDomain);
  REQUIRE(keys);
  CHECK(store.known_dkim_keys(kDomain) == *keys);
  for (const DkimIdentity& identity : **keys) {
    CHECK(identity.domain == kDomain);
    selectors.push_back(identity.selector);
  }
  CHECK(selectors == in_state(store, DkimKeyState::kActive));
  return selectors;
}

unsigned mode_of_key(const std::string& path) {
  struct stat facts {};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 0777;
}

}  // namespace

TEST_CASE("a domain's keys are made when they are first needed, and stay", "[dkim-keys]") {
  Scratch scratch;
  std::vector<std::string> first;
  std::string record;
  {
    const auto store = store_with(scratch.data(), {kAnna});
    CHECK(names_in(scratch.data() + "/dkim").empty());
    CHECK(store->known_dkim_keys(kDomain) == nullptr);
    first = signing(*store);
    REQUIRE(first.size() == 2);
    CHECK(first[0].starts_with("mailstead-20"));
    CHECK(first[0].ends_with("-r"));
    CHECK(first[1].ends_with("-e"));
    const auto keys = store->dkim_keys(kDomain).value();
    CHECK(keys->at(0).key.algorithm() == DkimAlgorithm::kRsaSha256);
    CHECK(keys->at(1).key.algorithm() == DkimAlgorithm::kEd25519Sha256);
    record = keys->at(0).key.record();
    CHECK(in_state(*store, DkimKeyState::kNext).empty());
  }
  CHECK(mode_of_key(domain_folder(scratch)) == 0700);
  for (const std::string& name : {first[0] + ".key", first[1] + ".key", std::string("state")}) {
    CHECK(mode_of_key(domain_folder(scratch) + "/" + name) == 0600);
  }
  const auto store = open_store(scratch.data());
  CHECK(signing(*store) == first);
  CHECK(store->dkim_keys(kDomain).value()->at(0).key.record() == record);
}

TEST_CASE("only a domain of ours has keys", "[dkim-keys]") {
  Scratch scratch;
  const auto store = store_with(scratch.data(), {kAnna, "bert@[192.0.2.1]"});
  for (const char* other : {"elsewhere.example", "[192.0.2.1]", "", "../mail"}) {
    CHECK(store->dkim_keys(other).error().kind == ErrorKind::kNotFound);
    CHECK(store->prepare_dkim_keys(other).error().kind == ErrorKind::kNotFound);
    CHECK(store->activate_dkim_keys(other).error().kind == ErrorKind::kNotFound);
    CHECK(store->list_dkim_keys(other).error().kind == ErrorKind::kNotFound);
  }
  CHECK(names_in(scratch.data() + "/dkim").empty());
}

TEST_CASE("the next keys sign when they are activated, and the old ones are retired", "[dkim-keys]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const auto first = signing(*store);
  CHECK(store->activate_dkim_keys(kDomain).error().kind == ErrorKind::kNotFound);
  REQUIRE(store->prepare_dkim_keys(kDomain));
  const auto next = in_state(*store, DkimKeyState::kNext);
  REQUIRE(next.size() == 2);
  CHECK(next[0] == first[0].substr(0, first[0].size() - 2) + "b-r");
  REQUIRE(store->prepare_dkim_keys(kDomain));
  CHECK(in_state(*store, DkimKeyState::kNext) == next);
  CHECK(signing(*store) == first);

  store.reset();
  store = open_store(scratch.data());
  CHECK(signing(*store) == first);
  REQUIRE(store->activate_dkim_keys(kDomain));
  CHECK(signing(*store) == next);
  CHECK(in_state(*store, DkimKeyState::kRetired) == first);
  CHECK(in_state(*store, DkimKeyState::kNext).empty());
  REQUIRE(store->prepare_dkim_keys(kDomain));
  CHECK(in_state(*store, DkimKeyState::kNext).at(0).ends_with("c-r"));
  CHECK(in_state(*store, DkimKeyState::kRetired) == first);
}

TEST_CASE("keys that were retired long ago are forgotten at the next rotation", "[dkim-keys]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const auto first = signing(*store);
  REQUIRE(store->prepare_dkim_keys(kDomain));
  REQUIRE(store->activate_dkim_keys(kDomain));
  store.reset();
  std::string state = read_file(domain_folder(scratch) + "/state");
  for (const std::string& selector : first) {
    const std::size_t at = state.find("retired " + selector + " ");
    REQUIRE(at != std::string::npos);
    const std::size_t from = at + 9 + selector.size();
    state.replace(from, state.find('\n', at) - from, "1000");
  }
  write_file(domain_folder(scratch) + "/state", state);
  store = open_store(scratch.data());
  CHECK(in_state(*store, DkimKeyState::kRetired) == first);
  REQUIRE(store->prepare_dkim_keys(kDomain));
  CHECK(in_state(*store, DkimKeyState::kRetired).empty());
  CHECK(names_in(domain_folder(scratch)).size() == 5);
}

TEST_CASE("what cannot be read is told, and no other key takes its place", "[dkim-keys]") {
  Scratch scratch;
  const auto first = signing(*store_with(scratch.data(), {kAnna}));
  const std::string key = domain_folder(scratch) + "/" + first[0] + ".key";
  const std::string state = domain_folder(scratch) + "/state";
  const std::string good_key = read_file(key), good_state = read_file(state);
  const auto refused = [&](const std::string& words) {
    const auto keys = open_store(scratch.data())->dkim_keys(kDomain);
    REQUIRE_FALSE(keys);
    CHECK(keys.error().kind == ErrorKind::kCorrupt);
    INFO(keys.error().message);
    CHECK(keys.error().message.find(words) != std::string::npos);
  };
  write_file(key, "no key");
  refused("/dkim/example.org: " + first[0] + ".key is no key");
  std::filesystem::remove(key);
  refused(first[0] + ".key is missing");
  write_file(key, good_key);
  for (const char* bad :
       {"x", "active ../../secret.key 1\n", "active  1\n", "asleep a 1\n", "active a x\n", "\n"}) {
    write_file(state, good_state + bad);
    refused("state cannot be read");
  }
  write_file(state, good_state);
  CHECK(signing(*open_store(scratch.data())) == first);
}

TEST_CASE("keys without a state are taken as they are", "[dkim-keys]") {
  Scratch scratch;
  store_with(scratch.data(), {kAnna}).reset();
  std::filesystem::create_directory(domain_folder(scratch));
  const DkimKey old_key = DkimKey::make(DkimAlgorithm::kEd25519Sha256).value();
  const DkimKey new_key = DkimKey::make(DkimAlgorithm::kEd25519Sha256).value();
  write_file(domain_folder(scratch) + "/s1.key", old_key.pem());
  write_file(domain_folder(scratch) + "/s2.key", new_key.pem());
  write_file(domain_folder(scratch) + "/notes.txt", "x");
  auto store = open_store(scratch.data());
  CHECK(signing(*store) == std::vector<std::string>{"s2"});
  CHECK(in_state(*store, DkimKeyState::kRetired) == std::vector<std::string>{"s1"});
  REQUIRE(store->prepare_dkim_keys(kDomain));
  REQUIRE(store->activate_dkim_keys(kDomain));
  store.reset();
  store = open_store(scratch.data());
  CHECK(signing(*store).size() == 2);
}

namespace {

int operations_before_fault = 0;
int fail_in_turn(const char*) {
  return operations_before_fault-- == 0 ? ENOSPC : 0;
}

}  // namespace

TEST_CASE("a disk that fails at any moment leaves the old keys or the new ones", "[dkim-keys]") {
  Scratch scratch;
  const auto before = signing(*store_with(scratch.data(), {kAnna}));
  for (int fails_at = 0;; ++fails_at) {
    auto store = open_store(scratch.data());
    const auto old = signing(*store);
    operations_before_fault = fails_at;
    set_disk_hook(fail_in_turn);
    auto done = store->prepare_dkim_keys(kDomain);
    if (done) done = store->activate_dkim_keys(kDomain);
    set_disk_hook(nullptr);
    const bool failed = !done;
    // Until it is opened again the store does not say what the disk might not have kept.
    if (failed) CHECK(signing(*store) == old);
    store.reset();
    store = open_store(scratch.data());
    CHECK(signing(*store).size() == 2);
    if (!failed) CHECK(signing(*store) != old);
    if (!failed) break;
    REQUIRE(fails_at < 100);
  }
}

#include "protocols/origin/arc_sealer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/catch.h"
#include "tests/protocols/dkim_keys.h"

using namespace mailstead;

namespace {

constexpr std::string_view kResults = "mx.example.org; spf=pass smtp.mailfrom=a@b.example; arc=none";

DkimIdentity sealer() {
  return {"example.org", "seal", dkim_test::ed25519_key()};
}

Result<std::string> seal_of(const std::string& message, ChainValidation chain) {
  ArcSealer whole;
  whole.read(message);
  auto set = whole.finish(sealer(), kResults, chain, {1700000000});
  for (std::size_t cut = 0; cut < message.size(); cut += 3) {
    ArcSealer split;
    split.read(std::string_view(message).substr(0, cut));
    split.read(std::string_view(message).substr(cut));
    const auto again = split.finish(sealer(), kResults, chain, {1700000000});
    REQUIRE(again.has_value() == set.has_value());
    if (set) REQUIRE(*again == *set);
  }
  return set;
}

std::string sealed(const std::string& message, ChainValidation chain) {
  return seal_of(message, chain).value() + message;
}

ErrorKind refused(const std::string& message, ChainValidation chain) {
  const auto set = seal_of(message, chain);
  REQUIRE_FALSE(set.has_value());
  return set.error().kind;
}

}  // namespace

TEST_CASE("an ARC set has the next instance", "[arc]") {
  const std::string first = sealed(dkim_test::kRfcMessage, ChainValidation::kNone);
  CHECK(first.starts_with(
      "ARC-Seal: i=1; a=ed25519-sha256; t=1700000000; cv=none; d=example.org;\r\n\ts=seal;"));
  CHECK(first.find("\r\nARC-Message-Signature: i=1; a=ed25519-sha256; c=relaxed/relaxed;") !=
        std::string::npos);
  CHECK(first.find("\r\nARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n\tsmtp.mailfrom=") !=
        std::string::npos);
  const std::string second = sealed("Received: x\r\n" + first, ChainValidation::kPass);
  CHECK(second.starts_with("ARC-Seal: i=2; a=ed25519-sha256; t=1700000000; cv=pass;"));
  CHECK(
      seal_of(first, ChainValidation::kFail).value().find("i=2; a=ed25519-sha256; t=1700000000; cv=fail;") !=
      std::string::npos);
}

TEST_CASE("a chain that is none is not called one", "[arc]") {
  const std::string plain = dkim_test::kRfcMessage;
  const std::string first = sealed(plain, ChainValidation::kNone);
  CHECK(refused(plain, ChainValidation::kPass) == ErrorKind::kInvalid);
  CHECK(refused(first, ChainValidation::kNone) == ErrorKind::kInvalid);
  const std::string seal_alone = first.substr(0, first.find("ARC-Message")) + plain;
  CHECK(refused(seal_alone, ChainValidation::kPass) == ErrorKind::kInvalid);
  CHECK(seal_of(seal_alone, ChainValidation::kFail).has_value());
  CHECK(refused(first.substr(0, first.find("ARC-Message")) + first, ChainValidation::kPass) ==
        ErrorKind::kInvalid);
  CHECK(refused("ARC-Seal: i=0; cv=none\r\n" + first, ChainValidation::kPass) == ErrorKind::kInvalid);
  CHECK(refused("ARC-Seal: i=51; cv=none\r\n" + first, ChainValidation::kPass) == ErrorKind::kInvalid);
  const std::string failed = sealed(first, ChainValidation::kFail);
  CHECK(refused(failed, ChainValidation::kFail) == ErrorKind::kInvalid);
  CHECK(refused("no field\r\n" + plain, ChainValidation::kNone) == ErrorKind::kInvalid);
}

TEST_CASE("fifty ARC sets are the most", "[arc]") {
  std::string header;
  for (std::size_t i = 1; i <= kMaxArcSets; ++i) {
    const std::string n = std::to_string(i);
    header += "ARC-Seal: i=" + n + "; cv=pass\r\nARC-Message-Signature: i=" + n +
              ";\r\nARC-Authentication-Results: i=" + n + "; x\r\n";
  }
  ArcSealer it;
  it.read(header + "\r\n");
  CHECK(it.finish(sealer(), kResults, ChainValidation::kPass, {}).error().kind == ErrorKind::kTooLarge);
}

// As "messages are signed for others to verify" in dkim_signer_test.cc.
TEST_CASE("messages are sealed for others to verify", "[.sign]") {
  const char* const folder = std::getenv("MAILSTEAD_SIGN");
  REQUIRE(folder != nullptr);
  // Two hosts: the first signs by RSA, for verifiers that know nothing else.
  const DkimIdentity first{"first.example", "rsa", DkimKey::make(DkimAlgorithm::kRsaSha256).value()};
  const DkimIdentity second{"second.example", "rsa", DkimKey::make(DkimAlgorithm::kRsaSha256).value()};
  std::ofstream records(std::filesystem::path(folder) / "arc-records");
  for (const DkimIdentity& identity : {first, second}) {
    records << identity.selector << "._domainkey." << identity.domain << ' ' << identity.key.record() << '\n';
  }
  std::string message = std::string("Received: by x\r\n") + dkim_test::kRfcMessage;
  const auto add = [&message](const DkimIdentity& identity, ChainValidation chain) {
    ArcSealer it;
    it.read(message);
    message = it.finish(identity, kResults, chain, {1700000000}).value() + message;
  };
  const auto write = [&](const char* name) {
    std::ofstream(std::filesystem::path(folder) / name, std::ios::binary) << message;
  };
  add(first, ChainValidation::kNone);
  write("arc-1");
  message.insert(0, "Received: by y\r\n");
  add(second, ChainValidation::kPass);
  write("arc-2");
}

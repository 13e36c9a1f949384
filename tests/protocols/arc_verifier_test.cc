#include "protocols/origin/arc_verifier.h"

#include <chrono>
#include <string>

#include "protocols/base64.h"
#include "protocols/origin/arc_sealer.h"
#include "protocols/sha256.h"
#include "tests/catch.h"
#include "tests/protocols/dkim_keys.h"
#include "tests/protocols/dkim_model.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;
using namespace mailstead::dkim_test;

namespace {

constexpr std::int64_t kArcNow = 1700000000;

ArcVerifier::Keys arc_keys() {
  return {{"s._domainkey.one.example", txt_answer({ed25519_key().record()})},
          {"s._domainkey.two.example", txt_answer({rsa_key().record()})},
          {"s._domainkey.three.example", txt_answer({ed25519_key().record()})}};
}

ArcVerdict arc_verdict(const std::string& message, std::size_t piece = 100000,
                       const ArcVerifier::Keys& keys = arc_keys(), std::int64_t now = kArcNow) {
  SignedMessage read;
  read_in_pieces(read, message, piece);
  return ArcVerifier(read).verify(keys, now);
}

std::string arc_said(const ArcVerdict& verdict) {
  std::string text(name_of(verdict.chain));
  if (verdict.chain == ChainValidation::kPass) text += " " + std::to_string(verdict.oldest_pass);
  return text + (verdict.reason.empty() ? "" : ": " + verdict.reason);
}

std::string arc_outcome(const std::string& message) {
  return arc_said(arc_verdict(message));
}

// With one more set on it.
std::string passed_on(const std::string& message, const std::string& domain,
                      ChainValidation chain = ChainValidation::kPass) {
  ArcSealer sealer;
  sealer.read(message);
  const DkimIdentity identity{domain, "s", domain == "two.example" ? rsa_key() : ed25519_key()};
  return sealer.finish(identity, domain + "; none", chain, {kArcNow}).value() + message;
}

std::string first_hop() {
  return passed_on(kRfcMessage, "one.example", ChainValidation::kNone);
}
std::string three_hops() {
  return passed_on("Received: y\r\n" + passed_on("Received: x\r\n" + first_hop(), "two.example"),
                   "three.example");
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Without the first field that begins so.
std::string without_field(std::string text, const std::string& begin) {
  const std::size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  return text.erase(at, first_field(std::string_view(text).substr(at)).size());
}

// The field that begins so.
std::string field_of(const std::string& text, const std::string& begin) {
  const std::size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  return std::string(first_field(std::string_view(text).substr(at)));
}

const std::string kMessageTags =
    "i=1; a=ed25519-sha256; c=relaxed/relaxed; d=one.example; s=s; h=from:to; bh=@; b=@";

// A set made by hand on the message, with what its signatures are to say.
std::string sealed_with(const std::string& message_tags, std::string seal_tags,
                        const std::string& value = "i=1; one.example; none",
                        const std::string& padding = "=") {
  const std::string message = kRfcMessage;
  const std::string results = "ARC-Authentication-Results: " + value + "\r\n";
  const std::string signature =
      model_signature(results + message, message_tags, ed25519_key(), "ARC-Message-Signature");
  const std::size_t at = seal_tags.find(" b=@") + 3;
  std::string own = "ARC-Seal: " + seal_tags;
  own.erase(own.find(" b=@") + 3, 1);
  std::string text = relaxed_field(own);
  text.resize(text.size() - 2);
  const std::string made =
      ed25519_key().sign(sha256(relaxed_field(results) + relaxed_field(signature) + text));
  std::string signature_text = base64::encode(made);
  if (padding.empty()) signature_text.resize(signature_text.find('='));
  seal_tags.replace(at, 1, signature_text);
  return "ARC-Seal: " + seal_tags + "\r\n" + results + signature + message;
}

const std::string kSealTags = "i=1; a=ed25519-sha256; cv=none; d=one.example; s=s; b=@";

std::string outcome_of_message_tags(const std::string& from, const std::string& to) {
  return arc_outcome(sealed_with(replaced(kMessageTags, from, to), kSealTags));
}
std::string outcome_of_seal_tags(const std::string& from, const std::string& to) {
  return arc_outcome(sealed_with(kMessageTags, replaced(kSealTags, from, to)));
}

}  // namespace

TEST_CASE("chains of our sealer pass", "[arc]") {
  CHECK(arc_outcome(kRfcMessage) == "none");
  const std::string message = three_hops();
  for (const std::string& whole : {first_hop(), message, "Received: z\r\n" + message}) {
    for (std::size_t piece = 1; piece <= whole.size(); piece = piece < 20 ? piece + 1 : piece * 2) {
      CHECK(arc_said(arc_verdict(whole, piece)) == "pass 0");
    }
  }
  const ArcVerdict verdict = arc_verdict(message);
  CHECK(verdict.sealers == std::vector<std::string>{"one.example", "two.example", "three.example"});
  SignedMessage read;
  read_in_pieces(read, message, 10);
  CHECK(ArcVerifier(read).key_names() == std::vector<std::string>{"s._domainkey.one.example",
                                                                  "s._domainkey.three.example",
                                                                  "s._domainkey.two.example"});
}

TEST_CASE("the oldest set that still holds is told", "[arc]") {
  const auto changed = [](const std::string& message) {
    return replaced(message, "Subject: Is", "Subject: [list] Is");
  };
  const std::string second = passed_on(changed(first_hop()), "two.example");
  CHECK(arc_outcome(second) == "pass 2");
  CHECK(arc_outcome(passed_on(second, "three.example")) == "pass 2");
  CHECK(arc_outcome(passed_on(second + "footer\r\n", "three.example")) == "pass 3");
  CHECK(arc_outcome(second + "footer\r\n") == "fail: message signature 2: body hash did not verify");
}

TEST_CASE("a chain with a broken seal fails", "[arc]") {
  const std::string message = three_hops();
  CHECK(arc_outcome(replaced(message, "Subject: Is", "Subject: Was")) ==
        "fail: message signature 3: signature did not verify");
  CHECK(arc_outcome(message + "x") == "fail: message signature 3: body hash did not verify");
  CHECK(arc_outcome(replaced(message, "i=1; one.example; none", "i=1; one.example; dkim=pass")) ==
        "fail: seal 3: signature did not verify");
  CHECK(arc_outcome(replaced(message, "i=3; three.example; none", "i=3; three.example; dkim=pass")) ==
        "fail: seal 3: signature did not verify");
  ArcVerifier::Keys keys = arc_keys();
  keys["s._domainkey.two.example"] = txt_answer({"v=DKIM1; p="});
  CHECK(arc_said(arc_verdict(message, 100, keys)) == "fail: seal 2: key revoked");
  CHECK_FALSE(arc_verdict(message, 100, keys).is_temporary);
  keys.erase("s._domainkey.two.example");
  CHECK(arc_said(arc_verdict(message, 100, keys)) == "fail: seal 2: key could not be asked for");
  CHECK(arc_verdict(message, 100, keys).is_temporary);
  CHECK(arc_said(arc_verdict(message, 100, arc_keys(), kArcNow - 1000)) ==
        "fail: message signature 3: signature is from the future");
}

TEST_CASE("sets are whole, there once, and without gaps", "[arc]") {
  const std::string message = three_hops();
  for (const char* field : {"ARC-Seal: i=2", "ARC-Message-Signature: i=2", "ARC-Authentication-Results: i=2",
                            "ARC-Seal: i=3", "ARC-Message-Signature: i=1"}) {
    CHECK(arc_outcome(without_field(message, field)) == "fail: a set is not whole, or missing");
    CHECK(arc_outcome(field_of(message, field) + message).starts_with("fail: two of ARC-"));
  }
  std::string gap = message;
  for (const char* field :
       {"ARC-Seal: i=2", "ARC-Message-Signature: i=2", "ARC-Authentication-Results: i=2"}) {
    gap = without_field(gap, field);
  }
  CHECK(arc_outcome(gap) == "fail: a set is not whole, or missing");
  for (const char* bad : {"i=0", "i=51", "i=", "i=x", "i=001", "i=-1", "x=1", "", "i=1; i=1"}) {
    CHECK(arc_outcome("ARC-Seal: " + std::string(bad) + "\r\n" + message) ==
          "fail: ARC-Seal without an instance");
  }
  CHECK(arc_outcome("ARC-Authentication-Results: one.example; i=1\r\n" + message) ==
        "fail: ARC-Authentication-Results without an instance");
  CHECK(arc_outcome("no field\r\n" + message) == "fail: a line of the header is no field");
  CHECK(arc_outcome("no field\r\nARC-Seal\r\n" + std::string(kRfcMessage)).starts_with("fail"));
  CHECK(arc_outcome("no field\r\n" + std::string(kRfcMessage)) == "none");
  CHECK(arc_outcome("X: " + std::string(kMaxDkimHeader, 'x') + "\r\n" + kRfcMessage) == "none");
}

TEST_CASE("a set of the plainest kind passes", "[arc]") {
  CHECK(arc_outcome(sealed_with(kMessageTags, kSealTags)) == "pass 0");
  CHECK(outcome_of_message_tags("relaxed/relaxed", "simple/simple") == "pass 0");
  CHECK(outcome_of_message_tags("h=from:to", "t=1000; h=From : To : Subject : DKIM-Signature") == "pass 0");
  CHECK(outcome_of_message_tags("bh=@", "l=3; bh=@") == "pass 0");
  CHECK(arc_verdict(sealed_with(kMessageTags, kSealTags)).unsigned_octets == 0);
  const std::string with_length = sealed_with(replaced(kMessageTags, "bh=@", "l=3; bh=@"), kSealTags);
  CHECK(arc_verdict(with_length).unsigned_octets == 51);
  CHECK(arc_verdict(with_length + "x").unsigned_octets == 54);
  CHECK(outcome_of_seal_tags("i=1", "t=1000; x=2000; unknown=x; i=1") == "pass 0");
  // RFC 6376 2.10: base64 may lack its padding.
  CHECK(arc_outcome(sealed_with(kMessageTags, kSealTags, "i=1; one.example; none", "")) == "pass 0");
}

TEST_CASE("comments may stand around the instance of results: RFC 8617 4.1.1", "[arc]") {
  const auto with = [](const std::string& results) {
    return arc_outcome(sealed_with(kMessageTags, kSealTags, results));
  };
  for (const char* good :
       {"i=1;", " i = 1 ;", "(a) i (b) =\r\n 1 (c) ;", "(x;y) i=1 (z;);", "(a (b; i=2;) \\( \\)) i=1;",
        "(\") i=1;", "()(i=2;)\r\n\ti=01;", "i=1; (", "i=1; \"", "i=1"}) {
    INFO(good);
    CHECK(with(std::string(good) + " one.example; none")
              .starts_with(std::string(good) == "i=1" ? "fail" : "pass"));
  }
  for (const char* bad : {"(i=1;", "i=1 (;", "i=1 2;", "i=1(x)2;", "i(x)j=1;", "I=1;", "i=;", "=1;", "i;",
                          "\"i\"=1;", "i=\"1\";", "i=1=;", "(x)", "i=1)"}) {
    INFO(bad);
    CHECK(with(bad) == "fail: ARC-Authentication-Results without an instance");
  }
}

TEST_CASE("what message signatures and seals may say", "[arc]") {
  const std::string signature = "fail: message signature 1: ";
  CHECK(outcome_of_message_tags("h=from:to", "h=to") == signature + "From is not signed");
  CHECK(outcome_of_message_tags("h=from", "h=ARC-Seal:from") == signature + "a seal is signed");
  for (const char* name : {"authentication-results", "arc-authentication-results", "arc-message-signature"}) {
    CHECK(outcome_of_message_tags("h=from", "h=" + std::string(name) + ":from") == "pass 0");
  }
  CHECK(outcome_of_message_tags("a=ed25519-sha256", "a=rsa-sha1") ==
        signature + "rsa-sha1 is no longer valid");
  CHECK(outcome_of_message_tags("d=one.example", "x=5; d=one.example") == signature + "signature expired");
  CHECK(outcome_of_message_tags("d=one.example; ", "") == signature + "signature without d=");
  CHECK(outcome_of_message_tags("bh=@; ", "") == signature + "signature without bh=");

  CHECK(outcome_of_seal_tags("cv=none; ", "") == "fail: seal 1: seal without cv=");
  CHECK(outcome_of_seal_tags("cv=none", "cv=pass") == "fail: seal 1 does not say cv=none");
  CHECK(outcome_of_seal_tags("cv=none", "cv=fail") == "fail: it failed before");
  CHECK(outcome_of_seal_tags("cv=none", "cv=None") == "fail: seal 1 does not say cv=none");
  CHECK(outcome_of_seal_tags("cv=none", "h=from; cv=none") == "fail: seal 1: seal with h=");
  CHECK(outcome_of_seal_tags("s=s; ", "") == "fail: seal 1: signature without s=");
  CHECK(outcome_of_seal_tags("a=ed25519-sha256", "a=rsa-sha256") ==
        "fail: seal 1: key is not for this algorithm");
}

TEST_CASE("a chain that has failed is not looked at any more", "[arc]") {
  const std::string failed = passed_on(first_hop(), "two.example", ChainValidation::kFail);
  CHECK(arc_outcome(failed) == "fail: it failed before");
  SignedMessage read;
  read_in_pieces(read, failed, 50);
  CHECK(ArcVerifier(read).key_names().empty());
  // Somewhere in the middle cv=fail is as wrong as anything else.
  const std::string pretended = replaced(three_hops(), "cv=pass; d=two", "cv=fail; d=two");
  CHECK(arc_outcome(pretended) == "fail: seal 2 does not say cv=pass");
}

TEST_CASE("fifty sets pass, and take no longer than they have to", "[arc]") {
  std::string message = kRfcMessage;
  for (std::size_t i = 0; i < kMaxArcSets; ++i) {
    message = passed_on(message, "one.example", i == 0 ? ChainValidation::kNone : ChainValidation::kPass);
  }
  CHECK(arc_outcome(message) == "pass 0");
  CHECK(arc_outcome(replaced(message, "Joe.", "Jim.")) ==
        "fail: message signature 50: body hash did not verify");
}

TEST_CASE("thousands of ARC fields cost little", "[arc]") {
  const auto begin = std::chrono::steady_clock::now();
  const std::string message = three_hops();
  for (const char* field : {"ARC-Seal: i=4; cv=pass\r\n", "ARC-Seal: x\r\n", "ARC-Message-Signature: i=1\r\n",
                            "ARC-Authentication-Results: ((((\r\n", "ARC-Authentication-Results: i=9;\r\n"}) {
    std::string many;
    while (many.size() < kMaxDkimHeader - message.size()) many += field;
    CHECK(arc_verdict(many + message).chain == ChainValidation::kFail);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

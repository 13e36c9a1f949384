#include "protocols/origin/dkim_verifier.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "protocols/origin/dkim_signer.h"
#include "tests/catch.h"
#include "tests/protocols/dkim_keys.h"
#include "tests/protocols/dkim_model.h"
#include "tests/protocols/dns_zone.h"

using namespace mailstead;
using namespace mailstead::dkim_test;
using namespace std::string_literals;

namespace {

constexpr std::int64_t kNow = 1700000000;
const std::string kTags =
    "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=s; h=from:to; bh=@; b=@";
const std::string kMail = "From: anna@example.org\r\nTo: bert@example.net\r\n\r\nHello.\r\n";

std::string said(const DkimVerdict& verdict) {
  return std::string(name_of(verdict.result)) + (verdict.reason.empty() ? "" : ": " + verdict.reason);
}

DkimVerdict verdict_of(const std::string& message, const dns::Answer& keys, std::int64_t now = kNow) {
  SignedMessage read;
  read_in_pieces(read, message, message.size());
  const DkimVerifier verifier(read);
  REQUIRE(verifier.size() > 0);
  return verifier.verify(0, keys, now);
}

std::string outcome(const std::string& message, const dns::Answer& keys, std::int64_t now = kNow) {
  return said(verdict_of(message, keys, now));
}

std::string outcome(const std::string& message) {
  return outcome(message, txt_answer({ed25519_key().record()}));
}

// Of a message signed with these tags.
std::string outcome_of_tags(const std::string& tags, const std::string& message = kMail) {
  return outcome(model_signature(message, tags, ed25519_key()) + message);
}

// kTags with another text in the place of one.
std::string changed_tags(const std::string& from, const std::string& to) {
  std::string tags = kTags;
  const std::size_t at = tags.find(from);
  REQUIRE(at != std::string::npos);
  return tags.replace(at, from.size(), to);
}

std::string outcome_with(const std::string& from, const std::string& to) {
  return outcome_of_tags(changed_tags(from, to));
}

constexpr const char* kRfc8463Signatures =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    " subject : date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    " date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n";

}  // namespace

TEST_CASE("the signed message of RFC 8463 A.3 verifies", "[dkim]") {
  const std::string message = std::string(kRfc8463Signatures) + kRfcMessage;
  for (std::size_t piece = 1; piece <= message.size(); piece = piece < 200 ? piece + 1 : piece * 2) {
    SignedMessage read;
    read_in_pieces(read, message, piece);
    const DkimVerifier verifier(read);
    REQUIRE(verifier.size() == 2);
    CHECK(verifier.key_name(0) == "brisbane._domainkey.football.example.com");
    CHECK(verifier.key_name(1) == "test._domainkey.football.example.com");
    const DkimVerdict first = verifier.verify(0, txt_answer({ed25519_key().record()}), kNow);
    CHECK(said(first) == "pass");
    CHECK(first.domain == "football.example.com");
    CHECK(first.identity == "@football.example.com");
    CHECK(first.selector == "brisbane");
    CHECK(first.algorithm == "ed25519-sha256");
    CHECK(first.signature_start == "/gCrinpc");
    CHECK_FALSE(first.is_testing);
    CHECK(first.unsigned_octets == 0);
    CHECK(said(verifier.verify(1, txt_answer({rsa_key().record()}), kNow)) == "pass");
    CHECK(said(verifier.verify(1, txt_answer({ed25519_key().record()}), kNow)) ==
          "permerror: key is not for this algorithm");
  }
}

TEST_CASE("the signed message of RFC 6376 A.2 verifies", "[dkim]") {
  // With errata 3192 and 4926: one space in the body, and no indentation.
  const std::string message =
      "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
      "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
      "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
      "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
      "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
      "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
      "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
      "      4bmp/YzhwvcubU4=;\r\n"
      "Received: from client1.football.example.com  [192.0.2.1]\r\n"
      "      by submitserver.example.com with SUBMISSION;\r\n"
      "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n"
      "From: Joe SixPack <joe@football.example.com>\r\n"
      "To: Suzie Q <suzie@shopping.example.net>\r\n"
      "Subject: Is dinner ready?\r\n"
      "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
      "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
      "\r\n"
      "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";
  const dns::Answer keys = txt_answer(
      {"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt "
       "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v /RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi "
       "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"});
  const DkimVerdict verdict = verdict_of(message, keys);
  CHECK(said(verdict) == "pass");
  CHECK(verdict.identity == "joe@football.example.com");
  std::string changed = message;
  changed.replace(changed.find("[192"), 1, " [");  // the simple form forgives nothing
  CHECK(outcome(changed, keys) == "fail: signature did not verify");
  CHECK(outcome(message + "x", keys) == "fail: body hash did not verify");
}

TEST_CASE("what our signer makes verifies", "[dkim]") {
  for (const DkimKey& key : {rsa_key(), ed25519_key()}) {
    for (const std::string& message :
         {std::string(kRfcMessage), kMail, std::string("From: a@b.example\r\n"),
          std::string("From: a@b.example"), std::string("From: a@b.example\r\n\r\n\r\n\r\n"),
          std::string("From: a@b.example\r\n\r\nx \t y\r"),
          std::string("From: j\xc3\xb6rg@b\xc3\xbc"
                      "cher.example\r\nTo: a\r\nTo: b\r\n\r\n\x80")}) {
      DkimSigner signer;
      signer.read(message);
      const DkimIdentity identity{"xn--bcher-kva.example", "s", key};
      const std::string whole = signer.finish({{identity}}, {kNow, 1000}).value() + message;
      for (std::size_t cut = 0; cut <= whole.size(); cut += cut < 40 ? 1 : 13) {
        SignedMessage read;
        read.read(std::string_view(whole).substr(0, cut));
        read.read(std::string_view(whole).substr(cut));
        read.finish();
        const DkimVerifier verifier(read);
        CHECK(verifier.key_name(0) == "s._domainkey.xn--bcher-kva.example");
        CHECK(said(verifier.verify(0, txt_answer({key.record()}), kNow)) == "pass");
      }
      CHECK(outcome("X-Other: y\r\n" + whole, txt_answer({key.record()})) == "pass");
      CHECK(outcome("Subject: y\r\n" + whole, txt_answer({key.record()})) ==
            "fail: signature did not verify");
    }
  }
}

TEST_CASE("every pair of canonicalizations verifies", "[dkim]") {
  const std::string header =
      "FROM : anna@example.org \r\nto:\r\n\tbert@example.net  ,\r\n x@y.example\r\nTo: z\r\n";
  for (const char* form :
       {"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", "simple", "relaxed"}) {
    for (const char* body :
         {"", "\r\n", "x", "x\r\n", " x \t y \r\n\r\n \r\n", "\r\n\r\nx\r\n\r\n", "a\rb\r", " \t"}) {
      const std::string message = header + "\r\n" + body;
      const std::string tags = changed_tags("relaxed/relaxed", form);
      const std::string whole = model_signature(message, tags, ed25519_key()) + message;
      INFO(form << " " << body);
      CHECK(outcome(whole) == "pass");
      CHECK(outcome(whole + "x") == "fail: body hash did not verify");
      CHECK(outcome("To: w\r\n" + whole) == "pass");  // h= names one To, which is the last
    }
  }
  CHECK(outcome_of_tags("v=1; a=ed25519-sha256; d=example.org; s=s; h=from:to; bh=@; b=@") == "pass");
}

TEST_CASE("fields are chosen from the bottom up", "[dkim]") {
  const std::string message = "To: 1\r\nTo: 2\r\nFrom: a\r\nTo: 3\r\n\r\n";
  const auto sign = [&message](const std::string& names) {
    return model_signature(message, changed_tags("from:to", names), ed25519_key()) + message;
  };
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  CHECK(outcome(sign("from:to:TO")) == "pass");
  CHECK(outcome(replaced(sign("from:to:to"), "To: 1", "To: 9")) == "pass");
  CHECK(outcome(replaced(sign("from:to:to"), "To: 2", "To: 9")) == "fail: signature did not verify");
  CHECK(outcome("To: 0\r\n" + sign("from:to:to:to")) == "pass");
  // One more than there are: that there is none is signed.
  CHECK(outcome(sign("from:to:to:to:to:cc")) == "pass");
  CHECK(outcome("To: 0\r\n" + sign("from:to:to:to:to")) == "fail: signature did not verify");
  CHECK(outcome("Cc: 0\r\n" + sign("from:cc")) == "fail: signature did not verify");
  // A signature does not sign itself, however often it names its kind.
  CHECK(outcome(sign("from:dkim-signature")) == "pass");
  const std::string twice = sign("from");
  CHECK(outcome(model_signature(twice, changed_tags("from:to", "from:dkim-signature:dkim-signature"),
                                ed25519_key()) +
                twice) == "pass");
}

TEST_CASE("b= goes with the white space around it", "[dkim]") {
  for (const char* form : {"simple", "relaxed"}) {
    const std::string tags = changed_tags("relaxed/relaxed", form);
    const std::string whole = model_signature(kMail, tags, ed25519_key()) + kMail;
    const std::size_t at = whole.find(" b=") + 3;
    const std::size_t end = whole.find("\r\n", at);
    std::string spread = whole.substr(0, at) + "\r\n  ";
    for (std::size_t i = at; i < end; ++i) spread += whole.substr(i, 1) + (i % 10 == 0 ? "\r\n\t " : "");
    CHECK(outcome(spread + whole.substr(end)) == "pass");
  }
  // In the middle of the list, and with a semicolon behind it.
  for (const char* tags : {"v=1; a=ed25519-sha256; b=@; d=example.org; s=s; h=from; bh=@",
                           "v=1; a=ed25519-sha256; d=example.org; s=s; h=from; bh=@; b=@;"}) {
    std::string whole = model_signature(kMail, tags, ed25519_key()) + kMail;
    CHECK(outcome(whole) == "pass");
    const std::size_t at = whole.find(';', whole.find(" b="));
    CHECK(outcome(whole.insert(at, "\r\n ")) == "pass");
  }
}

TEST_CASE("l= signs the beginning of a body", "[dkim]") {
  const std::string tags = changed_tags("bh=@", "l=8; bh=@");
  const std::string whole = model_signature(kMail, tags, ed25519_key()) + kMail;
  const dns::Answer keys = txt_answer({ed25519_key().record()});
  CHECK(verdict_of(whole, keys).unsigned_octets == 0);
  const DkimVerdict longer = verdict_of(whole + "spam\r\n", keys);
  CHECK(said(longer) == "pass");
  CHECK(longer.unsigned_octets == 6);
  CHECK(outcome_with("bh=@", "l=9; bh=@") == "fail: body is shorter than what was signed");
  CHECK(outcome_with("bh=@", "l=0; bh=@") == "pass");
  CHECK(outcome_with("bh=@", "l=99999999999999999999999; bh=@") ==
        "fail: body is shorter than what was signed");
  const std::string zero = changed_tags("bh=@", "l=0; bh=@");
  CHECK(outcome_of_tags(zero, "From: a\r\n\r\n") == "pass");
  for (const char* bad : {"", "-1", "1 2", "x", "0x10"}) {
    CHECK(outcome_with("bh=@", "l=" + std::string(bad) + "; bh=@") == "neutral: malformed signature: l=");
  }
  // Many lengths of one body.
  std::string many;
  for (const char* length : {"5", "0", "8", "3", "5", "1"}) {
    many =
        model_signature(kMail, changed_tags("bh=@", "l=" + std::string(length) + "; bh=@"), ed25519_key()) +
        many;
  }
  for (const std::size_t piece : {1UL, 3UL, 1000UL}) {
    SignedMessage read;
    read_in_pieces(read, many + kMail, piece);
    const DkimVerifier verifier(read);
    REQUIRE(verifier.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(said(verifier.verify(i, keys, kNow)) == "pass");
    CHECK(verifier.verify(0, keys, kNow).unsigned_octets == 7);
  }
}

TEST_CASE("a signature has to have its tags", "[dkim]") {
  CHECK(outcome_with("v=1; ", "") == "permerror: signature without v=");
  CHECK(outcome_with("a=ed25519-sha256; ", "") == "permerror: signature without a=");
  CHECK(outcome_with("d=example.org; ", "") == "permerror: signature without d=");
  CHECK(outcome_with("s=s; ", "") == "permerror: signature without s=");
  CHECK(outcome_with("h=from:to; ", "") == "permerror: signature without h=");
  CHECK(outcome_with("bh=@; ", "") == "permerror: signature without bh=");
  CHECK(outcome("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from; bh=x\r\n" + kMail) ==
        "permerror: signature without b=");
  CHECK(outcome("DKIM-Signature: v=1; v=1\r\n" + kMail) ==
        "neutral: malformed signature: not a list of tags");
  CHECK(outcome("DKIM-Signature:\r\n" + kMail) == "neutral: malformed signature: not a list of tags");
  CHECK(outcome_with("h=from:to", "x=; z=From:a|To:b; h=from:to")
            .starts_with("neutral: malformed signature: x="));
  CHECK(outcome_with("h=from:to", "unknown=1; h=from:to") == "pass");
}

TEST_CASE("what a signature may say", "[dkim]") {
  CHECK(outcome_with("v=1", "v=2") == "neutral: unknown version of the signature");
  CHECK(outcome_with("v=1", "v=1.0") == "neutral: unknown version of the signature");
  CHECK(outcome_with("ed25519-sha256", "rsa-sha1") == "permerror: rsa-sha1 is no longer valid");
  CHECK(outcome_with("ed25519-sha256", "rsa-md5") == "neutral: unknown algorithm");
  CHECK(outcome_with("relaxed/relaxed", "nofws") == "neutral: unknown canonicalization");
  CHECK(outcome_with("relaxed/relaxed", "relaxed/") == "neutral: unknown canonicalization");
  CHECK(outcome_with("relaxed/relaxed", "simple/simple/simple") == "neutral: unknown canonicalization");
  CHECK(outcome_with("h=from:to", "h=to") == "permerror: From is not signed");
  CHECK(outcome_with("h=from:to", "h=") == "neutral: malformed signature: h=");
  CHECK(outcome_with("h=from:to", "h=from:") == "neutral: malformed signature: h=");
  CHECK(outcome_with("h=from:to", "h=from:t o") == "neutral: malformed signature: h=");
  CHECK(outcome_with("h=from:to", "q=dns/txt:x; h=from:to") == "pass");
  CHECK(outcome_with("h=from:to", "q=x : dns/txt; h=from:to") == "pass");
  CHECK(outcome_with("h=from:to", "q=http; h=from:to") == "neutral: unknown way to ask for the key");
  for (const char* bad : {"", "example", "example.org.", "[192.0.2.1]", "exa mple.org", "-x.org", "a..b"}) {
    CHECK(outcome_with("d=example.org", "d=" + std::string(bad)) == "neutral: malformed signature: d=");
  }
  for (const char* bad : {"", "s.", ".s", "s/s", "*"}) {
    CHECK(outcome_with("s=s", "s=" + std::string(bad)) == "neutral: malformed signature: s=");
  }
  CHECK(outcome_with("s=s", "s=a.b_c.d") == "pass");
  const std::string label(60, 'a');
  const std::string name = label + "." + label + "." + label;
  CHECK(outcome_with("s=s", "s=" + name + "." + label) ==
        "neutral: malformed signature: d= and s= are too long");
  CHECK(outcome_with("bh=@", "bh=QUJD") == "neutral: malformed signature: bh=");
  CHECK(outcome_with("bh=@", "bh=?") == "neutral: malformed signature: bh=");
  std::string bad = model_signature(kMail, kTags, ed25519_key()) + kMail;
  CHECK(outcome(bad.insert(bad.find(" b=") + 3, "?")) == "neutral: malformed signature: b=");
  const DkimVerdict verdict = verdict_of(bad.insert(bad.find(" b=") + 3, std::string(2000, 'Q')), {});
  CHECK(said(verdict) == "neutral: malformed signature: b= is too long");
  CHECK(verdict.signature_start == "QQQQQQQQ");
}

TEST_CASE("i= is within d=", "[dkim]") {
  const auto with = [](const std::string& identity) {
    return outcome_with("h=from:to", "i=" + identity + "; h=from:to");
  };
  for (const char* good : {"@example.org", "anna@example.org", "@MAIL.example.ORG", "a=40b@x.y.example.org",
                           "a b@example.org"}) {
    CHECK(with(good) == "pass");
  }
  for (const char* bad :
       {"@example.com", "@org", "@badexample.org", "anna@example.org.evil.com", "@xexample.org"}) {
    CHECK(with(bad) == "permerror: i= is not within d=");
  }
  for (const char* bad : {"", "example.org", "anna@", "a=4@example.org", "a=4g@example.org",
                          "@example.org=", "a@example.org="}) {
    CHECK(with(bad) == "neutral: malformed signature: i=");
  }
  CHECK(with(std::string(400, 'x') + "@example.org") == "neutral: malformed signature: i=");
  // RFC 8616: U-labels are what their A-labels are.
  CHECK(outcome_with("d=example.org",
                     "d=b\xc3\xbc"
                     "cher.example; i=@xn--bcher-kva.example") == "pass");
  const DkimVerdict verdict = verdict_of(
      model_signature(kMail, changed_tags("h=from", "i=a=40=C3=BC@Sub.example.org; h=from"), ed25519_key()) +
          kMail,
      txt_answer({ed25519_key().record()}));
  CHECK(verdict.identity == "a@\xc3\xbc@sub.example.org");
}

TEST_CASE("a signature has its time", "[dkim]") {
  const auto at = [](const std::string& tags, std::int64_t now) {
    const std::string whole =
        model_signature(kMail, changed_tags("h=", tags + "; h="), ed25519_key()) + kMail;
    return outcome(whole, txt_answer({ed25519_key().record()}), now);
  };
  CHECK(at("t=1000; x=2000", 1500) == "pass");
  CHECK(at("t=1000; x=2000", 2000 + 300) == "pass");
  CHECK(at("t=1000; x=2000", 2000 + 301) == "fail: signature expired");
  CHECK(at("t=1000; x=2000", 1000 - 300) == "pass");
  CHECK(at("t=1000; x=2000", 1000 - 301) == "fail: signature is from the future");
  CHECK(at("x=2000", 5000) == "fail: signature expired");
  CHECK(at("t=1000; x=1000", 1000) == "neutral: malformed signature: x= is not behind t=");
  CHECK(at("t=999999999999", 1000) == "fail: signature is from the future");
  for (const char* bad : {"", "-1", "1000000000000", "soon"}) {
    CHECK(at("t=" + std::string(bad), 1000) == "neutral: malformed signature: t=");
    CHECK(at("x=" + std::string(bad), 1000) == "neutral: malformed signature: x=");
  }
}

TEST_CASE("the key decides", "[dkim]") {
  const std::string whole = model_signature(kMail, kTags, ed25519_key()) + kMail;
  const std::string good = ed25519_key().record();
  const std::string data = good.substr(good.find("p="));
  dns::Answer failed;
  CHECK(outcome(whole, failed) == "temperror: key could not be asked for");
  dns::Answer none;
  none.verdict = dns::Verdict::kNoName;
  CHECK(outcome(whole, none) == "permerror: no key");
  CHECK(outcome(whole, txt_answer({})) == "permerror: no key");
  CHECK(outcome(whole, txt_answer({"v=spf1 -all"})) == "permerror: no key");
  CHECK(outcome(whole, txt_answer({"v=DKIM1; k=ed25519; p="})) == "permerror: key revoked");
  CHECK(outcome(whole, txt_answer({"v=DKIM1; p"})) == "permerror: key record is malformed");
  CHECK(outcome(whole, txt_answer({rsa_key().record()})) == "permerror: key is not for this algorithm");
  CHECK(outcome(whole, txt_answer({"k=ed25519; s=tlsrpt; " + data})) == "permerror: key is not for mail");
  CHECK(outcome(whole, txt_answer({"k=ed25519; h=sha1; " + data})) == "permerror: key is not for sha256");
  const std::string other = DkimKey::make(DkimAlgorithm::kEd25519Sha256).value().record();
  CHECK(outcome(whole, txt_answer({other})) == "fail: signature did not verify");
  CHECK(outcome(whole, txt_answer({rsa_key().record(), other})) == "fail: signature did not verify");
  CHECK(outcome(whole, txt_answer({"x", rsa_key().record(), other, "v=DKIM1; p=", good})) == "pass");
  CHECK_FALSE(verdict_of(whole, txt_answer({good})).is_testing);
  CHECK(verdict_of(whole, txt_answer({"k=ed25519; t=y; " + data})).is_testing);
  CHECK(verdict_of(whole + "x", txt_answer({"k=ed25519; t=y; " + data})).result == DkimResult::kFail);
}

TEST_CASE("t=s wants i= of the domain of d= itself", "[dkim]") {
  const std::string good = ed25519_key().record();
  const dns::Answer strict = txt_answer({"k=ed25519; t=s; " + good.substr(good.find("p="))});
  const auto with = [&strict](const std::string& tags) {
    return outcome(model_signature(kMail, changed_tags("h=", tags + "h="), ed25519_key()) + kMail, strict);
  };
  CHECK(with("") == "pass");
  CHECK(with("i=anna@EXAMPLE.org; ") == "pass");
  CHECK(with("i=@mail.example.org; ") == "permerror: i= is not of the domain of d=");
}

TEST_CASE("a signature that needs no key asks for none", "[dkim]") {
  const std::string whole = model_signature(kMail, kTags, ed25519_key()) + kMail;
  for (const std::string& message : {whole + "x", "DKIM-Signature: x\r\n" + kMail}) {
    SignedMessage read;
    read_in_pieces(read, message, 7);
    CHECK(DkimVerifier(read).key_name(0).empty());
  }
}

TEST_CASE("a message without a signature has none, and one that cannot be read none that counts", "[dkim]") {
  SignedMessage plain;
  read_in_pieces(plain, kMail, 5);
  CHECK(DkimVerifier(plain).size() == 0);
  SignedMessage nothing;
  nothing.finish();
  CHECK(DkimVerifier(nothing).size() == 0);
  const std::string whole = model_signature(kMail, kTags, ed25519_key()) + kMail;
  const std::string long_field = "X: " + std::string(kMaxDkimHeader, 'x') + "\r\n";
  std::string many;
  while (many.size() < kMaxDkimFields * 4) many += "a:\r\n";
  for (const auto& [broken, why] :
       std::vector<std::pair<std::string, std::string>>{{"no field\r\n", "a line of the header is no field"},
                                                        {long_field, "header is longer than 1048576 octets"},
                                                        {many, "header has more than 10000 fields"}}) {
    CHECK(outcome(broken + whole) == "neutral: " + why);
    for (const std::size_t piece : {1000UL, 65536UL}) {
      for (const std::string& message :
           {whole + "x", broken + kMail, "Subject: x\r\n DKIM-Signature: x\r\n" + broken + kMail,
            broken + kMail.substr(0, kMail.find("\r\n\r\n") + 4) + "DKIM-Signature: y\r\n", broken}) {
        SignedMessage read;
        read_in_pieces(read, message, piece);
        CHECK(DkimVerifier(read).size() == (message == whole + "x" ? 1 : 0));
      }
      for (const std::string& field : {"dkim-signature: x\r\n"s, "DKIM-Signature\v: x\r\n"s,
                                       "DKIM-Signature"s, "\0DKIM-Signature : x"s}) {
        SignedMessage read;
        read_in_pieces(read, broken + kMail.substr(0, kMail.find("\r\n\r\n") + 2) + field, piece);
        CHECK(DkimVerifier(read).size() == 1);
      }
    }
  }
  CHECK(outcome("a:\r\n" + many.substr(0, (kMaxDkimFields - 4) * 4) + whole) == "pass");
}

TEST_CASE("a part of b= tells signatures apart: RFC 6008", "[dkim]") {
  const auto field = [](const char* signature) {
    return "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from; bh=x; b=" +
           std::string(signature) + "\r\n";
  };
  SignedMessage read;
  read_in_pieces(
      read,
      field("abcdefghijklmnop") + field("abcde fghijKLMNOP") + field("abcd") + field("xyzxyzxyzxyz") + kMail,
      9);
  const DkimVerifier verifier(read);
  const auto start = [&verifier](std::size_t i) { return verifier.verify(i, {}, kNow).signature_start; };
  CHECK(start(0) == "abcdefghijk");
  CHECK(start(1) == "abcdefghijK");
  CHECK(start(2) == "abcd");
  CHECK(start(3) == "xyzxyzxy");
}

TEST_CASE("a pass that a domain can be held to: RFC 7489 3.1.1", "[dkim]") {
  const dns::Answer keys = txt_answer({ed25519_key().record()});
  const auto counts = [&keys](const std::string& message) {
    const DkimVerdict verdict = verdict_of(message, keys);
    CHECK(said(verdict) == "pass");
    return counts_for_alignment(verdict);
  };
  const auto sign = [](const std::string& tags, const std::string& message) {
    return model_signature(message, tags, ed25519_key()) + message;
  };
  const std::string whole = sign(kTags, kMail);
  CHECK(counts(whole));
  CHECK_FALSE(counts_for_alignment(verdict_of(whole + "x", keys)));
  CHECK_FALSE(counts_for_alignment(verdict_of(whole, dns::Answer())));
  const std::string data = ed25519_key().record().substr(ed25519_key().record().find("p="));
  CHECK(verdict_of(whole, txt_answer({"k=ed25519; t=y; " + data})).result == DkimResult::kPass);
  CHECK_FALSE(counts_for_alignment(verdict_of(whole, txt_answer({"k=ed25519; t=y; " + data}))));
  CHECK(counts_for_alignment(verdict_of(whole, txt_answer({"k=ed25519; t=s; " + data}))));
  const std::string with_length = sign(changed_tags("bh=@", "l=8; bh=@"), kMail);
  CHECK(counts(with_length));
  CHECK_FALSE(counts(with_length + "spam\r\n"));
  // RFC 6376 8.15: one more From, which the signature does not cover, and which a reader may show.
  CHECK_FALSE(counts("From: ceo@example.net\r\n" + whole));
  CHECK_FALSE(counts("from : ceo@example.net\r\n" + whole));
  CHECK_FALSE(counts(sign(changed_tags("from:to", "from:from:to"), "From: ceo@example.net\r\n" + kMail)));
}

TEST_CASE("a message's authors are read besides", "[dkim]") {
  const auto authors = [](const std::string& message, std::size_t wanted) {
    std::string text;
    for (const std::size_t piece : {1UL, 7UL, message.size() + 1}) {
      SignedMessage read;
      read_in_pieces(read, message, piece);
      CHECK(read.from_fields() == wanted);
      text.clear();
      if (!read.authors()) text = "unreadable";
      if (read.authors()) {
        for (const Address& address : *read.authors()) text += address.text() + " ";
      }
    }
    return text;
  };
  CHECK(authors(kMail, 1) == "anna@example.org ");
  CHECK(authors("FROM :\r\n\tAnna\r\n\t<anna@Example.org>,\r\n bert@b\xc3\xbc"
                "cher.example\r\n\r\nFrom: x@y\r\n",
                1) == "anna@example.org bert@xn--bcher-kva.example ");
  CHECK(authors("From: a@b.example\r\nTo: c@d.example\r\nFrom: e@f.example", 2) ==
        "a@b.example e@f.example ");
  CHECK(authors("", 0) == "unreadable");
  CHECK(authors("\r\nFrom: a@b.example\r\n", 0) == "unreadable");
  CHECK(authors("To: a@b.example\r\n\r\n", 0) == "unreadable");
  CHECK(authors("From: nobody:;\r\n\r\n", 1) == "unreadable");
  CHECK(authors("From: a@b@c\r\n\r\n", 1) == "unreadable");
  CHECK(authors("From: a@b.example\r\nFrom: x\r\n\r\n", 2) == "unreadable");
  // A line that is no field hides no author, but one that may be a From is one that nobody can read.
  CHECK(authors("no field\r\nFrom: a@b.example\r\n\r\n", 1) == "a@b.example ");
  CHECK(authors("From: a@b.example\r\nFrom\v: c@d.example\r\n\r\n", 2) == "unreadable");
  CHECK(authors("From: a@b.example\r\nFrom c@d.example\r\n\r\n", 2) == "unreadable");
  CHECK(authors("From: a@b.example\r\nFromage: c@d.example\r\n\r\n", 1) == "a@b.example ");
  CHECK(authors("From: \"" + std::string(kMaxDkimHeader / 2, 'x') + "\" <a@b.example>\r\n\r\n", 1) ==
        "unreadable");
  CHECK(authors("From: a@b.example\r\nX: " + std::string(kMaxDkimHeader, 'x') + "\r\n\r\n", 0) ==
        "unreadable");
  std::string many;
  while (many.size() < kMaxDkimHeader - 20) many += "From: a@b.c\r\n";
  CHECK(authors(many, many.size() / 13) == "unreadable");
}

TEST_CASE("hostile headers cost little", "[dkim]") {
  const auto begin = std::chrono::steady_clock::now();
  std::string names;
  while (names.size() < kMaxDkimHeader / 2) names += "x:";
  CHECK(outcome_with("from:to", "from:" + names + "y") ==
        "neutral: malformed signature: h= lists too many fields");
  std::string tags;
  for (int i = 0; tags.size() < kMaxDkimHeader / 2; ++i) tags += "t" + std::to_string(i) + "=;";
  CHECK(outcome("DKIM-Signature: " + tags + "\r\n" + kMail) ==
        "neutral: malformed signature: not a list of tags");

  // As many signatures as there is room for, each over a thousand fields of one name.
  std::string many;
  for (std::size_t i = 1; i < kMaxSignedNames; ++i) many += ":x";
  std::string header;
  while (header.size() < kMaxDkimHeader / 2) header += "X: " + std::string(400, 'x') + "\r\n";
  header += kMail;
  const std::string field = model_signature(header, changed_tags("from:to", "from" + many), ed25519_key());
  std::string signatures;
  while (signatures.size() < kMaxDkimHeader / 2 - 10000) signatures += field;
  SignedMessage read;
  read_in_pieces(read, signatures + header, 65536);
  const DkimVerifier verifier(read);
  CHECK(verifier.size() == kMaxSignatures);
  CHECK(read.ignored_signatures() > 100);
  for (std::size_t i = 0; i < verifier.size(); ++i) {
    CHECK(said(verifier.verify(i, txt_answer({ed25519_key().record()}), kNow)) == "pass");
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

#include "protocols/origin/dkim_signer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "protocols/a_label.h"
#include "protocols/base64.h"
#include "tests/catch.h"
#include "tests/protocols/dkim_keys.h"

using namespace mailstead;
using namespace mailstead::dkim_test;

namespace {

constexpr DkimTerms kTerms{1528637909, 0};

// The signature, the same however the message is cut.
std::string signed_by(const DkimIdentity& identity, const std::string& message, DkimTerms terms = kTerms) {
  DkimSigner whole;
  whole.read(message);
  const std::string signature = whole.finish({{identity}}, terms).value();
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    DkimSigner split;
    split.read(std::string_view(message).substr(0, cut));
    split.read(std::string_view(message).substr(cut));
    INFO("cut at " << cut);
    REQUIRE(split.finish({{identity}}, terms).value() == signature);
  }
  return signature;
}

std::string signed_by(const std::string& message) {
  return signed_by({"football.example.com", "brisbane", ed25519_key()}, message);
}

// A tag's value without white space.
std::string tag(const std::string& field, const std::string& name) {
  std::string text;
  for (const char c : field) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') text += c;
  }
  const std::string all = ";" + text.substr(text.find(':') + 1) + ";";
  const std::size_t at = all.find(";" + name + "=");
  if (at == std::string::npos) return "absent";
  const std::size_t from = at + name.size() + 2;
  return all.substr(from, all.find(';', from) - from);
}

}  // namespace

TEST_CASE("the signatures of RFC 8463 A.3", "[dkim]") {
  const std::string message = kRfcMessage;
  std::string covered;
  DkimMessage it;
  it.read(message);
  const auto fields = it.fields().value();
  for (const char* name : {"From", "To", "Subject", "Date", "Message-ID"}) {
    for (const DkimField& field : fields) {
      if (field.name == name) covered += relaxed_field(field.raw);
    }
  }
  const std::string body = base64::encode(octets_of(it.finish_body()));
  CHECK(body == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  const auto own = [&](const std::string& algorithm, const std::string& selector) {
    return "dkim-signature:v=1; a=" + algorithm +
           "; c=relaxed/relaxed; d=football.example.com; i=@football.example.com; q=dns/txt; s=" + selector +
           "; t=1528637909; h=from : to : subject : date : message-id : from : subject : date; bh=" + body +
           "; b=";
  };
  CHECK(base64::encode(ed25519_key().sign(sha256(covered + own("ed25519-sha256", "brisbane")))) ==
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
  CHECK(
      base64::encode(rsa_key().sign(sha256(covered + own("rsa-sha256", "test")))) ==
      "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGda"
      "SGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=");
}

TEST_CASE("a signature is a folded field", "[dkim]") {
  const std::string field = signed_by(kRfcMessage);
  CHECK(field.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\td="));
  CHECK(field.ends_with("\r\n"));
  for (std::size_t at = 0; at < field.size();) {
    const std::size_t end = field.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 76);
    CHECK((at == 0 || field[at] == '\t'));
    at = end + 2;
  }
  CHECK(tag(field, "d") == "football.example.com");
  CHECK(tag(field, "s") == "brisbane");
  CHECK(tag(field, "t") == "1528637909");
  CHECK(tag(field, "bh") == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  CHECK(base64::decode(tag(field, "b")).value().size() == 64);
  for (const char* absent : {"l", "i", "q", "x", "z"}) CHECK(tag(field, absent) == "absent");
  const DkimIdentity identity{"football.example.com", "brisbane", ed25519_key()};
  CHECK(tag(signed_by(identity, kRfcMessage, {1000, 86400}), "x") == "87400");
}

TEST_CASE("fields that are there are signed, and that there are no more of them", "[dkim]") {
  CHECK(tag(signed_by(kRfcMessage), "h") ==
        "from:from:to:to:cc:subject:subject:date:date:message-id:message-id:reply-to:in-reply-to:references:"
        "mime-version:content-type:content-transfer-encoding");
  const std::string list =
      "From: a@b.c\r\nLIST-ID : <x>\r\nX-Other: y\r\nReceived: z\r\nfrom: d@e.f\r\n"
      "List-Unsubscribe: <u>\r\nList-Unsubscribe-Post: p\r\n\r\n";
  CHECK(tag(signed_by(list), "h") ==
        "from:from:from:to:cc:subject:date:message-id:reply-to:in-reply-to:references:mime-version:"
        "content-type:content-transfer-encoding:list-id:list-unsubscribe:list-unsubscribe-post");
}

TEST_CASE("of fields of one name the last is signed first", "[dkim]") {
  DkimMessage message;
  message.read("To: first\r\nFrom: a\r\nto: second\r\nTO: third\r\n\r\n");
  const auto fields = message.fields().value();
  const SignedFields chosen = choose_fields(fields, SignedBy::kDkim).value();
  CHECK(chosen.text == "from:a\r\nto:third\r\nto:second\r\nto:first\r\n");
}

TEST_CASE("what a message is signed for does not depend on its white space", "[dkim]") {
  const std::string same =
      "from:Joe SixPack\r\n\t<joe@football.example.com>\r\nTO : Suzie Q <suzie@shopping.example.net> \r\n"
      "Subject:\tIs  dinner\tready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
      "Message-ID:\r\n <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
      "Hi. \r\n\t\r\nWe lost the game. \t Are you hungry yet?\r\n\r\nJoe.\r\n\r\n\r\n";
  CHECK(signed_by(same) == signed_by(kRfcMessage));
}

TEST_CASE("a header that cannot be read or is too long is not signed", "[dkim]") {
  const auto kind = [](const std::string& message) {
    DkimSigner signer;
    signer.read(message);
    return signer.finish({{{"example.org", "s", ed25519_key()}}}, kTerms).error().kind;
  };
  CHECK(kind("From: a\r\nno field\r\n\r\n") == ErrorKind::kInvalid);
  CHECK(kind("From: a\r\nX: " + std::string(kMaxDkimHeader, 'x') + "\r\n\r\n") == ErrorKind::kTooLarge);
  std::string many = "From: a\r\n";
  for (int i = 0; i < 600; ++i) many += "To: a\r\n";
  CHECK(kind(many + "\r\n") == ErrorKind::kTooLarge);
  DkimSigner signer;
  signer.read("no field\r\n");
  CHECK(signer.finish({}, kTerms).value().empty());
}

TEST_CASE("a domain is written as its message's header is: RFC 8616", "[dkim]") {
  const DkimIdentity identity{"xn--bcher-kva.example", "s", ed25519_key()};
  CHECK(tag(signed_by(identity, "From: a@xn--bcher-kva.example\r\n\r\n"), "d") == "xn--bcher-kva.example");
  CHECK(tag(signed_by(identity,
                      "From: j\xc3\xb6rg@b\xc3\xbc"
                      "cher.example\r\n\r\n"),
            "d") ==
        "b\xc3\xbc"
        "cher.example");
  // Octets of some other charset make no internationalized header.
  CHECK(tag(signed_by(identity,
                      "Subject: gr\xfc\xdf"
                      "e\r\n\r\n"),
            "d") == "xn--bcher-kva.example");
}

TEST_CASE("U-labels come back from their A-labels", "[dkim]") {
  for (const std::string domain :
       {"b\xc3\xbc"
        "cher.example",
        "example.org", "\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
        "\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0.\xd1\x80\xd1\x84",
        "stra\xc3\x9f"
        "e.de"}) {
    CHECK(unicode_domain(ascii_domain(domain).value()) == domain);
  }
  for (const char* domain : {"xn--", "xn---", "xn--a", "xn--99999999999", "xn--bcher-KVA.example", "xn--\xff",
                             "xn--zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
    CHECK(unicode_domain(domain) == domain);
  }
}

TEST_CASE("keys are read again as they were written", "[dkim]") {
  for (const auto algorithm : {DkimAlgorithm::kRsaSha256, DkimAlgorithm::kEd25519Sha256}) {
    const DkimKey key = DkimKey::make(algorithm).value();
    CHECK(key.pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const DkimKey again = DkimKey::parse(key.pem()).value();
    CHECK(again.algorithm() == algorithm);
    CHECK(again.record() == key.record());
    CHECK(again.sign(sha256("x")) == key.sign(sha256("x")));
  }
  CHECK(ed25519_key().record() == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  CHECK(
      rsa_key().record() ==
      "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb"
      "2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2E"
      "eC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  for (const char* bad : {"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    CHECK(DkimKey::parse(bad).error().kind == ErrorKind::kInvalid);
  }
}

// Not run by itself: tests/system/dkim_signing.py has another implementation verify what comes of it. The
// folder named by MAILSTEAD_SIGN holds NAME.eml files, and gets NAME.signed, and the records of the keys.
TEST_CASE("messages are signed for others to verify", "[.sign]") {
  const char* const folder = std::getenv("MAILSTEAD_SIGN");
  REQUIRE(folder != nullptr);
  std::ofstream records(std::filesystem::path(folder) / "records");
  std::vector<DkimIdentity> identities;
  for (const auto algorithm : {DkimAlgorithm::kRsaSha256, DkimAlgorithm::kEd25519Sha256}) {
    const std::string selector(algorithm == DkimAlgorithm::kRsaSha256 ? "rsa" : "ed");
    identities.push_back({"xn--bcher-kva.example", selector, DkimKey::make(algorithm).value()});
    records << selector << ' ' << identities.back().key.record() << '\n';
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::filesystem::path path = entry.path();
    if (path.extension() != ".eml") continue;
    std::ifstream file(path, std::ios::binary);
    const std::string message((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    DkimSigner signer;
    for (std::size_t at = 0; at < message.size(); at += 7)
      signer.read(std::string_view(message).substr(at, 7));
    path.replace_extension(".signed");
    std::ofstream(path, std::ios::binary) << signer.finish(identities, kTerms).value() << message;
  }
}

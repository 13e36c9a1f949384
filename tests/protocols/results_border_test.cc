#include "protocols/origin/results_border.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "tests/catch.h"

using namespace mailstead;
using namespace std::string_literals;

namespace {

using Offsets = std::vector<std::uint64_t>;

constexpr const char* kBorderHost = "mx.example.org";

bool is_claimed(const std::string& field) {
  return claims_results_of(field, kBorderHost);
}

ResultsBorder border_of(const std::string& message, std::size_t piece) {
  ResultsBorder border(kBorderHost);
  for (std::size_t at = 0; at < message.size(); at += piece) {
    border.read(std::string_view(message).substr(at, piece));
  }
  border.finish();
  return border;
}

Offsets offsets_in(const std::string& message) {
  return border_of(message, message.size() + 1).offsets();
}

std::string renamed(std::string message) {
  for (const std::uint64_t at : offsets_in(message)) {
    message.replace(at, kUntrustedName.size(), kUntrustedName);
  }
  return message;
}

std::size_t bare_line_ends(const std::string& text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    count += text[i] == '\n' && (i == 0 || text[i - 1] != '\r') ? 1U : 0U;
    count += text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n') ? 1U : 0U;
  }
  return count;
}

}  // namespace

TEST_CASE("results that claim to be ours are told: RFC 8601 5", "[authres]") {
  for (const std::string& ours : {
           "Authentication-Results: mx.example.org; none\r\n"s,
           "authentication-RESULTS :MX.Example.Org;spf=pass\r\n"s,
           "Authentication-Results:\r\n mx.example.org 1; dkim=pass\r\n"s,
           "Authentication-Results: mx.example.org\r\n"s,
           "Authentication-Results: mx.example.org"s,
           "Authentication-Results: mx.example.org.; x\r\n"s,
           "Authentication-Results: mx.example.org(x); none\r\n"s,
           "Authentication-Results: mx.example.org/1; none\r\n"s,
           "Authentication-Results: mx.example.org/ 1; none\r\n"s,
           "Authentication-Results: mx.example.or g; none\r\n"s,
       }) {
    INFO(ours);
    CHECK(is_claimed(ours));
  }
  for (const std::string& other : {
           "Authentication-Results: mx.example.com; none\r\n"s,
           "Authentication-Results: amx.example.org; none\r\n"s,
           "Authentication-Results: example.org; mx.example.org\r\n"s,
           "Authentication-Results: example.org 1; mx.example.org\r\n"s,
           "Authentication-Results : other.\r\n"s,
           "Authentication-Results:\r\n\tother_1.example ;\r\n spf=pass (\"x\r\n y\r\n"s,
           "Authentication-Results: other.example (amavisd-new); dkim=pass\r\n"s,
           "Authentication-Results: other.example (a) 1 (b) ; dkim=pass\r\n"s,
           "Authentication-Results: xn--bcher-kva.example; none\r\n"s,
           "X-Authentication-Results: mx.example.org; none\r\n"s,
           "Authentication-Results-Original: mx.example.org; none\r\n"s,
           "Authentication-Resultss: mx.example.org; none\r\n"s,
           "ARC-Authentication-Results: i=1; mx.example.org; none\r\n"s,
           "Subject: mx.example.org\r\n"s,
           "Authentication\r\n"s,
           "no field\r\n"s,
           ""s,
       }) {
    INFO(other);
    CHECK_FALSE(is_claimed(other));
  }
  CHECK(
      claims_results_of("Authentication-Results: b\xc3\xbc"
                        "cher.example; none\r\n",
                        "xn--bcher-kva.example"));
  CHECK(claims_results_of("Authentication-Results: XN--bcher-kva.example; none\r\n",
                          "b\xc3\xbc"
                          "cher.example"));
  CHECK(claims_results_of("Authentication-Results: host 1; none\r\n", "host1"));
  CHECK(claims_results_of("Authentication-Results: host; none\r\n", "HOST."));
}

TEST_CASE("what some reader may read as our name claims it", "[authres]") {
  for (const std::string& value : {
           // Blanks and comments, between labels and around.
           "mx .example.org; x"s,
           "mx. example.org; x"s,
           "mx(x).example.org; x"s,
           "mx (x) .example.org; x"s,
           "mx\r\n .example.org; x"s,
           "(x) mx.example.org; x"s,
           "(other.example; x) mx.example.org; x"s,
           "(a;b (c)) \"mx.example.org\"; x"s,
           "(mx.example.org; none"s,
           "other.example (\\) mx.example.org;"s,
           "other.example((a) x); y"s,
           // Quotes.
           "\"mx\".\"example.org\"; x"s,
           "\"mx.example.org\"; x"s,
           "mx.\"example\".org; x"s,
           "\"mx.ex\\ample.org\"; x"s,
           "mx\\.example.org; x"s,
           "other.example\"\"; x"s,
           // Octets that are no text.
           "\vmx.example.org; x"s,
           "mx.example.org\f; x"s,
           "m\0x.example.org; x"s,
           "other.example\0; x"s,
           "other.example; x\vAuthentication-Results: mx.example.org; x"s,
           "other.example;\r x"s,
           "other.example;\n x"s,
           "other.example; \x7f"s,
           // Letters that come to ASCII, and full stops.
           "\xef\xbd\x8dx.example.org; x"s,
           "mx\xe3\x80\x82"
           "example.org; x"s,
           "mx\xc2\xad.example.org; x"s,
           "other.example; \xc2\x85"s,
           "xn--mx-.example.org; x"s,
           "mx.xn--example-i06c.org; x"s,
           "xn--x-nr0i.example.org; x"s,
           "=?utf-8?q?mx=2Eexample=2Eorg?=; x"s,
           "=?utf-8?b?bXg=?=.example.org; x"s,
           // Nothing, and folds of older writers.
           ""s,
           "  "s,
           "\r\n \r\n mx.example.org; x"s,
           "other.example;\r\n \r\n x"s,
           "other.example;\r\n\t"s,
           "; spf=pass"s,
           ";"s,
           "spf=pass (x) smtp.mailfrom=a@b"s,
           // What is no domain.
           "other..example; x"s,
           ".mx.example.org; x"s,
           "-other.example; x"s,
           "mx.example.org..; x"s,
           "other.example/1; x"s,
           "other.example, mx.example.org; x"s,
           "other.example=mx.example.org; x"s,
           "other.example none"s,
           "other.example 1 2; x"s,
           "other.example(x)1.mx; x"s,
           "[192.0.2.1]; x"s,
           "<mx.example.org>; x"s,
           "mx@example.org; x"s,
       }) {
    INFO(value);
    CHECK(is_claimed("Authentication-Results: " + value + "\r\n"));
    CHECK(is_claimed("Authentication-Results:" + value));
  }
}

TEST_CASE("what some reader may read as the name of results has that name", "[authres]") {
  for (const std::string& field : {
           "authentication-results"s,
           "Authentication-Results x"s,
           "Authentication-Results\r\n : other.example; x"s,
           "Authentication-Results\0: other.example; x"s,
           "Authentication\0-Results: other.example; x"s,
           "\vAuthentication-Results: other.example; x"s,
           "Authentication-Results\f: mx.example.org; x"s,
           "Authentication -Results: mx.example.org; x"s,
           "\xef\xbb\xbf"
           "Authentication-Results: mx.example.org; x"s,
           "Authentication-\xe2\x80\x8bResults: mx.example.org; x"s,
           "Authentication-\r\n Results: x"s,
           "Authentication-\rResults: x"s,
           " Authentication-Results: mx.example.org; x"s,
       }) {
    INFO(field);
    CHECK(is_claimed(field));
    CHECK(is_claimed(field + "\r\n"));
  }
  // A blank before the colon is the one that the grammar has: RFC 5322 4.5.
  CHECK_FALSE(is_claimed("Authentication-Results : other.example; x\r\n"));
  CHECK(is_claimed("Authentication-Results :\tmx.example.org; x\r\n"));
}

TEST_CASE("a message is searched for results that claim to be ours", "[authres]") {
  const std::string header =
      "Authentication-Results: mx.example.org;\r\n\tspf=pass\r\nno field\r\nSubject: a\r\n"
      " Authentication-Results: mx.example.org; none\r\nauthentication-results: other.example; none\r\n";
  const std::string mine = "authentication-results: MX.example.org; none\r\n";
  const std::string message = header + mine + "\r\n" + mine;
  CHECK(offsets_in(message) == Offsets{0, header.size()});
  CHECK(offsets_in(header + mine) == Offsets{0, header.size()});
  CHECK(offsets_in(header + mine.substr(0, mine.size() - 2)) == Offsets{0, header.size()});
  CHECK(renamed(mine + "\r\n" + mine) == "Untrusted-Auth-Results: MX.example.org; none\r\n\r\n" + mine);
  CHECK(offsets_in("").empty());
  CHECK(offsets_in("\r\n" + mine).empty());
  CHECK(offsets_in(mine.substr(0, 22)) == Offsets{0});
  CHECK(offsets_in(mine.substr(0, 21)).empty());
  CHECK(offsets_in(" " + mine) == Offsets{0});
  // Only CRLF makes the empty line.
  CHECK(offsets_in("X: y\n\n" + mine) == Offsets{6});
  CHECK(offsets_in("X: y\r\n\n" + mine) == Offsets{7});
  CHECK(offsets_in("X: y\r\n\n\r\n" + mine) == Offsets{9});
  CHECK(offsets_in("X: y\n\r\n" + mine) == Offsets{7});
  CHECK(offsets_in("X: y\r\n \r\n" + mine) == Offsets{9});
}

TEST_CASE("a name with something inside becomes another one, too", "[authres]") {
  CHECK(renamed("Authentication-Results : mx.example.org; x\r\n\r\n") ==
        "Untrusted-Auth-Results : mx.example.org; x\r\n\r\n");
  CHECK(renamed("Authentication\0-Results: x\r\n"s) == "Untrusted-Auth-Resultss: x\r\n");
  CHECK(renamed("Authentication-\r\n Results: x\r\n") == "Untrusted-Auth-Resultslts: x\r\n");
  CHECK(renamed("Authentication-Results\r\n : x\r\n") == "Untrusted-Auth-Results\r\n : x\r\n");
  CHECK(renamed("Authentication-Result\r\n s: x\r\n") == "AUntrusted-Auth-Results s: x\r\n");
  CHECK(renamed("\001Authentication-Results: x\r\n") == "Untrusted-Auth-Resultss: x\r\n");
}

TEST_CASE("a field of any length is judged, in bounded memory", "[authres]") {
  const std::string name = "Authentication-Results: other.example; x=";
  const std::string fits = name + std::string(kMaxResultsField - name.size() - 2, 'y') + "\r\n";
  CHECK(offsets_in(fits + "\r\n").empty());
  const std::string longer = name + std::string(kMaxResultsField - name.size() - 1, 'y') + "\r\n";
  CHECK(offsets_in("X: y\r\n" + longer + "\r\n") == Offsets{6});
  CHECK(offsets_in(std::string(kMaxResultsField, '\0') + name) == Offsets{0});
  CHECK(offsets_in("Authentication-" + std::string(kMaxResultsField, '\v') + "Results: x\r\n") == Offsets{0});
  CHECK(offsets_in("X" + std::string(kMaxResultsField * 2, 'x') + ": y\r\n" + name) == Offsets{});

  const auto begin = std::chrono::steady_clock::now();
  std::string many;
  while (many.size() < 4'000'000) many += "Authentication-Results:\r\n";
  ResultsBorder border = border_of(many, 65536);
  CHECK(border.too_many());
  CHECK(border.offsets().size() == kMaxResultsClaims);
  CHECK(border.offsets().back() == (kMaxResultsClaims - 1) * 25);
  border = border_of(many.substr(0, kMaxResultsClaims * 25), 1);
  CHECK_FALSE(border.too_many());
  CHECK(border.offsets().size() == kMaxResultsClaims);
  for (const char* octet : {"x", " ", "\t", "(", "\"", ":", "\r\n ", "\n"}) {
    std::string long_one = "Authentication-Results: other.example ";
    while (long_one.size() < 4'000'000) long_one += octet;
    CHECK(border_of(long_one, 65536).offsets().front() == 0);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

TEST_CASE("how a message is cut does not matter, and what is renamed claims nothing", "[authres]") {
  const std::vector<std::string> parts = {"Authentication-Results:",
                                          "Authentication-Results",
                                          "authentication-",
                                          "results",
                                          ":",
                                          " ",
                                          "\t",
                                          "\r\n",
                                          "\r\n",
                                          "\r\n ",
                                          "\r",
                                          "\n",
                                          "\0"s,
                                          "\v",
                                          "mx.example.org",
                                          "other.example",
                                          ";",
                                          "1",
                                          "(",
                                          ")",
                                          "\"",
                                          "X: y",
                                          "\xc3\xbc",
                                          "Authentication-Result\r\n s:",
                                          "\r\nAuthentication-Results: other.example; x\r\n"};
  std::mt19937 random(20);
  std::size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string message;
    for (std::size_t i = random() % 30; i > 0; --i) message += parts[random() % parts.size()];
    const Offsets offsets = offsets_in(message);
    found += offsets.size();
    for (const std::size_t piece : {1U, 2U, 3U, 5U, 22U}) {
      CHECK(border_of(message, piece).offsets() == offsets);
    }
    CHECK(std::ranges::is_sorted(offsets));
    const std::string changed = renamed(message);
    INFO(message);
    CHECK(changed.size() == message.size());
    CHECK(bare_line_ends(changed) <= bare_line_ends(message));
    CHECK(offsets_in(changed).empty());
  }
  CHECK(found > 500);
}

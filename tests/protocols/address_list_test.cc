#include "protocols/address_list.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("the addresses of a field are found", "[address]") {
  const std::pair<std::string, std::vector<std::string>> lists[] = {
      {"anna@example.org", {"anna@example.org"}},
      {"<anna@example.org>", {"anna@example.org"}},
      {"Anna Example <anna@example.org>", {"anna@example.org"}},
      {"\"Example, Anna\" <anna@example.org>", {"anna@example.org"}},
      {"\"<bert@example.org>\" <anna@example.org>", {"anna@example.org"}},
      {"Anna (who <bert@example.org> knows) <anna@example.org> (home)", {"anna@example.org"}},
      {"anna@example.org (Anna (the elder), really)", {"anna@example.org"}},
      {"=?utf-8?q?=C3=84nna?= <anna@example.org>", {"anna@example.org"}},
      {"\xc3\x84nna <anna@example.org>", {"anna@example.org"}},
      {"Anna [Example Ltd] <anna@example.org>", {"anna@example.org"}},
      {"anna@example.org, bert@example.org", {"anna@example.org", "bert@example.org"}},
      {", anna@example.org, ,bert@example.org,", {"anna@example.org", "bert@example.org"}},
      {"Anna <anna@example.org>, Bert <bert@example.org>", {"anna@example.org", "bert@example.org"}},
      {"\"a b\"@example.org", {"\"a b\"@example.org"}},
      {"<\"a@b\"@example.org>", {"\"a@b\"@example.org"}},
      {"anna . example @ example . org", {"anna.example@example.org"}},
      {"<@one.example,@two.example:anna@example.org>", {"anna@example.org"}},
      {"< anna@example.org (home) >", {"anna@example.org"}},
      {"anna@ (at) example.org", {"anna@example.org"}},
      {"anna@[192.0.2.1]", {"anna@[192.0.2.1]"}},
      {"Friends: anna@example.org, Bert <bert@example.org>;, carl@example.org",
       {"anna@example.org", "bert@example.org", "carl@example.org"}},
      {"undisclosed-recipients:;", {}},
      // What some programs write: it names nobody else, however it is read.
      {"anna@example.org <anna@example.org>", {"anna@example.org"}},
      {"Anna@Example.org <anna@example.org>, bert@example.org", {"anna@example.org", "bert@example.org"}},
      {"", {}},
      {"(nobody)", {}},
  };
  for (const auto& [value, wanted] : lists) {
    INFO(value);
    const auto found = parse_address_list(value);
    REQUIRE(found.has_value());
    std::vector<std::string> texts;
    for (const Address& address : *found) texts.push_back(address.text());
    CHECK(texts == wanted);
  }
}

TEST_CASE("what is no list of addresses is told to be none", "[address]") {
  for (const std::string value : {"bert@example.org <anna@example.org>",
                                  "anna@example.org anna@example.org <anna@example.org>",
                                  "anna@example.org, <bert@example.org> <anna@example.org>",
                                  "bert@example.org:;",
                                  "bert@example.org: anna@example.org;",
                                  "[<bert@example.org>] <anna@example.org>",
                                  "[bert@example.org] <anna@example.org>",
                                  "big anna@example.org",
                                  "big(x)anna@example.org",
                                  "anna@exam ple.org",
                                  "Bert\x01 <anna@example.org>",
                                  "anna@example.org [x]",
                                  "anna",
                                  "Anna Example",
                                  "anna@",
                                  "@example.org",
                                  "<>",
                                  "Anna <anna>",
                                  "<anna@example.org",
                                  "anna@example.org>",
                                  "<<anna@example.org>>",
                                  "<anna@example.org> bert@example.org",
                                  "<anna@example.org> <bert@example.org>",
                                  "Friends: anna@example.org",
                                  "anna@example.org;",
                                  ": anna@example.org;",
                                  "A: B: anna@example.org;;",
                                  "A: anna@example.org; bert@example.org",
                                  "\"Anna <anna@example.org>",
                                  "(Anna <anna@example.org>",
                                  "anna@example.org@example.net",
                                  "anna bert@example.org <",
                                  "a\x01@example.org"}) {
    INFO(value);
    CHECK_FALSE(parse_address_list(value).has_value());
  }
}

TEST_CASE("a tab is a blank", "[address]") {
  const auto found = parse_address_list("Anna\t<anna@example.org>,\t\tbert@example.net\t(x\ty)");
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->at(1).text() == "bert@example.net");
}

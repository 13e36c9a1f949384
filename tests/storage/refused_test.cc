// Refused mail is known to the next server.
#include "storage/database/refused_mail.h"

#include "storage/store.h"
#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

TEST_CASE("refused mail is remembered as it was, and forgotten one by one", "[storage][refused]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(store->refused_mail().has_value());
  CHECK(store->refused_mail()->empty());
  const RefusedMail first{7,
                          1'700'000'000,
                          "smtp",
                          "192.0.2.1",
                          "mx.far.example",
                          "",
                          "DATA",
                          "carl@far.example",
                          {kAnna, "\xC3\xA4@b' --"},
                          "one@far.example",
                          "550 5.7.1 no"};
  RefusedMail second = first;
  second.serial = 9;
  second.to.clear();
  REQUIRE(store->change_refused_mail({{first, second}, {}}).has_value());
  store = (store.reset(), open_store(scratch.data()));
  auto kept = store->refused_mail();
  REQUIRE(kept.has_value());
  REQUIRE(kept->size() == 2);
  const RefusedMail& mail = (*kept)[0];
  CHECK(mail.serial == 7);
  CHECK(mail.at == 1'700'000'000);
  CHECK(mail.service == "smtp");
  CHECK(mail.peer == "192.0.2.1");
  CHECK(mail.helo == "mx.far.example");
  CHECK(mail.user.empty());
  CHECK(mail.command == "DATA");
  CHECK(mail.from == "carl@far.example");
  CHECK(mail.to == first.to);
  CHECK(mail.message_id == "one@far.example");
  CHECK(mail.reply == "550 5.7.1 no");
  CHECK((*kept)[1].to.empty());
  second.serial = 10;
  REQUIRE(store->change_refused_mail({{second}, {7, 8}}).has_value());
  kept = store->refused_mail();
  REQUIRE(kept.has_value());
  REQUIRE(kept->size() == 2);
  CHECK((*kept)[0].serial == 9);
  CHECK((*kept)[1].serial == 10);
}

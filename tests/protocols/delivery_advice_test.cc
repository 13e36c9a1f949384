#include "protocols/smtp/delivery_advice.h"

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("a host that passes nothing on has advice of its own", "[report]") {
  const auto told = [](const char* reply) {
    return delivery_advice(DeliveryFate::kRefused, "5.7.1", reply).substr(0, 45);
  };
  CHECK(told("554 5.7.1 <a@b.example>: Relay access denied") ==
        "The other server takes no mail for that domai");
  CHECK(told("550 5.7.1 Unable to relay for a@b.example") == "The other server takes no mail for that domai");
  CHECK(told("550 5.7.1 192.0.2.1 is listed as an open relay") ==
        "The other server does not want this message. ");
  CHECK(told("Relay access denied") == "The other server does not want this message. ");
}

TEST_CASE("each refusal that people can do something about says what", "[report]") {
  for (const char* status : {"5.6.3", "5.7.1", "5.7.20", "5.7.23", "5.7.25", "5.7.26", "5.4.2"})
    CHECK_FALSE(delivery_advice(DeliveryFate::kRefused, status, "550 no").empty());
  CHECK(delivery_advice(DeliveryFate::kRefused, "5.0.0", "550 no").empty());
  CHECK(delivery_advice(DeliveryFate::kRefused, "", "").empty());
}

TEST_CASE("what is tried again asks for nothing, what is given up does", "[report]") {
  for (const char* status : {"4.1.1", "4.2.1", "4.2.2", "4.4.1", "4.4.2", "4.4.3", "4.4.4", "4.7.1", "4.7.5",
                             "4.7.8", "4.3.2", "4.7.10", "4.0.0", ""}) {
    INFO(status);
    const std::string_view waits = delivery_advice(DeliveryFate::kWaits, status, "450 later");
    CHECK_FALSE(waits.empty());
    for (const char* todo : {"Look for", "Send it", "Tell", "Ask", "have to"})
      CHECK(waits.find(todo) == std::string_view::npos);
    CHECK_FALSE(delivery_advice(DeliveryFate::kGivenUp, status, "450 later").empty());
    CHECK_FALSE(delivery_advice(DeliveryFate::kGivenUp, status, "connection refused").empty());
  }
  CHECK(delivery_advice(DeliveryFate::kWaits, "", "connection refused").empty());
}

TEST_CASE("how long it was tried is said in one unit", "[report]") {
  CHECK(tried_words(5 * 86400 + 7200, 41) == "It was tried for 5 days, 41 times.");
  CHECK(tried_words(30 * 3600, 12) == "It was tried for 30 hours, 12 times.");
  CHECK(tried_words(60, 2) == "It was tried for 1 minute, 2 times.");
  CHECK(tried_words(-5, 2) == "It was tried for 1 second, 2 times.");
  CHECK(tried_words(86400, 1) == "It was tried once.");
}

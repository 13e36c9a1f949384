#include "server/signing.h"

#include "protocols/address.h"
#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("mail is signed for its author's domain, or for the nearest of ours", "[signing]") {
  const Directory directory(
      {{1, parse_address("anna@example.org").value()}, {2, parse_address("x@[192.0.2.1]").value()}},
      {{"info@sub.sister.example", {}}});
  const std::optional<Address> ours = parse_address("anna@example.org").value();
  const std::optional<Address> literal = parse_address("x@[192.0.2.1]").value();
  CHECK(signing_domain(directory, "example.org", std::nullopt) == "example.org");
  CHECK(signing_domain(directory, "sub.sister.example", ours) == "sub.sister.example");
  // Aligned in DMARC's relaxed way: a host's own reports.
  CHECK(signing_domain(directory, "mail.example.org", std::nullopt) == "example.org");
  CHECK(signing_domain(directory, "a.b.sub.sister.example", std::nullopt) == "sub.sister.example");
  // The domain above is not one that may sign for this one's, and so no reverse-path of ours does worse.
  CHECK(signing_domain(directory, "sister.example", ours) == "example.org");
  CHECK(signing_domain(directory, "badexample.org", std::nullopt).empty());
  CHECK(signing_domain(directory, "elsewhere.example", std::nullopt).empty());
  CHECK(signing_domain(directory, "", ours) == "example.org");
  CHECK(signing_domain(directory, "", std::nullopt).empty());
  // No DNS name, no key.
  CHECK(signing_domain(directory, "[192.0.2.1]", literal).empty());
}

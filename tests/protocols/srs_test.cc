#include "protocols/smtp/srs.h"

#include <string>

#include "protocols/ascii.h"
#include "tests/catch.h"

using namespace mailstead;

namespace {

constexpr std::int64_t kDay = 24 * 3600;
constexpr std::int64_t kNow = 1795788407;

Srs ours() {
  return {"tops3cr3t", "ours.example"};
}
Srs others() {
  return {"another", "others.example"};
}

Address of(const std::string& text) {
  return parse_address(text).value();
}

}  // namespace

TEST_CASE("addresses are those that postsrsd makes under the same secret", "[srs]") {
  CHECK(ours().forward(of("Anna.B@remote.example"), kNow).value().text() ==
        "SRS0=cl6qNa=JQ=remote.example=Anna.B@ours.example");
  const char* const again = "SRS1=0L7xWQ=others.example==abcd=AB=remote.example=anna@ours.example";
  CHECK(ours().forward(of("SRS0=abcd=AB=remote.example=anna@others.example"), kNow).value().text() == again);
  CHECK(ours()
            .forward(of("SRS1=abcd=others.example==abcd=AB=remote.example=anna@third.example"), kNow)
            .value()
            .text() == again);
}

TEST_CASE("a rewritten address leads back", "[srs]") {
  for (const char* sender :
       {"anna@remote.example", "Anna.B+c=d@remote.example", "=@remote.example", "anna@[192.0.2.1]",
        "j\xc3\xb6rg@xn--bcher-kva.example", "\"a b\"@remote.example", "srs0@remote.example",
        "SRS1=x@remote.example", "srs0-fan@remote.example"}) {
    const Address made = ours().forward(of(sender), kNow).value();
    INFO(made.text());
    CHECK(made.domain == "ours.example");
    CHECK(looks_like_srs(made));
    CHECK(parse_address(made.text()).value() == made);
    CHECK(ours().reverse(made, kNow).value() == of(sender));
    // Capitals may be lost on the way; the hash does not depend on them.
    const Address small{ascii::lower(made.local_part), made.domain};
    CHECK(ours().reverse(small, kNow).value().key() == of(sender).key());
  }
}

TEST_CASE("only what we made leads back, and only for a while", "[srs]") {
  const Address made = ours().forward(of("anna@remote.example"), kNow).value();
  CHECK(ours().reverse(made, kNow + kSrsDays * kDay).has_value());
  CHECK(ours().reverse(made, kNow + (kSrsDays + 1) * kDay).error().kind == ErrorKind::kNotFound);
  CHECK(ours().reverse(made, kNow - kDay).error().kind == ErrorKind::kNotFound);
  CHECK(others().reverse(made, kNow).error().kind == ErrorKind::kDenied);
  for (std::size_t i = 5; i < made.local_part.size(); ++i) {
    Address changed = made;
    changed.local_part[i] = changed.local_part[i] == 'x' ? 'y' : 'x';
    if (changed.local_part == made.local_part) continue;
    CHECK_FALSE(ours().reverse(changed, kNow).has_value());
  }
  // The day's count begins anew in the night in which it has been 1023.
  const std::int64_t last = 1023 * kDay;
  const Address before = ours().forward(of("anna@remote.example"), last).value();
  CHECK(ours().reverse(before, last + 3 * kDay).has_value());
  CHECK(ours().reverse(before, last + 30 * kDay).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a chain of hosts does not grow an address", "[srs]") {
  const Address sender = of("anna@remote.example");
  const Address first = others().forward(sender, kNow).value();
  const Address second = ours().forward(first, kNow).value();
  CHECK(second.local_part.starts_with("SRS1="));
  CHECK(second.local_part.ends_with("=others.example=" + first.local_part.substr(4)));
  const Address third = Srs("third", "third.example").forward(second, kNow).value();
  CHECK(third.local_part.size() == second.local_part.size());
  CHECK(Srs("third", "third.example").reverse(third, kNow).value() == first);
  CHECK(ours().reverse(second, kNow).value() == first);
  CHECK(others().reverse(first, kNow).value() == sender);
  CHECK(others().reverse(second, kNow).error().kind == ErrorKind::kDenied);
  // Another first separator belongs to the host that chose it.
  const Address plus = of("SRS0+abcd=AB=remote.example=anna@others.example");
  CHECK(ours().reverse(ours().forward(plus, kNow).value(), kNow).value() == plus);
}

TEST_CASE("what would be too long is not made", "[srs]") {
  const std::string local(64 - 5 - 7 - 3 - 15, 'x');
  CHECK(ours().forward(of(local + "@remote.example"), kNow).value().local_part.size() == 64);
  CHECK(ours().forward(of(local + "x@remote.example"), kNow).error().kind == ErrorKind::kTooLarge);
  // Quotes count.
  CHECK(ours().forward(of("\"" + local.substr(1) + " \"@remote.example"), kNow).error().kind ==
        ErrorKind::kTooLarge);
}

TEST_CASE("what is no rewritten address is none", "[srs]") {
  for (const char* other :
       {"anna", "srs", "SRS0", "SRS0=", "SRS0=x", "SRS0=abcdef=AA", "SRS0=abcdef=AA=remote.example",
        "SRS0=abcdef=AA=remote.example=", "SRS0=abcdef=A=remote.example=x", "SRS0=abcdef=A1=remote.example=x",
        "SRS0=abcdef=AA==x", "SRS1=abcdef", "SRS1=abcdef=others.example", "SRS1=abcdef==x",
        "SRS2=abcdef=AA=remote.example=x", "SRS0xabcdef=AA=remote.example=x"}) {
    INFO(other);
    CHECK(ours().reverse({other, "ours.example"}, kNow).error().kind == ErrorKind::kInvalid);
  }
}

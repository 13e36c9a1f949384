#include "admin/config/mail_route.h"

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("a route is a domain, a host and how TLS is used", "[config][route]") {
  const auto read = [](std::string_view text) {
    auto route = parse_mail_route(text);
    REQUIRE(route.has_value());
    return *route;
  };
  CHECK(read("Example.NET mx.example.net") ==
        MailRoute{"example.net", "mx.example.net", 25, SmarthostTls::kOpportunistic});
  CHECK(read(" example.net\t192.0.2.1:2525  starttls ") ==
        MailRoute{"example.net", "[192.0.2.1]", 2525, SmarthostTls::kStartTls});
  CHECK(read("example.net [2001:db8::1]:465 tls") ==
        MailRoute{"example.net", "[IPv6:2001:db8::1]", 465, SmarthostTls::kImplicit});
  CHECK(read("example.net 2001:db8::1 tls") ==
        MailRoute{"example.net", "[IPv6:2001:db8::1]", 25, SmarthostTls::kImplicit});
  CHECK(read("b\xC3\xBC"
             "cher.example mx") == MailRoute{"xn--bcher-kva.example", "", 25, SmarthostTls::kOpportunistic});
  for (const char* text :
       {"example.net mx.example.net:25 opportunistic", "example.net [192.0.2.1]:2525 starttls",
        "example.net [2001:db8::1]:465 tls", ".example.net mx"}) {
    CHECK(print_mail_route(read(text)) == text);
  }
  for (const char* wrong :
       {"", "example.net", "example.net mx starttls", "example.net mx.example.net ssl", "example.net a b c",
        "example.net mx.example.net:0", "example.net mx.example.net:65536", "example.net mx.example.net:x",
        "@example.net mx", ".[192.0.2.1] mx", ". mx", "example.net [192.0.2.1"}) {
    INFO(wrong);
    CHECK_FALSE(parse_mail_route(wrong).has_value());
  }
}

TEST_CASE("a dot in front of a domain means what is below it", "[config][route]") {
  const MailRoute below = parse_mail_route(".example.net mx").value(),
                  itself = parse_mail_route("example.net mx").value();
  CHECK(below.is_for("a.example.net"));
  CHECK(below.is_for("a.b.example.net"));
  CHECK_FALSE(below.is_for("example.net"));
  CHECK_FALSE(below.is_for("badexample.net"));
  CHECK(itself.is_for("example.net"));
  CHECK_FALSE(itself.is_for("a.example.net"));
}

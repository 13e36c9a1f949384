#include "protocols/origin/spf.h"

#include "tests/catch.h"
#include "tests/protocols/spf_world.h"

using namespace mailstead;

namespace {

using SpfQuestions = std::vector<SpfQuestion>;

constexpr dns::Type kTxt = dns::Type::kTxt;

}  // namespace

TEST_CASE("the identity is the sender's domain, or that of HELO", "[spf]") {
  const DnsZone zone(
      "far.example TXT v=spf1 ip4:192.0.2.1 -all\n"
      "mx.far.example TXT v=spf1 ip4:192.0.2.9 ?all\n"
      "other.example TXT v=spf1 exists:%{l}.%{o}.%{h}.b.example -all\n"
      "postmaster.other.example.other.example.b.example A 127.0.0.2\n");
  const SpfRun of_sender = run_spf(zone, spf_client("anna@far.example", "192.0.2.1"));
  CHECK(of_sender.verdict() == "pass");
  CHECK(of_sender.result.domain == "far.example");
  CHECK(of_sender.result.mechanism == "ip4:192.0.2.1");
  CHECK(of_sender.questions == SpfQuestions{{"far.example", kTxt}});
  const SpfRun of_helo = run_spf(zone, spf_client("", "192.0.2.9", "MX.far.example."));
  CHECK(of_helo.verdict() == "pass");
  CHECK(of_helo.result.domain == "mx.far.example");
  // RFC 7208 2.4, 4.3: nobody's is the postmaster's.
  CHECK(run_spf(zone, spf_client("", "192.0.2.1", "other.example")).verdict() == "pass");
  CHECK(run_spf(zone, spf_client("@other.example", "192.0.2.1", "other.example")).verdict() == "pass");
  CHECK(run_spf(zone, spf_client("anna@other.example", "192.0.2.1", "other.example")).verdict() == "fail");
}

TEST_CASE("what is no domain of several labels has no record", "[spf]") {
  const DnsZone zone("example TXT v=spf1 -all\n");
  const std::string label(63, 'x');
  const std::string long_name = label + "." + label + "." + label + "." + label + ".example";
  for (const std::string& helo :
       {std::string(), std::string("example"), std::string("localhost."), std::string("[192.0.2.1]"),
        std::string("[IPv6:2001:db8::1]"), std::string("192.0.2.1"), std::string("a..example"),
        std::string(".example"), std::string("a.example.."), label + "x.example", long_name,
        std::string("a\nb.example"), std::string("\xff.example")}) {
    CAPTURE(helo);
    const SpfRun run = run_spf(zone, spf_client("", "192.0.2.1", helo));
    CHECK(run.verdict() == "none");
    CHECK(run.questions.empty());
    CHECK(run_spf(zone, spf_client("anna@" + helo, "192.0.2.1")).questions.empty());
  }
  CHECK(run_spf(zone, spf_client("", "192.0.2.1", label + ".example")).questions.size() == 1);
  // RFC 8616 4.
  CHECK(run_spf(zone, spf_client("", "192.0.2.1",
                                 "mx.b\xc3\xbc"
                                 "cher.example"))
            .questions == SpfQuestions{{"mx.xn--bcher-kva.example", kTxt}});
}

TEST_CASE("there is one record, or an error", "[spf]") {
  const DnsZone zone(
      "none.example A 192.0.2.1\n"
      "other.example TXT v=spf10 -all\n TXT just text\n TXT \x96\n"
      "one.example TXT words\n TXT V=spf1 -all\n TXT more words\n"
      "two.example TXT v=spf1 -all\n TXT v=spf1 -all\n"
      "bad.example TXT v=spf1 -all nonsense\n"
      "empty.example TXT v=spf1\n"
      "slow.example FAILS TXT\n"
      "alias.example CNAME one.example\n"
      "circle.example CNAME circle.example\n");
  check_spf(zone, {{"a@none.example", "192.0.2.1", "none"},
                   {"a@missing.example", "192.0.2.1", "none"},
                   {"a@other.example", "192.0.2.1", "none"},
                   {"a@one.example", "192.0.2.1", "fail"},
                   {"a@ONE.example", "192.0.2.1", "fail"},
                   {"a@two.example", "192.0.2.1", "permerror"},
                   {"a@bad.example", "192.0.2.1", "permerror"},
                   {"a@empty.example", "192.0.2.1", "neutral"},
                   {"a@slow.example", "192.0.2.1", "temperror"},
                   {"a@alias.example", "192.0.2.1", "fail"},
                   {"a@circle.example", "192.0.2.1", "temperror"}});
  CHECK(run_spf(zone, spf_client("a@slow.example", "192.0.2.1")).result.problem ==
        "the DNS does not answer about slow.example");
  CHECK(run_spf(zone, spf_client("a@bad.example", "192.0.2.1")).result.problem ==
        "bad.example: its record has a term that is no mechanism or modifier: nonsense");
}

TEST_CASE("the first mechanism that matches decides", "[spf]") {
  CHECK(verdict_of_record("v=spf1 all -all") == "pass");
  CHECK(verdict_of_record("v=spf1 -all +all") == "fail");
  CHECK(verdict_of_record("v=spf1 ~all") == "softfail");
  CHECK(verdict_of_record("v=spf1 ?all") == "neutral");
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.2 ~ip4:192.0.2.1 -all") == "softfail");
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.2") == "neutral");
  CHECK(verdict_of_record("v=spf1 -ip4:192.0.2.1 a:slow.example", "slow.example FAILS\n") == "fail");
  const SpfRun none =
      run_spf(DnsZone("far.example TXT v=spf1 ip4:192.0.2.2\n"), spf_client("a@far.example", "192.0.2.1"));
  CHECK(none.result.mechanism.empty());
}

TEST_CASE("an address is of its family, whatever it is written as", "[spf]") {
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.0/24 -all", "", "192.0.2.255") == "pass");
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.0/24 -all", "", "192.0.3.0") == "fail");
  CHECK(verdict_of_record("v=spf1 ip4:0.0.0.0/0 -all", "", "203.0.113.1") == "pass");
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.0/24 -all", "", "::ffff:192.0.2.7") == "pass");
  CHECK(verdict_of_record("v=spf1 ip4:0.0.0.0/0 -all", "", "2001:db8::1") == "fail");
  CHECK(verdict_of_record("v=spf1 ip6:::/0 -all", "", "2001:db8::1") == "pass");
  CHECK(verdict_of_record("v=spf1 ip6:2001:db8:8000::/33 -all", "", "2001:db8:8000::1") == "pass");
  CHECK(verdict_of_record("v=spf1 ip6:2001:db8:8000::/33 -all", "", "2001:db8::1") == "fail");
  CHECK(verdict_of_record("v=spf1 ip6:::/0 -all", "", "192.0.2.1") == "fail");
  CHECK(verdict_of_record("v=spf1 ip6:::ffff:192.0.2.1 -all", "", "192.0.2.1") == "fail");
  CHECK(verdict_of_record("v=spf1 ip6:::ffff:0:0/96 -all", "", "::ffff:192.0.2.1") == "fail");
}

TEST_CASE("a: the addresses of a name", "[spf]") {
  const std::string zone =
      " A 192.0.2.1\n AAAA 2001:db8::1\n"
      "b.example A 203.0.113.9\n A 203.0.113.130\n AAAA 2001:db8:b::9\n"
      "old.example A 198.51.100.1\n"
      "new.example AAAA 2001:db8:c::1\n"
      "slow.example FAILS\n"
      "alias.example CNAME b.example\n";
  const auto verdict = [&](const std::string& terms, std::string_view ip) {
    return verdict_of_record("v=spf1 " + terms, zone, ip);
  };
  CHECK(verdict("a -all", "192.0.2.1") == "pass");
  CHECK(verdict("a -all", "::ffff:192.0.2.1") == "pass");
  CHECK(verdict("a -all", "2001:db8::1") == "pass");
  CHECK(verdict("a -all", "192.0.2.2") == "fail");
  CHECK(verdict("a:b.example -all", "203.0.113.130") == "pass");
  CHECK(verdict("a:B.example. -all", "203.0.113.9") == "pass");
  CHECK(verdict("a:alias.example -all", "203.0.113.9") == "pass");
  CHECK(verdict("a:b.example/25 -all", "203.0.113.1") == "pass");
  CHECK(verdict("a:b.example/25 -all", "203.0.114.1") == "fail");
  CHECK(verdict("a:b.example//64 -all", "2001:db8:b::1") == "pass");
  CHECK(verdict("a:b.example//64 -all", "203.0.113.1") == "fail");
  CHECK(verdict("a:b.example/24 -all", "2001:db8:b::1") == "fail");
  CHECK(verdict("a:b.example/24//64 -all", "2001:db8:b::1") == "pass");
  // All addresses are in a network of length 0, of its family, and only where there is one.
  CHECK(verdict("a:b.example/0 -all", "198.51.100.200") == "pass");
  CHECK(verdict("a:new.example/0 -all", "198.51.100.200") == "fail");
  CHECK(verdict("a:missing.example/0 -all", "198.51.100.200") == "fail");
  CHECK(verdict("a:old.example//0 -all", "2001:db8::1") == "fail");
  CHECK(verdict("a:new.example//0 -all", "2001:db8:ffff::1") == "pass");
  CHECK(verdict("a:slow.example ip4:192.0.2.1", "192.0.2.1") == "temperror");
  // What is no name is not asked about, and does not exist.
  CHECK(verdict("a:b..example -all", "192.0.2.1") == "fail");
  CHECK(verdict("a:.example -all", "192.0.2.1") == "fail");
  CHECK(verdict("a:" + std::string(64, 'x') + ".example -all", "192.0.2.1") == "fail");
}

TEST_CASE("mx: the addresses of the hosts that take a domain's mail", "[spf]") {
  const std::string zone =
      " MX 20 two.example\n MX 10 one.example\n A 203.0.113.77\n"
      "one.example A 192.0.2.1\n AAAA 2001:db8:1::1\n"
      "two.example A 192.0.2.129\n"
      "bare.example A 192.0.2.1\n"
      "null.example MX 0 \n"
      "lost.example MX 10 missing.example\n MX 20 one.example\n"
      "slow.example MX 10 sleepy.example\n"
      "sleepy.example FAILS\n";
  const auto verdict = [&](const std::string& terms, std::string_view ip) {
    return verdict_of_record("v=spf1 " + terms, zone, ip);
  };
  CHECK(verdict("mx -all", "192.0.2.1") == "pass");
  CHECK(verdict("mx -all", "192.0.2.129") == "pass");
  CHECK(verdict("mx -all", "2001:db8:1::1") == "pass");
  CHECK(verdict("mx -all", "203.0.113.77") == "fail");
  CHECK(verdict("mx/25 -all", "192.0.2.200") == "pass");
  CHECK(verdict("mx//64 -all", "2001:db8:1::2") == "pass");
  CHECK(verdict("mx//64 -all", "192.0.2.2") == "fail");
  CHECK(verdict("mx/0 -all", "2001:db8:2::2") == "fail");
  CHECK(verdict("mx:lost.example -all", "192.0.2.1") == "pass");
  // RFC 7208 5.4: never the addresses of the domain itself.
  CHECK(verdict("mx:bare.example/0 -all", "192.0.2.1") == "fail");
  CHECK(verdict("mx:null.example/0 -all", "192.0.2.1") == "fail");
  CHECK(verdict("mx:missing.example/0 -all", "192.0.2.1") == "fail");
  CHECK(verdict("mx:slow.example all", "192.0.2.1") == "temperror");
  CHECK(verdict("mx:sleepy.example all", "192.0.2.1") == "temperror");
  const SpfRun run =
      run_spf(DnsZone("far.example TXT v=spf1 mx -all\n" + zone), spf_client("a@far.example", "192.0.2.129"));
  CHECK(run.questions == SpfQuestions{{"far.example", kTxt},
                                      {"far.example", dns::Type::kMx},
                                      {"one.example", dns::Type::kA},
                                      {"two.example", dns::Type::kA}});
}

TEST_CASE("ptr: the client's own names, where they lead back", "[spf]") {
  const std::string zone =
      "1.2.0.192.in-addr.arpa PTR liar.far.example\n PTR mail.b.example\n PTR slow.example\n PTR "
      "mx.Far.example\n"
      "2.2.0.192.in-addr.arpa FAILS\n"
      "3.2.0.192.in-addr.arpa PTR liar.far.example\n"
      "4.2.0.192.in-addr.arpa PTR notfar.example\n"
      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mx.far.example\n"
      "liar.far.example A 203.0.113.1\n"
      "mail.b.example A 192.0.2.1\n"
      "slow.example FAILS\n"
      "mx.far.example A 192.0.2.1\n AAAA 2001:db8::1\n"
      "notfar.example A 192.0.2.4\n";
  const auto verdict = [&](const std::string& terms, std::string_view ip) {
    return verdict_of_record("v=spf1 " + terms, zone, ip);
  };
  CHECK(verdict("ptr -all", "192.0.2.1") == "pass");
  CHECK(verdict("ptr -all", "::ffff:192.0.2.1") == "pass");
  CHECK(verdict("ptr -all", "2001:db8::1") == "pass");
  CHECK(verdict("ptr:b.Example -all", "192.0.2.1") == "pass");
  CHECK(verdict("ptr:mail.b.example -all", "192.0.2.1") == "pass");
  CHECK(verdict("ptr:x.mail.b.example -all", "192.0.2.1") == "fail");
  CHECK(verdict("ptr:slow.example -all", "192.0.2.1") == "fail");
  // RFC 7208 5.5: a failure of the DNS is no match.
  CHECK(verdict("ptr -all", "192.0.2.2") == "fail");
  CHECK(verdict("ptr -all", "192.0.2.3") == "fail");
  CHECK(verdict("ptr -all", "192.0.2.4") == "fail");
  CHECK(verdict("ptr -all", "192.0.2.5") == "fail");
  // They are asked for once.
  const SpfRun twice = run_spf(DnsZone("far.example TXT v=spf1 ptr:c.example ptr:b.example -all\n" + zone),
                               spf_client("a@far.example", "192.0.2.1"));
  CHECK(twice.verdict() == "pass");
  CHECK(twice.questions.size() == 6);
}

TEST_CASE("exists: a name has an address, whichever", "[spf]") {
  const std::string zone =
      "192.0.2.1._allowed.far.example A 127.0.0.2\n"
      "anna._users.far.example A 127.0.0.2\n"
      "six.example AAAA 2001:db8::1\n"
      "slow.example FAILS\n";
  const auto verdict = [&](const std::string& terms, std::string_view ip = "192.0.2.1") {
    return verdict_of_record("v=spf1 " + terms, zone, ip);
  };
  CHECK(verdict("exists:%{i}._allowed.%{d} -all") == "pass");
  CHECK(verdict("exists:%{i}._allowed.%{d} -all", "192.0.2.2") == "fail");
  CHECK(verdict("exists:%{l}._users.%{d} -all") == "pass");
  CHECK(verdict("exists:anna._users.far.example -all", "2001:db8::1") == "pass");
  CHECK(verdict("exists:six.example -all", "2001:db8::1") == "fail");
  CHECK(verdict("exists:slow.example -all") == "temperror");
}

TEST_CASE("include: another domain's pass is a match", "[spf]") {
  const DnsZone zone(
      "yes.example TXT v=spf1 ip4:192.0.2.1 -all\n"
      "softly.example TXT v=spf1 ip4:192.0.2.9 ~all exp=why.example\n"
      "perhaps.example TXT v=spf1 ip4:192.0.2.9\n"
      "slow.example FAILS\n"
      "bad.example TXT v=spf1 nonsense\n"
      "bare.example A 192.0.2.1\n"
      "why.example TXT not this one\n"
      "deep.example TXT v=spf1 include:deeper.example -all\n"
      "deeper.example TXT v=spf1 redirect=yes.example\n"
      "own.example TXT v=spf1 a -all\n A 192.0.2.1\n"
      "a.example TXT v=spf1 include:yes.example -all\n"
      "b.example TXT v=spf1 ?include:yes.example -all\n"
      "c.example TXT v=spf1 include:softly.example include:perhaps.example +all\n"
      "d.example TXT v=spf1 include:slow.example all\n"
      "e.example TXT v=spf1 include:bad.example all\n"
      "f.example TXT v=spf1 include:bare.example all\n"
      "g.example TXT v=spf1 include:missing.example all\n"
      "h.example TXT v=spf1 -include:deep.example +all\n"
      "i.example TXT v=spf1 include:own.example -all\n"
      "j.example TXT v=spf1 include:%{l} all\n"
      "k.example TXT v=spf1 ~include:softly.example -all\n"
      "l.example TXT v=spf1 include:j.example all\n");
  check_spf(zone, {{"x@a.example", "192.0.2.1", "pass"},
                   {"x@a.example", "192.0.2.2", "fail"},
                   {"x@b.example", "192.0.2.1", "neutral"},
                   {"x@c.example", "192.0.2.1", "pass"},
                   {"x@d.example", "192.0.2.1", "temperror"},
                   {"x@e.example", "192.0.2.1", "permerror"},
                   {"x@f.example", "192.0.2.1", "permerror"},
                   {"x@g.example", "192.0.2.1", "permerror"},
                   {"x@h.example", "192.0.2.1", "fail"},
                   {"x@i.example", "192.0.2.1", "pass"},
                   {"x@j.example", "192.0.2.1", "permerror"},
                   {"yes.example@j.example", "192.0.2.1", "pass"},
                   {"x@k.example", "192.0.2.1", "fail"},
                   {"x@l.example", "192.0.2.1", "permerror"}});
  CHECK(run_spf(zone, spf_client("x@h.example", "192.0.2.1")).result.mechanism == "-include:deep.example");
  CHECK(run_spf(zone, spf_client("x@a.example", "192.0.2.1")).result.domain == "a.example");
}

TEST_CASE("redirect: another record stands in the place of one that did not decide", "[spf]") {
  const DnsZone zone(
      "yes.example TXT v=spf1 a -all\n A 192.0.2.1\n"
      "bare.example A 192.0.2.1\n"
      "a.example TXT v=spf1 redirect=yes.example\n A 192.0.2.2\n"
      "b.example TXT v=spf1 redirect=yes.example ip4:192.0.2.3\n"
      "c.example TXT v=spf1 redirect=c.example ~all\n"
      "d.example TXT v=spf1 redirect=bare.example\n"
      "e.example TXT v=spf1 redirect=missing.example\n"
      "f.example TXT v=spf1 redirect=slow.example\n"
      "slow.example FAILS\n"
      "g.example TXT v=spf1 redirect=%{l}\n"
      "h.example TXT v=spf1 redirect=i.example\n"
      "i.example TXT v=spf1 exists:%{d}.%{o}.k.example -all\n"
      "i.example.h.example.k.example A 127.0.0.2\n");
  check_spf(zone, {{"x@a.example", "192.0.2.1", "pass"},
                   {"x@a.example", "192.0.2.2", "fail"},
                   {"x@b.example", "192.0.2.3", "pass"},
                   {"x@b.example", "192.0.2.4", "fail"},
                   {"x@c.example", "192.0.2.1", "softfail"},
                   {"x@d.example", "192.0.2.1", "permerror"},
                   {"x@e.example", "192.0.2.1", "permerror"},
                   {"x@f.example", "192.0.2.1", "temperror"},
                   {"x@g.example", "192.0.2.1", "permerror"},
                   {"j\xc3\xb6rg@g.example", "192.0.2.1", "permerror"},
                   {"x@h.example", "192.0.2.1", "pass"}});
}

TEST_CASE("the client's own name in a macro is one that leads back, the domain's at best", "[spf]") {
  const DnsZone zone(
      "far.example TXT v=spf1 exists:%{p}.p.example -all\n A 192.0.2.2\n"
      "1.2.0.192.in-addr.arpa PTR liar.example\n PTR other.example\n PTR sub.far.example\n"
      "2.2.0.192.in-addr.arpa PTR sub.far.example\n PTR far.example\n"
      "3.2.0.192.in-addr.arpa PTR liar.example\n"
      "4.2.0.192.in-addr.arpa PTR other.example\n"
      "5.2.0.192.in-addr.arpa FAILS\n"
      "other.example A 192.0.2.1\n A 192.0.2.4\n"
      "sub.far.example A 192.0.2.1\n A 192.0.2.2\n");
  const auto asked = [&](const char* ip) {
    return run_spf(zone, spf_client("a@far.example", ip)).questions.back().name;
  };
  CHECK(asked("192.0.2.1") == "sub.far.example.p.example");
  CHECK(asked("192.0.2.2") == "far.example.p.example");
  CHECK(asked("192.0.2.3") == "unknown.p.example");
  CHECK(asked("192.0.2.4") == "other.example.p.example");
  CHECK(asked("192.0.2.5") == "unknown.p.example");
  CHECK(asked("192.0.2.6") == "unknown.p.example");
}

TEST_CASE("a local part that the DNS cannot have matches nothing", "[spf]") {
  const DnsZone zone(
      "a.example TXT v=spf1 -exists:%{l}.b.example +exists:%{s}.b.example ?all\n"
      "b.example TXT v=spf1 -include:%{l1r.}.b.example +all\n"
      "c.example TXT v=spf1 exists:%{d}.b.example -all\n"
      "c.example.b.example A 127.0.0.2\n"
      "odd.b.example A 127.0.0.2\n");
  // RFC 8616 4: so it is with letters beyond ASCII.
  const SpfRun run = run_spf(zone, spf_client("j\xc3\xb6rg@a.example", "192.0.2.1"));
  CHECK(run.verdict() == "neutral");
  CHECK(run.questions.size() == 1);
  check_spf(zone, {{"j\xc3\xb6rg@b.example", "192.0.2.1", "pass"},
                   {"j\xc3\xb6rg@c.example", "192.0.2.1", "pass"},
                   {"odd@a.example", "192.0.2.1", "fail"},
                   {"a..b@a.example", "192.0.2.1", "neutral"}});
  // A blank is no matter, for nobody's name has one.
  CHECK(run_spf(zone, spf_client("odd one@a.example", "192.0.2.1")).questions[1].name == "odd one.b.example");
}

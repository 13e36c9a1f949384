// What a check of SPF does at most (RFC 7208 4.6.4), and what it says about a failure (6.2).
#include "tests/catch.h"
#include "tests/protocols/spf_world.h"

using namespace mailstead;

namespace {

std::string explanation_of(const DnsZone& zone, std::string_view sender, std::string_view ip = "192.0.2.1") {
  const SpfRun run = run_spf(zone, spf_client(sender, ip));
  CHECK(run.verdict() == "fail");
  return run.result.explanation;
}

}  // namespace

TEST_CASE("ten terms may ask the DNS, wherever they stand", "[spf]") {
  const std::string addresses = " A 203.0.113.1\n MX 10 far.example\n";
  CHECK(verdict_of_record("v=spf1 a a a a a a a a a a ip4:192.0.2.1", addresses) == "pass");
  CHECK(verdict_of_record("v=spf1 a a a a a a a a a a a ip4:192.0.2.1", addresses) == "permerror");
  CHECK(verdict_of_record("v=spf1 a mx ptr exists:b.example a mx a mx a mx +all",
                          addresses + "1.2.0.192.in-addr.arpa PTR x.example\nb.example AAAA ::1\n") ==
        "pass");
  CHECK(verdict_of_record("v=spf1 a mx ptr exists:b.example a mx a mx a mx a +all",
                          addresses + "1.2.0.192.in-addr.arpa PTR x.example\n") == "permerror");
  // Those that ask nothing do not count.
  CHECK(verdict_of_record("v=spf1 a a a a a a a a a a ip4:10.0.0.1 ip6:::1 ip4:10.0.0.3 -all exp=b.example",
                          addresses) == "fail");
  // Those behind the one that matched neither.
  CHECK(verdict_of_record("v=spf1 ip4:192.0.2.1 a a a a a a a a a a a a a", addresses) == "pass");
  // Those of other records do.
  const std::string other = addresses + "b.example TXT v=spf1 a a a a a a a a\n A 203.0.113.1\n";
  CHECK(verdict_of_record("v=spf1 a include:b.example ip4:192.0.2.1", other) == "pass");
  CHECK(verdict_of_record("v=spf1 a include:b.example a ip4:192.0.2.1", other) == "permerror");
  CHECK(verdict_of_record("v=spf1 a redirect=b.example", other) == "neutral");
  CHECK(verdict_of_record("v=spf1 a a redirect=b.example", other) == "permerror");
}

TEST_CASE("records that lead to each other come to an end", "[spf]") {
  CHECK(verdict_of_record("v=spf1 redirect=far.example") == "permerror");
  CHECK(verdict_of_record("v=spf1 include:far.example all") == "permerror");
  CHECK(verdict_of_record("v=spf1 include:b.example all", "b.example TXT v=spf1 redirect=far.example\n") ==
        "permerror");
  CHECK(verdict_of_record("v=spf1 include:a.%{d} all",
                          "a.far.example TXT v=spf1 include:far.example all\n") == "permerror");
  std::string chain;
  for (int i = 1; i < 10; ++i)
    chain +=
        std::to_string(i) + ".b.example TXT v=spf1 include:" + std::to_string(i + 1) + ".b.example -all\n";
  chain += "10.b.example TXT v=spf1 ip4:192.0.2.1\n";
  CHECK(verdict_of_record("v=spf1 include:1.b.example -all", chain) == "pass");
  CHECK(verdict_of_record("v=spf1 a include:1.b.example -all", " A 203.0.113.1\n" + chain) == "permerror");
}

TEST_CASE("two terms may name what is not there", "[spf]") {
  CHECK(verdict_of_record("v=spf1 a:x.b.example mx:y.b.example +all") == "pass");
  CHECK(verdict_of_record("v=spf1 a:x.b.example mx:y.b.example exists:z.b.example +all") == "permerror");
  CHECK(verdict_of_record("v=spf1 ptr a:x.b.example a:y.b.example +all") == "permerror");
  // A name that is there counts as well, if it has nothing of what was asked for.
  CHECK(verdict_of_record("v=spf1 a:b.example a:b.example a:b.example +all",
                          "b.example AAAA 2001:db8::1\n") == "permerror");
  CHECK(verdict_of_record("v=spf1 a:b.example a:b.example a:b.example +all", "b.example A 203.0.113.1\n") ==
        "pass");
  // What is no name was not asked about.
  CHECK(verdict_of_record("v=spf1 a:x..b.example a:x..b.example a:x..b.example +all") == "pass");
  // They are terms, not questions: a domain whose hosts have IPv4 only is right for clients on IPv6, too.
  const std::string hosts =
      " MX 1 a.b.example\n MX 2 b.b.example\n MX 3 c.b.example\n"
      "a.b.example A 192.0.2.1\nb.b.example A 192.0.2.2\nc.b.example A 192.0.2.3\n";
  CHECK(verdict_of_record("v=spf1 mx ip6:2001:db8::1 -all", hosts, "2001:db8::1") == "pass");
}

TEST_CASE("ten hosts of a domain are looked at, not eleven", "[spf]") {
  std::string zone = "host.b.example A 203.0.113.1\nlast.b.example A 192.0.2.1\n";
  std::string hosts;
  for (int i = 0; i < 9; ++i) hosts += " MX 10 host.b.example\n";
  CHECK(verdict_of_record("v=spf1 mx -all", hosts + " MX 20 last.b.example\n" + zone) == "pass");
  // RFC 7208 4.6.4: an error, and so whatever the order is in which they come.
  CHECK(verdict_of_record("v=spf1 mx -all",
                          hosts + " MX 20 last.b.example\n MX 30 host.b.example\n" + zone) == "permerror");
}

TEST_CASE("ten names of a client are looked at, and the others ignored", "[spf]") {
  std::string names = "1.2.0.192.in-addr.arpa PTR x.b.example\n";
  for (int i = 0; i < 8; ++i) names += " PTR x.b.example\n";
  const std::string zone = "mx.far.example A 192.0.2.1\nx.b.example A 203.0.113.1\n";
  CHECK(verdict_of_record("v=spf1 ptr -all", names + " PTR mx.far.example\n" + zone) == "pass");
  CHECK(verdict_of_record("v=spf1 ptr -all", names + " PTR x.b.example\n PTR mx.far.example\n" + zone) ==
        "fail");
}

TEST_CASE("a macro that asks for the client's names counts", "[spf]") {
  const std::string zone =
      " A 203.0.113.1\n1.2.0.192.in-addr.arpa PTR x.b.example\nx.b.example A "
      "192.0.2.1\nx.b.example.c.example A 127.0.0.2\n";
  CHECK(verdict_of_record("v=spf1 a a a a a a a a exists:%{p}.c.example -all", zone) == "pass");
  CHECK(verdict_of_record("v=spf1 a a a a a a a a a exists:%{p}.c.example -all", zone) == "permerror");
  // So it is in "redirect".
  const std::string other = zone + "x.b.example.d.example TXT v=spf1 ip4:192.0.2.1 -all\n";
  CHECK(verdict_of_record("v=spf1 a a a a a a a a redirect=%{p}.d.example", other) == "pass");
  CHECK(verdict_of_record("v=spf1 a a a a a a a a a redirect=%{p}.d.example", other) == "permerror");
  // Once only.
  CHECK(verdict_of_record("v=spf1 a a a a a a a ptr exists:d.%{p}.c.example exists:%{p}.c.example -all",
                          zone) == "pass");
}

TEST_CASE("no zone makes a check ask for ever", "[spf]") {
  // Everything exists, and leads to the next ten.
  class Endless {
   public:
    dns::Answer answer(const std::string& name, dns::Type type) const {
      dns::Answer answer;
      answer.verdict = dns::Verdict::kFound;
      dns::Record record;
      record.type = type;
      record.address = parse_ip("203.0.113.1").value();
      const std::size_t count = type == dns::Type::kMx ? 10 : type == dns::Type::kPtr ? 100 : 1;
      for (std::size_t i = 0; i < count; ++i) {
        record.text = type == dns::Type::kTxt
                          ? (name.starts_with("why")
                                 ? "%{p}"
                                 : "v=spf1 mx mx mx mx mx mx mx mx ptr exists:%{p}.%{d} -all exp=why.%{p}")
                          : "x" + std::to_string(i) + "." + name.substr(0, 100) + ".example";
        answer.records.push_back(record);
      }
      return answer;
    }
  };
  SpfCheck check(spf_client("anna@far.example", "192.0.2.1"));
  std::size_t questions = 0;
  while (const auto question = check.question()) {
    REQUIRE(++questions <= kMostSpfQuestions);
    check.answer(Endless().answer(question->name, question->type));
  }
  CHECK(questions == 1 + 8 * 11 + 11 + 1);
}

TEST_CASE("macros of a record, and the names in them, are not endless", "[spf]") {
  std::string many = "v=spf1 exists:";
  while (many.size() < 2 * kMaxSpfTerm) many += "%{s}";
  CHECK(verdict_of_record(many + " -all") == "permerror");
  // RFC 7208 4.3: a HELO that is too long for a name is none, not the end of one.
  const DnsZone zone(
      "a.example TXT v=spf1 exists:%{h}.b.example -all exp=why.example\n"
      "why.example TXT for <%{h}>\n");
  const std::string name = std::string(63, 'x') + "." + std::string(63, 'x') + "." + std::string(63, 'x');
  const auto run_for = [&](const std::string& helo) {
    return run_spf(zone, spf_client("anna@a.example", "192.0.2.1", helo));
  };
  const std::string longest = name + "." + std::string(61, 'x');
  CHECK(run_for(longest).result.explanation == "for <" + longest + ">");
  CHECK(run_for(longest + ".").questions.size() == 3);
  const SpfRun too_long = run_for(longest + "x");
  CHECK(too_long.result.explanation == "for <>");
  CHECK(too_long.questions.size() == 2);
}

TEST_CASE("a chain of the longest records is followed", "[spf]") {
  const auto record_at = [](int i) {
    std::string record = std::to_string(i) + ".b.example TXT v=spf1";
    for (int j = 0; j < 1000; ++j) record += " ip4:10.0.0.1";
    return record + (i == 10 ? " ip4:192.0.2.1" : " ?include:" + std::to_string(i + 1) + ".b.example") +
           " -all\n";
  };
  std::string zone;
  for (int i = 1; i <= 10; ++i) zone += record_at(i);
  CHECK(verdict_of_record("v=spf1 include:10.b.example -all", zone) == "pass");
  CHECK(verdict_of_record("v=spf1 ~include:1.b.example -all", zone) == "fail");
  CHECK(verdict_of_record("v=spf1 ~include:9.b.example include:10.b.example -all", zone) == "pass");
}

TEST_CASE("an answer that nobody asked for changes nothing", "[spf]") {
  SpfCheck check(spf_client("anna@localhost", "192.0.2.1"));
  CHECK_FALSE(check.question());
  check.answer({});
  CHECK(check.result().verdict == SpfVerdict::kNone);
}

TEST_CASE("a failure is explained by the record that decided", "[spf]") {
  const DnsZone zone(
      "a.example TXT v=spf1 -all exp=why.example\n"
      "why.example TXT %{s} may not use %{c}; see http://%{d}/?l=%{L}&h=%{h}. (%{r})\n"
      "b.example TXT v=spf1 exp=no.example redirect=a.example\n"
      "c.example TXT v=spf1 exp=no.example redirect=d.example\n"
      "d.example TXT v=spf1 -all\n"
      "e.example TXT v=spf1 include:a.example -all exp=%{o}.why.example\n"
      "e.example.why.example TXT mine\n"
      "f.example TXT v=spf1 -include:g.example ?all exp=why.f.example\n"
      "why.f.example TXT yours\n"
      "g.example TXT v=spf1 +all exp=no.example\n"
      "no.example TXT not this one\n");
  CHECK(explanation_of(zone, "o'neill@a.example") ==
        "o'neill@a.example may not use 192.0.2.1; see http://a.example/?l=o%27neill&h=mx.far.example. "
        "(mail.our.example)");
  CHECK(explanation_of(zone, "x@b.example") ==
        "x@b.example may not use 192.0.2.1; see http://a.example/?l=x&h=mx.far.example. (mail.our.example)");
  CHECK(explanation_of(zone, "x@c.example").empty());
  CHECK(explanation_of(zone, "x@e.example") == "mine");
  CHECK(explanation_of(zone, "x@f.example") == "yours");
}

TEST_CASE("only a failure is explained", "[spf]") {
  const DnsZone zone(
      "a.example TXT v=spf1 ~all exp=why.example\n"
      "b.example TXT v=spf1 ip4:192.0.2.1 -all exp=why.example\n"
      "why.example TXT never\n");
  for (const char* sender : {"x@a.example", "x@b.example"}) {
    const SpfRun run = run_spf(zone, spf_client(sender, "192.0.2.1"));
    CHECK(run.questions.size() == 1);
    CHECK(run.result.explanation.empty());
  }
}

TEST_CASE("an explanation that is no good leaves the result as it is", "[spf]") {
  const DnsZone zone(
      "two.example TXT v=spf1 -all exp=two.why.example\n"
      "two.why.example TXT one\n TXT two\n"
      "none.example TXT v=spf1 a:x.none.example a:y.none.example -all exp=missing.example\n"
      "bare.example TXT v=spf1 -all exp=bare.why.example\n"
      "bare.why.example A 192.0.2.1\n"
      "slow.example TXT v=spf1 -all exp=slow.why.example\n"
      "slow.why.example FAILS\n"
      "bad.example TXT v=spf1 -all exp=bad.why.example\n"
      "bad.why.example TXT %{x}\n"
      "letters.example TXT v=spf1 -all exp=letters.why.example\n"
      "letters.why.example TXT \xc3\xb6\n"
      "local.example TXT v=spf1 -all exp=local.why.example\n"
      "local.why.example TXT for %{l}\n"
      "name.example TXT v=spf1 -all exp=%{l}.why.example\n"
      "user.why.example TXT for a user\n");
  for (const char* sender :
       {"x@two.example", "x@none.example", "x@bare.example", "x@slow.example", "x@bad.example",
        "x@letters.example", "j\xc3\xb6rg@local.example", "a..b@name.example", "j\xc3\xb6rg@name.example"}) {
    CAPTURE(sender);
    CHECK(explanation_of(zone, sender).empty());
  }
  CHECK(explanation_of(zone, "x@local.example") == "for x");
  CHECK(explanation_of(zone, "user@name.example") == "for a user");
}

TEST_CASE("an explanation may name the client as the DNS does", "[spf]") {
  const DnsZone zone(
      "a.example TXT v=spf1 -all exp=why.example\n"
      "why.example TXT not %{p}\n"
      "b.example TXT v=spf1 -all exp=%{p}.why.example\n"
      "mx.far.example.why.example TXT you\n"
      "1.2.0.192.in-addr.arpa PTR mx.far.example\n"
      "mx.far.example A 192.0.2.1\n");
  CHECK(explanation_of(zone, "x@a.example") == "not mx.far.example");
  CHECK(explanation_of(zone, "x@a.example", "192.0.2.2") == "not unknown");
  CHECK(explanation_of(zone, "x@b.example") == "you");
  // RFC 7208 4.6.4: what it asks counts for nothing.
  const DnsZone lost(
      "a.example TXT v=spf1 a:x.example a:y.example -all exp=why.example\n"
      "why.example TXT not %{p}\n");
  CHECK(explanation_of(lost, "x@a.example") == "not unknown");
}

TEST_CASE("hosts of a domain that were not asked about any more are nobody's names", "[spf]") {
  const DnsZone zone(
      "a.example TXT v=spf1 -mx exp=why.example\n MX 10 one.example\n MX 20 two.example\n"
      "b.example TXT v=spf1 include:a.example mx -all\n MX 10 three.example\n"
      "one.example A 192.0.2.1\n"
      "two.example A 192.0.2.1\n"
      "three.example A 192.0.2.2\n"
      "1.2.0.192.in-addr.arpa PTR one.example\n"
      "why.example TXT %{p}\n");
  CHECK(run_spf(zone, spf_client("x@a.example", "192.0.2.1")).questions.size() == 6);
  const SpfRun run = run_spf(zone, spf_client("x@b.example", "192.0.2.1"));
  CHECK(run.verdict() == "fail");
  CHECK(run.questions.back() == SpfQuestion{"three.example", dns::Type::kA});
  CHECK(run.questions.size() == 6);
}

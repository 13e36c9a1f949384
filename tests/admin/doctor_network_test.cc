#include "admin/doctor/doctor_network.h"

#include "admin/doctor/doctor_ports.h"
#include "admin/doctor/doctor_records.h"
#include "admin/doctor/doctor_resolver.h"
#include "tests/admin/doctor_fixture.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;
using namespace mailstead::admin_test;

namespace {

dns::Answer found_at(std::vector<const char*> addresses) {
  dns::Answer answer;
  answer.verdict = addresses.empty() ? dns::Verdict::kNoName : dns::Verdict::kFound;
  for (const char* each : addresses) {
    dns::Record record;
    record.address = parse_ip(each).value();
    answer.records.push_back(record);
  }
  return answer;
}

ResolverFacts good_resolver() {
  ResolverFacts facts;
  facts.servers = {"127.0.0.1"};
  facts.known = found_at({"192.0.2.1"});
  facts.known.authenticated = true;
  facts.absent = found_at({});
  facts.lists.push_back({"list.example", found_at({"127.0.0.2"}), found_at({})});
  facts.lists[0].own.push_back({parse_ip("192.0.2.1").value(), found_at({})});
  return facts;
}

const std::vector<std::string> kCommands =
    relay_commands("mail.example.org", "example.org", parse_ip("192.0.2.1").value());

// What a server says that refuses all recipients but those that contain one of `taken`.
RelayFacts relay_that_takes(const std::vector<std::string>& taken) {
  RelayFacts facts;
  facts.is_running = true;
  facts.from = parse_ip("192.0.2.1");
  facts.heard.is_connected = true;
  facts.heard.replies.emplace_back("220 mail.example.org ESMTP Mailstead");
  for (const std::string& command : kCommands) {
    const bool is_taken = std::ranges::any_of(
        taken, [&](const std::string& each) { return command.find(each) != std::string::npos; });
    facts.heard.replies.emplace_back(command.starts_with("RCPT") && !is_taken ? "550 5.7.1 no" : "250 ok");
  }
  return facts;
}

DoctorFindings judged_relay(const RelayFacts& facts) {
  DoctorFindings findings;
  judge_relay(facts, kCommands, findings);
  return findings;
}

}  // namespace

TEST_CASE("DNS servers that answer as they should are well", "[doctor]") {
  CHECK(worst(judged(judge_resolver, good_resolver())) == Health::kOk);
  CHECK(worst(judged(judge_lists, good_resolver())) == Health::kOk);
}

TEST_CASE("DNS servers that are silent, lie or leave out are told of", "[doctor]") {
  ResolverFacts facts = good_resolver();
  SECTION("silent") {
    facts.known = facts.absent = {};
    CHECK(says(judged(judge_resolver, facts), Health::kProblem, "no DNS server answers"));
  }
  SECTION("an address for every name") {
    facts.absent = found_at({"203.0.113.5"});
    CHECK(says(judged(judge_resolver, facts), Health::kProblem, "203.0.113.5"));
  }
  SECTION("no word for what is not there") {
    facts.absent = {};
    CHECK(worst(judged(judge_resolver, facts)) == Health::kWarning);
  }
  SECTION("without the Internet") {
    facts.known = found_at({});
    CHECK(says(judged(judge_resolver, facts), Health::kProblem, "'org'"));
  }
  SECTION("without DNSSEC") {
    facts.known.authenticated = false;
    CHECK(says(judged(judge_resolver, facts), Health::kNote, "DNSSEC"));
    CHECK(worst(judged(judge_resolver, facts)) == Health::kNote);
  }
  SECTION("with DNSSEC, elsewhere") {
    facts.servers = {"192.0.2.53"};
    CHECK(says(judged(judge_resolver, facts), Health::kNote, "not believed"));
    facts.trust = DnssecTrust::kAlways;
    CHECK(worst(judged(judge_resolver, facts)) == Health::kOk);
  }
}

TEST_CASE("behind DNS servers that know nothing no record is missed", "[doctor]") {
  ResolverFacts facts = good_resolver();
  facts.known = found_at({});
  CHECK(why_unfit(facts).empty());  // nobody was asked
  facts.is_asked = true;
  CHECK(why_unfit(facts).find("do not know the Internet's DNS") != std::string::npos);
  facts.known = facts.absent = {};
  CHECK(why_unfit(facts).find("no DNS server answers") != std::string::npos);
  facts = good_resolver();
  facts.is_asked = true;
  CHECK(why_unfit(facts).empty());
  facts.absent = found_at({"203.0.113.5"});  // what it lies of is what is not there
  CHECK(why_unfit(facts).empty());
}

TEST_CASE("DNS lists that do not answer honestly are told of, and say nothing of our address", "[doctor]") {
  ResolverFacts facts = good_resolver();
  DnsListFacts& list = facts.lists[0];
  SECTION("blocked") {
    for (const char* code : {"127.255.255.252", "127.255.255.254", "127.255.255.255"}) {
      list.listed = list.unlisted = list.own[0].answer = found_at({code});
      CHECK(says(judged(judge_resolver, facts), Health::kWarning, "blocked"));
      CHECK(worst(judged(judge_lists, facts)) == Health::kSkipped);
    }
  }
  SECTION("everybody is listed") {
    list.unlisted = list.own[0].answer = found_at({"127.0.0.2"});
    CHECK(says(judged(judge_resolver, facts), Health::kWarning, "stands on no list"));
    CHECK(worst(judged(judge_lists, facts)) == Health::kSkipped);
  }
  SECTION("a parked domain") {
    list.listed = list.unlisted = found_at({"203.0.113.5"});
    CHECK(worst(judged(judge_resolver, facts)) == Health::kWarning);
  }
  SECTION("nobody is listed") {
    list.listed = found_at({});
    CHECK(says(judged(judge_resolver, facts), Health::kWarning, "every list"));
  }
  SECTION("no answer") {
    list.listed = {};
    CHECK(worst(judged(judge_resolver, facts)) == Health::kNote);
  }
}

TEST_CASE("an address of ours on a DNS list is a problem", "[doctor]") {
  ResolverFacts facts = good_resolver();
  facts.lists[0].own[0].answer = found_at({"127.0.0.10"});
  CHECK(says(judged(judge_lists, facts), Health::kProblem, "192.0.2.1 stands on"));
}

TEST_CASE("a list is asked by the address turned round", "[doctor]") {
  ResolverFacts facts;
  ResolverLook look(facts);
  WrittenNetwork network;
  look.begin(network, ResolverLook::Lists::kAsked);
  look.ask_of(network, parse_ip("192.0.2.1").value());
  look.ask_of(network, parse_ip("192.0.2.1").value());
  look.ask_of(network, parse_ip("2001:db8::1").value());
  const auto asked = [&](const std::string& name) {
    return std::ranges::count(network.asked, name, &DnsQuestion::name);
  };
  CHECK(asked("2.0.0.127.zen.spamhaus.org") == 1);
  CHECK(asked("1.2.0.192.zen.spamhaus.org") == 1);
  CHECK(asked("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.spamhaus.org") == 1);
}

TEST_CASE("port 25 out is open when one of several lets us in", "[doctor]") {
  WrittenNetwork network;
  network.add("far.example", dns::Type::kMx, "mx.far.example");
  network.add("mx.far.example", "192.0.2.10");
  OutFacts facts;
  OutLook look(facts);
  SECTION("reached") {
    network.greet("192.0.2.10", "220 mx.far.example ESMTP");
    look.begin(network, {"far.example", "192.0.2.11:26"});
    CHECK(worst(judged(judge_port_25_out, facts)) == Health::kNote);  // the other one
    CHECK(says(judged(judge_port_25_out, facts), Health::kOk, "mx.far.example [192.0.2.10]"));
    CHECK(network.dialled.size() == 2);
    CHECK(network.dialled[1].port == 26);
  }
  SECTION("blocked") {
    look.begin(network, {"far.example"});
    CHECK(says(judged(judge_port_25_out, facts), Health::kProblem, "smarthost"));
  }
  SECTION("not let in") {
    network.greet("192.0.2.10", "554 5.7.1 your address is listed");
    look.begin(network, {"far.example"});
    CHECK(says(judged(judge_port_25_out, facts), Health::kWarning, "your address is listed"));
  }
  SECTION("not known") {
    look.begin(network, {"nowhere.example"});
    CHECK(worst(judged(judge_port_25_out, facts)) == Health::kSkipped);
  }
  SECTION("by IPv4 only") {
    network.greet("192.0.2.10", "220 mx.far.example ESMTP");
    network.add("mx.far.example", "2001:db8::10");
    facts.has_ipv6 = true;
    look.begin(network, {"far.example"});
    CHECK(says(judged(judge_port_25_out, facts), Health::kWarning, "by IPv6 nobody"));
  }
  SECTION("the smarthost is the only one") {
    facts.is_smarthost = true;
    look.begin(network, {"smtp.isp.example:587"});
    CHECK(says(judged(judge_port_25_out, facts), Health::kProblem, "smarthost"));
  }
}

TEST_CASE("who answers at our published address has to be us", "[doctor]") {
  InFacts facts;
  facts.hostname = "mail.example.org";
  CHECK(worst(judged(judge_port_25_in, facts)) == Health::kSkipped);
  facts.is_running = facts.listens_on_25 = true;
  CHECK(worst(judged(judge_port_25_in, facts)) == Health::kSkipped);
  WrittenNetwork network;
  network.greet("192.0.2.1", "220 mail.example.org ESMTP Mailstead");
  network.greet("192.0.2.2", "220 mail.example.org ESMTP Postfix");
  dial_in(network, parse_ip("192.0.2.1").value(), facts);
  CHECK(worst(judged(judge_port_25_in, facts)) == Health::kOk);
  dial_in(network, parse_ip("192.0.2.3").value(), facts);
  CHECK(says(judged(judge_port_25_in, facts), Health::kWarning, "routers"));
  dial_in(network, parse_ip("192.0.2.2").value(), facts);
  CHECK(says(judged(judge_port_25_in, facts), Health::kProblem, "Postfix"));
  facts.listens_on_25 = false;
  CHECK(says(judged(judge_port_25_in, facts), Health::kWarning, "does not listen on port 25"));
}

TEST_CASE("a server that refuses all strangers' mail for strangers is no open relay", "[doctor]") {
  CHECK(worst(judged_relay(relay_that_takes({}))) == Health::kOk);
  CHECK(kCommands.size() > 3 * 14);
  CHECK(std::ranges::none_of(kCommands, [](const std::string& each) { return each.starts_with("DATA"); }));
}

TEST_CASE("each trick that a relay falls for is told", "[doctor]") {
  for (const char* trick :
       {"<someone@example.net>", "%example.net@example.org", "!someone@", "\"someone@example.net\"@",
        "@example.org:someone", "@example.net@example.org", "[192.0.2.1]>", "@[192.0.2.1]"}) {
    CAPTURE(trick);
    CHECK(worst(judged_relay(relay_that_takes({trick}))) == Health::kProblem);
  }
}

TEST_CASE("a catch-all that takes odd names of its domain is no relay", "[doctor]") {
  CHECK(worst(judged_relay(relay_that_takes({"@example.org>"}))) == Health::kOk);
  CHECK(worst(judged_relay(relay_that_takes({"@example.org>", "RCPT TO:<someone@example.net>"}))) ==
        Health::kProblem);
}

TEST_CASE("a relay test that came to no end is told", "[doctor]") {
  RelayFacts facts = relay_that_takes({});
  facts.heard.replies.resize(10);
  facts.heard.failure = "it hung up";
  CHECK(says(judged_relay(facts), Health::kWarning, "it hung up"));
  facts.from.reset();
  CHECK(worst(judged_relay(facts)) == Health::kSkipped);
}

TEST_CASE("of ports it is told who has them", "[doctor]") {
  using State = PortFacts::State;
  const auto with = [](State state) {
    return judged<std::vector<PortFacts>>(judge_ports, {{"smtp", "[::]:25", state, "no answer"}});
  };
  CHECK(worst(with(State::kListening)) == Health::kOk);
  CHECK(worst(with(State::kFree)) == Health::kOk);
  CHECK(says(with(State::kSilent), Health::kProblem, "does not answer"));
  CHECK(says(with(State::kMissing), Health::kProblem, "does not listen"));
  CHECK(says(with(State::kTaken), Health::kProblem, "another program"));
  CHECK(says(with(State::kTaken), Health::kProblem, "Exim or Postfix"));
  const std::vector<PortFacts> web = {{"acme", "[::]:80", State::kTaken, ""}};
  CHECK(says(judged<std::vector<PortFacts>>(judge_ports, web), Health::kProblem, "a web server"));
  CHECK(says(with(State::kForbidden), Health::kProblem, "NET_BIND_SERVICE"));
  CHECK(says(with(State::kAbsent), Health::kProblem, "does not have the address"));
  CHECK(worst(with(State::kUnknown)) == Health::kSkipped);
  CHECK(says(judged<std::vector<PortFacts>>(judge_ports, {}), Health::kNote, "no mail is taken"));
}

TEST_CASE("a listener's address is read as it is written", "[doctor]") {
  CHECK(parse_bound("[::1]:2525") == ListenAddress{"::1", 2525});
  CHECK(parse_bound("127.0.0.1:25") == ListenAddress{"127.0.0.1", 25});
  CHECK(parse_bound("/run/lmtp").is_unix());
  CHECK(reachable("::").text() == "127.0.0.1");
  CHECK(reachable("192.0.2.1").text() == "192.0.2.1");
}

TEST_CASE("what dns check finds is a finding each", "[doctor]") {
  Report report;
  report.json =
      R"([{"type":"MX","name":"example.org","verdict":"missing","found":"","wanted":"10 mail.example.org","required":true,"advice":""},
    {"type":"TXT","name":"_smtp._tls.example.org","verdict":"missing","found":"","wanted":"v=TLSRPTv1","required":false,"advice":""},
    {"type":"TXT","name":"example.org","verdict":"cannot tell","found":"v=spf1","wanted":"x","required":true,"advice":"See."},
    {"type":"A","name":"other.example.org","verdict":"missing","found":"","wanted":"","required":true,"advice":""},
    {"type":"TXT","name":"mail.example.org","verdict":"ok","found":"","wanted":"","required":true,"advice":""},
    {"type":"TXT","name":"late.example.org","verdict":"no answer","found":"","wanted":"","required":true,"advice":""}])";
  const DoctorFindings findings = judged(judge_records, report);
  REQUIRE(findings.size() == 5);
  CHECK(says(findings, Health::kProblem, "MX example.org: missing"));
  CHECK(says(findings, Health::kNote, "_smtp._tls"));
  CHECK(says(findings, Health::kNote, "v=spf1"));
  CHECK(says(findings, Health::kSkipped, "late.example.org"));
  CHECK(says(findings, Health::kOk, "1 record"));
}

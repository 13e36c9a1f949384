#include "admin/command.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "admin/certificate.h"
#include "admin/cli.h"
#include "admin/command_table.h"
#include "admin/commands/message_head.h"
#include "admin/commands/message_report.h"
#include "admin/dns/dns_records.h"
#include "admin/refusal_reason.h"
#include "protocols/tls/mta_sts.h"
#include "storage/accounts/password.h"
#include "tests/admin/folder.h"
#include "tests/catch.h"

using namespace mailstead;
using mailstead::admin_test::Folder;
using Json = nlohmann::json;

namespace {

// Verifying it is the store's matter; here it is a text that is passed on.
const char* const kHash =
    "$scrypt$ln=15,r=8,p=3$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

// A store in a folder of its own, and the commands on it.
struct CommandPlace {
  CommandPlace() {
    config = parse_config("hostname = 'mail.example.org'", "t").value();
    RecoveryReport recovery;
    auto opened = Store::open({folder.path(), "mail.example.org"}, recovery);
    REQUIRE(opened);
    store = std::move(*opened);
  }

  Report run(const std::string& command, std::vector<std::string> arguments = {},
             std::vector<std::string> flags = {}, const std::string& secret = {}) {
    CommandContext context{*store, config, folder.path(), server, bans};
    Report report = run_command({command, std::move(arguments), std::move(flags), secret}, context);
    INFO(command << ": " << report.error);
    CHECK(report.error.empty() == (report.exit_code == 0));
    CHECK(report.error.find('\n') == std::string::npos);
    CHECK(report.text.empty() == (report.exit_code != 0));
    if (report.exit_code == 0) {
      CHECK(report.text.ends_with('\n'));
      CHECK(Json::accept(report.json));
    }
    return report;
  }
  Json json(const std::string& command, std::vector<std::string> arguments = {}) {
    const Report report = run(command, std::move(arguments));
    REQUIRE(report.exit_code == 0);
    return Json::parse(report.json);
  }
  void add(const std::string& address) { REQUIRE(run("mailbox add", {address}, {}, kHash).exit_code == 0); }

  void deliver(const std::string& address, const std::string& message) {
    std::vector<Delivery> deliveries(1);
    deliveries[0].id = store->new_id();
    deliveries[0].envelope.recipients.push_back({parse_address(address).value()});
    deliveries[0].rest = message;
    REQUIRE(store->deliver(deliveries).at(0));
  }

  Folder folder;
  Config config;
  std::unique_ptr<Store> store;
  const ServerFacts* server = nullptr;
  BanList* bans = nullptr;
};

}  // namespace

TEST_CASE("a mailbox is added, listed, shown and removed", "[command]") {
  CommandPlace place;
  CHECK(place.run("mailbox list").text == "No mailboxes yet: 'mailstead mailbox add ADDRESS' makes one.\n");
  CHECK(place.json("mailbox list").empty());

  const Report added = place.run("mailbox add", {"Anna@Example.org"}, {}, kHash);
  CHECK(added.text ==
        "The mailbox Anna@example.org is ready. For a mail program:\n"
        "  user name            Anna@example.org\n"
        "  incoming mail, POP3  mail.example.org, port 995 (SSL/TLS) or port 110 (STARTTLS)\n"
        "  outgoing mail, SMTP  mail.example.org, port 465 (SSL/TLS) or port 587 (STARTTLS)\n");
  CHECK(Json::parse(added.json)["pop3"]["tls_port"] == 995);
  CHECK(place.run("mailbox add", {"anna@example.org"}, {}, kHash).exit_code == 1);

  place.add("bo@example.net");
  place.deliver("anna@example.org", "Subject: x\r\n\r\nhello\r\n");
  const Json list = place.json("mailbox list");
  REQUIRE(list.size() == 2);
  CHECK(list[0]["address"] == "Anna@example.org");
  CHECK(list[0]["messages"] == 1);
  CHECK(list[0]["octets"] > 20);
  CHECK(list[0]["enabled"] == true);
  CHECK(list[0]["last_login_at"].is_null());
  CHECK(list[1]["messages"] == 0);
  CHECK(place.run("mailbox list").text.starts_with("ADDRESS           MESSAGES  "));

  CHECK(place.json("mailbox show", {"anna@example.org"})["messages"] == 1);
  CHECK(place.run("mailbox show", {"nobody@example.org"}).exit_code == 1);

  const Report removed = place.run("mailbox remove", {"anna@example.org"});
  CHECK(removed.text.starts_with("anna@example.org is removed with 1 message ("));
  CHECK(Json::parse(removed.json)["mail_kept"] == false);
  CHECK(place.run("mailbox remove", {"anna@example.org"}).exit_code == 1);
  const Report kept = place.run("mailbox remove", {"bo@example.net"}, {"keep-mail"});
  CHECK(kept.text.find("mail/example.net/.kept-bo of the data folder") != std::string::npos);
  CHECK(Json::parse(kept.json)["kept_in"] == "mail/example.net/.kept-bo");
  CHECK(place.json("mailbox list").empty());
}

TEST_CASE("passwords and being enabled are changed", "[command]") {
  CommandPlace place;
  place.add("anna@example.org");
  const std::string other = std::string(kHash) + "x";
  CHECK(place.run("mailbox password", {"anna@example.org"}, {}, other).text ==
        "anna@example.org has a new password.\n");
  CHECK(place.store->credentials(parse_address("anna@example.org").value())->password_hash == other);
  CHECK(place.run("mailbox password", {"bo@example.org"}, {}, kHash).exit_code == 1);
  CHECK(place.run("mailbox disable", {"anna@example.org"}).text == "anna@example.org is disabled.\n");
  CHECK(place.json("mailbox show", {"anna@example.org"})["enabled"] == false);
  CHECK(place.run("mailbox disable", {"anna@example.org"}).exit_code == 0);  // twice is no harm
  CHECK(place.run("mailbox enable", {"anna@example.org"}).text == "anna@example.org is enabled.\n");
  CHECK(place.run("mailbox enable", {"bo@example.org"}).exit_code == 1);
}

TEST_CASE("a quota is set, shown with what it holds, and taken back", "[command]") {
  CommandPlace place;
  const std::string anna = "anna@example.org";
  place.add(anna);
  const auto quota = [&](const std::string& size) { return place.run("mailbox quota", {anna, size}); };
  CHECK(place.json("mailbox show", {anna})["quota"].is_null());
  CHECK(place.json("mailbox show", {anna})["quota_is_default"] == true);
  CHECK(place.run("mailbox show", {anna}).text.find("quota          none (default)\n") != std::string::npos);

  CHECK(quota("2 KiB").text == "anna@example.org may hold 2 KiB; it holds 0 B of 2 KiB, 0 %.\n");
  CHECK(quota("2KiB").exit_code == 0);  // twice is no harm
  place.deliver(anna, std::string("A: b\r\n\r\n") + std::string(1000, 'x') + "\r\n");
  const Json shown = place.json("mailbox show", {anna});
  CHECK(shown["quota"] == 2048);
  CHECK(shown["quota_is_default"] == false);
  CHECK(shown["full"] == false);
  CHECK(place.run("mailbox show", {anna}).text.find("quota          1.0 KiB of 2 KiB, 51 %\n") !=
        std::string::npos);
  CHECK(place.run("mailbox list").text.find("51 % of 2 KiB") != std::string::npos);
  CHECK(place.json("mailbox list")[0]["quota"] == 2048);

  const Report less = quota("1000");
  CHECK(Json::parse(less.json)["full"] == true);
  CHECK(Json::parse(less.json)["octets"] > 1000);
  CHECK(less.text.find("105 %") != std::string::npos);
  CHECK(place.run("mailbox show", {anna}).text.find("105 %: full, mail is asked to come later\n") !=
        std::string::npos);
  CHECK(place.run("why", {anna}).text.find("anna@example.org is full: ") != std::string::npos);
  ServerFacts facts;
  place.server = &facts;
  CHECK(place.json("status")["full_mailboxes"] == 1);
  CHECK(place.run("status").text.find("mailboxes           1, 1 full\n") != std::string::npos);

  CHECK(quota("none").text == "anna@example.org may hold any number of messages; it holds 1.0 KiB.\n");
  CHECK(place.json("mailbox show", {anna})["quota_is_default"] == false);
  CHECK(place.json("status")["full_mailboxes"] == 0);
  place.store->set_default_quota(4096);
  CHECK(quota("default").text ==
        "anna@example.org may hold 4 KiB, the default of the configuration; it holds 1.0 KiB of 4 KiB, 25 "
        "%.\n");
  CHECK(place.json("mailbox show", {anna})["quota"] == 4096);

  CHECK(place.run("mailbox quota", {"nobody@example.org", "none"}).exit_code == 1);
  for (const char* wrong : {"", "big", "-1", "1.5 GiB", "1025 TiB", "None", "99999999999999999999"}) {
    INFO(wrong);
    CHECK(quota(wrong).exit_code == 2);
  }
  CHECK(place.json("mailbox show", {anna})["quota"] == 4096);
}

TEST_CASE("aliases and domains", "[command]") {
  CommandPlace place;
  CHECK(place.run("alias list").text.starts_with("No aliases yet"));
  CHECK(place.run("domain list").text.starts_with("No domains yet"));
  CHECK(place.run("alias add", {"info@example.org", "anna@example.org"}).exit_code == 1);  // not ours yet
  place.add("anna@example.org");
  place.add("bo@example.net");
  CHECK(place.run("alias add", {"info@example.org", "anna@example.org", "bo@example.net"}).text ==
        "Mail to info@example.org goes to anna@example.org, bo@example.net.\n");
  CHECK(place.run("alias add", {"@Example.org", "anna@example.org"}).exit_code == 0);
  CHECK(place.run("alias add", {"info@example.org", "anna@example.org"}).exit_code == 1);

  const Json aliases = place.json("alias list");
  REQUIRE(aliases.size() == 2);
  for (const Json& alias : aliases) {
    CHECK(alias["targets"].size() == (alias["alias"] == "info@example.org" ? 2u : 1u));
  }
  CHECK(place.run("alias list").text.find("info@example.org  anna@example.org, bo@example.net\n") !=
        std::string::npos);
  CHECK(place.json("mailbox show", {"anna@example.org"})["aliases"].size() == 2);

  CHECK(
      place.run("domain list").text ==
      "DOMAIN       MAILBOXES  ALIASES\nexample.net          1        0\nexample.org          1        2\n");
  CHECK(place.run("alias remove", {"@example.org"}).exit_code == 0);
  CHECK(place.run("alias remove", {"@example.org"}).exit_code == 1);

  // A domain goes with its aliases, and keeps its mailboxes.
  const Report kept = place.run("domain remove", {"example.org"});
  CHECK(kept.exit_code == 1);
  CHECK(kept.error.find("example.org has mailboxes: anna@example.org;") != std::string::npos);
  CHECK(place.json("alias list").size() == 1);
  REQUIRE(place.run("alias add", {"sales@example.com", "bo@example.net"}).exit_code == 0);
  REQUIRE(place.run("alias add", {"@example.com", "bo@example.net"}).exit_code == 0);
  CHECK(place.json("domain remove", {"EXAMPLE.com"}) ==
        Json{{"domain", "example.com"}, {"aliases", {"@example.com", "sales@example.com"}}});
  CHECK(place.run("domain remove", {"example.com"}).error == "no mail is taken for example.com");
  CHECK(place.json("alias list").size() == 1);
}

TEST_CASE("addresses are checked before anything is touched", "[command]") {
  CommandPlace place;
  const std::vector<std::string> wrong = {"../x",
                                          "-x",
                                          "a\nb",
                                          "a\nb@example.org",
                                          std::string("a\0b@example.org", 15),
                                          std::string(300, 'a') + "@example.org",
                                          "a@" + std::string(300, 'b') + ".org",
                                          "",
                                          "@",
                                          "a@",
                                          "a@b c",
                                          "a b@example.org",
                                          "\xff@example.org",
                                          "a@example..org",
                                          "<a@example.org>",
                                          "a@example.org\n",
                                          "a,b@example.org"};
  for (const std::string& address : wrong) {
    INFO(address.substr(0, 40));
    for (const char* command : {"mailbox add", "mailbox password"}) {
      CHECK(place.run(command, {address}, {}, kHash).exit_code == 2);
    }
    for (const char* command :
         {"mailbox show", "mailbox remove", "mailbox disable", "mailbox enable", "alias remove"}) {
      CHECK(place.run(command, {address}).exit_code == 2);
    }
    CHECK(place.run("alias add", {address, "anna@example.org"}).exit_code == 2);
    CHECK(place.run("alias add", {"anna@example.org", address}).exit_code == 2);
  }
  CHECK(place.run("mailbox add", {"@example.org"}, {}, kHash).exit_code == 2);
  CHECK(place.run("alias add", {"a@example.org", "@example.org"}).exit_code == 2);
  CHECK(place.run("alias add", {"@exa mple.org", "a@example.org"}).exit_code == 2);
  CHECK(place.json("mailbox list").empty());
  CHECK(place.json("alias list").empty());
}

TEST_CASE("requests from the socket that the command line would not make are refused", "[command]") {
  CommandPlace place;
  CHECK(place.run("").exit_code == 2);
  CHECK(place.run("mailbox").exit_code == 2);
  CHECK(place.run("serve").exit_code == 2);
  CHECK(place.run("config show").exit_code == 2);
  CHECK(place.run("mailbox list", {"x"}).exit_code == 2);
  CHECK(place.run("mailbox list", {}, {"keep-mail"}).exit_code == 2);
  CHECK(place.run("mailbox list", {}, {}, kHash).exit_code == 2);
  CHECK(place.run("mailbox add", {"a@example.org"}).exit_code == 2);
  CHECK(place.run("mailbox add", {"a@example.org"}, {}, "plain text").exit_code == 2);
  CHECK(place.run("mailbox add", {"a@example.org"}, {}, "$" + std::string(2000, 'x')).exit_code == 2);
  CHECK(place.run("alias add", {"a@example.org"}).exit_code == 2);
  CHECK(place.run("alias add", std::vector<std::string>(5000, "a@example.org")).exit_code == 2);
  CHECK(place.json("mailbox list").empty());
}

TEST_CASE("status tells what the server does, and fails without one", "[command]") {
  CommandPlace place;
  const Report without = place.run("status");
  CHECK(without.exit_code == 1);
  CHECK(without.error.starts_with("no server runs on " + place.folder.path() + "; start it with "));

  ServerFacts facts;
  facts.pid = 42;
  facts.started_at = std::time(nullptr) - 3700;
  facts.listeners = {{"smtp", "127.0.0.1:2525", 3}, {"pop3", "[::1]:2110", 0}};
  facts.counters.accepted = 7;
  facts.failed_logins = 2;
  place.server = &facts;
  place.add("anna@example.org");
  const Json json = place.json("status");
  CHECK(json["pid"] == 42);
  CHECK(json["listeners"][0]["connections"] == 3);
  CHECK(json["messages_accepted"] == 7);
  CHECK(json["mailboxes"] == 1);
  CHECK(json["free_octets"] > 0);
  CHECK(json["version"] == version());
  const std::string text = place.run("status").text;
  CHECK(text.find("running for         1 h 1 min\n") != std::string::npos);
  CHECK(text.find("smtp     127.0.0.1:2525            3\n") != std::string::npos);
  CHECK(json["certificate_expires_at"].is_null());
  CHECK(json["takes_mail"] == true);
  CHECK(json["takes_no_mail_because"].is_null());

  place.config.limits.free_space = 1ull << 60;
  CHECK(place.run("status").text.find("too little") != std::string::npos);
  CHECK(place.json("status")["takes_mail"] == false);
}

TEST_CASE("status tells of the certificates in use, and why newer ones are not", "[command]") {
  CommandPlace place;
  ServerFacts facts;
  place.server = &facts;
  CertificateInUse shown{{"/etc/c.pem", "/etc/k.pem", false}, {}};
  shown.facts.issuer = "CN = Authority";
  shown.facts.not_after = std::time(nullptr) + 90 * 86400;
  facts.certificates.push_back(shown);
  shown.files.certificate = "/etc/more.pem";
  shown.facts.not_after = std::time(nullptr) + 86400;
  facts.certificates.push_back(shown);
  facts.certificate_trouble = "the key does not belong to it";
  const Json json = place.json("status");
  CHECK(json["certificate_expires_at"] == json["certificates"][1]["expires_at"]);
  CHECK(json["certificates"][1]["file"] == "/etc/more.pem");
  CHECK(json["certificate_problem"] == "the key does not belong to it");
  const std::string text = place.run("status").text;
  CHECK(text.find("certificate         by CN = Authority, good until ") != std::string::npos);
  CHECK(text.find("(/etc/more.pem)\n") != std::string::npos);
  CHECK(text.find("not in use          a new certificate: the key") != std::string::npos);
  const std::string metrics = place.run("metrics").text;
  CHECK(metrics.find(fmt::format("mailstead_certificate_expiry_time_seconds {}\n", shown.facts.not_after)) !=
        std::string::npos);
  CHECK(metrics.find("mailstead_certificate_not_used 1\n") != std::string::npos);
}

TEST_CASE("a refusal is counted by one of a few reasons", "[command]") {
  using Words = std::pair<std::string, std::string>;
  CHECK(admin::refusal_reason("RCPT", "550 5.1.1 No such mailbox") == Words{"permanent", "address"});
  CHECK(admin::refusal_reason("RCPT", "452 4.2.2 Mailbox full") == Words{"temporary", "mailbox"});
  CHECK(admin::refusal_reason("DATA", "552 5.3.4 Message too large") == Words{"permanent", "system"});
  CHECK(admin::refusal_reason("DATA", "554 5.4.6 The message goes in a loop") ==
        Words{"permanent", "routing"});
  CHECK(admin::refusal_reason("DATA", "554 5.6.0 x") == Words{"permanent", "content"});
  CHECK(admin::refusal_reason("RCPT", "450 4.7.1 x") == Words{"temporary", "policy"});
  CHECK(admin::refusal_reason("AUTH", "535 5.7.8 x") == Words{"permanent", "login"});
  CHECK(admin::refusal_reason("AUTH", "501 5.5.2 x") == Words{"permanent", "protocol"});
  for (const char* odd : {"", "5", "500", "500 ", "500 5.", "500 5.9.9 x", "500 Command unrecognised"})
    CHECK(admin::refusal_reason("X", odd) == Words{"permanent", "protocol"});
}

TEST_CASE("status and metrics tell that mail cannot be written down, and of a failed backup", "[command]") {
  CommandPlace place;
  ServerFacts facts;
  place.server = &facts;
  CHECK(place.run("metrics").text.find("mailstead_takes_mail 1\n") != std::string::npos);
  CHECK(place.run("metrics").text.find("mailstead_backup_failed 0\n") != std::string::npos);
  facts.mail_trouble = "disk I/O error";
  REQUIRE(place.store->note_backup_failure(1'800'000'000, "no space"));
  const Json json = place.json("status");
  CHECK(json["takes_mail"] == false);
  CHECK(json["takes_no_mail_because"] == "Mail cannot be written down: disk I/O error");
  CHECK(json["backup_failure"] == "no space");
  CHECK(json["backup_failed_at"] == "2027-01-15T08:00:00Z");
  const std::string text = place.run("status").text;
  CHECK(text.find("takes no mail       Mail cannot be written down: disk I/O error\n") != std::string::npos);
  CHECK(text.find("failed backup       2027-01-15 08:00 UTC: no space\n") != std::string::npos);
  CHECK(place.run("metrics").text.find("mailstead_takes_mail 0\n") != std::string::npos);
  CHECK(place.run("metrics").text.find("mailstead_backup_failed 1\n") != std::string::npos);
}

TEST_CASE("dkim show tells what to publish, and dkim rotate what comes next", "[command]") {
  CommandPlace place;
  CHECK(place.json("dkim show") == Json::array());
  place.add("anna@example.org");
  const Json first = place.json("dkim show", {"EXAMPLE.org"});
  REQUIRE(first.size() == 2);
  CHECK(place.json("dkim show") == first);
  CHECK(first[0]["algorithm"] == "rsa-sha256");
  CHECK(first[1]["algorithm"] == "ed25519-sha256");
  for (const Json& key : first) {
    const auto selector = key["selector"].get<std::string>(), value = key["value"].get<std::string>();
    CHECK(key["state"] == "active");
    CHECK(key["removable_after"].is_null());
    CHECK(key["name"] == selector + "._domainkey.example.org");
    CHECK(value.starts_with("v=DKIM1; k="));
    // The strings of the zone file are the value.
    auto zone = key["zone"].get<std::string>();
    CHECK(zone.starts_with(selector + "._domainkey.example.org. 3600 IN TXT \""));
    for (std::size_t at; (at = zone.find("\" \"")) != std::string::npos;) zone.erase(at, 3);
    CHECK(zone.ends_with("TXT \"" + value + "\""));
    CHECK(place.run("dkim show").text.find("  value  " + value + "\n") != std::string::npos);
  }
  CHECK(first[0]["value"].get<std::string>().size() > 255);

  CHECK(
      place.run("dkim rotate", {"example.org"}, {"activate"}).error ==
      "example.org has no new keys that could be activated; 'mailstead dkim rotate example.org' makes them");
  const Json next = place.json("dkim rotate", {"example.org"});
  REQUIRE(next.size() == 2);
  CHECK(next[0]["state"] == "next");
  CHECK(place.json("dkim show").size() == 4);
  const Report activated = place.run("dkim rotate", {"example.org"}, {"activate"});
  const Json now = Json::parse(activated.json);
  REQUIRE(now.size() == 4);
  CHECK(now[0]["state"] == "retired");
  CHECK(now[0]["removable_after"].is_string());
  CHECK(now[2]["state"] == "active");
  CHECK(now[2]["selector"] == next[0]["selector"]);

  CHECK(place.run("dkim show", {"elsewhere.example"}).exit_code == 1);
  CHECK(place.run("dkim rotate", {"elsewhere.example"}, {"activate"}).error ==
        "elsewhere.example is no domain of this server: one is as soon as a mailbox is in it");
  for (const char* wrong : {"", "a b", "[192.0.2.1]", "../x", "anna@example.org"})
    CHECK(place.run("dkim rotate", {wrong}).exit_code == 2);
  CHECK(place.run("dkim rotate").exit_code == 2);
}

TEST_CASE("web-link does not end sessions that somebody wants to see", "[command]") {
  CommandPlace place;
  const Report both = place.run("web-link", {}, {"sessions", "end-sessions"});
  CHECK(both.exit_code == 2);
  CHECK(both.error.find("one of the two") != std::string::npos);
}

TEST_CASE("the certificates that a server took are told, one value on a line", "[command]") {
  CommandPlace place;
  ServerFacts server;
  server.certificates.resize(2);
  for (CertificateInUse& each : server.certificates) {
    each.files.certificate = "/data/tls/certificate.pem";
    each.facts.self_signed = true;
    each.facts.not_after = 1740821400;
    each.facts.sha256 = "AB:CD";
  }
  place.server = &server;
  const std::string one =
      "  certificate  /data/tls/certificate.pem\n  issuer       itself\n"
      "  valid until  2025-03-01 09:30 UTC\n  SHA-256      AB:CD\n";
  CHECK(place.run("tls reload").text == "In use:\n" + one + "\n" + one);
}

TEST_CASE("what a mail program is told fits a terminal", "[command]") {
  CommandPlace place;
  place.add("anna@example.org");
  for (const bool has_web : {false, true}) {
    if (has_web) place.config.listen.web = {{"::", 80}};
    const std::string text = place.run("client-card", {"anna@example.org"}).text;
    CHECK(text.find("\nserver               mail.example.org\n") != std::string::npos);
    CHECK(text.find("\nMac            mailstead client-card anna@example.org --apple") != std::string::npos);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK((line.size() <= 80 || line.starts_with("Mac ")));  // a command, to be copied
    }
  }
}

TEST_CASE("dns records tells what to publish", "[command]") {
  CommandPlace place;
  CHECK(place.run("dns records").text.starts_with("No domains yet"));
  place.add("anna@example.org");
  place.add(
      "anna@b\xC3\xBC"
      "cher.example");
  const Json all = place.json("dns records");
  std::map<std::string, Json> records;
  for (const Json& each : all) {
    records[each["type"].get<std::string>() + " " + each["name"].get<std::string>()] = each;
    CHECK_FALSE(each["purpose"].get<std::string>().empty());
  }
  CHECK(records["MX example.org"]["value"] == "10 mail.example.org");
  CHECK(records["MX example.org"]["zone"] == "example.org. 3600 IN MX 10 mail.example.org.");
  CHECK(records["MX xn--bcher-kva.example"]["value"] == "10 mail.example.org");
  CHECK(records["TXT example.org"]["value"] == "v=spf1 mx -all");
  CHECK(records["TXT mail.example.org"]["zone"] == "mail.example.org. 3600 IN TXT \"v=spf1 a -all\"");
  CHECK(records["TXT _dmarc.example.org"]["value"].get<std::string>().starts_with("v=DMARC1; p="));
  CHECK(records["SRV _pop3s._tcp.example.org"]["zone"] ==
        "_pop3s._tcp.example.org. 3600 IN SRV 0 1 995 mail.example.org.");
  CHECK(records["SRV _submissions._tcp.example.org"]["required"] == false);
  for (const Json& key : place.json("dkim show", {"example.org"})) {
    CHECK(records["TXT " + key["name"].get<std::string>()]["value"] == key["value"]);
  }
  const Json& sts = records["TXT _mta-sts.example.org"];
  CHECK(sts["required"] == false);
  CHECK(sts["policy_url"] == "https://mta-sts.example.org/.well-known/mta-sts.txt");
  const auto policy = parse_sts_policy(sts["policy"].get<std::string>());
  REQUIRE(policy);
  CHECK(policy->mode == StsPolicy::Mode::kTesting);
  CHECK(policy->hosts == std::vector<std::string>{"mail.example.org"});
  const std::string announced[] = {sts["value"].get<std::string>()};
  CHECK(sts_policy_id(announced).has_value());
  // The same policy has the same id, another one another.
  CHECK(records["TXT _mta-sts.xn--bcher-kva.example"]["value"] == sts["value"]);
  CHECK_FALSE(records["MX example.org"].contains("policy"));
  const std::string zone = place.run("dns records", {"example.org"}, {"zone"}).text;
  CHECK(zone.find("\n;   mode: testing\n") != std::string::npos);
  CHECK(zone.find("\n; _mta-sts.example.org. 3600 IN TXT \"v=STSv1; id=") != std::string::npos);
  CHECK(zone.find("\nexample.org. 3600 IN MX 10 mail.example.org.\n") != std::string::npos);
  CHECK(zone.find("xn--") == std::string::npos);
  place.config.listen.pop3s.clear();
  place.config.queue.smarthost.host = "smtp.example.net";
  const std::string text = place.run("dns records", {"example.org"}).text;
  CHECK(text.find("_pop3s") == std::string::npos);
  CHECK(text.find("\n    mx: mail.example.org\n") != std::string::npos);
  // Values are copied, and so stand on one line; all else is set for a terminal.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK((line.size() <= 80 || line.starts_with("  value  ")));
  }
  CHECK(text.find("to this server\n(MTA-STS). This helps only when") != std::string::npos);
  place.config.hostname = "mx.example.org";
  CHECK(place.run("dns records", {"example.org"}).text.find(announced[0]) == std::string::npos);
  CHECK(text.find("v=spf1 mx ~all") != std::string::npos);
  CHECK(text.find("include:") != std::string::npos);
  CHECK(place.run("dns records", {"elsewhere.example"}).exit_code == 1);
  CHECK(place.run("dns records", {"[192.0.2.1]"}).exit_code == 2);
}

TEST_CASE("records of hosts", "[dns-records]") {
  const Config config = parse_config("hostname = 'mail.example.org'", "t").value();
  const auto v4 = parse_ip("192.0.2.1").value(), v6 = parse_ip("2001:db8::567:89ab").value();
  CHECK(admin::reverse_name(v4) == "1.2.0.192.in-addr.arpa");
  CHECK(admin::reverse_name(v6) ==
        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  const auto records = admin::host_records(config, {v4, v6});
  REQUIRE(records.size() == 5);
  CHECK(admin::zone_line(records[0]) == "mail.example.org. 3600 IN A 192.0.2.1");
  CHECK(admin::zone_line(records[1]) == "mail.example.org. 3600 IN AAAA 2001:db8::567:89ab");
  CHECK(admin::zone_line(records[3]) == "1.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org.");
  CHECK(records[3].is_reverse);
  CHECK(admin::zone_line({"a.example", "TXT", "say \"x\\y\"", "", true, false}) ==
        "a.example. 3600 IN TXT \"say \\\"x\\\\y\\\"\"");
  for (const IpAddress& address : admin::public_addresses()) CHECK_FALSE(address.text().starts_with("127."));
}

TEST_CASE("tls others tells how connections came out", "[command]") {
  CommandPlace place;
  CHECK(place.run("tls others").text == "No mail went to other hosts yet.\n");
  const std::int64_t day = std::time(nullptr) / (24 * 3600);
  const TlsPolicyFacts sts{TlsPolicyKind::kSts, "far.example", "version: STSv1\n", "mx.far.example\n"};
  const std::vector<TlsCount> counts = {
      {day, sts, TlsVerdict::kSuccess, "", "", "", 3},
      {day, sts, TlsVerdict::kExpired, "mx.far.example", "192.0.2.10", "its certificate has expired", 1}};
  REQUIRE(place.store->add_tls_counts(counts));
  const Json json = place.json("tls others");
  REQUIRE(json.size() == 2);
  CHECK(json[0]["result"] == "success");
  CHECK(json[0]["connections"] == 3);
  CHECK(json[1]["result"] == "certificate-expired");
  CHECK(json[1]["host"] == "mx.far.example");
  const std::string text = place.run("tls others").text;
  CHECK(text.find("certificate-expired, mx.far.example [192.0.2.10]: its certificate has expired\n") !=
        std::string::npos);
  CHECK(text.find("MTA-STS") != std::string::npos);
}

TEST_CASE("tls show tells of the certificate", "[command]") {
  CommandPlace place;
  CHECK(place.run("tls show").error ==
        "there is no certificate yet: 'mailstead serve' makes a self-signed one");
  REQUIRE(ensure_own_certificate(certificate_files(place.config, place.folder.path()), "mail.example.org"));
  const Json json = place.json("tls show");
  CHECK(json["names"] == Json::array({"mail.example.org", "localhost"}));
  CHECK(json["self_signed"] == true);
  CHECK(json["expired"] == false);
  CHECK(place.run("tls show").text.find("subject      CN = mail.example.org\n") != std::string::npos);
  place.config.tls.certificate = "/nowhere/c.pem";
  place.config.tls.key = "/nowhere/k.pem";
  CHECK(place.run("tls show").error == "cannot read /nowhere/c.pem: No such file or directory");
}

TEST_CASE("listeners without TLS, or none, are left out of a mail program's settings", "[command]") {
  CommandPlace place;
  place.config.listen.pop3s = {};
  place.config.listen.submission = {};
  place.config.listen.submissions = {{"::", 0}};
  const std::string text = place.run("mailbox add", {"anna@example.org"}, {}, kHash).text;
  CHECK(text.find("POP3  mail.example.org, port 110 (STARTTLS)\n") != std::string::npos);
  CHECK(text.find("outgoing") == std::string::npos);
}

TEST_CASE("every command of the table can be run or is the command line's own", "[command]") {
  for (const admin::Command& command : admin::commands()) {
    INFO(command.name);
    const bool runs_elsewhere =
        command.needs == admin::Needs::kNothing || command.needs == admin::Needs::kTransfer;
    CHECK((command.run == nullptr) == runs_elsewhere);
    CHECK_FALSE(command.summary.empty());
    CHECK(command.least <= command.most);
    CHECK(command.arguments.empty() == (command.most == 0));
  }
}

namespace {

// One ban, and what was asked of it.
class OneBan final : public BanList {
 public:
  std::vector<Ban> bans() const override {
    return there ? std::vector<Ban>{{"2001:db8::/64", 1740821400, 4102444800, 20, 7}} : std::vector<Ban>{};
  }
  bool lift(const std::string& network) override {
    asked = network;
    return std::exchange(there, false);
  }
  bool there = true;
  std::string asked;
};

}  // namespace

TEST_CASE("bans are listed and lifted where a server runs", "[command]") {
  CommandPlace place;
  CHECK(place.run("ban list").error.find("no server runs") == 0);
  CHECK(place.run("ban remove", {"192.0.2.1"}).error.find("no server runs") == 0);
  OneBan bans;
  place.bans = &bans;
  CHECK(place.run("ban list").text.find("2001:db8::/64  2025-03-01 09:30 UTC") != std::string::npos);
  const Json listed = place.json("ban list");
  CHECK(listed[0]["network"] == "2001:db8::/64");
  CHECK(listed[0]["wrong_logins"] == 20);
  CHECK(listed[0]["refused"] == 7);
  for (const char* wrong : {"", "example.org", "192.0.2", "192.0.2.1/24", "192.0.2.1/64", "::1/63", "a\nb"})
    CHECK(place.run("ban remove", {wrong}).exit_code == 2);
  CHECK(place.json("ban remove", {"2001:db8::/64"})["network"] == "2001:db8::/64");
  CHECK(bans.asked == "2001:db8::");
  CHECK(place.run("ban remove", {"2001:db8::1"}).error == "2001:db8::1 is not banned");
  CHECK(place.run("ban list").text == "Nobody is banned.\n");
  CHECK(place.json("ban list").empty());
}

TEST_CASE("messages are listed, shown, deleted and restored", "[command]") {
  CommandPlace place;
  place.add("anna@example.org");
  CHECK(place.json("message list", {"anna@example.org"}).empty());
  CHECK(place.json("message list", {"anna@example.org"}).is_array());
  for (const char* subject : {"one", "two", "three"}) {
    place.deliver("anna@example.org",
                  std::string("From: s@x.example\r\nSubject: ") + subject + "\r\n\r\nhello\r\n");
  }
  const Json list = place.json("message list", {"anna@example.org"});
  REQUIRE(list.size() == 3);
  CHECK(list[0]["subject"] == "one");
  CHECK(list[0]["from"] == "s@x.example");
  CHECK(list[0]["state"] == "present");
  CHECK(list[0]["restore_command"].is_null());
  const std::string one = list[0]["uidl"];
  const std::string three = list[2]["uidl"];
  {
    auto maildrop = place.store->open_maildrop(place.store->directory()->mailboxes()[0].id);
    const std::vector<std::size_t> indices{0, 2};
    REQUIRE(place.store->commit_deletes(**maildrop, indices, {Deleted::kKept, "phone"}));
  }
  const Report deleted = place.run("message list", {"anna@example.org"}, {"deleted"});
  CHECK(deleted.text.find("phone") != std::string::npos);
  CHECK(Json::parse(deleted.json).size() == 2);
  const Report shown = place.run("message show", {"anna@example.org", three});
  CHECK(shown.text.find("To bring it back: mailstead message restore anna@example.org " + three) !=
        std::string::npos);
  CHECK(Json::parse(shown.json)["deleted_by"] == "phone");
  CHECK(place.run("message show", {"anna@example.org", "nonsense"}).exit_code == 1);
  CHECK(place.json("mailbox show", {"anna@example.org"})["deleted_messages"] == 2);

  CHECK(place.run("message restore", {"anna@example.org"}).exit_code == 2);
  CHECK(place.run("message restore", {"anna@example.org", one}, {"all"}).exit_code == 2);
  CHECK(place.run("message restore", {"anna@example.org", one, "nonsense"}).exit_code == 1);
  CHECK(place.json("message list", {"anna@example.org"}).size() == 1);
  CHECK(place.run("message restore", {"anna@example.org", one}).text ==
        "1 message restored in anna@example.org; mail programs find it at their next login.\n");
  CHECK(Json::parse(place.run("message restore", {"anna@example.org"}, {"last"}).json)["restored"] ==
        Json{three});
  CHECK(place.json("message list", {"anna@example.org"}).size() == 3);
  CHECK(place.run("message restore", {"anna@example.org"}, {"all"}).text ==
        "No deleted message of anna@example.org is left to be restored.\n");
  CHECK(place.run("message restore", {"nobody@example.org"}, {"all"}).exit_code == 1);
}

namespace {

// A mailbox with this much deleted mail: by one device all, then what `also_last` picks by another.
struct DeletedMuch {
  CommandPlace place;
  static constexpr std::size_t kMessages = 1300;
  static constexpr std::size_t kMostTogether = 500;

  DeletedMuch() {
    place.add("anna@example.org");
    std::vector<Delivery> deliveries(kMessages);
    for (Delivery& delivery : deliveries) {
      delivery.id = place.store->new_id();
      delivery.envelope.recipients.push_back({parse_address("anna@example.org").value()});
      delivery.rest = "Subject: x\r\n\r\nx\r\n";
    }
    for (const auto& each : place.store->deliver(deliveries)) REQUIRE(each);
  }
  void remove(const std::vector<std::size_t>& indices, const std::string& device) {
    auto maildrop = place.store->open_maildrop(place.store->directory()->mailboxes()[0].id);
    REQUIRE(place.store->commit_deletes(**maildrop, indices, {Deleted::kKept, device}));
  }
  void remove_all(const std::string& device) {
    std::vector<std::size_t> indices(present());
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
    remove(indices, device);
  }
  std::size_t present() {
    return place.store->show_mailbox(parse_address("anna@example.org").value())->messages;
  }
  Report turn(const std::string& command, const std::string& flag, const std::string& after) {
    CommandContext context{*place.store, place.config, place.folder.path()};
    return run_command({command, {"anna@example.org"}, {flag}, {}, after}, context);
  }
};

}  // namespace

TEST_CASE("much deleted mail is restored in turns, between which others have the store", "[command]") {
  DeletedMuch much;
  much.remove_all("phone");
  std::size_t before = 0;
  std::size_t turns = 0;
  std::set<std::string> uidls;
  std::string after;
  Report report;
  do {
    report = much.turn("message restore", "all", after);
    REQUIRE(report.exit_code == 0);
    const std::size_t now = much.present();
    CHECK(now - before <= DeletedMuch::kMostTogether);
    const Json part = Json::parse(report.json);
    CHECK(part["restored"].size() == now - before);
    for (const Json& uidl : part["restored"]) uidls.insert(uidl);
    before = now;
    after = report.next;
    ++turns;
  } while (!after.empty() && turns < 100);
  CHECK(turns == 3);
  CHECK(before == DeletedMuch::kMessages);
  CHECK(uidls.size() == DeletedMuch::kMessages);
  CHECK(report.text ==
        "1300 messages restored in anna@example.org; mail programs find them at their next login.\n");
}

TEST_CASE("what was deleted last is found and restored in turns", "[command]") {
  DeletedMuch much;
  // By another program, and among what the first one left.
  std::vector<std::size_t> odd;
  for (std::size_t i = 1; i < DeletedMuch::kMessages; i += 2) odd.push_back(i);
  much.remove(odd, "my old phone");
  much.remove_all("laptop");
  REQUIRE(much.present() == 0);
  std::size_t turns = 0;
  std::string after;
  Report report;
  do {
    const std::size_t before = much.present();
    report = much.turn("message restore", "last", after);
    REQUIRE(report.exit_code == 0);
    CHECK(much.present() - before <= DeletedMuch::kMostTogether);
    after = report.next;
    ++turns;
  } while (!after.empty() && turns < 100);
  CHECK(much.present() == DeletedMuch::kMessages - odd.size());
  CHECK(report.text ==
        "650 messages restored in anna@example.org; mail programs find them at their next login.\n");
  // The next one is what was last before it.
  for (after.clear();;) {
    report = much.turn("message restore", "last", after);
    REQUIRE(report.exit_code == 0);
    after = report.next;
    if (after.empty()) break;
  }
  CHECK(much.present() == DeletedMuch::kMessages);
  CHECK(much.turn("message restore", "all", "nonsense").exit_code == 2);
}

TEST_CASE("a mailbox whose mail is kept is tidied in turns before it goes", "[command]") {
  DeletedMuch much;
  much.remove_all("phone");
  const std::string aside = much.place.folder / "mail/example.org/anna/deleted";
  const auto count = [&] {
    std::size_t files = 0;
    if (!std::filesystem::exists(aside)) return files;
    for (const auto& each : std::filesystem::directory_iterator(aside))
      files += each.is_regular_file() ? 1 : 0;
    return files;
  };
  std::size_t turns = 0;
  std::string after;
  std::size_t before = 0;
  Report report;
  while (true) {
    report = much.turn("mailbox remove", "keep-mail", after);
    REQUIRE(report.exit_code == 0);
    ++turns;
    after = report.next;
    if (after.empty()) break;
    CHECK(much.place.run("mailbox list").text.find("anna@example.org") != std::string::npos);
    const std::size_t now = count();
    CHECK(now - before <= 200);
    before = now;
  }
  CHECK(turns >= DeletedMuch::kMessages / 200);
  CHECK(before >= DeletedMuch::kMessages - 200);
  CHECK(Json::parse(report.json)["deleted_messages"] == DeletedMuch::kMessages);
  CHECK(much.place.store->directory()->mailboxes().empty());
}

TEST_CASE("why says what an address is and what to do", "[command]") {
  CommandPlace place;
  place.add("anna@example.org");
  REQUIRE(place.run("alias add", {"info@example.org", "anna@example.org"}).exit_code == 0);
  CHECK(place.json("why", {"anna@example.org"})["kind"] == "mailbox");
  CHECK(place.json("why", {"INFO@Example.org"})["mailboxes"][0]["address"] == "anna@example.org");
  CHECK(place.json("why", {"annna@example.org"})["advice"][0] == "Perhaps anna@example.org is meant.");
  CHECK(place.json("why", {"postmaster@example.org"})["kind"] == "postmaster");
  REQUIRE(place.run("mailbox disable", {"anna@example.org"}).exit_code == 0);
  CHECK(place.run("why", {"info@example.org"}).text.find("disabled") != std::string::npos);
  CHECK(place.run("why", {"anna@elsewhere.example"}).exit_code == 1);
  CHECK(place.run("why", {std::string("\0\n<x", 4)}).exit_code == 1);
}

TEST_CASE("of checks only ours are told, above our trace line", "[command]") {
  const std::string ours = "Authentication-Results: mx.example.org; dmarc=fail header.from=a.example\r\n";
  const std::string others = "Authentication-Results: mx.far.example; dmarc=pass\r\n";
  const auto checks_of = [](const std::string& header) {
    return admin::checks_text(admin::read_head(header + "\r\nx\r\n", "mx.example.org").checks);
  };
  CHECK(checks_of("Return-Path: <>\r\n" + others + ours + "Received: x\r\n") == "DMARC fail");
  CHECK(checks_of("Received: x\r\n" + ours).empty());
  // The host was called otherwise when it came.
  const std::string trace = "Received: from a ([192.0.2.1])\r\n\tby mx.far.example with ESMTP id 1; now\r\n";
  CHECK(checks_of(others + trace) == "DMARC pass");
  CHECK(checks_of(trace + others).empty());
  CHECK(checks_of("Authentication-Results: mx.wide.example; dmarc=pass\r\n" + trace).empty());
  CHECK(checks_of(others).empty());
  CHECK(admin::doubt_of(admin::read_head(others, "mx.example.org").checks).empty());
  CHECK(admin::doubt_of(admin::read_head(ours, "mx.example.org").checks).find("forged") != std::string::npos);
}

TEST_CASE("a header is told as text that is safe on a terminal", "[command]") {
  const auto head = admin::read_head(
      "Received: x\r\nSUBJECT : =?iso-8859-1?Q?Gr=FC=DFe_?=\r\n\t=?UTF-8?b?4oKs?= and\r\n more\r\n"
      "From: a\x1b[31m <a@b>\r\nSubject: second\r\n\r\nDate: body\r\n",
      "mx.example.org");
  CHECK(head.subject == "Gr\u00fc\u00dfe \u20ac and more");
  CHECK(head.from.find('\x1b') == std::string::npos);
  CHECK(head.date.empty());
  CHECK(admin::decode_words("=?koi8-r?B?8A==?= =?x") == "=?koi8-r?B?8A==?= =?x");
  CHECK(admin::decode_words("=?utf-8?Q?=4") == "=?utf-8?Q?=4");
  CHECK(admin::decode_words("=?utf-8?Q?a=?=") == "a=");
  CHECK(admin::decode_words("=?") == "=?");
  CHECK(admin::read_head("no header\r\n", "mx").subject.empty());
  CHECK(admin::read_head("", "mx").subject.empty());
}

#include "admin/doctor/doctor_resolver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "admin/dns/dns_records.h"

namespace mailstead::admin {
namespace {

// Those that many hosts go by and that answer whoever asks a little.
constexpr std::string_view kListZones[] = {"zen.spamhaus.org", "bl.spamcop.net"};
// Signed for as long as there is DNSSEC, and near everybody.
constexpr const char* kSignedName = "org";

constexpr const char* kOwnResolver =
    "Run a DNS resolver of your own on this machine (on Debian: apt install unbound) and name it: [resolver] "
    "servers = [\"127.0.0.1\"] in mailstead.toml.";

std::string list_name(const IpAddress& address, std::string_view zone) {
  // RFC 5782 2.1 and 2.4: as in the reverse names, in another domain.
  std::string name = reverse_name(address);
  name.resize(name.rfind('.', name.rfind('.') - 1));
  return fmt::format("{}.{}", name, zone);
}

// Of 127.255.255.0/24 lists say that they do not answer him who asks.
bool is_refusal(const dns::Record& record) {
  const auto& octets = record.address.octets;
  return record.address.is_ipv4() && octets[12] == 127 && octets[13] == 255 && octets[14] == 255;
}

// RFC 5782 2.1: an entry is an address of 127.0.0.0/8.
bool is_entry(const dns::Record& record) {
  return record.address.is_ipv4() && record.address.octets[12] == 127 && !is_refusal(record);
}

bool says(const dns::Answer& answer, bool (*what)(const dns::Record&)) {
  return std::ranges::any_of(answer.records, what);
}

std::string addresses_of(const dns::Answer& answer) {
  std::vector<std::string> texts;
  for (const dns::Record& record : answer.records) texts.push_back(record.address.text());
  return fmt::format("{}", fmt::join(texts, ", "));
}

// As the resolver of the server does it: a container's 127.0.0.11 only passes on what others say.
bool is_believed(const ResolverFacts& facts) {
  if (facts.trust != DnssecTrust::kLoopback) return facts.trust == DnssecTrust::kAlways;
  return std::ranges::all_of(facts.servers, [](const std::string& each) {
    return each == "::1" || (each.starts_with("127.") && each != "127.0.0.11");
  });
}

// What stands there that is none of a list's answers: somebody between answers for it.
bool is_nonsense(const dns::Record& record) {
  return !is_entry(record) && !is_refusal(record);
}

void judge_list_answers(const DnsListFacts& list, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"resolver", health, std::move(found), std::move(advice)});
  };
  if (says(list.listed, is_refusal) || says(list.unlisted, is_refusal)) {
    return add(
        Health::kWarning,
        fmt::format("the DNS list {} answers {}: it is blocked for your DNS servers", list.zone,
                    addresses_of(says(list.listed, is_refusal) ? list.listed : list.unlisted)),
        fmt::format("Lists answer no public resolvers (8.8.8.8, 1.1.1.1 and the like) and nobody who asks "
                    "too much. A spam filter on this machine that takes that for an entry refuses all "
                    "mail. {}",
                    kOwnResolver));
  }
  if (says(list.unlisted, is_entry) || says(list.listed, is_nonsense) || says(list.unlisted, is_nonsense)) {
    return add(
        Health::kWarning,
        fmt::format("the DNS list {} answers {} for 127.0.0.1, which stands on no list", list.zone,
                    addresses_of(list.unlisted.records.empty() ? list.listed : list.unlisted)),
        fmt::format("Somebody between falsifies its answers, or the list is no more: a spam filter that "
                    "asks it refuses all mail. {}",
                    kOwnResolver));
  }
  if (list.listed.verdict == dns::Verdict::kNoName || list.listed.verdict == dns::Verdict::kNoRecords) {
    return add(
        Health::kWarning,
        fmt::format("the DNS list {} does not have 127.0.0.2, which stands on every list", list.zone),
        fmt::format("Your DNS servers keep its answers from you: a spam filter finds nothing on it. {}",
                    kOwnResolver));
  }
  if (list.listed.verdict == dns::Verdict::kFailed) {
    add(Health::kNote, fmt::format("the DNS list {} did not answer", list.zone),
        "This matters only to a spam filter that asks it; some lists do not answer public resolvers.");
  }
}

}  // namespace

void ResolverLook::begin(Outside& outside, Lists lists) {
  facts_.is_asked = true;
  outside.ask({kSignedName, dns::Type::kSoa}, [this](const dns::Answer& answer) { facts_.known = answer; });
  // A name that can be bought, since providers lie of such; and by chance, since nobody shall buy it.
  std::random_device random;
  outside.ask({fmt::format("mailstead-{:08x}{:08x}.com", random(), random()), dns::Type::kA},
              [this](const dns::Answer& answer) { facts_.absent = answer; });
  if (lists == Lists::kLeftOut) return;
  for (const std::string_view zone : kListZones) facts_.lists.push_back({zone, {}, {}});
  for (std::size_t i = 0; i < facts_.lists.size(); ++i) {
    const std::string_view zone = facts_.lists[i].zone;
    outside.ask({fmt::format("2.0.0.127.{}", zone), dns::Type::kA},
                [this, i](const dns::Answer& answer) { facts_.lists[i].listed = answer; });
    outside.ask({fmt::format("1.0.0.127.{}", zone), dns::Type::kA},
                [this, i](const dns::Answer& answer) { facts_.lists[i].unlisted = answer; });
  }
}

void ResolverLook::ask_of(Outside& outside, const IpAddress& address) {
  for (std::size_t i = 0; i < facts_.lists.size(); ++i) {
    DnsListFacts& list = facts_.lists[i];
    const auto is_it = [&](const DnsListFacts::Own& own) { return own.address == address; };
    if (std::ranges::any_of(list.own, is_it)) continue;
    const std::size_t place = list.own.size();
    list.own.push_back({address, {}});
    outside.ask({list_name(address, list.zone), dns::Type::kA},
                [this, i, place](const dns::Answer& answer) { facts_.lists[i].own[place].answer = answer; });
  }
}

std::vector<std::string> dns_servers(const Config::Resolver& settings) {
  std::vector<std::string> servers;
  for (const ListenAddress& each : settings.servers) servers.push_back(each.host);
  if (!servers.empty()) return servers;
  std::ifstream file("/etc/resolv.conf");
  for (std::string word; file >> word;) {
    if (word == "nameserver" && file >> word) servers.push_back(word);
  }
  return servers;
}

bool is_silent(const ResolverFacts& facts) {
  return facts.known.verdict == dns::Verdict::kFailed && facts.absent.verdict == dns::Verdict::kFailed;
}

// Of a name that "is not there" no record is missing, and of our own none can be: who does not know the
// Internet's DNS does not know them either.
bool knows_nothing(const ResolverFacts& facts) {
  return facts.known.verdict == dns::Verdict::kNoName || facts.known.verdict == dns::Verdict::kNoRecords;
}

std::string why_unfit(const ResolverFacts& facts) {
  if (!facts.is_asked) return {};
  if (is_silent(facts)) return "no DNS server answers (see resolver)";
  if (knows_nothing(facts)) return "the DNS servers do not know the Internet's DNS (see resolver)";
  return {};
}

void judge_resolver(const ResolverFacts& facts, DoctorFindings& into) {
  const std::string servers =
      facts.servers.empty() ? "none is known" : fmt::format("{}", fmt::join(facts.servers, ", "));
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"resolver", health, std::move(found), std::move(advice)});
  };
  const std::size_t before = into.size();
  if (is_silent(facts)) {
    return add(
        Health::kProblem, fmt::format("no DNS server answers ({})", servers),
        "Without one no mail goes out. Look at /etc/resolv.conf, at the network and at the firewall (port "
        "53), or name another server: [resolver] servers in mailstead.toml.");
  }
  if (facts.absent.verdict == dns::Verdict::kFound) {
    add(Health::kProblem,
        fmt::format("your DNS servers ({}) lie: a name that nobody has leads to {}", servers,
                    addresses_of(facts.absent)),
        fmt::format(
            "Mail to mistyped addresses goes to strangers, or waits for days in place of coming back. {}",
            kOwnResolver));
  } else if (facts.absent.verdict == dns::Verdict::kFailed) {
    add(Health::kWarning,
        fmt::format("your DNS servers ({}) do not answer that a name is not there", servers),
        fmt::format("Mail to mistyped addresses waits for days in place of coming back. {}", kOwnResolver));
  } else if (facts.known.verdict != dns::Verdict::kFound) {
    // All that is found by the DNS is not found then, and mail goes nowhere.
    add(knows_nothing(facts) ? Health::kProblem : Health::kWarning,
        fmt::format("your DNS servers ({}) answer, but do not know the domain 'org'", servers),
        fmt::format("They do not reach the Internet's DNS, or keep parts of it from you. {}", kOwnResolver));
  }
  // Where the Internet's DNS is not reached, the lists' words mean nothing.
  if (facts.known.verdict == dns::Verdict::kFound) {
    for (const DnsListFacts& list : facts.lists) judge_list_answers(list, into);
  }
  if (facts.known.verdict == dns::Verdict::kFound && !facts.known.authenticated) {
    add(Health::kNote, "your DNS servers do not validate (DNSSEC)",
        fmt::format(
            "Mail goes out all the same; what other domains demand of encryption by DANE is not seen. {}",
            kOwnResolver));
  } else if (facts.known.authenticated && !is_believed(facts)) {
    add(Health::kNote,
        "your DNS servers validate (DNSSEC), but are not on this machine, so that is not believed",
        "If nobody can change what they send on its way here: [resolver] dnssec = \"always\".");
  }
  if (std::all_of(into.begin() + static_cast<std::ptrdiff_t>(before), into.end(),
                  [](const DoctorFinding& each) { return each.health == Health::kNote; })) {
    add(Health::kOk, fmt::format("your DNS servers ({}) answer as they should", servers), "");
  }
}

void judge_lists(const ResolverFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"dns-lists", health, std::move(found), std::move(advice)});
  };
  std::vector<std::string_view> clean, blocked;
  for (const DnsListFacts& list : facts.lists) {
    const bool is_usable = says(list.listed, is_entry) && !says(list.unlisted, is_entry);
    if (!is_usable) {
      blocked.push_back(list.zone);
      continue;
    }
    bool is_listed = false;
    for (const DnsListFacts::Own& own : list.own) {
      if (!says(own.answer, is_entry)) continue;
      is_listed = true;
      add(Health::kProblem,
          fmt::format("{} stands on the DNS list {} ({}): many hosts refuse mail from it", own.address.text(),
                      list.zone, addresses_of(own.answer)),
          "Look the address up on the list's web site, which says why and how it comes off. Addresses of "
          "homes "
          "and of many cheap servers are listed as a whole: then mail goes out only by another server, see "
          "[queue] smarthost.");
    }
    if (!is_listed && !list.own.empty()) clean.push_back(list.zone);
  }
  if (!blocked.empty()) {
    add(Health::kSkipped, fmt::format("{}: not asked, see resolver", fmt::join(blocked, ", ")), "");
  }
  if (!clean.empty()) {
    add(Health::kOk, fmt::format("the server's addresses are not on {}", fmt::join(clean, ", ")), "");
  } else if (blocked.empty() &&
             std::ranges::all_of(facts.lists, [](const DnsListFacts& list) { return list.own.empty(); })) {
    add(Health::kSkipped, "no public address of this server is known", "");
  }
}

}  // namespace mailstead::admin

#include "admin/doctor/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "admin/cli.h"
#include "admin/config/config_environment.h"
#include "admin/control.h"
#include "admin/dispatch.h"
#include "admin/dns/dns_records.h"
#include "admin/doctor/doctor_folder.h"
#include "admin/doctor/doctor_machine.h"
#include "admin/doctor/doctor_names.h"
#include "admin/doctor/doctor_network.h"
#include "admin/doctor/doctor_ports.h"
#include "admin/doctor/doctor_records.h"
#include "admin/doctor/doctor_resolver.h"
#include "admin/doctor/doctor_tls.h"
#include "admin/owner.h"
#include "admin/report.h"
#include "admin/text.h"
#include "admin/transfer/transfer.h"
#include "protocols/ip_address.h"
#include "storage/folder.h"

namespace mailstead::admin {
namespace {

using FactsJson = nlohmann::json;

// What the store's side says of itself (doctor_requests.cc).
struct StoreSide {
  bool is_server = false;  // it is a running one
  bool is_denied = false;  // whether one runs cannot be told
  std::string failure;     // why nothing is known
  bool tells() const { return !is_denied && (!is_server || failure.empty()); }
  FactsJson facts = FactsJson::object();
};

Report ask_store(const CommandLine& line) {
  CommandLine asking = line;
  asking.command = find_transfer_request("doctor facts");
  asking.request = {};
  asking.request.command = asking.command->name;
  return dispatch(asking);
}

void take_facts(const Report& report, StoreSide& side) {
  FactsJson facts = FactsJson::parse(report.json, nullptr, false);
  if (report.exit_code != 0 || !facts.is_object()) {
    side.failure = report.error.empty() ? "it said nothing that can be read" : report.error;
    return;
  }
  side.facts = std::move(facts);
}

// A recovery is left to the next start: nothing is changed here.
bool has_ended_cleanly(const std::string& data) {
  return !std::ifstream(data + "/" + kDatabaseFile + "-wal").good();
}

// What is judged by the DNS. Behind a resolver that does not know it, each would find its records missing.
constexpr std::string_view kRestOnDns[] = {"dns-forward", "dns-reverse", "ipv6",      "dns-lists",
                                           "dns-records", "port-25-out", "port-25-in"};

class Examination {
 public:
  Examination(const CommandLine& line, const DoctorServices& services, DoctorOptions options)
      : line_(line), services_(services), options_(std::move(options)) {}

  Report run();

 private:
  void read_configuration();
  void look_at_store();
  void take_hostname();
  void take_listeners();
  void look_at_machine();
  void look_outside();
  void begin(Outside& outside);
  void begin_relay_test(Outside& outside);
  void judge();
  void judge_server();
  void look_at_records();
  void look_at_certificates();
  void judge_resting_on_dns(std::string_view check, const std::function<void()>& judge_it);
  bool wants(std::string_view check) const { return options_.wants(check); }
  void add(std::string_view check, Health health, std::string found, std::string advice = {}) {
    findings_.push_back({check, health, std::move(found), std::move(advice)});
  }

  const CommandLine& line_;
  const DoctorServices& services_;
  const DoctorOptions options_;
  const std::int64_t now_ = std::time(nullptr);
  DoctorFindings findings_;
  Config config_;
  StoreSide store_;
  FolderFacts folder_;
  DiskFacts disk_;
  LimitFacts limits_;
  ClockFacts clock_;
  std::vector<TlsFacts> tls_;  // the default one, and more
  HostFacts host_;
  ResolverFacts resolver_;
  OutFacts out_;
  InFacts in_;
  RelayFacts relay_;
  std::vector<std::string> relay_commands_;
  std::vector<ServerListener> listeners_;
  std::vector<PortFacts> ports_;
  ContainerFacts container_;
  HostLook host_look_{host_};
  ResolverLook resolver_look_{resolver_};
  OutLook out_look_{out_};
};

Report Examination::run() {
  // Without the rights of its owner nothing in the folder is seen; that is a finding, not the end.
  if (const Result<void> became = become_owner(line_.data, Rights::kLent); !became)
    add("data-folder", Health::kProblem, became.error().message,
        "Run this as root or as the folder's owner.");
  read_configuration();
  folder_ = look_at_folder(line_.data);
  clock_ = look_at_clock(line_.data, now_);  // before the store is opened, and so written to
  look_at_store();
  take_hostname();
  folder_.is_answering = store_.is_server;
  look_at_machine();
  look_outside();
  judge();
  look_at_records();
  return report_of({config_.hostname, line_.data, store_.is_server, !store_.is_denied}, findings_, options_);
}

void Examination::read_configuration() {
  const ConfigSource source{line_.data, line_.config_file};
  Result<Config> config = load_config(source);
  if (config) {
    config_ = std::move(*config);
    const std::string file = config_file(source);
    if (!wants("configuration")) return;
    const bool is_there = ::access(file.c_str(), F_OK) == 0;
    add("configuration", Health::kOk, is_there ? file : fmt::format("the defaults; there is no {}", file));
    for (const std::string& variable : config_.unknown_variables) {
      add("configuration", Health::kWarning,
          fmt::format("{} in the environment sets nothing{}", printable(variable),
                      likely_variable_hint(variable)),
          "There is no key of that name: see 'mailstead config default'.");
    }
    return;
  }
  add("configuration", Health::kProblem, config.error().message,
      "The server does not start with it, or keeps what it had before. The rest of this report goes by the "
      "defaults.");
  if (Result<Config> defaults = parse_config("", "defaults"); defaults) config_ = std::move(*defaults);
}

void Examination::look_at_store() {
  if (services_.facts) {
    store_.is_server = true;
    take_facts(*services_.facts, store_);
    take_listeners();
    return;
  }
  Request request;
  request.command = "doctor facts";
  const Result<Report> answer = call_server(line_.data, request);
  if (answer || answer.error().kind == ErrorKind::kUnavailable) {
    store_.is_server = true;
    if (answer) {
      take_facts(*answer, store_);
    } else {
      store_.failure = answer.error().message;
    }
  } else if (answer.error().kind == ErrorKind::kDenied || folder_.kind == FolderFacts::Kind::kDenied) {
    store_.is_denied = true;
    store_.failure = answer.error().message;
  } else if (folder_.kind != FolderFacts::Kind::kFolder || !folder_.is_laid_out) {
    store_.failure = "no server has run on this data folder yet";
  } else if (folder_.is_locked) {
    store_.failure = "another process has the data folder";
  } else if (!has_ended_cleanly(line_.data)) {
    store_.failure = "the last server did not end cleanly, which its next start repairs";
  } else {
    take_facts(ask_store(line_), store_);
  }
  take_listeners();
}

void Examination::take_listeners() {
  for (const FactsJson& each : store_.facts.value("listeners", FactsJson::array()))
    listeners_.push_back({each.value("service", ""), each.value("address", "")});
}

// By its name nearly all else is judged. A command has another environment than a server that a service
// manager started, or another --config, and its file may say by now what no server has read.
void Examination::take_hostname() {
  const std::string running = store_.facts.value("hostname", "");
  if (running.empty() || running == config_.hostname) return;
  if (wants("configuration"))
    add("configuration", Health::kWarning,
        fmt::format(
            "the running server calls itself {}, and here its name is {}; this report goes by the server's",
            running, config_.hostname),
        "Where it was changed: restart the server. Where the server has another environment or --config, "
        "give this command the same.");
  config_.hostname = running;
}

void Examination::look_at_machine() {
  disk_ = look_at_disk(line_.data, config_.limits.free_space);
  disk_.mail_trouble = store_.facts.value("mail_trouble", "");
  limits_ = look_at_limits(store_.facts.value("pid", std::int64_t{0}), config_.limits.connections);
  look_at_certificates();
  if (!store_.is_server && store_.tells() && wants("ports")) ports_ = try_to_bind(config_);

  host_.hostname = config_.hostname;
  host_.has_smarthost = !config_.queue.smarthost.host.empty();
  const auto outgoing4 = outgoing_address(IpFamily::kIpv4);
  const auto outgoing6 = outgoing_address(IpFamily::kIpv6);
  host_.has_ipv6_route = outgoing6.has_value();
  host_.own = public_addresses();
  // Of several addresses the one that mail leaves by has to have a name; where no route is known, any may be.
  const bool is_known = outgoing4.has_value() || outgoing6.has_value();
  for (const IpAddress& each : host_.own) {
    const auto& outgoing = each.is_ipv4() ? outgoing4 : outgoing6;
    if (!is_known || outgoing == each) host_.addresses.push_back({each, true});
  }

  container_.is_container = is_in_container();
  const FactsJson clients = store_.facts.value("clients", FactsJson::object());
  container_.connections = clients.value("connections", std::uint64_t{0});
  container_.hidden = clients.value("hidden", decltype(container_.hidden)());
}

void Examination::look_at_certificates() {
  TlsFacts& first =
      tls_.emplace_back(look_at_tls(certificate_files(config_, line_.data), config_.hostname, now_));
  first.is_acme = config_.acme.is_on();
  const FactsJson renewal = store_.facts.value("acme", FactsJson::object());
  first.acme_problem = renewal.value("problem", "");
  first.acme_advice = renewal.value("advice", "");
  if (!config_.listen.webs.empty()) {
    for (const FactsJson& domain : store_.facts.value("domains", FactsJson::array()))
      first.other_names.push_back("autoconfig." + domain.get<std::string>());
  }
  const Config::Tls& more = config_.tls;
  for (std::size_t i = 0; i < more.more_certificates.size(); ++i) {
    tls_.push_back(
        look_at_tls({more.more_certificates[i], more.more_keys[i], false}, config_.hostname, now_));
    tls_.back().is_default = false;
  }
  // What the server shows counts, whatever the files hold by now; what it has not read yet it reads within a
  // minute.
  const std::string trouble = store_.facts.value("certificate_trouble", "");
  for (const FactsJson& each : store_.facts.value("certificates", FactsJson::array())) {
    const auto facts = std::ranges::find_if(
        tls_, [&](const TlsFacts& one) { return one.files.certificate == each.value("file", ""); });
    if (facts == tls_.end() || (facts->certificate && trouble.empty())) continue;
    CertificateFacts shown;
    shown.subject = each.value("subject", "");
    shown.issuer = each.value("issuer", "");
    shown.names = each.value("names", std::vector<std::string>());
    shown.not_before = each.value("not_before", std::int64_t{0});
    shown.not_after = each.value("not_after", std::int64_t{0});
    shown.sha256 = each.value("sha256", "");
    shown.self_signed = each.value("self_signed", false);
    if (facts->certificate && facts->certificate->sha256 == shown.sha256) continue;
    facts->kept_because = trouble.empty() ? facts->failure_words : trouble;
    facts->certificate = std::move(shown);
  }
}

void Examination::look_outside() {
  Progress progress("Examining", 0, speech_of(line_));
  OutsideTerms terms{config_.resolver.servers, kDoctorPatience, {}, {}};
  terms.tick = [&progress](std::size_t open) {
    progress.show(0, fmt::format("waiting for {}", counted(open, "answer")));
  };
  services_.go_outside(terms, [this](Outside& outside) { begin(outside); });
}

void Examination::begin(Outside& outside) {
  resolver_.servers = dns_servers(config_.resolver);
  resolver_.trust = config_.resolver.dnssec;
  const bool wants_lists = wants("resolver") || wants("dns-lists");
  if (wants_lists || std::ranges::any_of(kRestOnDns, [&](std::string_view check) { return wants(check); })) {
    resolver_look_.begin(outside, wants_lists ? ResolverLook::Lists::kAsked : ResolverLook::Lists::kLeftOut);
  }

  in_.hostname = config_.hostname;
  in_.is_running = store_.is_server;
  in_.listens_on_25 = std::ranges::any_of(listeners_, [](const ServerListener& each) {
    return each.service == "smtp" && parse_bound(each.address).port == 25;
  });
  const auto on_address = [this, &outside](const IpAddress& address) {
    if (wants("dns-lists")) resolver_look_.ask_of(outside, address);
  };
  for (const HostAddress& each : host_.addresses) on_address(each.address);
  host_look_.begin(outside, [this, &outside, on_address](const IpAddress& address) {
    on_address(address);
    if (store_.is_server && wants("port-25-in")) dial_in(outside, address, in_);
  });

  if (wants("port-25-out")) {
    const Config::Queue::Smarthost& smarthost = config_.queue.smarthost;
    out_.is_smarthost = !smarthost.host.empty();
    out_.has_ipv6 = host_.has_ipv6_route;
    out_.is_tls_at_once = out_.is_smarthost && smarthost.tls == SmarthostTls::kImplicit;
    out_look_.begin(outside, out_.is_smarthost ? std::vector<std::string>{fmt::format("{}:{}", smarthost.host,
                                                                                      smarthost.port)}
                                               : options_.probes);
  }
  if (wants("clock")) ask_for_time(outside, options_.time_server, clock_);
  if (store_.is_server && store_.tells() && wants("ports")) dial_ports(outside, config_, listeners_, ports_);
  if (store_.tells() && wants("open-relay")) begin_relay_test(outside);
}

// From an address that is not loopback's, if there is one: what is exempt there shall not hide what is open.
void Examination::begin_relay_test(Outside& outside) {
  relay_.is_running = store_.is_server;
  const auto listener = std::ranges::find(listeners_, "smtp", &ServerListener::service);
  if (!relay_.is_running || listener == listeners_.end()) return;
  const ListenAddress place = parse_bound(listener->address);
  IpAddress address = reachable(place.host);
  const bool is_everywhere = place.host == "::" || place.host == "0.0.0.0";
  if (is_everywhere && !host_.own.empty()) address = host_.own.front();
  const FactsJson domains = store_.facts.value("domains", FactsJson::array());
  const std::string domain = domains.empty() ? config_.hostname : domains.front().get<std::string>();
  relay_.from = address;
  relay_commands_ = relay_commands(config_.hostname, domain, address);
  outside.talk({address, place.port, Dialogue::Kind::kSmtp, relay_commands_},
               [this](const Heard& heard) { relay_.heard = heard; });
}

void Examination::judge_server() {
  if (store_.is_denied)
    return add("server", Health::kWarning, "whether a server runs on this data folder cannot be told",
               "Run this as root or as the folder's owner.");
  if (!store_.is_server) return add("server", Health::kNote, "no server runs on this data folder");
  if (!store_.failure.empty()) {
    return add("server", Health::kWarning,
               fmt::format("a server runs, and does not tell of itself: {}", store_.failure),
               "If this program was updated since it started: restart it ('systemctl restart mailstead').");
  }
  const std::string running = store_.facts.value("version", "");
  if (running != version()) {
    return add("server", Health::kWarning,
               fmt::format("version {} runs, and this is version {}", running, version()),
               "Restart it ('systemctl restart mailstead'), so that the newer one runs.");
  }
  add("server", Health::kOk,
      fmt::format("version {} runs, process {}", running, store_.facts.value("pid", std::int64_t{0})));
}

void Examination::judge() {
  const std::pair<std::string_view, std::function<void()>> judges[] = {
      {"server", [&] { judge_server(); }},
      {"data-folder", [&] { judge_folder(folder_, findings_); }},
      {"disk", [&] { judge_disk(disk_, findings_); }},
      {"file-limits", [&] { judge_files(limits_, findings_); }},
      {"memory", [&] { judge_memory(limits_, findings_); }},
      {"clock", [&] { judge_clock(clock_, findings_); }},
      {"hostname", [&] { judge_hostname(host_, findings_); }},
      {"dns-forward", [&] { judge_forward(host_, findings_); }},
      {"dns-reverse", [&] { judge_reverse(host_, findings_); }},
      {"ipv6", [&] { judge_ipv6(host_, findings_); }},
      {"resolver", [&] { judge_resolver(resolver_, findings_); }},
      {"dns-lists", [&] { judge_lists(resolver_, findings_); }},
      {"tls",
       [&] {
         for (const TlsFacts& each : tls_) judge_tls(each, findings_);
       }},
      {"ports", [&] { judge_ports(ports_, findings_); }},
      {"port-25-out", [&] { judge_port_25_out(out_, findings_); }},
      {"port-25-in", [&] { judge_port_25_in(in_, findings_); }},
      {"open-relay", [&] { judge_relay(relay_, relay_commands_, findings_); }},
      {"client-addresses", [&] { judge_container(container_, findings_); }},
      {"backup",
       [&] {
         BackupFacts backup{.now = now_, .last_at = {}};
         if (const auto at = store_.facts.find("last_backup_at"); at != store_.facts.end())
           backup.last_at = at->get<std::int64_t>();
         backup.failed_at = store_.facts.value("backup_failed_at", std::int64_t{0});
         backup.failure = store_.facts.value("backup_failure", "");
         judge_backup(backup, findings_);
       }},
  };
  // Of a server that does not say where it listens all that could be said would be guessed.
  static constexpr std::string_view kOfServer[] = {"ports", "port-25-in", "open-relay", "client-addresses"};
  for (const auto& [check, judge_it] : judges) {
    if (!wants(check)) continue;
    if (!store_.tells() && std::ranges::find(kOfServer, check) != std::end(kOfServer)) {
      add(check, Health::kSkipped, "the server does not tell of itself (see server)");
    } else {
      judge_resting_on_dns(check, judge_it);
    }
  }
}

void Examination::judge_resting_on_dns(std::string_view check, const std::function<void()>& judge_it) {
  // A smarthost may be named by its address.
  const bool was_found = check == "port-25-out" && std::ranges::any_of(out_.probes, &ProbeFacts::is_resolved);
  const bool rests = std::ranges::find(kRestOnDns, check) != std::end(kRestOnDns) && !was_found;
  const std::string why = rests ? why_unfit(resolver_) : std::string();
  if (why.empty()) return judge_it();
  add(check, Health::kSkipped, fmt::format("not known: {}", why));
}

// Behind all else: where no DNS server answers it would only be waited for, once more for each of its rounds.
void Examination::look_at_records() {
  if (!wants("dns-records")) return;
  if (!can_be_found(config_.hostname))
    return add("dns-records", Health::kSkipped, "the server has no name yet (see hostname)");
  const std::string records = store_.facts.value("records", "");
  const std::string why = store_.facts.value("records_error", "");
  if (!why.empty())
    return add("dns-records", Health::kProblem, why, "Put right what it says, and look again.");
  if (records.size() <= 2) {  // "[]"
    return add("dns-records", Health::kSkipped,
               store_.failure.empty() ? "no domains yet: one is served as soon as a mailbox is in it"
                                      : store_.failure);
  }
  if (const std::string unfit = why_unfit(resolver_); !unfit.empty())
    return add("dns-records", Health::kSkipped, unfit);
  const LookUp look_up = look_up_by(services_.go_outside, kRoundPatience);
  judge_records(check_dns(records, config_.resolver.servers, look_up), findings_);
}

}  // namespace

Report doctor(const CommandLine& line, const DoctorServices& services) {
  Result<DoctorOptions> options = doctor_options(line.request);
  if (!options) return misused(options.error().message);
  return Examination(line, services, std::move(*options)).run();
}

}  // namespace mailstead::admin

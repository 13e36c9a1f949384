#include "admin/doctor/doctor_machine.h"

#include <sys/stat.h>

#include "admin/certificate_maker.h"
#include "admin/doctor/doctor.h"
#include "admin/doctor/doctor_folder.h"
#include "admin/doctor/doctor_tls.h"
#include "tests/admin/doctor_fixture.h"
#include "tests/admin/folder.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;
using namespace mailstead::admin_test;

namespace {

constexpr std::int64_t kNow = 1'796'000'000;
constexpr std::uint64_t kGiB = 1ull << 30;

ClockFacts good_clock() {
  ClockFacts facts{.now = kNow, .built_at = kNow - 1000, .data_at = kNow - 10, .is_kept = true};
  facts.server = "time.example";
  facts.is_resolved = true;
  facts.behind = {0.1};
  return facts;
}

DiskFacts good_disk() {
  DiskFacts facts{.path = "/var/lib/mailstead"};
  facts.free = 50 * kGiB;
  facts.size = 100 * kGiB;
  facts.inodes = 1'000'000;
  facts.free_inodes = 900'000;
  facts.reserve = 64ull << 20;
  facts.kind = 0xef53;  // ext4
  return facts;
}

TlsFacts good_tls() {
  TlsFacts facts{.files = {"/etc/c.pem", "/etc/k.pem", false},
                 .certificate = {},
                 .hostname = "mail.example.org",
                 .now = kNow};
  facts.certificate.emplace();
  facts.certificate->issuer = "Authority";
  facts.certificate->names = {"mail.example.org"};
  facts.certificate->not_before = kNow - 86400;
  facts.certificate->not_after = kNow + 60 * 86400;
  facts.chain = ChainVerdict::kTrusted;
  facts.key_mode = 0100600;
  return facts;
}

FolderFacts good_folder() {
  FolderFacts facts{.path = "/data", .kind = FolderFacts::Kind::kFolder};
  facts.mode = 0700;
  facts.is_laid_out = true;
  return facts;
}

}  // namespace

TEST_CASE("a clock that is right, or said to be kept so, is well", "[doctor]") {
  ClockFacts facts = good_clock();
  CHECK(worst(judged(judge_clock, facts)) == Health::kOk);
  facts.behind.clear();
  CHECK(worst(judged(judge_clock, facts)) == Health::kOk);
  facts.is_kept = false;
  facts.behind = {-0.5};
  CHECK(worst(judged(judge_clock, facts)) == Health::kNote);
  facts.is_kept.reset();
  facts.behind.clear();
  CHECK(worst(judged(judge_clock, facts)) == Health::kSkipped);
}

TEST_CASE("a clock that is off, or that nothing keeps, is told", "[doctor]") {
  ClockFacts facts = good_clock();
  SECTION("some seconds") {
    facts.behind = {-42};
    CHECK(says(judged(judge_clock, facts), Health::kWarning, "42 s fast"));
  }
  SECTION("an hour") {
    facts.behind = {3600, 3601};
    CHECK(says(judged(judge_clock, facts), Health::kProblem, "1 h 0 min slow"));
  }
  SECTION("only by one of two") {
    facts.behind = {3600, 0.2};
    CHECK(worst(judged(judge_clock, facts)) == Health::kOk);
  }
  SECTION("before this program was made") {
    facts.built_at = kNow + 3600;
    CHECK(says(judged(judge_clock, facts), Health::kProblem, "this program was made"));
  }
  SECTION("before the last mail") {
    facts.data_at = kNow + 3600;
    CHECK(says(judged(judge_clock, facts), Health::kProblem, "data folder was written"));
  }
  SECTION("nobody knows") {
    facts.behind.clear();
    facts.is_kept = false;
    CHECK(says(judged(judge_clock, facts), Health::kWarning, "does not answer"));
  }
}

TEST_CASE("a time server is asked at its address and port", "[doctor]") {
  WrittenNetwork network;
  network.behind = 7;
  for (const char* name :
       {"192.0.2.1", "192.0.2.1:1123", "[2001:db8::1]:123", "2001:db8::1", "time.example:99"}) {
    CAPTURE(name);
    network.add("time.example", "192.0.2.2");
    ClockFacts facts;
    ask_for_time(network, name, facts);
    CHECK(facts.is_resolved);
    CHECK_FALSE(facts.behind.empty());
  }
}

TEST_CASE("a disk with room, that keeps what it is given, is well", "[doctor]") {
  CHECK(worst(judged(judge_disk, good_disk())) == Health::kOk);
}

TEST_CASE("a disk that is full, or that forgets, is told", "[doctor]") {
  DiskFacts facts = good_disk();
  SECTION("full") {
    facts.free = 1 << 20;
    CHECK(says(judged(judge_disk, facts), Health::kProblem, "put off"));
  }
  SECTION("nearly") {
    facts.free = 100 << 20;
    CHECK(worst(judged(judge_disk, facts)) == Health::kWarning);
  }
  SECTION("no more files") {
    facts.free_inodes = 500;
    CHECK(says(judged(judge_disk, facts), Health::kProblem, "inodes"));
    facts.free_inodes = 5000;
    CHECK(worst(judged(judge_disk, facts)) == Health::kWarning);
    facts.inodes = facts.free_inodes = 0;  // btrfs
    CHECK(worst(judged(judge_disk, facts)) == Health::kOk);
  }
  SECTION("none of it can be written to") {
    facts.mail_trouble = "disk I/O error";
    CHECK(says(judged(judge_disk, facts), Health::kProblem,
               "takes no mail, since none can be written down: disk"));
  }
  SECTION("read-only") {
    facts.is_read_only = true;
    CHECK(says(judged(judge_disk, facts), Health::kProblem, "read-only"));
  }
  SECTION("kinds that are not for mail") {
    const std::pair<std::uint32_t, const char*> kinds[] = {
        {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x6969, "NFS"}, {0xff534d42, "CIFS"},
        {0x01021997, "9p"},    {0x65735546, "FUSE"},    {0x4d44, "FAT"}};
    for (const auto& [kind, name] : kinds) {
      facts.kind = kind;
      CHECK(says(judged(judge_disk, facts), Health::kWarning, name));
    }
  }
  SECTION("not to be looked at") {
    facts.failure = "No such file or directory";
    CHECK(worst(judged(judge_disk, facts)) == Health::kProblem);
  }
}

TEST_CASE("open files and memory have to be enough", "[doctor]") {
  CHECK(worst(judged(judge_files, {.files = 40640, .connections = 20000})) == Health::kOk);
  CHECK(
      says(judged(judge_files, {.files = 4096, .connections = 20000}), Health::kWarning, "1728 connections"));
  CHECK(worst(judged(judge_files, {.files = 512, .connections = 20000})) == Health::kProblem);
  CHECK(worst(judged(judge_memory, {.memory = kGiB})) == Health::kOk);
  CHECK(worst(judged(judge_memory, {.memory = 100 << 20})) == Health::kWarning);
  CHECK(worst(judged(judge_memory, {.memory = 0})) == Health::kSkipped);
  CHECK(look_at_limits(0, 1).files > 0);
}

TEST_CASE("clients that come from a gateway are hidden by it", "[doctor]") {
  ContainerFacts facts;
  CHECK(worst(judged(judge_container, facts)) == Health::kSkipped);
  facts.is_container = true;
  CHECK(worst(judged(judge_container, facts)) == Health::kNote);
  facts.connections = 4;
  CHECK(worst(judged(judge_container, facts)) == Health::kNote);
  facts.hidden = {{"172.17.0.1", 8}, {"fd00::1", 1}};
  CHECK(worst(judged(judge_container, facts)) == Health::kNote);
  facts.hidden["fd00::1"] = 2;
  facts.connections = 10;
  CHECK(says(judged(judge_container, facts), Health::kWarning,
             "10 of 10 connections came from 172.17.0.1, fd00::1"));
  facts.connections = 100;
  CHECK(worst(judged(judge_container, facts)) == Health::kWarning);
  facts.connections = 1000;  // a router that looks in now and then
  CHECK(worst(judged(judge_container, facts)) == Health::kNote);
  facts.hidden.clear();
  CHECK(worst(judged(judge_container, facts)) == Health::kOk);
}

TEST_CASE("a certificate that others trust, for the right name, is well", "[doctor]") {
  CHECK(worst(judged(judge_tls, good_tls())) == Health::kOk);
}

TEST_CASE("of a certificate that the server gets itself is told where to see why it does not", "[doctor]") {
  TlsFacts facts = good_tls();
  facts.is_acme = true;
  facts.certificate->not_before = kNow - 4 * 86400;
  facts.certificate->not_after = kNow + 2 * 86400;  // of six days: its time to be renewed
  CHECK(worst(judged(judge_tls, facts)) == Health::kOk);
  facts.certificate->not_after = kNow + 86400;
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "expires in"));
  facts.certificate->not_after = kNow + 60 * 86400;
  facts.acme_problem = "the CA says: nobody there";
  facts.acme_advice = "open port 80";
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "could not be renewed: the CA says: nobody there"));
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "tries now. What to do: open port 80"));
  facts.certificate->self_signed = true;
  facts.certificate->not_after = kNow + 1000 * 86400;
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "no certificate of an authority yet: the CA says"));
}

TEST_CASE("what mail programs will not like of a certificate is told", "[doctor]") {
  TlsFacts facts = good_tls();
  SECTION("expired") {
    facts.certificate->not_after = kNow - 100;
    CHECK(says(judged(judge_tls, facts), Health::kProblem, "expired"));
  }
  SECTION("soon") {
    facts.certificate->not_after = kNow + 3 * 86400;
    CHECK(says(judged(judge_tls, facts), Health::kWarning, "expires in 3 days"));
  }
  SECTION("not yet valid") {
    facts.certificate->not_before = kNow + 100;
    CHECK(says(judged(judge_tls, facts), Health::kProblem, "not valid before"));
  }
  SECTION("self-made") {
    facts.certificate->self_signed = true;
    CHECK(says(judged(judge_tls, facts), Health::kWarning, "Thunderbird"));
  }
  SECTION("self-made by the server, for a name that it had before") {
    facts.files.own = true;
    facts.certificate->self_signed = true;
    facts.certificate->names = {"old.example.org"};
    const auto findings = judged(judge_tls, facts);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].found.find("self-made, and not for mail.example.org") != std::string::npos);
  }
  SECTION("incomplete") {
    facts.chain = ChainVerdict::kIncomplete;
    CHECK(says(judged(judge_tls, facts), Health::kProblem, "fullchain.pem"));
  }
  SECTION("by nobody") {
    facts.chain = ChainVerdict::kUntrusted;
    CHECK(worst(judged(judge_tls, facts)) == Health::kProblem);
  }
  SECTION("another name") {
    facts.certificate->names = {"other.example.org"};
    CHECK(says(judged(judge_tls, facts), Health::kProblem, "not for mail.example.org"));
  }
  SECTION("not for where settings are looked for") {
    facts.other_names = {"autoconfig.example.org"};
    CHECK(says(judged(judge_tls, facts), Health::kNote, "autoconfig.example.org"));
  }
  SECTION("an open key") {
    facts.key_mode = 0100644;
    CHECK(says(judged(judge_tls, facts), Health::kProblem, "chmod o="));
    facts.key_mode = 0100640;  // a group of those who may, as Debian has it
    CHECK(worst(judged(judge_tls, facts)) == Health::kOk);
  }
  SECTION("none") {
    facts.certificate.reset();
    facts.failure = ErrorKind::kInvalid;
    facts.failure_words = "it is no PEM";
    CHECK(worst(judged(judge_tls, facts)) == Health::kProblem);
    facts.files.own = true;
    facts.failure = ErrorKind::kNotFound;
    CHECK(worst(judged(judge_tls, facts)) == Health::kNote);
  }
}

TEST_CASE("a certificate that the server keeps since a new one is bad is judged as it is", "[doctor]") {
  TlsFacts facts = good_tls();
  facts.kept_because = "the key does not belong to it";
  CHECK(
      says(judged(judge_tls, facts), Health::kProblem, "goes on with the certificate that it had: the key"));
  facts.certificate->not_after = kNow + 2 * 86400;
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "expires in 2 days"));
}

TEST_CASE("of a certificate besides the default one its file is named, and no name is demanded", "[doctor]") {
  TlsFacts facts = good_tls();
  facts.is_default = false;
  facts.certificate->names = {"other.example.net"};
  CHECK(worst(judged(judge_tls, facts)) == Health::kOk);
  facts.certificate->not_after = kNow + 2 * 86400;
  CHECK(says(judged(judge_tls, facts), Health::kWarning, "/etc/c.pem: the certificate expires in 2 days"));
}

TEST_CASE("a wildcard covers one label", "[doctor]") {
  CHECK(covers({"*.example.org"}, "Mail.example.org"));
  CHECK_FALSE(covers({"*.example.org"}, "example.org"));
  CHECK_FALSE(covers({"*.example.org"}, "a.b.example.org"));
  CHECK_FALSE(covers({}, "example.org"));
}

TEST_CASE("a certificate's chain is followed to the machine's authorities", "[doctor]") {
  const Folder folder;
  const auto pair = make_self_signed("mail.example.org");
  REQUIRE(pair);
  write(folder / "c.pem", pair->certificate);
  write(folder / "k.pem", pair->key);
  ::chmod((folder / "k.pem").c_str(), 0604);
  ::setenv("SSL_CERT_FILE", (folder / "c.pem").c_str(), 1);
  std::string words;
  CHECK(verify_chain(folder / "c.pem", words) == ChainVerdict::kTrusted);
  const TlsFacts facts = look_at_tls({folder / "c.pem", folder / "k.pem", false}, "mail.example.org", kNow);
  CHECK(facts.certificate);
  CHECK((facts.key_mode.value_or(0) & 07) == 4);
  ::setenv("SSL_CERT_FILE", (folder / "none.pem").c_str(), 1);
  CHECK(verify_chain(folder / "c.pem", words) == ChainVerdict::kCannotTell);
  ::unsetenv("SSL_CERT_FILE");
}

TEST_CASE("a data folder of its owner alone is well", "[doctor]") {
  CHECK(worst(judged(judge_folder, good_folder())) == Health::kOk);
}

TEST_CASE("a data folder that is open, foreign or not there is told", "[doctor]") {
  FolderFacts facts = good_folder();
  using Kind = FolderFacts::Kind;
  const std::pair<Kind, Health> kinds[] = {{Kind::kMissing, Health::kNote},
                                           {Kind::kNoParent, Health::kProblem},
                                           {Kind::kNoFolder, Health::kProblem},
                                           {Kind::kDenied, Health::kProblem}};
  for (const auto& [kind, health] : kinds) {
    facts.kind = kind;
    CHECK(worst(judged(judge_folder, facts)) == health);
  }
  facts = good_folder();
  facts.mode = 0755;
  CHECK(says(judged(judge_folder, facts), Health::kProblem, "0755"));
  facts.mode = 0750;
  CHECK(worst(judged(judge_folder, facts)) == Health::kWarning);
  facts.mode = 0500;
  CHECK(worst(judged(judge_folder, facts)) == Health::kProblem);
  facts = good_folder();
  facts.open = {"secret.key"};
  CHECK(says(judged(judge_folder, facts), Health::kProblem, "secret.key"));
  facts = good_folder();
  facts.foreign = {"tls"};
  CHECK(says(judged(judge_folder, facts), Health::kProblem, "chown"));
  facts = good_folder();
  facts.is_restore_open = true;
  CHECK(worst(judged(judge_folder, facts)) == Health::kProblem);
  facts = good_folder();
  facts.is_locked = true;
  CHECK(worst(judged(judge_folder, facts)) == Health::kWarning);
  facts.is_answering = true;
  CHECK(worst(judged(judge_folder, facts)) == Health::kOk);
}

TEST_CASE("a data folder is looked at without a change", "[doctor]") {
  const Folder folder;
  CHECK(look_at_folder(folder / "none").kind == FolderFacts::Kind::kMissing);
  CHECK(look_at_folder(folder / "none/none").kind == FolderFacts::Kind::kNoParent);
  write(folder / "file", "");
  CHECK(look_at_folder(folder / "file").kind == FolderFacts::Kind::kNoFolder);
  const std::string data = folder / "data";
  ::mkdir(data.c_str(), 0711);
  ::chmod(data.c_str(), 0711);
  ::mkdir((data + "/tls").c_str(), 0700);
  write(data + "/tls/key.pem", "");
  ::chmod((data + "/tls/key.pem").c_str(), 0640);
  ::symlink(data.c_str(), (folder / "link").c_str());
  const FolderFacts facts = look_at_folder(folder / "link/");
  CHECK(facts.kind == FolderFacts::Kind::kFolder);
  CHECK(facts.is_link);
  CHECK(facts.mode == 0711);
  CHECK(facts.open == std::vector<std::string>{"tls/key.pem"});
  CHECK(facts.foreign.empty());
  CHECK_FALSE(facts.is_laid_out);
  CHECK_FALSE(facts.is_locked);
}

TEST_CASE("a backup grows old", "[doctor]") {
  const auto at = [](std::optional<std::int64_t> last) {
    DoctorFindings findings;
    judge_backup({.now = kNow, .last_at = last}, findings);
    return worst(findings);
  };
  CHECK(at(std::nullopt) == Health::kSkipped);
  CHECK(at(0) == Health::kWarning);
  CHECK(at(kNow - 3600) == Health::kOk);
  CHECK(at(kNow - 9 * 86400) == Health::kWarning);
}

TEST_CASE("a backup that failed is a problem, whatever came before it", "[doctor]") {
  BackupFacts facts{.now = kNow, .last_at = 0};
  facts.failed_at = kNow - 60;
  facts.failure = "no space\x1b[31m";
  CHECK(says(judged(judge_backup, facts), Health::kProblem, "failed: no space\\x1b[31m"));
  CHECK(says(judged(judge_backup, facts), Health::kWarning, "never a good backup"));
  facts.last_at = kNow - 3600;
  CHECK(says(judged(judge_backup, facts), Health::kProblem, "failed: no space"));
  CHECK(says(judged(judge_backup, facts), Health::kOk, "the last good one is 1 h"));
}

TEST_CASE("doctor's exit code tells of problems, and strictly of warnings", "[doctor]") {
  DoctorOptions options;
  const DoctorSubject subject{"mail.example.org", "/data", true};
  const auto code = [&](Health health) {
    return report_of(subject, {{"tls", health, "x", "y"}}, options).exit_code;
  };
  CHECK(code(Health::kOk) == 0);
  CHECK(code(Health::kNote) == 0);
  CHECK(code(Health::kSkipped) == 0);
  CHECK(code(Health::kWarning) == 0);
  CHECK(code(Health::kProblem) == 1);
  options.is_strict = true;
  CHECK(code(Health::kWarning) == 1);
  CHECK(code(Health::kSkipped) == 0);
}

TEST_CASE("doctor's findings come in the order of the checks, harmless on a terminal", "[doctor]") {
  const Report report =
      report_of({"mail.example.org", "/data", true},
                {{"tls", Health::kWarning, "second\x1b[31m", "Do it."}, {"clock", Health::kOk, "first"}}, {});
  CHECK(report.text.find("ok       clock: first") == 0);
  CHECK(report.text.find("warning  tls: second\\x1b[31m\n         -> Do it.") != std::string::npos);
  CHECK(report.json.find(R"({"state":"warning","problems":0,"warnings":1,)") == 0);
  CHECK(report.json.find(R"({"check":"clock","state":"ok","found":"first","advice":""})") !=
        std::string::npos);
}

TEST_CASE("doctor's findings fit a terminal", "[doctor]") {
  std::string words = "several words";
  while (words.size() < 500) words += " of some length";
  std::string text = report_of({}, {{"tls", Health::kProblem, words, words}}, {}).text;
  CHECK(text.starts_with("problem  tls: several words"));
  while (!text.empty()) {
    const std::string line = text.substr(0, text.find('\n'));
    text.erase(0, line.size() + 1);
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("whether a server runs is not said where it cannot be told", "[doctor]") {
  const Report report = report_of({"mail.example.org", "/data", false, false}, {}, {});
  CHECK(report.text.find("No server runs") == std::string::npos);
  CHECK(report.json.find(R"("server_running":null)") != std::string::npos);
}

TEST_CASE("doctor's options are checked before anything is looked at", "[doctor]") {
  const auto options = [](const std::vector<std::string>& flags) {
    return doctor_options({"doctor", {}, flags, ""});
  };
  REQUIRE(options({}));
  CHECK(options({})->wants("tls"));
  CHECK_FALSE(options({})->probes.empty());
  const auto some = options({"only=tls, clock", "strict"});
  REQUIRE(some);
  CHECK(some->wants("clock"));
  CHECK_FALSE(some->wants("disk"));
  CHECK(some->is_strict);
  CHECK_FALSE(options({"only=tlz"}));
  CHECK(options({"probe=a.example,192.0.2.1:2525,[2001:db8::1]:25", "time-server=192.0.2.1:123"}));
  for (const char* wrong :
       {"probe=a b", "probe=a.example:0", "probe=a.example:70000", "time-server=x:y", "time-server=/x"})
    CHECK_FALSE(options({wrong}));
}

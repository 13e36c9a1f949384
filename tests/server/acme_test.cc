#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/acme/acme_challenges.h"
#include "server/acme/acme_files.h"
#include "server/acme/acme_schedule.h"
#include "server/net/certificates.h"
#include "tests/catch.h"

using namespace mailstead;
using std::chrono::seconds;

namespace {

struct DataFolder {
  std::filesystem::path path;
  DataFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-acme-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path = name;
  }
  ~DataFolder() { std::filesystem::remove_all(path); }
};

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

constexpr std::int64_t kDay = 24 * 3600;

}  // namespace

TEST_CASE("a certificate is renewed when a third of its time is left, or a little before", "[acme]") {
  for (const std::int64_t days : {6, 45, 90, 365}) {
    for (const char* fingerprint : {"AA:BB", "CC:DD", "00:11"}) {
      const std::int64_t at = renewal_time(1000, 1000 + days * kDay, fingerprint);
      CHECK(at <= 1000 + days * kDay * 2 / 3);
      CHECK(at >= 1000 + days * kDay * 63 / 100);
      CHECK(at == renewal_time(1000, 1000 + days * kDay, fingerprint));
    }
  }
  CHECK(renewal_time(0, 90 * kDay, "AA:BB") != renewal_time(0, 90 * kDay, "CC:DD"));
  CHECK(renewal_time(10, 5, "AA") == 5);
}

TEST_CASE("failures are tried again later each time, four times in the first hour", "[acme]") {
  CHECK(delay_after_failures(1, 0) == seconds(300));
  CHECK(delay_after_failures(2, 0) == seconds(600));
  CHECK(delay_after_failures(2, 1) == seconds(720));
  CHECK(delay_after_failures(0, 0) == seconds(300));
  CHECK(delay_after_failures(4'000'000'000u, 1) == seconds(kDay + kDay / 5));
  seconds at{0};
  unsigned tries = 1;
  for (unsigned failures = 1; at < seconds(3600); ++failures, ++tries)
    at += delay_after_failures(failures, 0);
  CHECK(tries - 1 == 4);
}

TEST_CASE("what is kept of ACME comes back, and nobody else reads it", "[acme]") {
  const DataFolder data;
  const AcmeFiles files(data.path);
  std::string complaint;
  CHECK(files.read_state(complaint).failures == 0);
  AcmeState state;
  state.failures = 3;
  state.next_at = 1'900'000'000;
  state.problem = "a \"quoted\"\nproblem \xff";
  state.order = "https://a.example/1";
  REQUIRE(files.write_state(state));
  REQUIRE(files.write_account("https://a.example/", {"key", "https://a.example/me"}));
  REQUIRE(files.write_certificate("key\n", "chain\n"));
  CHECK(files.read_state(complaint).next_at == state.next_at);
  CHECK(files.read_state(complaint).order == state.order);
  CHECK(files.read_account("https://a.example/", complaint).url == "https://a.example/me");
  CHECK(files.read_account("https://b.example/", complaint).key.empty());
  CHECK(content(data.path / "acme/certificate.pem") == "key\nchain\n");
  CHECK(complaint.empty());
  for (const auto& entry : std::filesystem::directory_iterator(data.path / "acme")) {
    struct stat facts {};
    REQUIRE(stat(entry.path().c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
  }
}

TEST_CASE("a state that is no JSON is set aside", "[acme]") {
  const DataFolder data;
  const AcmeFiles files(data.path);
  REQUIRE(files.write_state({}));
  std::ofstream(data.path / "acme/state.json") << "{\"failures\": ";
  std::string complaint;
  CHECK(files.read_state(complaint).failures == 0);
  CHECK(complaint.find("state.json.bad") != std::string::npos);
  CHECK(content(data.path / "acme/state.json.bad") == "{\"failures\": ");
}

TEST_CASE("an authority finds what was published, until it is withdrawn", "[acme]") {
  AcmeChallenges challenges;
  REQUIRE(challenges.publish({AcmeMethod::kHttp01, "a.example", "token", "token.print"}));
  REQUIRE(challenges.publish({AcmeMethod::kTlsAlpn01, "b.example", "other", "other.print"}));
  REQUIRE(challenges.page("token") != nullptr);
  CHECK(*challenges.page("token") == "token.print");
  CHECK(challenges.page("other") == nullptr);
  CHECK(challenges.page("") == nullptr);
  CHECK(challenges.proof("b.example") != nullptr);
  CHECK(challenges.proof("a.example") == nullptr);
  challenges.withdraw_all();
  CHECK(challenges.page("token") == nullptr);
  CHECK(challenges.proof("b.example") == nullptr);
}

TEST_CASE("files of a certificate are read again when they change in any way", "[tls]") {
  const DataFolder data;
  Log log(LogLevel::kError, LogFormat::kText);
  Config config;
  config.hostname = "mail.example.org";
  config.tls.certificate = data.path / "site.pem";
  config.tls.key = data.path / "site.key";
  const CertificateFiles files{config.tls.certificate, config.tls.key, false};
  REQUIRE(ensure_own_certificate(files, "mail.example.org"));
  Certificates certificates(log, data.path);
  REQUIRE(certificates.load_configured(config));
  auto before = certificates.context();
  certificates.reload_when_changed(config);
  CHECK(certificates.context() == before);

  // A new pair with the times of the old one, as `cp -p` and archives leave them.
  const auto time = std::filesystem::last_write_time(config.tls.certificate);
  const CertificateFiles other{data.path / "new.pem", data.path / "new.key", false};
  REQUIRE(ensure_own_certificate(other, "mail.example.org"));
  for (const auto& path : {other.certificate, other.key}) std::filesystem::last_write_time(path, time);
  std::filesystem::rename(other.certificate, config.tls.certificate);
  // Half of it: the old pair stays.
  certificates.reload_when_changed(config);
  CHECK(certificates.context() == before);
  // What is in use is told, and why what is there is not.
  CHECK(certificates.trouble().why.find("does not belong to the certificate") != std::string::npos);
  CHECK(certificates.trouble().since > 0);
  REQUIRE(before->certificates().size() == 1);
  CHECK(before->certificates().front().files.certificate == config.tls.certificate);
  const std::string shown = before->certificates().front().facts.sha256;
  std::filesystem::rename(other.key, config.tls.key);
  certificates.reload_when_changed(config);
  CHECK(certificates.context() != before);
  CHECK(certificates.trouble().why.empty());
  CHECK(certificates.trouble().since == 0);
  CHECK(certificates.context()->certificates().front().facts.sha256 != shown);
}

TEST_CASE("an issued certificate goes before the self-signed one, and a spoilt one does not", "[tls][acme]") {
  const DataFolder data;
  Config config;
  config.hostname = "mail.example.org";
  config.acme.directory = "staging";
  CHECK(certificate_files(config, data.path).own);
  const CertificateFiles made{data.path / "made.pem", data.path / "made.key", false};
  REQUIRE(ensure_own_certificate(made, "mail.example.org"));
  REQUIRE(AcmeFiles(data.path).write_certificate(content(made.key), content(made.certificate)));
  CHECK_FALSE(certificate_files(config, data.path).own);
  Log log(LogLevel::kError, LogFormat::kText);
  Certificates certificates(log, data.path, std::make_shared<AcmeChallenges>());
  CHECK(certificates.load_own(config));
  std::ofstream(data.path / "acme/certificate.pem") << "spoilt";
  CHECK(certificate_files(config, data.path).own);
  CHECK(certificates.load_own(config));
}

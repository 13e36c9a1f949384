#include "admin/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>

#include "admin/certificate_maker.h"
#include "tests/admin/folder.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin_test;

namespace {

CertificateFiles own(const Folder& folder) {
  return certificate_files(Config{}, folder.path());
}

bssl::UniquePtr<X509> parse(const std::string& pem) {
  const bssl::UniquePtr<BIO> memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  ::stat(path.c_str(), &facts);
  return facts.st_mode & 07777;
}

std::string problem(const CertificateFiles& files) {
  const Result<CertificateFacts> facts = read_certificate(files);
  REQUIRE_FALSE(facts);
  return facts.error().message;
}

}  // namespace

TEST_CASE("the configured pair is used, else the data folder's own", "[certificate]") {
  Config config;
  CHECK(certificate_files(config, "/d").own);
  CHECK(certificate_files(config, "/d").certificate == "/d/tls/certificate.pem");
  CHECK(certificate_files(config, "/d").key == "/d/tls/key.pem");
  config.tls.certificate = "/c";
  config.tls.key = "/k";
  CHECK_FALSE(certificate_files(config, "/d").own);
  CHECK(certificate_files(config, "/d").key == "/k");
}

TEST_CASE("a certificate of one's own is made once and kept", "[certificate]") {
  const Folder folder;
  const CertificateFiles files = own(folder);
  const Result<bool> made = ensure_own_certificate(files, "mail.example.org");
  REQUIRE(made);
  CHECK(*made);
  CHECK(mode_of(files.key) == 0600);
  CHECK(mode_of(folder / "tls") == 0700);
  const std::string before = read(files.certificate);
  CHECK_FALSE(*ensure_own_certificate(files, "mail.example.org"));
  CHECK(read(files.certificate) == before);

  const Result<CertificateFacts> facts = read_certificate(files);
  REQUIRE(facts);
  CHECK(facts->subject == "CN = mail.example.org");
  CHECK(facts->issuer == facts->subject);
  CHECK(facts->names == std::vector<std::string>{"mail.example.org", "localhost"});
  CHECK(facts->self_signed);
  CHECK(facts->sha256.size() == 95);
  const std::int64_t now = std::time(nullptr);
  CHECK(facts->not_before <= now);
  CHECK(facts->not_after > now + 3650ll * 86400);
  CHECK(facts->not_after < now + 3660ll * 86400);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "tls")) {
    CHECK(entry.path().extension() == ".pem");  // nothing left beside
  }
}

TEST_CASE("the certificate is signed by its own key, for servers, and is no authority", "[certificate]") {
  const auto pair = admin::make_self_signed("mail.example.org");
  REQUIRE(pair);
  const auto certificate = parse(pair->certificate);
  REQUIRE(certificate);
  CHECK(X509_get_version(certificate.get()) == X509_VERSION_3);
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  CHECK(X509_verify(certificate.get(), key.get()) == 1);
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
  CHECK(X509_check_host(certificate.get(), "mail.example.org", 16, 0, nullptr) == 1);
  CHECK(X509_check_host(certificate.get(), "localhost", 9, 0, nullptr) == 1);
  CHECK(X509_check_host(certificate.get(), "example.org", 11, 0, nullptr) == 0);
  CHECK(admin::make_self_signed("mail.example.org")->certificate != pair->certificate);
}

TEST_CASE("address literals and long host names have certificates too", "[certificate]") {
  const auto four = parse(admin::make_self_signed("[192.0.2.1]")->certificate);
  CHECK(X509_check_ip_asc(four.get(), "192.0.2.1", 0) == 1);
  const auto six = parse(admin::make_self_signed("[IPv6:2001:db8::1]")->certificate);
  CHECK(X509_check_ip_asc(six.get(), "2001:db8::1", 0) == 1);
  CHECK(admin::make_self_signed("[strange]"));

  const std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + ".example";
  const auto pair = admin::make_self_signed(name);
  REQUIRE(pair);
  CHECK(X509_check_host(parse(pair->certificate).get(), name.c_str(), name.size(), 0, nullptr) == 1);
}

TEST_CASE("a pair of one's own that is broken is made anew, and the old files are set aside",
          "[certificate]") {
  const Folder folder;
  const CertificateFiles files = own(folder);
  REQUIRE(ensure_own_certificate(files, "a.example"));
  const std::string certificate = read(files.certificate);
  const auto other = admin::make_self_signed("b.example");

  SECTION("the key is missing") {
    std::filesystem::remove(files.key);
  }
  SECTION("the certificate is missing") {
    std::filesystem::remove(files.certificate);
  }
  SECTION("the key is another one's") {
    write(files.key, other->key);
  }
  SECTION("the certificate is garbage") {
    write(files.certificate, "garbage");
  }
  SECTION("the key was cut off") {
    write(files.key, read(files.key).substr(0, 60));
  }
  SECTION("both are empty") {
    write(files.certificate, "");
    write(files.key, "");
  }
  SECTION("a crash left a file beside") {
    std::filesystem::remove(files.key);
    write(files.key + ".new", "half");
  }
  CHECK(*ensure_own_certificate(files, "a.example"));
  CHECK(read_certificate(files));
  CHECK(read(files.certificate) != certificate);
  CHECK((std::filesystem::exists(files.certificate + ".old") || std::filesystem::exists(files.key + ".old")));
  CHECK_FALSE(*ensure_own_certificate(files, "a.example"));
}

TEST_CASE("a self-signed certificate near its end is renewed", "[certificate]") {
  const Folder folder;
  const CertificateFiles files = own(folder);
  const auto pair = admin::make_self_signed("a.example");
  const auto certificate = parse(pair->certificate);
  const bssl::UniquePtr<BIO> memory(BIO_new_mem_buf(pair->key.data(), static_cast<int>(pair->key.size())));
  const bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
  const long left = GENERATE(-86400, 86400, 40 * 86400);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -100 * 86400);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), left);
  REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0);
  const bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  const std::uint8_t* bytes = nullptr;
  std::size_t length = 0;
  BIO_mem_contents(out.get(), &bytes, &length);
  std::filesystem::create_directory(folder / "tls");
  write(files.certificate, std::string(reinterpret_cast<const char*>(bytes), length));
  write(files.key, pair->key);

  REQUIRE(read_certificate(files));  // an expired one is readable: the facts say so
  CHECK(std::abs(read_certificate(files)->not_after - (std::time(nullptr) + left)) < 60);
  CHECK(*ensure_own_certificate(files, "a.example") == (left < 30 * 86400));
}

TEST_CASE("what is wrong with a pair is said with the file's name", "[certificate]") {
  const Folder folder;
  const CertificateFiles files{folder / "c.pem", folder / "k.pem", false};
  const auto one = admin::make_self_signed("a.example"), two = admin::make_self_signed("b.example");
  CHECK(problem(files) == "cannot read " + files.certificate + ": No such file or directory");
  write(files.certificate, one->certificate);
  CHECK(problem(files) == "cannot read " + files.key + ": No such file or directory");
  write(files.key, two->key);
  CHECK(problem(files) ==
        "the key " + files.key + " does not belong to the certificate " + files.certificate);
  write(files.key, "x");
  CHECK(problem(files) == files.key + " is not a PEM private key");
  write(files.key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
  CHECK(problem(files).starts_with(files.key + " is encrypted: "));
  write(files.key, one->key);
  write(files.certificate, one->key);
  CHECK(problem(files) == files.certificate + " is not a PEM certificate");
  write(files.certificate, one->certificate + two->certificate);
  CHECK(read_certificate(files)->names[0] == "a.example");
  write(files.certificate, one->certificate + two->certificate.substr(0, 100));
  CHECK(problem(files) == files.certificate + " has a broken certificate after the first one");
  write(files.certificate, "some words before\n" + one->certificate + "\nand after\n");
  CHECK(read_certificate(files));
}

TEST_CASE("a folder that cannot be made is an error that names it", "[certificate]") {
  const Folder folder;
  write(folder / "tls", "a file");
  const Result<bool> made = ensure_own_certificate(own(folder), "a.example");
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find(folder / "tls") != std::string::npos);
}

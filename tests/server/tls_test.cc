#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "server/net/tls_context.h"
#include "tests/catch.h"
#include "tests/server/loopback.h"

using namespace mailstead;
using namespace mailstead::testing;

namespace {

// A folder that goes with the test.
struct CertificateFolder {
  std::filesystem::path path;
  CertificateFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstead-tls-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path = name;
  }
  ~CertificateFolder() { std::filesystem::remove_all(path); }

  CertificateFiles pair(const std::string& hostname) const {
    CertificateFiles files{path / (hostname + ".crt"), path / (hostname + ".key"), true};
    REQUIRE(ensure_own_certificate(files, hostname).has_value());
    return files;
  }
};

// A blocking TLS client that checks nothing of the certificate but remembers its name.
class TlsClient {
 public:
  explicit TlsClient(Client& below, const char* name = nullptr, int max_version = 0,
                     std::string_view protocols = {})
      : context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const std::uint8_t*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
    if (max_version != 0) SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    if (max_version != 0)
      SSL_CTX_set_max_proto_version(context_.get(), static_cast<std::uint16_t>(max_version));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), below.fd());
    if (name != nullptr) SSL_set_tlsext_host_name(ssl_.get(), name);
    secured = SSL_connect(ssl_.get()) == 1;
  }

  std::string protocol() const {
    const std::uint8_t* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
    return {reinterpret_cast<const char*>(chosen), length};
  }
  std::string subject() const {
    bssl::UniquePtr<X509> leaf(SSL_get_peer_certificate(ssl_.get()));
    char name[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf.get()), NID_commonName, name, sizeof name);
    return name;
  }
  void send(const std::string& text) { SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())); }
  // To the closing alert; throws when the stream just ends.
  std::string read_all() {
    std::string all;
    char buffer[4096];
    for (;;) {
      const int got = SSL_read(ssl_.get(), buffer, sizeof buffer);
      if (got > 0) {
        all.append(buffer, static_cast<std::size_t>(got));
      } else if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) {
        return all;
      } else {
        throw std::runtime_error("the stream ended without the closing alert");
      }
    }
  }

  bool secured = false;

 private:
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
};

std::shared_ptr<const TlsContext> context_of(const std::vector<CertificateFiles>& pairs) {
  auto context = TlsContext::load(pairs);
  REQUIRE(context.has_value());
  return *context;
}

}  // namespace

TEST_CASE("implicit TLS carries a dialogue and ends with the closing alert", "[tls]") {
  const CertificateFolder scratch;
  Loopback house(TlsStart::kImplicit, context_of({scratch.pair("mail.example.org")}));
  house.run([](std::uint16_t port) {
    Client below(port);
    TlsClient client(below);
    REQUIRE(client.secured);
    client.send("one\nask\ntwo\nquit\n");
    CHECK(client.read_all() == "hello\r\nsaid one\r\nanswered\r\nsaid two\r\nbye\r\n");
  });
}

TEST_CASE("long output over TLS waits for the client", "[tls]") {
  const CertificateFolder scratch;
  Loopback house(TlsStart::kImplicit, context_of({scratch.pair("mail.example.org")}));
  house.run([&](std::uint16_t port) {
    Client below(port);
    TlsClient client(below);
    client.send("much\nquit\n");
    uv_sleep(300);
    CHECK(house.driver->line_session.drains < 200);
    CHECK(client.read_all().size() == std::string("hello\r\nend\r\nbye\r\n").size() + 200u * (64u << 10));
  });
}

TEST_CASE("TLS begins on command and the session starts anew", "[tls]") {
  const CertificateFolder scratch;
  Loopback house(TlsStart::kOnCommand, context_of({scratch.pair("mail.example.org")}));
  house.run([](std::uint16_t port) {
    Client below(port);
    below.send("tls\n");
    REQUIRE(below.read_line() == "hello");
    REQUIRE(below.read_line() == "begin");
    TlsClient client(below);
    REQUIRE(client.secured);
    client.send("quit\n");
    CHECK(client.read_all() == "secured TLSv1.3\r\nbye\r\n");
  });
}

TEST_CASE("the client's server name picks the certificate", "[tls]") {
  const CertificateFolder scratch;
  const auto context = context_of({scratch.pair("first.example.org"), scratch.pair("second.example.net")});
  for (const auto& [asked, given] : {std::pair{"second.example.net", "second.example.net"},
                                     std::pair{"SECOND.example.NET", "second.example.net"},
                                     std::pair{"first.example.org", "first.example.org"},
                                     std::pair{"unknown.example.com", "first.example.org"}}) {
    Loopback house(TlsStart::kImplicit, context);
    house.run([asked = asked, given = given](std::uint16_t port) {
      Client below(port);
      TlsClient client(below, asked);
      REQUIRE(client.secured);
      CHECK(client.subject() == given);
      client.send("quit\n");
      client.read_all();
    });
  }
}

TEST_CASE("TLS 1.1 is refused, TLS 1.2 is not", "[tls]") {
  const CertificateFolder scratch;
  const auto context = context_of({scratch.pair("mail.example.org")});
  for (const auto& [version, works] : {std::pair{TLS1_1_VERSION, false}, std::pair{TLS1_2_VERSION, true}}) {
    Loopback house(TlsStart::kImplicit, context);
    house.run([version = version, works = works](std::uint16_t port) {
      Client below(port);
      TlsClient client(below, nullptr, version);
      CHECK(client.secured == works);
      if (client.secured) client.send("quit\n");
    });
  }
}

TEST_CASE("plain text on a TLS port is closed without running a command", "[tls]") {
  const CertificateFolder scratch;
  Loopback house(TlsStart::kImplicit, context_of({scratch.pair("mail.example.org")}));
  house.run([](std::uint16_t port) {
    Client client(port);
    client.send("EHLO example.org\r\nquit\r\n");
    CHECK(client.read_all().find("hello") == std::string::npos);
  });
  CHECK(house.driver->line_session.lines.empty());
}

TEST_CASE("a stream cut without the closing alert ends the connection", "[tls]") {
  const CertificateFolder scratch;
  Loopback house(TlsStart::kImplicit, context_of({scratch.pair("mail.example.org")}));
  house.run([](std::uint16_t port) {
    Client below(port);
    TlsClient client(below);
    client.send("one\nunfinished");
    below.half_close();
    CHECK(client.read_all() == "hello\r\nsaid one\r\n");
  });
  CHECK(house.driver->line_session.lines == "one|");
  CHECK(house.driver->closed);
}

TEST_CASE("a certificate without its key is refused with the file's name", "[tls]") {
  const CertificateFolder scratch;
  const CertificateFiles first = scratch.pair("first.example.org");
  const CertificateFiles second = scratch.pair("second.example.net");
  const auto mixed = TlsContext::load({{first.certificate, second.key, false}});
  REQUIRE_FALSE(mixed.has_value());
  CHECK(mixed.error().message.find(first.certificate) != std::string::npos);
  const auto missing = TlsContext::load({{first.certificate, scratch.path / "none.key", false}});
  REQUIRE_FALSE(missing.has_value());
}

// RFC 8737 3
TEST_CASE("an authority that looks at a name is shown its proof, and nothing is said", "[tls][acme]") {
  const CertificateFolder scratch;
  const auto challenges = std::make_shared<AcmeChallenges>();
  REQUIRE(challenges->publish({AcmeMethod::kTlsAlpn01, "mail.example.org", "token", "token.print"}));
  auto loaded =
      TlsContext::load({scratch.pair("mail.example.org"), scratch.pair("other.example.org")}, challenges);
  REQUIRE(loaded.has_value());
  constexpr std::string_view kAcme =
      "\x0a"
      "acme-tls/1";
  constexpr std::string_view kBoth =
      "\x0a"
      "acme-tls/1\x08"
      "http/1.1";
  for (const char* name : {"mail.example.org", "MAIL.example.org"}) {
    Loopback house(TlsStart::kImplicit, *loaded);
    house.run([&](std::uint16_t port) {
      Client below(port);
      TlsClient client(below, name, 0, kAcme);
      REQUIRE(client.secured);
      CHECK(client.protocol() == "acme-tls/1");
      CHECK(client.subject() == "ACME challenge");
      CHECK(client.read_all().empty());
    });
  }
  for (const auto& [name, protocols] :
       {std::pair{"mail.example.org", kBoth}, std::pair{"mail.example.org", std::string_view()},
        std::pair{"other.example.org", kBoth}}) {
    Loopback house(TlsStart::kImplicit, *loaded);
    house.run([&, name = name, protocols = protocols](std::uint16_t port) {
      Client below(port);
      TlsClient client(below, name, 0, protocols);
      REQUIRE(client.secured);
      CHECK(client.protocol().empty());
      CHECK(client.subject() == name);
      client.send("quit\n");
      CHECK(client.read_all() == "hello\r\nbye\r\n");
    });
  }
  for (const char* name : {"other.example.org", "unknown.example.org"}) {
    Loopback house(TlsStart::kImplicit, *loaded);
    house.run([&](std::uint16_t port) {
      Client below(port);
      CHECK_FALSE(TlsClient(below, name, 0, kAcme).secured);
    });
  }
}

#include "protocols/acme/acme_session.h"

#include <openssl/mem.h>
#include <openssl/x509.h>

#include "protocols/base64.h"
#include "tests/catch.h"
#include "tests/protocols/acme_model.h"

using namespace mailstead;
using namespace mailstead::testing;
using std::chrono::seconds;

namespace {

const std::string kDirectory = "https://ca.example/dir";

AcmeStanding new_standing() {
  return {AcmeKey::make().value(), {}, AcmeKey::make().value(), {}};
}

AcmeTerms terms_for(std::vector<std::string> names = {"mail.example.org", "autoconfig.example.org"}) {
  AcmeTerms terms;
  terms.directory = kDirectory;
  terms.contact = "postmaster@example.org";
  terms.names = std::move(names);
  return terms;
}

// Drives a session to its end; what was published and recorded on the way.
struct Course {
  Course(AcmeModel& model, AcmeTerms terms, AcmeStanding standing)
      : session(std::move(terms), std::move(standing)) {
    for (unsigned steps = 0; steps < 500; ++steps) {
      switch (session.wants()) {
        case AcmeWants::kAnswer:
          session.answer(model.answer(session.request()));
          break;
        case AcmeWants::kPause:
          paused += session.pause();
          session.resume();
          break;
        case AcmeWants::kPublish:
          published.push_back(session.publication());
          session.published();
          break;
        case AcmeWants::kRecord:
          recorded.push_back(session.standing());
          session.recorded();
          break;
        case AcmeWants::kDone:
        case AcmeWants::kFailed:
          return;
      }
    }
    FAIL("it does not come to an end");
  }

  AcmeSession session;
  std::vector<AcmePublication> published;
  std::vector<AcmeStanding> recorded;
  seconds paused{0};
};

std::vector<std::string> names_in_request(const std::string& csr) {
  const auto* octets = reinterpret_cast<const std::uint8_t*>(csr.data());
  const bssl::UniquePtr<X509_REQ> request(d2i_X509_REQ(nullptr, &octets, static_cast<long>(csr.size())));
  REQUIRE(request);
  const bssl::UniquePtr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()));
  CHECK(X509_REQ_verify(request.get(), key.get()) == 1);
  std::vector<std::string> names;
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get());
  REQUIRE(sk_X509_EXTENSION_num(extensions) == 1);
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(extensions, 0));
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                   static_cast<std::size_t>(ASN1_STRING_length(value)));
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  names.push_back(text);
  return names;
}

}  // namespace

// The model issues nothing: that a chain is looked at closes the way to its end.
TEST_CASE("an order goes its way to the certificate", "[acme]") {
  AcmeModel model;
  const Course course(model, terms_for(), new_standing());
  CHECK(model.faults.empty());
  CHECK(course.session.wants() == AcmeWants::kFailed);
  CHECK(course.session.failure().what == "what the CA issued is no certificate in PEM");
  REQUIRE(model.accounts.size() == 1);
  CHECK(model.accounts[0]["termsOfServiceAgreed"] == true);
  CHECK(model.accounts[0]["contact"] == nlohmann::json{"mailto:postmaster@example.org"});
  CHECK(model.orders ==
        std::vector<std::string>{R"({"identifiers":[{"type":"dns","value":"mail.example.org"},)"
                                 R"({"type":"dns","value":"autoconfig.example.org"}]})"});
  REQUIRE(course.published.size() == 2);
  CHECK(course.published[1].name == "autoconfig.example.org");
  CHECK(course.published[1].token == "token-1");
  CHECK(course.published[1].key_authorization ==
        "token-1." + course.session.standing().account_key.thumbprint());
  CHECK(model.told == 2);
  CHECK(model.finalized == 1);
  const auto names = names_in_request(model.csr);
  CHECK(names[0].find("mail.example.org") != std::string::npos);
  CHECK(names[0].find("autoconfig.example.org") != std::string::npos);
  // What has to outlast a crash is told before anything depends on it.
  REQUIRE(course.recorded.size() == 2);
  CHECK(course.recorded[0].account == "https://ca.example/account/1");
  CHECK(course.recorded[0].order.empty());
  CHECK(course.recorded[1].order == "https://ca.example/order/1");
  CHECK(course.session.standing().order.empty());
}

TEST_CASE("a known account is not made again, and proven names are not proven again", "[acme]") {
  AcmeModel model;
  auto standing = Course(model, terms_for(), new_standing()).session.standing();
  model.order_is_ready = true;
  model.finalized = 0;
  const Course again(model, terms_for(), standing);
  CHECK(model.faults.empty());
  CHECK(model.accounts.size() == 1);
  CHECK(again.published.empty());
  CHECK(model.finalized == 1);
}

TEST_CASE("an order under way is gone on with, or begun anew when it is forgotten", "[acme]") {
  AcmeModel model;
  const Course first(model, terms_for(), new_standing());
  const AcmeStanding under_way = first.recorded[1];
  SECTION("it is there") {
    const Course again(model, terms_for(), under_way);
    CHECK(model.orders.size() == 1);
  }
  SECTION("it is forgotten") {
    model.forgets_orders = true;
    model.order_is_ready = true;
    const Course again(model, terms_for(), under_way);
    CHECK(model.orders.size() == 2);
  }
  SECTION("a name of it became invalid while nobody was there") {
    model.proof_fails = "unauthorized";
    model.finalized = 0;
    model.looks = 3;
    // One new order, and its own failure is one.
    const Course again(model, terms_for(), under_way);
    CHECK(model.orders.size() == 2);
    CHECK(again.session.failure().what == "the CA says of mail.example.org: nobody there");
  }
  SECTION("the account is forgotten") {
    model.forgets_account = true;
    const Course again(model, terms_for(), under_way);
    CHECK(model.accounts.size() == 2);
    CHECK(model.orders.size() == 2);
  }
  CHECK(model.faults.empty());
}

TEST_CASE("a bad nonce is answered by another try, but not for ever", "[acme]") {
  AcmeModel model;
  model.bad_nonces = 7;
  const Course course(model, terms_for(), new_standing());
  CHECK(model.faults.empty());
  CHECK(model.finalized == 1);
  model.bad_nonces = 1000;
  const Course hopeless(model, terms_for(), new_standing());
  CHECK(hopeless.session.wants() == AcmeWants::kFailed);
  CHECK(model.bad_nonces > 900);
}

TEST_CASE("a name that cannot be proven fails in words", "[acme]") {
  AcmeModel model;
  model.proof_fails = "connection";
  const Course course(model, terms_for(), new_standing());
  CHECK(course.session.failure().what == "the CA says of mail.example.org: nobody there");
  CHECK(course.session.failure().advice.starts_with(
      "port 80 of mail.example.org was not reached from outside: let firewall"));
  CHECK(course.session.standing().order.empty());  // it is of no use any more
  CHECK_FALSE(course.session.standing().account.empty());
}

TEST_CASE("a CA that wants to be left alone says for how long", "[acme]") {
  AcmeModel model;
  model.refuses = "rateLimited";
  const Course course(model, terms_for(), new_standing());
  CHECK(course.session.failure().retry_after == seconds(3600));
  CHECK(course.session.failure().what == "the CA says: about rateLimited");
}

TEST_CASE("a CA that knows its customers gets the key's binding", "[acme]") {
  AcmeModel model;
  model.binds_accounts = true;
  const Course without(model, terms_for(), new_standing());
  CHECK(without.session.failure().advice.find("key_id") != std::string::npos);
  CHECK(model.accounts.empty());
  AcmeTerms terms = terms_for();
  terms.binding_id = "kid-1";
  terms.binding_secret = "secret";
  const AcmeStanding standing = new_standing();
  const Course with(model, terms, standing);
  REQUIRE(model.accounts.size() == 1);
  const auto binding = model.accounts[0]["externalAccountBinding"];
  CHECK(base64::decode_url(binding["payload"].get<std::string>()) == standing.account_key.jwk());
  CHECK(base64::decode_url(binding["protected"].get<std::string>()) ==
        R"({"alg":"HS256","kid":"kid-1","url":"https://ca.example/account"})");
}

TEST_CASE("a challenge that the CA does not offer is none", "[acme]") {
  AcmeModel model;
  AcmeTerms terms = terms_for();
  terms.method = AcmeMethod::kTlsAlpn01;
  const Course course(model, terms, new_standing());
  CHECK(course.session.failure().advice == "choose [acme] challenge = \"http-01\"");
  model = AcmeModel();
  model.challenge_type = "tls-alpn-01";
  const Course other(model, terms, new_standing());
  CHECK(model.finalized == 1);
  model = AcmeModel();
  model.challenge_type = "email-01";
  const Course neither(model, terms, new_standing());
  CHECK(neither.session.failure().advice.find("choose another authority") != std::string::npos);
}

TEST_CASE("a CA that never comes to an end is given up for now, and the order is kept", "[acme]") {
  AcmeModel model;
  model.looks = 100000;
  const Course course(model, terms_for(), new_standing());
  CHECK(course.session.failure().what == "the CA has not come to an end");
  CHECK(course.paused < seconds(1000));
  CHECK_FALSE(course.session.standing().order.empty());
}

TEST_CASE("what is no ACME server is told apart from trouble", "[acme]") {
  AcmeSession session(terms_for(), new_standing());
  session.answer({404, "<html>", {}, {}});
  CHECK(session.failure().what == "https://ca.example/dir answered with status 404");
  CHECK(session.failure().advice.find("directory") != std::string::npos);
  AcmeSession busy(terms_for(), new_standing());
  busy.answer({503, "", {}, {}, seconds(120)});
  CHECK(busy.failure().retry_after == seconds(120));
  AcmeSession broken(terms_for(), new_standing());
  broken.answer({503, "", {}, {}, seconds(7 * 24 * 3600)});  // by a proxy that knows nothing of certificates
  CHECK(broken.failure().retry_after == seconds(24 * 3600));
  AcmeSession moved(terms_for(), new_standing());
  moved.answer({301, "", {}, "https://elsewhere.example/"});
  CHECK(moved.wants() == AcmeWants::kFailed);
  AcmeSession dead(terms_for(), new_standing());
  dead.unanswered("nobody is there");
  CHECK(dead.failure().what == "https://ca.example/dir was not reached: nobody is there");
}

// An ACME client (RFC 8555) without sockets, files and clocks: from a CA's directory to a certificate.
//
// It says what it wants, is given that, and says what it wants next. Requests are signed by the account's key
// and carry a nonce of the CA's, which is fetched when there is none, and of which a bad one is answered by
// another try (6.5). What has to outlast a crash, the URLs of the account and of the order under way, is
// handed out as soon as it is known (kRecord): with it a later session goes on with the same order. Names
// are proven one after the other.
//
// Ownership: a value of who drives it. Threads: one at a time. Errors: AcmeFailure, in words for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/acme/acme_advice.h"
#include "protocols/acme/acme_key.h"
#include "protocols/acme/acme_messages.h"

namespace mailstead {

struct AcmeTerms {
  std::string directory;           // URL
  std::string contact;             // a mail address; may be empty
  std::vector<std::string> names;  // of A-labels, the first one is the host's
  AcmeMethod method = AcmeMethod::kHttp01;
  std::string binding_id;      // external account binding; empty: none
  std::string binding_secret;  // octets
};

// What lasts beyond a session.
struct AcmeStanding {
  AcmeKey account_key;
  std::string account;  // URL; empty: there is none yet, or it is not known
  AcmeKey certificate_key;
  std::string order;  // URL; empty: none is under way
};

struct AcmeRequest {
  std::string method;  // "GET", "HEAD", "POST"
  std::string url;
  std::string body;  // application/jose+json, of a POST
};

struct AcmeAnswer {
  unsigned status = 0;
  std::string body;
  std::string nonce;     // Replay-Nonce
  std::string location;  // Location
  std::optional<std::chrono::seconds> retry_after = {};
};

// What is to be there for the CA to look at, from kPublish until the session's end.
struct AcmePublication {
  AcmeMethod method = AcmeMethod::kHttp01;
  std::string name;
  std::string token;
  std::string key_authorization;  // RFC 8555 8.1
};

struct AcmeFailure {
  std::string what;    // one line
  std::string advice;  // what to do
  // The CA does not want to be asked again before.
  std::optional<std::chrono::seconds> retry_after = {};
};

enum class AcmeWants {
  kAnswer,   // to request(): answer(), or unanswered()
  kPause,    // of pause(): resume()
  kPublish,  // publication(): published()
  kRecord,   // standing() has changed: recorded()
  kDone,     // chain() is the certificate, for standing().certificate_key
  kFailed,   // failure(); standing() may have changed
};

class AcmeSession {
 public:
  AcmeSession(AcmeTerms terms, AcmeStanding standing);

  AcmeWants wants() const { return wants_; }
  const AcmeRequest& request() const { return request_; }
  std::chrono::seconds pause() const { return pause_; }
  const AcmePublication& publication() const { return publication_; }
  const AcmeStanding& standing() const { return standing_; }
  const std::string& chain() const { return chain_; }  // PEM, the leaf first
  const AcmeFailure& failure() const { return failure_; }

  void answer(const AcmeAnswer& answer);
  // Nobody answered; `why` is one line.
  void unanswered(std::string_view why);
  void resume();
  void published();
  void recorded();

 private:
  // What the answer that is waited for is to.
  enum class Step {
    kDirectory,
    kAccount,
    kOrder,          // a new one, or the one that was under way
    kAuthorization,  // looked at, or looked at again
    kChallenge,      // told that it can be looked at
    kFinalize,
    kOrderAgain,
    kCertificate,
  };

  void get(std::string method, std::string url);
  // Signed; an empty payload is POST-as-GET.
  void post(Step step, std::string url, std::string payload);
  void send();
  void take(const AcmeAnswer& answer);
  void take_refusal(const AcmeAnswer& answer);
  void take_directory(const AcmeAnswer& answer);
  void take_account(const AcmeAnswer& answer);
  void take_order(const AcmeAnswer& answer);
  void take_authorization(const AcmeAnswer& answer);
  void take_certificate(const AcmeAnswer& answer);
  void ask_account();
  void ask_order();
  void ask_for_names();
  void ask_next_name();
  void prove(const AcmeAuthorization& authorization);
  void finalize();
  void look_again(Step step, std::string url, const AcmeAnswer& answer);
  void record(Step next);
  void drop_order() { standing_.order.clear(); }
  void refuse(const AcmeProblem& problem, std::string_view name,
              std::optional<std::chrono::seconds> retry_after);
  void fail(AcmeFailure failure);

  const AcmeTerms terms_;
  AcmeStanding standing_;
  AcmeWants wants_ = AcmeWants::kAnswer;
  Step step_ = Step::kDirectory;
  bool awaits_nonce_ = false;  // the request is for a nonce, which step_'s own needs
  std::string target_;         // of step_'s request
  std::string payload_;
  AcmeRequest request_;
  std::string nonce_;              // empty: none is left
  unsigned bad_nonces_ = 0;        // one after the other
  bool account_is_fresh_ = false;  // its URL was told in this session
  bool order_is_resumed_ = false;  // from the session before
  AcmeDirectory directory_;
  AcmeOrder order_;
  std::size_t at_ = 0;  // of the order's authorizations
  AcmePublication publication_;
  std::string challenge_;  // URL
  Step after_record_ = Step::kOrder;
  std::chrono::seconds pause_{0};
  std::chrono::seconds next_pause_{1};
  std::chrono::seconds paused_{0};  // in all
  std::string chain_;
  AcmeFailure failure_;
};

}  // namespace mailstead

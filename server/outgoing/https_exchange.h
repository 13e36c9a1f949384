// One request over HTTPS and its answer: policies of MTA-STS are fetched so, reports handed in, and
// authorities asked for certificates.
//
// The server has to have a certificate for its name by an authority that the machine trusts. No redirect is
// followed (RFC 8461 3.3 forbids it), nothing is remembered, no second request goes over the connection.
// Nobody is asked at an address of this machine, unless who runs it named the place.
// Ownership: of who waits; destroying it ends the exchange, and `done` never runs. Threads: the reactor.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/http_session.h"  // HttpFields
#include "protocols/result.h"
#include "server/net/resolver.h"
#include "server/net/tls_client.h"

namespace mailstead {

// RFC 8461 3.3: a minute, from the look-up of its name to the end of the answer.
inline constexpr std::chrono::seconds kHttpsPatience{60};

enum class HttpsReach {
  kOthers,    // strangers name the host: no address of this machine, and no address in place of a name
  kAnywhere,  // the configuration, or who it trusts
};

struct HttpsRequest {
  std::string host;  // a name; with kAnywhere also an IPv4 address
  std::uint16_t port = 443;
  std::string target = "/";  // path and query
  std::string method = "GET";
  std::string content_type = {};  // with a body
  std::string body = {};
  HttpsReach reach = HttpsReach::kOthers;
};

struct HttpsAnswer {
  unsigned status = 0;
  std::string content_type;  // without parameters, lower case
  std::string body;
  HttpFields fields;  // all of them
  // Of the first field of this name, in any letter case; empty: there is none.
  std::string field(std::string_view name) const;
};

class HttpsExchange {
 public:
  struct Context {
    uv_loop_t* loop;
    Resolver& resolver;
    const TlsClientContext& tls;
  };
  // Errors: kDenied: the server's certificate is not good. kTooLarge: the body is longer than `most` octets.
  // kUnavailable: nobody answers, or no HTTP.
  using Done = std::function<void(Result<HttpsAnswer>)>;

  // `done` runs later, never inside the constructor; it may destroy the exchange.
  HttpsExchange(Context context, HttpsRequest request, std::size_t most, Done done);
  ~HttpsExchange();
  HttpsExchange(const HttpsExchange&) = delete;
  HttpsExchange& operator=(const HttpsExchange&) = delete;

 private:
  class Work;

  Work* work_;  // frees itself when its handles are closed
};

// "https://host[:port]/path?query" as a request without method and body; nullopt: it is none.
std::optional<HttpsRequest> parse_https_url(std::string_view url);

}  // namespace mailstead

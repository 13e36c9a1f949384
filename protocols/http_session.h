// The server's side of HTTP/1.1 (RFC 9110, 9112) and HTTP/1.0, for the pages and answers of the program
// itself.
//
// One session is one connection; requests come one after the other, and each is whole before it is asked
// about. Beast's parser reads them; what is here is when a connection ends, and what is refused before
// anybody is asked: a request without a right Host (9112 3.2), a header or a body that is too long, a
// transfer coding other than chunked (6.1), an expectation that nobody can meet (9110 10.1.1). A request
// target in absolute form counts as its path (9112 3.2.2). Memory: a header of at most kMaxRequestHeader
// octets, a body of at most HttpOptions::body octets, one reply. Threads: one at a time. No I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/session.h"

namespace mailstead {

inline constexpr std::size_t kMaxRequestHeader = 16 * 1024;  // octets, its first line too

using HttpFields = std::vector<std::pair<std::string, std::string>>;  // names and values, as they came

struct HttpRequest {
  std::string method;  // "GET"; HEAD is asked for as it is, and its reply's body is not sent
  std::string path;    // begins with '/'; percent-encoding is undone, and "." and ".." are not
  std::string query;   // behind '?', as it came
  std::string host;    // without port, lower case
  HttpFields fields;
  std::string body;

  // Of a field that is there once, or the first of several; any case. Empty: there is none.
  std::string_view field(std::string_view name) const;
};

// "a=1&b=x+y" (a query, or a form's body) as names and values, percent-encoding and '+' undone. What is not
// encoded right stays as it is.
HttpFields parse_form(std::string_view text);
// The value of the first of this name; nullopt: there is none.
std::optional<std::string> form_value(const HttpFields& form, std::string_view name);

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";  // empty: there is no body
  std::string body = {};
  HttpFields fields = {};  // besides Date, Content-Length, Content-Type, Connection
};
// A page of a sentence that says what the status does.
HttpReply http_error(unsigned status, std::string_view sentence);

struct HttpOptions {
  std::size_t body = 64 * 1024;  // octets of a request's
  std::chrono::seconds patience{30};
  std::size_t requests = 1000;             // on one connection
  std::function<std::int64_t()> now = {};  // Unix seconds; empty: the system's clock
};

class HttpSession final : public Session {
 public:
  explicit HttpSession(HttpOptions options);
  ~HttpSession() override;

  void start() override {}
  std::size_t receive(std::string_view bytes) override;
  void drained() override {}
  void tls_established(const PeerFacts& /*facts*/) override {}
  void timed_out() override;
  void shut_down() override;
  Wants wants() const override { return wants_; }
  std::chrono::seconds patience() const override { return options_.patience; }

  // While wants() is kAnswer: the request, until answer().
  const HttpRequest& request() const { return request_; }
  void answer(const HttpReply& reply);

 private:
  class Parser;

  void expect_request();
  bool meet_expectation();
  void take_request();
  // The reply to what is no request; the connection ends.
  void refuse(unsigned status, std::string_view sentence);
  void write(const HttpReply& reply);

  const HttpOptions options_;
  Wants wants_ = Wants::kInput;
  std::unique_ptr<Parser> parser_;  // of the request that comes in
  HttpRequest request_;
  std::size_t requests_ = 0;
  bool keeps_ = true;  // the connection goes on behind the reply
  bool is_head_ = false;
  bool stopping_ = false;
};

}  // namespace mailstead

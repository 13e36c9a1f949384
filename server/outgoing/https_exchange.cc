#include "server/outgoing/https_exchange.h"

// Beast 1.74 asserts that the last chunk of a body has five octets, which what strangers send need not have;
// it goes on rightly without that.
#define BOOST_DISABLE_ASSERTS

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/ip_address.h"
#include "server/net/dialer.h"
#include "server/net/tcp_stream.h"
#include "server/net/tls_stream.h"
#include "server/outgoing/routing.h"

namespace mailstead {

namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kMaxHttpHeader = 16 * 1024;  // octets
constexpr unsigned kMostInterim = 8;

Error no_answer(std::string why) {
  return {ErrorKind::kUnavailable, std::move(why)};
}

}  // namespace

class HttpsExchange::Work final : private StreamEvents {
 public:
  Work(Context context, HttpsRequest request, std::size_t most)
      : context_(context), request_(std::move(request)), most_(most) {
    expect_answer();
  }

  void begin(Done done) {
    done_ = std::move(done);
    uv_timer_init(context_.loop, &timer_);
    timer_.data = this;
    open_ = 1;
    uv_timer_start(
        &timer_,
        [](uv_timer_t* timer) { static_cast<Work*>(timer->data)->finish(no_answer("it took too long")); },
        std::chrono::milliseconds(kHttpsPatience).count(), 0);
    const bool is_address = request_.reach == HttpsReach::kAnywhere && parse_ip(request_.host);
    routing_ = std::make_unique<Routing>(
        context_.resolver, RoutingTerms{}, is_address ? "[" + request_.host + "]" : request_.host,
        Routing::By::kHost, [this](RouteResult route) { on_routed(std::move(route)); });
  }

  // Whoever waits has gone, or been told.
  void end() {
    done_ = nullptr;
    routing_.reset();
    dialer_.reset();
    if (stream_ != nullptr) {
      ++open_;
      stream_->close([this] { closed(); });
    }
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
             [](uv_handle_t* timer) { static_cast<Work*>(timer->data)->closed(); });
  }

 private:
  using Parser = http::response_parser<http::string_body>;

  void expect_answer() {
    parser_.emplace();
    parser_->header_limit(kMaxHttpHeader);
    parser_->body_limit(most_);
    parser_->eager(true);
    parser_->skip(request_.method == "HEAD");  // RFC 9110 9.3.2: the length of a body that does not come
  }

  void closed() {
    if (--open_ == 0) delete this;
  }

  void finish(Result<HttpsAnswer> answer) {
    if (!done_) return;
    const Done told = std::move(done_);
    end();
    told(std::move(answer));
  }

  void on_routed(RouteResult result) {
    if (const auto* failure = std::get_if<RouteFailure>(&result)) return finish(no_answer(failure->text));
    route_ = std::get<Route>(std::move(result));
    if (request_.reach == HttpsReach::kOthers)
      std::erase_if(route_, [](const RouteTarget& target) { return is_nowhere(target.address); });
    last_ = no_answer("it has no address that may be asked");
    dial();
  }

  void dial() {
    if (at_ == route_.size()) return finish(last_);
    dialer_ = std::make_unique<Dialer>(context_.loop, route_[at_].address, request_.port,
                                       [this](Result<int> socket) { on_dialled(std::move(socket)); });
  }

  void on_dialled(Result<int> socket) {
    if (!socket) {
      last_ = socket.error();
      ++at_;
      return dial();
    }
    auto below = std::make_unique<TcpStream>(context_.loop, *socket);
    const bool usable = below->ok();
    auto party = context_.tls.to({request_.host, TlsVerification::kNameAndAuthority}, finding_);
    if (!usable) {
      stream_ = std::move(below);
      return finish(no_answer("the connection could not be set up"));
    }
    auto secured =
        std::make_unique<TlsStream>(std::move(below), std::move(party), [this](bool ok) { on_secured(ok); });
    TlsStream& tls = *secured;
    stream_ = std::move(secured);
    stream_->set_events(this);
    tls.handshake({});
  }

  void on_secured(bool ok) {
    if (!ok) {
      const bool is_certificate = finding_->was_looked_at && !finding_->is_good();
      return finish(Error{is_certificate ? ErrorKind::kDenied : ErrorKind::kUnavailable,
                          is_certificate ? finding_->words : "the TLS handshake failed"});
    }
    std::string text = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mailstead\r\nAccept: */*\r\nConnection: close\r\n",
        request_.method, request_.target,
        request_.port == 443 ? request_.host : fmt::format("{}:{}", request_.host, request_.port));
    if (!request_.body.empty()) {
      text += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", request_.content_type,
                          request_.body.size());
    }
    text += "\r\n" + request_.body;
    if (stream_->write(text) == WriteState::kFailed) return finish(no_answer("the connection was lost"));
    stream_->start_reading();
  }

  void on_read(std::string_view bytes) override {
    pending_ += bytes;
    boost::system::error_code problem;
    pending_.erase(0, parser_->put(boost::asio::buffer(pending_), problem));
    // RFC 9110 15.2: any number of these may come before the answer.
    while (!problem && parser_->is_done() && is_interim() && ++interim_ <= kMostInterim) {
      expect_answer();
      if (pending_.empty()) return;
      pending_.erase(0, parser_->put(boost::asio::buffer(pending_), problem));
    }
    if (problem == http::error::need_more) return;
    if (problem == http::error::body_limit)
      return finish(Error{ErrorKind::kTooLarge, fmt::format("it answers with more than {} octets", most_)});
    if (problem) return finish(no_answer("what it answers is not HTTP"));
    if (parser_->is_done()) tell();
  }

  bool is_interim() const { return parser_->get().result_int() / 100 == 1; }

  void on_end(StreamEnd how) override {
    if (!done_) return;
    boost::system::error_code problem;
    // Without a length the end of the stream ends the body: only TLS's own end is good for that.
    if (parser_->got_some() && how == StreamEnd::kClosed) parser_->put_eof(problem);
    if (problem || !parser_->is_done()) return finish(no_answer("its answer broke off"));
    tell();
  }

  void on_written(bool ok) override {
    if (!ok) finish(no_answer("the connection was lost"));
  }

  void tell() {
    const auto& message = parser_->get();
    HttpsAnswer answer;
    answer.status = message.result_int();
    const auto type = message[http::field::content_type];
    const std::string_view text(type.data(), type.size());
    answer.content_type = ascii::lower(ascii::trim(text.substr(0, text.find(';'))));
    answer.body = message.body();
    for (const auto& field : message) {
      answer.fields.emplace_back(std::string(field.name_string().data(), field.name_string().size()),
                                 std::string(field.value().data(), field.value().size()));
    }
    finish(std::move(answer));
  }

  const Context context_;
  const HttpsRequest request_;
  const std::size_t most_;
  Done done_;  // empty once it has run, or nobody waits
  uv_timer_t timer_{};
  int open_ = 0;  // handles
  std::unique_ptr<Routing> routing_;
  Route route_;
  std::size_t at_ = 0;  // of the route
  std::unique_ptr<Dialer> dialer_;
  Error last_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<TlsFinding> finding_ = std::make_shared<TlsFinding>();
  std::optional<Parser> parser_;
  unsigned interim_ = 0;
  std::string pending_;  // read, and not understood yet
};

HttpsExchange::HttpsExchange(Context context, HttpsRequest request, std::size_t most, Done done)
    : work_(new Work(context, std::move(request), most)) {
  // When it has ended nobody may touch it any more: it frees itself in a later turn of the loop.
  work_->begin([this, told = std::move(done)](Result<HttpsAnswer> answer) {
    work_ = nullptr;
    const auto last = told;  // which may destroy the exchange
    last(std::move(answer));
  });
}

HttpsExchange::~HttpsExchange() {
  if (work_ != nullptr) work_->end();
}

std::string HttpsAnswer::field(std::string_view name) const {
  const auto found =
      std::ranges::find_if(fields, [&](const auto& each) { return ascii::same(each.first, name); });
  return found == fields.end() ? std::string() : found->second;
}

std::optional<HttpsRequest> parse_https_url(std::string_view url) {
  if (!ascii::starts_with(url, "https://")) return std::nullopt;
  url.remove_prefix(8);
  url = url.substr(0, url.find('#'));
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  std::string_view place = url.substr(0, end);
  HttpsRequest request;
  request.target = url.substr(end);
  if (!request.target.starts_with('/')) request.target.insert(0, 1, '/');
  if (const std::size_t colon = place.find(':'); colon != std::string_view::npos) {
    const auto port = ascii::number(place.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    request.port = static_cast<std::uint16_t>(*port);
    place = place.substr(0, colon);
  }
  const auto good = [](char c) { return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '.'; };
  if (place.empty() || !std::ranges::all_of(place, good)) return std::nullopt;
  if (!std::ranges::all_of(request.target, [](char c) { return ascii::is_printable(c) && c != ' '; }))
    return std::nullopt;
  request.host = ascii::lower(place);
  return request;
}

}  // namespace mailstead

#include "protocols/http_session.h"

// Beast 1.74 asserts that the last chunk of a body has five octets, which what strangers send need not have;
// it goes on rightly without that.
#define BOOST_DISABLE_ASSERTS

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <iterator>

#include "protocols/ascii.h"

namespace mailstead {

namespace {

namespace http = boost::beast::http;

constexpr const char* kHttpDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* kHttpMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

template <class Text>
std::string_view view(const Text& text) {
  return {text.data(), text.size()};
}

// RFC 9110 5.6.7, in English whatever the locale is.
std::string http_date(std::int64_t at) {
  const auto seconds = static_cast<std::time_t>(at);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kHttpDays[parts.tm_wday], parts.tm_mday,
                     kHttpMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
}

std::string percent_decoded(std::string_view text, bool is_form) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size();
    const auto high = is_escape ? ascii::hex_value(text[i + 1]) : std::nullopt;
    const auto low = high ? ascii::hex_value(text[i + 2]) : std::nullopt;
    if (low) {
      decoded += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      decoded += is_form && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

// One that could lead out of where it seems to lead is none.
bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    if (segment == "." || segment == "..") return false;
    path.remove_prefix(end);
  }
  return true;
}

// RFC 9112 3.2, without the port; empty: it is none.
std::string host_of(std::string_view authority) {
  std::size_t end = authority.size();
  if (authority.starts_with('[')) {
    end = authority.find(']');
    if (end == std::string_view::npos) return {};
    ++end;
  } else {
    end = std::min(authority.find(':'), end);
  }
  const std::string_view port = authority.substr(end);
  const bool good_port =
      port.empty() || (port.front() == ':' && std::ranges::all_of(port.substr(1), ascii::is_digit));
  const auto good = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
  };
  if (!good_port || !std::ranges::all_of(authority.substr(0, end), good)) return {};
  return ascii::lower(authority.substr(0, end));
}

}  // namespace

std::string_view HttpRequest::field(std::string_view name) const {
  for (const auto& [its_name, value] : fields) {
    if (ascii::same(its_name, name)) return value;
  }
  return {};
}

HttpFields parse_form(std::string_view text) {
  HttpFields form;
  while (!text.empty()) {
    std::string_view value = ascii::take_until(text, '&');
    if (value.empty()) continue;
    const std::string_view name = ascii::take_until(value, '=');
    form.emplace_back(percent_decoded(name, true), percent_decoded(value, true));
  }
  return form;
}

std::optional<std::string> form_value(const HttpFields& form, std::string_view name) {
  for (const auto& [its_name, value] : form) {
    if (its_name == name) return value;
  }
  return std::nullopt;
}

HttpReply http_error(unsigned status, std::string_view sentence) {
  HttpReply reply;
  reply.status = status;
  reply.body = fmt::format("{}\n", sentence);
  return reply;
}

class HttpSession::Parser : public http::request_parser<http::string_body> {};

HttpSession::HttpSession(HttpOptions options) : options_(std::move(options)) {
  expect_request();
}

HttpSession::~HttpSession() = default;

void HttpSession::expect_request() {
  parser_ = std::make_unique<Parser>();
  parser_->header_limit(kMaxRequestHeader);
  parser_->body_limit(options_.body);
  parser_->eager(true);
}

std::size_t HttpSession::receive(std::string_view bytes) {
  std::size_t consumed = 0;
  // RFC 9112 2.2: an empty line before a request is passed over.
  while (!parser_->got_some() && bytes.substr(consumed).starts_with("\r\n")) consumed += 2;
  bytes.remove_prefix(consumed);
  if (bytes.empty() || (!parser_->got_some() && bytes == "\r")) return consumed;
  const bool had_header = parser_->is_header_done();
  boost::system::error_code problem;
  consumed += parser_->put(boost::asio::buffer(bytes.data(), bytes.size()), problem);
  if (problem == http::error::header_limit) {
    refuse(431, "The header is too long.");
  } else if (problem == http::error::body_limit) {
    refuse(413, "The request is too long.");
  } else if (problem == http::error::bad_version) {
    refuse(505, "This server speaks HTTP/1.1.");
  } else if (problem && problem != http::error::need_more) {
    refuse(400, "This is no HTTP request.");
  } else if (!parser_->is_header_done() || (!had_header && !meet_expectation())) {
    // More of the header is to come, or the request was refused.
  } else if (parser_->is_done()) {
    take_request();
  }
  return consumed;
}

// RFC 9110 10.1.1. False: it cannot be met.
bool HttpSession::meet_expectation() {
  const std::string_view expected = view(parser_->get()[http::field::expect]);
  if (expected.empty()) return true;
  if (!ascii::same(expected, "100-continue")) {
    refuse(417, "This expectation cannot be met.");
    return false;
  }
  // Who has sent the body already is not told to.
  if (!parser_->is_done()) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
  return true;
}

void HttpSession::take_request() {
  ++progress_;
  ++requests_;
  auto& message = parser_->get();
  is_head_ = message.method() == http::verb::head;
  // What HTTP/1.0 knows of connections that go on is not worth having.
  keeps_ = message.version() >= 11 && message.keep_alive() && requests_ < options_.requests && !stopping_;
  if (message.count(http::field::transfer_encoding) > 0 && !message.chunked())
    return refuse(501, "This transfer coding is not known here.");
  // RFC 9112 3.2: one, or 400; HTTP/1.0 may have none.
  const std::size_t hosts = message.count(http::field::host);
  request_ = {};
  request_.host = host_of(view(message[http::field::host]));
  const bool may_lack = hosts == 0 && message.version() < 11;
  if (!may_lack && (hosts != 1 || request_.host.empty()))
    return refuse(400, "A request has to name one host.");
  std::string_view target = view(message.target());
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!ascii::starts_with(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t path = std::min(target.find_first_of("/?"), target.size());
    request_.host = host_of(target.substr(0, path));
    target.remove_prefix(path);
    if (target.empty()) target = "/";
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  request_.path = percent_decoded(target.substr(0, question), false);
  request_.query = target.substr(std::min(question + 1, target.size()));
  if (!is_plain_path(request_.path)) return refuse(400, "This is no path.");
  request_.method = view(message.method_string());
  for (const auto& field : message)
    request_.fields.emplace_back(view(field.name_string()), view(field.value()));
  request_.body = std::move(message.body());
  expect_request();
  wants_ = Wants::kAnswer;
}

void HttpSession::answer(const HttpReply& reply) {
  if (wants_ != Wants::kAnswer) return;
  ++progress_;
  write(reply);
  wants_ = keeps_ && !stopping_ ? Wants::kInput : Wants::kClose;
}

void HttpSession::refuse(unsigned status, std::string_view sentence) {
  ++progress_;
  keeps_ = false;
  write(http_error(status, sentence));
  wants_ = Wants::kClose;
}

void HttpSession::write(const HttpReply& reply) {
  const std::int64_t now = options_.now ? options_.now() : static_cast<std::int64_t>(std::time(nullptr));
  const auto reason = http::obsolete_reason(http::int_to_status(reply.status));
  auto out = std::back_inserter(output_);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status, view(reason), http_date(now));
  for (const auto& [name, value] : reply.fields) fmt::format_to(out, "{}: {}\r\n", name, value);
  // RFC 9110 8.6: not of these.
  if (reply.status != 204 && reply.status != 304)
    fmt::format_to(out, "Content-Length: {}\r\n", reply.body.size());
  if (!reply.content_type.empty() && !reply.body.empty())
    fmt::format_to(out, "Content-Type: {}\r\n", reply.content_type);
  output_ += keeps_ && !stopping_ ? "\r\n" : "Connection: close\r\n\r\n";
  if (!is_head_) output_ += reply.body;
}

void HttpSession::timed_out() {
  if (wants_ == Wants::kClose) return;
  if (wants_ == Wants::kAnswer) return refuse(503, "The answer took too long.");
  if (parser_->got_some()) return refuse(408, "The request took too long.");
  wants_ = Wants::kClose;
}

void HttpSession::shut_down() {
  stopping_ = true;
  if (wants_ == Wants::kInput) wants_ = Wants::kClose;
}

}  // namespace mailstead

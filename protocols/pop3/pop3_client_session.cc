#include "protocols/pop3/pop3_client_session.h"

#include <fmt/format.h>
#include <openssl/md5.h>
#include <openssl/mem.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/smtp/reply_reader.h"

namespace mailstead {

namespace {

using Kind = Pop3ClientFailure::Kind;

constexpr std::size_t kMostUidl = 70;
constexpr std::size_t kMostAuthLine = 255;  // RFC 2449 4

std::string_view take_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// RFC 1939 7
bool is_good_uidl(std::string_view text) {
  return !text.empty() && text.size() <= kMostUidl &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e; });
}

// "<process.clock@host>" in the greeting, RFC 1939 7; empty: the server has no APOP.
std::string timestamp_in(std::string_view greeting) {
  const std::size_t begin = greeting.find('<');
  const std::size_t end = greeting.find('>', std::min(begin, greeting.size()));
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  const std::string_view stamp = greeting.substr(begin, end + 1 - begin);
  return stamp.find('@') == std::string_view::npos ? std::string() : std::string(stamp);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Pop3ClientSession::Pop3ClientSession(Pop3ClientOptions options, Pop3ClientSink& sink)
    : options_(std::move(options)), sink_(sink), tls_(options_.tls == Pop3ClientOptions::Tls::kImplicit) {
  pending_.push_back({Said::kGreeting});
}

Pop3ClientSession::~Pop3ClientSession() {
  forget_password();
}

void Pop3ClientSession::forget_password() {
  OPENSSL_cleanse(options_.password.data(), options_.password.size());
  options_.password.clear();
  exchange_.reset();
}

void Pop3ClientSession::fail(Kind kind, std::string words) {
  if (wants_ == Wants::kEnd) return;
  failure_ = Pop3ClientFailure{kind, std::move(words)};
  wants_ = Wants::kEnd;
  pending_.clear();
  forget_password();
}

void Pop3ClientSession::lost(std::string_view why) {
  fail(Kind::kLost, fmt::format("the connection ended: {}", printable(why)));
}

void Pop3ClientSession::say(Said said, std::string_view line, std::uint32_t number) {
  output_.append(line);
  output_ += "\r\n";
  pending_.push_back({said, number});
  wants_ = Wants::kInput;
}

void Pop3ClientSession::receive(std::string_view bytes) {
  while (!bytes.empty() && wants_ != Wants::kEnd) {
    // RFC 2595 4: nobody who is not the server may say anything that counts behind TLS.
    if (wants_ == Wants::kTls)
      return fail(Kind::kProtocol, "the server went on in the clear after its answer to STLS");
    if (pending_.empty()) return fail(Kind::kProtocol, "the server speaks without being asked");
    bytes.remove_prefix(message_ ? read_message(bytes) : read_line(bytes));
  }
}

std::size_t Pop3ClientSession::read_line(std::string_view bytes) {
  std::size_t consumed = 0;
  switch (lines_.read(bytes, consumed)) {
    case LineEvent::kIncomplete:
      return consumed;
    case LineEvent::kTooLong:
      fail(Kind::kLimit, "the server's line has no end");
      return consumed;
    case LineEvent::kNul:
      fail(Kind::kProtocol, "the server sent a NUL");
      return consumed;
    case LineEvent::kBareNewline:
      fail(Kind::kProtocol, "the server does not end its lines with CRLF: it is no POP3 server");
      return consumed;
    case LineEvent::kLine:
      break;
  }
  const std::string_view line = lines_.line();
  if (reads_ == Lines::kNone) {
    take_status(line);
  } else {
    take_listed(line);
  }
  return consumed;
}

std::size_t Pop3ClientSession::read_message(std::string_view bytes) {
  std::string content;
  const std::size_t consumed = message_->read(bytes, &content);
  if (message_->octets() > kMostOctets) {
    fail(Kind::kLimit, fmt::format("message {} has no end", message_number_));
    return consumed;
  }
  if (!content.empty()) sink_.message_content(message_number_, content);
  if (!message_->ended()) return consumed;
  message_.reset();
  pending_.pop_front();
  if (pending_.empty()) wants_ = Wants::kWork;
  sink_.message_ends(message_number_);
  return consumed;
}

void Pop3ClientSession::take_status(std::string_view line) {
  const Pending answered = pending_.front();
  if (answered.said == Said::kAuth && line.starts_with('+') && !line.starts_with("+OK"))
    return on_challenge(line.substr(std::min<std::size_t>(line.find_first_not_of("+ "), line.size())));
  const bool is_ok = line.starts_with("+OK");
  if (!is_ok && !line.starts_with("-ERR")) {
    return fail(Kind::kProtocol,
                fmt::format("this is no answer of a POP3 server: {}", printable(line.substr(0, 100))));
  }
  const std::string_view text = line.substr(std::min<std::size_t>(is_ok ? 4 : 5, line.size()));
  if (is_ok && answered.said == Said::kRetr) {
    // It stays the first that is pending to its end.
    message_ = std::make_unique<DataReader>(BareNewline::kReject);
    message_number_ = answered.number;
    return;
  }
  pending_.pop_front();
  if (is_ok) {
    on_ok(answered, text);
  } else {
    on_refusal(answered, text);
  }
}

void Pop3ClientSession::on_ok(const Pending& answered, std::string_view text) {
  switch (answered.said) {
    case Said::kGreeting:
      timestamp_ = timestamp_in(text);
      return say(Said::kCapa, "CAPA");
    case Said::kCapa:
    case Said::kCapaAgain:
      can_stls_ = can_user_ = can_plain_ = can_scram_ = pipelining_ = false;
      has_capa_ = true;
      reads_ = Lines::kCapa;
      pending_.push_front(answered);
      return;
    case Said::kStls:
      wants_ = Wants::kTls;
      return;
    case Said::kUser: {
      std::string line = "PASS " + options_.password;
      say(Said::kPass, line);
      OPENSSL_cleanse(line.data(), line.size());
      return;
    }
    case Said::kAuth:
      if (!exchange_->may_trust(text)) return fail(Kind::kRefused, exchange_->why());
      return logged_in();
    case Said::kPass:
    case Said::kApop:
      return logged_in();
    case Said::kUidl:
    case Said::kList:
      reads_ = answered.said == Said::kUidl ? Lines::kUidl : Lines::kList;
      pending_.push_front(answered);
      return;
    case Said::kQuit:
      has_quit_ = true;
      wants_ = Wants::kEnd;
      return;
    case Said::kRetr:
    case Said::kDele:
      if (pending_.empty()) wants_ = Wants::kWork;
      return;
  }
}

void Pop3ClientSession::on_refusal(const Pending& answered, std::string_view text) {
  const std::string words = printable(text.substr(0, 300));
  switch (answered.said) {
    case Said::kGreeting:
      return fail(Kind::kRefused, fmt::format("the server lets nobody in: {}", words));
    case Said::kCapa:
      return go_on_from_capa();  // older than RFC 2449
    case Said::kCapaAgain:
      return say(Said::kUidl, "UIDL");
    case Said::kStls:
      return fail(Kind::kCannot, fmt::format("the server has no TLS at this moment: {}", words));
    case Said::kAuth:
      // Many servers offer SCRAM to all, and have its keys of few.
      if (!std::exchange(tried_scram_, true) && exchange_->mechanism_name() == "SCRAM-SHA-256" &&
          (tls_ || options_.tls == Pop3ClientOptions::Tls::kNone))
        return log_in();
      [[fallthrough]];
    case Said::kUser:
    case Said::kPass:
    case Said::kApop:
      return fail(Kind::kRefused, fmt::format("the login is refused: {}", words));
    case Said::kUidl:
      return fail(Kind::kCannot,
                  fmt::format("the server tells no UIDLs, so nobody could know what was fetched: {}", words));
    case Said::kList:
      return finish_listing();
    case Said::kQuit:
      return fail(Kind::kRefused, fmt::format("the server could not delete: {}", words));
    case Said::kRetr:
      if (pending_.empty()) wants_ = Wants::kWork;
      return sink_.message_refused(answered.number, words);
    case Said::kDele:
      if (pending_.empty()) wants_ = Wants::kWork;
      return;
  }
}

void Pop3ClientSession::take_listed(std::string_view line) {
  if (line == ".") return end_lines();
  if (line.starts_with("..")) line.remove_prefix(1);
  switch (reads_) {
    case Lines::kCapa:
      return note_capability(line);
    case Lines::kUidl:
      return note_uidl(line);
    case Lines::kList:
      return note_size(line);
    case Lines::kNone:
      return;
  }
}

void Pop3ClientSession::end_lines() {
  const Said said = pending_.front().said;
  pending_.pop_front();
  reads_ = Lines::kNone;
  if (said == Said::kCapa) return go_on_from_capa();
  if (said == Said::kCapaAgain) return say(Said::kUidl, "UIDL");
  if (said == Said::kUidl) return say(Said::kList, "LIST");
  finish_listing();
}

void Pop3ClientSession::note_capability(std::string_view line) {
  const std::string name = ascii::lower(take_word(line));
  can_stls_ |= name == "stls";
  can_user_ |= name == "user";
  pipelining_ |= name == "pipelining";
  while (name == "sasl" && !line.empty()) {
    const std::string mechanism = ascii::lower(take_word(line));
    can_plain_ |= mechanism == "plain";
    can_scram_ |= mechanism == "scram-sha-256";
  }
}

void Pop3ClientSession::note_uidl(std::string_view line) {
  const auto number = number_of<std::uint32_t>(take_word(line));
  if (!number || *number == 0 || messages_.size() >= kMostMessages) {
    return fail(number && *number != 0 ? Kind::kLimit : Kind::kProtocol,
                "the server's list of UIDLs is wrong");
  }
  // Numbers grow; one that is told twice would have two UIDLs.
  if (!messages_.empty() && messages_.back().number >= *number)
    return fail(Kind::kProtocol, "the server's list of UIDLs is out of order");
  const std::string_view uidl = line.empty() ? line : line.substr(1);
  messages_.push_back({*number, is_good_uidl(uidl) ? std::string(uidl) : std::string(), 0});
}

void Pop3ClientSession::note_size(std::string_view line) {
  const auto number = number_of<std::uint32_t>(take_word(line));
  const auto size = number_of<std::uint64_t>(take_word(line));
  if (!number || !size) return;  // it is for people to look at
  const auto found =
      std::lower_bound(messages_.begin(), messages_.end(), *number,
                       [](const Pop3Listed& each, std::uint32_t n) { return each.number < n; });
  if (found != messages_.end() && found->number == *number) found->size = *size;
}

void Pop3ClientSession::go_on_from_capa() {
  if (tls_ || options_.tls == Pop3ClientOptions::Tls::kNone) return log_in();
  if (has_capa_ && !can_stls_) {
    return fail(Kind::kCannot,
                "the server offers no TLS here (STLS); perhaps it does from the start, on port 995");
  }
  say(Said::kStls, "STLS");
}

void Pop3ClientSession::tls_established() {
  if (wants_ != Wants::kTls) return;
  tls_ = true;
  has_capa_ = can_stls_ = can_user_ = can_plain_ = can_scram_ = pipelining_ = false;
  say(Said::kCapa, "CAPA");
}

void Pop3ClientSession::log_in() {
  if (has_control(options_.user) || options_.user.empty() || has_control(options_.password))
    return fail(Kind::kRefused, "the name or the password has characters that cannot be sent");
  if (options_.use_apop) return log_in_by_apop();
  if (can_scram_ && !options_.nonce.empty() && !tried_scram_) return begin_auth(sasl::Mechanism::kScram);
  if (can_plain_) return begin_auth(sasl::Mechanism::kPlain);
  if (has_capa_ && !can_user_)
    return fail(Kind::kCannot,
                "the server offers no way to log in that we have (SASL PLAIN, SCRAM-SHA-256, USER)");
  say(Said::kUser, "USER " + options_.user);
}

// RFC 1939 7: a digest, which is little protection, and old.
void Pop3ClientSession::log_in_by_apop() {
  if (timestamp_.empty()) return fail(Kind::kCannot, "the server offers no APOP");
  std::string secret = timestamp_ + options_.password;
  std::uint8_t digest[MD5_DIGEST_LENGTH];
  MD5(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size(), digest);
  OPENSSL_cleanse(secret.data(), secret.size());
  std::string line = fmt::format("APOP {} ", options_.user);
  for (const std::uint8_t octet : digest) line += fmt::format("{:02x}", octet);
  say(Said::kApop, line);
}

void Pop3ClientSession::begin_auth(sasl::Mechanism mechanism) {
  exchange_ =
      std::make_unique<sasl::ClientExchange>(mechanism, options_.user, options_.password, options_.nonce);
  if (!exchange_->obstacle().empty()) return fail(Kind::kRefused, std::string(exchange_->obstacle()));
  std::string line = fmt::format("AUTH {}", exchange_->mechanism_name());
  auto response = exchange_->initial_response();
  if (response && line.size() + 3 + response->size() > kMostAuthLine) {
    postponed_response_ = std::move(response);
  } else if (response) {
    line += ' ' + *response;
    OPENSSL_cleanse(response->data(), response->size());
  }
  say(Said::kAuth, line);
  OPENSSL_cleanse(line.data(), line.size());
}

void Pop3ClientSession::on_challenge(std::string_view text) {
  auto response =
      postponed_response_ ? std::exchange(postponed_response_, std::nullopt) : exchange_->respond(text);
  if (!response) {
    output_ += "*\r\n";
    return fail(Kind::kRefused, exchange_->why());
  }
  output_ += *response + "\r\n";
  OPENSSL_cleanse(response->data(), response->size());
}

void Pop3ClientSession::logged_in() {
  forget_password();
  if (has_capa_) return say(Said::kCapaAgain, "CAPA");  // some tell more now
  say(Said::kUidl, "UIDL");
}

void Pop3ClientSession::finish_listing() {
  wants_ = Wants::kWork;
}

bool Pop3ClientSession::has_room() const {
  return (wants_ == Wants::kWork || wants_ == Wants::kInput) &&
         pending_.size() < (pipelining_ ? kMostPending : 1);
}

void Pop3ClientSession::retrieve(std::uint32_t number) {
  say(Said::kRetr, fmt::format("RETR {}", number), number);
}

void Pop3ClientSession::remove(std::uint32_t number) {
  say(Said::kDele, fmt::format("DELE {}", number), number);
}

void Pop3ClientSession::quit() {
  say(Said::kQuit, "QUIT");
}

}  // namespace mailstead

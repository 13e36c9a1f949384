// import pop3 HOST ADDRESS

#include <fmt/format.h>
#include <openssl/rand.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "admin/file.h"
#include "admin/new_password.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/pop3_link.h"
#include "admin/transfer/received_time.h"
#include "admin/transfer/transfer.h"
#include "protocols/base64.h"
#include "protocols/pop3/pop3_client_session.h"
#include "protocols/sha256.h"

namespace mailstead::admin {
namespace {

using Wants = Pop3ClientSession::Wants;
using Pop3Tls = Pop3ClientOptions::Tls;

struct Pop3Place {
  std::string host;
  std::uint16_t port = 0;
  Pop3Tls tls = Pop3Tls::kImplicit;
  Certificate certificate = Certificate::kChecked;
  std::string user;
};

constexpr std::uint16_t usual_port(Pop3Tls tls) {
  return tls == Pop3Tls::kImplicit ? 995 : 110;
}

std::string new_nonce() {
  std::array<std::uint8_t, 18> noise;
  RAND_bytes(noise.data(), noise.size());
  return base64::encode({reinterpret_cast<const char*>(noise.data()), noise.size()});
}

// One session with the other server: what is new there comes here.
class Pop3Import final : public Pop3ClientSink {
 public:
  Pop3Import(const CommandLine& line, StoreAccess& store, const Pop3Place& place, Pop3ClientOptions options)
      : dry_run_(has_flag(line.request, "dry-run")),
        deletes_(has_flag(line.request, "delete") && !dry_run_),
        quiet_(speech_of(line)),
        place_(place),
        session_(std::move(options), *this),
        importer_(store, line.request.arguments[1], source_of(place),
                  [this](const std::string& item) { durable_.insert(item); }) {}

  Result<void> run() {
    auto link = Pop3Link::connect(place_.host, place_.port);
    if (!link) return link.error();
    link_ = std::move(*link);
    if (place_.tls == Pop3Tls::kImplicit) {
      if (auto done = link_->start_tls(place_.certificate); !done) return done;
    }
    if (auto done = pump(); !done) return done;
    if (auto done = choose(); !done) return done;
    auto fetched = dry_run_ ? Result<void>() : fetch_all();
    // What came whole before that is worth keeping.
    if (auto flushed = importer_.flush(); fetched && !flushed) fetched = flushed;
    if (!fetched) return fetched;
    if (deletes_) {
      if (auto done = delete_there(); !done) return done;
    }
    session_.quit();
    return pump();
  }

  void fill(ImportSummary& summary) const {
    summary.counts = importer_.counts();
    summary.counts.brought += would_bring_;
    summary.counts.octets += would_octets_;
    summary.troubles = importer_.troubles();
    if (nameless_ > 0) {
      summary.remarks.push_back(fmt::format(
          "{} {} no UIDL of {} own there; mail programs fetch such mail once more.",
          counted(nameless_, "message"), nameless_ == 1 ? "has" : "have", nameless_ == 1 ? "its" : "their"));
    }
    if (deletes_ && summary.counts.unsure > 0) {
      summary.remarks.push_back(
          fmt::format("{} imported before and {} not here; since the database was damaged once, it cannot be "
                      "told whether "
                      "that was deleted here or lost: left there.",
                      summary.counts.unsure == 1 ? "1 message was"
                                                 : fmt::format("{} messages were", summary.counts.unsure),
                      summary.counts.unsure == 1 ? "is" : "are"));
    }
    if (deletes_ && session_.has_quit())
      summary.remarks.push_back(fmt::format("{} deleted there.", counted(deleted_, "message")));
  }

  void message_content(std::uint32_t, std::string_view bytes) override {
    if (failure_) return;
    received_.add(bytes);
    hash_.add(bytes);
    octets_ += bytes.size();
    if (auto done = text_.append(bytes); !done) failure_ = done.error();
  }

  void message_ends(std::uint32_t) override {
    const Wanted wanted = std::move(under_way_.front());
    under_way_.pop_front();
    ImportItem item{wanted.item, wanted.uidl, received_.value().value_or(std::time(nullptr)), {}};
    const Sha256 digest = hash_.finish();
    if (item.item.empty()) {
      item.item = "sha256 ";
      for (const std::uint8_t octet : digest) item.item += fmt::format("{:02x}", octet);
    }
    const MessageText text = std::exchange(text_, MessageText());
    received_ = ReceivedTime();
    hash_ = Sha256Stream();
    if (!failure_ && text.size() == 0) {
      importer_.note_trouble(fmt::format("message {}", wanted.number), "it is empty");
    } else if (!failure_) {
      if (deletes_) item_of_.emplace(wanted.number, item.item);
      if (auto done = importer_.add(std::move(item), text); !done) failure_ = done.error();
    }
    show();
  }

  void message_refused(std::uint32_t number, const std::string& words) override {
    under_way_.pop_front();
    importer_.note_trouble(fmt::format("message {}", number), words);
  }

 private:
  struct Wanted {
    std::uint32_t number = 0;
    std::string item;  // empty: its content is what identifies it
    std::string uidl;
    std::uint64_t size = 0;
  };

  // Behind other ports of a host, of tunnels for instance, are other servers, whose UIDLs may be the same.
  static std::string source_of(const Pop3Place& place) {
    std::string host = place.host;
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::string source = fmt::format("pop3 {}@{}", place.user, host);
    if (place.port != usual_port(place.tls)) source += fmt::format(" port {}", place.port);
    return source;
  }

  // Until the session wants something else than input, or has room for another command.
  Result<void> pump(bool until_room = false) {
    while (true) {
      if (const std::string out = session_.take_output(); !out.empty()) {
        if (auto done = link_->write(out); !done) return done;
      }
      if (failure_) return *failure_;
      if (session_.wants() == Wants::kEnd) break;
      if (session_.wants() == Wants::kWork || (until_room && session_.has_room())) return {};
      if (session_.wants() == Wants::kTls) {
        if (auto done = link_->start_tls(place_.certificate); !done) return done;
        session_.tls_established();
        continue;
      }
      if (Interruption::happened()) return interrupted_error();
      const auto bytes = link_->read();
      if (Interruption::happened()) return interrupted_error();
      if (!bytes) return bytes.error();
      if (bytes->empty()) {
        session_.lost("the server closed it");
      } else {
        session_.receive(*bytes);
      }
    }
    if (!session_.failure()) return {};
    const auto kind =
        session_.failure()->kind == Pop3ClientFailure::Kind::kRefused ? ErrorKind::kDenied : ErrorKind::kIo;
    return Error{kind, fmt::format("{}: {}", place_.host, session_.failure()->words)};
  }

  // What of the listing is new here. The server can name two messages alike: the second is known by its
  // content.
  Result<void> choose() {
    std::unordered_set<std::string_view> seen;
    std::vector<Wanted> named;
    const auto& all = session_.messages();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Pop3Listed& each = all[i];
      if (each.uidl.empty() || !seen.insert(each.uidl).second) {
        ++nameless_;
        wanted_.push_back({each.number, {}, {}, each.size});
      } else {
        named.push_back({each.number, each.uidl, each.uidl, each.size});
      }
      if (named.size() < kKnownItems && i + 1 < all.size()) continue;
      if (auto done = choose_of(named); !done) return done;
      named.clear();
    }
    std::sort(wanted_.begin(), wanted_.end(),
              [](const Wanted& one, const Wanted& other) { return one.number < other.number; });
    for (const Wanted& each : wanted_) total_ += each.size;
    if (dry_run_) {
      would_bring_ = wanted_.size();
      would_octets_ = total_;
    }
    return {};
  }

  Result<void> choose_of(const std::vector<Wanted>& named) {
    if (named.empty()) return {};
    // One of another size is fetched, and its octets are compared: the server may count otherwise than we do,
    // or it has given the UIDL to another message.
    std::vector<ImportQuestion> questions;
    for (const Wanted& each : named) {
      ImportQuestion& question = questions.emplace_back(ImportQuestion{each.item});
      if (each.size > 0) question.size = each.size;
    }
    const auto known = importer_.known(questions);
    if (!known) return known.error();
    for (std::size_t i = 0; i < named.size(); ++i) {
      if ((*known)[i] == WasImported::kNo) {
        wanted_.push_back(named[i]);
        continue;
      }
      importer_.count_known((*known)[i]);
      if (!deletes_ || (*known)[i] != WasImported::kYes) continue;
      durable_.insert(named[i].item);
      item_of_.emplace(named[i].number, named[i].item);
    }
    return {};
  }

  Result<void> fetch_all() {
    progress_.emplace("fetching", total_, quiet_);
    for (Wanted& next : wanted_) {
      if (auto done = pump(true); !done) return done;
      session_.retrieve(next.number);
      under_way_.push_back(std::move(next));
    }
    return pump();
  }

  // What is in the mailbox, and nothing else.
  Result<void> delete_there() {
    for (const auto& [number, item] : item_of_) {
      if (!durable_.contains(item)) continue;
      if (auto done = pump(true); !done) return done;
      session_.remove(number);
      ++deleted_;
    }
    return pump();
  }

  void show() {
    if (progress_)
      progress_->show(
          octets_, fmt::format("{}, {}", counted(importer_.counts().brought, "message"), size_text(octets_)));
  }

  const bool dry_run_;
  const bool deletes_;
  const Progress::Speech quiet_;
  const Pop3Place place_;
  Pop3ClientSession session_;
  std::unordered_set<std::string> durable_;  // items
  Importer importer_;
  std::unique_ptr<Pop3Link> link_;
  std::vector<Wanted> wanted_;
  std::deque<Wanted> under_way_;
  std::unordered_map<std::uint32_t, std::string> item_of_;  // by number, of what may be deleted
  MessageText text_;
  ReceivedTime received_;
  Sha256Stream hash_;
  std::optional<Error> failure_;  // of the store, or of the temporary folder
  std::optional<Progress> progress_;
  std::uint64_t octets_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t would_bring_ = 0;
  std::uint64_t would_octets_ = 0;
  std::uint64_t nameless_ = 0;
  std::uint64_t deleted_ = 0;
};

Result<std::string> password_for(const Pop3Place& place, const Request& request) {
  const auto first_line = [](std::string text) {
    text.resize(std::min(text.find('\n'), text.size()));
    if (text.ends_with('\r')) text.pop_back();
    return text;
  };
  if (const auto file = option_of(request, "password-file"); file && *file != "-") {
    auto text = read_file(*file, 4096);
    if (!text) return text.error();
    return first_line(*std::move(text));
  } else if (file) {
    return read_secret_line();
  }
  if (const char* variable = std::getenv("MAILSTEAD_IMPORT_PASSWORD");
      variable != nullptr && *variable != '\0')
    return std::string(variable);
  return ask_secret(fmt::format("Password of {} at {}: ", printable(place.user), printable(place.host)));
}

Result<Pop3Place> place_of(const Request& request) {
  Pop3Place place;
  place.host = request.arguments[0];
  place.user = option_of(request, "user").value_or(request.arguments[1]);
  const std::string tls = option_of(request, "tls").value_or("implicit");
  place.tls = tls == "stls" ? Pop3Tls::kStls : tls == "none" ? Pop3Tls::kNone : Pop3Tls::kImplicit;
  if (has_flag(request, "insecure")) place.certificate = Certificate::kIgnored;
  place.port = usual_port(place.tls);
  if (const auto port = option_of(request, "port")) {
    const auto [end, problem] = std::from_chars(port->data(), port->data() + port->size(), place.port);
    if (problem != std::errc() || end != port->data() + port->size() || place.port == 0)
      return Error{ErrorKind::kInvalid, fmt::format("'{}' is not a port", printable(*port))};
  }
  return place;
}

void warn(const Pop3Place& place) {
  if (place.tls == Pop3Tls::kNone) {
    std::fprintf(stderr,
                 "mailstead: without TLS everybody on the way to %s can read the password and the mail\n",
                 printable(place.host).c_str());
  } else if (place.certificate == Certificate::kIgnored) {
    std::fprintf(stderr, "mailstead: the certificate is not checked: %s may be anybody\n",
                 printable(place.host).c_str());
  }
}

}  // namespace

Report import_pop3(const CommandLine& line) {
  const Request& request = line.request;
  auto place = place_of(request);
  if (!place) return misused(place.error().message);
  warn(*place);
  auto password = password_for(*place, request);
  if (!password) return failed(password.error());
  auto store = StoreAccess::open(line, request.arguments[1], "import pop3");
  if (!store) return failed(store.error());
  const Interruption interruption;
  ImportSummary summary{fmt::format("{} at {}", place->user, place->host), request.arguments[1]};
  summary.dry_run = has_flag(request, "dry-run");
  Pop3Import run(line, **store, *place,
                 {place->user, *std::move(password), place->tls, has_flag(request, "apop"), new_nonce()});
  if (auto done = run.run(); !done) summary.stopped = done.error();
  run.fill(summary);
  return report_of(summary);
}

}  // namespace mailstead::admin

#include "server/pop3_driver.h"

#include <fmt/format.h>
#include <uv.h>

#include <cstdint>
#include <ctime>
#include <utility>
#include <variant>
#include <vector>

#include "server/expiry.h"

namespace mailstead {

struct Pop3Driver::Piece {
  ReadVerdict verdict = ReadVerdict::kUnavailable;
  std::string bytes;
  std::string why;  // for the log, when there are no bytes
  std::shared_ptr<MessageReader> reader;
  std::size_t index = 0;
  std::map<std::size_t, std::string> ahead;
};

namespace {

LoginVerdict login_verdict_of(LoginOutcome outcome) {
  if (outcome == LoginOutcome::kRight) return LoginVerdict::kRight;
  return outcome == LoginOutcome::kWrong ? LoginVerdict::kWrong : LoginVerdict::kUnavailable;
}

constexpr std::size_t kReadAhead = 64 * 1024;            // octets of messages that nobody asked for yet
constexpr std::size_t kMostReadAhead = 32;               // of those messages
constexpr std::uint64_t kMostReadAheadOfAll = 8u << 20;  // octets, of all sessions
constexpr std::size_t kMostTaken = 1'000;                // collected, before they are handed over

std::vector<TakenMessage> listed(std::unordered_map<std::int64_t, TakenMessage>& taken) {
  std::vector<TakenMessage> list;
  list.reserve(taken.size());
  for (const auto& [message, times] : taken) list.push_back(times);
  taken.clear();
  return list;
}

std::uint64_t now_ms() {
  return uv_hrtime() / 1'000'000;
}

ReadVerdict read_verdict_of(const Error& error) {
  const bool gone = error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kCorrupt;
  return gone ? ReadVerdict::kGone : ReadVerdict::kUnavailable;
}

}  // namespace

Pop3Driver::Pop3Driver(Services& services, Pop3Options options, const PeerFacts& peer, std::string service)
    : services_(services),
      peer_(peer),
      service_(std::move(service)),
      login_delay_(options.login_delay),
      expire_days_(options.expire_days),
      session_(std::move(options), peer),
      directory_(services.storage.store().directory()) {}

std::shared_ptr<Pop3Driver> Pop3Driver::self() {
  return std::static_pointer_cast<Pop3Driver>(shared_from_this());
}

Answered Pop3Driver::answer_ask() {
  note_taken();
  return std::visit([this](auto& ask) { return answer(ask); }, session_.ask());
}

bool Pop3Driver::answers_to_nobody() {
  const Pop3Ask& ask = session_.ask();
  return std::holds_alternative<AskLogin>(ask) || std::holds_alternative<AskApop>(ask) ||
         std::holds_alternative<AskScramProof>(ask);
}

void Pop3Driver::check_session() {
  auto newest = services_.storage.store().directory();
  if (newest == directory_) return;
  directory_ = std::move(newest);
  if (maildrop_ == nullptr) return;
  if (!directory_->admits(login_.key)) session_.expel();
}

std::string Pop3Driver::device() const {
  return login_.device.empty() ? peer_.address : login_.device;
}

void Pop3Driver::note_taken() {
  const std::vector<std::int64_t> retrieved = session_.take_retrieved();
  if (retrieved.empty()) return;
  const std::int64_t now = std::time(nullptr);
  for (const std::int64_t message : retrieved) {
    auto [noted, is_new] = taken_.try_emplace(message, TakenMessage{message, now, now});
    if (!is_new) noted->second.last_at = now;
  }
  if (taken_.size() >= kMostTaken) post_taken();
}

void Pop3Driver::post_taken() {
  if (taken_.empty()) return;
  const auto work = [mailbox = login_.key.mailbox, device = device(), taken = listed(taken_)](Store& store) {
    (void)store.note_taken(mailbox, device, taken);  // a mailbox that was removed meanwhile: nobody asks
  };
  services_.storage.post(work, [] {});
}

void Pop3Driver::after_run() {
  note_taken();
  for (const Pop3Session::Refusal& refusal : session_.take_refusals()) {
    services_.log.info("refused", {{"service", service_},
                                   {"peer", peer_.address},
                                   {"user", login_.address},
                                   {"command", refusal.command},
                                   {"subject", refusal.subject},
                                   {"reply", refusal.reply}});
  }
}

void Pop3Driver::secured(const PeerFacts& peer) {
  peer_ = peer;
  session_.tls_established(peer);
}

void Pop3Driver::before_farewell() {
  note_taken();
  post_taken();
  reader_ = nullptr;
  drop_ahead();
  maildrop_ = nullptr;
}

void Pop3Driver::connection_closed(std::string_view) {
  closed_ = true;
  if (ticket_ != nullptr) ticket_->abandoned = true;
  before_farewell();
  if (logged_in_) {
    services_.counters.retrieved += session_.retrieved_messages();
    services_.counters.retrieved_octets += session_.retrieved_octets();
    services_.log.info("logout", {{"user", login_.address},
                                  {"service", service_},
                                  {"peer", peer_.address},
                                  {"retrieved", fmt::format("{}", session_.retrieved_messages())},
                                  {"octets", fmt::format("{}", session_.retrieved_octets())}});
  }
}

Answered Pop3Driver::answer(AskLogin& ask) {
  return log_in(std::move(ask.user), PasswordProof{std::move(ask.password)});
}

Answered Pop3Driver::answer(AskApop& ask) {
  return log_in(std::move(ask.user), ApopProof{std::move(ask.timestamp), std::move(ask.digest)});
}

Answered Pop3Driver::log_in(std::string user, LoginProof proof) {
  ticket_ = services_.login.check({std::move(user), std::move(proof), LoginPurpose::kRead, peer_, service_},
                                  [self = self()](const LoginResult& result) { self->logged_in(result); });
  return Answered::kLater;
}

void Pop3Driver::logged_in(const LoginResult& result) {
  if (result.outcome != LoginOutcome::kRight) {
    session_.answer_login(login_verdict_of(result.outcome));
  } else if (open_maildrop(result) == Answered::kLater) {
    return;
  }
  resume();
}

Answered Pop3Driver::answer(AskScramChallenge& ask) {
  session_.answer_scram_challenge(services_.login.scram_challenge(ask.user));
  return Answered::kNow;
}

Answered Pop3Driver::answer(AskScramProof& ask) {
  ticket_ = services_.login.check(
      {std::move(ask.user), ScramProof{std::move(ask.proof)}, LoginPurpose::kRead, peer_, service_},
      [self = self()](const LoginResult& result) {
        if (result.outcome == LoginOutcome::kRight) self->login_ = result;
        self->session_.answer_scram_proof(login_verdict_of(result.outcome), result.signature);
        self->resume();
      });
  return Answered::kLater;
}

// A while may have passed since the proof.
Answered Pop3Driver::answer(AskMaildrop&) {
  if (services_.storage.store().directory()->admits(login_.key)) return open_maildrop(LoginResult(login_));
  session_.answer_login(LoginVerdict::kWrong);
  return Answered::kNow;
}

Answered Pop3Driver::open_maildrop(const LoginResult& login) {
  login_ = login;
  if (is_too_soon()) {
    session_.answer_login(LoginVerdict::kDelayed);
    return Answered::kNow;
  }
  auto expired = std::make_shared<std::size_t>(0);
  auto opened = std::make_shared<Result<std::unique_ptr<Maildrop>>>(Error{});
  const auto work = [opened, expired, key = login.key, device = device(), days = expire_days_,
                     terms = delete_terms(services_.config, kExpiryDevice)](Store& store) {
    if (days.value_or(0) > 0) {
      // Before the session sees them. What goes wrong is told by the next look of Expiry.
      const auto count = store.expire_messages(key.mailbox, std::chrono::days(*days), SIZE_MAX, terms);
      if (count.has_value()) *expired = *count;
    }
    *opened = store.open_maildrop(key.mailbox);
    if (opened->has_value()) (void)store.note_login(key.mailbox, device, key.app_password);
  };
  const auto done = [self = self(), opened, expired] {
    if (*expired > 0) {
      note_expired(self->services_, self->login_.key.mailbox, *expired, self->expire_days_.value_or(0));
      self->services_.storage.tidy_deleted(self->login_.key.mailbox);
    }
    // Nobody is there to use it: the lock goes at once.
    if (self->closed_) return;
    if (!self->services_.storage.store().directory()->admits(self->login_.key)) {
      self->session_.answer_login(LoginVerdict::kWrong);
    } else if (opened->has_value() && self->is_too_soon()) {
      // Another session of it came and went meanwhile.
      self->session_.answer_login(LoginVerdict::kDelayed);
    } else if (opened->has_value()) {
      self->services_.login_delay.note(self->login_.key.mailbox, self->login_delay_, now_ms());
      self->maildrop_ = std::move(**opened);
      self->logged_in_ = true;
      self->session_.answer_login(LoginVerdict::kRight, self->maildrop_->totals());
    } else {
      const Error& error = opened->error();
      const bool held = error.kind == ErrorKind::kInUse;
      self->services_.log.warning(
          "maildrop-refused",
          {{"user", self->login_.address}, {"peer", self->peer_.address}, {"why", error.message}});
      self->session_.answer_login(held ? LoginVerdict::kInUse : LoginVerdict::kUnavailable);
    }
    self->resume();
  };
  if (services_.storage.post(work, done)) return Answered::kLater;
  session_.answer_login(LoginVerdict::kUnavailable);
  return Answered::kNow;
}

bool Pop3Driver::is_too_soon() const {
  if (!services_.login_delay.is_too_soon(login_.key.mailbox, login_delay_, now_ms())) return false;
  services_.log.info("login-delayed",
                     {{"user", login_.address}, {"service", service_}, {"peer", peer_.address}});
  return true;
}

Answered Pop3Driver::answer(AskPage& ask) {
  if (auto page = maildrop_->page(ask.number)) {
    session_.answer_page(std::move(page));
    return Answered::kNow;
  }
  auto found = std::make_shared<Result<std::shared_ptr<const MaildropPage>>>(Error{});
  const auto work = [found, maildrop = maildrop_, number = ask.number](Store& store) {
    *found = store.read_page(*maildrop, number);
  };
  const auto done = [self = self(), found] {
    if (self->closed_) return;
    if (!found->has_value()) {
      self->services_.log.error(
          "maildrop-unreadable",
          {{"user", self->login_.address}, {"peer", self->peer_.address}, {"why", found->error().message}});
    }
    self->session_.answer_page(found->has_value() ? std::move(**found) : nullptr);
    self->resume();
  };
  if (services_.storage.post(work, done)) return Answered::kLater;
  session_.answer_page(nullptr);
  return Answered::kNow;
}

// Those of its page at most: another one may not be in memory.
std::vector<std::pair<std::size_t, std::size_t>> Pop3Driver::to_read_ahead(std::size_t index) const {
  std::vector<std::pair<std::size_t, std::size_t>> messages;
  if (index == 0 || index != next_index_) return messages;  // not one after the other
  if (services_.counters.read_ahead >= kMostReadAheadOfAll) return messages;
  const std::size_t entries = maildrop_->totals().page;
  const auto page = maildrop_->page(index / entries);
  if (page == nullptr) return messages;
  std::uint64_t octets = 0;
  for (std::size_t each = index % entries + 1; each < page->size() && messages.size() < kMostReadAhead;
       ++each) {
    octets += (*page)[each].size;
    if (octets > kReadAhead) break;
    messages.emplace_back(index - index % entries + each, static_cast<std::size_t>((*page)[each].size));
  }
  return messages;
}

Answered Pop3Driver::answer(AskRead& ask) {
  if (const auto found = ahead_.find(ask.index);
      found != ahead_.end() && ask.offset == 0 && found->second.size() == ask.length) {
    const auto message = ahead_.extract(found);
    services_.counters.read_ahead -= message.mapped().size();
    next_index_ = ask.index + 1;
    session_.answer_read(ReadVerdict::kBytes, message.mapped());
    return Answered::kNow;
  }
  auto piece = std::make_shared<Piece>();
  piece->index = ask.index;
  const auto read = [piece, offset = ask.offset, length = ask.length] {
    const auto outcome = piece->reader->read(offset, length, piece->bytes);
    piece->verdict = outcome.has_value() ? ReadVerdict::kBytes : read_verdict_of(outcome.error());
    if (!outcome.has_value()) piece->why = outcome.error().message;
  };
  const auto done = [self = self(), piece] {
    if (self->closed_) return;
    self->give_piece(*piece);
    self->resume();
  };
  bool posted = false;
  if (reader_ != nullptr && reader_index_ == ask.index) {
    piece->reader = reader_;
    posted = services_.files.post(read, done);
  } else {
    reader_ = nullptr;  // one file for each connection: the file limit is counted so
    drop_ahead();
    // The first piece is read where the file is opened: a small message costs one way to another thread and
    // back, and several in a row cost one together.
    const auto open = [piece, read, maildrop = maildrop_, more = to_read_ahead(ask.index)](Store& store) {
      auto opened = store.open_message(*maildrop, piece->index);
      if (!opened.has_value()) {
        piece->verdict = read_verdict_of(opened.error());
        piece->why = opened.error().message;
        return;
      }
      piece->reader = *std::move(opened);
      read();
      for (const auto& [index, size] : more) {
        auto next = store.open_message(*maildrop, index);
        if (!next.has_value()) return;  // told when it is asked for
        if (!(*next)->read(0, size, piece->ahead[index]).has_value()) {
          piece->ahead.erase(index);
          return;
        }
      }
    };
    posted = services_.storage.post(open, done);
    next_index_ = ask.index + 1;
  }
  if (posted) return Answered::kLater;
  session_.answer_read(ReadVerdict::kUnavailable, {});
  return Answered::kNow;
}

void Pop3Driver::keep_ahead(std::map<std::size_t, std::string> messages) {
  drop_ahead();
  ahead_ = std::move(messages);
  for (const auto& [index, bytes] : ahead_) services_.counters.read_ahead += bytes.size();
}

void Pop3Driver::drop_ahead() {
  for (const auto& [index, bytes] : ahead_) services_.counters.read_ahead -= bytes.size();
  ahead_.clear();
}

void Pop3Driver::tidy() {
  if (session_.progress() == tidied_progress_) drop_ahead();
  tidied_progress_ = session_.progress();
}

void Pop3Driver::give_piece(Piece& piece) {
  reader_ = piece.reader;
  reader_index_ = piece.index;
  if (!piece.ahead.empty()) keep_ahead(std::move(piece.ahead));
  if (piece.verdict != ReadVerdict::kBytes) {
    reader_ = nullptr;
    services_.log.error(
        "message-unreadable",
        {{"user", login_.address}, {"message", fmt::format("{}", piece.index + 1)}, {"why", piece.why}});
  }
  session_.answer_read(piece.verdict, piece.bytes);
}

Answered Pop3Driver::answer(AskDelete& ask) {
  const std::size_t count = ask.indices.size();
  auto outcome = std::make_shared<Result<void>>();
  const DeleteTerms terms = delete_terms(services_.config, device());
  const auto work = [outcome, maildrop = maildrop_, indices = std::move(ask.indices), terms,
                     taken = listed(taken_)](Store& store) {
    (void)store.note_taken(maildrop->mailbox(), terms.device, taken);
    *outcome = store.commit_deletes(*maildrop, indices, terms);
  };
  const auto done = [self = self(), outcome, count] {
    if (!outcome->has_value()) {
      self->services_.log.error(
          "delete-failed",
          {{"user", self->login_.address}, {"peer", self->peer_.address}, {"why", outcome->error().message}});
    } else if (count > 0) {
      self->services_.log.info("deleted", {{"user", self->login_.address},
                                           {"peer", self->peer_.address},
                                           {"messages", fmt::format("{}", count)}});
    }
    self->session_.answer_delete(outcome->has_value());
    if (outcome->has_value()) self->services_.storage.tidy_deleted(self->login_.key.mailbox);
    self->resume();
  };
  if (services_.storage.post(work, done)) return Answered::kLater;
  session_.answer_delete(false);
  return Answered::kNow;
}

}  // namespace mailstead

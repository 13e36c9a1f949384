#include "tests/protocols/world.h"

#include <openssl/md5.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>
#include <variant>

#include "protocols/base64.h"
#include "protocols/smtp/surrogate.h"

namespace mailstead::test {
namespace {

std::string key_of(const std::string& text) {
  const auto address = parse_address(text);
  return address ? address->key() : text;
}

// Of the example in RFC 7677 3.
scram::Challenge scram_challenge() {
  return {base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").value(), 4096, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"};
}

}  // namespace

void World::add_mailbox(const std::string& address, const std::string& password) {
  passwords_[key_of(address)] = password;
}

void World::answer(SmtpSession& session) {
  std::visit([&](auto& ask) { answer(session, ask); }, session.ask());
}

void World::answer(Pop3Session& session) {
  std::visit([&](auto& ask) { answer(session, ask); }, session.ask());
}

void World::answer(SmtpSession& session, AskPassword& ask) {
  ++asked["password"];
  // As the server does: the ask's own strings are taken, not copied.
  const std::string user = std::move(ask.user);
  const auto found = passwords_.find(key_of(user));
  const bool right = found != passwords_.end() && found->second == ask.password;
  if (const auto login = logins.find(key_of(user)); login != logins.end()) {
    return session.answer_password(PasswordVerdict::kUnavailable, {});
  }
  session.answer_password(right ? PasswordVerdict::kRight : PasswordVerdict::kWrong,
                          right ? found->first : "");
}

void World::answer(SmtpSession& session, AskScramChallenge&) {
  ++asked["scram"];
  session.answer_scram_challenge(scram_challenge());
}

void World::answer(SmtpSession& session, AskScramProof& ask) {
  const auto signature = judge(ask);
  session.answer_scram_proof(signature ? PasswordVerdict::kRight : PasswordVerdict::kWrong, key_of(ask.user),
                             signature.value_or(""));
}

void World::answer(SmtpSession& session, AskSender& ask) {
  ++asked["sender"];
  session.answer_sender(ask.reverse_path.key() == ask.user);
}

void World::answer(SmtpSession& session, AskAuthor& ask) {
  ++asked["author"];
  bool own = true;
  for (const Address& author : ask.authors) own &= author.key() == ask.user;
  session.answer_author(own);
}

void World::answer(SmtpSession& session, AskRecipient& ask) {
  ++asked["recipient"];
  const std::string key = ask.recipient.key();
  if (const auto found = recipients.find(key); found != recipients.end()) {
    return session.answer_recipient(found->second);
  }
  if (passwords_.contains(key) || key == "postmaster@")
    return session.answer_recipient(RecipientVerdict::kOurs);
  const bool ours = std::ranges::any_of(
      passwords_, [&](const auto& mailbox) { return mailbox.first.ends_with('@' + ask.recipient.domain); });
  session.answer_recipient(ours ? RecipientVerdict::kUnknown : RecipientVerdict::kNotOurs);
}

void World::answer(SmtpSession& session, AskBegin&) {
  ++asked["begin"];
  spool_.clear();
  if (begin_refused) return session.answer_begin({}, {});
  session.answer_begin("id" + std::to_string(++ids_), "Sat, 1 Jan 2000 00:00:00 +0000");
}

void World::answer(SmtpSession& session, AskSpool& ask) {
  ++asked["spool"];
  largest_piece = std::max(largest_piece, ask.bytes.size());
  spool_ += ask.bytes;
  session.answer_spool(spool_verdict);
}

void World::answer(SmtpSession& session, AskPolicy& ask) {
  ++asked["policy"];
  if ((ask.envelope != nullptr) != (ask.stage >= PolicyStage::kSender)) {
    throw std::logic_error("a policy sees the envelope from MAIL on");
  }
  session.answer_policy(policies[ask.stage]);
}

void World::answer(SmtpSession& session, AskCommit& ask) {
  ++asked["commit"];
  largest_piece = std::max(largest_piece, ask.rest.size());
  spool_ += ask.rest;
  if (spool_.size() != ask.size) throw std::logic_error("AskCommit's size is not that of the message");
  std::vector<CommitVerdict> verdicts;
  for (const Recipient& recipient : ask.envelope.recipients) {
    const auto found = commits.find(recipient.address.key());
    verdicts.push_back(found == commits.end() ? commit_verdict : found->second);
  }
  if (commit_verdict == CommitVerdict::kKept) {
    stored.push_back({std::move(ask.envelope), std::exchange(spool_, {}), ask.tags, ask.delivered_to});
  }
  if (commits.empty()) return session.answer_commit(commit_verdict);
  session.answer_commit(verdicts);
}

LoginVerdict World::judge(const std::string& user, const std::string& password) const {
  const auto found = passwords_.find(key_of(user));
  const bool right = found != passwords_.end() && found->second == password;
  return right ? LoginVerdict::kRight : LoginVerdict::kWrong;
}

MaildropEntry World::entry(std::size_t index) const {
  const std::string& message = messages_.at(index);
  const bool dots = message.starts_with('.') || message.find("\n.") != std::string::npos;
  MaildropEntry entry{message.size(), "u" + std::to_string(index + 1), dots};
  entry.key = static_cast<std::int64_t>(index);
  Surrogate surrogate;
  surrogate.read(message, nullptr);
  surrogate.finish(nullptr);
  if (unexamined) {
    entry.header = HeaderText::kUnknown;
  } else if (surrogate.differs()) {
    entry.header = HeaderText::kUtf8;
    entry.surrogate_growth =
        static_cast<std::int32_t>(surrogate.size()) - static_cast<std::int32_t>(message.size());
  }
  return entry;
}

void World::open_maildrop(Pop3Session& session, LoginVerdict verdict) {
  if (verdict != LoginVerdict::kRight) return session.answer_login(verdict);
  MaildropTotals totals{.messages = messages_.size(), .page = page};
  for (std::size_t index = 0; index < messages_.size(); ++index) {
    const MaildropEntry entry = this->entry(index);
    totals.octets += entry.size;
    totals.surrogate_growth += entry.surrogate_growth;
  }
  session.answer_login(LoginVerdict::kRight, totals);
}

void World::answer(Pop3Session& session, AskPage& ask) {
  ++asked["page"];
  if (failing_pages.contains(ask.number)) return session.answer_page(nullptr);
  auto entries = std::make_shared<MaildropPage>();
  const std::size_t end = std::min(messages_.size(), (ask.number + 1) * page);
  for (std::size_t index = ask.number * page; index < end; ++index) entries->push_back(entry(index));
  session.answer_page(entries);
}

void World::answer(Pop3Session& session, AskLogin& ask) {
  ++asked["login"];
  const auto login = logins.find(key_of(ask.user));
  open_maildrop(session, login != logins.end() ? login->second : judge(ask.user, ask.password));
}

void World::answer(Pop3Session& session, AskApop& ask) {
  ++asked["apop"];
  const auto found = passwords_.find(key_of(ask.user));
  const std::string text = ask.timestamp + (found == passwords_.end() ? "" : found->second);
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> digest{};
  MD5(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (const std::uint8_t octet : digest) {
    hex += "0123456789abcdef"[octet >> 4];
    hex += "0123456789abcdef"[octet & 15];
  }
  const bool right = found != passwords_.end() && hex == ask.digest;
  open_maildrop(session, right ? LoginVerdict::kRight : LoginVerdict::kWrong);
}

void World::answer(Pop3Session& session, AskScramChallenge&) {
  ++asked["scram"];
  session.answer_scram_challenge(scram_challenge());
}

std::optional<std::string> World::judge(const AskScramProof& ask) const {
  const auto found = passwords_.find(key_of(ask.user));
  const std::string password = found == passwords_.end() ? "" : found->second;
  return scram::check(ask.proof, scram::derive_keys(password, scram_challenge().salt));
}

void World::answer(Pop3Session& session, AskScramProof& ask) {
  const auto signature = judge(ask);
  session.answer_scram_proof(signature ? LoginVerdict::kRight : LoginVerdict::kWrong, signature.value_or(""));
}

void World::answer(Pop3Session& session, AskMaildrop& ask) {
  ++asked["login"];
  const auto login = logins.find(key_of(ask.user));
  open_maildrop(session, login != logins.end() ? login->second : LoginVerdict::kRight);
}

void World::answer(Pop3Session& session, AskRead& ask) {
  ++asked["read"];
  if (const auto fail = failing_reads.find(ask.index); fail != failing_reads.end()) {
    if (ask.offset >= fail->second.first) {
      return session.answer_read(fail->second.second, {});
    }
  }
  const std::string_view message = messages_.at(ask.index);
  session.answer_read(ReadVerdict::kBytes, message.substr(static_cast<std::size_t>(ask.offset), ask.length));
}

void World::answer(Pop3Session& session, AskDelete& ask) {
  ++asked["delete"];
  if (!delete_fails) deleted = ask.indices;
  session.answer_delete(!delete_fails);
}

}  // namespace mailstead::test

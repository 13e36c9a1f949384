#include "storage/accounts/app_passwords.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/mem.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "protocols/ascii.h"
#include "protocols/base64.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

constexpr std::string_view kScramTag = "SCRAM-SHA-256";

std::string_view octets(const scram::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// "SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY", as other servers write it, so that it can be taken along.
std::string keys_text(const AppPasswordRow& row) {
  return fmt::format("{}${}:{}${}:{}", kScramTag, row.iterations, base64::encode(row.salt),
                     base64::encode(octets(row.keys.stored)), base64::encode(octets(row.keys.server)));
}

// The text up to `end`, which goes with it; nothing when it is not there.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return taken;
}

bool read_digest(std::string_view text, scram::Digest& digest) {
  const auto decoded = base64::decode(text);
  if (!decoded || decoded->size() != digest.size()) return false;
  std::copy(decoded->begin(), decoded->end(), digest.begin());
  return true;
}

bool read_keys(std::string_view text, AppPasswordRow& row) {
  const auto tag = take_until(text, '$');
  const auto count = take_until(text, ':');
  const auto salt = take_until(text, '$');
  const auto stored = take_until(text, ':');
  if (tag != kScramTag || !count || !salt || !stored) return false;
  const auto iterations = ascii::number(*count);
  const auto decoded_salt = base64::decode(*salt);
  constexpr std::uint64_t kMostIterations = 1'000'000;  // a row may not make us work for ever
  if (!iterations || *iterations == 0 || *iterations > kMostIterations || !decoded_salt) return false;
  row.iterations = static_cast<unsigned>(*iterations);
  row.salt = *decoded_salt;
  return read_digest(*stored, row.keys.stored) && read_digest(text, row.keys.server);
}

PasswordScope scope_of(std::int64_t number) {
  if (number == static_cast<std::int64_t>(PasswordScope::kReadAndSend)) return PasswordScope::kReadAndSend;
  return number == static_cast<std::int64_t>(PasswordScope::kRead) ? PasswordScope::kRead
                                                                   : PasswordScope::kSend;
}

std::string apop_binding(const Address& mailbox, std::string_view device) {
  return fmt::format("apop\n{}\n{}", mailbox.key(), ascii::lower(device));
}

}  // namespace

Result<AppPasswordId> AppPasswords::add(const AppPasswordRow& row) {
  auto done = database_.run(
      "INSERT INTO app_passwords (mailbox, name, key, scope, keys, apop, created_at, last_used_at)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      row.mailbox, row.name, ascii::lower(row.name), static_cast<std::int64_t>(row.scope), keys_text(row),
      base64::encode(row.sealed_apop), row.created_at, row.last_used_at);
  if (!done) return done.error();
  return database_.last_insert_id();
}

Result<std::vector<AppPasswordRow>> AppPasswords::of(MailboxId mailbox) {
  std::vector<AppPasswordRow> rows;
  auto done = read(database_.query("SELECT id, mailbox, name, scope, keys, apop, created_at, last_used_at"
                                   " FROM app_passwords WHERE mailbox = ?1 ORDER BY id",
                                   mailbox),
                   rows);
  if (!done) return done.error();
  return rows;
}

Result<void> AppPasswords::read_all(std::vector<AppPasswordRow>& into, std::int64_t from) {
  return read(database_.query("SELECT id, mailbox, name, scope, keys, apop, created_at, last_used_at"
                              " FROM app_passwords WHERE id >= ?1 ORDER BY id",
                              from),
              into);
}

Result<void> AppPasswords::read(Result<Statement> statement, std::vector<AppPasswordRow>& into) {
  return each_row(std::move(statement), [&](const Statement& found) {
    AppPasswordRow row;
    row.id = found.integer(0);
    row.mailbox = found.integer(1);
    row.name = found.text(2);
    row.scope = scope_of(found.integer(3));
    row.created_at = found.integer(6);
    row.last_used_at = found.integer(7);
    // A damaged one opens nothing, but can still be listed and revoked.
    if (!read_keys(found.text(4), row)) row.keys = {};
    row.sealed_apop = base64::decode(found.text(5)).value_or("");
    into.push_back(std::move(row));
  });
}

Result<bool> AppPasswords::remove(MailboxId mailbox, std::string_view name) {
  auto done =
      database_.run("DELETE FROM app_passwords WHERE mailbox = ?1 AND key = ?2", mailbox, ascii::lower(name));
  if (!done) return done.error();
  return database_.changes() != 0;
}

Result<void> AppPasswords::note_use(AppPasswordId id, std::int64_t at) {
  return database_.run("UPDATE app_passwords SET last_used_at = ?2 WHERE id = ?1", id, at);
}

Result<void> check_device_name(std::string_view name) {
  const auto invalid = [](std::string_view what) {
    return Error{ErrorKind::kInvalid, fmt::format("a device's name {}", what)};
  };
  if (name.empty()) return invalid("is not empty");
  if (name.size() > kMaxDeviceName) return invalid(fmt::format("has at most {} octets", kMaxDeviceName));
  if (name != ascii::trim(name)) return invalid("has no blanks at its ends");
  // What else stands where a device's name does: a client's address, "(expiry)".
  in6_addr parsed{};
  const std::string text(name);
  if (name.front() == '(' || inet_pton(AF_INET, text.c_str(), &parsed) == 1 ||
      inet_pton(AF_INET6, text.c_str(), &parsed) == 1) {
    return invalid("is no address, and does not begin with a bracket");
  }
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t length = utf8::length(rest);
    if (length == 0) return invalid("is UTF-8");
    const std::string_view character = rest.substr(0, length);
    if (utf8::is_control(character) || utf8::turns_direction(character))
      return invalid("has no control characters");
    rest.remove_prefix(length);
  }
  return {};
}

std::string seal_apop(std::string_view password, const Address& mailbox, std::string_view device,
                      const SecretKey& key) {
  return key.seal(password, apop_binding(mailbox, device));
}

std::optional<std::string> apop_secret(const AppPasswordRow& row, const Address& mailbox,
                                       const SecretKey& key) {
  if (row.sealed_apop.empty()) return std::nullopt;
  return key.unseal(row.sealed_apop, apop_binding(mailbox, row.name));
}

Apop apop_of(const AppPasswordRow& row, const Address& mailbox, const SecretKey& key) {
  if (row.sealed_apop.empty()) return Apop::kNo;
  auto secret = apop_secret(row, mailbox, key);
  if (!secret) return Apop::kLost;
  OPENSSL_cleanse(secret->data(), secret->size());
  return Apop::kReady;
}

}  // namespace mailstead

// App passwords: generated, each for one device or program, so that it can be revoked by itself. Their rows.
//
// A password is not kept: its SCRAM keys are (RFC 5802 3), and with --apop, which cannot do without, the
// password itself under secret.key. All of a mailbox share one salt, for SCRAM says it before it is known
// which of them the client has.
// Every function of AppPasswords runs in the caller's transaction, or by itself when there is none.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/auth/scram.h"
#include "protocols/result.h"
#include "storage/accounts/directory.h"
#include "storage/accounts/secret_key.h"
#include "storage/database/database.h"

namespace mailstead {

inline constexpr std::size_t kMaxAppPasswords = 50;  // of a mailbox: a login looks at each
inline constexpr std::size_t kMaxDeviceName = 64;    // octets

struct AppPasswordRow {
  AppPasswordId id = 0;  // given by add()
  MailboxId mailbox = 0;
  std::string name;
  PasswordScope scope = PasswordScope::kReadAndSend;
  std::string salt;
  unsigned iterations = scram::kIterations;
  scram::Keys keys;
  std::string sealed_apop;        // by SecretKey; empty: not for APOP
  std::int64_t created_at = 0;    // Unix seconds
  std::int64_t last_used_at = 0;  // Unix seconds, 0: never
};

class AppPasswords {
 public:
  explicit AppPasswords(Database& database) : database_(database) {}

  // kExists: the mailbox has one of this name.
  Result<AppPasswordId> add(const AppPasswordRow& row);
  // In the order they were made.
  Result<std::vector<AppPasswordRow>> of(MailboxId mailbox);
  // Of all mailboxes; at an error `into` holds what came before it.
  Result<void> read_all(std::vector<AppPasswordRow>& into, std::int64_t from = 0);
  // False: there was none.
  Result<bool> remove(MailboxId mailbox, std::string_view name);
  Result<void> note_use(AppPasswordId id, std::int64_t at);

 private:
  Result<void> read(Result<Statement> statement, std::vector<AppPasswordRow>& into);

  Database& database_;
};

// A name that a person can read, and type again: UTF-8 without control characters, at most kMaxDeviceName
// octets, no blanks at its ends. kInvalid says what is wrong.
Result<void> check_device_name(std::string_view name);

// The password, sealed for the row of this mailbox and device and no other.
std::string seal_apop(std::string_view password, const Address& mailbox, std::string_view device,
                      const SecretKey& key);
// nullopt: there is none, or another key sealed it.
std::optional<std::string> apop_secret(const AppPasswordRow& row, const Address& mailbox,
                                       const SecretKey& key);
Apop apop_of(const AppPasswordRow& row, const Address& mailbox, const SecretKey& key);

}  // namespace mailstead

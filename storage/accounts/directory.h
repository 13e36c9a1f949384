// The directory of mailboxes and aliases, in memory: RCPT touches no disk.
//
// A Directory never changes: each administrative change makes a new one, and Store::directory() hands out
// the newest.
// Ownership: shared_ptr<const Directory>.
// Threads: any, without a lock once one holds the pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "protocols/address.h"

namespace mailstead {

using MailboxId = std::int64_t;      // of the index; never reused
using AppPasswordId = std::int64_t;  // never reused; 0: the mailbox's own password

// What an app password opens.
enum class PasswordScope : std::int64_t { kReadAndSend = 0, kRead = 1, kSend = 2 };

// RFC 1939 7: a secret that both sides know.
enum class Apop { kNo, kReady, kLost };  // kLost: there is one, and secret.key does not open it

struct AppPasswordEntry {
  AppPasswordId id = 0;
  Apop apop = Apop::kNo;
};

struct MailboxEntry {
  MailboxId id = 0;
  Address address;
  bool enabled = true;
  // Changes whenever the password does: a session that logged in under another serial has to end.
  std::int64_t credentials_serial = 0;
  std::vector<AppPasswordEntry> app_passwords = {};
  std::string scram_salt = {};  // of its app passwords; empty when it has none
};

// By what a session logged in. It may go on while Directory::admits() it.
struct LoginKey {
  MailboxId mailbox = 0;
  std::int64_t credentials_serial = 0;  // of the mailbox then
  AppPasswordId app_password = 0;
};

struct AliasEntry {
  std::string name;              // "info@example.org", or "@example.org" for a catch-all
  std::vector<Address> targets;  // as given, in order
};

// An alias leads to an address of another host.
struct Forward {
  Address target;
  Address via;  // the name whose alias says so; of a catch-all the address that it caught
};

enum class RecipientKind { kOurs, kUnknown, kNotOurs, kDisabled };

// `user` of user+detail (RFC 5233 4); the same where there is none: nothing stands before the "+", or the
// local part holds a route of its own ("@", "%"), which nobody's detail does.
Address without_detail(const Address& address);

class Directory {
 public:
  // What becomes of mail to `recipient`: mailbox first, then alias, then the same without what follows a "+"
  // (RFC 5233: user+detail), then catch-all; kDisabled when all that it leads to are disabled, kUnknown for
  // an alias whose targets are gone. A target of a domain that is not ours is another host's. An address
  // without a domain is <Postmaster>: an alias or mailbox postmaster@ any domain of ours, else the first
  // enabled mailbox. postmaster@ a domain of ours that has no such mailbox or alias is the domain's first
  // enabled mailbox, else the server's (RFC 5321 4.5.1). kUnknown: the domain is ours; kNotOurs: it is not.
  RecipientKind classify(const Address& recipient) const;
  // The mailboxes that mail to `recipient` is kept in, without repeats; aliases of aliases are followed,
  // loops end. Disabled mailboxes are left out: a list goes on without them.
  std::vector<MailboxId> resolve(const Address& recipient) const;
  // And where else it goes, each target once.
  std::vector<Forward> forwards(const Address& recipient) const;

  const MailboxEntry* find(const Address& address) const;
  const MailboxEntry* find(MailboxId id) const;
  // May this mailbox send with this reverse-path: its own address or an alias (a catch-all too) that leads to
  // it?
  bool may_send_as(MailboxId mailbox, const Address& reverse_path) const;

  // Is the mailbox there and enabled, and the password that opened it still the same?
  bool admits(const LoginKey& key) const;
  // Is there an enabled mailbox that can log in so?
  bool offers_scram() const { return offers_scram_; }
  bool offers_apop() const { return offers_apop_; }

  bool is_ours(std::string_view domain) const;
  const std::vector<MailboxEntry>& mailboxes() const { return mailboxes_; }  // in the order they were made
  const std::vector<AliasEntry>& aliases() const { return aliases_; }

  Directory(std::vector<MailboxEntry> mailboxes, std::vector<AliasEntry> aliases);

 private:
  bool is_known(const Address& name) const;
  struct Reached {
    std::vector<const MailboxEntry*> mailboxes;  // disabled ones too
    std::vector<Forward> forwards;
    bool empty() const { return mailboxes.empty() && forwards.empty(); }
  };
  Reached reach(const Address& recipient) const;
  Reached reach_or_postmaster(const Address& recipient) const;

  std::vector<MailboxEntry> mailboxes_;
  std::vector<AliasEntry> aliases_;
  std::unordered_map<std::string, std::size_t> mailbox_by_key_;
  std::unordered_map<MailboxId, std::size_t> mailbox_by_id_;
  std::unordered_map<std::string, std::size_t> alias_by_key_;
  std::unordered_set<std::string> domains_;
  bool offers_scram_ = false;
  bool offers_apop_ = false;
};

}  // namespace mailstead

// The store: everything that must last. Above this header nobody knows a file, a row or a lock.
//
// Threads. One thread, the storage thread, makes every call that is not marked otherwise; calls may block on
// the disk. Marked "any thread": directory(), MessageReader (one thread at a time each), Spool (likewise).
// Ownership. The store outlives what it handed out. It is the only writer of its data folder: open() takes
// the folder's lock for as long as the store lives.
// Errors. Result<T>; messages name the path and what to do. A failed fsync is not retried. If the outcome of
// a COMMIT is not known, the process ends (std::abort after a line on stderr): recovery decides.
// Durability. What deliver(), commit_deletes() and restore_messages() report as done survives power loss; see
// storage/README.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/auth/scram.h"
#include "protocols/pop3/maildrop.h"
#include "protocols/result.h"
#include "protocols/smtp/envelope.h"
#include "protocols/tls/tls_report.h"
#include "storage/accounts/directory.h"
#include "storage/accounts/dkim_keys.h"
#include "storage/check/check.h"
#include "storage/database/refused_mail.h"
#include "storage/database/tls_facts.h"
#include "storage/mailbox/message_slice.h"
#include "storage/queue/queue.h"
#include "storage/transfer/transfer.h"

namespace mailstead {

enum class ApopUse { kNo, kYes };

// The start of a mailbox's life, what recovery did: one line each, for the log and for people.
struct RecoveryReport {
  bool created = false;               // the data folder was empty
  bool clean = true;                  // the last owner closed it properly
  bool rebuilt = false;               // the index was damaged, and was made anew
  std::vector<std::string> actions;   // "finished 3 interrupted deletes in anna@example.org", in order
  std::vector<MailboxId> unfinished;  // so many files lie there to be imported that take_in_files() goes on
};

struct StoreOptions {
  std::string data;  // the data folder; made with mode 0700 when missing (its parent must exist)
  std::string host;  // of this machine, for file names and the lock's owner line
  std::uint64_t default_quota = 0;  // as set_default_quota()
  std::string credentials =
      {};  // the folder of systemd's credentials, see secret_key.h; empty: there is none
};

// A message too large for memory while it arrives. Lives in an unnamed file: nothing is left of it after a
// crash.
class Spool {
 public:
  virtual ~Spool() = default;
  virtual Result<void> append(std::string_view bytes) = 0;
  // As many octets in their place: `offset` and what follows is there. What was learnt of the octets as they
  // were stays: change nothing in it but the name of a header field of no other use.
  virtual Result<void> overwrite(std::uint64_t offset, std::string_view bytes) = 0;
  virtual std::uint64_t size() const = 0;  // octets
  // Appends up to `length` octets from `offset`; none at the end.
  virtual Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) const = 0;
};

// What becomes of a message that some of its recipients cannot have: the mailbox was removed, the message
// goes in a loop.
enum class Failures {
  kOfAll,            // nobody gets it
  kOfEachRecipient,  // the others get it
};

// May a message be passed on to hosts elsewhere? Only mail of ours and of our users.
enum class Relaying { kNo, kYes };

struct Delivery {
  std::string id;  // queue id, from new_id()
  Envelope envelope;
  std::unique_ptr<Spool> spool;  // may be null; the message is the spool's bytes, then `rest`
  std::string rest;
  std::string tags = {};        // header lines for the top of the message, each with its CRLF
  std::string signatures = {};  // likewise, above `tags`, only where the message goes to other hosts
  std::string seal = {};        // likewise, above those, only where an alias passes it on (ARC, RFC 8617)
  Failures failures = Failures::kOfAll;
  Relaying relaying = Relaying::kNo;
  std::string user = {};  // who handed it in by submission; may be empty
  // The message is a report of these: they are settled with it, together or not at all.
  std::vector<SettledReport> settles = {};
  // Likewise of what it was in the queue: it was held there, and is delivered now. Who is no longer there is
  // passed over.
  std::vector<QueueOutcome> notes = {};
};

struct DeliveredCopy {
  MailboxId mailbox = 0;
  std::string address;
  std::string uidl;
  std::uint64_t size = 0;  // octets, trace lines included
};
struct Delivered {
  std::vector<DeliveredCopy> copies;
  // With Failures::kOfEachRecipient: for each of the envelope's recipients why it has no copy, or nothing.
  std::vector<std::optional<Error>> failures;
  std::size_t queued = 0;  // recipients that wait in the queue
};

struct MailboxSummary {
  MailboxId id = 0;
  Address address;
  bool enabled = true;
  bool has_password = true;  // false after a rebuild without the accounts: set one
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;
  std::int64_t created_at = 0;         // Unix seconds
  std::int64_t last_delivery_at = 0;   // Unix seconds, 0: never
  std::int64_t last_login_at = 0;      // Unix seconds, 0: never
  std::uint64_t deleted_messages = 0;  // deleted, and kept to be restored; not among `messages`
  std::uint64_t deleted_octets = 0;
  std::uint64_t quota = 0;                 // what `octets` may be at most; 0: any number
  std::optional<std::uint64_t> own_quota;  // nullopt: the quota is the default
};

struct AppPasswordSummary {
  std::string name;  // of the device
  PasswordScope scope = PasswordScope::kReadAndSend;
  Apop apop = Apop::kNo;
  std::int64_t created_at = 0;    // Unix seconds
  std::int64_t last_used_at = 0;  // Unix seconds, 0: never
};

struct NewAppPassword {
  std::string name;
  PasswordScope scope = PasswordScope::kReadAndSend;
  ApopUse apop = ApopUse::kNo;
  std::string password;  // generated, ASCII: see generate_app_password()
};

// What a login is checked with. Wiped when it goes.
struct AppPasswordKeys {
  AppPasswordId id = 0;
  std::string name;
  PasswordScope scope = PasswordScope::kReadAndSend;
  std::string salt;
  unsigned iterations = 0;
  scram::Keys keys;
  std::string apop_secret;  // empty: not for APOP, or lost

  AppPasswordKeys() = default;
  AppPasswordKeys(AppPasswordKeys&&) = default;
  AppPasswordKeys& operator=(AppPasswordKeys&&) = default;
  ~AppPasswordKeys();
};
struct Credentials {
  std::string password_hash;  // PHC string; empty: no password
  std::vector<AppPasswordKeys> app_passwords;
};
// What becomes of messages that a client deletes.
enum class Deleted {
  kFreed,  // gone for good
  kKept,   // until free_deleted() finds them old, or the disk low
};
enum class LostFiles { kRefuse, kLeaveOut };

struct DeleteTerms {
  Deleted deleted = Deleted::kFreed;
  std::string device = {};  // who deletes, for people; may be empty
};
struct FreeTerms {
  std::int64_t kept_seconds = 0;  // deleted mail that is older goes
  std::uint64_t least_free = 0;   // octets; with less room on the disk the oldest goes before its time
};
struct DeletedTotals {
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;
};

// A message that a session sent whole.
struct TakenMessage {
  std::int64_t message = 0;   // MaildropEntry::key
  std::int64_t first_at = 0;  // Unix seconds, as the next
  std::int64_t last_at = 0;
};
struct DeviceFacts {
  std::string name;  // of the app password, else the client's address
  std::int64_t first_seen_at = 0;
  std::int64_t last_seen_at = 0;
  std::uint64_t taken = 0;  // messages fetched whole, each counted once
};

enum class MessageEventKind { kFetched, kDeleted, kRestored };
struct MessageEvent {
  MessageEventKind kind = MessageEventKind::kFetched;
  std::int64_t at = 0;       // Unix seconds
  std::int64_t last_at = 0;  // of kFetched: the last time
  std::string device;        // empty: not known
};
enum class Standing {
  kPresent,
  kMissing,  // its file is not there
  kDeleted,  // can be restored
  kGone,     // deleted for good; its file goes in a moment
};
struct KnownMessage {
  std::int64_t key = 0;  // its place in the maildrop's order
  MailboxId mailbox = 0;
  Address address;
  std::string uidl;        // also the queue id that its sender was told
  std::string message_id;  // of its header, without brackets; may be empty
  std::uint64_t size = 0;  // octets
  std::int64_t received_at = 0;
  Standing standing = Standing::kPresent;
  std::int64_t deleted_at = 0;  // this and the next three when it can be restored
  std::string deleted_by;
  std::int64_t deleted_for = 0;      // seconds that count, see storage/database/aging.h
  std::int64_t deleted_age = 0;      // of the store then: who was deleted later has no smaller one
  std::vector<MessageEvent> events;  // in time's order
};
enum class MessageListing { kPresent, kDeleted };

enum class KeepMail { kNo, kYes };

// In a mailbox for a message; of several mailboxes the best of theirs.
enum class Room {
  kYes,
  kNo,     // not now
  kNever,  // it is larger than the quota
};

// No quota is larger, octets.
inline constexpr std::uint64_t kMostQuota = 1ull << 50;

inline constexpr std::chrono::seconds kRetentionStep{3600};
// So long a finished message of the queue can be asked about.
inline constexpr std::chrono::seconds kQueueHistory{30 * 24 * 3600};

// A held maildrop: the lock of one POP3 session, and what the mailbox held when it was taken. Destroying it
// frees the lock, and only its own. Made on the storage thread; may be looked at and destroyed on any.
class Maildrop {
 public:
  virtual ~Maildrop() = default;
  virtual MailboxId mailbox() const = 0;
  virtual const MaildropTotals& totals() const = 0;
  // The page if it is in memory; else null, and Store::read_page() reads it.
  virtual std::shared_ptr<const MaildropPage> page(std::size_t number) const = 0;
};

// One message open for reading.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  // Appends up to `length` bytes from `offset`; appends nothing at the end of the file.
  virtual Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) = 0;
};

// Files that were written for small messages and are still to be brought to the disk.
class Filing {
 public:
  virtual ~Filing() = default;
  // Waits for the disk. Any thread, once.
  virtual void sync() = 0;
  virtual std::size_t size() const = 0;  // messages
};

class Store {
 public:
  // Opens or makes the data folder, takes its lock, migrates the schema, and recovers. kInUse: another
  // process has the folder (the message names it). kDenied, kNoSpace, kIo: nothing was changed.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options, RecoveryReport& report);
  virtual ~Store() = default;

  // The newest directory. Any thread.
  virtual std::shared_ptr<const Directory> directory() const = 0;

  // Accounts. `password_hash` is a PHC string (see storage/accounts/password.h).
  virtual Result<void> add_mailbox(const Address& address, const std::string& password_hash) = 0;
  // kInUse: aliases lead to it. Durable on return; the mail of a mailbox removed without it lies aside until
  // sweep_removed().
  virtual Result<void> remove_mailbox(const Address& address, KeepMail keep) = 0;
  // Deletes up to `at_most` rows or files of removed mailboxes; true when more is left: call it again. An
  // error tells of the first file that resists, when all others are gone. close() and the next start sweep
  // too.
  virtual Result<bool> sweep_removed(std::size_t at_most) = 0;
  virtual Result<void> set_password(const Address& address, const std::string& password_hash) = 0;
  virtual Result<void> set_enabled(const Address& address, bool enabled) = 0;
  // Quotas: how many octets the messages that are present in a mailbox may have; 0: any number. They decide
  // what deliver() takes and no more: a mailbox whose quota is lowered keeps its mail. nullopt: the default
  // from now on. kInvalid: more than kMostQuota.
  virtual Result<void> set_quota(const Address& address, std::optional<std::uint64_t> octets) = 0;
  // Of mailboxes without a quota of their own. Any thread, as the next two.
  virtual void set_default_quota(std::uint64_t octets) = 0;
  // For a message of so many octets, 0 when that is not known, in the mailboxes that mail to `recipient` is
  // kept in; kYes when there are none. From memory.
  virtual Room room_for(const Address& recipient, std::uint64_t octets) const = 0;
  virtual std::size_t full_mailboxes() const = 0;
  // App passwords. kExists: there is one of this name (letter case does not matter). kInvalid: the name, or
  // too many.
  virtual Result<void> add_app_password(const Address& address, const NewAppPassword& password) = 0;
  virtual Result<std::vector<AppPasswordSummary>> list_app_passwords(const Address& address) = 0;
  virtual Result<void> revoke_app_password(const Address& address, const std::string& name) = 0;
  // kNotFound for an unknown or disabled mailbox.
  virtual Result<Credentials> credentials(const Address& address) = 0;
  // The salt for SCRAM that belongs to this name, which need not be a mailbox's or even an address: who asks
  // cannot tell from it whether it is. Any thread.
  virtual std::string scram_salt(const std::string& name) const = 0;
  // Remembered, and written with the next change that is worth a flush, by write_notes(), or by close(); what
  // a crash takes is no harm.
  virtual Result<void> note_login(MailboxId mailbox, const std::string& device = {},
                                  AppPasswordId app_password = 0) = 0;
  virtual Result<void> note_taken(MailboxId mailbox, const std::string& device,
                                  std::span<const TakenMessage> taken) = 0;
  virtual Result<void> write_notes() = 0;
  // Refused mail, remembered for the next server: all of it, the oldest first; and what is new.
  virtual Result<std::vector<RefusedMail>> refused_mail() = 0;
  virtual Result<void> change_refused_mail(const RefusedMailChanges& changes) = 0;
  // The last seen first.
  virtual Result<std::vector<DeviceFacts>> list_devices(const Address& address) = 0;
  virtual Result<std::vector<MailboxSummary>> list_mailboxes() = 0;
  virtual Result<MailboxSummary> show_mailbox(const Address& address) = 0;

  // Aliases. `name` is "local@domain" or "@domain". Targets have to be mailboxes or aliases of ours.
  virtual Result<void> add_alias(const std::string& name, const std::vector<Address>& targets) = 0;
  virtual Result<void> remove_alias(const std::string& name) = 0;

  // Keys that sign mail of a domain of ours, of A-labels. The first use makes them, which takes some 100 ms.
  // kNotFound: it is not ours. kCorrupt: the message names the file; mail goes unsigned until it is put
  // right.
  virtual Result<DkimSigners> dkim_keys(const std::string& domain) = 0;
  // The same from memory; null: not known yet, ask dkim_keys(). Any thread.
  virtual DkimSigners known_dkim_keys(const std::string& domain) const = 0;
  // All of them, in the order in which they were made; the first are made here, too.
  virtual Result<std::vector<DkimKeyEntry>> list_dkim_keys(const std::string& domain) = 0;
  // Makes the next keys, unless they are there, and forgets what was retired for kDkimRetirement.
  virtual Result<void> prepare_dkim_keys(const std::string& domain) = 0;
  // The next keys sign from now on. kNotFound: there are none.
  virtual Result<void> activate_dkim_keys(const std::string& domain) = 0;

  // The key of Srs, which is the same as long as secret.key is. Any thread.
  virtual std::string srs_key() const = 0;
  // Does this address lead back to somebody whose mail we passed on? It takes reports, mail from <>, and no
  // other mail. Any thread.
  virtual bool takes_reports(const Address& recipient) const = 0;

  // An identity for a message: 15 characters of 0-9a-z, sorted by time, never given twice. Any thread.
  virtual std::string new_id() = 0;
  virtual Result<std::unique_ptr<Spool>> new_spool() = 0;  // any thread

  // Makes messages durable, together; the i-th result is the i-th delivery's. Each message goes whole to all
  // its recipients or to none, or as its `failures` say. Return-Path and Delivered-To are put in front of
  // each copy (RFC 5321 4.4). kNotFound: a recipient was removed meanwhile. kOverQuota: none of its mailboxes
  // has room for it; with room in one of them it goes to all. kTooLarge: likewise, and it is larger than each
  // one's quota. kNoSpace, kIo: nothing of that message was kept.
  virtual std::vector<Result<Delivered>> deliver(std::span<Delivery> deliveries) = 0;
  // deliver() and note_outcomes() with one commit for both. They do not fail for each other's sake.
  struct Committed {
    std::vector<Result<Delivered>> delivered;
    Result<void> noted;
  };
  virtual Committed deliver_and_note(std::span<Delivery> deliveries,
                                     std::span<const QueueOutcome> outcomes) = 0;

  // Small messages are durable before they are in the index; whatever is asked of the store takes them in
  // first, or this does, so many at a time. True: it has begun with more than these. It waits for no flush.
  virtual Result<bool> index_mail(std::size_t at_most = SIZE_MAX) = 0;
  virtual std::size_t unindexed() const = 0;

  // Small messages are durable, and can be read, before they have a file. Writes files for those that came
  // `age` ago or earlier, the oldest first; then sync() has to be called, on whatever thread, and
  // end_filing(). Null: there are none. A message that cannot have one now stays where it is: an error of
  // either call is for people.
  virtual Result<std::unique_ptr<Filing>> begin_filing(std::chrono::milliseconds age,
                                                       std::size_t at_most) = 0;
  virtual Result<void> end_filing(Filing& filing) = 0;
  // How many have none, and no Filing of theirs is under way.
  virtual std::size_t unfiled() const = 0;

  // The queue (queue.h). What has to be known of it to work it off, of unfinished messages behind `after`,
  // the oldest first, up to `at_most` messages; `after` becomes the last one's row. Later changes are told by
  // take_queue_changes().
  virtual Result<std::vector<QueueEntry>> queue_entries(QueueRow& after, std::size_t at_most) = 0;
  // What has changed since the last call, whoever changed it.
  virtual std::vector<QueueEntry> take_queue_changes() = 0;
  // kNotFound.
  virtual Result<QueuedMessage> queued_message(QueueRow message) = 0;
  virtual Result<std::unique_ptr<MessageReader>> open_queued(const QueuedMessage& message) = 0;
  // All or nothing, durable on return. A recipient that is no longer there is passed over. A message of which
  // nothing is left to do is finished: its file goes, its rows stay for kQueueHistory.
  virtual Result<void> note_outcomes(std::span<const QueueOutcome> outcomes) = 0;
  // Settles reports that are not sent: nobody is to have them.
  virtual Result<void> settle_reports(std::span<const SettledReport> reports) = 0;
  virtual Result<QueueTotals> queue_totals() = 0;
  // Since when somebody waits the longest of the unfinished messages that nobody wants held: since it came,
  // its sender wanted it sent, or somebody released it. 0: none waits. Costs the same for any queue that is
  // not held.
  virtual Result<std::int64_t> queue_waits_since() = 0;
  // For people. `id` is a queue id. Unfinished messages, the oldest first, behind `after`.
  virtual Result<std::vector<QueuedMessage>> list_queue(QueueRow after, std::size_t at_most) = 0;
  virtual Result<QueuedMessage> find_queued(const std::string& id) = 0;
  // By queue id, Message-ID, or the address of a recipient; finished ones too. At most 100, the newest first.
  virtual Result<std::vector<QueuedMessage>> search_queue(const std::string& what) = 0;
  // Of one of its recipients, in time's order.
  virtual Result<std::vector<QueueAttempt>> queue_attempts(RecipientRow recipient) = 0;
  // What was done with it besides, in time's order.
  virtual Result<std::vector<QueueEvent>> queue_events(QueueRow message) = 0;
  // What is kept of its header also when the message itself is gone: trace fields, results of checks, From
  // and Subject, as they stand. Empty: it came before this was kept.
  virtual Result<std::string> queued_header(QueueRow message) = 0;
  // Its recipients are tried at once, but not before its Envelope::hold_until.
  virtual Result<void> retry_queued(const std::string& id) = 0;
  // Likewise at most so many messages behind `after` that are not held, the oldest first; `after` becomes the
  // last of them. How many; fewer than asked for: that was all.
  virtual Result<std::size_t> retry_queue(QueueRow& after, std::size_t at_most) = 0;
  virtual Result<void> hold_queued(const std::string& id) = 0;
  // Ends hold_queued(), and the sender's own hold_until.
  virtual Result<void> release_queued(const std::string& id) = 0;
  // Nobody is sent it any more, and nobody is told.
  virtual Result<void> drop_queued(const std::string& id) = 0;
  // Gives up to `at_most` messages their files that have waited for longer than `age` without one; true when
  // there are more. What is worth a file costs nobody a message when the index is lost. Files of finished
  // messages that could not be removed are tried again.
  virtual Result<bool> file_queued(std::chrono::seconds age, std::size_t at_most) = 0;
  // Forgets up to `at_most` messages whose history is over, but for those whose file cannot be removed; true
  // when there are more.
  virtual Result<bool> forget_finished(std::size_t at_most) = 0;

  // Takes the POP3 lock, and the mailbox as it is now, the oldest message first. Costs the same for any
  // number of messages. kInUse: another session holds it. kNotFound.
  virtual Result<std::unique_ptr<Maildrop>> open_maildrop(MailboxId mailbox) = 0;
  // A page of it, as it was at open_maildrop(): Maildrop::totals() tells how many there are, and their
  // lengths.
  virtual Result<std::shared_ptr<const MaildropPage>> read_page(const Maildrop& maildrop,
                                                                std::size_t number) = 0;
  // kNotFound: the file vanished, kCorrupt: its size is not the index's.
  virtual Result<std::unique_ptr<MessageReader>> open_message(const Maildrop& maildrop,
                                                              std::size_t index) = 0;
  // Deletes these messages of the maildrop: all or nothing, durable on return. No maildrop shows them from
  // then on; their files lie where they are until purge_deleted().
  virtual Result<void> commit_deletes(const Maildrop& maildrop, std::span<const std::size_t> indices,
                                      const DeleteTerms& terms = {}) = 0;
  // Removes the files of up to `at_most` deleted messages, or puts them aside when they are kept; returns how
  // many are left: call it again until none is. On an error wait for the next delete. close() and the next
  // start purge too.
  virtual Result<std::size_t> purge_deleted(MailboxId mailbox, std::size_t at_most) = 0;
  // Frees up to `at_most` of the deleted messages that are kept, the oldest first: those past their time, and
  // while the disk is low others. True when more is to be done: call it again.
  virtual Result<bool> free_deleted(const FreeTerms& terms, std::size_t at_most) = 0;
  virtual DeletedTotals deleted_totals() const = 0;  // any thread
  // Puts deleted messages back, with their UIDL and in their old place of the order: all or nothing, durable
  // on return. A session that is open goes on without them. kNotFound: not one of the mailbox's deleted
  // messages. Those whose files are gone are in the way of all, or left out; the UIDLs of these are returned.
  virtual Result<std::vector<std::string>> restore_messages(const Address& address,
                                                            std::span<const std::string> uidls,
                                                            LostFiles lost = LostFiles::kRefuse) = 0;

  // In the maildrop's order, or from its end, without their events. Of a large mailbox take a slice at a
  // time.
  virtual Result<std::vector<KnownMessage>> list_messages(const Address& address, MessageListing which,
                                                          const MessageSlice& slice = {}) = 0;
  virtual Result<KnownMessage> show_message(const Address& address, const std::string& uidl) = 0;
  // By UIDL or queue id, or by Message-ID with or without its brackets, in all mailboxes.
  virtual Result<std::vector<KnownMessage>> find_messages(const std::string& id) = 0;
  // The first `at_most` octets of a message of any standing.
  virtual Result<std::string> read_beginning(const KnownMessage& message, std::size_t at_most) = 0;

  // Mail from other servers and files, with the UIDLs and times that it had there. Durable on return,
  // together, and in the order of the batch; the i-th result is the i-th message's. No quota holds for it.
  // One that fails (kInvalid, kNoSpace, kIo) does not keep the others. Call it with some dozens at a time:
  // nobody else has the store meanwhile.
  virtual std::vector<Result<Imported>> import_messages(const Address& address,
                                                        std::span<const Import> messages) = 0;
  // What became of the messages that import_messages() brought from this source before. Files are looked for,
  // and not read: pass some hundreds at most.
  virtual Result<std::vector<WasImported>> were_imported(const Address& address, const std::string& source,
                                                         std::span<const ImportQuestion> questions) = 0;
  // The first `at_most` present messages behind this key (0: the beginning), in the maildrop's order. Who
  // reads page after page sees a message that comes meanwhile at the end.
  virtual Result<std::vector<ExportEntry>> export_entries(const Address& address, std::int64_t after,
                                                          std::size_t at_most) = 0;
  // kNotFound: it was deleted since. kCorrupt: its file has another size.
  virtual Result<std::unique_ptr<MessageReader>> open_entry(const Address& address,
                                                            const ExportEntry& entry) = 0;

  // Of other hosts' TLS; see tls_facts.h. Durable on return.
  virtual Result<std::vector<KeptStsPolicy>> sts_policies() = 0;
  virtual Result<void> keep_sts_policy(const KeptStsPolicy& policy) = 0;
  virtual Result<void> add_tls_counts(std::span<const TlsCount> counts) = 0;
  // From that day on.
  virtual Result<std::vector<TlsCount>> tls_counts(std::int64_t since) = 0;
  virtual Result<std::vector<TlsCount>> tls_counts_of(const DueTlsReport& report) = 0;
  virtual Result<std::vector<DueTlsReport>> due_tls_reports(std::int64_t before) = 0;
  virtual Result<void> settle_tls_report(const DueTlsReport& report) = 0;

  // Looks anew at what a check (checker.h) suspects, and mends it. The i-th is the i-th suspicion's. A
  // message that is to be mended may be read whole: pass a few. Durable on return.
  virtual std::vector<Result<Judgement>> judge(std::span<const Suspicion> suspicions, Mend mend) = 0;
  // A database that a check found damaged: its indexes are made anew. What that does not mend is left to the
  // next start, which then makes another database of what can be read.
  virtual Result<Judgement> mend_database() = 0;
  // Of messages that are gone, or whose hash is known by now, nothing is noted.
  virtual Result<void> learn_hashes(std::span<const LearntHash> learnt) = 0;

  // Imports up to `at_most` of the files that other mail tools put into the mailboxes' folders, of what the
  // start and logins found there and left for later; then looks at up to `at_most` messages whose header an
  // older program did not look at. True when more is left: call it again. Call it at the start, and when
  // files_wait() says so. What goes wrong is among the notices, and tried again at a login.
  virtual Result<bool> take_in_files(std::size_t at_most) = 0;
  virtual bool files_wait() const = 0;

  // Retention (RFC 2449 6.7). A message's time counts what advance_retention() was told since it came, not
  // what the clock says: a clock that was wrong removes nobody's mail. Durable on return. `elapsed`: what the
  // server has run since the last call; of more than kRetentionStep only that counts.
  virtual Result<void> advance_retention(std::chrono::seconds elapsed) = 0;
  // Deletes, as commit_deletes() does, up to `at_most` messages that have been there for `kept`, and never
  // one before that; returns how many. kInUse: a session has the mailbox.
  virtual Result<std::size_t> expire_messages(MailboxId mailbox, std::chrono::seconds kept,
                                              std::size_t at_most, const DeleteTerms& terms) = 0;
  // What the store found and did unasked since the last call, a sentence each: files imported, moved,
  // missing, unreadable. Nothing is said twice that has not changed.
  virtual std::vector<std::string> take_notices() = 0;
  // Makes a notice of the error of a call that nobody waits for.
  virtual void note_trouble(const Error& error) = 0;

  // Octets free for messages on the data folder's file system. Any thread.
  virtual Result<std::uint64_t> free_space() const = 0;

  // Marks the folder as closed properly. The destructor does the same when the caller did not.
  virtual Result<void> close() = 0;

  // When the last good backup was made, Unix seconds; 0: never. Any thread.
  virtual std::int64_t last_backup_at() const = 0;
  // Whatever failed before it is over. `folder` is the whole path of where it is; empty: not told.
  virtual Result<void> note_backup(std::int64_t at, std::string_view folder = {}) = 0;
  // One that failed, in words; kept until a good one.
  virtual Result<void> note_backup_failure(std::int64_t at, std::string_view why) = 0;
  // May backups of this store be in that folder? Of one that was made without its folder being told, any may.
  virtual Result<bool> may_hold_backups(std::string_view folder) = 0;

  // What the postmaster is told of, as far as it has to outlast a restart.
  struct AlertNotes {
    std::string told;                   // as it was kept
    std::int64_t backup_failed_at = 0;  // 0: none has since the last good one
    std::string backup_failure;
  };
  virtual Result<AlertNotes> alert_notes() = 0;
  virtual Result<void> keep_told_alerts(std::string_view told) = 0;
};

}  // namespace mailstead

// Delivery of a batch of messages into maildirs; delivery_plan.cc decides where each goes.
//
// Small messages to mailboxes here go into the journal, together (arrivals.h); their rows and files are made
// later. All else has its rows in one transaction, and with them the bytes of small messages in which the
// queue has a part (contents.h). Of a large message, or when there are too many small ones, first the file:
// for each mailbox a draft in tmp/ is written and synced, then moved to new/; then each touched new/ is
// synced. Only after the append or the commit is anything reported as delivered. A message that fails on the
// way is withdrawn whole, without harm to the others. A crash leaves drafts, which are swept, or files
// without rows, which are adopted: messages that nobody was promised, at most once each.
// Threads: the storage thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/accounts/directory.h"
#include "storage/accounts/forwarding.h"
#include "storage/accounts/quotas.h"
#include "storage/database/database.h"
#include "storage/delivery/arrivals.h"
#include "storage/delivery/contents.h"
#include "storage/delivery/filing.h"
#include "storage/folder.h"
#include "storage/look/reconcile.h"
#include "storage/look/watch.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/content_hash.h"
#include "storage/mailbox/maildir.h"
#include "storage/queue/queueing.h"
#include "storage/store.h"

namespace mailstead {

class DeliveryBatch {
 public:
  struct Passing {
    std::string srs_key;
    std::function<std::string()> new_id;  // for what is queued besides a message's own copy
  };
  // Where small messages go.
  struct Small {
    Filer& filer;
    Arrivals& arrivals;
    MailContents& mail;
    QueueContents& queue;
  };
  DeliveryBatch(const DataFolder& folder, Database& database, const Directory& directory,
                const Naming& naming, MaildirWatch& watch, Quotas& quotas, Small small, Passing passing);

  // `outcomes` are written down in the same transaction, see noted().
  std::vector<Result<Delivered>> deliver(std::span<Delivery> deliveries,
                                         std::span<const QueueOutcome> outcomes);
  // False: there was no transaction; nobody has written down the outcomes.
  bool noted() const { return noted_; }
  // Of the queue, what came into it and what a report has settled.
  std::vector<QueueRow> changed_in_queue() const;

 private:
  struct Copy {
    std::size_t message;  // index in the batch
    MailboxId mailbox;
    std::string name;       // file name, in tmp/ and then in new/
    std::string head = {};  // of this copy
    HeaderFacts header = {};
    std::uint64_t size = 0;
    ContentHash hash = {};
    std::int64_t row = 0;      // once it is written
    bool is_small = false;     // it needs no file yet
    bool in_database = false;  // its bytes go with its row
    bool in_tmp = false;
    bool in_new = false;
    FileHandle file = {};  // while its group is written
  };
  struct Message {
    Delivery* delivery;
    std::string id;
    std::string rest;  // of the content, with the final CRLF that it may have lacked
    bool has_dot_lines = false;
    bool eight_bit = false;
    HeaderFacts header;
    std::unordered_set<std::string> delivered_to;  // keys of its Delivered-To lines
    std::optional<Error> error;
    std::string message_id;  // of its header
    // With Failures::kOfEachRecipient: of those who cannot have it.
    std::vector<std::optional<Error>> failures;
    std::map<MailboxId, Address> asked_as = {};  // the recipient by which each mailbox was reached
    bool tls_is_optional = false;
    std::string told = {};  // ContentScan::told()
    bool in_queue = false;  // a part of it is
    bool in_journal = false;
  };
  using Maildirs = std::map<MailboxId, Maildir>;

  struct Destinations {
    std::vector<MailboxId> mailboxes;
    std::vector<QueuedRecipient> queued;  // elsewhere, or to be reported
    struct Copy {
      Address via;  // the alias that passes it on
      std::vector<QueuedRecipient> recipients;
    };
    std::vector<Copy> forwarded;
    std::vector<std::string> targets;  // keys of those that it is passed on to
  };
  void plan(std::size_t message);
  bool plan_recipients(Message& message, Destinations& destinations);
  std::optional<Error> plan_recipient(Message& message, const Recipient& recipient,
                                      Destinations& destinations);
  bool plan_held(Message& message, Destinations& destinations) const;
  bool plan_report(const Message& message, const Recipient& recipient, Destinations& destinations) const;
  std::optional<Error> plan_forwards(const Message& message, const Recipient& recipient, Places places,
                                     Destinations& destinations) const;
  QueuedRecipient waiting(Recipient recipient) const;
  void plan_queue(std::size_t message, std::vector<QueuedRecipient> recipients);
  void plan_forwarded(std::size_t message, std::string id, Destinations::Copy copy);
  QueuedMessage queued_message(const Message& message) const;
  static std::string kept_header(const Message& message);
  std::optional<Error> examine(Message& message);
  Result<std::vector<MailboxId>> mailboxes_of(const Address& recipient,
                                              const std::unordered_set<std::string>& delivered_to) const;
  std::optional<Error> find_room(const Message& message, const std::vector<MailboxId>& mailboxes);
  std::string head_of(const Message& message, MailboxId mailbox) const;
  void plan_copies();
  void plan_copy(Copy& copy) const;
  bool fits_into_journal(const Message& message) const;
  void write_journal();
  std::vector<Arrival> arrivals_of(std::size_t message) const;
  void write_files();
  void write_group(std::span<Copy* const> group);
  Result<void> hash_large(Copy& copy) const;
  Result<void> write_copy(Copy& copy, Maildirs& maildirs);
  void publish_group(std::span<Copy* const> group, Maildirs& maildirs);
  Result<Maildir*> maildir_of(MailboxId mailbox, Maildirs& maildirs);
  void fail(Copy& copy, const Error& error);
  void withdraw_failed();
  Result<void> write_rows();
  Result<bool> try_write_rows();
  Result<void> write_queue_changes();
  Queueing::Failed failed() const;
  std::vector<Result<Delivered>> results() const;

  const DataFolder& folder_;
  Database& database_;
  const Directory& directory_;
  const Naming& naming_;
  MaildirWatch& watch_;
  Quotas& quotas_;
  Filer& filer_;
  Arrivals& arrivals_;
  MailContents& contents_;
  std::unordered_map<MailboxId, std::uint64_t> coming_;  // octets, of this batch
  std::int64_t now_;
  Forwarding forwarding_;
  std::function<std::string()> new_id_;
  std::vector<Message> messages_;
  std::deque<std::string> heads_;  // of what is queued
  std::vector<Copy> copies_;
  Queueing queueing_;
  std::vector<QueueRow> settled_;
  std::span<const QueueOutcome> outcomes_;
  bool outcomes_failed_ = false;
  bool noted_ = false;
};

}  // namespace mailstead

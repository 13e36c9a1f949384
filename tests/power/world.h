// A store in use, and the ledger of what it was asked for and has promised: who uses it says so before and
// after each call.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ledger.h"
#include "storage/store.h"

namespace mailstead::power {

struct Letter {
  std::vector<std::string> recipients;
  std::size_t octets = 0;  // about
  bool is_spooled = false;
  std::string sender = "sender@elsewhere.example";
  bool is_relayed = false;  // to hosts elsewhere, too
};

struct Outcome {
  std::string id;
  std::string recipient;
  QueueState state = QueueState::kDelivered;
};

// Does the other tool see to it that its file lasts?
enum class ForeignSync { kYes, kNo };

class World {
 public:
  // `changed` is called whenever the ledger has changed; may be empty.
  World(std::string data, std::function<void(const Ledger&)> changed)
      : data_(std::move(data)), changed_(std::move(changed)) {}

  // Goes on where `before` was, with a copy of its folder in another place.
  World(const World& before, std::string data)
      : data_(std::move(data)),
        ledger_(before.ledger_),
        last_number_(before.last_number_),
        last_place_(before.last_place_),
        last_password_(before.last_password_),
        last_letter_(before.last_letter_),
        last_import_(before.last_import_) {}

  // Each is false when the store failed; errors() has the reasons. The ledger then says that it may have been
  // done.
  bool open();
  bool close();
  bool add_mailbox(const std::string& name);
  bool remove_mailbox(const std::string& name, KeepMail keep);
  bool sweep_removed();
  bool set_password(const std::string& name);
  bool set_quota(const std::string& name, std::uint64_t octets);
  bool add_app_password(const std::string& mailbox, const std::string& name);
  bool revoke_app_password(const std::string& mailbox, const std::string& name);
  bool add_alias(const std::string& name, const std::vector<std::string>& targets);
  bool remove_alias(const std::string& name);
  bool deliver(const std::vector<Letter>& letters);
  // Small messages get into the index, so many of them.
  bool index_some(std::size_t at_most);
  // Small messages get their files.
  bool file_mail();
  // Deletes those at these places of the list that a client sees; their files lie there until purge().
  bool erase(const std::string& mailbox, const std::vector<std::size_t>& indices, Deleted deleted);
  bool purge(const std::string& mailbox);
  // All that is deleted and can be restored.
  bool restore(const std::string& mailbox);
  // The oldest deleted message, of any mailbox.
  bool free_oldest();
  // Messages that have been there for as long as the store has run.
  bool expire(const std::string& mailbox);
  // What became of the queue's recipients, with letters that are delivered in the same commit.
  bool note(const std::vector<Outcome>& outcomes, const std::vector<Letter>& letters = {});
  bool hold(const std::string& id);
  bool drop(const std::string& id);
  bool file_queued();
  // Another mail tool puts a file into `place` ("new/", "cur/") with LF line ends.
  void put_foreign_file(const std::string& mailbox, const std::string& place, const std::string& name,
                        ForeignSync sync);
  // Another mail tool has seen all messages: their files go to cur/ and get a flag.
  void flag_all(const std::string& mailbox);
  // While the store is closed: a mailbox's folder goes, with what is in it; its domain's, too, when it is the
  // last.
  void lose_folder(const std::string& mailbox);
  // A login that lists everything: from then on the UIDLs are known.
  bool look(const std::string& mailbox);
  // Mail of another server, with the UIDLs that it had there. Large messages are spooled.
  bool import_mail(const std::string& mailbox, const std::vector<std::size_t>& octets);
  bool take_in();
  bool list_keys(const std::string& domain);
  bool prepare_keys(const std::string& domain);
  bool activate_keys(const std::string& domain);
  bool write_notes();
  // Into a folder beside the data folder.
  bool back_up();
  // Everything is looked at, as a check does, and mended.
  bool mend();

  // While the store is closed (world_upheavals.cc):

  // The newest backup becomes the data folder; what was there moves aside.
  bool restore_backup();
  // The data folder is gone.
  void lose_data();
  // The index becomes one of an older program, which open() then brings to its own schema.
  void make_older();
  // Where it tells of messages.
  void damage_index();
  // Somebody writes into files of a mailbox. What it holds counts again after mend().
  enum class Spoil {
    kLineEnds,  // those of Unix, and another word
    kNothing,   // NULs of the same length
  };
  void spoil_file(const std::string& mailbox, const std::string& uidl, Spoil how);
  // An octet of a message in the journal. It counts again after file_mail() and end_spoiling().
  void spoil_unfiled(const std::string& mailbox, const std::string& uidl);
  void end_spoiling(const std::string& mailbox);

  Store& store() { return *store_; }
  bool is_open() const { return store_ != nullptr; }
  const std::string& data() const { return data_; }
  const Ledger& ledger() const { return ledger_; }
  const Findings& errors() const { return errors_; }
  // Of the messages that are there and whose UIDL is known.
  std::string first_uidl(const std::string& mailbox) const;
  std::string last_uidl(const std::string& mailbox) const;
  // Ids of what is in the queue, the oldest first.
  std::vector<std::string> queued() const;
  // A store that cannot be used any more is left as it is: its process has ended.
  void abandon() { static_cast<void>(store_.release()); }

 private:
  struct Planned {
    std::vector<int> copies;
    std::string queue_id;  // empty: nothing is queued
  };

  bool note_error(const Error& error);
  void changed();
  bool finish(const Result<void>& done);
  Delivery plan(const Letter& letter, Planned& planned);
  void settle(const Planned& planned, const Result<Delivered>& result);
  Copy& copy_of(const std::string& mailbox, const std::string& uidl);
  bool change_fates(const std::vector<int>& numbers, Fates asked, Fates done,
                    const std::function<Result<void>()>& change);
  void see(const std::string& mailbox, const std::vector<SeenMessage>& messages);
  std::vector<int> find_all(const std::string& mailbox, const std::vector<SeenMessage>& messages) const;
  bool change_keys(const std::string& domain, const std::function<Result<void>()>& change);

  const std::string data_;
  std::function<void(const Ledger&)> changed_;
  std::unique_ptr<Store> store_;
  Ledger ledger_;
  Findings errors_;
  int last_number_ = 0;
  int last_place_ = 0;
  int last_password_ = 0;
  int last_letter_ = 0;
  int last_import_ = 0;
  // What is there for people when a mailbox is mended.
  std::vector<Bytes> to_be_kept_;
};

}  // namespace mailstead::power

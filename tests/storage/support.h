// What the storage tests share: a scratch folder, a store in it, messages, and a look at the disk.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/store.h"

namespace mailstead::storage_test {

// A folder of its own under the temporary folder, removed with all in it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string data() const { return path_ + "/data"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Address address(const std::string& text);

// Opens and demands that it works. `report` gets what recovery said.
std::unique_ptr<Store> open_store(const std::string& data, RecoveryReport* report = nullptr);
// Opens, expecting to be refused; the error.
Error refused_store(const std::string& data);
// A store with these mailboxes, all with the password hash "$x$".
std::unique_ptr<Store> store_with(const std::string& data, const std::vector<std::string>& mailboxes);

Delivery message(Store& store, const std::vector<std::string>& recipients, const std::string& content);
Result<Delivered> deliver(Store& store, const std::vector<std::string>& recipients,
                          const std::string& content);
// Likewise, but its file is still to be written.
Result<Delivered> deliver_unfiled(Store& store, const std::vector<std::string>& recipients,
                                  const std::string& content);
// What is delivered gets its file, as the server has it done within a second.
Result<void> file_mail(Store& store);
MailboxId id_of(Store& store, const std::string& mailbox);

struct Fetched {
  std::string uidl;
  std::string content;  // whole
};
// Everything in the mailbox by a maildrop that is opened and closed for it.
std::vector<Fetched> fetch_all(Store& store, const std::string& mailbox);
std::vector<std::string> uidls_of(const std::vector<Fetched>& mail);
std::string read_message(Store& store, const Maildrop& maildrop, std::size_t index);
// All pages of it, read now.
MaildropPage entries_of(Store& store, const Maildrop& maildrop);
// Their files, too.
void delete_messages(Store& store, const std::string& mailbox, const std::vector<std::size_t>& indices);
// `content` as it is kept for this mailbox.
std::string kept(const std::string& mailbox, const std::string& content);

bool mentions(const RecoveryReport& report, const std::string& words);

// The disk.
std::vector<std::string> names_in(const std::string& folder);
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);
// Of a store that is closed: what is left is what the files tell.
void lose_index(const std::string& data);
// These octets of a database, with the pages overwritten in which messages are.
std::string with_damaged_messages(std::string database);
void run_sql(const std::string& database, const std::string& sql);
// Ends the store as a power cut would, as far as a living process can: its data folder is copied while it
// runs.
void copy_folder(const std::string& from, const std::string& to);

// SQL that takes what schemas 7 to 16 added: for a database as an older program left it.
inline const std::string kWithoutQueue =
    " ALTER TABLE messages DROP COLUMN came_hash; ALTER TABLE messages DROP COLUMN hash;"
    " DROP TABLE imported; DROP TABLE folder_times; DROP TABLE contents; DROP TABLE refused_mail;"
    " DROP TABLE queue_events; DROP TABLE queue_contents; DROP TABLE "
    "queue_attempts; DROP TABLE queue_recipients; DROP TABLE queue;"
    " DROP TABLE sts_policies; DROP TABLE tls_counts; DROP TABLE tls_reported; ";

inline const std::string kSender = "sender@elsewhere.example";
inline constexpr const char* kAnna = "anna@example.org";
inline constexpr const char* kBert = "bert@example.org";

}  // namespace mailstead::storage_test

// One mailbox's maildir, mail/DOMAIN/USER/{tmp,new,cur} and its `address` file.
//
// A message in it is named by its path in the maildir, "new/NAME" or "cur/NAME:2,FLAGS"; "deleted/NAME" is
// one that was deleted and is kept for a while, in a folder that other mail tools do not look into and that
// is made when it is first needed. Nothing here follows a symbolic link. Ownership: holds four descriptors
// while it lives, five once it touched deleted/; keep few of them. Threads: one at a time. Errors: those of
// files.h, with the mailbox's path in front.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/address.h"
#include "protocols/result.h"
#include "storage/files.h"
#include "storage/folder.h"
#include "storage/mailbox/content.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

// When something was last added to, renamed in or removed from new/ and cur/.
struct MaildirTimes {
  std::int64_t new_time = 0;  // nanoseconds
  std::int64_t cur_time = 0;
  std::int64_t taken_at = 0;  // when it was looked
  std::int64_t latest() const { return std::max(new_time, cur_time); }
  bool operator==(const MaildirTimes& other) const {
    return new_time == other.new_time && cur_time == other.cur_time;
  }
};

// What a message file holds.
struct MessageFacts {
  std::uint64_t size = 0;
  bool has_dot_lines = false;
  bool canonical = false;        // can be sent as it is
  bool unfinished = false;       // somebody is still writing it
  std::int64_t modified_at = 0;  // Unix seconds
  std::string message_id;        // of its header, without brackets
  HeaderFacts header;
  ContentHash hash;
};

// Where a deleted message's file is kept: "deleted/NAME:2,FLAGS" for either folder's path.
std::string path_aside(const std::string& path);
// Where it goes when it is restored: a name with flags is one of cur/.
std::string path_restored(const std::string& path);

class Maildir {
 public:
  static Result<Maildir> open(const DataFolder& folder, const Address& address);
  // Of a data folder that somebody else may hold: `mail_fd` is its mail/.
  static Result<Maildir> open_in(int mail_fd, const Address& address);
  // Of a maildir that is not open: a login opens none that nobody changed.
  static Result<MaildirTimes> times_of(const DataFolder& folder, const Address& address);
  // Likewise of deleted/; 0: there is none.
  static Result<std::int64_t> deleted_time_of(const DataFolder& folder, const Address& address);
  // Is there all that delivery needs?
  static bool is_complete(const DataFolder& folder, const Address& address);
  // Makes what is missing of it, durably, and its `address` file.
  static Result<Maildir> make(const DataFolder& folder, const Address& address);
  // What make() has made goes, but for a folder in which something is.
  static void unmake(const DataFolder& folder, const Address& address);

  const std::string& path() const { return path_; }  // "mail/example.org/anna", for messages

  // Delivery: a draft in tmp/ becomes new/NAME; durable after the file's sync and then sync_new().
  Result<FileHandle> create_draft(const std::string& name);
  Result<void> publish_draft(const std::string& name);
  // The same for any path of a message. kExists: it is taken.
  Result<void> publish_draft_as(const std::string& name, const std::string& path);
  void discard_draft(const std::string& name);
  Result<void> sync_new();
  // And of deleted/ when it was touched.
  Result<void> sync_all();
  // The whole file system that new/ is on, see files.h.
  Result<void> sync_file_system();
  Result<dev_t> device() const;  // of new/

  // deleted/, made durably when it is missing.
  Result<void> make_deleted();
  bool is_there(const std::string& path) const;

  // Moves what is no message, whatever it is, to quarantine/, durably: nobody looks there but people. Returns
  // its path.
  Result<std::string> put_in_quarantine(const std::string& path);
  // The same for octets that have no file. Returns where they are.
  Result<std::string> write_to_quarantine(const std::string& name, std::string_view bytes);
  // A second name for the message in quarantine/, before its file is made another: likewise.
  Result<std::string> keep_in_quarantine(const std::string& path);

  // The names in "new/", "cur/" or "deleted/"; none when there is no such folder. Those that begin with a dot
  // are no messages.
  Result<FolderNames> names_in(std::string_view place) const;
  // Paths of what may be a message, also of those put aside, in no order.
  Result<std::vector<std::string>> list() const;
  Result<RegularFile> open_message(const std::string& path) const;
  Result<MessageFacts> inspect(const std::string& path) const;
  Result<void> remove(const std::string& path);
  Result<void> rename(const std::string& from, const std::string& to);
  // The message with CRLF line ends as a draft, not synced; `draft` is a free name of ours.
  Result<FileHandle> draft_of(const std::string& path, const std::string& draft);
  // The synced draft takes the message's place in one step. The draft then has the old content: discard it
  // after sync_all().
  Result<void> replace_by_draft(const std::string& path, const std::string& draft);
  // When the message was last written, Unix seconds.
  Result<std::int64_t> modified_at(const std::string& path) const;
  Result<MaildirTimes> times() const;
  // Are these two names of one file? What another tool renames meanwhile is never taken for two.
  enum class Names { kOfOneFile, kOfTwoFiles, kFirstGone, kSecondGone };
  Names compare(const std::string& first, const std::string& second) const;

  // Drafts of ours: one that could not be discarded, or that a dead process left.
  Result<std::vector<std::string>> drafts() const;
  // Removes them. Returns how many went.
  Result<std::size_t> sweep_drafts();

 private:
  struct Place {
    int fd;
    std::string name;
  };
  Result<Place> place(const std::string& path) const;
  // kNotFound: there is none yet.
  Result<int> deleted_fd() const;
  struct Quarantine {
    FileHandle folder;
    std::string name;  // free
  };
  Result<Quarantine> quarantine_for(const std::string& name);
  Error here(Error error) const { return in_folder(path_, std::move(error)); }
  Result<void> write_normalised(const FileHandle& from, const FileHandle& to) const;

  std::string path_;
  FileHandle root_;
  FileHandle tmp_;
  FileHandle new_;
  FileHandle cur_;
  mutable FileHandle deleted_;  // opened when it is first needed
};

}  // namespace mailstead

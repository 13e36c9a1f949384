// A maildir of another server, read and never changed: what it holds, in the order in which its POP3 clients
// saw it.
//
// Threads: one. Errors: one line that names the folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/commands/message_text.h"
#include "admin/descriptor.h"
#include "protocols/result.h"

namespace mailstead::admin {

struct MaildirMessage {
  std::string path;  // "cur/NAME:2,S"
  std::string item;  // its name without flags: a message keeps it for ever
  std::string uidl;  // that its clients know; empty: nobody knows one
  std::int64_t received_at = 0;
  std::uint64_t size = 0;  // octets of the file
};

struct MaildirListing {
  std::vector<MaildirMessage> messages;
  std::vector<std::string> skipped;     // "cur/x: why", for people
  std::vector<std::string> subfolders;  // "Sent": not among the messages
  bool has_uidlist = false;
};

class MaildirSource {
 public:
  // `subfolder` of Maildir++, "Sent" for .Sent; empty: the inbox.
  static Result<MaildirSource> open(const std::string& folder, const std::string& subfolder);

  Result<MaildirListing> list(std::string_view uidl_format) const;
  // Reads the file into `text`. kNotFound: it has gone meanwhile, from new/ and from cur/.
  Result<void> read(const MaildirMessage& message, MessageText& text) const;

 private:
  MaildirSource() = default;
  Result<void> list_place(const std::string& place, MaildirListing& listing) const;
  Result<int> open_message(const MaildirMessage& message) const;

  std::string path_;
  Descriptor root_;
  Descriptor inbox_;  // whose subfolders are told
};

// When a message came: what its file's name begins with, or when the file was written, whichever is older.
// The first is lost by no copy, the second tells of mail that was brought from elsewhere.
std::int64_t maildir_time(std::string_view name, std::int64_t modified_at, std::int64_t now);

}  // namespace mailstead::admin

// How an address becomes the names of folders: mail/DOMAIN/USER.
//
// Encoded is Address::key(), so that two spellings of one mailbox share a folder. Letters a-z, digits, and
// . _ + = - stand for themselves; every other byte, and a dot or hyphen at the start, is %xx. So a name is
// never empty, ".", "..", hidden or an option, and two keys never share one. A name of more than
// kMaxEncoded bytes is cut and ends in "%~" and a hash; what it stood for then is in the mailbox's own
// `address` file. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocols/address.h"

namespace mailstead {

inline constexpr std::size_t kMaxEncoded = 200;

std::string encode_name(std::string_view text);
// nullopt: not a name that encode_name() makes, or one that it cut.
std::optional<std::string> decode_name(std::string_view name);

struct MailboxFolderName {
  std::string domain;
  std::string user;
};
MailboxFolderName folder_name(const Address& address);

}  // namespace mailstead

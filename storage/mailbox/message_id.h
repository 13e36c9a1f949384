// Identities of messages and the file names made of them.
//
// An id is 15 characters of 0-9a-v: 11 of microseconds since 1970, 4 random. Ids sort by time and grow
// within a process. A message file is called "<Unix seconds>.<id>.<host>", and the id is the message's
// UIDL: an index that was lost is rebuilt from the names. A message that had another UIDL where it was
// imported from has it behind the host, "<Unix seconds>.<id>.<host>,U=<UIDL>", with what a file name cannot
// have as "%2f". Other mail tools may add flags: "cur/<name>:2,S".
// Threads: MessageIds::next() any; the rest are pure functions.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mailstead {

class MessageIds {
 public:
  std::string next();

 private:
  std::atomic<std::uint64_t> last_{0};  // microseconds given out last
};

struct MessageName {
  std::int64_t seconds = 0;  // when it came here, Unix time
  std::string id;
  std::string host;
  std::string foreign_uidl = {};  // of an imported message: the one it had before; else empty

  // At most 245 characters, so that flags have room; a host that is in the way is cut.
  std::string text() const;
  const std::string& uidl() const { return foreign_uidl.empty() ? id : foreign_uidl; }
};

// 1 to 70 characters of 0x21 to 0x7E (RFC 1939 7).
bool is_uidl(std::string_view text);

bool is_message_id(std::string_view text);
// Letters, digits, dots and hyphens of a host name; never empty, at most 64 characters.
std::string sanitised_host(std::string_view host);
// nullopt: not a name of ours. `base` is without flags.
std::optional<MessageName> parse_message_name(std::string_view base);
// A file name without folder and flags: "cur/x:2,S" gives "x".
std::string_view base_name(std::string_view path);

std::int64_t unix_seconds();

}  // namespace mailstead

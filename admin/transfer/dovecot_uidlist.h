// Dovecot's dovecot-uidlist, versions 1 and 3: which UIDs the messages of a maildir have, and which UIDLs its
// POP3 clients were told.
//
//     3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
//     25021 P0000610b4c09f3b0 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"

namespace mailstead::admin {

struct UidlistEntry {
  std::uint32_t uid = 0;
  std::string saved_uidl;              // P: a UIDL that was kept from another server
  std::string guid;                    // G: where it is not the file name
  std::optional<std::uint32_t> order;  // O: its place in POP3's order
};

struct Uidlist {
  std::uint32_t uid_validity = 0;
  std::uint32_t next_uid = 1;
  std::map<std::string, UidlistEntry> entries;  // by file name without flags
};

// kCorrupt: what is wrong, with the line's number. A last line without its end is passed over.
Result<Uidlist> parse_uidlist(std::string_view text);

// Dovecot's pop3_uidl_format, with %u %v %f %g, widths and X: "%08Xu%08Xv".
inline constexpr std::string_view kDovecotUidlFormat = "%08Xu%08Xv";
// kInvalid: what it cannot be used for.
Result<void> check_uidl_format(std::string_view format);
// `file` without flags. Of a format that was checked.
std::string format_uidl(std::string_view format, const Uidlist& list, const UidlistEntry& entry,
                        std::string_view file);

}  // namespace mailstead::admin

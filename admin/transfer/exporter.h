// The messages of a mailbox, one after the other, for an export. One that is deleted meanwhile is left out,
// one that comes meanwhile is at the end.
//
// Threads: one. Errors: the store cannot be reached.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer_wire.h"
#include "protocols/result.h"

namespace mailstead::admin {

class Exporter {
 public:
  Exporter(StoreAccess& store, std::string address) : store_(store), address_(std::move(address)) {}

  // nullopt: that was all.
  Result<std::optional<ExportItem>> next();
  // Its octets in pieces, CRLF line ends. kNotFound: it cannot be read; the message says why.
  Result<void> read(const ExportItem& item, const std::function<Result<void>(std::string_view)>& take);

 private:
  StoreAccess& store_;
  const std::string address_;
  std::deque<ExportItem> page_;
  std::int64_t last_ = 0;  // key
};

// CRLF becomes LF, over pieces of any size.
class LineFeeds {
 public:
  void add(std::string_view bytes, std::string& into);
  void finish(std::string& into);

 private:
  bool pending_cr_ = false;
};

// LF lines as an mbox has them: "From " at a line's start, also behind ">", gets a ">" (mboxrd).
class MboxQuoting {
 public:
  void add(std::string_view bytes, std::string& into);
  void finish(std::string& into);

 private:
  bool at_line_start_ = true;
  std::string start_;  // of a line that may have to be quoted
};

}  // namespace mailstead::admin

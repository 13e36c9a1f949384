// Hands messages of one source over to a mailbox, in batches, and counts what became of them.
//
// The order of add() is that of the maildrop. What is counted as brought is durable.
// Threads: one. Errors: the import cannot go on (no store, no room); what is wrong with one message is among
// the troubles.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "admin/commands/message_text.h"
#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer_wire.h"
#include "protocols/result.h"

namespace mailstead::admin {

struct ImportCounts {
  std::uint64_t brought = 0;
  std::uint64_t octets = 0;   // of these
  std::uint64_t there = 0;    // were brought before
  std::uint64_t unsure = 0;   // of these: see ImportOutcome::kUnsure
  std::uint64_t renamed = 0;  // brought under another UIDL, since a message here has, or had, theirs
  std::uint64_t failed = 0;
};

class Importer {
 public:
  // `durable` is told each item that is in the mailbox, now or since before, or was deleted there. May be
  // empty.
  Importer(StoreAccess& store, std::string address, std::string source,
           std::function<void(const std::string& item)> durable = {});

  // Which of these (kKnownItems at most) were brought before.
  Result<std::vector<WasImported>> known(const std::vector<ImportQuestion>& questions);
  // `item.bytes` comes from `text`.
  Result<void> add(ImportItem item, const MessageText& text);
  Result<void> flush();

  // One that need not be brought.
  void count_known(WasImported was) {
    ++counts_.there;
    counts_.unsure += was == WasImported::kUnsure;
  }
  const ImportCounts& counts() const { return counts_; }
  // "ITEM: why not", at most kMostTroubles of them.
  const std::vector<std::string>& troubles() const { return troubles_; }
  void note_trouble(const std::string& item, const std::string& why);

 private:
  static constexpr std::size_t kMostTroubles = 20;

  Result<void> add_large(ImportItem item, const MessageText& text);
  Result<bool> hand_over(const std::string& token, const MessageText& text);
  Result<Report> send(std::vector<ImportItem> items);
  Result<void> take(const std::vector<ImportItem>& items, const std::string& json);

  StoreAccess& store_;
  const std::string address_;
  const std::string source_;
  const std::function<void(const std::string&)> durable_;
  std::vector<ImportItem> batch_;
  std::size_t batch_octets_ = 0;
  std::uint64_t large_ = 0;  // messages handed over in pieces
  ImportCounts counts_;
  std::vector<std::string> troubles_;
};

}  // namespace mailstead::admin

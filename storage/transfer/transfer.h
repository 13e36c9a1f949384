// Mail that moves between this store and others: what an import hands over, and what an export is told.
//
// Plain values. Errors and durability stand with the calls, in store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "storage/mailbox/content_hash.h"

namespace mailstead {

class Spool;

// A message from another server or a file. `source` and `item` are its identity there: what was imported once
// into a mailbox is not imported again, even when it has been deleted here since.
struct Import {
  std::string source;  // "pop3 anna@mail.example.org", "maildir"; at most 400 octets
  std::string item;    // what the source calls it; at most 400 octets
  // What its clients know it by (RFC 1939 7); empty: nothing, it gets one that follows from source and item.
  std::string uidl;
  std::int64_t received_at = 0;  // Unix seconds
  // The message is the spool's octets, which may be absent, then `rest`. Its line ends become CRLF.
  std::unique_ptr<Spool> spool;
  std::string rest;
};

enum class ImportOutcome {
  kNew,    // also of one that was imported before and whose file is lost: it is back under its UIDL
  kThere,  // it was imported before, or the mailbox holds the same message under this UIDL
  // It was imported before and is not here; since the database was damaged once, nobody knows whether it was
  // deleted here.
  kUnsure,
};

struct Imported {
  ImportOutcome outcome = ImportOutcome::kNew;
  std::string uidl;        // not the one asked for when another message has, or had, that one
  std::uint64_t size = 0;  // octets; 0 when it was there
};

// A message at its source, and what is known of it there.
struct ImportQuestion {
  std::string item;
  std::optional<std::uint64_t> size = {};  // octets with CRLF line ends
  ContentHash hash = {};                   // of these
};

enum class WasImported {
  kNo,      // or it is lost here, or another message had this name: import_messages() brings it
  kYes,     // and it is on the disk here, or was deleted here: its source need not keep it
  kUnsure,  // as ImportOutcome has it: not to be brought again, and its source is to keep it
};

// A message that is present, for an export.
struct ExportEntry {
  std::int64_t key = 0;  // grows in the maildrop's order, and with time
  std::string uidl;
  std::uint64_t size = 0;        // octets
  std::int64_t received_at = 0;  // Unix seconds
};

}  // namespace mailstead

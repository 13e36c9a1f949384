#include "storage/transfer/imported_table.h"

#include <fmt/format.h>

namespace mailstead {

std::string ImportedTable::another(const std::string& item, const ContentHash& hash) {
  return fmt::format("{}\n{:016x}{:016x}", item, hash.high, hash.low);
}

Result<std::optional<std::string>> ImportedTable::uidl_of(MailboxId mailbox, const std::string& source,
                                                          const std::string& item) {
  std::optional<std::string> uidl;
  auto done =
      each_row(database_.query("SELECT uidl FROM imported WHERE mailbox = ?1 AND source = ?2 AND item = ?3",
                               mailbox, source, item),
               [&](const Statement& row) { uidl = row.text(0); });
  if (!done) return done.error();
  return uidl;
}

Result<bool> ImportedTable::has_uidl(MailboxId mailbox, const std::string& uidl) {
  bool found = false;
  auto done = each_row(
      database_.query("SELECT 1 FROM imported WHERE mailbox = ?1 AND uidl = ?2 LIMIT 1", mailbox, uidl),
      [&](const Statement&) { found = true; });
  if (!done) return done.error();
  return found;
}

Result<void> ImportedTable::add(MailboxId mailbox, const std::string& source, const std::string& item,
                                const std::string& uidl) {
  return database_.run(
      "INSERT OR REPLACE INTO imported (mailbox, source, item, uidl) VALUES (?1, ?2, ?3, ?4)", mailbox,
      source, item, uidl);
}

Result<void> ImportedTable::each(
    const std::function<void(MailboxId mailbox, const std::string& source, const std::string& item,
                             const std::string& uidl)>& take) {
  const auto take_row = [&](const Statement& row) {
    take(row.integer(0), row.text(1), row.text(2), row.text(3));
  };
  const auto done = each_row(
      database_.query("SELECT mailbox, source, item, uidl FROM imported ORDER BY mailbox, source, item"),
      take_row);
  if (done) return done;
  // What lies behind the damage is found from the other end.
  static_cast<void>(each_row(database_.query("SELECT mailbox, source, item, uidl FROM imported"
                                             " ORDER BY mailbox DESC, source DESC, item DESC"),
                             take_row));
  return done;
}

}  // namespace mailstead

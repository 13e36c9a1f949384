#include "storage/mailbox/removal.h"

#include <fmt/format.h>

#include "storage/accounts/accounts.h"
#include "storage/database/schema.h"
#include "storage/mailbox/mailbox_tree.h"

namespace mailstead {

namespace {

Result<void> put_away(const DataFolder& folder, Database& database, const RemovalRow& removal) {
  // The number alone could return after the database was lost; a folder of that name may still be there.
  auto uuid = read_meta(database, "uuid");
  if (!uuid) return uuid.error();
  const KeepMail keep = removal.keep ? KeepMail::kYes : KeepMail::kNo;
  return put_folder_away(folder, removal.address, keep, fmt::format("{}-{}", *uuid, removal.id));
}

Result<void> forget(Database& database, const RemovalRow& removal) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  if (auto done = Accounts(database).forget_removal(removal.id); !done) return done;
  return transaction->commit();
}

}  // namespace

Result<FinishedRemovals> finish_removals(const DataFolder& folder, Database& database) {
  auto removals = Accounts(database).removals();
  if (!removals) return removals.error();
  FinishedRemovals result;
  for (const RemovalRow& removal : *removals) {
    if (auto done = put_away(folder, database, removal); !done) {
      if (done.error().kind == ErrorKind::kCorrupt) return done.error();
      result.failures.push_back(done.error().message);
      continue;
    }
    if (auto done = forget(database, removal); !done) return done.error();
    ++result.finished;
  }
  return result;
}

Result<void> finish_removals_of(const DataFolder& folder, Database& database, const Address& address) {
  auto removals = Accounts(database).removals();
  if (!removals) return removals.error();
  for (const RemovalRow& removal : *removals) {
    if (removal.address.key() != address.key()) continue;
    if (auto done = put_away(folder, database, removal); !done) return done;
    if (auto done = forget(database, removal); !done) return done;
  }
  return {};
}

}  // namespace mailstead

// Refused mail as rows, so that 'mailstead why' knows of it after a restart.
//
// In the caller's transaction. Threads: the storage thread. Errors: those of the database.
#pragma once

#include <vector>

#include "protocols/result.h"
#include "storage/database/database.h"
#include "storage/database/refused_mail.h"

namespace mailstead {

class RefusedTable {
 public:
  explicit RefusedTable(Database& database) : database_(database) {}

  // The oldest first.
  Result<std::vector<RefusedMail>> all();
  Result<void> change(const RefusedMailChanges& changes);

 private:
  Database& database_;
};

}  // namespace mailstead

// Backups of a store and what comes back from them, for the tests about both.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/backup/backup.h"
#include "storage/backup/backup_folder.h"
#include "storage/backup/backup_restore.h"
#include "storage/backup/restore_place.h"
#include "support.h"

namespace mailstead::storage_test {

inline constexpr const char* kMaildir = "/mail/example.org/anna";

Result<void> as_is(const std::function<Result<void>()>& work);
BackupTerms terms_for(const std::string& data);
std::unique_ptr<BackupFolder> backups_in(const std::string& path,
                                         BackupFolder::Use use = BackupFolder::Use::kWrite);
Error refused_backups(const std::string& path, BackupFolder::Use use = BackupFolder::Use::kWrite);

// `meanwhile` is between the moment that it shows and its files.
Result<BackupSummary> try_back_up(
    const std::string& data, const std::string& to, const std::function<void()>& meanwhile = [] {});
BackupSummary back_up(
    const std::string& data, const std::string& to, const std::function<void()>& meanwhile = [] {});

Result<RestoreSummary> try_restore(const std::string& from, const std::string& data,
                                   OldData old_data = OldData::kRefuse,
                                   RestoredQueue queue = RestoredQueue::kSent,
                                   const std::string& generation = "");
RestoreSummary restore(const std::string& from, const std::string& data, OldData old_data = OldData::kRefuse,
                       RestoredQueue queue = RestoredQueue::kSent, const std::string& generation = "");

// Everything that is visible in it is whole.
void check_backups(const std::string& path);
std::vector<std::string> troubles_of_newest(const std::string& backups);

bool is_same_mail(const std::vector<Fetched>& a, const std::vector<Fetched>& b);
std::string numbered_mail(int number);
void deliver_some(Store& store, const std::string& mailbox, int count);
// As `mailstead verify --repair`.
void mend_all(Store& store, const std::string& data);
void flip_octet(const std::string& file);
std::string only_name_in(const std::string& folder);

}  // namespace mailstead::storage_test

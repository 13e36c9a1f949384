#include "backup_support.h"

#include <algorithm>

#include "storage/backup/backup_trial.h"
#include "storage/check/checker.h"
#include "tests/catch.h"

namespace mailstead::storage_test {

Result<void> as_is(const std::function<Result<void>()>& work) {
  return work();
}

BackupTerms terms_for(const std::string& data) {
  BackupTerms terms;
  terms.data = data;
  terms.as_caller = as_is;
  return terms;
}

std::unique_ptr<BackupFolder> backups_in(const std::string& path, BackupFolder::Use use) {
  auto folder = BackupFolder::open(path, use);
  if (!folder) FAIL(folder.error().message);
  return std::move(*folder);
}

Error refused_backups(const std::string& path, BackupFolder::Use use) {
  auto folder = BackupFolder::open(path, use);
  REQUIRE_FALSE(folder.has_value());
  return folder.error();
}

Result<BackupSummary> try_back_up(const std::string& data, const std::string& to,
                                  const std::function<void()>& meanwhile) {
  auto folder = BackupFolder::open(to, BackupFolder::Use::kWrite);
  if (!folder) return folder.error();
  auto backup = Backup::begin(**folder, terms_for(data));
  if (!backup) return backup.error();
  meanwhile();
  if (auto done = (*backup)->finish(); !done) return done.error();
  return (*backup)->summary();
}

BackupSummary back_up(const std::string& data, const std::string& to,
                      const std::function<void()>& meanwhile) {
  auto summary = try_back_up(data, to, meanwhile);
  if (!summary) FAIL(summary.error().message);
  return *summary;
}

Result<RestoreSummary> try_restore(const std::string& from, const std::string& data, OldData old_data,
                                   RestoredQueue queue, const std::string& generation) {
  auto folder = BackupFolder::open(from, BackupFolder::Use::kRead);
  if (!folder) return folder.error();
  auto chosen = (*folder)->choose(generation);
  if (!chosen) return chosen.error();
  auto place = RestorePlace::open(data, "test.example", old_data);
  if (!place) return place.error();
  RestoreSummary summary;
  if (!(*place)->is_whole()) {
    RestoreTerms terms;
    terms.as_caller = as_is;
    terms.queue = queue;
    auto filled = fill_from_backup(**folder, *chosen, (*place)->fd(), (*place)->path(), terms);
    if (!filled) return filled.error();
    summary = *filled;
  }
  if (auto placed = (*place)->put_in_place(); !placed) return placed.error();
  return summary;
}

RestoreSummary restore(const std::string& from, const std::string& data, OldData old_data,
                       RestoredQueue queue, const std::string& generation) {
  auto summary = try_restore(from, data, old_data, queue, generation);
  if (!summary) FAIL(summary.error().message);
  return *summary;
}

void check_backups(const std::string& path) {
  const auto folder = backups_in(path);
  const auto generations = folder->generations();
  REQUIRE(generations.has_value());
  for (const std::string& generation : *generations) {
    INFO(generation);
    auto trial = try_backup(*folder, generation, {});
    if (!trial) FAIL(trial.error().message);
    CHECK(trial->troubles == std::vector<std::string>{});
  }
}

bool is_same_mail(const std::vector<Fetched>& a, const std::vector<Fetched>& b) {
  return std::ranges::equal(
      a, b, [](const Fetched& x, const Fetched& y) { return x.uidl == y.uidl && x.content == y.content; });
}

std::string numbered_mail(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\n.body " + std::to_string(number) + "\r\n";
}

void deliver_some(Store& store, const std::string& mailbox, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(deliver(store, {mailbox}, numbered_mail(i)).has_value());
}

void mend_all(Store& store, const std::string& data) {
  auto checker = Checker::open(data).value();
  const auto mailboxes = checker->mailboxes().value();
  Checker::Found found;
  for (const Checker::Mailbox& mailbox : mailboxes) {
    while (checker->check_messages(mailbox, {1, 0}, found).value()) {
    }
  }
  for (const auto& judgement : store.judge(found.suspicions, Mend::kYes)) REQUIRE(judgement.has_value());
}

void flip_octet(const std::string& file) {
  std::string content = read_file(file);
  content.at(content.size() / 2) ^= 1;
  write_file(file, content);
}

std::vector<std::string> troubles_of_newest(const std::string& backups) {
  const auto folder = backups_in(backups);
  return try_backup(*folder, folder->choose("").value(), {})->troubles;
}

std::string only_name_in(const std::string& folder) {
  const auto names = names_in(folder);
  REQUIRE(names.size() == 1);
  return names.front();
}

}  // namespace mailstead::storage_test

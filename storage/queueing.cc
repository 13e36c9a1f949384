#include "storage/queueing.h"

#include <algorithm>
#include <span>
#include <string>

#include "storage/queue_table.h"

namespace mailstead {

namespace {

// Drafts that are open at one time, as in delivery.cc.
constexpr std::size_t kQueueGroup = 64;

}  // namespace

void Queueing::add(std::size_t message, QueuedMessage queued, const Content& content) {
  queued.size = content.head.size() + content.rest.size() + (content.spool ? content.spool->size() : 0);
  copies_.push_back({message, std::move(queued), content});
}

std::vector<std::pair<std::size_t, Error>> Queueing::write(const Failed& failed) {
  std::vector<std::pair<std::size_t, Error>> failures;
  const auto has_failed = [&](const Copy& copy) {
    return failed(copy.message) ||
           std::ranges::any_of(failures, [&](const auto& failure) { return failure.first == copy.message; });
  };
  for (std::size_t first = 0; first < copies_.size(); first += kQueueGroup) {
    const auto group = std::span(copies_).subspan(first, std::min(kQueueGroup, copies_.size() - first));
    for (Copy& copy : group) {
      if (has_failed(copy)) continue;
      if (auto done = write_draft(copy); !done) failures.emplace_back(copy.message, done.error());
    }
    for (const Copy& copy : group) {
      if (!has_failed(copy)) start_write_back(copy.file.fd());
    }
    for (Copy& copy : group) {
      if (!has_failed(copy)) {
        auto done = sync_handle(copy.file.fd(), copy.queued.id);
        if (done) done = folder_.publish_draft(copy.queued.id);
        if (done) {
          copy.is_draft = false;
          copy.is_published = true;
        } else {
          failures.emplace_back(copy.message, done.error());
        }
      }
      copy.file.reset();
    }
  }
  const bool published = std::ranges::any_of(copies_, [](const Copy& copy) { return copy.is_published; });
  if (!published) return failures;
  if (auto done = folder_.sync(); !done) {
    for (const Copy& copy : copies_) {
      if (copy.is_published) failures.emplace_back(copy.message, done.error());
    }
  }
  return failures;
}

Result<void> Queueing::write_draft(Copy& copy) {
  auto file = folder_.create_draft(copy.queued.id);
  if (!file) return file.error();
  copy.is_draft = true;
  copy.file = std::move(*file);
  std::string bytes = queue_file_head(copy.queued);
  copy.starts_at = bytes.size();
  bytes += copy.content.head;
  if (copy.content.spool != nullptr) {
    if (auto done = write_all(copy.file.fd(), bytes); !done) return in_folder("queue", done.error());
    if (auto done = copy.content.spool->copy_to(copy.file); !done) return in_folder("queue", done.error());
    bytes.clear();
  }
  bytes += copy.content.rest;
  if (auto done = write_all(copy.file.fd(), bytes); !done) return in_folder("queue", done.error());
  return {};
}

void Queueing::withdraw(const Failed& failed) {
  for (Copy& copy : copies_) {
    if (!failed(copy.message)) continue;
    copy.file.reset();
    if (copy.is_draft) folder_.discard_draft(copy.queued.id);
    // Not synced: should power fail now, the file may be adopted; its sender was told to try again.
    if (copy.is_published) static_cast<void>(folder_.remove(copy.queued.id));
    copy.is_draft = false;
    copy.is_published = false;
  }
}

Result<void> Queueing::insert_rows(const Failed& failed, std::size_t& place) {
  QueueTable table(database_);
  for (Copy& copy : copies_) {
    if (failed(copy.message)) continue;
    place = copy.message;
    if (auto done = table.insert(copy.queued, copy.starts_at); !done) return done;
  }
  return {};
}

bool Queueing::has_any(const Failed& failed) const {
  return std::ranges::any_of(copies_, [&](const Copy& copy) { return !failed(copy.message); });
}

std::vector<QueueRow> Queueing::rows(const Failed& failed) const {
  std::vector<QueueRow> rows;
  for (const Copy& copy : copies_) {
    if (!failed(copy.message)) rows.push_back(copy.queued.row);
  }
  return rows;
}

std::size_t Queueing::waiting(std::size_t message) const {
  std::size_t count = 0;
  for (const Copy& copy : copies_) {
    if (copy.message != message) continue;
    count += static_cast<std::size_t>(std::ranges::count_if(
        copy.queued.recipients, [](const QueuedRecipient& r) { return r.state == QueueState::kWaiting; }));
  }
  return count;
}

}  // namespace mailstead

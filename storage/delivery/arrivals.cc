#include "storage/delivery/arrivals.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "storage/accounts/accounts.h"
#include "storage/database/schema.h"
#include "storage/octets.h"

namespace mailstead {

namespace {

constexpr std::size_t kReplayedTogether = 1024;  // rows in a transaction

void write_row(OctetWriter& into, const Arrival& copy) {
  const MessageRow& row = copy.row;
  into.number(static_cast<std::uint64_t>(row.mailbox));
  into.text(copy.address);
  into.text(row.uidl);
  into.text(row.name);
  into.number(row.size);
  into.number(row.has_dot_lines ? 1 : 0);
  into.number(static_cast<std::uint64_t>(row.received_at));
  into.text(row.queue_id);
  into.text(row.message_id);
  into.number(static_cast<std::uint64_t>(row.header.text));
  into.number(static_cast<std::uint64_t>(std::int64_t{row.header.surrogate_growth}));
  into.number(row.hash.high);
  into.number(row.hash.low);
}

Arrival read_row(OctetReader& from) {
  Arrival copy;
  MessageRow& row = copy.row;
  row.mailbox = static_cast<MailboxId>(from.number());
  copy.address = from.text();
  row.uidl = from.text();
  row.name = from.text();
  row.size = from.number();
  row.has_dot_lines = from.number() != 0;
  row.received_at = static_cast<std::int64_t>(from.number());
  row.queue_id = from.text();
  row.message_id = from.text();
  row.header.text = static_cast<HeaderText>(from.number());
  row.header.surrogate_growth = static_cast<std::int32_t>(from.number());
  row.hash.high = from.number();
  row.hash.low = from.number();
  return copy;
}

}  // namespace

std::string arrivals_record(std::span<const Arrival> copies) {
  OctetWriter record;
  record.number(copies.size());
  for (const Arrival& copy : copies) {
    write_row(record, copy);
    record.append(copy.head);
    record.append(copy.rest);
  }
  return record.take();
}

std::optional<std::vector<ReadArrival>> read_arrivals(std::string_view record) {
  OctetReader reader(record);
  std::vector<ReadArrival> copies;
  for (std::uint64_t left = reader.number(); left > 0 && reader.is_good(); --left) {
    ReadArrival& copy = copies.emplace_back(ReadArrival{read_row(reader), 0});
    copy.at = reader.at();
    reader.take(copy.arrival.row.size);
  }
  if (!reader.is_good()) return std::nullopt;
  return copies;
}

Result<void> Arrivals::take(std::span<const std::vector<Arrival>> messages) {
  std::vector<std::string> records;
  records.reserve(messages.size());
  for (const auto& copies : messages) records.push_back(arrivals_record(copies));
  auto appended = journal_.append(records);
  if (!appended) return appended.error();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const JournalPlace& place = appended->places[i];
    // The same way as a start finds them.
    const auto copies = read_arrivals(records[i]);
    for (const ReadArrival& copy : *copies) {
      journal_.hold(place.file);
      octets_ += copy.arrival.row.size;
      ids_.insert(copy.arrival.row.uidl);
      coming_octets_[copy.arrival.row.mailbox] += copy.arrival.row.size;
      coming_.push_back({copy.arrival.row, {place.file, place.at + copy.at}});
    }
    journal_.release(place.file);
  }
  end_ = appended->end;
  expect_rows();
  return {};
}

void Arrivals::expect_rows() {
  if (waiting() > 0) database_.defer([this] { return write_rows(); });
}

std::uint64_t Arrivals::octets_to_come(MailboxId mailbox) const {
  const auto found = coming_octets_.find(mailbox);
  return found == coming_octets_.end() ? 0 : found->second;
}

Result<bool> Arrivals::insert_row(Coming& coming) {
  Index index(database_);
  auto row = index.insert(coming.row);
  if (!row && row.error().kind == ErrorKind::kExists) {
    // SQLite calls much a constraint. Only a row of this UIDL says that the message is in the index; whatever
    // else refuses it does not make it one that may go from the journal.
    auto there = index.of_uidl(coming.row.mailbox, coming.row.uidl);
    if (!there) return there.error();
    if (there->empty()) {
      return Error{ErrorKind::kCorrupt, fmt::format("the index refuses the message {}, which stays in the "
                                                    "journal: {}",
                                                    coming.row.uidl, row.error().message)};
    }
    coming.row.id = 0;
    auto done = replaying_ ? renew_row(coming) : Result<void>();
    return done ? Result<bool>(false) : done.error();
  }
  if (!row) return row.error();
  coming.row.id = *row;
  auto done = contents_.insert_place(*row, coming.place);
  return done ? Result<bool>(true) : done.error();
}

// What is there may be a file that a power loss cut, and that was taken in as it was found.
Result<void> Arrivals::renew_row(Coming& coming) {
  Index index(database_);
  auto rows = index.of_uidl(coming.row.mailbox, coming.row.uidl);
  if (!rows) return rows.error();
  if (rows->empty() || rows->front().state != MessageState::kPresent || rows->front().hash == coming.row.hash)
    return {};
  MessageRow row = coming.row;
  row.id = rows->front().id;
  row.name = rows->front().name;
  auto done = index.update(row);
  return done ? contents_.insert_place(row.id, coming.place) : done;
}

Arrivals::Writing Arrivals::begin_rows() {
  Writing writing;
  writing.rows = std::exchange(coming_, {});
  coming_octets_.clear();
  writing.end = end_;
  // What belongs together lies together in the index; within a mailbox the order is that of the arrival.
  std::ranges::stable_sort(writing.rows, {}, [](const Coming& each) { return each.row.mailbox; });
  return writing;
}

// With the last row all is committed.
Result<void> Arrivals::insert_rows(Writing& writing, std::size_t at_most) {
  if (!writing.transaction) {
    auto transaction = Transaction::begin(database_, Durable::kLater);
    if (!transaction) return transaction.error();
    writing.transaction.emplace(*std::move(transaction));
  }
  for (; writing.at < writing.rows.size() && at_most > 0; ++writing.at, --at_most) {
    Coming& each = writing.rows[writing.at];
    auto is_new = insert_row(each);
    if (!is_new) return is_new.error();
    if (*is_new) writing.last_deliveries[each.row.mailbox] = each.row.received_at;
  }
  if (writing.at < writing.rows.size()) return {};
  Accounts accounts(database_);
  for (const auto& [mailbox, at] : writing.last_deliveries) {
    if (auto done = accounts.note_delivery(mailbox, at); !done) return done.error();
  }
  if (auto done = write_meta(database_, kJournalKey, writing.end.text()); !done) return done.error();
  return writing.transaction->commit();
}

Result<void> Arrivals::write_rows() {
  // What was begun, and what has come since.
  while (writing_ || !coming_.empty()) {
    if (auto done = write_some_rows(SIZE_MAX); !done) return done.error();
  }
  return {};
}

Result<bool> Arrivals::write_some_rows(std::size_t at_most) {
  database_.defer(nullptr);
  auto more = write_on(at_most);
  if (!more && more.error().kind == ErrorKind::kNoSpace) {
    folder_.release_reserve();
    more = write_on(SIZE_MAX);
  }
  failing_ = !more;
  expect_rows();
  return more;
}

Result<bool> Arrivals::write_on(std::size_t at_most) {
  if (!writing_ && coming_.empty()) return false;
  if (!writing_) writing_.emplace(begin_rows());
  auto done = insert_rows(*writing_, at_most);
  if (done && writing_->at < writing_->rows.size()) return true;
  Writing all = *std::exchange(writing_, std::nullopt);
  if (done) {
    written(all);
    return false;
  }
  // They are older than what has come since.
  for (const Coming& each : all.rows) coming_octets_[each.row.mailbox] += each.row.size;
  coming_.insert(coming_.begin(), std::make_move_iterator(all.rows.begin()),
                 std::make_move_iterator(all.rows.end()));
  return done.error();
}

void Arrivals::written(const Writing& all) {
  for (const Coming& each : all.rows) {
    ids_.erase(each.row.uidl);
    octets_ -= each.row.size;
    if (each.row.id == 0) {
      journal_.release(each.place.file);
    } else {
      contents_.keep(each.row.id, each.row.size, each.row.mailbox, each.place.file);
    }
  }
}

Result<std::size_t> Arrivals::replay(const FindMailbox& mailbox_of) {
  auto noted = read_meta(database_, kJournalKey);
  if (!noted) return noted.error();
  std::size_t taken = 0;
  replaying_ = true;
  const auto write = [&]() -> Result<void> {
    Writing writing = begin_rows();
    if (auto done = insert_rows(writing, SIZE_MAX); !done) return done;
    taken += static_cast<std::size_t>(
        std::ranges::count_if(writing.rows, [](const Coming& each) { return each.row.id != 0; }));
    return {};
  };
  auto done =
      journal_.replay(JournalPosition::of_text(*noted), [&](const Journal::Record& record) -> Result<void> {
        const auto copies = read_arrivals(record.octets);
        if (!copies) return {};  // none of ours
        for (const ReadArrival& copy : *copies) {
          MessageRow row = copy.arrival.row;
          row.mailbox = mailbox_of(row.mailbox, copy.arrival.address);
          if (row.mailbox != 0) coming_.push_back({row, {record.place.file, record.place.at + copy.at}});
        }
        end_ = record.end;
        return coming_.size() < kReplayedTogether ? Result<void>() : write();
      });
  if (done && !coming_.empty()) done = write();
  coming_.clear();
  replaying_ = false;
  if (!done) return done.error();
  return taken;
}

// First all that the database knows of the journal is made durable: what it says of yesterday must not be
// read as today's.
Result<void> Arrivals::reclaim() {
  if (!journal_.has_free()) return {};
  if (auto done = write_rows(); !done) return done;
  auto noted = read_meta(database_, kJournalKey);
  if (!noted) return noted.error();
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto done = write_meta(database_, kJournalKey, *noted); !done) return done;
  if (auto done = transaction->commit(); !done) return done;
  journal_.reclaim();
  return {};
}

}  // namespace mailstead

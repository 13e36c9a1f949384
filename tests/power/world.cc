#include "world.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "backups.h"
#include "protocols/smtp/trace.h"

namespace mailstead::power {

namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kSpooledFrom = 100'000;  // octets, of imports

// A text of about so many octets that is like no other in any of its pages.
std::string letter_text(int number, std::size_t octets) {
  std::string text = fmt::format("Subject: letter {}\r\n\r\n", number);
  for (std::size_t line = 0; text.size() < octets; ++line)
    text += fmt::format("{:<{}}\r\n", fmt::format("{} of letter {}", line, number), kLine - 2);
  return text;
}

std::string kept_content(const Letter& letter, const std::string& mailbox, const std::string& text) {
  return return_path_line(address_of(letter.sender)) + delivered_to_line(address_of(mailbox)) + text;
}

}  // namespace

bool World::note_error(const Error& error) {
  errors_.push_back(error.message);
  return false;
}

void World::changed() {
  if (changed_) changed_(ledger_);
}

bool World::finish(const Result<void>& done) {
  changed();
  return done ? true : note_error(done.error());
}

bool World::open() {
  ledger_.clean = {false, true};
  changed();
  RecoveryReport report;
  auto opened = Store::open({data_, "test.example"}, report);
  if (!opened) return note_error(opened.error());
  store_ = *std::move(opened);
  ledger_.srs_key = store_->srs_key();
  ledger_.clean = {false};
  ledger_.is_index_damaged = false;
  changed();
  return true;
}

bool World::close() {
  ledger_.clean = {false, true};
  changed();
  const auto done = store_->close();
  store_.reset();
  if (done) ledger_.clean = {true};
  return finish(done);
}

bool World::add_mailbox(const std::string& name) {
  ledger_.mailboxes[name] |= kAbsent | kPresent;
  const std::string hash = fmt::format("$x${}", ++last_password_);
  // Its folder comes first; a start that finds it alone makes a mailbox of it, without a password.
  ledger_.passwords[name].insert({hash, ""});
  changed();
  const auto done = store_->add_mailbox(address_of(name), hash);
  if (done) {
    ledger_.mailboxes[name] = kPresent;
    ledger_.passwords[name] = {hash};
  }
  return finish(done);
}

bool World::remove_mailbox(const std::string& name, KeepMail keep) {
  ledger_.mailboxes[name] = kAbsent | kPresent;
  changed();
  const auto done = store_->remove_mailbox(address_of(name), keep);
  if (done) {
    ledger_.mailboxes[name] = kAbsent;
    ledger_.passwords.erase(name);
    ledger_.quotas.erase(name);
    std::erase_if(ledger_.devices, [&](const auto& device) { return device.first.first == name; });
    if (keep == KeepMail::kNo)
      std::erase_if(ledger_.copies, [&](const auto& copy) { return copy.second.mailbox == name; });
  }
  return finish(done);
}

bool World::sweep_removed() {
  auto more = Result<bool>(true);
  while (more && *more) more = store_->sweep_removed(3);
  return more ? true : note_error(more.error());
}

bool World::set_password(const std::string& name) {
  const std::string hash = fmt::format("$x${}", ++last_password_);
  ledger_.passwords[name].insert(hash);
  changed();
  const auto done = store_->set_password(address_of(name), hash);
  if (done) ledger_.passwords[name] = {hash};
  return finish(done);
}

bool World::set_quota(const std::string& name, std::uint64_t octets) {
  auto& quotas = ledger_.quotas[name];
  if (quotas.empty()) quotas.insert(0);
  quotas.insert(octets);
  changed();
  const auto done = store_->set_quota(address_of(name), octets);
  if (done) quotas = {octets};
  return finish(done);
}

bool World::add_app_password(const std::string& mailbox, const std::string& name) {
  Fates& fates = ledger_.devices[{mailbox, name}];
  fates = kAbsent | kPresent;
  changed();
  const auto done = store_->add_app_password(
      address_of(mailbox), {name, PasswordScope::kReadAndSend, ApopUse::kYes, "abcd-efgh-ijkl-mnop"});
  if (done) fates = kPresent;
  return finish(done);
}

bool World::revoke_app_password(const std::string& mailbox, const std::string& name) {
  Fates& fates = ledger_.devices[{mailbox, name}];
  fates = kAbsent | kPresent;
  changed();
  const auto done = store_->revoke_app_password(address_of(mailbox), name);
  if (done) fates = kAbsent;
  return finish(done);
}

bool World::add_alias(const std::string& name, const std::vector<std::string>& targets) {
  std::vector<Address> addresses;
  for (const std::string& target : targets) addresses.push_back(address_of(target));
  ledger_.aliases[name] = kAbsent | kPresent;
  changed();
  const auto done = store_->add_alias(name, addresses);
  if (done) ledger_.aliases[name] = kPresent;
  return finish(done);
}

bool World::remove_alias(const std::string& name) {
  ledger_.aliases[name] = kAbsent | kPresent;
  changed();
  const auto done = store_->remove_alias(name);
  if (done) ledger_.aliases[name] = kAbsent;
  return finish(done);
}

Delivery World::plan(const Letter& letter, Planned& planned) {
  const std::string text = letter_text(++last_letter_, letter.octets);
  Delivery delivery;
  delivery.id = store_->new_id();
  delivery.envelope.reverse_path = address_of(letter.sender);
  QueuedCopy queued{std::make_shared<const std::string>(text), kAbsent | kPresent, {}, {false}};
  for (const std::string& recipient : letter.recipients) {
    delivery.envelope.recipients.emplace_back(address_of(recipient));
    if (!ledger_.mailboxes.contains(recipient)) {
      queued.recipients[recipient] = bit(QueueState::kWaiting);
      continue;
    }
    const int number = ++last_number_;
    ledger_.copies[number] = {recipient,
                              delivery.id,
                              std::make_shared<const std::string>(kept_content(letter, recipient, text)),
                              kAbsent | kPresent,
                              0,
                              false};
    planned.copies.push_back(number);
  }
  if (!queued.recipients.empty()) {
    planned.queue_id = delivery.id;
    ledger_.queue[delivery.id] = std::move(queued);
  }
  if (letter.is_relayed) {
    delivery.relaying = Relaying::kYes;
    delivery.user = letter.sender;
  }
  delivery.rest = text;
  return delivery;
}

void World::settle(const Planned& planned, const Result<Delivered>& result) {
  if (!result) {
    note_error(result.error());
    return;
  }
  for (const int number : planned.copies) {
    Copy& copy = ledger_.copies.at(number);
    copy.fates = kPresent;
    copy.place = last_place_;
  }
  if (!planned.queue_id.empty()) ledger_.queue.at(planned.queue_id).fates = kPresent;
}

bool World::deliver(const std::vector<Letter>& letters) {
  return note({}, letters);
}

bool World::import_mail(const std::string& mailbox, const std::vector<std::size_t>& octets) {
  std::vector<Import> messages;
  std::vector<int> numbers;
  for (const std::size_t size : octets) {
    Import message{"pop3 old.example",
                   std::to_string(++last_import_),
                   fmt::format("old-{}", last_import_),
                   1'600'000'000,
                   nullptr,
                   letter_text(++last_letter_, size)};
    numbers.push_back(++last_number_);
    ledger_.copies[numbers.back()] = {
        mailbox, message.uidl, std::make_shared<const std::string>(message.rest), kAbsent | kPresent,
        0,       false};
    if (size >= kSpooledFrom) {
      auto spool = store_->new_spool();
      if (!spool) return note_error(spool.error());
      message.spool = *std::move(spool);
      if (auto done = message.spool->append(message.rest); !done) return note_error(done.error());
      message.rest.clear();
    }
    messages.push_back(std::move(message));
  }
  changed();
  const auto results = store_->import_messages(address_of(mailbox), messages);
  bool all = true;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) {
      all = note_error(results[i].error());
      continue;
    }
    Copy& copy = ledger_.copies.at(numbers[i]);
    copy.fates = kPresent;
    copy.place = ++last_place_;
  }
  changed();
  return all;
}

bool World::index_some(std::size_t at_most) {
  const auto more = store_->index_mail(at_most);
  return more ? true : note_error(more.error());
}

bool World::note(const std::vector<Outcome>& outcomes, const std::vector<Letter>& letters) {
  std::vector<Planned> planned(letters.size());
  std::vector<Delivery> deliveries;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    Delivery delivery = plan(letters[i], planned[i]);
    if (letters[i].is_spooled) {
      auto spool = store_->new_spool();
      if (spool) {
        delivery.spool = *std::move(spool);
        auto done = delivery.spool->append(delivery.rest);
        delivery.rest.clear();
        if (!done) spool = done.error();
      }
      if (!spool)
        return note_error(spool.error());  // what a session would say at once: nothing was asked for
    }
    deliveries.push_back(std::move(delivery));
  }
  std::vector<QueueOutcome> changes;
  for (const Outcome& outcome : outcomes) {
    auto message = store_->find_queued(outcome.id);
    if (!message) return note_error(message.error());
    QueuedCopy& copy = ledger_.queue.at(outcome.id);
    for (const QueuedRecipient& recipient : message->recipients) {
      if (recipient.recipient.address.text() != outcome.recipient) continue;
      QueueOutcome change;
      change.recipient = recipient.row;
      change.attempt = {1'700'000'000, outcome.state, "2.0.0", "mx.far.example", "250 2.0.0 OK"};
      change.next_at = outcome.state == QueueState::kWaiting ? 1'700'000'300 : 0;
      changes.push_back(change);
      copy.recipients[outcome.recipient] |= bit(outcome.state);
    }
    if (std::ranges::all_of(copy.recipients,
                            [](const auto& each) { return each.second != bit(QueueState::kWaiting); }))
      copy.fates |= kAbsent;
  }
  changed();
  const auto committed = store_->deliver_and_note(deliveries, changes);
  ++last_place_;  // what comes together has no order
  for (std::size_t i = 0; i < planned.size(); ++i) settle(planned[i], committed.delivered[i]);
  if (!committed.noted) note_error(committed.noted.error());
  for (const Outcome& outcome : outcomes) {
    if (!committed.noted) break;
    QueuedCopy& copy = ledger_.queue.at(outcome.id);
    copy.recipients[outcome.recipient] = bit(outcome.state);
    if (std::ranges::none_of(copy.recipients,
                             [](const auto& each) { return each.second == bit(QueueState::kWaiting); }))
      copy.fates = kAbsent;
  }
  changed();
  const bool all_delivered =
      std::ranges::all_of(committed.delivered, [](const auto& each) { return each.has_value(); });
  return all_delivered && committed.noted.has_value();
}

std::vector<int> World::find_all(const std::string& mailbox, const std::vector<SeenMessage>& messages) const {
  std::vector<int> numbers;
  for (const SeenMessage& message : messages) {
    for (const auto& [number, copy] : ledger_.copies) {
      if (copy.mailbox == mailbox && *copy.content == message.content) numbers.push_back(number);
    }
  }
  return numbers;
}

bool World::change_fates(const std::vector<int>& numbers, Fates asked, Fates done,
                         const std::function<Result<void>()>& change) {
  for (const int number : numbers) ledger_.copies.at(number).fates = asked;
  ledger_.together.push_back(numbers);
  changed();
  const auto result = change();
  if (result) {
    ledger_.together.pop_back();
    for (const int number : numbers) ledger_.copies.at(number).fates = done;
  }
  return finish(result);
}

bool World::erase(const std::string& mailbox, const std::vector<std::size_t>& indices, Deleted deleted) {
  const MailboxId id = mailbox_of(*store_, mailbox);
  auto messages = read_mailbox(*store_, id);
  if (!messages) return note_error(messages.error());
  std::vector<SeenMessage> chosen;
  for (const std::size_t index : indices) chosen.push_back(messages->at(index));
  const Fates done = deleted == Deleted::kKept ? kDeleted : kAbsent;
  auto maildrop = store_->open_maildrop(id);
  if (!maildrop) return note_error(maildrop.error());
  const bool good = change_fates(find_all(mailbox, chosen), kPresent | done, done, [&] {
    return store_->commit_deletes(**maildrop, indices, {deleted, "phone"});
  });
  return good;
}

bool World::purge(const std::string& mailbox) {
  auto left = Result<std::size_t>(1);
  while (left && *left > 0) left = store_->purge_deleted(mailbox_of(*store_, mailbox), 2);
  return left ? true : note_error(left.error());
}

bool World::restore(const std::string& mailbox) {
  auto deleted = store_->list_messages(address_of(mailbox), MessageListing::kDeleted);
  if (!deleted) return note_error(deleted.error());
  std::vector<std::string> uidls;
  std::vector<int> numbers;
  for (const KnownMessage& message : *deleted) {
    uidls.push_back(message.uidl);
    for (auto& [number, copy] : ledger_.copies) {
      if (copy.mailbox == mailbox && copy.uidl == message.uidl) numbers.push_back(number);
    }
  }
  // Files that have been moved back count as restored, each alone.
  for (const int number : numbers) ledger_.copies.at(number).fates = kDeleted | kPresent;
  changed();
  const auto done = store_->restore_messages(address_of(mailbox), uidls);
  if (done) {
    for (const int number : numbers) ledger_.copies.at(number).fates = kPresent;
  }
  return finish(done ? Result<void>() : Result<void>(done.error()));
}

bool World::free_oldest() {
  for (auto& [number, copy] : ledger_.copies) {
    if (copy.fates == kDeleted) copy.fates = kDeleted | kAbsent;
  }
  changed();
  const auto done = store_->free_deleted({INT64_C(1) << 40, UINT64_MAX / 2}, 1);
  if (!done) return finish(done.error());
  // Which one it was.
  for (const auto& [name, fates] : ledger_.mailboxes) {
    if (mailbox_of(*store_, name) == 0) continue;
    auto left = store_->list_messages(address_of(name), MessageListing::kDeleted);
    if (!left) return finish(left.error());
    for (auto& [number, copy] : ledger_.copies) {
      if (copy.mailbox != name || copy.fates != (kDeleted | kAbsent)) continue;
      const bool is_left =
          std::ranges::any_of(*left, [&](const auto& each) { return each.uidl == copy.uidl; });
      copy.fates = is_left ? kDeleted : kAbsent;
    }
  }
  changed();
  return true;
}

bool World::expire(const std::string& mailbox) {
  const MailboxId id = mailbox_of(*store_, mailbox);
  auto messages = read_mailbox(*store_, id);
  if (!messages) return note_error(messages.error());
  // A step more than the time that is asked for: what came during a step counts from its end.
  for (int step = 0; step < 3; ++step) {
    if (auto done = store_->advance_retention(kRetentionStep); !done) return note_error(done.error());
    ledger_.retention += kRetentionStep.count();
    changed();
  }
  return change_fates(find_all(mailbox, *messages), kPresent | kAbsent, kAbsent, [&]() -> Result<void> {
    auto expired = store_->expire_messages(id, std::chrono::seconds(1), 1000, {Deleted::kFreed, ""});
    if (!expired) return expired.error();
    if (*expired != messages->size()) return Error{ErrorKind::kIo, "not all messages expired"};
    return {};
  });
}

bool World::back_up() {
  Ledger now = ledger_;
  now.backed_up = nullptr;
  ledger_.backing_up = std::make_shared<const Ledger>(std::move(now));
  changed();
  const auto done = power::back_up(std::filesystem::path(data_).parent_path());
  if (done) ledger_.backed_up = ledger_.backing_up;
  ledger_.backing_up = nullptr;
  return finish(done);
}

}  // namespace mailstead::power

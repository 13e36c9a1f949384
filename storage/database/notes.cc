#include "storage/database/notes.h"

#include <algorithm>

#include "storage/accounts/accounts.h"
#include "storage/accounts/app_passwords.h"
#include "storage/database/history.h"

namespace mailstead {

namespace {

constexpr std::size_t kLongestDevice = 200;  // octets of a name

}  // namespace

void Notes::Span::add(std::int64_t from, std::int64_t to) {
  first = first == 0 ? from : std::min(first, from);
  last = std::max(last, to);
}

Notes::Device& Notes::device(MailboxId mailbox, const std::string& name) {
  return devices_[{mailbox, name.substr(0, kLongestDevice)}];
}

void Notes::login(MailboxId mailbox, const std::string& name, AppPasswordId app_password, std::int64_t at) {
  logins_[mailbox] = at;
  if (app_password != 0) uses_[app_password] = at;
  if (!name.empty()) device(mailbox, name).seen.add(at, at);
}

void Notes::took(MailboxId mailbox, const std::string& name, std::int64_t message, std::int64_t first,
                 std::int64_t last) {
  if (name.empty()) return;
  Device& by = device(mailbox, name);
  by.seen.add(first, last);
  auto [noted, is_new] = by.taken.try_emplace(message);
  noted->second.add(first, last);
  if (is_new) ++messages_;
}

void Notes::forget(MailboxId mailbox) {
  logins_.erase(mailbox);
  std::erase_if(devices_, [&](const auto& entry) {
    if (entry.first.first != mailbox) return false;
    messages_ -= entry.second.taken.size();
    return true;
  });
}

std::int64_t Notes::last_login(MailboxId mailbox, std::int64_t otherwise) const {
  const auto login = logins_.find(mailbox);
  return login == logins_.end() ? otherwise : login->second;
}

std::int64_t Notes::last_use(AppPasswordId app_password, std::int64_t otherwise) const {
  const auto use = uses_.find(app_password);
  return use == uses_.end() ? otherwise : use->second;
}

Result<void> Notes::write(Database& database) const {
  for (const auto& [mailbox, at] : logins_) {
    if (auto done = Accounts(database).note_login(mailbox, at); !done) return done;
  }
  for (const auto& [password, at] : uses_) {
    if (auto done = AppPasswords(database).note_use(password, at); !done) return done;
  }
  Devices devices(database);
  for (const auto& [key, noted] : devices_) {
    auto id = devices.seen(key.first, key.second, noted.seen.first, noted.seen.last);
    if (!id) return id.error();
    if (*id == 0) continue;
    for (const auto& [message, span] : noted.taken) {
      if (auto done = devices.took(*id, message, span.first, span.last); !done) return done;
    }
  }
  return {};
}

void Notes::clear() {
  logins_.clear();
  uses_.clear();
  devices_.clear();
  messages_ = 0;
}

}  // namespace mailstead

#include "storage/accounts/directory.h"

#include <algorithm>
#include <utility>

#include "storage/accounts/accounts.h"

namespace mailstead {

namespace {

bool is_postmaster(std::string_view local_part) {
  constexpr std::string_view kPostmaster = "postmaster";
  return local_part.size() == kPostmaster.size() &&
         std::equal(local_part.begin(), local_part.end(), kPostmaster.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         });
}

}  // namespace

Address without_detail(const Address& address) {
  const std::size_t plus = address.local_part.find('+');
  const bool holds_a_route = address.local_part.find_first_of("@%") != std::string::npos;
  if (plus == std::string::npos || plus == 0 || holds_a_route) return address;
  return {address.local_part.substr(0, plus), address.domain};
}

Directory::Directory(std::vector<MailboxEntry> mailboxes, std::vector<AliasEntry> aliases)
    : mailboxes_(std::move(mailboxes)), aliases_(std::move(aliases)) {
  for (std::size_t i = 0; i < mailboxes_.size(); ++i) {
    std::string key = mailboxes_[i].address.key();
    domains_.insert(key.substr(key.rfind('@') + 1));
    mailbox_by_key_.emplace(std::move(key), i);
    mailbox_by_id_.emplace(mailboxes_[i].id, i);
    if (!mailboxes_[i].enabled) continue;
    for (const AppPasswordEntry& entry : mailboxes_[i].app_passwords) {
      offers_scram_ = true;
      offers_apop_ = offers_apop_ || entry.apop == Apop::kReady;
    }
  }
  for (std::size_t i = 0; i < aliases_.size(); ++i) {
    auto key = alias_key(aliases_[i].name);
    if (!key) continue;
    domains_.insert(key->substr(key->rfind('@') + 1));
    alias_by_key_.emplace(std::move(*key), i);
  }
}

bool Directory::is_known(const Address& name) const {
  const std::string key = name.key();
  return mailbox_by_key_.contains(key) || alias_by_key_.contains(key);
}

// Where mail to this address goes. Breadth first, each name once, so loops end.
Directory::Reached Directory::reach(const Address& recipient) const {
  Reached reached;
  std::vector<Address> names{recipient};
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string key = names[i].key();
    if (!seen.insert(key).second) continue;
    if (auto mailbox = mailbox_by_key_.find(key); mailbox != mailbox_by_key_.end()) {
      const MailboxEntry* entry = &mailboxes_[mailbox->second];
      if (std::ranges::find(reached.mailboxes, entry) == reached.mailboxes.end())
        reached.mailboxes.push_back(entry);
      continue;
    }
    auto alias = alias_by_key_.find(key);
    if (alias == alias_by_key_.end()) {
      if (const Address plain = without_detail(names[i]); is_known(plain)) {
        names.push_back(plain);
        continue;
      }
      alias = alias_by_key_.find("@" + key.substr(key.rfind('@') + 1));
    }
    if (alias == alias_by_key_.end()) continue;
    const AliasEntry& entry = aliases_[alias->second];
    const auto own = parse_address(entry.name);
    const Address via = own ? *own : names[i];
    for (const Address& target : entry.targets) {
      if (is_ours(target.domain)) {
        names.push_back(target);
      } else if (seen.insert(target.key()).second) {
        reached.forwards.push_back({target, via});
      }
    }
  }
  return reached;
}

Directory::Reached Directory::reach_or_postmaster(const Address& recipient) const {
  const bool names_postmaster = is_postmaster(recipient.local_part);
  if (!names_postmaster && !is_postmaster(without_detail(recipient).local_part)) return reach(recipient);
  // Who is switched off reads nothing: others do instead, while there are any.
  Reached switched_off;
  const auto reaches_somebody = [&](const Reached& reached) {
    const bool somebody =
        !reached.forwards.empty() || std::ranges::any_of(reached.mailboxes, &MailboxEntry::enabled);
    if (!somebody && !reached.empty() && switched_off.empty()) switched_off = reached;
    return somebody;
  };
  if (!recipient.domain.empty()) {
    if (!is_ours(recipient.domain)) return {};
    if (auto reached = reach(recipient); reaches_somebody(reached)) return reached;
    const std::string key = recipient.key();
    const std::string domain = key.substr(key.rfind('@'));
    for (const MailboxEntry& mailbox : mailboxes_) {
      if (mailbox.enabled && mailbox.address.key().ends_with(domain)) return {{&mailbox}, {}};
    }
  }
  // RFC 5321 4.5.1: mail to postmaster is always taken, and <Postmaster> has no domain.
  if (recipient.domain.empty()) {
    for (const MailboxEntry& mailbox : mailboxes_) {
      if (is_postmaster(mailbox.address.local_part) && mailbox.enabled) return {{&mailbox}, {}};
    }
    for (const AliasEntry& alias : aliases_) {
      auto address = parse_address(alias.name);
      if (!address || !is_postmaster(address->local_part)) continue;
      if (auto reached = reach(*address); reaches_somebody(reached)) return reached;
    }
  }
  for (const MailboxEntry& mailbox : mailboxes_) {
    if (mailbox.enabled) return {{&mailbox}, {}};
  }
  return switched_off;
}

RecipientKind Directory::classify(const Address& recipient) const {
  const Reached reached = reach_or_postmaster(recipient);
  const auto is_enabled = [](const MailboxEntry* entry) { return entry->enabled; };
  if (!reached.forwards.empty() || std::ranges::any_of(reached.mailboxes, is_enabled)) {
    return RecipientKind::kOurs;
  }
  if (!reached.empty()) return RecipientKind::kDisabled;
  const bool without_domain = recipient.domain.empty() && is_postmaster(recipient.local_part);
  return without_domain || is_ours(recipient.domain) ? RecipientKind::kUnknown : RecipientKind::kNotOurs;
}

std::vector<MailboxId> Directory::resolve(const Address& recipient) const {
  std::vector<MailboxId> ids;
  for (const MailboxEntry* entry : reach_or_postmaster(recipient).mailboxes) {
    if (entry->enabled) ids.push_back(entry->id);
  }
  return ids;
}

std::vector<Forward> Directory::forwards(const Address& recipient) const {
  return reach_or_postmaster(recipient).forwards;
}

const MailboxEntry* Directory::find(const Address& address) const {
  auto found = mailbox_by_key_.find(address.key());
  return found == mailbox_by_key_.end() ? nullptr : &mailboxes_[found->second];
}

const MailboxEntry* Directory::find(MailboxId id) const {
  auto found = mailbox_by_id_.find(id);
  return found == mailbox_by_id_.end() ? nullptr : &mailboxes_[found->second];
}

bool Directory::may_send_as(MailboxId mailbox, const Address& reverse_path) const {
  const auto reached = reach(reverse_path).mailboxes;
  return std::any_of(reached.begin(), reached.end(),
                     [mailbox](const MailboxEntry* entry) { return entry->id == mailbox; });
}

bool Directory::admits(const LoginKey& key) const {
  const MailboxEntry* entry = find(key.mailbox);
  if (entry == nullptr || !entry->enabled) return false;
  if (key.app_password == 0) return entry->credentials_serial == key.credentials_serial;
  return std::any_of(entry->app_passwords.begin(), entry->app_passwords.end(),
                     [&](const AppPasswordEntry& each) { return each.id == key.app_password; });
}

bool Directory::is_ours(std::string_view domain) const {
  std::string lower(domain);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return domains_.contains(lower);
}

}  // namespace mailstead

#include "ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <stdexcept>
#include <unordered_map>

namespace mailstead::power {

namespace {

constexpr std::size_t kPiece = 256 * 1024;

Result<std::string> read_whole(MessageReader& reader) {
  std::string content;
  while (true) {
    const std::size_t before = content.size();
    if (auto done = reader.read(before, kPiece, content); !done) return done.error();
    if (content.size() == before) return content;
  }
}

std::string beginning_of(const std::string& content) {
  const std::size_t subject = content.find("Subject: ");
  if (subject == std::string::npos) return fmt::format("{} octets without a subject", content.size());
  return fmt::format("'{}', {} octets",
                     content.substr(subject + 9, content.find('\r', subject) - subject - 9), content.size());
}

std::string text_of(Fates fates) {
  std::string text;
  for (const auto& [fate, word] :
       {std::pair{kAbsent, "absent"}, {kPresent, "present"}, {kDeleted, "deleted"}}) {
    if ((fates & fate) != 0) text += (text.empty() ? "" : " or ") + std::string(word);
  }
  return text;
}

class Comparison {
 public:
  Comparison(Store& store, const Ledger& ledger) : store_(store), ledger_(ledger) {}

  Findings run() {
    compare_mailboxes();
    for (const auto& [name, fates] : ledger_.mailboxes) {
      const MailboxId mailbox = mailbox_of(store_, name);
      if (mailbox != 0 && !ledger_.spoiled.contains(name)) compare_messages(name, mailbox);
    }
    compare_fates();
    compare_queue();
    compare_credentials();
    compare_names();
    if (!ledger_.srs_key.empty() && store_.srs_key() != ledger_.srs_key)
      add("the key of forwarded senders is another");
    return std::move(findings_);
  }

 private:
  void add(std::string line) { findings_.push_back(std::move(line)); }

  // Demands of something that is there, or is not, that its fates allow it.
  void demand(Fates fates, bool is_there, const std::string& what) {
    if ((fates & (is_there ? kPresent : kAbsent)) == 0)
      add(fmt::format("{} is {}, and was {}", what, is_there ? "there" : "gone", text_of(fates)));
  }

  void compare_mailboxes() {
    auto mailboxes = store_.list_mailboxes();
    if (!mailboxes) return add("mailboxes: " + mailboxes.error().message);
    std::set<std::string> there;
    for (const MailboxSummary& summary : *mailboxes) {
      there.insert(summary.address.text());
      if (!ledger_.mailboxes.contains(summary.address.text()))
        add(fmt::format("nobody made the mailbox {}", summary.address.text()));
    }
    for (const auto& [name, fates] : ledger_.mailboxes)
      demand(fates, there.contains(name), "the mailbox " + name);
    for (const MailboxSummary& summary : *mailboxes) {
      const auto quotas = ledger_.quotas.find(summary.address.text());
      if (quotas != ledger_.quotas.end() && !quotas->second.contains(summary.quota))
        add(fmt::format("{} has a quota of {}", summary.address.text(), summary.quota));
    }
  }

  void compare_messages(const std::string& name, MailboxId mailbox) {
    auto messages = read_mailbox(store_, mailbox);
    if (!messages) return add(fmt::format("{}: {}", name, messages.error().message));
    int last_place = 0;
    std::set<std::string> uidls;
    for (const SeenMessage& message : *messages) {
      if (!uidls.insert(message.uidl).second) add(fmt::format("{} has two messages {}", name, message.uidl));
      const auto number = match(name, message.uidl, message.content);
      if (!number) {
        if (!is_part_of_torn(name, message.content))
          add(fmt::format("{} has a message that nobody sent: {}, {}", name, message.uidl,
                          beginning_of(message.content)));
        continue;
      }
      settle(*number, kPresent);
      const Copy& copy = ledger_.copies.at(*number);
      if (copy.place == 0 || copy.fates != kPresent) continue;
      if (copy.place < last_place) add(fmt::format("{} of {} is not in its place", copy.uidl, name));
      last_place = copy.place;
    }
    compare_deleted(name);
  }

  void compare_deleted(const std::string& name) {
    auto deleted = store_.list_messages(address_of(name), MessageListing::kDeleted);
    if (!deleted) return add(fmt::format("{}: deleted: {}", name, deleted.error().message));
    for (const KnownMessage& message : *deleted) {
      auto content = store_.read_beginning(message, message.size + 1);
      if (!content) {
        add(fmt::format("{}: deleted {}: {}", name, message.uidl, content.error().message));
        continue;
      }
      const auto number = match(name, message.uidl, *content);
      if (number) {
        settle(*number, kDeleted);
      } else {
        add(fmt::format("{} has a deleted message that nobody sent: {}, {}", name, message.uidl,
                        beginning_of(*content)));
      }
    }
  }

  // By content; a message's UIDL, once somebody was told, stays.
  std::optional<int> match(const std::string& mailbox, const std::string& uidl, const std::string& content) {
    if (by_content_.empty()) {
      for (const auto& [number, copy] : ledger_.copies)
        by_content_.emplace(copy.mailbox + '\n' + *copy.content, number);
    }
    const auto found = by_content_.find(mailbox + '\n' + content);
    if (found == by_content_.end()) return std::nullopt;
    const Copy& copy = ledger_.copies.at(found->second);
    if (!copy.uidl.empty() && copy.uidl != uidl)
      add(fmt::format("{} of {} has now the UIDL {}", copy.uidl, mailbox, uidl));
    return found->second;
  }

  bool is_part_of_torn(const std::string& mailbox, const std::string& content) const {
    return std::ranges::any_of(ledger_.copies, [&](const auto& entry) {
      const Copy& copy = entry.second;
      return copy.may_be_torn && copy.mailbox == mailbox && content.size() <= copy.content->size() + 2;
    });
  }

  void settle(int number, Fates fate) {
    if (!found_.emplace(number, fate).second) {
      const Copy& copy = ledger_.copies.at(number);
      add(fmt::format("{} has {} twice", copy.mailbox, beginning_of(*copy.content)));
    }
  }

  Fates fate_of(int number) const {
    const auto found = found_.find(number);
    return found == found_.end() ? kAbsent : found->second;
  }

  void compare_fates() {
    for (const auto& [number, copy] : ledger_.copies) {
      if (ledger_.spoiled.contains(copy.mailbox)) continue;
      const Fates fate = fate_of(number);
      // A mailbox that may be gone may take its mail along.
      const auto mailbox = ledger_.mailboxes.find(copy.mailbox);
      const bool may_be_gone = mailbox != ledger_.mailboxes.end() && (mailbox->second & kAbsent) != 0 &&
                               mailbox_of(store_, copy.mailbox) == 0;
      if ((copy.fates & fate) == 0 && !(fate == kAbsent && may_be_gone)) {
        add(fmt::format("{} of {} ({}) is {}, and was {}", copy.uidl, copy.mailbox,
                        beginning_of(*copy.content), text_of(fate), text_of(copy.fates)));
      }
    }
    for (const auto& group : ledger_.together) {
      std::set<Fates> fates;
      for (const int number : group) fates.insert(fate_of(number));
      if (fates.size() > 1) add("what had to be done to several messages was done to some of them");
    }
  }

  void compare_queue() {
    auto messages = store_.list_queue(0, SIZE_MAX / 2);
    if (!messages) return add("queue: " + messages.error().message);
    std::set<std::string> there;
    for (const QueuedMessage& message : *messages) {
      if (!there.insert(message.id).second) add(fmt::format("{} is in the queue twice", message.id));
      const auto known = ledger_.queue.find(message.id);
      if (known == ledger_.queue.end()) {
        add(fmt::format("nobody queued {}", message.id));
      } else {
        compare_queued(message, known->second);
      }
    }
    for (const auto& [id, copy] : ledger_.queue) demand(copy.fates, there.contains(id), "in the queue " + id);
  }

  void compare_queued(const QueuedMessage& message, const QueuedCopy& copy) {
    auto reader = store_.open_queued(message);
    auto content = reader ? read_whole(**reader) : Result<std::string>(reader.error());
    if (!content) {
      add(fmt::format("queued {}: {}", message.id, content.error().message));
    } else if (*content != *copy.content) {
      add(fmt::format("queued {} is not whole: {} octets", message.id, content->size()));
    }
    for (const QueuedRecipient& recipient : message.recipients) {
      const std::string name = recipient.recipient.address.text();
      const auto states = copy.recipients.find(name);
      if (states == copy.recipients.end()) {
        add(fmt::format("{} goes to {}, whom nobody named", message.id, name));
      } else if ((states->second & bit(recipient.state)) == 0) {
        add(fmt::format("{} of {} has state {}", name, message.id, static_cast<int>(recipient.state)));
      }
    }
    if (!copy.held.contains(message.held))
      add(fmt::format("{} is {}held", message.id, message.held ? "" : "not "));
    if (message.recipients.size() != copy.recipients.size())
      add(fmt::format("{} has {} recipients", message.id, message.recipients.size()));
  }

  void compare_credentials() {
    for (const auto& [name, hashes] : ledger_.passwords) {
      if (mailbox_of(store_, name) == 0) continue;
      auto credentials = store_.credentials(address_of(name));
      if (!credentials) {
        add(fmt::format("credentials of {}: {}", name, credentials.error().message));
      } else if (!hashes.contains(credentials->password_hash)) {
        add(fmt::format("{} has another password", name));
      }
    }
    for (const auto& [key, fates] : ledger_.devices) {
      if (mailbox_of(store_, key.first) == 0) continue;
      auto list = store_.list_app_passwords(address_of(key.first));
      if (!list) {
        add(list.error().message);
        continue;
      }
      const bool is_there =
          std::ranges::any_of(*list, [&](const auto& each) { return each.name == key.second; });
      demand(fates, is_there, fmt::format("the app password {} of {}", key.second, key.first));
    }
  }

  void compare_names() {
    const auto directory = store_.directory();
    for (const auto& [name, fates] : ledger_.aliases) {
      const bool is_there =
          std::ranges::any_of(directory->aliases(), [&](const auto& alias) { return alias.name == name; });
      demand(fates, is_there, "the alias " + name);
    }
    for (const auto& [domain, texts] : ledger_.dkim_keys) {
      auto keys = store_.list_dkim_keys(domain);
      if (!keys) {
        add(fmt::format("keys of {}: {}", domain, keys.error().message));
      } else if (!texts.empty() && !texts.contains(keys_text(*keys))) {
        add(fmt::format("{} has other keys: {}", domain, keys_text(*keys)));
      }
    }
  }

  Store& store_;
  const Ledger& ledger_;
  Findings findings_;
  std::map<int, Fates> found_;
  std::unordered_map<std::string, int> by_content_;
};

}  // namespace

Address address_of(const std::string& text) {
  auto parsed = parse_address(text);
  if (!parsed) throw std::runtime_error("no address: " + text);
  return *parsed;
}

MailboxId mailbox_of(Store& store, const std::string& address) {
  const auto directory = store.directory();
  const MailboxEntry* entry = directory->find(address_of(address));
  return entry == nullptr ? 0 : entry->id;
}

Result<std::vector<SeenMessage>> read_mailbox(Store& store, MailboxId mailbox) {
  auto maildrop = store.open_maildrop(mailbox);
  if (!maildrop) return maildrop.error();
  const MaildropTotals totals = (*maildrop)->totals();
  std::vector<SeenMessage> messages;
  for (std::size_t i = 0; i < totals.messages; ++i) {
    auto page = store.read_page(**maildrop, i / totals.page);
    if (!page) return page.error();
    const MaildropEntry& entry = (**page)[i % totals.page];
    auto reader = store.open_message(**maildrop, i);
    auto content = reader ? read_whole(**reader) : Result<std::string>(reader.error());
    if (!content) return content.error();
    if (content->size() != entry.size)
      return Error{ErrorKind::kCorrupt,
                   fmt::format("{} has {} octets and not {}", entry.uidl, content->size(), entry.size)};
    messages.push_back({entry.uidl, *std::move(content)});
  }
  return messages;
}

std::string keys_text(const std::vector<DkimKeyEntry>& entries) {
  std::string text;
  for (const DkimKeyEntry& entry : entries)
    text += fmt::format("{} {} {}, ", entry.identity.selector, static_cast<int>(entry.state),
                        std::hash<std::string>()(entry.identity.key.record()));
  return text;
}

Findings contradictions(Store& store, const Ledger& ledger) {
  return Comparison(store, ledger).run();
}

Findings contents(Store& store) {
  Findings lines;
  auto mailboxes = store.list_mailboxes();
  if (!mailboxes) return {mailboxes.error().message};
  for (const MailboxSummary& summary : *mailboxes) {
    lines.push_back(fmt::format("{} {} {}", summary.address.text(), summary.messages, summary.octets));
    for (const auto which : {MessageListing::kPresent, MessageListing::kDeleted}) {
      auto messages = store.list_messages(summary.address, which);
      if (!messages) return {messages.error().message};
      for (const KnownMessage& message : *messages)
        lines.push_back(
            fmt::format("{} {} {}", message.uidl, message.size, static_cast<int>(message.standing)));
    }
  }
  auto queue = store.list_queue(0, SIZE_MAX / 2);
  if (!queue) return {queue.error().message};
  for (const QueuedMessage& message : *queue) {
    lines.push_back(fmt::format("{} {}", message.id, message.size));
    for (const QueuedRecipient& recipient : message.recipients)
      lines.push_back(
          fmt::format("{} {}", recipient.recipient.address.text(), static_cast<int>(recipient.state)));
  }
  return lines;
}

}  // namespace mailstead::power

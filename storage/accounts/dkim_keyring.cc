#include "storage/accounts/dkim_keyring.h"

#include <fmt/format.h>
#include <openssl/mem.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "protocols/ascii.h"
#include "storage/mailbox/message_id.h"
#include "storage/mailbox/names.h"

namespace mailstead {
namespace {

constexpr const char* kDkimFolder = "dkim";
constexpr const char* kStateFile = "state";
constexpr std::string_view kKeySuffix = ".key";
constexpr std::size_t kMaxKeyFile = 16 * 1024;  // octets; the longest RSA key has some 3,300
constexpr std::size_t kMaxStateFile = 64 * 1024;
constexpr std::size_t kMaxSelector = 63;  // octets, as a label of DNS

constexpr std::pair<DkimKeyState, std::string_view> kKeyStates[] = {
    {DkimKeyState::kNext, "next"}, {DkimKeyState::kActive, "active"}, {DkimKeyState::kRetired, "retired"}};

std::string key_file(const std::string& selector) {
  return selector + std::string(kKeySuffix);
}

bool is_selector(std::string_view text) {
  const auto good = [](char c) { return ascii::is_letter(c) || ascii::is_digit(c) || c == '-' || c == '_'; };
  return !text.empty() && text.size() <= kMaxSelector && std::all_of(text.begin(), text.end(), good);
}

std::string state_text(const std::vector<DkimKeyEntry>& entries) {
  std::string text;
  for (const DkimKeyEntry& entry : entries) {
    const auto state = std::find_if(std::begin(kKeyStates), std::end(kKeyStates),
                                    [&](const auto& known) { return known.first == entry.state; });
    text += fmt::format("{} {} {}\n", state->second, entry.identity.selector, entry.since);
  }
  return text;
}

struct StateLine {
  DkimKeyState state;
  std::string selector;
  std::int64_t since;
};

std::optional<StateLine> parse_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (first == std::string_view::npos || first == second) return std::nullopt;
  const std::string_view selector = line.substr(first + 1, second - first - 1);
  const auto since = ascii::number(line.substr(second + 1));
  if (!is_selector(selector) || !since) return std::nullopt;
  for (const auto& [state, word] : kKeyStates) {
    if (word == line.substr(0, first)) {
      return StateLine{state, std::string(selector), static_cast<std::int64_t>(*since)};
    }
  }
  return std::nullopt;
}

// "mailstead-202611"; the second pair of a month "mailstead-202611b". A name is not used twice while a
// message may be about that names the first.
std::string new_generation(const std::vector<DkimKeyEntry>& entries, std::int64_t now) {
  const std::time_t seconds = now;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  const std::string month = fmt::format("mailstead-{:04}{:02}", utc.tm_year + 1900, utc.tm_mon + 1);
  std::string newest;
  for (const DkimKeyEntry& entry : entries) {
    const std::string& selector = entry.identity.selector;
    if (!selector.starts_with(month)) continue;
    newest = std::max(newest, selector == month ? month : selector.substr(0, selector.rfind('-')));
  }
  if (newest.empty()) return month;
  if (newest == month) return month + 'b';
  // After z comes zb: it sorts behind.
  if (newest.back() == 'z') return newest + 'b';
  ++newest.back();
  return newest;
}

}  // namespace

DkimSigners DkimKeyring::known(const std::string& domain) const {
  const std::lock_guard guard(mutex_);
  const auto found = signers_.find(domain);
  return found == signers_.end() ? nullptr : found->second;
}

Result<DkimSigners> DkimKeyring::active(const std::string& domain) {
  if (DkimSigners signers = known(domain)) return signers;
  if (auto loaded = load(domain); !loaded) return loaded.error();
  return known(domain);
}

Result<std::vector<DkimKeyEntry>> DkimKeyring::list(const std::string& domain) {
  auto loaded = load(domain);
  if (!loaded) return loaded.error();
  return **loaded;
}

Result<void> DkimKeyring::prepare(const std::string& domain) {
  auto loaded = load(domain);
  if (!loaded) return loaded.error();
  auto at = open_domain(domain);
  if (!at) return at.error();
  Entries entries;
  std::vector<std::string> forgotten;
  const std::int64_t now = unix_seconds();
  bool ready = false;
  for (const DkimKeyEntry& entry : **loaded) {
    ready |= entry.state == DkimKeyState::kNext;
    if (entry.state == DkimKeyState::kRetired && entry.since + kDkimRetirement < now) {
      forgotten.push_back(entry.identity.selector);
    } else {
      entries.push_back(entry);
    }
  }
  if (!ready) {
    if (auto made = add_pair(at->fd(), domain, DkimKeyState::kNext, entries); !made) return made;
  }
  if (ready && forgotten.empty()) return {};
  if (auto done = replace(at->fd(), domain, std::move(entries)); !done) return done;
  // One that resists is named nowhere, and signs nothing.
  for (const std::string& selector : forgotten) static_cast<void>(remove_file(at->fd(), key_file(selector)));
  return {};
}

Result<void> DkimKeyring::activate(const std::string& domain) {
  auto loaded = load(domain);
  if (!loaded) return loaded.error();
  Entries entries = **loaded;
  const auto is_next = [](const DkimKeyEntry& entry) { return entry.state == DkimKeyState::kNext; };
  if (std::none_of(entries.begin(), entries.end(), is_next)) {
    return Error{ErrorKind::kNotFound, fmt::format("{} has no new keys that could be activated", domain)};
  }
  for (DkimKeyEntry& entry : entries) {
    if (entry.state == DkimKeyState::kRetired) continue;
    entry.state = is_next(entry) ? DkimKeyState::kActive : DkimKeyState::kRetired;
    entry.since = unix_seconds();
  }
  auto at = open_domain(domain);
  if (!at) return at.error();
  return replace(at->fd(), domain, std::move(entries));
}

Result<FileHandle> DkimKeyring::open_domain(const std::string& domain) {
  auto all = make_folder(folder_.fd(), kDkimFolder);
  if (!all) return in_folder(folder_.path(), all.error());
  auto own = make_folder(all->fd(), encode_name(domain));
  if (!own) return in_folder(folder_.path() + "/" + kDkimFolder, own.error());
  return own;
}

Result<DkimKeyring::Entries*> DkimKeyring::load(const std::string& domain) {
  if (const auto found = entries_.find(domain); found != entries_.end()) return &found->second;
  auto at = open_domain(domain);
  if (!at) return at.error();
  auto entries = read(at->fd(), domain);
  if (!entries) {
    return in_folder(fmt::format("{}/{}/{}", folder_.path(), kDkimFolder, encode_name(domain)),
                     entries.error());
  }
  if (!entries->empty()) {
    remember(domain, std::move(*entries));
    return &entries_[domain];
  }
  // Nobody has seen a key of this domain: there is none that could go on signing until these are published.
  if (auto made = add_pair(at->fd(), domain, DkimKeyState::kActive, *entries); !made) return made.error();
  if (auto done = replace(at->fd(), domain, std::move(*entries)); !done) return done.error();
  return &entries_[domain];
}

Result<DkimKeyring::Entries> DkimKeyring::read(int at, const std::string& domain) const {
  const auto text = read_small_file(at, kStateFile, kMaxStateFile);
  if (!text && text.error().kind == ErrorKind::kNotFound) return adopt(at, domain);
  if (!text) return text.error();
  Entries entries;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const auto line = parse_line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line) return Error{ErrorKind::kCorrupt, fmt::format("{} cannot be read", kStateFile)};
    auto key = read_key(at, line->selector);
    if (!key) return key.error();
    entries.push_back({{domain, line->selector, std::move(*key)}, line->state, line->since});
  }
  return entries;
}

// Keys brought here by hand, or those of a first use that was broken off.
Result<DkimKeyring::Entries> DkimKeyring::adopt(int at, const std::string& domain) const {
  auto names = list_folder(at);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  Entries entries;
  for (const std::string& name : *names) {
    if (!name.ends_with(kKeySuffix)) continue;
    const std::string selector = name.substr(0, name.size() - kKeySuffix.size());
    if (!is_selector(selector)) continue;
    auto key = read_key(at, selector);
    if (!key) return key.error();
    for (DkimKeyEntry& older : entries) {
      if (older.identity.key.algorithm() == key->algorithm()) older.state = DkimKeyState::kRetired;
    }
    entries.push_back({{domain, selector, std::move(*key)}, DkimKeyState::kActive, unix_seconds()});
  }
  return entries;
}

Result<DkimKey> DkimKeyring::read_key(int at, const std::string& selector) const {
  auto text = read_small_file(at, key_file(selector), kMaxKeyFile);
  if (!text && text.error().kind == ErrorKind::kNotFound) {
    return Error{ErrorKind::kCorrupt, fmt::format("{} is missing", key_file(selector))};
  }
  if (!text) return text.error();
  auto key = DkimKey::parse(*text);
  OPENSSL_cleanse(text->data(), text->size());
  if (!key) {
    return Error{ErrorKind::kCorrupt,
                 fmt::format("{} is no key: {}", key_file(selector), key.error().message)};
  }
  return key;
}

Result<void> DkimKeyring::add_pair(int at, const std::string& domain, DkimKeyState state,
                                   Entries& entries) const {
  const std::int64_t now = unix_seconds();
  const std::string generation = new_generation(entries, now);
  for (const auto algorithm : {DkimAlgorithm::kRsaSha256, DkimAlgorithm::kEd25519Sha256}) {
    const std::string selector = generation + (algorithm == DkimAlgorithm::kRsaSha256 ? "-r" : "-e");
    auto key = DkimKey::make(algorithm);
    if (!key) return key.error();
    std::string pem = key->pem();
    auto done = replace_small_file(at, key_file(selector), pem);
    OPENSSL_cleanse(pem.data(), pem.size());
    if (!done) return done;
    entries.push_back({{domain, selector, std::move(*key)}, state, now});
  }
  return sync_handle(at, domain);
}

Result<void> DkimKeyring::replace(int at, const std::string& domain, Entries entries) {
  auto done = replace_small_file(at, kStateFile, state_text(entries));
  if (done) done = sync_handle(at, domain);
  // The folders above may be new.
  if (done) {
    auto all = open_folder(folder_.fd(), kDkimFolder);
    done = all ? sync_handle(all->fd(), kDkimFolder) : Result<void>(all.error());
  }
  if (!done) return done;
  remember(domain, std::move(entries));
  return {};
}

void DkimKeyring::remember(const std::string& domain, Entries entries) {
  auto signers = std::make_shared<std::vector<DkimIdentity>>();
  for (const DkimKeyEntry& entry : entries) {
    if (entry.state == DkimKeyState::kActive) signers->push_back(entry.identity);
  }
  entries_.insert_or_assign(domain, std::move(entries));
  const std::lock_guard guard(mutex_);
  signers_.insert_or_assign(domain, std::move(signers));
}

}  // namespace mailstead

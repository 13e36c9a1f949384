#include "server/policy/refusals.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "admin/commands/message_head.h"
#include "protocols/ascii.h"
#include "protocols/smtp/message_id_field.h"
#include "server/net/network.h"

namespace mailstead {
namespace {

constexpr std::size_t kLongestText = 300;  // octets of what a client said

}  // namespace

void Refusals::load(std::vector<RefusedMail> refused) {
  const std::lock_guard guard(mutex_);
  for (RefusedMail& mail : refused) {
    last_serial_ = std::max(last_serial_, mail.serial);
    std::string network = network_of(mail.peer);
    kept_.push_back({std::move(network), std::move(mail), true});
  }
  while (kept_.size() > kMost) remove(kept_.begin());
}

void Refusals::add(RefusedMail refused) {
  if (refused.from.empty() && refused.to.empty()) return;
  for (std::string* text : {&refused.from, &refused.helo, &refused.reply})
    text->resize(std::min(text->size(), kLongestText));
  for (std::string& to : refused.to) to.resize(std::min(to.size(), kLongestText));
  std::string network = network_of(refused.peer);
  const std::lock_guard guard(mutex_);
  const auto same = [&network](const Kept& each) { return each.network == network; };
  if (std::ranges::count_if(kept_, same) >= static_cast<std::ptrdiff_t>(kMostOfOne)) {
    remove(std::ranges::find_if(kept_, same));
  } else if (kept_.size() >= kMost) {
    remove(kept_.begin());
  }
  refused.serial = ++last_serial_;
  kept_.push_back({std::move(network), std::move(refused)});
}

void Refusals::remove(std::deque<Kept>::iterator which) {
  if (which->is_told) removed_.push_back(which->mail.serial);
  kept_.erase(which);
}

RefusedMailChanges Refusals::take_changes() {
  RefusedMailChanges changes;
  const std::lock_guard guard(mutex_);
  changes.removed = std::exchange(removed_, {});
  for (Kept& each : kept_) {
    if (!std::exchange(each.is_told, true)) changes.added.push_back(each.mail);
  }
  return changes;
}

std::vector<RefusedMail> Refusals::about(const Address& address) const {
  const std::string text = ascii::lower(address.text());
  std::vector<RefusedMail> found;
  const std::lock_guard guard(mutex_);
  for (const Kept& each : kept_ | std::views::reverse) {
    const RefusedMail& mail = each.mail;
    const bool to_it = std::ranges::any_of(
        mail.to, [&](const std::string& to) { return admin::names_address(to, address); });
    if (to_it || admin::names_address(mail.from, address) || ascii::lower(mail.user) == text)
      found.push_back(mail);
  }
  return found;
}

std::vector<RefusedMail> Refusals::of_message(const std::string& message_id) const {
  const std::string bare = bare_message_id(message_id);
  std::vector<RefusedMail> found;
  if (bare.empty()) return found;
  const std::lock_guard guard(mutex_);
  for (const Kept& each : kept_ | std::views::reverse) {
    if (each.mail.message_id == bare) found.push_back(each.mail);
  }
  return found;
}

}  // namespace mailstead

#include "storage/mailbox/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mailstead {

namespace {

constexpr std::size_t kListingItself = 8;  // what a listing without pages counts for, in entries

}  // namespace

Listing::Listing(MailboxId mailbox, const MaildropTotals& totals, std::int64_t newest)
    : mailbox_(mailbox), totals_(totals), newest_(newest) {
  const std::size_t pages = (totals.messages + totals.page - 1) / totals.page;
  begins_.assign(pages, -1);
  pages_.resize(pages);
  if (pages > 0) begins_[0] = 0;
}

std::shared_ptr<const MaildropPage> Listing::page(std::size_t number) const {
  std::lock_guard guard(mutex_);
  return number < pages_.size() ? pages_[number] : nullptr;
}

void Listing::put(std::size_t number, std::shared_ptr<const MaildropPage> page) {
  std::lock_guard guard(mutex_);
  pages_[number] = std::move(page);
}

Result<std::shared_ptr<Listing>> Listings::take(Database& database, MailboxId mailbox,
                                                const MailboxTotals& now) {
  const MaildropTotals totals{static_cast<std::size_t>(now.messages), now.octets, now.surrogate_growth,
                              page_};
  const auto known = kept_.find(mailbox);
  if (known != kept_.end() && known->second.listing->totals() == totals) {
    order_.splice(order_.end(), order_, known->second.in_use);
    return known->second.listing;
  }
  auto newest = Index(database).newest();
  if (!newest) return newest.error();
  auto listing = std::make_shared<Listing>(mailbox, totals, *newest);
  std::size_t entries = 0;
  if (known != kept_.end()) {
    // Only newer messages have come, else somebody had called before_change(): whole pages are what they
    // were.
    const Listing& before = *known->second.listing;
    const std::size_t whole = std::min(before.totals_.messages, totals.messages) / page_;
    for (std::size_t number = 0; number < whole; ++number) {
      auto page = before.page(number);
      if (page != nullptr) entries += page->size();
      listing->put(number, std::move(page));
    }
    const std::size_t begins = std::min({whole + 1, before.begins_.size(), listing->begins_.size()});
    std::copy_n(before.begins_.begin(), begins, listing->begins_.begin());
    forget(mailbox);
  }
  keep(listing, entries);
  return listing;
}

void Listings::keep(std::shared_ptr<Listing> listing, std::size_t entries) {
  const MailboxId mailbox = listing->mailbox();
  order_.push_back(mailbox);
  entries_ += entries + kListingItself;
  const auto [kept, is_new] =
      kept_.emplace(mailbox, Kept{std::move(listing), entries, std::prev(order_.end())});
  make_room(*kept->second.listing, SIZE_MAX);
}

void Listings::forget(MailboxId mailbox) {
  const auto kept = kept_.find(mailbox);
  if (kept == kept_.end()) return;
  entries_ -= kept->second.entries + kListingItself;
  order_.erase(kept->second.in_use);
  kept_.erase(kept);
}

// Mostly the page before it was read; otherwise the rows in between are passed over in the index.
Result<std::int64_t> Listings::find_begin(Database& database, Listing& listing, std::size_t number) {
  if (listing.begins_[number] >= 0) return listing.begins_[number];
  std::size_t known = number;
  while (listing.begins_[known] < 0) --known;
  auto id = Index(database).id_at(listing.mailbox_, listing.begins_[known], listing.newest_,
                                  (number - known) * page_ - 1);
  if (id) listing.begins_[number] = *id;
  return id;
}

Result<std::shared_ptr<const MaildropPage>> Listings::read(Database& database, Listing& listing,
                                                           std::size_t number) {
  if (auto page = listing.page(number)) return page;
  const std::size_t wanted = listing.totals_.entries_in(number);
  if (wanted == 0) return Error{ErrorKind::kInvalid, "no such page in this maildrop"};
  auto begin = find_begin(database, listing, number);
  if (!begin) return begin.error();
  auto entries = Index(database).page(listing.mailbox_, *begin, listing.newest_, wanted);
  if (!entries) return entries.error();
  if (entries->size() != wanted) {
    return Error{ErrorKind::kCorrupt, fmt::format("the index holds {} of {} messages from number {} on",
                                                  entries->size(), wanted, number * page_ + 1)};
  }
  if (number + 1 < listing.begins_.size()) listing.begins_[number + 1] = entries->back().key;
  auto page = std::make_shared<const MaildropPage>(std::move(*entries));
  listing.put(number, page);
  const auto kept = kept_.find(listing.mailbox_);
  if (kept != kept_.end() && kept->second.listing.get() == &listing) {
    kept->second.entries += wanted;
    entries_ += wanted;
    order_.splice(order_.end(), order_, kept->second.in_use);
    make_room(listing, number);
  }
  return page;
}

// All but the one that was just read.
void Listings::drop_pages(Kept& kept, const Listing* but_of, std::size_t number) {
  Listing& listing = *kept.listing;
  std::size_t left = 0;
  std::lock_guard guard(listing.mutex_);
  for (std::size_t each = 0; each < listing.pages_.size(); ++each) {
    if (&listing == but_of && each == number) {
      left = listing.pages_[each]->size();
    } else {
      listing.pages_[each].reset();
    }
  }
  entries_ -= kept.entries - left;
  kept.entries = left;
}

void Listings::make_room(const Listing& for_whom, std::size_t number) {
  for (auto each = order_.begin(); entries_ > most_ && each != order_.end();) {
    const MailboxId mailbox = *each++;
    Kept& kept = kept_.at(mailbox);
    // A session's listing has to be found by before_change().
    const bool in_use = kept.listing.get() == &for_whom || kept.listing.use_count() > 1;
    if (!in_use) {
      forget(mailbox);
    } else {
      drop_pages(kept, &for_whom, number);
    }
  }
}

Result<void> Listings::before_change(Database& database, MailboxId mailbox) {
  const auto kept = kept_.find(mailbox);
  if (kept == kept_.end()) return {};
  const std::shared_ptr<Listing> listing = kept->second.listing;
  const bool in_use = listing.use_count() > 2;  // by more than us and kept_
  // From here on it is the session's alone: nothing of it is dropped any more.
  forget(mailbox);
  if (!in_use) return {};
  for (std::size_t number = 0; number < listing->pages_.size(); ++number) {
    if (auto page = read(database, *listing, number); !page) {
      std::size_t entries = 0;  // as long as nothing changes, it is one like all others
      for (std::size_t each = 0; each < listing->pages_.size(); ++each)
        entries += listing->page(each) == nullptr ? 0 : listing->totals().entries_in(each);
      keep(listing, entries);
      return page.error();
    }
  }
  return {};
}

}  // namespace mailstead

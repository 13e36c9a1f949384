#include "storage/look/search.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

// new/ before cur/: a message that another tool moves from there to here meanwhile is then seen at least
// once.
constexpr std::array<std::string_view, 3> kPlaces = {"new/", "cur/", "deleted/"};

constexpr std::array kStates = {MessageState::kPresent, MessageState::kDeleting, MessageState::kMissing,
                                MessageState::kDeleted, MessageState::kAside};

}  // namespace

Search::Search(Database& database, const Maildir& maildir, MailboxId mailbox, MarkedFiles marked,
               std::size_t expected)
    : index_(database), maildir_(maildir), mailbox_(mailbox), marked_(marked), paths_(expected) {}

Result<bool> Search::step(std::size_t at_most) {
  if (!listed_) {
    if (auto done = list(at_most); !done) return done.error();
  }
  if (listed_) {
    if (auto done = compare(at_most); !done) return done.error();
  }
  return !listed_ || place_ < kStates.size();
}

Result<void> Search::list(std::size_t& at_most) {
  const std::size_t places = marked_ == MarkedFiles::kRemove ? kPlaces.size() : kPlaces.size() - 1;
  std::string path;
  while (place_ < places) {
    if (!names_) {
      auto names = maildir_.names_in(kPlaces[place_]);
      if (!names) return names.error();
      names_ = std::move(*names);
    }
    for (; at_most > 0; --at_most) {
      auto name = names_->next();
      if (!name) return in_folder(maildir_.path(), name.error());
      if (!*name) break;
      if ((*name)->starts_with('.')) continue;
      path = kPlaces[place_];
      path += **name;
      paths_.add(path);
    }
    if (at_most == 0) return {};
    names_.reset();
    ++place_;
  }
  listed_ = true;
  place_ = 0;
  return {};
}

Result<void> Search::compare(std::size_t at_most) {
  constexpr std::size_t kRows = 1'024;  // in memory at a time
  while (place_ < kStates.size()) {
    const std::size_t wanted = std::min(at_most, kRows);
    if (wanted == 0) return {};
    const MessageState state = kStates[place_];
    auto rows = index_.paths(mailbox_, state, after_, wanted);
    if (!rows) return rows.error();
    for (const auto& [id, path] : *rows) judge(state, id, path);
    at_most -= rows->size();
    if (rows->size() == wanted) {
      after_ = rows->back().first;
    } else {
      after_ = 0;
      ++place_;
    }
  }
  return {};
}

void Search::judge(MessageState state, std::int64_t id, const std::string& path) {
  const bool there = paths_.take(path);
  found_.any_file |= there;
  found_.any_message |= state != MessageState::kDeleting;
  const bool differs = (state == MessageState::kPresent && !there) ||
                       (state == MessageState::kMissing && there) ||
                       (state == MessageState::kAside && there && !path.starts_with("deleted/")) ||
                       (state == MessageState::kDeleting && marked_ == MarkedFiles::kRemove);
  if (differs) found_.rows.push_back(id);
}

Differences Search::take() {
  found_.paths = paths_.left();
  paths_ = PathSet();
  // The oldest first, by the seconds in front of the first dot; of several of one base name cur/ before new/.
  std::sort(found_.paths.begin(), found_.paths.end(), [](const std::string& one, const std::string& other) {
    const auto bases = std::pair(base_name(one), base_name(other));
    if (bases.first == bases.second) return one < other;
    const auto digits = std::pair(bases.first.find('.'), bases.second.find('.'));
    return digits.first != digits.second ? digits.first < digits.second : bases.first < bases.second;
  });
  return std::move(found_);
}

}  // namespace mailstead

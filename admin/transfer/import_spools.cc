#include "admin/transfer/import_spools.h"

#include <algorithm>
#include <utility>

namespace mailstead::admin {
namespace {

Error begin_anew() {
  return Error{ErrorKind::kNotFound, "the beginning of the message is not here (any more): begin it anew"};
}

}  // namespace

Result<void> ImportSpools::append(Store& store, const std::string& token, std::uint64_t offset,
                                  std::string_view bytes) {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& entry) { return entry.token == token; });
  if (offset == 0) {
    if (found != entries_.end()) entries_.erase(found);
    auto spool = store.new_spool();
    if (!spool) return spool.error();
    entries_.push_front({token, std::move(*spool)});
    if (entries_.size() > kMostImportSpools) entries_.pop_back();
    found = entries_.begin();
  }
  if (found == entries_.end()) return begin_anew();
  entries_.splice(entries_.begin(), entries_, found);
  Spool& spool = *entries_.front().spool;
  if (offset > 0 && spool.size() == offset + bytes.size()) return {};
  if (spool.size() != offset) return begin_anew();
  auto done = spool.append(bytes);
  if (!done) entries_.pop_front();  // what was written of it is not known
  return done;
}

Result<std::unique_ptr<Spool>> ImportSpools::take(const std::string& token, std::uint64_t size) {
  auto found = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& entry) { return entry.token == token; });
  if (found == entries_.end() || found->spool->size() != size) return begin_anew();
  auto spool = std::move(found->spool);
  entries_.erase(found);
  return spool;
}

}  // namespace mailstead::admin

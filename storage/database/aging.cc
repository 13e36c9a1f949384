#include "storage/database/aging.h"

#include <algorithm>
#include <string>

#include "storage/database/schema.h"

namespace mailstead {

namespace {

constexpr std::int64_t kMostBetweenLooks = 24 * 3600;
constexpr std::int64_t kWorthWriting = 3600;
constexpr const char* kAge = "deleted_age";       // seconds
constexpr const char* kAgeAt = "deleted_age_at";  // Unix seconds by the wall clock

}  // namespace

Result<Age> read_age(Database& database, std::int64_t wall) {
  auto base = read_meta_number(database, kAge);
  if (!base) return base.error();
  auto base_at = read_meta_number(database, kAgeAt);
  if (!base_at) return base_at.error();
  if (*base_at == 0) return Age{*base, 0, true};
  const std::int64_t passed = wall - *base_at;
  const std::int64_t counted = std::clamp<std::int64_t>(passed, 0, kMostBetweenLooks);
  return Age{*base + counted, passed - counted, passed < 0 || passed >= kWorthWriting};
}

Result<Age> advance_age(Database& database, std::int64_t wall) {
  auto age = read_age(database, wall);
  if (!age) return age;
  if (auto done = write_meta(database, kAge, std::to_string(age->now)); !done) return done.error();
  if (auto done = write_meta(database, kAgeAt, std::to_string(wall)); !done) return done.error();
  return age;
}

}  // namespace mailstead

#include "storage/backup/backup_damage.h"

#include <string_view>

#include "protocols/ascii.h"
#include "storage/files.h"

namespace mailstead {
namespace {

constexpr const char* kDamagedList = "damaged";
constexpr std::size_t kLongestList = 64u << 20;  // octets; more files are not worth to be listed

}  // namespace

DamagedFiles read_damaged_files(int root) {
  DamagedFiles damaged;
  const auto text = read_small_file(root, kDamagedList, kLongestList);
  if (!text) return damaged;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = ascii::take_until(rest, '\n');
    if (!line.empty()) damaged.emplace(line);
  }
  return damaged;
}

Result<void> write_damaged_files(int root, const DamagedFiles& damaged) {
  if (damaged.empty()) {
    auto gone = remove_file(root, kDamagedList);
    return gone || gone.error().kind == ErrorKind::kNotFound ? Result<void>() : gone;
  }
  std::string text;
  for (const std::string& path : damaged) text += path + "\n";
  return replace_small_file(root, kDamagedList, text);
}

}  // namespace mailstead

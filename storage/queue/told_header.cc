#include "storage/queue/told_header.h"

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {

void ToldHeader::read(std::string_view line) {
  constexpr std::array<std::string_view, kFields> kNames = {"Received", "From", "Subject"};
  if (line.empty()) return;
  if (!ascii::is_blank(line.front())) {
    // RFC 5322 4.5: older writers put blanks before the colon.
    const std::string_view name = ascii::trim_end(line.substr(0, line.find(':')));
    last_ = 0;
    while (last_ < kFields && (!fields_[last_].empty() || !ascii::same(name, kNames[last_]))) ++last_;
  }
  if (last_ == kFields) return;
  std::string& field = fields_[last_];
  const std::size_t room = kMaxTold - std::min(kMaxTold, field.size());
  if (line.size() > room) {
    line = line.substr(0, room);
    last_ = kFields;
  }
  // A line of which nothing was left would end the header.
  if (!line.empty()) field.append(line) += "\r\n";
}

}  // namespace mailstead

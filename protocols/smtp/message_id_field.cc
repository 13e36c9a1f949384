#include "protocols/smtp/message_id_field.h"

#include "protocols/ascii.h"

namespace mailstead {

void MessageIdField::read(std::string_view line) {
  constexpr std::string_view kName = "message-id:";
  if (line.empty()) return;
  if (ascii::is_blank(line.front())) {
    // RFC 5322 2.2.3: long ones stand on a line of their own.
    if (!goes_on_) return;
  } else {
    goes_on_ = value_.empty() && ascii::same(line.substr(0, kName.size()), kName);
    if (!goes_on_) return;
    line.remove_prefix(kName.size());
  }
  value_ = bare_message_id(line);
  if (!value_.empty()) goes_on_ = false;
}

std::string bare_message_id(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  if (text.front() == '<') {
    text.remove_prefix(1);
    text = text.substr(0, text.find('>'));
  }
  return std::string(text.substr(0, kMaxMessageId));
}

}  // namespace mailstead

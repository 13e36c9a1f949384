#include "admin/refusal_reason.h"

namespace mailstead::admin {
namespace {

constexpr std::size_t kSubject = 6;  // "550 5.1.1": the place of the subject's digit

// RFC 3463 3. What has no status code is about the dialogue itself.
std::string_view subject_of(std::string_view reply) {
  const char digit = reply.size() > kSubject && reply[kSubject - 1] == '.' ? reply[kSubject] : '5';
  switch (digit) {
    case '1':
      return "address";
    case '2':
      return "mailbox";
    case '3':
      return "system";
    case '4':
      return "routing";
    case '6':
      return "content";
    case '7':
      return "policy";
    default:
      return "protocol";
  }
}

}  // namespace

std::pair<std::string, std::string> refusal_reason(std::string_view command, std::string_view reply) {
  const std::string_view subject = subject_of(reply);
  return {reply.starts_with('4') ? "temporary" : "permanent",
          std::string(command == "AUTH" && subject == "policy" ? "login" : subject)};
}

}  // namespace mailstead::admin

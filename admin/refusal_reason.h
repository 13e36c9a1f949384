// Why something was refused, in one of a few words: for counters, whose labels must not grow with what
// strangers say. Pure functions; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace mailstead::admin {

inline constexpr std::array<std::string_view, 2> kRefusalClasses = {"temporary", "permanent"};
// What RFC 3463 3 calls the subject of a status code, and logins, which are watched for another reason than
// the rest of "policy".
inline constexpr std::array<std::string_view, 8> kRefusalReasons = {
    "address", "mailbox", "system", "routing", "protocol", "content", "policy", "login"};

// Of those above: "permanent" and "address" of RCPT and "550 5.1.1 ...".
std::pair<std::string, std::string> refusal_reason(std::string_view command, std::string_view reply);

}  // namespace mailstead::admin

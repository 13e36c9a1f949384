// What AUTH carries: base64 (RFC 4648 4), PLAIN (RFC 4616) and LOGIN. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailstead::sasl {

inline constexpr std::string_view kLoginUserPrompt = "VXNlcm5hbWU6";      // "Username:"
inline constexpr std::string_view kLoginPasswordPrompt = "UGFzc3dvcmQ6";  // "Password:"

// nullopt: not base64, whole and padded.
std::optional<std::string> decode(std::string_view base64);

struct Plain {
  std::string authzid;  // empty: the same as authcid
  std::string authcid;
  std::string password;
};

// nullopt: not two NULs, or a name or password missing.
std::optional<Plain> parse_plain(std::string_view message);

}  // namespace mailstead::sasl

// Password hashes as PHC strings: scrypt, RFC 7914, "$scrypt$ln=15,r=8,p=3$salt$hash" (salt and hash in
// unpadded base64). Pure functions, slow on purpose (about 0.1 s and 32 MiB each): never on the reactor.
// Any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocols/result.h"

namespace mailstead {

Result<std::string> hash_password(std::string_view password);

// Compares in constant time. Also reads hashes of other servers by libxcrypt ($6$, $y$, $2b$).
bool verify_password(std::string_view password, const std::string& hash);

// Costs as much as verify_password() and is never true: for users that do not exist.
bool verify_nobody(std::string_view password);

// A new password for a person to type: 120 random bits in groups of letters and digits that cannot be
// mistaken.
std::string generate_password();

// The same for a program: 148 random bits. Never a person's choice, so that it needs no slow hash.
std::string generate_app_password();
// Has it the form of one? What has not need not be looked for among them.
bool is_like_app_password(std::string_view password);

}  // namespace mailstead

// The parameters by which a sender says what it wants to be told (RFC 3461 4): RET and ENVID of MAIL, NOTIFY
// and ORCPT of RCPT. Values as they came, without the name. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocols/smtp/envelope.h"

namespace mailstead {

// nullopt: not such a value.
std::optional<ReturnedContent> parse_returned(std::string_view value);
std::optional<std::string> parse_envelope_id(std::string_view value);
std::optional<Notify> parse_notify(std::string_view value);
// "rfc822;Bob@example.org"; with SMTPUTF8 also of the type utf-8 (RFC 6533 3).
std::optional<std::string> parse_original_recipient(std::string_view value, bool smtputf8);

// What a recipient that was named twice is to be reported by: more rather than less.
std::optional<Notify> both(const std::optional<Notify>& a, const std::optional<Notify>& b);

}  // namespace mailstead

// What a client says in MAIL and RCPT: RFC 5321 4.1.1.2 and 4.1.1.3 with the parameters of the extensions
// that the server offers. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocols/address.h"
#include "protocols/smtp/smtp_client_session.h"
#include "protocols/smtp/smtp_extensions.h"

namespace mailstead {

// Can it stand in a path, and nothing else with it? No address that a parser of ours has read cannot.
bool is_sendable(const Address& address);

// Lines without their CRLF. The addresses are sendable. `letters`: the message goes with SMTPUTF8.
std::string mail_command(const ClientTransaction& transaction, const SmtpExtensions& extensions,
                         Letters letters);
std::string rcpt_command(const Recipient& recipient, const SmtpExtensions& extensions);

}  // namespace mailstead

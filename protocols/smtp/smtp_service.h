// What the kind of a listener decides for its SMTP sessions: a table with a row for each, so that no session
// asks on which port it runs. Constant data; any thread.
#pragma once

#include <string_view>

namespace mailstead {

enum class SmtpService {
  kExchange,    // port 25: mail from other servers, for our mailboxes only
  kSubmission,  // 587 and 465: mail from our users, RFC 6409
  kLmtp,        // mail from a server in front of this one, RFC 2033
};

struct SmtpServiceRules {
  SmtpService service;
  std::string_view protocol;  // in the greeting and the trace line
  bool lhlo;                  // LHLO in the place of HELO and EHLO (RFC 2033 4.1)
  bool login;                 // AUTH is there, and MAIL needs it (RFC 6409 4.3); senders are the user's (6.1)
  bool repairs;               // what a mail program left out of the header is added (RFC 6409 8)
  bool hears_first;           // who speaks before the greeting is no mail server
  bool reply_each;            // the end of a message has a reply for each recipient (RFC 2033 4.2)
};

const SmtpServiceRules& rules_of(SmtpService service);

}  // namespace mailstead

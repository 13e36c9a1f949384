"""What binds an SMTP, submission or LMTP server, all in one list."""

import smtp_core_rules
import smtp_extension_rules
import smtp_message_rules
import smtp_report_rules
import smtp_security_rules

PARTS = (smtp_core_rules, smtp_message_rules, smtp_extension_rules, smtp_security_rules, smtp_report_rules)
RULES = [rule for part in PARTS for rule in part.RULES]


def offered(site):
    """Keywords of any service, before or under TLS; "LMTP" where it is spoken; "AUTH MECHANISM" for each."""
    found = set()
    for service in ("smtp", "submission", "submissions", *(["lmtp"] if "lmtp" in site.ports else [])):
        with site.smtp(service) as session:
            note(session, found)
            if "STARTTLS" in session.extensions:
                session.starttls()
                note(session, found)
    return found | ({"LMTP"} if "lmtp" in site.ports else set())


def note(session, found):
    found.update(session.extensions)
    found.update("AUTH " + mechanism for mechanism in session.extensions.get("AUTH", ()))

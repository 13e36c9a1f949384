"""Judges an SMTP server by every rule in the smtp_…_rules.py and prints the table. See judging.py for the options."""

import sites  # first: it knows where the harness is
import smtp_sites
from judging import Judge
from smtp_rules import RULES, offered

HEAD = """# SMTP: every rule, and what shows that it is kept

Made by `tests/run smtp-conformance`; do not edit. The rules are those of RFC 5321, of its extensions and of submission and LMTP that
bind a server, in our words. A rule is shown over the wire by the function of that name in `tests/conformance/smtp_*_rules.py`,
or by the dialogue of that name in `tests/dialogues/smtp/`. "not offered" stands at rules of an extension that is not announced.
"""

if __name__ == "__main__":
    Judge("SMTP", HEAD, RULES, offered, smtp_sites.Mailstead, {"postfix": smtp_sites.Postfix}).main()

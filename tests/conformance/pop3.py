"""Judges a POP3 server by every rule in pop3_rules.py and prints the table. See judging.py for the options."""

import sites  # first: it knows where the harness is
from judging import Judge
from pop3_rules import RULES, capabilities

HEAD = """# POP3: every rule, and what shows that it is kept

Made by `tests/run pop3-conformance`; do not edit. The rules are those of RFC 1939, 2449, 2595, 3206, 5034, 6856 and 8314 that bind
a server, in our words. A rule is shown over the wire by the function of that name in `tests/conformance/pop3_rules.py`,
or by the dialogue of that name in `tests/dialogues/pop3/`.
"""


def offered(site):
    with site.greeted() as session:
        return capabilities(session)


if __name__ == "__main__":
    Judge("POP3", HEAD, RULES, offered, sites.Mailstead, sites.PEERS).main()

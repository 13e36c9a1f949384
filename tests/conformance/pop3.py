"""Judges a POP3 server by every rule in pop3_rules.py and prints the table.

  pop3.py                   ours; compares the table with protocols/pop3-conformance.md
  pop3.py --write           ours; writes that file
  pop3.py --peer dovecot    ours and a peer, side by side; differences are told
  pop3.py --only NAME       one rule

Environment: MAILSTEAD, the binary; PROTOCOLS_TEST, the program that plays the dialogues.
The last line is "N passed, N failed"; the exit code is 0 only when ours keeps every rule but those of which the
table says that it does not, and the table is up to date.
"""

import argparse
import os
import subprocess
import sys

import sites  # first: it knows where the harness is
import mailstead
import pop3_rules

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "protocols", "pop3-conformance.md")
HEAD = """# POP3: every rule, and what shows that it is kept

Made by `tests/run pop3-conformance`; do not edit. The rules are those of RFC 1939, 2449, 2595, 3206, 5034, 6856 and 8314 that bind
a server, in our words. A rule is shown over the wire by the function of that name in `tests/conformance/pop3_rules.py`,
or by the dialogue of that name in `tests/dialogues/pop3/`.

| RFC | section | | rule | shown by | |
|---|---|---|---|---|---|
"""
KEPT, BROKEN, NOT_OFFERED, NOT_TRIED, DEPARTED = "kept", "BROKEN", "not offered", "not tried", "NOT KEPT"


def play(dialogue):
    program = os.environ.get("PROTOCOLS_TEST")
    if not program:
        return BROKEN, "PROTOCOLS_TEST does not name the program that plays dialogues"
    done = subprocess.run([program, "every POP3 dialogue*", "-c", dialogue], capture_output=True, text=True)
    good = done.returncode == 0 and "No test cases" not in done.stdout and "assertions in 1 test case" in done.stdout
    return (KEPT, "") if good else (BROKEN, done.stdout[-2000:])


def judge(rule, site, ours, offered):
    """(verdict, why)"""
    if rule.departs:
        return (DEPARTED, rule.departs) if ours else (NOT_TRIED, "")
    if rule.dialogue:
        return play(rule.dialogue) if ours else (NOT_TRIED, "")
    if rule.settings and ours:
        with sites.Mailstead(rule.settings) as own:
            return tried(rule, own)
    if rule.needs and rule.needs not in offered:
        return NOT_OFFERED, rule.needs
    return tried(rule, site)


def tried(rule, site):
    try:
        rule.check(site)
        return KEPT, ""
    except (AssertionError, OSError, mailstead.Closed, ValueError, LookupError) as error:
        return BROKEN, "%s: %s" % (type(error).__name__, error)


def judge_all(site, ours, rules):
    with site:
        with site.greeted() as session:
            offered = pop3_rules.capabilities(session)
        return [judge(rule, site, ours, offered) for rule in rules]


def row(rule, verdict):
    return "| %s | %s | %s | %s | %s | %s |\n" % (rule.rfc, rule.section, rule.level, rule.text.replace("|", "\\|"), rule.name, verdict)


def compare_with_file(table, write):
    if write:
        with open(TABLE, "w") as file:
            file.write(table)
        return True
    with open(TABLE) as file:
        same = file.read() == table
    if not same:
        print("protocols/pop3-conformance.md is not this table: write it with tests/run pop3-conformance --write")
    return same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--peer", choices=sorted(sites.PEERS))
    parser.add_argument("--only")
    options = parser.parse_args()
    rules = [rule for rule in pop3_rules.RULES if options.only in (None, rule.name)]
    if not rules:
        sys.exit("no rule is shown by " + options.only)
    verdicts = judge_all(sites.Mailstead(), True, rules)
    table = HEAD + "".join(row(rule, verdict) for rule, (verdict, _) in zip(rules, verdicts))
    print(table)
    failed = 0
    for rule, (verdict, why) in zip(rules, verdicts):
        if verdict not in (KEPT, DEPARTED):
            failed += 1
            print("%s by ours: %s (RFC %s, %s)\n  %s" % (verdict, rule.name, rule.rfc, rule.section, why))
    if options.peer:
        peer = sites.PEERS[options.peer]()
        print("## %s where it differs\n" % peer.name)
        for rule, (ours, _), (verdict, why) in zip(rules, verdicts, judge_all(peer, False, rules)):
            if verdict not in (ours, NOT_TRIED):
                print("%s by %s, %s by ours: RFC %s, %s: %s\n  %s" % (verdict, peer.name, ours, rule.rfc, rule.section, rule.text, why))
        print()
    if not options.only and not compare_with_file(table, options.write):
        failed += 1
    kept = sum(verdict == KEPT for verdict, _ in verdicts)
    print("%d passed, %d failed" % (kept, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

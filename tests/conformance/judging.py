"""Goes through a book of rules with ours and, when asked, a peer; prints the table and compares it with the one that is kept.

  NAME.py                   ours; compares the table with protocols/NAME-conformance.md
  NAME.py --write           ours; writes that file
  NAME.py --peer NAME       ours and a peer, side by side; differences are told
  NAME.py --only NAME       one rule

Environment: MAILSTEAD, the binary; PROTOCOLS_TEST, the program that plays the dialogues.
The last line is "N passed, N failed"; the exit code is 0 only when ours keeps every rule but those of which the
table says that it does not, and the table is up to date. Rules of what ours does not offer are in the table as well, so
that it cannot stop to offer something unseen.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys

import sites  # first: it knows where the harness is
import mailstead
from book import CannotBeTried

PROTOCOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "protocols")
COLUMNS = "\n| RFC | section | | rule | shown by | |\n|---|---|---|---|---|---|\n"
KEPT, BROKEN, NOT_OFFERED, NOT_TRIED, DEPARTED = "kept", "BROKEN", "not offered", "not tried", "NOT KEPT"
AT_ONCE = 6  # rules are tried side by side: each has mailboxes of its own, and most of their time is spent waiting
PATIENCE = 30  # seconds; a server that does not answer breaks one rule and holds up no other


class Judge:
    def __init__(self, protocol, head, rules, offered, ours, peers):
        """`offered`: the set of a site's capabilities. `ours`: makes our site, given settings; `peers`: {name: makes a site}."""
        self.protocol, self.head, self.rules, self.offered = protocol, head, rules, offered
        self.ours, self.peers = ours, peers
        self.path = os.path.join(PROTOCOLS, protocol.lower() + "-conformance.md")

    def play(self, dialogue):
        program = os.environ.get("PROTOCOLS_TEST")
        if not program:
            return BROKEN, "PROTOCOLS_TEST does not name the program that plays dialogues"
        done = subprocess.run([program, "every %s dialogue*" % self.protocol, "-c", dialogue], capture_output=True, text=True)
        good = done.returncode == 0 and "No test cases" not in done.stdout and "assertions in 1 test case" in done.stdout
        return (KEPT, "") if good else (BROKEN, done.stdout[-2000:])

    def judge(self, rule, site, ours, offered):
        """(verdict, why)"""
        if rule.departs:
            return (DEPARTED, rule.departs) if ours else (NOT_TRIED, "")
        if rule.settings and ours:
            with self.ours(rule.settings) as own:
                missing = rule.needs and rule.needs not in self.offered(own)
                return (NOT_OFFERED, rule.needs) if missing else tried(rule, own)
        if rule.needs and rule.needs not in offered:
            return NOT_OFFERED, rule.needs
        if rule.dialogue:
            return self.play(rule.dialogue) if ours else (NOT_TRIED, "")
        return tried(rule, site)

    def judge_all(self, site, ours):
        with site, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            offered = self.offered(site)
            return list(pool.map(lambda rule: self.judge(rule, site, ours, offered), self.rules))

    def table(self, verdicts):
        return self.head + COLUMNS + "".join(row(rule, verdict) for rule, (verdict, _) in zip(self.rules, verdicts))

    def is_the_kept_table(self, table, write):
        if write:
            with open(self.path, "w") as file:
                file.write(table)
            return True
        kept = ""
        if os.path.exists(self.path):
            with open(self.path) as file:
                kept = file.read()
        if kept != table:
            name = self.protocol.lower()
            print("protocols/%s-conformance.md is not this table: write it with tests/run %s-conformance --write" % (name, name))
        return kept == table

    def compare_with(self, peer, verdicts):
        print("## %s where it differs\n" % peer.name)
        for rule, (ours, _), (verdict, why) in zip(self.rules, verdicts, self.judge_all(peer, False)):
            if verdict not in (ours, NOT_TRIED):
                print("%s by %s, %s by ours: %s: RFC %s, %s: %s\n  %s"
                      % (verdict, peer.name, ours, rule.name, rule.rfc, rule.section, rule.text, why))
        print()

    def main(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("--write", action="store_true")
        parser.add_argument("--peer", choices=sorted(self.peers))
        parser.add_argument("--only")
        options = parser.parse_args()
        mailstead.TIMEOUT = PATIENCE
        if options.only:
            self.rules = [rule for rule in self.rules if options.only == rule.name]
        if not self.rules:
            sys.exit("no rule is shown by " + options.only)
        verdicts = self.judge_all(self.ours(""), True)
        table = self.table(verdicts)
        print(table)
        failed = 0
        for rule, (verdict, why) in zip(self.rules, verdicts):
            if verdict not in (KEPT, DEPARTED, NOT_OFFERED):
                failed += 1
                print("%s by ours: %s (RFC %s, %s)\n  %s" % (verdict, rule.name, rule.rfc, rule.section, why))
        if options.peer:
            self.compare_with(self.peers[options.peer](), verdicts)
        if not options.only and not self.is_the_kept_table(table, options.write):
            failed += 1
        print("%d passed, %d failed" % (sum(verdict == KEPT for verdict, _ in verdicts), failed))
        sys.exit(1 if failed else 0)


def tried(rule, site):
    try:
        rule.check(site)
        return KEPT, ""
    except (CannotBeTried, NotImplementedError):
        return NOT_TRIED, ""
    except (AssertionError, OSError, mailstead.Closed, ValueError, LookupError) as error:
        return BROKEN, "%s: %s" % (type(error).__name__, error)


def row(rule, verdict):
    return "| %s | %s | %s | %s | %s | %s |\n" % (rule.rfc, rule.section, rule.level, rule.text.replace("|", "\\|"), rule.shown_by, verdict)

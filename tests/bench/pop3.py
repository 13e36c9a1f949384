"""POP3 beside Dovecot in the same run: speed, processor time, memory, and what we want of them.

Environment: MAILSTEAD and POP3_LOAD, the binaries. See README.md. The exit code tells only whether everything could be
measured: a goal that is missed is no failure on somebody's busy machine.
"""

import argparse
import os
import statistics
import sys
import time

import load
import memory
import processes
import servers
from load import Measure, retr
from mailboxes import Mailboxes, first_answer
from table import Table

PARALLEL = 50
PARTS = ("logins", "lists", "one", "first", "retr", "big", "memory")
LISTS = ["STAT", "LIST", "UIDL"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the measures")
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=100_000, help="messages of the largest mailbox")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1000, 10_000], help="idle ones, rising")
    parser.add_argument("--peer-sessions", type=int, default=1000, help="idle ones of Dovecot, at most")
    parser.add_argument("--held", type=int, nargs="+", default=[10], help="messages of a mailbox with an idle session")
    parser.add_argument("--data", default="image" if os.geteuid() == 0 else None,
                        help="'image': a new ext4 on a loop device, root's default; or a folder; else TMPDIR")
    parser.add_argument("--quick", action="store_true", help="one round of a second, 1,000 idle sessions: does it work?")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.many, options.sessions = 1, 1, 10_000, [1000]
    return options


def measures(many):
    """{part: its measures}."""
    few, thousand = Mailboxes(PARALLEL, 10), Mailboxes(PARALLEL, 1000)
    one, most, big = Mailboxes(1, 1000), Mailboxes(1, many, linked=True), Mailboxes(8, 8, size=1 << 20)
    return {
        "logins": [Measure("login", few, [])],
        "lists": [Measure("login, STAT, LIST, UIDL of %s" % format(each.messages, ","), each, LISTS, rate=5, cost=10)
                  for each in (few, thousand)],
        "one": [Measure("one mailbox, STAT, UIDL of %s" % format(each.messages, ","), each, ["STAT", "UIDL"])
                for each in (one, most)],
        "first": [FirstAnswers("login to STAT of %s" % format(many, ","), most)],
        "retr": [Measure("200 RETR of 4 KiB, pipelined", thousand, retr(200), "RETR/s", rate=3)],
        "big": [Measure("8 RETR of 1 MiB", big, retr(8), "MB/s", rate=2),
                Measure("8 RETR of 1 MiB, TLS", big, retr(8), "MB/s", service="pop3s")],
    }


class FirstAnswers:
    """How long a program waits from sending its login to STAT's answer, when the server has just started and later."""

    LATER = 10
    GOAL_MS = 5

    def __init__(self, name, mailboxes):
        self.name, self.mailboxes = name, mailboxes

    def run(self, both, _seconds, rounds, table):
        first, later = {site: [] for site in both}, {site: [] for site in both}
        for _ in range(rounds):
            for site in both:
                site.restart()
                user = self.mailboxes.users[site][0]
                first[site].append(first_answer(site, user))
                later[site] += [first_answer(site, user) for _ in range(self.LATER)]
        table.below(self.name, "ms, server just started", [statistics.median(first[site]) for site in both])
        table.below(self.name, "ms, later", [statistics.median(later[site]) for site in both], self.GOAL_MS)


def measure_load(options, table):
    wanted = [each for part, some in measures(options.many).items() if part in options.only for each in some]
    filled = list({id(each.mailboxes): each.mailboxes for each in wanted}.values())
    with servers.data_on(options.data), servers.Mailstead() as ours, servers.Dovecot() as peer:
        both = (ours, peer)
        for mailboxes in filled:
            for site in both:
                mailboxes.fill(site)
                mailboxes.check(site)
        for each in wanted:
            each.run(both, options.seconds, options.rounds, table)


def main():
    if not load.CLIENT or servers.mailstead.BINARY is None:
        sys.exit("set MAILSTEAD and POP3_LOAD to the binaries")
    options = arguments()
    begin = time.monotonic()
    most = processes.most_connections(max(options.sessions))
    if max(options.sessions) > most:
        print("the hard limit of open files (ulimit -Hn) bounds idle sessions to %d" % most)
        options.sessions = sorted({min(count, most) for count in options.sessions})
    print("%d processors, load before: %s; data on %s; medians of %d rounds of %g s\n"
          "connections at a time: %d, for one mailbox 1, for 1 MiB 8; client's CPU is that of one processor\n"
          % (os.cpu_count(), " ".join("%.1f" % each for each in os.getloadavg()), options.data or "TMPDIR",
             options.rounds, options.seconds, PARALLEL), flush=True)
    table = Table(("Mailstead", "Dovecot"))
    if set(options.only) != {"memory"}:
        measure_load(options, table)
    if "memory" in options.only:
        for messages in options.held:
            memory.measure(options.sessions, messages, min(options.peer_sessions, options.sessions[0]), table)
        print("\nDovecot has a process for each session, and so is asked for no more than %d." % options.peer_sessions)
    print("%d goals were not reached; all of it took %.0f s" % (table.missed, time.monotonic() - begin))


if __name__ == "__main__":
    main()

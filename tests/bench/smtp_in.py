"""Incoming mail beside Postfix, Postfix with Dovecot, and OpenSMTPD in the same run: messages in a second, processor time,
memory, and what we want of them.

Environment: MAILSTEAD and SMTP_LOAD, the binaries, MAILSTEAD_ARCHIVES, the folder with OpenSMTPD's package. See README.md. As
root, since the others change users; --ours with --data FOLDER can be measured by anybody. The exit code tells only whether everything could be measured.
"""

import argparse
import json
import os
import sys
import time

import incoming
import incoming_plot
import incoming_sites
import processes
import resting
import servers
from incoming import Load, Trouble, bring
from incoming_sites import PEERS, Mailstead, PostfixLmtp, PostfixVirtual
from table import Row, Table, number

PARTS = ("matrix", "goals", "lone", "neighbour", "idle", "start")
GIB = 24  # of the image: a minute of ours are a great many files
TOP = ("load", "server", "accepted/s", "readable/s", "in files/s", "CPU s/1,000", "PSS MB", "reply ms", "99 % ms", "ours is", "client")
WIDTHS = (22, 16, 11, 11, 11, 11, 8, 9, 9, 9, 7)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0].replace("\n", " "))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the measures")
    parser.add_argument("--ours", action="store_true", help="without the others")
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--minute", type=float, default=60, help="seconds of the sustained load")
    parser.add_argument("--rounds", type=int, default=1, help="of each load but the sustained one")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 10, 50, 200])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1 << 10, 4 << 10, 64 << 10, 1 << 20], help="octets")
    parser.add_argument("--sessions", type=int, default=10_000, help="idle ones")
    parser.add_argument("--messages", type=int, default=100_000, help="of the store that is started")
    parser.add_argument("--neighbour", type=float, default=200, help="MB a second that it writes")
    parser.add_argument("--data", default="image", help="'image': a new ext4 on a loop device; or a folder")
    parser.add_argument("--output", default="build/results", help="the folder for bench-smtp.svg and bench-smtp.json")
    parser.add_argument("--quick", action="store_true", help="a look of three minutes: does it work?")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.minute, options.connections, options.sizes = 1, 3, [1, 50], [4 << 10, 1 << 20]
        options.sessions, options.messages = 1000, 5000
    return options


class Report:
    """Prints each load as it was measured, and keeps it for the plot and for other programs."""

    def __init__(self):
        self.found = {}  # {(what, load): {name: Figures, or None where there are none}}
        self.row = Row(WIDTHS, 2)

    def head(self, words):
        print("\n" + words)
        self.row.show(*TOP)
        self.row.show(*("-" * width for width in WIDTHS))

    def add(self, what, load, name, figures):
        ours = self.found.setdefault((what, load), {}).get(Mailstead.name)
        self.found[what, load][name] = figures
        times = "x %.1f" % (ours.readable / figures.readable) if ours else ""
        self.row.show(str(load), name, *(number(value) for value in (
            figures.accepted, figures.readable, figures.filed, figures.cost, figures.memory / 1e6, figures.median, figures.slowest)),
            times, "%.0f %%" % (figures.client * 100))

    def trouble(self, what, load, name, trouble):
        self.found.setdefault((what, load), {})[name] = None
        self.row.show(str(load), name)
        print("    no figure: %s" % trouble, flush=True)

    def figures(self, what, name, size, connections, each):
        """Those of one load, whatever its length, or None."""
        for (part, load), some in self.found.items():
            if (part, load.size, load.connections, load.each) == (what, size, connections, each):
                return some.get(name)
        return None

    def save(self, path, about):
        rows = [{"what": what, "connections": load.connections, "size": load.size, "each": load.each, "seconds": load.seconds,
                 "server": name, **(vars(figures) if figures else {"trouble": True})}
                for (what, load), some in self.found.items() for name, figures in some.items()]
        with open(path, "w") as file:
            json.dump({"about": about, "loads": rows}, file, indent=1)


class Bench:
    def __init__(self, options, report):
        self.options, self.report = options, report
        self.makers = (Mailstead,) if options.ours else (Mailstead, *PEERS)

    def run_all(self, what, loads, rounds):
        """Each load with each server in turn, which runs alone then, and without any mail at first."""
        for load in loads:
            for make in self.makers:
                try:
                    figures = []
                    for _ in range(rounds):
                        with make() as site:
                            figures.append(bring(site, load))
                except Trouble as trouble:
                    if make is Mailstead:
                        raise
                    self.report.trouble(what, load, make.name, trouble)
                else:
                    self.report.add(what, load, make.name, incoming.median(figures))

    def matrix(self):
        self.report.head("Every kind of load, %g s each" % self.options.seconds)
        self.run_all("matrix", [Load(connections, size, each, self.options.seconds) for size in self.options.sizes
                                for each in (0, 1) for connections in self.options.connections], self.options.rounds)

    def goals(self, table):
        self.report.head("What the goals are about, 50 connections")
        minute = Load(50, 4096, 0, self.options.minute)
        others = [Load(50, 4096, 1, 3 * self.options.seconds), Load(50, 1 << 20, 0, 3 * self.options.seconds)]
        self.run_all("goals", [minute], 1)
        self.run_all("goals", others, self.options.rounds)
        fresh, large = others
        self.compare(table, "4 KiB, kept, for %g s" % minute.seconds, minute, PostfixVirtual, rate=20)
        self.compare(table, "", minute, PostfixLmtp, rate=20, cost=30)
        self.compare(table, "4 KiB, new connections", fresh, PostfixVirtual, rate=8)
        self.compare(table, "1 MiB, kept", large, PostfixVirtual, rate=3)

    def compare(self, table, what, load, peer, rate, cost=None):
        ours, theirs = (self.report.found["goals", load].get(make.name) for make in (Mailstead, peer))
        if ours is None or theirs is None:
            return
        table.add("rate", "%s: %s" % (what, peer.name) if what else peer.name, "readable/s", [ours.readable, theirs.readable], rate)
        if cost:
            table.add("cost", "", "CPU s/1,000", [ours.cost, theirs.cost], cost)

    def lone(self, table):
        """The flush of the same file system is the peer here."""
        with Mailstead() as site:
            flush = incoming.flush_time()
            told, _ = incoming.flood(site, Load(1, 4096, 0, 0), next(incoming.RUNS), "--lone", "--count", "200")
            again = incoming.flush_time()
        latency = told["latency_ms"]
        median, slowest = ((one + other) / 2 for one, other in zip(flush, again))
        table.add("below", "a lone message's 250; one flush", "ms", [latency["median"], median], 2 * median)
        table.add("below", "", "ms, 99 %", [latency["p99"], slowest], None)

    def neighbour(self):
        loads = [Load(connections, 4096, 0, self.options.seconds) for connections in self.options.connections]
        for what, rate in (("quiet", 0), ("beside", self.options.neighbour)):
            self.report.head("Ours alone, %s" % ("quiet" if not rate else "beside somebody who writes %g MB/s" % rate))
            for load in loads:
                beside = incoming.Neighbour(rate) if rate else None
                with Mailstead() as site:
                    self.report.add(what, load, Mailstead.name, bring(site, load, beside))
                if beside:
                    print("    the neighbour got %.0f MB/s" % beside.got[0], flush=True)


class Goals:
    """Rows that are printed at the end."""

    def __init__(self):
        self.rows = []

    def add(self, kind, *row):
        self.rows.append((kind, row))

    def show(self):
        if not self.rows:
            return
        print("\nGoals")
        table = Table(("Mailstead", "other"))
        for kind, row in self.rows:
            getattr(table, kind)(*row)
        print("%d goals were not reached" % table.missed)


def run(options, report, goals):
    bench = Bench(options, report)
    with servers.data_on(options.data, GIB):
        if "goals" in options.only:
            bench.goals(goals)
        if "lone" in options.only:
            bench.lone(goals)
        if "neighbour" in options.only:
            bench.neighbour()
        if "idle" in options.only:
            resting.idle(options.sessions, () if options.ours else (PostfixVirtual,), goals)
        if "start" in options.only:
            resting.start(options.messages, goals)
        if "matrix" in options.only:
            bench.matrix()


def main():
    options = arguments()
    if not incoming.CLIENT or servers.mailstead.BINARY is None:
        sys.exit("set MAILSTEAD and SMTP_LOAD to the binaries")
    if os.geteuid() != 0 and (not options.ours or options.data == "image"):
        sys.exit("be root, or ask for --ours with --data FOLDER")
    os.makedirs(options.output, exist_ok=True)
    asked, options.sessions = options.sessions, processes.most_connections(options.sessions)
    if options.sessions < asked:
        print("the hard limit of open files (ulimit -Hn) bounds idle connections to %d" % options.sessions)
    about = "%d processors, load before: %s; %s; data on %s; %d mailboxes" % (
        os.cpu_count(), " ".join("%.1f" % each for each in os.getloadavg()), time.strftime("%Y-%m-%d"),
        "a new journalled ext4" if options.data == "image" else options.data, incoming_sites.USERS)
    print(about, flush=True)
    begin, report, goals = time.monotonic(), Report(), Goals()
    try:
        run(options, report, goals)
    finally:
        goals.show()
        report.save(os.path.join(options.output, "bench-smtp.json"), about)
        if incoming_plot.write(os.path.join(options.output, "bench-smtp.svg"), about, options, report):
            print("the plot is %s/bench-smtp.svg" % options.output)
    print("all of it took %.0f s" % (time.monotonic() - begin))


if __name__ == "__main__":
    main()

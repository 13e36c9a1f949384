"""Mail brought to a server, until all of it can be read, and what that cost; and the proof that it is there."""

import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import load_mail
from incoming_sites import NAMES, USERS
from servers import mailstead, sites

CLIENT = os.environ.get("SMTP_LOAD", "")
PATIENCE = 30  # seconds in which nothing happens
RUNS = ("run%d" % number for number in itertools.count(1))


class Trouble(Exception):
    """A server did not take all that it was brought: there is no figure then."""


@dataclasses.dataclass(frozen=True)
class Load:
    connections: int
    size: int      # octets of a message
    each: int = 0  # messages on a connection; 0: all
    seconds: float = 3

    def __str__(self):
        how = "kept" if self.each == 0 else "one each" if self.each == 1 else "%d each" % self.each
        return "%s, %d %s" % (print_size(self.size), self.connections, how)


@dataclasses.dataclass
class Figures:
    accepted: float   # a second
    readable: float   # a second, until the last one can be read
    filed: float      # a second, until the last one is a file in its maildir
    cost: float       # processor seconds of the server for 1,000, until it has nothing more to do
    memory: float     # octets of PSS near the end of the load
    client: float     # the load's own share of a processor
    median: float     # milliseconds from the end of a message to its reply
    slowest: float    # the same of the slowest hundredth


def print_size(octets):
    return "%d MiB" % (octets >> 20) if octets >= 1 << 20 else "%d KiB" % (octets >> 10) if octets >= 1 << 10 else "%d octets" % octets


def median(several):
    return Figures(**{field.name: statistics.median(getattr(each, field.name) for each in several)
                      for field in dataclasses.fields(Figures)})


def bring(site, load, beside=None):
    """Its Figures, of a site without any mail. `beside`: a context in which the load goes on."""
    subprocess.run(["sync", "-f", tempfile.gettempdir()], check=True)
    if beside is None:
        return measure(site, load, next(RUNS))
    with beside:
        return measure(site, load, next(RUNS))


def measure(site, load, run):
    before = site.processor_seconds()
    told, memory = flood(site, load, run)
    begin = time.monotonic() - told["seconds"]
    count = told["accepted"]
    readable = when(site.readable, count) - begin
    arrived = load_mail.Arrived(run, count, load.size, USERS)
    filed = readable
    if site.reads_over_pop3:
        look_at_last(site, arrived)
        filed = when(site.count_files, count) - begin
    settle(site)
    spent = site.processor_seconds() - before
    arrived.verify(site.files())
    return Figures(count / told["seconds"], count / readable, count / filed, spent / count * 1000, memory,
                   told["cpu_seconds"] / told["seconds"], told["latency_ms"]["median"], told["latency_ms"]["p99"])


def flood(site, load, run, *more):
    """What smtp_load tells, and the server's memory when most of it has been brought."""
    command = [CLIENT, "flood", "--port", str(site.port), "--connections", str(load.connections), "--each", str(load.each),
               "--size", str(load.size), "--users", str(USERS), "--run", run, "--patience", str(PATIENCE),
               "--greetings", str(site.greetings)]
    process = subprocess.Popen([*command, *(more or ("--seconds", str(load.seconds)))], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    with process:
        try:
            process.wait(load.seconds * 0.8)
        except subprocess.TimeoutExpired:
            pass
        memory = site.memory()
        output, errors = process.communicate()
    if process.returncode != 0:
        raise Trouble(errors.strip())
    told = json.loads(output)
    if told["refused"] or told["broken"] or not told["accepted"]:
        raise Trouble("%d refused, %d without an answer: %s" % (told["refused"], told["broken"], told["first_trouble"]))
    return told, memory


def when(count, wanted):
    """The moment when so many are there."""
    most, last = -1, time.monotonic()
    while True:
        begin = time.monotonic()
        found = count()
        now = time.monotonic()
        if found >= wanted:
            return now
        if found > most:
            most, last = found, now
        elif now - last > PATIENCE:
            raise Trouble("only %d of %d messages are there" % (most, wanted))
        time.sleep(max(0.01, 4 * (now - begin)))  # so that looking costs the server little


def look_at_last(site, arrived):
    """The newest messages of some mailboxes, by POP3, whether they are in files or not yet."""
    for user in NAMES[::10]:
        with mailstead.Pop3(mailstead.Stream(site.server.ports["pop3"])) as session:
            session.login(user, sites.PASSWORD)
            count = session.stat()[0]
            if count:
                octets = session.retr(count)
                arrived.compare(user, octets, len(octets))
            session.quit()


def settle(site):
    """Until the server has nothing more to do."""
    end = time.monotonic() + PATIENCE
    before = site.processor_seconds()
    while time.monotonic() < end:
        time.sleep(0.5)
        now = site.processor_seconds()
        if now - before < 0.02:
            return
        before = now


def flush_time(count=200):
    """Milliseconds of an append with its fdatasync: median and the slowest hundredth."""
    done = subprocess.run([CLIENT, "flush", "--folder", tempfile.gettempdir(), "--count", str(count)], check=True,
                          capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["median"], told["p99"]


class Neighbour:
    """Somebody who writes so many MB a second to the same file system meanwhile."""

    def __init__(self, rate):
        self.rate, self.got = rate, []

    def __enter__(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "neighbour.py")
        self.process = subprocess.Popen([sys.executable, script, tempfile.gettempdir(), str(self.rate)],
                                        stdout=subprocess.PIPE, text=True)
        time.sleep(1)

    def __exit__(self, *_):
        self.process.terminate()
        self.got.append(float(self.process.communicate()[0]))

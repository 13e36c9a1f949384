"""What a server costs that has nothing to do: idle SMTP connections, and its start."""

import os
import statistics
import subprocess
import time

import incoming
import incoming_sites

GOAL_MB = 100     # for 10,000 idle connections
GOAL_READY = 50   # ms
PEER_SESSIONS = 200  # of a peer, which has a process for each
STARTS = 5


def idle(count, peers, goals):
    """Memory of connections that have said EHLO, from forty addresses in turn, and then nothing."""
    per_session, whole = [], []
    for make, sessions in ((incoming_sites.Mailstead, count), *((peer, PEER_SESSIONS) for peer in peers)):
        with make() as site:
            before, now = held(site, sessions)
        per_session.append((now - before) / 1024 / sessions)
        whole.append(now / 1e6)
    per_session, whole = (each if len(each) == 2 else [*each, None] for each in (per_session, whole))
    what = "%s idle connections" % format(count, ",")
    goals.add("cost", what + ("; %d of Postfix" % PEER_SESSIONS if peers else ""), "PSS KiB each", per_session, None)
    goals.add("below", what, "PSS MB in all", [whole[0], None], GOAL_MB * count / 10_000 if count >= 9_000 else None)


def held(site, count):
    """PSS in octets before and with them. All have to answer at the end."""
    before = site.memory()
    with subprocess.Popen([incoming.CLIENT, "hold", "--port", str(site.port), "--connections", str(count)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        try:
            if crowd.stdout.readline() != "%d\n" % count:
                raise AssertionError("%s does not take %d connections" % (site.name, count))
            time.sleep(1)
            now = site.memory()
            crowd.stdin.write("\n")
            crowd.stdin.close()
            if crowd.wait() != 0:
                raise AssertionError("%s dropped connections" % site.name)
        finally:
            crowd.kill()
    return before, now


def start(count, goals):
    """From the start of the program to `ready`, with so many messages in the store."""
    with incoming_sites.Mailstead() as site:
        incoming.flood(site, incoming.Load(50, 1024, 0, 0), next(incoming.RUNS), "--count", str(count))
        incoming.when(site.count_files, count)
        incoming.settle(site)
        after_stop = [time_of_start(site.server) for _ in range(STARTS)]
        if site.readable() != count:
            raise AssertionError("after a start there are %d of %d messages" % (site.readable(), count))
        after_kill = [time_of_start(site.server, kill=True) for _ in range(STARTS)]
    what = "start to ready, %s messages" % format(count, ",")
    goals.add("below", what, "ms", [statistics.median(after_stop), None], GOAL_READY)
    goals.add("below", what, "ms, after kill -9", [statistics.median(after_kill), None], None)


def time_of_start(server, kill=False):
    """Milliseconds; the server runs as before then."""
    if kill:
        server.kill()
    else:
        server.stop()
    read, write = os.pipe()
    begin = time.monotonic()
    process = subprocess.Popen(server.command("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write)
    os.close(write)
    with open(read, "rb") as log:
        if not any(line.rstrip().endswith(b"ready") for line in log):
            raise AssertionError("the server does not start")
        took = time.monotonic() - begin
        process.terminate()
        log.read()
    process.wait()
    server.start()
    return took * 1000

"""Memory of sessions that are logged in and idle."""

import contextlib
import os
import subprocess
import time

import load
import mailboxes
import processes
import servers

SHARED = "/dev/shm"  # memory does not depend on the disk, and 10,000 mailboxes are made in a moment there
SERVICES = {"pop3": "plain", "pop3s": "TLS"}
GOALS = {"pop3": 100, "pop3s": 300}  # MB for 10,000 sessions


def measure(counts, messages, peer_count, table):
    held = mailboxes.Mailboxes(max(counts), messages, linked=True)
    few = mailboxes.Mailboxes(peer_count, messages, linked=True)
    with servers.data_on(SHARED if os.path.isdir(SHARED) else None), servers.Mailstead() as ours, servers.Dovecot() as peer:
        held.fill(ours)
        few.fill(peer)
        held.check(ours)
        few.check(peer)
        for service, how in SERVICES.items():
            found = {}
            for site, kept, wanted in ((ours, held, counts), (peer, few, [peer_count])):
                site.restart()  # nothing of the sessions before is left
                found[site] = sessions(site, kept, service, wanted)
            for count in counts:
                what = "%s idle sessions, %s, %d messages" % (format(count, ","), how, messages)
                each = [found[site].get(count, (None, None)) for site in (ours, peer)]
                table.cost(what, "PSS KiB/session", [one[0] for one in each])
                # As many as the limit of open files leaves of them; of a few, what the server has without any is too much.
                most = GOALS[service] * count / 10_000 if count >= 9_000 else None
                table.below(what, "PSS MB in all", [one[1] for one in each], most)


def sessions(site, kept, service, counts):
    """{count: (KiB of each session, MB in all)}."""
    with contextlib.ExitStack() as ends:
        crowd = subprocess.Popen([load.CLIENT, "hold", str(site.ports[service][1]), service, servers.sites.PASSWORD,
                                  str(kept.messages), *map(str, counts)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ends.callback(crowd.wait)
        ends.callback(crowd.kill)
        begin = processes.memory(site.pid)
        crowd.stdin.write("\n".join(kept.users[site]) + "\n\n")
        found = {}
        for count in counts:
            crowd.stdin.flush()
            if crowd.stdout.readline() != "%d\n" % count:
                raise AssertionError("%s does not take %d sessions" % (site.name, count))
            time.sleep(1)  # what the logins left to do is done
            now = processes.memory(site.pid)
            found[count] = ((now - begin) / 1024 / count, now / 1e6)
            crowd.stdin.write("\n")
        crowd.stdin.close()
        if crowd.wait() != 0:
            raise AssertionError("%s dropped sessions" % site.name)
    return found

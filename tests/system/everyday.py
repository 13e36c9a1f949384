"""All at once for SECONDS (600): mail comes by SMTP and is fetched and deleted by POP3 while one backup follows the other, one
check the other, and an administrator changes things. A ledger holds what everybody was told, and is compared at the end with
what is there, and with what the last backup gives back."""

import os
import random
import re
import threading
import time
import unittest

import crash
import mailstead

SECONDS = float(os.environ.get("SECONDS", "600"))
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 30))))
MOST_MEMORY = 200 << 20  # octets, without sanitizers


class Worker(threading.Thread):
    """Does its work again and again until the end. Unlike in a crash, nothing may go wrong."""

    def __init__(self, ends, work):
        super().__init__(daemon=True)
        self.ends, self.work = ends, work
        self.error = None
        self.times = 0
        self.longest = 0.0

    def run(self):
        try:
            while not self.ends.is_set():
                begin = time.monotonic()
                self.work()
                self.longest = max(self.longest, time.monotonic() - begin)
                self.times += 1
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
            self.ends.set()


class Administrator:
    def __init__(self, server, source):
        self.server, self.source = server, source
        self.number = 0

    def change_something(self):
        self.number += 1
        user = self.source.choice(crash.USERS)
        name = "extra%d@example.org" % self.number
        for arguments in (("mailbox", "list"), ("message", "list", user), ("status",), ("queue", "list"), ("domain", "list"),
                          ("alias", "add", name, user), ("alias", "remove", name),
                          ("mailbox", "quota", user, "%d GiB" % (1 + self.number % 3)), ("why", user)):
            self.server.admin(*arguments)
        self.server.add_cheap_mailbox(name)
        self.server.admin("mailbox", "remove", name, *(["--keep-mail"] if self.number % 2 else []))


class Everyday(unittest.TestCase):
    def test_all_at_once(self):
        print("\nSECONDS=%g SEED=%d" % (SECONDS, SEED), flush=True)
        source = random.Random(SEED)
        ledger = crash.Ledger()
        with mailstead.Server() as server:
            server.start()
            for user in crash.USERS:
                server.add_cheap_mailbox(user)
            backups = os.path.join(server.folder, "backups")
            ends = threading.Event()
            workers = self.workers(server, ledger, source, ends, backups)
            for worker in workers.values():
                worker.start()
            ends.wait(SECONDS)
            ends.set()
            for name, worker in workers.items():
                worker.join(mailstead.TIMEOUT * 3)
                self.assertFalse(worker.is_alive(), name)
                if worker.error is not None:
                    raise AssertionError("%s (SEED=%d): %r" % (name, SEED, worker.error)) from worker.error
                self.assertGreater(worker.times, 0, name)
            crash.check_all(server, ledger, source, everything=True)
            peak = mailstead.memory(server.pid)[1]
            if not mailstead.sanitized():
                self.assertLess(peak, MOST_MEMORY)
            log = server.log()
            self.assertNotIn(" error ", log)
            before = {user: dict(server.fetch(user)) for user in crash.USERS}
            server.admin("backup", backups, "--test")
            server.stop()
            self.check_backup(server, backups, before)
        print("; ".join("%s: %d times, at most %.1f s" % (name, worker.times, worker.longest) for name, worker in workers.items()))
        print("%s; at most %.1f MiB" % (", ".join("%s %d" % item for item in ledger.counts.items()), peak / (1 << 20)))

    def workers(self, server, ledger, source, ends, backups):
        works = {}
        for number in range(crash.SENDERS):
            works["sender %d" % number] = crash.Sender(server, ledger, source.random(), ends).session
        for user in crash.USERS:
            works["reader of " + user] = crash.Deleter(server, ledger, user, source.random(), ends).session
        works["administrator"] = Administrator(server, random.Random(source.random())).change_something
        works["backup"] = lambda: server.admin("backup", backups, "--keep", "3")
        flags = [(), ("--all",), ("--repair",), ("--all", "--repair")]

        def verify():
            flags.append(flags.pop(0))
            report = server.json("verify", *flags[0])
            assert report["amiss"] == report["mended"] == 0, report
        works["check"] = verify
        return {name: Worker(ends, work) for name, work in works.items()}

    def check_backup(self, server, backups, expected):
        restored = mailstead.Server(data=os.path.join(server.folder, "restored"))
        with restored:
            restored.admin("restore", backups)
            restored.passwords = server.passwords
            restored.start()
            for user, mail in expected.items():
                self.assertEqual(dict(restored.fetch(user)), mail)
            self.assertEqual(restored.json("verify", "--all")["amiss"], 0)
            self.assertIsNone(re.search(r" recovered .*(missing|lost)", restored.log()))


if __name__ == "__main__":
    mailstead.main()

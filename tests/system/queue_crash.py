"""kill -9 while mail is handed in and sent: each message that was acknowledged arrives, and how many come twice is told.

A message may come twice when the server dies between the other side's 250 and its own commit (RFC 5321 4.1.1.4), and only then:
it was taken shortly before a kill, each time but the last. ROUNDS (20) and SEED (printed) come from the environment."""

import collections
import itertools
import os
import random
import re
import smtplib
import threading
import time
import unittest

import internet
import mailstead

ANNA = "anna@example.org"
ROUNDS = int(os.environ.get("ROUNDS") or os.environ.get("DEFAULT_ROUNDS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
SUBMITTERS = 3
WINDOW = 3     # seconds from the other side's 250 to our commit, on a busy machine
LAG = 0.5      # seconds behind a kill in which a host still reads what was sent before
LONG = 2 * WINDOW, 10  # so long is a round among so many, for what is sent far from any kill
SETTINGS = """hostname = "mail.example.org"
[resolver]
servers = ["%s"]
[queue]
retry = ["10 s"]
[submission]
recipients_per_hour = 0
recipients_per_day = 0
""" % internet.NAME_SERVER[0]
NUMBER = re.compile(rb"Subject: message (\d+)\r\n")


class Kill(unittest.TestCase):
    def test_each_acknowledged_message_arrives(self):
        print("SEED=%d" % SEED)
        chance = random.Random(SEED)
        names = internet.Names()
        far, wide = internet.Host("192.0.2.10"), internet.Host("192.0.2.11")
        for domain, address in (("far.example", "192.0.2.10"), ("wide.example", "192.0.2.11")):
            names.add(domain, "MX", "10 mx." + domain)
            names.add("mx." + domain, "A", address)
        # One of them is in a bad mood now and then.
        moods = random.Random(SEED + 1)
        wide.replies["RCPT"] = lambda line: "450 4.7.1 later" if moods.random() < 0.3 else "250 OK"
        server = mailstead.Server(SETTINGS, {"smtp": [internet.US + ":25"], "submission": ["127.0.0.1:0"], "pop3": ["127.0.0.1:0"]})
        server.start()
        self.addCleanup(server.close)
        server.add_cheap_mailbox(ANNA)
        self.next, self.acknowledged, lock = 0, {}, threading.Lock()

        def hand_in(port, stop):
            while not stop.is_set():
                with lock:
                    number, self.next = self.next, self.next + 1
                try:
                    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=10) as client:
                        client.login(ANNA, "correct horse")
                        to = ["u%d@far.example" % number, "u%d@wide.example" % number][:1 + number % 2]
                        client.sendmail(ANNA, to, b"From: anna@example.org\r\nSubject: message %d\r\n\r\n%s\r\n" % (number, b"x" * 500))
                    with lock:
                        self.acknowledged[number] = to
                except (OSError, smtplib.SMTPException):
                    pass  # it was not acknowledged: it may arrive, or not

        kills = []
        for number in range(ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=hand_in, args=(server.ports["submission"][1], stop)) for _ in range(SUBMITTERS)]
            for thread in threads:
                thread.start()
            time.sleep(LONG[0] if number % LONG[1] == 0 else chance.uniform(0.05, 0.6))
            server.kill()
            kills.append(time.monotonic())
            stop.set()
            for thread in threads:
                thread.join()
            server.start()
            server.admin("queue", "retry")
        wide.replies.clear()
        self.empty_the_queue(server, (far, wide))
        arrived = collections.defaultdict(list)  # when
        for host in (far, wide):
            for taken in host.taken:
                number = int(NUMBER.search(taken["content"]).group(1))
                self.assertTrue(taken["content"].endswith(b"x" * 500 + b"\r\n"), "whole")
                for recipient in taken["to"]:
                    arrived[number, recipient.strip("<>")].append(taken["at"])
        promised = [(number, recipient) for number, to in self.acknowledged.items() for recipient in to]
        lost = [each for each in promised if not arrived[each]]
        repeated = [pair for times in arrived.values() for pair in itertools.pairwise(sorted(times))]
        twice = len(repeated)
        print("%d rounds, %d messages acknowledged for %d recipients, %d came twice" % (ROUNDS, len(self.acknowledged), len(promised), twice))
        self.assertEqual(lost, [])
        # Each time by the first kill behind it.
        waits = [next((kill - first for kill in kills if first - LAG <= kill < again), None) for first, again in repeated]
        self.assertNotIn(None, waits, "twice without a kill between")
        print("the longest from a copy to the kill that had it sent again: %.3f s" % max(waits, default=0))
        self.assertLess(max(waits, default=0), WINDOW)
        self.assertGreater(len(promised), ROUNDS)
        self.assertLess(twice, len(promised) / 2)
        self.assertEqual(os.listdir(os.path.join(server.data, "queue")), [])
        self.assertEqual(server.fetch(ANNA), [])

    def empty_the_queue(self, server, hosts):
        """However long that takes, if only something moves."""
        before, moved = None, time.monotonic()
        while queue := server.json("queue", "list"):
            state = len(queue), sum(len(host.taken) for host in hosts)
            if state != before:
                before, moved = state, time.monotonic()
            self.assertLess(time.monotonic() - moved, mailstead.TIMEOUT, "nothing moves, and the queue is not empty")
            server.admin("queue", "retry")
            time.sleep(0.2)


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

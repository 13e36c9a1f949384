"""kill -9 while mail is handed in and sent: each message that was acknowledged arrives, and how many come twice is told.

A message may come twice when the server dies between the other side's 250 and its own commit (RFC 5321 4.5.4.1 wants it so).
ROUNDS (20), SEED (drawn, and printed)."""

import collections
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
ROUNDS = int(os.environ.get("ROUNDS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
SUBMITTERS = 3
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

        for _ in range(ROUNDS):
            stop = threading.Event()
            threads = [threading.Thread(target=hand_in, args=(server.ports["submission"][1], stop)) for _ in range(SUBMITTERS)]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.05, 0.6))
            server.kill()
            stop.set()
            for thread in threads:
                thread.join()
            server.start()
            server.admin("queue", "retry")
        wide.replies.clear()
        deadline = time.monotonic() + 5 * mailstead.TIMEOUT
        while server.json("queue", "list"):
            self.assertLess(time.monotonic(), deadline, "the queue is empty in the end")
            server.admin("queue", "retry")
            time.sleep(0.2)
        arrived = collections.Counter()
        for host in (far, wide):
            for taken in host.taken:
                number = int(NUMBER.search(taken["content"]).group(1))
                self.assertTrue(taken["content"].endswith(b"x" * 500 + b"\r\n"), "whole")
                for recipient in taken["to"]:
                    arrived[number, recipient.strip("<>")] += 1
        promised = [(number, recipient) for number, to in self.acknowledged.items() for recipient in to]
        lost = [each for each in promised if not arrived[each]]
        twice = sum(count - 1 for count in arrived.values())
        print("%d rounds, %d messages acknowledged for %d recipients, %d came twice" % (ROUNDS, len(self.acknowledged), len(promised), twice))
        self.assertEqual(lost, [])
        self.assertGreater(len(promised), ROUNDS)
        self.assertLess(twice, len(promised) / 2)
        self.assertEqual(os.listdir(os.path.join(server.data, "queue")), [])
        self.assertEqual(server.fetch(ANNA), [])


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

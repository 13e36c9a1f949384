"""A queue of 100,000 messages (MESSAGES; 10,000 with the sanitizers): whoever looks at it, or tries all of it again, holds nobody up and needs no memory for it."""

import json
import os
import sqlite3
import subprocess
import time

import internet
import mailstead
import sending
from sending import ANNA

MESSAGES = int(os.environ.get("MESSAGES", "10000" if mailstead.sanitized() else "100000"))
ALPHABET = "0123456789abcdefghijklmnopqrstuv"


def memory(pid, what):
    with open("/proc/%d/status" % pid) as status:
        return next((int(line.split()[1]) for line in status if line.startswith(what + ":")), 0) >> 10  # MiB; ended: 0


class LongQueue(sending.Sender):
    settings = sending.SETTINGS.replace('"10 s"', '"600 s"') + "[submission]\nrecipients_per_hour = 0\nrecipients_per_day = 0\n"

    def copies(self, sent):
        """The one message of the queue becomes many, by rows and empty files. Their sender wants them held, so none is opened."""
        self.server.stop()
        database = sqlite3.connect(os.path.join(self.server.data, "mailstead.db"))
        later = int(time.time()) + 86400
        database.execute("UPDATE queue SET hold_until = ?", (later,))
        database.execute("UPDATE queue_recipients SET next_at = ?", (later - 3600,))

        def copy(table, change):
            cursor = database.execute("SELECT * FROM " + table)
            row = dict(zip([column[0] for column in cursor.description], cursor.fetchone()))
            database.executemany("INSERT INTO %s (%s) VALUES (%s)" % (table, ",".join(row), ",".join("?" * len(row))),
                                 (list({**row, "id": number, **change(number)}.values()) for number in range(2, MESSAGES + 1)))

        def name(number):
            return "1" * 10 + "".join(ALPHABET[number >> shift & 31] for shift in (20, 15, 10, 5, 0))

        copy("queue", lambda number: {"queue_id": name(number)})
        copy("queue_recipients", lambda number: {"message": number, "address": "u%d@far.example" % number})
        copy("queue_attempts", lambda number: {"recipient": number})
        database.commit()
        database.close()
        for number in range(2, MESSAGES + 1):
            os.close(os.open(os.path.join(self.server.data, "queue", name(number)), os.O_CREAT | os.O_WRONLY, 0o600))
        self.server.start()

    def beside(self, *command):
        """What the command printed, its memory in MiB, and how many messages were taken from the first piece on to its end."""
        delivered = most = 0
        with open(os.path.join(self.folder.name, "out"), "w+") as out, self.server.smtp("submission", user=ANNA) as client:
            process = subprocess.Popen([os.environ["MAILSTEAD"], "--data", self.server.data, *command], stdout=out)
            while process.poll() is None:
                client.must("MAIL FROM:<%s>" % ANNA)
                client.must("RCPT TO:<%s>" % ANNA)
                client.must("DATA", "354")
                client.stream.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                client.expect("250")
                most = max(most, memory(process.pid, "VmHWM"))
                delivered += process.poll() is None
            self.assertEqual(process.returncode, 0)
            out.seek(0)
            return out.read(), most, delivered

    def waits_at(self):
        """When the messages of the queue are tried, and how many there are of each time."""
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db"), timeout=10) as database:
            return database.execute("SELECT next_at, COUNT(*) FROM queue_recipients GROUP BY next_at").fetchall()

    def test_looking_at_it_and_trying_it_again_hold_up_nobody(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["greeting"] = "421 4.3.2 busy"
        sent = self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        self.copies(sent)
        pid = self.server.process.pid
        mailstead.until(lambda: self.server.json("status")["recipients_waiting"] == MESSAGES, "the queue is known")
        before = memory(pid, "VmHWM")

        text, taken, _ = self.beside("queue", "list")
        head, *listed, more = text.splitlines()
        self.assertTrue(head.startswith("ID "))
        self.assertEqual((len(listed), more), (500, "%d more are not shown; --json tells all." % (MESSAGES - 500)))
        if not mailstead.sanitized():
            self.assertLess(taken, 64)

        text, taken, delivered = self.beside("queue", "list", "--json")
        listed = json.loads(text)
        self.assertEqual(len({each["id"] for each in listed}), MESSAGES)
        self.assertEqual(len(listed), MESSAGES)
        self.assertEqual((listed[0]["id"], listed[-1]["recipients"][0]["address"]), (sent, "u%d@far.example" % MESSAGES))
        self.assertGreater(delivered, 10)
        print("listed: %d MiB, %d messages meanwhile" % (taken, delivered))

        before_retry = self.waits_at()
        text, _, delivered = self.beside("queue", "retry")
        self.assertEqual(text, "%d messages will be tried now.\n" % MESSAGES)
        self.assertGreater(delivered, 10)
        after_retry = self.waits_at()
        self.assertEqual([count for _, count in after_retry], [MESSAGES])
        self.assertNotEqual(after_retry, before_retry)
        peak = memory(pid, "VmHWM")
        print("server: %d MiB before, %d MiB at most" % (before, peak))
        if not mailstead.sanitized():
            self.assertLess(peak, before + 64)
        self.assertEqual(len([line for line in self.server.lines if " command " in line and "queue list" in line]), 2)
        self.server.stop()  # and without a server
        self.assertEqual(len(self.queue()), MESSAGES)


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

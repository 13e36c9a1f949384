"""A disk that is full while mail is sent: what others took and nobody can write down is bounded, and nothing more is begun.

Runs in a network and a mount namespace of its own; exits with 77 where they cannot be made."""

import collections
import contextlib
import os
import subprocess
import time
import unittest

import disk_edges
import internet
import sending
from mailstead import until

MESSAGES, RECIPIENTS = 70, 100
# Five connections to a host, each with a message in hand, one that was read ahead, and what it sends before the first
# commit has turned out to fail.
UNDER_WAY = 4 * 5


class FullDisk(sending.Sender):
    settings = sending.SETTINGS + "[submission]\nrecipients_per_hour = 0\nrecipients_per_day = 0\n[limits]\nfree_space = 0\n"

    def setUp(self):
        super().setUp()
        self.server.stop()
        self.mount = os.path.join(self.server.folder, "disk")
        os.mkdir(self.mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", self.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=True)
        self.addCleanup(self.server.close)  # before its disk goes,
        self.addCleanup(self.empty)         # and with room
        self.server.data = os.path.join(self.mount, "data")
        self.server.start()
        self.server.add_cheap_mailbox(sending.ANNA)
        self.far = self.host("192.0.2.10", "far.example")
        self.sent = ["u%d_%d@far.example" % (number, each) for number in range(MESSAGES) for each in range(RECIPIENTS)]
        self.fill_the_queue_and_the_disk()

    fill, free = disk_edges.SmallDisk.fill, disk_edges.SmallDisk.free

    def empty(self):
        with contextlib.suppress(FileNotFoundError):
            disk_edges.SmallDisk.empty(self)

    def fill_the_queue_and_the_disk(self):
        """From here on the host takes all, and no outcome finds room."""
        self.far.replies["greeting"] = "421 4.3.2 busy"
        for number in range(MESSAGES):
            self.submit(*self.sent[number * RECIPIENTS:(number + 1) * RECIPIENTS])
        until(lambda: all(entry["recipients"][0]["attempts"] for entry in self.queue()), "all were tried")
        self.far.replies["end"] = self.taken_slowly
        os.unlink(os.path.join(self.server.data, "reserve"))  # all outcomes might find room in it
        self.fill()
        del self.far.replies["greeting"]
        self.server.admin("queue", "retry", code=None)  # which wants room, too; else they are due in ten seconds
        until(lambda: self.lines("queue-not-written"), "an outcome could not be written down")
        time.sleep(2)  # for what should not happen

    @staticmethod
    def taken_slowly(_):
        """So that a commit fails before all are through, on a slow machine, too."""
        time.sleep(1)
        return "250 2.0.0 " + "taken " * 80

    def lines(self, event):
        return [line for line in self.server.lines if " %s " % event in line + " "]

    def copies(self):
        return collections.Counter(recipient.strip("<>") for each in self.far.taken for recipient in each["to"])

    def test_sending_waits_until_there_is_room(self):
        taken = len(self.far.taken)
        self.assertLessEqual(taken, MESSAGES - UNDER_WAY, "the test has enough messages")
        time.sleep(2)
        self.assertEqual(len(self.far.taken), taken, "something was begun")
        self.assertEqual(len(self.lines("queue-not-written")), 1, "told once")
        self.empty()
        self.emptied()
        self.assertEqual(self.copies(), collections.Counter(self.sent), "each once")
        self.assertEqual(len(self.lines("queue-written")), 1)
        self.assertEqual(self.mail(), [])

    def test_after_a_crash_few_come_twice(self):
        self.server.kill()
        self.empty()
        self.server.start()
        self.emptied()
        copies = self.copies()
        self.assertEqual(sorted(copies), sorted(self.sent))
        twice = sum(count - 1 for count in copies.values())
        print("%d of %d messages came twice" % (twice // RECIPIENTS, MESSAGES))
        self.assertLessEqual(max(copies.values()), 2)
        self.assertLessEqual(twice, UNDER_WAY * RECIPIENTS)
        self.assertEqual(self.mail(), [])


if __name__ == "__main__":
    disk_edges.enter_namespace()
    internet.enter_namespace()
    unittest.main()

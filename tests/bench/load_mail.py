"""The messages of smtp_load (smtp_mail.h), made once more from their numbers, to be compared with what arrived."""

import hashlib
import re

HEADER = ("Message-ID: <{run}.{number}@load.example>\r\nFrom: <sender@elsewhere.example>\r\nTo: <{to}>\r\n"
          "Date: Sat, 1 Jan 2000 00:00:00 +0000\r\nSubject: {run} {number}\r\n\r\n")
TRACE = 4096          # octets at most that a server puts on top
BEGINNINGS, LINE = 1024, 66
COMPARED = 300 << 20  # octets that are compared whole; of more, that much from among all, and of the others head and length


class Ring:
    """Lines of hash digits, as many as are wanted."""

    def __init__(self):
        self.octets = b""

    def lines(self, first, count):
        for number in range(len(self.octets) // LINE, first + count):
            self.octets += hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\r\n"
        return self.octets[first * LINE:(first + count) * LINE]


RING = Ring()


def recipient(number, users, domain="example.org"):
    return "user%d@%s" % (number % users + 1, domain)


def message(run, number, size, users):
    head = HEADER.format(run=run, number=number, to=recipient(number, users)).encode()
    text = head + RING.lines(number % BEGINNINGS, (size - len(head) - 2) // LINE)
    return text + b"x" * (size - len(text) - 2) + b"\r\n"


class Arrived:
    """Are messages 0 to `count` - 1 of a run there, each once, in its mailbox, and octet for octet below the trace?"""

    def __init__(self, run, count, size, users):
        self.run, self.count, self.size, self.users = run, count, size, users
        self.head = re.compile(rb"^Message-ID: <%s\.(\d+)@load\.example>\r?\n" % re.escape(run.encode()), re.MULTILINE)
        self.every = max(1, count * size // COMPARED)  # so many apart are those that are compared whole

    def verify(self, files):
        """`files`: (user, path) of each that is there."""
        seen = bytearray(self.count)
        for place, (user, path) in enumerate(files):
            with open(path, "rb") as file:
                octets = file.read() if place % self.every == 0 else file.read(TRACE)
                length = file.seek(0, 2)
            number = self.compare(user, octets, length)
            if number >= self.count or seen[number]:
                raise AssertionError("message %d of %d is there more than once, or was never confirmed" % (number, self.count))
            seen[number] = 1
        if missing := seen.count(0):
            raise AssertionError("%d of %d messages are not there, the first is %d" % (missing, self.count, seen.index(0)))

    def compare(self, user, octets, length):
        """Its number. `octets`: the beginning of a file of this length, or all of it."""
        found = self.head.search(octets)
        if not found:
            raise AssertionError("a message of %s is none of this run: %r" % (user, octets[:400]))
        number = int(found[1])
        wanted = message(self.run, number, self.size, self.users)
        if not found[0].endswith(b"\r\n"):
            wanted = wanted.replace(b"\r\n", b"\n")  # as other servers keep it
        here = octets[found.start():]
        if user != recipient(number, self.users):
            raise AssertionError("message %d is in the mailbox of %s" % (number, user))
        if length - found.start() != len(wanted) or not wanted.startswith(here):
            raise AssertionError("message %d is not what was sent: %d octets instead of %d"
                                 % (number, length - found.start(), len(wanted)))
        return number

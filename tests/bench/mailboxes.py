"""Mailboxes with many messages, made quickly: as files, by each server's own rules."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import servers

MOST_LINKS = 1000


class Mailboxes:
    """`users` mailboxes in each site that hold the same: `messages` of exactly `size` octets each.

    `linked`: many messages share a file. Nobody minds as long as it is only counted and listed, and 100,000
    of them are there in a moment.
    """

    def __init__(self, users, messages, size=4096, linked=False):
        self.count, self.messages, self.size = users, messages, size
        self.links = MOST_LINKS if linked else 1
        self.users = {}

    def fill(self, site):
        with ThreadPoolExecutor(8) as several:
            self.users[site] = list(several.map(lambda _: site.mailbox(), range(self.count)))
        for user in self.users[site]:
            self._fill(site, user)

    def _fill(self, site, user):
        folder = site.folder_of(user)
        owner = os.stat(folder)
        mailbox = int("".join(filter(str.isdigit, user.partition("@")[0])))
        for number in range(self.messages):
            path = os.path.join(folder, site.file_name(mailbox, number, self.size))
            if number % self.links == 0:
                file = path
                with open(path, "wb") as new:
                    new.write(self.message(number))
                os.chown(path, owner.st_uid, owner.st_gid)
            else:
                os.link(file, path)

    def message(self, number):
        number -= number % self.links
        text = b"Subject: %d\r\nFrom: a@elsewhere.example\r\n\r\n" % number
        text = (text + b"%076d\r\n" % number * (self.size // 78 + 1))[:self.size - 2]
        return text.rstrip(b"\r\n").ljust(self.size - 2, b".") + b"\r\n"

    def check(self, site):
        """Every mailbox has its mail, and the server knows it from here on."""
        with ThreadPoolExecutor(8) as several:
            list(several.map(lambda user: self._check(site, user), self.users[site]))

    def _check(self, site, user):
        # A great many files are taken in behind the logins.
        last = time.monotonic() + 120
        while (found := count(site, user)) != (self.messages, self.messages * self.size):
            if time.monotonic() > last:
                raise AssertionError("%s: %s has %r" % (site.name, user, found))
            time.sleep(0.2)

    def verify(self, site, service, commands):
        """Plays a session and looks at each reply; how many octets they have after the greeting."""
        with site.stream(service) as stream:
            stream.line()
            lines = ["USER " + self.users[site][0], "PASS " + servers.sites.PASSWORD, *commands, "QUIT"]
            stream.send("".join(line + "\r\n" for line in lines).encode())
            replies = stream.rest()
        rest = replies
        for line in lines:
            first, _, rest = rest.partition(b"\r\n")
            if not first.startswith(b"+OK"):
                raise AssertionError("%s: %s: %r" % (site.name, line.split()[0], first))
            rest = self._verify(line, first, rest)
        if rest:
            raise AssertionError("%s: %d octets after the last reply" % (site.name, len(rest)))
        return len(replies)

    def _verify(self, line, first, rest):
        """Looks at one reply; what follows it."""
        word, _, argument = line.partition(" ")
        right = True
        if word == "STAT":
            right = first.split()[1:3] == [b"%d" % self.messages, b"%d" % (self.messages * self.size)]
        elif word in ("LIST", "UIDL"):
            listed, _, rest = rest.partition(b"\r\n.\r\n")
            pairs = [each.split(b" ") for each in listed.split(b"\r\n")]
            right = [pair[0] for pair in pairs] == [b"%d" % number for number in range(1, self.messages + 1)]
            values = [pair[1] for pair in pairs]
            right &= set(values) == {b"%d" % self.size} if word == "LIST" else len(set(values)) == self.messages
        elif word == "RETR":
            wanted = self.message(int(argument) - 1).replace(b"\r\n.", b"\r\n..") + b".\r\n"
            right, rest = rest.startswith(wanted), rest[len(wanted):]
        if not right:
            raise AssertionError("%s is not answered with what is there: %r" % (line, first))
        return rest


def count(site, user):
    with site.session(user) as session:
        found = session.stat()
        session.quit()
    return found


def first_answer(site, user):
    """Milliseconds from sending the login to STAT's answer."""
    with site.stream() as stream:
        stream.line()
        begin = time.monotonic()
        stream.send(("USER %s\r\nPASS %s\r\nSTAT\r\n" % (user, servers.sites.PASSWORD)).encode())
        replies = [stream.line() for _ in range(3)]
        took = time.monotonic() - begin
        if any(not reply.startswith(b"+OK") for reply in replies):
            raise AssertionError("%s: %r" % (site.name, replies))
        stream.send(b"QUIT\r\n")
        stream.rest()
    return took * 1000

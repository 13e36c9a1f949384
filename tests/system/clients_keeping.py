"""Clients that leave mail on the server: it stays as it is, a second run fetches nothing, a third one only what is new.

What they know a message by is its UIDL. How many messages went over the wire stands in the server's log; fetchmail, which
leaves mail on the server by fetching with TOP, tells it itself.
"""

import os
import re

import client_tools
import mailstead
import messages
from client_tools import USER, ClientTest, crlf, needs, unfolded, with_blank_line


class Keeping(ClientTest):
    def judge(self, fetch, transport, alike=lambda message: message):
        """`fetch(folder, last)` runs the client once over a maildir; with `last` it takes the mail off the server.

        It may return how many messages it asked for; otherwise the server's log says it.
        """
        self.server.fetch(USER, delete=True)
        sent = messages.small_messages()
        kept = self.deliver(sent)
        before = self.server.fetch(USER)
        folder = self.maildir()
        new = os.path.join(folder, "new")

        def copies():
            return [crlf(copy) for copy in self.copies_in(new)]

        def fetched():
            mark = self.mark()
            told = fetch(folder, last=False)
            return self.fetched_since(mark) if told is None else [told]

        self.assertEqual(fetched(), [len(sent)])
        self.compare(sent, kept, copies(), alike, transport + ", first run")
        self.assertEqual(self.server.fetch(USER), before, "left on the server")

        self.assertEqual(fetched(), [0])
        self.assertEqual(len(copies()), len(sent), "nothing came twice")

        more = {"later": messages.head("later") + b"\r\nthis came later\r\n"}
        sent.update(more)
        kept = self.deliver(more)
        before = self.server.fetch(USER)
        self.assertEqual(fetched(), [1])
        self.compare(sent, kept, copies(), alike, transport + ", third run")
        self.assertEqual(self.server.fetch(USER), before, "still left on the server")

        fetch(folder, last=True)
        self.assertEqual(self.server.fetch(USER), [])

    @needs("mpop")
    def test_mpop(self):
        for transport, auth in (("plain", "user"), ("STLS", "plain"), ("POP3S", "login")):
            def fetch(folder, last):
                client_tools.mpop(self.home, self.port(transport), transport, self.fingerprint, folder, auth, keep=not last)

            self.judge(fetch, transport)

    @needs("fetchmail")
    def test_fetchmail(self):
        """Exits with 1 when there was nothing to fetch."""
        for transport, auth in (("plain", "auth password"), ("STLS", "auth password"), ("POP3S", "auth password"),
                                ("STLS", "auth any")):
            def fetch(folder, last):
                done = client_tools.fetchmail(self.home, self.port(transport), transport, folder,
                                              "no keep fetchall" if last else "keep", auth + " uidl", codes=(0, 1))
                asked = len(re.findall(rb"^fetchmail: POP3> (?:TOP|RETR) ", done.stdout, re.M))
                self.assertEqual(done.returncode, 0 if asked else 1)
                return asked

            if os.path.exists(os.path.join(self.home, "ids")):
                os.unlink(os.path.join(self.home, "ids"))
            with self.subTest(transport=transport, auth=auth):
                self.judge(fetch, transport + ", " + auth, with_blank_line)

    @needs("fetchmail")
    def test_fetchmail_flushes_what_it_has_fetched(self):
        """`flush` deletes the messages that an earlier run fetched and left; what is new stays."""
        sent = messages.small_messages()
        self.deliver(sent)
        folder = self.maildir()
        client_tools.fetchmail(self.home, self.port("POP3S"), "POP3S", folder, "keep", "uidl")
        self.assertEqual(len(self.copies_in(os.path.join(folder, "new"))), len(sent))
        self.server.deliver(messages.head("later") + b"\r\nlater\r\n", USER)
        client_tools.fetchmail(self.home, self.port("POP3S"), "POP3S", folder, "keep flush", "uidl")
        self.assertEqual([client_tools.name_of(copy) for _, copy in self.server.fetch(USER)], ["later"])
        self.assertEqual(len(self.copies_in(os.path.join(folder, "new"))), len(sent) + 1)

    @needs("fetchmail")
    def test_fetchmail_with_a_wrong_password(self):
        """Exits with 3, its word for a failed login."""
        self.server.deliver(messages.small_messages()["plain"], USER)
        client_tools.fetchmail(self.home, self.port("STLS"), "STLS", self.maildir(), codes=(3,), password="wrong")
        self.assertEqual(len(self.server.fetch(USER)), 1)

    @needs("getmail")
    def test_getmail(self):
        """Deletes what it fetched earlier as well, once told to."""
        for transport in ("plain", "POP3S"):
            def fetch(folder, last):
                client_tools.getmail(self.home, self.port(transport), transport, folder, delete=last)

            self.judge(fetch, transport, lambda message: unfolded(with_blank_line(message)))


if __name__ == "__main__":
    mailstead.main()

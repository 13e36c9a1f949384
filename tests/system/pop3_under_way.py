"""What happens to a mailbox while a session is in it: taken away, mail arrives, somebody's hand in its files.

pop3_sessions.py has the sessions that wait for a command; here a long RETR is under way, too.
"""

import os
import random

import mailstead
import messages
from mailstead import Closed, Pop3, SmallWindow, until

LARGE = messages.multipart("large", [("application/octet-stream", "x", random.Random(7).randbytes(6_000_000))])
FIRST, LAST = messages.numbered(1, 400), messages.numbered(3, 400)
LOST = "-ERR The mailbox is no longer open to this login"


class UnderWay(mailstead.SharedServerTest):
    def filled(self):
        """A mailbox with three messages, the second one large."""
        user = self.new_mailbox()
        for message in (FIRST, LARGE, LAST):
            self.server.deliver(message, user)
        return user

    def session(self, user, service="pop3"):
        stream = SmallWindow(self.server.ports[service])
        if service == "pop3s":
            stream.start_tls()
        session = Pop3(stream)
        self.addCleanup(session.close)
        session.login(user, self.server.passwords[user])
        return session

    def ended(self, session):
        """The session learns at its next command that it has lost the mailbox, and is closed."""
        try:
            self.assertEqual(session.command("NOOP"), LOST)
        except Closed:
            self.fail("closed without a word")
        self.assertEqual(session.stream.rest(), b"")

    def listing(self, user):
        def login():
            with self.server.pop3() as session:
                session.must("USER " + user)
                if not session.command("PASS " + self.server.passwords[user]).startswith("+OK"):
                    return None
                found = session.uidl()
                session.quit()
                return [uidl for _, uidl in found], True
        return until(login, "the mailbox is free")[0]


class TakenAway(UnderWay):
    """RETR of a large message is under way, one message is marked; the answer is finished, and that is all."""

    def each(self, change, stdin="", after=lambda user: None):
        for service in ("pop3", "pop3s"):
            with self.subTest(service=service):
                user = self.filled()
                before = self.listing(user)
                session = self.session(user, service)
                session.must("DELE 1")
                session.must("RETR 2")
                self.server.admin("mailbox", change, user, *(["--password-stdin"] if stdin else []), stdin=stdin)
                mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
                self.ended(session)
                after(user)
                self.assertEqual(self.listing(user), before)

    def test_disabled(self):
        self.each("disable", after=lambda user: self.server.admin("mailbox", "enable", user))

    def test_password_changed(self):
        self.each("password", "another one\n", lambda user: self.server.passwords.update({user: "another one"}))

    def test_quit_behind_the_answer_deletes_nothing(self):
        """It was said before the change, but is looked at after it."""
        user = self.filled()
        before = self.listing(user)
        session = self.session(user)
        session.must("DELE 1")
        session.stream.send(b"RETR 2\r\nQUIT\r\n")
        session.reply()
        self.server.admin("mailbox", "disable", user)
        mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
        self.assertEqual(session.stream.rest().decode(), LOST + "\r\n")
        self.server.admin("mailbox", "enable", user)
        self.assertEqual(self.listing(user), before)

    def test_removed(self):
        user = self.filled()
        session = self.session(user)
        session.must("DELE 1")
        session.must("RETR 2")
        self.server.admin("mailbox", "remove", user)
        mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
        self.ended(session)

    def test_removed_and_added_again(self):
        """The new mailbox of that name is another one: it opens at once, and the old session does nothing to it."""
        user = self.filled()
        session = self.session(user)
        session.must("DELE 1")
        session.stream.send(b"RETR 2\r\nDELE 3\r\nQUIT\r\n")
        session.reply()
        self.server.admin("mailbox", "remove", user)
        self.server.add_mailbox(user)
        with self.server.pop3(user) as new:
            self.assertEqual(new.stat(), (0, 0))
            new.quit()
        for _ in range(3):
            self.server.deliver(LAST, user)
        before = self.listing(user)
        mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
        self.assertEqual(session.stream.rest().decode(), LOST + "\r\n")
        self.assertEqual(self.listing(user), before)
        self.assertEqual(len(before), 3)

    def test_added_again_while_the_session_is_idle(self):
        user = self.filled()
        session = self.session(user)
        session.must("DELE 1")
        self.server.admin("mailbox", "remove", user)
        self.server.add_mailbox(user)
        self.server.deliver(LAST, user)
        before = self.listing(user)
        self.ended(session)
        self.assertEqual(self.listing(user), before)


class Arriving(UnderWay):
    def test_mail_that_comes_during_a_long_answer(self):
        """Is not waited with, and not seen until the next session."""
        user = self.filled()
        before = self.listing(user)
        session = self.session(user)
        session.stream.send(b"RETR 2\r\nSTAT\r\n")
        session.reply()
        for number in range(4, 9):
            self.server.deliver(messages.numbered(number, 400), user)
        mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
        self.assertRegex(session.reply(), r"^\+OK 3 ")
        self.assertEqual([uidl for _, uidl in session.uidl()], before)
        session.refused("RETR 4")
        session.must("DELE 3")
        session.quit()
        session.close()
        after = self.listing(user)
        self.assertEqual((after[:2], len(after)), (before[:2], 7))
        found = self.server.fetch(user)
        for number in range(4, 9):
            mailstead.assert_same(messages.numbered(number, 400), mailstead.sent_part(found[number - 2][1]))


# ---- a hand in the files: each changes the file of the large message

def replace(path, content):
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.rename(path + ".new", path)


def replace_by_as_many(path):
    replace(path, b"Subject: replaced\r\n\r\n" + b"x" * (os.path.getsize(path) - 23) + b"\r\n")


def replace_by_less(path):
    replace(path, b"Subject: replaced\r\n\r\nless\r\n")


def replace_by_more(path):
    replace(path, b"Subject: replaced\r\n\r\n" + b"y" * os.path.getsize(path) + b"\r\n")


def cut(path):
    os.truncate(path, 6_000_000)


def append(path):
    with open(path, "ab") as file:
        file.write(b"more\r\n")


def replace_by_link(path):
    os.unlink(path)
    os.symlink("/etc/hostname", path)


def replace_by_folder(path):
    os.unlink(path)
    os.mkdir(path)


def replace_by_pipe(path):
    os.unlink(path)
    os.mkfifo(path)


CHANGES = {"removed": os.unlink, "cut": cut, "appended to": append, "replaced by less": replace_by_less,
           "replaced by more": replace_by_more, "replaced by a link": replace_by_link,
           "replaced by a folder": replace_by_folder, "replaced by a pipe": replace_by_pipe}
GONE = ("removed", "replaced by a link", "replaced by a folder", "replaced by a pipe")


class ByHand(UnderWay):
    def large_file(self, user):
        folder = os.path.join(self.server.data, "mail", "example.org", user.partition("@")[0])
        found = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
        return max(found, key=os.path.getsize)

    def test_before_it_is_fetched(self):
        """Refused for good; the others are there as before, also in the session after that."""
        for name, change in CHANGES.items():
            with self.subTest(change=name):
                user = self.filled()
                before = self.listing(user)
                session = self.session(user)
                path = self.large_file(user)
                change(path)
                for command in ("RETR 2", "TOP 2 0", "RETR 2"):
                    self.assertIn("[SYS/PERM]", session.refused(command))
                mailstead.assert_same(FIRST, mailstead.sent_part(session.retr(1)))
                mailstead.assert_same(LAST, mailstead.sent_part(session.retr(3)))
                session.quit()
                session.close()
                self.next_session(user, before, path, name)

    def next_session(self, user, before, path, name):
        """What is no file is no message; what is one shows what is in it now, in its old place."""
        self.assertEqual(self.listing(user), before if name not in GONE else before[:1] + before[2:])
        with self.server.pop3(user) as session:
            sizes = session.sizes()
            copies = [session.retr(number) for number in range(1, len(sizes) + 1)]
            session.quit()
        self.assertEqual([len(copy) for copy in copies], sizes)
        mailstead.assert_same(FIRST, mailstead.sent_part(copies[0]))
        mailstead.assert_same(LAST, mailstead.sent_part(copies[-1]))
        if name not in GONE:
            with open(path, "rb") as file:
                mailstead.assert_same(file.read(), copies[1])
        else:
            self.assertEqual(len(copies), 2)

    def test_while_it_is_fetched(self):
        """What was promised by +OK comes whole, or the connection is closed without the final dot."""
        for name, change in CHANGES.items():
            with self.subTest(change=name):
                user = self.filled()
                before = self.listing(user)
                session = self.session(user)
                session.must("DELE 1")
                session.must("RETR 2")
                path = self.large_file(user)
                change(path)
                if name == "cut":
                    rest = session.stream.rest()
                    self.assertFalse(rest.endswith(b"\r\n.\r\n"))
                    self.assertIn(rest[-1000:], LARGE)
                else:
                    mailstead.assert_same(LARGE, mailstead.sent_part(session.stream.dotted()))
                    session.must("NOOP")
                session.close()
                self.assertEqual(self.listing(user)[:1], before[:1], "the marked message stays")

    def test_replaced_by_as_many_octets(self):
        """Nobody can see that from outside. What is handed out has the size that was promised."""
        user = self.filled()
        before = self.listing(user)
        session = self.session(user)
        path = self.large_file(user)
        replace_by_as_many(path)
        size = session.sizes()[1]
        copy = session.retr(2)
        self.assertEqual(len(copy), size)
        self.assertTrue(copy.startswith(b"Subject: replaced\r\n"))
        session.quit()
        session.close()
        self.assertEqual(self.listing(user), before)

    def test_what_cannot_be_fetched_can_be_deleted(self):
        """Whatever stands in its place; and what is not ours stays where it is."""
        for name, change in CHANGES.items():
            with self.subTest(change=name):
                user = self.filled()
                before = self.listing(user)
                session = self.session(user)
                path = self.large_file(user)
                change(path)
                session.must("DELE 2")
                session.quit()
                session.close()
                self.assertEqual(self.listing(user), before[:1] + before[2:])
                self.assertTrue(os.path.exists("/etc/hostname"))

    def test_put_back(self):
        """A file that was away and returns is the same message, with its UIDL."""
        user = self.filled()
        before = self.listing(user)
        path = self.large_file(user)
        os.rename(path, os.path.join(self.server.folder, "aside"))
        with self.server.pop3(user) as session:
            session.quit()
        self.assertEqual(self.listing(user), before[:1] + before[2:])
        os.rename(os.path.join(self.server.folder, "aside"), path)
        self.assertEqual(until(lambda: self.listing(user) == before and before, "it is there again"), before)
        mailstead.assert_same(LARGE, mailstead.sent_part(self.server.fetch(user)[1][1]))


class InARow(mailstead.SharedServerTest):
    """Small messages that are asked for one after the other are read ahead: that must not be seen."""

    def filled(self):
        user = self.new_mailbox()
        sizes = [random.Random(number).choice((200, 3_000, 9_000, 40_000)) for number in range(60)]
        for number, size in enumerate(sizes):
            self.server.deliver(messages.numbered(number, size), user)
        with self.server.pop3(user) as session:
            kept = {number: session.retr(number) for number in random.Random(1).sample(range(1, 61), 60)}
        return user, kept

    def test_any_order_gives_each_message_its_own(self):
        user, kept = self.filled()
        rows = (range(1, 61), range(60, 0, -1), [*range(5, 30), *range(1, 20), 60, 59, *range(40, 61)], [1, 1, 2, 2, 3, 3, 4, 2])
        for pipelined in (False, True):
            for row in rows:
                with self.server.pop3(user) as session:
                    if pipelined:
                        session.stream.send("".join("RETR %d\r\n" % number for number in row).encode())
                    for number in row:
                        if pipelined:
                            self.assertTrue(session.reply().startswith("+OK"))
                        copy = session.stream.dotted() if pipelined else session.retr(number)
                        mailstead.assert_same(kept[number], copy, "message %d" % number)

    def test_other_commands_between(self):
        user, kept = self.filled()
        with self.server.pop3(user) as session:
            for number in range(1, 61):
                head = session.top(number, 0)
                self.assertEqual(head, kept[number][:len(head)])
                if number % 3 == 0:
                    session.must("DELE %d" % number)
                    session.refused("RETR %d" % number)
                    continue
                mailstead.assert_same(kept[number], session.retr(number), "message %d" % number)
            session.must("RSET")
            for number in range(1, 61):
                mailstead.assert_same(kept[number], session.retr(number), "message %d" % number)

    def test_a_file_that_goes_meanwhile(self):
        """What was read ahead may still be had; of what was not, nothing is said but that it is gone."""
        user, kept = self.filled()
        self.server.wait_filed()
        with self.server.pop3(user) as session:
            for number in (1, 2, 3):
                session.retr(number)
            folder = os.path.join(self.server.data, "mail", "example.org", user.partition("@")[0], "new")
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            gone = 0
            for number in range(4, 61):
                reply = session.command("RETR %d" % number)
                if reply.startswith("-ERR [SYS/PERM]"):
                    gone += 1
                else:
                    mailstead.assert_same(kept[number], session.stream.dotted(), "message %d" % number)
            self.assertGreater(gone, 40)


if __name__ == "__main__":
    mailstead.main()

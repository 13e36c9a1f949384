"""POP3 clients that vanish, in every state of a session and in every way that TCP knows.

After each: the mailbox is free, nothing is deleted unless QUIT was taken in, the server lives and has let go of everything
that it had open for the session.
"""

import base64
import os
import re
import socket
import ssl
import threading
import time
import unittest

import mailstead
import messages
from mailstead import Pop3, SmallWindow, Stream, until

ANNA = "anna@example.org"   # a few messages, one of them large
MANY = "many@example.org"   # many, which are listed
EMPTIED = "emptied@example.org"  # each test of QUIT fills it
COUNT = 2000
LISTINGS = 300  # asked for at once: more than the buffers on the way hold
SOON = 10  # seconds: far less than any of the server's deadlines


# ---- the states: each takes a new connection there

def login(session, user=ANNA):
    session.login(user, "correct horse")
    session.must("DELE 1")


def token(user=ANNA):
    return base64.b64encode(b"\0%s\0correct horse" % user.encode()).decode()


def say(session, text):
    session.stream.send(text.encode())


def challenged(session, command):
    say(session, command + "\r\n")
    assert session.stream.line().startswith(b"+ ")


def in_auth_plain(session):
    challenged(session, "AUTH PLAIN")


def in_half_an_auth_response(session):
    challenged(session, "AUTH PLAIN")
    say(session, token()[:10])


def in_auth_login(session):
    challenged(session, "AUTH LOGIN")
    challenged(session, base64.b64encode(ANNA.encode()).decode())


def behind_a_password(session):
    session.must("USER " + ANNA)
    say(session, "PASS correct horse\r\n")


def behind_an_auth_response(session):
    challenged(session, "AUTH PLAIN")
    say(session, token() + "\r\n")


def in_the_handshake(session):
    session.must("STLS")
    session.stream.send(b"\x16\x03\x01\x02\x00\x01\x00\x01")


def in_list(session):
    login(session, MANY)
    say(session, "LIST\r\n" * LISTINGS)
    session.reply()


def in_uidl(session):
    login(session, MANY)
    say(session, "UIDL\r\n" * LISTINGS)
    session.reply()


def in_retr(session):
    login(session)
    session.must("RETR 2")


def in_top(session):
    login(session)
    session.must("TOP 2 99999999")


def behind_pipelined_commands(session):
    login(session)
    say(session, "NOOP\r\nRETR 2\r\nRETR 2\r\nSTAT\r\nDELE 3\r\n")


def after_dele(session):
    login(session)
    session.must("DELE 3")


def in_half_a_command(session):
    login(session)
    say(session, "RETR")


BEFORE_LOGIN = {"greeting": lambda session: None, "half a command": lambda session: say(session, "US"),
                "USER": lambda session: session.must("USER " + ANNA), "in AUTH PLAIN": in_auth_plain,
                "in half an AUTH response": in_half_an_auth_response, "in AUTH LOGIN": in_auth_login,
                "behind a password": behind_a_password, "behind an AUTH response": behind_an_auth_response}
IN_THE_CLEAR = {"in the handshake of STLS": in_the_handshake}
LOGGED_IN = {"login": login, "DELE": after_dele, "half a command after login": in_half_a_command,
             "in LIST": in_list, "in UIDL": in_uidl, "in RETR": in_retr, "in TOP": in_top,
             "behind pipelined commands": behind_pipelined_commands}


# ---- the ends

def close(session):
    session.close()


def reset(session):
    session.reset()


def half_close(session):
    """Ends its own half, and takes what the server still has to say."""
    raw = session.stream.socket
    socket.socket.shutdown(raw, socket.SHUT_WR)  # below TLS, where there is one: no close_notify
    try:
        session.stream.rest()
    except (OSError, ssl.SSLError):
        pass
    session.close()


def half_close_and_close(session):
    socket.socket.shutdown(session.stream.socket, socket.SHUT_WR)
    session.close()


ENDS = {"close": close, "reset": reset, "half-close": half_close, "half-close and close": half_close_and_close}


def setUpModule():
    """One server for all, since it takes long to fill."""
    server = VanishingTest.server = mailstead.Server("[limits]\nconnections_per_address = 1000").start()
    for user in (ANNA, MANY, EMPTIED):
        server.add_cheap_mailbox(user)
    for message in (messages.numbered(1, 400), messages.large_message(), messages.numbered(2, 400)):
        server.deliver(message, ANNA)
    with server.smtp() as session:
        for number in range(COUNT):
            session.send(b"Subject: %d\r\n\r\n" % number, "a@b.example", [MANY])
    server.deliver(messages.numbered(1, 300), EMPTIED)
    server.wait_filed()  # until then nothing is opened to read mail
    server.fetch(EMPTIED, delete=True)
    # What the server opens once and keeps, such as the folders of mailboxes in use, is open by now.
    for service in ("pop3", "pop3s"):
        with server.pop3(ANNA, service) as session:
            session.retr(3)
    with server.pop3() as session:
        session.stls()
    VanishingTest.uidls = {user: VanishingTest.listing(user) for user in (ANNA, MANY)}
    assert len(VanishingTest.uidls[MANY]) == COUNT
    VanishingTest.at_rest = until(VanishingTest.quiet, "the first sessions are gone")


def tearDownModule():
    VanishingTest.server.close()


class VanishingTest(unittest.TestCase):
    @classmethod
    def listing(cls, user):
        with cls.server.pop3(user) as session:
            found = [uidl for _, uidl in session.uidl()]
            session.quit()
        return found

    @classmethod
    def descriptors(cls):
        """What the server has open, sockets without their numbers."""
        folder, found = "/proc/%d/fd" % cls.server.process.pid, []
        for name in os.listdir(folder):
            try:
                found.append(re.sub(r"\[\d+\]", "", os.readlink(os.path.join(folder, name))))
            except FileNotFoundError:
                pass
        return sorted(found)

    @classmethod
    def quiet(cls):
        """The descriptors, once no client has a connection; else None."""
        busy = any(listener["connections"] for listener in cls.server.json("status")["listeners"])
        return None if busy else cls.descriptors()

    def session(self, service):
        stream = SmallWindow(self.server.ports[service])
        if service == "pop3s":
            stream.start_tls()
        return Pop3(stream)

    def vanish(self, state, end, service):
        session = self.session(service)
        try:
            state(session)
            end(session)
        finally:
            session.close()

    def free(self, user):
        with self.server.pop3() as session:
            session.must("USER " + user)
            reply = session.command("PASS correct horse")
            if not reply.startswith("+OK"):
                self.assertIn("[IN-USE]", reply)
                return False
            session.quit()
            return True

    def unharmed(self, user):
        until(lambda: self.free(user), "the mailbox is free", SOON)
        self.assertEqual(self.listing(user), self.uidls[user])
        until(lambda: self.descriptors() == self.at_rest, "everything is closed: %s" % self.surplus(), SOON)
        self.assertIsNone(self.server.process.poll())

    def surplus(self):
        now = self.descriptors()
        for entry in self.at_rest:
            if entry in now:
                now.remove(entry)
        return now


class One(VanishingTest):
    def each(self, states, services=("pop3", "pop3s")):
        for service in services:
            for name, state in states.items():
                for way, end in ENDS.items():
                    with self.subTest(service=service, state=name, end=way):
                        self.vanish(state, end, service)
                        self.unharmed(MANY if state in (in_list, in_uidl) else ANNA)

    def test_before_login(self):
        self.each(BEFORE_LOGIN)
        self.each(IN_THE_CLEAR, ["pop3"])

    def test_before_the_greeting(self):
        for service in ("pop3", "pop3s"):
            for end in (Stream.close, Stream.reset):
                for _ in range(20):
                    end(SmallWindow(self.server.ports[service]))
            self.unharmed(ANNA)

    def test_after_login(self):
        self.each(LOGGED_IN)

    def test_a_long_answer_is_finished_for_a_client_that_ended_its_half(self):
        """What was asked before is answered whole, then the server closes."""
        with self.session("pop3") as session:
            in_retr(session)
            session.stream.socket.shutdown(socket.SHUT_WR)
            mailstead.assert_same(messages.large_message(), mailstead.sent_part(session.stream.dotted()))
            self.assertEqual(session.stream.rest(), b"")
        self.unharmed(ANNA)
        with self.session("pop3") as session:
            in_list(session)
            session.stream.socket.shutdown(socket.SHUT_WR)
            for number in range(LISTINGS):
                if number:
                    session.reply()
                self.assertEqual(session.stream.dotted().count(b"\r\n"), COUNT - 1)
            self.assertEqual(session.stream.rest(), b"")
        self.unharmed(MANY)

    def test_the_answers_are_really_under_way(self):
        """The other tests would show little if the server were done with LIST or RETR when its client vanishes."""
        for state, user, total in ((in_list, MANY, LISTINGS * 9 * COUNT), (in_uidl, MANY, LISTINGS * 15 * COUNT),
                                   (in_retr, ANNA, len(messages.large_message()))):
            with self.session("pop3") as session:
                state(session)
                port = session.stream.socket.getsockname()[1]
                taken = until(lambda: self.steady(port), "the server can send no more")
                self.assertGreater(taken, 64 << 10)
                self.assertLess(taken + 4 * SmallWindow.WINDOW, total * 3 // 4)
            self.unharmed(user)

    def steady(self, port):
        """The server's send queue when it stays as it is for a moment; else None."""
        before = self.unsent(port)
        time.sleep(0.2)
        return before if before and before == self.unsent(port) else None

    def unsent(self, port):
        """The send queue of the server's side of the connection with this client port, from /proc/net/tcp."""
        with open("/proc/net/tcp") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if int(fields[2].rpartition(":")[2], 16) == port:
                    return int(fields[4].partition(":")[0], 16)
        return 0


class Crowd(VanishingTest):
    def test_all_at_once(self):
        """Two hundred sessions in all states before login, gone within a moment."""
        for way, end in ENDS.items():
            with self.subTest(end=way):
                sessions = []
                for number in range(200):
                    session = self.session("pop3s" if number % 2 else "pop3")
                    list(BEFORE_LOGIN.values())[number % len(BEFORE_LOGIN)](session)
                    sessions.append(session)
                threads = [threading.Thread(target=end, args=[session]) for session in sessions]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(mailstead.TIMEOUT)
                self.unharmed(ANNA)

    def test_the_same_mailbox_again_and_again(self):
        for number in range(100):
            self.vanish(in_retr, list(ENDS.values())[number % 2], "pop3")
            until(lambda: self.free(ANNA), "the mailbox is free", SOON)
        self.unharmed(ANNA)


class Quit(VanishingTest):
    """QUIT is said and its answer is not read: all of what was marked is gone, or nothing."""

    def filled(self, count):
        for number in range(count):
            self.server.deliver(messages.numbered(number, 300), EMPTIED)
        return self.listing(EMPTIED)

    def judge(self, before, marked, way):
        until(lambda: self.free(EMPTIED), "the mailbox is free", SOON)
        after = self.listing(EMPTIED)
        # An RST takes away what the server has not read yet; every other end leaves it there.
        self.assertIn(after, [before[marked:]] if way != "reset" else [before, before[marked:]])
        self.server.fetch(EMPTIED, delete=True)
        until(lambda: self.descriptors() == self.at_rest, "everything is closed: %s" % self.surplus(), SOON)

    def test_sent_before_the_end(self):
        for service in ("pop3", "pop3s"):
            for way, end in ENDS.items():
                with self.subTest(service=service, end=way):
                    before = self.filled(20)
                    session = self.session(service)
                    session.login(EMPTIED, "correct horse")
                    for number in range(1, 11):
                        session.must("DELE %d" % number)
                    say(session, "QUIT\r\n")
                    end(session)
                    session.close()
                    self.judge(before, 10, way)

    def test_login_dele_and_quit_in_one_packet(self):
        for way, end in ENDS.items():
            with self.subTest(end=way):
                before = self.filled(5)
                session = self.session("pop3")
                say(session, "USER %s\r\nPASS correct horse\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n" % EMPTIED)
                end(session)
                session.close()
                self.judge(before, 2, way)


if __name__ == "__main__":
    mailstead.main()

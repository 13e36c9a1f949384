"""Thousands of idle sessions in one server: 2,000 POP3, 2,000 SMTP, and what each costs in memory.

CONNECTIONS (2,000 of each kind) comes from the environment. Prints one line for each kind.
"""

import os
import resource
import selectors
import socket
import unittest

import mailstead
import messages

COUNT = int(os.environ.get("CONNECTIONS", "2000"))
LOGGED_IN = min(300, COUNT)
TLS = min(300, COUNT)
READ_AHEAD = 12  # small messages in a mailbox: enough that some are read before they are asked for
LOGINS_AT_ONCE = 50  # of one network, more passwords than the server lets wait are refused
PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"


class Crowd:
    """Many connections, handled together."""

    def __init__(self, address, count):
        self.sockets = []
        for _ in range(count):
            connection = socket.create_connection(address, mailstead.TIMEOUT)
            connection.setblocking(False)
            self.sockets.append(connection)
        self.answers = dict.fromkeys(range(count), b"")

    def wait(self, complete, indices=None):
        """Reads until complete(answer) holds on every connection, or on those of these indices."""
        selector = selectors.DefaultSelector()
        waiting = 0
        for index in range(len(self.sockets)) if indices is None else indices:
            if not complete(self.answers[index]):
                selector.register(self.sockets[index], selectors.EVENT_READ, index)
                waiting += 1
        while waiting:
            ready = selector.select(mailstead.TIMEOUT)
            assert ready, "%d connections get no answer" % waiting
            for key, _ in ready:
                data = key.fileobj.recv(65536)
                assert data, "closed after %r" % self.answers[key.data]
                self.answers[key.data] += data
                if complete(self.answers[key.data]):
                    selector.unregister(key.fileobj)
                    waiting -= 1
        selector.close()

    def say(self, text, complete, at_once=COUNT):
        for first in range(0, len(self.sockets), at_once):
            indices = range(first, min(first + at_once, len(self.sockets)))
            for index in indices:
                self.answers[index] = b""
                self.sockets[index].send(text(index) if callable(text) else text)
            self.wait(complete, indices)

    def close(self):
        for connection in self.sockets:
            connection.close()


class Idle(unittest.TestCase):
    def test_thousands_of_idle_sessions(self):
        needed = 2 * (2 * COUNT + LOGGED_IN + TLS) + 600  # the server counts two files for each connection
        if mailstead.raise_file_limit() < needed:
            self.skipTest("the hard limit of open files is below %d" % needed)
        crowds = []
        soft, hard = 1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        server = mailstead.Server()
        with server:
            # As from a shell: the server has to raise its own soft limit.
            server.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
            server.add_mailbox(USER)
            server.deliver(PLAIN, USER)
            users = [server.add_cheap_mailbox("user%d@example.org" % number) for number in range(LOGGED_IN)]
            server.fetch(USER, delete=True)
            for _ in range(READ_AHEAD):
                server.deliver(b"Subject: small\r\n\r\n" + b"x" * 70 * 28 + b"\r\n", *users)
            begin = before = mailstead.memory(server.pid)

            def report(what, count):
                nonlocal before
                now = mailstead.memory(server.pid)
                costs = [(new - old) / count / 1024 for new, old in zip(now, before)]
                print("%5d %-34s %6.1f KiB PSS, %6.1f KiB RSS each; the server has %.1f MiB"
                      % (count, what, *costs, now[0] / 2**20), flush=True)
                before = now
                if not mailstead.sanitized():
                    self.assertLess(costs[0], 60, "memory for each of the " + what)

            print()
            crowd = Crowd(server.ports["pop3"], COUNT)
            crowds.append((crowd, b"NOOP\r\n"))
            crowd.wait(lambda answer: answer.endswith(b"\r\n"))
            report("POP3 sessions before login", COUNT)

            crowd = Crowd(server.ports["smtp"], COUNT)
            crowds.append((crowd, b"NOOP\r\n"))
            crowd.wait(lambda answer: answer.endswith(b"\r\n"))
            crowd.say(b"EHLO client.example\r\n", lambda answer: b"\r\n250 " in answer and answer.endswith(b"\r\n"))
            report("SMTP sessions after EHLO", COUNT)

            crowd = Crowd(server.ports["pop3"], LOGGED_IN)
            crowds.append((crowd, b"NOOP\r\n"))
            crowd.wait(lambda answer: answer.endswith(b"\r\n"))
            crowd.say(lambda index: ("USER %s\r\nPASS %s\r\n" % (users[index], server.passwords[users[index]])).encode(),
                      lambda answer: answer.count(b"+OK") == 2 or b"-ERR" in answer, LOGINS_AT_ONCE)
            self.assertEqual([answer for answer in crowd.answers.values() if b"-ERR" in answer], [])
            report("POP3 sessions after login", LOGGED_IN)
            crowd.say(b"UIDL 1\r\nTOP 1 0\r\nRETR 1\r\nRETR 2\r\n", lambda answer: answer.count(b"\r\n.\r\n") == 3)
            report("of them that have read two messages", LOGGED_IN)

            secure = []
            for _ in range(TLS):
                stream = server.connect("pop3s")
                stream.line()
                secure.append(stream)
            report("POP3S sessions before login", TLS)

            # A message goes through meanwhile, and the administrator gets an answer.
            server.deliver(PLAIN, USER)
            (_, copy), = server.fetch(USER)
            mailstead.assert_same(PLAIN, mailstead.sent_part(copy))
            server.admin("status")

            # Every session is still there.
            for crowd, words in crowds:
                crowd.say(words, lambda answer: answer.endswith(b"\r\n"))
                self.assertEqual({answer[:3] for answer in crowd.answers.values()} <= {b"+OK", b"250", b"-ER"}, True)
            for stream in secure:
                stream.send(b"NOOP\r\n")
                self.assertTrue(stream.line().startswith((b"+OK", b"-ERR")))
            for crowd, _ in crowds:
                crowd.close()
            for stream in secure:
                stream.close()
            server.deliver(PLAIN, USER)
            # What they leave is used again, by as many as before.
            peak = before[0]
            again = Crowd(server.ports["smtp"], COUNT)
            again.wait(lambda answer: answer.endswith(b"\r\n"))
            again.say(b"EHLO client.example\r\n", lambda answer: b"\r\n250 " in answer and answer.endswith(b"\r\n"))
            now = mailstead.memory(server.pid)[0]
            again.close()
            print("      after they have gone and %d came again: %.1f MiB, at the beginning %.1f MiB"
                  % (COUNT, now / 2**20, begin[0] / 2**20))
            if not mailstead.sanitized():
                self.assertLess(now, peak * 1.1, "memory is lost with each session")


if __name__ == "__main__":
    mailstead.main()

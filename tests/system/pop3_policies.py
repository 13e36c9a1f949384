"""What a POP3 server decides: UTF-8 mode with a real client, LOGIN-DELAY, EXPIRE."""

import email
import email.policy
import poplib
import signal
import sqlite3
import os
import unittest

import mailstead
from mailstead import until

UTF8_MESSAGE = ("Subject: Grüße\r\nFrom: Jürgen <jürgen@example.org>\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200\r\n\r\n"
                "bödy\r\n").encode()
PLAIN = b"Subject: plain\r\n\r\nbody\r\n"


class Utf8(mailstead.SharedServerTest):
    def fetch(self, user, utf8):
        client = poplib.POP3(*self.server.ports["pop3"], timeout=mailstead.TIMEOUT)
        if utf8:
            self.assertTrue(client.utf8().startswith(b"+OK"))
        client.user(user)
        client.pass_(self.server.passwords[user])
        message = b"\r\n".join(client.retr(1)[1]) + b"\r\n"
        size = int(client.list(1).split()[2])
        client.quit()
        return message, size

    def test_poplib_gets_the_message_or_one_that_says_the_same(self):
        user = self.new_mailbox()
        self.server.deliver(UTF8_MESSAGE, user)
        as_it_is, size = self.fetch(user, True)
        self.assertEqual(len(as_it_is), size)
        self.assertTrue(as_it_is.endswith(UTF8_MESSAGE), as_it_is)
        surrogate, size = self.fetch(user, False)
        self.assertEqual(len(surrogate), size)
        head, _, body = surrogate.partition(b"\r\n\r\n")
        head.decode("ascii")
        self.assertEqual(body, "bödy\r\n".encode())
        self.assertEqual(email.message_from_bytes(surrogate, policy=email.policy.default)["Subject"], "Grüße")

    def test_a_file_that_another_tool_left_is_looked_at_too(self):
        user = self.new_mailbox()
        name, _, domain = user.partition("@")
        with open(os.path.join(self.server.data, "mail", domain, name, "new", "1000000000.x.host"), "wb") as file:
            file.write(UTF8_MESSAGE.replace(b"\r\n", b"\n"))
        os.utime(file.name, (1000000000, 1000000000))
        message, size = self.fetch(user, False)
        self.assertEqual(len(message), size)
        message.partition(b"\r\n\r\n")[0].decode("ascii")
        self.assertEqual(self.fetch(user, True), (UTF8_MESSAGE, len(UTF8_MESSAGE)))


class LoginDelay(unittest.TestCase):
    def test_the_next_login_waits_and_a_wrong_password_hears_nothing_of_it(self):
        with mailstead.Server('[pop3]\nlogin_delay = "2 s"') as server:
            server.start()
            user = server.add_cheap_mailbox("anna@example.org", "correct horse")
            other = server.add_cheap_mailbox("bert@example.org", "correct horse")
            with server.pop3() as session:
                self.assertIn("LOGIN-DELAY 2", session.listing("CAPA"))
            server.pop3(user).quit()
            with server.pop3() as session:
                session.must("USER " + user)
                self.assertTrue(session.refused("PASS wrong").startswith("-ERR [AUTH] "))
                session.must("USER " + user)
                self.assertTrue(session.refused("PASS correct horse").startswith("-ERR [LOGIN-DELAY] "))
            server.pop3(other).quit()

            def can_log_in():
                with server.pop3() as session:
                    session.must("USER " + user)
                    return session.command("PASS correct horse").startswith("+OK")
            until(can_log_in, "the delay is over")
            self.assertTrue(any("login-delayed" in line for line in server.lines))
            server.configure()
            server.process.send_signal(signal.SIGHUP)
            server.wait_line(lambda line: "reloaded" in line, "the reload")
            for _ in range(2):
                server.pop3(user).quit()


class Expiry(unittest.TestCase):
    def test_what_is_over_its_time_goes_by_itself_and_what_is_not_stays(self):
        with mailstead.Server("[pop3]\nexpire_days = 30") as server:
            server.start()
            user = server.add_cheap_mailbox("anna@example.org", "correct horse")
            server.deliver(PLAIN, user)
            server.stop()
            self.run_for(server, 31)
            server.start()
            # The first look at the start; the login would do it too.
            server.wait_line(lambda line: "expired" in line and "messages=1" in line, "the message expires")
            self.assertEqual(server.json("status")["messages_expired"], 1)
            with server.pop3(user) as session:
                self.assertIn("EXPIRE 30", session.listing("CAPA"))
                self.assertEqual(session.stat(), (0, 0))
                session.quit()
            server.deliver(PLAIN, user)
            server.stop()
            server.start()
            self.assertEqual(len(server.fetch(user)), 1)

    def test_expire_0_deletes_at_quit_what_was_fetched(self):
        with mailstead.Server("[pop3]\nexpire_days = 0") as server:
            server.start()
            user = server.add_cheap_mailbox("anna@example.org", "correct horse")
            for _ in range(3):
                server.deliver(PLAIN, user)
            with server.pop3(user) as session:
                session.retr(1)
            until(lambda: self.count(server, user) == 3, "the lock is free, nothing is deleted")
            with server.pop3(user) as session:
                session.retr(2)
                session.quit()
            self.assertEqual(self.count(server, user), 2)

    @staticmethod
    def count(server, user):
        try:
            with server.pop3(user) as session:
                return session.stat()[0]
        except mailstead.Refused:
            return None

    @staticmethod
    def run_for(server, days):
        """As if the server had run so long."""
        with sqlite3.connect(os.path.join(server.data, "mailstead.db")) as database:
            database.execute("INSERT OR REPLACE INTO meta VALUES ('retention', ?)", (str(days * 86400),))
        database.close()


if __name__ == "__main__":
    mailstead.main()

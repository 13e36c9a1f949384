"""What the server asks of those who send, beyond the protocol: patience before the greeting, a pace, an amount. In a
network of its own, since loopback does not wait."""

import select
import signal
import time

import mailstead
from network import CLIENTS, From, enter_namespace

USER = "anna@example.org"
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


class Greeting(mailstead.ServerTest):
    def setUp(self):
        self.server = self.new_server('[smtp]\ngreeting_delay = "1 s"\n', listen={"smtp": ["[::]:0"], "submission": ["[::]:0"]})
        self.server.start()
        self.server.add_cheap_mailbox(USER)

    def stream(self, client, service="smtp"):
        return From(client, self.server.ports[service][1])

    def is_silent(self, stream, seconds):
        return not select.select([stream.socket], [], [], seconds)[0]

    def test_the_greeting_waits_for_strangers(self):
        with self.stream(CLIENTS[0]) as stream:
            self.assertTrue(self.is_silent(stream, 0.5))
            session = mailstead.Smtp(stream)
            session.send(MESSAGE, "bob@elsewhere.example", [USER])
            session.quit()
        # Who has brought mail is known, and only he.
        for client, known in ((CLIENTS[0], True), (CLIENTS[1], False), (CLIENTS[0], True)):
            with self.stream(client) as stream:
                began = time.monotonic()
                mailstead.Smtp(stream).quit()
                if not known:
                    self.assertGreaterEqual(time.monotonic() - began, 0.9)
        self.assertIn("accepted", self.server.log())

    def test_who_speaks_first_is_sent_away(self):
        with self.stream(CLIENTS[0]) as stream:
            stream.send(b"EHLO spam.example\r\nMAIL FROM:<a@spam.example>\r\nRCPT TO:<%s>\r\nDATA\r\nbuy\r\n.\r\n" % USER.encode())
            self.assertEqual(stream.rest(), b"554 5.5.0 mail.example.org you spoke before the greeting\r\n")
        self.assertEqual(self.server.fetch(USER), [])
        self.assertIn("you spoke before the greeting", self.server.log())

    def test_who_leaves_before_it_costs_nothing(self):
        for _ in range(20):
            self.stream(CLIENTS[2]).reset()
            self.stream(CLIENTS[2]).close()
        mailstead.until(lambda: all(listener["connections"] == 0 for listener in self.server.json("status")["listeners"]), "the connections are gone")

    def test_submission_and_loopback_do_not_wait(self):
        self.server.configure('[smtp]\ngreeting_delay = "60 s"\n', listen={"smtp": ["[::]:0"], "submission": ["[::]:0"]})
        self.server.stop()
        self.server.start()
        with self.stream(CLIENTS[3], "submission") as stream:
            mailstead.Smtp(stream).quit()
        self.server.deliver(MESSAGE, USER)
        with self.stream(CLIENTS[3]) as stream:
            self.assertTrue(self.is_silent(stream, 1))
            self.server.stop()
            self.assertTrue(stream.rest().startswith(b"421 4.3.2 "))


class Pace(mailstead.ServerTest):
    def test_a_message_that_comes_too_slowly(self):
        """Some octets now and then do not keep a session: 64 KiB have to come in their time."""
        server = self.new_server('[limits]\ndata_rate = "1 MiB"\n').start()
        server.add_cheap_mailbox(USER)
        with server.smtp() as session:
            session.envelope("bob@elsewhere.example", [USER])
            session.must("DATA", "354")
            began = time.monotonic()
            session.stream.socket.settimeout(0.2)
            answer = b""
            while not answer and time.monotonic() - began < mailstead.TIMEOUT:
                session.send_raw(b"slowly\r\n")
                try:
                    answer = session.stream.socket.recv(1000)
                except TimeoutError:
                    pass
            self.assertTrue(answer.startswith(b"421 4.4.2 "), answer)
            self.assertGreaterEqual(time.monotonic() - began, 9)
        self.assertEqual(server.fetch(USER), [])


class Amount(mailstead.ServerTest):
    settings = '[submission]\nrecipients_per_hour = 5\nrecipients_per_day = 0\n'

    def setUp(self):
        self.server = self.new_server(self.settings).start()
        self.users = [USER, "bert@example.org"]
        for user in self.users:
            self.server.add_cheap_mailbox(user)
        self.server.admin("alias", "add", "all@example.org", *self.users)

    def test_a_user_may_send_to_so_many(self):
        anna, bert = self.users
        with self.server.smtp("submissions", anna) as session:
            for _ in range(2):
                session.send(MESSAGE, anna, [anna, bert])
            session.must("MAIL FROM:<%s>" % anna)
            session.must("RCPT TO:<%s>" % bert)
            code, text = session.command("RCPT TO:<%s>" % anna)
            self.assertEqual(code, "450")
            self.assertRegex(text, r"\A4\.7\.1 You have sent to too many recipients, try again in 1[0-9] min\Z")
            # An unknown one is no recipient, and the one that was taken gets the message.
            self.assertEqual(session.command("RCPT TO:<nobody@example.org>")[0], "550")
            session.must("DATA", "354")
            session.send_raw(mailstead.stuffed(MESSAGE))
            session.expect("250")
        self.assertEqual(len(self.server.fetch(bert)), 3)
        # Another session does not help, another user is not hit, and mail from outside neither.
        with self.server.smtp("submissions", anna) as session:
            session.must("MAIL FROM:<%s>" % anna)
            self.assertEqual(session.command("RCPT TO:<%s>" % bert)[0], "450")
        with self.server.smtp("submissions", bert) as session:
            session.send(MESSAGE, bert, [anna, bert])
        self.server.deliver(MESSAGE, *self.users)
        told = [line for line in self.server.log().splitlines() if "sending-limited" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn("user=anna@example.org", told[0])

    def test_a_reload_lifts_the_limit(self):
        anna = self.users[0]
        with self.server.smtp("submissions", anna) as session:
            for _ in range(5):
                session.send(MESSAGE, anna, [anna])
        self.server.configure('[submission]\nrecipients_per_hour = 0\nrecipients_per_day = 0\n')
        start = len(self.server.lines)
        self.server.process.send_signal(signal.SIGHUP)
        self.assertTrue(self.server.wait_line(lambda line: "reloaded" in line, "reloaded", start))
        with self.server.smtp("submissions", anna) as session:
            for _ in range(7):
                session.send(MESSAGE, anna, [anna])


if __name__ == "__main__":
    enter_namespace()
    mailstead.main()

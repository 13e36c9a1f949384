"""The log: one line an event, ids that match, nothing that a client can forge, no secrets."""

import base64
import json
import re
import unittest

import mailstead
import messages
from mailstead import Closed, until

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"
LINE = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) (debug|info|warning|error) [a-z][a-z0-9-]*( .*)?\Z")

INJECTIONS = (b"x\rready", b"x\n2026-01-01T00:00:00.000Z info accepted id=forged", b"x\x1b[2J\x1b[31m", b"x\x00y", b"x\x07\x08\x7f",
              b"x\xff\xfe", "x\u2028y\u2029z\u0085w".encode(), b"x\xc2\x9b31m", b'x" id=forged y="', b"x\\", b"x id=forged", b"%s%n{}", b"\t",
              b"x" * 400)


def attack(server):
    """Everything a client may say that ends up in a log. Few wrong passwords: each is answered later than the one before."""
    for service in ("smtp", "submission"):
        for text in INJECTIONS:
            with server.connect(service) as stream:
                try:
                    stream.send(b"HELO " + text + b"\r\nEHLO " + text + b"\r\nMAIL FROM:<" + text + b"@x.example>\r\nMAIL FROM:<a@b.example>\r\n"
                                b"RCPT TO:<" + text + b"@example.org>\r\nRCPT TO:<\"" + text + b"\"@example.org>\r\nVRFY " + text + b"\r\n"
                                + text + b"\r\nAUTH " + text + b"\r\nMAIL FROM:<a@b.example> X=" + text + b"\r\nQUIT\r\n")
                    stream.rest()
                except Closed:
                    pass
    for text in INJECTIONS:
        with server.connect("pop3") as stream:
            try:
                stream.send(b"USER " + text + b"\r\n" + text + b"\r\nQUIT\r\n")
                stream.rest()
            except Closed:
                pass
    for text in INJECTIONS[1:4]:
        with server.connect("submission") as stream:
            stream.send(b"EHLO x\r\nAUTH PLAIN " + base64.b64encode(b"\0" + text + b"\0wrong") + b"\r\nQUIT\r\n")
            stream.rest()


class Text(mailstead.ServerTest):
    settings = '[log]\nlevel = "debug"'

    def check_lines(self):
        self.server.stop()
        for line in self.server.lines:
            self.assertRegex(line, LINE)
            self.assertNotRegex(line, r"[\x00-\x1f\x7f-\x9f]")
            self.assertNotRegex(line, r"[\ud800-\udfff]", "octets that are no UTF-8")

    def test_lines_stay_lines(self):
        attack(self.server)
        self.server.deliver(PLAIN, USER)
        self.check_lines()
        self.assertFalse([line for line in self.server.lines if re.search(r" accepted (.* )?id=forged( |$)", line)])
        # A forged field would stand outside of quotes.
        for line in self.server.lines:
            unquoted = re.sub(r'"([^"\\]|\\.)*"', '""', line)
            self.assertNotIn("id=forged", unquoted)

    def test_ids_are_the_same_everywhere(self):
        ids = [self.server.deliver(messages.numbered(number, 400), USER) for number in range(5)]
        with self.server.smtp("submissions", USER) as session:
            ids.append(session.send(PLAIN, USER, [USER]))
        def lines():
            return [line for line in self.server.lines if " accepted " in line]
        until(lambda: len(lines()) == len(ids), "a line for each message")
        accepted = lines()
        self.assertEqual([re.search(r"\bid=(\w+)", line)[1] for line in accepted], ids)
        for line in accepted:
            self.assertIn(USER, line)
        for id, (_, copy) in zip(ids, self.server.fetch(USER)):
            self.assertRegex(id, r"\A[0-9a-z]{15}\Z")
            self.assertIn(("id " + id).encode(), mailstead.split_trace(copy)[0][b"received"])

    def test_refusals_and_logins_are_logged(self):
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            session.command("RCPT TO:<nobody@example.org>")
        with self.server.pop3(USER) as session:
            session.quit()
        with self.server.pop3() as session:
            session.must("USER " + USER)
            session.refused("PASS wrong")
        self.check_lines()
        log = self.server.log()
        self.assertRegex(log, r"info refused .*nobody@example.org")
        self.assertRegex(log, r"info login .*anna@example.org")
        self.assertRegex(log, r"login-failed .*anna@example.org")

    def test_no_secrets(self):
        secret, wrong = "Sesam-öffne-dich-4711", "not-it-at-all-815"
        self.server.admin("mailbox", "password", USER, "--password-stdin", stdin=secret + "\n")
        self.server.passwords[USER] = secret
        tokens = []

        def b64(text):
            tokens.append(base64.b64encode(text.encode()).decode())
            return tokens[-1]

        for password, services in ((secret, ("submission", "submissions")), (wrong, ("submission",))):
            for service in services:
                with self.server.smtp(service) as session:
                    session.command("AUTH PLAIN " + b64("\0%s\0%s" % (USER, password)))
                with self.server.smtp(service) as session:
                    session.must("AUTH LOGIN", "334")
                    session.command(b64(USER))
                    session.command(b64(password))
                # Slips of a client: the password where a command should be.
                with self.server.smtp(service) as session:
                    session.command(b64("\0" + password))
                    session.command("AUTH PLAIN " + b64("\0" + password) + " " + password)
                    session.command("AUTH LOGIN " + b64(USER) + " " + b64(password))
                    session.command("AUTH NONSENSE " + b64(password))
            with self.server.pop3() as session:
                session.must("USER " + USER)
                session.command("PASS " + password)
            with self.server.pop3() as session:
                session.command("PASS " + password)
                session.command("APOP %s %s" % (USER, "0123456789abcdef0123456789abcdef"))
                session.command("AUTH PLAIN " + b64("\0%s\0%s" % (USER, password)))
        self.check_lines()
        log = self.server.log()
        for word in (secret, wrong, "0123456789abcdef0123456789abcdef", *tokens):
            if word != base64.b64encode(USER.encode()).decode():
                self.assertNotIn(word, log)
        for command in ("mailbox", "alias"):
            self.assertNotIn("$scrypt", log)


class Json(mailstead.ServerTest):
    settings = '[log]\nlevel = "debug"\nformat = "json"'

    def test_every_line_parses(self):
        attack(self.server)
        id = self.server.deliver(PLAIN, USER)
        self.server.process.send_signal(mailstead.signal.SIGHUP)
        self.server.stop()
        accepted = []
        for line in self.server.lines:
            record = json.loads(line)
            self.assertIsInstance(record, dict)
            self.assertIn(record["level"], ("debug", "info", "warning", "error"))
            self.assertTrue(record["time"])
            if record["event"] == "accepted":
                accepted.append(record)
        self.assertEqual([record["id"] for record in accepted], [id])
        self.assertEqual(accepted[0]["to"], USER)


if __name__ == "__main__":
    mailstead.main()

"""Addresses beyond ASCII (RFC 6531, 6532, 6856): a mailbox of such a name, from the command line to POP3."""

import base64
import email.message
import email.policy
import poplib
import smtplib
import unicodedata

import mailstead

USER = "jörg@bücher.example"
PASSWORD = "grüße aus köln"


class BeyondAscii(mailstead.SharedServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.add_mailbox(USER, PASSWORD)

    def message(self, subject):
        message = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
        message["From"], message["To"], message["Subject"] = "Élodie <élodie@rémote.example>", USER, subject
        message.set_content("Grüße.\n")
        return message

    def pop3(self, user=USER, utf8=True):
        client = poplib.POP3(*self.server.ports["pop3"], timeout=mailstead.TIMEOUT)
        client.encoding = "UTF-8"
        if utf8:
            client.utf8()
        client.user(user)
        client.pass_(PASSWORD)
        return client

    def fetched(self, utf8=True):
        """The only message, which is deleted."""
        client = self.pop3(utf8=utf8)
        raw = b"\r\n".join(client.retr(1)[1]) + b"\r\n"
        size = int(client.list(1).split()[2])
        self.assertEqual(size, len(raw))
        client.dele(1)
        client.quit()
        return raw

    def test_by_a_program_that_knows_it(self):
        """Python's smtplib says SMTPUTF8 when an address needs it."""
        for recipient in (USER, USER.upper(), unicodedata.normalize("NFD", USER), "jörg+liste@xn--bcher-kva.example"):
            with smtplib.SMTP(*self.server.ports["smtp"], timeout=mailstead.TIMEOUT) as client:
                client.ehlo("client.example")
                self.assertTrue(client.has_extn("smtputf8"))
                client.send_message(self.message("Grüße"), to_addrs=[recipient])
            raw = self.fetched()
            head = raw.partition(b"\r\n\r\n")[0].decode("utf-8")
            self.assertIn("Return-Path: <élodie@xn--rmote-bsa.example>\r\n", head)
            self.assertIn("Delivered-To: jörg@xn--bcher-kva.example\r\n", head)
            self.assertIn("with UTF8SMTP\r\n", head.replace(" id ", "\r\n"))
            self.assertIn("Subject: Grüße", head)

    def test_a_reader_without_utf8_gets_ascii(self):
        with self.server.smtp() as session:
            session.send(self.message("Grüße").as_bytes(), "élodie@remote.example", [USER], " BODY=8BITMIME SMTPUTF8")
        raw = self.fetched(utf8=False)
        self.assertTrue(raw.partition(b"\r\n\r\n")[0].isascii(), raw)
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual(parsed["subject"], "Grüße")
        self.assertIn("Grüße", raw.partition(b"\r\n\r\n")[2].decode("utf-8"))

    def test_ascii_mail_for_it_by_an_alias(self):
        """Delivered-To is then all that is beyond ASCII."""
        self.server.admin("alias", "add", "joerg@example.org", USER)
        self.server.deliver(b"Subject: plain\r\n\r\ntext\r\n", "joerg@example.org")
        raw = self.fetched(utf8=False)
        self.assertTrue(raw.isascii(), raw)
        self.assertIn(b"\r\nSubject: plain\r\n", raw)

    def test_without_the_parameter_it_is_refused(self):
        with self.server.smtp() as session:
            code, text = session.command("MAIL FROM:<élodie@remote.example>".encode())
            self.assertEqual((code, text), ("553", "5.6.7 An address beyond ASCII needs SMTPUTF8"))
            session.must("MAIL FROM:<elodie@remote.example>")
            self.assertEqual(session.command(("RCPT TO:<%s>" % USER).encode())[0], "553")
            self.assertEqual(session.command(b"RCPT TO:<j\xf6rg@xn--bcher-kva.example>")[0], "553")

    def test_submission_in_its_own_name(self):
        with self.server.smtp("submissions") as session:
            session.must("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (USER, PASSWORD)).encode()).decode(), "235")
            own = b"From: %s\r\nSubject: own\r\n\r\nx\r\n" % USER.upper().encode()
            session.send(own, USER, [USER], " SMTPUTF8")
            self.assertEqual(session.command("MAIL FROM:<elodie@xn--bcher-kva.example> SMTPUTF8")[0], "553")
            session.envelope(USER, [USER], " SMTPUTF8")
            session.must("DATA", "354")
            session.send_raw(mailstead.stuffed("From: jorg@bücher.example\r\n\r\nx\r\n".encode()))
            self.assertEqual(session.reply()[0], "550")
        self.assertIn(USER.upper().encode(), self.fetched())

    def test_the_command_line(self):
        shown = self.server.json("mailbox", "show", "JÖRG@xn--bcher-kva.example")
        self.assertEqual(shown["address"], "jörg@xn--bcher-kva.example")
        self.assertIn("jörg@xn--bcher-kva.example", self.server.admin("mailbox", "list").stdout)
        self.assertIn("is a sub-address", self.server.admin("why", "jörg+liste@bücher.example").stdout)
        refused = self.server.admin("mailbox", "add", "\U0001f600@example.org", "--password-stdin", stdin="secret\n", code=1).stderr
        self.assertIn("by which nobody could log in", refused)
        self.server.admin("mailbox", "add", "a\u0085b@example.org", code=2)


if __name__ == "__main__":
    mailstead.main()

"""What people's programs can do when they send, beside whole messages by each transport (clients.py): each login and each TLS
option of swaks, its sizes and its ways to break off; and what a mail program leaves to the server, by msmtp, curl, mutt and s-nail.
"""

import email
import email.policy
import os
import smtplib
import urllib.parse

import mailstead
import messages
from client_tools import OTHER, PASSWORD, USER, ClientTest, lf, needs, run, write

THIRD = "carl@example.org"
# swaks's exit codes
NO_MAIL, NO_MESSAGE, NO_AUTH, NO_TLS = 23, 26, 28, 29


class SendingTest(ClientTest):
    settings = '[limits]\nmessage_size = "1 MiB"\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.set_cheap_password(USER)
        cls.server.add_cheap_mailbox(THIRD, PASSWORD)

    def setUp(self):
        super().setUp()
        self.server.fetch(THIRD, delete=True)
        self.start = self.mark()

    def said_since(self, *parts):
        """The log's lines of this test in which all the parts stand."""
        self.mark()
        return [line for line in self.server.lines[self.start:] if all(part in line for part in parts)]

    def taken(self, user):
        """The mailbox's messages, which are gone then."""
        return [copy for _, copy in self.server.fetch(user, delete=True)]


@needs("swaks")
class Swaks(SendingTest):
    def swaks(self, *options, service="submission", codes=(0,)):
        done = run(["swaks", "--server", "127.0.0.1:%d" % self.server.ports[service][1], "--from", USER, "--to", OTHER,
                    "--helo", "client.example", "--header", "From: " + USER, "--timeout", "120", *options], self.home, codes=codes)
        return done.stdout.decode(errors="replace")

    def login(self, kind, password=PASSWORD):
        return ["--auth", kind, "--auth-user", USER, "--auth-password", password]

    def one_came(self, how):
        copy, = self.taken(OTHER)
        self.assertIn(b" by mail.example.org with %s" % how, b" ".join(mailstead.split_trace(copy)[0][b"received"].split()))

    def test_the_logins_that_we_have(self):
        for kind in ("PLAIN", "LOGIN"):
            for service, options, how in (("submission", ["--tls"], b"ESMTPSA "), ("submissions", ["--tls-on-connect"], b"ESMTPSA "),
                                          ("submission", [], b"ESMTPA ")):
                with self.subTest(kind=kind, service=service, options=options):
                    said = self.swaks(*self.login(kind), *options, service=service)
                    self.assertIn("AUTH " + kind, said)
                    self.assertIn(" 235 2.7.0 ", said)
                    self.one_came(how)
        with self.subTest("any"):  # swaks chooses from our list
            self.swaks(*self.login("ANY"), "--tls")
            self.one_came(b"ESMTPSA ")

    def test_the_logins_that_we_have_not(self):
        """swaks, which knows them, finds none of them offered; who asks all the same is told so and can go on."""
        for kind in ("CRAM-MD5", "CRAM-SHA1", "DIGEST-MD5", "NTLM"):
            with self.subTest(kind=kind):
                self.swaks(*self.login(kind), "--tls", codes=(NO_AUTH,))
                with self.server.smtp("submissions") as session:
                    self.assertNotIn(kind, session.ehlo)
                    self.assertEqual(session.command("AUTH " + kind)[0], "504")
                    session.begin(False, USER, PASSWORD)
        self.assertEqual(self.taken(OTHER), [])

    def test_a_wrong_password(self):
        for kind in ("PLAIN", "LOGIN"):
            with self.subTest(kind=kind):
                said = self.swaks(*self.login(kind, "wrong"), "--tls", codes=(NO_AUTH,))
                self.assertIn("<~* 535 5.7.8 ", said)
        # Without a login it may go on, and is told at MAIL.
        said = self.swaks("--auth-optional", "PLAIN", "--auth-user", USER, "--auth-password", "wrong", "--tls", codes=(NO_MAIL,))
        self.assertIn("<~* 530 5.7.0 ", said)
        self.assertEqual(self.taken(OTHER), [])
        self.assertEqual(self.said_since(" accepted "), [])

    def test_no_login_at_submission(self):
        self.assertIn("<~* 530 5.7.0 ", self.swaks("--tls", codes=(NO_MAIL,)))
        self.assertEqual(self.taken(OTHER), [])

    def test_every_tls_option(self):
        """(service, options, exit code, TLS in our log)"""
        certificate = ["--tls-ca-path", self.certificate]
        for service, options, code, tls in (
                ("smtp", ["--tls"], 0, "TLSv1.3"),
                ("smtp", ["--tls-optional"], 0, "TLSv1.3"),
                ("smtp", ["--tls-optional-strict"], 0, "TLSv1.3"),
                ("smtp", [], 0, "none"),
                ("smtp", ["--tls", "--tls-protocol", "tlsv1_2"], 0, "TLSv1.2"),
                ("smtp", ["--tls", "--tls-protocol", "tlsv1_3"], 0, "TLSv1.3"),
                ("smtp", ["--tls", "--tls-protocol", "tlsv1_1"], NO_TLS, None),
                ("smtp", ["--tls", "--tls-protocol", "no_tlsv1_3", "--tls-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"
                          ":ECDHE-RSA-AES128-GCM-SHA256"], 0, "TLSv1.2"),
                ("smtp", ["--tls", "--tls-verify", *certificate], 0, "TLSv1.3"),
                ("smtp", ["--tls", "--tls-verify", "--tls-ca-path", "/etc/ssl/certs/ca-certificates.crt"], NO_TLS, None),
                ("smtp", ["--tls", "--tls-sni", "mail.example.org"], 0, "TLSv1.3"),
                ("smtp", ["--tls", "--tls-sni", "other.example.net"], 0, "TLSv1.3"),
                ("submissions", ["--tls-on-connect", *self.login("PLAIN")], 0, "TLSv1.3"),
                ("submissions", ["--tls-on-connect", "--tls-protocol", "tlsv1_2", *self.login("PLAIN")], 0, "TLSv1.2"),
                ("smtp", ["--tls-on-connect"], NO_TLS, None)):
            with self.subTest(service=service, options=options):
                start = self.mark()
                self.swaks(*options, service=service, codes=(code,))
                self.mark()
                found = [line for line in self.server.lines[start:] if " accepted " in line]
                self.assertEqual([" tls=%s " % tls in line for line in found], [] if tls is None else [True], found)
                self.assertEqual(len(self.taken(OTHER)), len(found))

    def test_protocols_and_pipelining(self):
        """--protocol is a set of the other options. The reply to each pipelined command is the one that swaks waits for."""
        for protocol, service, how in (("ESMTP", "smtp", b"ESMTP "), ("SMTP", "smtp", b"SMTP "), ("ESMTPS", "smtp", b"ESMTPS "),
                                       ("ESMTPA", "submission", b"ESMTPA "), ("ESMTPSA", "submission", b"ESMTPSA "),
                                       ("SSMTPA", "submissions", b"ESMTPSA ")):
            for more in ([], ["--pipeline"]):
                if protocol == "SMTP" and more:
                    continue  # after HELO nothing is offered
                with self.subTest(protocol=protocol, more=more):
                    login = ["--auth-user", USER, "--auth-password", PASSWORD] if protocol.endswith("A") else []
                    self.swaks("--protocol", protocol, *login, *more, service=service)
                    self.one_came(how)
        said = self.swaks("--pipeline", "--to", "nobody@example.org,%s,%s" % (OTHER, THIRD), service="smtp")
        self.assertIn("** 550 5.1.1 ", said)
        self.assertEqual([len(self.taken(user)) for user in (OTHER, THIRD)], [1, 1])

    def test_sizes(self):
        """swaks says no SIZE: the message itself is over the limit, and below it."""
        for size, code in (((1 << 20) + 1000, NO_MESSAGE), ((1 << 20) - 2000, 0)):
            with self.subTest(size=size):
                line = b"x" * 98 + b"\r\n"
                data = write(self.home, "data", messages.head("large") + b"\r\n" + line * (size // 100))
                said = self.swaks("--data", "@" + data, "--silent", "0", service="smtp", codes=(code,))
                self.assertEqual("** 552 5.3.4 " in said, code != 0)
                self.assertEqual(len(self.taken(OTHER)), 0 if code else 1)

    def test_breaking_off_stores_nothing(self):
        """By QUIT and by closing, after each step; the mailbox and the next client are none the worse for it."""
        for step in ("CONNECT", "FIRST-HELO", "TLS", "MAIL", "RCPT"):
            for how in ("--quit-after", "--drop-after", "--drop-after-send"):
                if step == "CONNECT" and how != "--drop-after":
                    continue  # nothing is sent there, and a QUIT before EHLO is none of swaks's
                with self.subTest(how=how, step=step):
                    self.swaks(how, step, "--tls", service="smtp")
        for how in ("--drop-after", "--drop-after-send"):
            with self.subTest(how=how, step="DATA"):
                self.swaks(how, "DATA", "--tls", service="smtp")
        self.assertEqual(self.said_since(" accepted "), [])
        self.swaks("--tls", service="smtp")
        self.one_came(b"ESMTPS ")

    def test_a_size_that_is_said_before(self):
        """smtplib, like most, says SIZE=; then nothing of the message is sent at all."""
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"][1], timeout=mailstead.TIMEOUT) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["size"], str(1 << 20))
            large = messages.head("large") + b"\r\n" + b"x" * 98 * 11000 + b"\r\n"
            with self.assertRaises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail(USER, [OTHER], large)
            self.assertEqual(refused.exception.smtp_code, 552)
            client.sendmail(USER, [OTHER], messages.small_messages()["plain"])
        self.one_came(b"ESMTP ")


class Submission(SendingTest):
    """A message without Date and Message-ID, with Bcc and in eight bits, to three, as a program hands it to 587 and 465."""

    BODY = "Grüße aus Köln\r\n.\r\n..\r\n\r\n.ende\r\n".encode()
    DRAFT = b"From: Anna <%s>\r\nTo: %s\r\nCc: %s\r\nBcc: %s\r\nSubject: three of them\r\n" % tuple(
        address.encode() for address in (USER, OTHER, THIRD, USER))
    TYPE = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")

    WAYS = {"submission": "STARTTLS", "submissions": "TLS"}

    def judge(self, body=None):
        """Each of the three has one copy, with what is to be added and without what is to be removed."""
        copies = [copy for user in (OTHER, THIRD, USER) for copy in self.taken(user)]
        self.assertEqual([dict(mailstead.header_fields(copy)[0])[b"delivered-to"].split()[1].decode() for copy in copies],
                         [OTHER, THIRD, USER])
        for copy in copies:
            names = [name for name, _ in mailstead.header_fields(copy)[0]]
            self.assertEqual([names.count(name) for name in (b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"bcc")],
                             [1, 1, 1, 1, 1, 1, 0])
            self.assertIn(b" with ESMTPSA ", b" ".join(mailstead.split_trace(copy)[0][b"received"].split()))
            mailstead.assert_same(self.BODY, copy[mailstead.header_fields(copy)[1] + 2:])
        found = self.said_since(" accepted ", " user=" + USER)
        self.assertEqual(len(found), 1)
        self.start = self.mark()
        return email.message_from_bytes(copies[0], policy=email.policy.default)

    def each(self, send):
        for service, how in self.WAYS.items():
            with self.subTest(service=service):
                send(self.server.ports[service][1], how)
                self.judge()

    @needs("msmtp")
    def test_msmtp(self):
        """With -t it reads the recipients, and is told to add and to remove nothing."""
        def send(port, how):
            config = write(self.home, "msmtprc",
                           "account default\nhost 127.0.0.1\nport %d\nfrom %s\nauth on\nuser %s\npassword %s\ntls on\n"
                           "tls_starttls %s\ntls_fingerprint %s\nset_from_header off\nset_date_header off\nset_msgid_header off\n"
                           "remove_bcc_headers off\n" % (port, USER, USER, PASSWORD, "on" if how == "STARTTLS" else "off",
                                                         self.fingerprint))
            run(["msmtp", "-C", config, "-t"], self.home, lf(self.DRAFT + self.TYPE + self.BODY))

        self.each(send)

    @needs("curl")
    def test_curl(self):
        def send(port, how):
            data = write(self.home, "data", self.DRAFT + self.TYPE + self.BODY)
            recipients = [part for address in (OTHER, THIRD, USER) for part in ("--mail-rcpt", address)]
            run(["curl", "-sS", "-k", "--ssl-reqd", "--user", USER + ":" + PASSWORD, "--mail-from", USER, *recipients,
                 "--upload-file", data, "%s://127.0.0.1:%d" % ("smtp" if how == "STARTTLS" else "smtps", port)], self.home)

        self.each(send)

    @needs("swaks")
    def test_swaks(self):
        def send(port, how):
            data = write(self.home, "data", mailstead.stuffed(self.DRAFT + self.TYPE + self.BODY)[:-2])
            run(["swaks", "--server", "127.0.0.1:%d" % port, "--tls" if how == "STARTTLS" else "--tls-on-connect", "--from", USER,
                 "--to", ",".join((OTHER, THIRD, USER)), "--auth-user", USER, "--auth-password", PASSWORD, "--data", "@" + data,
                 "--no-data-fixup"], self.home)

        self.each(send)

    def user_part(self):
        return "%s:%s" % (urllib.parse.quote(USER, safe=""), urllib.parse.quote(PASSWORD))

    def mutt(self, port, how, *more):
        config = write(self.home, "muttrc",
                       'set smtp_url="%s://%s@127.0.0.1:%d/"\nset certificate_file="%s"\nunset ssl_verify_host\nset ssl_starttls=yes\n'
                       'set ssl_force_tls=yes\nset from="%s"\nset use_from\nset realname="Anna"\nset send_charset="utf-8"\n'
                       'set charset="utf-8"\nset allow_8bit\nset use_8bitmime\nset write_bcc\nset copy=no\nset hostname="client.example"\n'
                       % ("smtp" if how == "STARTTLS" else "smtps", self.user_part(), port, self.certificate, USER))
        run(["mutt", "-n", "-F", config, "-s", "three of them", "-c", THIRD, "-b", USER, *more, "--", OTHER], self.home,
            lf(self.BODY))

    @needs("mutt")
    def test_mutt(self):
        """It sends Bcc when it is told to, and its own Date and Message-ID, which have to stay."""
        for service, how in self.WAYS.items():
            with self.subTest(service=service):
                self.mutt(self.server.ports[service][1], how)
                sent = self.judge()
                self.assertEqual(sent["from"], "Anna <%s>" % USER)
                self.assertTrue(sent["message-id"].endswith("@client.example>"), sent["message-id"])

    @needs("mutt")
    def test_mutt_with_an_attachment(self):
        picture = messages.png(40, 40, 9)
        write(self.home, "garden.png", picture)
        self.mutt(self.server.ports["submissions"][1], "TLS", "-a", os.path.join(self.home, "garden.png"))
        for user in (OTHER, THIRD, USER):
            copy, = self.taken(user)
            parts = list(email.message_from_bytes(copy).walk())
            self.assertEqual([part.get_content_type() for part in parts], ["multipart/mixed", "text/plain", "image/png"])
            self.assertEqual(parts[2].get_payload(decode=True), picture)
            self.assertEqual(parts[1].get_payload(decode=True), self.BODY)

    @needs("s-nail")
    def test_s_nail(self):
        for service, how in self.WAYS.items():
            with self.subTest(service=service):
                url = "%s://%s@127.0.0.1:%d" % ("smtp" if how == "STARTTLS" else "smtps", self.user_part(),
                                                self.server.ports[service][1])
                run(["s-nail", "-:/", "-S", "v15-compat", "-S", "mta=" + url, "-S", "smtp-auth=login", "-S", "tls-verify=ignore",
                     "-S", "smtp-use-starttls", "-S", "from=Anna <%s>" % USER, "-S", "hostname=client.example", "-S", "sendwait",
                     "-S", "mime-encoding=8bit", "-S", "sendcharsets=utf-8", "-S", "ttycharset=utf-8", "-s", "three of them",
                     "-c", THIRD, "-b", USER, OTHER], self.home, lf(self.BODY))
                self.judge()

    def test_on_port_25_nothing_is_added_or_removed(self):
        """That is other people's mail."""
        message = self.DRAFT + self.TYPE + self.BODY
        self.server.deliver(message, OTHER, sender=USER)
        copy, = self.taken(OTHER)
        mailstead.assert_same(message, mailstead.sent_part(copy))


if __name__ == "__main__":
    mailstead.main()

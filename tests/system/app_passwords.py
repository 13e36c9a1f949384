"""App passwords, and what they are for: SCRAM and APOP, by clients of other people and by our own."""

import base64
import hashlib
import hmac
import os
import poplib
import shutil
import smtplib
import ssl
import stat

import client_tools
import mailstead
from client_tools import USER, needs
from mailstead import Closed


def encoded(data):
    return base64.b64encode(mailstead.as_bytes(data)).decode()


class Scram:
    """The client's side of RFC 5802. `binding` is (type, octets) for -PLUS."""

    def __init__(self, user, password, binding=None, flag="n"):
        self.user, self.password = user, password
        self.gs2 = ("p=%s,," % binding[0] if binding else flag + ",,").encode()
        self.bound = binding[1] if binding else b""
        self.name = "SCRAM-SHA-256-PLUS" if binding else "SCRAM-SHA-256"
        self.nonce = encoded(os.urandom(12))
        self.bare = ("n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), self.nonce)).encode()

    def first(self):
        return encoded(self.gs2 + self.bare)

    def final(self, challenge):
        server_first = base64.b64decode(challenge)
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) >= len(self.nonce) + 18, fields
        self.salt = fields["s"]
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = b"c=" + base64.b64encode(self.gs2 + self.bound) + b",r=" + fields["r"].encode()
        message = b",".join((self.bare, server_first, without_proof))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        self.verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return encoded(without_proof + b",p=" + base64.b64encode(proof))

    def is_server(self, challenge):
        return base64.b64decode(challenge) == b"v=" + base64.b64encode(self.verifier)


def pop3_scram(session, scram):
    """The last reply. Challenges are no replies, so the lines are read one by one."""
    def say(line):
        session.stream.send(line.encode() + b"\r\n")
        return session.stream.line().decode()

    reply = say("AUTH %s %s" % (scram.name, scram.first()))
    if not reply.startswith("+ "):
        return reply
    reply = say(scram.final(reply[2:]))
    if not reply.startswith("+ "):
        return reply
    assert scram.is_server(reply[2:])
    return say("")


class AppPasswordTest(mailstead.ServerTest):
    def add(self, name, *more, user=USER):
        made = self.server.json("app-password", "add", user, name, *more)
        self.assertEqual((made["address"], made["name"]), (user, name))
        return made["password"]

    def revoke(self, name):
        self.server.admin("app-password", "revoke", USER, name)

    def capabilities(self, session):
        return session.listing("CAPA")


class Commands(AppPasswordTest):
    def test_they_are_added_listed_and_revoked(self):
        self.assertIn("has no app passwords", self.server.admin("app-password", "list", USER).stdout)
        self.assertEqual(self.server.json("app-password", "list", USER), [])
        added = self.server.admin("app-password", "add", "--only", "read", USER, "Büro phone", "--apop")
        password = added.stdout.split("shown only this once: ")[1].strip()
        self.assertGreaterEqual(len(password), 35)
        self.add("scanner", "--only", "send")
        listed = self.server.json("app-password", "list", USER)
        self.assertEqual([(each["name"], each["may"], each["apop"], each["last_used_at"]) for each in listed],
                         [("Büro phone", ["read"], True, None), ("scanner", ["send"], False, None)])
        self.assertNotIn(password, self.server.admin("app-password", "list", USER).stdout)
        with self.server.pop3() as session:
            session.login(USER, password)
        self.assertIsNotNone(self.server.json("app-password", "list", USER)[0]["last_used_at"])
        self.server.stop()
        # The same without a server.
        self.assertIn("Büro phone  reading", self.server.admin("app-password", "list", USER).stdout)
        self.revoke("BÜRO PHONE".replace("Ü", "ü"))
        self.assertEqual([each["name"] for each in self.server.json("app-password", "list", USER)], ["scanner"])

    def test_what_cannot_be_done_is_said_in_a_line(self):
        self.add("phone")
        for arguments, code, words in (
                (("add", USER, "PHONE"), 1, "already"),
                (("add", "nobody@example.org", "phone"), 1, "no mailbox nobody@example.org"),
                (("list", "nobody@example.org"), 1, "no mailbox nobody@example.org"),
                (("revoke", USER, "tablet"), 1, "no app password 'tablet'"),
                (("revoke", "nobody@example.org", "phone"), 1, "no mailbox nobody@example.org"),
                (("add", USER), 2, "too few"),
                (("add", USER, "a", "b"), 2, "too many"),
                (("add", USER, ""), 2, "empty"),
                (("add", USER, "a\nb"), 2, "control"),
                (("add", USER, "x" * 65), 2, "64"),
                (("add", USER, " x"), 2, "blank"),
                (("add", USER, "x", "--only", "write"), 2, "one of: send, read"),
                (("add", USER, "x", "--only"), 2, "--only"),
                (("add", USER, "x", "--only", "send", "--apop"), 2, "--apop"),
                (("list", USER, "--apop"), 2, "no option '--apop'"),
                (("list", USER, "--only", "read"), 2, "no option '--only'"),
                (("add", "no address", "x"), 2, "no address")):
            with self.subTest(arguments):
                done = self.server.admin("app-password", *arguments, code=code)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertEqual(done.stdout, "")
        self.assertEqual(len(self.server.json("app-password", "list", USER)), 1)

    def test_no_password_is_kept_in_words(self):
        for more in ((), ("--apop",)):
            password = self.add("device%d" % len(more), *more)
            with self.server.pop3() as session:
                session.login(USER, password)
            with self.server.pop3() as session:
                session.must("USER " + USER)
                session.refused("PASS " + password[:-1])
            for name in os.listdir(self.server.data):
                path = os.path.join(self.server.data, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        self.assertNotIn(password.encode(), file.read(), name)
            self.assertNotIn(password[:-1], self.server.log())
        key = os.stat(os.path.join(self.server.data, "secret.key"))
        self.assertEqual(stat.S_IMODE(key.st_mode), 0o600)


class Logins(AppPasswordTest):
    def test_it_works_where_the_mailbox_password_does(self):
        password = self.add("phone")
        with self.server.pop3() as session:
            session.login(USER, password)
        with self.server.pop3() as session:
            session.must("AUTH PLAIN " + encoded("\0%s\0%s" % (USER, password)))
        client = smtplib.SMTP_SSL("127.0.0.1", self.server.ports["submissions"][1], context=mailstead.no_verify_context())
        client.login(USER, password)
        client.sendmail(USER, [USER], b"Subject: x\r\n\r\n")
        client.quit()
        self.assertEqual(len(self.server.fetch(USER)), 1)  # with the mailbox's own password
        logged = [line for line in self.server.log().splitlines() if " login " in line]
        self.assertEqual(len([line for line in logged if "device=phone" in line]), 3)

    def test_only_read_and_only_send(self):
        reads, sends = self.add("reader", "--only", "read"), self.add("scanner", "--only", "send")
        with self.server.pop3() as session:
            session.must("USER " + USER)
            self.assertEqual(session.refused("PASS " + sends), "-ERR [AUTH] Wrong name or password")
            session.login(USER, reads)
        with self.server.smtp("submission") as session:
            session.command("EHLO me")
            session.must("AUTH PLAIN " + encoded("\0%s\0%s" % (USER, reads)), "535")
            session.must("AUTH PLAIN " + encoded("\0%s\0%s" % (USER, sends)), "235")
        self.assertIn("the app password is for sending only", self.server.log())
        self.assertIn("the app password is for reading only", self.server.log())

    def test_a_revoked_password_ends_its_sessions_and_no_others(self):
        password = self.add("phone")
        other = self.server.add_mailbox("bert@example.org")
        smtp = self.server.smtp("submission")
        smtp.command("EHLO me")
        smtp.must("AUTH PLAIN " + encoded("\0%s\0%s" % (USER, password)), "235")
        with self.server.pop3() as phone, self.server.pop3(other) as bert, smtp:
            phone.login(USER, password)
            self.add("tablet")
            phone.must("NOOP")  # another one's coming is nothing to it
            self.server.admin("mailbox", "password", USER, "--password-stdin", stdin="another\n")
            phone.must("NOOP")  # nor is the mailbox's own password
            self.revoke("phone")
            self.assertIn("no longer open to this login", phone.refused("NOOP"))
            with self.assertRaises(Closed):
                phone.must("NOOP")
            self.assertEqual(smtp.command("NOOP")[0], "421")
            bert.must("NOOP")
        with self.server.pop3() as session:
            session.must("USER " + USER)
            session.refused("PASS " + password)

    def test_who_is_shut_out_lets_go_of_the_mailbox_at_once(self):
        """Also a session that says nothing: who has the new password must not find the maildrop held."""
        password = self.add("phone")
        with self.server.pop3() as phone, self.server.smtp("submission") as smtp:
            phone.login(USER, password)
            smtp.must("AUTH PLAIN " + encoded("\0%s\0%s" % (USER, password)), "235")
            self.revoke("phone")
            with self.server.pop3(USER) as own:
                self.assertIn("no longer open", phone.reply())
                self.assertEqual(smtp.reply()[0], "421")
                self.server.admin("mailbox", "password", USER, "--password-stdin", stdin="another\n")
                with self.server.pop3() as newest:
                    newest.login(USER, "another")
                self.assertIn("no longer open", own.reply())

    def test_a_new_mailbox_password_ends_its_own_sessions_only(self):
        password = self.add("phone")
        with self.server.pop3(USER) as own:
            self.server.admin("mailbox", "password", USER, "--password-stdin", stdin="another\n")
            own.refused("NOOP")
        with self.server.pop3() as phone:
            phone.login(USER, password)


class Mechanisms(AppPasswordTest):
    def test_scram_and_apop_are_offered_while_somebody_can_use_them(self):
        def offers():
            with self.server.pop3() as session, self.server.smtp("submission") as smtp:
                sasl = next(line for line in self.capabilities(session) if line.startswith("SASL"))
                return "SCRAM-SHA-256" in sasl, "SCRAM-SHA-256" in "".join(smtp.command("EHLO me")), "<" in session.greeting

        self.assertEqual(offers(), (False, False, False))
        self.add("phone")
        self.assertEqual(offers(), (True, True, False))
        self.add("old phone", "--apop")
        self.assertEqual(offers(), (True, True, True))
        self.server.admin("mailbox", "disable", USER)
        self.assertEqual(offers(), (False, False, False))
        self.server.admin("mailbox", "enable", USER)
        self.revoke("old phone")
        self.assertEqual(offers(), (True, True, False))
        self.server.stop()
        self.server.start()
        self.assertEqual(offers(), (True, True, False))

    def test_timestamps_are_never_the_same(self):
        self.add("phone", "--apop")
        seen = set()
        for _ in range(20):
            with self.server.pop3() as session:
                seen.add(session.greeting)
        self.assertEqual(len(seen), 20)

    def test_scram(self):
        self.server.deliver(b"Subject: x\r\n\r\n", USER)
        self.add("tablet")
        password = self.add("phone")
        with self.server.pop3() as session:
            self.assertTrue(pop3_scram(session, Scram(USER, password)).startswith("+OK 1 messages"))
        for user, wrong in ((USER, password[:-1]), (USER, "correct horse"), ("nobody@example.org", password)):
            with self.server.pop3() as session:
                self.assertEqual(pop3_scram(session, Scram(user, wrong)), "-ERR [AUTH] Wrong name or password")
        salts = set()
        for user in ("nobody@example.org", "nobody@example.org", "NOBODY@example.org"):
            with self.server.pop3() as session:
                scram = Scram(user, password)
                pop3_scram(session, scram)
                salts.add(scram.salt)
        self.assertEqual(len(salts), 1)

    def test_a_mailbox_that_has_only_its_own_password_is_told_of_in_the_log(self):
        self.add("phone")
        other = self.server.add_mailbox("bert@example.org")
        with self.server.pop3() as session:
            pop3_scram(session, Scram(other, "correct horse"))
        self.assertIn("SCRAM works with app passwords only", self.server.log())

    def test_scram_plus_binds_to_this_connection(self):
        password = self.add("phone")
        certificate = os.path.join(self.server.data, "tls", "certificate.pem")
        with open(certificate) as file:
            end_point = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).digest()
        older = mailstead.no_verify_context()
        older.maximum_version = ssl.TLSVersion.TLSv1_2

        def login(scram, context=None):
            with self.server.pop3() as session:
                session.stls(context)
                self.assertTrue(any("SCRAM-SHA-256-PLUS" in line for line in self.capabilities(session)))
                return pop3_scram(session, scram(session.stream.socket))

        right = "+OK 0 messages"
        wrong = "-ERR The response is not what the mechanism wants"
        for context in (None, older):
            plus = login(lambda _: Scram(USER, password, ("tls-server-end-point", end_point)), context)
            self.assertTrue(plus.startswith(right), plus)
            self.assertEqual(login(lambda _: Scram(USER, password, ("tls-server-end-point", end_point[:-1] + b"x")), context), wrong)
            # Who could bind and was not told that we can: somebody has changed what we said.
            self.assertEqual(login(lambda _: Scram(USER, password, flag="y"), context), wrong)
            self.assertTrue(login(lambda _: Scram(USER, password), context).startswith(right))
        unique = login(lambda socket: Scram(USER, password, ("tls-unique", socket.get_channel_binding("tls-unique"))), older)
        self.assertTrue(unique.startswith(right), unique)
        self.assertEqual(login(lambda _: Scram(USER, password, ("tls-unique", b"x" * 12)), older), wrong)
        self.assertEqual(login(lambda _: Scram(USER, password, ("tls-unique", b"x" * 12))), wrong)  # TLS 1.3 has none
        with self.server.pop3() as session:
            self.assertFalse(any("-PLUS" in line for line in self.capabilities(session)))
            plus = Scram(USER, password, ("tls-server-end-point", end_point))
            self.assertEqual(pop3_scram(session, plus), "-ERR Mechanism not supported")

    def test_apop(self):
        password = self.add("old phone", "--apop", "--only", "read")
        client = poplib.POP3("127.0.0.1", self.server.ports["pop3"][1])
        client.apop(USER, password)
        self.assertEqual(client.stat(), (0, 0))
        client.quit()
        for user, wrong in ((USER, password[:-1]), (USER, "correct horse"), ("nobody@example.org", password)):
            client = poplib.POP3("127.0.0.1", self.server.ports["pop3"][1])
            with self.assertRaises(poplib.error_proto):
                client.apop(user, wrong)
            client.quit()
        # The mailbox without one, and the digest of another greeting.
        with self.server.pop3() as first, self.server.pop3() as second:
            stamp = first.greeting[first.greeting.index("<"):]
            digest = hashlib.md5((stamp + password).encode()).hexdigest()
            self.assertIn("[AUTH]", second.refused("APOP %s %s" % (USER, digest)))
            first.must("APOP %s %s" % (USER, digest))


class Clients(AppPasswordTest):
    def setUp(self):
        super().setUp()
        self.home = mailstead.work_folder("mailstead-app-")
        self.addCleanup(shutil.rmtree, self.home, True)

    def run_client(self, *command):
        done = client_tools.run(command, self.home)
        return (done.stdout + done.stderr).decode(errors="replace")

    def write(self, name, text):
        return client_tools.write(self.home, name, text)

    def logged_in_by(self, how):
        return [line for line in self.server.log().splitlines() if " login " in line and "by=" + how in line]

    @needs("mpop")
    def test_mpop_by_apop_and_scram(self):
        password = self.add("notebook", "--apop")
        for auth, how in (("apop", "apop"), ("scram-sha-256", "scram")):
            self.server.deliver(b"Subject: by %s\r\n\r\n" % auth.encode(), USER)
            config = self.write("mpoprc", "account default\nhost 127.0.0.1\nport %d\nuser %s\npassword %s\nauth %s\ntls off\n"
                                "delivery mbox %s\nuidls_file %s\nkeep off\n"
                                % (self.server.ports["pop3"][1], USER, password, auth, os.path.join(self.home, "mbox"),
                                   os.path.join(self.home, "uidls")))
            self.run_client("mpop", "-Q", "-C", config)
            self.assertEqual(len(self.logged_in_by(how)), 1)
        with open(os.path.join(self.home, "mbox")) as file:
            text = file.read()
        self.assertIn("Subject: by apop\n", text)
        self.assertIn("Subject: by scram-sha-256\n", text)

    @needs("msmtp")
    def test_msmtp_by_scram(self):
        password = self.add("notebook")
        config = self.write("msmtprc", "account default\nhost 127.0.0.1\nport %d\nuser %s\npassword %s\nauth scram-sha-256\n"
                            "tls off\nfrom %s\n" % (self.server.ports["submission"][1], USER, password, USER))
        letter = self.write("letter", "Subject: by scram\n\ntext\n")
        self.run_client("sh", "-c", "msmtp -C %s %s < %s" % (config, USER, letter))
        self.assertEqual(len(self.logged_in_by("scram")), 1)
        self.assertIn(b"Subject: by scram", self.server.fetch(USER)[0][1])

    @needs("fetchmail")
    def test_fetchmail_by_apop(self):
        password = self.add("notebook", "--apop")
        self.server.deliver(b"Subject: by apop\r\n\r\ntext\r\n", USER)
        box = os.path.join(self.home, "box")
        config = self.write("fetchmailrc", "set no syslog\npoll 127.0.0.1 protocol apop service %d timeout 60\n"
                            "  username '%s' password '%s' sslproto ''\n  no keep fetchall mda \"/bin/sh -c 'cat >> %s'\"\n"
                            % (self.server.ports["pop3"][1], USER, password, box))
        self.run_client("fetchmail", "-f", config, "--pidfile", os.path.join(self.home, "pid"), "--nodetach")
        self.assertEqual(len(self.logged_in_by("apop")), 1)
        with open(box) as file:
            self.assertIn("Subject: by apop\n", file.read())

    @needs("gsasl")
    def test_gsasl_by_scram_plus(self):
        """The one client here that binds to TLS 1.3, by tls-exporter."""
        password = self.add("notebook")
        for mechanism, more in (("SCRAM-SHA-256", ["--no-cb"]), ("SCRAM-SHA-256-PLUS", [])):
            said = self.run_client("gsasl", "--smtp", "--connect=localhost:%d" % self.server.ports["submission"][1],
                                   "--mechanism=" + mechanism, "--authentication-id=" + USER, "--password=" + password,
                                   "--x509-ca-file=" + os.path.join(self.server.data, "tls", "certificate.pem"), "--verbose",
                                   *more)
            self.assertIn("AUTH %s\n" % mechanism, said.replace("\r\n", "\n"))
            self.assertIn("235 2.7.0", said)
            self.assertIn("server trusted", said)
        self.assertEqual(len(self.logged_in_by("scram")), 2)
        self.assertTrue(all("tls=TLSv1.3" in line for line in self.logged_in_by("scram")))


if __name__ == "__main__":
    mailstead.main()

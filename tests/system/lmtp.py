"""LMTP (RFC 2033) over TCP and Unix sockets: a reply for each recipient, and the life of the socket's file."""

import os
import signal
import socket
import stat
import subprocess

import mailstead
import messages

ANNA, BERT, CARL = "anna@example.org", "bert@example.org", "carl@example.org"
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


class Lmtp(mailstead.Smtp):
    """Says LHLO, and hears as many replies to a message as recipients were accepted."""

    def begin(self, greet, user, password):
        assert "LMTP" in self.expect("220")
        self.ehlo = self.must("LHLO client.example")

    def send_to_each(self, message, sender, recipients):
        self.must("MAIL FROM:<%s>" % sender)
        accepted = [self.command("RCPT TO:<%s>" % recipient)[0] == "250" for recipient in recipients]
        self.must("DATA", "354")
        self.stream.send(mailstead.stuffed(message))
        return [self.reply() for each in accepted if each]


class UnixStream(mailstead.Stream):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(mailstead.TIMEOUT)
        self.socket.connect(path)
        self.buffer = bytearray()


class LocalDelivery(mailstead.ServerTest):
    def setUp(self):
        self.server = self.new_server()
        self.path = os.path.join(self.server.folder, "lmtp")
        self.server.configure(listen={"lmtp": ["127.0.0.1:0", self.path]})
        self.server.start()
        for user in (ANNA, BERT, CARL):
            self.server.add_cheap_mailbox(user)

    def over_tcp(self):
        return Lmtp(mailstead.Stream(self.server.ports["lmtp"]))

    def over_unix(self):
        return Lmtp(UnixStream(self.path))

    def test_each_recipient_has_a_reply(self):
        for connect in (self.over_tcp, self.over_unix):
            with connect() as session:
                self.assertNotIn("AUTH", session.ehlo)
                self.assertEqual(session.command("EHLO client.example")[0], "500")
                replies = session.send_to_each(MESSAGE, "", [ANNA, "nobody@example.org", BERT, ANNA])
                self.assertEqual([code for code, _ in replies], ["250"] * 3)
                self.assertEqual([text.split()[1] for _, text in replies], ["<%s>" % user for user in (ANNA, BERT, ANNA)])
                self.assertEqual(session.command("RCPT TO:<%s>" % ANNA)[0], "503")
                session.quit()
        for user in (ANNA, BERT):
            found = self.server.fetch(user)
            self.assertEqual(len(found), 2)
            for _, message in found:
                self.assertTrue(message.endswith(MESSAGE), message)
                self.assertRegex(message, rb"Received: from client\.example[^;]* by mail\.example\.org\s+with LMTP\s+id ")
        self.assertEqual(self.server.fetch(CARL), [])

    def test_a_loop_is_one_recipient_s(self):
        with self.over_unix() as session:
            replies = session.send_to_each(b"Delivered-To: %s\r\n" % BERT.encode() + MESSAGE, "x@elsewhere.example", [ANNA, BERT, CARL])
            self.assertEqual([code for code, _ in replies], ["250", "554", "250"])
        self.assertEqual([len(self.server.fetch(user)) for user in (ANNA, BERT, CARL)], [1, 0, 1])
        accepted, = (line for line in self.server.log().splitlines() if " accepted " in line)
        self.assertIn("to=%s,%s " % (ANNA, CARL), accepted)

    def test_a_recipient_who_is_removed_meanwhile(self):
        with self.over_unix() as session:
            session.must("MAIL FROM:<>")
            for user in (ANNA, BERT):
                session.must("RCPT TO:<%s>" % user)
            session.must("DATA", "354")
            self.server.admin("mailbox", "remove", ANNA)
            session.send_raw(mailstead.stuffed(MESSAGE))
            self.assertEqual([session.reply()[0] for _ in (ANNA, BERT)], ["451", "250"])
        self.assertEqual(len(self.server.fetch(BERT)), 1)

    def test_large_ones_in_chunks_and_over_tls(self):
        large = messages.numbered(1, 1_000_000)
        with self.over_tcp() as session:
            session.must("STARTTLS", "220")
            session.stream.start_tls()
            session.must("LHLO client.example")
            session.envelope("x@elsewhere.example", [ANNA, BERT])
            session.send_raw(b"BDAT %d LAST\r\n" % len(large) + large)
            self.assertEqual([session.reply()[0] for _ in (ANNA, BERT)], ["250", "250"])
        for user in (ANNA, BERT):
            (_, message), = self.server.fetch(user)
            self.assertTrue(message.endswith(large))
            self.assertRegex(message, rb"with LMTPS\s")

    def test_mail_to_others_is_not_taken(self):
        with self.over_unix() as session:
            session.must("MAIL FROM:<>")
            self.assertEqual(session.command("RCPT TO:<x@elsewhere.example>")[0], "550")
            self.assertEqual(session.command("DATA")[0], "503")

    def test_the_socket_s_file(self):
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o666)
        # Nobody takes it from a server that runs.
        other = self.new_server(listen={"lmtp": [self.path]})
        other.start(wait=False)
        self.assertEqual(other.wait(), 1)
        self.assertIn("cannot listen for lmtp on %s: another program listens there" % self.path, other.log())
        with self.over_unix() as session:
            session.quit()
        # One that was killed leaves it, and the next start takes it over.
        self.server.kill()
        self.assertTrue(os.path.exists(self.path))
        self.server.start()
        with self.over_unix() as session:
            self.assertEqual([code for code, _ in session.send_to_each(MESSAGE, "", [ANNA])], ["250"])
        # Whatever the umask, and whatever else has come in its place meanwhile.
        self.server.stop()
        self.server.start(before=lambda: os.umask(0o077))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o666)
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(self.path)
            self.server.stop()
            self.assertTrue(os.path.exists(self.path))
        self.server.start()
        # A reload closes it, and opens it again.
        for listen, there in (([], False), ([self.path], True)):
            self.server.configure(listen={"lmtp": listen})
            start = len(self.server.lines)
            self.server.process.send_signal(signal.SIGHUP)
            self.assertTrue(self.server.wait_line(lambda line: "reloaded" in line, "reloaded", start))
            self.assertEqual(os.path.exists(self.path), there)
        self.server.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_what_is_no_socket_is_left_alone(self):
        self.server.stop()
        with open(self.path, "w") as file:
            file.write("mine")
        self.server.start(wait=False)
        self.assertEqual(self.server.wait(), 1)
        self.assertIn("another program listens there, or the file is no socket", self.server.log())
        with open(self.path) as file:
            self.assertEqual(file.read(), "mine")

    def test_configurations_that_cannot_be(self):
        self.server.stop()
        for listen, words in (({"lmtp": ["/no/such/folder/lmtp"]}, "there is no folder /no/such/folder; make it"),
                              ({"smtp": [self.path]}, "is a Unix socket: only lmtp listens on one"),
                              ({"lmtp": ["run/lmtp"]}, "is not an address with a port"),
                              ({"lmtp": ["/" + 120 * "x"]}, "is not an address with a port")):
            self.server.configure(listen=listen)
            self.server.start(wait=False)
            self.assertEqual(self.server.wait(), 1)
            self.assertIn(words, self.server.log())

    def test_swaks(self):
        data = os.path.join(self.server.folder, "message")
        with open(data, "wb") as file:
            file.write(MESSAGE + b".")
        for way in (["--server", "127.0.0.1:%d" % self.server.ports["lmtp"][1]], ["--socket", self.path]):
            made = subprocess.run(["swaks", "--protocol", "LMTP", *way, "--from", "x@elsewhere.example", "--to",
                                   "%s,%s" % (ANNA, BERT), "--no-data-fixup", "--data", "@" + data],
                                  capture_output=True, text=True, timeout=mailstead.TIMEOUT)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        for user in (ANNA, BERT):
            self.assertEqual(len(self.server.fetch(user)), 2)


if __name__ == "__main__":
    mailstead.main()

"""TLS on real sockets: versions, plain text where TLS belongs, truncation, certificates and their reload."""

import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import unittest

import mailstead
import messages
from mailstead import Closed, until

PLAIN = messages.small_messages()["plain"]
IMPLICIT = ("submissions", "pop3s")


def client_hello(version):
    """A ClientHello of TLS 1.1 (0x0302) or 1.2 (0x0303), made by hand: today's libraries no longer make the older one."""
    def extension(kind, body):
        return struct.pack(">HH", kind, len(body)) + body

    ciphers = struct.pack(">6H", 0xC02B, 0xC02F, 0xC009, 0xC013, 0x002F, 0x0035)
    extensions = extension(10, struct.pack(">HHH", 4, 23, 24)) + extension(11, b"\1\0")
    if version >= 0x0303:
        extensions += extension(13, struct.pack(">HHHH", 6, 0x0403, 0x0401, 0x0804))
    body = (struct.pack(">H", version) + bytes(range(32)) + b"\0" + struct.pack(">H", len(ciphers)) + ciphers + b"\1\0"
            + struct.pack(">H", len(extensions)) + extensions)
    handshake = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(handshake)) + handshake


def make_certificate(folder, name):
    """A certificate and key of its own for each `name`."""
    certificate, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def der_of(path):
    with open(path) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


def served(server, service="pop3s"):
    """The certificate that a new connection gets, as DER."""
    with server.connect(service) as stream:
        return stream.socket.getpeercert(binary_form=True)


class Versions(mailstead.SharedServerTest):
    def test_tls_1_1_is_refused(self):
        for service in IMPLICIT:
            with self.server.connect(service, tls=False) as stream:
                stream.send(client_hello(0x0302))
                answer = stream.rest()
                self.assertEqual(answer[:1] + answer[5:], b"\x15\x02\x46", "a fatal protocol_version alert, then closed")
            with self.server.connect(service, tls=False) as stream:
                stream.send(client_hello(0x0303))
                stream.fill()
                self.assertEqual(bytes(stream.buffer[:1]), b"\x16", "the same hello with TLS 1.2 is answered")

    def test_tls_1_2_and_1_3_work(self):
        user = self.new_mailbox()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = mailstead.no_verify_context()
            context.minimum_version = context.maximum_version = version
            with self.server.smtp() as session:
                session.starttls(context)
                self.assertEqual(session.stream.socket.version(), version.name.replace("_", "."))
                session.send(PLAIN, "a@b.example", [user])
        self.assertEqual(len(self.server.fetch(user)), 2)

    def test_resumption(self):
        context = mailstead.no_verify_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # the session is there at once, not with the first data
        first = mailstead.Stream(self.server.ports["pop3s"])
        with first:
            first.start_tls(context)
            first.line()
            kept = first.socket.session
        second = mailstead.Stream(self.server.ports["pop3s"])
        with second:
            second.socket = context.wrap_socket(second.socket, session=kept)
            second.line()
            self.assertTrue(second.socket.session_reused)

    def test_plain_text_on_an_implicit_port_is_closed(self):
        for service in IMPLICIT:
            for first in (b"EHLO client.example\r\n", b"USER x\r\nPASS y\r\n", b"QUIT\r\n", b"GET / HTTP/1.1\r\n\r\n"):
                with self.server.connect(service, tls=False) as stream:
                    stream.send(first)
                    answer = stream.rest()
                    self.assertNotIn(b"+OK", answer)
                    self.assertNotRegex(answer, rb"[245][0-9][0-9] ")

    def test_garbage_in_the_handshake_is_survived(self):
        user = self.new_mailbox()
        hello = client_hello(0x0303)
        for service in IMPLICIT:
            for cut in (1, 5, 6, 40, len(hello) - 1):
                with self.server.connect(service, tls=False) as stream:
                    stream.send(hello[:cut])
            for bad in (hello[:60] + bytes(64), b"\x16\x03\x01\xff\xff" + bytes(70000), os.urandom(4000), hello * 3):
                with self.server.connect(service, tls=False) as stream:
                    try:
                        stream.send(bad)
                        stream.socket.shutdown(socket.SHUT_WR)
                    except (Closed, OSError):
                        pass
                    stream.rest()
        self.server.deliver(PLAIN, user)

    def test_the_certificate_is_the_one_in_the_data_folder(self):
        own = der_of(os.path.join(self.server.data, "tls", "certificate.pem"))
        self.assertEqual(served(self.server), own)
        digest = mailstead.hashlib.sha256(own).hexdigest().upper()
        self.assertIn(":".join(digest[i:i + 2] for i in range(0, 64, 2)), self.server.admin("tls", "show").stdout)

    def test_the_certificate_names_the_host(self):
        context = ssl.create_default_context(cafile=os.path.join(self.server.data, "tls", "certificate.pem"))
        for name in ("mail.example.org", "localhost"):
            with mailstead.Stream(self.server.ports["pop3s"]) as stream:
                stream.socket = context.wrap_socket(stream.socket, server_hostname=name)
                self.assertTrue(stream.line().startswith(b"+OK"))


class Truncation(mailstead.SharedServerTest):
    def test_data_cut_inside_tls_stores_nothing(self):
        user = self.new_mailbox()
        wire = mailstead.stuffed(messages.numbered(1, 300_000))
        for service in ("smtp", "submissions"):
            for end in ("no close_notify", "close_notify", "reset"):
                with self.server.smtp(service, user if service == "submissions" else None) as session:
                    if service == "smtp":
                        session.starttls()
                    session.envelope(user, [user])
                    session.must("DATA", "354")
                    session.send_raw(wire[:-3])
                    raw = session.stream.socket
                    if end == "close_notify":
                        raw.settimeout(mailstead.TIMEOUT)
                        try:
                            raw.unwrap()
                        except (OSError, ssl.SSLError):
                            pass
                    elif end == "reset":
                        session.reset()
                    else:
                        raw.shutdown(socket.SHUT_WR)  # FIN without close_notify
                        self.assertNotIn(b"250", session.stream.rest())
        self.server.deliver(PLAIN, user)
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_pop3s_cut_after_dele_deletes_nothing(self):
        user = self.new_mailbox()
        self.server.deliver(PLAIN, user)
        with self.server.pop3(user, "pop3s") as session:
            session.must("DELE 1")
            session.stream.socket.shutdown(socket.SHUT_WR)
            session.stream.rest()

        def there():
            try:
                return len(self.server.fetch(user)) == 1
            except mailstead.Refused as refused:
                assert "[IN-USE]" in refused.reply
        until(there, "the mailbox is free, with its message")


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Reload(mailstead.ServerTest):
    def setUp(self):
        self.folder = mailstead.work_folder()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.first = make_certificate(self.folder, "first.example")
        self.second = make_certificate(self.folder, "second.example")
        self.certificate, self.key = os.path.join(self.folder, "live.pem"), os.path.join(self.folder, "live.key")
        self.put(*self.first)
        self.settings = '[tls]\ncertificate = "%s"\nkey = "%s"' % (self.certificate, self.key)
        super().setUp()

    def put(self, certificate, key):
        shutil.copy(certificate, self.certificate)
        shutil.copy(key, self.key)

    def hangup(self):
        """SIGHUP; what the server logs about it, up to the line that ends it."""
        start = len(self.server.lines)
        self.server.process.send_signal(signal.SIGHUP)
        line = self.server.wait_line(lambda line: "reloaded" in line or "configuration-kept" in line, "the reload", start)
        self.assertIsNotNone(line, self.server.log())
        return "\n".join(self.server.lines[start:])

    def test_new_certificate_for_new_connections(self):
        self.assertEqual(served(self.server), der_of(self.first[0]))
        with self.server.pop3("anna@example.org", "pop3s") as running:
            self.put(*self.second)
            self.hangup()
            until(lambda: served(self.server) == der_of(self.second[0]), "the new certificate is served")
            running.must("NOOP")
            running.quit()
        for service in ("smtp", "submission"):
            with self.server.smtp(service) as session:
                session.starttls()
                self.assertEqual(session.stream.socket.getpeercert(binary_form=True), der_of(self.second[0]))

    def test_bad_certificate_keeps_the_old_one(self):
        for name, bad in (("garbage", lambda: write(self.certificate, "rubbish\n")),
                          ("empty", lambda: write(self.certificate, "")),
                          ("key of another", lambda: self.put(self.first[0], self.second[1])),
                          ("missing key", lambda: os.unlink(self.key))):
            with self.subTest(name):
                bad()
                line = self.hangup()
                self.assertRegex(line, " (warning|error) ")
                self.assertTrue("live.pem" in line or "live.key" in line, line)
                self.assertEqual(served(self.server), der_of(self.first[0]))
                self.put(*self.first)
                self.hangup()
        self.put(*self.second)
        self.hangup()
        until(lambda: served(self.server) == der_of(self.second[0]), "a good one after bad ones")

    def test_configuration(self):
        def size():
            with self.server.smtp() as session:
                return next(line for line in session.ehlo.split("\n") if line.startswith("SIZE"))
        before = size()
        with self.server.smtp() as running:
            self.server.configure(self.settings + '\n[limits]\nmessage_size = "3 MiB"', self.listen())
            self.hangup()
            until(lambda: size() == "SIZE 3145728", "the new limit is told")
            running.send(PLAIN, "a@b.example", ["anna@example.org"])
        self.assertNotEqual(before, "SIZE 3145728")

    def listen(self):
        """The listeners as they are: a reload is not asked to move them."""
        return {service: ["127.0.0.1:0"] for service in mailstead.SERVICES}

    def test_bad_configuration_keeps_the_old_one(self):
        for bad in ("[limits]\nmessage_size = 'x'\n", "[limits\n", "nonsense = 1\n"):
            with self.subTest(bad):
                write(self.server.config, bad)
                line = self.hangup()
                self.assertRegex(line, " (warning|error) ")
                self.assertIn("mailstead.toml:", line)
                self.server.deliver(PLAIN, "anna@example.org")


class InUse(mailstead.ServerTest):
    """What the files hold, and what the server shows."""

    def test_the_command_line_tells_which_one_is_in_use_and_has_it_read(self):
        server = self.new_server()
        certificate, key = make_certificate(server.folder, "first.example")
        other, other_key = make_certificate(server.folder, "second.example")
        server.configure('[tls]\ncertificate = "%s"\nkey = "%s"' % (certificate, key))
        server.start()
        first = server.json("tls", "show")
        self.assertEqual((first["in_use"]["sha256"], first["not_used_because"]), (first["sha256"], None))
        self.assertIn("by the running server\n", server.admin("tls", "show").stdout)
        # The server looks by itself once a minute: what it has not seen yet is told.
        shutil.copyfile(other_key, key)
        shutil.copyfile(other, certificate)
        told = server.json("tls", "show")
        self.assertEqual((told["names"], told["in_use"]["names"]), (["second.example"], ["first.example"]))
        text = server.admin("tls", "show").stdout
        self.assertIn("the server shows another one: self-signed", text)
        self.assertIn("mailstead tls reload", text)
        self.assertIn(told["sha256"], server.admin("tls", "reload").stdout)
        self.assertEqual(server.json("tls", "show")["in_use"]["names"], ["second.example"])
        self.assertEqual([each["names"] for each in server.json("tls", "reload")], [["second.example"]])
        # One that cannot be used.
        write(key, "no key")
        error = server.admin("tls", "reload", code=1).stderr
        self.assertIn("cannot be used", error)
        self.assertIn("goes on with the one that it has", error)
        self.assertIn(told["sha256"], error)
        self.assertIn(told["sha256"], server.admin("tls", "show", code=1).stderr)
        with server.pop3(service="pop3s") as session:
            session.quit()
        server.stop()
        shutil.copyfile(other_key, key)
        self.assertIsNone(server.json("tls", "show")["in_use"])
        self.assertIn("no server runs", server.admin("tls", "reload", code=1).stderr)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    mailstead.main()

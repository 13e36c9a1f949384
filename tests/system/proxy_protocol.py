"""Connections that begin with a PROXY header: by hand, by curl, and through haproxy.

The proxies have the address 127.0.0.2, which the configuration lists; everybody else has another one.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import mailstead
import messages
from client_tools import needs, run, write
from mailstead import until
from tls_transport import client_hello

USER = "anna@example.org"
PROXY = "127.0.0.2"
CLIENT, OTHER, CLIENT6 = "192.0.2.7", "198.51.100.9", "2001:db8:1::7"
PLAIN = messages.small_messages()["plain"]
HEADER_SECONDS = 10
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"


def v1(client):
    family, server = ("TCP6", "2001:db8::1") if ":" in client else ("TCP4", "203.0.113.1")
    return ("PROXY %s %s %s 56324 25\r\n" % (family, client, server)).encode()


def v2(client, more=b""):
    family, number = (socket.AF_INET6, 0x21) if ":" in client else (socket.AF_INET, 0x11)
    server = "2001:db8::1" if ":" in client else "203.0.113.1"
    body = socket.inet_pton(family, client) + socket.inet_pton(family, server) + struct.pack(">HH", 56324, 25) + more
    return SIGNATURE + bytes((0x21, number)) + struct.pack(">H", len(body)) + body


class From(mailstead.Stream):
    """A connection from this address, which begins with `header`."""

    def __init__(self, address, to, header=b""):
        self.socket = socket.create_connection(to, timeout=mailstead.TIMEOUT, source_address=(address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        if header:
            self.send(header)


def trace(message):
    """The Received field that the server has added."""
    text = message.decode()
    return text[text.index("Received:"):text.index("\r\n", text.index(";", text.index("Received:")))]


class ProxyTest(mailstead.ServerTest):
    settings = ""

    def setUp(self):
        self.server = self.new_server(self.settings, listen={"proxy_protocol_from": [PROXY]})
        self.server.start()
        self.server.add_cheap_mailbox(USER)

    def proxied(self, service, header, tls=None):
        stream = From(PROXY, self.server.ports[service], header)
        if tls or (tls is None and service in ("submissions", "pop3s")):
            stream.start_tls()
        return stream

    def fetched(self):
        with self.server.pop3(USER) as session:
            return [session.retr(number) for number, _ in session.uidl()]

    def logged(self, *words):
        return self.server.wait_line(lambda line: all(word in line for word in words), " ".join(words))


class Headers(ProxyTest):
    def test_mail_comes_from_the_client_that_the_header_names(self):
        for make in (v1, v2):
            for client, literal in ((CLIENT, "[192.0.2.7]"), (CLIENT6, "[IPv6:2001:db8:1::7]")):
                with mailstead.Smtp(self.proxied("smtp", make(client))) as session:
                    session.send(PLAIN, "a@elsewhere.example", [USER])
                received = trace(self.fetched()[-1])
                self.assertIn("(" + literal + ")", received.replace("\r\n\t", " "))
                self.assertNotIn("127.0.0", received)
        mailstead.assert_same(mailstead.sent_part(self.fetched()[0]), PLAIN)

    def test_starttls_and_a_login_behind_a_header(self):
        for make in (v1, v2):
            with mailstead.Smtp(self.proxied("submission", make(CLIENT))) as session:
                self.assertNotIn("AUTH", session.ehlo)
                session.starttls()
                session.begin(False, USER, "correct horse")
                session.send(PLAIN, USER, [USER])
            with mailstead.Pop3(self.proxied("pop3", make(CLIENT))) as session:
                session.must("STLS")
                session.stream.start_tls()
                session.login(USER, "correct horse")
        self.logged(" login ", "service=submission", "peer=" + CLIENT, "tls=TLSv1.3")
        self.logged(" login ", "service=pop3 ", "peer=" + CLIENT, "tls=TLSv1.3")
        self.assertEqual(len(self.fetched()), 2)

    def test_implicit_tls_begins_behind_the_header(self):
        for make in (v1, v2):
            with mailstead.Smtp(self.proxied("submissions", make(CLIENT6))) as session:
                session.begin(False, USER, "correct horse")
                session.send(PLAIN, USER, [USER])
            with mailstead.Pop3(self.proxied("pop3s", make(CLIENT6))) as session:
                session.login(USER, "correct horse")
                self.assertTrue(session.must("STAT"))
        self.logged(" login ", "service=submissions", "peer=" + CLIENT6)
        self.logged(" login ", "service=pop3s", "peer=" + CLIENT6)

    def test_what_comes_in_the_packet_of_the_header_is_not_lost(self):
        for make in (v1, v2):
            with self.proxied("pop3", make(CLIENT) + b"CAPA\r\nQUIT\r\n") as stream:
                answers = stream.rest()
                self.assertEqual(answers.count(b"+OK"), 3, answers)
            with self.proxied("submission", make(CLIENT) + b"NOOP\r\nQUIT\r\n") as stream:
                self.assertEqual([line[:3] for line in stream.rest().split(b"\r\n")], [b"220", b"250", b"221", b""])
            # Nor by who has to hear the greeting first.
            with self.proxied("smtp", make(CLIENT) + b"NOOP\r\nQUIT\r\n") as stream:
                self.assertRegex(stream.rest(), rb"\A554 [^\r\n]*you spoke before the greeting\r\n\Z")
            for service in ("submissions", "pop3s"):
                with self.proxied(service, make(CLIENT) + client_hello(0x0303), tls=False) as stream:
                    stream.fill()
                    self.assertEqual(bytes(stream.buffer[:1]), b"\x16")

    def test_a_header_in_single_octets(self):
        for header in (v1(CLIENT6), v2(CLIENT6, b"\4\0\4abcd")):
            with self.proxied("pop3", b"") as stream:
                for octet in header + b"QUIT\r\n":
                    stream.send(bytes((octet,)))
                self.assertEqual(stream.rest().count(b"+OK"), 2)

    def test_for_everybody_else_the_header_is_a_command_like_any_other(self):
        with mailstead.Smtp(From("127.0.0.1", self.server.ports["smtp"])) as session:
            self.assertEqual(session.command(v1(CLIENT)[:-2].decode())[0], "500")
            session.send(PLAIN, "a@elsewhere.example", [USER])
        with mailstead.Pop3(From("127.0.0.3", self.server.ports["pop3"])) as session:
            self.assertTrue(session.command(v1(CLIENT)[:-2].decode()).startswith("-ERR"))
        with From("127.0.0.1", self.server.ports["pop3s"], v1(CLIENT)) as stream:
            self.assertNotIn(b"+OK", stream.rest())
        self.assertIn("[127.0.0.1]", trace(self.fetched()[0]))
        self.assertNotIn(CLIENT, self.server.log())

    def test_a_second_header_is_a_command(self):
        with self.proxied("submission", v1(CLIENT) + v1(OTHER) + b"QUIT\r\n") as stream:
            self.assertEqual([line[:3] for line in stream.rest().split(b"\r\n")], [b"220", b"500", b"221", b""])

    def test_a_reload_changes_the_list(self):
        self.server.configure(self.settings, listen={
            "proxy_protocol_from": [], **{service: ["127.0.0.1:%d" % port] for service, (_, port) in self.server.ports.items()}})
        start = len(self.server.lines)
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_line(lambda line: line.endswith("reloaded"), "reloaded", start)
        with From(PROXY, self.server.ports["pop3"]) as stream:
            self.assertTrue(stream.line().startswith(b"+OK"))


class WithoutHeader(ProxyTest):
    def test_nothing_is_said_before_the_header_and_the_wait_has_an_end(self):
        began = time.monotonic()
        streams = [self.proxied(service, start, tls=False) for service in mailstead.SERVICES
                   for start in (b"", v1(CLIENT)[:-1], v2(CLIENT)[:-1])]
        dripped = self.proxied("smtp", b"", tls=False)

        def drip():
            try:
                for octet in b"PROXY UNKNOWN " + b"x" * 80:
                    dripped.send(bytes((octet,)))
                    time.sleep(0.3)
            except (mailstead.Closed, OSError):  # the server's end, or then ours
                pass
        thread = threading.Thread(target=drip)
        thread.start()
        for stream in streams:
            with stream:
                self.assertEqual(stream.rest(), b"")
        with dripped:
            self.assertEqual(dripped.rest(), b"")
        self.assertGreater(time.monotonic() - began, HEADER_SECONDS - 2)
        thread.join()
        self.assertIn("none came within 10 s", self.logged("proxy-header-wrong"))

    def test_a_bad_header_is_told_to_nobody_but_the_log_and_there_once(self):
        for wrong in (b"EHLO client.example\r\n", b"USER anna\r\n", v1(CLIENT).replace(b" ", b"  "), v1("192.0.2.07"),
                      v1(CLIENT)[:-2] + b"\n", v2(CLIENT).replace(b"\x21\x11", b"\x21\x12"), v2(CLIENT, b"\3\0\4abcd"),
                      SIGNATURE + b"\x21\x11\xff\xff", client_hello(0x0303)):
            for service in ("smtp", "pop3s"):
                with self.proxied(service, wrong, tls=False) as stream:
                    self.assertEqual(stream.rest(), b"", wrong)
        line = self.logged("proxy-header-wrong")
        for word in (" warning ", "peer=" + PROXY, "service=smtp", "listen.proxy_protocol_from"):
            self.assertIn(word, line)
        # Who only looks whether the port is open is nothing to report.
        self.proxied("smtp", b"").close()
        self.assertEqual(self.server.log().count("proxy-header-wrong"), 1)

    def test_who_waits_does_not_hold_up_the_end(self):
        waiting = [self.proxied(service, b"PRO", tls=False) for service in mailstead.SERVICES]
        began = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - began, HEADER_SECONDS - 2)
        for stream in waiting:
            with stream:
                self.assertEqual(stream.rest(), b"")


class Privileges(ProxyTest):
    def test_no_header_makes_a_client_loopback(self):
        for header in (v1("127.0.0.1"), v2("127.0.0.1"), v1("::1"), v2("::1"), v1("::ffff:127.0.0.1"), LOCAL,
                       b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)):
            with mailstead.Pop3(self.proxied("pop3", header)) as session:
                self.assertTrue(session.command("USER " + USER).startswith("-ERR"), header)
            with mailstead.Smtp(self.proxied("submission", header)) as session:
                self.assertNotIn("AUTH", session.ehlo)
        # Without a proxy it is.
        with mailstead.Pop3(From("127.0.0.1", self.server.ports["pop3"])) as session:
            session.login(USER, "correct horse")

    def test_a_connection_of_the_proxy_itself_has_its_address(self):
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            with mailstead.Smtp(self.proxied("smtp", header)) as session:
                session.send(PLAIN, "a@elsewhere.example", [USER])
            self.assertIn("[%s]" % PROXY, trace(self.fetched()[-1]))


class Bans(ProxyTest):
    settings = '[auth]\nplaintext = "always"\nban_after = 3\n'

    def guess(self, header):
        for password in ("one", "two", "three"):
            with mailstead.Pop3(self.proxied("pop3", header)) as session:
                session.must("USER " + USER)
                session.refused("PASS " + password)

    def banned(self):
        return [ban["network"] for ban in self.server.json("ban", "list")]

    def test_a_ban_is_the_clients_and_not_the_proxys(self):
        self.guess(v2(CLIENT))
        self.assertEqual(self.banned(), [CLIENT])
        for make in (v1, v2):
            with self.proxied("pop3", make(CLIENT)) as stream:
                self.assertEqual(stream.rest(), b"-ERR [SYS/TEMP] too many wrong passwords from your address, try again later\r\n")
            with self.proxied("submission", make(CLIENT)) as stream:
                self.assertTrue(stream.rest().startswith(b"421 4.7.0 mail.example.org too many wrong passwords"))
            with self.proxied("pop3s", make(CLIENT), tls=False) as stream:
                self.assertEqual(stream.rest(), b"")
            with mailstead.Pop3(self.proxied("pop3", make(OTHER))) as session:
                session.login(USER, "correct horse")
        self.logged("connection-refused", "peer=" + CLIENT)

    def test_the_proxy_itself_is_never_banned(self):
        self.guess(LOCAL)
        self.assertEqual(self.banned(), [])
        with mailstead.Pop3(self.proxied("pop3", LOCAL)) as session:
            session.login(USER, "correct horse")

    def test_who_claims_to_be_loopback_is_banned_and_loopback_is_not(self):
        self.guess(v1("127.0.0.1"))
        self.assertEqual(self.banned(), ["127.0.0.1"])
        with self.proxied("pop3", v1("127.0.0.1")) as stream:
            self.assertTrue(stream.rest().startswith(b"-ERR [SYS/TEMP]"))
        with mailstead.Pop3(From("127.0.0.1", self.server.ports["pop3"])) as session:
            session.login(USER, "correct horse")


class Limits(ProxyTest):
    settings = "[limits]\nconnections = 6\nconnections_per_address = 2\n"

    def test_connections_are_counted_for_the_client(self):
        with mailstead.Pop3(self.proxied("pop3", v1(CLIENT))), mailstead.Smtp(self.proxied("smtp", v2(CLIENT))):
            with self.proxied("pop3", v1(CLIENT)) as stream:
                self.assertEqual(stream.rest(), b"-ERR [SYS/TEMP] too many connections from your address, try again later\r\n")
            with self.proxied("smtp", v2(CLIENT)) as stream:
                self.assertTrue(stream.rest().startswith(b"421 4.7.0 mail.example.org too many connections from your address"))
            mailstead.Pop3(self.proxied("pop3", v1(OTHER))).close()
            # Of the proxy's own there is no such limit.
            own = [mailstead.Pop3(self.proxied("pop3", LOCAL)) for _ in range(3)]
            for session in own:
                session.close()

    def test_who_waits_for_a_header_counts_among_all(self):
        waiting = [self.proxied("smtp", b"PROXY ") for _ in range(6)]
        # The seventh may be accepted before the sixth has been looked at: they come in order.
        for address in (PROXY, "127.0.0.1"):
            with From(address, self.server.ports["smtp"]) as stream:
                self.assertTrue(stream.rest().startswith(b"421 4.7.0 mail.example.org too many connections, "))
        for stream in waiting:
            stream.close()
        until(self.greets, "there is room again")

    def greets(self):
        with From("127.0.0.1", self.server.ports["smtp"]) as stream:
            return stream.line().startswith(b"220")


class Curl(ProxyTest):
    """curl names itself as the client: 127.0.0.2."""

    def curl(self, *arguments, codes=(0,)):
        return run(["curl", "-sS", "-k", "--interface", PROXY, "--haproxy-protocol", "--user", USER + ":correct horse", *arguments],
                   self.server.folder, codes=codes).stdout

    @needs("curl")
    def test_curl_with_a_header(self):
        port = {service: address[1] for service, address in self.server.ports.items()}
        path = write(self.server.folder, "message", PLAIN)
        envelope = ["--mail-from", USER, "--mail-rcpt", USER, "--upload-file", path]
        self.curl("smtp://127.0.0.1:%d" % port["submission"], "--ssl-reqd", *envelope)
        self.curl("smtps://127.0.0.1:%d" % port["submissions"], *envelope)
        mailstead.assert_same(mailstead.sent_part(self.curl("pop3://127.0.0.1:%d/1" % port["pop3"], "--ssl-reqd")), PLAIN)
        mailstead.assert_same(mailstead.sent_part(self.curl("pop3s://127.0.0.1:%d/2" % port["pop3s"])), PLAIN)
        self.logged(" login ", "service=pop3s", "peer=" + PROXY)


class Haproxy:
    """haproxy in the foreground, for each service a port of its own before the server's."""

    def __init__(self, server, how, environment=None):
        self.ports, self.sockets = {}, []
        lines = ["global", "  maxconn 200", "defaults", "  mode tcp", "  timeout connect 60s", "  timeout client 120s",
                 "  timeout server 120s"]
        for service, (host, port) in server.ports.items():
            listening = socket.socket()
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            self.sockets.append(listening)
            self.ports[service] = listening.getsockname()
            lines += ["listen " + service, "  bind fd@%d" % listening.fileno(),
                      "  server mail %s:%d source %s %s" % (host, port, PROXY, how)]
        path = write(server.folder, "haproxy.cfg", "\n".join(lines) + "\n")
        self.log = open(os.path.join(server.folder, "haproxy.log"), "w+")
        self.process = subprocess.Popen([PROGRAM, "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        pass_fds=[each.fileno() for each in self.sockets])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(mailstead.TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for each in self.sockets:
            each.close()
        self.log.close()


PROGRAM = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")


@unittest.skipUnless(PROGRAM, "haproxy is not installed")
class ThroughHaproxy(ProxyTest):
    settings = '[auth]\nban_after = 3\n[limits]\nconnections_per_address = 2\n[log]\nlevel = "debug"\n'
    WAYS = ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl,authority")

    def test_every_service(self):
        large = messages.numbered(1, 300_000)
        for number, how in enumerate(self.WAYS):
            client = "127.0.0.%d" % (10 + number)
            with self.subTest(how), Haproxy(self.server, how) as proxy:
                with mailstead.Smtp(From(client, proxy.ports["smtp"])) as session:
                    session.send(large, "a@elsewhere.example", [USER])
                with mailstead.Smtp(From(client, proxy.ports["submission"])) as session:
                    session.starttls()
                    session.begin(False, USER, "correct horse")
                    session.send(PLAIN, USER, [USER])
                stream = From(client, proxy.ports["submissions"])
                stream.start_tls()
                with mailstead.Smtp(stream) as session:
                    session.begin(False, USER, "correct horse")
                    session.send(PLAIN, USER, [USER])
                stream = From(client, proxy.ports["pop3s"])
                stream.start_tls()
                with mailstead.Pop3(stream) as session:
                    session.login(USER, "correct horse")
                    copies = [session.retr(number) for number, _ in session.uidl()][-3:]
                    session.quit()
                self.assertIn("[%s]" % client, trace(copies[0]))
                mailstead.assert_same(mailstead.sent_part(copies[0]), large)
                for copy in copies[1:]:
                    mailstead.assert_same(mailstead.sent_part(copy), PLAIN)
                with mailstead.Pop3(From(client, proxy.ports["pop3"])) as session:
                    # The same machine, but not without the proxy.
                    self.assertTrue(session.command("USER " + USER).startswith("-ERR"))
                    session.must("STLS")
                    session.stream.start_tls()
                    session.login(USER, "correct horse")
                for service in ("submission", "submissions", "pop3", "pop3s"):
                    self.logged(" login ", "service=%s " % service, "peer=" + client)
        self.assertNotIn("proxy-header-wrong", self.server.log())

    def test_bans_and_limits_are_the_clients(self):
        guesser, other = "127.0.0.20", "127.0.0.21"
        with Haproxy(self.server, "send-proxy-v2") as proxy:
            for password in ("one", "two", "three"):
                stream = From(guesser, proxy.ports["pop3s"])
                stream.start_tls()
                with mailstead.Pop3(stream) as session:
                    session.must("USER " + USER)
                    session.refused("PASS " + password)
            self.assertEqual([ban["network"] for ban in self.server.json("ban", "list")], [guesser])
            with From(guesser, proxy.ports["pop3"]) as stream:
                self.assertTrue(stream.rest().startswith(b"-ERR [SYS/TEMP] too many wrong passwords"))
            with mailstead.Pop3(From(other, proxy.ports["pop3"])), mailstead.Pop3(From(other, proxy.ports["pop3"])):
                with From(other, proxy.ports["pop3"]) as stream:
                    self.assertTrue(stream.rest().startswith(b"-ERR [SYS/TEMP] too many connections from your address"))
                mailstead.Pop3(From("127.0.0.22", proxy.ports["pop3"])).close()

    def test_its_health_checks_are_its_own_connections(self):
        for how in ("send-proxy check inter 100ms", "send-proxy-v2 check inter 100ms"):
            start = len(self.server.lines)
            with Haproxy(self.server, how):
                self.server.wait_line(lambda line: "proxied" in line and "peer=" + PROXY in line, "a check", start)
        self.assertNotIn("proxy-header-wrong", self.server.log())


if __name__ == "__main__":
    mailstead.main()

"""Certificates that the server gets and renews by itself, from pebble: both challenges, renewal while it is used, everything that
can go wrong on the way, and what of that outlasts a restart."""

import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import stat
import threading
import time
import unittest

import authority
import mailstead
import messages
from mailstead import until
from thunderbird_setup import free_port

HOST = "mail.example.org"
OTHER = "autoconfig.example.org"


@unittest.skipIf(authority.missing(), authority.missing())
class AcmeTest(unittest.TestCase):
    challenge = "http-01"
    more = 'names = ["%s"]' % OTHER

    def setUp(self):
        self.folder = mailstead.work_folder()
        self.addCleanup(self.tidy)
        self.port = free_port()
        self.pebbles, self.servers = [], []

    def tidy(self):
        failed = mailstead.has_failed(self)
        for server in self.servers:
            if failed:
                print("---- the server's log\n" + server.log()[-8000:])
            server.close(keep=failed)
        for pebble in self.pebbles:
            pebble.close()
        if not failed:
            shutil.rmtree(self.folder)

    def pebble(self, **more):
        self.pebbles.append(authority.Pebble(self.folder, more.pop("challenge_port", self.port), **more))
        return self.pebbles[-1]

    def server(self, settings):
        listen = {"acme" if self.challenge == "http-01" else "webs": ["127.0.0.1:%d" % self.port], "http": ["127.0.0.1:0"]}
        self.servers.append(mailstead.Server(settings, listen=listen))
        server = self.servers[-1].start()
        server.add_mailbox("anna@example.org")
        return server

    def issued(self, server, start=0):
        line = server.wait_line(lambda line: "acme-issued" in line or "acme-failed" in line, "a certificate", start)
        self.assertIn("acme-issued", line)
        # The next lines are the new certificate in use.
        server.wait_line(lambda line: "certificate-loaded" in line, "its use", server.lines.index(line))
        return line

    def failed(self, server, start=0):
        line = server.wait_line(lambda line: "acme-issued" in line or "acme-failed" in line, "a failure", start)
        self.assertIn("acme-failed", line)
        return line

    def trusting(self, pebble):
        return ssl.create_default_context(cadata=pebble.root())

    def shown(self, server, context, name=HOST, service="pop3s"):
        """The certificate for this name, verified."""
        with socket.create_connection(server.ports[service], mailstead.TIMEOUT) as plain:
            with context.wrap_socket(plain, server_hostname=name) as tls:
                return tls.getpeercert()


class Http01(AcmeTest):
    def test_a_certificate_is_got_and_used(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings(more=self.more))
        self.issued(server)
        context = self.trusting(pebble)
        for service in ("pop3s", "submissions"):
            for name in (HOST, OTHER):
                self.shown(server, context, name, service)
        with server.smtp("submission") as session:
            session.must("STARTTLS", "220")
            session.stream.socket = context.wrap_socket(session.stream.socket, server_hostname=HOST)
            session.must("EHLO client.example")
        told = server.json("tls", "show")
        self.assertEqual(sorted(told["names"]), sorted([HOST, OTHER]))
        self.assertEqual((told["self_signed"], told["acme"]["failures"], told["acme"]["directory"]), (False, 0, pebble.url))
        self.assertIn("by itself", server.admin("tls", "show").stdout)
        self.assertIn("by itself", server.admin("status").stdout)
        self.assertIn("mailstead_acme_failures 0\n", server.admin("metrics").stdout)
        self.assertIn("mailstead_acme_renewals_total 1\n", server.admin("metrics").stdout)

        folder = os.path.join(server.data, "acme")
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        kept = sorted(os.listdir(folder))
        self.assertEqual([name.split("-")[0] for name in kept], ["account", "certificate.pem", "state.json"])
        for name in kept:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), 0o600, name)
        account = self.account(server)
        self.assertTrue(account["account"].startswith("https://127.0.0.1:"))

        # Neither a restart nor a look asks the authority again.
        orders = pebble.told("Added order")
        self.assertIn("Not needed", server.admin("tls", "renew").stdout)
        server.stop()
        server.start()
        self.shown(server, context)
        self.assertEqual(server.json("tls", "show")["sha256"], told["sha256"])
        self.assertIn("Not needed", server.admin("tls", "renew").stdout)
        self.assertEqual((pebble.told("Added order"), server.log().count("acme-begun")), (orders, 0))

        # Who insists gets a new one, for the same account, with another key.
        self.assertIn("Begun", server.admin("tls", "renew", "--force").stdout)
        self.issued(server)
        self.assertNotEqual(server.json("tls", "show")["sha256"], told["sha256"])
        self.assertEqual((self.account(server), pebble.told("There are now 1 accounts in memory")), (account, 1))

    def account(self, server):
        folder = os.path.join(server.data, "acme")
        name, = (name for name in os.listdir(folder) if name.startswith("account-"))
        with open(os.path.join(folder, name)) as file:
            return json.load(file)

    def test_its_port_tells_nothing_else(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings())
        self.issued(server)
        for path in ("/", "/metrics", "/mail/config-v1.1.xml", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/abc",
                     "/.well-known/acme-challenge/../../metrics"):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=mailstead.TIMEOUT)
            connection.request("GET", path, headers={"Host": HOST})
            self.assertIn(connection.getresponse().status, (400, 404), path)
            connection.close()

    def test_a_file_that_was_spoilt_is_got_again(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings())
        self.issued(server)
        server.stop()
        for name in os.listdir(os.path.join(server.data, "acme")):
            with open(os.path.join(server.data, "acme", name), "w") as file:
                file.write("spoilt")
        server.start()
        self.issued(server)
        self.assertIn("acme-certificate-unusable", server.log())
        self.shown(server, self.trusting(pebble))

    def test_a_customer_s_account(self):
        key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        pebble = self.pebble(binding={"kid-1": key}).start()
        server = self.server(pebble.settings())
        self.assertIn("key_id", self.failed(server))
        path = os.path.join(server.folder, "customer.key")
        with open(path, "w") as file:
            file.write(key + "\n")
        server.stop()
        server.configure(pebble.settings(more='key_id = "kid-1"\nkey_file = "%s"' % path), {"acme": ["127.0.0.1:%d" % self.port]})
        server.start()
        self.issued(server)

    def test_it_goes_on_with_the_order_of_a_killed_server(self):
        pebble = self.pebble(sleep=True).start()
        server = self.server(pebble.settings(more=self.more))
        state = os.path.join(server.data, "acme", "state.json")

        def order():
            with open(state) as file:
                return json.load(file)["order"]

        begun = until(lambda: os.path.exists(state) and order(), "an order is under way")
        server.kill()
        self.assertEqual(order(), begun)
        server.start()
        self.assertEqual(server.json("tls", "show")["acme"]["failures"], 1)
        self.assertIn("Begun", server.admin("tls", "renew").stdout)
        self.issued(server)
        # A second one, where the authority looked at a name while nobody was there.
        self.assertLessEqual(pebble.told("Added order"), 2)
        self.assertEqual(order(), "")


class TlsAlpn01(AcmeTest):
    challenge = "tls-alpn-01"

    def test_a_certificate_is_got_and_used(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings(self.challenge, self.more))
        self.issued(server)
        context = self.trusting(pebble)
        for name in (HOST, OTHER):
            self.shown(server, context, name, "webs")
        # Nobody is shown the challenge's certificate but who asks for it while it is there.
        asking = mailstead.no_verify_context()
        asking.set_alpn_protocols(["acme-tls/1"])
        with socket.create_connection(("127.0.0.1", self.port), mailstead.TIMEOUT) as plain, self.assertRaises(OSError):
            asking.wrap_socket(plain, server_hostname=HOST)
        context.set_alpn_protocols(["http/1.1", "acme-tls/1"])
        self.shown(server, context, HOST, "webs")


class Renewal(AcmeTest):
    """Certificates that are good for some seconds, one after the other, while mail comes and goes."""

    def test_nobody_notices(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings() + "[submission]\nrecipients_per_hour = 0\nrecipients_per_day = 0\ncheck_from = false\n")
        self.issued(server)
        context = self.trusting(pebble)
        seen, faults, counts = set(), [], [0, 0]
        ending = threading.Event()

        def count(place, work):
            while not ending.is_set():
                try:
                    work()
                    counts[place] += 1
                except Exception as fault:  # whatever it is, it is one
                    faults.append(repr(fault))

        def send():
            with server.smtp("submissions", "anna@example.org") as session:
                session.send(messages.numbered(1, 1000), "anna@example.org", ["anna@example.org"])
                session.quit()
            time.sleep(0.01)

        def look():
            seen.add(self.shown(server, context)["serialNumber"])
            time.sleep(0.01)

        with server.pop3("anna@example.org", "pop3s") as long_session, server.smtp("submissions", "anna@example.org") as sender:
            workers = [threading.Thread(target=count, args=work) for work in ((0, send), (0, send), (1, look), (1, look))]
            for worker in workers:
                worker.start()
            for renewals in (2, 3, 4):
                start = len(server.lines)
                self.assertIn("Begun", server.admin("tls", "renew", "--force").stdout)
                self.issued(server, start)
                until(lambda: len(seen) >= renewals, "another certificate took the place of the last one")
            ending.set()
            for worker in workers:
                worker.join()
            # Sessions of the first certificate's time.
            long_session.must("NOOP")
            long_session.quit()
            sender.send(messages.numbered(2, 1000), "anna@example.org", ["anna@example.org"])
        self.assertEqual(faults, [])
        self.assertGreater(min(counts), 20)
        self.assertEqual(len(server.fetch("anna@example.org")), counts[0] + 1)
        self.assertNotIn("acme-failed", server.log())


    def test_times_that_make_no_sense(self):
        # By this machine's clock each certificate is due as soon as it comes: that is no reason for another one.
        pebble = self.pebble(validity=1).start()
        server = self.server(pebble.settings())
        self.issued(server)
        time.sleep(4)
        server.process.send_signal(mailstead.signal.SIGHUP)
        time.sleep(1)
        self.assertEqual(server.log().count(" acme-issued "), 1)
        self.assertEqual(server.log().count(" acme-begun "), 1)


class Trouble(AcmeTest):
    def test_names_that_no_authority_knows(self):
        pebble = self.pebble().start()
        for host in ("192.0.2.1", "vm"):
            server = self.server('hostname = "%s"\n' % host + pebble.settings())
            self.assertIn("hostname = ", self.failed(server))
            self.assertNotIn("acme-begun", server.log())
            server.stop()

    def test_people_wait_too_after_failures(self):
        server = self.server(self.pebble().settings())
        self.failed(server)
        for _ in range(2):
            start = len(server.lines)
            self.assertIn("Begun", server.admin("tls", "renew").stdout)
            self.failed(server, start)
        self.assertIn("failed 3 times; not before", server.admin("tls", "renew", code=1).stderr)
        self.assertIn("failed 3 times; not before", server.admin("tls", "renew", "--force", code=1).stderr)

    def test_a_certificate_that_is_lost(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings())
        self.issued(server)
        os.remove(os.path.join(server.data, "acme", "certificate.pem"))
        start = len(server.lines)
        server.process.send_signal(mailstead.signal.SIGHUP)
        self.issued(server, start)

    def test_a_port_that_nobody_reaches(self):
        pebble = self.pebble(challenge_port=free_port()).start()
        server = self.server(pebble.settings())
        line = self.failed(server)
        self.assertIn("port 80 of %s was not reached from outside" % HOST, line)
        # The self-signed certificate serves meanwhile, and people are told what to do.
        self.assertTrue(server.json("tls", "show")["self_signed"])
        for words in (("tls", "show"), ("status",)):
            self.assertIn("port 80 of %s was not reached" % HOST, server.admin(*words).stdout)
        told = server.json("status")["acme"]
        self.assertEqual((told["failures"], told["running"]), (1, False))
        self.assertIn("mailstead_acme_failures 1\n", server.admin("metrics").stdout)
        # A restart is no reason to try again sooner.
        server.stop()
        server.start()
        again = until(lambda: server.json("status")["acme"]["next_attempt_at"] and server.json("status")["acme"], "it is read")
        self.assertEqual((again["next_attempt_at"], again["failures"]), (told["next_attempt_at"], 1))
        self.assertNotIn("acme-begun", server.log())
        # By hand it is: and it waits longer then.
        self.assertIn("Begun", server.admin("tls", "renew").stdout)
        self.failed(server)
        self.assertEqual(server.json("status")["acme"]["failures"], 2)
        self.assertGreater(server.json("status")["acme"]["next_attempt_at"], told["next_attempt_at"])
        # The way is free now, and the authority has forgotten the account.
        pebble.stop()
        pebble.challenge_port = self.port
        pebble.start()
        start = len(server.lines)
        server.admin("tls", "renew")
        self.issued(server, start)
        self.shown(server, self.trusting(pebble))
        self.assertIsNone(server.json("status")["acme"]["problem"])

    def test_an_authority_that_is_down(self):
        pebble = self.pebble()
        server = self.server(pebble.settings())
        self.assertIn("was not reached", self.failed(server))
        server.deliver(messages.numbered(3, 1000), "anna@example.org")
        pebble.start()
        start = len(server.lines)
        server.admin("tls", "renew")
        self.issued(server, start)

    def test_an_authority_that_nobody_trusts(self):
        pebble = self.pebble().start()
        server = self.server(pebble.settings().replace("authorities", "# authorities"))
        self.failed(server)

    def test_an_authority_that_wants_to_be_left_alone(self):
        pebble = self.pebble()  # for its certificate
        with Busy(pebble) as busy:
            server = self.server(pebble.settings())
            self.assertIn("the authority gives no more", self.failed(server))
            asked = busy.asked
            self.assertIn("not before", server.admin("tls", "renew", "--force", code=1).stderr)
            server.stop()
            server.start()
            until(lambda: server.json("status")["acme"]["next_attempt_at"], "it is read")
            self.assertIn("not before", server.admin("tls", "renew", code=1).stderr)
            self.assertEqual(busy.asked, asked)

    def test_turned_on_and_off_by_a_reload(self):
        pebble = self.pebble().start()
        server = self.server("")
        self.assertIn("no authority is configured", server.admin("tls", "renew", code=1).stderr)
        self.assertIsNone(server.json("status")["acme"])
        listen = {"acme": ["127.0.0.1:%d" % self.port], "http": ["127.0.0.1:0"]}
        server.configure(pebble.settings(), listen)
        # Landlock keeps a file that was not named at the start out of reach; /etc has what others need.
        server.stop()
        server.start()
        self.issued(server)
        server.configure("", listen)
        start = len(server.lines)
        server.process.send_signal(mailstead.signal.SIGHUP)
        server.wait_line(lambda line: "reloaded" in line, "the reload", start)
        self.assertTrue(server.json("tls", "show")["self_signed"])
        server.configure(pebble.settings(more=self.more), listen)
        start = len(server.lines)
        server.process.send_signal(mailstead.signal.SIGHUP)
        self.issued(server, start)
        self.assertEqual(sorted(server.json("tls", "show")["names"]), sorted([HOST, OTHER]))
        # Another name is another certificate, another order of the names is none.
        names = [OTHER, "third.example.org"]
        server.configure(pebble.settings(more="names = " + json.dumps(names)), listen)
        start = len(server.lines)
        server.process.send_signal(mailstead.signal.SIGHUP)
        self.issued(server, start)
        told = server.json("status")["acme"]
        server.configure(pebble.settings(more="names = " + json.dumps(names[::-1])), listen)
        start = len(server.lines)
        server.process.send_signal(mailstead.signal.SIGHUP)
        server.wait_line(lambda line: "reloaded" in line, "the reload", start)
        self.assertEqual(server.json("status")["acme"], told)
        self.assertIn("mailstead_acme_renewals_total 3\n", server.admin("metrics").stdout)


class Busy:
    """An authority that says to everybody that it was asked too often."""

    def __init__(self, pebble):
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def say(self, status, body=None, **fields):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Replay-Nonce", "abcdef")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def do_GET(self):
                outer.asked += 1
                where = "https://127.0.0.1:%d/" % pebble.port
                self.say(200, json.dumps({name: where + name for name in ("newNonce", "newAccount", "newOrder")}).encode())

            def do_HEAD(self):
                self.say(200)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many accounts of yours"}
                self.say(429, json.dumps(problem).encode(), Retry_After="7200", Content_Type="application/problem+json")

            def log_message(self, *_):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", pebble.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pebble.certificate, pebble.key)
        self.web.socket = context.wrap_socket(self.web.socket, server_side=True)
        self.thread = threading.Thread(target=self.web.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.web.shutdown()
        self.web.server_close()
        self.thread.join()


if __name__ == "__main__":
    mailstead.main()

"""What a monitor asks for over HTTP: metrics, health, readiness. Prometheus' own parser reads the metrics."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess

from prometheus_client.parser import text_string_to_metric_families

import disk_edges
import mailstead
import messages
from mailstead import until

USER = "anna@example.org"
DASHBOARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/grafana-dashboard.json")
LISTEN = {"http": ["127.0.0.1:0"]}


class Monitoring(mailstead.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.new_server(listen=LISTEN).start()

    def get(self, path, method="GET"):
        return get(self.server, path, method)

    def metrics(self):
        status, fields, body = self.get("/metrics")
        self.assertEqual((status, fields["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        found = {}
        for family in text_string_to_metric_families(body):
            self.assertTrue(family.documentation, family.name)
            self.assertIn(family.type, ("counter", "gauge"), family.name)
            for sample in family.samples:
                key = (sample.name, *sorted(sample.labels.items()))
                self.assertNotIn(key, found)
                found[key] = sample.value
        return found

    def test_doctor_at_the_ports_is_no_trouble_with_tls(self):
        done = self.server.admin("doctor", "--only", "ports", code=0).stdout
        handshakes = {dict(key[1:])["version"]: count for key, count in self.metrics().items() if key[0] == "mailstead_tls_handshakes_total"}
        self.assertEqual((handshakes["failed"], handshakes["TLSv1.3"]), (0, 2), done)

    def test_counters_follow_what_happens(self):
        before = self.metrics()
        self.assertEqual(before[("mailstead_build_info", ("version", self.server.json("status")["version"]))], 1)
        self.server.add_mailbox(USER)
        for number in range(3):
            self.server.deliver(messages.numbered(number, 5000), USER)
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            self.assertEqual(session.command("RCPT TO:<nobody@example.org>")[0], "550")
        with self.server.pop3(USER) as session:
            session.retr(1)
            session.must("DELE 2")
            session.quit()
        with self.server.pop3(service="pop3s") as session:
            session.command("USER " + USER)
            self.assertTrue(session.command("PASS wrong")[0] != "+OK")
        until(lambda: self.metrics().get(("mailstead_messages_retrieved_total",)) == 1, "the session is counted")
        after = self.metrics()
        self.assertEqual(after[("mailstead_messages_accepted_total", ("service", "smtp"))], 3)
        self.assertGreater(after[("mailstead_messages_accepted_bytes_total",)], 15000)
        unknown = ("mailstead_refusals_total", ("class", "permanent"), ("reason", "address"))
        self.assertEqual((before[unknown], after[unknown]), (0, 1))
        self.assertEqual(after[("mailstead_logins_total", ("result", "right"))], 1)
        self.assertEqual(after[("mailstead_logins_total", ("result", "wrong"))], 1)
        self.assertEqual(after[("mailstead_mailboxes",)], 1)
        self.assertEqual(after[("mailstead_stored_messages", ("state", "present"))], 2)
        self.assertEqual(after[("mailstead_stored_messages", ("state", "deleted"))], 1)
        self.assertEqual(after[("mailstead_connections_total", ("service", "smtp"))], 4)
        self.assertGreaterEqual(after[("mailstead_tls_handshakes_total", ("version", "TLSv1.3"))], 1)
        self.assertEqual(after[("mailstead_commit_messages_total",)], 3)
        self.assertGreater(after[("mailstead_commit_seconds_total",)], 0)
        self.assertGreater(after[("mailstead_disk_free_bytes",)], 1 << 20)
        self.assertGreater(after[("mailstead_certificate_expiry_time_seconds",)], 1e9)
        self.assertGreater(after[("process_resident_memory_bytes",)], 1 << 20)
        for key, value in before.items():
            if key[0].endswith("_total"):
                self.assertGreaterEqual(after[key], value, key)
        # The command tells the same.
        told = self.server.admin("metrics").stdout
        self.assertIn('mailstead_messages_accepted_total{service="smtp"} 3\n', told)

    def test_the_text_is_as_monitors_want_it(self):
        """What the format and its linter demand; and all that can be known to come is there from the start."""
        told = self.get("/metrics")[2]
        self.assertTrue(told.endswith("\n"))
        name, kind, seen = "", "", set()
        for line in told.splitlines():
            if line.startswith("# HELP "):
                name = line.split()[2]
                self.assertNotIn(name, seen)
                seen.add(name)
                self.assertRegex(line, r"^# HELP (mailstead|process)_[a-z0-9_]+ [A-Z0-9].*[.)]$")
                kind = ""
            elif line.startswith("# TYPE "):
                self.assertEqual((line.split()[2], kind), (name, ""))
                kind = line.split()[3]
                self.assertEqual(kind == "counter", name.endswith("_total"), line)
                self.assertNotRegex(name, r"_(count|sum|bucket|ms|milliseconds|minutes|kb|mb|kib|mib|gauge|counter)\b")
            else:
                self.assertRegex(line, r'^%s(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.e+-]+$' % name)
                self.assertTrue(kind, line)
        found = self.metrics()
        for key in (("mailstead_refusals_total", ("class", "temporary"), ("reason", "login")),
                    ("mailstead_connections_denied_total", ("limit", "ban")),
                    ("mailstead_tls_handshakes_total", ("version", "failed")),
                    ("mailstead_connections_total", ("service", "pop3s")),
                    ("mailstead_messages_accepted_total", ("service", "submission")),
                    ("mailstead_sender_checks_total", ("check", "dmarc"), ("result", "fail")),
                    ("mailstead_logins_total", ("result", "wrong")),
                    ("mailstead_queue_recipients_done_total", ("result", "failed")),
                    ("mailstead_queue_oldest_age_seconds",)):
            self.assertEqual(found.get(key), 0, key)
        self.assertNotIn(("mailstead_messages_accepted_total", ("service", "pop3")), found)
        self.assertEqual(set(key[1:] for key in self.metrics()), set(key[1:] for key in found))

    def test_files_that_are_open(self):
        before = self.metrics()[("process_open_fds",)]
        self.assertAlmostEqual(before, len(os.listdir("/proc/%d/fd" % self.server.pid)), delta=3)
        sessions = [self.server.smtp() for _ in range(20)]
        self.assertGreaterEqual(self.metrics()[("process_open_fds",)], before + 18)
        for session in sessions:
            session.quit()
        self.assertGreater(self.metrics()[("process_max_fds",)], before)

    def test_mail_that_waits_grows_old(self):
        self.server.stop()
        self.server.configure('[queue]\nsmarthost = { host = "127.0.0.1", port = 1, tls = "opportunistic" }', LISTEN)
        self.server.start()
        self.server.add_mailbox(USER)
        age = ("mailstead_queue_oldest_age_seconds",)
        self.assertEqual(self.metrics()[age], 0)
        with self.server.smtp("submission", USER) as session:
            session.send(b"From: %s\r\nSubject: x\r\n\r\nx\r\n" % USER.encode(), USER, ["b@far.example"])
        until(lambda: self.metrics()[age] >= 2, "it grows old")
        self.assertLess(self.metrics()[age], 60)
        self.server.admin("queue", "hold", self.server.json("queue", "list")[0]["id"])
        self.assertEqual(self.metrics()[age], 0)

    def test_the_dashboard_shows_what_there_is(self):
        with open(DASHBOARD) as file:
            shown = set(re.findall(r"\b(?:mailstead|process)_\w+", file.read())) - {"mailstead_acme_failures", "mailstead_acme_renewals_total"}
        self.assertGreater(len(shown), 20)
        self.server.add_mailbox(USER)
        told = self.get("/metrics")[2]
        for name in sorted(shown):
            self.assertIn("# TYPE %s " % name, told)

    def test_health_and_what_is_not_there(self):
        self.assertEqual(self.get("/healthz")[::2], (200, "ok\n"))
        self.assertEqual(self.get("/readyz")[::2], (200, "ready\n"))
        self.assertEqual(self.get("/healthz", "HEAD")[::2], (200, ""))
        for path in ("/metrics/", "/metrics/../healthz", "/etc/passwd"):
            self.assertIn(self.get(path)[0], (404, 400), path)
        status, fields, _ = self.get("/metrics", "POST")
        self.assertEqual((status, fields["allow"]), (405, "GET, HEAD"))
        host, port = self.server.ports["http"]
        told = subprocess.run(["curl", "-sS", "-m", "20", "http://%s:%d/readyz" % (host, port)], capture_output=True, text=True)
        self.assertEqual(told.stdout, "ready\n", told.stderr)

    def test_a_page_that_has_its_name_lead_here_reads_no_metrics(self):
        host, port = self.server.ports["http"]
        for name, status in (("mailstead:8025", 200), ("localhost", 200), ("127.0.0.1:1", 200), ("evil.example:%d" % port, 421)):
            self.assertEqual(get(self.server, "/metrics", fields={"Host": name})[0], status, name)
            # A probe that is refused would take the server out of service.
            for path in ("/healthz", "/readyz"):
                self.assertEqual(get(self.server, path, fields={"Host": name})[0], 200, name)
        self.server.configure('[admin]\nnames = ["mail.ns.example"]', LISTEN)
        reload(self.server)
        self.assertEqual(get(self.server, "/metrics", fields={"Host": "mail.ns.example:80"})[0], 200)

    def test_strangers(self):
        host, port = self.server.ports["http"]
        for said in (b"EHLO x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection((host, port), 20) as stranger:
                stranger.sendall(said)
                self.assertTrue(stranger.makefile("rb").read().startswith(b"HTTP/1.1 400 "), said)
        self.assertEqual(self.get("/healthz")[0], 200)

    def test_the_port_is_taken(self):
        """Mail does not wait for it, and it is taken when it is free again: at once by a reload."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            server = self.new_server(listen={"http": ["127.0.0.1:%d" % taken]}).start()
            self.assertIn("listen-left-out", server.log())
            server.add_mailbox(USER)
            server.deliver(messages.numbered(1, 100), USER)
            reload(server)
            self.assertEqual(len(server.fetch(USER)), 1)
        reload(server)
        connection = http.client.HTTPConnection("127.0.0.1", taken, timeout=20)
        connection.request("GET", "/readyz")
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()

    def test_the_end_of_the_server(self):
        host, port = self.server.ports["http"]
        with socket.create_connection((host, port), 20) as idle:
            self.server.stop()
            self.assertEqual(idle.recv(1), b"")


class FullDisk(disk_edges.SmallDisk):
    def test_a_full_disk_is_not_ready(self):
        self.disk(16 << 20)
        self.server.configure('[limits]\nfree_space = "8 MiB"', LISTEN)
        self.server.start()
        self.assertEqual(get(self.server, "/readyz")[0], 200)
        self.fill(4 << 20)
        status, _, body = get(self.server, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("too few for mail", body)
        self.assertEqual(get(self.server, "/healthz")[0], 200)
        self.assertIs(self.server.json("status")["takes_mail"], False)
        self.empty()
        self.assertEqual(get(self.server, "/readyz")[0], 200)


    def test_mail_that_cannot_be_written_down(self):
        """Whatever the free space says; and all is well again without any mail."""
        self.disk(16 << 20)
        self.server.configure("[limits]\nfree_space = 0", LISTEN)
        self.server.start()
        self.server.add_mailbox(USER)
        self.assertEqual(get(self.server, "/readyz")[::2], (200, "ready\n"))
        self.fill()
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            session.must("RCPT TO:<%s>" % USER)
            session.must("DATA", "354")
            session.send_raw(mailstead.stuffed(messages.numbered(1, 100_000)))
            self.assertEqual(session.reply()[0], "452")
        status, _, body = get(self.server, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("Mail cannot be written down: ", body)
        told = self.server.json("status")
        self.assertIs(told["takes_mail"], False)
        self.assertIn("Mail cannot be written down: ", told["takes_no_mail_because"])
        self.assertIn("\nmailstead_takes_mail 0\n", get(self.server, "/metrics")[2])
        found = json.loads(self.server.admin("doctor", "--only", "disk", "--json", code=1).stdout)["findings"]
        self.assertTrue([each for each in found if each["state"] == "problem" and "none can be written down" in each["found"]], found)
        self.empty()
        self.assertEqual(get(self.server, "/readyz")[0], 200)
        self.assertIs(self.server.json("status")["takes_mail"], True)


def reload(server):
    start = len(server.lines)
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(lambda line: line.endswith("reloaded"), "reloaded", start)


def get(server, path, method="GET", fields=()):
    host, port = server.ports["http"]
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request(method, path, headers=dict(fields))
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    disk_edges.enter_namespace()
    mailstead.main()

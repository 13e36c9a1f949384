"""What domains demand of TLS, and whether it is kept: MTA-STS (RFC 8461), DANE (RFC 7672), REQUIRETLS (RFC 8689); and what is
told of it (TLSRPT, RFC 8460)."""

import email
import email.policy
import gzip
import json
import os
import shutil
import socket
import sqlite3
import threading
import time

import internet
import mailstead
import sending
from sending import ANNA, MESSAGE

WEB = "192.0.2.28"
POLICY = "version: STSv1\r\nmode: %s\r\n%smax_age: %d\r\n"
WITHOUT_TLS = MESSAGE.replace(b"Subject:", b"TLS-Required: No\r\nSubject:")


class Policies(sending.Sender):
    settings = sending.SETTINGS.replace("[queue]", 'dnssec = "always"\n[queue]')
    listen = dict(sending.Sender.listen, submissions=["127.0.0.1:0"])

    def setUp(self):
        super().setUp()
        self.names.validated.clear()
        self.authority = internet.Authority(self.folder.name)
        self.server.stop()
        self.server.environment = dict(os.environ, SSL_CERT_FILE=self.authority.file)
        self.server.start()

    # ---- the world

    def web(self, domain, pair=None):
        web = internet.Web(WEB, pair or self.authority.issue("mta-sts." + domain))
        self.addCleanup(web.close)
        self.names.add("mta-sts." + domain, "A", WEB)
        return web

    def announce(self, web, domain, mode="enforce", hosts=None, number=1, max_age=86400):
        hosts = hosts or ["mx." + domain]
        text = POLICY % (mode, "".join("mx: %s\r\n" % host for host in hosts), max_age)
        web.pages["/.well-known/mta-sts.txt"] = 200, "text/plain", text.encode()
        self.names.zone.setdefault("_mta-sts." + domain, {})["TXT"] = ["v=STSv1; id=%d;" % number]

    def demanding(self, certificate=None, mode="enforce", hosts=None, **options):
        """far.example with a policy; its host has this certificate."""
        far = self.host("192.0.2.10", "far.example", certificate=certificate, **options)
        web = self.web("far.example")
        self.announce(web, "far.example", mode, hosts)
        return far, web

    def good(self, name="mx.far.example"):
        return self.authority.issue(name)

    def refused(self, words, address="carl@far.example"):
        lines = self.told("deferred", address)
        self.assertIn(words, lines[-1])

    def counts(self):
        """{(kind, verdict): sessions} of all days, when all of them have been written down."""
        self.server.stop()
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            return dict(((kind, verdict), sessions) for kind, verdict, sessions in
                        database.execute("SELECT kind, verdict, sum(sessions) FROM tls_counts GROUP BY kind, verdict"))

    # ---- MTA-STS

    def test_a_policy_that_is_kept_lets_mail_through(self):
        far, web = self.demanding(self.good())
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(far.taken[0]["tls"], "TLSv1.3")
        self.assertIn("policy=mta-sts", self.told("sent", "carl@far.example")[-1])
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual([path for _, path, _ in web.asked], ["/.well-known/mta-sts.txt"])
        self.assertEqual(self.counts(), {(1, 0): 2})

    def test_a_policy_that_is_broken_keeps_mail_back(self):
        for certificate, words in ((None, "does not offer TLS (far.example demands it by MTA-STS)"),
                                   (self.authority.issue("other.example"), "its certificate is not for the name mx.far.example"),
                                   (self.authority.issue("mx.far.example", days=0), "its certificate has expired"),
                                   (internet.certificate(self.folder.name, "mx.far.example"), "its certificate is by nobody who is trusted")):
            with self.subTest(words=words):
                self.names.zone.clear()
                far, web = self.demanding(certificate)
                self.submit("carl@far.example")
                self.refused(words)
                self.assertEqual(far.taken, [])
                for host in (far, web):
                    host.close()
                self.server.lines.clear()
                self.server.admin("queue", "drop", self.queue()[0]["id"])
        self.assertEqual(self.counts(), {(1, 1): 1, (1, 2): 1, (1, 3): 1, (1, 4): 1})

    def test_a_host_that_the_policy_does_not_name_gets_nothing_and_the_next_one_is_tried(self):
        far, _ = self.demanding(self.good("second.far.example"), hosts=["*.far.example"])
        self.names.zone["far.example"]["MX"] = ["10 mx.elsewhere.example", "20 a.b.far.example", "30 second.far.example"]
        elsewhere = self.host("192.0.2.11", certificate=self.good("mx.elsewhere.example"))
        self.names.add("mx.elsewhere.example", "A", "192.0.2.11")
        self.names.add("a.b.far.example", "A", "192.0.2.11")
        self.names.add("second.far.example", "A", "192.0.2.10")
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual((len(far.taken), elsewhere.connections), (1, 0))

    def test_a_policy_that_is_only_tested_stops_nothing_and_is_counted(self):
        far, _ = self.demanding(internet.certificate(self.folder.name, "mx.far.example"), mode="testing")
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(far.taken[0]["tls"], "TLSv1.3")
        self.assertEqual(self.counts(), {(1, 4): 1})

    def test_a_policy_is_kept_over_a_restart_and_when_nobody_tells_of_it_any_more(self):
        far, web = self.demanding(self.good())
        self.submit("carl@far.example")
        self.emptied()
        web.close()
        del self.names.zone["_mta-sts.far.example"], self.names.zone["mta-sts.far.example"]
        self.server.stop()
        self.server.start()
        far.certificate = None
        self.submit("carl@far.example")
        self.refused("demands it by MTA-STS")
        self.assertEqual(len(far.taken), 1)

    def test_a_new_policy_takes_the_place_of_the_old_one(self):
        far, web = self.demanding(None)
        self.submit("carl@far.example")
        self.refused("demands it by MTA-STS")
        self.announce(web, "far.example", "none", number=2)
        self.server.stop()
        self.server.start()
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(far.taken), 1)

    def test_what_is_no_policy_is_none(self):
        far = self.host("192.0.2.10", "far.example")
        web = self.web("far.example")
        self.announce(web, "far.example")
        good = web.pages["/.well-known/mta-sts.txt"][2]

        def endless(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", "text/plain")
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(b"x: y\n" * 1000)
            except OSError:
                pass

        def cut_off(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", "text/plain")
            handler.send_header("Content-Length", str(len(good) + 1))
            handler.end_headers()
            handler.wfile.write(good)
            handler.close_connection = True

        def elsewhere(handler):
            handler.send_response(301)
            handler.send_header("Location", "https://mta-sts.far.example/other")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        web.pages["/other"] = 200, "text/plain", good
        for page in ((404, "text/plain", good), (200, "text/html", good), (200, "text/plain", b"<html>"), endless, cut_off, elsewhere):
            with self.subTest(page=page):
                web.pages["/.well-known/mta-sts.txt"] = page
                self.server.stop()
                self.server.start()
                self.submit("carl@far.example")
                self.emptied()
                self.told("sts-policy-missing", "far.example")
        self.assertNotIn("/other", [path for _, path, _ in web.asked])
        self.assertEqual(len(far.taken), 6)

    def test_what_comes_before_an_answer(self):
        """RFC 9110 15.2: interim answers, as 103 Early Hints; but not without end."""
        far, web = self.demanding(self.good())
        good = web.pages["/.well-known/mta-sts.txt"][2]

        def hints(number):
            def page(handler):
                for _ in range(number):
                    handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
                handler.send_response(200)
                handler.send_header("Content-Type", "text/plain")
                handler.send_header("Content-Length", str(len(good)))
                handler.end_headers()
                handler.wfile.write(good)
            return page
        for number, expected in ((2, 0), (100, 1)):
            web.pages["/.well-known/mta-sts.txt"] = hints(number)
            self.server.stop()
            shutil.rmtree(self.server.data)
            self.server.start()
            self.server.add_cheap_mailbox(ANNA)
            self.submit("carl@far.example")
            self.emptied()
            self.assertEqual(sum("sts-policy-missing" in line for line in self.server.lines), expected, number)
        self.assertEqual(len(far.taken), 2)

    def test_a_policy_is_taken_from_its_own_host_only(self):
        far = self.host("192.0.2.10", "far.example")
        for pair in (self.authority.issue("far.example"), internet.certificate(self.folder.name, "mta-sts.far.example")):
            web = self.web("far.example", pair)
            self.announce(web, "far.example")
            self.server.stop()
            self.server.start()
            self.submit("carl@far.example")
            self.emptied()
            self.assertEqual(web.asked, [])
            web.close()
        self.assertEqual(len(far.taken), 2)
        self.assertEqual(self.counts(), {(0, 1): 2, (1, 10): 2})

    def test_a_policy_that_does_not_come_does_not_hold_up_the_end(self):
        far = self.host("192.0.2.10", "far.example")
        silent = socket.create_server((WEB, 443))
        self.addCleanup(silent.close)
        self.names.add("mta-sts.far.example", "A", WEB)
        self.names.add("_mta-sts.far.example", "TXT", "v=STSv1; id=1;")
        self.submit("carl@far.example")
        connection, _ = silent.accept()
        with connection:
            self.server.stop()
        self.assertEqual(far.connections, 0)  # had it been waited for, the mail would have gone then
        silent.close()
        self.server.start()
        self.emptied()
        self.assertEqual(len(far.taken), 1)

    def test_nobody_waits_for_a_policy_that_is_fetched_again(self):
        far, web = self.demanding(self.good())
        self.submit("carl@far.example")
        self.emptied()
        self.server.stop()
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            database.execute("UPDATE sts_policies SET fetched_at = fetched_at - 50000")
        answered, page = threading.Event(), web.pages["/.well-known/mta-sts.txt"]
        self.addCleanup(answered.set)

        def late(handler):
            answered.wait()
            handler.send_response(page[0])
            handler.send_header("Content-Type", page[1])
            handler.send_header("Content-Length", str(len(page[2])))
            handler.end_headers()
            handler.wfile.write(page[2])
        web.pages["/.well-known/mta-sts.txt"] = late
        self.server.start()
        for number in range(3):
            self.submit("carl@far.example")
            self.emptied()
        self.assertEqual((len(far.taken), len(web.asked)), (4, 2))
        answered.set()
        mailstead.until(lambda: [line for line in self.server.lines if "sts-policy" in line], "the policy comes again")
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual((len(far.taken), len(web.asked)), (5, 2))

    # ---- DANE

    def dane(self, record, certificate, name="mx.far.example"):
        far = self.host("192.0.2.10", "far.example", certificate=certificate)
        self.names.validated.add("far.example")
        self.names.add("_25._tcp." + name, "TLSA", *([record] if isinstance(record, str) else record))
        return far

    def test_a_host_is_known_by_its_record(self):
        pair = internet.certificate(self.folder.name, "anybody.example")
        far = self.dane(["0 0 1 " + "00" * 32, internet.tlsa(pair[0], 3, 1)], pair)
        self.submit("carl@far.example")
        self.emptied()
        self.assertIn("policy=dane", self.told("sent", "carl@far.example")[-1])
        self.assertEqual(far.taken[0]["tls"], "TLSv1.3")
        self.assertEqual(self.counts(), {(2, 0): 1})

    def test_a_host_is_known_by_an_anchor_for_its_name_or_the_domain(self):
        anchor = internet.tlsa(self.authority.file, 2, 0)
        for name, arrives in (("mx.far.example", True), ("far.example", True), ("other.example", False)):
            with self.subTest(name=name):
                self.names.zone.clear()
                far = self.dane(anchor, self.authority.issue(name))
                self.submit("carl@far.example")
                if arrives:
                    self.emptied()
                else:
                    self.refused("its certificate is not for the name mx.far.example (far.example demands it by DANE)")
                self.assertEqual(len(far.taken), arrives)
                far.close()

    def test_a_certificate_that_no_record_names_keeps_mail_back(self):
        far = self.dane(internet.tlsa(self.authority.file, 3, 1), self.good())
        self.submit("carl@far.example")
        self.refused("its certificate is not the one that DNS names (far.example demands it by DANE)")
        self.assertEqual(far.taken, [])
        self.assertEqual(self.counts(), {(2, 6): 1})

    def test_records_nobody_can_use_want_encryption_all_the_same(self):
        far = self.dane("1 1 1 " + "00" * 32, internet.certificate(self.folder.name, "anybody.example"))
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(far.taken[0]["tls"], "TLSv1.3")
        far.certificate = None
        self.submit("carl@far.example")
        self.refused("does not offer TLS (far.example demands it by DANE)")

    def test_records_that_cannot_be_had_keep_mail_back(self):
        far = self.dane(internet.tlsa(self.authority.file, 3, 1), self.good())
        self.names.trouble["_25._tcp.mx.far.example"] = "SERVFAIL"
        self.submit("carl@far.example")
        self.refused("do not say which certificate it has")
        self.assertEqual(far.connections, 0)
        self.assertEqual(self.counts(), {(2, 7): 1})

    def test_records_that_nobody_vouches_for_are_none(self):
        far = self.dane(internet.tlsa(self.authority.file, 3, 1), self.good())
        self.names.validated.clear()
        self.submit("carl@far.example")
        self.names.validated.add("mx.far.example")  # but not the MX record that leads there
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(far.taken), 2)

    def test_the_name_behind_an_alias_comes_first(self):
        pair = internet.certificate(self.folder.name, "anybody.example")
        far = self.dane(internet.tlsa(pair[0], 3, 1), pair, name="real.far.example")
        self.names.zone["mx.far.example"] = {"CNAME": ["real.far.example"]}
        self.names.add("real.far.example", "A", "192.0.2.10")
        self.names.add("_25._tcp.mx.far.example", "TLSA", "3 1 1 " + "00" * 32)
        self.submit("carl@far.example")
        self.emptied()
        self.assertIn("policy=dane", self.told("sent", "carl@far.example")[-1])
        self.assertEqual(len(far.taken), 1)

    def test_dane_comes_before_a_policy_of_mta_sts(self):
        pair = internet.certificate(self.folder.name, "anybody.example")
        far = self.dane(internet.tlsa(pair[0], 3, 1), pair)
        self.announce(self.web("far.example"), "far.example", hosts=["other.far.example"])
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(far.taken), 1)

    # ---- what a message's sender wants

    def test_a_message_that_need_not_be_encrypted_goes_all_the_same(self):
        far, _ = self.demanding(None)
        self.submit("carl@far.example")
        self.refused("demands it by MTA-STS")
        self.submit("dora@far.example", message=WITHOUT_TLS)
        self.told("sent", "dora@far.example")
        self.server.admin("queue", "retry")
        mailstead.until(lambda: self.queue()[0]["recipients"][0]["attempts"] >= 2, "it was tried again")
        self.assertEqual([each["to"] for each in far.taken], [["<dora@far.example>"]])

    def test_a_message_that_requires_tls_goes_only_to_whom_it_is_for(self):
        cases = (("one.example", self.good("mx.one.example"), True, True), ("two.example", self.good("mx.two.example"), False, False),
                 ("three.example", internet.certificate(self.folder.name, "mx.three.example"), True, False))
        for domain, certificate, has_policy, arrives in cases:
            with self.subTest(domain=domain):
                far = self.host("192.0.2.10", domain, certificate=certificate, extensions=["8BITMIME", "REQUIRETLS"])
                web = self.web(domain)
                if has_policy:
                    self.announce(web, domain, mode="testing")
                with self.server.smtp("submissions", user=ANNA) as client:
                    client.must("MAIL FROM:<%s> REQUIRETLS" % ANNA)
                    client.must("RCPT TO:<carl@%s>" % domain)
                    client.must("DATA", "354")
                    client.stream.send(mailstead.stuffed(MESSAGE))
                    client.expect("250")
                self.emptied()
                self.assertEqual(len(far.taken), arrives)
                if arrives:
                    self.assertIn("REQUIRETLS", far.taken[0]["from"])
                else:
                    report = self.report()
                    self.assertIn("does not prove who it is", report.as_string())
                    self.assertNotIn("eight bits", report.as_string())  # RFC 8689 5: headers go back, and no more
                far.close()
                web.close()

    def requiring(self, address):
        with self.server.smtp("submissions", user=ANNA) as client:
            client.must("MAIL FROM:<%s> REQUIRETLS" % ANNA)
            client.must("RCPT TO:<%s>" % address)
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(MESSAGE))
            client.expect("250")

    def three_hosts(self):
        """Of far.example, in order: one that has no REQUIRETLS, one that nobody knows, one that has all; all are in its policy."""
        names = ["mx%d.far.example" % number for number in (1, 2, 3)]
        offers = [["8BITMIME"], ["8BITMIME", "REQUIRETLS"], ["8BITMIME", "REQUIRETLS"]]
        pairs = [self.good(names[0]), internet.certificate(self.folder.name, names[1]), self.good(names[2])]
        hosts = []
        for number, name in enumerate(names):
            hosts.append(self.host("192.0.2.1%d" % number, certificate=pairs[number], extensions=offers[number]))
            self.names.add("far.example", "MX", "%d %s" % (number, name))
            self.names.add(name, "A", hosts[-1].address)
        self.announce(self.web("far.example"), "far.example", mode="testing", hosts=names)
        return hosts

    def test_a_message_that_requires_tls_goes_to_the_next_host_that_can_keep_it(self):
        hosts = self.three_hosts()
        self.requiring("carl@far.example")
        self.emptied()
        self.assertEqual([len(host.taken) for host in hosts], [0, 0, 1])
        self.assertIn("REQUIRETLS", hosts[2].taken[0]["from"])
        self.assertEqual([host.said[-1] for host in hosts], ["QUIT"] * 3)
        # That is nothing against the first one.
        self.submit("dora@far.example")
        self.emptied()
        self.assertEqual([len(host.taken) for host in hosts], [1, 0, 1])
        self.assertEqual(self.mail(), [])

    def test_a_message_that_requires_tls_waits_for_a_host_that_does_not_answer(self):
        hosts = self.three_hosts()
        hosts[2].replies["greeting"] = "421 4.3.2 later"
        self.requiring("carl@far.example")
        self.assertIn("421 4.3.2 later", self.told("deferred", "carl@far.example")[-1])
        self.submit("dora@far.example")  # nobody else waits for it
        self.told("sent", "dora@far.example")
        del hosts[2].replies["greeting"]
        hosts[1].replies["greeting"] = "421 4.3.2 later"
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual([len(host.taken) for host in hosts], [1, 0, 1])

    def test_a_message_that_requires_tls_fails_when_no_host_can_keep_it(self):
        hosts = self.three_hosts()
        hosts[2].extensions.remove("REQUIRETLS")
        self.requiring("carl@far.example")
        self.emptied()
        self.assertEqual([host.connections for host in hosts], [1, 1, 1])
        report = self.report().as_string()
        self.assertIn("Status: 5.7.30", report)
        self.assertIn("mx3.far.example", report)
        self.assertEqual([host.taken for host in hosts], [[], [], []])

    # ---- reports

    def test_a_domain_that_asks_for_it_is_told_how_a_day_went(self):
        far, web = self.demanding(self.good())
        for number in range(3):
            self.submit("carl@far.example")
        self.emptied()
        other = self.host("192.0.2.12", "reports.example")
        self.submit("x@reports.example")  # asks for no report
        self.emptied()
        far.taken.clear()
        self.counts()
        yesterday = int(time.time()) // 86400 - 2
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            database.execute("UPDATE tls_counts SET day = ?", (yesterday,))
            database.execute("INSERT INTO tls_counts SELECT day, domain, kind, strings, hosts, 3, 'mx.far.example', '192.0.2.10', 'expired', 7"
                             " FROM tls_counts WHERE domain = 'far.example' LIMIT 1")
        self.names.add("_smtp._tls.far.example", "TXT", "v=TLSRPTv1; rua=mailto:tls%2Breports@reports.example,https://mta-sts.far.example/v1?x")
        web.pages["/v1?x"] = 201, "text/plain", b""
        other.taken.clear()
        self.server.start()
        mailstead.until(lambda: other.taken and [each for each in web.asked if each[0] == "POST"], "reports come")
        posted = json.loads(gzip.decompress([body for method, _, body in web.asked if method == "POST"][0]))
        message = email.message_from_bytes(other.taken[0]["content"], policy=email.policy.default)
        self.assertEqual(other.taken[0]["to"], ["<tls+reports@reports.example>"])
        self.assertEqual(message["TLS-Report-Domain"], "far.example")
        self.assertEqual(message["TLS-Report-Submitter"], "mail.example.org")
        self.assertEqual(message["From"], "postmaster@example.org")
        self.assertIn("d=example.org", message["DKIM-Signature"])
        self.assertEqual(message.get_content_type(), "multipart/report")
        attached = [part for part in message.walk() if part.get_content_type() == "application/tlsrpt+gzip"][0]
        report = json.loads(gzip.decompress(attached.get_content()))
        self.assertEqual(report, posted)
        self.assertEqual(report["policies"][0]["policy"]["policy-type"], "sts")
        self.assertEqual(report["policies"][0]["policy"]["policy-string"], ["version: STSv1", "mode: enforce", "mx: mx.far.example", "max_age: 86400"])
        good = sum(each["summary"]["total-successful-session-count"] for each in report["policies"])
        bad = sum(each["summary"]["total-failure-session-count"] for each in report["policies"])
        self.assertEqual((good >= 1, bad, len(report["policies"])), (True, 7, 1))
        self.emptied()
        self.server.stop()
        posts = len(web.asked)
        self.server.start()
        time.sleep(3)
        self.assertEqual((len(web.asked), len(other.taken)), (posts, 1))


class Defaults(sending.Sender):
    settings = sending.SETTINGS

    def test_a_server_elsewhere_is_not_believed_that_it_validated(self):
        far = self.host("192.0.2.10", "far.example", certificate=internet.certificate(self.folder.name, "anybody.example"))
        self.names.validated.add("far.example")
        self.addCleanup(self.names.validated.clear)
        self.names.add("_25._tcp.mx.far.example", "TLSA", "3 1 1 " + "00" * 32)
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(far.taken), 1)
        self.assertNotIn(("_25._tcp.mx.far.example", "TLSA", "udp"), self.names.asked)


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

"""Mail for other hosts: it arrives, it waits, or its sender learns why not. Other hosts are internet.py's."""

import email
import email.policy
import os
import socket
import sqlite3
import tempfile
import threading
import time
import unittest

import internet
import mailstead

ANNA, BERT = "anna@example.org", "bert@example.org"
SETTINGS = """
[resolver]
servers = ["%s"]
[queue]
retry = ["10 s"]
""" % internet.NAME_SERVER[0]
MESSAGE = b"From: anna@example.org\r\nTo: carl@far.example\r\nSubject: x\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\n" \
          b"Message-ID: <one@example.org>\r\n\r\n.dot\r\n\xff eight bits\r\n"


class Sender(unittest.TestCase):
    """Our server in that Internet, with a user."""

    names = None
    settings = SETTINGS
    listen = {"smtp": [internet.US + ":25"], "submission": ["127.0.0.1:0"], "pop3": ["127.0.0.1:0"]}

    @classmethod
    def setUpClass(cls):
        if Sender.names is None:
            Sender.names = internet.Names()

    def setUp(self):
        self.names.zone.clear()
        self.names.trouble.clear()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.server = mailstead.Server('hostname = "mail.example.org"\n' + self.settings, self.listen).start()
        self.addCleanup(self.server.close)
        self.addCleanup(self.show)
        self.server.add_cheap_mailbox(ANNA)

    def show(self):
        if mailstead.has_failed(self):
            print("\n".join(self.server.lines[-60:]))

    def host(self, address, domain=None, **options):
        """A mail server, and the MX record that leads to it."""
        host = internet.Host(address, **options)
        self.addCleanup(host.close)
        if domain:
            self.names.add(domain, "MX", "10 mx." + domain)
            self.names.add("mx." + domain, "AAAA" if ":" in address else "A", address)
        return host

    def submit(self, *recipients, message=MESSAGE, parameters="", rcpt=""):
        with self.server.smtp("submission", user=ANNA) as client:
            client.must("MAIL FROM:<%s>%s" % (ANNA, parameters and " " + parameters))
            for recipient in recipients:
                client.must("RCPT TO:<%s>%s" % (recipient, rcpt and " " + rcpt))
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(message))
            return mailstead.queue_id(client.expect("250"))

    def queue(self):
        return self.server.json("queue", "list")

    def emptied(self):
        mailstead.until(lambda: not self.queue(), "the queue is empty")

    def told(self, state, address):
        return mailstead.until(lambda: [line for line in self.server.lines if " %s " % state in line and address in line],
                               "%s: %s" % (address, state))

    def mail(self):
        return [email.message_from_bytes(each, policy=email.policy.default) for _, each in self.server.fetch(ANNA, delete=True)]

    def report(self):
        mailstead.until(lambda: self.server.json("mailbox", "show", ANNA)["messages"], "a report came")
        reports = self.mail()
        self.assertEqual(len(reports), 1)
        return reports[0]


class Sending(Sender):
    # ---- it arrives

    def test_a_message_arrives_as_it_was_given(self):
        far = self.host("192.0.2.10", "far.example")
        sent = self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(far.taken), 1)
        status = self.server.json("status")
        self.assertEqual([status["recipients_" + what] for what in ("sent", "failed", "waiting")], [1, 0, 0])
        self.assertIn("1 sent, 0 failed, 0 waiting", self.server.admin("status").stdout)
        taken = far.taken[0]
        self.assertEqual(taken["from"], "<anna@example.org> SIZE=%d BODY=8BITMIME" % len(taken["content"]))
        self.assertEqual(taken["to"], ["<carl@far.example>"])
        self.assertEqual(taken["helo"], "mail.example.org")
        self.assertTrue(taken["content"].endswith(MESSAGE), taken["content"])
        self.assertRegex(taken["content"], rb"\ADKIM-Signature: (?s:.*)\r\nReceived: from ")
        self.assertIn(sent.encode(), taken["content"])
        self.assertEqual(os.listdir(os.path.join(self.server.data, "queue")), [])
        self.assertEqual(self.mail(), [])

    def test_one_transaction_for_all_recipients_of_a_domain_and_one_for_each_domain(self):
        far, wide = self.host("192.0.2.10", "far.example"), self.host("192.0.2.11", "wide.example")
        self.server.add_cheap_mailbox(BERT)
        self.submit("carl@far.example", "dora@far.example", "emil@wide.example", BERT)
        self.emptied()
        self.assertEqual([sorted(each["to"]) for each in far.taken], [["<carl@far.example>", "<dora@far.example>"]])
        self.assertEqual([each["to"] for each in wide.taken], [["<emil@wide.example>"]])
        self.assertEqual(len(self.server.fetch(BERT)), 1)

    def test_a_large_message_arrives_whole(self):
        far = self.host("192.0.2.10", "far.example")
        large = MESSAGE + b"".join(b".%d\r\n" % number for number in range(300000))
        self.submit("carl@far.example", message=large)
        self.emptied()
        self.assertTrue(far.taken[0]["content"].endswith(large))

    def test_a_connection_is_used_for_several_messages(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["greeting"] = "421 4.3.2 busy"
        for _ in range(20):
            self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        del far.replies["greeting"]
        before = far.connections
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(far.taken), 20)
        self.assertLess(far.connections - before, 10)

    def test_hosts_are_tried_in_order_and_the_next_one_when_one_does_not_answer(self):
        self.names.add("far.example", "MX", "20 second.far.example", "10 first.far.example", "30 third.far.example")
        self.names.add("first.far.example", "A", "192.0.2.20")  # nobody is there
        self.names.add("second.far.example", "A", "192.0.2.11")
        self.names.add("third.far.example", "A", "192.0.2.12")
        second, third = self.host("192.0.2.11"), self.host("192.0.2.12")
        second.replies["greeting"] = "554 5.3.2 no mail here"
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual((second.connections, len(third.taken)), (1, 1))

    def test_a_host_that_takes_no_mail_speaks_for_itself_only(self):
        self.names.add("far.example", "MX", "10 first.far.example", "20 second.far.example")
        self.names.add("first.far.example", "A", "192.0.2.10")
        self.names.add("second.far.example", "A", "192.0.2.11")
        first, second = self.host("192.0.2.10"), self.host("192.0.2.11")
        first.replies["greeting"] = "421 4.3.2 later"
        second.replies["greeting"] = "554 5.3.2 no mail here"
        self.submit("carl@far.example")
        self.assertIn("421 4.3.2 later", self.told("deferred", "carl@far.example")[0])
        del first.replies["greeting"]
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(first.taken), 1)

    def test_an_address_that_is_dead_changes_nothing_of_what_the_host_says(self):
        far = self.host("192.0.2.10", "far.example")
        self.names.add("mx.far.example", "A", "192.0.2.20")  # nobody is there
        self.names.add("mx.far.example", "AAAA", "2001:db8::99")  # nor there
        self.submit("carl@far.example", parameters="BY=600;R")
        self.assertIn("does not offer DELIVERBY", self.told("failed", "carl@far.example")[0])
        far.replies["greeting"] = "554 5.3.2 no mail here"
        self.submit("dora@far.example")
        self.assertIn("554 5.3.2", self.told("failed", "dora@far.example")[0])

    def test_the_domain_itself_an_alias_of_it_and_an_address_literal_are_ways(self):
        far = self.host("192.0.2.10")
        self.names.add("far.example", "A", "192.0.2.10")
        self.names.add("other.example", "CNAME", "far.example")
        six = self.host("2001:db8::10", "six.example")
        self.submit("carl@far.example")
        self.submit("dora@other.example")
        self.submit("emil@[192.0.2.10]")
        self.submit("fred@six.example")
        self.emptied()
        self.assertEqual(sorted(each["to"][0] for each in far.taken),
                         ["<carl@far.example>", "<dora@other.example>", "<emil@[192.0.2.10]>"])
        self.assertEqual(len(six.taken), 1)

    def test_an_answer_that_does_not_fit_comes_by_tcp(self):
        far = self.host("192.0.2.10", "far.example")
        self.names.trouble["far.example"] = "truncated"
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(far.taken), 1)
        self.assertIn(("far.example", "MX", "tcp"), self.names.asked)

    # ---- the next host of the domain

    def two_hosts(self, **options):
        """The first one's preference is the better one."""
        self.names.add("far.example", "MX", "10 first.far.example", "20 second.far.example")
        self.names.add("first.far.example", "A", "192.0.2.10")
        self.names.add("second.far.example", "A", "192.0.2.11")
        return self.host("192.0.2.10", **options), self.host("192.0.2.11", **options)

    def test_a_host_that_does_not_take_it_now_is_left_for_the_next_one(self):
        first, second = self.two_hosts()
        for stage in ("greeting", "EHLO", "MAIL", "RCPT", "DATA"):
            for reply in ("451 4.3.0 database down", "421 4.3.2 shutting down", None, "what?"):
                with self.subTest(stage=stage, reply=reply):
                    first.replies = {stage: reply}
                    self.submit("carl@far.example")
                    mailstead.until(lambda: second.taken, "the second host took it", timeout=5)
                    self.emptied()
                    self.assertEqual((len(second.taken), first.taken), (1, []))
                    second.taken.clear()
        self.assertEqual(self.mail(), [])

    def test_without_pipelining_the_next_host_is_asked_too(self):
        first, second = self.two_hosts(extensions=["8BITMIME"])
        for stage in ("MAIL", "RCPT", "DATA"):
            first.replies = {stage: "451 4.3.0 database down"}
            self.submit("carl@far.example")
            mailstead.until(lambda: second.taken, "the second host took it", timeout=5)
            second.taken.clear()
        self.emptied()

    def test_a_host_that_hangs_up_in_the_midst_of_a_message_is_left_for_the_next_one(self):
        first, second = self.two_hosts()
        large = MESSAGE + b"".join(b".%d\r\n" % number for number in range(1000000))
        for _ in range(5):
            first.replies["content"] = None
            self.submit("carl@far.example", message=large)
            mailstead.until(lambda: second.taken, "the second host took it", timeout=8)
            self.assertTrue(second.taken.pop()["content"].endswith(large))
        self.emptied()

    def test_what_a_host_says_before_it_hangs_up_in_the_midst_of_a_message_is_heard(self):
        """Whether the message is large enough for us to be writing then, or nearly through."""
        far = self.host("192.0.2.10", "far.example", certificate=internet.certificate(self.folder.name, "anybody.example"))
        far.replies["content"] = "552 5.3.4 this is too large"
        for certificate, lines in ((far.certificate, 1000000), (None, 1000000), (None, 12000)):
            far.certificate = certificate
            sent = self.submit("carl@far.example", message=MESSAGE + b"".join(b".%d\r\n" % number for number in range(lines)))
            mailstead.until(lambda: [line for line in self.server.lines if " failed id=%s " % sent in line and far.replies["content"] in line],
                            "%d lines failed" % lines)
            self.mail()

    def test_what_a_host_may_have_taken_goes_to_no_other(self):
        first, second = self.two_hosts()
        for number, reply in enumerate((None, "451 4.3.0 not now", "421 4.3.2 not now")):
            first.replies["end"] = reply
            self.submit("carl%d@far.example" % number)
            self.told("deferred", "carl%d@far.example" % number)
        self.assertEqual(second.connections, 0)

    def test_only_those_whom_a_host_does_not_take_now_go_to_the_next(self):
        first, second = self.two_hosts()
        first.replies["RCPT"] = lambda line: {"c": "250 OK", "d": "450 4.2.0 later", "e": "550 5.1.1 nobody", "f": "450 4.2.0 later"}[line[9]]
        second.replies["RCPT"] = lambda line: "550 5.1.1 nobody" if "fred" in line else "250 OK"
        self.submit("carl@far.example", "dora@far.example", "emil@far.example", "fred@far.example")
        # Who says "later" is waited for, whatever the next one says for good.
        self.assertIn("450 4.2.0 later", self.told("deferred", "fred@far.example")[0])
        self.assertIn("550 5.1.1", self.told("failed", "emil@far.example")[0])
        mailstead.until(lambda: first.taken and second.taken, "both were taken")
        self.assertEqual([each["to"] for each in first.taken + second.taken], [["<carl@far.example>"], ["<dora@far.example>"]])
        first.replies.clear()
        self.emptied()  # by itself, after ten seconds
        self.assertEqual(first.taken[1]["to"], ["<fred@far.example>"])
        self.assertEqual(self.report().get_payload()[1].get_payload()[1]["Final-Recipient"], "rfc822; emil@far.example")

    def test_a_next_host_that_is_dead_or_lacks_something_makes_it_wait(self):
        first, second = self.two_hosts()
        first.replies["MAIL"] = "451 4.3.0 database down"
        second.extensions = ["SIZE 100"]
        self.submit("carl@far.example")
        self.assertIn("451 4.3.0 database down", self.told("deferred", "carl@far.example")[0])
        second.close()
        self.submit("dora@far.example")
        self.assertIn("connection refused", self.told("deferred", "dora@far.example")[0])
        self.submit("emil@far.example", "fred@far.example")
        self.told("deferred", "fred@far.example")
        self.assertEqual(first.connections, 3)

    def test_no_more_than_three_hosts_are_asked_in_one_attempt(self):
        hosts = []
        for number in range(6):
            self.names.add("far.example", "MX", "%d mx%d.far.example" % (number, number))
            self.names.add("mx%d.far.example" % number, "A", "192.0.2.%d" % (10 + number))
            hosts.append(self.host("192.0.2.%d" % (10 + number)))
            hosts[-1].replies["RCPT"] = "450 4.7.1 greylisted"
        hosts[1].replies["greeting"] = "421 4.3.2 busy"  # no session: it does not count
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        self.assertEqual([host.connections for host in hosts], [1, 1, 1, 1, 0, 0])

    # ---- over TLS where it can be

    def test_tls_is_used_where_it_is_offered_whoever_it_is(self):
        far = self.host("192.0.2.10", "far.example", certificate=internet.certificate(self.folder.name, "anybody.example"))
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(far.taken[0]["tls"], "TLSv1.3")

    def test_tls_that_fails_or_is_refused_keeps_nobody_from_the_mail(self):
        far = self.host("192.0.2.10", "far.example", certificate=internet.certificate(self.folder.name, "far.example"))
        far.replies["STARTTLS"] = "454 4.7.0 not now"
        self.submit("carl@far.example")
        self.emptied()
        self.assertIsNone(far.taken[0]["tls"])
        broken = self.host("192.0.2.11", "broken.example", extensions=["STARTTLS", "8BITMIME"])
        broken.replies["STARTTLS"] = "220 but there is none"
        self.submit("carl@broken.example")
        self.emptied()
        self.assertEqual(len(broken.taken), 1)
        # Something on the way lets the handshake vanish, as firewalls do.
        broken.silence = 60
        self.submit("dora@broken.example")
        mailstead.until(lambda: len(broken.taken) == 2, "it arrived without TLS", timeout=45)
        self.assertEqual([line for line in self.server.lines if " deferred " in line], [])

    # ---- its sender learns why not

    def test_a_failure_is_reported_in_plain_words_and_by_the_rules(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = lambda line: "550-5.1.1 there is\r\n550 5.1.1 no dora" if "dora" in line else "250 OK"
        sent = self.submit("carl@far.example", "dora@far.example")
        report = self.report()
        self.assertEqual(len(far.taken), 1)
        self.assertEqual(report["Return-Path"], "<>")
        self.assertEqual(report["To"], ANNA)
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["In-Reply-To"], "<one@example.org>")
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        words, machine, returned = report.iter_parts()
        text = words.get_content()
        self.assertIn("could not be delivered to:", text)
        self.assertIn("dora@far.example", text)
        self.assertNotIn("carl", text)
        self.assertIn("There is no such address.", text)
        self.assertIn("550 5.1.1 there is no dora", text)
        self.assertIn(sent, text)
        of_message, of_recipient = machine.get_payload()
        self.assertEqual(of_message["Reporting-MTA"], "dns; mail.example.org")
        self.assertEqual(of_recipient["Final-Recipient"], "rfc822; dora@far.example")
        self.assertEqual((of_recipient["Action"], of_recipient["Status"]), ("failed", "5.1.1"))
        self.assertEqual(of_recipient["Diagnostic-Code"], "smtp; 550 5.1.1 there is no dora")
        self.assertEqual(returned.get_content_type(), "message/rfc822")
        self.assertEqual(returned.get_payload()[0]["Subject"], "x")
        self.emptied()

    def test_domains_that_take_no_mail_fail_at_once(self):
        self.names.add("null.example", "MX", "0 .")
        self.names.add("loop.example", "MX", "10 mail.example.org")
        self.names.add("here.example", "MX", "10 mx.here.example")
        self.names.add("mx.here.example", "A", internet.US)
        self.names.add("local.example", "MX", "10 mx.local.example")
        self.names.add("mx.local.example", "A", "127.0.0.1")
        self.names.add("bare.example", "TXT", "nothing else")
        self.names.add("nulls.example", "MX", "0 .", "10 .")
        # Those of our own preference are as far away as we are, whichever of them comes first.
        self.names.add("beside.example", "MX", "10 mx.here.example", *("10 mx%d.beside.example" % number for number in range(5)))
        for number in range(5):
            self.names.add("mx%d.beside.example" % number, "A", "192.0.2.%d" % (20 + number))
        for domain, status in (("none.example", "5.1.2"), ("null.example", "5.1.10"), ("loop.example", "5.4.6"),
                               ("here.example", "5.4.6"), ("local.example", "5.4.6"), ("bare.example", "5.1.2"),
                               ("nulls.example", "5.1.10"), ("beside.example", "5.4.6")):
            with self.subTest(domain):
                self.submit("carl@" + domain)
                _, machine, _ = self.report().iter_parts()
                self.assertEqual(machine.get_payload()[1]["Status"], status)
        self.emptied()

    def test_a_host_that_is_called_as_we_are_is_a_loop(self):
        here, behind = self.host("192.0.2.10"), self.host("192.0.2.12")
        self.names.add("far.example", "MX", "10 first.far.example", "20 here.far.example", "30 behind.far.example")
        self.names.add("first.far.example", "A", "192.0.2.11")
        self.names.add("here.far.example", "A", "192.0.2.10")
        self.names.add("behind.far.example", "A", "192.0.2.12")
        self.names.add("back.example", "MX", "10 here.far.example", "20 behind.far.example")
        for replies in ({"greeting": "220 Mail.Example.org ESMTP"}, {"EHLO": "250-MAIL.example.org hello\r\n250 8BITMIME"},
                        {"EHLO": "500 what?", "HELO": "250 mail.example.org"}):
            with self.subTest(replies):
                here.replies = replies
                self.submit("carl@back.example")
                report = self.report()
                of_recipient = report.get_payload()[1].get_payload()[1]
                self.assertEqual(of_recipient["Status"], "5.4.6")
                self.assertIn("mail would come back", report.as_string())
        self.emptied()
        # Before us somebody stands who may be there another time.
        self.submit("carl@far.example")
        self.assertIn("connection refused", self.told("deferred", "carl@far.example")[0])
        # A name that only begins like ours.
        here.replies = {"greeting": "220 mail.example.org.far.example ESMTP mail.example.org"}
        self.submit("dora@back.example")
        mailstead.until(lambda: here.taken and here.said[-1] == "QUIT", "it was taken")
        self.assertEqual((behind.connections, [line for line in here.said if line.startswith("MAIL")]), (0, [here.said[-4]]), here.said)

    def test_a_hostile_reply_is_quoted_as_one_harmless_line(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "550-5.7.1 a\x1b[31m\x00\r\r\n550-From: evil@example.com\r\n550 5.7.1 \udcff" + "x" * 3000
        self.submit("carl@far.example")
        report = self.report()
        self.assertEqual(report["From"], "Mail Delivery System <MAILER-DAEMON@mail.example.org>")
        self.assertNotIn("\x1b", report.as_string())
        _, machine, _ = report.iter_parts()
        self.assertTrue(machine.get_payload()[1]["Diagnostic-Code"].startswith("smtp; 550 5.7.1 a"))
        self.assertEqual(machine.get_payload()[1]["From"], None)

    def test_nobody_is_told_of_a_report_that_fails(self):
        self.host("192.0.2.10", "far.example").replies["RCPT"] = "550 5.1.1 no"
        self.server.deliver(b"Subject: x\r\n\r\n", ANNA)
        self.server.fetch(ANNA, delete=True)
        self.submit("carl@far.example", rcpt="")
        self.report()
        self.emptied()
        self.assertEqual(self.mail(), [])

    # ---- it waits

    def test_a_host_that_is_busy_is_asked_again(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 greylisted"
        sent = self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        mailstead.until(lambda: self.queue()[0]["recipients"][0]["attempts"] == 1, "the attempt is written down")
        shown = self.server.json("queue", "show", sent)
        self.assertEqual(shown["recipients"][0]["last_reply"], "450 4.7.1 greylisted")
        self.assertEqual([each["reply"] for each in shown["recipients"][0]["history"]], ["450 4.7.1 greylisted"])
        for asked in (sent, "<one@example.org>", "carl@far.example"):
            self.assertIn("450 4.7.1 greylisted", self.server.admin("why", asked).stdout)
            self.assertEqual([each["id"] for each in self.server.json("why", asked)["queue"]], [sent])
        del far.replies["RCPT"]
        self.emptied()  # by itself, after ten seconds
        self.assertEqual(len(far.taken), 1)
        self.assertEqual(self.mail(), [])

    def test_name_servers_in_trouble_are_asked_again(self):
        far, wide = self.host("192.0.2.10", "far.example"), self.host("192.0.2.11", "wide.example")
        for host, domain, trouble in ((far, "far.example", "far.example"), (wide, "wide.example", "mx.wide.example")):
            self.names.trouble[trouble] = "SERVFAIL"
            sent = self.submit("carl@" + domain)
            mailstead.until(lambda: self.queue()[0]["recipients"][0]["attempts"], "it was tried")
            self.assertEqual(self.server.json("queue", "show", sent)["recipients"][0]["last_status"], "4.4.3")
            self.names.trouble.clear()
            self.server.admin("queue", "retry")
            self.emptied()
            self.assertEqual(len(host.taken), 1)
        self.assertEqual(self.mail(), [])

    def test_what_waits_goes_on_after_a_restart_and_after_kill(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["greeting"] = None
        for way in ("stop", "kill"):
            self.submit("carl@far.example")
            self.told("deferred", "carl@far.example")
            getattr(self.server, way)()
            self.server.start()
            self.assertEqual(len(self.queue()), 1)
            del far.replies["greeting"]
            self.server.admin("queue", "retry")
            self.emptied()
            far.replies["greeting"] = None
        self.assertEqual(len(far.taken), 2)

    def test_why_nobody_answers_is_told(self):
        self.names.add("far.example", "MX", "10 mx.far.example")
        self.names.add("mx.far.example", "A", "192.0.2.20")
        self.submit("carl@far.example")
        self.assertIn("connection refused", self.told("deferred", "carl@far.example")[0])

    def test_a_dead_host_holds_nobody_else_up(self):
        self.names.add("dead.example", "MX", "10 mx.dead.example")
        self.names.add("mx.dead.example", "A", "192.0.2.25")
        self.names.trouble["silent.example"] = "silence"
        far = self.host("192.0.2.10", "far.example")
        for number in range(60):
            self.submit("user%d@dead.example" % number, "user%d@silent.example" % number)
        self.submit("carl@far.example")
        mailstead.until(lambda: far.taken, "the other message arrived", timeout=5)
        self.assertEqual(len(self.queue()), 60)

    def test_a_message_that_cannot_be_read_is_not_asked_for_all_the_time(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["greeting"] = "421 4.3.2 later"
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        del far.replies["greeting"]

        def unreadable():
            return len([line for line in self.server.lines if " queue-unreadable " in line])

        def rename(old, new):
            with sqlite3.connect(os.path.join(self.server.data, "mailstead.db"), timeout=10) as database:
                database.execute("ALTER TABLE %s RENAME TO %s" % (old, new))

        rename("queue", "queue_away")
        mailstead.until(unreadable, "it could not be read")  # after ten seconds
        time.sleep(1)
        self.assertEqual(unreadable(), 1)
        rename("queue_away", "queue")
        self.server.stop()
        self.server.start()
        self.emptied()
        self.assertEqual(len(far.taken), 1)

    def test_a_report_that_nobody_can_have_now_is_not_tried_all_the_time(self):
        self.server.admin("mailbox", "quota", ANNA, "10 KiB")
        self.server.deliver(b"Subject: full\r\n\r\n" + (b"x" * 78 + b"\r\n") * 120, ANNA)
        far, wide = self.host("192.0.2.10", "far.example"), self.host("192.0.2.11", "wide.example")
        far.replies["RCPT"] = "550 5.1.1 nobody"
        self.submit("carl@far.example")
        for seconds in range(1, 6):
            self.submit("dora@wide.example", parameters="HOLDFOR=%d" % seconds)
        mailstead.until(lambda: len(wide.taken) == 5, "the others were sent, one every second")
        self.assertEqual(len([line for line in self.server.lines if " report-failed " in line]), 1)

    def silent(self, address):
        """Nobody answers there: whoever connects waits, as for a host that is gone."""
        listening = socket.create_server((address, 25), backlog=0)
        self.addCleanup(listening.close)
        for _ in range(2):
            before = socket.socket()
            before.setblocking(False)
            before.connect_ex((address, 25))
            self.addCleanup(before.close)

    def dialling(self):
        with open("/proc/net/tcp") as table:
            return sum(line.split()[3] == "02" for line in table)

    def test_many_dead_destinations_hold_nobody_else_up(self):
        self.silent("192.0.2.25")
        far = self.host("192.0.2.10", "far.example")
        self.names.add("mx.dead.example", "A", "192.0.2.25")
        for number in range(120):
            self.names.add("dead%d.example" % number, "MX", "10 mx.dead.example")
        for first in range(0, 120, 60):
            self.submit(*("user@dead%d.example" % number for number in range(first, first + 60)))
        mailstead.until(lambda: self.dialling() >= 50, "all connections are taken")
        self.submit("carl@far.example")
        mailstead.until(lambda: far.taken, "the other message arrived", timeout=15)

    def test_who_was_put_off_together_goes_together_the_next_time(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 greylisted"
        everybody = ["%s@far.example" % name for name in ("carl", "dora", "emil", "fred", "gina")]
        self.submit(*everybody)
        for each in everybody:
            self.told("deferred", each)
        del far.replies["RCPT"]
        self.emptied()  # by itself, after ten seconds
        self.assertEqual([sorted(each["to"]) for each in far.taken], [["<%s>" % each for each in everybody]])

    def test_what_is_held_or_dropped_before_its_turn_comes_is_not_sent(self):
        """Its way is looked for already: a host is slow to let us in."""
        far = self.host("192.0.2.10", "far.example")
        decided = threading.Event()

        def greet(_):
            decided.wait(20)
            return "220 at last"
        for command, state in (("drop", "dropped"), ("hold", "waits")):
            with self.subTest(command):
                decided.clear()
                far.replies["greeting"] = greet
                connections = far.connections
                sent = self.submit("carl@far.example")
                mailstead.until(lambda: far.connections > connections, "it is being tried")
                self.server.admin("queue", command, sent)
                decided.set()
                mailstead.until(lambda: far.said and far.said[-1] == "QUIT", "the host was left")
                self.assertEqual((self.server.json("queue", "show", sent)["recipients"][0]["state"], far.taken), (state, []))
                far.said.clear()
        self.server.admin("queue", "release", sent)
        self.emptied()
        self.assertEqual(len(far.taken), 1)

    def test_nobody_is_told_of_mail_that_is_dropped_while_it_is_sent(self):
        far = self.host("192.0.2.10", "far.example")
        dropped = threading.Event()

        def refuse(_):
            dropped.wait(20)
            return "550 5.1.1 nobody"
        far.replies["RCPT"] = refuse
        sent = self.submit("carl@far.example")
        mailstead.until(lambda: any(line.startswith("RCPT") for line in far.said), "it is being sent")
        self.server.admin("queue", "drop", sent)
        dropped.set()
        self.told("failed", "carl@far.example")
        self.assertEqual(self.server.json("queue", "show", sent)["recipients"][0]["state"], "dropped")
        # What is told would have come before this.
        far.replies["RCPT"] = "550 5.1.1 nobody"
        self.submit("dora@far.example")
        self.assertEqual(self.report().get_payload()[1].get_payload()[1]["Final-Recipient"], "rfc822; dora@far.example")

    def test_people_hold_release_and_drop(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 later"
        sent, other = self.submit("carl@far.example"), self.submit("dora@far.example")
        self.told("deferred", "dora@far.example")
        self.told("deferred", "carl@far.example")
        self.server.admin("queue", "hold", sent)
        self.server.admin("queue", "drop", other)
        self.assertEqual([(each["id"], each["held"]) for each in self.queue()], [(sent, True)])
        del far.replies["RCPT"]
        self.server.admin("queue", "retry")
        self.assertEqual(far.taken, [])
        self.server.admin("queue", "release", sent)
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual([each["to"] for each in far.taken], [["<carl@far.example>"]])
        self.server.admin("queue", "show", "0123456789abcde", code=1)
        self.server.admin("queue", "hold", sent, code=1)

    # ---- who may

    def test_only_who_has_logged_in_sends_to_others(self):
        with self.server.smtp() as client:
            client.must("MAIL FROM:<eve@elsewhere.example>")
            self.assertEqual(client.command("RCPT TO:<carl@far.example>"), ("550", "5.7.1 Relaying denied"))


    def test_a_connection_that_closes_between_messages_puts_nothing_off(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["greeting"] = "421 4.3.2 busy"
        for _ in range(6):
            self.submit("carl@far.example")
        mailstead.until(lambda: all(each["recipients"][0]["attempts"] for each in self.queue()), "all were tried")
        del far.replies["greeting"]
        far.one_message = True
        mark = len(self.server.lines)
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(far.taken), 6)
        self.assertEqual([line for line in self.server.lines[mark:] if " deferred " in line], [])


class Smarthost(Sender):
    settings = SETTINGS.replace("[queue]\n", "[queue]\nexpire = \"5 days\"\n") + \
        '[queue.smarthost]\nhost = "smart.example.net"\nport = 2525\ntls = "opportunistic"\n'

    def test_everything_goes_by_the_smarthost(self):
        smart = self.host("192.0.2.15", port=2525)
        self.names.add("smart.example.net", "A", "192.0.2.15")
        self.submit("carl@far.example", "dora@wide.example")
        self.emptied()
        self.assertEqual([sorted(each["to"]) for each in smart.taken], [["<carl@far.example>", "<dora@wide.example>"]])

    def test_a_smarthost_may_be_called_as_we_are(self):
        smart = self.host("192.0.2.15", port=2525)
        self.names.add("smart.example.net", "A", "192.0.2.15")
        smart.replies = {"greeting": "220 mail.example.org", "EHLO": "250-mail.example.org\r\n250 8BITMIME"}
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual(len(smart.taken), 1)


class SmarthostByAddress(Sender):
    settings = Smarthost.settings.replace("smart.example.net", "192.0.2.15")

    def test_it_needs_no_dns(self):
        smart = self.host("192.0.2.15", port=2525)
        self.submit("carl@far.example")
        self.emptied()
        self.assertEqual((len(smart.taken), [name for name, *_ in self.names.asked if name == "192.0.2.15"]), (1, []))


class VerifiedSmarthost(Sender):
    settings = SETTINGS.replace("[queue]\n", "[queue]\nexpire = \"5 days\"\n") + \
        '[queue.smarthost]\nhost = "smart.example.net"\nport = 2525\n'

    def test_a_smarthost_that_is_somebody_else_gets_nothing(self):
        smart = self.host("192.0.2.15", port=2525, certificate=internet.certificate(self.folder.name, "smart.example.net"))
        self.names.add("smart.example.net", "A", "192.0.2.15")
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        self.assertEqual((smart.taken, [line for line in smart.said if line.startswith("MAIL")]), ([], []))
        for name, arrives in (("other.example.net", False), ("smart.example.net", True)):
            self.server.stop()
            smart.certificate = internet.certificate(self.folder.name, name)
            self.server.environment = dict(os.environ, SSL_CERT_FILE=smart.certificate[0])
            self.server.start()
            self.server.admin("queue", "retry")
            if arrives:
                self.emptied()
            else:
                self.told("deferred", "carl@far.example")
            self.assertEqual([each["tls"] for each in smart.taken], ["TLSv1.3"] if arrives else [])


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

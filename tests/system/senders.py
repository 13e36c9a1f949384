"""Other people's mail servers send to ours: Debian's Postfix, Exim and OpenSMTPD, as relays and as null clients that log in.

Each takes what a plain SMTP session gives it and sends it on by itself. What arrives is fetched by POP3 and compared octet for
octet; an agent may put its Received field above the message, and nothing else.
"""

import os
import re
import smtplib
import unittest

import mailstead
import messages
import transfer_agents
from client_tools import PASSWORD, USER, name_of, with_blank_line
from transfer_agents import AGENT, LMTP_DOMAIN, SERVER, SERVER_PORTS, WAYS

DOMAINS = {way: domain for domain, way in WAYS.items()}
FRIENDS = ["bert@example.org", "dora@example.org", "emil@example.org"]
RECEIVED = re.compile(rb"Received: from [^\r]*(?:\r\n[ \t][^\r]*)*\r\n")
FEW = ("plain", "utf8", "every_octet", "dots", "images")


def attachment(name, size):
    return messages.multipart(name, [("text/plain", None, b"A film.\r\n"),
                                     ("video/mp4", "film.mp4", messages.random.Random(name).randbytes(size))])


class Sends:
    """What is shown of each agent. One server and one agent for a class."""

    @classmethod
    def setUpClass(cls):
        listen = {service: ["%s:%d" % (SERVER, port)] for service, port in SERVER_PORTS.items()}
        cls.server = mailstead.Server('[limits]\nmessage_size = "8 MiB"\n', listen).start()
        cls.addClassCleanup(cls.server.close)
        cls.mailboxes = [USER, *FRIENDS, "j\u00f6rg@example.org", *("carl@" + domain for domain in WAYS)]
        for address in cls.mailboxes:
            cls.server.add_cheap_mailbox(address, PASSWORD)
        cls.agent = cls.kind(os.path.join(cls.server.data, "tls", "certificate.pem"))
        cls.addClassCleanup(cls.agent.close)

    def setUp(self):
        self.mark = len(self.server.lines)
        self.addCleanup(self.show)

    def tearDown(self):
        self.agent.send_out()  # a test that failed leaves nothing to the next
        for address in self.mailboxes:
            if self.server.process:
                self.server.fetch(address, delete=True)

    def show(self):
        if mailstead.has_failed(self):
            print("---- what %s said\n%s---- the server's log\n%s" % (self.agent.PACKAGE, self.agent.root.said()[-6000:],
                                                                   "\n".join(self.server.lines[self.mark:])[-6000:]))

    # ---- what the tests do

    def give(self, message, *recipients, sender=USER):
        """Gives the agent one message."""
        with smtplib.SMTP(AGENT, 25, local_hostname="client.example", timeout=mailstead.TIMEOUT) as client:
            client.sendmail(sender, recipients, message, mail_options=["BODY=8BITMIME"])

    def emptied(self):
        """The agent has nothing more to send: whatever will come has come."""
        mailstead.until(self.agent.has_sent_all, "the agent has sent all its mail")

    def arrived(self, address):
        """The mailbox's messages, after the agent has sent all."""
        self.emptied()
        return [copy for _, copy in self.server.fetch(address)]

    def accepted(self):
        """The log's lines of messages that came since the test's begin."""
        return [line for line in self.server.lines[self.mark:] if " accepted " in line]

    def judge(self, sent, copies, how):
        """Each message once, under the agent's Received field, and octet for octet from there on."""
        found = {name_of(copy): copy for copy in copies}
        self.assertEqual((sorted(found), len(copies)), (sorted(sent), len(sent)))
        for name, message in sent.items():
            with self.subTest(message=name):
                trace, below = mailstead.split_trace(found[name])
                self.assertEqual(trace[b"return-path"].split(), [b"Return-Path:", b"<%s>" % USER.encode()])
                received = b" ".join(trace[b"received"].split())
                self.assertIn(b" by mail.example.org with %s " % how, received)
                self.assertEqual(b" (TLSv1.3" in received, how not in (b"ESMTP", b"LMTP"))
                own = RECEIVED.match(below)
                self.assertIn(b"agent.example", own[0])
                mailstead.assert_same(self.as_sent(message), below[own.end():], name)

    def as_sent(self, message):
        """What the agent itself makes of a message."""
        return with_blank_line(message) if self.agent.adds_blank_line else message

    # ---- what is shown

    def test_every_message_comes_whole_by_starttls(self):
        """Nobody told the agent to use TLS. Postfix and Exim cannot know the certificate and do not mind."""
        sent = dict(messages.small_messages(), film=attachment("film", 5_000_000))
        for message in sent.values():
            self.give(message, "carl@example.org")
        self.judge(sent, self.arrived("carl@example.org"), b"ESMTPS")
        self.assertTrue(all("helo=agent.example tls=TLSv1.3 from=" in line for line in self.accepted()), self.accepted())

    def test_an_unknown_recipient_among_good_ones(self):
        """The good ones get their copy once; the sender gets the agent's report with our words."""
        sent = {"plain": messages.small_messages()["plain"]}
        self.give(sent["plain"], *FRIENDS[:2], "nobody@example.org", FRIENDS[2])
        for friend in FRIENDS:
            self.judge(sent, self.arrived(friend), b"ESMTPS")
        report, = self.arrived(USER)
        self.assertTrue(report.startswith(b"Return-Path: <>\r\n"), report[:100])
        self.assertIn(b"nobody@example.org", report)
        self.assertIn(b"550 5.1.1 No such mailbox", b" ".join(report.split()))

    def test_more_unknown_recipients_than_a_session_may_name(self):
        """The server ends such a session with 421; the agent comes again with the rest, until the good one has its copy, once."""
        unknown = ["nobody%02d@example.org" % number for number in range(50)]
        sent = {"plain": messages.small_messages()["plain"]}
        self.give(sent["plain"], *unknown, FRIENDS[0])
        self.agent.send_out()
        self.judge(sent, self.arrived(FRIENDS[0]), b"ESMTPS")
        reports = b"".join(self.arrived(USER))
        for address in unknown:
            self.assertIn(address.encode(), reports)

    def test_a_last_line_without_an_end(self):
        """By the agent's sendmail command, the one way in for such a message."""
        message = messages.small_messages()["plain"]
        self.agent.root.run("/usr/sbin/sendmail", "-i", "-f", USER, "carl@example.org",
                            stdin=message.replace(b"\r\n", b"\n")[:-1])
        copy, = self.arrived("carl@example.org")
        fields, body = mailstead.header_fields(copy)
        mailstead.assert_same(message[message.index(b"\r\n\r\n") + 2:], copy[body:])
        self.assertIn((b"x-message", b"X-Message: plain\r\n"), [tuple(field) for field in fields])

    def test_pipelining_and_chunking(self):
        """In the clear through a recorder. Who can pipelines the envelope, and Exim sends by BDAT."""
        recorder = transfer_agents.Recorder()
        self.addCleanup(recorder.close)
        small = messages.small_messages()
        sent = {name: small[name] for name in FEW}
        for message in sent.values():
            self.give(message, "carl@example.com")
        self.judge(sent, self.arrived("carl@example.com"), b"ESMTP")
        turns = recorder.said_by_the_agent()
        self.assertEqual(any(b"MAIL FROM:" in turn and b"\r\nRCPT TO:" in turn for turn in turns), self.agent.pipelines)
        self.assertEqual(sum(turn.count(b"BDAT ") for turn in turns) >= len(sent), self.agent.chunks)
        self.assertEqual(any(b"\r\nDATA\r\n" in b"\r\n" + turn for turn in turns), not self.agent.chunks)

    def test_an_address_beyond_ascii(self):
        """By SMTPUTF8 (RFC 6531), of agents that have it."""
        address = "j\u00f6rg@example.org"
        self.assertEqual(self.server.admin("mailbox", "show", address).returncode, 0)
        message = messages.small_messages()["utf8"]
        with smtplib.SMTP(AGENT, 25, local_hostname="client.example", timeout=mailstead.TIMEOUT) as client:
            client.ehlo()
            self.assertEqual(client.has_extn("smtputf8"), self.agent.knows_smtputf8)
            if not self.agent.knows_smtputf8:
                return
            client.sendmail(USER, [address], message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        copy, = self.arrived(address)
        self.assertIn(b" with UTF8SMTPS ", b" ".join(copy.split()))
        body = self.as_sent(message).partition(b"\r\n\r\n")[2]
        self.assertTrue(copy.endswith(body), copy)  # POP3 makes the header one that every program may have

    def test_submission_by_starttls(self):
        self.submission("submission")

    def test_submission_by_tls(self):
        self.submission("submissions")

    def submission(self, service):
        """As a null client that logs in, and checks the certificate and its name."""
        small = messages.small_messages()
        sent = {name: small[name] for name in FEW}
        if service == "submission":
            sent["film"] = attachment("film", 5_000_000)
        address = "carl@" + DOMAINS[service]
        for message in sent.values():
            self.give(message, address)
        self.judge(sent, self.arrived(address), b"ESMTPSA")
        lines = self.accepted()
        self.assertTrue(all(" service=%s " % service in line and line.endswith(" user=" + USER) for line in lines), lines)

    def test_another_s_address_is_refused_at_submission(self):
        """The one who is named as the sender gets the report."""
        message = messages.written_by(FRIENDS[0], messages.small_messages()["plain"])
        self.give(message, "carl@example.net", sender=FRIENDS[0])
        report, = self.arrived(FRIENDS[0])
        self.assertIn(b"553 5.7.1 ", b" ".join(report.split()))
        self.assertEqual(self.arrived("carl@example.net"), [])

    def test_a_message_over_the_limit(self):
        """The agent knows our SIZE and gives it up at once. OpenSMTPD's report, with all of it, is then too large as well."""
        self.give(attachment("long film", 7_000_000), "carl@example.org")
        reports = self.arrived(USER)
        self.assertEqual([b"carl@example.org" in report for report in reports], [True] if self.agent.shortens_reports else [])
        self.assertEqual("message too large for peer" in self.agent.root.said(), not self.agent.shortens_reports)
        self.assertEqual(self.arrived("carl@example.org"), [])

    def test_mail_waits_while_the_server_is_down(self):
        sent = {name: messages.small_messages()[name] for name in FEW}
        self.server.stop()
        for message in sent.values():
            self.give(message, "carl@example.org")
        mailstead.until(self.was_put_off, "the agent has tried")
        self.server.start()
        self.mark = 0
        self.agent.send_out()
        self.judge(sent, self.arrived("carl@example.org"), b"ESMTPS")

    def was_put_off(self):
        return "Connection refused" in self.agent.root.said()


def tests_of(agent):
    return type(agent.__name__, (Sends, unittest.TestCase), {"kind": agent, "__module__": __name__})


class Postfix(tests_of(transfer_agents.Postfix)):
    def test_delivery_by_lmtp(self):
        """Each recipient has a reply: the full one's mail waits, the unknown one's comes back, the others have theirs."""
        carl, dora, emil = people = ["%s@%s" % (name, LMTP_DOMAIN) for name in ("carl", "dora", "emil")]
        for address in people:
            self.server.add_cheap_mailbox(address, PASSWORD)
        self.server.deliver(messages.numbered(1, 3_000_000), dora)
        self.server.admin("mailbox", "quota", dora, "2MiB")
        small = messages.small_messages()
        sent = {name: small[name] for name in FEW}
        for message in sent.values():
            self.give(message, carl, dora, "nobody@" + LMTP_DOMAIN, emil)
        mailstead.until(lambda: len(self.server.fetch(USER)) == len(sent), "all reports are there")
        for address in (carl, emil):
            self.judge(sent, [copy for _, copy in self.server.fetch(address)], b"LMTP")
        self.assertEqual(len(self.server.fetch(dora, delete=True)), 1)
        self.server.admin("mailbox", "quota", dora, "none")
        self.agent.send_out()
        for address in people:
            self.judge(sent, self.arrived(address), b"LMTP")
        for report in self.arrived(USER):
            self.assertIn(b"nobody@" + LMTP_DOMAIN.encode(), report)
            self.assertIn(b"550 5.1.1 ", b" ".join(report.split()))


Exim = tests_of(transfer_agents.Exim)
OpenSmtpd = tests_of(transfer_agents.OpenSmtpd)


class Load(unittest.TestCase):
    """Postfix's smtp-source: many sessions at once. What has its 250 is there, once and whole."""

    def test_two_thousand_messages_by_fifty_sessions(self):
        """The first thousand in a session each, the others many in a kept one."""
        listen = {"smtp": [SERVER + ":25"]}
        with mailstead.Server(listen=listen).start() as server:
            server.add_cheap_mailbox(USER)
            source = transfer_agents.Root("postfix", "sleep 3600")
            self.addCleanup(source.close)
            mailstead.until(source.is_there, "the package's root")
            for options in ([], ["-d"]):
                source.run("smtp-source", *options, "-s", "50", "-m", "1000", "-l", "4096", "-M", "source.example",
                           "-f", "load@elsewhere.example", "-t", USER, "inet:%s:25" % SERVER)
            with server.pop3(USER) as session:
                count, octets = session.stat()
                self.assertEqual(count, 2000)
                self.assertEqual(len({uidl for _, uidl in session.uidl()}), 2000)
                copies = [session.retr(number) for number in range(1, count + 1)]
                session.quit()
            self.assertEqual(sum(map(len, copies)), octets)
            self.judge(copies)
            self.assertEqual(server.log().count(" accepted "), 2000)

    def judge(self, copies):
        """Each has another Message-ID, and all have the same body of full size."""
        identifiers, bodies = set(), set()
        for copy in copies:
            fields, body = mailstead.header_fields(mailstead.sent_part(copy))
            identifiers |= {line for name, line in fields if name == b"message-id"}
            bodies.add(mailstead.sent_part(copy)[body:])
        self.assertEqual(len(identifiers), len(copies))
        (body,) = bodies
        self.assertGreater(len(body), 4000)
        self.assertRegex(body, rb"\A\r\n([0-9X]+\r\n)+\Z")


if __name__ == "__main__":
    transfer_agents.enter_network()
    mailstead.main()

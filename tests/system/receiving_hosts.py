"""Mail to hosts as others run them: Debian's Postfix, Exim and OpenSMTPD, found by DNS. It arrives octet for octet, over TLS
where they can, and what they refuse is told to its sender; and they send back."""

import re
import tempfile

import internet
import mailstead
import messages
import receiving_agents
import sending
from receiving_agents import BEYOND_ASCII, LIMIT, PEOPLE, SHARED, TRACE
from sending import ANNA

SETTINGS = sending.SETTINGS + '[smtp]\ngreeting_delay = "0 s"\n'
NOBODY = "192.0.2.29"


class Towards(sending.Sender):
    """Our server and its user, and the hosts that a test wants."""

    settings = SETTINGS
    hops = 2  # Received fields, with ours

    def setUp(self):
        super().setUp()
        self.names.add("example.org", "MX", "10 mail.example.org")
        self.names.add("mail.example.org", "A", internet.US)
        self.names.add("1.2.0.192.in-addr.arpa", "PTR", "mail.example.org")

    def other(self, kind, **options):
        """A host of this kind until the test's end."""
        host = kind(self.folder.name, **options)
        self.addCleanup(host.close)
        self.found(host)
        return host

    def found(self, host):
        """DNS leads to it; what it says is shown when the test fails."""
        host.publish(self.names)
        self.addCleanup(lambda mark=len(host.root.said()): self.show_other(host, mark))

    def show_other(self, host, mark):
        if mailstead.has_failed(self) and host.root.process.poll() is None:
            print("---- what %s said\n%s" % (host.PACKAGE, host.root.said()[mark:][-6000:]))

    def judge(self, sent, copies):
        """Each message once, and octet for octet below the trace of the host and ours."""
        self.assertEqual(len(copies), len(sent))
        for message, copy in zip(sent, copies):
            above = copy[:-len(message)]
            mailstead.assert_same(message, copy[len(above):])
            names = [name for name, _ in mailstead.header_fields(above)[0]]
            self.assertLessEqual(set(names), TRACE)
            self.assertEqual((names.count(b"received"), names.count(b"dkim-signature")), (self.hops, 2), above)

    def judge_all(self, sent, copies):
        """The same in whatever order they came; `sent`: {name: message}, as messages.py has them."""
        named = {re.search(rb"\r\nX-Message: (\S+)\r\n", copy)[1].decode(): copy for copy in copies}
        self.assertEqual((sorted(named), len(copies)), (sorted(sent), len(sent)))
        for name in sent:
            with self.subTest(name):
                self.judge([sent[name]], [named[name]])


class Takes:
    """What is shown of each host. One host for a class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.host_there = cls.kind(folder.name)
        cls.addClassCleanup(cls.host_there.close)

    def setUp(self):
        super().setUp()
        self.there = self.host_there
        self.mark = len(self.there.root.said())
        self.found(self.there)
        for person in PEOPLE:
            self.there.taken(person)

    def at(self, person, sub=""):
        return "%s@%s%s" % (person, sub, self.there.DOMAIN)

    def said(self):
        return self.there.root.said()[self.mark:]

    def test_every_message_comes_whole_and_by_tls(self):
        """8-bit text, dots, lines of 998 octets and a film; by a certificate that nobody vouches for. A host that offers TLS
        and then fails at it gets its mail all the same."""
        sent = messages.small_messages()
        sent["film"] = messages.multipart("film", [("video/mp4", "film.mp4", messages.random.Random(1).randbytes(1_000_000))])
        for message in sent.values():
            self.submit(self.at("carl"), message=message)
        self.emptied()
        if self.there.adds_blank_line:
            sent["no_body"] += b"\r\n"
        self.judge_all(sent, self.there.taken("carl"))
        self.assertEqual(self.there.SAW_TLS in self.said(), self.there.completes_tls)
        self.assertEqual(self.mail(), [])

    def test_people_of_a_domain_get_it_in_one_transaction(self):
        self.submit(*map(self.at, PEOPLE))
        self.emptied()
        numbers = set()
        for person in PEOPLE:
            copy, = self.there.taken(person)
            self.judge([sending.MESSAGE], [copy])
            numbers |= set(re.findall(rb"\bby mx\.[a-z.]+ .*?\bid ([0-9A-Za-z-]+)", copy, re.DOTALL))
        self.assertEqual(len(numbers), 1, numbers)

    def test_by_ipv6_and_past_an_address_that_is_dead(self):
        for sub in ("six.", "half."):
            with self.subTest(sub):
                self.submit(self.at("carl", sub))
                self.emptied()
                copy, = self.there.taken("carl")
                self.judge([sending.MESSAGE], [copy])
                self.assertEqual(receiving_agents.US6.encode() in copy, sub == "six.")

    def test_who_is_not_there_is_told_with_their_words(self):
        self.submit(self.at("carl"), self.at("nemo"), self.at("emil"))
        report = self.report()
        machine = report.get_payload(1).get_payload()
        self.assertEqual([part["Final-Recipient"] for part in machine[1:]], ["rfc822; " + self.at("nemo")])
        self.assertRegex(machine[1]["Diagnostic-Code"], r"^smtp; 550 .*" + re.escape(self.there.knows_unknown))
        self.assertIn(self.there.knows_unknown, " ".join(report.get_payload(0).get_content().split()))
        self.emptied()
        for person in ("carl", "emil"):
            self.judge([sending.MESSAGE], self.there.taken(person))

    def test_what_is_too_large_for_them_comes_back_at_once(self):
        self.submit(self.at("carl"), message=sending.MESSAGE + b"x" * 70 * (LIMIT // 70 + 1) + b"\r\n")
        report = self.report()
        machine = report.get_payload(1).get_payload(1)
        self.assertEqual(machine["Status"], "5.3.4")
        self.assertRegex(machine["Diagnostic-Code"], "^X-Mailstead; .* the server takes %d$" % LIMIT)  # it was not asked
        self.emptied()
        self.assertEqual(self.there.taken("carl"), [])

    def test_success_is_reported(self):
        """By the host itself, that has it from us who asked; by us that we passed it on, where the host has no DSN."""
        self.submit(self.at("carl"), parameters="RET=HDRS ENVID=seven", rcpt="NOTIFY=SUCCESS")
        self.emptied()
        self.judge([sending.MESSAGE], self.there.taken("carl"))
        report = self.report()
        machine = report.get_payload(1).get_payload()
        who = self.there.name if self.there.reports_success else "mail.example.org"
        self.assertEqual(machine[0]["Reporting-MTA"].split(";")[1].strip(), who)
        self.assertEqual(machine[0]["Original-Envelope-Id"], "seven" if self.there.repeats_envid else None)
        self.assertEqual(machine[1]["Action"].split()[0], "delivered" if self.there.reports_success else "relayed")
        self.assertIn(self.at("carl"), machine[1]["Final-Recipient"])

    def test_an_address_and_a_header_beyond_ascii(self):
        """By SMTPUTF8, and back to their sender where it is not known."""
        message = "From: anna@example.org\r\nTo: {0}\r\nSubject: Gr\u00fc\u00dfe\r\nMessage-ID: <u@example.org>\r\n" \
                  "Date: Sat, 1 Jan 2000 00:00:00 +0000\r\n\r\nx\r\n".format(self.at(BEYOND_ASCII)).encode()
        self.submit(self.at(BEYOND_ASCII), message=message, parameters="SMTPUTF8 BODY=8BITMIME")
        self.emptied()
        if self.there.knows_smtputf8:
            self.judge([message], self.there.taken(BEYOND_ASCII))
            self.assertEqual(self.mail(), [])
        else:
            self.assertIn("\nStatus: 5.6.7\n", self.report().as_string().replace("\r", ""))

    def test_they_answer(self):
        """What came from us leads back to us, by our MX record and over TLS."""
        self.submit(self.at("carl"))
        self.emptied()
        came, = self.there.taken("carl")
        sender = re.search(rb"(?i)^Return-Path: <(.*)>", came, re.MULTILINE)[1].decode()
        answer = messages.written_by(self.at("carl"), messages.small_messages()["utf8"])
        self.there.hand_in(answer, self.at("carl"), sender)
        self.there.send_out()
        (_, copy), = self.server.fetch(ANNA)
        trace, below = mailstead.split_trace(copy)
        self.assertEqual(trace[b"return-path"].split()[1].decode(), "<%s>" % self.at("carl"))
        self.assertIn(b" by mail.example.org with ESMTPS ", b" ".join(trace[b"received"].split()))
        self.assertIn(self.there.name.encode(), trace[b"received"])
        self.assertTrue(below.endswith(answer), below)


def tests_of(kind):
    return type(kind.__name__, (Takes, Towards), {"kind": kind, "__module__": __name__})


Postfix = tests_of(receiving_agents.Postfix)
Exim = tests_of(receiving_agents.Exim)
OpenSmtpd = tests_of(receiving_agents.OpenSmtpd)


class Several(Towards):
    """More than one host for a domain, and hosts that go and come."""

    def shared(self, *hosts):
        self.names.add(SHARED, "MX", *("%d %s" % (10 * place, name) for place, name in enumerate(hosts, 1)))

    def test_the_dead_one_is_passed_over_and_the_order_kept(self):
        exim, postfix = self.other(receiving_agents.Exim), self.other(receiving_agents.Postfix)
        self.shared("dead.example", exim.name, postfix.name)
        self.names.add("dead.example", "A", NOBODY)
        for _ in range(3):
            self.submit("carl@" + SHARED)
        self.emptied()
        self.assertEqual((len(exim.taken("carl")), postfix.taken("carl")), (3, []))
        exim.close()
        self.submit("carl@" + SHARED)
        self.emptied()
        self.judge([sending.MESSAGE], postfix.taken("carl"))

    def test_a_host_that_knows_no_extension_but_starttls(self):
        """What it can take it has by DATA. Only at its end does it say that a message is too large; and 8-bit text would have to be
        changed, which breaks signatures, so that comes back."""
        postfix = self.other(receiving_agents.Postfix, smtpd_discard_ehlo_keywords="8bitmime, chunking, pipelining, dsn, smtputf8, size, "
                                                                                   "enhancedstatuscodes, etrn, vrfy")
        address = "carl@" + receiving_agents.Postfix.DOMAIN
        seven = {name: message for name, message in messages.small_messages().items() if message.isascii()}
        for message in seven.values():
            self.submit(address, message=message)
        self.emptied()
        self.judge_all(seven, postfix.taken("carl"))
        self.submit(address)
        self.assertEqual(self.report().get_payload(1).get_payload(1)["Status"], "5.6.3")
        self.submit(address, message=sending.MESSAGE.replace(b"\xff", b"x") + b"x" * 70 * (LIMIT // 70 + 1) + b"\r\n")
        self.assertIn("smtp; 552 ", self.report().get_payload(1).get_payload(1)["Diagnostic-Code"])
        self.emptied()
        self.assertEqual(postfix.taken("carl"), [])

    def test_a_host_that_goes_before_its_reply_and_comes_again_has_it_once(self):
        """It has taken all of the message and not said so."""
        address = "carl@" + receiving_agents.Exim.DOMAIN
        exim = self.other(receiving_agents.Exim, slow=address)
        self.submit(address)
        mailstead.until(lambda: exim.HAS_ALL in exim.root.said(), "it has the content")
        exim.close()
        self.told("deferred", address)
        self.names.zone.clear()
        exim = self.other(receiving_agents.Exim)
        self.server.admin("queue", "retry")
        self.emptied()
        self.judge([sending.MESSAGE], exim.taken("carl"))
        self.assertEqual(self.mail(), [])


if __name__ == "__main__":
    receiving_agents.enter_namespace()
    mailstead.main()

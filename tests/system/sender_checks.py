"""Is incoming mail from whom it says? SPF, DKIM, ARC and DMARC at port 25, and the seal of what is passed on. Signed and
verified by another implementation (dkimpy), results read by another (authres)."""

import base64
import email
import email.policy
import hashlib
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import internet
import mailstead
import sending
from sending import ANNA

try:
    import authres
    import dkim
except ImportError:
    dkim = None

FAR, NEAR = "192.0.2.20", "192.0.2.21"  # far.example's host, and somebody else's
HOME = "10.9.8.7"  # of a network of one's own
CARL = "carl@far.example"
OURS = "mail.example.org"
MESSAGE = b"From: Carl <carl@far.example>\r\nTo: anna@example.org\r\nSubject: x\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\n" \
          b"Message-ID: <one@far.example>\r\n\r\nhello\r\n"


def claimed(domain, selector, message=MESSAGE):
    """A signature that this domain never made; it says nothing of the body that would be wrong."""
    body_hash = base64.b64encode(hashlib.sha256(message.split(b"\r\n\r\n", 1)[1]).digest()).decode()
    return ("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=%s; h=from; bh=%s; b=AAAA\r\n" % (domain, selector, body_hash)).encode()


def at_top(message, name):
    """The field of this name that stands above the first Received, unfolded; None: there is none."""
    head = message.split(b"\r\n\r\n")[0] + b"\r\n"
    above = head[:re.search(rb"(?m)^Received:", head).start()]
    found = re.findall(rb"(?mi)^%s:((?:.*\r\n[ \t])*.*)\r\n" % name, above)
    return re.sub(rb"\r\n[ \t]", b" ", found[0]).decode().strip() if found else None


@unittest.skipIf(dkim is None, "python3-dkim and python3-authres are not installed")
class Checked(sending.Sender):
    maxDiff = None
    listen = dict(sending.Sender.listen, smtp=[internet.US + ":25", "127.0.0.1:2525"])
    settings = sending.SETTINGS + '[smtp]\ngreeting_delay = "0 s"\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["ip", "address", "replace", HOME + "/32", "dev", "lo"], check=True)
        cls.pem = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=cls.pem, check=True, capture_output=True).stdout
        cls.key = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()

    def setUp(self):
        super().setUp()
        self.names.asked.clear()
        self.names.add("far.example", "TXT", "v=spf1 ip4:%s -all" % FAR)
        self.names.add("sel._domainkey.far.example", "TXT", self.key)
        self.names.add("_dmarc.far.example", "TXT", "v=DMARC1; p=reject")

    def signed(self, message=MESSAGE, domain=b"far.example", **more):
        return dkim.sign(message, b"sel", domain, self.pem, **more) + message

    def change(self, line):
        """A line of [smtp] in the configuration."""
        self.server.configure('hostname = "%s"\n' % OURS + Checked.settings.replace("[smtp]", "[smtp]\n" + line), self.listen)
        seen = len(self.server.lines)
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_line(lambda line: line.endswith("reloaded"), "reloaded", seen)

    def session(self, client=FAR, helo="mx.far.example"):
        stream = mailstead.Stream.__new__(mailstead.Stream)
        stream.socket = socket.create_connection((internet.US, 25), timeout=mailstead.TIMEOUT, source_address=(client, 0))
        stream.buffer = bytearray()
        session = mailstead.Smtp(stream, greet=False)
        self.addCleanup(session.close)
        session.expect("220")
        session.must("EHLO " + helo)
        return session

    def offer(self, message, client=FAR, sender=CARL, recipient=ANNA, parameters="", helo="mx.far.example"):
        """(code, text) of the reply to the message."""
        session = self.session(client, helo)
        session.must("MAIL FROM:<%s>%s" % (sender, parameters))
        session.must("RCPT TO:<%s>" % recipient)
        session.must("DATA", "354")
        session.stream.send(mailstead.stuffed(message))
        return session.reply()

    def brought(self, message, **options):
        """The message as Anna has it."""
        code, text = self.offer(message, **options)
        self.assertEqual(code, "250", text)
        ((_, kept),) = self.server.fetch(ANNA, delete=True)
        return kept

    def results(self, kept):
        """{method: result} of our field, and what was told with it; read by authres."""
        value = at_top(kept, b"Authentication-Results")
        self.assertIsNotNone(value, kept[:2000])
        self.read = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + value)
        self.assertEqual(self.read.authserv_id, OURS)
        return {each.method: each.result for each in self.read.results}

    def check(self, kept, **expected):
        found = self.results(kept)
        self.assertEqual({method: found.get(method) for method in expected}, expected, kept[:2000])


class Verdicts(Checked):
    def test_all_that_a_good_message_has(self):
        message = self.signed()
        kept = self.brought(message)
        self.check(kept, spf="pass", dkim="pass", arc="none", dmarc="pass")
        self.assertTrue(kept.endswith(message))
        self.assertEqual(at_top(kept, b"Authentication-Results").replace('"', ""),  # a slash in b= wants quotes
                         "mail.example.org; spf=pass smtp.mailfrom=carl@far.example; "
                         "dmarc=pass header.from=far.example policy.dmarc=reject; arc=none smtp.remote-ip=192.0.2.20; "
                         "dkim=pass header.d=far.example header.s=sel header.a=rsa-sha256 header.b=%s"
                         % re.search(rb"\bb=(\S{8})", message)[1].decode())
        # Readers of the stored message find it as good.
        self.assertTrue(dkim.verify(kept, dnsfunc=self.txt))
        self.told("checked", 'dkim="pass far.example"')
        # Monitors are told the result alone: who chooses the domain would choose the counter.
        metrics = self.server.admin("metrics").stdout
        self.assertIn('mailstead_sender_checks_total{check="dkim",result="pass"} 1\n', metrics)
        self.assertIn('mailstead_sender_checks_total{check="dmarc",result="pass"} 1\n', metrics)
        self.assertNotIn("far.example", metrics)

    def txt(self, name, timeout=5):
        name = name.decode().rstrip(".")
        return "".join(self.names.zone.get(name, {}).get("TXT", [])[:1]).encode() or None

    def test_a_forged_one_is_told_from_it(self):
        kept = self.brought(MESSAGE, client=NEAR)
        self.check(kept, spf="fail", dkim="none", dmarc="fail")
        self.assertIn('spf=fail reason="-all of far.example" smtp.mailfrom=carl@far.example', at_top(kept, b"Authentication-Results"))

    def test_another_domains_good_mail_is_not_the_authors(self):
        self.names.add("near.example", "TXT", "v=spf1 ip4:%s -all" % NEAR)
        self.names.add("sel._domainkey.near.example", "TXT", self.key)
        kept = self.brought(self.signed(domain=b"near.example"), client=NEAR, sender="x@near.example")
        self.check(kept, spf="pass", dkim="pass", dmarc="fail")

    def test_a_message_that_was_changed(self):
        kept = self.brought(self.signed().replace(b"hello", b"hullo"), client=NEAR)
        self.check(kept, spf="fail", dkim="fail", dmarc="fail")

    def test_a_subdomain_and_the_policy_of_its_organization(self):
        kept = self.brought(self.signed(MESSAGE.replace(b"carl@far", b"carl@news.far")), client=NEAR)
        self.check(kept, dkim="pass", dmarc="pass")

    def test_a_report_has_a_helo_to_be_checked(self):
        self.names.add("mx.far.example", "TXT", "v=spf1 ip4:%s -all" % FAR)
        kept = self.brought(MESSAGE, sender="")
        self.check(kept, spf="pass", dmarc="pass")
        self.assertIn("spf=pass smtp.helo=mx.far.example", at_top(kept, b"Authentication-Results"))

    def test_several_authors_are_none(self):
        for more in (b"From: dora@far.example\r\n", b""):
            message = more + MESSAGE.replace(b"<carl@far.example>", b"<carl@far.example>, ceo@bank.example" if not more else b"<ceo@bank.example>")
            self.check(self.brought(self.signed(message)), dmarc="permerror")

    def test_a_large_message(self):
        message = self.signed(MESSAGE + b"".join(b"%070d\r\n" % i for i in range(60_000)))
        kept = self.brought(message)
        self.check(kept, dkim="pass", dmarc="pass")
        self.assertTrue(kept.endswith(message))

    def test_a_header_beyond_ascii(self):
        self.names.add("xn--bcher-kva.example", "TXT", "v=spf1 ip4:%s -all" % FAR)
        message = "From: jürgen@bücher.example\r\nSubject: ü\r\n\r\nhello\r\n".encode()
        kept = self.brought(message, sender="jürgen@bücher.example", parameters=" SMTPUTF8")
        # Of ASCII, so that POP3 without UTF8 has it as it is.
        self.check(kept, spf="pass", dmarc="none")
        self.assertIn("spf=pass smtp.mailfrom=@xn--bcher-kva.example", at_top(kept, b"Authentication-Results"))

    def test_a_message_that_is_converted(self):
        """Its signature was good, and nobody can see that any more."""
        message = self.signed(MESSAGE.replace(b"\r\n\r\nhello", b"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\nhello"))
        session = self.session(NEAR)
        session.must("MAIL FROM:<%s> BODY=BINARYMIME" % CARL)
        session.must("RCPT TO:<%s>" % ANNA)
        session.stream.send(b"BDAT %d LAST\r\n" % len(message) + message)
        session.expect("250")
        ((_, kept),) = self.server.fetch(ANNA)
        self.check(kept, dkim="neutral", dmarc="temperror")

    def test_a_message_without_a_header(self):
        kept = self.brought(b"just text, and From: nobody\r\n")
        self.check(kept, spf="pass", dkim="none", dmarc="permerror")


class NotChecked(Checked):
    def test_this_machine_says_what_it_wants(self):
        """A filter in front of us has checked it, and its field stays."""
        told = b"Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=x@far.example\r\n"
        with mailstead.Smtp(mailstead.Stream(("127.0.0.1", 2525))) as session:
            session.send(told + MESSAGE, CARL, [ANNA])
        ((_, kept),) = self.server.fetch(ANNA)
        self.assertTrue(kept.endswith(told + MESSAGE))
        self.assertIsNone(at_top(kept, b"Authentication-Results"))

    def test_an_address_of_ones_own_network_is_no_sender_of_the_world(self):
        kept = self.brought(MESSAGE, client=HOME)
        self.check(kept, spf=None, dkim="none", dmarc="temperror")
        self.check(self.brought(self.signed(), client=HOME), spf=None, dkim="pass", dmarc="pass")

    def test_it_can_be_switched_off(self):
        self.change('sender_checks = "off"')
        self.names.asked.clear()
        kept = self.brought(self.signed())
        self.assertIsNone(at_top(kept, b"Authentication-Results"))
        self.assertEqual(self.names.asked, [])


class Trouble(Checked):
    def test_a_dns_that_fails_refuses_nothing(self):
        self.change('sender_checks = "reject"')
        for name in ("far.example", "sel._domainkey.far.example", "_dmarc.far.example"):
            self.names.trouble[name] = "SERVFAIL"
        self.check(self.brought(self.signed()), spf="temperror", dkim="temperror", dmarc="temperror")
        del self.names.trouble["_dmarc.far.example"]
        # The policy is known, but whether it is broken is not.
        self.check(self.brought(self.signed()), spf="temperror", dkim="temperror", dmarc="temperror")

    def test_a_dns_that_is_silent_ends(self):
        self.names.trouble["far.example"] = "silence"
        begun = time.monotonic()
        kept = self.brought(self.signed())
        self.assertLess(time.monotonic() - begun, 60)
        self.check(kept, spf="temperror", dkim="pass", dmarc="pass")

    def waiting(self):
        """A session whose message waits for a DNS that says nothing."""
        self.names.trouble["far.example"] = "silence"
        session = self.session()
        session.must("MAIL FROM:<%s>" % CARL)
        session.must("RCPT TO:<%s>" % ANNA)
        session.must("DATA", "354")
        session.stream.send(mailstead.stuffed(self.signed()))
        mailstead.until(lambda: any(name == "far.example" for name, *_ in self.names.asked), "SPF is asked for")
        return session

    def test_the_end_of_the_server_does_not_wait_for_it(self):
        session = self.waiting()
        self.server.process.send_signal(signal.SIGTERM)
        code, text = session.reply()
        self.assertEqual(self.server.wait(), 0)
        self.server.start()
        # Whatever it was told, it is true.
        self.assertEqual(len(self.server.fetch(ANNA)), 1 if code == "250" else 0)
        self.assertEqual(code, "250", text)

    def test_a_sender_that_goes_away_meanwhile(self):
        session = self.waiting()
        session.reset()
        # Nobody was told that it is here; its sender will come again.
        mailstead.until(lambda: not any(each["connections"] for each in self.server.json("status")["listeners"]), "its connection is gone")
        del self.names.trouble["far.example"]
        self.brought(self.signed(MESSAGE.replace(b"<one@", b"<two@")))
        self.assertEqual(self.server.stop(), 0)

    def test_a_sender_that_resets_with_the_last_octets(self):
        self.names.trouble["far.example"] = "silence"
        session = self.session()
        session.must("MAIL FROM:<%s>" % CARL)
        session.must("RCPT TO:<%s>" % ANNA)
        session.must("DATA", "354")
        self.server.process.send_signal(signal.SIGSTOP)  # both are there when it looks
        session.stream.send(mailstead.stuffed(MESSAGE))
        session.reset()
        self.server.process.send_signal(signal.SIGCONT)
        mailstead.until(lambda: not any(each["connections"] for each in self.server.json("status")["listeners"]), "its connection is gone")
        self.assertEqual(self.server.fetch(ANNA), [])

    def test_name_servers_that_are_silent_hold_up_no_mail_of_ours(self):
        """Each message names keys of a domain whose name server says nothing."""
        far = self.host("192.0.2.11", "wide.example")
        real = self.names.answer
        self.addCleanup(setattr, self.names, "answer", real)
        self.names.answer = lambda question, way: None if b"\4deaf\7example" in question else real(question, way)
        for number in range(135):
            session = self.session(internet.OTHERS[number % 10])
            session.must("MAIL FROM:<%s>" % CARL)
            session.must("RCPT TO:<%s>" % ANNA)
            session.must("DATA", "354")
            chain = b""
            for instance in range(1, 21):
                chain += b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=deaf.example; s=s%d.%d; b=AAAA\r\n" % (
                    instance, b"pass" if instance > 1 else b"none", instance, number)
                chain += claimed("deaf.example", "m%d.%d" % (instance, number)).replace(b"DKIM-Signature: v=1;", b"ARC-Message-Signature: i=%d;" % instance)
                chain += b"ARC-Authentication-Results: i=%d; deaf.example; none\r\n" % instance
            session.stream.send(mailstead.stuffed(chain + MESSAGE))
        self.submit("dora@wide.example")
        self.told("sent", "dora@wide.example")
        self.assertEqual(len(far.taken), 1)
        self.assertFalse([line for line in self.server.lines if " deferred " in line])


class Rejecting(Checked):
    settings = Checked.settings.replace("[smtp]", '[smtp]\nsender_checks = "reject"')

    def test_what_its_domain_wants_rejected_is(self):
        code, text = self.offer(MESSAGE, client=NEAR)
        self.assertEqual((code, text.split()[0]), ("550", "5.7.26"))
        self.assertEqual(self.server.fetch(ANNA), [])
        self.told("refused", "5.7.26")
        self.check(self.brought(self.signed(), client=NEAR), dmarc="pass")

    def test_a_long_chain_does_not_hide_that_a_signature_has_no_key(self):
        chain = b""
        for instance in range(1, 26):
            chain += b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=near.example; s=s%d; b=AAAA\r\n" % (instance, b"pass" if instance > 1 else b"none", instance)
            chain += claimed("near.example", "m%d" % instance).replace(b"DKIM-Signature: v=1;", b"ARC-Message-Signature: i=%d;" % instance)
            chain += b"ARC-Authentication-Results: i=%d; near.example; none\r\n" % instance
        code, text = self.offer(chain + claimed("far.example", "nowhere") + MESSAGE, client=NEAR)
        self.assertEqual((code, text.split()[0]), ("550", "5.7.26"))
        self.assertEqual(self.brought(chain + self.signed(), client=NEAR).count(b"ARC-Seal"), 25)

    def test_a_bare_newline_does_not_let_it_in(self):
        self.change('sender_checks = "reject"\nbare_newline = "normalise"')
        self.assertEqual(self.offer(claimed("far.example", "sel") + MESSAGE + b"two\nlines\r\n", client=NEAR)[0], "550")
        message = self.signed(MESSAGE + b"two\r\nlines\r\n")
        self.check(self.brought(message.replace(b"two\r\n", b"two\n"), client=NEAR), dkim="pass", dmarc="pass")

    def test_other_policies_are_noted(self):
        for policy in ("v=DMARC1; p=quarantine", "v=DMARC1; p=none", "v=DMARC1; p=reject; pct=0", "v=DMARC1; p=none; sp=reject"):
            self.names.zone["_dmarc.far.example"]["TXT"] = [policy]
            self.change('sender_checks = "reject"')  # what DNS said is forgotten
            self.check(self.brought(MESSAGE, client=NEAR), dmarc="fail")

    def test_who_hides_the_author_is_refused(self):
        for line in (b"From: carl@far.example\r\nFrom: ceo@bank.example", b"From: ceo@bank.example, carl@far.example",
                     b"From: Bank, Inc. <ceo@bank.example", b"X-From: carl@far.example"):
            message = MESSAGE.replace(b"From: Carl <carl@far.example>", line)
            self.assertEqual(self.offer(message, client=NEAR)[1].split()[0], "5.7.1", line)
        # Some hosts' reports have a From that nobody can read.
        self.brought(MESSAGE.replace(b"<carl@far.example>", b"<MAILER-DAEMON>"), sender="")
        self.assertEqual(self.offer(MESSAGE.replace(b"<carl@far.example>", b"<carl@far.example>, dora@far.example"))[0], "250")

    def test_what_we_would_have_to_convert_is_not_taken(self):
        session = self.session()
        self.assertEqual(session.command("MAIL FROM:<%s> BODY=BINARYMIME" % CARL)[0], "501")
        self.assertNotIn("BINARYMIME", session.must("EHLO mx.far.example"))

    def test_a_domain_without_a_policy(self):
        kept = self.brought(MESSAGE.replace(b"far.example", b"other.example"), client=NEAR, sender="x@other.example")
        self.check(kept, spf="none", dmarc="none")


class InOurName(Checked):
    """RFC 8601 5: what others wrote in our name is nobody's any more."""

    OTHERS = (b"Authentication-Results: mx.far.example; spf=pass smtp.mailfrom=a@b.example\r\n",
              b"ARC-Authentication-Results: i=x; mail.example.org; spf=pass\r\n",
              b"X-Authentication-Results: mail.example.org; spf=pass\r\n")
    CLAIMS = (b"Authentication-Results: mail.example.org; dmarc=pass header.from=bank.example\r\n",
              b"authentication-results:\r\n\tMAIL.Example.ORG (x);\r\n dmarc=pass\r\n",
              b"Authentication-Results : mail.example.org 1; dmarc=pass\r\n",
              b"Authentication-Results: \"mail.example.org\"; dmarc=pass\r\n",
              b"Authentication-Results: (mx.far.example) mail.example.org.; dmarc=pass\r\n")

    def test_they_are_renamed_and_signatures_are_judged_as_they_came(self):
        for tail in (b"", b"x" * 70 + b"\r\n", b"".join(b"%070d\r\n" % i for i in range(5000))):
            # Our signer knows no blank before a colon: that one goes unsigned.
            odd = [field for field in self.CLAIMS if b" :" in field]
            message = b"".join(set(self.CLAIMS) - set(odd)) + b"".join(self.OTHERS) + MESSAGE + tail
            message = b"".join(odd) + self.signed(message, include_headers=[b"from", b"authentication-results"])
            kept = self.brought(message)
            self.check(kept, dkim="pass", dmarc="pass")
            self.assertEqual(len(kept[kept.index(b"Untrusted-"):]), len(message))
            for field in self.OTHERS:
                self.assertIn(b"\r\n" + field, kept)
            self.assertEqual(kept.count(b"Untrusted-Auth-Results"), len(self.CLAIMS))
            left = re.findall(rb"(?mi)^Authentication-Results[ \t]*:", kept)
            self.assertEqual(len(left), 2)  # ours at the top, and mx.far.example's

    def test_a_long_header(self):
        filler = b"".join(b"X-Filler: %080d\r\n" % i for i in range(3000))
        message = filler + self.CLAIMS[0] + filler + self.CLAIMS[1] + MESSAGE
        kept = self.brought(message)
        self.assertEqual(kept.count(b"Untrusted-Auth-Results:"), 2)
        self.assertEqual(len(re.findall(rb"(?mi)^Authentication-Results[ \t]*:", kept)), 1)

    def test_too_many_are_refused(self):
        code, text = self.offer(self.CLAIMS[0] * 2000 + MESSAGE)
        self.assertEqual((code, text.split()[0]), ("554", "5.6.0"))

    def test_a_user_has_no_results_to_tell(self):
        self.submit(ANNA, message=self.CLAIMS[0] + self.OTHERS[0] + b"From: anna@example.org\r\n\r\nx\r\n")
        ((_, kept),) = self.server.fetch(ANNA)
        self.assertNotIn(b"Auth", kept)


class Sealed(Checked):
    """What an alias passes on."""

    TEAM = "team@example.org"

    def setUp(self):
        super().setUp()
        self.wide = self.host("192.0.2.11", "wide.example")
        self.server.admin("alias", "add", self.TEAM, "dora@wide.example")

    def publish(self):
        for record in self.server.json("dns", "records"):
            if "_domainkey" in record["name"]:
                self.names.add(record["name"], "TXT", record["value"])

    def txt(self, name, timeout=5):
        found = self.names.zone.get(name.decode().rstrip("."), {}).get("TXT", [])
        return found[0].encode() if found else None

    def passed_on(self, message, **options):
        before = len(self.wide.taken)
        code, text = self.offer(message, recipient=self.TEAM, **options)
        self.assertEqual(code, "250", text)
        self.emptied()
        self.assertEqual(len(self.wide.taken), before + 1)
        return self.wide.taken[-1]["content"]

    def chain(self, message):
        return dkim.arc_verify(message, dnsfunc=self.txt)

    def test_it_is_sealed_with_what_we_found(self):
        message = self.signed()
        passed = self.passed_on(message)
        self.publish()
        verdict, sets, reason = self.chain(passed)
        self.assertEqual((verdict, len(sets)), (dkim.CV_Pass, 1), (reason, passed[:3000]))
        self.assertTrue(passed.endswith(message))
        seal = email.message_from_bytes(passed, policy=email.policy.compat32)
        told = " ".join(seal["ARC-Authentication-Results"].split())
        self.assertRegex(told, r"^i=1; mail\.example\.org; spf=pass smtp\.mailfrom=carl@far\.example; dmarc=pass header\.from=far\.example ")
        self.assertIn("arc=none smtp.remote-ip=192.0.2.20", told)
        self.assertIn("dkim=pass header.d=far.example", told)
        self.assertIn(" d=example.org;", seal["ARC-Seal"])
        self.assertIn(" cv=none;", seal["ARC-Seal"])
        self.assertTrue(dkim.verify(passed, dnsfunc=self.txt))
        # Ours, too, is found good by ours: it comes back to a mailbox.
        self.check(self.brought(passed.replace(b"Delivered-To", b"X-Delivered-To"), client=NEAR, sender="srs@example.org"), arc="pass", dkim="pass", dmarc="pass")

    def test_a_chain_goes_on(self):
        """A mailing list changed it, and sealed what it found."""
        results = b"Authentication-Results: lists.near.example; dkim=pass header.d=far.example; arc=none\r\n"
        message = results + self.signed() + b"-- \r\nfooter of the list\r\n"
        self.names.add("sel._domainkey.near.example", "TXT", self.key)
        message = b"".join(dkim.arc_sign(message, b"sel", b"near.example", self.pem, b"lists.near.example")) + message
        passed = self.passed_on(message, client=NEAR, sender="list@near.example")
        self.publish()
        verdict, sets, reason = self.chain(passed)
        self.assertEqual((verdict, len(sets)), (dkim.CV_Pass, 2), (reason, passed[:3000]))
        self.assertIn(b"arc=pass", passed)
        # A chain that was broken is not made to look better.
        passed = self.passed_on(message.replace(b"footer", b"header"), client=NEAR, sender="list@near.example")
        self.assertEqual(passed.count(b"ARC-Seal"), 1)
        self.assertIn(b"arc=fail", passed)

    def test_several_copies_and_a_large_one(self):
        self.server.admin("alias", "add", "two@example.org", "emil@wide.example", "fred@wide.example", ANNA)
        message = self.signed(MESSAGE + b"".join(b"%070d\r\n" % i for i in range(20_000)))
        code, text = self.offer(message, recipient="two@example.org")
        self.assertEqual(code, "250", text)
        self.emptied()
        self.publish()
        (taken,), ((_, kept),) = self.wide.taken, self.server.fetch(ANNA)
        self.assertEqual(self.chain(taken["content"])[0], dkim.CV_Pass)
        self.assertNotIn(b"ARC-Seal", kept)
        self.check(kept, dkim="pass")

    def test_a_key_that_cannot_be_read_holds_nothing_up(self):
        self.passed_on(self.signed())
        folder = os.path.join(self.server.data, "dkim")
        self.server.stop()
        for root, _, files in os.walk(folder):
            for name in files:
                with open(os.path.join(root, name), "w") as file:
                    file.write("no key\n")
        self.server.start()
        passed = self.passed_on(self.signed())
        self.assertNotIn(b"ARC-Seal", passed)
        self.assertIn(b"Authentication-Results: mail.example.org; spf=pass", passed)


class Disowned(Checked):
    """Who is said to have sent it, and says that he has not, hears nothing more of it."""

    def setUp(self):
        super().setUp()
        self.victim = self.host(FAR, "far.example")
        self.wide = self.host("192.0.2.11", "wide.example")
        self.wide.replies["RCPT"] = "550 5.1.1 nobody of this name"
        self.server.admin("alias", "add", "team@example.org", "dora@wide.example")
        self.server.admin("alias", "add", "both@example.org", "dora@wide.example", ANNA)

    def test_no_failure_and_no_success_is_reported(self):
        session = self.session(NEAR)
        for recipient in ("team@example.org", "both@example.org", ANNA):
            session.must("MAIL FROM:<%s>" % CARL)
            session.must("RCPT TO:<%s> NOTIFY=SUCCESS,FAILURE" % recipient)
            session.must("DATA", "354")
            session.stream.send(mailstead.stuffed(MESSAGE))
            session.expect("250")
        self.emptied()
        self.told("checked", "reports=none")
        self.assertEqual(self.victim.taken, [])

    def test_its_own_mail_is(self):
        self.offer(MESSAGE, recipient="team@example.org")
        self.emptied()
        (report,) = self.victim.taken
        self.assertIn(b"nobody of this name", report["content"])

    def test_the_next_host_is_told_so(self):
        del self.wide.replies["RCPT"]
        self.wide.extensions.append("DSN")
        self.offer(MESSAGE, client=NEAR, recipient="team@example.org")
        self.emptied()
        self.assertIn("NOTIFY=NEVER", self.wide.taken[0]["to"][0])


class Explained(Checked):
    def test_nobody_writes_what_why_tells(self):
        """A reverse-path with words of our field in it, and signatures that would push its end out of sight."""
        message = MESSAGE.replace(b"carl@far", b"carl@bank")
        for number in range(10):
            message = b"DKIM-Signature: v=1; a=rsa-sha256; d=%s.example; s=%s; i=\"%s\"@%s.example; h=from; bh=AAAA; b=AAAA%d\r\n" % (
                b"d" * 60, b".".join([b"s" * 60] * 3), b"\\\\" * 30, b"d" * 60, number) + message
        self.names.add("_dmarc.bank.example", "TXT", "v=DMARC1; p=reject")
        self.offer(message, client=NEAR, sender='"x header.d=bank.example y"@far.example')
        text = self.server.admin("why", "<one@far.example>").stdout
        self.assertRegex(text, r"(?m)^checks +SPF fail, DMARC fail, ARC none, DKIM ")
        self.assertNotIn("(bank.example)", text)
        self.assertIn("may be forged", text)

    def test_what_others_found_is_not_ours(self):
        told = b"Authentication-Results: mx.far.example; dmarc=pass\r\n"
        with mailstead.Smtp(mailstead.Stream(("127.0.0.1", 2525))) as session:
            session.send(told + MESSAGE, CARL, [ANNA])
        self.assertEqual(self.server.json("why", "<one@far.example>")["copies"][0]["checks"], [])

    def test_nobody_can_tell_its_author(self):
        self.offer(b"From: ceo@bank.example\r\n" + MESSAGE, client=NEAR)
        self.assertIn("Nobody can tell who its author is", self.server.admin("why", "<one@far.example>").stdout)

    def test_why_tells_of_the_checks(self):
        self.offer(self.signed())
        self.offer(MESSAGE.replace(b"<one@", b"<two@"), client=NEAR)
        good, bad = (self.server.json("why", "<%s@far.example>" % each)["copies"][0]["checks"] for each in ("one", "two"))
        self.assertEqual([each.split(" ")[0] for each in good], ["spf=pass", "dmarc=pass", "arc=none", "dkim=pass"])
        self.assertEqual([each.split(" ")[0] for each in bad], ["spf=fail", "dmarc=fail", "arc=none", "dkim=none"])
        text = self.server.admin("why", "<two@far.example>").stdout
        self.assertRegex(text, r"(?m)^checks +SPF fail, DMARC fail, ARC none, DKIM none$")
        self.assertIn("may be forged", text)


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

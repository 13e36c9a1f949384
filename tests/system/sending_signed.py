"""What our users send to other hosts carries signatures that another implementation (dkimpy) verifies; what stays here does not."""

import unittest

import internet
import mailstead
import sending

try:
    import dkim
    import nacl  # noqa: F401  dkimpy verifies Ed25519 by it
except ImportError:
    dkim = None

ANNA, BERT = sending.ANNA, sending.BERT


@unittest.skipIf(dkim is None, "python3-dkim and python3-nacl are not installed")
class Signed(sending.Sender):
    def records(self, domain="example.org"):
        """Of all keys, as their owner publishes them."""
        return {key["name"]: key for key in self.server.json("dkim", "show", domain)}

    def verdicts(self, message, domain="example.org"):
        """{selector: is the signature right}."""
        keys = self.records(domain)

        def record(name, timeout=5):
            key = keys.get(name.decode().rstrip("."))
            return key and key["value"].encode()

        found = {}
        for number in range(message.count(b"DKIM-Signature:")):
            signed = dkim.DKIM(message, minkey=2048)
            try:
                good = signed.verify(idx=number, dnsfunc=record)
            except dkim.ValidationError:  # a body that is another
                good = False
            found[signed.signature_fields[b"s"].decode()] = good
            self.assertEqual(signed.signature_fields[b"d"].decode(), domain)
        return found

    def sent(self, far, count=1):
        mailstead.until(lambda: len(far.taken) == count, "%d messages have arrived" % count)
        self.emptied()
        return far.taken[-1]["content"]

    def test_a_message_is_signed_by_both_keys(self):
        far = self.host("192.0.2.10", "far.example")
        self.submit("carl@far.example")
        message = self.sent(far)
        self.assertTrue(message.startswith(b"DKIM-Signature: v=1; a="), message)
        self.assertTrue(message.endswith(sending.MESSAGE))
        active = sorted(key["selector"] for key in self.records().values())
        self.assertEqual(len(active), 2)
        self.assertEqual(self.verdicts(message), dict.fromkeys(active, True))
        for old, new in ((b"eight bits", b"nine bits"), (b"Subject: x", b"Subject: y"), (b"From: anna@", b"From: eve@")):
            self.assertEqual(set(self.verdicts(message.replace(old, new)).values()), {False}, old)
        self.assertEqual([line for line in self.server.lines if " unsigned " in line], [])

    def test_what_submission_adds_is_signed_and_a_large_message_too(self):
        far = self.host("192.0.2.10", "far.example")
        lines = b"".join(b".%d  \t x \r\n" % number for number in range(300000))
        for count, body in enumerate((b"short\r\n", lines, b""), 1):
            self.submit("carl@far.example", message=b"Subject: x\r\nBcc: dora@far.example\r\n\r\n" + body)
            message = self.sent(far, count)
            self.assertIn(b"\r\nMessage-ID: <", message)
            self.assertNotIn(b"Bcc", message)
            self.assertEqual(set(self.verdicts(message).values()), {True})

    def test_a_copy_that_stays_here_is_not_signed(self):
        far = self.host("192.0.2.10", "far.example")
        self.server.add_cheap_mailbox(BERT)
        self.submit("carl@far.example", BERT)
        self.assertEqual(set(self.verdicts(self.sent(far)).values()), {True})
        (_, kept), = self.server.fetch(BERT)
        self.assertNotIn(b"DKIM-Signature", kept)

    def test_signatures_follow_the_rotation_of_keys(self):
        far = self.host("192.0.2.10", "far.example")
        self.submit("carl@far.example")
        first = self.sent(far)
        old = set(self.verdicts(first))
        new = {key["selector"] for key in self.server.json("dkim", "rotate", "example.org")}
        self.assertFalse(old & new)
        self.submit("carl@far.example")
        self.assertEqual(set(self.verdicts(self.sent(far, 2))), old)  # the new ones are not published yet
        self.server.admin("dkim", "rotate", "example.org", "--activate")
        self.submit("carl@far.example")
        self.assertEqual(self.verdicts(self.sent(far, 3)), dict.fromkeys(new, True))
        self.assertEqual(self.verdicts(first), dict.fromkeys(old, True))  # as long as its records stay
        self.server.stop()
        self.server.start()
        self.submit("carl@far.example")
        self.assertEqual(set(self.verdicts(self.sent(far, 4))), new)

    def test_each_domain_signs_its_own(self):
        far = self.host("192.0.2.10", "far.example")
        self.server.admin("alias", "add", "anna@sister.example", ANNA)
        self.submit("carl@far.example", message=b"From: anna@sister.example\r\n\r\nx\r\n")
        self.assertEqual(set(self.verdicts(self.sent(far), "sister.example").values()), {True})

    def test_keys_that_cannot_be_read_hold_no_mail_up(self):
        far = self.host("192.0.2.10", "far.example")
        (name, *_) = self.records()
        self.server.stop()
        folder = self.server.data + "/dkim/example.org/"
        with open(folder + name.split(".")[0] + ".key", "w", encoding="ascii") as file:
            file.write("nothing\n")
        self.server.start()
        self.submit("carl@far.example")
        self.assertNotIn(b"DKIM-Signature", self.sent(far))
        self.told("unsigned", "domain=example.org")


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

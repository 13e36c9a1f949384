"""DKIM and ARC: another implementation (dkimpy) verifies what ours signed."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import mailstead

try:
    import dkim
    import nacl  # noqa: F401  dkimpy verifies Ed25519 by it
except ImportError:
    dkim = None

DOMAIN = "xn--bcher-kva.example"
FROM = b"From: Anna <anna@xn--bcher-kva.example>\r\n"

MESSAGES = {
    "plain": FROM + b"To: bert@example.net\r\nSubject: x\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n"
             b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHi.\r\n",
    "folded": b"SUBJECT: \t a\r\n\tb  c \t\r\n  d\r\n" + FROM + b"to:\r\n bert@example.net,\r\n\tcarl@example.net\r\n\r\nx\r\n",
    "empty-body": FROM + b"Subject: x\r\n\r\n",
    "no-body": FROM + b"Subject: x\r\n",
    "only-empty-lines": FROM + b"\r\n\r\n\r\n\r\n",
    "no-line-end": FROM + b"\r\nthe end",
    "blanks": FROM + b"\r\n a  b\t\tc \t \r\n\t\r\n \r\nd\r\n \r\n\r\n",
    "leading-lines": FROM + b"\r\n\r\n\r\nx\r\n",
    "repeated": b"To: a@example.net\r\n" + FROM + b"to: b@example.net\r\nCc: c@example.net\r\nTO: d@example.net\r\n\r\nx\r\n",
    "empty-field": FROM + b"Subject:\r\nTo: \r\nCc:\t\r\n \r\n\r\nx\r\n",
    "eight-bit": FROM + b"Subject: gr\xfc\xdfe\r\n\r\n\xfc\r\n",
    "list": FROM + b"List-Id: <l.example.org>\r\nList-Unsubscribe: <https://example.org/u>\r\n"
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSender: l@example.org\r\n\r\nx\r\n",
    "long": FROM + b"References:" + b"".join(b"\r\n <%d@example.org>" % n for n in range(500)) + b"\r\n\r\n" +
            b"line \t of text  \r\n" * 5000,
    "international": "From: jörg@bücher.example\r\nSubject: Grüße\r\n\r\nGrüße.\r\n".encode(),
}


@unittest.skipIf(dkim is None, "python3-dkim and python3-nacl are not installed")
class SignedMessages(unittest.TestCase):
    """What the signer's unit test, which knows the same code as the server, makes of these messages."""

    @classmethod
    def setUpClass(cls):
        program = os.environ.get("PROTOCOLS_TEST", "")
        if not os.path.exists(program):
            raise unittest.SkipTest("PROTOCOLS_TEST names no program")
        cls.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(cls.folder.name)
        for name, message in MESSAGES.items():
            (path / (name + ".eml")).write_bytes(message)
        subprocess.run([program, "[.sign]"], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, MAILSTEAD_SIGN=str(path)), timeout=mailstead.TIMEOUT)
        cls.signed = {name: (path / (name + ".signed")).read_bytes() for name in MESSAGES}
        cls.records = dict(line.split(" ", 1) for line in (path / "records").read_text().splitlines())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def record(self, name, timeout=5):
        """In the place of DNS: a name in UTF-8 is the same as one of A-labels."""
        asked = name.decode().rstrip(".").encode("idna").decode()
        for selector, record in self.records.items():
            if asked == f"{selector}._domainkey.{DOMAIN}":
                return record.encode()
        self.fail("asked for %r" % name)

    def verdicts(self, message):
        """Of each signature of the message."""
        found = []
        for number in (0, 1):
            try:
                found.append(dkim.DKIM(message, minkey=2048).verify(idx=number, dnsfunc=self.record))
            except dkim.ValidationError:  # a body that is another
                found.append(False)
        return found

    def test_arc_sets(self):
        folder = pathlib.Path(self.folder.name)
        records = dict(line.split(" ", 1) for line in (folder / "arc-records").read_text().splitlines())

        def record(name, timeout=5):
            return records[name.decode().rstrip(".")].encode()

        for name, count in (("arc-1", 1), ("arc-2", 2)):
            message = (folder / name).read_bytes()
            verdict, sets, reason = dkim.arc_verify(message, dnsfunc=record)
            self.assertEqual((verdict, len(sets)), (dkim.CV_Pass, count), (reason, message))
            for old, new in ((b"Joe.", b"Jim."), (b"Subject: Is", b"Subject: Was"), (b"i=1; mx.example.org", b"i=1; mx.example.net")):
                self.assertEqual(dkim.arc_verify(message.replace(old, new), dnsfunc=record)[0], dkim.CV_Fail, old)

    def test_each_verifies(self):
        for name, message in self.signed.items():
            with self.subTest(name):
                self.assertEqual(message.count(b"DKIM-Signature:"), 2)
                self.assertTrue(message.endswith(MESSAGES[name]))
                self.assertEqual(self.verdicts(message), [True, True])

    def test_what_was_changed_does_not(self):
        message = self.signed["repeated"]
        for old, new in ((b"\r\nx\r\n", b"\r\ny\r\n"), (b"Cc: c@", b"Cc: d@"), (b"To: a@", b"To: z@")):
            self.assertEqual(self.verdicts(message.replace(old, new)), [False, False], old)

    def test_what_was_added_breaks_it(self):
        for field in (b"From: mallory@example.net", b"Subject: other", b"Reply-To: mallory@example.net", b"Content-Type: text/html",
                      b"To: x@example.net", b"Date: Sat, 1 Jan 2000 00:00:00 +0000", b"References: <x@y>"):
            for name in ("plain", "no-line-end"):
                signed = self.signed[name]
                self.assertEqual(self.verdicts(signed.replace(FROM, FROM + field + b"\r\n")), [False, False], field)

    def test_what_may_be_added(self):
        for field in (b"Received: from x by y; now", b"List-Id: <l.example.org>", b"X-Spam: no"):
            self.assertEqual(self.verdicts(self.signed["plain"].replace(FROM, FROM + field + b"\r\n")), [True, True], field)


if __name__ == "__main__":
    mailstead.main()

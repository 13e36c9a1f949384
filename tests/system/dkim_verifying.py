"""DKIM and ARC: our verifiers and another implementation (dkimpy) judge the same random messages, which it has signed.

SEED and MESSAGES of the environment make other ones, and more.
"""

import base64
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import mailstead

try:
    import authres  # noqa: F401  dkimpy seals with it
    import dkim
    import nacl.signing
except ImportError:
    dkim = None

SEED = int(os.environ.get("SEED", "1"))
MESSAGES = int(os.environ.get("MESSAGES", "150"))
FORMS = (b"simple", b"relaxed")
DOMAIN = b"example.org"
HOSTS = (b"one.example", b"two.example", b"three.example")
WORDS = (b"a", b"b  c", b"\t", b" ", b"d\t \te", b"gr\xc3\xbc\xc3\x9fe", b"=", b";", b":", b".", b"x" * 70, b"b=c", b"bh=")
NAMES = (b"To", b"TO", b"Cc", b"Subject", b"X-Any", b"Reply-To", b"reply-to")


class Messages:
    """Random ones, from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, count):
        return b"".join(self.random.choice(WORDS) for _ in range(self.random.randrange(count)))

    def field(self, name):
        value = self.text(6)
        for _ in range(self.random.randrange(3)):
            value += b"\r\n" + self.random.choice((b" ", b"\t", b"  ")) + b"y" + self.text(4)
        return name + self.random.choice((b": ", b":", b":\t ")) + b"x" + value + b"\r\n"

    def body(self):
        lines = [self.random.choice((b"", b"", self.text(8))) for _ in range(self.random.randrange(8))]
        body = b"\r\n".join(lines) + self.random.choice((b"", b"\r\n", b"\r\n\r\n", b" \r\n"))
        # Of blanks at the very end, without a line end, dkimpy leaves one in the relaxed form.
        return body + b"\r\n" if body.endswith((b" ", b"\t")) else body

    def message(self):
        fields = [self.field(self.random.choice(NAMES)) for _ in range(self.random.randrange(8))]
        fields.insert(self.random.randrange(len(fields) + 1), b"From: Anna <anna@example.org>\r\n")
        return b"".join(fields) + b"\r\n" + self.body()

    def included(self):
        names = [self.random.choice((b"To", b"to", b"Cc", b"subject", b"X-Any", b"Reply-To", b"X-Absent"))
                 for _ in range(self.random.randrange(8))]
        names.insert(self.random.randrange(len(names) + 1), b"From")
        return names

    def changed(self, message):
        """With one octet less, more or another, outside of what the signers wrote, and of line ends and names of fields."""
        body = message.index(b"\r\n\r\n")
        first = message.index(b"\r\nFrom: Anna") + 2
        places = [at for at in range(first, len(message) - 1)
                  if not set(message[at - 1:at + 2]) & set(b"\r\n")
                  and (at > body or b":" in message[message.rindex(b"\n", 0, at):at])]
        at = self.random.choice(places)
        kind = self.random.randrange(3)
        return message[:at] + (b"", b"q", b" ")[kind] + message[at + (kind < 2):]


@unittest.skipIf(dkim is None, "python3-dkim, python3-nacl and python3-authres are not installed")
class VerifiedMessages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = os.environ.get("PROTOCOLS_TEST", "")
        if not os.path.exists(cls.program):
            raise unittest.SkipTest("PROTOCOLS_TEST names no program")
        pem = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, check=True, capture_output=True).stdout
        key = nacl.signing.SigningKey.generate()
        cls.keys = {b"rsa": (b"rsa-sha256", pem),
                    b"ed": (b"ed25519-sha256", base64.b64encode(bytes(key)))}
        records = {b"rsa": b"v=DKIM1; k=rsa; p=" + base64.b64encode(der),
                   b"ed": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(key.verify_key))}
        cls.records = {selector + b"._domainkey." + domain: record
                       for selector, record in records.items() for domain in (DOMAIN,) + HOSTS}

    def record(self, name, timeout=5):
        """In the place of DNS."""
        return self.records.get(name.rstrip(b"."))

    def ours(self, messages):
        """{name: the lines of our verdicts}"""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "records").write_bytes(b"".join(name + b" " + record + b"\n" for name, record in self.records.items()))
            for name, message in messages.items():
                (folder / (name + ".eml")).write_bytes(message)
            subprocess.run([self.program, "[.verify]"], check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, MAILSTEAD_VERIFY=str(folder)), timeout=mailstead.TIMEOUT)
            return {name: (folder / (name + ".verdicts")).read_text().splitlines() for name in messages}

    def theirs(self, message):
        """Of each signature: is it right?"""
        verdicts = []
        for number in range(message.count(b"DKIM-Signature: v=1")):
            try:
                verdicts.append(dkim.DKIM(message).verify(idx=number, dnsfunc=self.record))
            except dkim.DKIMException:
                verdicts.append(False)
        return verdicts

    def compare(self, messages):
        """{name: all its signatures are right}"""
        good = {}
        for name, lines in self.ours(messages).items():
            verdicts = [line.startswith("dkim pass") for line in lines if line.startswith("dkim ")]
            self.assertEqual(verdicts, self.theirs(messages[name]), (name, lines, messages[name]))
            good[name] = all(verdicts)
        return good

    def signed(self, make, message, form, selector):
        algorithm, key = self.keys[selector]
        return dkim.sign(message, selector, DOMAIN, key, canonicalize=form, signature_algorithm=algorithm,
                         identity=make.random.choice((None, b"anna@example.org", b"@mail.example.org")),
                         include_headers=make.included(), length=make.random.random() < 0.3) + message

    def test_signatures_of_every_form(self):
        make, messages = Messages(SEED), {}
        for number in range(MESSAGES):
            form = (FORMS[number % 2], FORMS[number // 2 % 2])
            message = self.signed(make, make.message(), form, b"rsa")
            messages["%d" % number] = message if number % 3 else self.signed(make, message, form, b"ed")
        good = self.compare(messages)
        self.assertTrue(all(good.values()), [messages[name] for name in good if not good[name]][:1])
        # What comes behind the end is not in every signature with l=; in the others it breaks them.
        broken = self.compare({name: message + b"appended\r\n" for name, message in messages.items()})
        self.assertTrue(any(broken.values()) and not all(broken.values()))

    def test_messages_that_were_changed(self):
        make, messages = Messages(SEED + 1), {}
        for number in range(MESSAGES):
            form = (FORMS[number % 2], FORMS[number // 2 % 2])
            message = self.signed(make, make.message(), form, (b"rsa", b"ed")[number // 4 % 2])
            for change in range(3):
                messages["%d-%d" % (number, change)] = make.changed(message)
        good = list(self.compare(messages).values())
        self.assertGreater(good.count(False), len(good) // 3)
        self.assertGreater(good.count(True), 0)  # white space, and what is not signed

    def chain(self, message):
        """What they make of its sets; None stands for a chain that says that it has failed."""
        try:
            verdict = dkim.arc_verify(message, dnsfunc=self.record)[0]
        except dkim.DKIMException:
            verdict = dkim.CV_Fail
        return (verdict or dkim.CV_Fail).decode()

    def sealed(self, message, host):
        results = b"Authentication-Results: %s; spf=pass smtp.mailfrom=anna@example.org; arc=%s\r\n"
        message = results % (host, self.chain(message).encode()) + message
        # Its Ed25519 is not for seals.
        return b"".join(dkim.arc_sign(message, b"rsa", host, self.keys[b"rsa"][1], host)) + message

    def test_chains(self):
        make, messages, changed = Messages(SEED + 2), {}, {}
        for number in range(MESSAGES // 5):
            message = make.message()
            for count, host in enumerate(HOSTS, 1):
                message = self.sealed(make.field(b"Received") + message, host)
                messages["%d-%d" % (number, count)] = message
                if make.random.random() < 0.2:
                    message += b"footer\r\n"
                changed["%d-%d" % (number, count)] = make.changed(message)
        for kind in (messages, changed):
            said = {name: lines[-1] for name, lines in self.ours(kind).items()}
            for name, line in said.items():
                self.assertEqual(line.split()[1], self.chain(kind[name]), (name, line, kind[name]))
            self.assertGreater(sum(line.startswith("arc pass") for line in said.values()), 0)
        self.assertGreater(sum(line.startswith("arc fail") for line in said.values()), 0)


if __name__ == "__main__":
    mailstead.main()

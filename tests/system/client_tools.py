"""What the tests with real clients share: running one in a home of its own, its settings, and what it left there."""

import os
import re
import shutil
import ssl
import subprocess
import unittest

import mailstead

USER = "anna@example.org"
OTHER = "bert@example.org"
PASSWORD = "correct horse"
LOGOUT = re.compile(r" logout user=%s .*retrieved=(\d+)" % re.escape(USER))


def environment(home):
    """With a home folder of its own, so that nobody's settings come in."""
    return dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, FETCHMAILHOME=home, LC_ALL="C.UTF-8")


def run(command, home, stdin=b"", codes=(0,), unprivileged=False):
    """Runs a client to its end; fails unless it exits with one of `codes`."""
    more = {}
    if unprivileged and os.geteuid() == 0:
        subprocess.run(["chown", "-R", "65534:65534", home], check=True)
        more = {"user": 65534, "group": 65534, "extra_groups": []}
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=mailstead.TIMEOUT, cwd=home,
                          env=environment(home), **more)
    if done.returncode not in codes:
        raise AssertionError("%s exited with %d\n%s\n%s" % (" ".join(command), done.returncode,
                                                            done.stdout.decode(errors="replace")[-2000:],
                                                            done.stderr.decode(errors="replace")[-2000:]))
    return done


def write(home, name, text):
    path = os.path.join(home, name)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(mailstead.as_bytes(text))
    return path


def needs(program):
    return unittest.skipUnless(shutil.which(program), program + " is not installed")


# ---- settings of clients; `transport` is "plain", "STLS" or "POP3S"

def mpop(home, port, transport, fingerprint, folder, auth="user", keep=False):
    """Runs mpop once; it delivers into the maildir `folder`, without a Received field of its own."""
    lines = ["account default", "host 127.0.0.1", "port %d" % port, "user " + USER, "password " + PASSWORD,
             "auth " + auth, "delivery maildir " + folder, "received_header off", "keep " + ("on" if keep else "off"),
             "timeout 120", "uidls_file " + os.path.join(home, "uidls")]
    if transport == "plain":
        lines += ["tls off"]
    else:
        lines += ["tls on", "tls_starttls " + ("on" if transport == "STLS" else "off"), "tls_fingerprint " + fingerprint]
    return run(["mpop", "-Q", "-C", write(home, "mpoprc", "\n".join(lines) + "\n")], home)


def fetchmail(home, port, transport, folder, options="no keep fetchall", server_options="", codes=(0,),
              password=PASSWORD):
    """Runs fetchmail once; `invisible` keeps its own Received field away."""
    tls = {"plain": "sslproto ''", "STLS": "sslproto 'TLS1.2+' no sslcertck", "POP3S": "ssl no sslcertck"}[transport]
    mda = write(home, "mda", "#!/bin/sh\nexec cat > $(mktemp %s/new/XXXXXXXX)\n" % folder)
    config = write(home, "fetchmailrc",
                   "set no syslog\nset invisible\npoll 127.0.0.1 protocol pop3 service %d timeout 120 %s\n"
                   "  username '%s' password '%s' %s\n  %s no rewrite pass8bits mda \"/bin/sh %s\"\n"
                   % (port, server_options, USER, password, tls, options, mda))
    return run(["fetchmail", "-v", "-f", config, "--pidfile", os.path.join(home, "pid"), "-i", os.path.join(home, "ids"),
                "--nodetach"], home, codes=codes)


def getmail(home, port, transport, folder, delete=True):
    """Runs getmail once, without the fields that it would add. It knows no STLS and refuses to run as root."""
    kind = "SimplePOP3SSLRetriever" if transport == "POP3S" else "SimplePOP3Retriever"
    config = write(home, "getmailrc",
                   "[retriever]\ntype = %s\nserver = 127.0.0.1\nport = %d\nusername = %s\npassword = %s\ntimeout = 120\n"
                   "[destination]\ntype = Maildir\npath = %s/\n"
                   "[options]\nread_all = %s\ndelete = %s\ndelivered_to = false\nreceived = false\nverbose = 0\n"
                   % (kind, port, USER, PASSWORD, folder, "true" if delete else "false", "true" if delete else "false"))
    # As text: the user that it runs as may not read our tree.
    patiently = os.path.join(os.path.dirname(os.path.abspath(__file__)), "getmail_patiently.py")
    with open(patiently, encoding="utf-8") as file:
        return run(["/usr/bin/python3", "-c", file.read(), "--getmaildir", home, "--rcfile", config], home, unprivileged=True)


# ---- messages as clients leave them

def lf(message):
    return message.replace(b"\r\n", b"\n")


def crlf(copy):
    return copy.replace(b"\n", b"\r\n")


def with_blank_line(message):
    return message if b"\r\n\r\n" in message else message + b"\r\n"


def unfolded(message):
    """Folding and the white space at the folds undone in the header; the body as it is."""
    fields, body = mailstead.header_fields(message)
    return b"".join(b" ".join(line.replace(b":", b": ", 1).split()) + b"\r\n" for _, line in fields) + message[body:]


def name_of(copy):
    fields, _ = mailstead.header_fields(copy)
    return next((line.partition(b":")[2].strip().decode() for name, line in fields if name == b"x-message"), None)


class ClientTest(unittest.TestCase):
    """One server for the class, with two mailboxes that are empty at the start of each test."""

    settings = ""
    marks = 0

    @classmethod
    def setUpClass(cls):
        cls.server = mailstead.Server(cls.settings).start()
        for address in (USER, OTHER):
            cls.server.add_mailbox(address, PASSWORD)
        cls.certificate = os.path.join(cls.server.data, "tls", "certificate.pem")
        with open(cls.certificate) as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        digest = mailstead.hashlib.sha256(der).hexdigest().upper()
        cls.fingerprint = ":".join(digest[i:i + 2] for i in range(0, 64, 2))

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.home = mailstead.work_folder("mailstead-client-")
        self.addCleanup(shutil.rmtree, self.home, True)
        if USER in self.server.passwords:
            self.server.fetch(USER, delete=True)
            self.server.fetch(OTHER, delete=True)

    def port(self, transport):
        return self.server.ports["pop3s" if transport == "POP3S" else "pop3"][1]

    def maildir(self):
        folder = os.path.join(self.home, "Maildir")
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(folder, part))
        return folder

    def copies_in(self, folder):
        copies = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                copies.append(file.read())
        return copies

    def deliver(self, sent):
        """Delivers {name: message} and gives {name: how POP3 hands it out}."""
        for message in sent.values():
            self.server.deliver(message, USER)
        kept = {name_of(copy): copy for _, copy in self.server.fetch(USER)}
        self.assertLessEqual(set(sent), set(kept))
        return kept

    def compare(self, sent, kept, copies, alike=lambda message: message, what=""):
        """Each message of `sent` is among the copies once, and whole.

        What a client changes and cannot be taken back, alike() does to both sides before they are compared. Clients need
        not keep the order, so each message is found by its X-Message field.
        """
        found = {name_of(copy): copy for copy in copies}
        self.assertEqual(set(found), set(sent), what)
        self.assertEqual(len(copies), len(sent), what + ": a message came twice")
        for name in sent:
            with self.subTest(client=what, message=name):
                mailstead.assert_same(alike(kept[name]), alike(found[name]), name)
                mailstead.assert_same(alike(sent[name]), mailstead.sent_part(alike(found[name])), name)

    def mark(self):
        """The place in the log behind everything that has happened: lines come a moment after what they tell."""
        type(self).marks += 1
        name = "mark%d@example.org" % self.marks
        with self.server.smtp() as session:
            session.must("MAIL FROM:<>")
            session.command("RCPT TO:<%s>" % name)
        self.server.wait_line(lambda line: name in line, "the mark")
        return len(self.server.lines)

    def fetched_since(self, mark):
        """How many messages each session of USER has fetched that ended since then. Waits for the first one's end."""
        self.server.wait_line(lambda line: LOGOUT.search(line), "the end of a session", mark)
        self.mark()
        return [int(found[1]) for found in map(LOGOUT.search, self.server.lines[mark:]) if found]

"""Real clients over every transport, byte for byte.

What a client changes on its way is written down at its test; all the rest has to be the same octets.
Sending is judged by a plain POP3 session, fetching by what a plain SMTP session brought in.
"""

import os
import poplib
import shutil
import smtplib
import ssl
import subprocess
import sys
import unittest

import mailstead
import messages

USER = "anna@example.org"
OTHER = "bert@example.org"
PASSWORD = "correct horse"


def run(command, home, stdin=b"", codes=(0,), unprivileged=False):
    """Runs a client with a home folder of its own, so that nobody's settings come in."""
    more = {}
    if unprivileged and os.geteuid() == 0:
        subprocess.run(["chown", "-R", "65534:65534", home], check=True)
        more = {"user": 65534, "group": 65534, "extra_groups": []}
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=mailstead.TIMEOUT, cwd=home,
                          env=dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, FETCHMAILHOME=home, LC_ALL="C.UTF-8"), **more)
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


def lf(message):
    return message.replace(b"\r\n", b"\n")


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mailstead.Server().start()
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

    # Where each transport goes: (service, with authentication)
    TRANSPORTS = {"plain": ("smtp", False), "plain with AUTH": ("submission", True), "STARTTLS": ("smtp", False),
                  "STARTTLS with AUTH": ("submission", True), "TLS": ("submissions", True)}


class Sending(ClientTest):
    """Each client sends all small messages by each transport, and the 25 MB attachment by one of them."""

    def judge(self, send, large="TLS"):
        for transport in self.TRANSPORTS:
            service, auth = self.TRANSPORTS[transport]
            sent = messages.small_messages()
            if transport == large:
                sent["large"] = messages.large_message()
            for name, message in sent.items():
                with self.subTest(transport=transport, message=name):
                    send(self.server.ports[service][1], transport, auth, message)
            found = self.server.fetch(OTHER, delete=True)
            self.assertEqual(len(sent), len(found), "messages by " + transport)
            for (name, message), (_, copy) in zip(sent.items(), found):
                with self.subTest(transport=transport, message=name):
                    trace = mailstead.split_trace(copy)[0]
                    self.assertEqual(trace[b"return-path"].split(), [b"Return-Path:", b"<anna@example.org>"])
                    self.assertEqual(trace[b"delivered-to"].split(), [b"Delivered-To:", OTHER.encode()])
                    mailstead.assert_same(message, mailstead.sent_part(copy), name)

    def test_smtplib(self):
        context = mailstead.no_verify_context()

        def send(port, transport, auth, message):
            kind = smtplib.SMTP_SSL if transport == "TLS" else smtplib.SMTP
            more = {"context": context} if transport == "TLS" else {}
            with kind("127.0.0.1", port, timeout=mailstead.TIMEOUT, **more) as client:
                if transport.startswith("STARTTLS"):
                    client.starttls(context=context)
                if auth:
                    client.login(USER, PASSWORD)
                client.sendmail(USER, [OTHER], message, mail_options=["BODY=8BITMIME"])

        self.judge(send)

    @needs("swaks")
    def test_swaks(self):
        """With --no-data-fixup: swaks sends the octets that it is given."""
        def send(port, transport, auth, message):
            data = write(self.home, "data", mailstead.stuffed(message)[:-2])  # swaks adds the last line end
            command = ["swaks", "--server", "127.0.0.1:%d" % port, "--from", USER, "--to", OTHER, "--helo", "client.example",
                       "--data", "@" + data, "--no-data-fixup", "--silent", "2", "--timeout", "120"]
            if transport.startswith("STARTTLS"):
                command += ["--tls"]
            elif transport == "TLS":
                command += ["--tls-on-connect"]
            if auth:
                command += ["--auth", "LOGIN" if transport == "TLS" else "PLAIN", "--auth-user", USER,
                            "--auth-password", PASSWORD]
            run(command, self.home)

        self.judge(send, large="STARTTLS")

    @needs("swaks")
    def test_swaks_with_an_attachment_that_it_packs_itself(self):
        picture = write(self.home, "garden.png", messages.png(40, 40, 7))
        run(["swaks", "--server", "127.0.0.1:%d" % self.server.ports["smtp"][1], "--from", USER, "--to", OTHER,
             "--header", "Subject: a picture", "--body", "Grüße", "--attach-type", "image/png", "--attach", "@" + picture,
             "--silent", "2"], self.home)
        (_, copy), = self.server.fetch(OTHER, delete=True)
        import email
        parts = [part for part in email.message_from_bytes(copy).walk() if part.get_content_type() == "image/png"]
        self.assertEqual(parts[0].get_payload(decode=True), messages.png(40, 40, 7))

    @needs("msmtp")
    def test_msmtp(self):
        """Reads LF line ends and sends CRLF."""
        def send(port, transport, auth, message):
            lines = ["account default", "host 127.0.0.1", "port %d" % port, "from " + USER, "domain client.example",
                     "set_from_header off", "set_date_header off", "set_msgid_header off", "remove_bcc_headers off",
                     "undisclosed_recipients off", "timeout 120"]
            if transport.startswith("STARTTLS"):
                lines += ["tls on", "tls_starttls on", "tls_fingerprint " + self.fingerprint]
            elif transport == "TLS":
                lines += ["tls on", "tls_starttls off", "tls_fingerprint " + self.fingerprint]
            else:
                lines += ["tls off"]
            if auth:
                lines += ["auth " + ("login" if transport == "TLS" else "plain"), "user " + USER, "password " + PASSWORD]
            config = write(self.home, "msmtprc", "\n".join(lines) + "\n")
            run(["msmtp", "-C", config, OTHER], self.home, lf(message))

        self.judge(send)

    @needs("curl")
    def test_curl(self):
        def send(port, transport, auth, message):
            data = write(self.home, "data", message)
            scheme = "smtps" if transport == "TLS" else "smtp"
            command = ["curl", "-sS", "-k", "%s://127.0.0.1:%d/client.example" % (scheme, port), "--mail-from", USER,
                       "--mail-rcpt", OTHER, "--upload-file", data]
            if transport.startswith("STARTTLS"):
                command += ["--ssl-reqd"]
            if auth:
                command += ["--user", USER + ":" + PASSWORD,
                            "--login-options", "AUTH=LOGIN" if transport == "TLS" else "AUTH=PLAIN"]
            run(command, self.home)

        self.judge(send)


class Fetching(ClientTest):
    """Each client fetches and deletes all messages by each transport."""

    def judge(self, fetch, undo, alike=lambda message: message, transports=("plain", "STLS", "POP3S"), large="POP3S"):
        """`fetch(port, transport)` gives the messages as the client left them; undo(copy) takes back what it did to one.

        What cannot be taken back, alike() does to both sides before they are compared. Clients need not keep the order,
        so each message is found by its X-Message field.
        """
        for transport in transports:
            sent = messages.small_messages()
            if transport == large:
                sent["large"] = messages.large_message()
            for message in sent.values():
                self.server.deliver(message, USER)
            kept = {name_of(copy): copy for _, copy in self.server.fetch(USER)}
            self.assertEqual(set(kept), set(sent))
            service = "pop3s" if transport == "POP3S" else "pop3"
            found = {}
            for copy in fetch(self.server.ports[service][1], transport):
                copy = undo(copy)
                found[name_of(copy)] = copy
            self.assertEqual(set(found), set(sent), "by " + transport)
            for name in sent:
                with self.subTest(transport=transport, message=name):
                    mailstead.assert_same(alike(kept[name]), alike(found[name]), name)
                    mailstead.assert_same(alike(sent[name]), mailstead.sent_part(alike(found[name])), name)
            self.assertEqual(self.server.fetch(USER), [], "deleted by QUIT")

    def test_poplib(self):
        context = mailstead.no_verify_context()

        def fetch(port, transport):
            if transport == "POP3S":
                client = poplib.POP3_SSL("127.0.0.1", port, timeout=mailstead.TIMEOUT, context=context)
            else:
                client = poplib.POP3("127.0.0.1", port, timeout=mailstead.TIMEOUT)
            if transport == "STLS":
                client.stls(context)
            client.user(USER)
            client.pass_(PASSWORD)
            count, octets = client.stat()
            self.assertEqual(len(client.uidl()[1]), count)
            copies = []
            for line in client.list()[1]:
                number, size = (int(part) for part in line.split())
                copy = b"".join(line + b"\r\n" for line in client.retr(number)[1])
                self.assertEqual(len(copy), size)
                client.dele(number)
                copies.append(copy)
            self.assertEqual(sum(map(len, copies)), octets)
            client.quit()
            return copies

        self.judge(fetch, lambda copy: copy)

    @needs("curl")
    def test_curl(self):
        """Writes what the server sent, octet for octet. One process fetches, one each deletes. Logs in by AUTH."""
        def fetch(port, transport):
            scheme = "pop3s" if transport == "POP3S" else "pop3"
            base = ["curl", "-sS", "-k", "--user", USER + ":" + PASSWORD] + (["--ssl-reqd"] if transport == "STLS" else [])
            if transport != "plain":
                base += ["--login-options", "AUTH=PLAIN" if transport == "STLS" else "AUTH=LOGIN"]
            url = "%s://127.0.0.1:%d/" % (scheme, port)
            numbers = [int(line.split()[0]) for line in run(base + [url], self.home).stdout.split(b"\r\n") if line]
            copies, command = [], list(base)
            for number in numbers:
                command += [url + str(number), "-o", os.path.join(self.home, "%d" % number)]
            run(command, self.home)
            for number in numbers:
                with open(os.path.join(self.home, "%d" % number), "rb") as file:
                    copies.append(file.read())
            for _ in numbers:  # the first one each time: numbers are made anew in each session
                run(base + [url + "1", "--request", "DELE", "--head"], self.home)
            return copies

        self.judge(fetch, lambda copy: copy)

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

    @needs("mpop")
    def test_mpop(self):
        """Writes LF line ends; its own Received field is switched off. Logs in by USER, AUTH PLAIN and AUTH LOGIN."""
        def fetch(port, transport):
            folder = self.maildir()
            lines = ["account default", "host 127.0.0.1", "port %d" % port, "user " + USER, "password " + PASSWORD,
                     "auth " + {"plain": "user", "STLS": "plain", "POP3S": "login"}[transport], "delivery maildir " + folder, "received_header off", "keep off", "timeout 120",
                     "uidls_file " + os.path.join(self.home, "uidls")]
            if transport == "plain":
                lines += ["tls off"]
            else:
                lines += ["tls on", "tls_starttls " + ("on" if transport == "STLS" else "off"),
                          "tls_fingerprint " + self.fingerprint]
            run(["mpop", "-Q", "-C", write(self.home, "mpoprc", "\n".join(lines) + "\n")], self.home)
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, lambda copy: copy.replace(b"\n", b"\r\n"))

    @needs("fetchmail")
    def test_fetchmail(self):
        """Writes LF line ends to its delivery command, and a blank line after headers that have none.

        `invisible` keeps its own Received field away.
        """
        def fetch(port, transport):
            folder = self.maildir()
            tls = {"plain": "sslproto ''", "STLS": "sslproto 'TLS1.2+' no sslcertck", "POP3S": "ssl no sslcertck"}[transport]
            mda = write(self.home, "mda", "#!/bin/sh\nexec cat > $(mktemp %s/new/XXXXXXXX)\n" % folder)
            config = write(self.home, "fetchmailrc",
                           "set no syslog\nset invisible\npoll 127.0.0.1 protocol pop3 service %d timeout 120\n"
                           "  username '%s' password '%s' %s\n  no keep no rewrite fetchall pass8bits mda \"/bin/sh %s\"\n"
                           % (port, USER, PASSWORD, tls, mda))
            run(["fetchmail", "-f", config, "--pidfile", os.path.join(self.home, "pid"), "-i",
                 os.path.join(self.home, "ids"), "--nodetach"], self.home)
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, lambda copy: copy.replace(b"\n", b"\r\n"), with_blank_line)

    @needs("getmail")
    def test_getmail(self):
        """Writes LF line ends, a blank line after headers that have none, and folds long fields anew.

        Its own Received and Delivered-To fields are switched off. Knows no STLS. Refuses to run as root.
        """
        def fetch(port, transport):
            folder = self.maildir()
            kind = "SimplePOP3SSLRetriever" if transport == "POP3S" else "SimplePOP3Retriever"
            config = write(self.home, "getmailrc",
                           "[retriever]\ntype = %s\nserver = 127.0.0.1\nport = %d\nusername = %s\npassword = %s\ntimeout = 120\n"
                           "[destination]\ntype = Maildir\npath = %s/\n"
                           "[options]\nread_all = true\ndelete = true\ndelivered_to = false\nreceived = false\nverbose = 0\n"
                           % (kind, port, USER, PASSWORD, folder))
            run(["getmail", "--getmaildir", self.home, "--rcfile", config], self.home,
                unprivileged=True)
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, lambda copy: copy.replace(b"\n", b"\r\n"), lambda message: unfolded(with_blank_line(message)),
                   transports=("plain", "POP3S"))


def with_blank_line(message):
    return message if b"\r\n\r\n" in message else message + b"\r\n"


def unfolded(message):
    """Folding and the white space at the folds undone in the header; the body as it is."""
    fields, body = mailstead.header_fields(message)
    return b"".join(b" ".join(line.replace(b":", b": ", 1).split()) + b"\r\n" for _, line in fields) + message[body:]


def name_of(copy):
    fields, _ = mailstead.header_fields(copy)
    return next((line.partition(b":")[2].strip().decode() for name, line in fields if name == b"x-message"), None)


if __name__ == "__main__":
    mailstead.main()

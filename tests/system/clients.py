"""Real clients over every transport, byte for byte.

What a client changes on its way is written down at its test; all the rest has to be the same octets.
Sending is judged by a plain POP3 session, fetching by what a plain SMTP session brought in.
"""

import os
import poplib
import smtplib

import client_tools
import mailstead
import messages
from client_tools import OTHER, PASSWORD, USER, ClientTest, crlf, lf, needs, run, unfolded, with_blank_line, write


class Sending(ClientTest):
    """Each client sends all small messages by each transport, and the 25 MB attachment by one of them."""

    # Where each transport goes: (service, with authentication)
    TRANSPORTS = {"plain": ("smtp", False), "plain with AUTH": ("submission", True), "STARTTLS": ("smtp", False),
                  "STARTTLS with AUTH": ("submission", True), "TLS": ("submissions", True)}

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

        What cannot be taken back, alike() does to both sides.
        """
        for transport in transports:
            sent = messages.small_messages()
            if transport == large:
                sent["large"] = messages.large_message()
            kept = self.deliver(sent)
            copies = [undo(copy) for copy in fetch(self.port(transport), transport)]
            self.compare(sent, kept, copies, alike, "by " + transport)
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

    @needs("mpop")
    def test_mpop(self):
        """Writes LF line ends. Logs in by USER, AUTH PLAIN and AUTH LOGIN."""
        def fetch(port, transport):
            folder = self.maildir()
            client_tools.mpop(self.home, port, transport, self.fingerprint, folder,
                              auth={"plain": "user", "STLS": "plain", "POP3S": "login"}[transport])
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, crlf)

    @needs("fetchmail")
    def test_fetchmail(self):
        """Writes LF line ends to its delivery command, and a blank line after headers that have none."""
        def fetch(port, transport):
            folder = self.maildir()
            client_tools.fetchmail(self.home, port, transport, folder)
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, crlf, with_blank_line)

    @needs("getmail")
    def test_getmail(self):
        """Writes LF line ends, a blank line after headers that have none, and folds long fields anew."""
        def fetch(port, transport):
            folder = self.maildir()
            client_tools.getmail(self.home, port, transport, folder)
            return self.copies_in(os.path.join(folder, "new"))

        self.judge(fetch, crlf, lambda message: unfolded(with_blank_line(message)), transports=("plain", "POP3S"))


if __name__ == "__main__":
    mailstead.main()

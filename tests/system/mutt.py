"""mutt, driven through a terminal: what <fetch-mail> brings and leaves, and reading a mailbox where it is."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import mailstead
import messages
from client_tools import PASSWORD, USER, ClientTest, crlf, environment, name_of, needs, with_blank_line, write

TLS = {"STLS": "set ssl_starttls=yes\nset ssl_force_tls=yes\n", "POP3S": "",
       "plain": "set ssl_starttls=no\nset ssl_force_tls=no\n"}


class Mutt(ClientTest):
    def url(self, transport):
        return "%s://127.0.0.1:%d" % ("pops" if transport == "POP3S" else "pop", self.port(transport))

    def mutt(self, transport, keys, settings="", arguments=(), password=PASSWORD):
        """Starts mutt, lets it work the keys off, the last of which are to end it, and gives what stood on the screen.

        The server's certificate is known by `certificate_file`; the name in it is not that of 127.0.0.1.
        """
        config = write(self.home, "muttrc",
                       'set pop_host="%s"\nset pop_user="%s"\nset pop_pass="%s"\nset pop_checkinterval=3600\n'
                       'set certificate_file="%s"\nunset ssl_verify_host\nset spoolfile="%s"\nset mbox_type=Maildir\n'
                       'set folder="%s"\nset quit=yes\nunset move\nunset mark_old\nset sleep_time=0\n%s%s\n'
                       % (self.url(transport), USER, password, self.certificate, os.path.join(self.home, "Maildir"), self.home,
                          TLS[transport], settings))
        command = ["mutt", "-n", "-F", config, *arguments, "-e", "push '%s'" % keys]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.home, start_new_session=True,
                                   env=dict(environment(self.home), TERM="xterm", MAIL=os.path.join(self.home, "Maildir")))
        os.close(theirs)
        try:
            return self.screen(process, ours)
        finally:
            os.close(ours)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()

    def screen(self, process, terminal):
        shown, end = b"", time.monotonic() + mailstead.TIMEOUT
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError("mutt does not end; its screen:\n" + plain(shown)[-3000:])
            if select.select([terminal], [], [], left)[0]:
                try:
                    piece = os.read(terminal, 1 << 16)
                except OSError:  # EIO: nobody has the terminal open any more
                    piece = b""
                if not piece:
                    break
                shown += piece
        try:
            code = process.wait(max(1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise AssertionError("mutt ended with %s; its screen:\n%s" % (code, plain(shown)[-3000:]))
        return plain(shown)

    def fetched(self):
        found = [crlf(copy) for part in ("new", "cur") for copy in self.copies_in(os.path.join(self.home, "Maildir", part))]
        return [without(copy, (b"status", b"content-length", b"lines")) for copy in found]


@needs("mutt")
class Fetching(Mutt):
    """<fetch-mail>. It keeps no account of what it has fetched: what is left on the server comes again."""

    def test_what_is_fetched_is_deleted(self):
        for transport in ("plain", "STLS", "POP3S"):
            sent = messages.small_messages()
            if transport == "POP3S":
                sent["large"] = messages.large_message()
            kept = self.deliver(sent)
            self.maildir()
            mark = self.mark()
            shown = self.mutt(transport, "<fetch-mail><quit>", "set pop_delete=yes")
            self.assertEqual(self.fetched_since(mark), [len(sent)], shown)
            self.compare(sent, kept, self.fetched(), with_blank_line, "mutt by " + transport)
            self.assertEqual(self.server.fetch(USER), [])

    def test_what_is_fetched_is_left(self):
        for transport in ("STLS", "POP3S"):
            sent = messages.small_messages()
            kept = self.deliver(sent)
            before = self.server.fetch(USER)
            self.maildir()
            self.mutt(transport, "<fetch-mail><quit>", "set pop_delete=no")
            self.compare(sent, kept, self.fetched(), with_blank_line, "mutt by " + transport)
            self.assertEqual(self.server.fetch(USER), before)
            self.server.fetch(USER, delete=True)

    def test_the_question_whether_to_delete(self):
        """It asks when the mail is there already: the session waits for the answer."""
        self.deliver(messages.small_messages())
        before = self.server.fetch(USER)
        self.maildir()
        self.mutt("POP3S", "<fetch-mail>n<quit>", "set pop_delete=ask-yes")
        self.assertEqual(self.server.fetch(USER), before)
        self.maildir()
        self.mutt("POP3S", "<fetch-mail>y<quit>", "set pop_delete=ask-no")
        self.assertEqual(self.server.fetch(USER), [])

    def test_a_wrong_password(self):
        self.server.deliver(messages.small_messages()["plain"], USER)
        self.maildir()
        mark = self.mark()
        self.mutt("POP3S", "<fetch-mail><quit>", "set pop_delete=yes", password="wrong")
        self.server.wait_line(lambda line: " login-failed user=" + USER in line, "the refusal", mark)
        self.assertEqual(self.fetched(), [])
        self.assertEqual(len(self.server.fetch(USER)), 1)


@needs("mutt")
class Reading(Mutt):
    """A mailbox opened where it is, with the caches that know messages by their UIDLs."""

    def setUp(self):
        super().setUp()
        self.caches = 'set header_cache="%s"\nset message_cachedir="%s"\nset message_cache_clean=yes\n' % (
            os.path.join(self.home, "headers"), os.path.join(self.home, "bodies"))
        for name in ("headers", "bodies"):
            os.mkdir(os.path.join(self.home, name))

    def test_each_message_is_fetched_once(self):
        sent = messages.small_messages()
        for transport in ("STLS", "POP3S"):
            self.deliver(sent)
            before = self.server.fetch(USER)
            # The caches are by host and user; each transport has its own.
            for name, fetched in (("one", len(sent)), ("two", 0)):
                folder = os.path.join(self.home, name)
                mark = self.mark()
                self.open(transport, "<tag-pattern>~A<enter><tag-prefix><copy-message>%s<enter><exit>" % folder)
                self.assertEqual(self.fetched_since(mark), [fetched])
                copies = [crlf(copy) for part in ("new", "cur") for copy in self.copies_in(os.path.join(folder, part))]
                self.assertEqual(sorted(map(name_of, copies)), sorted(sent))
                shutil.rmtree(folder)
            self.assertEqual(self.server.fetch(USER), before)
            self.server.fetch(USER, delete=True)

    def test_deleting_one(self):
        self.deliver(messages.small_messages())
        before = self.server.fetch(USER)
        self.open("POP3S", "<first-entry><next-entry><delete-message><quit>")
        self.assertEqual(self.server.fetch(USER), before[:1] + before[2:])
        self.open("STLS", "<first-entry><delete-message><exit>")  # leaves without the change
        self.assertEqual(self.server.fetch(USER), before[:1] + before[2:])

    def open(self, transport, keys):
        settings = "set delete=yes\nset sort=mailbox-order\nset confirmappend=no\nset confirmcreate=no\n"
        return self.mutt(transport, keys, self.caches + settings, ["-f", self.url(transport) + "/"])


def plain(shown):
    """What a terminal was sent, without its control sequences."""
    text = re.sub(rb"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78]|\][^\x07]*\x07)", b" ", shown)
    return text.decode("utf-8", "replace").replace("\r", "\n")


def without(message, names):
    """The message without these fields."""
    fields, body = mailstead.header_fields(message)
    return b"".join(line for name, line in fields if name not in names) + message[body:]


if __name__ == "__main__":
    mailstead.main()

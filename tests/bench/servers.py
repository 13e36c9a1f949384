"""The two servers, set up alike: cheap passwords, and a log at its default level that goes into a file."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import sites  # noqa: E402
import mailstead  # noqa: E402

USERS = 2000  # of Dovecot, at most


class Server(mailstead.Server):
    """The harness reads every line of the log as it comes, which costs more than a session. Here nobody does."""

    def start(self, wait=True, before=None):
        path = os.path.join(self.folder, "log")
        self.lines, self.ports, self.news = [], {}, threading.Condition()
        with open(path, "wb") as log:
            self.process = subprocess.Popen(self.command("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=log, env=self.environment)

        def ready():
            with open(path, "rb") as file:
                if b"ready\n" in file.read():
                    return True
            if self.process.poll() is not None:
                raise AssertionError("the server ended; its log is %s" % path)
            return False

        mailstead.until(ready, "the server is ready")
        self.reader = threading.Thread(target=self._read, args=(open(path, "rb"), self.lines, self.ports))
        self.reader.start()
        self.reader.join()
        return self


class Mailstead(sites.Mailstead):
    def __init__(self, settings=""):
        super().__init__(settings, make=Server)

    def file_name(self, mailbox, number, _size):
        """A name of its own form, so that it takes the file as it is."""
        return "%d.%s.bench" % (1_700_000_000 + number, message_id(mailbox * 1_000_000 + number))


class Dovecot(sites.Dovecot):
    def __init__(self):
        super().__init__(fast=True, most_users=USERS)

    def file_name(self, _mailbox, number, size):
        """As its own delivery names files, with the sizes that it need not look for then.

        Its hash of names is a poor one: with microseconds that follow a pattern it needs ten times as long.
        """
        return "%d.M%06dP%d.bench,S=%d,W=%d" % (1_700_000_000 + number, zlib.crc32(b"%d" % number) % 1_000_000,
                                                1000 + number % 29_000, size, size)


def message_id(number):
    digits = ""
    for _ in range(15):
        digits = "0123456789abcdefghijklmnopqrstuv"[number & 31] + digits
        number >>= 5
    return digits


@contextlib.contextmanager
def data_on(where, gib=4):
    """Data folders are made there meanwhile: "image", a new ext4 with a journal (needs root) of that size, or a folder."""
    if where != "image":
        with below(where):
            yield
        return
    folder = tempfile.mkdtemp(prefix="mailstead-image-")
    image, mounted = folder + "/image", folder + "/data"
    try:
        with open(image, "wb") as file:
            file.truncate(gib << 30)
        # All of its tables at once, or the kernel writes them while we measure; inodes for many small files.
        subprocess.run(["mkfs.ext4", "-q", "-F", "-i", "8192", "-E", "lazy_itable_init=0,lazy_journal_init=0", image],
                       check=True)
        os.mkdir(mounted)
        os.chmod(folder, 0o755)  # the peer's mailboxes are another user's
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        try:
            os.chmod(mounted, 0o755)
            with below(mounted):
                yield
        finally:
            # A peer's processes may still be ending.
            mailstead.until(lambda: subprocess.run(["umount", mounted], stderr=subprocess.DEVNULL).returncode == 0,
                            "%s is unmounted" % mounted, timeout=30)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def below(folder):
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before

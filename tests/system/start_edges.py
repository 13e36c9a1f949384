"""What stands in the way of a start: one clear line on stderr, exit 1, and nothing changed."""

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import unittest

import mailstead
import messages

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"
NOBODY = 65534


def database_dump(data):
    """The database's content; its files may be tidied up by an open that changes nothing."""
    path = os.path.join(data, "mailstead.db")
    if not os.path.exists(path):
        return None
    copy = mailstead.work_folder()
    try:
        for end in ("", "-wal"):
            if os.path.exists(path + end):
                shutil.copy(path + end, copy)
        connection = sqlite3.connect(os.path.join(copy, "mailstead.db"))
        try:
            return list(connection.iterdump())
        finally:
            connection.close()
    finally:
        shutil.rmtree(copy)


class RefusedStart(unittest.TestCase):
    """Compares the data folder, and everything beside it, before and after."""

    def setUp(self):
        self.server = mailstead.Server()
        self.addCleanup(self.server.close)

    def lived_in(self):
        """Makes the data folder a used one: a mailbox, a message, a certificate."""
        self.server.start()
        self.server.add_mailbox(USER)
        self.server.deliver(PLAIN, USER)
        self.server.stop()

    def refused(self, *words, code=1, command=None, user=None, database="same", environment=None, arguments=("serve",)):
        """Runs `serve`; it has to refuse with one line that holds each of `words`."""
        def state():
            entries = {name: entry for name, entry in mailstead.tree(self.server.folder).items()
                       if os.path.basename(name) not in ("mailstead.db-wal", "mailstead.db-shm")}
            if database == "same logically":
                entries = {name: entry for name, entry in entries.items() if os.path.basename(name) != "mailstead.db"}
                return entries, database_dump(self.server.data)
            return entries, None

        before = state()
        more = {"user": user, "group": user, "extra_groups": []} if user else {}
        done = subprocess.run(command or self.server.command(*arguments), capture_output=True, timeout=mailstead.TIMEOUT,
                              encoding="utf-8", errors="surrogateescape", stdin=subprocess.DEVNULL,
                              env=dict(self.server.environment, **(environment or {})), **more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertLess(len(lines[0]), 500)
        self.assertRegex(lines[0], r"\A[\x20-\x7e]+\Z")
        self.assertEqual(state(), before, "something was changed")
        return lines[0]


class Configuration(RefusedStart):
    # (TOML, the line that is wrong, words that have to be in the message)
    BAD = {
        "syntax": ('hostname = "a.example\n', 1, ()),
        "not closed table": ("[limits\n", 1, ()),
        "unknown key": ("hostnam = 'x'\n", 1, ("hostnam",)),
        "unknown key in a table": ("[limits]\n\nmesage_size = '1 MiB'\n", 3, ("mesage_size",)),
        "unknown table": ("[smpt]\nx = 1\n", 1, ("smpt",)),
        "table instead of a value": ("[hostname]\na = 1\n", 1, ("hostname",)),
        "value instead of a table": ("log = 'debug'\n", 1, ("log",)),
        "wrong type": ("[limits]\nrecipients = 'many'\n", 2, ("recipients",)),
        "float": ("[limits]\nrecipients = 100.5\n", 2, ("recipients",)),
        "key twice": ("hostname = 'a.example'\nhostname = 'b.example'\n", 2, ("hostname",)),
        "negative": ("[limits]\nconnections = -1\n", 2, ("connections",)),
        "zero": ("[limits]\nconnections = 0\n", 2, ("connections",)),
        "too large": ("[limits]\nconnections = 99999999999\n", 2, ("connections",)),
        "bad size": ("[limits]\nmessage_size = '12 bananas'\n", 2, ("message_size",)),
        "size that overflows": ("[limits]\nmessage_size = '99999999999999999999 GiB'\n", 2, ("message_size",)),
        "bad duration": ("[pop3]\nidle_timeout = 'soon'\n", 2, ("idle_timeout",)),
        "too short": ("[pop3]\nidle_timeout = '1 min'\n", 2, ("idle_timeout",)),
        "bad level": ("[log]\nlevel = 'loud'\n", 2, ("level", "debug")),
        "bad format": ("[log]\nformat = 'xml'\n", 2, ("format", "json")),
        "bad plaintext": ("[auth]\nplaintext = 'yes'\n", 2, ("plaintext", "loopback")),
        "bad hostname": ("hostname = 'not a host'\n", 1, ("hostname",)),
        "listen: no port": ("[listen]\nsmtp = ['127.0.0.1']\n", 2, ("smtp",)),
        "listen: port too large": ("[listen]\nsmtp = ['127.0.0.1:65536']\n", 2, ("smtp",)),
        "listen: no address": ("[listen]\nsmtp = ['localhost.example:25']\n", 2, ("smtp",)),
        "listen: IPv6 without brackets": ("[listen]\nsmtp = ['::1:25']\n", 2, ("smtp",)),
        "listen: no list": ("[listen]\nsmtp = 25\n", 2, ("smtp",)),
        "listen: list of numbers": ("[listen]\nsmtp = [25]\n", 2, ("smtp",)),
        "certificate without key": ("[tls]\ncertificate = '/x.pem'\n", None, ("key",)),
        "no UTF-8": (b"hostname = '\xff\xfe'\n", 1, ()),
        "NUL": (b"hostname = 'a\0b'\n", 1, ()),
        "control characters in a key": ('"a\\u001b[31m\\nb" = 1\n', 1, ()),
    }

    def test_each_kind_on_a_new_folder_and_on_a_used_one(self):
        for used in (False, True):
            if used:
                self.server.configure()
                self.lived_in()
            for name, (toml, line, words) in self.BAD.items():
                with self.subTest(name, used=used):
                    with open(self.server.config, "wb") as file:
                        file.write(mailstead.as_bytes(toml))
                    where = self.server.config + (":%d:" % line if line else "")
                    self.refused(where, *words)
                    self.assertEqual(os.path.exists(self.server.data), used)
            # `config check` says the same.
            done = self.server.admin("config", "check", code=1)
            self.assertIn(self.server.config, done.stderr + done.stdout)

    def test_the_file_in_the_data_folder(self):
        self.lived_in()
        path = os.path.join(self.server.data, "mailstead.toml")
        with open(path, "w") as file:
            file.write("[log]\nlevle = 'debug'\n")
        self.refused(path + ":2:", "levle", command=[mailstead.BINARY, "--data", self.server.data, "serve"])

    def test_file_that_cannot_be_read(self):
        os.unlink(self.server.config)
        self.refused(self.server.config)
        os.mkdir(self.server.config)
        self.refused(self.server.config)

    def test_certificates(self):
        folder = self.server.folder
        garbage, empty, missing = (os.path.join(folder, name) for name in ("garbage.pem", "empty.pem", "missing.pem"))
        with open(garbage, "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
        open(empty, "w").close()
        self.lived_in()
        good = os.path.join(folder, "good.pem")
        shutil.copy(os.path.join(self.server.data, "tls", "certificate.pem"), good)
        for certificate, key, blamed in ((garbage, garbage, garbage), (empty, empty, empty), (missing, missing, missing),
                                         (good, missing, missing), (good, good, good), (good, garbage, garbage)):
            with self.subTest(certificate=certificate, key=key):
                self.server.configure('[tls]\ncertificate = "%s"\nkey = "%s"' % (certificate, key))
                self.refused(blamed)

    def test_wrong_usage(self):
        for arguments in ((), ("nonsense",), ("serve", "--nonsense"), ("mailbox",), ("mailbox", "frobnicate"),
                          ("serve", "extra")):
            with self.subTest(arguments):
                before = mailstead.tree(self.server.folder)
                done = subprocess.run(self.server.command(*arguments), capture_output=True, timeout=mailstead.TIMEOUT,
                                      stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)
                self.assertEqual(mailstead.tree(self.server.folder), before)


class Place(RefusedStart):
    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for service in mailstead.SERVICES:
                self.server.configure(listen={service: [address]})
                self.refused(address, service)
                self.assertFalse(os.path.exists(self.server.data))
            self.server.configure()
            self.lived_in()
            self.server.configure(listen={"pop3s": [address]})
            self.refused(address)

    def test_address_of_another_machine(self):
        self.server.configure(listen={"smtp": ["192.0.2.1:0"]})
        self.refused("192.0.2.1")

    def test_two_servers_on_one_folder(self):
        self.lived_in()
        self.server.start()
        before = self.server.fetch(USER)
        self.refused(self.server.data, str(self.server.pid), database="same logically")
        self.server.deliver(PLAIN, USER)
        self.server.wait_filed()  # or it would be what changes there
        self.assertEqual(self.server.fetch(USER)[:1], before)
        # By another name for the same folder, too.
        link = os.path.join(self.server.folder, "link")
        os.symlink(self.server.data, link)
        self.refused(str(self.server.pid), database="same logically",
                     command=[mailstead.BINARY, "--data", link, "--config", self.server.config, "serve"])

    def test_frozen_server_keeps_its_folder(self):
        self.lived_in()
        self.server.start()
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            self.refused(self.server.data, database="same logically")
            done = self.server.admin("mailbox", "list", code=1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def test_data_is_a_file(self):
        with open(self.server.data, "w") as file:
            file.write("precious")
        self.refused(self.server.data)

    def test_parent_is_missing(self):
        self.server.data = os.path.join(self.server.folder, "no", "such", "data")
        self.refused(self.server.data)

    def test_dangling_link(self):
        os.symlink(os.path.join(self.server.folder, "nowhere"), self.server.data)
        self.refused(self.server.data)

    def test_somebody_elses_folder_is_not_taken_over(self):
        """A folder that holds other things than a server's data."""
        os.mkdir(self.server.data, 0o700)
        os.mkdir(os.path.join(self.server.data, "photographs"))
        with open(os.path.join(self.server.data, "mailstead.db"), "w") as file:
            file.write("this is no database, it is a diary\n" * 100)
        before = mailstead.tree(os.path.join(self.server.data, "photographs"))
        done = subprocess.Popen(self.server.command("serve"), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        line = done.stderr.readline().decode()
        done.send_signal(signal.SIGTERM)
        done.communicate(timeout=mailstead.TIMEOUT)
        self.assertTrue(line)
        self.assertEqual(mailstead.tree(os.path.join(self.server.data, "photographs")), before)
        # Whatever it did with a database that is none: the octets are not lost.
        held = [entry[3] for entry in mailstead.tree(self.server.data).values()]
        diary = mailstead.hashlib.sha256(b"this is no database, it is a diary\n" * 100).hexdigest()
        self.assertIn(diary, held)


class BusyFolder(unittest.TestCase):
    """A command has the data folder, as a backup that found no server does for a moment."""

    def setUp(self):
        self.server = mailstead.Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.server.stop()
        self.lock = open(os.path.join(self.server.data, "lock"), "r+")
        self.addCleanup(self.lock.close)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_start_waits_for_it(self):
        self.server.start(wait=False)
        self.assertTrue(self.server.wait_line(lambda line: " waiting " in line and self.server.data in line, "it waits"))
        self.lock.close()
        self.assertTrue(self.server.wait_line(lambda line: line.endswith("ready"), "it is ready"))

    def test_a_signal_ends_the_wait(self):
        self.server.start(wait=False)
        self.assertTrue(self.server.wait_line(lambda line: " waiting " in line, "it waits"))
        self.server.process.send_signal(signal.SIGHUP)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertTrue(self.server.wait_line(lambda line: line.endswith("stopped"), "it stops"))
        self.assertEqual(self.server.wait(), 0)
        self.assertNotIn(" error ", self.server.log())

    def test_it_does_not_wait_for_ever(self):
        done = subprocess.run(self.server.command("serve"), capture_output=True, timeout=mailstead.TIMEOUT, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use by", done.stderr.splitlines()[-1])


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class NoRights(RefusedStart):
    def setUp(self):
        super().setUp()
        os.chmod(self.server.folder, 0o755)
        os.chmod(self.server.config, 0o644)
        # Somebody else can hardly be let into the build's folder.
        self.binary = os.path.join(self.server.folder, "mailstead")
        shutil.copy(mailstead.BINARY, self.binary)
        os.chmod(self.binary, 0o755)

    def command(self, *arguments):
        return [self.binary, "--data", self.server.data, "--config", self.server.config, *arguments]

    def test_root_s_folder(self):
        self.lived_in()
        self.refused(self.server.data, user=NOBODY, command=self.command("serve"))

    def test_folder_cannot_be_made(self):
        self.refused(self.server.data, user=NOBODY, command=self.command("serve"))
        self.assertFalse(os.path.exists(self.server.data))

    def test_folder_that_can_be_read_only(self):
        self.lived_in()
        subprocess.run(["chown", "-R", "%d:%d" % (NOBODY, NOBODY), self.server.data], check=True)
        subprocess.run(["chmod", "-R", "u-w", self.server.data], check=True)
        self.refused(self.server.data, user=NOBODY, command=self.command("serve"))

    def test_configuration_that_cannot_be_read(self):
        os.chmod(self.server.config, 0o600)
        self.refused(self.server.config, user=NOBODY, command=self.command("serve"))

    def test_admin_of_somebody_elses_folder(self):
        self.lived_in()
        for running in (False, True):
            if running:
                self.server.start()
            self.refused(self.server.data, user=NOBODY, command=self.command("mailbox", "list"), database="same logically")

    def test_root_serves_for_the_folder_s_owner(self):
        """Started by root over somebody's folder, the server is that somebody before it serves."""
        os.mkdir(self.server.data, 0o700)
        os.chown(self.server.data, NOBODY, NOBODY)
        self.server.start()
        self.server.add_mailbox(USER)
        self.server.deliver(PLAIN, USER)
        with open("/proc/%d/status" % self.server.pid) as file:
            facts = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(facts["Uid"].split(), [str(NOBODY)] * 4)
        self.assertEqual(facts["Gid"].split(), [str(NOBODY)] * 4)
        self.assertEqual(facts["NoNewPrivs"], "1")
        for name, (_, _, owner, _) in mailstead.tree(self.server.data, contents=False).items():
            self.assertEqual(owner, NOBODY, name)
        self.server.stop()
        # The administrator's root leaves nothing behind that the server cannot read.
        self.server.add_mailbox("bert@example.org")
        for name, (_, _, owner, _) in mailstead.tree(self.server.data, contents=False).items():
            self.assertEqual(owner, NOBODY, name)
        self.server.start()
        self.server.deliver(PLAIN, "bert@example.org")


if __name__ == "__main__":
    mailstead.main()

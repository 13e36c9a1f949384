"""Backups of a server at work, broken off at any moment, and servers that live again from them."""

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

import mailstead
from mailstead import until

ANNA, BERT = "anna@example.org", "bert@example.org"
NOBODY = 65534
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
KILLS = 8
SETTINGS = """hostname = "mail.example.org"
[resolver]
servers = ["127.0.0.1:9"]
"""


def text_of(number, more=b""):
    return b"Subject: %d\r\nMessage-ID: <%d@old.example>\r\n\r\n.body of %d\r\n%s" % (number, number, number, more)


def large(number):
    return text_of(number, b"".join(b"line %d of %d\r\n" % (i, number) for i in range(30000)))


class Load:
    """Deliveries to a mailbox, and a mail program that deletes what it has read; nothing stops them but stop()."""

    def __init__(self, server):
        self.server = server
        self.ended = threading.Event()
        self.longest, self.delivered, self.read, self.failure = 0.0, 0, 0, None
        self.threads = [threading.Thread(target=self.guard, args=(work,), daemon=True) for work in (self.deliver, self.fetch)]

    def guard(self, work):
        try:
            work()
        except Exception as error:  # the test's end tells it
            self.failure = error

    def deliver(self):
        with self.server.smtp() as session:
            while not self.ended.is_set():
                began = time.monotonic()
                session.send(text_of(self.delivered, b"x" * (self.delivered % 7 * 100) + b"\r\n"), "s@elsewhere.example", [BERT])
                self.longest = max(self.longest, time.monotonic() - began)
                self.delivered += 1

    def fetch(self):
        while not self.ended.is_set():
            with self.server.pop3(BERT) as session:
                for number, _ in session.uidl()[:20]:
                    session.retr(number)
                    session.must("DELE %d" % number)
                    self.read += 1
                session.quit()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(mailstead.TIMEOUT)
        if kind is None and self.failure:
            raise self.failure
        print("%d delivered, the slowest in %.3f s; %d read and deleted" % (self.delivered, self.longest, self.read), file=sys.stderr)


class Backups(mailstead.ServerTest):
    settings = SETTINGS
    mailboxes = ()

    def setUp(self):
        super().setUp()
        for address in (ANNA, BERT):
            self.server.add_cheap_mailbox(address)
        self.to = os.path.join(self.server.folder, "backup")

    def fill(self, count=40):
        for number in range(count):
            self.server.deliver(large(number) if number == 3 else text_of(number), ANNA)
        self.server.wait_filed()  # until then mail is in the database, and new again when it has its file
        return self.server.fetch(ANNA)

    def submit(self, subject, user=ANNA, more=b""):
        with self.server.smtp("submission", user) as session:
            return session.send(b"From: <%s>\r\nSubject: %s\r\n\r\nbody\r\n%s" % (user.encode(), subject.encode(), more), user, ["carl@far.example"])

    def back_up(self, *arguments, server=None):
        done = (server or self.server).json("backup", self.to, *arguments)
        self.assertEqual(done["troubles"], [])
        return done

    def start_backup(self, *arguments):
        return subprocess.Popen(self.server.command("backup", self.to, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=self.server.environment)

    def restored(self, *arguments, code=0):
        """A server over a folder that was restored, running."""
        server = self.new_server(SETTINGS)
        done = json.loads(server.admin("--json", "restore", self.to, *arguments, code=code).stdout)
        server.passwords = dict(self.server.passwords)
        return server.start(), done

    def is_copied(self):
        """From then on a backup without a server does not hold the data folder."""
        if not any(name.endswith(".unfinished") for name in os.listdir(self.to)) and len(self.generations()) < 2:
            return False
        with open(os.path.join(self.server.data, "lock")) as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def generations(self):
        with contextlib.suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self.to) if name.startswith("20") and name.endswith("Z"))
        return []


class Backup(Backups):
    def test_everything_comes_back(self):
        mail = self.fill()
        with self.server.pop3(ANNA) as session:
            session.must("DELE 2")
            session.quit()
        mail.pop(1)
        phone = self.server.json("app-password", "add", ANNA, "phone", "--apop")["password"]
        self.server.admin("alias", "add", "info@example.org", ANNA)
        self.server.admin("mailbox", "quota", BERT, "5 MiB")
        small, big = self.submit("small"), self.submit("big", more=b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n" * 200000)
        keys = self.server.admin("dkim", "show", "example.org").stdout
        until(lambda: len(self.server.json("queue", "list")) == 2, "both wait")
        self.assertIsNone(self.server.json("status")["last_backup_at"])
        done = self.back_up("--test")
        self.assertEqual((done["mailboxes"], done["messages"], done["queued"]), (2, 39, 2))
        self.assertEqual((done["test"]["messages"], done["test"]["queued"], done["test"]["troubles"]), (39, 2, []))
        self.assertEqual(self.server.json("status")["last_backup_at"], done["at"])
        self.assertEqual([name for name in os.listdir(self.to) if name.startswith(".")], [])
        for name, (kind, mode, _, _) in mailstead.tree(self.to, contents=False).items():
            self.assertEqual(mode, 0o700 if kind == stat.S_IFDIR else 0o600, name)
        self.server.deliver(text_of(1000), ANNA)
        self.server.wait_filed()  # until then it is in the database
        again = self.back_up()
        self.assertEqual(again["new_messages"], 1)
        listed = self.server.json("restore", self.to, "--list")
        self.assertEqual([one["backup"] for one in listed], [done["backup"], again["backup"]])

        other, told = self.restored("--from", done["backup"])
        self.assertEqual((told["messages"], told["queued"], told["lost"]), (39, 2, 0))
        self.assertEqual(other.fetch(ANNA), mail)
        other.passwords[ANNA] = phone
        self.assertEqual(other.fetch(ANNA), mail)
        self.assertEqual(other.admin("dkim", "show", "example.org").stdout, keys)
        boxes = {box["address"]: box for box in other.json("mailbox", "list")}
        self.assertEqual(boxes[BERT]["quota"], 5 << 20)
        self.assertEqual(boxes[ANNA]["deleted_messages"], 1)
        self.assertEqual({one["id"] for one in other.json("queue", "list")}, {small, big})
        other.deliver(text_of(7), "info@example.org")
        self.assertEqual(len(other.fetch(ANNA)), 40)

    def test_under_load(self):
        mail = self.fill()
        with Load(self.server) as load:
            for round_number in range(4):
                before = load.delivered
                done = self.back_up("--test")
                self.assertEqual(done["test"]["troubles"], [])
                self.assertEqual(done["test"]["messages"], done["messages"])
                until(lambda: load.delivered > before or load.failure, "mail goes on")
        other, told = self.restored()
        self.assertEqual(told["lost"], 0)
        self.assertEqual(other.fetch(ANNA), mail)
        self.assertEqual(len(other.fetch(BERT)), told["messages"] - len(mail))

    def test_kill_at_any_moment(self):
        chance = random.Random(SEED)
        print("SEED=%d" % SEED, file=sys.stderr)
        mail = self.fill(20)
        with Load(self.server):
            for _ in range(KILLS):
                process = self.start_backup(*chance.choice([(), ("--test",), ("--keep", "1")]))
                try:
                    process.wait(chance.random() * 0.6)
                except subprocess.TimeoutExpired:
                    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
                    process.wait(mailstead.TIMEOUT)
                for generation in self.generations():
                    server = self.new_server(SETTINGS)
                    self.assertEqual(json.loads(server.admin("--json", "restore", self.to, "--from", generation).stdout)["lost"], 0)
            done = self.back_up("--test", "--keep", "1")
        self.assertEqual(done["test"]["troubles"], [])
        self.assertEqual(self.generations(), [done["backup"]])
        self.assertEqual([name for name in os.listdir(self.to) if name.startswith(".") or "unfinished" in name], [])
        other, _ = self.restored()
        self.assertEqual(other.fetch(ANNA), mail)

    def test_the_server_stops_and_starts_meanwhile(self):
        mail = self.fill(30)
        self.server.stop()
        self.assertEqual(self.back_up()["new_messages"], 30)
        process = self.start_backup("--test")
        until(lambda: process.poll() is not None or self.is_copied(), "the database is copied")
        self.server.start()  # beside the backup, which has the folder once more, to note that it is made
        self.assertEqual(process.wait(mailstead.TIMEOUT), 0)
        process = self.start_backup("--test")
        self.server.kill()
        self.assertEqual(process.wait(mailstead.TIMEOUT), 0)
        self.server.start()
        self.assertIsNotNone(self.server.json("status")["last_backup_at"])
        other, _ = self.restored()
        self.assertEqual(other.fetch(ANNA), mail)

    def test_two_at_once(self):
        self.fill(5)
        self.back_up()
        with open(os.path.join(self.to, "lock")) as lock:
            subprocess.run(["flock", "--exclusive", "--nonblock", str(lock.fileno())], pass_fds=[lock.fileno()], check=True)
            self.assertIn("another backup", self.server.admin("backup", self.to, code=1).stderr)
            self.assertIn("another backup", self.server.admin("restore", self.to, code=1).stderr)
        self.back_up()

    def test_where_no_backup_goes(self):
        self.fill(2)
        self.assertIn("inside the data folder", self.server.admin("backup", os.path.join(self.server.data, "b"), code=1).stderr)
        self.assertIn("other files", self.server.admin("backup", self.server.folder, code=1).stderr)
        self.assertIn("not a folder", self.server.admin("backup", self.server.config, code=1).stderr)
        self.assertIn("no folder", self.server.admin("backup", "/no/such/folder", code=1).stderr)
        self.server.admin("backup", self.to, "--keep", "0", code=2)
        self.server.admin("restore", self.to, "--list", code=1)
        self.back_up()
        self.assertIn("there are: 20", self.server.admin("restore", self.to, "--from", "yesterday", code=1).stderr)
        self.assertIn("in use by", self.server.admin("restore", self.to, code=1).stderr)
        self.assertIn("holds no backup", self.server.admin("restore", self.server.folder, code=1).stderr)
        inside = subprocess.run([os.environ["MAILSTEAD"], "restore", self.to, "--data", os.path.join(self.to, "data")],
                                capture_output=True, text=True, timeout=30)
        self.assertEqual(inside.returncode, 1)
        self.assertIn("inside the folder of the backups", inside.stderr)
        self.assertNotIn("data", os.listdir(self.to))
        other = self.new_server(SETTINGS).start()
        self.assertIn("another mail server", other.admin("backup", self.to, code=1).stderr)

    def test_a_file_is_lost(self):
        self.fill(5)
        self.server.wait_filed()
        new = os.path.join(self.server.data, "mail", "example.org", "anna", "new")
        os.remove(os.path.join(new, sorted(os.listdir(new))[0]))
        done = json.loads(self.server.admin("--json", "backup", self.to, "--test", code=1).stdout)
        self.assertEqual((len(done["troubles"]), done["messages"], done["test"]["troubles"]), (1, 4, []))
        # It is made, and the postmaster hears of what is gone.
        status = self.server.json("status")
        self.assertEqual(status["last_backup_at"], done["at"])
        self.assertIn("1 message are gone", status["backup_failure"])
        pool = os.path.join(self.to, "mail", "example.org", "anna")
        os.remove(os.path.join(pool, sorted(os.listdir(pool))[0]))
        other, told = self.restored(code=1)
        self.assertEqual((told["lost"], len(told["troubles"])), (1, 1))
        self.assertEqual(len(other.fetch(ANNA)), 3)

    def test_a_file_of_a_deleted_message_is_lost(self):
        self.fill(5)
        with self.server.pop3(ANNA) as session:
            for number in (1, 2):
                session.must("DELE %d" % number)
            session.quit()
        deleted = os.path.join(self.server.data, "mail", "example.org", "anna", "deleted")
        until(lambda: os.path.isdir(deleted) and len(os.listdir(deleted)) == 2, "they are put aside")
        os.remove(os.path.join(deleted, sorted(os.listdir(deleted))[0]))
        run = self.server.admin("--json", "backup", self.to, "--test", code=1)
        done = json.loads(run.stdout)
        self.assertEqual((done["lost_deleted"], done["messages"], done["deleted_messages"], done["test"]["troubles"]), (1, 3, 1, []))
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertIn("--repair", run.stderr)
        status = self.server.json("status")
        self.assertEqual((status["last_backup_at"], status["backup_failure"]), (done["at"], None))
        self.assertIn("given up", self.server.admin("verify", "--repair").stdout)
        self.assertEqual(self.server.json("verify")["findings"], [])
        self.assertEqual(self.back_up("--test")["test"]["troubles"], [])

    def test_a_folder_that_is_refused(self):
        """Where backups go, that is a failure; elsewhere a slip."""
        self.fill(1)
        def failure():
            return self.server.json("status")["backup_failure"]

        self.server.admin("backup", "/proc/x", code=1)
        self.assertIsNone(failure())
        disk = os.path.join(self.server.folder, "disk")
        os.mkdir(disk)
        self.server.admin("backup", os.path.join(disk, "backup", ""))
        self.server.admin("backup", os.path.join(self.server.folder, "dsik", "backup"), code=1)
        self.assertIsNone(failure())
        os.rename(disk, disk + "-away")
        self.server.admin("backup", os.path.join(disk, "backup"), code=1)
        self.assertIn("mounted", failure())
        os.rename(disk + "-away", disk)
        self.server.admin("backup", os.path.join(disk, "backup"))
        self.assertIsNone(failure())

    def test_an_earlier_backup_is_damaged(self):
        self.fill(3)
        for _ in range(3):
            self.back_up()
        oldest, damaged, _ = self.generations()
        with open(os.path.join(self.to, damaged, "mailstead.db"), "r+b") as file:
            file.write(b"x" * 4096)
        done = self.server.admin("--json", "backup", self.to, "--keep", "3", code=1)
        told = json.loads(done.stdout)
        self.assertEqual((told["troubles"], told["removed_backups"], len(told["earlier_troubles"])), ([], 1, 1))
        self.assertIn("%s/%s cannot be read" % (self.to, damaged), told["earlier_troubles"][0])
        self.assertNotIn(oldest, self.generations())
        # The new one is a backup like any other, and `status` is told so.
        self.assertIsNone(self.server.json("status")["backup_failure"])
        # As it says: without it all is well.
        shutil.rmtree(os.path.join(self.to, damaged))
        self.assertEqual(self.back_up("--keep", "3", "--test")["earlier_troubles"], [])

    def flip(self, path):
        """Another octet at the same length, as a disk may."""
        with open(path, "r+b") as file:
            content = file.read()
            file.seek(len(content) - 5)
            file.write(bytes([content[-5] ^ 1]))
        return content

    def test_what_a_message_became_takes_nothing_from_earlier_backups(self):
        mail = self.fill(6)
        first = self.back_up()["backup"]
        new = os.path.join(self.server.data, "mail", "example.org", "anna", "new")
        cut, changed, mended = (os.path.join(new, name) for name in sorted(os.listdir(new))[:3])
        for path in (cut, mended):
            open(path, "w").close()
        self.flip(changed)
        for _ in range(3):  # what it is now becomes what clients get
            with self.server.pop3(ANNA) as session:
                with contextlib.suppress(mailstead.Refused):
                    session.retr(1)
                session.quit()
        self.server.stop()
        self.server.start()
        for flags in ((), ("--repair",), ()):
            self.server.admin("verify", *flags, code=None)
            for _ in range(2):
                self.server.admin("backup", self.to, "--test", code=None)
            other, told = self.restored("--from", first)
            self.assertEqual((told["lost"], other.fetch(ANNA)), (0, mail))
        self.server.stop()
        # What the backup has is what came.
        other, _ = self.restored("--from", first)
        other.stop()
        for path in (cut, changed, mended):
            shutil.copy(os.path.join(other.data, "mail", "example.org", "anna", "new", os.path.basename(path)), path)
        self.server.start()
        self.server.admin("verify", "--repair", "--all")
        until(lambda: self.server.fetch(ANNA) == mail, "all of it is back")
        self.assertEqual(self.server.json("verify", "--all")["findings"], [])
        self.assertEqual(self.back_up("--test", "--keep", "1")["test"]["troubles"], [])
        other, _ = self.restored()
        self.assertEqual(other.fetch(ANNA), mail)

    def test_damage_where_nobody_looks(self):
        self.fill(3)
        self.server.deliver(text_of(7), BERT)
        self.server.wait_filed()
        with self.server.pop3(ANNA) as session:
            session.must("DELE 1")
            session.quit()
        until(lambda: os.path.isdir(os.path.join(self.server.data, "mail", "example.org", "anna", "deleted")), "it is put aside")
        big = self.submit("big", more=b"y" * 70 + b"\r\n" + b"z" * 70 + b"\r\n" * 200000)
        until(lambda: len(self.server.json("queue", "list")) == 1, "it waits")
        self.server.admin("mailbox", "remove", BERT, "--keep-mail")
        done = self.back_up("--test")
        mail = os.path.join(self.to, "mail", "example.org")
        deleted = os.listdir(os.path.join(self.server.data, "mail", "example.org", "anna", "deleted"))
        kept = os.listdir(os.path.join(mail, ".kept-bert"))
        for path in (os.path.join(mail, "anna", deleted[0]), os.path.join(mail, ".kept-bert", kept[0]),
                     os.path.join(self.to, done["backup"], "queue", big)):
            self.flip(path)
        # The queue's is seen before it is taken for the next one; the others by reading them.
        done = json.loads(self.server.admin("--json", "backup", self.to, "--test", code=1).stdout)
        self.assertEqual(len(done["test"]["troubles"]), 2, done)
        self.assertEqual(self.back_up()["new_messages"], 2)
        done = self.back_up("--test")
        self.assertEqual(done["test"]["troubles"], [])
        _, told = self.restored()
        self.assertEqual(told["lost"], 0)


class Restore(Backups):
    def test_a_volume_that_is_not_empty(self):
        mail = self.fill(5)
        self.back_up()
        # A container's volume over which a server was started before.
        other = self.new_server(SETTINGS)
        os.makedirs(os.path.join(other.data, "lost+found"))
        other.start().stop()
        other.admin("restore", self.to)
        other.passwords = self.server.passwords
        other.start()
        self.assertEqual(other.fetch(ANNA), mail)
        other.deliver(text_of(99), ANNA)
        other.stop()
        self.assertIn("--replace", other.admin("restore", self.to, code=1).stderr)
        replaced = json.loads(other.admin("--json", "restore", self.to, "--replace").stdout)["replaced"]
        self.assertIn("mail", os.listdir(os.path.join(other.data, replaced)))
        other.start()
        self.assertEqual(other.fetch(ANNA), mail)

    def test_kill_at_any_moment(self):
        chance = random.Random(SEED)
        mail = self.fill(60)
        self.back_up()
        self.server.stop()
        finished = 0
        for _ in range(KILLS):
            process = subprocess.Popen(self.server.command("restore", self.to, "--replace"), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.server.environment)
            try:
                process.wait(chance.random() * 0.2)
                finished += 1
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if os.path.exists(os.path.join(self.server.data, "restore.unfinished")):
                self.assertIn("mailstead restore", self.server.admin("mailbox", "list", code=1).stderr)
        self.server.admin("restore", self.to, "--replace")
        self.server.start()
        self.assertEqual(self.server.fetch(ANNA), mail)

    def test_the_queue_held_or_left_out(self):
        sent = self.submit("waits")
        until(lambda: len(self.server.json("queue", "list")) == 1, "it waits")
        self.back_up()
        held, told = self.restored("--hold-queue")
        self.assertEqual(told["queued"], 1)
        self.assertEqual([(one["id"], one["held"]) for one in held.json("queue", "list")], [(sent, True)])
        self.assertIn("either", self.server.admin("restore", self.to, "--hold-queue", "--without-queue", code=2).stderr)
        without, told = self.restored("--without-queue")
        self.assertEqual((told["queued"], without.json("queue", "list")), (0, []))

    @unittest.skipUnless(os.geteuid() == 0, "only root acts as another user")
    def test_root_for_the_folder_s_owner(self):
        """Root writes the backup as itself, and a restore leaves nothing behind that the server cannot read."""
        server = self.new_server(SETTINGS)
        os.chmod(server.folder, 0o755)
        os.mkdir(server.data, 0o700)
        os.chown(server.data, NOBODY, NOBODY)
        server.start()
        server.add_cheap_mailbox(ANNA)
        server.deliver(text_of(1), ANNA)
        mail = server.fetch(ANNA)
        to = os.path.join(server.folder, "backup")
        # A process that has changed its user may not look through itself for leaks.
        server.environment["ASAN_OPTIONS"] = "detect_leaks=0"
        server.admin("backup", to, "--test")
        server.stop()
        server.admin("backup", to, "--test")
        for tree, owner in ((server.data, NOBODY), (to, 0)):
            for name, (_, _, uid, _) in mailstead.tree(tree, contents=False).items():
                self.assertEqual(uid, owner, name)
        server.admin("restore", to, "--replace")
        for name, (_, _, uid, _) in mailstead.tree(server.data, contents=False).items():
            self.assertEqual(uid, NOBODY, name)
        server.start()
        self.assertEqual(server.fetch(ANNA), mail)


if __name__ == "__main__":
    mailstead.main()

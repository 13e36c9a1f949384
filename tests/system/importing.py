"""Mail that comes from maildirs, mbox files and other servers, and goes out again: broken off and begun anew."""

import fcntl
import json
import mailbox
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading

import mailstead
from mailstead import until

ANNA = "anna@example.org"
BERT = "bert@example.org"
THEN = 1_000_000_000
MANY = 800
USUAL_HOST = "127.0.110.110"  # where nobody else listens on 110 and 995


def text_of(number, more=b""):
    return b"Subject: %d\r\nMessage-ID: <%d@old.example>\r\n\r\n.body of %d\r\n%s" % (number, number, number, more)


def large(number):
    return text_of(number, b"".join(b"line %d of %d\r\n" % (i, number) for i in range(60000)))


def lf(message):
    return message.replace(b"\r\n", b"\n")


def tree_of(folder):
    """Every file with its content, times and mode: an import changes none of it."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(root, name)
            facts = os.lstat(path)
            content = None
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


class Transfers(mailstead.ServerTest):
    def setUp(self):
        super().setUp()
        self.old = os.path.join(self.server.folder, "old")

    def make_maildir(self, count, uidlist=True, begin=0):
        for place in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(self.old, place), exist_ok=True)
        lines = ["3 V1700000001 N%d G00112233445566778899aabbccddeeff\n" % (begin + count + 1)]
        for number in range(begin, begin + count):
            # Their order is that of the UIDs, not that of time or name.
            name = "%d.M%dP1.old,S=%d" % (THEN - number, number, number)
            place, flags = ("cur", ":2,S") if number % 2 else ("new", "")
            content = large(number) if number == 5 else text_of(number)
            with open(os.path.join(self.old, place, name + flags), "wb") as file:
                file.write(lf(content) if number % 3 else content)
            saved = "Pkept-from-elsewhere-%d " % number if number % 10 == 7 else ""
            lines.append("%d %s:%s\n" % (number + 1, saved, name))
        if uidlist:
            with open(os.path.join(self.old, "dovecot-uidlist"), "w") as file:
                file.writelines(lines)

    def uidl(self, number):
        return "kept-from-elsewhere-%d" % number if number % 10 == 7 else "%08x%08x" % (number + 1, 1700000001)

    def check_mail(self, numbers, user=ANNA, uidls=True):
        mail = self.server.fetch(user)
        self.assertEqual(len(mail), len(numbers))
        for number, (uidl, content) in zip(numbers, mail):
            self.assertEqual(content, large(number) if number == 5 else text_of(number))
            if uidls:
                self.assertEqual(uidl, self.uidl(number))
        return mail

    def start_import(self, *arguments, environment=None):
        return subprocess.Popen(self.server.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=dict(self.server.environment, **(environment or {})))

    def count(self, user=ANNA):
        return next(box for box in self.server.json("mailbox", "list") if box["address"] == user)["messages"]


class Maildir(Transfers):
    def test_everything_with_its_uidl_and_in_order(self):
        self.make_maildir(40)
        os.symlink("/etc/passwd", os.path.join(self.old, "cur", "link"))
        os.mkdir(os.path.join(self.old, "new", "folder"))
        for name, content in ((".hidden", b"x"), ("empty", b"")):
            with open(os.path.join(self.old, "new", name), "wb") as file:
                file.write(content)
        os.makedirs(os.path.join(self.old, ".Sent", "cur"))
        before = tree_of(self.old)
        planned = self.server.json("import", "maildir", self.old, ANNA, "--dry-run")
        self.assertEqual((planned["imported"], planned["dry_run"]), (40, True))
        self.assertEqual(self.count(), 0)
        done = self.server.json("import", "maildir", self.old, ANNA)
        self.assertEqual((done["imported"], done["imported_before"], done["failed"]), (40, 0, 0))
        self.assertEqual(len(done["skipped"]), 4)
        self.assertTrue(any(".hidden" in line for line in done["skipped"]), done)
        self.assertTrue(any("Sent" in line for line in done["remarks"]), done)
        mail = self.check_mail(range(40))
        self.assertEqual(tree_of(self.old), before)
        listed = self.server.json("message", "list", ANNA)
        self.assertEqual([one["uidl"] for one in listed], [uidl for uidl, _ in mail])
        self.assertTrue(listed[3]["received_at"].startswith("2001-09-09T01:46:37"), listed[3])

        # Again, after somebody deleted one here and another came there: that one and nothing else.
        with self.server.pop3(ANNA) as session:
            session.must("DELE 2")
            session.quit()
        self.make_maildir(1, uidlist=False, begin=40)
        text = self.server.admin("import", "maildir", self.old, ANNA).stdout
        self.assertIn("Imported 1 message ", text)
        self.assertIn("40 messages were imported before", text)
        self.assertEqual(self.count(), 40)

        # The index is lost, and the UIDLs stay.
        uidls = [uidl for uidl, _ in self.server.fetch(ANNA)]
        self.server.kill()
        for suffix in ("", "-wal", "-shm"):
            path = os.path.join(self.server.data, "mailstead.db" + suffix)
            if os.path.exists(path):
                os.remove(path)
        self.server.start()
        self.server.set_cheap_password(ANNA)
        self.assertEqual([uidl for uidl, _ in self.server.fetch(ANNA)], uidls)

    def test_without_a_server(self):
        self.make_maildir(20)
        self.server.stop()
        self.assertEqual(self.server.json("import", "maildir", self.old, ANNA)["imported"], 20)
        self.assertEqual(self.server.json("import", "maildir", self.old, ANNA)["imported_before"], 20)
        self.server.start()
        self.check_mail(range(20))

    def test_other_forms_of_uidl(self):
        self.make_maildir(3)
        self.server.admin("import", "maildir", self.old, ANNA, "--uidl-format", "%v-%Xu")
        self.assertEqual([uidl for uidl, _ in self.server.fetch(ANNA)], ["1700000001-%x" % n for n in (1, 2, 3)])
        os.remove(os.path.join(self.old, "dovecot-uidlist"))
        self.server.add_cheap_mailbox(BERT)
        text = self.server.admin("import", "maildir", self.old, BERT).stdout
        self.assertIn("no dovecot-uidlist", text)
        # The oldest first, by name.
        self.assertEqual([uidl for uidl, _ in self.server.fetch(BERT)],
                         ["%d.M%dP1.old,S=%d" % (THEN - n, n, n) for n in (2, 1, 0)])
        for wrong in ("%u", "%x", "plain", "%"):
            self.server.admin("import", "maildir", self.old, ANNA, "--uidl-format", wrong, code=0 if wrong == "%u" else 2)

    def test_what_is_no_maildir(self):
        for path, words in (("/nowhere", "No such file"), (self.server.folder, "is no maildir"),
                            (self.server.config, "is a file, not a maildir")):
            self.assertIn(words, self.server.admin("import", "maildir", path, ANNA, code=1).stderr)
        self.make_maildir(1)
        self.assertIn("no mailbox", self.server.admin("import", "maildir", self.old, BERT, code=1).stderr)
        with open(os.path.join(self.old, "dovecot-uidlist"), "w") as file:
            file.write("3 V17 N2\nnonsense\n")
        self.assertIn("line 2 of dovecot-uidlist", self.server.admin("import", "maildir", self.old, ANNA, code=1).stderr)

    def files_of(self, user="anna"):
        folder = os.path.join(self.server.data, "mail", "example.org", user, "new")
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))

    def test_two_maildirs_with_the_same_names(self):
        texts = [b"Subject: %s of %d\n\nbody\n" % (word, number) for number in (1, 2) for word in (b"one", b"two", b"six")]
        folders = [os.path.join(self.server.folder, "box%d" % number) for number in (1, 2)]
        for number, folder in enumerate(folders):
            for place in ("tmp", "new", "cur"):
                os.makedirs(os.path.join(folder, place))
            for i in range(3 - number):
                with open(os.path.join(folder, "new", "%d.M%dP1.old" % (THEN + i, i)), "wb") as file:
                    file.write(texts[3 * number + i])
        self.assertEqual(self.server.json("import", "maildir", folders[0], ANNA)["imported"], 3)
        self.assertEqual(self.server.json("import", "maildir", folders[1], ANNA, "--dry-run")["imported"], 2)
        self.assertEqual(self.server.json("import", "maildir", folders[1], ANNA)["imported"], 2)
        mail = self.server.fetch(ANNA)
        self.assertEqual([lf(content) for _, content in mail], texts[:5])
        for folder, count in zip(folders, (3, 2)):
            done = self.server.json("import", "maildir", folder, ANNA)
            self.assertEqual((done["imported"], done["imported_before"]), (0, count))
        # Also when they have been deleted here.
        self.server.fetch(ANNA, delete=True)
        for folder, count in zip(folders, (3, 2)):
            done = self.server.json("import", "maildir", folder, ANNA)
            self.assertEqual((done["imported"], done["imported_before"]), (0, count))

    def test_what_an_older_program_noted_by_its_name_alone(self):
        self.make_maildir(6)
        self.server.admin("import", "maildir", self.old, ANNA)
        self.server.fetch(ANNA)
        with self.server.pop3(ANNA) as session:
            session.must("DELE 1")
            session.quit()
        self.server.stop()
        database = sqlite3.connect(os.path.join(self.server.data, "mailstead.db"))
        with database:
            database.execute("UPDATE imported SET item = substr(item, 1, length(item) - 33)")
            self.assertEqual(database.execute("SELECT count(*) FROM imported WHERE item LIKE '%.old,S=_'").fetchone()[0], 6)
        database.close()
        self.server.start()
        done = self.server.json("import", "maildir", self.old, ANNA)
        self.assertEqual((done["imported"], done["imported_before"]), (0, 6))
        # Another one of that name, and as long.
        path = os.path.join(self.old, "new", "%d.M%dP1.old,S=%d" % (THEN - 2, 2, 2))
        with open(path, "wb") as file:
            file.write(text_of(2).replace(b"body", b"text"))
        done = self.server.json("import", "maildir", self.old, ANNA)
        self.assertEqual((done["imported"], done["imported_before"]), (1, 5))
        self.assertEqual(self.count(), 6)

    def test_what_is_lost_here_is_brought_again(self):
        self.make_maildir(6)
        self.server.admin("import", "maildir", self.old, ANNA)
        for path in self.files_of()[1:3]:
            os.remove(path)
        self.assertEqual(len(self.server.fetch(ANNA)), 4)
        self.assertEqual(self.server.json("import", "maildir", self.old, ANNA, "--dry-run")["imported"], 2)
        done = self.server.json("import", "maildir", self.old, ANNA)
        self.assertEqual((done["imported"], done["imported_before"], done["other_uidl"]), (2, 4, 0))
        self.check_mail(range(6))
        self.assertEqual(self.server.admin("verify", "--all").returncode, 0)

    def test_kill_and_begin_again(self):
        self.make_maildir(MANY)
        seen = 0
        for round_number in range(6):
            process = self.start_import("import", "maildir", self.old, ANNA)
            until(lambda: self.count() > seen or process.poll() is not None, "some messages came")
            process.send_signal(signal.SIGKILL if round_number % 2 else signal.SIGINT)
            process.wait(mailstead.TIMEOUT)
            seen = self.count()
        self.assertEqual(self.server.json("import", "maildir", self.old, ANNA)["failed"], 0)
        self.check_mail(range(MANY))

    def test_the_server_dies_and_comes_back_meanwhile(self):
        self.make_maildir(MANY)
        process = self.start_import("import", "maildir", self.old, ANNA)
        until(lambda: self.count() > 0 or process.poll() is not None, "some messages came")
        self.server.kill()
        self.server.start()
        self.assertEqual(process.wait(mailstead.TIMEOUT), 0)
        self.check_mail(range(MANY))

    def test_kill_without_a_server(self):
        self.make_maildir(MANY)
        self.server.stop()
        new = os.path.join(self.server.data, "mail", "example.org", "anna", "new")
        for part in (100, 700):
            process = self.start_import("import", "maildir", self.old, ANNA)
            until(lambda: len(os.listdir(new)) > part or process.poll() is not None, "some messages came")
            process.kill()
            process.wait()
        self.server.start()
        self.server.admin("import", "maildir", self.old, ANNA)
        self.check_mail(range(MANY))

    def test_a_disk_that_is_nearly_full(self):
        self.make_maildir(5)
        self.server.stop()
        self.server.configure('[limits]\nfree_space = "1000 TiB"\n')
        self.server.start()
        done = self.server.admin("import", "maildir", self.old, ANNA, code=1)
        self.assertIn("the disk is nearly full", done.stdout + done.stderr)
        self.assertEqual(self.count(), 0)


class Mbox(Transfers):
    def write(self, content):
        path = os.path.join(self.server.folder, "inbox.mbox")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_what_mbox_files_hold(self):
        path = self.write(
            b"From MAILER-DAEMON Thu Jan  1 00:00:01 1970\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
            b"X-IMAP: 1 2\n\nnotes\n\n"
            b"From carl@example.net Sun Sep  9 01:46:40 2001\nSubject: one\nStatus: RO\nX-UIDL: old-one\n"
            b"Content-Length: 3\n\n>From here\n>>From there\nFrom the middle\n\nFrom a paragraph\n\n"
            b"From dora@example.net Sun Sep  9 03:46:41 +0200 2001\nSubject: two\n\nno end of line")
        done = self.server.json("import", "mbox", path, ANNA)
        self.assertEqual((done["imported"], done["failed"]), (2, 0))
        mail = self.server.fetch(ANNA)
        self.assertEqual(mail[0][0], "old-one")
        self.assertEqual(mail[0][1], b"Subject: one\r\n\r\nFrom here\r\n>From there\r\nFrom the middle\r\n\r\nFrom a paragraph\r\n")
        self.assertEqual(mail[1][1], b"Subject: two\r\n\r\nno end of line\r\n")
        self.assertEqual([one["received_at"] for one in self.server.json("message", "list", ANNA)],
                         ["2001-09-09T01:46:40Z", "2001-09-09T01:46:41Z"])
        # Appended to, and read or answered by a mail program: one is new.
        with open(path, "rb") as file:
            grown = file.read().replace(b"Status: RO", b"Status: ROA") + b"\n\nFrom x Sun Sep  9 05:00:00 2001\nSubject: three\n\n"
        done = self.server.json("import", "mbox", self.write(grown), ANNA)
        self.assertEqual((done["imported"], done["imported_before"]), (1, 2))

    def test_what_is_no_mbox(self):
        for content, words in ((b"", "is empty"), (b"Subject: x\n\ny\n", "is no mbox"), (b"\x1f\x8bxxx", "is compressed"),
                               (b"\n\n \nFrom x\n", "is no mbox")):
            self.assertIn(words, self.server.admin("import", "mbox", self.write(content), ANNA, code=1).stderr)
        self.assertIn("is a folder", self.server.admin("import", "mbox", self.server.folder, ANNA, code=1).stderr)

    def test_a_file_that_grows_meanwhile(self):
        begin = b"From x@y Sun Sep  9 01:46:4%d 2001\nSubject: %d\n\nbody\n"
        path = self.write(begin % (1, 1) + b"\n" + begin % (2, 2))
        stop = threading.Event()

        def append():
            with open(path, "ab", buffering=0) as file:
                while not stop.wait(0.1):
                    file.write(b"more\n")
        writer = threading.Thread(target=append, daemon=True)
        writer.start()
        done = json.loads(self.server.admin("--json", "import", "mbox", path, ANNA, code=1).stdout)
        stop.set()
        writer.join(mailstead.TIMEOUT)
        self.assertEqual((done["imported"], done["failed"], done["complete"]), (1, 1, True))
        self.assertIn("may be cut off", done["troubles"][0])
        done = self.server.json("import", "mbox", path, ANNA)
        self.assertEqual((done["imported"], done["imported_before"]), (1, 1))
        self.assertEqual(len(self.server.fetch(ANNA)), 2)

    def test_a_file_that_is_locked(self):
        path = self.write(b"From x@y Sun Sep  9 01:46:41 2001\nSubject: 1\n\nbody\n")
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            self.assertIn("another program has", self.server.admin("import", "mbox", path, ANNA, code=1).stderr)
        with open(path + ".lock", "wb"):
            pass
        self.assertIn(".lock is there", self.server.admin("import", "mbox", path, ANNA, code=1).stderr)
        # It is waited for.
        timer = threading.Timer(1, os.remove, (path + ".lock",))
        timer.start()
        self.assertEqual(self.server.json("import", "mbox", path, ANNA)["imported"], 1)
        timer.join()

    def test_many_and_large_ones_with_kills(self):
        path = self.write(b"".join(b"From x@y Sun Sep  9 01:46:40 2001\n" + lf(large(n) if n == 5 else text_of(n)) + b"\n" for n in range(MANY)))
        process = self.start_import("import", "mbox", path, ANNA)
        until(lambda: self.count() > 100 or process.poll() is not None, "some messages came")
        process.kill()
        process.wait()
        self.server.admin("import", "mbox", path, ANNA)
        self.check_mail(range(MANY), uidls=False)


class Export(Transfers):
    def fill(self, count=60):
        self.make_maildir(count)
        self.server.admin("import", "maildir", self.old, ANNA)
        self.server.deliver(text_of(count, b"From here\r\n>From there\r\n\r\n"), ANNA)
        return self.server.fetch(ANNA)

    def test_maildir_and_back(self):
        mail = self.fill()
        folder = os.path.join(self.server.folder, "out")
        self.assertEqual(self.server.json("export", "maildir", ANNA, folder)["exported"], 61)
        times = sorted(int(os.stat(os.path.join(folder, "new", name)).st_mtime) for name in os.listdir(os.path.join(folder, "new")))
        self.assertEqual(times[:60], list(range(THEN - 59, THEN + 1)))
        self.server.add_cheap_mailbox(BERT)
        self.server.admin("import", "maildir", folder, BERT)
        self.assertEqual(self.server.fetch(BERT), mail)
        for name in os.listdir(os.path.join(folder, "new")):
            path = os.path.join(folder, "new", name)
            with open(path, "rb") as file:
                self.assertNotIn(b"\r", file.read())
        before = tree_of(folder)
        self.assertEqual(self.server.json("export", "maildir", ANNA, folder)["exported"], 0)
        changed = {path for path, facts in tree_of(folder).items() if before.get(path, (0, 0, None))[2] != facts[2]}
        self.assertEqual(changed, set())
        # What is new, and what a power cut left short.
        self.server.deliver(text_of(99), ANNA)
        name = sorted(os.listdir(os.path.join(folder, "new")))[0]
        open(os.path.join(folder, "new", name), "w").close()
        self.assertEqual(self.server.json("export", "maildir", ANNA, folder)["exported"], 2)
        self.server.add_cheap_mailbox("carl@example.org")
        self.server.admin("import", "maildir", folder, "carl@example.org")
        self.assertEqual(self.server.fetch("carl@example.org"), self.server.fetch(ANNA))
        # Nobody's folder is written into.
        for other in (self.old, self.server.folder):
            self.assertIn("no export of", self.server.admin("export", "maildir", ANNA, other, code=1).stderr)
        self.assertIn("no export of", self.server.admin("export", "maildir", BERT, folder, code=1).stderr)
        for form, place in (("maildir", "mail/example.org/new"), ("mbox", "mailstead.toml"), ("mbox", "not/there")):
            inside = os.path.join(self.server.data, place)
            self.assertIn("inside the data folder", self.server.admin("export", form, ANNA, inside, code=1).stderr)
            self.assertFalse(os.path.exists(inside))

    def test_mbox_and_back(self):
        mail = self.fill()
        path = os.path.join(self.server.folder, "out.mbox")
        self.assertEqual(self.server.json("export", "mbox", ANNA, path)["exported"], 61)
        self.server.add_cheap_mailbox(BERT)
        self.server.admin("import", "mbox", path, BERT)
        self.assertEqual(self.server.fetch(BERT), mail)
        box = mailbox.mbox(path)  # by another reader
        self.assertEqual(len(box), 61)
        self.assertEqual([message["X-UIDL"] for message in box], [uidl for uidl, _ in mail])
        box.close()
        self.server.deliver(text_of(99), ANNA)
        self.assertEqual(self.server.json("export", "mbox", ANNA, path)["exported"], 1)
        self.assertEqual(self.server.json("export", "mbox", ANNA, path)["exported_before"], 62)
        with open(path, "ab") as file:
            file.write(b"From x Sun Sep  9 01:46:40 2001\nSubject: by a mail program\n\n")
        self.assertIn("was changed", self.server.admin("export", "mbox", ANNA, path, code=1).stderr)
        self.assertIn("no export of", self.server.admin("export", "mbox", ANNA, self.server.config, code=1).stderr)

    def test_kill_and_begin_again(self):
        self.fill(MANY)
        mail = self.server.fetch(ANNA)
        self.assertIn("is no file", self.server.admin("export", "mbox", ANNA, "/dev/null", code=1).stderr)
        self.assertFalse(os.path.exists("/dev/null.exported"))
        folder = os.path.join(self.server.folder, "out")
        path = os.path.join(self.server.folder, "out.mbox")
        for part in (10, 900):
            process = self.start_import("export", "maildir", ANNA, folder)
            until(lambda: process.poll() is not None or
                  (os.path.isdir(folder + "/new") and len(os.listdir(folder + "/new")) > part), "some were exported")
            process.kill()
            process.wait()
            process = self.start_import("export", "mbox", ANNA, path)
            until(lambda: process.poll() is not None or (os.path.exists(path) and os.path.getsize(path) > part * 100),
                  "some were exported")
            process.kill()
            process.wait()
        self.server.admin("export", "maildir", ANNA, folder)
        self.server.admin("export", "mbox", ANNA, path)
        self.assertEqual(len(os.listdir(folder + "/new")), len(mail))
        for user, kind, source in ((BERT, "maildir", folder), ("carl@example.org", "mbox", path)):
            self.server.add_cheap_mailbox(user)
            self.server.admin("import", kind, source, user)
            self.assertEqual(self.server.fetch(user), mail)


class Pop3(Transfers):
    def setUp(self):
        super().setUp()
        self.other = self.new_server()
        self.other.start()
        self.other.add_cheap_mailbox(BERT)
        self.secret = os.path.join(self.server.folder, "secret")
        with open(self.secret, "w") as file:
            file.write(self.other.passwords[BERT] + "\n")

    def command(self, *more, port="pop3s", tls="implicit"):
        return ("import", "pop3", "127.0.0.1", ANNA, "--user", BERT, "--password-file", self.secret, "--tls", tls,
                "--port", str(self.other.ports[port][1]), *more)

    def fill(self, count, user=BERT):
        for number in range(count):
            self.other.deliver(large(number) if number == 5 else text_of(number), user)
        return self.other.fetch(user)

    def test_with_uidls(self):
        mail = self.fill(30)
        refused = self.server.admin(*self.command(), code=1)
        self.assertIn("certificate is not trusted", refused.stdout + refused.stderr)
        planned = self.server.json(*self.command("--dry-run", "--insecure"))
        self.assertEqual((planned["imported"], self.count()), (30, 0))
        done = self.server.json(*self.command("--insecure"))
        self.assertEqual((done["imported"], done["complete"]), (30, True))
        self.assertEqual(self.server.fetch(ANNA), mail)
        self.assertEqual(len(self.other.fetch(BERT)), 30)
        # What was deleted here stays deleted, what is new there comes.
        self.server.fetch(ANNA, delete=True)
        self.other.deliver(text_of(77), BERT)
        done = self.server.json(*self.command("--insecure"))
        self.assertEqual((done["imported"], done["imported_before"]), (1, 30))
        self.assertEqual(self.server.fetch(ANNA), self.other.fetch(BERT)[-1:])
        # Safely here, and then gone there.
        self.other.deliver(text_of(78), BERT)
        done = self.server.json(*self.command("--insecure", "--delete"))
        self.assertEqual(done["imported"], 1)
        self.assertEqual(self.other.fetch(BERT), [])
        self.assertEqual(self.count(), 2)

    def test_a_certificate_that_is_trusted(self):
        self.fill(1)
        certificate = os.path.join(self.other.data, "tls", "cert.pem")
        until(lambda: os.path.isdir(os.path.dirname(certificate)), "a certificate was made")
        names = [name for name in os.listdir(os.path.dirname(certificate)) if name.endswith(".pem") and "key" not in name]
        self.server.environment["SSL_CERT_FILE"] = os.path.join(os.path.dirname(certificate), names[0])
        command = [part if part != "127.0.0.1" else "localhost" for part in self.command()]
        self.assertEqual(self.server.json(*command)["imported"], 1)
        # It is not for this name.
        refused = self.server.admin(*self.command(), code=1)
        self.assertIn("certificate is not trusted", refused.stdout + refused.stderr)

    def test_stls_and_no_tls(self):
        mail = self.fill(3)
        self.server.admin(*self.command("--insecure", port="pop3", tls="stls"))
        self.assertEqual(self.server.fetch(ANNA), mail)
        done = self.server.admin(*self.command(port="pop3", tls="none"))
        self.assertIn("without TLS everybody", done.stderr)
        self.assertIn("3 messages were imported before", done.stdout)

    def test_what_goes_wrong_is_told(self):
        with open(self.secret, "w") as file:
            file.write("wrong\n")
        done = self.server.admin(*self.command("--insecure"), code=1)
        self.assertIn("the login is refused", done.stdout)
        done = self.server.admin("import", "pop3", "127.0.0.1", ANNA, code=1)
        self.assertIn("there is no terminal", done.stderr)
        self.other.stop()
        self.assertIn("cannot connect", self.server.admin(*self.command("--insecure"), code=1).stdout)
        self.server.admin(*self.command("--port", "0"), code=2)

    def test_kills_of_all_three(self):
        self.server.add_cheap_mailbox("filler@example.org")
        self.make_maildir(MANY)
        self.other.admin("import", "maildir", self.old, BERT)
        seen = 0
        for round_number in range(3):
            process = self.start_import(*self.command("--insecure"))
            until(lambda: self.count() > seen or process.poll() is not None, "some messages came")
            if round_number == 0:
                process.kill()
            elif round_number == 1:
                self.other.kill()
                self.other.start()
            else:
                self.server.kill()
                self.server.start()
            process.wait(mailstead.TIMEOUT)
            seen = self.count()
        self.server.admin(*self.command("--insecure"))
        self.assertEqual(self.server.fetch(ANNA), self.other.fetch(BERT))
        self.assertEqual(self.count(), MANY)

    def test_two_servers_whose_uidls_are_the_same(self):
        first = Script([(b"1", b"Subject: of the first\r\n\r\n"), (b"2", b"Subject: second of it\r\n\r\n")])
        second = Script([(b"1", b"Subject: of the other\r\n\r\n"), (b"2", b"Subject: second of it\r\n\r\n")])
        for script, user in ((first, "a"), (second, "b")):
            with script:
                done = self.server.json("import", "pop3", "127.0.0.1", ANNA, "--user", user, "--password-file", self.secret,
                                        "--tls", "none", "--port", str(script.port))
        self.assertEqual((done["imported"], done["other_uidl"], done["imported_before"]), (1, 1, 1))
        mail = self.server.fetch(ANNA)
        self.assertEqual([content for _, content in mail], [first.mail[0][1], first.mail[1][1], second.mail[0][1]])
        self.assertEqual([uidl for uidl, _ in mail][:2], ["1", "2"])
        self.assertRegex(mail[2][0], "^[0-9a-f]{32}$")

    def fetch_from(self, script, *more):
        with script:
            return self.server.json("import", "pop3", "127.0.0.1", ANNA, "--user", "a", "--password-file", self.secret,
                                    "--tls", "none", "--port", str(script.port), *more)

    def test_two_servers_behind_one_host(self):
        first = Script([(b"%d" % n, b"Subject: %d of the first\r\n\r\n" % n) for n in (1, 2, 3)])
        second = Script([(b"%d" % n, b"Subject: %d of the other\r\n\r\n" % n) for n in (1, 2, 3)])
        self.assertEqual(self.fetch_from(first, "--delete")["imported"], 3)
        done = self.fetch_from(second, "--delete")
        self.assertEqual((done["imported"], done["imported_before"]), (3, 0))
        mail = [content for _, content in self.server.fetch(ANNA)]
        self.assertEqual(mail, [b"Subject: %d of the %s\r\n\r\n" % (n, word) for word in (b"first", b"other") for n in (1, 2, 3)])
        self.assertEqual((len(first.deleted), len(second.deleted)), (3, 3))

    def test_a_server_that_begins_its_uidls_anew(self):
        script = Script([(b"1", b"Subject: once\r\n\r\n"), (b"2", b"Subject: stays\r\n\r\n")])
        self.assertEqual(self.fetch_from(script)["imported"], 2)
        again = Script([(b"1", b"Subject: another one\r\n\r\n"), script.mail[1]], port=script.port)
        done = self.fetch_from(again, "--delete")
        self.assertEqual((done["imported"], done["imported_before"]), (1, 1))
        self.assertEqual([content for _, content in self.server.fetch(ANNA)],
                         [script.mail[0][1], script.mail[1][1], again.mail[0][1]])
        self.assertEqual(sorted(again.deleted), [1, 2])

    def test_what_is_lost_here_is_fetched_before_it_is_deleted_there(self):
        script = Script([(b"u%d" % n, b"Subject: %d\r\n\r\n" % n) for n in (1, 2, 3)])
        self.assertEqual(self.fetch_from(script)["imported"], 3)
        mail = self.server.fetch(ANNA)
        with self.server.pop3(ANNA) as session:
            session.must("DELE 3")
            session.quit()
        folder = os.path.join(self.server.data, "mail", "example.org", "anna", "new")
        for name in os.listdir(folder):
            if name.endswith(",U=u2"):
                os.remove(os.path.join(folder, name))
        again = Script(script.mail, port=script.port)
        done = self.fetch_from(again, "--delete")
        self.assertEqual((done["imported"], done["imported_before"]), (1, 2))
        self.assertEqual(self.server.fetch(ANNA), mail[:2])
        self.assertEqual(sorted(again.deleted), [1, 2, 3])

    def test_a_server_that_counts_octets_otherwise(self):
        script = Script([(b"u", b"Subject: 1\r\n\r\nbody\r\n")], size=lambda text: len(lf(text)))
        self.assertEqual(self.fetch_from(script)["imported"], 1)
        again = Script(script.mail, port=script.port, size=script.size)
        done = self.fetch_from(again, "--delete")
        self.assertEqual((done["imported"], done["imported_before"]), (0, 1))
        self.assertEqual(again.deleted, [1])
        self.assertEqual(self.count(), 1)

    def test_the_port_is_part_of_the_source_unless_it_is_the_usual_one(self):
        self.assertEqual(self.fetch_from(Script([(b"u", b"Subject: 1\r\n\r\n")]))["imported"], 1)
        self.server.stop()
        database = sqlite3.connect(os.path.join(self.server.data, "mailstead.db"))
        sources = [row[0] for row in database.execute("SELECT source FROM imported")]
        database.close()
        self.server.start()
        self.assertRegex(sources[0], "^pop3 a@127.0.0.1 port [0-9]+$")

    def test_the_usual_ports_with_and_without_tls_are_one_source(self):
        mail = self.fill(3)

        def fetch_by(tls, port, service):
            with Tunnel((USUAL_HOST, port), self.other.ports[service]):
                return self.server.json("import", "pop3", USUAL_HOST, ANNA, "--user", BERT, "--password-file", self.secret,
                                        "--tls", tls, "--insecure")

        done = fetch_by("implicit", 995, "pop3s")
        self.assertEqual((done["imported"], done["imported_before"]), (3, 0))
        self.other.deliver(text_of(88), BERT)
        for tls in ("stls", "none"):
            done = fetch_by(tls, 110, "pop3")
            self.assertEqual((done["imported"], done["imported_before"]), (1, 3) if tls == "stls" else (0, 4))
        self.assertEqual(self.server.fetch(ANNA)[:3], mail)
        self.assertEqual(self.count(), 4)
        self.server.stop()
        database = sqlite3.connect(os.path.join(self.server.data, "mailstead.db"))
        sources = {row[0] for row in database.execute("SELECT source FROM imported")}
        database.close()
        self.server.start()
        self.assertEqual(sources, {"pop3 %s@%s" % (BERT, USUAL_HOST)})

    def test_what_was_deleted_here_for_good_is_not_brought_again(self):
        self.server.stop()
        self.server.configure("[pop3]\ndeleted_kept_days = 0")
        self.server.start()
        script = Script([(b"u%d" % n, b"Subject: %d\r\n\r\n" % n) for n in (1, 2, 3)])
        self.assertEqual(self.fetch_from(script)["imported"], 3)
        with self.server.pop3(ANNA) as session:
            session.must("DELE 1")
            session.must("DELE 2")
            session.quit()
        folder = os.path.join(self.server.data, "mail", "example.org", "anna", "new")
        until(lambda: len(os.listdir(folder)) == 1, "the files are gone for good")
        # Who fetches from there each day would otherwise delete each day.
        done = self.fetch_from(Script(script.mail, port=script.port))
        self.assertEqual((done["imported"], done["imported_before"]), (0, 3))
        self.assertEqual(self.count(), 1)
        # Who wants it after all takes another mailbox, or lets this one begin anew.
        self.server.add_cheap_mailbox("carl@example.org")
        with Script(script.mail, port=script.port) as again:
            done = self.server.json("import", "pop3", "127.0.0.1", "carl@example.org", "--user", "a", "--password-file",
                                    self.secret, "--tls", "none", "--port", str(again.port))
        self.assertEqual(done["imported"], 3)

    def test_a_server_that_names_messages_badly(self):
        script = Script([(b"same", b"Subject: 1\r\n\r\n"), (b"same", b"Subject: 2\r\n\r\n"), (b"has space", b"Subject: 3\r\n\r\n"),
                         (b"x" * 71, b"Subject: 4\r\n\r\n"), (b"\xff", b"Subject: 5\r\n\r\n"), (b"good", b"")])
        command = ("import", "pop3", "127.0.0.1", ANNA, "--user", "a", "--password-file", self.secret, "--tls", "none",
                   "--port", str(script.port))
        with script:
            done = json.loads(self.server.admin("--json", *command, code=1).stdout)  # one is empty
            self.assertEqual((done["imported"], done["failed"]), (5, 1))
            again = json.loads(self.server.admin("--json", *command, code=1).stdout)
            self.assertEqual((again["imported"], again["imported_before"]), (0, 5))
        mail = self.server.fetch(ANNA)
        self.assertEqual([content for _, content in mail], [content for _, content in script.mail[:5]])
        self.assertEqual(len({uidl for uidl, _ in mail}), 5)

    def test_a_server_that_never_ends_its_line(self):
        script = Script([], greeting=b"+OK" + b"x" * 100000)
        with script:
            done = self.server.admin("import", "pop3", "127.0.0.1", ANNA, "--user", "a", "--password-file", self.secret, "--tls",
                                     "none", "--port", str(script.port), code=1)
        self.assertIn("line has no end", done.stdout)


class Tunnel:
    """Leads from an address to one of a server's."""

    def __init__(self, at, to):
        self.to = to
        self.listener = socket.create_server(at)

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(mailstead.TIMEOUT)

    def serve(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            with near, socket.create_connection(self.to) as far:
                back = threading.Thread(target=self.pass_on, args=(far, near), daemon=True)
                back.start()
                self.pass_on(near, far)
                back.join(mailstead.TIMEOUT)

    @staticmethod
    def pass_on(one, other):
        try:
            while octets := one.recv(65536):
                other.sendall(octets)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Script:
    """A small POP3 server with these (UIDL, message), without CAPA."""

    def __init__(self, mail, greeting=b"+OK", port=0, size=len):
        self.mail, self.greeting, self.size = mail, greeting, size
        self.deleted = []  # numbers
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(mailstead.TIMEOUT)

    def serve(self):
        while True:
            try:
                channel = self.listener.accept()[0]
            except OSError:
                return
            with channel, channel.makefile("rwb") as stream:
                try:
                    self.talk(stream)
                except (OSError, ValueError):
                    pass

    def talk(self, stream):
        stream.write(self.greeting + b"\r\n")
        stream.flush()
        for line in stream:
            word, _, argument = line.rstrip().upper().partition(b" ")
            if word == b"UIDL":
                stream.write(b"+OK\r\n" + b"".join(b"%d %s\r\n" % (i, uidl) for i, (uidl, _) in enumerate(self.mail, 1)) + b".\r\n")
            elif word == b"LIST":
                stream.write(b"+OK\r\n" + b"".join(b"%d %d\r\n" % (i, self.size(text)) for i, (_, text) in enumerate(self.mail, 1)) + b".\r\n")
            elif word == b"RETR":
                stream.write(b"+OK\r\n" + mailstead.stuffed(self.mail[int(argument) - 1][1]))
            elif word == b"CAPA":
                stream.write(b"-ERR\r\n")
            elif word == b"DELE":
                self.deleted.append(int(argument))
                stream.write(b"+OK\r\n")
            else:
                stream.write(b"+OK\r\n")
            stream.flush()


if __name__ == "__main__":
    mailstead.main()

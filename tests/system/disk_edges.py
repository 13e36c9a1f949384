"""A disk that is full, or read-only: at start, and while mail arrives.

Runs in a mount namespace of its own, on small file systems in memory. Exits with 77 where neither root nor a user
namespace can mount one.
"""

import os
import shutil
import subprocess
import sys
import unittest

import mailstead
import messages
import start_edges
from mailstead import until

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"


def enter_namespace():
    """Starts this program again where it may mount; ends it with SKIP where that cannot be."""
    if os.environ.get("MAILSTEAD_TEST_NAMESPACE"):
        return
    ways = [["unshare", "--mount", "--propagation", "private"],
            ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"],
            ["unshare", "--mount", "--propagation", "unchanged"]]  # in a chroot, whose / is no mount point
    for way in ways:
        probe = mailstead.work_folder()
        try:
            able = subprocess.run([*way, "mount", "-t", "tmpfs", "tmpfs", probe], capture_output=True).returncode == 0
        except FileNotFoundError:
            able = False
        finally:
            os.rmdir(probe)
        if able:
            environment = dict(os.environ, MAILSTEAD_TEST_NAMESPACE="1")
            os.execvpe(way[0], [*way, sys.executable, *sys.orig_argv[1:]], environment)
    print("skipped: no file system can be mounted here, neither by root nor in a user namespace")
    sys.exit(mailstead.SKIP)


class SmallDisk(start_edges.RefusedStart):
    def disk(self, size, files=0):
        """The server's folder on a file system of `size` octets and so many files; its configuration stays outside."""
        self.mount = os.path.join(self.server.folder, "disk")
        os.mkdir(self.mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,nr_inodes=%d,mode=0755" % (size, files), "tmpfs", self.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=True)
        self.server.data = os.path.join(self.mount, "data")

    def free(self):
        facts = os.statvfs(self.mount)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave=0):
        with open(os.path.join(self.mount, "filler"), "ab") as file:
            while self.free() > leave:
                try:
                    file.write(bytes(min(4096, self.free() - leave)))
                    file.flush()
                except OSError:
                    break

    def empty(self):
        os.unlink(os.path.join(self.mount, "filler"))

    def remount(self, how):
        subprocess.run(["mount", "-o", "remount," + how, self.mount], check=True)


class AtStart(SmallDisk):
    def test_full_before_the_first_start(self):
        self.disk(2 << 20)
        for leave in (0, 4096, 64 << 10):
            with self.subTest(leave=leave):
                self.fill(leave)
                self.refused(self.server.data)
                self.assertFalse(os.path.exists(self.server.data), "half a data folder")
                self.empty()

    def test_full_before_a_later_start(self):
        """It either starts, to hand out and to delete what is there, or says in one line why not."""
        self.disk(8 << 20)
        self.server.configure("[limits]\nfree_space = 0")
        self.lived_in()
        self.fill()
        before = mailstead.tree(os.path.join(self.server.data, "mail"))
        self.server.start(wait=False)
        ready = self.server.wait_line(lambda line: line.endswith("ready"), "ready or the end")
        if ready is None:
            self.assertEqual(self.server.wait(), 1)
            self.assertEqual(len(self.server.lines), 1, self.server.log())
        else:
            self.assertEqual(len(self.server.fetch(USER)), 1)
            self.server.stop()
        self.assertEqual(mailstead.tree(os.path.join(self.server.data, "mail")), before)
        self.empty()
        self.server.start()
        self.assertEqual(len(self.server.fetch(USER)), 1)

    def test_killed_and_full(self):
        """Recovery on a full disk loses nothing, and what was held back lets people read and delete."""
        self.disk(16 << 20)  # there is room for a reserve
        self.server.configure("[limits]\nfree_space = 0")
        self.server.start()
        self.server.add_mailbox(USER)
        for number in range(20):
            self.server.deliver(messages.numbered(number, 2000), USER)
        before = self.server.fetch(USER)
        self.server.kill()
        self.fill()
        self.server.start(wait=False)
        ready = self.server.wait_line(lambda line: line.endswith("ready"), "ready or the end")
        self.assertIsNotNone(ready, self.server.log())
        self.assertEqual(self.server.fetch(USER), before)
        with self.server.pop3(USER) as session:
            session.must("DELE 1")
            session.quit()
        self.server.stop()
        self.empty()
        self.server.start()
        self.assertEqual(self.server.fetch(USER), before[1:])

    def test_read_only_file_system(self):
        self.disk(8 << 20)
        self.server.configure("[limits]\nfree_space = 0")
        self.remount("ro")
        self.refused(self.server.data)
        self.remount("rw")
        self.lived_in()
        self.remount("ro")
        try:
            self.refused(self.server.data)
        finally:
            self.remount("rw")
        self.server.start()
        self.assertEqual(len(self.server.fetch(USER)), 1)


class WhileItRuns(SmallDisk):
    settings = "[limits]\nfree_space = 0"

    def setUp(self):
        super().setUp()
        self.disk(16 << 20)
        self.server.configure(self.settings)
        self.server.start()
        self.server.add_mailbox(USER)

    def attempt(self, message, recipient=USER):
        """The reply that decides over the message."""
        with self.server.smtp() as session:
            for line, good in (("MAIL FROM:<a@b.example>", "250"), ("RCPT TO:<%s>" % recipient, "250"), ("DATA", "354")):
                code, text = session.command(line)
                if code != good:
                    return code, text
            session.send_raw(mailstead.stuffed(message))
            return session.reply()

    def nothing_half(self):
        for parent, _, files in os.walk(os.path.join(self.server.data, "mail")):
            if os.path.basename(parent) == "tmp":
                self.assertEqual(files, [], parent)
        self.assertEqual(os.listdir(os.path.join(self.server.data, "queue")), [])

    def test_full_while_mail_arrives(self):
        kept = []
        for number in range(6):
            self.server.deliver(messages.numbered(number, 3000), USER)
            kept.append(number)
        self.server.wait_filed()  # or what they give back is room again
        # From nothing free to a little: each place where the room can end.
        for leave in (0, 4096, 16 << 10, 64 << 10, 200 << 10):
            self.fill(leave)
            for number, size in ((100 + leave, 3000), (101 + leave, 150_000), (102 + leave, 3_000_000)):
                code, text = self.attempt(messages.numbered(number, size))
                self.assertIn(code, ("250", "452"), text)
                if code == "250":
                    kept.append(number)
                else:
                    self.assertIn("4.3.1", text)
            self.nothing_half()
            if leave == 0:
                # A little may find room in what the journal has already, and in the reserve, which its row wants.
                self.assertNotIn(102, kept, "stored on a full disk")
                # Reading and deleting work all the same.
                with self.server.pop3(USER) as session:
                    self.assertEqual(len(session.uidl()), len(kept))
                    mailstead.assert_same(messages.numbered(kept[0], 3000), mailstead.sent_part(session.retr(1)))
                    session.must("DELE 1")
                    session.quit()
                kept.pop(0)
            self.empty()
        found = self.server.fetch(USER)
        self.assertEqual([number_of(copy) for _, copy in found], kept)
        for number, (_, copy) in zip(kept, found):
            size = 3000 if number < 100 else (3000, 150_000, 3_000_000)[(number - 100) % 4096]
            mailstead.assert_same(messages.numbered(number, size), mailstead.sent_part(copy))
        code, text = self.attempt(PLAIN)
        self.assertEqual(code, "250", text)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.fetch(USER)[:-1], found)

    def test_deleting_everything_on_a_full_disk(self):
        for number in range(300):
            self.server.deliver(messages.numbered(number, 1000), USER)
        self.fill()
        with self.server.pop3(USER) as session:
            for number in range(1, 301):
                session.must("DELE %d" % number)
            session.quit()
        self.assertEqual(self.server.fetch(USER), [])
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.fetch(USER), [])

    def test_each_quit_on_a_full_disk_is_all_or_nothing(self):
        """Again and again, while somebody else takes at once what a QUIT gave free, the reserve too; also after a kill."""
        for number in range(60):
            self.server.deliver(messages.numbered(number, 20_000), USER)
        left = self.uidls()
        for attempt in range(11):
            self.fill()
            with self.server.pop3(USER) as session:
                for number in (1, 2, 4):
                    session.must("DELE %d" % number)
                reply = session.command("QUIT")
                self.assertEqual(session.stream.rest(), b"")
            if reply.startswith("+OK"):
                left = left[2:3] + left[4:]
            else:
                self.assertGreater(attempt, 0, "the reserve is there for the first one")
                self.assertTrue(reply.startswith("-ERR [SYS/TEMP]"), reply)
            if attempt % 4 in (0, 3):  # after a +OK, and after a refusal
                self.server.kill()
                self.start_again()
            self.assertEqual(self.uidls(), left, reply)
        self.empty()
        with self.server.pop3(USER) as session:
            session.must("DELE 1")
            session.quit()
        left = left[1:]
        found = self.server.fetch(USER)
        self.assertEqual([uidl for uidl, _ in found], left)
        for _, copy in found:
            mailstead.assert_same(messages.numbered(number_of(copy), 20_000), mailstead.sent_part(copy))

    def uidls(self):
        with self.server.pop3(USER) as session:
            found = [uidl for _, uidl in session.uidl()]
            session.quit()
        return found

    def start_again(self):
        """On the full disk where it starts there, otherwise on one with room."""
        self.server.start(wait=False)
        if self.server.wait_line(lambda line: line.endswith("ready"), "ready or the end") is None:
            self.assertEqual(self.server.wait(), 1)
            self.empty()
            self.server.start()

    def test_a_session_on_a_full_disk(self):
        """Everything but new mail: login, lists, every message, RSET, and a QUIT that has nothing to do."""
        for number in range(10):
            self.server.deliver(messages.numbered(number, 3000), USER)
        before = self.server.fetch(USER)
        self.fill()
        with self.server.pop3(USER) as session:
            self.assertEqual([session.retr(number) for number, _ in session.uidl()], [copy for _, copy in before])
            session.must("DELE 1")
            session.must("RSET")
            session.quit()
        with self.server.pop3(USER) as session:  # broken off
            session.must("DELE 1")
        until(lambda: self.free_mailbox(), "the mailbox is free")
        self.assertEqual(self.server.fetch(USER), before)

    def free_mailbox(self):
        with self.server.pop3() as session:
            session.must("USER " + USER)
            return session.command("PASS " + self.server.passwords[USER]).startswith("+OK")

    def test_admin_on_a_full_disk(self):
        """Done, or one line and exit 1; never half."""
        self.fill()
        done = self.server.admin("mailbox", "add", "bert@example.org", "--password-stdin", stdin="x y z w\n", code=None)
        listed = [entry for entry in self.server.admin("mailbox", "list").stdout.split() if entry == "bert@example.org"]
        self.assertEqual(bool(listed), done.returncode == 0)
        self.assertIn(done.returncode, (0, 1))
        if done.returncode:
            self.assertEqual(len(done.stderr.splitlines()), 1)
        self.empty()
        if done.returncode:
            self.server.add_mailbox("bert@example.org")
        self.assertEqual(self.attempt(PLAIN, "bert@example.org")[0], "250")


    def test_somebody_is_shut_out_on_a_full_disk(self):
        """The phone was stolen: that cannot wait until there is room."""
        password = self.server.json("app-password", "add", USER, "phone")["password"]
        self.server.add_mailbox("carl@example.org")
        self.fill()
        self.server.admin("app-password", "revoke", USER, "phone")
        self.server.admin("mailbox", "disable", "carl@example.org")
        self.server.admin("mailbox", "password", USER, "--password-stdin", stdin="another one\n")
        with self.server.pop3() as session:
            for user, wrong in ((USER, password), (USER, self.server.passwords[USER]), ("carl@example.org", "correct horse")):
                session.must("USER " + user)
                session.refused("PASS " + wrong)
            session.login(USER, "another one")
        self.empty()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.json("app-password", "list", USER), [])


class FewFiles(SmallDisk):
    """A file system that may make no file (inode) more is as full as any."""

    def take_files(self):
        self.fillers = []
        os.makedirs(os.path.join(self.mount, "filler"), exist_ok=True)
        while True:
            path = os.path.join(self.mount, "filler", str(len(self.fillers)))
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            except OSError:
                return
            self.fillers.append(path)

    def test_all_files_are_taken(self):
        self.disk(64 << 20, files=1000)
        self.server.configure("[limits]\nfree_space = 8000000")
        self.server.start()
        self.server.add_mailbox(USER)
        for number in range(20):
            self.server.deliver(messages.numbered(number, 2000), USER)
        before = self.server.fetch(USER)
        self.take_files()
        self.assertEqual(WhileItRuns.attempt(self, PLAIN)[0], "452")
        self.assertEqual(self.server.json("status")["takes_mail"], False)
        with self.server.pop3(USER) as session:
            session.must("DELE 1")
            session.quit()
        for end in (self.server.kill, self.server.stop, self.server.kill):
            self.take_files()
            end()
            self.take_files()
            self.server.start(wait=False)
            ready = self.server.wait_line(lambda line: line.endswith("ready"), "ready or the end")
            self.assertIsNotNone(ready, self.server.log())
            self.assertEqual(self.server.fetch(USER), before[1:])
            self.assertEqual(WhileItRuns.attempt(self, PLAIN)[0], "452")
            for path in self.fillers[:40]:  # so that the next start finds what this one has held back
                os.unlink(path)
            self.server.stop()
            self.server.start()
        for name in os.listdir(os.path.join(self.mount, "filler")):
            os.unlink(os.path.join(self.mount, "filler", name))
        self.assertEqual(WhileItRuns.attempt(self, PLAIN)[0], "250")
        self.assertEqual(len(self.server.fetch(USER)), len(before))


class Reserve(SmallDisk):
    def test_little_free_space_defers_mail(self):
        self.disk(16 << 20)
        self.server.configure('[limits]\nfree_space = "8 MiB"')
        self.server.start()
        self.server.add_mailbox(USER)
        self.server.deliver(PLAIN, USER)
        self.fill(4 << 20)
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            session.must("RCPT TO:<%s>" % USER)
            code, text = session.command("DATA")
            self.assertEqual((code, text[:5]), ("452", "4.3.1"))
            session.quit()
        self.assertIn("no room on the disk", self.server.admin("why", USER).stdout)
        self.empty()
        self.server.deliver(PLAIN, USER)
        self.assertEqual(len(self.server.fetch(USER)), 2)


def number_of(copy):
    return int(next(line for name, line in mailstead.header_fields(copy)[0] if name == b"x-number").split()[1])


if __name__ == "__main__":
    enter_namespace()
    mailstead.main()

"""Mail that a client deleted: kept, listed, restored, freed; and which device took what.

Runs in a mount namespace of its own where it can, for the disks that are full; see disk_edges.py.
"""

import json
import os
import sqlite3
import time
import unittest

import disk_edges
import mailstead
import messages
from mailstead import until

USER = "anna@example.org"
OTHER = "bert@example.org"


def numbered(number, size=1000):
    return messages.numbered(number, size)


def uidls_of(session):
    return [uidl for _, uidl in session.uidl()]


class Deleted(mailstead.ServerTest):
    def fill(self, count):
        for number in range(count):
            self.server.deliver(numbered(number), USER)
        return self.server.fetch(USER)

    def delete(self, *numbers, retr=False):
        with self.server.pop3(USER) as session:
            for number in numbers:
                if retr:
                    session.retr(number)
                session.must("DELE %d" % number)
            session.quit()

    def deleted(self):
        return [entry["uidl"] for entry in self.server.json("message", "list", USER, "--deleted")]

    def box(self, name):
        path = os.path.join(self.server.data, "mail", "example.org", "anna", name)
        return os.listdir(path) if os.path.isdir(path) else []

    def database(self, sql):
        """While the server is stopped."""
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            database.execute(sql)
        database.close()

    def test_deleted_listed_restored_fetched(self):
        before = self.fill(4)
        uidls = [uidl for uidl, _ in before]
        self.delete(1, 3, retr=True)
        self.assertEqual([uidl for uidl, _ in self.server.fetch(USER)], [uidls[1], uidls[3]])
        listed = self.server.json("message", "list", USER, "--deleted")
        self.assertEqual([entry["uidl"] for entry in listed], [uidls[0], uidls[2]])
        self.assertEqual(listed[0]["deleted_by"], "127.0.0.1")
        self.assertEqual(listed[0]["state"], "deleted")
        until(lambda: len(self.box("deleted")) == 2 and len(self.box("new")) == 2, "the files to be put aside")
        text = self.server.admin("message", "list", USER, "--deleted").stdout
        self.assertIn(uidls[0], text)
        self.assertIn("message restore", text)
        self.server.admin("message", "restore", USER, uidls[2])
        self.assertEqual([uidl for uidl, _ in self.server.fetch(USER)], uidls[1:])
        self.server.admin("message", "restore", USER, "--all")
        self.assertEqual(self.server.fetch(USER), before)
        self.assertEqual(self.deleted(), [])
        refused = self.server.admin("message", "restore", USER, uidls[0], code=1)
        self.assertIn("is not deleted", refused.stderr)
        for wrong in ([USER], [USER, uidls[0], "--all"], [USER, "--last", "--all"]):
            self.server.admin("message", "restore", *wrong, code=2)

    def test_the_last_deletion_comes_back_alone(self):
        before = self.fill(4)
        self.delete(1)
        time.sleep(1.1)  # deletions are told apart by the second
        self.delete(1, 2)
        self.server.admin("message", "restore", USER, "--last")
        self.assertEqual(self.server.fetch(USER), before[1:])
        self.assertEqual(self.deleted(), [before[0][0]])

    def test_a_session_that_is_open_goes_on(self):
        before = self.fill(3)
        self.delete(1)
        with self.server.pop3(USER) as session:
            self.assertEqual(uidls_of(session), [uidl for uidl, _ in before[1:]])
            self.server.admin("message", "restore", USER, before[0][0])
            self.assertEqual(uidls_of(session), [uidl for uidl, _ in before[1:]])
            self.assertEqual(session.retr(1), before[1][1])
            session.quit()
        self.assertEqual(self.server.fetch(USER), before)

    def test_over_a_restart_and_a_kill(self):
        before = self.fill(3)
        self.delete(1)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.deleted(), [before[0][0]])
        self.delete(1)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.deleted(), [before[0][0], before[1][0]])
        self.assertEqual(self.server.fetch(USER), before[2:])
        until(lambda: len(self.box("deleted")) == 2, "the files to be put aside")
        self.server.admin("message", "restore", USER, before[0][0])
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.fetch(USER), [before[0], before[2]])
        # Without the server, too.
        self.server.stop()
        self.server.admin("message", "restore", USER, "--all")
        self.server.start()
        self.assertEqual(self.server.fetch(USER), before)

    def test_freed_by_age_without_a_login(self):
        before = self.fill(3)
        self.delete(1, 2)
        until(lambda: len(self.box("deleted")) == 2, "the files to be put aside")
        self.server.stop()
        self.database("UPDATE deletions SET age_from = age_from - 8 * 86400 WHERE id = 1")
        self.server.start()
        until(lambda: len(self.box("deleted")) == 1, "the older one to be freed")
        self.assertEqual(self.deleted(), [before[1][0]])
        self.server.admin("why", before[0][0], code=1)

    def test_a_clock_that_was_ahead_frees_nothing(self):
        before = self.fill(2)
        self.delete(1)
        self.server.stop()
        self.database("UPDATE meta SET value = value - 400 * 86400 WHERE key = 'deleted_age_at'")
        self.server.start()
        self.server.wait_line(lambda line: "counts as one day older" in line, "a word about the clock")
        self.assertEqual(self.deleted(), [before[0][0]])

    def test_kept_for_no_day(self):
        before = self.fill(3)
        self.delete(1)
        self.assertEqual(len(self.deleted()), 1)
        self.server.stop()
        self.server.configure("[pop3]\ndeleted_kept_days = 0")
        self.server.start()
        until(lambda: self.deleted() == [], "what was kept to be freed")
        self.delete(1)
        until(lambda: len(self.box("new")) == 1, "the file to go")
        self.assertEqual(self.box("deleted"), [])
        self.assertEqual(self.deleted(), [])
        self.assertEqual(self.server.fetch(USER), before[2:])
        self.assertEqual(self.server.json("status")["deleted_messages"], 0)

    def test_what_is_counted(self):
        before = self.fill(3)
        self.delete(2)
        shown = self.server.json("mailbox", "show", USER)
        self.assertEqual((shown["messages"], shown["deleted_messages"]), (2, 1))
        self.assertEqual(shown["deleted_octets"], len(before[1][1]))
        self.assertEqual(self.server.json("status")["deleted_octets"], len(before[1][1]))
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat(), (2, len(before[0][1]) + len(before[2][1])))
            session.quit()


class Devices(mailstead.ServerTest):
    def test_who_took_what(self):
        for number in range(3):
            self.server.deliver(numbered(number, 200_000 if number == 2 else 500), USER)
        with self.server.pop3(USER) as session:
            uidls = uidls_of(session)
            session.top(2, 5)  # no taking
            session.retr(1)
            session.retr(3)
            session.retr(1)
            session.quit()
        taken = lambda uidl: [event["device"] for event in self.server.json("message", "show", USER, uidl)["events"]]
        self.assertEqual([taken(uidl) for uidl in uidls], [["127.0.0.1"], [], ["127.0.0.1"]])
        devices = self.server.json("mailbox", "show", USER)["devices"]
        self.assertEqual([(one["name"], one["messages_taken"]) for one in devices], [("127.0.0.1", 2)])
        # Pipelined, and without a QUIT.
        with self.server.pop3(USER) as session:
            session.stream.send(b"TOP 1 0\r\nRETR 2\r\nTOP 3 1\r\nNOOP\r\n")
            for _ in range(3):
                session.reply()
                session.stream.dotted()
            session.reply()
        until(lambda: taken(uidls[1]) == ["127.0.0.1"], "the note of a session that hung up")
        self.server.stop()
        self.server.start()
        self.assertEqual([taken(uidl) for uidl in uidls], [["127.0.0.1"]] * 3)

    def test_taken_and_deleted_in_one_session_survives_a_kill(self):
        self.server.deliver(numbered(1), USER)
        with self.server.pop3(USER) as session:
            uidl = uidls_of(session)[0]
            session.retr(1)
            session.must("DELE 1")
            session.quit()
        self.server.kill()
        self.server.start()
        shown = self.server.json("message", "show", USER, uidl)
        self.assertEqual([event["what"] for event in shown["events"]], ["fetched", "deleted"])
        self.assertIn("message restore %s %s" % (USER, uidl), shown["restore_command"])

    def test_many_messages_in_one_session(self):
        count = 3000
        for number in range(count):
            path = os.path.join(self.server.data, "mail", "example.org", "anna", "new", "f%d" % number)
            with open(path, "wb") as file:
                file.write(b"Subject: %d\r\n\r\nbody\r\n" % number)
        until(lambda: self.imported() == count, "the files to be imported", 60)
        with self.server.pop3(USER) as session:
            wanted = b"".join(b"RETR %d\r\n" % number for number in range(1, count + 1))
            session.stream.send(wanted)
            for _ in range(count):
                self.assertTrue(session.reply()[0])
                session.stream.dotted()
            session.quit()
        self.assertEqual(self.server.json("mailbox", "show", USER)["devices"][0]["messages_taken"], count)

    def imported(self):
        with self.server.pop3(USER) as session:
            count = len(uidls_of(session))
            session.quit()
        return count


class Why(mailstead.ServerTest):
    def why(self, asked):
        return json.loads(self.server.admin("--json", "why", asked).stdout), self.server.admin("why", asked).stdout

    def test_a_message(self):
        self.server.add_mailbox(OTHER)
        message = b"Message-ID: <Strange.1@sender.example>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nFrom: s@x.example\r\n\r\nhello\r\n"
        self.server.deliver(message, USER, OTHER)
        with self.server.pop3(USER) as session:
            uidl = uidls_of(session)[0]
            session.retr(1)
            session.must("DELE 1")
            session.quit()
        for asked in (uidl, "<Strange.1@sender.example>", "Strange.1@sender.example"):
            with self.subTest(asked=asked):
                value, text = self.why(asked)
                self.assertEqual(value["kind"], "message")
                self.assertEqual([copy["address"] for copy in value["copies"]], [USER, OTHER])
                self.assertEqual([copy["state"] for copy in value["copies"]], ["deleted", "present"])
                self.assertEqual([event["what"] for event in value["copies"][0]["events"]], ["fetched", "deleted"])
                self.assertEqual(value["copies"][0]["subject"], "Grüße")
                self.assertIn("Grüße", text)
                self.assertIn("fetched by 127.0.0.1", text)
                self.assertIn("deleted by 127.0.0.1", text)
                self.assertIn("mailstead message restore %s %s" % (USER, uidl), text)
        command = value["copies"][0]["restore_command"].split()
        self.assertEqual(command[0], "mailstead")
        self.server.admin(*command[1:])
        value, text = self.why(uidl)
        self.assertEqual([event["what"] for event in value["copies"][0]["events"]], ["fetched", "deleted", "restored"])
        self.assertIn("restored", text)

    def test_unknown(self):
        for asked in ("nobody@elsewhere.example", "0123456789abcde", "<none@here>", "x", "\x1b[31m", ""):
            with self.subTest(asked=asked):
                done = self.server.admin("why", asked, code=1)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertIn("check", done.stderr)
                self.assertNotIn("\x1b", done.stderr)

    def test_an_address(self):
        self.server.admin("alias", "add", "info@example.org", USER)
        value, text = self.why(USER)
        self.assertEqual((value["kind"], value["mailboxes"][0]["messages"]), ("mailbox", 0))
        self.assertIn("No mail ever arrived", text)
        self.assertIn("No mail program has logged in", text)
        value, text = self.why("INFO@example.org")
        self.assertEqual((value["kind"], value["mailboxes"][0]["address"]), ("alias", USER))
        value, text = self.why("ana@example.org")
        self.assertEqual(value["kind"], "unknown")
        self.assertIn("Perhaps anna@example.org is meant", text)
        value, text = self.why("postmaster@example.org")
        self.assertEqual(value["kind"], "postmaster")
        self.server.admin("alias", "add", "@example.org", USER)
        self.assertEqual(self.why("ana@example.org")[0]["kind"], "catch-all")
        self.server.deliver(numbered(1), USER)
        self.server.fetch(USER, delete=True)
        value, text = self.why(USER)
        self.assertEqual(value["mailboxes"][0]["deleted_messages"], 1)
        self.assertIn("can be restored", text)
        self.assertIn("leave messages on the server", text)
        self.server.admin("mailbox", "disable", USER)
        value, text = self.why(USER)
        self.assertIn("mailbox enable", text)
        self.assertIn("disabled", self.why("info@example.org")[1])


class LittleRoom(disk_edges.SmallDisk):
    """Deleted mail makes room for new mail, the oldest first."""

    def begin(self, free_space):
        self.disk(24 << 20)
        self.server.configure('[limits]\nfree_space = "%s"' % free_space)
        self.server.start()
        self.server.add_mailbox(USER)

    def deleted(self):
        return [entry["uidl"] for entry in self.server.json("message", "list", USER, "--deleted")]

    def delete_all(self):
        return [uidl for uidl, _ in self.server.fetch(USER, delete=True)]

    def test_deleted_mail_goes_before_new_mail_is_refused(self):
        self.begin("8 MiB")
        for number in range(5):
            self.server.deliver(numbered(number, 1 << 20), USER)
        uidls = self.delete_all()
        self.assertEqual(self.deleted(), uidls)
        disk_edges.SmallDisk.fill(self, (8 << 20) - (1 << 19))  # half a MiB short of the limit
        self.server.deliver(numbered(9, 1000), USER)
        left = self.deleted()
        self.assertLess(len(left), len(uidls))
        self.assertGreater(len(left), 1, "more was freed than was needed")
        self.assertEqual(left, uidls[-len(left):], "not the oldest first")
        self.assertEqual(len(self.server.fetch(USER)), 1)
        self.server.wait_line(lambda line: "before their time" in line, "a word about it")

    def test_deleted_mail_goes_when_a_message_needs_its_room(self):
        """Without a limit that would have freed it before."""
        self.begin("0 B")
        for number in range(6):
            self.server.deliver(numbered(number, 1 << 20), USER)
        uidls = self.delete_all()
        until(lambda: len(self.deleted()) == 6, "the deletion")
        disk_edges.SmallDisk.fill(self, 3 << 20)
        for number in range(10, 13):
            self.server.deliver(numbered(number, 1 << 20), USER)
        self.assertEqual(len(self.server.fetch(USER)), 3)
        left = self.deleted()
        self.assertEqual(left, uidls[len(uidls) - len(left):])
        self.assertLess(len(left), 6)

    def test_delete_and_restore_on_a_full_disk(self):
        self.begin("0 B")
        for number in range(20):
            self.server.deliver(numbered(number, 2000), USER)
        before = self.server.fetch(USER)
        disk_edges.SmallDisk.fill(self)
        with self.server.pop3(USER) as session:
            for number in range(1, 11):
                session.must("DELE %d" % number)
            session.quit()
        self.assertEqual(self.server.fetch(USER), before[10:])
        uidls = self.deleted()
        self.assertEqual(uidls, [uidl for uidl, _ in before[:10]])
        self.server.admin("message", "restore", USER, "--all")
        self.assertEqual(self.server.fetch(USER), before)
        self.server.kill()
        self.empty()
        self.server.start()
        self.assertEqual(self.server.fetch(USER), before)


if __name__ == "__main__":
    disk_edges.enter_namespace()
    mailstead.main()

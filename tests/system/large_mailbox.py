"""A mailbox of a great many messages: a login that reads none of them, lists in bounded memory, numbers that hold.

MESSAGES (20,000, or 6,000 with the sanitizers) comes from the environment; 1,000,000 takes minutes. The files are links to
a few, under names as the server gives them, which are taken into the index at the start.
"""

import json
import os
import time
import unittest

import mailstead
import messages

MESSAGES = int(os.environ.get("MESSAGES", "6000" if mailstead.sanitized() else "20000"))
LINKS = 60_000  # of one file: ext4 allows 65,000
USER = "anna@example.org"
OTHER = "bert@example.org"
BACK = "carl@example.org"
SECONDS = 1_700_000_000
MEMORY = 24 * 2**20  # octets that one session of any mailbox may cost, pages that are kept for the next one included


def message(number):
    return b"Subject: %d\r\nFrom: a@elsewhere.example\r\n\r\n" % number + b"x" * number + b"\r\n"


def name_of(number):
    """1 for the oldest. Ids are 15 characters of 0-9 and a-z, in the order of time."""
    return "%d.%015d.host" % (SECONDS + number, number)


def file_of(number):
    return (number - 1) // LINKS


def fill(folder):
    for number in range(1, MESSAGES + 1):
        path = os.path.join(folder, name_of(number))
        source = os.path.join(folder, name_of(file_of(number) * LINKS + 1))
        if path == source:
            with open(path, "wb") as file:
                file.write(message(file_of(number)))
        else:
            os.link(source, path)


class LargeMailbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mailstead.Server()
        try:
            cls.server.start()
            cls.server.add_cheap_mailbox(USER)
            cls.server.stop()
            cls.folder = os.path.join(cls.server.data, "mail", "example.org", "anna", "new")
            fill(cls.folder)
            cls.server.start()
        except BaseException:
            cls.server.close(keep=True)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_1_a_session_reads_what_it_asks_for(self):
        sizes = [len(message(file_of(number))) for number in range(1, MESSAGES + 1)]
        before = mailstead.memory(self.server.pid)[0]
        peak = before

        def look():
            nonlocal peak
            peak = max(peak, mailstead.memory(self.server.pid)[0])

        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat(), (MESSAGES, sum(sizes)))
            # At random, before any list has told where the pages begin.
            for number in (MESSAGES, MESSAGES // 2, 1, MESSAGES - 1):
                self.assertEqual(session.retr(number), message(file_of(number)))
                self.assertEqual(session.must("UIDL %d" % number), "+OK %d %015d" % (number, number))
                look()
            for command, right in (("LIST", lambda number: b"%d" % sizes[number - 1]), ("UIDL", lambda number: b"%015d" % number)):
                session.must(command)
                for number in range(1, MESSAGES + 1):
                    self.assertEqual(session.stream.line(), b"%d %s" % (number, right(number)))
                    if number % 10_000 == 0:
                        look()
                self.assertEqual(session.stream.line(), b".")
            look()
            session.quit()
        print("\n      %d messages: %.1f MiB more than before the first login" % (MESSAGES, (peak - before) / 2**20))
        if not mailstead.sanitized():
            self.assertLess(peak - before, MEMORY)

    def test_2_new_mail_stands_at_the_end(self):
        self.server.deliver(messages.small_messages()["plain"], USER)
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], MESSAGES + 1)
            mailstead.assert_same(messages.small_messages()["plain"], mailstead.sent_part(session.retr(MESSAGES + 1)))
            self.assertEqual(session.must("UIDL %d" % MESSAGES), "+OK %d %015d" % (MESSAGES, MESSAGES))
            session.quit()

    def test_3_a_restore_moves_nothing_in_a_session_that_has_read_nothing(self):
        with self.server.pop3(USER) as session:
            session.must("DELE 2")
            session.must("DELE %d" % (MESSAGES - 2))
            session.quit()
        with self.server.pop3(USER) as session:
            count, octets = session.stat()
            self.assertEqual(count, MESSAGES - 1)
            self.server.admin("message", "restore", USER, "--all")
            self.server.deliver(messages.small_messages()["plain"], USER)
            uidls = session.uidl()
            self.assertEqual([number for number, _ in uidls], list(range(1, count + 1)))
            self.assertEqual([uidl for _, uidl in uidls[:3]], ["%015d" % number for number in (1, 3, 4)])
            self.assertEqual(sum(session.sizes()), octets)
            session.quit()
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], MESSAGES + 2)
            self.assertEqual([uidl for _, uidl in session.uidl()[:3]], ["%015d" % number for number in (1, 2, 3)])
            session.quit()

    def test_4_while_it_is_searched_others_have_the_store(self):
        self.server.add_cheap_mailbox(OTHER)
        with self.server.pop3(USER) as session:
            count = session.stat()[0]
            session.quit()
        letter = os.path.join(self.folder, "letter")
        with open(letter, "wb") as file:
            file.write(b"Subject: of another tool\n\nx\n")
        self.server.pop3(USER).quit()
        longest = 0.0
        began = time.monotonic()
        # The look goes on behind the login; it ends with a name of ours for the letter.
        while os.path.exists(letter):
            asked = time.monotonic()
            self.assertLess(asked - began, 600, "nobody finds the letter")
            with self.server.pop3(OTHER) as session:
                session.stat()
                session.quit()
            longest = max(longest, time.monotonic() - asked)
        print("\n      searched in %.2f s; others' sessions took up to %.0f ms" % (time.monotonic() - began, longest * 1000))
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], count + 1)
            session.quit()

    def delete(self, numbers):
        """By one QUIT; the seconds that it took."""
        with self.server.pop3(USER) as session:
            for first in range(0, len(numbers), 1000):
                some = numbers[first:first + 1000]
                session.stream.send(b"".join(b"DELE %d\r\n" % number for number in some))
                for number in some:
                    self.assertTrue(session.stream.line().startswith(b"+OK"), number)
            began = time.monotonic()
            session.quit()
            return time.monotonic() - began

    def bystander(self):
        """Somebody else's whole session, and mail for him."""
        with self.server.pop3(OTHER) as session:
            count = session.stat()[0]
            session.quit()
        self.server.deliver(messages.small_messages()["plain"], OTHER)
        with self.server.pop3(OTHER) as session:
            self.assertEqual(session.stat()[0], count + 1)
            session.quit()

    def piece(self, command, flag, after=""):
        """What one turn of the store does of a command."""
        request = {"command": command, "arguments": [USER], "flags": [flag], "secret": ""}
        if after:
            request["after"] = after
        report = json.loads(self.server.control(json.dumps(request).encode() + b"\n"))
        self.assertEqual(report["exit_code"], 0, report["error"])
        return report

    def test_5_much_of_it_is_deleted_at_once_and_restored(self):
        with self.server.pop3(USER) as session:
            count = session.stat()[0]
            session.quit()
        much = min(count, 100_000)
        deleted = self.delete(range(1, much + 1))
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], count - much)
            session.quit()
        began = time.monotonic()
        restored = self.server.json("message", "restore", USER, "--all")
        self.assertEqual((len(restored["restored"]), restored["lost"]), (much, []))
        print("\n      %d deleted in %.2f s, restored in %.2f s" % (much, deleted, time.monotonic() - began))
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], count)
            self.assertEqual([uidl for _, uidl in session.uidl()[:3]], ["%015d" % number for number in (1, 2, 3)])
            session.quit()

    def test_5a_between_the_turns_of_a_restore_others_are_served(self):
        with self.server.pop3(USER) as session:
            count = session.stat()[0]
            session.quit()
        much = 3000
        self.delete(range(1, much + 1))
        seen = []
        report = self.piece("message restore", "all")
        while report.get("next"):
            # The restore is under way: what it has done stands, the rest does not, and nobody waits for it.
            self.bystander()
            seen.append(self.server.json("mailbox", "show", USER)["messages"] - (count - much))
            report = self.piece("message restore", "all", report["next"])
        self.assertEqual(seen, sorted(set(seen)))
        self.assertTrue(all(later - before <= 500 for before, later in zip([0] + seen, seen + [much])), seen)
        self.assertIn("%d messages restored" % much, report["text"])
        with self.server.pop3(USER) as session:
            self.assertEqual(session.stat()[0], count)
            session.quit()

    def test_6_the_index_answers_without_the_files(self):
        with self.server.pop3(USER) as session:
            count = session.stat()[0]
            for name in os.listdir(self.folder):
                os.unlink(os.path.join(self.folder, name))
            self.assertEqual(len(session.sizes()), count)
            session.refused("RETR 1")
            # What that has told the server renumbers nothing here.
            self.assertEqual(len(session.uidl()), count)
            session.refused("RETR %d" % count)
            session.quit()


    def test_7_a_removed_mailbox_goes_behind_everybody(self):
        self.server.admin("mailbox", "remove", USER, "--keep-mail")
        # Its address is free, and others are served, whatever of its rows is still there.
        self.bystander()
        self.server.add_cheap_mailbox(BACK)
        self.server.admin("mailbox", "remove", BACK)
        self.server.stop()
        self.server.start()
        self.bystander()
        self.assertEqual([box["address"] for box in self.server.json("mailbox", "list")], [OTHER])


if __name__ == "__main__":
    mailstead.main()

"""`mailstead verify`: beside a server that takes and gives mail, alone, and over mail that something happened to."""

import glob
import json
import os
import shutil
import sqlite3
import threading

import mailstead
from mailstead import until

ANNA = "anna@example.org"
BERT = "bert@example.org"


def text_of(number, more=b""):
    return b"Subject: %d\r\n\r\nbody of %d\r\n%s" % (number, number, more)


class Verify(mailstead.ServerTest):
    # Where nothing answers: mail on its way out waits.
    settings = """hostname = "mail.example.org"
[resolver]
servers = ["127.0.0.1:9"]
"""

    def setUp(self):
        super().setUp()
        self.server.add_cheap_mailbox(BERT)

    def folder(self, place, user="anna"):
        return os.path.join(self.server.data, "mail", "example.org", user, place)

    def files(self, place):
        return sorted(glob.glob(os.path.join(self.folder(place), "*")))

    def fill(self, count):
        for number in range(count):
            self.server.deliver(text_of(number), ANNA)
        self.server.wait_filed()

    def verify(self, *flags, code=0):
        return json.loads(self.server.admin("--json", "verify", *flags, code=code).stdout)

    def texts(self, report, verdict):
        return [finding["text"] for finding in report["findings"] if finding["verdict"] == verdict]

    def change(self, path, to):
        with open(path, "r+b") as file:
            content = file.read()
            file.seek(0)
            file.truncate()
            file.write(to(content))
        return content

    def test_all_is_well(self):
        self.fill(20)
        self.server.deliver(text_of(20, b"x" * 700_000 + b"\r\n"), ANNA, BERT)
        report = self.verify("--all")
        self.assertEqual((report["messages"], report["read"], report["amiss"], report["findings"]), (22, 22, 0, []))
        self.assertIn("Nothing is wrong.", self.server.admin("verify").stdout)
        self.server.stop()
        self.assertIn("Nothing is wrong.", self.server.admin("verify").stdout)
        self.server.start()
        self.assertEqual(len(self.server.fetch(ANNA)), 21)

    def test_what_happened_to_files(self):
        self.fill(6)
        before = self.server.fetch(ANNA)
        changed, longer, empty, lost, moved, whole = self.files("new")
        whole_of = [self.change(changed, lambda content: content.replace(b"body", b"bodY")),
                    self.change(longer, lambda content: content + b"more\n")]
        self.change(empty, lambda content: b"\0" * len(content))
        os.rename(lost, self.server.data + "-lost")
        os.rename(moved, os.path.join(self.folder("cur"), os.path.basename(moved) + ":2,S"))

        report = self.verify(code=1)
        wrong = self.texts(report, "amiss")
        self.assertEqual(len(wrong), 4, report)
        for path in (changed, longer, empty, lost):
            self.assertEqual(sum(os.path.basename(path) in text for text in wrong), 1, wrong)
        self.assertEqual(self.verify(code=1)["amiss"], 4)  # it only looks

        told = self.server.admin("verify", "--repair").stdout
        for word in ("Mended:", "is gone", "quarantine", "Nothing else is wrong."):
            self.assertIn(word, told)
        report = self.verify()
        self.assertEqual((report["amiss"], report["noted"]), (0, 4), report)
        after = dict(self.server.fetch(ANNA))
        self.assertEqual(set(after), {uidl for uidl, _ in before} - {before[2][0], before[3][0]})
        self.assertIn(b"bodY", after[before[0][0]])
        self.assertEqual(after[before[1][0]], before[1][1] + b"more\r\n")
        self.assertEqual(len(self.files("quarantine")), 2)
        # What a backup has goes back to its place.
        os.rename(self.server.data + "-lost", lost)
        self.verify("--repair")
        until(lambda: before[3] in self.server.fetch(ANNA), "the message that was lost")
        for path, number in ((changed, 0), (longer, 1)):
            self.change(path, lambda _: whole_of[number])
        self.verify("--repair")
        self.assertEqual(self.verify()["noted"], 1)  # of the one that is empty
        after = dict(self.server.fetch(ANNA))
        self.assertEqual([after[uidl] for uidl, _ in before[:2]], [content for _, content in before[:2]])

    def test_mail_on_its_way_out(self):
        with self.server.smtp("submission", ANNA) as session:
            session.send(b"From: <anna@example.org>\r\nSubject: big\r\n\r\n" + b"x\r\n" * 200_000, ANNA, ["carl@far.example"])
        until(lambda: self.server.json("queue", "list"), "it waits")
        path = glob.glob(os.path.join(self.server.data, "queue", "*"))[0]
        self.assertEqual(self.verify()["amiss"], 0)
        whole = self.change(path, lambda content: content[:-5] + b"y" + content[-4:])
        report = self.verify(code=1)
        self.assertTrue(any("its octets have changed" in text for text in self.texts(report, "amiss")), report)
        self.change(path, lambda _: whole)
        self.assertEqual(self.verify()["amiss"], 0)

    def test_sums_and_strangers(self):
        self.fill(3)
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            database.execute("UPDATE totals SET octets = 99")
        database.close()
        os.symlink("/etc/passwd", os.path.join(self.folder("new"), "stranger"))
        os.makedirs(os.path.join(self.server.data, "mail", "example.org", "UNKNOWN!", "what"))
        report = self.verify(code=1)
        self.assertTrue(any("99 octets" in text for text in self.texts(report, "amiss")), report)
        self.assertTrue(any("stranger" in text for text in self.texts(report, "amiss")), report)
        self.assertTrue(any("UNKNOWN!" in text for text in self.texts(report, "noted")), report)
        report = self.verify("--repair")
        self.assertEqual(report["mended"], 2, report)
        self.assertEqual(os.listdir(self.folder("quarantine")), ["stranger"])
        self.assertEqual(self.verify()["amiss"], 0)

    def test_beside_a_busy_server(self):
        """Mail comes, is fetched and deleted, and its files are moved, while one check follows the other: none finds
        anything."""
        ends = threading.Event()
        errors = []

        def worker(work):
            try:
                number = 0
                while not ends.is_set():
                    work(number)
                    number += 1
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)

        def send(number):
            ends.wait(0.3)  # so that those who delete keep up, however slow the checks are
            with self.server.smtp() as session:
                for _ in range(20):
                    session.send(text_of(number, b"y" * (number % 5 * 50_000)), "sender@elsewhere.example", [ANNA, BERT])

        def fetch(user):
            def take(_):
                with self.server.pop3(user) as session:
                    for message in range(1, min(30, len(session.sizes())) + 1):
                        session.must("DELE %d" % message)
                    session.quit()
            return take

        workers = [threading.Thread(target=worker, args=(work,)) for work in (send, send, fetch(ANNA), fetch(BERT))]
        for thread in workers:
            thread.start()
        try:
            for _ in range(6):
                report = self.verify("--all")
                self.assertEqual((report["amiss"], report["complete"]), (0, True), report)
                report = self.verify("--all", "--repair")
                self.assertEqual((report["amiss"], report["mended"]), (0, 0), report)
        finally:
            ends.set()
            for thread in workers:
                thread.join()
        self.assertEqual(errors, [])

    def test_a_restart_in_between(self):
        self.fill(30)
        self.change(self.files("new")[7], lambda content: content[:-8] + b"#" + content[-7:])
        self.server.kill()
        self.server.start()
        self.assertEqual(self.verify(code=1)["amiss"], 1)
        self.server.stop()
        self.assertEqual(self.verify("--repair")["mended"], 1)
        self.server.start()
        self.assertEqual(self.verify("--all")["amiss"], 0)

    def test_a_database_whose_pages_are_damaged(self):
        self.fill(300)
        self.server.stop()
        path = os.path.join(self.server.data, "mailstead.db")
        with sqlite3.connect(path) as database:
            page = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages_in_order'").fetchone()[0]
            size = database.execute("PRAGMA page_size").fetchone()[0]
        database.close()
        shutil.copy(path, path + ".copy")
        self.server.start()
        # Under the server's eyes: the pages that it has in memory are as they were.
        with open(path, "r+b") as file:
            file.seek((page - 1) * size + size // 2)
            file.write(os.urandom(size // 2))
        report = self.verify(code=1)
        self.assertTrue(any("the database is damaged" in text for text in self.texts(report, "amiss")), report)
        self.server.admin("verify", "--repair", code=None)
        self.server.stop()
        self.server.start()
        self.assertEqual(len(self.server.fetch(ANNA)), 300)
        self.assertEqual(self.verify("--all")["amiss"], 0)


if __name__ == "__main__":
    mailstead.main()

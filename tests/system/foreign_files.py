"""Files that other mail tools put into a mailbox's folders: a few, and thousands at once."""

import os
import re
import unittest

import mailstead
import messages
from mailstead import until

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"
MANY = 3000


class Dropped(mailstead.ServerTest):
    def folder(self, name="new"):
        return os.path.join(self.server.data, "mail", "example.org", "anna", name)

    def drop(self, numbers, folder="new", end="\n"):
        for number in numbers:
            with open(os.path.join(self.folder(folder), "dropped-%d" % number), "w", newline="") as file:
                file.write("Subject: %d\n\nby another tool\n".replace("\n", end) % number)

    def subjects(self):
        """Of all messages in the mailbox; none may be there twice."""
        found = []
        with self.server.pop3(USER) as session:
            for number, _ in session.uidl():
                found.append(re.search(rb"^Subject: (.*)\r$", session.top(number, 0), re.M).group(1))
            session.quit()
        self.assertEqual(len(found), len(set(found)))
        return found

    def test_a_few(self):
        self.drop(range(3))
        self.drop(range(3, 5), "cur", "\r\n")
        self.assertEqual(sorted(self.subjects()), [b"%d" % number for number in range(5)])
        self.server.wait_line(lambda line: "mailbox-changed" in line and "imported 5 files in " + USER in line,
                              "the import is told")

    def test_thousands_while_it_runs(self):
        self.drop(range(MANY))
        self.subjects()  # whatever is there by now, each once
        # Other mail does not wait for them.
        self.server.deliver(PLAIN, USER)
        until(lambda: count(self.server, USER) == MANY + 1, "all are imported without another login")
        self.assertEqual(len(self.server.fetch(USER)), MANY + 1)
        self.assertEqual(os.listdir(self.folder("tmp")), [])

    def test_thousands_before_the_start(self):
        self.server.stop()
        self.drop(range(MANY))
        self.server.start()
        self.assertIn("wait to be imported", self.server.log())
        until(lambda: count(self.server, USER) == MANY, "all are imported without a login")
        self.assertEqual(sorted(self.subjects(), key=int), [b"%d" % number for number in range(MANY)])

    def test_an_end_in_between(self):
        self.drop(range(MANY))
        self.subjects()
        self.server.kill()
        self.server.start()
        self.subjects()
        self.server.stop()
        self.server.start()
        until(lambda: count(self.server, USER) == MANY, "all are imported")
        self.assertEqual(sorted(self.subjects(), key=int), [b"%d" % number for number in range(MANY)])


def count(server, user):
    return next(box for box in server.json("mailbox", "list") if box["address"] == user)["messages"]


if __name__ == "__main__":
    mailstead.main()

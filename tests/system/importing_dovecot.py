"""A mailbox moves from Dovecot to ours, by its maildir and by POP3, and back again: no client sees another UIDL."""

import os
import shutil
import sys

import mailstead
import messages

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import sites  # noqa: E402

ANNA = "anna@example.org"
BERT = "bert@example.org"
COUNT = 25


class Moving(mailstead.ServerTest):
    mailboxes = (ANNA, BERT)

    def setUp(self):
        super().setUp()
        self.dovecot = sites.Dovecot()
        self.addCleanup(self.dovecot.close)

    def fetch_there(self, user):
        with mailstead.Pop3(mailstead.Stream(self.dovecot.ports["pop3"])) as session:
            session.login(user, sites.PASSWORD)
            found = [(uidl, session.retr(number)) for number, uidl in session.uidl()]
            session.quit()
        return found

    def fill(self):
        """Mail that Dovecot's POP3 has shown to a client, some of it deleted again."""
        texts = [b"Subject: %d\r\n\r\n.body of %d\r\n" % (number, number) for number in range(COUNT)]
        texts += list(messages.small_messages().values())
        user = self.dovecot.mailbox(*texts)
        with mailstead.Pop3(mailstead.Stream(self.dovecot.ports["pop3"])) as session:
            session.login(user, sites.PASSWORD)
            for number in (1, 4):
                session.must("DELE %d" % number)
            session.quit()
        return user, self.fetch_there(user)

    def maildir_of(self, user):
        return os.path.dirname(self.dovecot.folder_of(user))

    def test_by_its_maildir(self):
        user, there = self.fill()
        self.assertRegex(there[0][0], "^[0-9a-f]{16}$")
        done = self.server.json("import", "maildir", self.maildir_of(user), ANNA)
        self.assertEqual((done["imported"], done["failed"]), (len(there), 0))
        self.assertEqual(self.server.fetch(ANNA), there)
        # What comes there afterwards comes here with the next run.
        self.dovecot.deliver(user, b"Subject: late\r\n\r\nlate\r\n")
        there = self.fetch_there(user)
        self.assertEqual(self.server.json("import", "maildir", self.maildir_of(user), ANNA)["imported"], 1)
        self.assertEqual(self.server.fetch(ANNA), there)

    def test_by_pop3(self):
        user, there = self.fill()
        secret = os.path.join(self.server.folder, "secret")
        with open(secret, "w") as file:
            file.write(sites.PASSWORD + "\n")
        for mailbox, port, tls in ((ANNA, "pop3s", "implicit"), (BERT, "pop3", "stls")):
            done = self.server.json("import", "pop3", "127.0.0.1", mailbox, "--user", user, "--password-file", secret,
                                    "--port", str(self.dovecot.ports[port][1]), "--tls", tls, "--insecure")
            self.assertEqual((done["imported"], done["failed"], done["other_uidl"]), (len(there), 0, 0))
            self.assertEqual(self.server.fetch(mailbox), there)
        # By the maildir it is the same mail: nothing comes twice.
        done = self.server.json("import", "maildir", self.maildir_of(user), ANNA)
        self.assertEqual((done["imported"], done["imported_before"]), (0, len(there)))

    def test_and_back(self):
        user, there = self.fill()
        self.server.admin("import", "maildir", self.maildir_of(user), ANNA)
        self.server.deliver(b"Subject: ours\r\n\r\n.ours\r\n", ANNA)
        ours = self.server.fetch(ANNA)
        self.assertEqual(ours[:-1], there)
        back = self.dovecot.mailbox()
        folder = self.maildir_of(back)
        shutil.rmtree(folder)
        self.server.admin("export", "maildir", ANNA, folder)
        for root, folders, files in os.walk(folder):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(root, name), sites.NOBODY, sites.NOBODY)
        self.assertEqual(self.fetch_there(back), ours)
        # Dovecot has written its list anew; what is new here is added to it, and the rest stays.
        self.server.deliver(b"Subject: more\r\n\r\nmore\r\n", ANNA)
        self.assertEqual(self.server.json("export", "maildir", ANNA, folder)["exported"], 1)
        for root, folders, files in os.walk(folder):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(root, name), sites.NOBODY, sites.NOBODY)
        self.assertEqual(self.fetch_there(back), self.server.fetch(ANNA))
        # And a third server would find them all under the same UIDLs.
        self.server.admin("import", "maildir", folder, BERT)
        self.assertEqual(self.server.fetch(BERT), self.server.fetch(ANNA))


if __name__ == "__main__":
    if os.geteuid() != 0 or shutil.which("dovecot") is None:
        print("wants root and Dovecot (dovecot-pop3d)")
        sys.exit(mailstead.SKIP)
    mailstead.main()

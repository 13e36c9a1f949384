"""What the server tells its postmaster of by mail: once for each trouble, also over restarts; and not where that is switched off."""

import os
import shutil

import mailstead

USER = "anna@example.org"


class Alerts(mailstead.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.new_server(self.settings_of(""))
        # Half again as much as has to be free is nearly full.
        self.least = shutil.disk_usage(self.server.folder).free * 2 // 3

    def settings_of(self, limits, alerts=""):
        return 'hostname = "mail.example.org"\n[limits]\n%s\n[alerts]\n%s\n' % (limits, alerts)

    def configure(self, limits="", alerts=""):
        self.server.configure(self.settings_of(limits, alerts))

    def alerts(self):
        return [message for _, message in self.server.fetch(USER) if b"Auto-Submitted: auto-generated" in message]

    def restart(self):
        self.server.stop()
        self.server.start()

    def test_a_disk_that_fills(self):
        self.configure("free_space = %d" % self.least)
        self.server.start()
        self.server.wait_line(lambda line: " alert about=disk " in line, "a word in the log")
        self.assertNotIn("alert-failed", self.server.log())
        self.server.add_mailbox(USER)  # there was nobody who could have been told
        self.restart()
        mailstead.until(self.alerts, "the mail")
        self.restart()
        self.server.wait_line(lambda line: " alert about=disk " in line, "a word in the log")
        self.server.deliver(b"Subject: another one\r\n\r\n", USER)
        self.assertEqual(len(self.alerts()), 1)
        text = self.alerts()[0].decode()
        self.assertIn("Subject: mail.example.org: The disk is nearly full\r\n", text)
        self.assertIn("To: <postmaster@example.org>\r\n", text)
        self.assertIn("Return-Path: <>\r\n", text)

    def test_a_backup_that_fails(self):
        self.configure()
        self.server.start()
        self.server.add_mailbox(USER)
        taken = os.path.join(self.server.folder, "taken")
        with open(taken, "w") as file:
            file.write("no folder")
        self.assertIn("taken", self.server.admin("backup", taken, code=1).stderr)
        self.restart()
        mailstead.until(self.alerts, "the mail")
        self.assertIn("The backup of ", self.alerts()[0].decode().replace("\r\n", " "))
        backups = os.path.join(self.server.folder, "backups")
        self.server.admin("backup", backups)
        self.restart()
        self.server.deliver(b"Subject: another one\r\n\r\n", USER)
        self.assertNotIn(" alert about=backup", self.server.log().split(" stopped")[-1])
        self.assertEqual(len(self.alerts()), 1)

    def test_switched_off(self):
        self.configure("free_space = %d" % self.least, "mail = false")
        self.server.start()
        self.server.add_mailbox(USER)
        self.restart()
        self.server.wait_line(lambda line: " alert about=disk " in line, "a word in the log")
        self.server.deliver(b"Subject: another one\r\n\r\n", USER)
        self.assertEqual(self.alerts(), [])

    def test_to_somebody(self):
        self.configure()
        self.server.start()
        for user in (USER, "bert@example.org"):
            self.server.add_mailbox(user)
        self.configure("free_space = %d" % self.least, 'to = "bert@example.org"')
        self.restart()
        mailstead.until(lambda: len(self.server.fetch("bert@example.org")) == 1, "the mail")
        self.assertEqual(self.alerts(), [])


if __name__ == "__main__":
    mailstead.main()

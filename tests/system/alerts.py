"""What the server tells its postmaster of by mail: once for each trouble, also over restarts; and not where that is switched off."""

import os
import shutil
import signal
import time

import internet
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
        self.server.admin("backup", taken)
        # Where backups go, so that it is no slip of who gave the command.
        os.rename(taken, taken + "-away")
        with open(taken, "w") as file:
            file.write("no folder")
        self.assertIn("taken", self.server.admin("backup", taken, code=1).stderr)
        self.restart()
        mailstead.until(self.alerts, "the mail")
        text = self.alerts()[0].decode()
        self.assertIn("The backup of ", text.replace("\r\n", " "))
        self.assertRegex(text, r"Subject: mail.example.org: The backup of [0-9-]+ [0-9:]+ UTC failed\r\n")
        # And wherever else one looks.
        status = self.server.json("status")
        self.assertIsNotNone(status["backup_failed_at"])
        self.assertIn("taken", status["backup_failure"])
        self.assertIn("failed backup", self.server.admin("status").stdout)
        self.assertIn("mailstead_backup_failed 1\n", self.server.admin("metrics").stdout)
        told = " ".join(self.server.admin("doctor", "--only", "backup", code=1).stdout.split())
        self.assertRegex(told, "problem backup: the one of .* failed: ")
        backups = os.path.join(self.server.folder, "backups")
        self.server.admin("backup", backups)
        self.restart()
        self.server.deliver(b"Subject: another one\r\n\r\n", USER)
        self.assertIn("mailstead_backup_failed 0\n", self.server.admin("metrics").stdout)
        self.assertIsNone(self.server.json("status")["backup_failed_at"])
        self.assertNotIn(" alert about=backup", self.server.log().split(" stopped")[-1])
        self.assertEqual(len(self.alerts()), 1)

    def pair(self, name, days):
        """A certificate of an authority for it, and its key."""
        return self.authority.issue(name, days=days)

    def test_certificates_are_judged_as_they_are_used(self):
        """What the files hold by now may be good, and not be used."""
        self.authority = internet.Authority(self.server.folder)
        short, long = self.pair("mail.example.org", 2), self.pair("mail.example.net", 90)
        more = self.pair("more.example.org", 5)
        self.server.configure(self.settings_of("") + '[tls]\ncertificate = "%s"\nkey = "%s"\n' % short +
                              'more_certificates = ["%s"]\nmore_keys = ["%s"]\n' % more, listen={"http": ["127.0.0.1:0"]})
        self.server.start()
        self.server.add_mailbox(USER)
        self.restart()
        mailstead.until(self.alerts, "the mail")
        text = self.alerts()[0].decode().replace("\r\n", " ")
        self.assertIn("certificate %s expires in 1 day" % short[0], text)
        self.assertIn("certificate %s expires in 4 day" % more[0], text)
        ends = self.server.json("status")["certificate_expires_at"]
        expiry = self.expiry()
        # One that does not fit the key.
        shutil.copyfile(long[0], short[0])
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_line(lambda line: " certificate-kept " in line, "the old one is kept")
        status = self.server.json("status")
        self.assertEqual(status["certificate_expires_at"], ends)
        self.assertIn("does not belong", status["certificate_problem"])
        self.assertEqual(self.expiry(), expiry)
        self.assertIn("mailstead_certificate_not_used 1\n", self.server.admin("metrics").stdout)
        told = " ".join(self.server.admin("doctor", "--only", "tls", code=1).stdout.split())
        self.assertIn("goes on with the certificate that it had", told)
        self.assertIn("the certificate expires in 1 day", told)
        self.assertIn("%s: the certificate expires in 4 day" % more[0], told)
        # Not for the moment between the two files, only when it lasts.
        end = time.monotonic() + 200
        while " alert about=certificate-files " not in self.server.log() and time.monotonic() < end:
            time.sleep(1)
        self.assertIn(" alert about=certificate-files ", self.server.log())
        self.assertNotIn("all is well again", str(self.alerts()))

    def expiry(self):
        return [line for line in self.server.admin("metrics").stdout.splitlines() if line.startswith("mailstead_certificate_expiry")]

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

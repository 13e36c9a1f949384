"""Full mailboxes: who is refused, when, and with which reply; and how there is room again."""

import json
import os
import signal
import threading

import mailstead
import messages

USER = "anna@example.org"
OTHER = "bert@example.org"
SENDER = "sender@elsewhere.example"


def numbered(number, size=10_000):
    return messages.numbered(number, size)


def told(reply):
    return " ".join(reply)


class Quotas(mailstead.ServerTest):
    mailboxes = (USER, OTHER)

    def quota(self, size, user=USER):
        return self.server.json("mailbox", "quota", user, size)

    def octets(self, user=USER):
        return self.server.json("mailbox", "show", user)["octets"]

    def count(self, user=USER):
        return self.server.json("mailbox", "show", user)["messages"]

    def fill(self, user=USER):
        """A mailbox that is full to its last octet."""
        self.server.deliver(numbered(1), user)
        self.quota(str(self.octets(user)), user)

    def rcpt(self, user=USER, parameters=""):
        """The reply to RCPT."""
        with self.server.smtp() as session:
            session.must("MAIL FROM:<%s>%s" % (SENDER, parameters))
            return told(session.command("RCPT TO:<%s>" % user))

    def send(self, session, message, *recipients, parameters=""):
        """The reply to the end of the message."""
        session.envelope(SENDER, recipients, parameters)
        session.must("DATA", "354")
        session.send_raw(mailstead.stuffed(message))
        return told(session.reply())

    def delete(self, *numbers, user=USER):
        with self.server.pop3(user) as session:
            for number in numbers:
                session.must("DELE %d" % number)
            session.quit()

    def reload(self, settings):
        start = len(self.server.lines)
        self.server.configure(settings)
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_line(lambda line: line.endswith("reloaded"), "reloaded", start)

    def test_full_at_rcpt_and_the_other_gets_it(self):
        self.quota("100 KiB")
        sent = 0
        while True:
            reply = self.rcpt()
            if not reply.startswith("250"):
                break
            with self.server.smtp() as session:
                reply = self.send(session, numbered(sent), USER)
            if not reply.startswith("250"):
                break
            sent += 1
        self.assertRegex(reply, "^452 4.2.2 ")
        self.assertGreater(sent, 8)
        self.assertEqual(self.count(), sent)
        self.assertLessEqual(self.octets(), 100 << 10)
        self.quota(str(self.octets()))
        self.assertEqual(self.server.json("status")["full_mailboxes"], 1)
        with self.server.smtp() as session:
            session.must("MAIL FROM:<%s>" % SENDER)
            self.assertRegex(told(session.command("RCPT TO:<%s>" % USER)), "^452 4.2.2 ")
            session.must("RCPT TO:<%s>" % OTHER)
            session.must("DATA", "354")
            session.send_raw(mailstead.stuffed(numbered(99)))
            session.expect("250", "(message)")
        self.assertEqual(self.count(), sent)
        self.assertEqual([mailstead.sent_part(message) for _, message in self.server.fetch(OTHER)], [numbered(99)])

    def test_pop3_makes_room_without_a_restart(self):
        self.fill()
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        self.assertEqual(len(self.server.fetch(USER)), 1)
        with self.server.pop3(USER) as session:
            session.must("DELE 1")
            self.assertRegex(self.rcpt(), "^452 4.2.2 ")  # not before QUIT
            session.quit()
        self.assertRegex(self.rcpt(), "^250 ")
        self.server.deliver(numbered(1), USER)
        self.assertEqual(self.count(), 1)
        # What was deleted comes back, be the mailbox full.
        self.server.admin("message", "restore", USER, "--all")
        self.assertEqual(self.count(), 2)
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        self.delete(1, 2)
        self.assertRegex(self.rcpt(), "^250 ")

    def test_none_and_default(self):
        self.fill()
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        self.assertIsNone(self.quota("none")["quota"])
        self.assertRegex(self.rcpt(parameters=" SIZE=40000000"), "^250 ")
        self.quota("1")
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        set_back = self.quota("default")
        self.assertEqual((set_back["quota"], set_back["quota_is_default"]), (None, True))
        self.assertRegex(self.rcpt(), "^250 ")

    def test_declared_sizes(self):
        self.quota("100 KiB")
        self.server.deliver(numbered(1, 60_000), USER)
        self.assertRegex(self.rcpt(parameters=" SIZE=30000"), "^250 ")
        self.assertRegex(self.rcpt(parameters=" SIZE=50000"), "^452 4.2.2 ")
        self.assertRegex(self.rcpt(parameters=" SIZE=102401"), "^552 5.2.2 ")
        self.assertRegex(self.rcpt(parameters=" SIZE=0"), "^250 ")
        self.assertRegex(self.rcpt(OTHER, parameters=" SIZE=102401"), "^250 ")
        # Who says less than he sends gains nothing by it.
        with self.server.smtp() as session:
            self.assertRegex(self.send(session, numbered(2, 60_000), USER, parameters=" SIZE=1"), "^452 4.2.2 ")
            self.assertRegex(self.send(session, numbered(2, 120_000), USER, parameters=" SIZE=1"), "^552 5.2.2 ")
        self.assertEqual(self.count(), 1)

    def test_undeclared_sizes(self):
        self.quota("100 KiB")
        with self.server.smtp() as session:
            self.assertRegex(self.send(session, numbered(1, 60_000), USER), "^250 ")
            self.assertRegex(self.send(session, numbered(2, 60_000), USER), "^452 4.2.2 ")
            self.assertRegex(self.send(session, numbered(3, 200_000), USER), "^552 5.2.2 ")  # spooled
            session.envelope(SENDER, [USER])
            large = numbered(3, 200_000)
            session.send_raw(b"BDAT %d LAST\r\n" % len(large) + large)
            self.assertRegex(told(session.reply()), "^552 5.2.2 ")
            # To several of which one has room it goes to all: there is one reply for all of them.
            self.assertRegex(self.send(session, numbered(4, 60_000), USER, OTHER), "^250 ")
            self.quota("100 KiB", OTHER)
            self.assertRegex(self.rcpt(), "^452 4.2.2 ")
            self.assertRegex(self.send(session, numbered(5, 30_000), OTHER), "^250 ")
            session.quit()
        self.assertEqual((self.count(), self.count(OTHER)), (2, 2))
        maildir = os.path.join(self.server.data, "mail", "example.org", "anna")
        self.server.wait_filed()
        self.assertEqual((len(os.listdir(maildir + "/new")), os.listdir(maildir + "/tmp")), (2, []))
        log = self.server.log()
        self.assertIn("mailbox-full", log)
        self.assertNotIn("delivery-failed", log)

    def test_an_alias_is_full_when_all_its_mailboxes_are(self):
        self.server.admin("alias", "add", "all@example.org", USER, OTHER)
        self.fill()
        self.assertRegex(self.rcpt("all@example.org"), "^250 ")
        self.server.deliver(numbered(2), "all@example.org")
        self.assertEqual((self.count(), self.count(OTHER)), (2, 1))
        self.quota("5 KiB", OTHER)
        self.assertRegex(self.rcpt("all@example.org"), "^452 4.2.2 ")
        with self.server.smtp("submission", USER) as session:
            session.must("MAIL FROM:<%s>" % USER)
            self.assertRegex(told(session.command("RCPT TO:<all@example.org>")), "^452 4.2.2 ")

    def test_many_at_once_do_not_go_beyond_it(self):
        self.quota("100 KiB")
        replies = []

        def send(number):
            with self.server.smtp() as session:
                for i in range(5):
                    session.must("MAIL FROM:<%s>" % SENDER)
                    if session.command("RCPT TO:<%s>" % USER)[0] == "250":
                        session.must("DATA", "354")
                        session.send_raw(mailstead.stuffed(numbered(number * 10 + i)))
                        replies.append(told(session.reply())[:9])
                    session.must("RSET")

        senders = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        self.assertEqual(self.count(), replies.count("250 2.0.0"))
        self.assertEqual(set(replies) - {"250 2.0.0", "452 4.2.2"}, set())
        self.assertGreater(self.octets(), 85_000)
        self.assertLessEqual(self.octets(), 100 << 10)

    def test_over_a_restart_and_a_kill(self):
        self.fill()
        quota = self.octets()
        for end in (self.server.stop, self.server.kill):
            end()
            self.server.start()
            self.assertRegex(self.rcpt(), "^452 4.2.2 ")
            self.assertEqual(self.server.json("mailbox", "show", USER)["quota"], quota)
        # Set while no server runs.
        self.server.stop()
        self.assertTrue(self.server.json("mailbox", "show", USER)["full"])
        self.quota("none")
        self.server.start()
        self.assertRegex(self.rcpt(), "^250 ")

    def test_a_changed_default(self):
        self.server.deliver(numbered(1), USER)
        self.assertIn("none", self.server.admin("mailbox", "list").stdout)
        self.reload("[limits]\nmailbox_size = \"8 KiB\"")
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        self.assertRegex(self.rcpt(OTHER, " SIZE=9000"), "^552 5.2.2 ")
        shown = self.server.json("mailbox", "show", USER)
        self.assertEqual((shown["quota"], shown["quota_is_default"], shown["full"]), (8192, True, True))
        self.assertIn("% of 8 KiB", self.server.admin("mailbox", "list").stdout)
        self.assertIn("is full", self.server.admin("why", USER).stdout)
        self.quota("1 MiB")
        self.assertRegex(self.rcpt(), "^250 ")
        self.reload("[limits]\nmailbox_size = \"1 GB\"")
        self.assertEqual(self.quota("default")["quota"], 10 ** 9)
        self.server.stop()
        self.assertEqual(self.server.json("mailbox", "show", USER)["quota"], 10 ** 9)
        self.server.configure("[limits]\nmailbox_size = \"8 KiB\"")
        self.server.start()
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")

    def test_files_of_others_are_counted_and_never_refused(self):
        self.quota("5 KiB")
        with open(os.path.join(self.server.data, "mail/example.org/anna/new/by-hand"), "wb") as file:
            file.write(numbered(1))
        self.assertEqual(len(self.server.fetch(USER)), 1)
        self.assertRegex(self.rcpt(), "^452 4.2.2 ")
        self.delete(1)
        self.assertRegex(self.rcpt(), "^250 ")

    def test_a_request_that_no_command_line_makes(self):
        for size in ("", "big", "-1", "\0", "2 GiB\n"):
            request = {"command": "mailbox quota", "arguments": [USER, size], "flags": [], "secret": ""}
            report = json.loads(self.server.control(json.dumps(request).encode() + b"\n"))
            self.assertEqual(report["exit_code"], 2, size)
        self.server.admin("mailbox", "quota", USER, "big", code=2)
        self.server.admin("mailbox", "quota", USER, code=2)
        self.server.admin("mailbox", "quota", "nobody@example.org", "none", code=1)


if __name__ == "__main__":
    mailstead.main()

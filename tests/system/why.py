"""What `why` tells of a message and of an address, before, between and after: one timeline, in order."""

import time
import unittest

import internet
import mailstead
import sending
from sending import ANNA

FAR, ELSEWHERE = "192.0.2.10", "192.0.2.11"
CARL, EMIL, TEAM = "carl@far.example", "emil@elsewhere.example", "team@example.org"
GREYLISTED, TAKEN = "450 4.7.1 greylisted", "250 2.0.0 Ok: queued as 4ABCDEF"
MESSAGE = b"From: Emil <emil@elsewhere.example>\r\nTo: team@example.org\r\nSubject: a visit\r\nMessage-ID: <two@elsewhere.example>\r\n\r\nx\r\n"


class Why(sending.Sender):
    settings = sending.SETTINGS.replace('"10 s"', '"1 h"') + '[smtp]\ngreeting_delay = "0 s"\n'
    listen = dict(sending.Sender.listen, smtp=["127.0.0.1:0"])

    def why(self, *asked):
        return self.server.admin("why", *asked).stdout

    def timeline(self, asked):
        """What its events are; they are in order, and stand in the text in the same order."""
        events = self.server.json("why", asked)["timeline"]
        self.assertEqual([each["at"] for each in events], sorted(each["at"] for each in events))
        text, at = self.why(asked), 0
        for event in events:
            at = text.index(event["says"], at)
            self.assertIn(event["at"].replace("T", " ").replace("Z", " UTC") + "  " + event["says"], text)
        return [each["what"] for each in events]

    def deferred(self):
        self.told("deferred", CARL)
        mailstead.until(lambda: self.queue()[0]["recipients"][0]["attempts"] == 1, "the attempt is written down")

    def test_an_address_that_a_stranger_wrote_is_no_part_of_a_command(self):
        """What is advised is copied into a shell."""
        for name in ("a`id`", "$HOME", "a&b", "a|b", "'a", '"a;id"'):
            told = self.server.admin("why", name + "@example.org").stdout
            self.assertIn(name + "@example.org is unknown here", told)
            self.assertIn("'mailstead mailbox add ADDRESS'", told)
            self.assertNotIn("add " + name, told)

    def test_a_message_that_was_taken_at_the_second_attempt(self):
        far = self.host(FAR, "far.example")
        far.replies["RCPT"] = GREYLISTED
        sent = self.submit(CARL)
        self.deferred()
        for asked in (sent, "<one@example.org>", CARL, "CARL@FAR.example"):
            with self.subTest(asked=asked):
                self.assertEqual(self.timeline(asked), ["queued", "waits"])
                text = self.why(asked)
                for words in (GREYLISTED, "next attempt", "handed in by  " + ANNA, "subject       x"):
                    self.assertIn(words, text)
        text = self.why(ANNA)
        self.assertIn("Mail waits for 1 recipient, the newest for %s: %s" % (CARL, GREYLISTED), text)
        self.assertNotIn("Nothing is wrong", text)
        far.replies["end"] = TAKEN
        del far.replies["RCPT"]
        time.sleep(1.1)
        self.server.admin("queue", "retry")
        self.emptied()
        for asked in (sent, "<one@example.org>", "CARL@FAR.example"):
            with self.subTest(asked=asked):
                self.assertEqual(self.timeline(asked), ["queued", "waits", "retried", "delivered"])
                text = self.why(asked)
                self.assertLess(text.index(GREYLISTED), text.index(TAKEN))
                self.assertIn("subject       x", text)
        history = self.server.json("why", sent)["queue"][0]["recipients"][0]["history"]
        self.assertEqual([(each["outcome"], each["reply"]) for each in history], [("waits", GREYLISTED), ("delivered", TAKEN)])
        text = self.why(ANNA)
        self.assertIn(TAKEN, text)
        self.assertNotIn("Mail waits", text)

    def test_a_message_that_was_passed_on(self):
        far = self.host(FAR, "far.example")
        far.replies["RCPT"] = GREYLISTED
        self.server.admin("alias", "add", TEAM, CARL)
        self.assertIn("None has been", self.why(TEAM))
        self.server.deliver(MESSAGE, TEAM, sender=EMIL)
        self.deferred()
        for asked in ("<two@elsewhere.example>", TEAM, "Team@Example.org", EMIL, "EMIL@elsewhere.example", CARL):
            with self.subTest(asked=asked):
                text = self.why(asked)
                self.assertIn(GREYLISTED, text)
                self.assertIn(EMIL, text)
                self.assertNotIn("None has been", text)
        text = self.why("<two@elsewhere.example>")
        for words in ("from          Emil <%s>" % EMIL, "subject       a visit", "sender        " + EMIL, "passed on as  SRS0="):
            self.assertIn(words, text)
        self.assertIn("Mail waits for 1 recipient", self.why(TEAM))
        del far.replies["RCPT"]
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(sorted(self.timeline("<two@elsewhere.example>")), ["delivered", "queued", "retried", "waits"])
        text = self.why("<two@elsewhere.example>")
        for words in ("from          Emil <%s>" % EMIL, "subject       a visit", "received from client.example ([127.0.0.1]) with ESMTP"):
            self.assertIn(words, text)
        text = self.why(TEAM)
        self.assertIn("delivered; ", text)
        self.assertNotIn("Mail waits", text)

    def test_one_timeline_of_what_was_kept_and_passed_on_and_then_deleted(self):
        self.host(FAR, "far.example")
        self.server.admin("alias", "add", TEAM, CARL, ANNA)
        self.server.deliver(MESSAGE, TEAM, sender=EMIL)
        self.emptied()
        self.assertEqual(sorted(self.timeline("<two@elsewhere.example>")), ["delivered", "queued", "stored"])
        self.assertIn("in the mailbox", self.why(ANNA))
        (uidl, _), = self.server.fetch(ANNA)
        mailstead.until(lambda: "fetched by 127.0.0.1" in self.why(ANNA), "it was fetched")
        self.server.fetch(ANNA, delete=True)
        for asked in ("<two@elsewhere.example>", uidl):
            with self.subTest(asked=asked):
                told = self.timeline(asked)
                # in another second than the first time, the second fetching has a line of its own
                self.assertEqual(sorted(set(told)), ["deleted", "delivered", "fetched", "queued", "stored"])
                self.assertLess(told.index("stored"), told.index("fetched"))
                self.assertLess(told.index("fetched"), told.index("deleted"))
                text = self.why(asked)
                self.assertIn("mailstead message restore %s %s" % (ANNA, uidl), text)
                self.assertIn("received from client.example ([127.0.0.1]) with ESMTP, and stored for " + ANNA, text)
        received, = self.server.json("why", ANNA)["mailboxes"][0]["received"]
        self.assertEqual((received["subject"], received["state"]), ("a visit", "deleted"))
        self.server.admin("alias", "remove", TEAM)
        self.server.deliver(MESSAGE.replace(b"<two@", b"<three@"), ANNA, sender="bounces@lists.example")
        for asked, count in (("Emil@elsewhere.example", 2), ("bounces@LISTS.example", 1)):
            with self.subTest(asked=asked):
                self.assertEqual(len(self.server.json("why", asked)["received"]), count)
                self.assertIn("was received from " + asked, self.why(asked))
        self.assertIn("sender      <bounces@lists.example>", self.why("<three@elsewhere.example>"))
        text = self.why(ANNA)
        for words in ("a visit", "deleted by 127.0.0.1"):
            self.assertIn(words, text)

    def test_a_message_that_no_host_wants(self):
        far = self.host(FAR, "far.example")
        far.replies["RCPT"] = "550 5.1.1 no such user"
        self.submit(CARL)
        mailstead.until(lambda: self.server.json("mailbox", "show", ANNA)["messages"], "a report came")
        self.emptied()
        self.assertEqual(self.timeline(CARL), ["queued", "failed", "reported"])
        report, = self.server.json("why", ANNA)["mailboxes"][0]["received"]
        self.assertIn("%s: its sender was told that it could not be delivered (by message %s)" % (CARL, report["uidl"]), self.why(CARL))
        text = self.why(ANNA)
        self.assertIn("could not be delivered, the newest for %s: 550 5.1.1 no such user" % CARL, text)
        self.assertNotIn("Nothing is wrong", text)
        self.assertEqual(len(self.server.json("why", ANNA)["mailboxes"][0]["received"]), 1)

    def test_a_message_that_was_dropped(self):
        far = self.host(FAR, "far.example")
        far.replies["RCPT"] = GREYLISTED
        sent = self.submit(CARL)
        self.deferred()
        time.sleep(1.1)
        self.server.admin("queue", "hold", sent)
        self.assertIn("queue release " + sent, self.why(sent))
        self.assertIn("1 message is held by hand", self.why(ANNA))
        self.server.admin("queue", "drop", sent)
        self.assertEqual(self.timeline(sent), ["queued", "waits", "held", "dropped"])

    def test_mail_that_was_refused(self):
        self.names.add("far.example", "TXT", "v=spf1 -all")
        with self.server.smtp() as session:
            session.must("EHLO mx.elsewhere.example")
            session.must("MAIL FROM:<%s>" % EMIL)
            session.must("RCPT TO:<nobody@example.org>", "550")
            session.must("RCPT TO:<Dora@relay.example>", "550")
        for asked in ("nobody@example.org", "dora@relay.example", "Emil@elsewhere.example"):
            with self.subTest(asked=asked):
                mailstead.until(lambda: self.server.admin("why", asked, code=None).returncode == 0, "it is known")
                text = self.why(asked)
                for words in ("127.0.0.1 (mx.elsewhere.example)", EMIL, "550 5."):
                    self.assertIn(words, text)
        self.assertEqual(self.server.json("why", "dora@relay.example")["kind"], "refused")
        refused = self.server.json("why", EMIL)["refused"]
        self.assertEqual([(each["command"], each["to"]) for each in refused],
                         [("RCPT", ["Dora@relay.example"]), ("RCPT", ["nobody@example.org"])])
        self.assertIn("Nothing is wrong", self.why_after_login(ANNA))
        with self.server.smtp("submission", user=ANNA) as session:
            session.must("MAIL FROM:<%s>" % ANNA)
            session.must("RCPT TO:<%s>" % CARL)
            session.must("DATA", "354")
            session.stream.send(mailstead.stuffed(MESSAGE))
            session.expect("550")
        text = self.why(ANNA)
        self.assertIn("The From address is not yours", text)
        self.assertNotIn("Nothing is wrong", text)
        self.assertEqual(self.server.json("why", CARL)["refused"][0]["from"], ANNA)

    def why_after_login(self, address):
        """Without what is said of a mailbox that nobody has used."""
        self.server.deliver(MESSAGE, address, sender="greta@elsewhere.example")
        self.server.fetch(address)
        return self.why(address)

    def refused_at_its_end(self, code):
        with self.server.smtp() as session:
            session.must("EHLO mx.elsewhere.example")
            session.must("MAIL FROM:<%s>" % EMIL)  # what it will need is not said
            session.must("RCPT TO:<%s>" % ANNA)
            session.must("DATA", "354")
            session.stream.send(mailstead.stuffed(MESSAGE))
            session.expect(code)

    def test_a_mailbox_that_is_full(self):
        self.server.deliver(MESSAGE, ANNA, sender=EMIL)
        octets = self.server.json("mailbox", "show", ANNA)["octets"]
        self.server.admin("mailbox", "quota", ANNA, str(octets + 50))
        self.refused_at_its_end("452")
        mailstead.until(lambda: self.server.json("why", ANNA)["refused"], "it is known")
        self.server.admin("mailbox", "quota", ANNA, str(octets))
        with self.server.smtp() as session:
            session.must("EHLO mx.elsewhere.example")
            session.must("MAIL FROM:<%s>" % EMIL)
            session.must("RCPT TO:<%s>" % ANNA, "452")
        mailstead.until(lambda: len(self.server.json("why", ANNA)["refused"]) == 2, "it is known")
        for restarted in (False, True):
            with self.subTest(restarted=restarted):
                if restarted:
                    self.server.stop()
                    self.server.start()
                self.assertEqual(len(self.server.json("why", ANNA)["refused"]), 2)
                self.assertEqual(sorted(self.timeline("<two@elsewhere.example>")), ["refused", "stored"])
        refused = self.server.json("why", ANNA)["refused"]
        self.assertEqual([(each["command"], each["from"], each["to"], each["reply"][:4]) for each in refused],
                         [("RCPT", EMIL, [ANNA], "452 "), ("DATA", EMIL, [ANNA], "452 ")])
        for asked in (ANNA, EMIL):
            self.assertIn("452 4.2.2", self.why(asked))
        self.server.admin("mailbox", "quota", ANNA, "default")
        self.server.deliver(MESSAGE, ANNA, sender=EMIL)
        self.assertEqual(len(self.server.json("why", ANNA)["mailboxes"][0]["received"]), 2)

    def test_a_refused_message_is_found_by_its_id(self):
        self.server.admin("mailbox", "quota", ANNA, "100")
        self.refused_at_its_end("552")
        mailstead.until(lambda: self.server.admin("why", "<two@elsewhere.example>", code=None).returncode == 0, "it is known")
        told = self.server.json("why", "<two@elsewhere.example>")
        self.assertEqual((told["kind"], told["refused"][0]["to"], told["refused"][0]["message_id"]), ("refused", [ANNA], "two@elsewhere.example"))
        self.assertIn("552 5.2.2", self.why("two@elsewhere.example"))

    def test_what_nobody_knows(self):
        done = self.server.admin("why", "<none@far.example>", code=1)
        for words in ("30 days", "for 7"):
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

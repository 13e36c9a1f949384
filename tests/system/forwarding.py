"""Aliases that lead to other hosts: mail is passed on, reports come back, loops end."""

import internet
import lmtp
import mailstead
import sending

ANNA, BERT = sending.ANNA, sending.BERT
TEAM = "team@example.org"
EMIL = "emil@elsewhere.example"
MESSAGE = b"From: emil@elsewhere.example\r\nTo: team@example.org\r\nSubject: x\r\nMessage-ID: <two@elsewhere.example>\r\n\r\n.dot\r\n"


class Forwarding(sending.Sender):
    listen = dict(sending.Sender.listen, lmtp=["127.0.0.1:0"])

    def setUp(self):
        super().setUp()
        self.far = self.host("192.0.2.10", "far.example")
        self.elsewhere = self.host("192.0.2.11", "elsewhere.example")

    def arrive(self, *recipients, sender=EMIL, message=MESSAGE, parameters=""):
        """Mail of another host comes in by port 25."""
        with self.server.smtp("smtp") as client:
            client.must("MAIL FROM:<%s>%s" % (sender, parameters))
            for recipient in recipients:
                client.must("RCPT TO:<%s>" % recipient)
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(message))
            return mailstead.queue_id(client.expect("250"))

    def alias(self, *targets, name=TEAM):
        return self.server.admin("alias", "add", name, *targets).stdout

    def path_of(self, taken):
        return taken["from"].split(">")[0].lstrip("<")

    def test_mail_is_passed_on_and_kept_as_the_alias_says(self):
        self.alias("carl@far.example", ANNA)
        sent = self.arrive(TEAM)
        self.emptied()
        (taken,), ((_, kept),) = self.far.taken, self.server.fetch(ANNA)
        self.assertEqual(taken["to"], ["<carl@far.example>"])
        self.assertRegex(self.path_of(taken), r"^SRS0=[^=]{6}=..=elsewhere\.example=emil@example\.org$")
        names = [name for name, _ in mailstead.header_fields(taken["content"])[0]]
        self.assertEqual(names[:6], [b"delivered-to", b"arc-seal", b"arc-message-signature", b"arc-authentication-results",
                                     b"authentication-results", b"received"])
        self.assertTrue(taken["content"].endswith(MESSAGE))  # its author's signatures go on to hold
        self.assertTrue(kept.endswith(MESSAGE))
        self.assertIn(sent.encode(), taken["content"])

    def test_a_failure_is_told_to_the_sender(self):
        self.alias("carl@far.example")
        self.far.replies["RCPT"] = "550 5.1.1 nobody of this name"
        self.arrive(TEAM)
        self.emptied()
        (report,) = self.elsewhere.taken
        self.assertEqual((self.path_of(report), report["to"]), ("", ["<%s>" % EMIL]))
        self.assertIn(b"nobody of this name", report["content"])
        self.assertIn(b"Original-Recipient: rfc822;team@example.org", report["content"])
        self.assertNotIn(b".dot", report["content"])  # a stranger's words go back to nobody
        # The domain above the host that reports signs for it.
        self.assertIn(b" d=example.org;", report["content"])

    def test_a_report_needs_no_extension_of_the_senders_host(self):
        self.alias("carl@far.example")
        self.far.replies["RCPT"] = "550 5.1.1 nobody of this name: b\u00eatises"
        self.elsewhere.extensions = []
        for parameters in ("", " RET=FULL"):
            with self.subTest(parameters=parameters):
                self.elsewhere.taken.clear()
                self.arrive(TEAM, message=MESSAGE.replace(b"Subject: x", b"Subject: gr\xc3\xbc\xc3\x9fe").replace(b".dot", b"\xe4"),
                            parameters=" BODY=8BITMIME" + parameters)
                self.emptied()
                (report,) = self.elsewhere.taken
                self.assertIn(b"nobody of this name", report["content"])
                self.assertIn(b"Subject: =?UTF-8?", report["content"])
                self.assertTrue(report["content"].isascii())

    def test_a_report_of_the_next_host_finds_its_way_back(self):
        self.alias("carl@far.example")
        self.arrive(TEAM)
        self.emptied()
        path = self.path_of(self.far.taken[0])
        bounce = b"From: MAILER-DAEMON@far.example\r\nSubject: returned\r\n\r\nno such user\r\n"
        self.arrive(path, sender="", message=bounce)
        self.emptied()
        (report,) = self.elsewhere.taken
        self.assertEqual((self.path_of(report), report["to"]), ("", ["<%s>" % EMIL]))
        self.assertTrue(report["content"].endswith(bounce))
        with self.server.smtp("smtp") as client:
            client.must("MAIL FROM:<spammer@far.example>")
            client.must("RCPT TO:<%s>" % path, "550")
        forged = path[:5] + ("A" if path[5] not in "Aa" else "B") + path[6:]  # letter case means nothing there
        with self.server.smtp("smtp") as client:
            client.must("MAIL FROM:<>")
            client.must("RCPT TO:<%s>" % forged, "550")

    def test_a_loop_ends(self):
        """far.example sends everything back to us."""
        self.alias("carl@far.example")
        self.arrive(TEAM)
        self.emptied()
        again = self.far.taken[0]
        with self.server.smtp("smtp") as client:
            client.must("MAIL FROM:<%s>" % self.path_of(again))
            client.must("RCPT TO:<%s>" % TEAM)
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(b"Received: from us by far.example; now\r\n" + again["content"]))
            self.assertIn("loop", client.expect("554"))
        self.assertEqual(len(self.far.taken), 1)

    def test_two_hosts_that_forward_to_each_other_end(self):
        self.alias("carl@far.example")
        self.alias(TEAM, name="info@example.org")
        self.arrive("info@example.org")
        self.emptied()
        with self.server.smtp("smtp") as client:
            client.must("MAIL FROM:<>")
            client.must("RCPT TO:<info@example.org>")
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(self.far.taken[0]["content"]))
            client.expect("554")

    def test_what_our_user_sends_to_such_an_alias_is_his_and_signed(self):
        self.alias("carl@far.example")
        self.submit(TEAM, message=b"From: anna@example.org\r\n\r\nx\r\n")
        self.emptied()
        (taken,) = self.far.taken
        self.assertEqual(self.path_of(taken), ANNA)
        self.assertIn(b"\r\nDKIM-Signature: ", taken["content"])

    def test_a_restart_and_a_crash_lose_nothing(self):
        self.alias("carl@far.example", ANNA)
        self.far.replies["greeting"] = "421 4.3.2 busy"
        self.arrive(TEAM)
        self.told("deferred", "carl@far.example")
        del self.far.replies["greeting"]
        self.server.kill()
        self.server.start()
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual((len(self.far.taken), len(self.server.fetch(ANNA))), (1, 1))

    def test_people_are_told_where_it_goes(self):
        self.assertIn("another host", self.alias("carl@far.example"))
        self.assertEqual(self.server.json("alias", "list"), [{"alias": TEAM, "targets": ["carl@far.example"]}])
        why = self.server.admin("why", TEAM).stdout
        self.assertIn("passed on to another host", why)
        self.arrive(TEAM)
        self.emptied()
        told = self.server.admin("why", "two@elsewhere.example").stdout
        for words in ("carl@far.example", "far.example"):
            self.assertIn(words, told)

    def test_lmtp_passes_on_too(self):
        self.alias("carl@far.example", ANNA)
        with lmtp.Lmtp(mailstead.Stream(self.server.ports["lmtp"])) as client:
            client.must("MAIL FROM:<%s>" % EMIL)
            client.must("RCPT TO:<%s>" % TEAM)
            client.must("DATA", "354")
            client.stream.send(mailstead.stuffed(MESSAGE))
            client.expect("250")
        self.emptied()
        self.assertEqual((len(self.far.taken), len(self.server.fetch(ANNA))), (1, 1))


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

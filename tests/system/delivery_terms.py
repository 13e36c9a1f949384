"""Mail that is to be delivered later, by a time, or before other mail: FUTURERELEASE, DELIVERBY, MT-PRIORITY."""

import email
import time

import internet
import mailstead
import sending

ANNA, BERT = sending.ANNA, sending.BERT

LARGE = sending.MESSAGE + b"a line of text\r\n" * 20000


class Terms(sending.Sender):
    def setUp(self):
        super().setUp()
        self.server.add_cheap_mailbox(BERT)
        self.far = self.host("192.0.2.10", "far.example")

    def test_held_mail_comes_when_its_time_has_come(self):
        begun = time.time()
        sent = self.submit("carl@far.example", BERT, parameters="HOLDFOR=15")
        (entry,) = self.queue()
        self.assertEqual(entry["id"], sent)
        self.assertIsNotNone(entry["not_before"])
        self.assertIn("not before", self.server.admin("queue", "show", sent).stdout)
        self.server.admin("queue", "retry")
        self.assertEqual((self.far.taken, self.server.fetch(BERT)), ([], []))
        self.emptied()
        self.assertGreaterEqual(time.time() - begun, 14)  # the clock's seconds are whole
        ((_, kept),) = self.server.fetch(BERT)
        self.assertTrue(kept.endswith(sending.MESSAGE))
        self.assertEqual(self.far.taken[0]["to"], ["<carl@far.example>"])
        self.assertTrue(self.far.taken[0]["content"].endswith(sending.MESSAGE))
        self.assertEqual(self.mail(), [])

    def test_a_restart_and_a_crash_forget_nothing(self):
        self.submit("carl@far.example", BERT, parameters="HOLDFOR=6")
        self.server.kill()
        self.server.start()
        self.assertEqual((self.far.taken, self.server.fetch(BERT)), ([], []))
        self.emptied()
        self.assertEqual((len(self.far.taken), len(self.server.fetch(BERT))), (1, 1))

    def test_people_may_let_it_go_or_drop_it(self):
        sent = self.submit("carl@far.example", BERT, parameters="HOLDFOR=86400")
        self.server.admin("queue", "release", sent)
        self.emptied()
        self.assertEqual((len(self.far.taken), len(self.server.fetch(BERT, delete=True))), (1, 1))
        sent = self.submit(BERT, parameters="HOLDUNTIL=%s" % time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 9999)))
        self.server.admin("queue", "drop", sent)
        self.emptied()
        self.assertEqual(self.server.fetch(BERT), [])

    def test_a_mailbox_that_went_meanwhile_is_told_of(self):
        self.submit(BERT, parameters="HOLDFOR=3")
        self.server.admin("mailbox", "remove", BERT)
        self.emptied()
        report = self.report()
        self.assertIn(BERT, report.as_string())

    def test_nobody_has_held_mail_twice(self):
        self.server.admin("alias", "add", "both@example.org", BERT, ANNA)
        self.submit(BERT, "both@example.org", parameters="HOLDFOR=2")
        self.emptied()
        self.assertEqual((len(self.server.fetch(BERT)), len(self.server.fetch(ANNA))), (1, 1))

    def test_a_full_mailbox_does_not_keep_held_mail_from_others(self):
        self.server.admin("mailbox", "quota", BERT, "1 KiB")
        self.submit(BERT, ANNA, message=sending.MESSAGE + b"x" * 900, parameters="HOLDFOR=2")
        mailstead.until(lambda: self.server.json("mailbox", "show", ANNA)["messages"], "it came")
        self.assertEqual(self.server.json("mailbox", "show", BERT)["messages"], 0)

    def test_held_mail_for_postmaster_comes(self):
        self.submit("postmaster", parameters="HOLDFOR=2")
        self.emptied()
        self.assertEqual(len(self.server.fetch(ANNA)), 1)

    def test_held_mail_waits_for_a_mailbox_that_is_switched_off(self):
        self.submit(BERT, parameters="HOLDFOR=3")
        self.server.admin("mailbox", "disable", BERT)
        self.told("not-delivered", BERT)
        self.server.admin("mailbox", "enable", BERT)
        self.server.admin("queue", "retry")
        self.emptied()
        self.assertEqual(len(self.server.fetch(BERT)), 1)
        self.assertEqual(self.mail(), [])

    def test_held_mail_that_comes_too_late_is_returned(self):
        self.submit(BERT, parameters="HOLDFOR=2 BY=4;R")
        self.server.stop()
        time.sleep(5)
        self.server.start()
        self.emptied()
        self.assertEqual(self.server.fetch(BERT), [])
        self.assertIn("Status: 5.4.7", self.report().as_string())

    def test_who_is_named_has_no_second_copy_by_an_alias(self):
        self.server.admin("alias", "add", "away@example.org", "carl@far.example")
        self.submit("away@example.org", "carl@far.example")
        self.emptied()
        self.assertEqual([each["to"] for each in self.far.taken], [["<carl@far.example>"]])

    def test_a_large_message_and_reports_of_success(self):
        large = sending.MESSAGE + b"".join(b".%d\r\n" % number for number in range(300000))
        self.submit(BERT, message=large, parameters="HOLDFOR=2", rcpt="NOTIFY=SUCCESS")
        mailstead.until(lambda: self.server.json("mailbox", "show", BERT)["messages"], "it came")
        ((_, kept),) = self.server.fetch(BERT)
        self.assertTrue(kept.endswith(large))
        self.assertIn("Action: delivered", self.report().as_string())

    def test_what_comes_too_late_is_returned(self):
        self.far.replies["RCPT"] = "450 4.2.0 later"
        self.submit("carl@far.example", parameters="BY=3;R")
        self.far.extensions.append("DELIVERBY")
        self.emptied()
        report = self.report().as_string()
        self.assertIn("Status: 5.4.7", report)
        self.assertIn("Deliver-By-Date: ", report)

    def test_what_is_too_late_at_its_end_is_not_taken(self):
        with self.server.smtp() as client:
            client.must("MAIL FROM:<x@far.example> BY=1;R")
            client.must("RCPT TO:<%s>" % ANNA)
            client.must("DATA", "354")
            time.sleep(2.5)
            client.stream.send(mailstead.stuffed(sending.MESSAGE))
            client.expect("554")
        self.assertEqual(self.mail(), [])

    def test_who_cannot_keep_the_time_does_not_get_it(self):
        self.submit("carl@far.example", parameters="BY=60;R")
        self.emptied()
        self.assertEqual(self.far.taken, [])
        self.assertIn("does not offer DELIVERBY", self.report().as_string())

    def test_the_next_host_may_keep_the_time(self):
        self.names.add("far.example", "MX", "20 second.far.example")
        self.names.add("second.far.example", "A", "192.0.2.11")
        second = self.host("192.0.2.11")
        second.extensions.append("DELIVERBY")
        self.submit("carl@far.example", "dora@far.example", parameters="BY=60;R", message=LARGE)
        self.emptied()
        self.assertEqual((self.far.taken, len(second.taken)), ([], 1))
        self.assertTrue(second.taken[0]["content"].endswith(LARGE))
        self.assertEqual(self.mail(), [])

    def test_who_alone_needs_what_a_host_lacks_goes_to_the_next_one(self):
        self.names.add("far.example", "MX", "20 second.far.example")
        self.names.add("second.far.example", "A", "192.0.2.11")
        second = self.host("192.0.2.11")
        second.extensions.append("SMTPUTF8")
        self.submit("carl@far.example", "j\xf6rg@far.example", parameters="SMTPUTF8", message=LARGE)
        self.emptied()
        self.assertEqual([host.taken[0]["to"] for host in (self.far, second)], [["<carl@far.example>"], ["<j\xf6rg@far.example>"]])
        self.assertTrue(second.taken[0]["content"].endswith(LARGE))

    def test_the_rest_of_the_time_is_passed_on(self):
        self.far.extensions += ["DELIVERBY", "MT-PRIORITY"]
        self.submit("carl@far.example", parameters="BY=600;R MT-PRIORITY=4")
        self.emptied()
        self.assertRegex(self.far.taken[0]["from"], r" BY=(600|599|598|597|59\d);R MT-PRIORITY=4$")
        self.assertEqual(self.mail(), [])

    def test_a_host_that_does_not_keep_the_time_is_told_of(self):
        self.submit("carl@far.example", parameters="BY=600;N")
        self.emptied()
        self.assertEqual(len(self.far.taken), 1)
        self.assertIn("Action: relayed", self.report().as_string())

    def test_urgent_mail_goes_first(self):
        self.far.replies["greeting"] = "421 4.3.2 busy"
        for priority in (-4, 0, 6, 2):
            self.submit("carl@far.example", message=b"Subject: %d\r\n\r\nx\r\n" % priority,
                        parameters="MT-PRIORITY=%d" % priority)
        self.told("deferred", "carl@far.example")
        mailstead.until(lambda: all(entry["recipients"][0]["attempts"] for entry in self.queue()), "all were put off")
        del self.far.replies["greeting"]
        self.server.configure('hostname = "mail.example.org"\n' + self.settings + "connections_per_host = 1\n", self.listen)
        self.server.stop()
        self.server.start()
        self.server.admin("queue", "retry")
        self.emptied()
        subjects = [email.message_from_bytes(each["content"])["Subject"] for each in self.far.taken]
        self.assertEqual(subjects, ["6", "2", "0", "-4"])


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

"""What a sender is told of mail that waits, or is given up, and how programs that read such reports understand it."""

import os
import sqlite3
import subprocess
import tempfile

import internet
import mailstead
import sending
from sending import ANNA

HOUR, DAY = 3600, 24 * 3600
PARSER = """
use Mail::DeliveryStatus::BounceParser;
undef $/;
my $bounce = Mail::DeliveryStatus::BounceParser->new(<STDIN>);
print join("\\t", map { defined $_ ? $_ : "" } ($bounce->is_bounce ? "bounce" : "other", $bounce->orig_message_id)), "\\n";
for my $report ($bounce->reports) {
  my @fields = map { my $value = $report->get($_); defined $value ? $value : "" } qw(email action status host std_reason smtp_code);
  chomp @fields;
  print join("\\t", @fields), "\\n";
}
"""


def read_by_bounce_parser(report):
    """The verdict, and of each recipient a tuple: address, action, status, host, the reason's word, the reply's code."""
    done = subprocess.run(["perl", "-e", PARSER], input=report.as_bytes(), capture_output=True, check=True, timeout=30)
    verdict, *recipients = [tuple(line.split("\t")) for line in done.stdout.decode().splitlines() if line]
    return verdict, sorted(recipients)


def read_by_flufl(report):
    """Addresses that failed for a time, and for good."""
    from flufl.bounce import all_failures
    return tuple(sorted(each) for each in all_failures(report))


class Waiting(sending.Sender):
    settings = sending.SETTINGS.replace('"10 s"', '"4 h"')  # what attempts account for makes a message old

    def waited(self, seconds, attempts):
        """The message in the queue has waited for so long, and is tried once more."""
        self.server.stop()
        with sqlite3.connect(os.path.join(self.server.data, "mailstead.db")) as database:
            database.execute("UPDATE queue SET received_at = received_at - ?", (seconds,))
            database.execute("UPDATE queue_recipients SET attempts = ?", (attempts,))
        database.close()
        self.server.start()
        self.server.admin("queue", "retry")

    def words(self, report):
        return next(report.iter_parts()).get_content().replace("\r\n", "\n")


class Reports(Waiting):
    def test_a_delay_is_told_as_one(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 greylisted"
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        self.waited(5 * HOUR, 9)
        report = self.report()
        self.assertEqual(report["Subject"], "Your message has not been delivered yet")
        words = self.words(report)
        self.assertIn("The other server does not take the message yet; many make a sender wait whom they do not know.", words)
        self.assertIn("450 4.7.1 greylisted", words)
        self.assertIn("You need not do anything", words)
        self.assertNotIn("does not want", words)
        self.assertNotIn("It was tried", words)
        of_recipient = list(report.iter_parts())[1].get_payload()[1]
        self.assertEqual((of_recipient["Action"], of_recipient["Status"]), ("delayed", "4.7.1"))
        self.assertEqual(read_by_flufl(report), ([b"carl@far.example"], []))
        self.assertEqual(read_by_bounce_parser(report)[0][0], "other")
        self.assertEqual(len(self.queue()), 1)

    def test_the_end_tells_how_long_and_how_often_it_was_tried_and_what_to_do(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 greylisted"
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        self.waited(5 * DAY, 40)
        report = self.report()
        self.assertEqual(report["Subject"], "Your message could not be delivered")
        words = self.words(report)
        self.assertIn("It was tried for 5 days, 41 times.\n", words)
        self.assertIn("The other server put it off each time. Send it again later, or tell the recipient in another way.", words)
        self.assertIn("450 4.7.1 greylisted", words)
        for other in ("does not want", "need not do anything"):
            self.assertNotIn(other, words)
        of_recipient = list(report.iter_parts())[1].get_payload()[1]
        self.assertEqual((of_recipient["Action"], of_recipient["Status"]), ("failed", "5.7.1"))
        self.assertEqual(read_by_flufl(report), ([], [b"carl@far.example"]))
        self.emptied()

    def test_who_refuses_at_the_end_has_refused(self):
        far = self.host("192.0.2.10", "far.example")
        far.replies["RCPT"] = "450 4.7.1 greylisted"
        self.submit("carl@far.example")
        self.told("deferred", "carl@far.example")
        far.replies["RCPT"] = "550 5.1.1 nobody"
        self.waited(6 * DAY, 40)
        words = self.words(self.report())
        self.assertIn("There is no such address.", words)
        self.assertNotIn("It was tried", words)

    def test_failures_are_understood_by_programs_that_read_bounces(self):
        far = self.host("192.0.2.10", "far.example")
        refusals = {"carl": "550 5.1.1 nobody", "dora": "552 5.2.2 mailbox full", "emil": "554 5.7.1 Relay access denied"}
        far.replies["RCPT"] = lambda line: next((text for name, text in refusals.items() if name in line), "250 OK")
        self.submit("carl@far.example", "dora@far.example", "emil@far.example", "fred@far.example")
        report = self.report()
        self.assertIn("The other server takes no mail for that domain.", self.words(report))
        verdict, recipients = read_by_bounce_parser(report)
        self.assertEqual(verdict, ("bounce", "<one@example.org>"))
        self.assertEqual([each[:3] for each in recipients],
                         [(name + "@far.example", "failed", refusals[name].split()[1]) for name in sorted(refusals)])
        self.assertEqual([each[4:] for each in recipients],
                         [("user_unknown", "550"), ("over_quota", "552"), ("domain_error", "554")])
        self.assertEqual(read_by_flufl(report), ([], [name.encode() + b"@far.example" for name in sorted(refusals)]))

    def test_a_delivery_is_no_failure_to_them(self):
        self.host("192.0.2.10", "far.example", extensions=["PIPELINING", "8BITMIME"])
        self.submit("carl@far.example", rcpt="NOTIFY=SUCCESS")
        report = self.report()
        self.assertEqual(read_by_flufl(report), ([], []))
        self.assertEqual(read_by_bounce_parser(report), (("other", "<one@example.org>"), []))


class OfSmarthost(Waiting):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        secret, pair = os.path.join(folder.name, "secret"), internet.certificate(folder.name, "smart.example.net")
        with open(secret, "w") as file:
            file.write("another")
        self.settings = Waiting.settings + "[queue.smarthost]\nhost = \"smart.example.net\"\nport = 2525\n" \
            "tls = \"opportunistic\"\nuser = \"me\"\npassword_file = \"%s\"\n" % secret
        super().setUp()
        self.smart = self.host("192.0.2.15", port=2525, certificate=pair, extensions=["AUTH PLAIN", "8BITMIME"])
        self.names.add("smart.example.net", "A", "192.0.2.15")

    def test_a_login_that_fails_is_told_as_such(self):
        """Whatever enhanced code stands in it, if any."""
        for number, reply in enumerate(("535 wrong password", "535 5.7.1 not you", "454 4.7.0 try later")):
            self.smart.replies["AUTH"] = reply
            self.submit("carl%d@far.example" % number)
            self.told("deferred", "carl%d@far.example" % number)
            self.waited(5 * HOUR, 9)
            self.assertIn("Your mail server could not log in to the one that passes its mail on.\n", self.words(self.report()))
            self.waited(5 * DAY, 40)
            words = self.words(self.report())
            self.assertIn("Tell those who run your mail server.", words)
            self.assertIn(reply, words)
            self.emptied()


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

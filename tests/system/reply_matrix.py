"""Every kind of reply at every stage of a transaction with another host: what becomes of the message."""

import unittest

import internet
import mailstead
import sending

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
# W: it waits for another attempt. F: its sender gets it back. S: it was sent.
MATRIX = {
    # What most stages want. Behind EHLO it offers nothing: the message has eight bits, and there is no 8BITMIME.
    "250 x":             "SFSSWS",
    "250":               "SFSSWS",
    "250 5.1.1 a lie":   "SFSSWS",
    # What it cannot mean.
    "150 x":             "WWWWWW",
    "354 x":             "WWWWSW",
    # Later.
    "421 4.3.2 x":       "WWWWWW",
    "450 4.7.1 x":       "WWWWWW",
    "451 x":             "WWWWWW",
    "452 4.5.3 x":       "WWWWWW",
    # Never. After EHLO's, HELO is taken, and offers nothing either.
    "500 x":             "FFFFFF",
    "502 x":             "FFFFFF",
    "503 x":             "FFFFFF",
    "521 x":             "FFFFFF",
    "530 5.7.0 auth":    "FFFFFF",
    "550 5.1.1 x":       "FFFFFF",
    "550 2.0.0 a lie":   "FFFFFF",
    "552 x":             "FFFFFF",
    "554 5.7.1 x":       "FFFFFF",
    # No replies.
    "999 x":             "WWWWWW",
    "hello":             "WWWWWW",
    "":                  "WWWWWW",
    "25":                "WWWWWW",
    None:                "WWWWWW",
}
STATES = {"W": "waits", "F": "failed", "S": "delivered"}


class Replies(sending.Sender):
    settings = sending.SETTINGS.replace('"10 s"', '"600 s"')

    def outcome(self, host, domain):
        """(its state, how often the host took it)"""
        self.names.add(domain, "A", host.address)
        before = len(host.taken)
        sent = self.submit("carl@" + domain)
        shown = mailstead.until(lambda: [each for each in self.server.json("queue", "show", sent)["recipients"] if each["attempts"]],
                                "%s was tried" % domain)
        return shown[0]["state"], len(host.taken) - before

    def test_each_reply_at_each_stage(self):
        host = self.host("192.0.2.10")
        for row, (reply, verdicts) in enumerate(MATRIX.items()):
            for stage, verdict in zip(STAGES, verdicts, strict=True):
                with self.subTest(reply=reply, stage=stage):
                    host.replies = {stage: reply}
                    state, taken = self.outcome(host, "%s%d.example" % (stage.lower(), row))
                    self.assertEqual(state, STATES[verdict])
                    self.assertEqual(taken, verdict == "S" or (stage == "end" and bool(reply) and reply.startswith("2")))

    def test_a_reply_that_does_not_end_is_waited_for(self):
        """Where no other reply is on its way, which would be taken for its next line."""
        host = self.host("192.0.2.10")
        stages = [stage for stage in STAGES if stage not in ("MAIL", "RCPT")]
        for stage in stages:
            host.replies = {stage: "250-x"}
            self.names.add(stage.lower() + ".example", "A", host.address)
            self.submit("carl@" + stage.lower() + ".example")
            mailstead.until(lambda: host.connections == stages.index(stage) + 1, "it was tried")
        self.assertTrue(all(not each["attempts"] for message in self.queue() for each in message["recipients"]))


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

"""Hosts that look twice at who comes, as Postfix and Exim can be told to: a server that does all by the rules gets its mail in."""

import mailstead
import messages
import receiving_agents
from receiving_agents import PEOPLE, Exim, Postfix
from receiving_hosts import Towards
from sending import MESSAGE


class Wary(Towards):
    def test_postscreen_finds_nothing_wrong(self):
        """It says half of its greeting and waits who speaks; then it watches for pipelining before its reply and for bare newlines.
        Who passes has to come again."""
        tests = ("bare_newline", "non_smtp_command", "pipelining")
        postfix = self.other(Postfix, screened=True, postscreen_greet_action="enforce", postscreen_greet_wait="2s",
                             **{"postscreen_%s_enable" % each: "yes" for each in tests},
                             **{"postscreen_%s_action" % each: "enforce" for each in tests})
        address = "carl@" + Postfix.DOMAIN
        self.submit(address)
        self.assertIn("450 4.3.2 Service currently unavailable", self.told("deferred", address)[0])
        self.assertEqual(postfix.taken("carl"), [])
        mailstead.until(lambda: "PASS NEW [192.0.2.1]" in postfix.root.said(), "we have passed")
        self.server.admin("queue", "retry")
        self.emptied()
        self.judge([MESSAGE], postfix.taken("carl"))
        self.assertIn("PASS OLD [192.0.2.1]", postfix.root.said())
        for trouble in ("PREGREET", "COMMAND", "BARE NEWLINE"):
            self.assertNotIn(trouble, postfix.root.said())

    def test_exim_asks_us_back_whether_the_sender_is_there(self):
        exim = self.other(Exim, sender="require verify = sender/callout=20s\n  accept")
        self.submit("carl@" + Exim.DOMAIN)
        self.emptied()
        self.judge([MESSAGE], exim.taken("carl"))

    def test_postfix_asks_us_back_whether_the_sender_is_there(self):
        postfix = self.other(Postfix, smtpd_sender_restrictions="reject_unverified_sender", address_verify_map="")
        self.submit("carl@" + Postfix.DOMAIN)
        self.emptied()
        self.judge([MESSAGE], postfix.taken("carl"))

    def test_recipients_over_the_limit_of_a_transaction_come_in_the_next(self):
        for kind, options in ((Exim, {"more": "recipients_max = 2\n"}), (Postfix, {"smtpd_recipient_limit": 2})):
            with self.subTest(kind.__name__):
                host = self.other(kind, **options)
                self.submit(*("%s@%s" % (person, kind.DOMAIN) for person in PEOPLE))
                self.emptied()
                for person in PEOPLE:
                    self.judge([MESSAGE], host.taken(person))
        self.assertEqual([line for line in self.server.lines if " deferred " in line], [])

    def test_messages_over_the_limit_of_a_connection_come_by_the_next(self):
        exim = self.other(Exim, more="smtp_accept_max_per_connection = 2\n")
        for _ in range(12):
            self.submit("carl@" + Exim.DOMAIN)
        self.emptied()
        self.judge([MESSAGE] * 12, exim.taken("carl"))
        self.assertEqual([line for line in self.server.lines if " deferred " in line], [])

    def test_connections_over_the_limit_hold_no_mail_up(self):
        """The one that is let in takes what the others could not. All want to go at once, for want of an answer before."""
        postfix = self.other(Postfix, smtpd_client_connection_count_limit=1)
        message = MESSAGE + messages.prose(3000, 1)
        self.names.trouble[Postfix.DOMAIN] = "SERVFAIL"
        for _ in range(12):
            self.submit("carl@" + Postfix.DOMAIN, message=message)
        mailstead.until(lambda: all(entry["recipients"][0]["attempts"] for entry in self.queue()), "all were put off")
        mark = len(self.server.lines)
        self.names.trouble.clear()
        self.server.admin("queue", "retry")
        self.emptied()
        self.judge([message] * 12, postfix.taken("carl"))
        self.assertIn("Connection concurrency limit exceeded", postfix.root.said())
        self.assertEqual([line for line in self.server.lines[mark:] if " deferred " in line], [])


if __name__ == "__main__":
    receiving_agents.enter_namespace()
    mailstead.main()

"""Who hands in much keeps nobody else waiting, as few connections to other hosts as there may be."""

import time
import unittest

import internet
import mailstead
import sending
from sending import ANNA, BERT, MESSAGE


class Fair(sending.Sender):
    settings = sending.SETTINGS + "connections = 2\nconnections_per_host = 1\n"

    def setUp(self):
        super().setUp()
        self.server.add_cheap_mailbox(BERT)

    def submit_each(self, user, *recipients):
        with self.server.smtp("submission", user=user) as client:
            for recipient in recipients:
                client.send(MESSAGE.replace(ANNA.encode(), user.encode()), user, [recipient])

    def slow_host(self, address, domain=None):
        def take(_):
            time.sleep(0.4)
            return "250 2.0.0 taken"
        host = self.host(address, domain)
        host.replies["end"] = take
        return host

    def test_mail_for_many_domains(self):
        far, many = self.host("192.0.2.10", "z.example"), self.slow_host("192.0.2.11")
        domains = ["many%02d.example" % number for number in range(30)]
        for domain in domains:
            self.names.add(domain, "A", many.address)
        self.submit_each(ANNA, *("carl@" + domain for domain in domains))
        self.submit_each(BERT, "dora@z.example")
        mailstead.until(lambda: far.taken, "the other's message arrived")
        self.assertLess(len(many.taken), 15)
        self.emptied()
        self.assertEqual(len(many.taken), 30)

    def test_much_mail_for_a_few_domains(self):
        """A connection that is in use is not for ever. It ends between two messages, and none comes twice."""
        far = self.host("192.0.2.10", "z.example")
        busy = [self.slow_host("192.0.2.%d" % number, "busy%d.example" % number) for number in (11, 12, 13)]
        for _ in range(25):
            self.submit_each(ANNA, *("carl@busy%d.example" % number for number in (11, 12, 13)))
        self.submit_each(BERT, "dora@z.example")
        mailstead.until(lambda: far.taken, "the other's message arrived")
        self.assertLess(max(len(host.taken) for host in busy), 25)
        # Nor does one domain wait until all of another is through.
        mailstead.until(lambda: all(host.taken for host in busy), "mail for each of them arrived")
        self.assertLess(max(len(host.taken) for host in busy), 25)
        self.emptied()
        self.assertEqual([len(host.taken) for host in busy], [25] * 3)
        self.assertLess(max(host.connections for host in busy), 8)


if __name__ == "__main__":
    internet.enter_namespace()
    unittest.main()

"""What is to be published in the DNS, and what is there: against a name server of the test's own."""

import json

import internet
import mailstead
import sending


class Records(sending.Sender):
    def check(self, code, *arguments):
        found = json.loads(self.server.admin("dns", "check", "example.org", "--json", *arguments, code=code).stdout)
        return {each["type"] + " " + each["name"]: each["verdict"] for each in found}

    def publish(self, *but):
        for record in self.server.json("dns", "records", "example.org"):
            if record["type"] + " " + record["name"] not in but:
                self.names.add(record["name"], record["type"], record["value"])

    def test_all_that_is_published_is_right(self):
        self.publish()
        verdicts = self.check(0)
        self.assertEqual(set(verdicts.values()), {"ok"})
        self.assertGreater(len(verdicts), 9)
        self.assertIn("All that is needed is there", self.server.admin("dns", "check").stdout)

    def test_what_is_missing_or_another_is_told(self):
        self.publish("MX example.org", "TXT example.org", "SRV _pop3._tcp.example.org")
        self.names.add("example.org", "MX", "10 mail.old.example")
        verdicts = self.check(1)
        self.assertEqual((verdicts["MX example.org"], verdicts["TXT example.org"]), ("differs", "missing"))
        text = self.server.admin("dns", "check", code=1).stdout
        for words in ("10 mail.old.example", "10 mail.example.org", "v=spf1 mx -all", "2 records are not right"):
            self.assertIn(words, text)

    def test_what_is_only_of_use_may_be_missing(self):
        self.publish("TXT _smtp._tls.example.org")
        self.assertEqual(self.check(0)["TXT _smtp._tls.example.org"], "missing")

    def test_keys_are_compared(self):
        self.publish()
        self.server.admin("dkim", "rotate", "example.org")
        verdicts = self.check(1)
        self.assertEqual(sorted(value for name, value in verdicts.items() if "_domainkey" in name), ["missing", "missing", "ok", "ok"])
        self.names.zone.clear()
        self.publish()
        self.assertEqual(set(self.check(0).values()), {"ok"})

    def test_long_answers_come_by_tcp_and_trouble_is_no_absence(self):
        self.publish()
        self.names.trouble["example.org"] = "SERVFAIL"
        for key in self.server.json("dkim", "show"):
            self.names.trouble[key["name"]] = "truncated"
        verdicts = self.check(1)
        self.assertEqual((verdicts["MX example.org"], verdicts["TXT example.org"]), ("no answer", "no answer"))
        self.assertEqual({value for name, value in verdicts.items() if "_domainkey" in name}, {"ok"})

    def test_without_a_server_too(self):
        self.publish()
        self.server.stop()
        self.assertEqual(set(self.check(0).values()), {"ok"})
        self.server.start()


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

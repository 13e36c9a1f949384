"""What is to be published in the DNS, and what is there: against a name server of the test's own."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

import internet
import mailstead
import sending

CHECKZONE = shutil.which("nsd-checkzone") or shutil.which("nsd-checkzone", path="/usr/sbin:/sbin")


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

    def test_of_mta_sts_only_what_others_cannot_read_is_told(self):
        record = "_mta-sts.example.org"
        self.publish("TXT " + record)
        for published, verdict in (([], "missing"), (["v=STSv1; id=mine"], "ok"), (["v=STSv1; id=a-b"], "differs"),
                                   (["v=STSv1; id=1", "v=STSv1; id=2"], "differs")):
            with self.subTest(published=published):
                self.names.zone[record] = {"TXT": published}
                self.assertEqual(self.check(0)["TXT " + record], verdict)
        text = self.server.admin("dns", "check").stdout
        self.assertIn("There are several records", text)
        self.assertIn("All that is needed is there", text)

    def test_keys_are_compared(self):
        self.publish()
        self.server.admin("dkim", "rotate", "example.org")
        verdicts = self.check(1)
        self.assertEqual(sorted(value for name, value in verdicts.items() if "_domainkey" in name), ["missing", "missing", "ok", "ok"])
        self.names.zone.clear()
        self.publish()
        self.assertEqual(set(self.check(0).values()), {"ok"})
        # Those that sign no more stay for a week.
        self.server.admin("dkim", "rotate", "example.org", "--activate")
        self.assertEqual(set(self.check(0).values()), {"ok"})
        self.assertEqual(self.server.admin("dns", "records", "--zone").stdout.count("_domainkey.example.org."), 4)

    def test_long_answers_come_by_tcp_and_trouble_is_no_absence(self):
        self.publish()
        self.names.trouble["example.org"] = "SERVFAIL"
        for key in self.server.json("dkim", "show"):
            self.names.trouble[key["name"]] = "truncated"
        verdicts = self.check(1)
        self.assertEqual((verdicts["MX example.org"], verdicts["TXT example.org"]), ("no answer", "no answer"))
        self.assertEqual({value for name, value in verdicts.items() if "_domainkey" in name}, {"ok"})

    def test_a_dns_that_is_silent_is_told_once_and_soon(self):
        settings = 'hostname = "mail.example.org"\n' + self.settings
        mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(mute.close)
        mute.bind(("127.0.0.1", 0))
        place = "127.0.0.1:%d" % mute.getsockname()[1]
        self.server.configure(settings.replace(internet.NAME_SERVER[0], place), self.listen)
        started = time.monotonic()
        told = self.server.admin("dns", "check", code=1).stdout
        self.assertLess(time.monotonic() - started, 20)
        self.assertIn("no DNS server answered for any (%s)" % place, told)
        self.assertEqual(told.count("\n"), 2, told)  # a sentence of two lines
        self.assertEqual(set(self.check(1).values()), {"no answer"})

    def test_a_host_that_is_a_domain_of_ours_has_one_policy(self):
        self.server.add_cheap_mailbox("bert@mail.example.org")
        for domain in ([], ["example.org"], ["mail.example.org"]):
            policies = [each["value"] for each in self.server.json("dns", "records", *domain)
                        if each["name"] == "mail.example.org" and each["value"].startswith("v=spf1")]
            self.assertEqual(policies, [] if domain == ["example.org"] else ["v=spf1 mx -all"])

    def test_a_host_that_others_cannot_find_is_told_of(self):
        self.server.stop()
        self.server.environment = dict(os.environ, MAILSTEAD_HOSTNAME="3f2a9c1b")
        self.server.start()
        for flags in ([], ["--zone"]):
            text = self.server.admin("dns", "records", *flags).stdout
            self.assertLessEqual(max(map(len, text[text.index("This server"):].splitlines())), 80)
            text = text.replace("\n; ", " ").replace("\n", " ")
            self.assertIn("This server calls itself 3f2a9c1b, and others can find no host of that name.", text)
            self.assertIn("mail.example.org, and ask again. ", text)

    def test_an_address_of_the_host_that_is_not_here_is_told(self):
        self.publish()
        self.names.add("mail.example.org", "A", "203.0.113.9")
        verdicts = self.check(1)
        self.assertEqual(verdicts["PTR 9.113.0.203.in-addr.arpa"], "missing")
        self.assertIn("see that mail to it comes here", self.server.admin("dns", "check", code=1).stdout)

    @unittest.skipUnless(CHECKZONE, "nsd is not installed")
    def test_the_zone_is_one_to_a_name_server(self):
        self.server.admin("alias", "add", "info@b\u00fccher.example", sending.ANNA)
        published = self.server.json("dns", "records")
        zone = os.path.join(self.folder.name, "zone")
        with open(zone, "w") as file:  # the root's, so that all domains lie in it
            file.write(". 60 IN SOA ns.invalid. admin.invalid. 1 1 1 1 1\n. 60 IN NS ns.invalid.\n")
            file.write(self.server.admin("dns", "records", "--zone").stdout)
        done = subprocess.run([CHECKZONE, "-p", ".", zone], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        read, origin, owner = set(), "", ""
        for line in done.stdout.splitlines():
            if line.startswith("$ORIGIN "):
                origin = line.split()[1]
                continue
            found = re.fullmatch(r"(\S*)\s+(\d+)\s+IN\s+(\S+)\s+(.*)", line)
            if not found:
                continue
            owner = found[1] or owner
            name = owner if owner.endswith(".") else owner + "." + origin
            value = "".join(re.findall(r'"([^"]*)"', found[4])) if found[3] == "TXT" else found[4].rstrip(".")
            if found[2] == "3600":
                read.add((name.rstrip("."), found[3], value))
        # What is the address owner's, and what is of use only beside a web server, are remarks.
        wanted = {(each["name"], each["type"], each["value"]) for each in published
                  if not each["reverse"] and not each["name"].startswith("_mta-sts.")}
        self.assertEqual(read, wanted)
        self.assertEqual({kind for _, kind, _ in read} & {"MX", "TXT", "SRV"}, {"MX", "TXT", "SRV"})
        self.assertIn(("xn--bcher-kva.example", "MX", "10 mail.example.org"), read)

    def test_without_a_server_too(self):
        self.publish()
        self.server.stop()
        self.assertEqual(set(self.check(0).values()), {"ok"})
        self.server.start()


if __name__ == "__main__":
    internet.enter_namespace()
    mailstead.main()

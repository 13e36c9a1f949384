"""What people put beside their mail servers meets what ours sends: postgrey puts it off, postsrsd passes it on under addresses of its
own, and rspamd and opendkim verify our signatures and seals. Each is Debian's."""

import json
import re
import smtplib
import socket
import urllib.request

import internet
import mailstead
import messages
import receiving_agents
import sending
from receiving_agents import Exim, Postfix
from receiving_hosts import Towards
from sending import ANNA, MESSAGE
from transfer_agents import Root

POSTGREY, POSTSRSD, RSPAMD = ("127.0.0.1", 10023), ("127.0.0.1", 10001), ("127.0.0.1", 11333)
TEAM, EMIL = "team@example.org", "emil@elsewhere.example"
LIST = "list@" + Postfix.DOMAIN
FORM_FEED = "every_octet"  # has one, which rspamd takes for a blank, and RFC 6376 3.4.4 does not
RSPAMD_SETTINGS = """
options { filters = "dkim"; url_tld = "/etc/rspamd/endings"; tempdir = "/tmp"; dns { nameserver = ["%s:53:1"]; timeout = 5s; } }
logging { type = "console"; level = "info"; }
worker "normal" { bind_socket = "%s:%d"; count = 1; }
dkim { }
arc { }
modules { path = "/usr/share/rspamd/plugins/arc.lua"; }
""" % (internet.NAME_SERVER[0], *RSPAMD)


class Beside(Towards):
    def service(self, package, begin, files=None, users=(), address=None):
        """A program of a package until the test's end, once it can be reached at `address`."""
        root = Root(package, begin, {**receiving_agents.NAMES, **(files or {})}, users)
        self.addCleanup(root.close)
        self.addCleanup(self.show_service, package, root)

        def answers():
            if root.process.poll() is not None:
                raise AssertionError("%s ended\n%s" % (package, root.said()))
            if address is None:
                return root.is_there()
            with socket.socket() as channel:
                return channel.connect_ex(address) == 0

        mailstead.until(answers, package + " answers")
        return root

    def show_service(self, package, root):
        if mailstead.has_failed(self):
            print("---- what %s said\n%s" % (package, root.said()[-4000:]))


class Greylisting(Beside):
    def test_what_is_put_off_comes_later(self):
        """Postfix asks postgrey, which has never seen our address, this sender and this recipient together."""
        grey = self.service("postgrey", "install -d -o postgrey /var/lib/postgrey; postgrey --inet=%s:%d --delay=1" % POSTGREY,
                            {"/etc/postgrey/whitelist_clients": "", "/etc/postgrey/whitelist_recipients": ""}, ("postgrey",), POSTGREY)
        postfix = self.other(Postfix, smtpd_recipient_restrictions="reject_unauth_destination, check_policy_service inet:%s:%d" % POSTGREY)
        address = "carl@" + Postfix.DOMAIN
        sent = self.submit(address)
        self.assertIn("Greylisted, see", self.told("deferred", address)[0])
        waiting = mailstead.until(lambda: [each for each in self.server.json("queue", "show", sent)["recipients"] if each["attempts"]],
                                  "the attempt is written down")
        self.assertRegex(waiting[0]["last_reply"], r"^450 4\.2\.0 <carl@postfix\.example>: Recipient address rejected: Greylisted")
        for asked in (sent, "<one@example.org>", address):
            self.assertIn("Recipient address rejected: Greylisted", self.server.admin("why", asked).stdout)
        self.assertEqual(postfix.taken("carl"), [])

        def goes():
            self.server.admin("queue", "retry")
            return not self.queue()

        mailstead.until(goes, "it is let in")
        self.judge([MESSAGE], postfix.taken("carl"))
        self.submit(address)  # now they are known
        self.emptied()
        self.judge([MESSAGE], postfix.taken("carl"))
        self.assertEqual(grey.said().count("action=pass"), 2)
        self.assertEqual(self.mail(), [])


class Rewriting(Beside):
    """Postfix with postsrsd is another host that passes mail on. What it makes of our addresses leads back to us, and what we make
    of its leads back to it. The two differ in the length of the hash, which is nobody else's business."""

    def setUp(self):
        super().setUp()
        self.elsewhere = self.host("192.0.2.20", "elsewhere.example")
        self.service("postsrsd", "postsrsd -4 -l %s -f %d -r %d -d %s -s /etc/postsrsd.secret -u nobody"
                     % (*POSTSRSD, POSTSRSD[1] + 1, Postfix.DOMAIN), {"/etc/postsrsd.secret": "something\n"}, (), POSTSRSD)

    def forwarding(self, target):
        """Postfix, which passes on to `target` what is for LIST."""
        lookup = ["tcp:%s:%d" % (POSTSRSD[0], POSTSRSD[1] + more) for more in (0, 1)]
        return self.other(Postfix, virtual_alias_maps="inline:{ { %s = %s } }" % (LIST, target),
                          sender_canonical_maps=lookup[0], sender_canonical_classes="envelope_sender",
                          recipient_canonical_maps=lookup[1], recipient_canonical_classes="envelope_recipient, header_recipient")

    def came_back(self):
        """The report that has come to the first sender."""
        mailstead.until(lambda: self.elsewhere.taken, "a report came to the first sender")
        self.emptied()
        (report,) = self.elsewhere.taken
        self.assertEqual((report["from"].split(">")[0], report["to"]), ("<", ["<%s>" % EMIL]))
        return report["content"]

    def test_a_report_from_behind_them_finds_its_way_through_us(self):
        self.other(Exim)
        postfix = self.forwarding("nemo@" + Exim.DOMAIN)
        self.server.admin("alias", "add", TEAM, LIST)
        self.server.deliver(messages.written_by(EMIL, messages.small_messages()["plain"]), TEAM, sender=EMIL)
        report = self.came_back()
        self.assertIn(Exim.knows_unknown.encode(), b" ".join(report.split()))
        self.assertRegex(postfix.root.said(), r"from=<SRS1=[^=]{4}=example\.org==[^=]{6}=..=elsewhere\.example=emil@postfix\.example>")

    def test_a_report_from_behind_us_finds_its_way_through_them(self):
        last = self.host("192.0.2.21", "last.example")
        self.forwarding(TEAM)
        self.server.admin("alias", "add", TEAM, "dora@last.example")
        with smtplib.SMTP(Postfix.address, 25, local_hostname="mx.elsewhere.example", timeout=mailstead.TIMEOUT) as client:
            client.sendmail(EMIL, [LIST], messages.written_by(EMIL, messages.small_messages()["plain"]))
        mailstead.until(lambda: last.taken, "it has come to the last host")
        path = re.match("<([^>]*)>", last.taken[0]["from"])[1]
        self.assertRegex(path, r"^SRS1=[^=]{6}=postfix\.example==[^=]{4}=..=elsewhere\.example=emil@example\.org$")
        returned = b"From: MAILER-DAEMON@last.example\r\nSubject: returned\r\n\r\nno such user\r\n"
        self.server.deliver(returned, path, sender="")
        self.assertTrue(self.came_back().endswith(returned))


class Signatures(Beside):
    def setUp(self):
        super().setUp()
        self.keys = self.server.json("dkim", "show", "example.org")
        for key in self.keys:
            self.names.add(key["name"], "TXT", key["value"])
        self.postfix = self.other(Postfix)

    def delivered(self, names):
        """These messages as Postfix keeps them."""
        small = messages.small_messages()
        for name in names:
            self.submit("carl@" + Postfix.DOMAIN, message=small[name])
        self.emptied()
        copies = self.postfix.taken("carl")
        self.assertEqual(len(copies), len(names))
        return copies

    def test_rspamd_allows_both_of_them(self):
        """By RSA and by Ed25519; and neither when the message was changed."""
        self.service("rspamd", "install -d -o _rspamd /var/lib/rspamd; rspamd -f -u _rspamd -g _rspamd -c /etc/rspamd/only.conf",
                     {"/etc/rspamd/only.conf": RSPAMD_SETTINGS, "/etc/rspamd/endings": "example\n"}, ("_rspamd",), RSPAMD)
        selectors = sorted("example.org:s=%s" % key["selector"] for key in self.keys)
        self.assertEqual(len(selectors), 2)
        for copy in self.delivered(set(messages.small_messages()) - {FORM_FEED}):
            with self.subTest(re.search(rb"\r\nX-Message: (\S+)", copy)[1].decode()):
                self.assertEqual(self.rspamd(copy), {"R_DKIM_ALLOW": selectors})
        changed = copy.replace(b"\r\nSubject: m", b"\r\nSubject: M")
        self.assertEqual(self.rspamd(changed), {"R_DKIM_REJECT": selectors})

    def rspamd(self, message):
        """{verdict: the signatures that have it}."""
        request = urllib.request.Request("http://%s:%d/checkv2" % RSPAMD, message, {"IP": internet.US, "From": ANNA, "Rcpt": "carl@" + Postfix.DOMAIN})
        with urllib.request.urlopen(request, timeout=mailstead.TIMEOUT) as answer:
            symbols = json.load(answer)["symbols"]
        return {name: sorted(symbol.get("options", [])) for name, symbol in symbols.items()
                if name.startswith(("R_DKIM", "ARC")) and not name.endswith("_NA")}

    def test_rspamd_follows_the_chain_of_what_is_passed_on(self):
        self.service("rspamd", "install -d -o _rspamd /var/lib/rspamd; rspamd -f -u _rspamd -g _rspamd -c /etc/rspamd/only.conf",
                     {"/etc/rspamd/only.conf": RSPAMD_SETTINGS, "/etc/rspamd/endings": "example\n"}, ("_rspamd",), RSPAMD)
        self.server.admin("alias", "add", TEAM, "carl@" + Postfix.DOMAIN)
        for name, message in messages.small_messages().items():
            if name != FORM_FEED:
                self.server.deliver(messages.written_by(EMIL, message), TEAM, sender=EMIL)
        self.emptied()
        for copy in self.postfix.taken("carl"):
            with self.subTest(re.search(rb"\r\nX-Message: (\S+)", copy)[1].decode()):
                self.assertEqual(set(self.rspamd(copy)), {"ARC_ALLOW"})
        self.assertEqual(set(self.rspamd(copy.replace(b"\r\nSubject: m", b"\r\nSubject: M"))), {"ARC_REJECT"})

    def test_opendkim_finds_them_good(self):
        """It knows RSA only, and leaves the other one alone."""
        tools = self.service("opendkim-tools", "sleep 3600")
        for copy in self.delivered(messages.small_messages()):
            with self.subTest(re.search(rb"\r\nX-Message: (\S+)", copy)[1].decode()):
                tools.run("opendkim-testmsg", stdin=copy)
        tools.run("opendkim-testmsg", stdin=copy.replace(b"\r\nSubject: m", b"\r\nSubject: M"), codes=(70,))


if __name__ == "__main__":
    receiving_agents.enter_namespace()
    mailstead.main()

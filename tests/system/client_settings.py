"""How mail programs find the server: the pages for them, the command for people, and that what they say is true."""

import http.client
import plistlib
import poplib
import re
import shlex
import smtplib
import ssl
import xml.etree.ElementTree as xml

import mailstead
from thunderbird_setup import free_port

USER = "anna@example.org"
OUTLOOK = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>%s</EMailAddress>
<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
</Request></Autodiscover>"""
ANSWER = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


class Settings(mailstead.ServerTest):
    def setUp(self):
        super().setUp()
        self.mail_ports = {service: free_port() for service in ("pop3s", "pop3", "submissions", "submission")}
        listen = {service: ["127.0.0.1:%d" % port] for service, port in self.mail_ports.items()}
        listen.update({service: ["127.0.0.1:0"] for service in ("http", "web", "webs")})
        self.server = self.new_server('hostname = "localhost"\n', listen=listen).start()
        self.server.add_mailbox(USER)

    def ask(self, path, site="web", method="GET", host="autoconfig.example.org", body=None):
        address, port = self.server.ports[site]
        if site == "webs":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(address, port, timeout=20, context=context)
        else:
            connection = http.client.HTTPConnection(address, port, timeout=20)
        try:
            connection.request(method, path, body, {"Host": host})
            reply = connection.getresponse()
            return reply.status, reply.getheader("Content-Type"), reply.read()
        finally:
            connection.close()

    def logs_in(self, host, pop3s, submissions):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        pop3 = poplib.POP3_SSL(host, pop3s, timeout=20, context=context)
        pop3.user(USER)
        pop3.pass_(self.server.passwords[USER])
        pop3.quit()
        with smtplib.SMTP_SSL(host, submissions, timeout=20, context=context) as smtp:
            smtp.login(USER, self.server.passwords[USER])

    def test_thunderbird_s_form(self):
        for site in ("web", "webs", "http"):
            for path, host in (("/mail/config-v1.1.xml?emailaddress=anna%40example.org", "autoconfig.example.org"),
                               ("/mail/config-v1.1.xml", "AutoConfig.Example.Org"), ("/mail/config-v1.1.xml", "example.org:80"),
                               ("/.well-known/autoconfig/mail/config-v1.1.xml", "example.org")):
                with self.subTest(site=site, path=path, host=host):
                    status, kind, body = self.ask(path, site, host=host)
                    self.assertEqual((status, kind), (200, "text/xml; charset=utf-8"))
                    provider = xml.fromstring(body).find("emailProvider")
                    self.assertEqual(provider.findtext("domain"), "example.org")
                    self.assertEqual([int(each.findtext("port")) for each in provider.findall("incomingServer")],
                                     [self.mail_ports["pop3s"], self.mail_ports["pop3"]])
                    out = [int(each.findtext("port")) for each in provider.findall("outgoingServer")]
                    self.assertEqual(out, [self.mail_ports["submissions"], self.mail_ports["submission"]])
        first = provider.find("incomingServer")
        self.logs_in(first.findtext("hostname"), int(first.findtext("port")), out[0])

    def test_outlook_s_form(self):
        for path in ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"):
            status, kind, body = self.ask(path, "webs", "POST", "autodiscover.example.org", OUTLOOK % USER)
            self.assertEqual((status, kind), (200, "text/xml; charset=utf-8"))
            found = {each.findtext(ANSWER + "Type"): each for each in xml.fromstring(body).iter(ANSWER + "Protocol")}
            self.assertEqual(list(found), ["POP3", "SMTP"])
            self.assertEqual(found["POP3"].findtext(ANSWER + "LoginName"), USER)
        self.logs_in(found["POP3"].findtext(ANSWER + "Server"), int(found["POP3"].findtext(ANSWER + "Port")),
                     int(found["SMTP"].findtext(ANSWER + "Port")))
        self.assertEqual(self.ask("/autodiscover/autodiscover.xml", method="POST", body="<x/>")[0], 400)
        self.assertEqual(self.ask("/autodiscover/autodiscover.xml")[0], 405)

    def test_apple_s_form(self):
        status, kind, body = self.ask("/apple.mobileconfig?address=anna%40example.org")
        self.assertEqual((status, kind), (200, "application/x-apple-aspen-config"))
        profile = plistlib.loads(body)
        mail, = profile["PayloadContent"]
        self.assertEqual((mail["EmailAccountType"], mail["EmailAddress"]), ("EmailTypePOP", USER))
        self.assertTrue(mail["IncomingMailServerUseSSL"] and mail["OutgoingMailServerUseSSL"])
        self.assertNotEqual(profile["PayloadUUID"], mail["PayloadUUID"])
        self.logs_in(mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"], mail["OutgoingMailServerPortNumber"])
        self.assertEqual(self.server.admin("client-card", USER, "--apple").stdout.encode(), body)
        self.assertEqual(self.ask("/apple.mobileconfig")[0], 400)

    def test_the_public_site_tells_nothing_else(self):
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            self.assertEqual(self.ask(path)[0], 404, path)
        for path in ("/mail/config-v1.1.xml?emailaddress=a@elsewhere.example", "/apple.mobileconfig?address=a@elsewhere.example"):
            self.assertEqual(self.ask(path)[0], 404, path)
        self.assertEqual(self.ask("/mail/config-v1.1.xml", host="autoconfig.elsewhere.example")[0], 404)
        # Whether an address exists is nobody's business.
        there = self.ask("/apple.mobileconfig?address=anna@example.org")
        nobody = self.ask("/apple.mobileconfig?address=nobody@example.org")
        without_uuids = [re.sub(rb"[0-9A-F-]{36}", b"", body) for body in (there[2], nobody[2].replace(b"nobody", b"anna"))]
        self.assertEqual((there[0], without_uuids[0]), (nobody[0], without_uuids[1]))

    def test_the_card(self):
        card = self.server.admin("client-card", USER).stdout
        self.assertIn("port %d (SSL/TLS) or port %d (STARTTLS)" % (self.mail_ports["pop3s"], self.mail_ports["pop3"]), card)
        self.assertIn(self.server.json("tls", "show")["sha256"], card)
        told = self.server.json("client-card", USER)
        self.assertEqual((told["host"], told["pop3"]["tls_port"]), ("localhost", self.mail_ports["pop3s"]))
        self.logs_in(told["host"], told["pop3"]["tls_port"], told["submission"]["tls_port"])
        # What a shell would take for something else is quoted.
        odd = "o'brien$x@example.org"
        self.server.add_mailbox(odd)
        card = self.server.admin("client-card", odd).stdout
        for line in (line for line in card.splitlines() if "mailstead " in line and "dns records" not in line):
            self.assertIn(odd, shlex.split(line[line.index("mailstead "):]), line)
        self.assertIn("no mailbox", self.server.admin("client-card", "nobody@example.org", code=1).stderr)


if __name__ == "__main__":
    mailstead.main()

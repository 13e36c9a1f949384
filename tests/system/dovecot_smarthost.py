"""Debian's Dovecot as the smarthost: ours logs in to its submission service, which hands everything on to a Postfix.

Ours sends by SMTP only, its routes too, so Dovecot's LMTP, which wants another greeting, is nothing for it.
"""

import os

import internet
import mailstead
import messages
import receiving_agents
from receiving_agents import CERTIFICATE, KEY, Postfix
from receiving_companions import Beside
from receiving_hosts import SETTINGS
from sending import ANNA, MESSAGE

NAME, ADDRESS, USER, PASSWORD = "smart.dovecot.example", "192.0.2.13", "us@dovecot.example", "a-long-secret"
COMMON = """protocols = submission
listen = {address}
hostname = {name}
base_dir = /run/dovecot
log_path = /dev/stderr
ssl = required
auth_mechanisms = {mechanism}
submission_relay_host = {relay}
submission_relay_port = 25
submission_relay_trusted = no
service submission-login {{
  inet_listener submission {{
    port = 587
  }}
  inet_listener submissions {{
    port = 465
    ssl = yes
  }}
}}
"""
OF_VERSION = {"2.3": """ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:/tmp/%u
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=29100 gid=29100 home=/tmp
}}
""", "2.4": """ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = /tmp/%{{user}}
passdb static {{
  password = {password}
}}
userdb static {{
  fields {{
    uid = 29100
    gid = 29100
    home = /tmp
  }}
}}
"""}
# The versions' settings differ, and 2.4 wants to read first which one they are for.
BEGIN = """mkdir -p /run/dovecot /var/lib/dovecot
chmod 1777 /tmp
version=$(dovecot --version | cut -d. -f1,2)
if [ "$version" = 2.3 ]; then cat /etc/mail.2.3; else
  printf 'dovecot_config_version = %s\\ndovecot_storage_version = %s\\n' "$version.0" "$version.0"; cat /etc/mail.2.4
fi > /etc/mail.conf
dovecot -F -c /etc/mail.conf"""
SMARTHOST = '[queue.smarthost]\nhost = "%s"\nport = %d\ntls = "%s"\nuser = "%s"\npassword_file = "%s"\n'


class Smarthost(Beside):
    hops = 3

    def setUp(self):
        super().setUp()
        self.names.add(NAME, "A", ADDRESS)
        self.postfix = self.other(Postfix)
        self.pair = internet.certificate(self.folder.name, NAME)
        self.password_file = os.path.join(self.folder.name, "password")

    def dovecot(self, mechanism):
        files = {path: open_text(source) for path, source in zip((CERTIFICATE, KEY), self.pair)}
        for version, more in OF_VERSION.items():
            files["/etc/mail." + version] = (COMMON + more).format(
                address=ADDRESS, name=NAME, mechanism=mechanism, relay=Postfix.address, certificate=CERTIFICATE, key=KEY, password=PASSWORD)
        return self.service("dovecot-submissiond", BEGIN, files, ("dovecot", "dovenull"), (ADDRESS, 587))

    def use(self, port, tls, password=PASSWORD):
        """From now on it is the smarthost of ours."""
        with os.fdopen(os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password + "\n")
        self.server.stop()
        self.server.configure('hostname = "mail.example.org"\n' + SETTINGS + SMARTHOST % (NAME, port, tls, USER, self.password_file), self.listen)
        self.server.environment = dict(os.environ, SSL_CERT_FILE=self.pair[0])
        self.server.start()

    def test_plain_by_starttls(self):
        self.everything_arrives("plain", 587, "starttls")

    def test_scram_by_tls_from_the_start(self):
        self.everything_arrives("scram-sha-256", 465, "tls")

    def everything_arrives(self, mechanism, port, tls):
        dovecot = self.dovecot(mechanism)
        self.use(port, tls)
        sent = messages.small_messages()
        for message in sent.values():
            self.submit("carl@" + Postfix.DOMAIN, message=message)
        self.emptied()
        self.judge_all(sent, self.postfix.taken("carl"))
        self.assertRegex(dovecot.said(), "(Login|Logged in): user=<%s>, method=%s, .* TLS, " % (USER, mechanism.upper()))
        self.assertEqual(self.mail(), [])

    def test_what_is_refused_behind_it_is_told_with_its_words(self):
        self.dovecot("plain")
        self.use(587, "starttls")
        self.submit("carl@" + Postfix.DOMAIN, "nemo@" + Postfix.DOMAIN)
        report = self.report()
        self.assertIn(Postfix.knows_unknown, report.get_payload(1).get_payload(1)["Diagnostic-Code"])
        self.emptied()
        self.judge([MESSAGE], self.postfix.taken("carl"))

    def test_mail_waits_for_the_right_password_of_plain(self):
        self.mail_waits("plain")

    def test_mail_waits_for_the_right_password_of_scram(self):
        self.mail_waits("scram-sha-256")

    def mail_waits(self, mechanism):
        self.dovecot(mechanism)
        self.use(587, "starttls", "another-secret")
        self.submit("carl@" + Postfix.DOMAIN)
        self.assertIn("535", self.told("deferred", "carl@" + Postfix.DOMAIN)[0])
        self.assertEqual(self.postfix.taken("carl"), [])
        self.use(587, "starttls")
        self.server.admin("queue", "retry")
        self.emptied()
        self.judge([MESSAGE], self.postfix.taken("carl"))
        self.assertEqual(self.mail(), [])


def open_text(path):
    with open(path) as file:
        return file.read()


if __name__ == "__main__":
    receiving_agents.enter_namespace()
    mailstead.main()

"""Debian's Postfix, Exim and OpenSMTPD as other people's hosts in internet.py's small Internet: they keep mail in maildirs, find the
hosts of others by DNS, and have certificates that nobody vouches for, as most hosts have for mail.

Their packages are unpacked as transfer_agents.py tells.
"""

import os
import smtplib
import ssl
import subprocess

import internet
import mailstead
import transfer_agents

# Whom each of them knows. The last one only where addresses beyond ASCII are known.
PEOPLE, BEYOND_ASCII = ("carl", "dora", "emil"), "j\u00f6rg"
SHARED = "shared.example"  # all take mail for it
LIMIT = 2_000_000
US6 = "2001:db8::1"
KEPT = "/var/spool/kept"
CERTIFICATE, KEY = "/etc/mail.pem", "/etc/mail.key"
NAMES = {"/etc/resolv.conf": "nameserver %s\n" % internet.NAME_SERVER[0], "/etc/hosts": "127.0.0.1 localhost\n"}
# Above the message as it was submitted: what the host, what stands beside it, and we put there.
TRACE = {b"return-path", b"delivered-to", b"x-original-to", b"envelope-to", b"delivery-date", b"x-greylist", b"received", b"dkim-signature"}


def enter_namespace():
    internet.enter_namespace()
    transfer_agents.need_root()
    # On one machine a host that is called would see its own address as the caller's.
    subprocess.run(["ip", "address", "add", US6 + "/128", "dev", "lo", "nodad"], check=True)
    for hosts, us in ((internet.OTHERS, internet.US), (internet.OTHERS6, US6)):
        for host in hosts:
            subprocess.run(["ip", "route", "del", "local", host, "dev", "lo", "table", "local"], check=True)
            subprocess.run(["ip", "route", "add", "local", host, "dev", "lo", "table", "local", "src", us], check=True)


class Receiver:
    """What makes a host of a transfer agent: to be named before it among the bases."""

    KEY_OWNER = "root"
    completes_tls = True

    def __init__(self, folder, **options):
        """`folder` of the test's, for its certificate. `options`: those of settings()."""
        self.name = "mx." + self.DOMAIN
        # One reached by IPv6, and one whose address of that kind is nobody's.
        self.domains = [self.DOMAIN, "six." + self.DOMAIN, "half." + self.DOMAIN, SHARED]
        pair = internet.certificate(folder, self.name)
        files = {**NAMES, "/etc/mailname": self.name + "\n"}
        for path, source in zip((CERTIFICATE, KEY), pair):
            with open(source) as file:
                files[path] = file.read()
        self.BEGIN = "mkdir -m 0777 %s\nchmod 600 %s\nchown %s %s\n%s" % (KEPT, KEY, self.KEY_OWNER, KEY, self.BEGIN)
        self.start({**files, **self.settings(**options)})

    def publish(self, names):
        """Writes into DNS who it is."""
        for sub, kind, address in (("", "A", self.address), ("six.", "AAAA", self.address6),
                                   ("half.", "AAAA", internet.OTHERS6[-1]), ("half.", "A", self.address)):
            names.zone.setdefault(sub + self.DOMAIN, {})["MX"] = ["10 mx." + sub + self.DOMAIN]
            names.add("mx." + sub + self.DOMAIN, kind, address)

    def taken(self, person):
        """What came for a person once all is done with, as it came over the wire but for the trace on it; it is not kept on."""
        self.send_out()
        folder, found = self.root.path("%s/%s/new" % (KEPT, person)), []
        paths = [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
        for path in sorted(paths, key=os.path.getmtime):
            with open(path, "rb") as file:
                found.append(file.read().replace(b"\n", b"\r\n"))
            os.unlink(path)
        return found

    def hand_in(self, message, sender, *recipients):
        """By its sendmail command, as its own people do."""
        self.root.run("/usr/sbin/sendmail", "-i", "-f", sender, *recipients, stdin=message.replace(b"\r\n", b"\n"))


class Postfix(Receiver, transfer_agents.Postfix):
    DOMAIN, address, address6 = "postfix.example", "192.0.2.10", "2001:db8::10"
    SAW_TLS = "TLS connection established from mail.example.org[192.0.2.1]: TLSv1.3"
    knows_unknown = "User unknown in virtual mailbox table"
    reports_success, repeats_envid = True, True

    def settings(self, screened=False, **more):
        """`screened`: postscreen looks at a stranger first. `more`: lines of main.cf."""
        services = [*self.services(), "virtual unix - n n - - virtual"]
        if screened:
            services[0] = "smtp inet n - n - 1 postscreen"
            services += ["smtpd pass - - n - - smtpd", "tlsproxy unix - - n - 0 tlsproxy", "dnsblog unix - - n - 0 dnsblog"]
        people = ", ".join("{ %s@%s = %s/ }" % (person, domain, person)
                           for domain in self.domains for person in (*PEOPLE, BEYOND_ASCII))
        settings = {"compatibility_level": 3.6, "maillog_file": "/dev/stdout", "myhostname": self.name, "mydestination": "",
                    "inet_interfaces": "%s, %s" % (self.address, self.address6), "inet_protocols": "all", "mynetworks": "127.0.0.0/8",
                    "virtual_mailbox_domains": ", ".join(self.domains), "virtual_mailbox_base": KEPT,
                    "virtual_mailbox_maps": "inline:{ %s }" % people, "virtual_uid_maps": "static:29100", "virtual_gid_maps": "static:29100",
                    "alias_maps": "", "message_size_limit": LIMIT, "smtputf8_enable": "yes", "minimal_backoff_time": "300s",
                    "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": CERTIFICATE, "smtpd_tls_key_file": KEY,
                    "smtpd_tls_loglevel": 1, "smtpd_tls_ask_ccert": "yes", "smtp_tls_security_level": "may", **more}
        return self.configured(services, settings)


class Exim(Receiver, transfer_agents.Exim):
    DOMAIN, address, address6 = "exim.example", "192.0.2.11", "2001:db8::11"
    KEY_OWNER = "Debian-exim"
    SAW_TLS = " [192.0.2.1] P=esmtps X=TLS1.3:"
    knows_unknown = "there is no such mailbox"
    HAS_ALL = "all of it is here"
    reports_success, repeats_envid = False, True  # it does not offer DSN unless it is told to

    def settings(self, slow=None, sender="accept", more=""):
        """`slow`: whose mail has to wait for its reply after the final dot; `sender`: an ACL for MAIL; `more`: main settings."""
        wait = "  warn condition = ${if eq{$recipients}{%s}}\n    logwrite = %s\n    delay = 1h\n" % (slow, self.HAS_ALL) if slow else ""
        text = ("primary_hostname = {name}\nlocal_interfaces = <; {address} ; {address6}\ndaemon_smtp_ports = 25\n"
                "domainlist ours = {domains}\nacl_smtp_rcpt = recipient\nacl_smtp_data = content\nrfc1413_query_timeout = 0s\n"
                "message_size_limit = {limit}\nsmtp_accept_max = 0\nlog_selector = +smtp_confirmation\n"
                "log_file_path = /var/log/exim4/%slog\ntls_certificate = {certificate}\ntls_privatekey = {key}\n"
                "{more}acl_smtp_mail = sender\nbegin acl\nsender:\n  {sender}\nrecipient:\n  accept domains = +ours\n    endpass\n    message = {unknown}\n    verify = recipient\n"
                "  deny message = no relaying\ncontent:\n{wait}  accept\n"
                "begin routers\nhere:\n  driver = accept\n  domains = +ours\n  local_parts = {people}\n  transport = keep\n"
                "away:\n  driver = dnslookup\n  domains = ! +ours\n  transport = send\n"
                "begin transports\nkeep:\n  driver = appendfile\n  directory = {kept}/$local_part_data\n  maildir_format\n"
                "  user = Debian-exim\n  return_path_add\n  envelope_to_add\n  delivery_date_add\n"
                "send:\n  driver = smtp\n  interface = <; {address} ; {address6}\n"
                "begin retry\n* * F,1h,10m\n").format(
                    name=self.name, address=self.address, address6=self.address6, domains=" : ".join(self.domains), limit=LIMIT,
                    certificate=CERTIFICATE, key=KEY, unknown=self.knows_unknown, wait=wait, sender=sender, more=more, kept=KEPT,
                    people=" : ".join((*PEOPLE, BEYOND_ASCII)))
        return {"/var/lib/exim4/config.autogenerated": text}


class OpenSmtpd(Receiver, transfer_agents.OpenSmtpd):
    DOMAIN, address, address6 = "opensmtpd.example", "192.0.2.12", "2001:db8::12"
    USERS = (*transfer_agents.OpenSmtpd.USERS, *PEOPLE)
    SAW_TLS = "smtp tls ciphers=TLSv1.3:"
    knows_unknown = "Invalid recipient"
    reports_success, repeats_envid = True, False

    def __init__(self, folder):
        super().__init__(folder)
        self.completes_tls = self.comes_to_terms()

    def comes_to_terms(self):
        """Does its STARTTLS lead anywhere? Version 6.8 of Debian 12 offers it, and with OpenSSL 3 has no key when it is taken up."""
        with smtplib.SMTP(self.address, 25, local_hostname="client.example", timeout=mailstead.TIMEOUT) as client:
            try:
                client.starttls(context=mailstead.no_verify_context())
            except ssl.SSLError:
                client.close()
                return False
        return True

    def settings(self):
        listen = "".join("listen on %s port 25 tls pki \"%s\" hostname \"%s\"\n" % (address, self.name, self.name) for address in (self.address, self.address6))
        text = ('smtp max-message-size "%d"\npki "%s" cert "%s"\npki "%s" key "%s"\n%s'
                'action "keep" maildir "%s/%%{user.username}"\naction "send" relay src { %s, %s }\n'
                'match from any for domain { %s } action "keep"\nmatch from local for any action "send"\n' % (
                    LIMIT, self.name, CERTIFICATE, self.name, KEY, listen, KEPT, self.address, self.address6,
                    ", ".join('"%s"' % domain for domain in self.domains)))
        return {"/etc/smtpd.conf": text}

"""SMTP servers to be judged: ours and Postfix, each with mailboxes and ways to send, and to see what came. See README.md."""

import os
import re
import shutil
import socket
import subprocess

import sites
import mailstead
from book import CannotBeTried, encoded
from sites import PASSWORD

MESSAGE_SIZE = 1 << 20  # octets; the limit of every site, small enough to be tried
DOMAIN = "example.org"  # of all mailboxes
MOST_USERS = 600  # of a peer
# Postfix names one more field on top, and Dovecot's none.
TRACE = (*mailstead.TRACE, b"x-original-to")


class Smtp(mailstead.Smtp):
    """A session by EHLO, or by what `hello` says; `extensions` is what was offered: {keyword: parameters}."""

    def __init__(self, stream, hello="EHLO client.example", user=None):
        self.hello = hello
        super().__init__(stream, True, user, PASSWORD)

    def begin(self, greet, user, password):
        self.greeting = self.expect("220")
        if self.hello:
            self.say_hello()
        if user:
            self.must("AUTH PLAIN " + encoded("", user, password), "235")

    def say_hello(self):
        lines = self.must(self.hello, "250").split("\n")
        self.extensions = {line.split(" ")[0].upper(): line.split(" ")[1:] for line in lines[1:]}

    def starttls(self, context=None):
        self.must("STARTTLS", "220")
        assert not self.stream.buffer, "more than the reply: %r" % bytes(self.stream.buffer)
        self.stream.start_tls(context)
        self.say_hello()

    def wire(self, line):
        """The whole answer to a line, as it came: a list of lines without their CRLF."""
        self.stream.send(mailstead.as_bytes(line) + b"\r\n")
        return self.wire_reply()

    def wire_reply(self):
        lines = [self.stream.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.stream.line())
        return lines

    def refused(self, line, code="45"):
        """The reply, which has to be one of 4xx or 5xx, or of that code."""
        reply = self.command(line)
        if not (reply[0].startswith(code) if len(code) == 3 else reply[0][0] in code):
            raise mailstead.Refused(line, reply)
        return reply

    def data(self, octets):
        """What goes over the wire behind 354, as it is; the reply."""
        self.must("DATA", "354")
        self.stream.send(octets)
        return self.reply()

    def deliver(self, message, *recipients, sender="sender@elsewhere.example", parameters=""):
        self.envelope(sender, recipients, parameters)
        code, text = self.data(mailstead.stuffed(message))
        if code != "250":
            raise mailstead.Refused("(message)", (code, text))
        return text


class SmtpSite:
    """What both have besides mailboxes and ports."""

    password = PASSWORD  # of every mailbox

    def smtp(self, service="smtp", user=None, hello="EHLO client.example"):
        """A session; one for a user on a service that begins in the clear has logged in without TLS."""
        return Smtp(self.smtp_stream(service), "LHLO client.example" if service == "lmtp" and hello else hello, user)

    def smtp_stream(self, service="smtp"):
        stream = mailstead.Stream(self.ports[service])
        if service == "submissions":
            stream.start_tls()
        return stream

    def fetch(self, user):
        """The user's messages, oldest first, when all that was accepted has been delivered."""
        self.settle()
        with self.session(user) as session:
            return retrieved(session)

    def only(self, user):
        found = self.fetch(user)
        assert len(found) == 1, "%d messages instead of one" % len(found)
        return found[0]

    def settle(self):
        pass


def retrieved(session):
    """All messages of a POP3 session. It ends with QUIT, so that the mailbox is free for the next one."""
    found = [session.retr(number) for number in range(1, session.stat()[0] + 1)]
    session.quit()
    return found


def message(subject, body=b"Hello.\r\n", sender="sender@elsewhere.example"):
    return ("Subject: %s\r\nFrom: %s\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\nMessage-ID: <one@elsewhere.example>\r\n\r\n"
            % (subject, sender)).encode() + body


def split(copy):
    """(the trace fields that the server put on top, each at most once; the message below them)"""
    position, trace = 0, {}
    while True:
        name = copy[position:position + 40].partition(b":")[0].lower()
        if name not in TRACE or name in trace:
            return trace, copy[position:]
        end = copy.find(b"\r\n", position) + 2
        while copy[end:end + 1] in (b" ", b"\t"):
            end = copy.find(b"\r\n", end) + 2
        trace[name] = copy[position:end]
        position = end


def sent(copy):
    return split(copy)[1]


def received(copy):
    """The server's own Received field in one line and without comments."""
    line = b" ".join(split(copy)[0][b"received"].split()).decode()
    while (shorter := re.sub(r" ?\([^()]*\)", "", line)) != line:
        line = shorter
    return line


def with_what(copy):
    return re.search(r" with (\S+) ", received(copy))[1]


class Mailstead(SmtpSite, sites.Mailstead):
    def __init__(self, settings=""):
        listen = {"lmtp": ["127.0.0.1:0"]} if knows_lmtp() else {}
        settings = settings or "[limits]\nmessage_size = %d\n" % MESSAGE_SIZE
        super().__init__(settings, lambda text: mailstead.Server(text, listen))

    def alias(self, user):
        """Another address that leads to the user."""
        name = "alias-" + user
        self.server.admin("alias", "add", name, user)
        return name

    def mailbox_at(self, domain):
        return self.server.add_cheap_mailbox("user%d@%s" % (next(self.numbers), domain), PASSWORD)

    def end_without_warning(self):
        """The process dies, and starts again."""
        self.server.kill()
        self.ports = self.server.start().ports


def knows_lmtp():
    printed = subprocess.run([mailstead.BINARY, "config", "default"], capture_output=True, text=True, check=True).stdout
    return re.search(r"^#? ?lmtp = ", printed, re.MULTILINE) is not None


def start_postfix(configuration, output):
    """Its first process. What it says goes into the file `output`."""
    subprocess.run(["/usr/sbin/postfix", "-c", configuration, "check"], check=True, capture_output=True)
    # Not by `postfix start-fg`, whose shell leaves the server behind when it is ended; in a group of its own, for the
    # server ends its group.
    with open(output, "wb") as file:
        return subprocess.Popen(["/usr/lib/postfix/sbin/master", "-d", "-c", configuration], stdin=subprocess.DEVNULL,
                                stdout=file, stderr=subprocess.STDOUT, start_new_session=True)


class Postfix(SmtpSite, sites.Site):
    """Debian's, with configuration, queue and ports of its own, in the foreground. It delivers into Dovecot's mailboxes and
    asks it about logins. Needs root, for it changes users."""

    name = "Postfix"

    def __init__(self):
        self.dovecot = sites.Dovecot(most_users=MOST_USERS, domain="@" + DOMAIN, more=LOGINS)
        self.folder = mailstead.work_folder("mailstead-peer-")
        os.chmod(self.folder, 0o755)
        for name in ("conf", "queue", "data"):
            os.mkdir(self.path(name))
        shutil.chown(self.path("data"), "postfix")
        self.ports = dict(self.dovecot.ports)
        for service in ("smtp", "submission", "submissions"):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.ports[service] = probe.getsockname()
        places = {"folder": self.folder, "dovecot": self.dovecot.folder, "size": MESSAGE_SIZE, "domain": DOMAIN,
                  **{service: port for service, (_, port) in self.ports.items()}}
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER), ("mailboxes", MAILBOXES), ("aliases", ALIASES)):
            with open(self.path("conf/" + name), "w") as file:
                file.write(text.format(**places))
        self.process = None
        try:
            self.process = start_postfix(self.path("conf"), self.path("output"))
            mailstead.until(self.greets, "postfix answers")
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def greets(self):
        if self.process.poll() is not None:
            with open(self.path("output")) as file:
                raise AssertionError("postfix ended: " + file.read())
        try:
            with self.smtp():
                return True
        except (OSError, mailstead.Closed):
            return False

    def mailbox(self):
        return self.dovecot.mailbox()

    def alias(self, user):
        return "alias-" + user

    def mailbox_at(self, domain):
        raise CannotBeTried

    def end_without_warning(self):
        raise CannotBeTried

    def settle(self):
        mailstead.until(lambda: not self.queued() and not self.queued(), "all is delivered")

    def queued(self):
        """Twice asked, since a report can come into one folder while its message goes from another."""
        return any(names for queue in ("maildrop", "incoming", "active") for _, _, names in os.walk(self.path("queue/" + queue)))

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.dovecot.close()
        shutil.rmtree(self.folder)


LOGINS = """
service auth {{
  unix_listener {folder}/login {{
    mode = 0666
  }}
}}
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.{domain}
mydomain = {domain}
myorigin = {domain}
mydestination =
mynetworks = 192.0.2.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps =
local_header_rewrite_clients =
alias_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {dovecot}/mail
virtual_mailbox_maps = texthash:{folder}/conf/mailboxes
virtual_alias_maps = regexp:{folder}/conf/aliases
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
default_transport = discard
message_size_limit = {size}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {dovecot}/cert.pem
smtpd_tls_key_file = {dovecot}/cert.pem.key
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {dovecot}/login
biff = no
"""

# Of every Postfix of ours, in its master.cf.
SERVICES = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
discard unix - - n - - discard
virtual unix - n n - - virtual
""" + SERVICES

MAILBOXES = "".join("user%d@{domain} user%d@{domain}/Maildir/\n" % (number, number) for number in range(1, MOST_USERS + 1))

ALIASES = r"""
/^alias-(user[0-9]+@example\.org)$/ $1
/^postmaster@/ user1@example.org
"""

"""Servers that take mail for mailboxes of their own, each set up to take as much as it can: ours, Postfix in two ways, OpenSMTPD.

None refuses anything for its rate or number, asks DNS, or checks senders; what is confirmed is as durable as each makes it
by itself. All have the same mailboxes, maildirs on the same file system, and a log at its default level that goes into a file.
"""

import os
import shutil
import socket

import processes
import servers
import smtp_sites
import transfer_agents
from servers import mailstead, sites

USERS = 50  # mailboxes, user1@example.org and so on
DOMAIN = smtp_sites.DOMAIN
NAMES = ["user%d@%s" % (number, DOMAIN) for number in range(1, USERS + 1)]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as channel:
            return channel.recv(3) == b"220"
    except OSError:
        return False


class Site:
    """A server. `reads_over_pop3`: how it is known that a message can be read, by STAT, or by its file in new/."""

    name = ""
    port = 0
    greetings = 0  # how many connections may wait for its greeting; 0: any number
    reads_over_pop3 = False

    def pids(self):
        """The first process of each of its programs."""
        raise NotImplementedError

    def processor_seconds(self):
        return sum(processes.processor_seconds(pid) for pid in self.pids())

    def memory(self):
        return sum(processes.memory(pid) for pid in self.pids())

    def folder_of(self, user):
        """Where new messages are, as files."""
        raise NotImplementedError

    def files(self):
        """(user, path) of all messages."""
        for user in NAMES:
            folder = self.folder_of(user)
            for name in os.listdir(folder) if os.path.isdir(folder) else []:
                yield user, os.path.join(folder, name)

    def count_files(self):
        return sum(len(os.listdir(folder)) for folder in map(self.folder_of, NAMES) if os.path.isdir(folder))

    def readable(self):
        return self.count_files()

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Mailstead(Site):
    name = "Mailstead"
    reads_over_pop3 = True
    SETTINGS = ('hostname = "mail.example.org"\n[smtp]\nsender_checks = "off"\ngreeting_delay = "0 s"\n'
                '[limits]\nconnections = 20000\n')

    def __init__(self):
        self.server = servers.Server(self.SETTINGS, {"smtp": ["127.0.0.1:0"]}).start()
        for name in NAMES:
            self.server.add_cheap_mailbox(name, sites.PASSWORD)
        self.port = self.server.ports["smtp"][1]

    def pids(self):
        return [self.server.pid]

    def folder_of(self, user):
        name, _, domain = user.partition("@")
        return os.path.join(self.server.data, "mail", domain, name, "new")

    def readable(self):
        """What STAT tells, in sessions that all go on at once; less than there is where a mailbox is still in use."""
        return sum(self.stats())

    def stats(self):
        streams = [mailstead.Stream(self.server.ports["pop3"]) for _ in NAMES]
        try:
            for user, stream in zip(NAMES, streams):
                stream.send(b"USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (user.encode(), sites.PASSWORD.encode()))
            for stream in streams:
                stat = [stream.line() for _ in range(5)][3].split()
                stream.rest()
                yield int(stat[1]) if stat[0] == b"+OK" else 0
        finally:
            for stream in streams:
                stream.close()

    def close(self):
        self.server.close()


class Postfix(Site):
    """Its smtpd and queue; `transport` delivers."""

    def __init__(self):
        self.folder = mailstead.work_folder("mailstead-peer-")
        os.chmod(self.folder, 0o755)
        for name in ("conf", "queue", "data", "mail"):
            os.mkdir(self.path(name))
        shutil.chown(self.path("data"), "postfix")
        os.chown(self.path("mail"), sites.NOBODY, sites.NOBODY)
        self.port, self.process = free_port(), None
        try:
            self.start_delivery()
            places = {"folder": self.folder, "port": self.port, "domain": DOMAIN, "transport": self.transport}
            for name, text in (("main.cf", MAIN), ("master.cf", MASTER), ("mailboxes", MAILBOXES)):
                with open(self.path("conf/" + name), "w") as file:
                    file.write(text.format(**places))
            self.process = smtp_sites.start_postfix(self.path("conf"), self.path("output"))
            mailstead.until(lambda: greets(self.port), "postfix answers")
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_delivery(self):
        pass

    def pids(self):
        return [self.process.pid]

    def folder_of(self, user):
        return self.path("mail/%s/Maildir/new" % user)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder)


class PostfixVirtual(Postfix):
    name, transport = "Postfix virtual", "virtual"


class PostfixLmtp(Postfix):
    """Dovecot's LMTP delivers."""

    name = "Postfix+Dovecot"
    dovecot = None

    def start_delivery(self):
        self.dovecot = sites.Dovecot(fast=True, most_users=USERS, domain="@" + DOMAIN, more=LMTP)
        self.transport = "lmtp:unix:%s/lmtp" % self.dovecot.folder
        for _ in NAMES:
            self.dovecot.mailbox()

    def pids(self):
        return [self.process.pid, self.dovecot.pid]

    def folder_of(self, user):
        return self.dovecot.folder_of(user)

    def close(self):
        super().close()
        if self.dovecot is not None:
            self.dovecot.close()


class OpenSmtpd(Site):
    """Of its downloaded package, in a root of its own in which /var/log is a folder of the measured file system."""

    name = "OpenSMTPD"
    greetings = 4  # it listens with a backlog of 5, and connections beyond that hang
    BEGIN = ("mkdir -m 0711 /var/log/spool; mkdir /var/spool/smtpd; mount --bind /var/log/spool /var/spool/smtpd\n"
             "mkdir -p /var/lib/opensmtpd/empty; mkdir /var/log/mail; chown nobody /var/log/mail\n"
             "chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl; ulimit -n 1024\nsmtpd -d")
    CONFIGURATION = """smtp limit max-mails 1000000000
smtp max-message-size "50M"
queue ttl 1d
table users {{ "@" = nobody }}
listen on 127.0.0.1 port {port} no-dsn
action "keep" maildir "/var/log/mail/%{{rcpt.user}}" virtual <users>
match from any for domain "{domain}" action "keep"
"""

    def __init__(self):
        self.port = free_port()
        files = {"/etc/smtpd.conf": self.CONFIGURATION.format(port=self.port, domain=DOMAIN)}
        self.root = transfer_agents.Root("opensmtpd", self.BEGIN, files, transfer_agents.OpenSmtpd.USERS)
        try:
            mailstead.until(self.answers, "OpenSMTPD answers")
        except BaseException:
            self.close()
            raise

    def answers(self):
        if self.root.process.poll() is not None:
            raise AssertionError("OpenSMTPD ended: " + self.root.said()[-2000:])
        return greets(self.port)

    def pids(self):
        return [self.root.process.pid]

    def folder_of(self, user):
        return os.path.join(self.root.log_folder, "mail", user.partition("@")[0], "new")

    def close(self):
        self.root.close()


PEERS = (PostfixVirtual, PostfixLmtp, OpenSmtpd)

LMTP = """
protocols = pop3 lmtp
postmaster_address = postmaster@example.org
auth_cache_size = 16 M
lmtp_user_concurrency_limit = 0
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
  process_min_avail = 4
  process_limit = 200
}}
"""

MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.{domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_process_limit = 1000
local_recipient_maps =
local_header_rewrite_clients =
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
message_size_limit = 52428800
virtual_mailbox_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/conf/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
virtual_transport = {transport}
biff = no
"""

MAILBOXES = "".join("user%d@{domain} user%d@{domain}/Maildir/\n" % (number, number) for number in range(1, USERS + 1))

MASTER = """127.0.0.1:{port} inet n - n - - smtpd
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
""" + smtp_sites.SERVICES

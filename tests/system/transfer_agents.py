"""Debian's Postfix, Exim and OpenSMTPD, each as if it were installed here, and none of them is; and as they are when they send to us.

Their packages exclude each other, their paths and users are compiled in, and no machine should get a mail server by running tests.
So apt only downloads the archives (packaging/apt.sh), and each agent sees a root of its own: its archives unpacked over this
machine's root, in memory, in namespaces of mounts and processes that end with it. What it writes goes the same way.

All of it happens in a network of its own, where port 25 is free, only loopback exists, and names stand in /etc/hosts.
"""

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

import mailstead
from client_tools import PASSWORD, USER
from mailstead import TIMEOUT, until

SERVER, AGENT, RECORDER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
SERVER_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995, "lmtp": 24}
# By which way an agent sends on what is for a domain.
WAYS = {"example.org": "port 25", "example.net": "submission", "example.edu": "submissions", "example.com": "in the clear"}
# What Postfix delivers by LMTP.
LMTP_DOMAIN = "example.info"

ENTER = """
work=$1 archives=$2 ours=$3 log=$4 begin=$5
mount -t tmpfs tmpfs "$work"
cd "$work"
mkdir root changes scratch package package/usr
# A package may still have files in /lib, which is a link here and has to stay one.
for name in bin sbin lib; do mkdir "package/usr/$name"; ln -s "usr/$name" "package/$name"; done
for archive in "$archives"/*.deb; do dpkg-deb --fsys-tarfile "$archive" | tar -x --keep-directory-symlink -C package; done
cp -a "$ours/." package
mount -t overlay -o "lowerdir=package:/,upperdir=changes,workdir=scratch" overlay root
mount --rbind /dev root/dev
mount -t proc proc root/proc
for name in run tmp var/spool var/lib/misc; do mkdir -p "root/$name"; mount -t tmpfs -o mode=0755 tmpfs "root/$name"; done
mkdir -p root/var/log
mount --bind "$log" root/var/log
# This shell stays the first process. It gets a signal at its parent's end, which a setuid program such as Exim would not.
exec chroot root sh -ec "$begin
exit"
"""


def enter_network():
    """Starts this program again in a network of its own; ends it with SKIP where that or an agent's root cannot be made."""
    if not os.environ.get("MAILSTEAD_TEST_NETWORK"):
        need_root()
        way = ["unshare", "--net"]
        if subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0:
            print("skipped: no network of its own can be made here")
            sys.exit(mailstead.SKIP)
        os.execvpe(way[0], [*way, sys.executable, *sys.orig_argv[1:]], dict(os.environ, MAILSTEAD_TEST_NETWORK="1"))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (AGENT, RECORDER):  # Postfix wants them to be an interface's
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)


def need_root():
    """Ends this program with SKIP where agents could not change users, as root of a namespace of one user could not."""
    with open("/proc/self/uid_map") as file:
        users = sum(int(line.split()[2]) for line in file)
    if os.geteuid() != 0 or users < 1 << 16:
        print("skipped: mail transfer agents change users and want root")
        sys.exit(mailstead.SKIP)


def own_mounts():
    """How unshare(1) makes a namespace of mounts: in a chroot, whose / is no mount point, it must not touch propagation."""
    for propagation in ("private", "unchanged"):
        way = ["unshare", "--mount", "--propagation", propagation]
        if subprocess.run([*way, "true"], capture_output=True).returncode == 0:
            return way
    raise AssertionError("no namespace of mounts can be made here")


class Root:
    """A package's archives over this machine's root, and the process that lives in there, as the first of its namespace."""

    def __init__(self, package, begin, files=None, users=None):
        """`begin`: what sh runs there; `files`: {path: text} of ours; `users`: names that the package would have added."""
        self.folder = mailstead.work_folder("mailstead-agent-")
        self.process = None
        try:
            self.start(package, begin, files or {}, users or ())
        except BaseException:
            self.close()
            raise

    def start(self, package, begin, files, users):
        archives = os.path.join(os.environ["MAILSTEAD_ARCHIVES"], package)
        if not os.path.isdir(archives):
            raise AssertionError("there is no %s: tests/run downloads it" % archives)
        ours, self.log_folder = os.path.join(self.folder, "ours"), os.path.join(self.folder, "log")
        root = os.path.join(self.folder, "root")
        for folder in (ours, root, self.log_folder):
            os.mkdir(folder)
        os.chmod(self.folder, 0o755)
        for path, text in {**with_users(users), **files}.items():
            path = ours + path
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        self.output = os.path.join(self.log_folder, "output")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*own_mounts(), "--pid", "--fork", "--kill-child", "--", "sh", "-euc", ENTER, "sh", root, archives, ours,
                 self.log_folder, begin],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, preexec_fn=die_with_the_test,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})

    def is_there(self):
        """Has the first process its own root?"""
        try:
            return os.path.samefile(self.path("/var/log/output"), self.output)
        except (ValueError, FileNotFoundError):
            return False

    def said(self):
        """What the process and its log files say."""
        found = ""
        for parent, _, names in os.walk(self.log_folder):
            for name in sorted(names):
                with open(os.path.join(parent, name), errors="replace") as file:
                    found += file.read()
        return found

    def first(self):
        """The number, out here, of the process that is the first in there."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as file:
            number, = file.read().split()
        return number

    def path(self, path):
        """What a path in there is out here."""
        return "/proc/%s/root%s" % (self.first(), path)

    def files(self, *folders):
        """The names of all files in there below the folders, which are read one after the other."""
        found = []
        for folder in folders:
            for _, _, names in os.walk(self.path(folder)):
                found += names
        return found

    def run(self, *command, stdin=b"", codes=(0,)):
        """Runs a command in there to its end; its output."""
        done = subprocess.run(["nsenter", "--target", self.first(), "--mount", "--pid", "--root", "--wd", "--", *command],
                              input=stdin, capture_output=True, timeout=TIMEOUT)
        if done.returncode not in codes:
            raise AssertionError("%s exited with %d\n%s" % (" ".join(command), done.returncode,
                                                            (done.stdout + done.stderr).decode(errors="replace")[-2000:]))
        return done.stdout.decode(errors="replace")

    def wait(self):
        """Waits for the process to end; its exit code."""
        return self.process.wait(TIMEOUT)

    def close(self):
        """Ends the first process, and with it its namespaces: all others in there, and the mounts."""
        if not os.path.isdir(self.folder):
            return  # it was closed before
        if self.process is not None:
            try:
                first = os.pidfd_open(int(self.first()))
            except (ValueError, OSError):  # it has ended, or has not come so far
                first = None
            self.process.kill()
            self.process.wait()
            if first is not None:
                ended, _, _ = select.select([first], [], [], TIMEOUT)
                os.close(first)
                assert ended, "the processes of %s do not end" % self.folder
        shutil.rmtree(self.folder)


def die_with_the_test():
    mailstead.LIBC.prctl(mailstead.PR_SET_PDEATHSIG, mailstead.signal.SIGKILL, 0, 0, 0)


def with_users(users):
    with open("/etc/passwd") as passwd, open("/etc/group") as group:
        files = {"/etc/passwd": passwd.read(), "/etc/group": group.read()}
    for number, name in enumerate(users, 29000):
        if "\n%s:" % name not in files["/etc/passwd"]:
            files["/etc/passwd"] += "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (name, number, number)
        if "\n%s:" % name not in files["/etc/group"]:
            files["/etc/group"] += "%s:x:%d:\n" % (name, number)
    files["/etc/hosts"] = "127.0.0.1 localhost mail.example.org\n%s agent.example\n%s recorder.example\n" % (AGENT, RECORDER)
    files["/etc/resolv.conf"] = ""
    files["/etc/mailname"] = "agent.example\n"
    files["/etc/aliases"] = "root: %s\n" % USER
    return files


class Agent:
    """A mail transfer agent that takes mail on its port 25 and sends it on to the server under test by the domain's way."""

    address = AGENT
    adds_blank_line = True  # to a message that is all headers
    shortens_reports = True  # of messages that are too large
    knows_smtputf8 = True
    CERTIFICATE = "/etc/mailstead.pem"

    def __init__(self, certificate):
        """`certificate`: the server's own, the one authority that the agent trusts where it checks."""
        with open(certificate) as file:
            self.start({self.CERTIFICATE: file.read(), **self.files()})

    def start(self, files):
        self.root = Root(self.PACKAGE, self.BEGIN, files, self.USERS)
        try:
            until(self.is_ready, self.PACKAGE + " is ready")
        except BaseException:
            self.close()
            raise

    def is_ready(self):
        if self.root.process.poll() is not None:
            raise AssertionError("%s ended with %d\n%s" % (self.PACKAGE, self.root.process.returncode, self.root.said()))
        try:
            with socket.create_connection((self.address, 25), timeout=TIMEOUT) as channel:
                return channel.recv(3) == b"220" and self.root.is_there()
        except ConnectionError:
            return False

    def has_sent_all(self):
        """Twice, since between two looks a report can have come into one folder while its message went from another."""
        return not self.queue() and not self.queue()

    def send_out(self):
        """Until all is sent, also what it has put off or is about to put off: it is told again and again to send it."""
        end = time.monotonic() + TIMEOUT
        while not self.has_sent_all():
            if time.monotonic() > end:
                raise AssertionError("%s does not send all its mail" % self.PACKAGE)
            self.send_all()
            try:
                until(self.has_sent_all, "all is sent", timeout=2)
            except AssertionError:
                pass

    def close(self):
        self.root.close()


class Postfix(Agent):
    PACKAGE = "postfix"
    BEGIN = ("mkdir -p /var/lib/postfix /var/spool/postfix; chown postfix /var/lib/postfix\n"
             "for name in postdrop postqueue; do chgrp postdrop /usr/sbin/$name; chmod 2755 /usr/sbin/$name; done\n"
             "postfix start-fg")
    USERS = ("postfix", "postdrop")
    pipelines, chunks = True, False
    adds_blank_line = False

    def services(self):
        """The lines of master.cf that are for any use of it."""
        services = ["smtp inet n - n - - smtpd", "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite",
                    "showq unix n - n - - showq", "postlog unix-dgram n - n - 1 postlogd", "smtp unix - - n - - smtp",
                    "proxymap unix - - n - - proxymap", "scache unix - - n - 1 scache", "anvil unix - - n - 1 anvil"]
        services += ["%s unix - - n - 0 bounce" % name for name in ("bounce", "defer", "trace")] + ["verify unix - - n - 1 verify"]
        return services + ["%s unix - - n - - %s" % service for service in (("error", "error"), ("retry", "error"), ("flush", "flush"))]

    def configured(self, services, settings):
        return {"/etc/postfix/master.cf": "\n".join(services) + "\n",
                "/etc/postfix/main.cf": "".join("%s = %s\n" % setting for setting in settings.items())}

    def files(self):
        services = self.services()
        login = " -o smtp_sasl_auth_enable=yes -o smtp_tls_security_level=verify -o smtp_tls_CAfile=" + self.CERTIFICATE
        services += ["clear unix - - n - - smtp -o smtp_tls_security_level=none", "submit unix - - n - - smtp" + login,
                     "submits unix - - n - - smtp -o smtp_tls_wrappermode=yes" + login, "lmtp unix - - n - - lmtp"]
        places = {"port 25": "smtp:[mail.example.org]:25", "submission": "submit:[mail.example.org]:587",
                  "submissions": "submits:[mail.example.org]:465", "in the clear": "clear:[recorder.example]:25"}
        passwords = ", ".join("{ [mail.example.org]:%d = %s:%s }" % (port, USER, PASSWORD) for port in (587, 465))
        settings = {"compatibility_level": 3.6, "maillog_file": "/dev/stdout", "myhostname": "agent.example", "mydestination": "",
                    "inet_interfaces": AGENT, "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "alias_maps": "",
                    "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native", "message_size_limit": 100000000,
                    "minimal_backoff_time": "300s", "smtp_tls_security_level": "may",
                    "smtp_sasl_security_options": "noanonymous", "smtp_tls_verify_cert_match": "nexthop",
                    "smtp_sasl_password_maps": "inline:{ %s }" % passwords, "local_recipient_maps": "",
                    "transport_maps": "inline:{ { %s = lmtp:inet:[%s]:24 }, %s }" % (
                        LMTP_DOMAIN, SERVER, ", ".join("{ %s = %s }" % (domain, places[way]) for domain, way in WAYS.items()))}
        return self.configured(services, settings)

    def queue(self):
        # In the order in which a message goes through them.
        return self.root.files(*("/var/spool/postfix/" + name for name in ("maildrop", "deferred", "incoming", "active")))

    def send_all(self):
        """Tries now what was put off."""
        self.root.run("postqueue", "-f")


class Exim(Agent):
    PACKAGE = "exim4-daemon-light"
    BEGIN = ("for name in spool log; do install -d -o Debian-exim -g Debian-exim /var/$name/exim4; done\n"
             "exim4 -bdf -q10m")
    USERS = ("Debian-exim",)
    pipelines, chunks = True, True

    def files(self):
        smtp = "driver = smtp\n  hosts_try_chunking = *\n  message_linelength_limit = 998\n"
        login = ("  hosts_require_auth = *\n  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = %s\n"
                 "  tls_verify_cert_hostnames = *\n" % self.CERTIFICATE)
        transports = {"port 25": smtp, "submission": smtp + "  port = 587\n" + login,
                      "submissions": smtp + "  port = 465\n  protocol = smtps\n" + login, "in the clear": smtp + "  hosts_avoid_tls = *\n"}
        text = ("primary_hostname = agent.example\nlocal_interfaces = %s\ndaemon_smtp_ports = 25\nacl_smtp_rcpt = accept\n"
                "acl_smtp_data = accept\naccept_8bitmime = true\nsmtp_enforce_sync = false\nrfc1413_query_timeout = 0s\n"
                "host_lookup =\nmessage_size_limit = 100M\nsmtp_accept_max = 0\nlog_selector = +pipelining +smtp_confirmation\n"
                "log_file_path = /var/log/exim4/%%slog\nbounce_return_size_limit = 10K\ntls_advertise_hosts =\n" % AGENT)
        text += "begin routers\n"
        for domain, way in WAYS.items():
            host = "recorder.example" if way == "in the clear" else "mail.example.org"
            name = way.replace(" ", "_")
            text += ("%s:\n  driver = manualroute\n  domains = %s\n  route_list = * %s byname\n  self = send\n  transport = %s\n"
                     % (name, domain, host, name))
        text += "begin transports\n"
        for way, lines in transports.items():
            text += "%s:\n  %s" % (way.replace(" ", "_"), lines)
        text += "begin retry\n* * F,1h,10m\n"
        text += ("begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  client_send = ^%s^%s\n"
                 % (USER, PASSWORD))
        return {"/var/lib/exim4/config.autogenerated": text}

    def queue(self):
        return self.root.files("/var/spool/exim4/input")

    def send_all(self):
        self.root.run("exim4", "-qff")


class OpenSmtpd(Agent):
    PACKAGE = "opensmtpd"
    BEGIN = ("mkdir -m 0711 /var/spool/smtpd; mkdir -p /var/lib/opensmtpd/empty\n"
             "chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl\nsmtpd -d")
    USERS = ("opensmtpd", "opensmtpq")
    CERTIFICATE = "/etc/ssl/certs/ca-certificates.crt"  # compiled in
    pipelines, chunks = False, False
    adds_blank_line, shortens_reports = False, False
    knows_smtputf8 = False

    def files(self):
        relays = {"port 25": "smtp://mail.example.org:25", "submission": "smtp+tls://us@mail.example.org:587",
                  "submissions": "smtps://us@mail.example.org:465", "in the clear": "smtp+notls://recorder.example:25"}
        text = 'smtp max-message-size "100M"\ntable secrets { us = "%s:%s" }\nlisten on %s port 25\n' % (USER, PASSWORD, AGENT)
        for domain, way in WAYS.items():
            more = " auth <secrets> tls" if "@" in relays[way] else ""
            text += 'action "%s" relay host "%s"%s\nmatch from any for domain "%s" action "%s"\n' % (way, relays[way], more, domain, way)
        return {"/etc/smtpd.conf": text}

    def queue(self):
        return self.root.files("/var/spool/smtpd/queue")

    def send_all(self):
        for route in self.root.run("smtpctl", "show", "routes").splitlines():
            self.root.run("smtpctl", "resume", "route", route.split(".")[0], codes=(0, 1))  # it may have gone meanwhile
        self.root.run("smtpctl", "schedule", "all")


class Recorder:
    """Stands between an agent and the server's port 25, hands on what both say, and keeps it."""

    def __init__(self):
        self.turns = []  # [who, octets]: who says it, up to where the other one says something
        self.guard = threading.Lock()
        self.listener = socket.create_server((RECORDER, 25))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.stand_between, args=(client,), daemon=True).start()

    def stand_between(self, client):
        with client, socket.create_connection((SERVER, 25)) as server:
            answers = threading.Thread(target=self.hand_on, args=("server", server, client), daemon=True)
            answers.start()
            self.hand_on("agent", client, server)
            answers.join()

    def hand_on(self, who, source, sink):
        try:
            while piece := source.recv(1 << 16):
                with self.guard:
                    if self.turns and self.turns[-1][0] == who:
                        self.turns[-1][1] += piece
                    else:
                        self.turns.append([who, piece])
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other direction's thread has seen the end as well

    def said_by_the_agent(self):
        with self.guard:
            return [piece for who, piece in self.turns if who == "agent"]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

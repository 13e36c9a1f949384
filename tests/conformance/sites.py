"""Servers to be judged: ours and peers, each with mailboxes, messages and ways in. See README.md."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import mailstead  # noqa: E402

PASSWORD = "correct horse"
ACCENTED = "caf\u00e9 au lait"
MOST_USERS = 200  # of a peer
NOBODY = 65534  # user and group of a peer's mailboxes


class Site:
    """One running server. Mailboxes are made when they are asked for; a message goes into one as it is."""

    name = ""
    ports = {}  # "pop3", "pop3s": (host, port)

    def mailbox(self, *messages):
        """A new mailbox that holds these messages, in this order; its user name. The password is PASSWORD."""
        raise NotImplementedError

    def accented(self):
        """A new mailbox whose password is ACCENTED, composed; its user name."""
        raise NotImplementedError

    def deliver(self, user, message):
        raise NotImplementedError

    def stream(self, service="pop3"):
        stream = mailstead.Stream(self.ports[service])
        if service == "pop3s":
            stream.start_tls()
        return stream

    def greeted(self, service="pop3"):
        """A session before login."""
        return mailstead.Pop3(self.stream(service))

    def session(self, user, service="pop3"):
        """A session after login."""
        session = self.greeted(service)
        session.login(user, PASSWORD)
        return session

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Mailstead(Site):
    name = "Mailstead"

    def __init__(self, settings="", make=mailstead.Server):
        self.server = make(settings).start()
        self.ports = self.server.ports
        self.numbers = itertools.count(1)

    def mailbox(self, *messages):
        user = self.server.add_cheap_mailbox("user%d@example.org" % next(self.numbers), PASSWORD)
        for message in messages:
            self.deliver(user, message)
        return user

    def accented(self):
        return self.server.add_cheap_mailbox("accented%d@example.org" % next(self.numbers), ACCENTED)

    def deliver(self, user, message):
        self.server.deliver(message, user)

    def restart(self):
        self.server.stop()
        self.ports = self.server.start().ports

    @property
    def pid(self):
        return self.server.pid

    def folder_of(self, user):
        """Where a file becomes a message."""
        name, _, domain = user.partition("@")
        return os.path.join(self.server.data, "mail", domain, name, "new")

    def close(self):
        self.server.close()


class Dovecot(Site):
    """Debian's, with a configuration of its own in a folder of its own. Needs root, for it changes users."""

    name = "Dovecot"

    def __init__(self, fast=False, most_users=MOST_USERS, domain="", more=""):
        """`fast`: its documented high-performance mode, in which a login process serves many sessions. `domain`: of the users'
        names; `more`: further lines of its configuration, in which {folder} is its folder."""
        self.domain = domain
        self.folder = mailstead.work_folder("mailstead-peer-")
        os.chmod(self.folder, 0o755)
        self.numbers = itertools.count(1)
        self.messages = itertools.count(1)
        self.ports = {}
        for service in ("pop3", "pop3s"):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.ports[service] = probe.getsockname()
        # All at once: it looks at the file's time, whose grain is a second.
        self.users = os.path.join(self.folder, "users")
        with open(self.users, "w") as file:
            for number in range(1, most_users + 1):
                user = "user%d%s" % (number, domain)
                file.write("%s:{PLAIN}%s:%d:%d::%s\n" % (user, PASSWORD, NOBODY, NOBODY, self.home(user)))
            file.write("accented:{PLAIN}%s:%d:%d::%s\n" % (ACCENTED, NOBODY, NOBODY, self.home("accented")))
        certificate = os.path.join(self.folder, "cert.pem")
        # The kind of key that ours makes for itself: they are compared over TLS too.
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", certificate + ".key", "-out", certificate],
                       check=True, capture_output=True)
        config = os.path.join(self.folder, "dovecot.conf")
        with open(config, "w") as file:
            file.write(CONFIGURATION.format(folder=self.folder, pop3=self.ports["pop3"][1], pop3s=self.ports["pop3s"][1],
                                            certificate=certificate, users=self.users))
            file.write((HIGH_PERFORMANCE if fast else "") + more.format(folder=self.folder))
        self.config = config
        self.start()

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.config], stdin=subprocess.DEVNULL)
        mailstead.until(self.answers, "dovecot answers")

    def restart(self):
        self.process.terminate()
        self.process.wait()
        self.start()

    @property
    def pid(self):
        return self.process.pid

    def answers(self):
        try:
            self.greeted().close()
            return True
        except (OSError, mailstead.Closed):
            return False

    def folder_of(self, user):
        return os.path.join(self.home(user), "Maildir", "new")

    def home(self, user):
        return os.path.join(self.folder, "mail", user)

    def mailbox(self, *messages):
        user = "user%d%s" % (next(self.numbers), self.domain)
        self.make_home(user)
        for message in messages:
            self.deliver(user, message)
        return user

    def accented(self):
        self.make_home("accented")
        return "accented"

    def make_home(self, user):
        for part in ("", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
            folder = os.path.join(self.home(user), part)
            os.makedirs(folder)
            os.chown(folder, NOBODY, NOBODY)

    def deliver(self, user, message):
        number = next(self.messages)
        path = os.path.join(self.home(user), "Maildir", "new", "%d.%d.peer" % (time.time(), number))
        with open(path, "wb") as file:
            file.write(message)
        os.utime(path, (number, number))
        os.chown(path, NOBODY, NOBODY)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 0
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = passwd-file
  args = {users}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
"""

HIGH_PERFORMANCE = """
service pop3-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 12000
}
service pop3 {
  service_count = 1000
  process_min_avail = 2
  process_limit = 2000
}
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
mail_max_userip_connections = 20000
"""

PEERS = {"dovecot": Dovecot}

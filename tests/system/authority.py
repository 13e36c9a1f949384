"""An authority of a test's own that speaks ACME: Debian's pebble, and its name server, on free loopback ports. It rejects a share
of good nonces, as pebble does by default, so that each test tells whether that is borne."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request

import mailstead
from mailstead import until
from thunderbird_setup import free_port


def missing():
    """Why nothing can be tried here; None when all is there."""
    for program in ("pebble", "pebble-challtestsrv", "openssl"):
        if shutil.which(program) is None:
            return program + " is not installed"
    return None


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Process:
    def __init__(self, arguments, log, environment=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=dict(os.environ, **(environment or {})),
            preexec_fn=lambda: mailstead.LIBC.prctl(mailstead.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Pebble:
    """`challenge_port` is where it looks at names, in the place of ports 80 and 443. `validity`: of what it issues, in seconds."""

    def __init__(self, folder, challenge_port, validity=3600, sleep=False, binding=None):
        self.folder, self.challenge_port, self.validity, self.sleep, self.binding = folder, challenge_port, validity, sleep, binding
        self.port, self.management, self.name_port = free_port(), free_port(), free_port()
        self.url = "https://127.0.0.1:%d/dir" % self.port
        self.certificate, self.key = os.path.join(folder, "pebble.pem"), os.path.join(folder, "pebble.key")
        self.log = os.path.join(folder, "pebble.log")
        if not os.path.exists(self.certificate):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-subj", "/CN=pebble", "-addext", "subjectAltName=IP:127.0.0.1", "-out", self.certificate,
                            "-keyout", self.key], check=True, capture_output=True)
        self.names = Process(["pebble-challtestsrv", "-dns01", "127.0.0.1:%d" % self.name_port, "-http01", "", "-https01", "",
                              "-tlsalpn01", "", "-management", "127.0.0.1:%d" % free_port(), "-defaultIPv6", ""],
                             os.path.join(folder, "names.log"))
        self.process = None

    def start(self):
        """A new one each time, which knows nothing of the accounts of the one before."""
        settings = {"listenAddress": "127.0.0.1:%d" % self.port, "managementListenAddress": "127.0.0.1:%d" % self.management,
                    "certificate": self.certificate, "privateKey": self.key, "httpPort": self.challenge_port,
                    "tlsPort": self.challenge_port, "ocspResponderURL": "", "certificateValidityPeriod": self.validity,
                    "externalAccountBindingRequired": bool(self.binding), "externalAccountMACKeys": self.binding or {}}
        path = os.path.join(self.folder, "pebble.json")
        with open(path, "w") as file:
            json.dump({"pebble": settings}, file)
        environment = {"PEBBLE_WFE_NONCEREJECT": "20"}
        environment["PEBBLE_VA_SLEEPTIME" if self.sleep else "PEBBLE_VA_NOSLEEP"] = "3" if self.sleep else "1"
        self.process = Process(["pebble", "-config", path, "-dnsserver", "127.0.0.1:%d" % self.name_port], self.log, environment)
        until(lambda: accepts(self.port) and accepts(self.management), "pebble listens")
        return self

    def stop(self):
        if self.process:
            self.process.close()
        self.process = None

    def close(self):
        self.stop()
        self.names.close()

    def told(self, text):
        """How often it has written this."""
        with open(self.log) as file:
            return file.read().count(text)

    def root(self):
        """PEM, of who it issues for."""
        context = ssl.create_default_context(cafile=self.certificate)
        with urllib.request.urlopen("https://127.0.0.1:%d/roots/0" % self.management, context=context) as answer:
            return answer.read().decode()

    def settings(self, challenge="http-01", more=""):
        return """
[acme]
directory = "%s"
accept_terms = true
contact = "postmaster@example.org"
challenge = "%s"
authorities = "%s"
%s
""" % (self.url, challenge, self.certificate, more)

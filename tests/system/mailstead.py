"""Starts and stops the server under test, and speaks SMTP and POP3 to it with plain sockets.

The binary comes from the environment: MAILSTEAD=/path/to/mailstead. Every server gets a working folder of its own
(removed when the test passes) with its configuration beside the data folder, and listens on free loopback ports.
Nothing here waits for a time to pass: until() polls a condition, and TIMEOUT only bounds a test that hangs.
"""

import base64
import contextlib
import ctypes
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIMEOUT = float(os.environ.get("MAILSTEAD_TEST_TIMEOUT", "120"))  # seconds; far more than anything needs on a busy machine with a sanitizer
SKIP = 77      # exit code: nothing of this file could be tried here
SERVICES = ("smtp", "submission", "submissions", "pop3", "pop3s")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
TRACE = (b"return-path", b"delivered-to", b"received")
RESULTS = b"authentication-results"  # of what did not come from this machine

BINARY = os.path.abspath(os.environ["MAILSTEAD"]) if "MAILSTEAD" in os.environ else None
if BINARY:
    # No test may find an installed server's settings.
    for name in ("MAILSTEAD_DATA", "MAILSTEAD_CONFIG", "MAILSTEAD_HOSTNAME"):
        os.environ.pop(name, None)

# What the address sanitizer looks for in a server; a test that starts itself again somewhere else hands it on. A command is over
# in a moment, its leaks with it, and its code has unit tests: looking for both there is half of what thousands of commands cost.
SANITIZER = os.environ.setdefault("MAILSTEAD_TEST_SANITIZER", os.environ.get("ASAN_OPTIONS", ""))
OF_COMMANDS = ":".join(filter(None, [SANITIZER, "detect_leaks=0:detect_stack_use_after_return=0"]))
os.environ["ASAN_OPTIONS"] = OF_COMMANDS


def until(condition, what, timeout=TIMEOUT):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("did not happen: " + what)
        time.sleep(0.005)


def sanitized():
    """Is the binary one with AddressSanitizer?"""
    with open(BINARY, "rb") as file:
        return b"__asan_init" in file.read()


def work_folder(prefix="mailstead-test-"):
    # Not below a long TMPDIR: the control socket's path has to fit into 107 octets.
    return tempfile.mkdtemp(prefix=prefix)


def toml_config(listen=None, settings=""):
    """A configuration with free loopback ports. `settings` is further TOML, its top-level keys first."""
    addresses = {service: ["127.0.0.1:0"] for service in SERVICES}
    addresses["http"] = []
    addresses.update(listen or {})
    lines = ['hostname = "mail.example.org"'] if "hostname" not in settings else []
    top, _, tables = settings.partition("[")
    lines += [top, "[listen]"]
    lines += ["%s = %s" % (service, json.dumps(value)) for service, value in addresses.items()]
    if tables:
        lines.append("[" + tables)
    # A test that fills the disk does not look for mail about it.
    if "[alerts]" not in settings:
        lines.append("[alerts]\nmail = false")
    return "\n".join(lines) + "\n"


class Server:
    """One data folder and the server process over it."""

    def __init__(self, settings="", listen=None, data=None, folder=None, environment=None):
        self.folder = folder or work_folder()
        self.own_folder = folder is None
        self.data = data or os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "mailstead.toml")
        self.environment = dict(os.environ, **(environment or {}))
        self.configure(settings, listen)
        self.process = None
        self.lines = []
        self.ports = {}
        self.passwords = {}

    def configure(self, settings="", listen=None):
        with open(self.config, "w") as file:
            file.write(toml_config(listen, settings))

    # ---- the process

    def command(self, *arguments):
        return [BINARY, "--data", self.data, "--config", self.config, *arguments]

    def start(self, wait=True, before=None):
        """Starts `serve`; returns self when it is ready."""
        assert self.process is None
        self.lines, self.ports = [], {}
        self.news = threading.Condition()

        def in_child():
            # A test that is itself killed, by ctest's time limit say, leaves no server behind.
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if before:
                before()

        environment = self.environment
        if environment.get("ASAN_OPTIONS") == OF_COMMANDS:
            environment = dict(environment, ASAN_OPTIONS=SANITIZER)
        self.process = subprocess.Popen(self.command("serve"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=environment, preexec_fn=in_child)
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr, self.lines, self.ports), daemon=True)
        self.reader.start()
        if wait:
            if not self.wait_line(lambda line: line.endswith("ready") or '"ready"' in line, "ready"):
                raise AssertionError("the server did not become ready:\n" + self.log())
        return self

    def _read(self, stream, lines, ports):
        for raw in stream:
            line = raw.decode("utf-8", "surrogateescape").rstrip("\n")
            found = re.search(r"listening (\w+) (\S+)$", line) or listening_in_json(line)
            with self.news:
                if found and not found[2].startswith("/"):  # a Unix socket has no port
                    host, _, port = found[2].rpartition(":")
                    ports.setdefault(found[1], (host.strip("[]"), int(port)))
                lines.append(line)
                self.news.notify_all()
        stream.close()
        with self.news:
            self.news.notify_all()

    def wait_line(self, condition, what, start=0):
        """The first log line from `start` on for which condition(line) holds; None when the server ended without it."""
        end = time.monotonic() + TIMEOUT
        position = start
        with self.news:
            while True:
                while position < len(self.lines):
                    if condition(self.lines[position]):
                        return self.lines[position]
                    position += 1
                if not self.reader.is_alive() or (self.process and self.process.poll() is not None):
                    self.news.wait(0.2)
                    if position == len(self.lines):
                        return None
                if time.monotonic() > end:
                    raise AssertionError("no log line for: %s\n%s" % (what, self.log()))
                self.news.wait(0.2)

    def log(self):
        return "\n".join(self.lines)

    def wait(self):
        """Waits for the process to end and returns its exit code (negative: the signal)."""
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server does not end:\n" + self.log())
        self.reader.join(TIMEOUT)
        self.process = None
        self.check_sanitizer()
        return code

    def wait_filed(self):
        """Until all mail that is here has a file, and is read from it."""
        end = time.monotonic() + TIMEOUT
        with contextlib.closing(sqlite3.connect("file:%s/mailstead.db?mode=ro" % self.data, uri=True)) as database:
            filed = 0  # times it looked so: what has just come is in the index a moment later
            while filed < 4:
                if time.monotonic() > end:
                    raise AssertionError("mail waits for its files:\n" + self.log())
                time.sleep(0.05)
                filed = 0 if database.execute("SELECT COUNT(*) FROM contents").fetchone()[0] > 0 else filed + 1

    def check_sanitizer(self):
        for sign in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            if sign in self.log():
                raise AssertionError("a sanitizer spoke:\n" + self.log())

    def stop(self):
        """SIGTERM; the clean end is part of every test."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.wait()
        if code != 0:
            raise AssertionError("exit code %d after SIGTERM:\n%s" % (code, self.log()))
        return code

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.wait()

    def close(self, keep=False):
        try:
            self.stop()
        except AssertionError:
            keep = True
            raise
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
                self.process = None
            if self.own_folder and not keep:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and self.lines:
            print("---- the server's log\n" + self.log()[-8000:], file=sys.stderr)
        self.close(keep=kind is not None)

    @property
    def pid(self):
        return self.process.pid

    # ---- the administrator

    def admin(self, *arguments, stdin="", code=0):
        """Runs `mailstead ARGUMENTS`; fails unless it exits with `code`. Gives the CompletedProcess, texts as str."""
        done = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, env=self.environment,
                              timeout=TIMEOUT, encoding="utf-8", errors="surrogateescape")
        if code is not None and done.returncode != code:
            raise AssertionError("`%s` exited with %d instead of %d\nstdout: %s\nstderr: %s"
                                 % (" ".join(arguments), done.returncode, code, done.stdout, done.stderr))
        return done

    def json(self, *arguments):
        return json.loads(self.admin("--json", *arguments).stdout)

    def add_mailbox(self, address, password="correct horse"):
        self.admin("mailbox", "add", address, "--password-stdin", stdin=password + "\n")
        self.passwords[address] = password
        return address

    def control(self, request):
        """One line to the control socket as bytes; all that comes back."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(TIMEOUT)
            channel.connect(os.path.join(self.data, "control.sock"))
            channel.sendall(request)
            return read_all(channel)

    def add_cheap_mailbox(self, address, password="correct horse"):
        """By the control socket, with a hash that costs next to nothing to verify: for tests with many logins."""
        request = {"command": "mailbox add", "arguments": [address], "flags": [], "secret": cheap_hash(password)}
        report = json.loads(self.control(json.dumps(request).encode() + b"\n"))
        assert report["exit_code"] == 0, report
        self.passwords[address] = password
        return address

    def set_cheap_password(self, address):
        request = {"command": "mailbox password", "arguments": [address], "flags": [],
                   "secret": cheap_hash(self.passwords[address])}
        report = json.loads(self.control(json.dumps(request).encode() + b"\n"))
        assert report["exit_code"] == 0, report

    # ---- the clients

    def connect(self, service, tls=None):
        """A stream to the service, TLS from the start on the services that want it."""
        stream = Stream(self.ports[service])
        if tls or (tls is None and service in ("submissions", "pop3s")):
            stream.start_tls()
        return stream

    def smtp(self, service="smtp", user=None, greet=True):
        return Smtp(self.connect(service), greet, user, self.passwords.get(user))

    def pop3(self, user=None, service="pop3"):
        session = Pop3(self.connect(service))
        try:
            if user:
                session.login(user, self.passwords[user])
        except BaseException:
            session.close()
            raise
        return session

    def deliver(self, message, *recipients, sender="sender@elsewhere.example"):
        """By SMTP on the smtp listener; returns the queue id."""
        with self.smtp() as session:
            return session.send(message, sender, recipients)

    def fetch(self, user, delete=False):
        """All messages of a mailbox as [(uidl, bytes)], oldest first."""
        with self.pop3(user) as session:
            found = [(uidl, session.retr(number)) for number, uidl in session.uidl()]
            if delete:
                for number in range(1, len(found) + 1):
                    session.must("DELE %d" % number)
            session.quit()
        return found


def cheap_hash(password, salt=b"a salt for tests"):
    """The server's own form of hash, with the least cost that it reads."""
    def base64_of(data):
        return base64.b64encode(data).decode().rstrip("=")
    made = hashlib.scrypt(password.encode(), salt=salt, n=16, r=8, p=1, dklen=32)
    return "$scrypt$ln=4,r=8,p=1$%s$%s" % (base64_of(salt), base64_of(made))


def listening_in_json(line):
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    for value in record.values():
        if isinstance(value, str):
            found = re.search(r"listening (\w+) (\S+)$", value)
            if found:
                return found
    if record.get("event") == "listening" or record.get("message") == "listening":
        service = next((v for v in record.values() if v in SERVICES), None)
        address = next((v for v in record.values() if isinstance(v, str) and re.search(r":\d+$", v)
                        and not v.startswith("20")), None)
        return (None, service, address) if service and address else None
    return None


# ---- plain sockets

def no_verify_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Closed(Exception):
    """The server closed the connection."""


class Stream:
    """A connection with lines. Bytes in, bytes out."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def start_tls(self, context=None):
        self.socket = (context or no_verify_context()).wrap_socket(self.socket)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error))

    def fill(self):
        try:
            piece = self.socket.recv(1 << 18)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(str(error))
        if not piece:
            raise Closed("end of stream after %r" % bytes(self.buffer[-200:]))
        self.buffer += piece

    def line(self):
        """One line without its CRLF; a bare LF stays in it."""
        start = 0
        while True:
            end = self.buffer.find(b"\r\n", start)
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 2]
                return line
            start = max(0, len(self.buffer) - 1)
            self.fill()

    def dotted(self):
        """A multi-line answer up to its final dot, unstuffed, with CRLF."""
        while not self.buffer.startswith(b".\r\n"):
            end = self.buffer.find(b"\r\n.\r\n", max(0, len(self.buffer) - (1 << 18) - 8))
            if end >= 0:
                data = bytes(self.buffer[:end + 2])
                del self.buffer[:end + 5]
                if data.startswith(b".."):
                    data = data[1:]
                return data.replace(b"\r\n..", b"\r\n.")
            self.fill()
        del self.buffer[:3]
        return b""

    def rest(self):
        """Everything until the server closes."""
        try:
            while True:
                self.fill()
        except Closed:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with an RST: what is in flight is lost."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SmallWindow(Stream):
    """A stream whose receive buffer is small: a long answer is still under way when its first line is read.

    All the same some 3 MB of it fit into the buffers between the server and here.
    """

    WINDOW = 65536

    def __init__(self, address):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.WINDOW // 2)  # the kernel doubles it
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(address)
        self.buffer = bytearray()


def read_all(channel):
    data = b""
    while True:
        try:
            piece = channel.recv(1 << 16)
        except ConnectionError:
            return data
        if not piece:
            return data
        data += piece


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def stuffed(message):
    """What goes over the wire between 354 and the reply: dots doubled, a final CRLF if there is none, the dot line."""
    assert b"\r\n" in message or not message
    data = message.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    if data and not data.endswith(b"\r\n"):
        data += b"\r\n"
    return data + b".\r\n"


class Refused(AssertionError):
    """A reply that was not the one hoped for."""

    def __init__(self, command, reply):
        super().__init__("%r was answered with %r" % (command, reply))
        self.reply = reply


class Smtp:
    def __init__(self, stream, greet=True, user=None, password=None):
        self.stream = stream
        self.send_raw, self.close, self.reset = stream.send, stream.close, stream.reset
        try:
            self.begin(greet, user, password)
        except BaseException:
            self.close()
            raise

    def begin(self, greet, user, password):
        if greet:
            self.expect("220")
            self.ehlo = self.must("EHLO client.example")
        if user:
            token = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
            self.must("AUTH PLAIN " + token, "235")

    def reply(self):
        """(code, text) with the lines of a multi-line reply joined by LF."""
        lines = []
        while True:
            line = self.stream.line().decode("utf-8", "surrogateescape")
            assert re.match(r"[2-5][0-9][0-9]([ -]|$)", line), line
            lines.append(line[4:])
            if line[3:4] != "-":
                return line[:3], "\n".join(lines)

    def expect(self, code, command="(nothing)"):
        reply = self.reply()
        if not reply[0].startswith(code):
            raise Refused(command, reply)
        return reply[1]

    def command(self, line):
        self.stream.send(as_bytes(line) + b"\r\n")
        return self.reply()

    def must(self, line, code="2"):
        self.stream.send(as_bytes(line) + b"\r\n")
        return self.expect(code, line)

    def starttls(self, context=None):
        self.must("STARTTLS", "220")
        assert not self.stream.buffer
        self.stream.start_tls(context)
        self.ehlo = self.must("EHLO client.example")

    def envelope(self, sender, recipients, parameters=""):
        self.must("MAIL FROM:<%s>%s" % (sender, parameters))
        for recipient in recipients:
            self.must("RCPT TO:<%s>" % recipient)

    def send(self, message, sender, recipients, parameters=""):
        """One message; returns the queue id."""
        self.envelope(sender, recipients, parameters)
        self.must("DATA", "354")
        self.stream.send(stuffed(message))
        return queue_id(self.expect("250", "(message)"))

    def quit(self):
        self.must("QUIT", "221")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def queue_id(text):
    found = re.search(r"id=([0-9A-Za-z]+)", text)
    if not found:
        raise AssertionError("no id in %r" % text)
    return found[1]


class Pop3:
    def __init__(self, stream):
        self.stream = stream
        self.close, self.reset = stream.close, stream.reset
        try:
            self.greeting = self.reply()
            assert self.greeting.startswith("+OK"), self.greeting
        except BaseException:
            self.close()
            raise

    def reply(self):
        line = self.stream.line().decode("utf-8", "surrogateescape")
        assert line.startswith(("+OK", "-ERR")), line
        return line

    def command(self, line):
        self.stream.send(as_bytes(line) + b"\r\n")
        return self.reply()

    def must(self, line):
        reply = self.command(line)
        if not reply.startswith("+OK"):
            raise Refused(line, reply)
        return reply

    def refused(self, line):
        reply = self.command(line)
        assert reply.startswith("-ERR"), "%r was answered with %r" % (line, reply)
        return reply

    def login(self, user, password):
        self.must("USER " + user)
        return self.must("PASS " + password)

    def stls(self, context=None):
        self.must("STLS")
        assert not self.stream.buffer
        self.stream.start_tls(context)

    def listing(self, command):
        self.must(command)
        return self.stream.dotted().decode().split("\r\n")[:-1]

    def uidl(self):
        """[(number, uidl)]"""
        return [(int(number), uidl) for number, uidl in (line.split(" ") for line in self.listing("UIDL"))]

    def sizes(self):
        return [int(line.split(" ")[1]) for line in self.listing("LIST")]

    def stat(self):
        return tuple(int(part) for part in self.must("STAT").split(" ")[1:3])

    def retr(self, number):
        self.must("RETR %d" % number)
        return self.stream.dotted()

    def top(self, number, lines):
        self.must("TOP %d %d" % (number, lines))
        return self.stream.dotted()

    def quit(self):
        self.must("QUIT")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- looking at messages and folders

def header_fields(message):
    """[(name in lower case, the raw bytes with its continuation lines)] up to the blank line, and where that begins."""
    fields, position = [], 0
    while position < len(message):
        end = message.find(b"\r\n", position)
        end = len(message) if end < 0 else end + 2
        line = message[position:end]
        if line == b"\r\n":
            break
        if line[:1] in b" \t" and fields:
            fields[-1][1] += line
        else:
            fields.append([line.partition(b":")[0].strip().lower(), line])
        position = end
    return fields, position


def split_trace(message):
    """(trace fields at the top, the message that was sent). The trace is ours: exactly one of each, and one of RESULTS at most."""
    position, trace = 0, []
    while True:
        name = message[position:position + 40].partition(b":")[0].lower()
        if name not in (*TRACE, RESULTS) or name in [field for field, _ in trace]:
            return dict(trace), message[position:]
        end = message.find(b"\r\n", position) + 2
        while message[end:end + 1] in (b" ", b"\t"):
            end = message.find(b"\r\n", end) + 2
        trace.append((name, message[position:end]))
        position = end


def sent_part(message):
    trace, rest = split_trace(message)
    missing = [name for name in TRACE if name not in trace]
    if missing:
        raise AssertionError("no trace field %s in %r" % (missing, message[:300]))
    return rest


def difference(expected, found):
    """Where two messages part, for people."""
    if expected == found:
        return ""
    place = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
    start = max(0, place - 40)
    return "lengths %d and %d, first difference at %d:\n  expected %r\n  found    %r" % (
        len(expected), len(found), place, expected[start:place + 60], found[start:place + 60])


def assert_same(expected, found, what=""):
    if expected != found:
        raise AssertionError("%s: not the same bytes: %s" % (what, difference(expected, found)))


def tree(folder, contents=True):
    """{path: (type, mode, owner, content)} of everything below `folder`; {} when it does not exist."""
    entries = {}
    if not os.path.lexists(folder):
        return entries

    def note(path):
        facts = os.lstat(path)
        content = None
        if stat.S_ISREG(facts.st_mode) and contents:
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
        elif stat.S_ISLNK(facts.st_mode):
            content = os.readlink(path)
        entries[os.path.relpath(path, folder)] = (stat.S_IFMT(facts.st_mode), stat.S_IMODE(facts.st_mode),
                                                  facts.st_uid, content)

    note(folder)
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            note(os.path.join(parent, name))
    return entries


def memory(pid):
    """(PSS, RSS) of a process in octets."""
    values = {}
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            parts = line.split()
            if parts[0] in ("Pss:", "Rss:"):
                values[parts[0]] = int(parts[1]) * 1024
    return values["Pss:"], values["Rss:"]


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def has_failed(test):
    """For a test's cleanups. (The runner sets its own mark anew before each of them.)"""
    result = test._outcome.result
    return any(test in (failed, getattr(failed, "test_case", None)) for failed, _ in result.failures + result.errors)


class ServerTest(unittest.TestCase):
    """Each test has a server of its own, which has to end cleanly after it."""

    settings = ""
    mailboxes = ("anna@example.org",)

    def setUp(self):
        self.server = self.new_server(self.settings)
        self.server.start()
        for address in self.mailboxes:
            self.server.add_cheap_mailbox(address)

    def new_server(self, settings="", **more):
        server = Server(settings, **more)
        self.addCleanup(self._close, server)
        return server

    def _close(self, server):
        failed = has_failed(self)
        if failed and server.lines:
            print("---- the server's log\n" + server.log()[-8000:], file=sys.stderr)
        server.close(keep=failed)


class SharedServerTest(unittest.TestCase):
    """All tests of the class share one server; each uses mailboxes of its own."""

    settings = ""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.settings).start()
        cls.counter = 0

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def new_mailbox(self, password=None):
        """One whose password is nothing special, or, by the command, with this one."""
        type(self).counter += 1
        address = "user%d@example.org" % self.counter
        return self.server.add_mailbox(address, password) if password else self.server.add_cheap_mailbox(address)


def main():
    if BINARY is None:
        sys.exit("set MAILSTEAD to the binary that is to be tested")
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    sys.stdout.flush()
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped:  # something was not shown
        sys.exit(SKIP)

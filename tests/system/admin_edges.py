"""The command line and its control socket: the same answers with and without a server, and nothing done by halves."""

import functools
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import unittest

import mailstead
import messages
from mailstead import until

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"

BAD_ADDRESSES = ("../x@example.org/..", "../x", "-x", "--help-me@", "a\nb@example.org", "a\rb@example.org", "a\x1b[1mb@example.org",
                 "x" * 300 + "@example.org", "anna@" + "x" * 300, "anna", "@", "@example.org", "anna@", "", " ",
                 "anna@example..org", "anna@-", "anna@exa mple.org", "a b@example.org", "anna@@example.org", "anna@example.org\n",
                 "<anna@example.org>", "anna@example.org/../../etc", b"\xff\xfe@example.org")


def both(story):
    """Runs story(self, server) twice: while no server runs, and while one does."""
    @functools.wraps(story)
    def test(self):
        for running in (False, True):
            with self.subTest("a server runs" if running else "no server runs"), mailstead.Server() as server:
                if running:
                    server.start()
                story(self, server)
    return test


class WithAndWithoutServer(unittest.TestCase):
    """Each story runs twice: on the locked folder, and over the control socket."""

    @both
    def test_a_mailbox_s_life(self, server):
        if server.process is None:
            # Making a mailbox is what one does first: it makes the folder, too.
            self.assertFalse(os.path.exists(server.data))
        self.assertEqual(server.admin("mailbox", "add", USER, "--password-stdin", stdin="first one\n").stderr, "")
        self.assertIn(USER, server.admin("mailbox", "add", USER, "--password-stdin", stdin="x\n", code=1).stderr)
        self.assertEqual([entry["address"] for entry in server.json("mailbox", "list")], [USER])
        shown = server.json("mailbox", "show", USER)
        self.assertEqual((shown["address"], shown["messages"]), (USER, 0))
        for command in ("disable", "enable"):
            server.admin("mailbox", command, USER)
        server.admin("mailbox", "quota", USER, "2 GiB")
        self.assertEqual(server.json("mailbox", "show", USER)["quota"], 2 << 30)
        self.assertIn("0 % of 2 GiB", server.admin("mailbox", "list").stdout)
        server.admin("mailbox", "password", USER, "--password-stdin", stdin="second one\n")
        server.admin("alias", "add", "info@example.org", USER)
        self.assertIn("info@example.org", server.admin("alias", "list").stdout)
        server.json("alias", "list")
        self.assertIn("example.org", server.admin("domain", "list").stdout)
        server.admin("alias", "remove", "info@example.org")
        server.admin("alias", "remove", "info@example.org", code=1)
        self.assertNotIn("info@example.org", server.admin("alias", "list").stdout)
        server.admin("mailbox", "remove", USER)
        for command in ("show", "remove", "disable", "enable"):
            done = server.admin("mailbox", command, USER, code=1)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertEqual(server.json("mailbox", "list"), [])

    @both
    def test_generated_password(self, server):
        done = server.admin("mailbox", "add", USER)
        words = re.findall(r"\S{20,}", done.stdout)
        self.assertTrue(words, done.stdout)
        if server.process is None:
            server.start()
        else:
            self.assertNotIn(words[-1], server.log())
        with server.pop3() as session:
            session.login(USER, words[-1])

    @both
    def test_bad_addresses(self, server):
        server.add_mailbox(USER)
        ignored = ("mailstead.db-wal", "mailstead.db-shm")

        def state():
            return ({name: entry for name, entry in mailstead.tree(server.data).items() if name not in ignored},
                    mailstead.tree(server.folder, contents=False).keys())

        before = state()
        for address in BAD_ADDRESSES:
            for command in (("mailbox", "add"), ("mailbox", "remove"), ("mailbox", "show"), ("mailbox", "disable")):
                with self.subTest(address=address, command=command):
                    done = subprocess.run([*server.command(*command), *(["--"] if address[:1] in ("-", b"-") else []), address],
                                          stdin=subprocess.DEVNULL, capture_output=True, timeout=mailstead.TIMEOUT)
                    self.assertEqual(done.returncode, 2, done)
                    self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                    self.assertRegex(done.stderr, rb"\A[\x20-\x7e]+\n\Z")
                    self.assertEqual(done.stdout, b"")
            for command in (("alias", "add", address, USER), ("alias", "add", "info@example.org", address)):
                if address in ("@example.org",):
                    continue  # a catch-all is an alias
                with self.subTest(command=command):
                    done = subprocess.run([*server.command(), command[0], command[1], "--", *command[2:]],
                                          stdin=subprocess.DEVNULL, capture_output=True, timeout=mailstead.TIMEOUT)
                    self.assertEqual(done.returncode, 2, done)
        self.assertEqual(state(), before)

    @both
    def test_odd_but_good_addresses_never_leave_their_folder(self, server):
        for address in ('"../../x"@example.org', '".."@example.org', "..%2f@example.org", '"a b"@example.org', "a/b@example.org",
                        "x;id@example.org", "$HOME@example.org", "anna+tag@example.org", "'or'1'='1@example.org",
                        "anna@[127.0.0.1]", "CON@example.org", ".hidden@example.org", "~@example.org"):
            server.admin("mailbox", "add", "--password-stdin", "--", address, stdin="good one\n", code=None)
        if server.process is None:
            server.start()
        for entry in server.json("mailbox", "list"):
            server.deliver(PLAIN, entry["address"])
            self.assertEqual(server.json("mailbox", "show", entry["address"])["messages"], 1)
        outside = {name for name in os.listdir(server.folder)} - {"data", "mailstead.toml"}
        self.assertEqual(outside, set())
        mail = os.path.join(server.data, "mail")
        for domain in os.listdir(mail):
            for user in os.listdir(os.path.join(mail, domain)):
                self.assertLessEqual({"cur", "new", "tmp"}, set(os.listdir(os.path.join(mail, domain, user))))

    @both
    def test_passwords_from_stdin(self, server):
        server.add_mailbox(USER)
        for count, password in enumerate(("", "\n", "x" * 100_000 + "\n", "a\0b\n")):
            done = server.admin("mailbox", "add", "user%d@example.org" % count, "--password-stdin", stdin=password, code=None)
            self.assertIn(done.returncode, (1, 2), repr(password[:20]))
            self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual([entry["address"] for entry in server.json("mailbox", "list")], [USER])

    @both
    def test_aliases(self, server):
        other = server.add_mailbox("bert@example.org")
        server.add_mailbox(USER)
        server.admin("alias", "add", "both@example.org", USER, other)
        server.admin("alias", "add", "again@example.org", "both@example.org", USER)
        server.admin("alias", "add", "@second.example", other)
        server.admin("alias", "add", "x@example.org", "nobody@example.org", code=1)
        server.admin("alias", "add", "x@example.org", "nobody@elsewhere.example")
        self.assertIn("passed on", server.admin("why", "x@example.org").stdout)
        server.admin("alias", "remove", "x@example.org")
        server.admin("alias", "add", "x@example.org", "missing@example.org", code=1)
        server.admin("alias", "add", USER, other, code=1)
        server.admin("alias", "add", "both@example.org", other, code=1)
        if server.process is None:
            server.start()
        server.deliver(PLAIN, "both@example.org")
        server.deliver(PLAIN, "again@example.org")
        server.deliver(PLAIN, "whoever@second.example")
        self.assertEqual((len(server.fetch(USER)), len(server.fetch(other))), (2, 3))

    @both
    def test_keep_mail(self, server):
        running = server.process is not None
        server.add_mailbox(USER)
        if not running:
            server.start()
        for number in range(3):
            server.deliver(messages.numbered(number, 500), USER)
        before = server.fetch(USER)
        if not running:
            server.stop()
        told = server.admin("mailbox", "remove", USER, "--keep-mail").stdout
        self.assertIn("mail/example.org/.kept-anna of the data folder", told)
        self.assertTrue(os.path.isdir(os.path.join(server.data, "mail", "example.org", ".kept-anna")))
        server.add_mailbox(USER)
        if not running:
            server.start()
        self.assertEqual(server.fetch(USER), before)
        if not running:
            server.stop()
        server.admin("mailbox", "remove", USER)
        server.add_mailbox(USER)
        if not running:
            server.start()
        self.assertEqual(server.fetch(USER), [])
        # Removed mail is gone from the disk, too.
        held = [entry for name, entry in mailstead.tree(os.path.join(server.data, "mail"), False).items()
                if stat.S_ISREG(entry[0]) and os.path.basename(os.path.dirname(name)) in ("tmp", "new", "cur")]
        self.assertEqual(held, [])

    def test_a_large_mailbox_is_removed_without_a_server(self):
        """Nothing is left of it for the next command, which would speak of an interruption."""
        with mailstead.Server() as server:
            source = os.path.join(server.folder, "many.mbox")
            with open(source, "w") as file:
                for number in range(2500):
                    file.write("From a@b.example Thu Jan  1 00:00:00 2026\nSubject: %d\n\nbody\n\n" % number)
            for keep in ([], ["--keep-mail"]):
                server.add_mailbox(USER)
                server.admin("import", "mbox", source, USER)
                server.admin("mailbox", "remove", USER, *keep)
                self.assertEqual(server.admin("mailbox", "list").stderr, "")

    @both
    def test_status(self, server):
        done = server.admin("status", code=None)
        if server.process is None:
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        else:
            self.assertEqual(done.returncode, 0)
            facts = json.dumps(server.json("status"))
            for service in mailstead.SERVICES:
                self.assertIn("127.0.0.1:%d" % server.ports[service][1], facts)

    @both
    def test_configuration_and_help(self, server):
        default = server.admin("config", "default").stdout
        server.admin("config", "check")
        shown = server.admin("config", "show").stdout
        self.assertIn("mail.example.org", shown)
        for text in (default, shown):
            again = mailstead.Server(folder=server.folder)
            again.config = os.path.join(server.folder, "again.toml")
            with open(again.config, "w") as file:
                file.write(text)
            again.admin("config", "check")
        for words in (("help",), ("--help",), ("help", "mailbox", "add"), ("--version",)):
            self.assertTrue(server.admin(*words).stdout)
        self.assertFalse([name for name in os.listdir(server.folder) if name not in ("data", "mailstead.toml", "again.toml")])


class ControlSocket(mailstead.ServerTest):
    def path(self):
        return os.path.join(self.server.data, "control.sock")

    def test_garbage(self):
        good = json.dumps({"command": "mailbox list", "arguments": [], "flags": [], "secret": ""}).encode() + b"\n"
        for garbage in (b"", b"\n", b"\0" * 1000 + b"\n", b"{}\n", b"[]\n", b"null\n", b"{" * 100_000 + b"\n",
                        b'{"a":' * 50_000 + b"\n", os.urandom(10_000), os.urandom(100) + b"\n", b"x" * 3_000_000,
                        b'{"command": 5}\n', b'{"command": "mailbox list", "arguments": [1, {}, null]}\n',
                        b'{"command": "mailbox list", "surprise": "x"}\n', b'{"command": "serve"}\n',
                        b'{"command": "mailbox add", "arguments": ["../x"], "flags": [], "secret": "y"}\n',
                        b'{"command": "mailbox add", "arguments": ["b@example.org"], "flags": [], "secret": "no hash"}\n',
                        b'{"command": "mailbox remove", "arguments": ["anna@example.org"], "flags": ["force"], "secret": ""}\n',
                        b'{"command": "nothing\\u0000\\n\\u001b[31m", "arguments": [], "flags": [], "secret": ""}\n',
                        good[:-1], good + good, good[:20]):
            with self.subTest(garbage[:60]):
                with socket.socket(socket.AF_UNIX) as channel:
                    channel.settimeout(mailstead.TIMEOUT)
                    channel.connect(self.path())
                    try:
                        channel.sendall(garbage)
                        channel.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    answer = mailstead.read_all(channel)
                    if answer:
                        report = json.loads(answer.split(b"\n")[0])
                        if garbage not in (good[:-1], good + good):
                            self.assertNotEqual(report["exit_code"], 0, report)
                self.assertEqual([entry["address"] for entry in self.server.json("mailbox", "list")], [USER])
        self.assertEqual(json.loads(self.server.control(good))["exit_code"], 0)
        for line in self.server.lines:
            self.assertNotRegex(line, r"[\x00-\x1f\x7f]")

    def test_client_that_says_nothing_holds_nobody_up(self):
        held = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for channel in held:
            channel.connect(self.path())
        try:
            self.server.admin("mailbox", "list")
            self.server.deliver(PLAIN, USER)
        finally:
            for channel in held:
                channel.close()

    def test_too_many_callers_are_told(self):
        held = [socket.socket(socket.AF_UNIX) for _ in range(64)]
        for channel in held:
            channel.connect(self.path())
        try:
            self.assertIn("too busy", self.server.admin("mailbox", "list", code=1).stderr)
        finally:
            for channel in held:
                channel.close()
        until(lambda: self.server.admin("mailbox", "list", code=None).returncode == 0, "it answers again")

    def test_many_at_once(self):
        failures = []

        def work(number):
            try:
                self.server.admin("alias", "add", "alias%d@example.org" % number, USER)
            except AssertionError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(self.server.json("alias", "list")), 12)

    def test_a_caller_that_hung_up_before_its_turn(self):
        """Nothing is done for it: it had to think so. Who only ended its sending half waits for the answer."""
        request = {"command": "alias add", "arguments": ["", USER], "flags": [], "secret": ""}

        def call(name):
            channel = socket.socket(socket.AF_UNIX)
            channel.settimeout(mailstead.TIMEOUT)
            channel.connect(self.path())
            channel.sendall(json.dumps(dict(request, arguments=[name, USER])).encode() + b"\n")
            return channel

        self.server.process.send_signal(signal.SIGSTOP)
        try:
            call("gone@example.org").close()
            waiting = call("waiting@example.org")
            waiting.shutdown(socket.SHUT_WR)
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        with waiting:
            self.assertEqual(json.loads(mailstead.read_all(waiting))["exit_code"], 0)
        self.assertIn("the caller went away", self.server.wait_line(lambda line: "gone@example.org" in line, "logged"))
        self.assertEqual(re.findall(r"(\w+)@example.org", self.server.admin("alias", "list").stdout)[0], "waiting")
        self.assertEqual(len(self.server.json("alias", "list")), 1)

    def test_an_answer_is_finished_when_the_server_ends(self):
        """Also one that is larger than what the socket holds; but not for ever."""
        many = [self.server.add_cheap_mailbox("user%02d%s@%s.%s.org" % (number, "x" * 50, "y" * 60, "z" * 60))
                for number in range(20)]
        for number in range(150):
            request = {"command": "alias add", "arguments": ["alias%d@example.org" % number, *many], "flags": [], "secret": ""}
            self.assertIn(b'"exit_code":0', self.server.control(json.dumps(request).encode() + b"\n"))
        request = {"command": "alias list", "arguments": [], "flags": [], "secret": ""}
        callers = []
        for _ in range(2):
            start = len(self.server.lines)
            callers.append(socket.socket(socket.AF_UNIX))
            callers[-1].settimeout(mailstead.TIMEOUT)
            callers[-1].connect(self.path())
            callers[-1].sendall(json.dumps(request).encode() + b"\n")
            self.server.wait_line(lambda line: "alias list" in line, "it is answered", start)
        self.server.process.send_signal(signal.SIGTERM)
        self.server.wait_line(lambda line: "stopping" in line, "it ends")
        until(lambda: not os.path.exists(self.path()), "it takes no more callers")
        with callers[0], callers[1]:
            answer = mailstead.read_all(callers[0])
            self.assertGreater(len(answer), 400_000)
            self.assertEqual(json.loads(answer)["exit_code"], 0)
            self.assertEqual(self.server.wait(), 0)  # the other one takes nothing

    def test_mode(self):
        self.assertEqual(stat.S_IMODE(os.lstat(self.path()).st_mode), 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_user_is_not_obeyed(self):
        """Even with the modes wide open, the peer's user id decides."""
        for path in (self.server.folder, self.server.data):
            os.chmod(path, 0o755)
        os.chmod(self.path(), 0o666)
        ask = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
               "s.sendall(b'{\"command\":\"mailbox remove\",\"arguments\":[\"%s\"],\"flags\":[],\"secret\":\"\"}\\n')\n"
               "print(s.recv(10000))" % USER)
        subprocess.run(["/usr/bin/python3", "-c", ask, self.path()], user=65534, group=65534, extra_groups=[],
                       capture_output=True, timeout=mailstead.TIMEOUT)
        self.assertEqual(len(self.server.json("mailbox", "list")), 1)

    def test_stale_socket_of_a_killed_server(self):
        self.server.kill()
        self.assertTrue(os.path.exists(self.path()))
        self.assertEqual(len(self.server.json("mailbox", "list")), 1)
        self.assertIn("server", self.server.admin("status", code=1).stderr)
        self.server.start()
        self.assertEqual(len(self.server.json("mailbox", "list")), 1)


class Permissions(mailstead.ServerTest):
    def test_nobody_else_can_read_anything(self):
        old = os.umask(0)  # the server's own care, not its parent's
        try:
            server = self.new_server()
            server.start()
            server.add_mailbox(USER)
            server.deliver(PLAIN, USER)
            with server.smtp() as session:
                session.envelope("a@b.example", [USER])
                session.must("DATA", "354")
                session.send_raw(mailstead.stuffed(messages.numbered(1, 2_000_000))[:-3])
                self.check(server)
            self.assertEqual(len(server.fetch(USER, delete=True)), 1)
            self.check(server)
            server.stop()
            server.admin("mailbox", "add", "bert@example.org", "--password-stdin", stdin="x y z\n")
            self.check(server)
        finally:
            os.umask(old)

    def check(self, server):
        entries = mailstead.tree(server.data, contents=False)
        self.assertIn("mailstead.db", entries)
        for name, (kind, mode, _, _) in entries.items():
            wanted = 0o700 if stat.S_ISDIR(kind) else 0o600
            self.assertEqual(oct(mode), oct(wanted), name)


if __name__ == "__main__":
    mailstead.main()

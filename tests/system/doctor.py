"""Each check of `doctor` passes where all is well, and fails in a network, a DNS and a machine that are set up wrong on purpose."""

import contextlib
import fcntl
import json
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import internet
import mailstead

US, GATEWAY, TIME = internet.US, "192.0.2.253", "192.0.2.60"
US6 = "2001:db8::1"
HOST, DOMAIN, ANNA = "mail.example.org", "example.org", "anna@example.org"
REVERSE = "1.2.0.192.in-addr.arpa"
REVERSE6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
LISTS = ("zen.spamhaus.org", "bl.spamcop.net")
PROBES = {"gmail.com": "192.0.2.10", "outlook.com": "192.0.2.11", "yahoo.com": "192.0.2.12"}
SETTINGS = """hostname = "mail.example.org"
[resolver]
servers = ["%s"]
[limits]
connections = 100
""" % internet.NAME_SERVER[0]
LISTEN = {"smtp": [US + ":25"], "submission": [US + ":587"], "submissions": [US + ":465"], "pop3": [US + ":110"],
          "pop3s": [US + ":995"]}


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def enter_namespace():
    """A network and mounts of our own, with a way to the Internet that leads nowhere."""
    if not os.environ.get("MAILSTEAD_TEST_INTERNET"):
        for way in (["unshare", "--net", "--mount"], ["unshare", "--user", "--map-root-user", "--net", "--mount"],
                    ["unshare", "--net", "--mount", "--propagation", "unchanged"]):
            try:
                able = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
            except FileNotFoundError:
                able = False
            if able:
                os.execvpe(way[0], [*way, sys.executable, *sys.orig_argv[1:]],
                           dict(os.environ, MAILSTEAD_TEST_INTERNET="1"))
    internet.enter_namespace()
    run("ip", "link", "add", "veth-here", "type", "veth", "peer", "name", "veth-there")
    run("ip", "link", "set", "veth-here", "up")
    run("ip", "link", "set", "veth-there", "up")
    # Only where there is a way to it may the gateway's address be ours as well.
    run("ip", "route", "add", "default", "via", GATEWAY, "dev", "veth-here", "onlink", "src", US)
    for address in (GATEWAY, TIME):
        run("ip", "address", "add", address + "/32", "dev", "lo")


class Names(internet.Names):
    """A name server that can lie of names that nobody has."""

    lie = None

    def answer(self, question, way):
        if self.lie and question[13:23] == b"mailstead-" and b"\3com" in question:
            self.zone["mailstead-" + question[23:39].decode() + ".com"] = {"A": [self.lie]}
        return super().answer(question, way)


class TimeServer:
    """Tells a time that is `ahead` of ours by so many seconds; `answers` False: nothing."""

    def __init__(self):
        self.ahead, self.answers, self.stratum = 0, True, 2
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((TIME, 123))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(1024)
            if not self.answers or len(question) != 48 or question[0] != 0x23:
                continue
            stamp = struct.pack("!Q", int((time.time() + self.ahead + 2208988800) * 2 ** 32))
            self.socket.sendto(bytes([0x24, self.stratum, 6, 0xec]) + bytes(20) + question[40:48] + stamp + stamp, client)


class Patient(unittest.TestCase):
    """A server in a network where all is as it should be, until a test changes that."""

    names = clock = authority = None
    seen = {}  # check: states
    running = True

    @classmethod
    def setUpClass(cls):
        if Patient.names is None:
            Patient.names, Patient.clock = Names(), TimeServer()
            Patient.folder = tempfile.TemporaryDirectory()
            Patient.authority = internet.Authority(Patient.folder.name)
            Patient.pair = Patient.authority.issue(HOST, days=90)

    def setUp(self):
        self.names.zone.clear()
        self.names.trouble.clear()
        self.names.validated, self.names.lie = set(), None
        self.clock.ahead, self.clock.answers, self.clock.stratum = 0, True, 2
        self.publish_others()
        self.certificate = self.pair
        self.server = mailstead.Server(folder=mailstead.work_folder())
        self.addCleanup(shutil.rmtree, self.server.folder, ignore_errors=True)
        self.addCleanup(self.server.close)
        self.environment = {"SSL_CERT_FILE": self.authority.file}
        self.configure()
        if self.running:
            self.server.start()
            self.server.add_cheap_mailbox(ANNA)

    def configure(self, settings=SETTINGS, listen=None, more=""):
        tls = '[tls]\ncertificate = "%s"\nkey = "%s"\n' % self.certificate if self.certificate else ""
        self.server.configure(settings + tls + more, listen or LISTEN)

    def publish_others(self):
        """What of others there is: the root's domains, DNS lists, mail servers, the time."""
        self.names.add("org", "SOA", "ns.example. root.example. 1 1 1 1 60")
        self.names.validated.add("org")
        for zone in LISTS:
            self.names.add("2.0.0.127." + zone, "A", "127.0.0.2")
        self.names.add("time.cloudflare.com", "A", TIME)
        for domain in PROBES:
            self.names.add(domain, "MX", "20 nobody.example", "10 mx." + domain)

    def publish(self, *but):
        """Our own records, all but some."""
        for record in self.server.json("dns", "records"):
            if record["type"] + " " + record["name"] not in but:
                self.names.add(record["name"], record["type"], record["value"])
        # The tests' other addresses are this machine's as well; it is only one to the world.
        self.names.zone[HOST]["A"] = [US]
        self.names.zone[HOST].pop("AAAA", None)

    def others(self, *but):
        """Mail servers of others; (domain: host)."""
        hosts = {}
        for domain, address in PROBES.items():
            self.names.add("mx." + domain, "A", address)
            if domain not in but:
                hosts[domain] = internet.Host(address)
                self.addCleanup(hosts[domain].close)
        return hosts

    def doctor(self, *arguments, code=None, before=None):
        """{check: [(state, found and advice)]}"""
        command = self.server.command("doctor", "--json", *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=mailstead.TIMEOUT,
                              env=dict(self.server.environment, **self.environment), preexec_fn=before)
        if not done.stdout:
            raise AssertionError("no report: %s" % done.stderr)
        self.report = json.loads(done.stdout)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout)
        self.assertEqual(done.returncode, 1 if self.report["problems"] else 0, done.stdout)
        found = {}
        for each in self.report["findings"]:
            found.setdefault(each["check"], []).append((each["state"], each["found"] + " | " + each["advice"]))
            Patient.seen.setdefault(each["check"], set()).add(each["state"])
            if each["state"] in ("warning", "problem"):
                self.assertTrue(each["advice"], each)
        return found

    def assert_finding(self, check, state, words="", *arguments, before=None):
        found = self.doctor("--only", check, *arguments, before=before)
        self.assertEqual(set(found), {check})
        self.assertTrue(any(each == state and words in text for each, text in found[check]), found)

    def assert_well(self, check, *arguments, before=None):
        found = self.doctor("--only", check, *arguments, before=before)
        self.assertEqual({state for state, _ in found[check]}, {"ok"}, found)


class Healthy(Patient):
    def test_where_all_is_well_nothing_is_wrong(self):
        hosts = self.others()
        self.publish()
        self.server.admin("backup", os.path.join(self.server.folder, "backup"))
        started = time.monotonic()
        found = self.doctor(code=0)
        self.assertLess(time.monotonic() - started, 30)
        told = {check: states for check, states in found.items() if any(state in ("warning", "problem") for state, _ in states)}
        # What this machine is like is not the test's to say.
        for check in ("memory", "disk", "clock", "file-limits"):
            told.pop(check, None)
        self.assertEqual(told, {})
        self.assertGreater(len(found), 20)
        for check in ("configuration", "server", "data-folder", "backup", "hostname", "dns-forward", "dns-reverse", "ipv6", "resolver",
                      "dns-lists", "dns-records", "tls", "ports", "port-25-out", "port-25-in", "open-relay"):
            self.assertIn("ok", [state for state, _ in found[check]], check)
        self.assertTrue(self.report["server_running"])
        self.assertEqual((self.report["hostname"], self.report["data"]), (HOST, self.server.data))
        # Each of the others had one connection, with a goodbye and no mail.
        for domain, host in hosts.items():
            mailstead.until(lambda: host.said == ["QUIT"], domain + " was told goodbye")
            self.assertEqual((host.connections, host.taken), (1, []))

    def test_for_people_it_is_text_and_strictly_warnings_count(self):
        self.publish()
        self.server.environment["SSL_CERT_FILE"] = self.authority.file
        done = self.server.admin("doctor", "--only", "hostname,backup", code=0)
        self.assertIn("ok       hostname: mail.example.org\n", done.stdout)
        self.assertIn("warning  backup: there was never a backup\n         -> 'mailstead backup DIR", done.stdout)
        self.assertTrue(done.stdout.endswith("No problem; 1 warning.\n"), done.stdout)
        self.server.admin("doctor", "--only", "hostname,backup", "--strict", code=1)
        self.server.admin("doctor", "--only", "hostname", "--strict", code=0)

    def test_wrong_usage_is_told_and_nothing_is_looked_at(self):
        for arguments, words in ((["--only", "tlz"], "did you mean 'tls'"), (["--probe", "a b"], "is not a domain"),
                                 (["--time-server", "x:0"], "is not a host"), (["tls"], "too many arguments")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.server.admin("doctor", *arguments, code=2).stderr)

    def test_it_changes_nothing(self):
        self.server.json("dns", "records")
        self.server.stop()

        def state():
            found = {}
            for folder, _, files in os.walk(self.server.data):
                for name in files:
                    path = os.path.join(folder, name)
                    with open(path, "rb") as file:
                        found[path] = (os.stat(path).st_mode, file.read())
            return found
        # A store that is opened and closed writes into its database, not what is in it.
        before = state()
        self.doctor()
        after = state()
        self.assertEqual(set(before), set(after))
        changed = {os.path.basename(path) for path in before if before[path] != after[path]}
        self.assertLessEqual(changed, {"mailstead.db", "lock"})


class BeforeTheStart(Patient):
    running = False

    def test_without_a_data_folder(self):
        found = self.doctor()
        self.assertFalse(self.report["server_running"])
        self.assertFalse(os.path.exists(self.server.data))
        self.assertEqual([state for state, _ in found["server"]], ["note"])
        for check in ("dns-records", "backup", "port-25-in", "open-relay"):
            self.assertEqual([state for state, _ in found[check]], ["skipped"], check)
        self.assertEqual({state for state, _ in found["ports"]}, {"ok"})

    def test_without_a_configuration(self):
        os.remove(self.server.config)
        self.server.config = ""
        found = self.doctor("--only", "configuration,server,tls,ports")
        self.assertEqual(found["configuration"][0][0], "ok")
        self.assertEqual(found["tls"][0][0], "note")

    def test_a_configuration_that_cannot_be_read(self):
        with open(self.server.config, "a") as file:
            file.write("[listn]\nsmtp = []\n")
        self.assert_finding("configuration", "problem", "did you mean [listen]?")
        self.configure()
        self.assert_well("configuration")

    def test_ports_that_somebody_has(self):
        self.assert_well("ports")
        with socket.create_server((US, 25)):
            self.assert_finding("ports", "problem", "%s:25 (smtp) is taken by another program" % US)
        self.configure(listen=dict(LISTEN, pop3=["198.51.100.7:110"]))
        self.assert_finding("ports", "problem", "does not have the address of 198.51.100.7:110")
        self.configure(listen=dict(LISTEN, smtp=[]))
        self.assert_finding("ports", "note", "no mail is taken")

    @unittest.skipIf(os.stat("/proc/self/ns/user").st_ino != 4026531837, "only root can become somebody else")
    def test_ports_that_this_user_may_not_have(self):
        os.chmod(self.server.folder, 0o755)
        os.chmod(self.server.config, 0o644)
        self.certificate = None
        self.configure()
        self.assert_finding("ports", "problem", "this user may not listen on %s:25" % US, before=lambda: os.setuid(65534))

    def test_the_data_folder_from_outside(self):
        self.assert_finding("data-folder", "note", "makes it at its first start")
        self.server.data = os.path.join(self.server.folder, "none", "data")
        self.assert_finding("data-folder", "problem", "there is no folder")
        self.server.data = self.server.config
        self.assert_finding("data-folder", "problem", "is not a folder")

    def test_a_restore_that_was_broken_off(self):
        os.makedirs(os.path.join(self.server.data, "restore.unfinished"), 0o700)
        os.chmod(self.server.data, 0o700)
        self.assert_finding("data-folder", "problem", "mailstead restore")

    def test_files_that_the_server_could_have_open(self):
        def limit(number):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
        self.assert_well("file-limits", before=limit(4096))
        self.assert_finding("file-limits", "problem", "the limit of 400 open files", before=limit(400))
        self.configure(SETTINGS.replace("connections = 100", "connections = 20000"))
        self.assert_finding("file-limits", "warning", "Raise it to 40640", before=limit(4096))

    def test_memory_of_a_container(self):
        def group(octets):
            folder = "/sys/fs/cgroup"
            if not os.path.isdir(folder):
                self.skipTest("there is no /sys/fs/cgroup")
            run("mount", "-t", "tmpfs", "tmpfs", folder)
            self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
            with open(folder + "/memory.max", "w") as file:
                file.write("%d\n" % octets)
        group(100 << 20)
        self.assert_finding("memory", "warning", "only 100.0 MiB")
        group(1 << 30)
        self.assert_well("memory")

    def test_disks_that_are_not_for_mail(self):
        def mount(kind, *options):
            place = tempfile.mkdtemp(dir=self.server.folder)
            run("mount", "-t", kind, *options, kind, place)
            self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
            self.server.data = os.path.join(place, "data")
            return place
        place = mount("tmpfs", "-o", "size=1g")
        self.assert_finding("disk", "warning", "tmpfs: it is in memory")
        run("mount", "-o", "remount,ro", place)
        self.assert_finding("disk", "problem", "is read-only")
        mount("tmpfs", "-o", "size=10m")
        self.assert_finding("disk", "problem", "mail is put off")
        place = mount("tmpfs", "-o", "size=1g,nr_inodes=1000")
        for number in range(970):
            open(os.path.join(place, str(number)), "w").close()
        self.assert_finding("disk", "problem", "inodes")

    def test_a_disk_that_is_for_mail(self):
        image = os.path.join(self.server.folder, "image")
        if not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin"):
            self.skipTest("mkfs.ext4 is not installed")
        run("truncate", "-s", "1G", image)
        run(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin"), "-q", image)
        place = tempfile.mkdtemp(dir=self.server.folder)
        if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode != 0:
            self.skipTest("no image can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        self.server.data = os.path.join(place, "data")
        self.assert_well("disk")


class Machine(Patient):
    def test_the_server(self):
        self.assert_well("server")
        self.server.stop()
        self.assert_finding("server", "note", "no server runs")

    def test_another_name_than_the_running_server_s(self):
        """It has it from an environment that this command has not: the certificate and the records are judged by its own."""
        self.publish()
        self.configure(SETTINGS.replace(HOST, "other.example.org"))
        found = self.doctor("--only", "configuration,hostname,tls,dns-forward,dns-records")
        self.assertIn("calls itself %s, and here its name is other.example.org" % HOST, str(found["configuration"]))
        for check in ("hostname", "tls", "dns-forward", "dns-records"):
            self.assertEqual({state for state, _ in found[check]}, {"ok"}, found[check])

    def test_another_version_that_still_runs(self):
        self.server.stop()
        with self.pretended({"version": "0.0.9", "pid": os.getpid()}):
            self.assert_finding("server", "warning", "version 0.0.9 runs")
        with self.pretended(None):
            self.assert_finding("server", "warning", "does not tell of itself")
            # What it alone could tell is not guessed.
            for check in ("ports", "port-25-in", "open-relay", "client-addresses"):
                self.assert_finding(check, "skipped")

    @contextlib.contextmanager
    def pretended(self, facts):
        """Somebody who answers for the server at its control socket."""
        path = os.path.join(self.server.data, "control.sock")
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        answer = {"exit_code": 0, "text": "", "json": json.dumps(facts), "error": ""} if facts is not None else \
            {"exit_code": 2, "text": "", "json": "", "error": "unknown command 'doctor facts'"}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen()

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        client, _ = listener.accept()
                        with client:
                            client.recv(1 << 16)
                            client.sendall(json.dumps(answer).encode() + b"\n")
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(mailstead.TIMEOUT)
                os.remove(path)

    def test_rights_of_the_data_folder(self):
        self.assert_well("data-folder")
        os.chmod(self.server.data, 0o755)
        self.assert_finding("data-folder", "problem", "others on this machine can enter")
        os.chmod(self.server.data, 0o700)
        database = os.path.join(self.server.data, "mailstead.db")
        os.chmod(database, 0o644)
        self.assert_finding("data-folder", "problem", "others may read mailstead.db")
        os.chmod(database, 0o600)
        self.assert_well("data-folder")

    @unittest.skipIf(os.stat("/proc/self/ns/user").st_ino != 4026531837, "only root can give files away")
    def test_files_of_somebody_else(self):
        made = os.path.join(self.server.data, "tls")
        os.makedirs(made, exist_ok=True)
        os.chown(made, 65534, 65534)
        self.assert_finding("data-folder", "problem", "chown -R")

    def test_a_lock_without_a_server(self):
        self.server.stop()
        with open(os.path.join(self.server.data, "lock")) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assert_finding("data-folder", "warning", "no server answers")
            self.assert_finding("backup", "skipped")
        self.assert_well("data-folder")

    def test_a_server_that_was_killed_is_left_to_its_next_start(self):
        self.server.kill()
        self.assert_finding("dns-records", "skipped", "did not end cleanly")

    def test_backups(self):
        self.assert_finding("backup", "warning", "there was never a backup")
        self.server.admin("backup", os.path.join(self.server.folder, "backup"))
        self.assert_well("backup")
        self.server.stop()
        self.assert_well("backup")

    def test_files_that_the_running_server_may_have_open(self):
        self.server.stop()
        self.server.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600)))
        self.assert_finding("file-limits", "problem", "the limit of 600 open files")
        self.server.stop()
        self.server.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000)))
        self.assert_well("file-limits")

    def test_the_clock(self):
        found = self.doctor("--only", "clock")["clock"]
        self.assertTrue(all(state in ("ok", "note") for state, _ in found), found)
        for ahead, state, words in ((60, "warning", "1 min 0 s slow"), (-3600, "problem", "1 h 0 min fast")):
            self.clock.ahead = ahead
            self.assert_finding("clock", state, words)
        self.clock.ahead = 0
        self.names.add("clock.example", "A", TIME)
        found = self.doctor("--only", "clock", "--time-server", "clock.example:123")["clock"]
        self.assertTrue(any("clock.example" in text or "keeps it" in text for _, text in found), found)
        self.server.stop()
        future = time.time() + 86400
        os.utime(os.path.join(self.server.data, "mailstead.db"), (future, future))
        self.assert_finding("clock", "problem", "the data folder was written to")

    def test_a_time_server_that_does_not_know_the_time_is_not_believed(self):
        self.clock.stratum, self.clock.ahead = 16, 3600
        found = self.doctor("--only", "clock")["clock"]
        self.assertFalse(any(state == "problem" for state, _ in found), found)

    def test_clients_behind_a_gateway(self):
        self.assertNotIn(self.doctor("--only", "client-addresses")["client-addresses"][0][0], ("warning", "problem"))
        for client, state in (("192.0.2.20", "ok"), (GATEWAY, "warning")):
            for number in range(12):
                with socket.create_connection((US, 25), timeout=mailstead.TIMEOUT, source_address=(client, 0)) as stream:
                    lines = stream.makefile("rwb")
                    for command in ("EHLO x", "MAIL FROM:<a@far.example>", "RCPT TO:<nobody%d@example.org>" % number, "QUIT"):
                        lines.readline()
                        while command == "MAIL FROM:<a@far.example>" and lines.readline()[3:4] == b"-":
                            pass
                        lines.write(command.encode() + b"\r\n")
                        lines.flush()
                    lines.read()
            self.assert_finding("client-addresses", state)

    def test_ports_of_the_running_server(self):
        self.assert_well("ports")
        self.configure(listen=dict(LISTEN, pop3=[US + ":1110"]))
        self.assert_finding("ports", "problem", "the server does not listen on %s:1110 (pop3)" % US)

    def relay(self, taken):
        host = internet.Host("192.0.2.20", 2525, extensions=())
        self.addCleanup(host.close)
        host.replies["RCPT"] = lambda line: "250 2.1.5 OK" if any(each in line for each in taken) else "550 5.7.1 no"
        return host

    def test_open_relays(self):
        self.publish()
        self.assert_well("open-relay")
        self.server.stop()
        facts = {"version": "x", "pid": 1, "domains": [DOMAIN], "listeners": [{"service": "smtp", "address": "192.0.2.20:2525"}]}
        with self.pretended(facts):
            for taken, state in (([], "ok"), ([""], "problem"), (["%example.net"], "problem"), (["@example.org:"], "problem"),
                                 (["!someone"], "problem"), (["\"someone@"], "problem"), (["@example.org>"], "ok")):
                with self.subTest(taken=taken):
                    host = self.relay(taken)
                    self.assert_finding("open-relay", state)
                    mailstead.until(lambda: host.said[-1:] == ["QUIT"], "goodbye")
                    self.assertEqual((host.connections, host.taken), (1, []))
                    self.assertNotIn("DATA", host.said)
                    host.close()
            self.relay([]).replies["greeting"] = "554 5.7.1 go away"
            self.assert_finding("open-relay", "warning", "could be tried")


class Network(Patient):
    def only(self, host="A", value=None):
        self.names.zone.pop(HOST, None)
        if value:
            self.names.add(HOST, host, value)

    def rename(self, name):
        self.server.stop()
        self.server.environment["MAILSTEAD_HOSTNAME"] = name
        self.server.start()

    def test_the_name(self):
        self.assert_well("hostname")
        for name, words in (("3f2a9c1b4d5e", "by chance"), ("localhost", "as every machine does"), ("box", "no full name"),
                            ("mail.lan", "only this house")):
            self.rename(name)
            self.assert_finding("hostname", "problem", words)
            self.assert_finding("dns-forward", "skipped" if "." not in name or name.endswith("lan") else "problem")
            self.assert_finding("dns-reverse", "skipped")

    def test_the_name_leads_here(self):
        self.only(value=US)
        self.assert_well("dns-forward")
        self.only()
        self.assert_finding("dns-forward", "problem", "the DNS has no address for " + HOST)
        self.only(value="10.1.2.3")
        self.assert_finding("dns-forward", "problem", "nobody elsewhere can reach")
        self.only(value="198.51.100.9")
        self.assert_finding("dns-forward", "warning", "this machine has " + US)
        self.only("CNAME", "host.example")
        self.names.add("host.example", "A", US)
        self.assert_finding("dns-forward", "warning", "CNAME")
        self.names.trouble[HOST] = "SERVFAIL"
        self.assert_finding("dns-forward", "skipped", "no DNS server answered")

    def test_the_address_leads_back(self):
        self.only(value=US)
        self.assert_finding("dns-reverse", "problem", "has no name in the DNS")
        self.names.add(REVERSE, "PTR", HOST)
        self.assert_well("dns-reverse")
        for name, address, state, words in (("host.isp.example", None, "problem", "does not lead back"),
                                            ("host.isp.example", US, "warning", "the server greets as")):
            self.names.zone[REVERSE] = {"PTR": [name]}
            if address:
                self.names.add(name, "A", address)
            self.assert_finding("dns-reverse", state, words)
        generic = "192-0-2-1.dyn.isp.example"
        self.rename(generic)
        self.names.add(generic, "A", US)
        self.names.zone[REVERSE] = {"PTR": [generic]}
        self.assert_finding("dns-reverse", "warning", "any customer of a provider")
        self.names.trouble[REVERSE] = "SERVFAIL"
        self.assert_finding("dns-reverse", "skipped")

    def test_ipv6(self):
        self.only(value=US)
        self.assert_well("ipv6")
        self.names.add(HOST, "AAAA", US6)
        self.assert_finding("ipv6", "problem", "IPv6 does not work on this machine")
        run("ip", "address", "add", US6 + "/128", "dev", "lo", "nodad")
        self.addCleanup(run, "ip", "address", "del", US6 + "/128", "dev", "lo")
        run("ip", "-6", "route", "add", "default", "dev", "veth-here", "src", US6)
        self.addCleanup(run, "ip", "-6", "route", "del", "default", "dev", "veth-here")
        self.assert_finding("ipv6", "problem", "Google and others refuse")
        self.assert_finding("dns-reverse", "problem", US6 + " has no name")
        self.names.add(REVERSE6, "PTR", HOST)
        self.assert_well("ipv6")
        del self.names.zone[HOST]["AAAA"]
        self.names.add("v6.example.org", "AAAA", US6)
        self.names.zone[REVERSE6] = {"PTR": ["v6.example.org"]}
        self.assert_finding("ipv6", "warning", "SPF")

    def test_dns_servers(self):
        self.assert_finding("resolver", "ok")
        self.names.lie = "198.51.100.80"
        self.assert_finding("resolver", "problem", "lie: a name that nobody has leads to 198.51.100.80")
        self.names.lie = None
        self.names.validated.clear()
        self.assert_finding("resolver", "note", "do not validate")
        self.names.zone.pop("org")
        self.assert_finding("resolver", "problem", "'org'")
        self.configure(SETTINGS.replace(internet.NAME_SERVER[0], "192.0.2.29"))
        self.assert_finding("resolver", "problem", "no DNS server answers (192.0.2.29)")

    def test_behind_dns_servers_that_know_nothing_no_record_is_missed(self):
        """They are the one thing that is wrong: nobody is sent to his provider."""
        self.publish()
        self.names.zone.clear()
        found = self.doctor(code=1)
        self.assertEqual([check for check, states in found.items() if "problem" in [state for state, _ in states]], ["resolver"])
        for check in ("dns-forward", "dns-reverse", "ipv6", "dns-lists", "dns-records", "port-25-out", "port-25-in"):
            self.assertEqual([state for state, _ in found[check]], ["skipped"], check)
            self.assertIn("see resolver", found[check][0][1], check)
        # Also where the resolver itself was not asked for.
        self.assert_finding("dns-forward", "skipped", "see resolver")

    def test_dns_servers_that_are_silent_hold_it_up_for_a_minute_at_most(self):
        self.configure(SETTINGS.replace(internet.NAME_SERVER[0], "198.51.100.53"))  # behind the veth, where nobody is
        started = time.monotonic()
        found = self.doctor()
        self.assertLess(time.monotonic() - started, 60)
        self.assertEqual(found["resolver"][0][0], "problem")
        for check in ("dns-forward", "dns-reverse", "dns-lists", "dns-records", "port-25-out", "port-25-in"):
            self.assertEqual([state for state, _ in found[check]], ["skipped"], check)

    def test_dns_lists(self):
        self.only(value=US)
        self.assert_well("dns-lists")
        listed = "2.0.0.127." + LISTS[0]
        for code in ("127.255.255.252", "127.255.255.254", "127.255.255.255"):
            self.names.zone[listed] = {"A": [code]}
            self.assert_finding("resolver", "warning", "%s answers %s: it is blocked" % (LISTS[0], code))
            self.assert_finding("dns-lists", "skipped", LISTS[0])
        self.names.zone.pop(listed)
        self.assert_finding("resolver", "warning", "does not have 127.0.0.2")
        self.names.add(listed, "A", "127.0.0.2")
        self.names.add("1.0.0.127." + LISTS[0], "A", "127.0.0.2")
        self.assert_finding("resolver", "warning", "127.0.0.1, which stands on no list")
        self.names.zone.pop("1.0.0.127." + LISTS[0])
        self.names.trouble[listed] = "SERVFAIL"
        self.assert_finding("resolver", "note", "did not answer")
        self.names.trouble.clear()
        self.names.add("1.2.0.192." + LISTS[1], "A", "127.0.0.2")
        self.assert_finding("dns-lists", "problem", "%s stands on the DNS list %s" % (US, LISTS[1]))

    def test_dns_records(self):
        self.publish()
        found = self.doctor("--only", "dns-records")["dns-records"]
        self.assertFalse({state for state, _ in found} & {"warning", "skipped"}, found)
        self.names.zone[DOMAIN].pop("MX")
        self.assert_finding("dns-records", "problem", "MX example.org: missing | It should be \"10 mail.example.org\"")
        self.server.stop()
        self.assert_finding("dns-records", "problem", "MX example.org: missing")

    def test_port_25_out(self):
        self.others("outlook.com", "yahoo.com")
        self.assert_finding("port-25-out", "ok", "mx.gmail.com [192.0.2.10]")
        self.names.zone.pop("gmail.com")
        self.assert_finding("port-25-out", "problem", "smarthost")
        self.assert_finding("port-25-out", "ok", "192.0.2.10", "--probe", "192.0.2.10:25")
        self.assert_finding("port-25-out", "problem", "192.0.2.28 port 2525", "--probe", "192.0.2.28:2525")
        host = internet.Host("192.0.2.14")
        self.addCleanup(host.close)
        host.replies["greeting"] = "554 5.7.1 192.0.2.1 is listed"
        self.assert_finding("port-25-out", "warning", "is listed", "--probe", "192.0.2.14")
        for domain in ("outlook.com", "yahoo.com"):
            self.names.zone.pop(domain)
        self.assert_finding("port-25-out", "skipped", "the DNS has no address")

    def test_a_provider_that_drops_port_25(self):
        for address in PROBES.values():
            run("ip", "address", "del", address + "/32", "dev", "lo")  # now behind the veth, where nobody is
            self.addCleanup(run, "ip", "address", "add", address + "/32", "dev", "lo")
        self.others(*PROBES)
        started = time.monotonic()
        self.assert_finding("port-25-out", "problem", "block port 25")
        self.assertLess(time.monotonic() - started, 30)

    def test_port_25_out_by_ipv6(self):
        self.others()
        run("ip", "address", "add", US6 + "/128", "dev", "lo", "nodad")
        self.addCleanup(run, "ip", "address", "del", US6 + "/128", "dev", "lo")
        run("ip", "-6", "route", "add", "default", "dev", "veth-here", "src", US6)
        self.addCleanup(run, "ip", "-6", "route", "del", "default", "dev", "veth-here")
        self.names.add("mx.gmail.com", "AAAA", "2001:db8::10")
        self.assert_finding("port-25-out", "warning", "by IPv6 nobody can be reached")
        host = internet.Host("2001:db8::10")
        self.addCleanup(host.close)
        self.assert_finding("port-25-out", "ok", "2001:db8::10")

    def test_a_smarthost(self):
        smarthost = '[queue]\nsmarthost = { host = "smtp.isp.example", port = 587 }\n'
        self.names.add("smtp.isp.example", "A", "192.0.2.15")
        self.configure(more=smarthost)
        self.assert_finding("port-25-out", "problem", "the smarthost does not answer")
        host = internet.Host("192.0.2.15", 587)
        self.addCleanup(host.close)
        self.assert_finding("port-25-out", "ok", "smtp.isp.example [192.0.2.15] port 587")
        self.only(value=US)
        self.assert_finding("dns-reverse", "note")

    def test_port_25_in(self):
        self.only(value=US)
        self.assert_well("port-25-in")
        self.only(value="192.0.2.27")
        self.assert_finding("port-25-in", "warning", "many routers do not lead")
        host = internet.Host("192.0.2.27")
        self.addCleanup(host.close)
        self.assert_finding("port-25-in", "problem", "at 192.0.2.27 port 25 somebody else answers: 220 192.0.2.27 ESMTP")
        self.only()
        self.assert_finding("port-25-in", "skipped", "no public address")
        self.server.stop()
        self.configure(listen=dict(LISTEN, smtp=[US + ":2525"]))
        self.server.start()
        self.assert_finding("port-25-in", "warning", "does not listen on port 25")

    def test_certificates(self):
        self.assert_well("tls")
        other, soon, alone, foreign = (tempfile.mkdtemp(dir=self.server.folder) for _ in range(4))

        def use(pair):
            self.certificate = pair
            self.configure()
        use(self.authority.issue("other.example", days=90))
        self.assert_finding("tls", "problem", "for other.example, not for " + HOST)
        use(self.authority.issue(HOST, days=2))
        self.assert_finding("tls", "warning", "the certificate expires in")
        use(self.authority.issue(HOST, days=0))
        time.sleep(1.1)  # it is good for its first second
        self.assert_finding("tls", "problem", "expired")
        foreign_authority = internet.Authority(foreign)
        use(foreign_authority.issue(HOST, days=90))
        self.assert_finding("tls", "problem", "whom this machine does not trust")
        pair = foreign_authority.issue(HOST, days=90)
        with open(pair[0]) as file:
            leaf = file.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        with open(pair[0], "w") as file:
            file.write(leaf)
        use(pair)
        self.assert_finding("tls", "problem", "is incomplete")
        use(internet.certificate(other, HOST))
        self.assert_finding("tls", "warning", "self-made")
        use((self.pair[0], pair[1]))
        self.assert_finding("tls", "problem", "does not belong to the certificate")
        use(self.pair)
        mode = os.stat(self.pair[1]).st_mode
        os.chmod(self.pair[1], 0o644)
        self.addCleanup(os.chmod, self.pair[1], mode)
        self.assert_finding("tls", "problem", "everybody on this machine can read the key")
        os.chmod(self.pair[1], mode)
        self.environment["SSL_CERT_FILE"] = "/nowhere"
        self.assert_finding("tls", "note", "ca-certificates")
        use(None)
        self.assert_finding("tls", "note", "makes one at its first start")


class Both(unittest.TestCase):
    def test_each_check_was_seen_well_and_in_trouble(self):
        once = {check: states for check, states in Patient.seen.items() if "ok" not in states or not states & {"warning", "problem"}}
        self.assertEqual(once, {})
        self.assertGreater(len(Patient.seen), 20)


def load_tests(loader, tests, _):
    """`Both` at the end, and only behind all the others."""
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    others = [each for each in tests if not any(isinstance(test, Both) for test in each)]
    return unittest.TestSuite(others if loader.testNamePatterns or names else [*others, Both("test_each_check_was_seen_well_and_in_trouble")])


if __name__ == "__main__":
    enter_namespace()
    mailstead.main()

"""Start, clean end, restart: what a server does with its listeners, its sessions and its libraries."""

import os
import re
import resource
import signal
import socket
import time
import unittest

import mailstead
import messages
from mailstead import Closed, until

PLAIN = messages.small_messages()["plain"]
USER = "anna@example.org"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def is_free(port):
    try:
        socket.create_server(("0.0.0.0", port)).close()
        return True
    except OSError:
        return False


class Listening(mailstead.ServerTest):
    mailboxes = ()

    def test_several_addresses(self):
        wanted = ["127.0.0.1:0", "127.0.0.2:0"] + (["[::1]:0"] if has_ipv6() else [])
        server = self.new_server(listen={"smtp": wanted, "pop3": wanted, "submission": [], "submissions": [], "pop3s": []})
        server.start()
        bound = re.findall(r"listening (\w+) (\S+):(\d+)$", server.log(), re.M)
        self.assertEqual(sorted((service, host + ":0") for service, host, _ in bound),
                         sorted((service, address) for service in ("smtp", "pop3") for address in wanted))
        for service, host, port in bound:
            with mailstead.Stream((host.strip("[]"), int(port))) as stream:
                self.assertTrue(stream.line().startswith(b"220" if service == "smtp" else b"+OK"))

    def test_soft_file_limit_is_raised(self):
        server = self.new_server()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        server.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
        with open("/proc/%d/limits" % server.pid) as file:
            line = next(line for line in file if line.startswith("Max open files"))
        self.assertGreater(int(line.split()[3]), 256)

    def test_out_of_file_descriptors(self):
        """It neither dies nor turns in circles nor forgets: when there are descriptors again, it serves."""
        if mailstead.sanitized():
            return  # a sanitizer wants descriptors of its own, and calls memory bad when it gets none
        self.server.add_mailbox(USER)
        descriptors = "/proc/%d/fd" % self.server.pid
        with self.server.smtp() as session:
            limits = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
            room = len(os.listdir(descriptors)) + 3
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (room, limits[1]))
            held = [socket.create_connection(self.server.ports["smtp"], 5) for _ in range(20)]
            # None is left for the message's file: that is a matter of the moment, and said so.
            until(lambda: len(os.listdir(descriptors)) >= room - 1, "the descriptors are used up")
            session.envelope("a@b.example", [USER])
            session.must("DATA", "354")
            session.send_raw(mailstead.stuffed(PLAIN))
            code, _ = session.reply()
            self.assertRegex(code, "^4|^250$")
            kept = code == "250"
            # Said once, however often it is tried again.
            self.assertTrue(self.server.wait_line(lambda line: "accept-failed" in line, "the log tells of it"))
            ticks = cpu_ticks(self.server.pid)
            time.sleep(2)
            self.assertEqual(self.server.log().count("accept-failed"), 1)
            self.assertLess(cpu_ticks(self.server.pid) - ticks, os.sysconf("SC_CLK_TCK"), "it is busy with nothing")
            for connection in held:
                connection.close()
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, limits)
        self.assertIsNone(self.server.process.poll(), self.server.log())
        self.server.deliver(PLAIN, USER)
        self.assertEqual(len(self.server.fetch(USER)), 2 if kept else 1)

    def test_files_suffice_for_all_connections(self):
        """Each holds a second file, a message that arrives, and still everything else goes on."""
        server = self.new_server()
        server.start(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
        self.assertEqual(server.log().count(" warning connections-limited connections=256 configured=20000 "), 1)
        users = [server.add_cheap_mailbox("user%d@example.org" % number) for number in range(64)]
        server.deliver(PLAIN, users[0])
        body = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 1100
        with server.smtp() as other, server.pop3() as reader:
            senders = []
            while len(senders) < 400:
                session = server.smtp(greet=False)
                code, text = session.reply()
                if code == "421":
                    self.assertIn("too many connections", text)
                    session.close()
                    break
                session.must("EHLO client.example")
                session.envelope("a@b.example", [users[0]])
                session.must("DATA", "354")
                session.send_raw(body)
                senders.append(session)
            self.assertEqual(len(senders), 254)
            until(lambda: len(os.listdir("/proc/%d/fd" % server.pid)) > 2 * len(senders), "each has its file")
            reader.login(users[0], server.passwords[users[0]])
            self.assertEqual(len(reader.uidl()), 1)
            reader.retr(1)
            server.admin("status")
            # A group of deliveries, each with the folders of another mailbox.
            other.send(PLAIN, "a@b.example", users)
            for session in senders:
                session.send_raw(b".\r\n")
                session.expect("250")
                session.close()
            reader.quit()
        self.assertNotRegex(server.log(), "spool-failed|delivery-failed|accept-failed")
        self.assertEqual(len(server.fetch(users[0])), 2 + len(senders))

    def test_connection_limit(self):
        server = self.new_server("[limits]\nconnections = 4")
        server.start()
        sessions = [server.smtp() for _ in range(4)]
        with server.connect("smtp") as extra:
            answer = extra.rest()
            self.assertTrue(answer.startswith(b"421 4.7.0 "), answer)
        for session in sessions:
            session.must("NOOP")
            session.quit()
            session.close()
        until(lambda: greeted(server), "a place is free again")

    def test_no_openssl_in_the_process(self):
        self.server.add_mailbox(USER)
        with self.server.smtp("submissions", USER) as session:
            session.send(PLAIN, USER, [USER])
        with open("/proc/%d/maps" % self.server.pid) as file:
            mapped = {line.split()[-1] for line in file if "/" in line}
        self.assertEqual([path for path in mapped if re.search(r"lib(ssl|crypto)\.so\.3", path)], [])
        self.assertTrue(any("mailstead" in path for path in mapped))


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def greeted(server):
    with server.connect("smtp") as stream:
        try:
            return stream.line().startswith(b"220")
        except Closed:
            return False


class Ending(mailstead.ServerTest):
    def terminate(self):
        self.server.process.send_signal(signal.SIGTERM)

    def refuses_connections(self):
        try:
            socket.create_connection(self.server.ports["smtp"], 5).close()
            return False
        except (ConnectionRefusedError, ConnectionResetError):  # the latter: it closed just then
            return True

    def test_idle_sessions_are_told(self):
        sessions = [self.server.smtp(), self.server.pop3(), self.server.pop3(USER), self.server.connect("pop3s")]
        self.terminate()
        farewell = sessions[0].stream.rest()
        self.assertTrue(farewell.startswith(b"421 4.3.2 "), farewell)
        for session in sessions[1:3]:
            rest = session.stream.rest()
            self.assertTrue(rest.startswith(b"-ERR [SYS/TEMP] "), rest)
        self.assertEqual(self.server.wait(), 0)

    def test_no_new_connections_and_running_data_gets_an_answer(self):
        with self.server.smtp() as session:
            session.envelope("a@b.example", [USER])
            session.must("DATA", "354")
            wire = mailstead.stuffed(messages.numbered(1, 100_000))
            session.send_raw(wire[:1000])
            self.terminate()
            until(self.refuses_connections, "no new connections")
            kept = False
            try:
                session.send_raw(wire[1000:])
                code, _ = session.reply()
                self.assertIn(code, ("250", "421"))
                kept = code == "250"
            except Closed:
                self.fail("closed without an answer")
        self.assertEqual(self.server.wait(), 0)
        self.server.start()
        found = self.server.fetch(USER)
        self.assertEqual(len(found), 1 if kept else 0)

    def test_data_that_never_ends_does_not_hold_the_server(self):
        with self.server.smtp() as session:
            session.envelope("a@b.example", [USER])
            session.must("DATA", "354")
            session.send_raw(b"Subject: x\r\n\r\nhalf")
            self.terminate()
            answer = session.stream.rest()
            self.assertTrue(answer.startswith(b"421"), answer)
            self.assertEqual(self.server.wait(), 0)
        self.server.start()
        self.assertEqual(self.server.fetch(USER), [])

    def test_client_that_does_not_read_does_not_hold_the_server(self):
        big = messages.multipart("big", [("application/x", "x", os.urandom(12_000_000))])
        self.server.deliver(big, USER)
        with self.server.pop3(USER) as session:
            session.stream.send(b"DELE 1\r\nRSET\r\n" + b"RETR 1\r\n" * 4)
            session.reply()
            self.terminate()
            self.assertEqual(self.server.wait(), 0)

    def test_marked_messages_stay(self):
        self.server.deliver(PLAIN, USER)
        with self.server.pop3(USER) as session:
            session.must("DELE 1")
            self.terminate()
            self.assertNotIn(b"+OK", session.stream.rest())
            self.assertEqual(self.server.wait(), 0)
        self.server.start()
        self.assertEqual(len(self.server.fetch(USER)), 1)

    def test_handshake_in_progress_does_not_hold_the_server(self):
        with self.server.connect("pop3s", tls=False):
            self.assertEqual(self.server.stop(), 0)

    def test_signals_while_it_ends_do_not_cut_the_end_short(self):
        """A second and a hundredth SIGTERM, and the hangup of a terminal that closes."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name), self.server.smtp() as session:
                session.envelope("a@b.example", [USER])
                session.must("DATA", "354")
                self.terminate()
                until(self.refuses_connections, "it is ending")
                self.server.process.send_signal(number)
                if number == signal.SIGHUP:
                    session.close()
                while self.server.process.poll() is None:
                    self.server.process.send_signal(number)
                self.assertEqual(self.server.wait(), 0)
                self.assertIn(" stopped", self.server.lines[-1])
            if self.server.process is None:
                self.server.start()
                self.assertNotIn("unclean-end", self.server.log())


class Restart(mailstead.ServerTest):
    def test_mail_stays_and_nothing_is_recovered_after_a_clean_end(self):
        for message in messages.small_messages().values():
            self.server.deliver(message, USER)
        before = self.server.fetch(USER)
        with self.server.pop3(USER) as session:
            session.must("DELE 2")
            session.quit()
        del before[1]
        for _ in range(2):
            self.server.stop()
            self.server.start()
            self.assertEqual(self.server.fetch(USER), before)
            self.assertNotRegex(self.server.log(), "unclean-end|recovered")

    def test_kill_is_recovered_and_told(self):
        ids = [self.server.deliver(messages.numbered(number, 500), USER) for number in range(5)]
        before = self.server.fetch(USER)
        self.server.kill()
        self.server.start()
        self.assertIn(" warning unclean-end ", self.server.log())
        self.assertEqual(self.server.fetch(USER), before)
        self.assertEqual(len(ids), 5)

    def test_lost_index_is_rebuilt_with_the_same_uidls(self):
        for number in range(5):
            self.server.deliver(messages.numbered(number, 500), USER)
        with self.server.pop3(USER) as session:
            session.must("DELE 3")
            session.quit()
        before = self.server.fetch(USER)
        self.server.stop()
        for name in os.listdir(self.server.data):
            if name.startswith("mailstead.db"):
                os.unlink(os.path.join(self.server.data, name))
        self.server.start()
        self.assertEqual(self.server.json("mailbox", "show", USER)["messages"], 4)
        self.server.admin("mailbox", "password", USER, "--password-stdin", stdin="correct horse\n")
        self.assertEqual(self.server.fetch(USER), before)
        self.server.deliver(PLAIN, USER)
        self.assertEqual(self.server.fetch(USER)[:4], before)

    def test_file_dropped_into_new_is_imported(self):
        self.server.deliver(PLAIN, USER)
        before = self.server.fetch(USER)
        self.server.stop()
        folder = next(parent for parent, _, files in os.walk(self.server.data) if os.path.basename(parent) == "new"
                      and "anna" in parent)
        with open(os.path.join(folder, "1234.dropped.elsewhere"), "wb") as file:
            file.write(PLAIN)
        self.server.start()
        found = self.server.fetch(USER)
        self.assertEqual(len(found), 2)
        self.assertIn(before[0], found)
        self.assertIn(PLAIN, [copy for _, copy in found])


class Reloading(mailstead.ServerTest):
    mailboxes = ()

    def test_listeners_come_and_go_and_their_counts_stay_right(self):
        """A connection counts for the listener it came by, also when that one is gone and another has its place."""
        none = {"submission": [], "submissions": [], "pop3": [], "pop3s": []}
        with socket.create_server(("127.0.0.2", 0)) as probe:
            second = "127.0.0.2:%d" % probe.getsockname()[1]
        both, one = dict(none, smtp=["127.0.0.1:0", second]), dict(none, smtp=["127.0.0.1:0"])
        server = self.new_server(listen=both)
        server.start()
        held = mailstead.Stream(("127.0.0.2", int(second.partition(":")[2])))
        self.assertTrue(held.line().startswith(b"220"))
        for listen, line in ((one, "closed smtp " + second), (both, "listening smtp " + second)):
            start = len(server.lines)
            server.configure(listen=listen)
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(server.wait_line(lambda text: text.endswith(line), line, start), server.log())
        held.send(b"NOOP\r\n")
        self.assertTrue(held.line().startswith(b"250"))
        held.close()
        with mailstead.Stream(server.ports["smtp"]) as other:
            other.line()
            until(lambda: sorted(each["connections"] for each in server.json("status")["listeners"]) == [0, 1],
                  "the counts of both listeners")

    def reload(self, server, line):
        start = len(server.lines)
        server.process.send_signal(signal.SIGHUP)
        self.assertTrue(server.wait_line(lambda text: line in text, line, start), server.log())

    def test_a_listener_on_all_addresses_makes_room_for_one_on_ipv4(self):
        if not has_ipv6():
            return
        none = {"submission": [], "submissions": [], "pop3": [], "pop3s": []}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = self.new_server(listen=dict(none, smtp=["[::]:%d" % port]))
        server.start()
        for listen in (["[::]:%d" % port, "127.0.0.1:%d" % port], ["[::]:%d" % port]):
            server.configure(listen=dict(none, smtp=listen))
            self.reload(server, " reloaded")
            self.assertNotIn("listen-failed", server.log())
            for host in ("127.0.0.1", "::1"):
                with mailstead.Stream((host, port)) as stream:
                    self.assertTrue(stream.line().startswith(b"220"))

    def test_an_address_in_use_keeps_the_listeners(self):
        none = {"submission": [], "submissions": [], "pop3": [], "pop3s": []}
        with socket.create_server(("127.0.0.1", 0)) as probe, socket.create_server(("127.0.0.1", 0)) as busy:
            old = "127.0.0.1:%d" % probe.getsockname()[1]
            taken = "127.0.0.1:%d" % busy.getsockname()[1]
            probe.close()
            server = self.new_server(listen=dict(none, smtp=[old]))
            server.start()
            for wrong in (dict(none, smtp=[taken]), dict(none, smtp=[old.replace(".1:", ".2:")], pop3=[taken]),
                          dict(none, smtp=["[::ffff:127.0.0.1]:2525"])):
                server.configure("[limits]\nmessage_size = 1234567", wrong)
                self.reload(server, " reloaded except=listen")
                self.assertIn(" error listen-failed ", server.lines[-2])
                self.assertEqual([each["address"] for each in server.json("status")["listeners"]], [old])
                with server.smtp() as session:
                    self.assertIn("SIZE 1234567", session.ehlo, "the rest is in force")
            server.configure("", dict(none, smtp=[old.replace(".1:", ".2:")]))
            self.reload(server, " reloaded")
            self.assertEqual([each["address"] for each in server.json("status")["listeners"]],
                             [old.replace(".1:", ".2:")])

    @unittest.skipUnless(os.geteuid() == 0, "only root can bind a port below 1024 first")
    def test_a_port_that_only_root_may_bind_is_kept(self):
        none = {"submission": [], "submissions": [], "pop3": [], "pop3s": []}
        host, wider = ("[::1]", "[::]") if has_ipv6() else ("127.0.0.1", "0.0.0.0")
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            first = min(int(file.read()), 1024)
        port = next((number for number in range(first - 1, 0, -1) if is_free(number)), None)
        if port is None:
            return  # as in some containers, where anybody may bind any port
        for old, new in (("%s:%d" % (wider, port), "%s:%d" % (host, port)), ("%s:%d" % (host, port), "127.0.0.2:%d" % port)):
            server = self.new_server(listen=dict(none, smtp=[old]))
            os.chmod(server.folder, 0o755)
            os.chmod(server.config, 0o644)
            os.mkdir(server.data, 0o700)
            os.chown(server.data, 65534, 65534)
            server.start()
            self.assertIn("root-dropped", server.log())
            server.configure(listen=dict(none, smtp=[new]))
            self.reload(server, " reloaded except=listen")
            self.assertRegex(server.lines[-2], "listen-failed.*below 1024 need root.*restart the server")
            with mailstead.Stream((host.strip("[]"), port)) as stream:
                self.assertTrue(stream.line().startswith(b"220"))
            # Which service an address is for needs no rights.
            server.configure(listen=dict(none, pop3=[old]))
            self.reload(server, " reloaded")
            with mailstead.Stream((host.strip("[]"), port)) as stream:
                self.assertTrue(stream.line().startswith(b"+OK"))
            server.stop()

    def test_an_empty_file_is_no_new_configuration(self):
        """Somebody may be writing it at this moment."""
        server = self.new_server()
        server.start()
        with open(server.config, "w"):
            pass
        self.reload(server, "configuration-kept")
        self.assertTrue(greeted(server))

    def test_signals_during_the_start_do_not_kill(self):
        for number in (signal.SIGHUP, signal.SIGTERM):
            with self.subTest(signal.Signals(number).name):
                server = self.new_server()
                server.start(wait=False)
                # The first line comes when the store is open, and long before what follows it is done.
                self.assertTrue(server.wait_line(lambda text: True, "the first line"))
                server.process.send_signal(number)
                if number == signal.SIGHUP:
                    self.assertTrue(server.wait_line(lambda text: text.endswith("reloaded"), "reloaded"), server.log())
                    server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
                self.assertIn("stopped", server.log())


if __name__ == "__main__":
    mailstead.main()

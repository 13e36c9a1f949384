"""curl and Python's poplib, command by command: what each sends, and what it makes of the answers."""

import poplib
import ssl

import mailstead
import messages
from client_tools import PASSWORD, USER, ClientTest, needs, run


class Commands(ClientTest):
    def setUp(self):
        super().setUp()
        self.sent = messages.small_messages()
        self.deliver(self.sent)
        with self.server.pop3(USER) as session:
            self.uidls = [uidl for _, uidl in session.uidl()]
            self.sizes = session.sizes()
            session.quit()
        self.copies = [copy for _, copy in self.server.fetch(USER)]

    def left(self):
        return [uidl for uidl, _ in self.server.fetch(USER)]


class Curl(Commands):
    # Where each goes: (scheme, options)
    WAYS = {"plain": ("pop3", []), "plain, USER": ("pop3", ["--login-options", "AUTH=*"]),
            "plain, PLAIN": ("pop3", ["--login-options", "AUTH=PLAIN"]),
            "plain, LOGIN": ("pop3", ["--login-options", "AUTH=LOGIN"]),
            "PLAIN with the initial response": ("pop3", ["--login-options", "AUTH=PLAIN", "--sasl-ir"]),
            "STLS, PLAIN": ("pop3", ["--ssl-reqd", "-k", "--login-options", "AUTH=PLAIN"]),
            "STLS, LOGIN": ("pop3", ["--ssl-reqd", "-k", "--login-options", "AUTH=LOGIN"]),
            "POP3S, PLAIN": ("pop3s", ["-k", "--login-options", "AUTH=PLAIN"]),
            "POP3S, LOGIN": ("pop3s", ["-k", "--login-options", "AUTH=LOGIN"])}

    def curl(self, path, *options, way="plain", password=PASSWORD, codes=(0,)):
        scheme, more = self.WAYS[way]
        url = "%s://127.0.0.1:%d/%s" % (scheme, self.port("POP3S" if scheme == "pop3s" else "plain"), path)
        return run(["curl", "-sS", "--user", USER + ":" + password, *more, *options, url], self.home, codes=codes).stdout

    @needs("curl")
    def test_lists_and_messages_in_every_way(self):
        for way in self.WAYS:
            with self.subTest(way=way):
                start = self.mark()
                listed = [line.split() for line in self.curl("", way=way).decode().split("\r\n") if line]
                self.assertEqual(listed, [[str(number), str(size)] for number, size in enumerate(self.sizes, 1)])
                uidls = [line.split() for line in self.curl("", "-X", "UIDL", way=way).decode().split("\r\n") if line]
                self.assertEqual(uidls, [[str(number), uidl] for number, uidl in enumerate(self.uidls, 1)])
                for number, copy in enumerate(self.copies, 1):
                    mailstead.assert_same(copy, self.curl(str(number), way=way), "message %d" % number)
                self.mark()
                logins = [line for line in self.server.lines[start:] if " login user=" + USER in line]
                self.assertEqual(len(logins), 2 + len(self.copies))
                self.assertEqual(sum("tls=TLSv1." in line for line in logins),
                                 0 if way.startswith(("plain", "PLAIN")) else len(logins))
        self.assertEqual(self.left(), self.uidls)

    @needs("curl")
    def test_other_commands(self):
        for way in ("plain", "STLS, PLAIN", "POP3S, LOGIN"):
            with self.subTest(way=way):
                header = self.copies[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                mailstead.assert_same(header, self.curl("", "-X", "TOP 2 0", way=way))
                self.assertIn(b"\r\nTOP\r\n", b"\r\n" + self.curl("", "-X", "CAPA", way=way))
                self.curl("", "-X", "NOOP", "--head", way=way)
                self.curl("", "-X", "STAT", "--head", way=way)
                mailstead.assert_same(b"", self.curl("1", "-X", "LIST", "--head", way=way))
        self.assertEqual(self.left(), self.uidls)

    @needs("curl")
    def test_deleting(self):
        self.curl("2", "-X", "DELE", "--head")
        self.assertEqual(self.left(), self.uidls[:1] + self.uidls[2:])

    @needs("curl")
    def test_refusals_are_seen(self):
        self.curl("", password="wrong", codes=(67,))  # login denied
        self.curl("", way="POP3S, LOGIN", password="wrong", codes=(67,))
        self.curl("999", codes=(56, 8))  # a refused RETR
        self.curl("999", "-X", "DELE", "--head", codes=(56, 8, 21))
        self.assertEqual(self.left(), self.uidls)

    @needs("curl")
    def test_the_certificate_is_good_for_the_host_s_name(self):
        """Checked by curl, against the server's own certificate as the only authority."""
        for scheme, transport, options in (("pop3s", "POP3S", []), ("pop3", "STLS", ["--ssl-reqd"])):
            port = self.port(transport)
            command = ["curl", "-sS", "--cacert", self.certificate, "--user", USER + ":" + PASSWORD, *options]
            good = run([*command, "--resolve", "mail.example.org:%d:127.0.0.1" % port,
                        "%s://mail.example.org:%d/1" % (scheme, port)], self.home)
            mailstead.assert_same(self.copies[0], good.stdout)
            run([*command, "--resolve", "other.example.net:%d:127.0.0.1" % port,
                 "%s://other.example.net:%d/1" % (scheme, port)], self.home, codes=(60,))


class Poplib(Commands):
    def client(self, transport):
        context = mailstead.no_verify_context()
        if transport == "POP3S":
            client = poplib.POP3_SSL("127.0.0.1", self.port(transport), timeout=mailstead.TIMEOUT, context=context)
        else:
            client = poplib.POP3("127.0.0.1", self.port(transport), timeout=mailstead.TIMEOUT)
        self.addCleanup(client.close)
        return client

    def test_every_method(self):
        for transport in ("plain", "STLS", "POP3S"):
            with self.subTest(transport=transport):
                before = self.left()
                client = self.client(transport)
                self.assertTrue(client.getwelcome().startswith(b"+OK"))
                self.assertEqual("STLS" in client.capa(), transport != "POP3S")
                if transport == "STLS":
                    self.assertTrue(client.stls(mailstead.no_verify_context()).startswith(b"+OK"))
                    self.assertNotIn("STLS", client.capa())
                self.utf8(client)
                with self.assertRaises(poplib.error_proto):
                    client.rpop(USER)  # no such command
                self.assertTrue(client.user(USER).startswith(b"+OK"))
                self.assertTrue(client.pass_(PASSWORD).startswith(b"+OK"))
                self.transaction(client, before)
                self.assertTrue(client.quit().startswith(b"+OK"))
                self.assertEqual(self.left(), before[:-1])

    def utf8(self, client):
        """Works exactly where it is advertised."""
        if "UTF8" in client.capa():
            self.assertTrue(client.utf8().startswith(b"+OK"))
        else:
            with self.assertRaises(poplib.error_proto):
                client.utf8()

    def transaction(self, client, uidls):
        count = len(uidls)
        sizes, copies = self.sizes[:count], self.copies[:count]
        self.assertEqual(client.stat(), (count, sum(sizes)))
        self.assertIn("UIDL", client.capa())
        self.assertEqual(client.list()[1], [b"%d %d" % pair for pair in enumerate(sizes, 1)])
        self.assertEqual(client.uidl()[1], [b"%d %s" % (n, uidl.encode()) for n, uidl in enumerate(uidls, 1)])
        for number, copy in enumerate(copies, 1):
            self.assertEqual(client.list(number).split()[1:3], [b"%d" % number, b"%d" % sizes[number - 1]])
            self.assertEqual(client.uidl(number).split()[1:3], [b"%d" % number, uidls[number - 1].encode()])
            lines = client.retr(number)[1]
            mailstead.assert_same(copy, b"".join(line + b"\r\n" for line in lines))
            header = lines[:lines.index(b"")] if b"" in lines else lines
            self.assertEqual([line for line in client.top(number, 0)[1] if line], header)
        self.assertTrue(client.noop().startswith(b"+OK"))
        client.dele(1)
        client.dele(count)
        self.assertEqual(client.stat(), (count - 2, sum(sizes[1:-1])))
        for refused in (client.retr, client.dele, client.list, client.uidl):
            with self.assertRaises(poplib.error_proto):
                refused(1)
        self.assertTrue(client.rset().startswith(b"+OK"))
        self.assertEqual(client.stat(), (count, sum(sizes)))
        client.dele(count)

    def test_a_wrong_password(self):
        client = self.client("POP3S")
        client.user(USER)
        with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
            client.pass_("wrong")
        client.user(USER)
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], len(self.uidls))

    def test_close_deletes_nothing(self):
        client = self.client("POP3S")
        client.user(USER)
        client.pass_(PASSWORD)
        client.dele(1)
        client.close()
        mailstead.until(lambda: self.free(), "the mailbox is free again")
        self.assertEqual(self.left(), self.uidls)

    def free(self):
        with self.server.pop3() as session:
            session.must("USER " + USER)
            return session.command("PASS " + PASSWORD).startswith("+OK")

    def test_the_certificate_is_good_for_the_host_s_name(self):
        context = ssl.create_default_context(cafile=self.certificate)
        with mailstead.socket.create_connection(("127.0.0.1", self.port("POP3S"))) as raw:
            with context.wrap_socket(raw, server_hostname="mail.example.org") as channel:
                self.assertTrue(channel.recv(100).startswith(b"+OK"))


if __name__ == "__main__":
    mailstead.main()

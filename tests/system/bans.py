"""Delays and bans by network. In a network of its own, where clients can have addresses that are not loopback's."""

import time
import unittest

import mailstead
from network import CLIENTS, GATEWAY, From, enter_namespace

USER = "anna@example.org"


class Bans(mailstead.ServerTest):
    settings = '[auth]\nplaintext = "always"\nban_after = 3\nban_time = "60 s"\n'

    def setUp(self):
        self.server = self.new_server(self.settings, listen={"pop3": ["[::]:0"], "submission": ["[::]:0"], "smtp": ["[::]:0"],
                                                             "pop3s": ["[::]:0"]})
        self.server.start()
        self.server.add_cheap_mailbox(USER)

    def port(self, service):
        return self.server.ports[service][1]

    def pop3(self, client):
        return mailstead.Pop3(From(client, self.port("pop3")))

    def guess(self, client, password):
        with self.pop3(client) as session:
            session.must("USER " + USER)
            return session.command("PASS " + password)

    def get_banned(self, client):
        for guess in ("one", "two", "three"):
            self.assertEqual(self.guess(client, guess), "-ERR [AUTH] Wrong name or password")

    def refusal(self, client, service="pop3"):
        with From(client, self.port(service)) as stream:
            return stream.rest()

    def banned(self):
        return [ban["network"] for ban in self.server.json("ban", "list")]

    def test_guesses_over_both_protocols_lead_to_a_ban_that_ends(self):
        client, other = CLIENTS[:2]
        self.guess(client, "one")
        with mailstead.Smtp(From(client, self.port("submission"))) as session:
            for password in ("one", "two", "three"):
                session.must("AUTH PLAIN " + mailstead.base64.b64encode(b"\0anna@example.org\0" + password.encode()).decode(), "535")
        self.assertEqual(self.banned(), [client])
        self.assertEqual(self.refusal(client),
                         b"-ERR [SYS/TEMP] too many wrong passwords from your address, try again later\r\n")
        self.assertTrue(self.refusal(client, "submission").startswith(b"421 4.7.0 mail.example.org too many wrong passwords"))
        self.assertEqual(self.refusal(client, "pop3s"), b"")
        # Mail from there still comes in, and everybody else is as before.
        with mailstead.Smtp(From(client, self.port("smtp"))) as session:
            session.send(b"Subject: x\r\n\r\n", "a@elsewhere.example", [USER])
        with self.pop3(other) as session:
            session.login(USER, "correct horse")
        ban = self.server.json("ban", "list")[0]
        self.assertEqual((ban["wrong_logins"], ban["refused"]), (3, 3))
        self.assertIn(client, self.server.admin("ban", "list").stdout)
        self.assertEqual(self.server.json("status")["bans"], 1)
        self.assertIn("ban list", self.server.admin("status").stdout)
        log = self.server.log()
        self.assertEqual(log.count(" banned "), 1)
        self.assertEqual(log.count("too many wrong passwords"), 1)
        # It is lifted by hand, and only once.
        self.assertIn("may log in again", self.server.admin("ban", "remove", client).stdout)
        self.assertIn("is not banned", self.server.admin("ban", "remove", client, code=1).stderr)
        self.assertIn("is not an IP address", self.server.admin("ban", "remove", "everybody", code=2).stderr)
        self.assertEqual(self.banned(), [])
        with self.pop3(client) as session:
            session.login(USER, "correct horse")

    def test_a_session_that_was_there_before_the_ban(self):
        client = CLIENTS[2]
        waiting = self.pop3(client)
        self.get_banned(client)
        with waiting:
            waiting.must("USER " + USER)
            self.assertTrue(waiting.command("PASS correct horse").startswith("-ERR [SYS/TEMP]"))

    def test_the_same_wrong_password_again_and_again_is_no_guessing(self):
        client = CLIENTS[3]
        for _ in range(5):
            self.guess(client, "old password")
        self.assertEqual(self.banned(), [])

    def test_who_logged_in_well_is_not_banned(self):
        client = CLIENTS[4]
        with self.pop3(client) as session:
            session.login(USER, "correct horse")
        self.get_banned(client)
        self.assertEqual(self.banned(), [])

    def test_loopback_and_the_gateway_are_not_banned(self):
        self.get_banned(GATEWAY)
        with self.server.pop3() as session:
            for guess in ("one", "two", "three", "four"):
                session.must("USER " + USER)
                session.refused("PASS " + guess)
        self.assertEqual(self.banned(), [])

    def test_a_gateway_s_clients_are_told_of_and_not_counted_as_one(self):
        settings = self.settings + "[limits]\nconnections_per_address = 2\n"
        with self.new_server(settings, listen={"pop3": ["[::]:0"], "smtp": ["[::]:0"]}).start() as server:
            server.add_cheap_mailbox(USER)
            self.assertEqual(server.json("status")["hidden_connections"], {})
            port = server.ports["pop3"][1]
            connections = [From(GATEWAY, port) for _ in range(5)]
            for connection in connections:
                self.assertTrue(connection.line().startswith(b"+OK"))
                connection.close()
            # It is none of ours: nobody relays for who comes from there, nor takes a password in the clear from it.
            with mailstead.Smtp(From(GATEWAY, server.ports["smtp"][1])) as session:
                session.must("MAIL FROM:<a@elsewhere.example>")
                session.must("RCPT TO:<b@elsewhere.example>", "550")
            self.assertEqual(server.json("status")["hidden_connections"], {GATEWAY: 6})
            self.assertIn("6 connections from " + GATEWAY, server.admin("status").stdout)
            self.assertIn('mailstead_connections_hidden_total{gateway="%s"} 6' % GATEWAY, server.admin("metrics").stdout)
            self.assertEqual(server.log().count("client-hidden"), 1)
        crowd = [From(CLIENTS[6], self.port("pop3"))]
        self.assertTrue(crowd[0].line().startswith(b"+OK"))
        crowd[0].close()
        self.assertNotIn("client-hidden", self.server.log())

    def test_a_64_is_one_network(self):
        self.guess("2001:db8:1:1::1", "one")
        self.guess("2001:db8:1:1::2", "two")
        self.guess("2001:db8:1:1::1", "three")
        self.assertEqual(self.banned(), ["2001:db8:1:1::/64"])
        self.assertTrue(self.refusal("2001:db8:1:1::2").startswith(b"-ERR [SYS/TEMP]"))
        with self.pop3("2001:db8:1:2::1") as session:
            session.login(USER, "correct horse")
        self.server.admin("ban", "remove", "2001:db8:1:1::/64")
        self.assertEqual(self.banned(), [])

    def test_a_ban_ends_by_itself_and_a_reload_changes_the_rules(self):
        client = CLIENTS[5]
        self.get_banned(client)
        until = self.server.json("ban", "list")[0]["until"]
        self.assertGreater(until, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        mailstead.until(lambda: self.banned() == [], "the ban has ended", timeout=90)
        with self.pop3(client) as session:
            session.login(USER, "correct horse")

    def test_nobody_is_banned_where_bans_are_off(self):
        self.server.configure(self.settings.replace("= 3", "= 0"), listen={"pop3": ["[::]:0"]})
        self.server.stop()
        self.server.start()
        self.get_banned(CLIENTS[6])
        self.guess(CLIENTS[6], "four")
        self.assertEqual(self.banned(), [])

    def test_without_a_server_there_is_nothing_to_list(self):
        self.server.stop()
        for arguments in (("list",), ("remove", "192.0.2.1")):
            self.assertIn("no server runs", self.server.admin("ban", *arguments, code=1).stderr)


if __name__ == "__main__":
    enter_namespace()
    mailstead.main()

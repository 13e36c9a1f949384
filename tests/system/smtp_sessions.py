"""SMTP over the wire: what is stored, what is not, and attacks on the framing."""

import base64
import email
import email.policy
import random
import socket
import time
import unittest

import mailstead
import messages
from mailstead import Closed, Smtp, until

PLAIN = messages.small_messages()["plain"]


class Storing(mailstead.SharedServerTest):
    def test_messages_come_back_as_they_were_sent(self):
        user = self.new_mailbox()
        sent = messages.small_messages()
        sent["empty"] = b""
        ids = {name: self.server.deliver(message, user) for name, message in sent.items()}
        self.assertEqual(len(set(ids.values())), len(ids))
        found = self.server.fetch(user)
        self.assertEqual(len(found), len(sent))
        for (name, message), (_, copy) in zip(sent.items(), found):
            with self.subTest(message=name):
                mailstead.assert_same(message, mailstead.sent_part(copy), name)
                trace = mailstead.split_trace(copy)[0]
                self.assertIn(ids[name].encode(), trace[b"received"])
                for line in trace[b"received"].split(b"\r\n"):
                    self.assertLessEqual(len(line), 998)

    def test_every_split_of_the_end(self):
        """The final dot in as many packets as it has octets."""
        user = self.new_mailbox()
        wire = mailstead.stuffed(messages.small_messages()["dots"])
        with self.server.smtp() as session:
            for cut in range(1, 12):
                session.envelope("a@b.example", [user])
                session.must("DATA", "354")
                session.send_raw(wire[:-cut])
                for octet in wire[-cut:]:
                    session.send_raw(bytes([octet]))
                session.expect("250")
        found = self.server.fetch(user)
        self.assertEqual(len(found), 11)
        for _, copy in found:
            mailstead.assert_same(messages.small_messages()["dots"], mailstead.sent_part(copy))

    def test_pipelined_transactions(self):
        user = self.new_mailbox()
        count = 30
        with self.server.smtp() as session:
            for number in range(count):
                session.send_raw(("MAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n"
                                  % user).encode())
                session.expect("250"), session.expect("250"), session.expect("550"), session.expect("354")
                session.send_raw(mailstead.stuffed(messages.numbered(number, 900)) + b"NOOP\r\nRSET\r\n")
                session.expect("250"), session.expect("250"), session.expect("250")
            session.send_raw(b"NOOP\r\nQUIT\r\n")
            session.expect("250"), session.expect("221")
        found = self.server.fetch(user)
        for number, (_, copy) in enumerate(found):
            mailstead.assert_same(messages.numbered(number, 900), mailstead.sent_part(copy))
        self.assertEqual(len(found), count)

    def test_several_recipients_and_the_same_one_twice(self):
        users = [self.new_mailbox() for _ in range(3)]
        self.server.deliver(PLAIN, *users, users[0])
        for user in users:
            (_, copy), = self.server.fetch(user)
            mailstead.assert_same(PLAIN, mailstead.sent_part(copy))
            self.assertIn(user.encode(), mailstead.split_trace(copy)[0][b"delivered-to"])

    def test_null_reverse_path(self):
        user = self.new_mailbox()
        self.server.deliver(PLAIN, user, sender="")
        (_, copy), = self.server.fetch(user)
        self.assertEqual(mailstead.split_trace(copy)[0][b"return-path"].split()[1], b"<>")

    def test_broken_off_data_stores_nothing(self):
        user = self.new_mailbox()
        wire = mailstead.stuffed(messages.numbered(1, 400_000))
        for end in ("half-close", "close", "reset"):
            for cut in (1, 2, 3, 5, len(wire) // 2, len(wire)):
                with self.server.smtp() as session:
                    session.envelope("a@b.example", [user])
                    session.must("DATA", "354")
                    session.send_raw(wire[:-cut])
                    if end == "half-close":
                        session.stream.socket.shutdown(socket.SHUT_WR)
                        self.assertNotIn(b"250", session.stream.rest())
                    elif end == "reset":
                        session.reset()
        # A later message on the same storage thread: what came before is decided.
        self.server.deliver(PLAIN, user)
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_two_megabytes_in_chunks(self):
        user = self.new_mailbox()
        message = messages.numbered(6, 2_000_000)
        sizes = random.Random(6)
        with self.server.smtp() as session:
            self.assertIn("CHUNKING", str(session.ehlo))
            for waits in (True, False):
                session.envelope("a@b.example", [user])
                position = chunks = 0
                while position < len(message):
                    piece = message[position:position + sizes.choice((0, 1, 2, 77, 4_096, 65_536, 300_000))]
                    position += len(piece)
                    chunks += 1
                    session.send_raw(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if position == len(message) else b"") + piece)
                    if waits:
                        session.expect("250")
                for _ in range(0 if waits else chunks):
                    session.expect("250")
        for _, copy in self.server.fetch(user):
            mailstead.assert_same(message, mailstead.sent_part(copy))
        self.assertEqual(len(self.server.fetch(user)), 2)

    def test_a_broken_off_chunk_stores_nothing(self):
        user = self.new_mailbox()
        for last in (b"", b" LAST"):
            with self.server.smtp() as session:
                session.envelope("a@b.example", [user])
                session.send_raw(b"BDAT 1000%s\r\nSubject: x\r\n\r\nhalf of it\r\n" % last)
                session.stream.socket.shutdown(socket.SHUT_WR)
                self.assertNotIn(b"250", session.stream.rest())
        self.server.deliver(PLAIN, user)
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_two_megabytes_in_single_octets_and_pieces(self):
        user = self.new_mailbox()
        message = messages.numbered(5, 2_000_000)
        wire = mailstead.stuffed(message)
        with self.server.smtp() as session:
            session.envelope("a@b.example", [user])
            session.must("DATA", "354")
            position, step = 0, 1
            while position < len(wire):
                session.send_raw(wire[position:position + step])
                position += step
                step = step % 9973 * 3 + 1
            session.expect("250")
        mailstead.assert_same(message, mailstead.sent_part(self.server.fetch(user)[0][1]))


class Refusing(mailstead.SharedServerTest):
    def test_not_ours(self):
        user = self.new_mailbox()
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            for path in ("x@elsewhere.example", "@example.org:x@elsewhere.example", "x%elsewhere.example@example.org",
                         '"x@elsewhere.example"@example.org', "x@elsewhere.example@example.org", "nobody@example.org",
                         "../../x@example.org", ";id;@example.org", "${run{id}}@example.org", "' or 1=1 --@example.org"):
                code, text = session.command("RCPT TO:<%s>" % path)
                self.assertTrue(code.startswith("5"), (path, code, text))
            session.must("RCPT TO:<%s>" % user)

    def test_submission_wants_a_login(self):
        user, other = self.new_mailbox(), self.new_mailbox()
        for service in ("submission", "submissions"):
            with self.server.smtp(service) as session:
                self.assertEqual(session.command("MAIL FROM:<%s>" % user)[0], "530")
            with self.server.smtp(service, user) as session:
                self.assertEqual(session.command("MAIL FROM:<%s>" % other)[0], "553")
                session.send(messages.written_by(user, PLAIN), user, [other])
                self.assertEqual(session.command("AUTH PLAIN AAAA")[0], "503")
                session.must("MAIL FROM:<%s>" % user)
                self.assertEqual(session.command("RCPT TO:<x@elsewhere>"), ("550", "5.1.2 That domain has no full name"))
                session.must("RCPT TO:<x@elsewhere.example>")
                session.must("RSET")
        self.assertEqual(len(self.server.fetch(other)), 2)

    def test_submission_in_the_name_of_another(self):
        user, other = self.new_mailbox(), self.new_mailbox()
        with self.server.smtp("submission", user) as session:
            for author in (other, "x@elsewhere.example", "%s>, <%s" % (user, other)):
                with self.assertRaises(mailstead.Refused) as refused:
                    session.send(messages.written_by(author, PLAIN), user, [other])
                self.assertEqual(refused.exception.reply[0], "550")
            session.send(messages.written_by(user, PLAIN), user, [other])
        self.assertEqual(len(self.server.fetch(other)), 1)

    def test_an_alias_is_a_name_of_one_s_own(self):
        user = self.new_mailbox()
        self.server.admin("alias", "add", "sales@example.org", user)
        with self.server.smtp("submissions", user) as session:
            session.send(messages.written_by("sales@example.org", PLAIN), "sales@example.org", [user])
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_submission_adds_what_a_program_left_out(self):
        user = self.new_mailbox()
        with self.server.smtp("submission", user) as session:
            session.send(b"Subject: bare\r\nBcc: %s\r\n\r\nText.\r\n" % user.encode(), user, [user])
        (_, copy), = self.server.fetch(user)
        sent = email.message_from_bytes(copy, policy=email.policy.default)
        self.assertEqual((sent["from"], sent["bcc"], sent["subject"]), (user, None, "bare"))
        self.assertLess(abs(sent["date"].datetime.timestamp() - time.time()), 3600)
        self.assertRegex(sent["message-id"], r"^<[0-9a-z]{15}@[a-z0-9.-]+>$")
        self.assertEqual(sent.get_content(), "Text.\r\n")

    def test_login_that_fails_does_not_count(self):
        user = self.new_mailbox()
        with self.server.smtp("submission") as session:
            for line in ("AUTH PLAIN !!!!", "AUTH PLAIN " + base64.b64encode(b"no nul").decode(), "AUTH NONSENSE"):
                self.assertTrue(session.command(line)[0].startswith("5"), line)
            session.must("AUTH LOGIN", "334")
            self.assertEqual(session.command("*")[0], "501")
            wrong = base64.b64encode(("\0%s\0wrong" % user).encode()).decode()
            self.assertEqual(session.command("AUTH PLAIN " + wrong)[0], "535")
            self.assertEqual(session.command("MAIL FROM:<%s>" % user)[0], "530")
            right = base64.b64encode(("\0%s\0%s" % (user, self.server.passwords[user])).encode()).decode()
            session.must("AUTH PLAIN", "334")
            session.must(right, "235")

    def test_login_in_another_unicode_form(self):
        """RFC 4616 2: a password set with marks of their own is one with composed letters, and a name has no width."""
        decomposed, composed = "cafe\u0301 au lait", "caf\u00e9 au lait"
        user = self.new_mailbox(decomposed)
        names = (user, "\uff55" + user[1:])
        for name in names:
            for password in (decomposed, composed, composed.replace(" ", "\u00a0")):
                with self.server.smtp("submission") as session:
                    session.must("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (name, password)).encode()).decode(), "235")
                    session.send(messages.written_by(user, PLAIN), user, [user])
        with self.server.smtp("submissions") as session:
            session.must("AUTH LOGIN " + base64.b64encode(names[1].encode()).decode(), "334")
            session.must(base64.b64encode(decomposed.encode()).decode(), "235")
        self.assertEqual(len(self.server.fetch(user)), 6)

    def test_password_set_before_passwords_were_prepared(self):
        user = self.server.add_cheap_mailbox("older@example.org", "cafe\u0301\u00a0\U0001f600")
        with self.server.smtp("submission", user) as session:
            session.send(messages.written_by(user, PLAIN), user, [user])
        with self.server.smtp("submission") as session:
            other = base64.b64encode(("\0%s\0caf\u00e9 \U0001f600" % user).encode()).decode()
            self.assertEqual(session.command("AUTH PLAIN " + other)[0], "535")

    def test_too_large(self):
        server = mailstead.Server('[limits]\nmessage_size = "1 MiB"').start()
        try:
            user = server.add_mailbox("anna@example.org")
            with server.smtp() as session:
                self.assertIn("SIZE 1048576", session.ehlo)
                self.assertEqual(session.command("MAIL FROM:<a@b.example> SIZE=1048577")[0], "552")
                session.envelope("a@b.example", [user])
                session.must("DATA", "354")
                session.send_raw(mailstead.stuffed(messages.numbered(1, 3_000_000)))
                self.assertEqual(session.reply()[0], "552")
                session.send(PLAIN, "a@b.example", [user])
            self.assertEqual(len(server.fetch(user)), 1)
        finally:
            server.close()

    def test_talking_before_the_greeting_and_http(self):
        for first in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\nMAIL FROM:<a@b.example>\r\n"):
            with self.server.connect("smtp") as stream:
                stream.line()
                stream.send(first)
                answer = stream.rest()
                self.assertTrue(answer.startswith((b"554", b"421", b"500")), answer)
                self.assertNotIn(b"\r\n250", answer)

    def test_garbage_is_survived(self):
        user = self.new_mailbox()
        for garbage in (b"\0" * 100 + b"\r\n", b"\xff" * 5000, b"A" * 1_000_000, b"EHLO " + b"x" * 100_000 + b"\r\n",
                        b"\r\n" * 50, b"MAIL FROM:<" + b"a" * 3000 + b"@x>\r\n", b"AUTH PLAIN " + b"A" * 50_000 + b"\r\n"):
            with self.server.connect("smtp") as stream:
                try:
                    stream.send(garbage)
                    stream.socket.shutdown(socket.SHUT_WR)
                except (Closed, OSError):
                    pass
                for line in stream.rest().split(b"\r\n")[:-1]:
                    self.assertRegex(line, rb"\A[2-5][0-9][0-9][ -]")
        self.server.deliver(PLAIN, user)

    def test_client_that_never_reads(self):
        """Output is bounded: the server stops reading instead of keeping replies."""
        user = self.new_mailbox()
        with self.server.connect("smtp") as stream:
            stream.line()
            before = mailstead.memory(self.server.pid)[0]
            stream.socket.settimeout(1)
            sent = 0
            try:
                while sent < 200 << 20:
                    sent += stream.socket.send(b"NOOP\r\n" * 5000)
            except (TimeoutError, ConnectionError):
                pass
            self.assertLess(sent, 200 << 20, "the server reads on and on")
            if not mailstead.sanitized():
                self.assertLess(mailstead.memory(self.server.pid)[0] - before, 20 << 20)
            self.server.deliver(PLAIN, user)


class Smuggling(mailstead.SharedServerTest):
    """Nothing but CRLF.CRLF ends a message; what follows another sequence is never run as commands."""

    ENDS = {"LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CR.CRLF": b"\r.\r\n", "CRLF.LF": b"\r\n.\n", "CRLF.CR": b"\r\n.\r",
            "CRLF.CRCRLF": b"\r\n.\r\r\n", "CRLF NUL.CRLF": b"\r\n\0.\r\n", "CR.CR": b"\r.\r", "LF.CR": b"\n.\r",
            "CRLF.NUL CRLF": b"\r\n.\0\r\n", "CRLF. CRLF": b"\r\n. \r\n", "CRLFLF.CRLF": b"\r\n\n.\r\n",
            "CRLF..CRLF": b"\r\n..\r\n"}

    def test_false_ends(self):
        user, victim = self.new_mailbox(), self.new_mailbox()
        smuggled = ("MAIL FROM:<evil@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
                    % victim).encode()
        for name, end in self.ENDS.items():
            for apart in (False, True):
                with self.subTest(end=name, apart=apart), self.server.smtp() as session:
                    session.envelope("a@b.example", [user])
                    session.must("DATA", "354")
                    begin = b"Subject: carrier\r\n\r\nfirst" + end
                    if apart:
                        for octet in begin:
                            session.send_raw(bytes([octet]))
                        session.send_raw(smuggled)
                    else:
                        session.send_raw(begin + smuggled)
                    # The only true end is the smuggled text's.
                    try:
                        code, text = session.reply()
                        self.assertRegex(code, "250|5[25][0-9]")
                        # Then the session is where it should be: in no transaction.
                        self.assertEqual(session.command("DATA")[0], "503")
                        session.quit()
                        self.assertEqual(session.stream.rest(), b"")
                    except Closed:
                        pass
        self.assertEqual(self.server.fetch(victim), [])
        for _, copy in self.server.fetch(user):
            self.assertNotIn(b"\n", copy.replace(b"\r\n", b""))
            self.assertNotIn(b"\r", copy.replace(b"\r\n", b""))
            self.assertIn(b"smuggled", copy)

    def test_bare_line_ends_in_a_message_are_refused_and_the_session_goes_on(self):
        user = self.new_mailbox()
        with self.server.smtp() as session:
            for body in (b"a\nb\r\n", b"a\rb\r\n", b"\n", b"a\r\r\n"):
                session.envelope("a@b.example", [user])
                session.must("DATA", "354")
                session.send_raw(b"Subject: bare\r\n\r\n" + body + b"\r\n.\r\n")
                self.assertEqual(session.reply()[0], "550")
            session.send(PLAIN, "a@b.example", [user])
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_command_line_that_ends_in_a_bare_lf(self):
        user = self.new_mailbox()
        with self.server.connect("smtp") as stream:
            stream.line()
            stream.send(b"EHLO a.example\nMAIL FROM:<a@b.example>\n")
            stream.socket.shutdown(socket.SHUT_WR)
            self.assertNotIn(b"250", stream.rest())

    def test_starttls_injection(self):
        user = self.new_mailbox()
        for service in ("smtp", "submission"):
            with self.server.connect(service) as stream:
                stream.line()
                stream.send(b"EHLO a.example\r\n")
                while not stream.line().startswith(b"250 "):
                    pass
                stream.send(("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                             "Subject: injected\r\n\r\nx\r\n.\r\n" % user).encode())
                reply = stream.line()
                if reply.startswith(b"220"):
                    try:
                        self.assertEqual(bytes(stream.buffer), b"")
                        stream.start_tls()
                        stream.send(b"NOOP\r\n")
                        self.assertEqual(stream.rest(), b"")
                    except (OSError, Closed):
                        pass
                else:
                    self.assertTrue(reply.startswith(b"554"), reply)
                    self.assertEqual(stream.rest(), b"")
        self.assertEqual(self.server.fetch(user), [])

    def test_starttls_forgets_the_envelope(self):
        user = self.new_mailbox()
        with self.server.smtp() as session:
            session.envelope("a@b.example", [user])
            code = session.command("STARTTLS")[0]
            if code == "220":
                session.stream.start_tls()
                self.assertEqual(session.command("DATA")[0], "503")
            else:
                self.assertEqual(code, "503")
            session.must("RSET") if code != "220" else None

    def test_after_starttls_everything_works(self):
        user = self.new_mailbox()
        with self.server.smtp() as session:
            session.starttls()
            self.assertNotIn("STARTTLS", session.ehlo)
            self.assertEqual(session.command("STARTTLS")[0], "503")
            session.send(PLAIN, "a@b.example", [user])
            session.quit()
        trace = mailstead.split_trace(self.server.fetch(user)[0][1])[0]
        self.assertIn(b"ESMTPS", trace[b"received"])


if __name__ == "__main__":
    mailstead.main()

"""POP3 over the wire: who holds a mailbox, what a session sees, and what its end does."""

import base64
import json
import os
import socket
import unittest

import mailstead
import messages
from mailstead import Closed, Pop3, until

PLAIN = messages.small_messages()["plain"]


class Lock(mailstead.SharedServerTest):
    def with_messages(self, count=3):
        user = self.new_mailbox()
        for number in range(count):
            self.server.deliver(messages.numbered(number, 500), user)
        return user

    def free_again(self, user):
        """The lock of a connection that went is freed as soon as the server has seen it go."""
        def try_login():
            with self.server.pop3() as session:
                session.must("USER " + user)
                reply = session.command("PASS " + self.server.passwords[user])
                if reply.startswith("+OK"):
                    session.quit()
                    return True
                self.assertIn("[IN-USE]", reply)
                return False
        until(try_login, "the mailbox is free again")

    def test_second_session_is_refused_and_frees_nothing(self):
        user = self.with_messages()
        with self.server.pop3(user) as holder:
            for end in ("quit", "drop", "reset"):
                with self.server.pop3() as second:
                    second.must("USER " + user)
                    reply = second.command("PASS " + self.server.passwords[user])
                    self.assertTrue(reply.startswith("-ERR [IN-USE]"), reply)
                    if end == "quit":
                        second.quit()
                        self.assertEqual(second.stream.rest(), b"")
                    elif end == "reset":
                        second.reset()
                with self.server.pop3() as third:
                    third.must("USER " + user)
                    self.assertIn("[IN-USE]", third.command("PASS " + self.server.passwords[user]))
            self.assertEqual(len(holder.uidl()), 3)
            holder.must("DELE 1")
            holder.quit()
        self.assertEqual(len(self.server.fetch(user)), 2)

    def test_one_of_many_logins_at_once_wins(self):
        user = self.with_messages(1)
        for _ in range(5):
            sessions = [self.server.pop3() for _ in range(8)]
            for session in sessions:
                session.stream.send(("USER %s\r\nPASS %s\r\n" % (user, self.server.passwords[user])).encode())
            replies = [(session.reply(), session.reply())[1] for session in sessions]
            self.assertEqual([reply[:3] for reply in replies].count("+OK"), 1, replies)
            self.assertEqual(sum("[IN-USE]" in reply for reply in replies), 7, replies)
            for session in sessions:
                session.close()
            self.free_again(user)

    def test_lock_goes_with_its_owner(self):
        user = self.with_messages()
        for end in ("quit", "close", "reset"):
            with self.subTest(end=end):
                session = self.server.pop3(user)
                getattr(session, end)()
                self.free_again(user)
                session.close()

    def test_another_mailbox_is_not_held(self):
        one, two = self.with_messages(1), self.with_messages(1)
        with self.server.pop3(one), self.server.pop3(two) as second:
            self.assertEqual(second.stat()[0], 1)

    def test_deletes_are_done_by_quit_only(self):
        user = self.with_messages(5)
        before = self.server.fetch(user)
        for end in ("close", "reset"):
            with self.server.pop3(user) as session:
                for number in (1, 2, 5):
                    session.must("DELE %d" % number)
                getattr(session, end)()
            self.free_again(user)
            self.assertEqual(self.server.fetch(user), before)
        with self.server.pop3(user) as session:
            for number in (1, 2, 5):
                session.must("DELE %d" % number)
            session.must("RSET")
            session.must("DELE 4")
            session.quit()
        self.assertEqual(self.server.fetch(user), before[:3] + before[4:])

    def test_half_closed_stream_after_dele_deletes_nothing(self):
        user = self.with_messages(2)
        before = self.server.fetch(user)
        with self.server.pop3(user) as session:
            session.must("DELE 1")
            session.stream.socket.shutdown(socket.SHUT_WR)
            session.stream.rest()
        self.free_again(user)
        self.assertEqual(self.server.fetch(user), before)

    def test_half_a_quit_deletes_nothing(self):
        user = self.with_messages(2)
        before = self.server.fetch(user)
        with self.server.pop3(user) as session:
            session.must("DELE 1")
            session.stream.send(b"QUIT")
            session.stream.socket.shutdown(socket.SHUT_WR)
            self.assertNotIn(b"+OK", session.stream.rest())
        self.free_again(user)
        self.assertEqual(self.server.fetch(user), before)

    def test_quit_commits_for_a_client_that_does_not_wait(self):
        user = self.with_messages(2)
        with self.server.pop3(user) as session:
            session.stream.send(b"DELE 1\r\nQUIT\r\n")
            session.stream.socket.shutdown(socket.SHUT_WR)
            answers = session.stream.rest()
        self.assertEqual(answers.count(b"+OK"), 2, answers)
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_delivery_during_a_session_waits_for_the_next(self):
        user = self.with_messages(2)
        with self.server.pop3(user) as session:
            before = session.uidl(), session.stat(), session.sizes()
            self.server.deliver(PLAIN, user)
            self.assertEqual((session.uidl(), session.stat(), session.sizes()), before)
            session.refused("RETR 3")
            session.must("DELE 1")
            session.must("RSET")
            self.assertEqual((session.uidl(), session.stat(), session.sizes()), before)
            session.must("DELE 2")
            session.quit()
        found = self.server.fetch(user)
        self.assertEqual([uidl for uidl, _ in found][:1], [before[0][0][1]])
        mailstead.assert_same(PLAIN, mailstead.sent_part(found[1][1]))


class TakenAway(mailstead.SharedServerTest):
    """A mailbox that is removed or disabled, or gets another password, ends its session at the next command."""

    def session(self, *change, stdin="", still_there=True):
        user = self.new_mailbox()
        self.server.deliver(PLAIN, user)
        with self.server.pop3(user) as session:
            session.must("DELE 1")
            self.server.admin("mailbox", *change, user, *(["--password-stdin"] if stdin else []), stdin=stdin)
            try:
                reply = session.command("STAT")
                self.assertTrue(reply.startswith("-ERR"), reply)
            except Closed:
                pass
            self.assertEqual(session.stream.rest(), b"", "closed after that")
        if still_there:
            self.assertEqual(self.server.json("mailbox", "show", user)["messages"], 1, "nothing deleted")
        return user

    def test_removed(self):
        user = self.session("remove", still_there=False)
        self.server.admin("mailbox", "show", user, code=1)
        with self.server.pop3() as session:
            session.must("USER " + user)
            self.assertIn("[AUTH]", session.refused("PASS " + self.server.passwords[user]))

    def test_disabled(self):
        user = self.session("disable")
        with self.server.pop3() as session:
            session.must("USER " + user)
            session.refused("PASS " + self.server.passwords[user])
        with self.server.smtp() as session:
            session.must("MAIL FROM:<a@b.example>")
            self.assertRegex(session.command("RCPT TO:<%s>" % user)[0], "[45]50")
        self.server.admin("mailbox", "enable", user)
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_password_changed(self):
        user = self.session("password", stdin="another one\n")
        with self.server.pop3() as session:
            session.must("USER " + user)
            self.assertIn("[AUTH]", session.refused("PASS " + self.server.passwords[user]))
        self.server.passwords[user] = "another one"
        self.assertEqual(len(self.server.fetch(user)), 1)

    def test_password_changed_while_a_login_is_checked(self):
        """The old password, sent before the change, opens nothing after it."""
        for change in ("password", "remove", "disable"):
            user = self.new_mailbox()
            self.server.deliver(PLAIN, user)
            with self.server.pop3() as session:
                session.must("USER " + user)
                session.stream.send(("PASS %s\r\n" % self.server.passwords[user]).encode())
                if change == "password":  # with a hash made before: within the time that the other one takes to check
                    self.server.passwords[user] = "another one"
                    self.server.set_cheap_password(user)
                else:
                    request = {"command": "mailbox " + change, "arguments": [user], "flags": [], "secret": ""}
                    self.assertIn(b'"exit_code":0', self.server.control(json.dumps(request).encode() + b"\n"))
                try:
                    session.reply()
                    session.refused("RETR 1")
                except Closed:
                    pass

    def test_recipient_removed_before_the_end_of_data(self):
        """Whole to all its recipients or to none, and the sender is told."""
        one, two = self.new_mailbox(), self.new_mailbox()
        with self.server.smtp() as session:
            session.envelope("a@b.example", [one, two])
            session.must("DATA", "354")
            session.send_raw(PLAIN)
            self.server.admin("mailbox", "remove", two)
            session.send_raw(b".\r\n")
            code, text = session.reply()
        found = self.server.fetch(one)
        if code == "250":
            self.assertEqual(len(found), 1, text)
        else:
            self.assertEqual(found, [], text)
        self.assertNotEqual(code, "250", "the message for %s was promised and is nowhere" % two)

    def test_other_sessions_go_on(self):
        other = self.new_mailbox()
        with self.server.pop3(other) as session:
            self.session("password", stdin="another one\n")
            session.must("NOOP")
            session.quit()

    def test_submission_ends_too(self):
        user = self.new_mailbox()
        with self.server.smtp("submission", user) as session:
            session.must("MAIL FROM:<%s>" % user)
            self.server.admin("mailbox", "disable", user)
            try:
                code, _ = session.command("RCPT TO:<%s>" % user)
                self.assertRegex(code, "[45]..")
            except Closed:
                pass


class HangingUp(mailstead.SharedServerTest):
    """Who ends the stream while a password is checked has no use for the answer, unless more commands wait for it."""

    def guesses_worked_for(self, guess):
        user = self.new_mailbox()
        start = len(self.server.lines)
        for number in range(20):
            guess(user, "wrong%d" % number)
        with self.server.pop3(user):
            self.server.wait_line(lambda line: " login user=" + user in line, "the right one", start)
        return sum("login-failed user=" + user in line for line in self.server.lines[start:])

    def test_pop3_guesses(self):
        def guess(user, password):
            with self.server.pop3() as session:
                session.must("USER " + user)
                session.stream.send(b"PASS %s\r\n" % password.encode())
        self.assertLess(self.guesses_worked_for(guess), 10)

    def test_pop3s_guesses(self):
        def guess(user, password):
            with self.server.pop3(service="pop3s") as session:
                session.must("USER " + user)
                session.stream.send(b"PASS %s\r\n" % password.encode())
        self.assertLess(self.guesses_worked_for(guess), 15)  # a handshake each takes its time

    def test_smtp_guesses(self):
        def guess(user, password):
            with self.server.smtp("submission") as session:
                token = base64.b64encode(b"\0%s\0%s" % (user.encode(), password.encode()))
                session.send_raw(b"AUTH PLAIN %s\r\n" % token)
        self.assertLess(self.guesses_worked_for(guess), 10)

    def test_commands_behind_the_password_are_answered(self):
        user = self.new_mailbox()
        with self.server.pop3() as session:
            session.stream.send(("USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (user, self.server.passwords[user])).encode())
            session.stream.socket.shutdown(socket.SHUT_WR)
            replies = session.stream.rest().split(b"\r\n")
            self.assertEqual([reply[:3] for reply in replies], [b"+OK"] * 4 + [b""], replies)
        with self.server.smtp("submission") as session:
            token = base64.b64encode(b"\0%s\0%s" % (user.encode(), self.server.passwords[user].encode()))
            session.send_raw(b"AUTH PLAIN %s\r\nQUIT\r\n" % token)
            session.stream.socket.shutdown(socket.SHUT_WR)
            self.assertRegex(session.stream.rest(), rb"\A235 .*\r\n221 .*\r\n\Z")


class Commands(mailstead.SharedServerTest):
    def test_pipelining_answers_all_in_order(self):
        user = self.new_mailbox()
        sent = [messages.numbered(number, 3000) for number in range(20)]
        for message in sent:
            self.server.deliver(message, user)
        with self.server.pop3() as session:
            session.stream.send(("USER %s\r\nPASS %s\r\nSTAT\r\n" % (user, self.server.passwords[user])).encode()
                                + b"".join(b"RETR %d\r\n" % n for n in range(1, 21)) + b"NOOP\r\nDELE 1\r\nSTAT\r\nQUIT\r\n")
            session.reply(), session.reply()
            self.assertTrue(session.reply().startswith("+OK 20 "))
            for message in sent:
                self.assertTrue(session.reply().startswith("+OK"))
                mailstead.assert_same(message, mailstead.sent_part(session.stream.dotted()))
            session.reply(), session.reply()
            self.assertTrue(session.reply().startswith("+OK 19 "))
            self.assertTrue(session.reply().startswith("+OK"))
            self.assertEqual(session.stream.rest(), b"")
        self.assertEqual(len(self.server.fetch(user)), 19)

    def test_byte_by_byte(self):
        user = self.new_mailbox()
        self.server.deliver(PLAIN, user)
        with self.server.pop3() as session:
            for octet in ("USER %s\r\nPASS %s\r\nRETR 1\r\nQUIT\r\n" % (user, self.server.passwords[user])).encode():
                session.stream.send(bytes([octet]))
            session.reply(), session.reply(), session.reply()
            mailstead.assert_same(PLAIN, mailstead.sent_part(session.stream.dotted()))
            self.assertTrue(session.reply().startswith("+OK"))

    def test_numbers_and_sizes(self):
        user = self.new_mailbox()
        for message in messages.small_messages().values():
            self.server.deliver(message, user)
        with self.server.pop3(user) as session:
            sizes = session.sizes()
            copies = [session.retr(number) for number in range(1, len(sizes) + 1)]
            self.assertEqual([len(copy) for copy in copies], sizes)
            self.assertEqual(session.stat(), (len(sizes), sum(sizes)))
            uidls = [uidl for _, uidl in session.uidl()]
            self.assertEqual(len(set(uidls)), len(uidls))
            for uidl in uidls:
                self.assertRegex(uidl, r"\A[!-~]{1,70}\Z")
            for number in ("0", "-1", "+1", "1.0", "4294967297", "99999999999999999999", "x", str(len(sizes) + 1)):
                for command in ("RETR", "LIST", "UIDL", "DELE", "TOP"):
                    session.refused("%s %s%s" % (command, number, " 0" if command == "TOP" else ""))
                if number == "4294967297":  # twenty errors in a row end a session
                    session.must("NOOP")
                session.must("NOOP")

    def test_top(self):
        user = self.new_mailbox()
        dots = messages.small_messages()["dots"]
        self.server.deliver(dots, user)
        with self.server.pop3(user) as session:
            whole = session.retr(1)
            header, _, body = whole.partition(b"\r\n\r\n")
            lines = body.split(b"\r\n")[:-1]
            for count in (0, 1, 2, len(lines), len(lines) + 5):
                expected = header + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines[:count])
                mailstead.assert_same(expected, session.top(1, count), "TOP 1 %d" % count)

    def test_capabilities_differ_by_state(self):
        user = self.new_mailbox()
        with self.server.pop3() as session:
            before = {line.split(" ")[0]: line for line in session.listing("CAPA")}
            self.assertLessEqual({"TOP", "UIDL", "USER", "SASL", "PIPELINING", "STLS", "RESP-CODES", "LANG"}, set(before))
            self.assertEqual(before["SASL"], "SASL PLAIN LOGIN")
            session.stls()
            after = [line.split(" ")[0] for line in session.listing("CAPA")]
            self.assertNotIn("STLS", after)
            session.refused("STLS")
            session.login(user, self.server.passwords[user])
            self.assertNotIn("STLS", [line.split(" ")[0] for line in session.listing("CAPA")])
            session.quit()

    def test_the_administrators_language(self):
        server = mailstead.Server('[pop3]\nlanguage = "de"').start()
        self.addCleanup(server.close)
        with server.pop3() as session:
            self.assertTrue(session.must("LANG *").endswith("de Sprache gewechselt"))
            self.assertEqual(session.listing("LANG")[4], "zh 中文")

    def test_wrong_password_and_unknown_user_look_alike(self):
        user = self.new_mailbox()
        replies = []
        for name in (user, "nobody@example.org"):
            with self.server.pop3() as session:
                replies.append((session.must("USER " + name).replace(name, ""), session.refused("PASS wrong").replace(name, "")))
        self.assertEqual(replies[0], replies[1])
        self.assertIn("[AUTH]", replies[0][1])

    def test_password_with_spaces(self):
        user = self.new_mailbox(" two  spaces and ÄÖ ")
        with self.server.pop3() as session:
            session.must("USER " + user)
            session.must("PASS  two  spaces and ÄÖ ")

    def test_garbage_is_survived(self):
        user = self.new_mailbox()
        for garbage in (b"\0" * 100 + b"\r\n", b"\xff" * 5000, b"A" * 100000, b"USER " + b"x" * 100000 + b"\r\n",
                        b"\r\n" * 50, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"USER a\0b\r\nPASS \0\r\n"):
            stream = self.server.connect("pop3")
            with stream:
                try:
                    stream.send(garbage)
                    stream.socket.shutdown(socket.SHUT_WR)
                except (Closed, OSError):
                    pass
                answers = stream.rest().split(b"\r\n")
                for line in answers[:-1]:
                    self.assertTrue(line.startswith((b"+OK", b"-ERR")), line)
        with self.server.pop3(user) as session:
            session.must("NOOP")

    def test_slow_reader_gets_everything(self):
        """The server waits for the client; its memory does not hold what the client has not taken."""
        user = self.new_mailbox()
        big = messages.multipart("big", [("application/x", "x", os.urandom(6_000_000))])
        self.server.deliver(big, user)
        with self.server.pop3(user) as session:
            before = mailstead.memory(self.server.pid)[0]
            session.stream.send(b"RETR 1\r\n" * 6 + b"NOOP\r\n")  # 49 MB of answers
            with self.server.pop3() as other:  # somebody else is served meanwhile
                for _ in range(100):
                    other.must("CAPA")
                    other.stream.dotted()
            grown = mailstead.memory(self.server.pid)[0] - before
            if not mailstead.sanitized():
                self.assertLess(grown, 20 << 20)
            for _ in range(6):
                session.reply()
                mailstead.assert_same(big, mailstead.sent_part(session.stream.dotted()))
            self.assertTrue(session.reply().startswith("+OK"))

    def test_vanished_file(self):
        user = self.new_mailbox()
        for number in range(3):
            self.server.deliver(messages.numbered(number, 400), user)
        with self.server.pop3(user) as session:
            files = self.mail_files(user)
            self.assertEqual(len(files), 3)
            gone = next(path for path in files if b"\r\nX-Number: 1\r\n" in open_bytes(path))
            os.unlink(gone)
            self.assertIn("[SYS/PERM]", session.refused("RETR 2"))
            mailstead.assert_same(messages.numbered(2, 400), mailstead.sent_part(session.retr(3)))
            session.quit()

    def test_file_dropped_into_new_while_the_server_runs(self):
        user = self.new_mailbox()
        self.server.deliver(messages.numbered(1, 400), user)
        path = self.mail_files(user)[0]
        folder = os.path.join(os.path.dirname(os.path.dirname(path)), "new")
        for name, octets in (("1111.crlf.x", messages.numbered(2, 400)), ("1112.lf.x", PLAIN.replace(b"\r\n", b"\n"))):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(octets)
        found = until(lambda: len(self.server.fetch(user)) == 3 and self.server.fetch(user), "both are imported")
        self.assertIn(messages.numbered(2, 400), [copy for _, copy in found])
        self.assertIn(PLAIN, [copy for _, copy in found])
        self.assertEqual(self.server.fetch(user), found)

    def mail_files(self, user):
        self.server.wait_filed()
        local, _, domain = user.partition("@")
        found = []
        for parent, _, files in os.walk(os.path.join(self.server.data, "mail")):
            if local in parent and domain in parent and os.path.basename(parent) in ("new", "cur"):
                found += [os.path.join(parent, name) for name in files]
        return found


def open_bytes(path):
    with open(path, "rb") as file:
        return file.read()


class Injection(mailstead.SharedServerTest):
    def test_commands_in_the_packet_of_stls_are_dropped(self):
        user = self.new_mailbox()
        stream = self.server.connect("pop3")
        with stream:
            stream.line()
            stream.send(("STLS\r\nUSER %s\r\nPASS %s\r\nDELE 1\r\nQUIT\r\n" % (user, self.server.passwords[user])).encode())
            reply = stream.line()
            if reply.startswith(b"+OK"):
                # Nothing of it may be answered, neither in the clear nor inside of TLS.
                try:
                    self.assertEqual(bytes(stream.buffer), b"")
                    stream.start_tls()
                    stream.send(b"NOOP\r\n")
                    self.assertEqual(stream.rest(), b"")
                except (OSError, Closed):
                    pass
            else:
                self.assertEqual(stream.rest(), b"")
        with self.server.pop3(user) as session:
            session.must("NOOP")

    def test_stls_forgets_what_was_said_before(self):
        user = self.new_mailbox()
        with self.server.pop3() as session:
            session.must("USER " + user)
            session.stls()
            session.refused("PASS " + self.server.passwords[user])
            session.login(user, self.server.passwords[user])
            session.quit()


if __name__ == "__main__":
    mailstead.main()

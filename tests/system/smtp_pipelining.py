"""Clients that pipeline (RFC 2920): whole conversations in groups, in a kept connection, cut into packets at odd places.

The final dot of a message begins the next group, and a chunk with its octets stands in a group like any command (RFC 3030). What
was promised by a 250 is fetched by POP3 and compared: as many messages, each once and whole.
"""

import random

import mailstead
import messages

USERS = ["anna@example.org", "bert@example.org", "carl@example.org"]
SENDER = "ledger@elsewhere.example"


def whole(data):
    yield data


def octets(data):
    for place in range(len(data)):
        yield data[place:place + 1]


def cut(data, seed=7):
    """At random places, among them many between CR and LF and around dots."""
    source, place = random.Random(seed), 0
    while place < len(data):
        step = source.choice((1, 2, 3, 5, 40, 536, 1460, 9000))
        near = data.find(b"\r\n.", place, place + step)
        if near >= 0:
            step = near - place + source.randint(1, 3)
        yield data[place:place + step]
        place += step


class Pipelining(mailstead.ServerTest):
    mailboxes = USERS

    def send(self, session, data, pieces):
        for piece in pieces(data):
            session.send_raw(piece)

    def numbers(self, user):
        """The numbers of the messages in the mailbox, in order, each of which is whole."""
        found = []
        for _, copy in self.server.fetch(user, delete=True):
            sent = mailstead.sent_part(copy)
            fields, body = mailstead.header_fields(sent)
            number = int(dict(fields)[b"x-number"].split()[1])
            if len(fields) == 6:  # those of submission, which adds these two
                sent = b"".join(line for name, line in fields if name not in (b"date", b"message-id")) + sent[body:]
            mailstead.assert_same(messages.numbered(number, 3000), sent, "message %d" % number)
            found.append(number)
        return found

    def by_data(self, service, count, pieces, login=None):
        """Groups of: the message before with its dot, MAIL, RCPT for each, DATA."""
        with self.server.smtp(service, login) as session:
            before = b""
            for number in range(count + 1):
                group = before
                if number < count:
                    group += b"MAIL FROM:<%s>\r\n" % (login or SENDER).encode()
                    group += b"".join(b"RCPT TO:<%s>\r\n" % user.encode() for user in USERS[:1 + number % 3]) + b"DATA\r\n"
                else:
                    group += b"NOOP\r\nQUIT\r\n"
                self.send(session, group, pieces)
                if before:
                    session.expect("250", "(message)")
                if number < count:
                    for _ in range(2 + number % 3):
                        session.expect("250")
                    session.expect("354")
                    before = mailstead.stuffed(messages.numbered(number, 3000))
            session.expect("250")
            session.expect("221")
        for place, user in enumerate(USERS):
            self.assertEqual(self.numbers(user), [number for number in range(count) if number % 3 >= place])

    def test_data_in_groups(self):
        for pieces, count in ((whole, 60), (cut, 60), (octets, 3)):
            with self.subTest(pieces=pieces.__name__):
                self.by_data("smtp", count, pieces)

    def chunked(self, count, sender=SENDER):
        """All transactions as one stream, and how many replies each has; nothing in it waits for anything."""
        source, stream = random.Random(11), b"EHLO client.example\r\n"
        for number in range(count):
            message, place = messages.numbered(number, 3000), 0
            stream += b"MAIL FROM:<%s> SIZE=%d\r\n" % (sender.encode(), len(message))
            stream += b"".join(b"RCPT TO:<%s>\r\n" % user.encode() for user in USERS[:1 + number % 3])
            sizes = []
            while place < len(message):
                size = min(source.choice((0, 1, 2, 3, 100, 1024, 5000)), len(message) - place)
                last = place + size == len(message) and number % 2
                stream += b"BDAT %d%s\r\n" % (size, b" LAST" if last else b"") + message[place:place + size]
                sizes.append(size)
                place += size
            if not number % 2:
                stream += b"BDAT 0 LAST\r\n"
                sizes.append(0)
            yield 2 + number % 3 + len(sizes)
        yield stream + b"QUIT\r\n"

    def by_chunks(self, service, count, pieces, login=None):
        *replies, stream = self.chunked(count, login or SENDER)
        with self.server.smtp(service, login) as session:
            writer = mailstead.threading.Thread(target=self.send, args=(session, stream, pieces))
            writer.start()
            session.expect("250", "EHLO")
            for each in replies:
                for _ in range(each):
                    session.expect("250")
            session.expect("221")
            writer.join()
        for place, user in enumerate(USERS):
            self.assertEqual(self.numbers(user), [number for number in range(count) if number % 3 >= place])

    def test_a_hundred_messages_by_chunks_in_one_stream(self):
        for pieces, count in ((whole, 100), (cut, 100), (octets, 3)):
            with self.subTest(pieces=pieces.__name__):
                self.by_chunks("smtp", count, pieces)

    def test_the_same_over_tls_and_logged_in(self):
        """Here the sender has to be the author as well."""
        self.server.admin("alias", "add", SENDER, USERS[0])
        with self.subTest("in groups"):
            self.by_data("submissions", 30, cut, USERS[0])
        with self.subTest("by chunks"):
            self.by_chunks("submissions", 30, cut, USERS[0])

    def test_refusals_within_a_group(self):
        """Each command has its own reply, in order. Without a good recipient DATA is refused, and the next group begins anew."""
        with self.server.smtp() as session:
            session.send_raw(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n")
            codes = [session.reply()[0] for _ in range(4)]
            self.assertEqual(codes[:3], ["250", "550", "550"])
            self.assertIn(codes[3], ("503", "554"))
            session.send_raw(b"RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<anna@example.org>\r\n"
                             b"BOGUS\r\nMAIL FROM:<c@d.example>\r\nDATA\r\n")
            self.assertEqual([session.reply()[0] for _ in range(7)], ["250", "250", "550", "250", "500", "503", "354"])
            session.send_raw(mailstead.stuffed(messages.numbered(5, 3000)) + b"QUIT\r\n")
            session.expect("250")
            session.expect("221")
        self.assertEqual(self.numbers(USERS[0]), [5])

    def test_chunks_without_a_recipient_are_read_over(self):
        """Their octets look like commands and are none (RFC 3030 section 2)."""
        data = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n"
        message = messages.numbered(6, 3000)
        with self.server.smtp() as session:
            session.send_raw(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%sRSET\r\n"
                             b"MAIL FROM:<a@b.example>\r\nRCPT TO:<anna@example.org>\r\nBDAT %d LAST\r\n%sQUIT\r\n"
                             % (len(data), data, len(data), data, len(message), message))
            codes = [session.reply()[0] for _ in range(9)]
            self.assertEqual(codes[:2], ["250", "550"])
            self.assertTrue(codes[2].startswith("5") and codes[3].startswith("5"), codes)
            self.assertEqual(codes[4:], ["250", "250", "250", "250", "221"])
        self.assertEqual(self.numbers(USERS[0]), [6])


if __name__ == "__main__":
    mailstead.main()

"""Everything that looks like the end of a message, over the wire: one message or one refusal, never two, and nothing behind it is run.

All strings of up to five octets out of CR, LF, dot, NUL and a letter that hold a dot are put into a message, at its beginning and
within a line; behind each stands what a smuggler would have run. Only CR LF . CR LF is an end, and a dot CR LF that is the first line.
"""

import itertools
import re
import threading

import mailstead

OCTETS = (b"\r", b"\n", b".", b"\0", b"a")
LONGEST = 5            # octets; what is sent at once
LONGEST_IN_PIECES = 4  # what is sent octet by octet, and what stands at the beginning of a message
CONNECTIONS = 4
MOST_REFUSALS = 15     # on one connection; twenty end it
HEADER = b"Subject: carrier\r\n\r\nfirst"
VICTIM = "victim@example.org"
SMUGGLED = ("MAIL FROM:<evil@elsewhere.example>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx" % VICTIM).encode()


def look_alikes(longest):
    for length in range(1, longest + 1):
        for octets in itertools.product(OCTETS, repeat=length):
            if b"." in octets:
                yield b"".join(octets)


def end_of(wire):
    """RFC 5321 4.1.1.4: where a message ends; the line end in front of the first line is DATA's own."""
    return (b"\r\n" + wire).find(b"\r\n.\r\n") - 2


def is_clean(data):
    """RFC 5321 2.3.8: no CR or LF alone."""
    return re.search(rb"\r(?!\n)|(?<!\r)\n", data) is None


def unstuffed(data):
    return re.sub(rb"(\A|\r\n)\.", rb"\1", data)


class Case:
    def __init__(self, front, octets, in_pieces=False):
        self.front, self.octets, self.in_pieces = front, octets, in_pieces
        self.data = front + octets + SMUGGLED
        self.wire = self.data + b"\r\n.\r\n"

    def send(self, stream, behind):
        if not self.in_pieces:
            return stream.send(self.wire + behind)
        begin = len(self.front)
        stream.send(self.front)
        for octet in self.octets:
            stream.send(bytes([octet]))
        stream.send(self.wire[begin + len(self.octets):] + behind)


def cases():
    """Those whose only end is the last: what is behind a true one is rightly a command."""
    made = [Case(HEADER, octets) for octets in look_alikes(LONGEST)]
    made += [Case(b"", octets) for octets in look_alikes(LONGEST_IN_PIECES)]
    made += [Case(HEADER, octets, True) for octets in look_alikes(LONGEST_IN_PIECES)]
    return [case for case in made if end_of(case.wire) == len(case.data)]


class Carrier(threading.Thread):
    """Sends cases to a mailbox of its own, the next envelope in the packet of each end."""

    def __init__(self, server, user, given, is_good):
        super().__init__()
        self.server, self.user, self.given, self.is_good = server, user, given, is_good
        self.envelope = ("MAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<%s>\r\nDATA\r\n" % user).encode()
        self.kept, self.trouble = [], None

    def run(self):
        try:
            left = list(self.given)
            while left:
                left = self.one_connection(left)
        except Exception as error:  # told by the main thread
            self.trouble = error

    def one_connection(self, left):
        """What is still to be sent after it."""
        refused = 0
        with self.server.smtp() as session:
            session.send_raw(self.envelope)
            for number, case in enumerate(left, 1):
                self.expect(session, ("250", "250", "354"), "the envelope")
                good = self.is_good(case.data)
                refused += not good
                last = number == len(left) or refused == MOST_REFUSALS
                case.send(session.stream, b"NOOP\r\nQUIT\r\n" if last else self.envelope)
                self.expect(session, ("250" if good else "550",), case.octets)
                if good:
                    self.kept.append(case)
                if last:
                    self.expect(session, ("250", "221"), case.octets)
                    rest = session.stream.rest()
                    assert rest == b"", "%r: one reply too many: %r" % (case.octets, rest)
                    return left[number:]
        return []

    def expect(self, session, codes, what):
        found = tuple(session.reply()[0] for _ in codes)
        assert found == codes, "%r: %r instead of %r" % (what, found, codes)


class Smuggling:
    """Mixed into a test of each value of the setting."""

    def test_only_the_true_end_ends_a_message(self):
        self.server.add_cheap_mailbox(VICTIM)
        every = cases()
        # 5^5 - 4^5 strings of five octets and so on, of which one is the true end.
        self.assertEqual(sum(case.front == HEADER and not case.in_pieces for case in every), 2541 - 1)
        carriers = [Carrier(self.server, self.server.add_cheap_mailbox("carrier%d@example.org" % number), every[number::CONNECTIONS],
                            self.is_good) for number in range(CONNECTIONS)]
        for carrier in carriers:
            carrier.start()
        for carrier in carriers:
            carrier.join()
        for carrier in carriers:
            if carrier.trouble:
                raise carrier.trouble
            found = self.server.fetch(carrier.user)
            self.assertEqual(len(found), len(carrier.kept))
            for case, (_, copy) in zip(carrier.kept, found):
                self.judge(case, mailstead.sent_part(copy))
        self.assertEqual(self.server.fetch(VICTIM), [])


class Rejected(Smuggling, mailstead.ServerTest):
    settings = '[smtp]\nbare_newline = "reject"\n'
    mailboxes = ()
    is_good = staticmethod(is_clean)

    def judge(self, case, copy):
        # A text without a header has an empty line put before it.
        mailstead.assert_same(unstuffed(case.data) + b"\r\n", copy[len(copy) - len(unstuffed(case.data)) - 2:], repr(case.octets))


class Normalised(Smuggling, mailstead.ServerTest):
    settings = '[smtp]\nbare_newline = "normalise"\n'
    mailboxes = ()

    @staticmethod
    def is_good(_data):
        return True

    def judge(self, case, copy):
        self.assertTrue(is_clean(copy), (case.octets, copy))
        self.assertTrue(copy.endswith(b"Subject: smuggled\r\n\r\nx\r\n"), (case.octets, copy))
        # Each line end is one, whichever way it was written, and nothing else is lost but the dots that were put in front.
        expected = re.sub(rb"\r\n|\r|\n", b"\r\n", case.data) + b"\r\n"
        self.assertEqual(copy.replace(b".", b"").lstrip(b"\r\n"), expected.replace(b".", b"").lstrip(b"\r\n"), case.octets)


if __name__ == "__main__":
    mailstead.main()

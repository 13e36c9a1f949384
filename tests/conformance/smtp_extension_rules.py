"""SIZE, PIPELINING, CHUNKING, BINARYMIME, DELIVERBY, 8BITMIME, LIMITS, ENHANCEDSTATUSCODES: RFC 1870, 2920, 3030, 2852, 6152, 9422, 2034 and 3463. See book.py."""

import email
import re
import select

import mailstead
from book import Book, encoded, equal
from mailstead import Closed
from smtp_core_rules import MAIL, SENDER, rcpt
from smtp_sites import message, sent

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed

SMALL = "[limits]\nmessage_size = 65536\nrecipients = 100\n"


def is_silent(session, seconds=0.3):
    return not session.stream.buffer and not select.select([session.stream.socket], [], [], seconds)[0]


def without_parameters(site, keyword):
    with site.smtp() as session:
        equal(session.extensions[keyword], [])


def limit_of(session):
    size, = session.extensions["SIZE"]
    assert 0 < int(size) <= 1 << 20, "too large to be tried"
    return int(size)


def of_size(octets):
    """A message of just so many, with a line that has to be stuffed."""
    text = message("size") + b".\r\n"
    lines, last = divmod(octets - len(text), 70)
    text += b"x" * 68 + b"\r\n"
    text += (b"x" * 68 + b"\r\n") * (lines - 2) + b"x" * (68 + last) + b"\r\n"
    equal(len(text), octets)
    return text


# ---- RFC 1870: SIZE

@rule("1870", "3, 4", "MUST", "SIZE is announced with one number of at most 20 digits, or none", "SIZE")
def size_keyword(site):
    for service in ("smtp", "submission"):
        with site.smtp(service) as session:
            assert re.fullmatch("[0-9]{0,20}", " ".join(session.extensions["SIZE"])), session.extensions


@rule("1870", "4, 6.1", "MUST", "SIZE with a number of up to 20 digits is a parameter of MAIL, also in front of and behind others", "SIZE")
def size_parameter(site):
    user = site.mailbox()
    with site.smtp() as session:
        for parameters in (" SIZE=0", " size=1000", " SIZE=00000000000000001000", " BODY=8BITMIME SIZE=1000", " SIZE=1000 BODY=7BIT"):
            session.must(MAIL + parameters)
            session.must("RSET")
        session.deliver(message("size"), user, parameters=" SIZE=1000")
    site.only(user)


@rule("1870", "4", "MUST", "What is no number is refused: nothing, a sign, letters, 21 digits", "SIZE")
def size_that_is_none(site):
    with site.smtp() as session:
        for parameters in ("SIZE", "SIZE=", "SIZE=-1", "SIZE=+1", "SIZE=1.0", "SIZE=1k", "SIZE=0x10", "SIZE=111111111111111111111"):
            session.refused(MAIL + " " + parameters, "5")
        session.must(MAIL + " SIZE=1")


@rule("1870", "6.1", "MUST", "A declared size over the fixed limit is refused at MAIL with 552, and the session goes on", "SIZE")
def declared_too_large(site):
    with site.smtp() as session:
        limit = limit_of(session)
        for size in (limit + 1, 1 << 31, 1 << 32, (1 << 32) + 1, (1 << 63) + 1):
            session.refused(MAIL + " SIZE=%d" % size, "552")
        session.must(MAIL + " SIZE=%d" % limit)


@rule("1870", "4, 6.1", "SHOULD", "So is one of 20 digits that 64 bits do not hold: it is a number by the grammar, and a large one", "SIZE")
def declared_too_large_to_count(site):
    with site.smtp() as session:
        session.refused(MAIL + " SIZE=99999999999999999999", "552")


@rule("1870", "5, 6.3", "MUST",
      "The limit is one of octets as they are sent, CRLF counted, dots added on the way not: that large is taken", "SIZE", SMALL)
def as_large_as_announced(site):
    user = site.mailbox()
    with site.smtp() as session:
        text = of_size(limit_of(session))
        assert b"\r\n.\r\n" in text
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


@rule("1870", "6.3", "MUST", "A message over the limit is refused with 552 at its end, never cut, and the next one is taken", "SIZE", SMALL)
def larger_than_announced(site):
    user = site.mailbox()
    with site.smtp() as session:
        for over in (1, 500_000):
            session.envelope(SENDER, [user], " SIZE=1")
            equal(session.data(mailstead.stuffed(of_size(limit_of(session) + over)))[0], "552")
        session.deliver(message("size"), user)
    equal(sent(site.only(user)), message("size"))


@rule("1870", "6.3", "MAY", "A message that is larger than was declared is taken, or refused; it is not cut", "SIZE")
def larger_than_declared(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user], " SIZE=10")
        code, _ = session.data(mailstead.stuffed(of_size(5000)))
    if code == "250":
        equal(sent(site.only(user)), of_size(5000))
    else:
        assert code in ("552", "452"), code


by_dialogue("1870", "6.1", "MUST", "Where there is no room for it now, that is said with 452", "the_disk_is_full_at_data", "SIZE")


# ---- RFC 2920: PIPELINING

@rule("2920", "3.2", "MUST", "PIPELINING is announced, and without parameters", "PIPELINING")
def pipelining_keyword(site):
    without_parameters(site, "PIPELINING")


@rule("2920", "3.2", "MUST", "Commands that come together are all answered, in their order, refused ones too", "PIPELINING")
def commands_together(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.stream.send(("RSET\r\n%s\r\n%s\r\n%s\r\nRCPT TO:<>\r\nXYZZY\r\n%s\r\nDATA\r\n"
                             % (MAIL, rcpt(user), rcpt("nobody@example.org"), rcpt(user))).encode())
        codes = [session.reply()[0] for _ in range(8)]
        equal([code[0] for code in codes], list("22255523"))
        session.stream.send(message("together") + (".\r\nRSET\r\n%s\r\n%s\r\nQUIT\r\n" % (MAIL, rcpt(user))).encode())
        equal([session.reply()[0] for _ in range(5)], ["250", "250", "250", "250", "221"])
    site.only(user)


@rule("2920", "3.2", "MUST", "They are answered the same in whatever packets they come", "PIPELINING")
def commands_in_pieces(site):
    user = site.mailbox()
    wire = ("%s\r\n%s\r\nXYZZY\r\n%s\r\nRSET\r\nNOOP\r\n" % (MAIL, rcpt(user), rcpt("nobody@example.org"))).encode()
    found = set()
    for step in (1, 3, 7, len(wire)):
        with site.smtp() as session:
            for position in range(0, len(wire), step):
                session.stream.send(wire[position:position + step])
            found.add(tuple(session.reply()[0] for _ in range(6)))
    equal(len(found), 1, found)


@rule("2920", "3.2", "MUST", "The replies are sent as soon as nothing more has come: half a command holds none back", "PIPELINING")
def replies_are_not_held_back(site):
    with site.smtp() as session:
        session.stream.send((MAIL + "\r\nRSET\r\nNOOP\r\nNO").encode())
        equal([session.reply()[0] for _ in range(3)], ["250"] * 3)
        session.stream.send(b"OP\r\n")
        equal(session.reply()[0], "250")


@rule("2920", "3.2", "SHOULD", "The replies to one group of RSET, MAIL and RCPT go together", "PIPELINING")
def replies_go_together(site):
    user = site.mailbox()
    for _ in range(3):  # a busy machine may cut any of it in two
        with site.smtp() as session:
            session.stream.send(("RSET\r\n%s\r\n" % MAIL + (rcpt(user) + "\r\n") * 5).encode())
            session.stream.fill()
            if session.stream.buffer.count(b"\r\n") == 7:
                return
    raise AssertionError("in pieces: %r" % bytes(session.stream.buffer))


@rule("2920", "3.1, 3.2", "MUST",
      "DATA in a group of which no recipient is left is not answered 354 and then with a message kept", "PIPELINING")
def data_in_a_group_without_recipients(site):
    with site.smtp() as session:
        session.stream.send(("%s\r\n%s\r\nDATA\r\n" % (MAIL, rcpt("nobody@example.org"))).encode())
        equal(session.reply()[0], "250")
        equal(session.reply()[0][0], "5")
        code = session.reply()[0]
        if code == "354":
            session.stream.send(b".\r\n")
            code = session.reply()[0]
        assert code in ("503", "554"), code
        session.must("NOOP")


departed("2920", "3.2", "MUST", "Input is never thrown away, whatever it is",
         "what stands in one packet behind DATA or STARTTLS, where a client has to wait, ends the session with 554: it is how messages and handshakes are forged")


# ---- RFC 3030: CHUNKING

def chunk(octets, last=False):
    return b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b"") + octets


@rule("3030", "2", "MUST", "CHUNKING is announced without parameters", "CHUNKING")
def chunking_keyword(site):
    without_parameters(site, "CHUNKING")


@rule("3030", "2", "MUST",
      "Each chunk is answered by 250, and together they are the message, octet for octet, dots as they are", "CHUNKING")
def chunks(site):
    user = site.mailbox()
    text = message("chunks", b".\r\n..\r\n.a\r\n" + bytes(octet for octet in range(1, 128) if octet not in b"\r\n") + b"\r\n.\r\nend\r\n")
    with site.smtp() as session:
        for cuts in ([0], [1], [len(text) - 1], range(0, len(text), 37), [len(text)]):
            session.envelope(SENDER, [user])
            places = [0, *cuts, len(text)]
            for begin, end in zip(places, places[1:]):
                if begin != end:
                    session.stream.send(chunk(text[begin:end]))
                    equal(session.reply()[0], "250")
            session.must("BDAT 0 LAST", "250")
    equal([sent(copy) for copy in site.fetch(user)], [text] * 5)


@rule("3030", "2", "MUST", "BDAT and LAST have no case", "CHUNKING")
def chunks_without_case(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(b"bDaT %d lAsT\r\n" % len(message("case")) + message("case"))
        equal(session.reply()[0], "250")
    site.only(user)


@rule("3030", "2, 4.2", "MUST", "Chunks may be sent without waiting, with the commands around them", "CHUNKING")
def chunks_together(site):
    user = site.mailbox()
    text = message("together")
    with site.smtp() as session:
        session.stream.send(("%s\r\n%s\r\n" % (MAIL, rcpt(user))).encode() + chunk(text[:50]) + chunk(b"") + chunk(text[50:], True)
                            + b"NOOP\r\nQUIT\r\n")
        equal([session.reply()[0] for _ in range(7)], ["250"] * 6 + ["221"])
    equal(sent(site.only(user)), text)


@rule("3030", "2", "MUST", "What stands in a chunk is never an end and never a command", "CHUNKING")
def nothing_in_a_chunk_is_run(site):
    user, victim = site.mailbox(), site.mailbox()
    text = message("inner", ("x\r\n.\r\nRSET\r\n%s\r\n%s\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\nQUIT\r\n" % (MAIL, rcpt(victim))).encode())
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(chunk(text, True))
        equal(session.reply()[0], "250")
        session.refused(rcpt(user), "503")
        session.must("QUIT", "221")
    equal(sent(site.only(user)), text)
    equal(site.fetch(victim), [])


@rule("3030", "2", "MUST", "A chunk without a transaction or recipient is read to its end and refused; nothing of it is run", "CHUNKING")
def chunks_out_of_order(site):
    user = site.mailbox()
    evil = ("RSET\r\n%s\r\n%s\r\nQUIT\r\n" % (MAIL, rcpt(user))).encode()
    for before in ((), (MAIL,), (MAIL, rcpt("nobody@example.org"))):
        with site.smtp() as session:
            for line in before:
                session.command(line)
            session.stream.send(chunk(evil, True) + b"NOOP\r\n")
            code = session.reply()[0]
            assert code in ("503", "554"), code
            equal(session.reply()[0], "250")
            assert is_silent(session), "the chunk was run"


@rule("3030", "2", "MUST", "BDAT behind a chunk that was refused is 503, until a new transaction begins", "CHUNKING", SMALL)
def chunks_behind_a_refusal(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(chunk(of_size(limit_of(session) + 10)) + chunk(b"more\r\n", True))
        equal(session.reply()[0], "552")
        equal(session.reply()[0], "503")
        session.must("RSET")
        session.deliver(message("next"), user)
    equal(sent(site.only(user)), message("next"))


@rule("3030", "2", "MUST", "DATA and BDAT do not mix in a transaction: 503", "CHUNKING")
def data_and_chunks(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(chunk(message("mix")))
        equal(session.reply()[0], "250")
        session.refused("DATA", "503")
        session.must("BDAT 0 LAST")
    site.only(user)


@rule("3030", "2", "MUST", "MAIL is refused while the chunks of a message come", "CHUNKING")
def mail_among_chunks(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(chunk(message("mail")))
        equal(session.reply()[0], "250")
        session.refused(MAIL, "503")
        session.must("BDAT 0 LAST")
    site.only(user)


@rule("3030", "2", "MUST", "RSET drops the chunks that have come, and so does the end of the connection", "CHUNKING")
def rset_drops_chunks(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        session.stream.send(chunk(message("dropped")))
        equal(session.reply()[0], "250")
        session.must("RSET")
        session.envelope(SENDER, [user])
        session.stream.send(chunk(message("kept"), True))
        equal(session.reply()[0], "250")
        session.envelope(SENDER, [user])
        session.stream.send(chunk(message("dropped")))
        equal(session.reply()[0], "250")
    equal(sent(site.only(user)), message("kept"))


@rule("3030", "2", "MUST", "A size is a decimal number, and nothing but LAST stands behind it; what may follow is never run", "CHUNKING")
def sizes_of_chunks(site):
    user = site.mailbox()
    for line in ("BDAT", "BDAT x", "BDAT -1", "BDAT 5x", "BDAT 10 FIRST", "BDAT 99999999999999999999"):
        with site.smtp() as session:
            session.envelope(SENDER, [user])
            session.stream.send(line.encode() + b"\r\nRSET\r\n")
            try:
                equal(session.reply()[0][0], "5", line)
                assert session.reply()[0][0] != "2", line + ": what stood behind it was run"
            except Closed:
                pass


by_dialogue("3030", "2", "MUST", "A chunk over the limit is read to its end before it is refused", "chunks_over_the_limit", "CHUNKING")


@rule("3030", "3", "MUST", "BODY=BINARYMIME is refused by who does not announce it")
def binarymime(site):
    with site.smtp() as session:
        if "BINARYMIME" in session.extensions:
            session.must(MAIL + " BODY=BINARYMIME")
            session.refused("DATA", "503")
        else:
            session.refused(MAIL + " BODY=BINARYMIME", "5")


@rule("3030", "3", "MUST", "BINARYMIME is announced without parameters, and together with CHUNKING", "BINARYMIME")
def binarymime_keyword(site):
    without_parameters(site, "BINARYMIME")
    without_parameters(site, "CHUNKING")


@rule("3030", "3", "MUST", "A message may hold any octets in its binary parts, and its recipient has each of them", "BINARYMIME")
def binary_parts(site):
    user = site.mailbox()
    octets = bytes(range(256)) * 9 + b"\r\n.\r\n--b\n\0\r\n--b-\r\n"
    head = b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    part = b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    text = head + b"--b\r\nContent-Type: text/plain\r\n\r\nHi.\r\n" + part + octets + b"\r\n" + part + b"\r\n--b--\r\n"
    with site.smtp() as session:
        for cut in (1, len(head), len(text) // 2, len(text) - 1):
            session.envelope(SENDER, [user], " BODY=BINARYMIME")
            session.stream.send(chunk(text[:cut]) + chunk(text[cut:], last=True))
            equal([session.reply()[0], session.reply()[0]], ["250", "250"])
    for copy in site.fetch(user):
        parts = email.message_from_bytes(copy).get_payload()
        equal([part.get_payload(decode=True) for part in parts], [b"Hi.", octets, b""])


# ---- RFC 2852: DELIVERBY

@rule("2852", "3", "MUST", "DELIVERBY is announced, with a least time or without parameters", "DELIVERBY")
def deliverby_keyword(site):
    with site.smtp() as session:
        assert re.fullmatch("[0-9]{0,9}", " ".join(session.extensions["DELIVERBY"])), session.extensions


@rule("2852", "4", "MUST", "BY is up to nine digits with a sign, N or R, and T; what is to be returned needs some time", "DELIVERBY")
def deliverby_parameter(site):
    with site.smtp() as session:
        for value in ("120;R", "120;N", "+120;RT", "-120;N", "0;NT", "999999999;r", "120;n"):
            session.must(MAIL + " BY=" + value)
            session.must("RSET")
        for value in ("", "120", "120;", ";R", "120;S", "120;RN", "1234567890;R", "0;R", "-1;R", "x;N"):
            session.refused(MAIL + " BY=" + value, "501")
        session.refused(MAIL + " BY", "5")


# ---- RFC 6152: 8BITMIME

@rule("6152", "2", "MUST", "8BITMIME is announced without parameters", "8BITMIME")
def eightbit_keyword(site):
    without_parameters(site, "8BITMIME")


@rule("6152", "3", "MUST", "BODY=7BIT and BODY=8BITMIME are parameters of MAIL, in any case; another value is refused", "8BITMIME")
def body_parameter(site):
    with site.smtp() as session:
        for value in ("7BIT", "8BITMIME", "8bitmime", "7bit"):
            session.must(MAIL + " BODY=" + value)
            session.must("RSET")
        for value in ("BODY", "BODY=", "BODY=9BIT", "BODY=8BIT"):
            session.refused(MAIL + " " + value, "5")


@rule("6152", "3", "MUST", "All eight bits of a message come through", "8BITMIME")
def eight_bits(site):
    user = site.mailbox()
    text = message("bits", bytes(range(128, 256)) + b"\r\n" + "Grüße, 日本語\r\n".encode())
    with site.smtp() as session:
        session.deliver(text, user, parameters=" BODY=8BITMIME")
    equal(sent(site.only(user)), text)


@rule("5321", "2.4", "SHOULD", "They are not cleared in a message that was not declared so, nor is it refused")
def eight_bits_undeclared(site):
    user = site.mailbox()
    text = message("bits", "Grüße\r\n".encode())
    with site.smtp(hello="HELO client.example") as session:
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


# ---- RFC 9422: LIMITS

@rule("9422", "3", "MUST", "LIMITS names each limit once, with a number of one to six digits that does not begin with 0", "LIMITS")
def limits_keyword(site):
    for service in ("smtp", "submission", "submissions"):
        with site.smtp(service) as session:
            limits = session.extensions["LIMITS"]
            assert limits
            for each in limits:
                assert re.fullmatch("[A-Za-z0-9-]{1,63}=[!-:<-~]+", each), each
                assert re.fullmatch("(MAILMAX|RCPTMAX|RCPTDOMAINMAX)=[1-9][0-9]{0,5}|(?!MAILMAX|RCPT).*", each), each
            equal(len({each.split("=")[0].upper() for each in limits}), len(limits))


@rule("9422", "4.2; 5321 4.5.3.1.8", "MUST",
      "RCPTMAX is the number of recipients that a transaction takes, 100 or more; one more gets 452, and those before it stay",
      "LIMITS", SMALL)
def recipients_are_limited_as_told(site):
    users = [site.mailbox() for _ in range(101)]
    with site.smtp() as session:
        limits = dict(each.split("=") for each in session.extensions["LIMITS"])
        most = int(limits["RCPTMAX"])
        equal(most, 100)
        session.must(MAIL)
        for user in users[:most]:
            session.must(rcpt(user))
        session.refused(rcpt(users[most]), "452")
        equal(session.data(message("limit") + b".\r\n")[0], "250")
    site.only(users[most - 1])
    equal(site.fetch(users[most]), [])


# ---- RFC 2034, 3463: enhanced status codes

@rule("2034", "3", "MUST", "ENHANCEDSTATUSCODES is announced without parameters", "ENHANCEDSTATUSCODES")
def enhanced_keyword(site):
    without_parameters(site, "ENHANCEDSTATUSCODES")


def judge_code(line, what):
    """RFC 2034 4: 2xx, 4xx, 5xx begin with a code of their class."""
    if line[:1] in b"245":
        assert re.match(rb"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} ", line), (what, line)
    else:
        assert not re.match(rb"3\d\d[ -][245]\.\d", line), (what, line)


@rule("2034", "3, 4", "MUST",
      "Every 2xx, 4xx and 5xx reply has a code of its class in each line; only greeting, HELO and EHLO have none, and 3xx",
      "ENHANCEDSTATUSCODES")
def every_reply_has_a_code(site):
    user = site.mailbox()
    with site.smtp() as session:
        for line in ("NOOP", "HELP", "RSET", "VRFY x", "EXPN x", "XYZZY", "MAIL", "DATA", "RCPT TO:<x>", MAIL, MAIL, "RCPT", rcpt(user),
                     rcpt("nobody@example.org"), rcpt("x@elsewhere.example"), rcpt(user) + " X=1", "A" * 3000, "DATA", "", "RSET x", "EHLO",
                     "HELO", "STARTTLS x", "TURN", "BDAT 0", "ETRN x", "AUTH PLAIN"):
            for each in session.wire(line):
                if each.startswith(b"354"):
                    session.stream.send(message("codes") + b".\r\n")
                    for reply in session.wire_reply():
                        judge_code(reply, "the end of DATA")
                judge_code(each, line)
        for each in session.wire("QUIT"):
            judge_code(each, "QUIT")
        with site.smtp() as other:
            for each in other.wire("STARTTLS"):
                judge_code(each, "STARTTLS")


@rule("2034", "3, 4", "MUST", "So has every reply to AUTH and of a session with a login", "ENHANCEDSTATUSCODES")
def every_reply_of_submission_has_a_code(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        for line in (MAIL, "RSET", "AUTH", "AUTH NONSENSE", "AUTH PLAIN !!!", "AUTH PLAIN", "*", "AUTH PLAIN " + encoded("", user, site.password),
                     "AUTH PLAIN", "MAIL FROM:<%s>" % user, rcpt(user), "RSET", "NOOP", "QUIT"):
            for each in session.wire(line):
                judge_code(each, line)


@rule("2034", "4", "MUST", "HELO, EHLO and the greeting have none", "ENHANCEDSTATUSCODES")
def no_code_in_the_hello(site):
    with site.smtp(hello=None) as session:
        assert not re.match(r"2\.\d+\.\d+", session.greeting), session.greeting
        for line in ("HELO client.example", "EHLO client.example"):
            for each in session.wire(line):
                assert not re.match(rb"250[ -]2\.\d", each), each


@rule("3463", "3.2", "SHOULD",
      "Addresses: X.1.1 for a mailbox that is not there, X.1.0 to X.1.8 for one that cannot be read", "ENHANCEDSTATUSCODES")
def codes_of_addresses(site):
    with site.smtp() as session:
        assert session.refused("MAIL FROM:<a@b..example>")[1].startswith("5.1."), "sender"
        session.must(MAIL)
        assert session.refused(rcpt("nobody@example.org"))[1].startswith("5.1.1 ")
        assert re.match(r"5\.1\.[0-8] ", session.refused("RCPT TO:<a@b..example>")[1]), "recipient"


@rule("3463", "3.6", "SHOULD", "Protocol: X.5.1 for the order, X.5.2 for syntax, X.5.4 for arguments", "ENHANCEDSTATUSCODES")
def codes_of_the_protocol(site):
    with site.smtp() as session:
        assert session.refused("DATA")[1].startswith("5.5.1 "), "DATA"
        assert re.match(r"5\.5\.[124] ", session.refused("XYZZY")[1]), "XYZZY"
        assert session.refused("MAIL")[1].startswith("5.5."), "MAIL"
        assert session.refused(MAIL + " XYZZY=1")[1].startswith("5.5.4 "), "parameter"


@rule("3463", "3.4, 3.8", "SHOULD", "System and policy: X.3.4 for a size, X.7.1 for relaying", "ENHANCEDSTATUSCODES")
def codes_of_system_and_policy(site):
    with site.smtp() as session:
        assert session.refused(MAIL + " SIZE=%d" % (limit_of(session) + 1))[1].startswith("5.3.4 "), "size"
        session.must("RSET")
        session.must(MAIL)
        assert session.refused(rcpt("x@elsewhere.example"))[1].startswith("5.7.1 "), "relaying"


by_dialogue("3463", "3.2, 3.3", "SHOULD",
            "Mailboxes: 4.2.1 for a disabled one, 4.2.2 for a full one", "recipients_have_their_replies", "ENHANCEDSTATUSCODES")
by_dialogue("3463", "3.5", "SHOULD", "4.4.2 for a time-out", "a_time_out_says_421", "ENHANCEDSTATUSCODES")
by_dialogue("3463", "3.5", "SHOULD", "5.4.6 for a loop", "a_hundred_hops_are_a_loop", "ENHANCEDSTATUSCODES")

"""What binds a POP3 server, rule by rule, and how each is tried over the wire. See book.py."""

import email
import email.header
import email.policy
import itertools
import re
import socket
import ssl
import time
import unicodedata

import mailstead
from book import Book, encoded, equal
from mailstead import Closed
from sites import ACCENTED, PASSWORD

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed


def message(number, body=b"line 1\r\n.line 2\r\n..line 3\r\n.\r\nlast\r\n"):
    return b"Subject: %d\r\nFrom: a@elsewhere.example\r\n\r\n" % number + body


def body_of(copy):
    return copy.partition(b"\r\n\r\n")[2]


def raw(stream, line):
    """The first line of the answer, with its CRLF."""
    stream.send(mailstead.as_bytes(line) + b"\r\n")
    return stream.line() + b"\r\n"


def capabilities(session):
    """{tag: [arguments]}"""
    return {line.split(" ")[0].upper(): line.split(" ")[1:] for line in session.listing("CAPA")}


# ---- RFC 1939 3: basic operation

@rule("1939", "3", "MUST", "The server speaks first: one line, positive")
def greeting(site):
    with site.stream() as stream:
        assert stream.line().startswith(b"+OK")
        stream.send(b"QUIT\r\n")
        assert stream.rest().startswith(b"+OK"), "more than a line"


@rule("1939", "3", "MUST", "Keywords have no case")
def keywords_without_case(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        session.must("uSeR " + user)
        session.must("pAsS " + PASSWORD)
        session.must("sTaT")
        session.must("lIsT 1")
        session.must("quit")


@rule("1939", "3", "MUST", "Status indicators are +OK and -ERR, in capital letters, and begin every reply")
def status_indicators(site):
    user = site.mailbox(message(1))
    with site.session(user) as session:
        for line in ("STAT", "NOOP", "RETR 9", "NONSENSE", "LIST 1", "RSET"):
            assert re.match(rb"(\+OK|-ERR)( .*)?\r\n$", raw(session.stream, line)), line


@rule("1939", "3", "MUST", "The first line of a reply has at most 512 octets, CRLF included")
def short_replies(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        for line in ("USER " + "x" * 240, "PASS " + "y" * 240, "Z" * 250, "USER " + user, "PASS " + PASSWORD, "STAT"):
            assert len(raw(session.stream, line)) <= 512, line


@rule("1939", "3", "MUST", "A multi-line reply ends with CRLF.CRLF; lines that begin with the dot are stuffed")
def dots_are_stuffed(site):
    user = site.mailbox(message(1))
    with site.session(user) as session:
        session.stream.send(b"RETR 1\r\nQUIT\r\n")
        wire = session.stream.rest()
        assert b"\r\nline 1\r\n..line 2\r\n...line 3\r\n..\r\nlast\r\n.\r\n+OK" in wire, wire


@rule("1939", "3", "MUST", "A command that is unknown, not implemented or wrongly written gets -ERR")
def unknown_commands(site):
    user = site.mailbox(message(1))
    with site.session(user) as session:
        for line in ("XYZZY", "RETR", "RETR one", "DELE", "TOP 1", "TOP 1 -1", "", "LIST 1 2"):
            session.refused(line)
        equal(session.stat()[0], 1)


@rule("1939", "3", "MUST", "A command in the wrong state gets -ERR")
def wrong_state(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        for line in ("STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0", "UIDL"):
            session.refused(line)
        session.login(user, PASSWORD)
        for line in ("USER " + user, "PASS " + PASSWORD):
            session.refused(line)


departed("1939", "3", "MUST", "An inactivity timer lasts at least 10 minutes",
         "after login it does; before, it is 60 s: who has not logged in loses nothing, and connections that say nothing are the cheapest attack")
by_dialogue("1939", "3", "MUST", "When the inactivity timer ends, the connection closes without a word and nothing is removed",
            "a_time_out_deletes_nothing")


# ---- RFC 1939 4: AUTHORIZATION

@rule("1939", "4", "MUST", "A maildrop has one session: a second login gets -ERR, and gets in when the first is gone")
def exclusive_access(site):
    user = site.mailbox(message(1))
    with site.session(user) as first:
        with site.greeted() as second:
            second.must("USER " + user)
            second.refused("PASS " + PASSWORD)
        # The end of the refused session leaves the lock alone.
        with site.greeted() as third:
            third.must("USER " + user)
            third.refused("PASS " + PASSWORD)
        first.quit()
    with site.session(user) as session:
        equal(session.stat()[0], 1)


@rule("1939", "4", "MUST", "Messages are numbered from 1, in decimal, and sizes are decimal octets")
def decimal_numbers(site):
    user = site.mailbox(*[message(number) for number in range(11)])
    with site.session(user) as session:
        equal([line.split(" ")[0] for line in session.listing("LIST")], [str(number) for number in range(1, 12)])
        for number in ("0", "-1", "+1", "1.0", "0x1", "12", "4294967297", "99999999999999999999"):
            session.refused("RETR " + number)


@rule("1939", "4", "MUST", "QUIT before login gets +OK and the connection closes")
def quit_before_login(site):
    with site.greeted() as session:
        session.must("QUIT")
        equal(session.stream.rest(), b"")


# ---- RFC 1939 5: TRANSACTION

@rule("1939", "5", "MUST", "STAT: +OK, a blank, the number of messages, a blank, their octets")
def stat_line(site):
    user = site.mailbox(message(1), message(2))
    with site.session(user) as session:
        line = raw(session.stream, "STAT")
        assert re.match(rb"\+OK 2 [0-9]+( .*)?\r\n$", line), line
        equal(session.stat()[1], sum(session.sizes()))


@rule("1939", "5", "MUST", "Messages marked as deleted count in no total and stand in no list")
def marked_messages_are_out_of_sight(site):
    user = site.mailbox(message(1), message(2), message(3))
    with site.session(user) as session:
        sizes = session.sizes()
        session.must("DELE 2")
        equal(session.stat(), (2, sizes[0] + sizes[2]))
        equal([line.split(" ")[0] for line in session.listing("LIST")], ["1", "3"])
        equal([number for number, _ in session.uidl()], [1, 3])


@rule("1939", "5", "MUST", "LIST of an empty maildrop: +OK and the final dot")
def empty_maildrop(site):
    with site.session(site.mailbox()) as session:
        equal(session.stat(), (0, 0))
        equal(session.listing("LIST"), [])
        equal(session.listing("UIDL"), [])
        session.refused("LIST 1")


@rule("1939", "5", "MUST", "LIST n: one line with number and exact size; -ERR for none such or a marked one")
def list_one(site):
    user = site.mailbox(message(1), message(2))
    with site.session(user) as session:
        size = len(session.retr(2))
        assert re.match(rb"\+OK 2 %d( .*)?\r\n$" % size, raw(session.stream, "LIST 2"))
        session.refused("LIST 3")
        session.must("DELE 1")
        session.refused("LIST 1")


@rule("1939", "5, 11", "MUST", "A size is what RETR sends, each line end two octets, stuffed dots not counted")
def exact_sizes(site):
    user = site.mailbox(message(1), message(2, b""), message(3, b"no end"), message(4, b".\r\n" * 500))
    with site.session(user) as session:
        for number, size in enumerate(session.sizes(), 1):
            equal(len(session.retr(number)), size, "message %d" % number)


@rule("1939", "5", "MUST", "RETR sends the whole message; -ERR for none such or a marked one")
def retr_whole(site):
    body = bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n" + b"x" * 998 + b"\r\n\r\n\r\n"
    user = site.mailbox(message(1, body), message(2))
    with site.session(user) as session:
        equal(body_of(session.retr(1)), body)
        session.refused("RETR 3")
        session.must("DELE 2")
        session.refused("RETR 2")


@rule("1939", "5", "MUST", "DELE marks and removes nothing yet; a later mention of the number gets -ERR")
def dele_marks(site):
    user = site.mailbox(message(1), message(2))
    with site.session(user) as session:
        session.must("DELE 1")
        for line in ("DELE 1", "RETR 1", "LIST 1", "TOP 1 0", "UIDL 1", "DELE 3"):
            session.refused(line)
        session.retr(2)


@rule("1939", "5", "MUST", "NOOP gets +OK and does nothing")
def noop(site):
    with site.session(site.mailbox(message(1))) as session:
        before = session.stat()
        session.must("NOOP")
        equal(session.stat(), before)


@rule("1939", "5", "MUST", "RSET takes all marks away")
def rset(site):
    user = site.mailbox(message(1), message(2))
    with site.session(user) as session:
        before = session.listing("LIST")
        session.must("DELE 1")
        session.must("DELE 2")
        session.must("RSET")
        equal(session.listing("LIST"), before)
        session.quit()
    with site.session(user) as session:
        equal(session.stat()[0], 2)


@rule("1939", "4", "MUST", "What arrives during a session changes no number and is seen by the next")
def snapshot(site):
    user = site.mailbox(message(1))
    with site.session(user) as session:
        before = session.listing("UIDL")
        site.deliver(user, message(2))
        equal(session.stat()[0], 1)
        equal(session.listing("UIDL"), before)
        session.quit()
    with site.session(user) as session:
        equal(session.stat()[0], 2)


# ---- RFC 1939 6: UPDATE

@rule("1939", "6", "MUST", "QUIT removes what is marked and nothing else, answers, and closes the connection")
def quit_removes(site):
    user = site.mailbox(message(1), message(2), message(3))
    with site.session(user) as session:
        uidls = dict(session.uidl())
        session.must("DELE 1")
        session.must("DELE 3")
        session.must("QUIT")
        equal(session.stream.rest(), b"")
    with site.session(user) as session:
        equal(session.uidl(), [(1, uidls[2])])


@rule("1939", "6", "MUST", "A session that ends without QUIT removes nothing")
def end_without_quit(site):
    user = site.mailbox(message(1))
    for end in ("close", "reset"):
        session = site.session(user)
        session.must("DELE 1")
        getattr(session, end)()
        mailstead.until(lambda: can_log_in(site, user), "the lock is free again")
    with site.session(user) as session:
        equal(session.stat()[0], 1)


def can_log_in(site, user):
    try:
        site.session(user).close()
        return True
    except mailstead.Refused:
        return False


by_dialogue("1939", "6", "MUST", "QUIT that cannot remove the messages says -ERR", "quit_that_cannot_delete")


# ---- RFC 1939 7: optional commands

@rule("1939", "7", "MUST", "TOP: the headers, the blank line, n lines of the body; the whole of a shorter one; stuffed", "TOP")
def top(site):
    user = site.mailbox(message(1))
    with site.session(user) as session:
        whole = session.retr(1)
        header = whole[:whole.index(b"\r\n\r\n") + 4]
        lines = body_of(whole).split(b"\r\n")[:-1]
        for count in (0, 1, 2, 3, len(lines), 1000):
            equal(session.top(1, count), header + b"".join(line + b"\r\n" for line in lines[:count]), "TOP 1 %d" % count)
        session.refused("TOP 2 0")
        session.must("DELE 1")
        session.refused("TOP 1 0")


@rule("1939", "7", "MUST", "UIDL: 1 to 70 octets from 0x21 to 0x7E, different for each message, the same in each session", "UIDL")
def uidl(site):
    user = site.mailbox(*[message(1)] * 5)
    with site.session(user) as session:
        first = session.uidl()
        for _, each in first:
            assert re.fullmatch("[!-~]{1,70}", each), each
        equal(len({each for _, each in first}), 5)
        assert session.must("UIDL 3").split(" ")[1:3] == ["3", first[2][1]]
        session.refused("UIDL 6")
        session.must("DELE 1")
        session.refused("UIDL 1")
        session.quit()
    with site.session(user) as session:
        equal([each for _, each in session.uidl()], [each for _, each in first[1:]])


@rule("1939", "7", "MUST", "UIDL n: one line with number and unique-id, as in the whole list; -ERR for none such or a marked one", "UIDL")
def uidl_one(site):
    user = site.mailbox(message(1), message(2))
    with site.session(user) as session:
        known = dict(session.uidl())
        equal(session.must("UIDL 2").split(" ")[:3], ["+OK", "2", known[2]])
        session.refused("UIDL 3")
        session.must("DELE 1")
        session.refused("UIDL 1")
        equal([number for number, _ in session.uidl()], [2])


@rule("1939", "7", "SHOULD", "A unique-id is not given again when its message is gone", "UIDL")
def uidl_not_given_again(site):
    user = site.mailbox(message(1), message(2))
    seen = set()
    for number in range(3):
        with site.session(user) as session:
            now = [each for _, each in session.uidl()]
            assert not seen.intersection(now), "given again"
            seen.update(now)
            for index in range(len(now)):
                session.must("DELE %d" % (index + 1))
            session.quit()
        site.deliver(user, message(number + 3))


@rule("1939", "7", "MAY", "USER does not tell whether the name exists", "USER")
def user_tells_nothing(site):
    user = site.mailbox()
    with site.greeted() as known, site.greeted() as unknown:
        equal(known.command("USER " + user).replace(user, ""), unknown.command("USER nobody").replace("nobody", ""))
        equal(known.refused("PASS wrong"), unknown.refused("PASS wrong"))


@rule("1939", "7", "MUST", "PASS is valid only right after a successful USER", "USER")
def pass_needs_user(site):
    user = site.mailbox()
    with site.greeted() as session:
        session.refused("PASS " + PASSWORD)
        session.must("USER " + user)
        session.refused("PASS wrong")
        session.refused("PASS " + PASSWORD)
        session.login(user, PASSWORD)


@rule("1939", "7", "MAY", "Blanks are part of PASS's argument", "USER")
def pass_with_blanks(site):
    user = site.mailbox()
    assert " " in PASSWORD
    with site.greeted() as session:
        session.must("USER " + user)
        session.refused("PASS " + PASSWORD.split(" ")[0])
        session.must("USER " + user)
        session.refused("PASS  " + PASSWORD)
        session.login(user, PASSWORD)


@rule("1939", "7", "MUST", "Who does not offer APOP gives no timestamp in the greeting; who does, gives each session its own")
def apop_timestamp(site):
    stamps = []
    for _ in range(2):
        with site.greeted() as session:
            found = re.search("<[^<>]+@[^<>]+>", session.greeting)
            stamps.append(found and found.group(0))
            if not found:
                session.refused("APOP anna c4c9334bac560ecc979e58001b3e22fb")
    assert stamps == [None, None] or None not in stamps and stamps[0] != stamps[1], stamps

by_dialogue("1939", "7", "MUST", "APOP's digest is MD5 of the greeting's timestamp and the secret; a wrong one is refused", "apop")
by_dialogue("1939", "7", "MUST", "APOP has a name and 32 hexadecimal digits", "apop_is_a_name_and_32_digits")


# ---- RFC 2449: CAPA

@rule("2449", "4", "MUST", "A command of 255 octets with its CRLF is understood")
def command_of_255_octets(site):
    with site.greeted() as session:
        session.stream.send(b"USER " + b"x" * 248 + b"\r\n")
        assert session.reply().startswith("+OK")


@rule("2449", "5", "MUST", "CAPA works before and after login: tags, one a line, and the final dot")
def capa_in_both_states(site):
    user = site.mailbox()
    with site.greeted() as session:
        before = session.listing("CAPA")
        session.login(user, PASSWORD)
        after = session.listing("CAPA")
    for line in before + after:
        assert re.fullmatch(r"[!-~]{1,506}( [!-~]+)*", line), line
    equal(len(before), len({line.split(" ")[0] for line in before}), "a tag twice")


@rule("2449", "5", "MUST", "A capability that may be used before login is named before login, and works")
def capabilities_work(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        tags = capabilities(session)
        session.login(user, PASSWORD)
        if "TOP" in tags:
            session.top(1, 0)
        if "UIDL" in tags:
            session.uidl()


@rule("2449", "6.1, 6.2, 6.8", "SHOULD", "TOP, USER and UIDL are named where these commands work")
def optional_commands_are_named(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        tags = capabilities(session)
        for command, tag in (("USER " + user, "USER"), ("PASS " + PASSWORD, "USER"), ("TOP 1 0", "TOP"), ("UIDL 1", "UIDL")):
            works = raw(session.stream, command).startswith(b"+OK")
            equal(works, tag in tags, command.split(" ")[0])
            if works and tag == "TOP":
                while session.stream.line() != b".":
                    pass


@rule("2449", "6.9", "SHOULD", "IMPLEMENTATION says what server this is, in words without control characters", "IMPLEMENTATION")
def implementation(site):
    with site.greeted() as session:
        lines = [line for line in session.listing("CAPA") if line.startswith("IMPLEMENTATION")]
    equal(len(lines), 1)
    assert re.fullmatch(r"IMPLEMENTATION( [!-~]+)+", lines[0]), lines


@rule("2449", "6.4", "MUST", "With RESP-CODES, a text that begins with a bracket is a response code", "RESP-CODES")
def brackets_are_codes(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        session.must("USER " + user)
        replies = [session.refused("PASS [x]"), session.refused("RETR 1")]
        session.login(user, PASSWORD)
        replies += [session.refused("RETR 9"), session.must("NOOP"), session.must("QUIT")]
    for reply in replies:
        text = reply.partition(" ")[2]
        assert not text.startswith("[") or re.match(r"\[(AUTH|IN-USE|SYS/TEMP|SYS/PERM|LOGIN-DELAY|UTF8)\]", text), reply


@rule("2449", "6.6", "MUST", "With PIPELINING, commands that come together are all answered, in their order", "PIPELINING")
def pipelining(site):
    user = site.mailbox(message(1), message(2), message(3))
    with site.stream() as stream:
        stream.send(("USER %s\r\nPASS %s\r\nSTAT\r\nRETR 2\r\nDELE 1\r\nLIST 1\r\nNOOP\r\nXYZZY\r\nRETR 3\r\nRSET\r\nQUIT\r\n"
                     % (user, PASSWORD)).encode())
        wire = stream.rest()
    pieces = [line[:4].strip() for line in wire.split(b"\r\n") if line.startswith((b"+OK", b"-ERR"))]
    equal(pieces, [b"+OK"] * 4 + [b"+OK", b"+OK", b"-ERR", b"+OK", b"-ERR", b"+OK", b"+OK", b"+OK"])
    assert wire.index(b"Subject: 2") < wire.index(b"Subject: 3")


@rule("2449", "4", "MAY", "USER takes a mail address of the largest size, 254 octets", "USER")
def user_of_254_octets(site):
    address = "x" * 64 + "@" + ".".join(["y" * 62] * 3)
    equal(len(address), 253)
    with site.greeted() as session:
        session.must("USER " + address + "y")


by_dialogue("2449", "6.5", "MUST", "LOGIN-DELAY is a number of seconds, told before login and after it", "a_login_too_soon")


@rule("2449", "6.5", "SHOULD", "Who announces LOGIN-DELAY enforces it: the next login is refused, one after the time is not", "LOGIN-DELAY",
      '[pop3]\nlogin_delay = "3 s"')
def login_delay(site):
    with site.greeted() as session:
        seconds = int(capabilities(session)["LOGIN-DELAY"][0])
    user = site.mailbox()
    site.session(user).quit()
    with site.greeted() as session:
        session.must("USER " + user)
        began = time.monotonic()
        session.refused("PASS " + PASSWORD)
        assert seconds <= 5, "too long to be waited for"
        while time.monotonic() < began + seconds + 1:
            time.sleep(0.1)
        session.login(user, PASSWORD)


@rule("2449", "8.1.1", "MUST", "[LOGIN-DELAY] is for the owner alone: USER and a wrong password are answered as ever", "LOGIN-DELAY",
      '[pop3]\nlogin_delay = "3 s"')
def login_delay_code(site):
    user = site.mailbox()
    site.session(user).quit()
    with site.greeted() as session:
        session.must("USER " + user)
        assert not session.refused("PASS wrong").startswith("-ERR [LOGIN-DELAY]")
        session.must("USER " + user)
        assert session.refused("PASS " + PASSWORD).startswith("-ERR [LOGIN-DELAY] ")


by_dialogue("2449", "6.7", "MUST", "EXPIRE names the least number of days that is in force", "expire_days_are_told")
by_dialogue("2449", "6.7", "MAY", "With EXPIRE 0, QUIT deletes what RETR has sent, and nothing else that was not marked", "expire_0_deletes_what_was_fetched")
by_dialogue("2449", "6.7", "MUST", "With EXPIRE 0, what was not sent whole, and a session without QUIT, lose nothing", "expire_0_keeps_what_was_not_sent_whole")


@rule("2449", "6.7", "MUST", "EXPIRE is NEVER or a number of days", "EXPIRE")
def expire(site):
    with site.greeted() as session:
        arguments = capabilities(session)["EXPIRE"]
        assert re.fullmatch("NEVER|[0-9]+( USER)?", " ".join(arguments)), arguments


@rule("2449", "8.1.2", "MUST", "A login refused for the lock says [IN-USE]", "RESP-CODES")
def in_use(site):
    user = site.mailbox()
    with site.session(user), site.greeted() as second:
        second.must("USER " + user)
        assert second.refused("PASS " + PASSWORD).startswith("-ERR [IN-USE] ")


# ---- RFC 2595 and 8314: TLS

@rule("2595", "4", "MUST", "STLS: +OK, then the handshake, then AUTHORIZATION again without another greeting", "STLS")
def stls(site):
    user = site.mailbox(message(1))
    with site.greeted() as session:
        session.stls()
        session.login(user, PASSWORD)
        equal(body_of(session.retr(1)), body_of(message(1)))
        session.quit()


by_dialogue("2595", "2.3", "MUST", "It can be configured that no password is taken without encryption", "auth_never_in_the_clear")


@rule("2595", "4", "MUST", "STLS when TLS is active or after login gets -ERR", "STLS")
def stls_twice(site):
    user = site.mailbox()
    with site.greeted() as session:
        session.stls()
        session.refused("STLS")
        session.login(user, PASSWORD)
        session.refused("STLS")
    with site.greeted("pop3s") as session:
        session.refused("STLS")


@rule("2595", "4", "MUST", "What the client said before the handshake is forgotten", "STLS")
def stls_forgets(site):
    user = site.mailbox()
    with site.greeted() as session:
        session.must("USER " + user)
        session.stls()
        session.refused("PASS " + PASSWORD)


@rule("2595", "4", "MUST", "What stands behind STLS in one packet is never run after the handshake", "STLS")
def stls_injection(site):
    with site.greeted() as session:
        session.stream.send(b"STLS\r\nCAPA\r\n")
        try:
            session.reply()
            session.stream.start_tls()
            session.stream.socket.settimeout(1)
            session.stream.fill()
        except (Closed, OSError, ssl.SSLError, AssertionError):
            return
        raise AssertionError("the command was run: %r" % bytes(session.stream.buffer))


@rule("2595", "4", "MUST", "CAPA names STLS before TLS and not under it", "STLS")
def stls_in_capa(site):
    with site.greeted() as session:
        session.stls()
        assert "STLS" not in capabilities(session)
    with site.greeted("pop3s") as session:
        assert "STLS" not in capabilities(session)


@rule("8314", "3.2", "MUST", "POP3 over TLS from the first octet, with the greeting inside")
def implicit_tls(site):
    user = site.mailbox(message(1))
    with site.session(user, "pop3s") as session:
        equal(body_of(session.retr(1)), body_of(message(1)))
        session.quit()


@rule("8314", "4.1", "MUST", "TLS 1.2 and 1.3 are spoken, older ones are not")
def tls_versions(site):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = mailstead.no_verify_context()
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(site.ports["pop3s"], mailstead.TIMEOUT) as plain, context.wrap_socket(plain) as stream:
            assert stream.recv(3) == b"+OK"
    context = mailstead.no_verify_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(site.ports["pop3s"], mailstead.TIMEOUT) as plain:
        try:
            context.wrap_socket(plain).close()
        except (ssl.SSLError, ConnectionError):
            return
    raise AssertionError("TLS 1.1 is spoken")


by_dialogue("8314", "4.1", "SHOULD", "A password in the clear from afar is refused before it is said", "passwords_in_the_clear")


# ---- RFC 3206: response codes

@rule("3206", "4, 6", "MUST", "With AUTH-RESP-CODE, wrong credentials are refused with [AUTH]", "AUTH-RESP-CODE")
def auth_code(site):
    user = site.mailbox()
    with site.greeted() as session:
        for name in (user, "nobody"):
            session.must("USER " + name)
            assert session.refused("PASS wrong").startswith("-ERR [AUTH] ")


by_dialogue("3206", "4", "MUST", "A login that fails for a passing trouble says [SYS/TEMP]", "a_mailbox_that_cannot_be_opened_now")
by_dialogue("3206", "4", "MUST", "A message that is gone for good says [SYS/PERM]", "a_message_that_vanished")


# ---- RFC 5034: AUTH

@rule("5034", "3", "MUST", "SASL in CAPA names the mechanisms, and each named one works", "SASL")
def sasl_mechanisms(site):
    user = site.mailbox()
    with site.greeted() as session:
        mechanisms = capabilities(session)["SASL"]
    assert mechanisms
    for mechanism in mechanisms:
        with site.greeted() as session:
            session.stream.send(("AUTH %s\r\n" % mechanism).encode())
            assert session.stream.line().startswith(b"+ "), mechanism
    if "PLAIN" in mechanisms:
        with site.greeted() as session:
            session.must("AUTH PLAIN " + encoded("", user, PASSWORD))
            session.must("STAT")


@rule("5034", "4", "MUST", "A challenge is a plus sign, a blank and base64; an empty one has nothing behind the blank", "SASL")
def sasl_challenge(site):
    user = site.mailbox()
    with site.greeted() as session:
        equal(raw(session.stream, "AUTH PLAIN"), b"+ \r\n")
        session.must(encoded("", user, PASSWORD))
        session.must("STAT")


@rule("5034", "4", "MUST", "A response may come with the command; `=` there is an empty one, and not a missing one", "SASL")
def sasl_initial_response(site):
    user = site.mailbox()
    with site.greeted() as session:
        session.must("AUTH PLAIN " + encoded("", user, PASSWORD))
        session.must("STAT")
    with site.greeted() as session:
        # An empty response to PLAIN is a wrong one: the server must not ask for another.
        session.refused("AUTH PLAIN =")
        session.login(user, PASSWORD)


@rule("5034", "4", "MUST", "`*` ends the exchange with -ERR, and the session goes on", "SASL")
def sasl_cancel(site):
    user = site.mailbox()
    with site.greeted() as session:
        raw(session.stream, "AUTH PLAIN")
        session.refused("*")
        session.login(user, PASSWORD)


@rule("5034", "4", "MUST", "A response that is not base64, and a mechanism that is not known, get -ERR", "SASL")
def sasl_nonsense(site):
    user = site.mailbox()
    with site.greeted() as session:
        raw(session.stream, "AUTH PLAIN")
        session.refused("!!!")
        session.refused("AUTH NO-SUCH-MECHANISM")
        session.refused("AUTH PLAIN " + encoded("", user, "wrong"))
        session.must("AUTH PLAIN " + encoded("", user, PASSWORD))


@rule("5034", "4", "MUST", "AUTH after login gets -ERR", "SASL")
def sasl_after_login(site):
    with site.session(site.mailbox()) as session:
        session.refused("AUTH PLAIN")


@rule("5034", "4", "MUST", "A response may be as long as the mechanism makes it, whatever the limit of commands", "SASL")
def sasl_long_response(site):
    user = site.mailbox()
    with site.greeted() as session:
        raw(session.stream, "AUTH PLAIN")
        session.refused(encoded("", user, "x" * 3000))
        session.login(user, PASSWORD)


@rule("5034", "4", "MUST", "AUTH takes the lock like any login", "SASL")
def sasl_takes_the_lock(site):
    user = site.mailbox()
    with site.session(user), site.greeted() as second:
        second.refused("AUTH PLAIN " + encoded("", user, PASSWORD))


by_dialogue("5034", "4", "MUST", "What a mechanism has to say with its success goes as a challenge, which the client answers with an empty line (SCRAM-SHA-256)",
            "auth_scram")
by_dialogue("5034", "4", "MUST", "Who does not answer it so is not logged in", "auth_scram_heard_and_not_acknowledged")
by_dialogue("5802", "5", "MUST", "A SCRAM proof of another password, name or nonce is refused", "auth_scram_that_goes_wrong")
by_dialogue("5802", "6", "MUST", "SCRAM-SHA-256-PLUS is bound to its TLS connection; a client that did not see it offered is refused", "auth_scram_plus")
by_dialogue("5034", "4", "MUST", "PLAIN is neither offered nor taken where it could be overheard", "auth_never_in_the_clear")


# ---- RFC 6856: LANG

@rule("6856", "3.2", "MUST", "LANG lists language tags, each with the language's own name for itself", "LANG")
def lang_list(site):
    with site.greeted() as session:
        languages = session.listing("LANG")
        assert languages
        for line in languages:
            assert re.fullmatch("[A-Za-z0-9-]+( .+)?", line), line


@rule("6856", "3.2", "MUST", "LANG range: +OK, the tag, and from then on texts in that language, in UTF-8", "LANG")
def lang_choice(site):
    user = site.mailbox()
    with site.greeted() as session:
        tags = [line.split(" ")[0] for line in session.listing("LANG")]
        texts = set()
        for tag in tags:
            equal(session.must("LANG " + tag).split(" ")[1], tag)
            line = raw(session.stream, "XYZZY")
            texts.add(line.decode("utf-8"))
        equal(len(texts), len(tags), "different texts")
        session.login(user, PASSWORD)
        session.must("LANG *")


@rule("6856", "3.2", "MUST", "LANG of a language that is not there: -ERR, and the language stays", "LANG")
def lang_unknown(site):
    with site.greeted() as session:
        tag = session.listing("LANG")[-1].split(" ")[0]
        session.must("LANG " + tag)
        before = session.refused("XYZZY")
        session.refused("LANG MUL")
        equal(session.refused("XYZZY"), before)


# ---- RFC 6856: UTF8

UTF8_HEAD = ("Subject: Grüße, 日本語\r\nFrom: Jürgen <jürgen@example.org>\r\nTo: Zoë <zoe@bücher.example>\r\n"
             "Content-Type: multipart/mixed; boundary=b\r\n\r\n")
UTF8_MESSAGE = (UTF8_HEAD + "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nbödy\r\n"
                "--b\r\nContent-Disposition: attachment; filename=\"é.txt\"\r\n\r\nx\r\n--b--\r\n").encode()


@rule("6856", "2", "MUST", "UTF8 is announced before login and after it, the same", "UTF8")
def utf8_in_capa(site):
    user = site.mailbox()
    with site.greeted() as session:
        before = capabilities(session)["UTF8"]
        session.login(user, PASSWORD)
        equal(capabilities(session)["UTF8"], before)


@rule("6856", "2, 2.1", "MUST", "UTF8 is a command of AUTHORIZATION without arguments", "UTF8")
def utf8_command(site):
    user = site.mailbox()
    with site.greeted() as session:
        session.refused("UTF8 x")
        session.must("UTF8")
        session.login(user, PASSWORD)
        session.refused("UTF8")


@rule("6856", "2.1", "MUST", "In UTF-8 mode messages are sent as they are", "UTF8")
def utf8_mode(site):
    user = site.mailbox(UTF8_MESSAGE)
    with site.greeted() as session:
        session.must("UTF8")
        session.login(user, PASSWORD)
        copy = session.retr(1)
        assert copy.endswith(UTF8_MESSAGE), copy
        equal(session.sizes(), [len(copy)])


def ascii_headers(copy):
    """Of the message and its parts."""
    for line in copy.split(b"\r\n"):
        assert line == "bödy".encode() or all(octet < 128 for octet in line), line


@rule("6856", "2.1", "MUST", "Without UTF-8 mode no header holds more than ASCII: a surrogate is sent, or -ERR", "UTF8")
def without_utf8_mode(site):
    user = site.mailbox(UTF8_MESSAGE)
    with site.session(user) as session:
        for line in ("RETR 1", "TOP 1 9"):
            reply = session.command(line)
            if reply.startswith("+OK"):
                ascii_headers(session.stream.dotted())


@rule("6856", "2.1", "SHOULD", "LIST tells what RETR sends, in UTF-8 mode and out of it", "UTF8")
def utf8_sizes(site):
    user = site.mailbox(UTF8_MESSAGE, message(2), b"Subject: caf\xe9\r\n\r\nx\r\n")
    for utf8 in (True, False):
        with site.greeted() as session:
            if utf8:
                session.must("UTF8")
            session.login(user, PASSWORD)
            sizes = session.sizes()
            equal([len(session.retr(number)) for number in (1, 2, 3)], sizes)
            equal(session.stat(), (3, sum(sizes)))
            session.quit()


@rule("6856", "2.1", "SHOULD", "A surrogate says what the message says: RFC 6857", "UTF8")
def surrogate_says_the_same(site):
    user = site.mailbox(UTF8_MESSAGE)
    with site.session(user) as session:
        reply = session.command("RETR 1")
        if reply.startswith("-ERR"):
            assert reply.startswith("-ERR [UTF8]"), reply
            return
        copy = email.message_from_bytes(session.stream.dotted(), policy=email.policy.default)
        equal(copy["Subject"], "Grüße, 日本語")
        assert "jürgen@example.org" in str(email.header.make_header(email.header.decode_header(
            email.message_from_bytes(copy.as_bytes(), policy=email.policy.compat32)["From"]))), copy["From"]
        equal([(each.display_name, each.addr_spec) for each in copy["To"].addresses], [("Zoë", "zoe@xn--bcher-kva.example")])
        text, attachment = copy.iter_parts()
        equal(text.get_content().strip(), "bödy")
        equal(attachment.get_filename(), "é.txt")


@rule("6856", "2.1", "SHOULD", "A unique-id is the same in UTF-8 mode and out of it", "UTF8")
def utf8_unique_ids(site):
    user = site.mailbox(UTF8_MESSAGE, message(2))
    with site.session(user) as session:
        before = session.uidl()
        session.quit()
    with site.greeted() as session:
        session.must("UTF8")
        session.login(user, PASSWORD)
        equal(session.uidl(), before)


@rule("6856", "2.2", "MUST", "With UTF8 USER, names and passwords that are not UTF-8 are refused, UTF-8 ones are compared", "UTF8")
def utf8_names(site):
    with site.greeted() as session:
        if "USER" not in capabilities(session)["UTF8"]:
            return
        for line in (b"USER \xff", b"USER \xc0\xaf", b"USER \xed\xa0\x80"):
            session.stream.send(line + b"\r\n")
            assert session.reply().startswith("-ERR"), line
        session.must("USER ümit@example.org")
        session.stream.send(b"PASS \xff\r\n")
        assert session.reply().startswith("-ERR")
        session.must("USER ümit@example.org")
        session.refused("PASS pässword")


@rule("6856", "2.2", "SHOULD", "Names and passwords are prepared by SASLprep before they are compared", "UTF8")
def names_and_passwords_are_prepared(site):
    with site.greeted() as session:
        if "USER" not in capabilities(session)["UTF8"]:
            return
    user = site.accented()
    # RFC 4013 2.1 and 2.2: letters of full width and marks of their own are composed, a soft hyphen goes, blanks are one.
    names = (user, "\uff41" + user[1:], user[:2] + "\u00ad" + user[2:])
    passwords = (ACCENTED, unicodedata.normalize("NFD", ACCENTED), ACCENTED.replace(" ", "\u3000"), "\u00ad" + ACCENTED)
    for name, password in itertools.product(names, passwords):
        with site.greeted() as session:
            session.login(name, password)
            session.quit()
        with site.greeted() as session:
            session.must("AUTH PLAIN " + encoded("", name, password))
            session.quit()
    with site.greeted() as session:
        session.must("USER " + user)
        session.refused("PASS " + ACCENTED.replace("\u00e9", "e"))
        session.refused("AUTH PLAIN " + encoded("", user.replace("a", "\u00e0"), ACCENTED))


@rule("6856", "2.1", "MAY", "STLS after UTF8 is refused, or begins a session without UTF-8 mode", "UTF8")
def utf8_and_stls(site):
    user = site.mailbox(UTF8_MESSAGE)
    with site.greeted() as session:
        session.must("UTF8")
        if session.command("STLS").startswith("-ERR"):
            return
        session.stream.start_tls()
        session.login(user, PASSWORD)
        if session.command("RETR 1").startswith("+OK"):
            ascii_headers(session.stream.dotted())

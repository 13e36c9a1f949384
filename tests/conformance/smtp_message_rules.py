"""RFC 5321, the message: its content, its trace, sizes and time. See book.py."""

import email.utils
import itertools
import re
import time

import mailstead
from book import Book, equal
from smtp_core_rules import MAIL, SENDER, rcpt, refuses_bare
from smtp_sites import message, received, sent, split, with_what

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed


# ---- 4.1.1.4, 4.5.2: the content

@rule("5321", "4.5.2", "MUST", "A dot in front of a line's first dot is taken away, and nothing else is")
def transparency(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        code, _ = session.data(b"Subject: dots\r\n\r\n..\r\n...\r\n..a\r\n.b\r\nc.\r\n ..\r\n.. \r\n.\r\n")
        equal(code, "250")
    assert site.only(user).endswith(b"\r\n\r\n.\r\n..\r\n.a\r\nb\r\nc.\r\n ..\r\n. \r\n")


@rule("5321", "4.5.2", "MUST", "Every character of a message comes through, and lines of 1000 octets")
def all_characters(site):
    user = site.mailbox()
    text = message("all", bytes(octet for octet in range(1, 128) if octet not in b"\r\n") + b"\r\n" + b"x" * 998 + b"\r\n\r\n\r\n")
    with site.smtp() as session:
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


@rule("5321", "4.1.1.4", "MUST", "CR LF . CR LF ends the message wherever the packets are cut")
def the_end_in_pieces(site):
    user = site.mailbox()
    wire = mailstead.stuffed(message("pieces"))
    with site.smtp() as session:
        for cut in range(1, 6):
            session.envelope(SENDER, [user])
            session.must("DATA", "354")
            session.stream.send(wire[:-cut])
            for octet in wire[-cut:]:
                time.sleep(0.002)
                session.stream.send(bytes([octet]))
            session.expect("250")
    equal([sent(copy) for copy in site.fetch(user)], [message("pieces")] * 5)


@rule("5321", "4.1.1.4, 2.3.8", "MUST", "LF . LF does not end a message")
def lf_dot_lf(site):
    refuses_bare(site, b"\n.\n")


@rule("5321", "4.1.1.4, 2.3.8", "MUST", "Nor do LF . CR LF, CR LF . LF and CR . CR LF")
def halves_of_the_end(site):
    for octets in (b"\n.\r\n", b"\r\n.\n", b"\r.\r\n"):
        refuses_bare(site, octets)


@rule("5321", "4.1.1.4, 2.3.8", "MUST", "Nor do lone CRs, doubled CRs and what has a NUL in it")
def other_false_ends(site):
    for octets in (b"\r.\r", b"\n.\r", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0.\0"):
        refuses_bare(site, octets)


@rule("5321", "4.1.1.4", "MUST", "A message of no line is a message")
def an_empty_message(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        equal(session.data(b".\r\n")[0], "250")
    equal(sent(site.only(user)).strip(), b"")


by_dialogue("5321", "4.2.5, 6.1", "MUST", "A message that cannot be kept is refused at its end, with 452 where there is no room",
            "commit_fails_no_space")
by_dialogue("5321", "4.2.5", "MUST", "A passing trouble is 451, so that the client tries again", "commit_fails_unavailable")


@rule("5321", "6.1", "MUST", "What was confirmed is still there when the server dies right after", settings="[limits]\nrecipients = 100\n")
def confirmed_is_kept(site):
    user = site.mailbox()
    with site.smtp() as session:
        for number in range(5):
            session.deliver(message("number %d" % number), user)
        site.end_without_warning()
    equal([sent(copy) for copy in site.fetch(user)], [message("number %d" % number) for number in range(5)])


# ---- 4.4, 3.7.2, 6.3, 6.4, 7.2: trace

@rule("5321", "4.4", "MUST", "A Received field is put on top: from, by, with, an id, and a date with its zone")
def received_field(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("trace"), user)
    line = received(site.only(user))
    found = re.fullmatch(r"Received: from (\S+) by (\S+) with (\S+) id (\S+?)( for <[^<>]+>)?; (.*)", line)
    assert found, line
    equal(found[1], "client.example")
    equal(found[3], "ESMTP")
    made = email.utils.parsedate_to_datetime(found[6])
    assert made.tzinfo is not None and abs(made.timestamp() - time.time()) < 3600, line


@rule("5321", "4.4", "SHOULD", "It tells what the client called itself, and the address that it came from")
def received_tells_the_address(site):
    user = site.mailbox()
    with site.smtp(hello="EHLO odd.name.example") as session:
        session.deliver(message("trace"), user)
    line = split(site.only(user))[0][b"received"]
    assert b"from odd.name.example" in line and b"[127.0.0.1]" in line, line


@rule("3848", "3", "MUST", "The word behind `with` is SMTP, ESMTP, ESMTPS, ESMTPA or ESMTPSA, as it was")
def kind_of_session_in_the_trace(site):
    user = site.mailbox()
    with site.smtp(hello="HELO client.example") as session:
        session.deliver(message("trace"), user)
    with site.smtp() as session:
        session.starttls()
        session.deliver(message("trace"), user)
    with site.smtp("submission", user) as session:
        session.deliver(message("trace", sender=user), user, sender=user)
    with site.smtp("submissions", user) as session:
        session.deliver(message("trace", sender=user), user, sender=user)
    equal([with_what(copy) for copy in site.fetch(user)], ["SMTP", "ESMTPS", "ESMTPA", "ESMTPSA"])


@rule("5321", "4.4, 7.2", "MUST", "Its `for` names one recipient at most, and nobody is named to another")
def received_names_nobody(site):
    users = [site.mailbox() for _ in range(3)]
    with site.smtp() as session:
        session.deliver(message("trace"), *users)
    for user, other in itertools.permutations(users, 2):
        trace = split(site.only(user))[0]
        assert other.encode() not in b"".join(trace.values()), trace


@rule("5321", "4.4", "MUST", "At the final delivery one Return-Path with the reverse-path is put on top")
def return_path(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("path"), user)
    trace = split(site.only(user))[0]
    equal(trace[b"return-path"].split(), [b"Return-Path:", b"<%s>" % SENDER.encode()])


@rule("5321", "4.4, 3.7.2", "MUST", "Received fields of others are left as they are and where they are")
def received_of_others(site):
    user = site.mailbox()
    text = (b"Received: from one.example by two.example; Sat, 1 Jan 2000 00:00:00 +0000\r\n"
            b"received:from zero.example (odd\r\n\t one) by one.example;\r\n  Sat, 1 Jan 2000 00:00:00 -0000\r\n") + message("others")
    with site.smtp() as session:
        session.deliver(text, user)
    assert site.only(user).endswith(b"\r\n" + text)


@rule("5321", "6.4", "MUST", "Mail from other servers is not repaired: a header that lacks something comes as it was sent")
def nothing_is_repaired(site):
    user = site.mailbox()
    text = b"To: undisclosed\r\nBcc: secret@elsewhere.example\r\nX-Odd  : blanks\r\n\r\nText.\r\n"
    with site.smtp() as session:
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


@rule("5321", "6.3", "SHOULD", "A loop is found by its Received fields, of which at least 100 are no reason yet")
def loops(site):
    user = site.mailbox()
    hop = b"Received: from a.example by b.example; Sat, 1 Jan 2000 00:00:00 +0000\r\n"
    with site.smtp() as session:
        session.deliver(hop * 98 + message("hops"), user)
        session.envelope(SENDER, [user])
        code, _ = session.data(hop * 120 + message("loop") + b".\r\n")
    found = site.fetch(user)
    if code == "250":
        assert not any(b"Subject: loop" in copy for copy in found), "it goes round"
    equal(len(found), 1)


# ---- 4.5.1: postmaster

@rule("5321", "4.5.1", "MUST", "Postmaster is a recipient in every domain that the server delivers for, without a domain too, in any case")
def postmaster(site):
    site.mailbox()
    with site.smtp() as session:
        session.must(MAIL)
        for path in ("postmaster@example.org", "PostMaster@Example.Org", "Postmaster", "postmaster"):
            session.must(rcpt(path))


by_dialogue("5321", "4.5.1", "MUST", "Mail for Postmaster without a domain reaches somebody", "postmaster_needs_no_domain")


# ---- 4.5.3.1: sizes that have to be taken

@rule("5321", "4.5.3.1.1, 4.5.3.1.3", "MUST", "A local part of 64 octets and a path of 256 are taken")
def long_addresses(site):
    user = site.mailbox()
    with site.smtp() as session:
        local = "x" * 64 + "@elsewhere.example"
        session.deliver(message("long"), user, sender=local)
        path = "x" * 64 + "@" + ".".join(["y" * 61] * 3) + ".abc"
        path = path[:-3] + "z" * (254 - len(path) + 3)
        equal(len(path), 254)
        session.deliver(message("long"), user, sender=path)
    equal([split(copy)[0][b"return-path"].partition(b":")[2].strip() for copy in site.fetch(user)],
          [b"<%s>" % local.encode(), b"<%s>" % path.encode()])


@rule("5321", "4.5.3.1.2", "MUST", "A domain of 255 octets is taken as a name of the client")
def long_domains(site):
    name = ".".join(["y" * 63] * 4)
    equal(len(name), 255)
    with site.smtp(hello=None) as session:
        session.must("EHLO " + name)


@rule("5321", "4.5.3.1.4", "MUST", "A command line of 512 octets, CRLF included, is read")
def long_commands(site):
    user = site.mailbox()
    with site.smtp() as session:
        for line in ("NOOP " + "x" * 505, MAIL + " " * (510 - len(MAIL)), rcpt(user) + " " * (510 - len(rcpt(user)))):
            equal(len(line), 510)
            session.must(line)


@rule("5321", "4.5.3.1.9", "SHOULD", "A line over the limit gets 500, a path over it 501, and the session goes on")
def over_the_limits(site):
    with site.smtp() as session:
        equal(session.command("NOOP " + "x" * 5000)[0], "500")
        equal(session.command("MAIL FROM:<%s@elsewhere.example>" % ("x" * 300))[0], "501")
        session.must(MAIL)


@rule("5321", "4.5.3.1.6", "MUST", "A text line of 1000 octets, CRLF included and the added dot not, is taken")
def long_lines(site):
    user = site.mailbox()
    text = message("lines", b"x" * 998 + b"\r\n" + b"." + b"y" * 997 + b"\r\n").replace(b"Subject: lines", b"Subject: " + b"z" * 989)
    with site.smtp() as session:
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


@rule("5321", "4.5.3.1.7", "MUST", "A message of 64 KiB is taken")
def sixty_four_kibibytes(site):
    user = site.mailbox()
    text = message("long", b"0123456789abcdef" * 3 + b"\r\n")
    text += b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc.\r\n" * 1024
    with site.smtp() as session:
        session.deliver(text, user)
    equal(sent(site.only(user)), text)


@rule("5321", "4.5.3.1.8", "MUST", "100 recipients of one message are taken, and all of them get it")
def a_hundred_recipients(site):
    users = [site.mailbox() for _ in range(100)]
    with site.smtp() as session:
        session.must(MAIL)
        session.stream.send("".join(rcpt(user) + "\r\n" for user in users).encode())
        for user in users:
            equal(session.reply()[0], "250", user)
        equal(session.data(message("hundred") + b".\r\n")[0], "250")
    for user in (users[0], users[50], users[99]):
        site.only(user)


by_dialogue("5321", "4.5.3.1.10", "MUST", "Recipients over the limit get 452, those before them are kept", "too_many_recipients")


# ---- 4.5.3.2: time

departed("5321", "4.5.3.2.7", "SHOULD", "The server waits 5 minutes for a command",
         "after EHLO it does; before, 60 s: who has not said a word loses nothing, and connections that say nothing are the cheapest attack")
by_dialogue("5321", "4.5.3.2, 3.8", "MUST",
            "A time-out is said with 421, and nothing of a message under way is kept", "a_time_out_says_421")

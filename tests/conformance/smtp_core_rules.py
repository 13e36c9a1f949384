"""RFC 5321, the dialogue: what binds a server that takes mail. See book.py."""

import re

import mailstead
from book import Book, equal
from mailstead import Closed
from smtp_sites import message, sent, split

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed

SENDER = "sender@elsewhere.example"
MAIL = "MAIL FROM:<%s>" % SENDER
# RFC 5321 4.3.2, and what 4.2.2 and 3.8 let any command have.
CODES = {"EHLO": "250 504 550 502", "HELO": "250 504 550 502", "MAIL": "250 552 451 452 550 553 503 455 555",
         "RCPT": "250 251 550 551 552 553 450 451 452 503 455 555", "DATA": "354 503 554 451 452", "RSET": "250",
         "VRFY": "250 251 252 550 551 553 502 504", "EXPN": "250 252 550 502 504", "HELP": "211 214 502 504", "NOOP": "250",
         "QUIT": "221"}
ANY = "421 500 501"


def rcpt(user):
    return "RCPT TO:<%s>" % user


def refuses_bare(site, octets, service="smtp"):
    """A message with these octets in it is refused, or it is taken as one and they are what they were."""
    user, victim = site.mailbox(), site.mailbox()
    with site.smtp(service) as session:
        session.envelope(SENDER, [user])
        session.must("DATA", "354")
        session.stream.send(b"Subject: carrier\r\n\r\nfirst" + octets + ("%s\r\n%s\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
                            % (MAIL, rcpt(victim))).encode())
        reply = session.reply()
        assert reply[0] in ("250", "550", "554", "521", "500"), reply
        session.stream.send(b"QUIT\r\n")
        rest = session.stream.rest()
        assert re.fullmatch(rb"(221[^\r\n]*\r\n)?", rest), "more than one reply: %r" % rest
    equal(site.fetch(victim), [], "what was behind the false end")


# ---- 2: the model

@rule("5321", "2.3.8", "MUST", "Nothing but CR LF ends a line: a command in front of a bare LF or CR is none")
def commands_end_with_crlf(site):
    for end in ("\n", "\r", "\n\r"):
        with site.smtp_stream() as stream:
            stream.line()
            stream.send(("EHLO client.example%sNOOP%sRSET%sQUIT\r\n" % (end, end, end)).encode())
            stream.socket.shutdown(1)
            wire = stream.rest()
            assert not re.search(rb"^250", wire, re.MULTILINE), (end, wire)


@rule("5321", "2.3.8", "MUST", "A CR or LF alone in a message ends no line: the message is refused, or keeps it as it is")
def bare_cr_and_lf_end_no_line(site):
    for bare in (b"\n", b"\r"):
        user = site.mailbox()
        with site.smtp() as session:
            session.envelope(SENDER, [user])
            code, _ = session.data(message("bare", b"a" + bare + b"b\r\n") + b".\r\n")
        if code == "250":
            assert site.only(user).endswith(b"\r\na" + bare + b"b\r\n"), "changed"
        else:
            assert code[0] == "5", code


@rule("5321", "2.4", "MUST", "Commands, FROM:, TO: and domains have no case")
def no_case(site):
    user = site.mailbox()
    name, domain = user.split("@")
    with site.smtp(hello="eHlO client.example") as session:
        for line in ("mAiL fRoM:<%s>" % SENDER, "rCpT tO:<%s@%s>" % (name, domain.upper()), "rSeT", "nOoP", "vRfY " + user):
            session.must(line)
        session.envelope(SENDER, [user])
        session.must("dAtA", "354")
        session.stream.send(message("case") + b".\r\n")
        session.expect("250")
        session.must("qUiT", "221")
    site.only(user)


@rule("5321", "2.4", "MUST", "The case of a sender's local part is kept")
def case_of_the_local_part(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("case"), user, sender="SeNdEr@elsewhere.example")
    assert b"<SeNdEr@" in split(site.only(user))[0][b"return-path"]


@rule("5321", "2.4, 4.1.2", "MUST", "A command whose address holds octets beyond ASCII is refused")
def commands_are_ascii(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.refused(b"MAIL FROM:<s\xe9nder@elsewhere.example>", "5")
        session.must(MAIL)
        session.refused(b"RCPT TO:<\xff%s>" % user.encode(), "5")
        session.must(rcpt(user))


# ---- 3.1 and 4.2: greeting and replies

@rule("5321", "3.1, 4.3.1", "MUST", "The server speaks first: 220")
def greeting(site):
    with site.smtp_stream() as stream:
        assert stream.line().startswith((b"220 ", b"220-"))


@rule("5321", "4.2, 4.3.1", "MUST", "The greeting names the server by a fully qualified domain or an address literal")
def greeting_names_the_server(site):
    with site.smtp_stream() as stream:
        line = stream.line()
        assert re.match(rb"220[ -]([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[^\]]+\])( |$)", line), line


by_dialogue("5321", "3.1", "MUST", "Who is told 554 in the place of a greeting hears 503 to everything but QUIT, and may say QUIT",
            "policy_refuses_the_connection")


@rule("5321", "4.2.1", "MUST", "A reply is a code of three digits, a blank or hyphen, a text; all lines of one have the same code")
def form_of_replies(site):
    user = site.mailbox()
    with site.smtp() as session:
        for line in ("EHLO client.example", "HELP", "NOOP", "XYZZY", "VRFY x", MAIL, rcpt(user), rcpt("nobody@example.org"), "RSET",
                     "DATA", "EXPN x", "MAIL", "HELO client.example"):
            lines = session.wire(line)
            for each in lines:
                assert re.fullmatch(rb"[2-5][0-5][0-9]([ -][\t -~]*)?", each), (line, each)
                equal(each[:3], lines[0][:3], line)


@rule("5321", "4.5.3.1.5", "MUST", "A line of a reply has at most 512 octets, CRLF included")
def short_replies(site):
    user = site.mailbox()
    with site.smtp() as session:
        for line in ("EHLO " + "x" * 240, "VRFY " + "x" * 490, "MAIL FROM:<%s@%s>" % ("x" * 64, "y." * 80 + "example"), "RSET", MAIL,
                     rcpt("x" * 64 + "@example.org"), rcpt("z" * 200 + "@example.org"), "Z" * 500, rcpt(user), "HELP " + "x" * 400):
            for each in session.wire(line):
                assert len(each) + 2 <= 512, (line, len(each))


@rule("5321", "4.3.2", "SHOULD", "A command is answered by one of the codes that the table has for it")
def codes_of_commands(site):
    user = site.mailbox()
    with site.smtp(hello=None) as session:
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<x>", "DATA", "EHLO", "HELO", "HELO client.example", "EHLO client.example", "RSET",
                     "RCPT TO:<x@y.example>", "DATA", "MAIL FROM:<>", MAIL, "RCPT TO:<>", rcpt("x@elsewhere.example"),
                     rcpt("nobody@example.org"), "VRFY " + user, "EXPN " + user, "HELP", "NOOP", "RSET", "MAIL FROM:<x", "QUIT"):
            code = session.command(line)[0]
            verb = line.split(" ")[0]
            assert code in (CODES[verb] + " " + ANY).split(), "%r was answered with %s" % (line, code)


@rule("5321", "4.2.4", "SHOULD", "A command that is not known at all gets 500, one that is known and not there 502")
def unknown_and_not_there(site):
    with site.smtp() as session:
        for line in ("XYZZY", "", "MAILX FROM:<a@b.example>", "HELO2 x"):
            equal(session.command(line)[0], "500", line)
        for line in ("TURN", "SEND FROM:<a@b.example>", "SOML FROM:<a@b.example>", "SAML FROM:<a@b.example>"):
            equal(session.command(line)[0], "502", line)


# ---- 3.2, 4.1.1.1: EHLO and HELO

@rule("5321", "3.2, 4.5.1", "MUST", "EHLO and HELO are there; HELO is not answered in EHLO's way")
def ehlo_and_helo(site):
    with site.smtp(hello=None) as session:
        equal(len(session.wire("HELO client.example")), 1)
        assert len(session.wire("EHLO client.example")) > 1


@rule("5321", "4.1.1.1", "MUST",
      "The first line of the reply to EHLO begins with the server's name; each other is a keyword and its parameters")
def form_of_the_ehlo_reply(site):
    for service in ("smtp", "submission", "submissions"):
        with site.smtp(service, hello=None) as session:
            name = session.greeting.split(" ")[0].encode()
            first, *others = session.wire("EHLO client.example")
            equal(re.split(rb"[ ]", first[4:])[0], name)
            for line in others:
                assert re.fullmatch(rb"250[ -][A-Za-z0-9][A-Za-z0-9-]*( [!-~]+)*", line), line
            keywords = [line[4:].split(b" ")[0].upper() for line in others]
            equal(len(keywords), len(set(keywords)), "keywords, each once")


@rule("5321", "4.1.1.1", "MUST", "EHLO and HELO without a name are refused: 501")
def ehlo_without_a_name(site):
    with site.smtp(hello=None) as session:
        for line in ("EHLO", "HELO", "EHLO "):
            equal(session.command(line)[0], "501", line)
        session.must("EHLO client.example")


@rule("5321", "4.1.4", "MUST", "A name that does not fit the client is no reason to refuse its mail")
def any_name_will_do(site):
    user = site.mailbox()
    names = ("[127.0.0.1]", "[192.0.2.77]", "[IPv6:2001:db8::1]", "no-such-host.example", "localhost", "x")
    for name in names:
        with site.smtp(hello="EHLO " + name) as session:
            session.deliver(message("name"), user)
    equal(len(site.fetch(user)), len(names))


@rule("5321", "4.1.4", "MUST", "EHLO in a session drops the transaction, as RSET does")
def ehlo_resets(site):
    user = site.mailbox()
    for line in ("EHLO client.example", "HELO client.example"):
        with site.smtp() as session:
            session.envelope(SENDER, [user])
            session.must(line)
            session.refused("DATA", "503")
            session.refused(rcpt(user), "503")


@rule("5321", "4.1.4", "MUST", "A refused EHLO, and a command that cannot be read, leave the session in the state it was in")
def refusals_change_no_state(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        for line in ("EHLO", "XYZZY", "RCPT", "RCPT TO:", "RCPT TO:<>", "MAIL", "NOOP2", "RSET now"):
            session.refused(line, "5")
        code, _ = session.data(message("state") + b".\r\n")
        equal(code, "250")
    site.only(user)


@rule("5321", "4.1.4", "SHOULD", "NOOP, HELP, EXPN, VRFY, RSET and QUIT may be said before EHLO")
def before_ehlo(site):
    for line in ("NOOP", "HELP", "RSET", "VRFY x", "EXPN x", "QUIT"):
        with site.smtp(hello=None) as session:
            code = session.command(line)[0]
            assert code[0] == "2" or code in ("502", "550", "504"), (line, code)


@rule("5321", "4.1.4", "MUST", "What comes too early gets 503 and changes nothing: MAIL, RCPT, DATA, each before what it needs")
def order_of_commands(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.refused(rcpt(user), "503")
        session.refused("DATA", "503")
        session.must(MAIL)
        assert session.command("DATA")[0] in ("503", "554")
        session.must(rcpt(user))
        equal(session.data(message("order") + b".\r\n")[0], "250")
        session.refused("DATA", "503")
    site.only(user)


@rule("5321", "4.1.4", "SHOULD", "MAIL before any EHLO or HELO gets 503")
def mail_before_ehlo(site):
    with site.smtp(hello=None) as session:
        session.refused(MAIL, "503")


@rule("5321", "3.3, 4.1.4", "MUST", "A second MAIL in a transaction gets 503, and the first one stays")
def nested_mail(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.must(MAIL)
        session.refused("MAIL FROM:<other@elsewhere.example>", "503")
        session.must(rcpt(user))
        equal(session.data(message("nested") + b".\r\n")[0], "250")
    assert b"<%s>" % SENDER.encode() in split(site.only(user))[0][b"return-path"]


# ---- 3.3, 4.1.1.2 to 4.1.1.4: a transaction

@rule("5321", "3.3", "MUST", "MAIL, RCPT, DATA: 250, 250, 354, 250, and the message is there as it was sent")
def a_transaction(site):
    user = site.mailbox()
    text = message("whole", b"line 1\r\n.line 2\r\n..line 3\r\n.\r\nlast\r\n")
    with site.smtp() as session:
        equal(session.command(MAIL)[0], "250")
        equal(session.command(rcpt(user))[0], "250")
        equal(session.command("DATA")[0], "354")
        session.stream.send(mailstead.stuffed(text))
        equal(session.reply()[0], "250")
    equal(sent(site.only(user)), text)


@rule("5321", "4.1.4", "MUST", "A session may carry any number of messages, each with an envelope of its own")
def several_messages(site):
    users = [site.mailbox() for _ in range(3)]
    with site.smtp() as session:
        for number, user in enumerate(users):
            session.deliver(message("number %d" % number), user, sender="sender%d@elsewhere.example" % number)
    for number, user in enumerate(users):
        copy = site.only(user)
        assert b"<sender%d@" % number in split(copy)[0][b"return-path"]
        equal(sent(copy), message("number %d" % number))


@rule("5321", "3.3", "MUST", "Each recipient is answered for itself, and those that were accepted get the message")
def recipients_for_themselves(site):
    users = [site.mailbox(), site.mailbox()]
    with site.smtp() as session:
        session.must(MAIL)
        session.must(rcpt(users[0]))
        session.refused(rcpt("nobody@example.org"), "55")
        session.must(rcpt(users[1]))
        equal(session.data(message("two") + b".\r\n")[0], "250")
    for user in users:
        site.only(user)


@rule("5321", "3.3", "MUST", "DATA after nothing but refused recipients is 503 or 554, or is refused at its end; nothing of it is run")
def data_without_recipients(site):
    with site.smtp() as session:
        session.must(MAIL)
        session.refused(rcpt("nobody@example.org"), "55")
        code = session.command("DATA")[0]
        if code == "354":
            session.stream.send(b".\r\n")
            code = session.reply()[0]
        assert code in ("503", "554"), code
        session.must("RSET")


@rule("5321", "3.3, 4.2.5", "MUST", "There is one reply to the end of a message, and after it no transaction is open")
def one_reply_to_the_end(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("one"), user)
        session.refused(rcpt(user), "503")
        session.stream.send(b"QUIT\r\n")
        assert re.fullmatch(rb"221[^\r\n]*\r\n", session.stream.rest())


@rule("5321", "4.5.5, 3.6.3", "MUST", "The null reverse-path is a good sender")
def null_reverse_path(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("null"), user, sender="")
    equal(split(site.only(user))[0][b"return-path"].split()[1], b"<>")


@rule("5321", "4.1.1.3", "MUST", "The null path is no recipient")
def null_recipient(site):
    with site.smtp() as session:
        session.must(MAIL)
        session.refused("RCPT TO:<>", "5")


@rule("5321", "4.1.1.2, 4.1.1.3", "MUST",
      "A path stands in angle brackets behind FROM: or TO:; what does not is refused, and the session goes on")
def syntax_of_paths(site):
    user = site.mailbox()
    with site.smtp() as session:
        for line in ("MAIL", "MAIL FROM", "MAIL FROM:", "MAIL <a@b.example>", "MAIL TO:<a@b.example>", "MAIL FROM:<a@b.example",
                     "MAIL FROM:<a@b.example>x", "MAIL FROM:<@b.example>", "MAIL FROM:<a@>", "MAIL FROM:<a b@c.example>",
                     "MAIL FROM:<a..b@c.example>", "MAIL FROM:<.a@c.example>", "MAIL FROM:<a@-c.example>", "MAIL FROM:<a@c..example>"):
            session.refused(line, "50" if line in ("MAIL", "MAIL FROM", "MAIL FROM:") else "5")
        session.must(MAIL)
        session.must(rcpt(user))


@rule("5321", "4.1.2", "MUST", "A quoted local part means the same as the one without quotes and quoted pairs")
def quoted_local_parts(site):
    user = site.mailbox()
    name, domain = user.split("@")
    for written in ('"%s"@%s' % (name, domain), '"\\%s"@%s' % (name, domain)):
        with site.smtp() as session:
            session.deliver(message("quoted"), written)
    equal(len(site.fetch(user)), 2)


@rule("5321", "4.1.2", "MUST",
      "Any printable character may stand in quotes or by itself where the grammar lets it, and is kept in the return path")
def strange_local_parts(site):
    user = site.mailbox()
    senders = ('"a b"@elsewhere.example', '"a\\"b"@elsewhere.example', "a!#$%&'*+-/=?^_`{|}~b@elsewhere.example", '"<>@,;:"@elsewhere.example')
    for sender in senders:
        with site.smtp() as session:
            session.deliver(message("strange"), user, sender=sender)
    equal([split(copy)[0][b"return-path"].partition(b":")[2].strip().decode() for copy in site.fetch(user)],
          ["<%s>" % sender for sender in senders])


@rule("5321", "4.1.2", "MUST", "No address with control characters is taken")
def control_characters(site):
    for character in "\x00\x01\x07\x08\x1b\x7f":
        with site.smtp() as session:
            try:
                session.refused('MAIL FROM:<"a%sb"@elsewhere.example>' % character, "5")
                session.refused("MAIL FROM:<a%sb@elsewhere.example>" % character, "5")
            except Closed:
                pass


@rule("5321", "4.1.3", "MUST", "Address literals of both kinds are domains")
def address_literals(site):
    user = site.mailbox()
    with site.smtp() as session:
        for literal in ("[192.0.2.1]", "[IPv6:2001:db8::1]", "[IPv6:::1]"):
            session.deliver(message("literal"), user, sender="sender@" + literal)
        for wrong in ("[192.0.2.256]", "[192.0.2]", "[IPv6:1::2::3]", "192.0.2.1]", "[192.0.2.1"):
            session.refused("MAIL FROM:<sender@%s>" % wrong, "5")
    equal(len(site.fetch(user)), 3)


@rule("5321", "3.6.1, C, F.2", "MUST", "The syntax of a source route is read; it SHOULD be left out of account")
def source_routes(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.must("MAIL FROM:<@a.example,@b.example:%s>" % SENDER)
        session.must("RCPT TO:<@a.example,@b.example:%s>" % user)
        equal(session.data(message("route") + b".\r\n")[0], "250")
    assert b"<%s>" % SENDER.encode() in split(site.only(user))[0][b"return-path"]


@rule("5321", "3.6.2", "SHOULD", "Mail for others from a stranger is refused with 550")
def no_relaying(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.must(MAIL)
        session.refused(rcpt("x@elsewhere.example"), "550")
        session.must(rcpt(user))


@rule("5321", "3.6.2, 7.8", "MUST", "Nor is it taken in any other spelling: routes, percent signs, quotes, two at-signs")
def no_relaying_in_disguise(site):
    user = site.mailbox()
    for path in ("@example.org:x@elsewhere.example", "x%elsewhere.example@example.org", '"x@elsewhere.example"@example.org',
                 "x@elsewhere.example@example.org", "elsewhere.example!x@example.org", user.split("@")[0] + "@elsewhere.example"):
        with site.smtp() as session:
            session.must(MAIL)
            session.refused("RCPT TO:<%s>" % path, "5")


@rule("5321", "4.1.1", "SHOULD", "Commands without parameters refuse any: DATA, RSET, QUIT")
def commands_without_parameters(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        for line in ("DATA now", "RSET now", "QUIT now"):
            equal(session.command(line)[0], "501", line)
        session.must("DATA", "354")


@rule("5321", "4.1.1", "SHOULD", "Blanks at the end of a command do no harm")
def blanks_at_the_end(site):
    user = site.mailbox()
    with site.smtp(hello="EHLO client.example  ") as session:
        for line in ("NOOP ", "RSET  ", MAIL + " ", rcpt(user) + "   "):
            session.must(line)
        session.must("DATA ", "354")
        session.stream.send(message("blanks") + b".\r\n")
        session.expect("250")
        session.must("QUIT ", "221")


@rule("5321", "4.1.1.11", "MUST", "A parameter of MAIL or RCPT that is not known gets 555; without EHLO there is none")
def unknown_parameters(site):
    user = site.mailbox()
    with site.smtp() as session:
        equal(session.command(MAIL + " XYZZY=1")[0], "555")
        session.must(MAIL)
        equal(session.command(rcpt(user) + " XYZZY")[0], "555")
        session.must(rcpt(user))
    with site.smtp(hello="HELO client.example") as session:
        session.refused(MAIL + " XYZZY=1", "5")
        session.must(MAIL)


# ---- 4.1.1.5 to 4.1.1.10: the other commands

@rule("5321", "4.1.1.5", "MUST", "RSET: 250, the transaction is dropped, the session goes on")
def rset(site):
    user, other = site.mailbox(), site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [other])
        equal(session.command("RSET")[0], "250")
        session.refused(rcpt(user), "503")
        session.deliver(message("reset"), user)
        equal(session.command("RSET")[0], "250")
    equal(len(site.fetch(user)), 1)
    equal(site.fetch(other), [])


@rule("5321", "4.1.1.6, 4.1.1.7, 4.1.1.8, 4.1.1.9", "MUST", "VRFY, EXPN, HELP and NOOP leave the transaction as it is")
def harmless_commands(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        for line in ("VRFY " + user, "EXPN list", "HELP", "NOOP"):
            session.command(line)
        equal(session.data(message("harmless") + b".\r\n")[0], "250")
    site.only(user)


@rule("5321", "4.1.1.9", "SHOULD", "NOOP: 250, with or without a parameter")
def noop(site):
    with site.smtp() as session:
        equal(session.command("NOOP")[0], "250")
        equal(session.command("NOOP hello")[0], "250")


@rule("5321", "4.1.1.8", "SHOULD", "HELP is there, with and without a parameter")
def help_(site):
    with site.smtp() as session:
        for line in ("HELP", "HELP MAIL"):
            assert session.command(line)[0] in ("211", "214"), line


@rule("5321", "3.5.3, 7.3", "MUST", "VRFY says 250 only of an address that it knows; who does not want to tell says 252")
def vrfy(site):
    user = site.mailbox()
    with site.smtp() as session:
        for name in (user, "nobody@example.org", "x@elsewhere.example"):
            code, text = session.command("VRFY " + name)
            if code == "250":
                assert name == user and "<" in text, (name, text)
            assert code in ("250", "251", "252", "502", "550", "551", "553"), (name, code)
        equal(session.command("VRFY " + user)[0] == "502", False, "VRFY is not there")


departed("5321", "3.5.1", "SHOULD", "EXPN is there",
         "it tells strangers who is on a list, and 7.3 lets a site leave it out: 502")


@rule("5321", "4.1.1.10, 3.8", "MUST", "QUIT: 221, then the connection closes; a transaction under way is dropped")
def quit_(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        equal(session.command("QUIT")[0], "221")
        equal(session.stream.rest(), b"")
    equal(site.fetch(user), [])


@rule("5321", "3.8", "MUST", "Errors do not end a session: ten wrong commands, and the next good one is answered")
def errors_do_not_end_the_session(site):
    with site.smtp() as session:
        for line in ("XYZZY", "MAIL", "RCPT", "", "DATA x", "STARTTLS x", "A" * 300, "EHLO", "VRFY", "\x01"):
            session.refused(line, "5")
        session.must("NOOP")
        session.must("QUIT", "221")


departed("5321", "3.8, 4.1.1.10", "MUST", "The server closes only after QUIT, a time-out or at a shutdown",
         "421 or 554 and a close also for 20 errors, what a web browser says, what stands in one packet behind DATA or STARTTLS, and a BDAT without a size: attacks, or nobody knows where the next command begins")


@rule("5321", "3.8", "MUST", "A connection that ends without QUIT drops the transaction under way and nothing that was confirmed")
def ends_without_quit(site):
    user, other = site.mailbox(), site.mailbox()
    for end in ("close", "reset"):
        session = site.smtp()
        session.deliver(message(end), user)
        session.envelope(SENDER, [other])
        session.must("DATA", "354")
        session.stream.send(b"Subject: half\r\n\r\nno end\r\n.")
        getattr(session, end)()
    with site.smtp() as session:
        session.deliver(message("last"), user)
    equal(len(site.fetch(user)), 3)
    equal(site.fetch(other), [])


by_dialogue("5321", "3.8", "MUST", "A server that is shut down says 421 to who waits", "a_shutdown_says_421_to_the_idle")
by_dialogue("5321", "3.8", "SHOULD", "A message that is under way at a shutdown is taken, then 421", "a_shutdown_lets_a_message_end")


@rule("5321", "3.9.1", "MUST", "An alias changes the recipient, and neither the sender nor the message")
def aliases(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("alias"), site.alias(user))
    copy = site.only(user)
    assert b"<%s>" % SENDER.encode() in split(copy)[0][b"return-path"]
    equal(sent(copy), message("alias"))

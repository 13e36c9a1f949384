"""DSN, SMTPUTF8 and LMTP: RFC 3461 (what a server that takes mail does), 6531 and 2033. See book.py."""

import email
import email.policy
import re

import mailstead
from book import Book, equal
from smtp_core_rules import MAIL, SENDER, rcpt, refuses_bare
from smtp_extension_rules import chunk, is_silent, without_parameters
from smtp_sites import message, retrieved, sent, split, with_what

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed


# ---- RFC 3461: the parameters

@rule("3461", "4", "MUST", "DSN is announced without parameters", "DSN")
def dsn_keyword(site):
    without_parameters(site, "DSN")


def tries(site, line, good, bad, code="5"):
    """`line` is MAIL or RCPT; each of the good parameters is taken, each of the bad ones refused, and the session goes on."""
    with site.smtp() as session:
        for parameters in (*good, *bad):
            session.must("RSET")
            if not line.startswith("MAIL"):
                session.must(MAIL)
            if parameters in good:
                session.must(line + " " + parameters)
            else:
                # A keyword alone is a parameter of another kind, or one that is not known.
                session.refused(line + " " + parameters, code if "=" in parameters else "5")


@rule("3461", "4.1", "MUST", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY, in any case; anything else is refused", "DSN")
def notify(site):
    tries(site, rcpt(site.mailbox()),
          ("NOTIFY=NEVER", "NOTIFY=SUCCESS", "NOTIFY=FAILURE", "NOTIFY=DELAY", "NOTIFY=SUCCESS,FAILURE,DELAY", "notify=delay,success"),
          ("NOTIFY", "NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=FAILURE,NEVER", "NOTIFY=ALWAYS", "NOTIFY=SUCCESS,", "NOTIFY=,DELAY",
           "NOTIFY=SUCCESS;DELAY"), "501")


@rule("3461", "4.2", "MUST",
      "ORCPT is an address type, a semicolon and an address in xtext of up to 500 octets; anything else is refused", "DSN")
def orcpt(site):
    user = site.mailbox()
    tries(site, rcpt(user), ("ORCPT=rfc822;" + user, "ORCPT=rfc822;a+2Bb+3Dc@example.com", "ORCPT=x400;/C+3DUS/", "orcpt=RFC822;" + user,
                             "ORCPT=rfc822;" + "x" * 474 + "@example.com"),
          ("ORCPT", "ORCPT=", "ORCPT=" + user, "ORCPT=;" + user, "ORCPT=rfc822;a+b@example.com", "ORCPT=rfc822;a+2@example.com",
           "ORCPT=rfc822;a=b@example.com", "ORCPT=rfc822;a+2bb@example.com"), "501")


@rule("3461", "4.3", "MUST", "RET is FULL or HDRS, in any case; anything else is refused", "DSN")
def ret(site):
    tries(site, MAIL, ("RET=FULL", "RET=HDRS", "ret=hdrs"), ("RET", "RET=", "RET=BODY", "RET=FULL,HDRS"), "501")


@rule("3461", "4.4", "MUST", "ENVID is xtext of up to 100 octets; anything else is refused", "DSN")
def envid(site):
    tries(site, MAIL, ("ENVID=QQ314159", "ENVID=a+20b+2B", "ENVID=" + "x" * 100, "envid=1 RET=HDRS SIZE=100 BODY=8BITMIME"),
          ("ENVID", "ENVID=a=b", "ENVID=a+b", "ENVID=a+2", "ENVID=a+2bc", "ENVID=" + "x" * 101), "501")


@rule("3461", "4.1, 4.2, 4.3, 4.4", "MUST", "None of them may be given twice: 501", "DSN")
def parameters_once(site):
    tries(site, MAIL, (), ("RET=FULL RET=FULL", "ENVID=a ENVID=a", "RET=HDRS ENVID=a RET=HDRS"), "501")
    tries(site, rcpt(site.mailbox()), (), ("NOTIFY=DELAY NOTIFY=DELAY", "ORCPT=rfc822;a@b.example ORCPT=rfc822;a@b.example"), "501")


@rule("3461", "4", "MUST", "RET and ENVID are MAIL's, NOTIFY and ORCPT are RCPT's, and all of them EHLO's", "DSN")
def parameters_in_their_place(site):
    user = site.mailbox()
    tries(site, MAIL, (), ("NOTIFY=NEVER", "ORCPT=rfc822;a@b.example"))
    tries(site, rcpt(user), (), ("RET=FULL", "ENVID=a"))
    with site.smtp(hello="HELO client.example") as session:
        session.refused(MAIL + " RET=FULL", "5")
        session.must(MAIL)
        session.refused(rcpt(user) + " NOTIFY=NEVER", "5")


@rule("3461", "4", "MUST", "Commands may be longer by the largest parameters: RCPT by some 530 octets, MAIL by 115", "DSN")
def long_parameters(site):
    user = site.mailbox()
    name = "x" * 64 + "@" + ".".join(["y" * 59] * 3) + ".example"
    with site.smtp() as session:
        session.must("MAIL FROM:<%s> RET=FULL ENVID=%s SIZE=100 BODY=8BITMIME" % (name, "e" * 100))
        session.must("RCPT TO:<%s> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%s" % (user, "x" * 490))
        session.refused("RCPT TO:<%s> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%s" % ("z" * 60 + "@example.org", "x" * 490), "55")


# ---- RFC 3461: the reports

def send_for_report(site, sender, user, at_mail="", at_rcpt="", body=b"Hello.\r\n"):
    with site.smtp() as session:
        session.must("MAIL FROM:<%s>%s" % (sender, at_mail))
        session.must(rcpt(user) + at_rcpt)
        equal(session.data(mailstead.stuffed(message("reported", body)))[0], "250")


def reports(site, sender, number):
    mailstead.until(lambda: len(site.fetch(sender)) >= number, "%d reports" % number)
    found = site.fetch(sender)
    equal(len(found), number, "reports")
    return found


def status(report):
    """(the fields of the message, the fields of the only recipient) of a report."""
    read = email.message_from_bytes(sent(report), policy=email.policy.default)
    equal(read.get_content_type(), "multipart/report")
    equal(read.get_param("report-type"), "delivery-status")
    part, = [each for each in read.walk() if each.get_content_type() == "message/delivery-status"]
    of_message, of_recipient = part.get_payload()
    return of_message, of_recipient


@rule("3461", "5.2.3, 6", "MUST", "NOTIFY=SUCCESS: the sender gets a report that the message was delivered", "DSN")
def success_is_reported(site):
    sender, user = site.mailbox(), site.mailbox()
    send_for_report(site, sender, user, at_rcpt=" NOTIFY=SUCCESS")
    report, = reports(site, sender, 1)
    of_message, of_recipient = status(report)
    equal(of_recipient["Action"], "delivered")
    assert of_recipient["Status"].startswith("2."), of_recipient["Status"]
    equal(of_recipient["Final-Recipient"].replace(" ", "").lower(), "rfc822;" + user)
    assert of_message["Reporting-MTA"].lower().startswith("dns"), of_message["Reporting-MTA"]
    equal(sent(site.only(user)), message("reported"))


@rule("3461", "6.1", "MUST", "A report has the null reverse-path, and goes to the sender in an own To field", "DSN")
def reports_have_no_sender(site):
    sender, user = site.mailbox(), site.mailbox()
    send_for_report(site, sender, user, at_rcpt=" NOTIFY=SUCCESS")
    report, = reports(site, sender, 1)
    equal(split(report)[0][b"return-path"].split()[1], b"<>")
    read = email.message_from_bytes(sent(report), policy=email.policy.default)
    assert sender in read["To"], read["To"]
    assert read["Date"] and read["Message-ID"] and read["From"], "a header field is missing"


@rule("3461", "6.3", "MUST", "It gives ENVID and ORCPT back, decoded", "DSN")
def what_was_given_comes_back(site):
    sender, user = site.mailbox(), site.mailbox()
    send_for_report(site, sender, user, " ENVID=QQ+2B314+3D159", " NOTIFY=SUCCESS ORCPT=rfc822;Someone+2Belse@elsewhere.example")
    of_message, of_recipient = status(reports(site, sender, 1)[0])
    equal(of_message["Original-Envelope-Id"], "QQ+314=159")
    equal(of_recipient["Original-Recipient"].replace(" ", ""), "rfc822;Someone+else@elsewhere.example")


@rule("3461", "6.3", "MUST", "Where none was given the report has none", "DSN")
def what_was_not_given(site):
    sender, user = site.mailbox(), site.mailbox()
    send_for_report(site, sender, user, at_rcpt=" NOTIFY=SUCCESS")
    of_message, _ = status(reports(site, sender, 1)[0])
    equal(of_message["Original-Envelope-Id"], None)


@rule("3461", "4.3, 5.2.3", "SHOULD", "A report of success does not carry the message's text back, whatever RET says", "DSN")
def reports_of_success_are_short(site):
    sender, user = site.mailbox(), site.mailbox()
    for option in (" RET=HDRS", " RET=FULL", ""):
        send_for_report(site, sender, user, option, " NOTIFY=SUCCESS", b"this is the text\r\n" * 3)
    for report in reports(site, sender, 3):
        assert b"this is the text" not in report, "the text comes back"
        assert b"Subject: reported" in report, "the header does not"


@rule("3461", "4.1, 5.2.3", "MUST",
      "Success is reported to nobody who did not ask for it: no NOTIFY, NEVER, or only FAILURE and DELAY", "DSN")
def success_is_not_reported(site):
    sender, user = site.mailbox(), site.mailbox()
    for option in ("", " NOTIFY=NEVER", " NOTIFY=FAILURE", " NOTIFY=FAILURE,DELAY", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;the-last@one.example"):
        send_for_report(site, sender, user, at_rcpt=option)
    report, = reports(site, sender, 1)
    assert b"the-last@one.example" in report
    equal(len(site.fetch(user)), 5)


@rule("3461", "6.1; 5321 4.5.5", "MUST", "Nothing is reported about a message that has no sender", "DSN")
def no_sender_no_report(site):
    user = site.mailbox()
    send_for_report(site, "", user, at_rcpt=" NOTIFY=SUCCESS,FAILURE,DELAY")
    equal(len(site.fetch(user)), 1)


@rule("3461", "5.2.7.1", "MUST", "For an alias that leads to one mailbox success is reported under the address that was given", "DSN")
def reports_of_aliases(site):
    sender, user = site.mailbox(), site.mailbox()
    name = site.alias(user)
    send_for_report(site, sender, name, at_rcpt=" NOTIFY=SUCCESS ORCPT=rfc822;" + name)
    _, of_recipient = status(reports(site, sender, 1)[0])
    assert of_recipient["Action"] in ("delivered", "expanded", "relayed"), of_recipient["Action"]
    equal(of_recipient["Original-Recipient"].replace(" ", ""), "rfc822;" + name)


@rule("3461", "5.2.3", "MUST", "Of several recipients each is reported that asked for it, and no other", "DSN")
def reports_are_for_each(site):
    sender, loud, quiet = site.mailbox(), site.mailbox(), site.mailbox()
    with site.smtp() as session:
        session.must("MAIL FROM:<%s>" % sender)
        session.must(rcpt(loud) + " NOTIFY=SUCCESS")
        session.must(rcpt(quiet) + " NOTIFY=NEVER")
        equal(session.data(message("two") + b".\r\n")[0], "250")
    report, = reports(site, sender, 1)
    assert loud.encode() in report and quiet.encode() not in report


# ---- RFC 6531: SMTPUTF8

GREEK = "δοκιμή@elsewhere.example"
GERMAN = "jürgen@bücher.example"


def fetch_in_utf8(site, user):
    site.settle()
    with site.greeted() as session:
        if any(line.startswith("UTF8") for line in session.listing("CAPA")):
            session.must("UTF8")
        session.login(user, site.password)
        return retrieved(session)


@rule("6531", "3.1", "MUST", "SMTPUTF8 is announced without parameters, and 8BITMIME with it", "SMTPUTF8")
def smtputf8_keyword(site):
    for service in ("smtp", "submission", "submissions"):
        with site.smtp(service) as session:
            equal(session.extensions.get("SMTPUTF8"), [], service)
            assert "8BITMIME" in session.extensions


@rule("6531", "3.4", "MUST", "SMTPUTF8 is a parameter of MAIL without a value, in any case", "SMTPUTF8")
def smtputf8_parameter(site):
    tries(site, MAIL, ("SMTPUTF8", "smtputf8 BODY=8BITMIME", "SIZE=100 SMTPUTF8"), ("SMTPUTF8=", "SMTPUTF8=1", "SMTPUTF8=YES"))


@rule("6531", "3.3, 3.4", "MUST", "With it the sender may be of UTF-8 letters, in the local part and the domain, quoted or not", "SMTPUTF8")
def senders_of_utf8(site):
    user = site.mailbox()
    senders = (GREEK, GERMAN, '"ü x"@elsewhere.example', "用户@例子.example")
    for sender in senders:
        with site.smtp() as session:
            session.deliver(message("utf8"), user, sender=sender, parameters=" SMTPUTF8")
    paths = [split(copy)[0][b"return-path"].decode() for copy in fetch_in_utf8(site, user)]
    equal(len(paths), len(senders))
    for sender, path in zip(senders, paths):
        assert sender.split("@")[0] in path, path


@rule("6531", "3.5", "MUST", "Without it such an address is refused with 550 or 553, and X.6.7", "SMTPUTF8")
def no_utf8_without_the_parameter(site):
    with site.smtp() as session:
        code, text = session.refused("MAIL FROM:<%s>" % GREEK, "5")
        assert code in ("550", "553") and text.startswith("5.6.7 "), (code, text)
        session.must(MAIL)
        code, text = session.refused("RCPT TO:<δοκιμή@example.org>", "5")
        assert code in ("550", "553") and text.startswith("5.6.7 "), (code, text)


@rule("6531", "3.3, 3.5", "MUST", "A recipient of UTF-8 letters is looked up like any other", "SMTPUTF8")
def recipients_of_utf8(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.must(MAIL + " SMTPUTF8")
        code, text = session.refused("RCPT TO:<δοκιμή@example.org>", "55")
        assert text.startswith("5.1.1 "), (code, text)
        session.must(rcpt(user))
        equal(session.data(message("utf8") + b".\r\n")[0], "250")
    site.only(user)


@rule("6531", "3.3", "MUST", "An address that is not UTF-8 is refused: stray octets, long forms, surrogates, cut sequences", "SMTPUTF8")
def not_utf8(site):
    with site.smtp() as session:
        for octets in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            session.refused(b"MAIL FROM:<a" + octets + b"@elsewhere.example> SMTPUTF8", "5")
            session.refused(b"MAIL FROM:<a@" + octets + b".example> SMTPUTF8", "5")
        session.must(MAIL + " SMTPUTF8")


@rule("6531; 5891", "3.2; 5.5", "MUST", "A domain in UTF-8 and in its ASCII form is one domain", "SMTPUTF8")
def one_domain(site):
    user = site.mailbox_at("xn--bcher-kva.example")
    written = user.split("@")[0] + "@bücher.example"
    with site.smtp() as session:
        session.must(MAIL + " SMTPUTF8")
        session.must(rcpt(written))
        equal(session.data(message("idn") + b".\r\n")[0], "250")
    site.only(user)


@rule("6531", "3.6", "MUST", "A header in UTF-8 comes through octet for octet", "SMTPUTF8")
def headers_of_utf8(site):
    user = site.mailbox()
    text = message("Grüße, 日本語", "bödy\r\n".encode(), "jürgen@bücher.example")
    with site.smtp() as session:
        session.deliver(text, user, parameters=" SMTPUTF8 BODY=8BITMIME")
    copy, = fetch_in_utf8(site, user)
    equal(sent(copy), text)


@rule("6531", "3.7.3", "SHOULD", "The word behind `with` in the Received field is UTF8SMTP, and UTF8SMTPS under TLS", "SMTPUTF8")
def with_utf8(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("utf8"), user, sender=GREEK, parameters=" SMTPUTF8")
        session.starttls()
        session.deliver(message("utf8"), user, sender=GREEK, parameters=" SMTPUTF8")
    equal([with_what(copy) for copy in fetch_in_utf8(site, user)], ["UTF8SMTP", "UTF8SMTPS"])


@rule("6531", "3.7.4", "MUST", "A reply is of ASCII where the client has not said SMTPUTF8", "SMTPUTF8")
def replies_of_ascii(site):
    with site.smtp() as session:
        for line in ("NOOP ü", "VRFY ü", "HELP ü", "MAIL FROM:<%s>" % GREEK, "ü", "EHLO bücher.example"):
            for each in session.wire(line):
                assert all(octet < 128 for octet in each), (line, each)


@rule("6531", "3.7.4.2", "MUST", "VRFY takes the parameter SMTPUTF8", "SMTPUTF8")
def vrfy_with_utf8(site):
    with site.smtp() as session:
        for line in ("VRFY δοκιμή@example.org SMTPUTF8", "VRFY nobody SMTPUTF8"):
            assert session.command(line)[0] in ("250", "251", "252", "550", "553"), line


@rule("6531", "3.1", "MUST", "A MAIL line may be ten octets longer for it", "SMTPUTF8")
def longer_mail_lines(site):
    with site.smtp() as session:
        line = MAIL + " SMTPUTF8"
        session.must(line + " " * (520 - len(line)))


# ---- RFC 2033: LMTP

@rule("2033", "4.1", "MUST", "LHLO is answered as EHLO is in SMTP", "LMTP")
def lhlo(site):
    with site.smtp("lmtp", hello=None) as session:
        session.refused("LHLO", "501")
        first, *others = session.wire("LHLO client.example")
        equal(first[4:].split(b" ")[0], session.greeting.split(" ")[0].encode())
        for line in others:
            assert re.fullmatch(rb"250[ -][A-Za-z0-9][A-Za-z0-9-]*( [!-~]+)*", line), line


@rule("2033", "4.1", "MUST", "EHLO and HELO are never answered well; 500 is the code for it", "LMTP")
def no_ehlo(site):
    user = site.mailbox()
    with site.smtp("lmtp", hello=None) as session:
        for line in ("EHLO client.example", "HELO client.example"):
            session.refused(line, "500")
        session.refused(MAIL, "503")
        session.must("LHLO client.example")
        session.envelope(SENDER, [user])


@rule("2033", "4.1", "MUST", "LHLO is no command of SMTP", "LMTP")
def no_lhlo(site):
    for service in ("smtp", "submission"):
        with site.smtp(service) as session:
            session.refused("LHLO client.example", "50")


@rule("2033", "5", "MUST", "PIPELINING and ENHANCEDSTATUSCODES are announced; 8BITMIME SHOULD be", "LMTP")
def extensions_of_lmtp(site):
    with site.smtp("lmtp") as session:
        for keyword in ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"):
            assert keyword in session.extensions, keyword


@rule("2033", "4.2", "MUST",
      "The end of a message has one reply for each recipient that was accepted, in their order, and none for others", "LMTP")
def a_reply_for_each(site):
    users = [site.mailbox() for _ in range(3)]
    with site.smtp("lmtp") as session:
        session.must(MAIL)
        for recipient in (users[0], "nobody@example.org", users[1], "x@elsewhere.example", users[2]):
            session.command(rcpt(recipient))
        session.must("DATA", "354")
        session.stream.send(message("each") + b".\r\n")
        for _ in users:
            equal(session.reply()[0], "250")
        assert is_silent(session), "one more"
        session.must("NOOP")
    for user in users:
        equal(sent(site.only(user)), message("each"))


@rule("2033", "4.2", "MUST", "A recipient that was named twice has two replies", "LMTP")
def a_reply_for_each_mention(site):
    user = site.mailbox()
    with site.smtp("lmtp") as session:
        session.envelope(SENDER, [user, user])
        session.must("DATA", "354")
        session.stream.send(message("twice") + b".\r\nQUIT\r\n")
        equal([session.reply()[0] for _ in range(3)], ["250", "250", "221"])


@rule("2033", "4.2", "MUST", "DATA without an accepted recipient gets 503", "LMTP")
def lmtp_data_without_recipients(site):
    with site.smtp("lmtp") as session:
        session.must(MAIL)
        session.refused(rcpt("nobody@example.org"), "55")
        session.refused("DATA", "503")
        session.must("NOOP")


@rule("2033", "4.2", "MUST", "With pipelined commands the replies are as many, and in the same order", "LMTP")
def lmtp_pipelined(site):
    users = [site.mailbox(), site.mailbox()]
    with site.smtp("lmtp") as session:
        session.stream.send(("%s\r\n%s\r\n%s\r\n%s\r\nDATA\r\n" % (MAIL, rcpt(users[0]), rcpt("nobody@example.org"), rcpt(users[1]))).encode())
        equal([session.reply()[0] for _ in range(5)], ["250", "250", "550", "250", "354"])
        session.stream.send(message("pipelined") + (".\r\n%s\r\n%s\r\nRSET\r\nQUIT\r\n" % (MAIL, rcpt(users[0]))).encode())
        equal([session.reply()[0] for _ in range(6)], ["250"] * 5 + ["221"])


@rule("2033; 3030", "4.2, 5; 2", "MUST", "With BDAT only the last chunk has a reply for each recipient", "LMTP")
def lmtp_chunks(site):
    users = [site.mailbox(), site.mailbox()]
    text = message("chunks")
    with site.smtp("lmtp") as session:
        if "CHUNKING" not in session.extensions:
            return
        session.envelope(SENDER, users)
        session.stream.send(chunk(text[:20]) + chunk(text[20:], True) + b"QUIT\r\n")
        equal([session.reply()[0] for _ in range(4)], ["250", "250", "250", "221"])
    for user in users:
        equal(sent(site.only(user)), text)


@rule("2033; 2034", "5; 4", "MUST", "Each of these replies has its enhanced status code", "LMTP")
def lmtp_codes(site):
    users = [site.mailbox(), site.mailbox()]
    with site.smtp("lmtp") as session:
        session.envelope(SENDER, users)
        session.must("DATA", "354")
        session.stream.send(message("codes") + b".\r\n")
        for _ in users:
            assert re.match(r"2\.\d\.\d ", session.expect("250"))


@rule("2033; 3848", "4.1; 3", "SHOULD", "The word behind `with` in the Received field is LMTP", "LMTP")
def with_lmtp(site):
    user = site.mailbox()
    with site.smtp("lmtp") as session:
        session.envelope(SENDER, [user])
        equal(session.data(message("trace") + b".\r\n")[0], "250")
    equal(with_what(site.only(user)), "LMTP")


@rule("2033; 5321", "4.2; 4.1.1.4", "MUST", "Nothing but CR LF . CR LF ends a message here either", "LMTP")
def lmtp_false_ends(site):
    for octets in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n"):
        refuses_bare(site, octets, "lmtp")


by_dialogue("2033", "4.2", "MUST",
            "What is wrong for one recipient is said for that one; the others get their mail", "lmtp_loops_are_for_one_recipient", "LMTP")
by_dialogue("2033", "4.2", "MUST", "What is wrong with the message is said once for each recipient", "lmtp_with_a_bare_newline", "LMTP")

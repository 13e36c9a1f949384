"""TLS, logins and submission: RFC 3207, 8314, 8689, 4954, 6409, 4865, 6710. See book.py."""

import contextlib
import email.utils
import re
import select
import socket
import ssl
import time

import mailstead
from book import Book, encoded, equal
from mailstead import Closed
from smtp_core_rules import MAIL, SENDER, rcpt
from smtp_sites import Smtp, message, sent, split

BOOK = Book()
RULES, rule, by_dialogue, departed = BOOK.rules, BOOK.rule, BOOK.by_dialogue, BOOK.departed

OF_ITS_OWN = "[limits]\nrecipients = 100\n"  # wrong passwords slow down all that comes from the same address
SUBMISSION = ("submission", "submissions")


# ---- RFC 3207: STARTTLS

@rule("3207", "4", "MUST", "STARTTLS is announced without parameters, and takes none: 501", "STARTTLS")
def starttls_keyword(site):
    with site.smtp() as session:
        equal(session.extensions["STARTTLS"], [])
        equal(session.command("STARTTLS now")[0], "501")
        session.must("STARTTLS", "220")


@rule("3207", "4", "MUST", "STARTTLS: 220, the handshake, then the session begins anew, without another greeting", "STARTTLS")
def starttls(site):
    user = site.mailbox()
    for service in ("smtp", "submission"):
        with site.smtp(service) as session:
            session.starttls()
            if service == "submission":
                session.must("AUTH PLAIN " + encoded("", user, site.password), "235")
            session.deliver(message("tls", sender=user), user, sender=user)
    equal(len(site.fetch(user)), 2)


@rule("3207", "4.2", "MUST", "It is not announced under TLS, and refused there", "STARTTLS")
def starttls_twice(site):
    with site.smtp() as session:
        session.starttls()
        assert "STARTTLS" not in session.extensions
        session.refused("STARTTLS", "5")
        session.must("NOOP")
    with site.smtp("submissions") as session:
        assert "STARTTLS" not in session.extensions
        session.refused("STARTTLS", "5")


@rule("3207", "4.2", "MUST", "What the client said before the handshake is forgotten: its name and its transaction", "STARTTLS")
def starttls_forgets(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.envelope(SENDER, [user])
        code, _ = session.command("STARTTLS")
        if code == "220":
            session.stream.start_tls()
            session.refused("DATA", "503")
            session.refused(MAIL, "503")
            session.must("EHLO client.example")
            session.refused("DATA", "503")
        else:
            equal(code, "503")


by_dialogue("3207", "4.2", "MUST", "A login from before the handshake is forgotten as well", "starttls_forgets_the_login", "STARTTLS")


@rule("3207", "4.2, 6", "MUST", "What stands behind STARTTLS in one packet is never run after the handshake", "STARTTLS")
def starttls_injection(site):
    for behind in (b"NOOP\r\n", b"EHLO evil.example\r\n" + MAIL.encode() + b"\r\n", b"\r\n", b"QUIT\r\n"):
        with site.smtp() as session:
            session.stream.send(b"STARTTLS\r\n" + behind)
            try:
                if session.reply()[0] != "220":
                    assert session.stream.rest() == b"", "it was run in the clear"
                    continue
                session.stream.start_tls()
                session.stream.socket.settimeout(0.5)
                session.stream.fill()
            except (Closed, OSError, ssl.SSLError, AssertionError) as error:
                if isinstance(error, AssertionError) and "run" in str(error):
                    raise
                continue
            raise AssertionError("the command was run: %r" % bytes(session.stream.buffer))


@rule("3207", "4", "MUST", "A server for mail from everywhere takes it without TLS too", "STARTTLS")
def tls_is_not_required(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("clear"), user)
    site.only(user)


@rule("3207", "4.1", "MUST", "A handshake that fails ends the connection, and nothing else", "STARTTLS")
def handshakes_that_fail(site):
    for garbage in (b"\x16\x03\x01\x00\x05hello", b"EHLO client.example\r\n" * 5, b"\0" * 100):
        with site.smtp() as session:
            session.must("STARTTLS", "220")
            session.stream.send(garbage)
            with contextlib.suppress(OSError):  # the server may have closed already
                session.stream.socket.shutdown(socket.SHUT_WR)
            assert b"250" not in session.stream.rest()
    with site.smtp() as session:
        session.must("NOOP")


@rule("3207", "4.2", "MUST",
      "A command may be refused only for want of TLS where TLS is asked for; EHLO, NOOP, QUIT and STARTTLS never", "STARTTLS")
def never_for_want_of_tls(site):
    for service in ("smtp", "submission"):
        with site.smtp(service) as session:
            for line in ("NOOP", "EHLO client.example", "RSET"):
                session.must(line)
            session.must("QUIT", "221")


# ---- RFC 8314

@rule("8314", "3.3", "MUST", "Submission over TLS from the first octet, with the greeting inside")
def implicit_tls(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        session.deliver(message("tls", sender=user), user, sender=user)
    site.only(user)
    with mailstead.Stream(site.ports["submissions"]) as stream:
        stream.send(b"EHLO client.example\r\n")
        assert b"220" not in stream.rest() and b"250" not in stream.rest(), "it speaks in the clear"


def versions(site, service):
    """The versions of TLS that are spoken there."""
    found = set()
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = mailstead.no_verify_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            if service == "submissions":
                with mailstead.Stream(site.ports[service]) as stream:
                    stream.start_tls(context)
                    Smtp(stream)
            else:
                with site.smtp(service) as session:
                    session.starttls(context)
            found.add(version)
        except (ssl.SSLError, OSError, Closed):
            pass
    return found


@rule("8314; 8997", "4.1; 2", "MUST", "TLS 1.2 and 1.3 are spoken on the services for users, older ones are not")
def tls_versions(site):
    for service in SUBMISSION:
        equal(versions(site, service), {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}, service)


@rule("8314", "4.3", "SHOULD", "The Received field tells the cipher suite of a session under TLS, and only of such a one")
def cipher_in_the_trace(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.deliver(message("clear"), user)
        session.starttls()
        name = session.stream.socket.cipher()[0].encode()
        session.deliver(message("tls"), user)
    clear, secret = (b" ".join(split(copy)[0][b"received"].split()) for copy in site.fetch(user))
    assert b"TLS" not in clear.upper().replace(b"ESMTPS", b""), clear
    assert name in secret, secret


@rule("8314", "4.3", "SHOULD", "It does so in the `tls` clause that is registered for it, behind `id` and `for`")
def tls_clause(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.starttls()
        name = session.stream.socket.cipher()[0]
        session.deliver(message("tls"), user)
    line = b" ".join(split(site.only(user))[0][b"received"].split()).decode()
    assert re.search(r" id \S+( for <[^<>]+>)? tls %s( [^;]*)?; " % name, line), line


@rule("8314", "3.4", "MUST", "After QUIT the TLS connection is closed by its own alert, not only cut")
def tls_ends_with_an_alert(site):
    with site.smtp("submissions") as session:
        session.must("QUIT", "221")
        session.stream.socket.suppress_ragged_eofs = False
        equal(session.stream.socket.recv(100), b"")


by_dialogue("8314; 4954", "4.1; 13", "SHOULD", "A password in the clear from afar is refused before it is said", "auth_needs_tls")


@rule("3207", "6", "MUST", "A message that ends with a TLS connection cut short is none", "STARTTLS")
def a_message_cut_short(site):
    user = site.mailbox()
    for end in (False, True):
        session = site.smtp()
        session.starttls()
        session.envelope(SENDER, [user])
        session.must("DATA", "354")
        session.stream.send(message("cut") + (b"." if end else b""))
        socket.socket(fileno=session.stream.socket.detach()).close()
    with site.smtp() as session:
        session.deliver(message("whole"), user)
    equal(sent(site.only(user)), message("whole"))


# ---- RFC 8689: REQUIRETLS

@rule("8689", "2", "MUST", "REQUIRETLS is announced under TLS only, and without parameters", "REQUIRETLS")
def requiretls_keyword(site):
    for service in ("smtp", "submission"):
        with site.smtp(service) as session:
            assert "REQUIRETLS" not in session.extensions, "in the clear"
            session.starttls()
            equal(session.extensions.get("REQUIRETLS", []), [])


@rule("8689", "2, 3", "MUST", "As a parameter of MAIL it is taken under TLS, and has no value", "REQUIRETLS")
def requiretls_parameter(site):
    user = site.mailbox()
    with site.smtp() as session:
        session.starttls()
        for wrong in ("REQUIRETLS=", "REQUIRETLS=1", "REQUIRETLS=YES"):
            session.refused(MAIL + " " + wrong, "5")
        session.deliver(message("required"), user, parameters=" REQUIRETLS")
        session.must(MAIL + " requiretls SIZE=100")
    site.only(user)


@rule("8689", "2, 4.1", "MUST", "In the clear it is refused", "REQUIRETLS")
def requiretls_in_the_clear(site):
    with site.smtp() as session:
        session.refused(MAIL + " REQUIRETLS", "5")
        session.must(MAIL)


@rule("8689", "4.1", "MUST", "A TLS-Required field does not contradict it: the message is taken, and the field stays", "REQUIRETLS")
def requiretls_and_its_header(site):
    user = site.mailbox()
    text = b"TLS-Required: No\r\n" + message("both")
    with site.smtp() as session:
        session.starttls()
        session.deliver(text, user, parameters=" REQUIRETLS")
        session.deliver(text, user)
    equal([sent(copy) for copy in site.fetch(user)], [text, text])


# ---- RFC 4954: AUTH

def works(session, user, site):
    session.must("AUTH PLAIN " + encoded("", user, site.password), "235")
    session.must("MAIL FROM:<%s>" % user)


@rule("4954", "3", "MUST", "AUTH is announced with its mechanisms, and each of them is there", "AUTH")
def auth_keyword(site):
    for service in SUBMISSION:
        with site.smtp(service) as session:
            mechanisms = session.extensions["AUTH"]
            assert mechanisms
            equal(len(mechanisms), len(set(mechanisms)))
            for mechanism in mechanisms:
                assert re.fullmatch("[A-Z0-9_-]{1,20}", mechanism), mechanism
                code = session.command("AUTH " + mechanism)[0]
                equal(code, "334", mechanism)
                session.refused("*", "501")


@rule("4954", "4", "MUST", "PLAIN with and without an initial response opens the session: 235", "AUTH PLAIN")
def auth_plain(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        works(session, user, site)
    with site.smtp("submissions") as session:
        equal(session.wire("AUTH PLAIN"), [b"334 "])
        session.must(encoded("", user, site.password), "235")
        session.must("MAIL FROM:<%s>" % user)
    with site.smtp("submissions") as session:
        session.must("AUTH PLAIN " + encoded(user, user, site.password), "235")


@rule("4954", "4", "MUST", "A challenge is 334, a blank and base64; the name of a mechanism has no case", "AUTH LOGIN")
def auth_login(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        for line, answer in (("auth login", b"334 VXNlcm5hbWU6"), (encoded(user), b"334 UGFzc3dvcmQ6")):
            equal(session.wire(line), [answer])
        session.must(encoded(site.password), "235")
        session.must("MAIL FROM:<%s>" % user)


@rule("4954", "4", "MUST", "`=` is an initial response of no octets, and not a missing one", "AUTH PLAIN")
def auth_with_an_empty_response(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        assert session.command("AUTH PLAIN =")[0] in ("501", "535"), "another response is asked for"
        works(session, user, site)


@rule("4954", "4", "MUST", "`*` ends the exchange with 501, and the session goes on", "AUTH PLAIN")
def auth_cancelled(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        session.must("AUTH PLAIN", "334")
        session.refused("*", "501")
        works(session, user, site)


@rule("4954", "4", "MUST", "What is not base64 gets 501, and the session goes on", "AUTH PLAIN")
def auth_not_base64(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        for response in ("!!!!", "AGE", "AGEAYQ=", "A GEAYQ==", "AGEAYQ==AGEA", "\u00e9"):
            session.must("AUTH PLAIN", "334")
            equal(session.command(response)[0], "501", response)
        session.refused("AUTH PLAIN !!!!", "501")
        works(session, user, site)


@rule("4954", "4", "MUST", "A mechanism that is not there gets 504", "AUTH")
def auth_unknown(site):
    with site.smtp("submissions") as session:
        equal(session.command("AUTH NO-SUCH-MECHANISM")[0], "504")
        assert session.command("AUTH")[0] in ("501", "504")


@rule("4954", "4", "MUST", "AUTH after a login gets 503", "AUTH PLAIN")
def auth_twice(site):
    with site.smtp("submissions", site.mailbox()) as session:
        session.refused("AUTH PLAIN", "503")
        session.must("NOOP")


@rule("4954", "4", "MUST", "AUTH within a transaction gets 503, and the transaction stays", "AUTH PLAIN")
def auth_in_a_transaction(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        session.envelope(user, [user])
        session.refused("AUTH PLAIN " + encoded("", user, site.password), "503")
        equal(session.data(message("auth", sender=user) + b".\r\n")[0], "250")


@rule("4954", "4", "MUST", "AUTH before EHLO gets 503", "AUTH PLAIN")
def auth_before_ehlo(site):
    user = site.mailbox()
    with site.smtp("submissions", hello=None) as session:
        session.refused("AUTH PLAIN " + encoded("", user, site.password), "5")
        session.must("EHLO client.example")
        works(session, user, site)


@rule("4954", "4, 6", "MUST",
      "A wrong password gets 535, with the same words whether the name exists, and another try may be good", "AUTH PLAIN", OF_ITS_OWN)
def auth_wrong(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        known = session.refused("AUTH PLAIN " + encoded("", user, "wrong"), "535")
        unknown = session.refused("AUTH PLAIN " + encoded("", "nobody@example.org", "wrong"), "535")
        equal(known, unknown)
        session.refused("MAIL FROM:<%s>" % user, "5")
        works(session, user, site)


@rule("4954; 4616", "4; 2", "MUST", "Nobody logs in for somebody else, without a name or without a password", "AUTH PLAIN", OF_ITS_OWN)
def auth_for_others(site):
    user, other = site.mailbox(), site.mailbox()
    with site.smtp("submissions") as session:
        for parts in ((other, user, site.password), ("", "", site.password), ("", user, ""), (user, site.password)):
            session.refused("AUTH PLAIN " + encoded(*parts), "5")
        session.refused("MAIL FROM:<%s>" % user, "5")
        works(session, user, site)


@rule("4954", "4", "MUST", "The lines of an exchange may have 12288 octets", "AUTH PLAIN", OF_ITS_OWN)
def auth_long_lines(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        response = encoded("", user, "x" * 9000)
        response = encoded("", user, "x" * (9000 + (12284 - len(response)) // 4 * 3))
        assert 12280 <= len(response) <= 12286, len(response)
        session.must("AUTH PLAIN", "334")
        equal(session.command(response)[0][:2], "53")
        works(session, user, site)


@rule("4954", "4", "MUST", "A line that is too long gets 500 5.5.6, and the session goes on", "AUTH PLAIN")
def auth_too_long_lines(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        session.must("AUTH PLAIN", "334")
        assert session.refused("A" * 20000, "500")[1].startswith("5.5.6 ")
        works(session, user, site)


@rule("4954", "4", "MUST", "After a login without a security layer the session goes on as it is: no EHLO is needed", "AUTH PLAIN")
def auth_goes_on(site):
    user = site.mailbox()
    with site.smtp("submissions") as session:
        works(session, user, site)
        session.must(rcpt(user))


@rule("4954", "5", "MUST", "MAIL takes AUTH= with xtext or <>, and a line that is 500 octets longer for it", "AUTH PLAIN")
def auth_parameter(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        for value in ("<>", "e+3Dmc2@example.com", user, "x" * 450 + "@example.com"):
            session.must("MAIL FROM:<%s> AUTH=%s" % (user, value))
            session.must("RSET")
        session.envelope(user, [user], " SIZE=100 AUTH=<>")
        equal(session.data(message("auth", sender=user) + b".\r\n")[0], "250")


@rule("4954; 3461", "5; 4", "MUST", "A value of AUTH= that is no xtext gets 501", "AUTH PLAIN")
def auth_parameter_that_is_none(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        for value in ("", "a=b", "a+", "a+3", "a+3d", "a+zz", "a+g0"):
            equal(session.command("MAIL FROM:<%s> AUTH=%s" % (user, value))[0], "501", value)
        session.must("MAIL FROM:<%s>" % user)


@rule("4954", "6", "MUST", "530 is for what needs a login, never for EHLO, HELO, NOOP, RSET, QUIT and AUTH", "AUTH")
def never_for_want_of_a_login(site):
    with site.smtp("submissions") as session:
        for line in ("EHLO client.example", "HELO client.example", "NOOP", "RSET", "EHLO client.example"):
            session.must(line)
        assert session.refused(MAIL, "530")[1].startswith("5.7.0 ")
        session.must("QUIT", "221")


by_dialogue("4954", "4, 13", "MUST", "It can be configured that no password is taken without encryption", "auth_never_in_the_clear")
by_dialogue("4954", "6", "SHOULD", "A login that fails for a passing trouble gets 454 4.7.0", "auth_when_storage_is_away")
by_dialogue("4954", "4", "MUST",
            "What a mechanism has to say with its success goes as a challenge, which the client answers with an empty line (SCRAM-SHA-256)",
            "auth_scram")
by_dialogue("4954; 4013", "4", "MUST", "Names are prepared by SASLprep before they are compared", "auth_scram_prepares_the_name")


# ---- RFC 6409: submission

@rule("6409", "4.3", "MUST", "MAIL without a login gets 530, and nothing of the transaction is taken")
def submission_needs_a_login(site):
    user = site.mailbox()
    for service in SUBMISSION:
        with site.smtp(service) as session:
            session.refused("MAIL FROM:<%s>" % user, "530")
            session.refused(rcpt(user), "5")
            session.refused("DATA", "5")


@rule("6409", "4.2", "MUST", "A sender or recipient whose domain is not fully qualified is refused")
def full_domains(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        for path in ("anna@sales", "anna", "anna@localhost"):
            session.refused("MAIL FROM:<%s>" % path, "5")
        session.must("MAIL FROM:<%s>" % user)
        for path in ("anna@sales", "anna", "anna@localhost"):
            session.refused(rcpt(path), "5")
        session.must(rcpt(user))


@rule("6409", "4.1, 5.1", "SHOULD", "An address of wrong syntax gets 501, and what is not allowed for another reason 550, 553 or 554")
def codes_of_submission(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        for line in ("MAIL FROM:<a@b..example>", "MAIL FROM:<a b@c.example>"):
            session.refused(line, "501")
        session.must("MAIL FROM:<%s>" % user)
        for line in ("RCPT TO:<a@b..example>", "RCPT TO:<a b@c.example>"):
            session.refused(line, "501")
        assert session.refused(rcpt("nobody@example.org"))[0] in ("550", "553", "554")


@rule("6409", "6.1", "MAY", "A sender that is not the user's own is refused with 550 or 553, and X.7.1; the user's own is good")
def submission_rights(site):
    user, other = site.mailbox(), site.mailbox()
    with site.smtp("submissions", user) as session:
        code, text = session.refused("MAIL FROM:<%s>" % other)
        assert code in ("550", "553") and text.startswith("5.7.1 "), (code, text)
        session.must("MAIL FROM:<%s>" % user)


@rule("6409", "8.2", "MAY", "A message without a Date gets one; one that is there stays")
def date_is_added(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        session.deliver(("Subject: bare\r\nFrom: %s\r\n\r\nx\r\n" % user).encode(), user, sender=user)
        session.deliver(message("dated", sender=user), user, sender=user)
    bare, dated = (mailstead.header_fields(copy)[0] for copy in site.fetch(user))
    added, = [line for name, line in bare if name == b"date"]
    assert email.utils.parsedate_to_datetime(added.partition(b":")[2].strip().decode())
    equal([line for name, line in dated if name == b"date"], [b"Date: Sat, 1 Jan 2000 00:00:00 +0000\r\n"])


@rule("6409", "8.3", "SHOULD", "A message without a Message-ID gets one of its own; one that is there stays")
def message_id_is_added(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        for _ in range(2):
            session.deliver(("Subject: bare\r\nFrom: %s\r\n\r\nx\r\n" % user).encode(), user, sender=user)
        session.deliver(message("named", sender=user), user, sender=user)
    found = [[line for name, line in mailstead.header_fields(copy)[0] if name == b"message-id"] for copy in site.fetch(user)]
    equal([len(each) for each in found], [1, 1, 1])
    for each in found[:2]:
        assert re.fullmatch(rb"Message-ID: <[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+>\r\n", each[0], re.IGNORECASE), each
    assert found[0] != found[1]
    equal(found[2], [b"Message-ID: <one@elsewhere.example>\r\n"])


@rule("6409", "8", "MUST", "A message that lacks nothing is not changed")
def nothing_else_is_changed(site):
    user = site.mailbox()
    text = message("untouched", b"Bcc: text\r\n.\r\nFrom x\r\n", sender=user)
    with site.smtp("submissions", user) as session:
        session.deliver(text, user, sender=user)
    equal(sent(site.only(user)), text)


@rule("6409", "7", "MUST",
      "On the submission port AUTH is announced, ETRN and ATRN are not; PIPELINING, ENHANCEDSTATUSCODES, 8BITMIME and DSN SHOULD be")
def extensions_of_submission(site):
    for service in SUBMISSION:
        with site.smtp(service) as session:
            for keyword in ("AUTH", "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"):
                assert keyword in session.extensions, keyword
            for keyword in ("ETRN", "ATRN"):
                assert keyword not in session.extensions, keyword
                session.refused(keyword + " example.org", "50")


@rule("6409", "7", "SHOULD", "DSN is there too", "DSN")
def dsn_of_submission(site):
    for service in SUBMISSION:
        with site.smtp(service) as session:
            assert "DSN" in session.extensions


@rule("6409", "7", "MUST", "521 is no reply of a submission server")
def no_521(site):
    with site.smtp("submissions") as session:
        for line in ("XYZZY", MAIL, "DATA", "AUTH X", "RCPT", "ETRN x"):
            assert session.command(line)[0] != "521", line


@rule("6409", "5.3", "SHOULD", "Every command is answered within two minutes")
def submission_is_quick(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        session.deliver(message("quick", sender=user), user, sender=user)
        assert not select.select([session.stream.socket], [], [], 0)[0]


by_dialogue("6409", "6.1", "MAY", "A From field that names somebody else is refused with 550 5.7.1", "submission_checks_from")


# ---- RFC 4865: FUTURERELEASE, and RFC 6710: MT-PRIORITY

def for_a_user(site, session, good, bad):
    """Each of the good parameters of MAIL is taken, each of the bad ones is 501, and the session goes on."""
    user = site.mailbox()
    session.must("AUTH PLAIN " + encoded("", user, site.password), "235")
    for parameters in good:
        session.must("MAIL FROM:<%s> %s" % (user, parameters))
        session.must("RSET")
    for parameters in bad:
        session.refused("MAIL FROM:<%s> %s" % (user, parameters), "501")


def in_seconds(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@rule("4865", "3", "MUST", "FUTURERELEASE is announced on submission only, with the longest interval and the last time", "FUTURERELEASE")
def futurerelease_keyword(site):
    for service in SUBMISSION:
        with site.smtp(service) as session:
            interval, last = session.extensions["FUTURERELEASE"]
            assert re.fullmatch("[1-9][0-9]{0,8}", interval), interval
            assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", last), last
    with site.smtp() as session:
        assert "FUTURERELEASE" not in session.extensions
        session.refused("MAIL FROM:<sender@elsewhere.example> HOLDFOR=60", "5")


@rule("4865", "4", "MUST", "HOLDFOR is up to nine digits, HOLDUNTIL a date and time of RFC 3339; one of them, and within the limits",
      "FUTURERELEASE")
def futurerelease_parameters(site):
    with site.smtp("submissions") as session:
        interval = int(session.extensions["FUTURERELEASE"][0])
        for_a_user(site, session,
                   ("HOLDFOR=1", "holdfor=%d" % interval, "HOLDUNTIL=" + in_seconds(60), "holduntil=" + in_seconds(60).replace("Z", "+00:00")),
                   ("HOLDFOR=", "HOLDFOR=-1", "HOLDFOR=1234567890", "HOLDFOR=%d" % (interval + 1), "HOLDUNTIL=", "HOLDUNTIL=60",
                    "HOLDUNTIL=" + in_seconds(-60), "HOLDUNTIL=" + in_seconds(interval + 60), "HOLDFOR=60 HOLDUNTIL=" + in_seconds(60)))


@rule("4865", "4", "MUST", "A held message is not given out before its time, and is then", "FUTURERELEASE")
def futurerelease_holds(site):
    user = site.mailbox()
    with site.smtp("submissions", user) as session:
        session.deliver(b"Subject: held\r\n\r\nx\r\n", user, sender=user, parameters=" HOLDFOR=3")
    equal(site.fetch(user), [])
    found = mailstead.until(lambda: site.fetch(user), "its time has come")
    equal(len(found), 1)


@rule("6710", "4", "MUST", "MT-PRIORITY is a parameter of MAIL from -9 to 9, for who may ask for it", "MT-PRIORITY")
def priorities(site):
    with site.smtp("submissions") as session:
        for_a_user(site, session, ["MT-PRIORITY=%d" % priority for priority in range(-9, 10)],
                   ("MT-PRIORITY=", "MT-PRIORITY=10", "MT-PRIORITY=-10", "MT-PRIORITY=+1", "MT-PRIORITY=high"))
    with site.smtp() as session:
        session.refused("MAIL FROM:<sender@elsewhere.example> MT-PRIORITY=3", "5")
